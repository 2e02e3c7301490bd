/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Lines of the event log, and their fold into one record.
 *
 * A line of the input that begins with '+' is sealed first, else nothing would get past the sum. Events that are
 * taken are written and read back as the same; a fold that is refused changes nothing, and one that is done was allowed.
 */

#include "event.h"
#include "fuzz.h"
#include "uow.h"

static char *record_text(const Uow *u) {
        _cleanup_json_ cJSON *j = uow_to_json(u);
        char *text = json_print(j);

        PROMISE(text);
        return text;
}

static void promise_same_record(const Uow *u) {
        _cleanup_free_ char *text = record_text(u), *again = NULL;
        _cleanup_(uow_freep) Uow *copy = NULL;
        _cleanup_json_ cJSON *j = NULL;
        Error e = {};

        PROMISE(json_parse(text, strlen(text), &j, &e) == 0);
        PROMISE(uow_from_json(j, &copy, &e) == 0);
        again = record_text(copy);
        promise_same_text(text, again);
}

static void promise_same_line(const Event *ev) {
        _cleanup_free_ char *line = NULL, *again = NULL;
        _cleanup_(event_done) Event copy = {};
        Error e = {};
        int r = event_to_line(ev, &line);

        /* Told by numbers and escapes, an event may need more room than it came in. */
        if (r == -EMSGSIZE)
                return;
        PROMISE(r == 0);
        PROMISE(line[strlen(line) - 1] == '\n' && strchr(line, '\n') == line + strlen(line) - 1);
        PROMISE(event_from_line(line, strlen(line) - 1, &copy, &e) == 0);
        PROMISE(event_to_line(&copy, &again) == 0);
        promise_same_text(line, again);
}

static void fold(Uow *u, const Event *ev) {
        _cleanup_free_ char *before = record_text(u), *after = NULL;
        bool allowed = uow_allows(u, ev->type);
        int r = uow_apply(u, ev);

        if (r == 0) {
                PROMISE(allowed);
                promise_same_record(u);
                return;
        }
        PROMISE(r == UOW_E_STATE || r == -EBADMSG);
        after = record_text(u);
        promise_same_text(before, after);
}

static void promise_orphan(const Event *ev) {
        _cleanup_(uow_freep) Uow *u = uow_orphan(ev);

        PROMISE(u && u->quarantined == (u->state != UOW_PURGED));
        promise_same_record(u);
}

static void one_line(Uow *u, const char *line, size_t size) {
        _cleanup_(event_done) Event ev = {};
        Error e = {};
        int r = event_from_line(line, size, &ev, &e);

        if (r != 0) {
                PROMISE(r == -EBADMSG);
                promise_told(&e);
                PROMISE(strnlen(ev.id, sizeof(ev.id)) < sizeof(ev.id));
                return;
        }
        promise_same_line(&ev);
        promise_orphan(&ev);
        fold(u, &ev);
}

static void sealed_line(Uow *u, const char *line) {
        _cleanup_free_ char *sealed = line_seal(line);
        size_t size;

        PROMISE(sealed);
        size = strlen(sealed) - 1;
        PROMISE(line_check(sealed, size) == 0);
        one_line(u, sealed, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = input_text(data, size);
        _cleanup_(uow_freep) Uow *u = uow_new("7c1d9f8e-4a2b-4c3d-8e5f-0123456789ab");
        char *line = text, *end = text + size;

        PROMISE(u);
        while (line < end) {
                char *newline = memchr(line, '\n', (size_t)(end - line));
                size_t n = (size_t)((newline ? newline : end) - line);

                line[n] = 0;
                if (n > 3 && line[0] == '+' && strlen(line) == n && line[1] == '{' &&
                        line[n - 1] == '}')
                        sealed_line(u, line + 1);
                else
                        one_line(u, line, n);
                line += n + 1;
        }
        return 0;
}
