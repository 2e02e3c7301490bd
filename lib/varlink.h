/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Varlink messages (https://varlink.org/Method-Call): one JSON object a frame, a NUL after each.
 *
 * Pure: bytes in, values out, and the other way round. Sockets are the business of daemon/control.c and cli/client.c.
 */

#include <stdbool.h>
#include <stddef.h>

#include "json.h"

/* No call that we take is longer; a peer that sends more is garbage. */
#define VARLINK_FRAME_MAX ((size_t)1024 * 1024)

/* A reply may hold a whole history, which the daemon bounds by 4 MiB. */
#define VARLINK_REPLY_MAX ((size_t)8 * 1024 * 1024)

/* Errors that the varlink specification defines. */
#define VARLINK_E_INTERFACE_NOT_FOUND "org.varlink.service.InterfaceNotFound"
#define VARLINK_E_METHOD_NOT_FOUND "org.varlink.service.MethodNotFound"
#define VARLINK_E_METHOD_NOT_IMPLEMENTED "org.varlink.service.MethodNotImplemented"
#define VARLINK_E_INVALID_PARAMETER "org.varlink.service.InvalidParameter"
#define VARLINK_E_PERMISSION_DENIED "org.varlink.service.PermissionDenied"
#define VARLINK_E_EXPECTED_MORE "org.varlink.service.ExpectedMore"

/* ---- frames ---- */

/* Collects bytes until a frame is whole. Zero it before the first use, except @max. */
typedef struct VarlinkReader {
        size_t max; /* longest frame taken, without its NUL */
        char *buffer;
        size_t allocated;
        size_t start, end; /* bytes not handed out yet */
        size_t scanned;    /* up to here there is no NUL */
} VarlinkReader;

void varlink_reader_done(VarlinkReader *r);

/** varlink_reader_feed() - add bytes. 0 or -ENOMEM. */
int varlink_reader_feed(VarlinkReader *r, const void *data, size_t size);

/**
 * varlink_reader_next() - the next whole frame
 * Returns 1 with the frame (NUL-terminated, valid until the next feed), 0 if none is whole yet, -EMSGSIZE if
 * it is, or will be, longer than @max.
 */
int varlink_reader_next(VarlinkReader *r, const char **ret, size_t *ret_size);

/** varlink_reader_pending() - whether bytes wait, be they part of a frame or several. */
static inline bool varlink_reader_pending(const VarlinkReader *r) {
        return r->end > r->start;
}

/* ---- messages ---- */

typedef struct VarlinkCall {
        char *method;      /* "org.flowcron.Control.Show" */
        cJSON *parameters; /* always an object */
        bool more, oneway, upgrade;
} VarlinkCall;

void varlink_call_done(VarlinkCall *c);

/** varlink_call_parse() - 0; -EINVAL with the fault in @e for what is no call; -ENOMEM. */
int varlink_call_parse(const char *frame, size_t size, VarlinkCall *ret, Error *e);

/**
 * varlink_call_format() - a frame with its NUL; @ret_size counts it
 * Takes @parameters in any case; NULL: none. 0 or -ENOMEM.
 */
int varlink_call_format(const char *method, cJSON *parameters, bool more, bool oneway, char **ret,
        size_t *ret_size);

typedef struct VarlinkReply {
        char *error;       /* NULL: it went well */
        cJSON *parameters; /* always an object */
        bool continues;
} VarlinkReply;

void varlink_reply_done(VarlinkReply *r);

/** varlink_reply_parse(), varlink_reply_format() - as for calls; @error NULL for none. */
int varlink_reply_parse(const char *frame, size_t size, VarlinkReply *ret, Error *e);
int varlink_reply_format(
        const char *error, cJSON *parameters, bool continues, char **ret, size_t *ret_size);

/**
 * varlink_method_split() - "org.flowcron.Control.Show": length of the interface's name, and the method's behind the last dot
 * Returns 0, or -EINVAL if it has not that form.
 */
int varlink_method_split(const char *method, size_t *ret_interface, const char **ret_name);
