/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Frames and messages of varlink, see varlink.h.
 *
 * A peer is not trusted: what it sends is bounded before it is kept, and checked by type before it is used.
 */

#include "varlink.h"

#include <string.h>

#include "text.h"

/* What one read brings at most; a reader that is empty again gives back more than that. */
#define READER_KEEP ((size_t)64 * 1024)

/* ---- frames ---- */

void varlink_reader_done(VarlinkReader *r) {
        free(r->buffer);
        *r = (VarlinkReader){ .max = r->max };
}

static void reader_compact(VarlinkReader *r) {
        if (r->start == 0)
                return;
        memmove(r->buffer, r->buffer + r->start, r->end - r->start);
        r->end -= r->start;
        r->scanned -= r->start;
        r->start = 0;
        if (r->end == 0 && r->allocated > READER_KEEP) {
                free(r->buffer);
                r->buffer = NULL;
                r->allocated = 0;
        }
}

int varlink_reader_feed(VarlinkReader *r, const void *data, size_t size) {
        reader_compact(r);
        if (r->end + size > r->allocated) {
                size_t wanted = r->allocated ? r->allocated * 2 : 4096;
                char *bigger;

                while (wanted < r->end + size)
                        wanted *= 2;
                bigger = realloc(r->buffer, wanted);
                if (!bigger)
                        return -ENOMEM;
                r->buffer = bigger;
                r->allocated = wanted;
        }
        if (size > 0)
                memcpy(r->buffer + r->end, data, size);
        r->end += size;
        return 0;
}

int varlink_reader_next(VarlinkReader *r, const char **ret, size_t *ret_size) {
        const char *from, *nul = NULL;

        if (!varlink_reader_pending(r))
                return 0; /* nor is there a buffer at first */
        from = r->buffer + r->start;
        if (r->end > r->scanned)
                nul = memchr(r->buffer + r->scanned, 0, r->end - r->scanned);
        if (!nul) {
                r->scanned = r->end;
                return r->end - r->start > r->max ? -EMSGSIZE : 0;
        }
        if ((size_t)(nul - from) > r->max)
                return -EMSGSIZE;
        *ret = from;
        *ret_size = (size_t)(nul - from);
        r->start = r->scanned = (size_t)(nul - r->buffer) + 1;
        return 1;
}

/* ---- reading messages ---- */

void varlink_call_done(VarlinkCall *c) {
        free(c->method);
        cJSON_Delete(c->parameters);
        *c = (VarlinkCall){};
}

void varlink_reply_done(VarlinkReply *r) {
        free(r->error);
        cJSON_Delete(r->parameters);
        *r = (VarlinkReply){};
}

static int parse_object(const char *frame, size_t size, cJSON **ret, Error *e) {
        _cleanup_json_ cJSON *j = NULL;
        int r;

        r = json_parse(frame, size, &j, e);
        if (r < 0)
                return r;
        if (!cJSON_IsObject(j))
                return error_set(e, -EINVAL, "a message must be an object");
        *ret = TAKE_PTR(j);
        return 0;
}

/* An absent member and null are the same; anything but a boolean is a fault. */
static int get_flag(const cJSON *o, const char *key, bool *ret, Error *e) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(o, key);

        *ret = cJSON_IsTrue(item);
        if (item && !cJSON_IsBool(item) && !cJSON_IsNull(item))
                return error_set(e, -EINVAL, "\"%s\" must be true or false", key);
        return 0;
}

static int take_parameters(cJSON *o, cJSON **ret, Error *e) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(o, "parameters");

        if (item && !cJSON_IsObject(item) && !cJSON_IsNull(item))
                return error_set(e, -EINVAL, "\"parameters\" must be an object");
        *ret = cJSON_IsObject(item) ? cJSON_DetachItemFromObjectCaseSensitive(o, "parameters")
                                    : cJSON_CreateObject();
        return *ret ? 0 : -ENOMEM;
}

int varlink_call_parse(const char *frame, size_t size, VarlinkCall *ret, Error *e) {
        _cleanup_(varlink_call_done) VarlinkCall c = {};
        _cleanup_json_ cJSON *o = NULL;
        const char *method;
        int r;

        r = parse_object(frame, size, &o, e);
        if (r < 0)
                return r;
        method = json_str(o, "method");
        if (isempty(method))
                return error_set(e, -EINVAL, "a call needs a \"method\"");
        r = get_flag(o, "more", &c.more, e);
        if (r >= 0)
                r = get_flag(o, "oneway", &c.oneway, e);
        if (r >= 0)
                r = get_flag(o, "upgrade", &c.upgrade, e);
        if (r >= 0)
                r = take_parameters(o, &c.parameters, e);
        if (r >= 0)
                r = strdup_to(&c.method, method);
        if (r < 0)
                return r;
        *ret = c;
        c = (VarlinkCall){};
        return 0;
}

int varlink_reply_parse(const char *frame, size_t size, VarlinkReply *ret, Error *e) {
        _cleanup_(varlink_reply_done) VarlinkReply reply = {};
        _cleanup_json_ cJSON *o = NULL;
        const cJSON *error;
        int r;

        r = parse_object(frame, size, &o, e);
        if (r < 0)
                return r;
        error = cJSON_GetObjectItemCaseSensitive(o, "error");
        if (error && !cJSON_IsNull(error) && isempty(cJSON_GetStringValue(error)))
                return error_set(e, -EINVAL, "\"error\" must be the name of one");
        r = get_flag(o, "continues", &reply.continues, e);
        if (r >= 0)
                r = take_parameters(o, &reply.parameters, e);
        if (r >= 0)
                r = strdup_to(&reply.error, cJSON_GetStringValue(error));
        if (r < 0)
                return r;
        *ret = reply;
        reply = (VarlinkReply){};
        return 0;
}

/* ---- writing messages ---- */

static int print_frame(const cJSON *o, char **ret, size_t *ret_size) {
        char *text = json_print(o);

        if (!text)
                return -ENOMEM;
        *ret = text;
        *ret_size = strlen(text) + 1;
        return 0;
}

int varlink_call_format(const char *method, cJSON *parameters, bool more, bool oneway, char **ret,
        size_t *ret_size) {
        _cleanup_json_ cJSON *mine = parameters, *o = cJSON_CreateObject();
        int r;

        if (!o)
                return -ENOMEM;
        r = json_set_str(o, "method", method);
        if (r >= 0 && mine)
                r = json_set_item(o, "parameters", TAKE_PTR(mine));
        if (r >= 0 && more)
                r = json_set_bool(o, "more", true);
        if (r >= 0 && oneway)
                r = json_set_bool(o, "oneway", true);
        return r < 0 ? r : print_frame(o, ret, ret_size);
}

int varlink_reply_format(
        const char *error, cJSON *parameters, bool continues, char **ret, size_t *ret_size) {
        _cleanup_json_ cJSON *mine = parameters, *o = cJSON_CreateObject();
        int r = 0;

        if (!o)
                return -ENOMEM;
        if (error)
                r = json_set_str(o, "error", error);
        if (r >= 0 && !mine && !(mine = cJSON_CreateObject()))
                return -ENOMEM;
        if (r >= 0)
                r = json_set_item(o, "parameters", TAKE_PTR(mine));
        if (r >= 0 && continues)
                r = json_set_bool(o, "continues", true);
        return r < 0 ? r : print_frame(o, ret, ret_size);
}

/* ---- names ---- */

int varlink_method_split(const char *method, size_t *ret_interface, const char **ret_name) {
        const char *dot = strrchr(method, '.');

        if (!dot || dot == method || !dot[1] || !memchr(method, '.', (size_t)(dot - method)))
                return -EINVAL;
        *ret_interface = (size_t)(dot - method);
        *ret_name = dot + 1;
        return 0;
}
