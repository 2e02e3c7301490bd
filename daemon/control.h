/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The control socket: varlink for the owner and root, nobody else.
 *
 * control.c knows sockets, peers, frames, bounds and streams; what the methods do is in the table of control-methods.c, which the
 * manager hands down. A slow or vanished client costs the daemon a bounded queue and nothing else.
 */

#include <systemd/sd-event.h>

#include "uow.h"

typedef struct Control Control;
typedef struct ControlCall ControlCall; /* one call under way, on one connection */

/*
 * A method. It answers with control_reply() or control_error() before it returns, or keeps @call and answers later; a call whose client is gone is
 * taken away with control_call's own cancel function.
 */
typedef struct ControlMethod {
        const char *name; /* "org.flowcron.Control.Show" */
        int (*run)(ControlCall *call, const cJSON *parameters, void *userdata);
} ControlMethod;

/**
 * control_new() - listen at @path (made with its folder: 0700, socket 0600), or on a socket passed by systemd (sd_listen_fds)
 * A dead socket file of ours is replaced; a living one is -EADDRINUSE. Folder of somebody else: refused.
 */
int control_new(sd_event *event, const char *path, const ControlMethod *methods, size_t n_methods,
        const char *interface_description, void *userdata, Control **ret, Error *e);
Control *control_free(Control *c);
DEFINE_CLEANUP(Control *, control_free)

const char *control_path(const Control *c);

/* Answers. All take @parameters in any case (NULL: none). 0 or -errno (client gone, out of memory): the caller may ignore it. */
int control_reply(ControlCall *call, cJSON *parameters); /* last answer, ends the call */
int control_reply_more(
        ControlCall *call, cJSON *parameters); /* one of several; only if control_wants_more() */
int control_error(ControlCall *call, const char *error, cJSON *parameters); /* ends the call */
bool control_wants_more(const ControlCall *call);

/** control_on_cancel() - called when the client goes before the call has ended; the call is invalid afterwards. */
void control_on_cancel(
        ControlCall *call, void (*func)(ControlCall *call, void *userdata), void *userdata);

/** control_on_drain() - called whenever the output queue of a call that streams is empty again: send the next part. */
void control_on_drain(
        ControlCall *call, void (*func)(ControlCall *call, void *userdata), void *userdata);

/** control_each_call() - @func for every call of @method that is under way, with the userdata given to control_on_cancel(). @func may end the call. */
void control_each_call(Control *c, const char *method,
        void (*func)(ControlCall *call, void *userdata, void *arg), void *arg);

/* The table in control-methods.c; userdata is the Manager. */
extern const ControlMethod control_methods[];
extern const size_t control_n_methods;
extern const char control_interface[]; /* text of schema/org.flowcron.Control.varlink */

struct Manager;
/** control_publish() - an event became durable: to all calls of Watch. */
void control_publish(struct Manager *m, const Uow *u, const Event *ev);
