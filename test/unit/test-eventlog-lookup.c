/* SPDX-License-Identifier: Apache-2.0 */

/* Events found by their numbers: what is handed out must be what the search through everything hands out. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "log-place.h"

#define KNOWN_MAX 64

typedef struct Told {
        char *lines[KNOWN_MAX];
        size_t n;
        size_t stop_after; /* 0: never */
} Told;

static void told_done(Told *t) {
        for (size_t i = 0; i < t->n; i++)
                free(t->lines[i]);
}

#define TOLD _cleanup_(told_done) Told

static int on_event(const Event *ev, void *userdata) {
        Told *t = userdata;

        assert_true(t->n < KNOWN_MAX);
        assert_int_equal(event_to_line(ev, &t->lines[t->n++]), 0);
        return t->n == t->stop_after ? 17 : 0;
}

static void check_same(const Told *a, const Told *b) {
        assert_int_equal(a->n, b->n);
        for (size_t i = 0; i < a->n; i++)
                assert_string_equal(a->lines[i], b->lines[i]);
}

/* The numbers of the events of Unit of Work @i in the known history. */
static size_t seqs_of(uint64_t i, uint64_t seqs[static 8]) {
        for (uint64_t k = 0; k < 8; k++)
                seqs[k] = i / AT_ONCE * BLOCK + k * AT_ONCE + i % AT_ONCE + 1;
        return 8;
}

/* With all numbers known, and with those from each later one on. */
static void check_uow(int dir, uint64_t i) {
        char id[UOW_ID_MAX];
        uint64_t seqs[8];
        size_t n = seqs_of(i, seqs);
        TOLD searched = { .n = 0 };

        uow_id(id, i);
        assert_int_equal(eventlog_history(dir, id, seqs[0], seqs[n - 1], on_event, &searched), 0);
        for (size_t from = 0; from <= n; from++) {
                TOLD found = { .n = 0 };

                assert_int_equal(eventlog_history_of(
                                         dir, id, seqs[0], seqs + from, n - from, on_event, &found),
                        0);
                check_same(&found, &searched);
        }
}

static void test_found_as_searched(void **state) {
        int dir = dir_of(state);
        _cleanup_(eventlog_freep) EventLog *l = writer(dir, 1, 1), *later = NULL;

        write_known(l, 1, 3200);
        for (uint64_t i = 0; i < 400; i += 7)
                check_uow(dir, i);
        /* In many segments, of several lives. */
        l = eventlog_free(l);
        later = writer(dir, 3201, 2);
        for (uint64_t n = 3201; n <= 3520; n += 10) {
                write_known(later, n, n + 9);
                eventlog_rotate(later);
        }
        for (uint64_t i = 396; i < 440; i++)
                check_uow(dir, i);
}

static Event wide_event(uint64_t n, size_t width) {
        Event ev = known_event(n);
        char *text = malloc(width + 1);

        memset(text, 'x', width);
        text[width] = 0;
        if (!ev.data)
                ev.data = cJSON_CreateObject();
        json_set_str(ev.data, "note", text);
        free(text);
        return ev;
}

/* Lines longer than what is read at once must not hide others, nor be missed. */
static void test_long_lines(void **state) {
        static const size_t widths[] = { 10, 5000, 30, 25000, 100, 100000, 4096, 16384 };
        int dir = dir_of(state);
        _cleanup_(eventlog_freep) EventLog *l = writer(dir, 1, 1);

        for (uint64_t n = 1; n <= 20 * BLOCK; n++) {
                Event ev = wide_event(n, widths[n * 7 % ELEMENTSOF(widths)]);

                assert_int_equal(eventlog_append(l, &ev), 0);
                event_done(&ev);
                if (n % 50 == 0)
                        assert_int_equal(eventlog_commit(l), 0);
        }
        assert_int_equal(eventlog_commit(l), 0);
        for (uint64_t i = 0; i < 20 * AT_ONCE; i += 3)
                check_uow(dir, i);
}

static void test_wrong_numbers(void **state) {
        int dir = dir_of(state);
        _cleanup_(eventlog_freep) EventLog *l = writer(dir, 1, 1);
        uint64_t seqs[8], wrong[] = { 2, 3, 4 };
        char id[UOW_ID_MAX];
        TOLD t = { .n = 0 }, stopped = { .stop_after = 3 }, ahead = { .n = 0 };

        write_known(l, 1, 64);
        uow_id(id, 1); /* 2, 6, 10 … */
        /* Another's numbers: its own in that range are found all the same, and nobody else's. */
        assert_int_equal(eventlog_history_of(dir, id, 2, wrong, 3, on_event, &t), 0);
        assert_int_equal(t.n, 1);
        seqs_of(1, seqs);
        assert_int_equal(eventlog_history_of(dir, id, 2, seqs, 8, on_event, &stopped), 17);
        assert_int_equal(stopped.n, 3);
        /* A number that is not written yet. */
        seqs[7] = 4711;
        assert_int_equal(eventlog_history_of(dir, id, 2, seqs, 8, on_event, &ahead), 0);
        assert_int_equal(ahead.n, 7);
}

/* A damaged line is passed over, and what is behind it still comes. */
static void test_damage(void **state) {
        int dir = dir_of(state);
        _cleanup_(eventlog_freep) EventLog *l = writer(dir, 1, 1);
        _cleanup_close_ int fd = -1;
        char *text = NULL, *line;
        size_t size;

        write_known(l, 1, 320);
        fd = openat(dir, "events/log-00000000000000000001-0000000001-000001.jsonl", O_RDWR);
        assert_true(fd >= 0);
        assert_int_equal(fd_read_all(fd, 1 << 20, &text, &size), 0);
        line = strstr(text, "{\"seq\":10,");
        assert_non_null(line);
        assert_int_equal(pwrite(fd, "[", 1, line - text), 1);
        free(text);
        for (uint64_t i = 0; i < 40; i++)
                check_uow(dir, i);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, place_setup, place_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_found_as_searched),
                TEST(test_long_lines),
                TEST(test_wrong_numbers),
                TEST(test_damage),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
