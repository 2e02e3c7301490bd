/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * For the tests of the event log: a state folder of their own, and a history that everybody knows.
 *
 * Event n of that history is always the same: four Units of Work at a time go their way side by side, eight
 * events each. So what a replay should give is what folding the first n of them gives.
 */

#include <fcntl.h>
#include <string.h>

#include "eventlog.h"
#include "fileio.h"
#include "text.h"

#define AT_ONCE 4
#define BLOCK (8 * AT_ONCE)

typedef struct Place {
        char path[64];
        int dir;
} Place;

static inline int place_setup(void **state) {
        Place *p = calloc(1, sizeof(*p));

        strcpy(p->path, "/tmp/test-eventlog-XXXXXX");
        if (!mkdtemp(p->path))
                return -1;
        p->dir = dir_open_path(p->path);
        *state = p;
        return p->dir < 0 ? -1 : 0;
}

static inline int place_teardown(void **state) {
        Place *p = *state;

        close(p->dir);
        assert_int_equal(tree_remove(AT_FDCWD, p->path), 0);
        free(p);
        return 0;
}

static inline int dir_of(void **state) {
        return ((Place *)*state)->dir;
}

static inline void uow_id(char id[static UOW_ID_MAX], uint64_t i) {
        snprintf(id, UOW_ID_MAX, "%08x-0000-4000-8000-%012x", (unsigned)(i * 2654435761U),
                (unsigned)i);
}

/* Event @n (1, 2, …), not yet numbered; event_done() after use. */
static inline Event known_event(uint64_t n) {
        static const struct {
                EventType type;
                const char *data;
        } way[] = {
                { EVENT_UPLOADED, NULL },
                { EVENT_STAGED, "{\"script\":\"a.sh\",\"sha256\":\"ab\",\"sets\":1}" },
                { EVENT_SUBMITTING, "{\"args\":[\"--parsable\"]}" },
                { EVENT_QUEUED, "{\"job_id\":\"17\"}" },
                { EVENT_JOB, "{\"phase\":\"running\",\"started\":\"2026-11-21T07:28:11Z\"}" },
                { EVENT_ENDED,
                        "{\"outcome\":\"failed\",\"cause\":\"timeout\",\"reason\":\"too late\"}" },
                { EVENT_FINISHED, NULL },
                { EVENT_SOFT_DELETED, "{\"by\":\"retention\"}" },
        };
        uint64_t step = (n - 1) % BLOCK / AT_ONCE,
                 uow = (n - 1) / BLOCK * AT_ONCE + (n - 1) % AT_ONCE;
        Event ev = { .time = UINT64_C(1795246091000000) + n * USEC_PER_SEC,
                .type = way[step].type };
        char name[32];

        uow_id(ev.id, uow);
        ev.attempt = step > 1;
        if (step == 0) {
                snprintf(name, sizeof(name), "run \xff%u", (unsigned)uow);
                ev.data = cJSON_CreateObject();
                json_set_name(ev.data, "name", name);
                json_set_name(ev.data, "folder", name);
        } else if (way[step].data)
                ev.data = cJSON_Parse(way[step].data);
        return ev;
}

static inline void append_known(EventLog *l, uint64_t n) {
        Event ev = known_event(n);

        assert_int_equal(eventlog_append(l, &ev), 0);
        assert_int_equal(ev.seq, n);
        event_done(&ev);
}

/* Append events @from to @to, and commit. */
static inline void write_known(EventLog *l, uint64_t from, uint64_t to) {
        for (uint64_t n = from; n <= to; n++)
                append_known(l, n);
        assert_int_equal(eventlog_commit(l), 0);
}

static inline void fold_known(UowSet *set, uint64_t from, uint64_t to) {
        for (uint64_t n = from; n <= to; n++) {
                Event ev = known_event(n);

                ev.seq = n;
                assert_int_equal(uowset_apply(set, &ev, NULL), 0);
                event_done(&ev);
        }
}

static inline void check_same_uow(const Uow *a, const Uow *b) {
        _cleanup_json_ cJSON *ja = uow_to_json(a), *jb = uow_to_json(b);
        _cleanup_free_ char *ta = json_print(ja), *tb = json_print(jb);

        assert_string_equal(ta, tb);
}

/* The set is what the first @n events make. */
static inline void check_known(const UowSet *set, uint64_t n) {
        _cleanup_(uowset_freep) UowSet *expected = uowset_new();

        fold_known(expected, 1, n);
        assert_int_equal(uowset_size(set), uowset_size(expected));
        for (size_t i = 0; i < uowset_size(set); i++)
                check_same_uow(uowset_at(set, i), uowset_at(expected, i));
}

static inline EventLog *writer(int dir, uint64_t next_seq, uint64_t fence) {
        EventLog *l = NULL;
        Error e = { "" };

        if (eventlog_new(dir, next_seq, fence, &l, &e) != 0)
                fail_msg("%s", e.text);
        return l;
}

/* Replay, which must succeed. The caller owns both. */
static inline UowSet *replayed(int dir, Replay *ret) {
        UowSet *set = uowset_new();
        Error e = { "" };

        if (eventlog_replay(dir, set, ret, &e) != 0)
                fail_msg("%s", e.text);
        return set;
}

/* Replay gives the first @n events and has nothing to complain of. */
static inline void check_replay(int dir, uint64_t n) {
        _cleanup_(replay_done) Replay r = { 0 };
        _cleanup_(uowset_freep) UowSet *set = replayed(dir, &r);

        if (r.warnings)
                fail_msg("%s", r.warnings);
        assert_int_equal(r.next_seq, n + 1);
        assert_int_equal(r.damaged, 0);
        check_known(set, n);
}
