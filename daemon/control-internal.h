/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The control socket's inside, shared by its files only:
 *
 *   control-socket.c    where it lies, and whose folder that is
 *   control-peers.c     who may come in
 *   control.c           connections, calls: reading, queueing, deadlines, bounds
 *   control-service.c   which method is meant; what every varlink service answers
 */

#include <sys/queue.h>

#include "control.h"
#include "varlink.h"

/* Peers are people and scripts of one user; more than this is a fault of theirs. */
#define CONTROL_CONNECTIONS_MAX 128

/* A stream whose reader is so far behind is ended. */
#define CONTROL_QUEUE_MAX ((size_t)4 * 1024 * 1024)

/* For a call to arrive whole, and for a queue to move at all. */
#define CONTROL_FRAME_DEADLINE (10 * USEC_PER_SEC)
#define CONTROL_STALL_DEADLINE (60 * USEC_PER_SEC)

typedef struct Connection Connection;

struct ControlCall {
        Connection *connection;
        char *method;
        bool more, oneway;
        void (*cancel)(ControlCall *call, void *userdata);
        void *cancel_userdata;
        void (*drain)(ControlCall *call, void *userdata);
        void *drain_userdata;
        bool drain_due; /* something was sent, or can be for the first time, since drain was called last */
};

typedef enum Deadline {
        DEADLINE_NONE,
        DEADLINE_FRAME, /* half a call has arrived */
        DEADLINE_STALL, /* the peer reads nothing of what it was sent */
} Deadline;

struct Connection {
        Control *control;
        int fd;
        sd_event_source *io, *work, *timer;
        Deadline deadline;
        VarlinkReader reader;
        bool look; /* the reader may hold a whole frame */
        bool eof;  /* the peer sends no more */
        bool dead; /* to be freed as soon as nobody stands on it */
        char *out;
        size_t out_start, out_end, out_allocated;
        ControlCall *call; /* the one under way; the next waits for its end */
        TAILQ_ENTRY(Connection) entry;
};

struct Control {
        sd_event *event;
        int fd;
        int reserve; /* given up to let one peer in where there are no descriptors left; or -1 */
        char *path;
        bool passed; /* by systemd, whose it stays */
        dev_t dev;   /* of the socket file that we made */
        ino_t ino;
        sd_event_source *listening, *resume;
        const ControlMethod *methods;
        size_t n_methods;
        const char *interface_description;
        void *userdata;
        usec_t frame_deadline, stall_deadline; /* tests shorten them */
        TAILQ_HEAD(, Connection) connections;  /* the one that was active last is last */
        size_t n_connections;
};

/** control_socket_open() - sets fd, path, passed, dev and ino. 0 or -errno with @e. */
int control_socket_open(Control *c, const char *path, Error *e);

/** control_socket_close() - close it and remove the file, if that is still the one we made. */
void control_socket_close(Control *c);

/** control_service_dispatch() - have the call carried out, or refused. Returns as ControlMethod.run. */
int control_service_dispatch(ControlCall *call, const VarlinkCall *what);

/** control_accept(), control_accept_again() - the listening socket has peers waiting; a pause for lack of descriptors is over. */
int control_accept(sd_event_source *s, int fd, uint32_t revents, void *userdata);
int control_accept_again(sd_event_source *s, uint64_t usec, void *userdata);

/** control_reserve() - keep a descriptor for bad times, unless it is kept already or can't be had. */
void control_reserve(Control *c);

/** control_connection_new() - serve the peer behind @fd, which is taken in any case. 0 or -errno. */
int control_connection_new(Control *c, int fd);
void control_connection_free(Connection *k);

/** control_connection_is_idle() - no call under way, nothing received, nothing to be sent. */
bool control_connection_is_idle(const Connection *k);
