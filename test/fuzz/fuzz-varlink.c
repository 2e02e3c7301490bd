/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Frames, calls and replies. The first byte of the input bounds the frames, the second says in what pieces the rest
 * arrives. However it is cut, the frames are those between the NULs; what is taken is written and read back as the same.
 */

#include "fuzz.h"
#include "varlink.h"

static void promise_method(const char *method) {
        const char *name;
        size_t size;

        if (varlink_method_split(method, &size, &name) < 0)
                return;
        PROMISE(size > 0 && *name && method[size] == '.' && name == method + size + 1);
        PROMISE(!strchr(name, '.'));
}

static void one_call(const char *frame, size_t size) {
        _cleanup_(varlink_call_done) VarlinkCall call = {}, again = {};
        _cleanup_free_ char *text = NULL;
        Error e = {};
        size_t n;
        int r = varlink_call_parse(frame, size, &call, &e);

        if (r < 0) {
                PROMISE(r == -EINVAL && !call.method && !call.parameters);
                promise_told(&e);
                return;
        }
        PROMISE(call.method && cJSON_IsObject(call.parameters));
        promise_method(call.method);
        PROMISE(varlink_call_format(call.method, cJSON_Duplicate(call.parameters, true), call.more,
                        call.oneway, &text, &n) == 0);
        PROMISE(n == strlen(text) + 1);
        PROMISE(varlink_call_parse(text, n - 1, &again, &e) == 0);
        promise_same_text(call.method, again.method);
        promise_same_json(call.parameters, again.parameters);
        PROMISE(call.more == again.more && call.oneway == again.oneway);
}

static void one_reply(const char *frame, size_t size) {
        _cleanup_(varlink_reply_done) VarlinkReply reply = {}, again = {};
        _cleanup_free_ char *text = NULL;
        Error e = {};
        size_t n;
        int r = varlink_reply_parse(frame, size, &reply, &e);

        if (r < 0) {
                PROMISE(r == -EINVAL && !reply.error && !reply.parameters);
                promise_told(&e);
                return;
        }
        PROMISE(cJSON_IsObject(reply.parameters));
        PROMISE(varlink_reply_format(reply.error, cJSON_Duplicate(reply.parameters, true),
                        reply.continues, &text, &n) == 0);
        PROMISE(n == strlen(text) + 1);
        PROMISE(varlink_reply_parse(text, n - 1, &again, &e) == 0);
        promise_same_text(reply.error, again.error);
        promise_same_json(reply.parameters, again.parameters);
        PROMISE(reply.continues == again.continues);
}

/* Takes out of the reader what is whole; @expected is what should come. False: it gives up on its peer. */
static bool drain(VarlinkReader *reader, const char **expected, const char *fed) {
        const char *frame;
        size_t size;
        int r;

        while ((r = varlink_reader_next(reader, &frame, &size)) > 0) {
                PROMISE(size <= reader->max && frame[size] == 0);
                PROMISE(*expected + size < fed && memcmp(frame, *expected, size + 1) == 0);
                PROMISE(memchr(frame, 0, size) == NULL);
                *expected += size + 1;
                one_call(frame, size);
                one_reply(frame, size);
        }
        if (r == 0) {
                PROMISE(!memchr(*expected, 0, (size_t)(fed - *expected)));
                PROMISE((size_t)(fed - *expected) <= reader->max);
                PROMISE(varlink_reader_pending(reader) == (fed > *expected));
                return true;
        }
        PROMISE(r == -EMSGSIZE);
        PROMISE(strnlen(*expected, (size_t)(fed - *expected)) > reader->max);
        return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        VarlinkReader reader = {};
        const char *input = (const char *)data + 2, *expected = input;
        size_t piece, at = 0;

        if (size < 2)
                return 0;
        reader.max = data[0] < 16 ? data[0] : (size_t)data[0] * 64;
        piece = data[1] ? data[1] : size;
        size -= 2;
        while (at < size) {
                size_t n = size - at < piece ? size - at : piece;

                PROMISE(varlink_reader_feed(&reader, input + at, n) == 0);
                at += n;
                if (!drain(&reader, &expected, input + at))
                        break;
        }
        varlink_reader_done(&reader);
        return 0;
}
