/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The socket, from flowcronctl's side: connect, call, wait with a deadline.
 *
 * The daemon must be of our own user (or root's), or we be root: whoever made another socket in that place is not talked to.
 */

#include "varlink.h"

typedef struct Client Client;

/* The daemon answers at once, except that an order waits for the disk. */
#define CLIENT_DEADLINE (60 * USEC_PER_SEC)

/** client_open() - connect to the socket at @path. 0, or -errno with why in @e. */
int client_open(const char *path, Client **ret, Error *e);
Client *client_free(Client *c);
DEFINE_CLEANUP(Client *, client_free)

/** client_send() - call @method of org.flowcron.Control, named without its interface. Takes @parameters in any case. 0 or -errno. */
int client_send(Client *c, const char *method, cJSON *parameters, bool more);

/**
 * client_receive() - the next reply
 * @deadline: how long to wait; USEC_INFINITY: for good
 * Returns 0 with @ret (varlink_reply_done()); -ETIMEDOUT; -ECONNRESET when the daemon is gone; -EINTR (a signal); other -errno.
 */
int client_receive(Client *c, usec_t deadline, VarlinkReply *ret, Error *e);

/** client_call() - both, for a single reply. */
int client_call(Client *c, const char *method, cJSON *parameters, VarlinkReply *ret, Error *e);
