/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Orders left on disk for an owner that can't be reached: .flowcron/requests/TIME-UUID.json.
 *
 * flowcronctl writes one when no daemon answers on this host; the owner on another node, or the next pass of `flowcrond --once`, carries it out
 * and removes it. A file that is no request of the folder's owner is set aside as NAME.bad and never looked at again.
 */

#include "json.h"

/* So many are read at once; the rest follows with the next look. */
#define REQUESTS_MAX 1000

typedef struct Request {
        char *file;   /* its name in the folder */
        char *order;  /* "retry", "cancel", "restore", "purge", "reload", "rescan", "import" */
        char *uow;    /* raw bytes: id or name; NULL for orders about none */
        cJSON *items; /* of "import": array, see import.h; else NULL */
        usec_t time;
} Request;

typedef struct Requests {
        Request *items; /* oldest first */
        size_t n;
} Requests;

/** requests_write() - leave an order; durable when it returns 0. @uow NULL for none. */
int requests_write(int dir, const char *order, const char *uow, Error *e);

/* So many items go into one "import". */
#define REQUESTS_ITEMS_MAX 500

/** requests_write_import() - leave an order to import @items, an array of at most REQUESTS_ITEMS_MAX. As above. */
int requests_write_import(int dir, const cJSON *items, Error *e);

/** requests_read() - what is there now. @ret_bad: names set aside, or NULL; JSON array. 0 or -errno. */
int requests_read(int dir, Requests *ret, cJSON **ret_bad, Error *e);
void requests_done(Requests *r);

/** requests_remove() - it has been carried out (or refused) durably. Absent is done. */
int requests_remove(int dir, const char *file);
