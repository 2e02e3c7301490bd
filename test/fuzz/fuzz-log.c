/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A whole event log: segments, checkpoints, what is in history/, and things that are none of these.
 *
 * A line ">NAME" of the input begins a file; a line that begins with '+' is sealed, every other is what it is, a last
 * one without its newline included. Whatever lies there, two replays see the same, a refused one leaves nothing, and
 * a checkpoint of what was read is read back as that.
 */

#include "eventlog.h"
#include "place.h"

#define FILES_MAX 12

/* Letters, digits, '-' and '.': below events/, or below its history/ after a "h/". */
static bool valid_name(const char *s) {
        return *s && *s != '.' && strlen(s) < 128 &&
                strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-.") == strlen(s);
}

static int folder_of(const int folders[2], char **name) {
        bool archived = strncmp(*name, "h/", 2) == 0;

        if (archived)
                *name += 2;
        return valid_name(*name) ? folders[archived] : -1;
}

static void put_line(int dir, const char *name, const char *line, size_t size, bool whole) {
        _cleanup_free_ char *sealed = NULL;

        if (whole && size > 3 && line[0] == '+' && line[1] == '{' && line[size - 1] == '}' &&
                strlen(line) == size) {
                sealed = line_seal(line + 1);
                PROMISE(sealed);
                put_file(dir, name, sealed, strlen(sealed));
                return;
        }
        put_file(dir, name, line, size);
        if (whole)
                put_file(dir, name, "\n", 1);
}

static void make_files(int statedir, char *text, size_t size) {
        _cleanup_close_ int events = -1, history = -1;
        char *line = text, *end = text + size, *name = NULL;
        int dir = -1, files = 0;

        PROMISE(mkdirat(statedir, "events", 0700) == 0 &&
                mkdirat(statedir, "events/history", 0700) == 0);
        events = dir_open_at(statedir, "events");
        history = dir_open_at(events, "history");
        while (line < end) {
                char *newline = memchr(line, '\n', (size_t)(end - line));
                size_t n = (size_t)((newline ? newline : end) - line);

                line[n] = 0;
                if (line[0] == '>' && files++ < FILES_MAX) {
                        name = line + 1;
                        dir = folder_of((const int[]){ events, history }, &name);
                } else if (dir >= 0)
                        put_line(dir, name, line, n, newline);
                line += n + 1;
        }
}

static char *set_text(const UowSet *set) {
        _cleanup_json_ cJSON *array = cJSON_CreateArray();

        for (size_t i = 0; i < uowset_size(set); i++)
                PROMISE(cJSON_AddItemToArray(array, uow_to_json(uowset_at(set, i))));
        return json_print(array);
}

/* The look-ups know what is in the set, and nothing else. */
static void promise_found(const UowSet *set, const Replay *r) {
        size_t quarantined = 0;

        for (size_t i = 0; i < uowset_size(set); i++) {
                const Uow *u = uowset_at(set, i);

                PROMISE(uowset_get(set, u->id) == u);
                if (uow_uses_folder(u))
                        PROMISE(uowset_by_folder(set, u->folder));
                quarantined += u->quarantined;
        }
        PROMISE(quarantined == r->quarantined);
        PROMISE(!r->warnings || utf8_valid(r->warnings));
}

static void promise_checkpoint(int statedir, const UowSet *set, const Replay *r, const char *text) {
        _cleanup_(uowset_freep) UowSet *again = uowset_new();
        _cleanup_(replay_done) Replay other = {};
        _cleanup_free_ char *other_text = NULL;
        Error e = {};

        /* Nobody's fencing number comes near this. */
        if (r->fence >= UINT32_MAX || r->next_seq >= UINT32_MAX)
                return;
        PROMISE(eventlog_checkpoint_write(statedir, set, r->next_seq - 1, r->fence + 1, &e) == 0);
        PROMISE(eventlog_replay(statedir, again, &other, &e) == 0);
        other_text = set_text(again);
        promise_same_text(text, other_text);
        PROMISE(other.next_seq == r->next_seq && other.checkpoint == r->next_seq - 1);
}

static int count_event(const Event *ev, void *userdata) {
        PROMISE(ev->seq > 0);
        ++*(size_t *)userdata;
        return 0;
}

static void promise_history(int statedir, const UowSet *set) {
        for (size_t i = 0; i < uowset_size(set); i++) {
                const Uow *u = uowset_at(set, i);
                size_t n = 0;

                PROMISE(eventlog_history(
                                statedir, u->id, u->first_seq, u->last_seq, count_event, &n) <= 0);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *input = input_text(data, size), *text = NULL, *same = NULL;
        _cleanup_(uowset_freep) UowSet *set = uowset_new(), *again = uowset_new();
        _cleanup_(replay_done) Replay r = {}, other = {};
        Error e = {};
        int dir = place_empty(), k;

        make_files(dir, input, size);
        k = eventlog_replay(dir, set, &r, &e);
        PROMISE(eventlog_replay(dir, again, &other, NULL) == k);
        if (k < 0) {
                promise_told(&e);
                PROMISE(uowset_size(set) == 0 && !r.warnings);
                return 0;
        }
        PROMISE(k == 0);
        promise_found(set, &r);
        text = set_text(set);
        same = set_text(again);
        promise_same_text(text, same);
        promise_same_text(r.warnings, other.warnings);
        promise_history(dir, set);
        promise_checkpoint(dir, set, &r, text);
        return 0;
}
