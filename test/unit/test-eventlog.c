/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "log-place.h"

#define WRITER _cleanup_(eventlog_freep) EventLog *
#define SET _cleanup_(uowset_freep) UowSet *
#define REPLAY _cleanup_(replay_done) Replay

/* Names in events/ (or events/history) that begin with @prefix; the last of them in order is left in @name. */
static unsigned count_files(
        int dir, const char *folder, const char *prefix, char name[static 256]) {
        _cleanup_closedir_ DIR *d =
                fdopendir(openat(dir, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        const struct dirent *de;
        unsigned n = 0;

        name[0] = 0;
        while ((de = readdir(d)))
                if (startswith(de->d_name, prefix)) {
                        n++;
                        if (strcmp(de->d_name, name) > 0)
                                strcpy(name, de->d_name);
                }
        return n;
}

static unsigned count(int dir, const char *folder, const char *prefix) {
        char name[256];

        return count_files(dir, folder, prefix, name);
}

typedef struct File {
        char path[300];
        char *text;
        size_t size;
} File;

static void file_done(File *f) {
        free(f->text);
}

#define FILE_ _cleanup_(file_done) File

/* The last file of that kind. */
static File last_file(int dir, const char *prefix) {
        char name[256];
        File f = { 0 };

        assert_true(count_files(dir, "events", prefix, name) > 0);
        snprintf(f.path, sizeof(f.path), "events/%s", name);
        assert_int_equal(file_read_at(dir, f.path, 64 << 20, &f.text, &f.size), 0);
        return f;
}

static void write_file(int dir, const char *path, const char *text, size_t size) {
        int fd = openat(dir, path, O_WRONLY | O_TRUNC | O_CREAT | O_CLOEXEC, 0640);

        assert_true(fd >= 0);
        assert_int_equal(fd_write_all(fd, text, size), 0);
        close(fd);
}

/* Line @n (1: header) of a text. */
static char *line_at(const File *f, unsigned n) {
        char *p = f->text;

        while (--n > 0)
                p = strchr(p, '\n') + 1;
        return p;
}

static Uow *known_uow(const UowSet *set, uint64_t i) {
        char id[UOW_ID_MAX];

        uow_id(id, i);
        return uowset_get(set, id);
}

static void checkpoint(int dir, EventLog *l, uint64_t n, uint64_t fence) {
        SET set = uowset_new();
        Error e = { "" };

        fold_known(set, 1, n);
        assert_int_equal(eventlog_rotate(l), n);
        if (eventlog_checkpoint_write(dir, set, n, fence, &e) != 0)
                fail_msg("%s", e.text);
        eventlog_checkpoint_done(l, n);
}

typedef struct Told {
        const char *id;
        size_t n, stop_after;
        uint64_t last;
} Told;

static int on_event(const Event *ev, void *userdata) {
        Told *t = userdata;

        assert_string_equal(ev->id, t->id);
        assert_true(ev->seq > t->last);
        t->last = ev->seq;
        return ++t->n == t->stop_after ? 17 : 0;
}

static void test_nothing_yet(void **state) {
        int dir = dir_of(state);
        uint64_t fence = 9;

        check_replay(dir, 0);
        assert_int_equal(eventlog_fence(dir, &fence), 0);
        assert_int_equal(fence, 0);
        assert_int_equal(mkdirat(dir, "events", 0750), 0);
        check_replay(dir, 0);
        eventlog_free(writer(dir, 1, 1));
        check_replay(dir, 0);
}

static void test_round_trip(void **state) {
        int dir = dir_of(state);
        WRITER l = writer(dir, 1, 7);
        uint64_t fence;

        assert_false(eventlog_pending(l));
        assert_int_equal(eventlog_commit(l), 0);
        assert_int_equal(eventlog_next_seq(l), 1);
        append_known(l, 1);
        assert_int_equal(eventlog_next_seq(l), 2);
        assert_true(eventlog_pending(l));
        assert_int_equal(count(dir, "events", "log-"), 0);
        check_replay(dir, 0);
        assert_int_equal(eventlog_commit(l), 0);
        assert_false(eventlog_pending(l));
        check_replay(dir, 1);
        write_known(l, 2, 100);
        check_replay(dir, 100);
        assert_int_equal(count(dir, "events", "log-"), 1);
        assert_int_equal(eventlog_since_checkpoint(l), 100);
        assert_int_equal(eventlog_fence(dir, &fence), 0);
        assert_int_equal(fence, 7);
}

static void test_each_life_has_its_segment(void **state) {
        int dir = dir_of(state);

        for (uint64_t life = 0; life < 12; life++) {
                WRITER l = writer(dir, life * 5 + 1, life + 1);

                write_known(l, life * 5 + 1, life * 5 + 5);
                assert_int_equal(count(dir, "events", "log-"), life + 1);
                assert_int_equal(eventlog_since_checkpoint(l), life * 5 + 5);
                check_replay(dir, life * 5 + 5);
        }
}

static void test_modes(void **state) {
        int dir = dir_of(state);
        mode_t old = umask(0077);
        FILE_ f = { 0 };
        struct stat st;

        assert_int_equal(fchmod(dir, 02750), 0);
        {
                WRITER l = writer(dir, 1, 1);

                write_known(l, 1, 8);
                checkpoint(dir, l, 8, 1);
        }
        umask(old);
        assert_int_equal(fstatat(dir, "events", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 02750);
        assert_int_equal(fstatat(dir, "events/history", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 02750);
        f = last_file(dir, "log-");
        assert_int_equal(fstatat(dir, f.path, &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0640);
        file_done(&f);
        f = last_file(dir, "checkpoint-");
        assert_int_equal(fstatat(dir, f.path, &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0640);
}

static void test_refused_event_uses_no_number(void **state) {
        int dir = dir_of(state);
        WRITER l = writer(dir, 1, 1);
        Event bad = known_event(1);

        bad.id[0] = 0;
        assert_int_equal(eventlog_append(l, &bad), -EINVAL);
        event_done(&bad);
        assert_false(eventlog_pending(l));
        write_known(l, 1, 3);
        check_replay(dir, 3);
}

/* Cut anywhere in its last line, the log is as if that event had never been; and the next life goes on from there. */
static void test_torn_tail(void **state) {
        int dir = dir_of(state);
        FILE_ f = { 0 };
        size_t start;

        {
                WRITER l = writer(dir, 1, 1);

                write_known(l, 1, 10);
        }
        f = last_file(dir, "log-");
        start = (size_t)(line_at(&f, 11) - f.text);
        for (size_t size = start; size < f.size; size++) {
                REPLAY r = { 0 };
                SET set = NULL;

                write_file(dir, f.path, f.text, size);
                set = replayed(dir, &r);
                assert_int_equal(r.next_seq, 10);
                assert_int_equal(r.quarantined, 0);
                assert_int_equal(r.damaged, 0);
                assert_int_equal(!r.warnings, size == start);
                check_known(set, 9);
        }
        {
                WRITER l = writer(dir, 10, 2);

                write_known(l, 10, 12);
        }
        check_replay(dir, 12);
}

/* After a power cut the file may have its new length and nothing in it. */
static void test_tail_of_zeroes(void **state) {
        int dir = dir_of(state);
        WRITER l = writer(dir, 1, 1);
        REPLAY r = { 0 };
        SET set = NULL;
        FILE_ f = { 0 };

        write_known(l, 1, 10);
        f = last_file(dir, "log-");
        memset(line_at(&f, 11), 0, f.size - (size_t)(line_at(&f, 11) - f.text));
        write_file(dir, f.path, f.text, f.size);
        set = replayed(dir, &r);
        assert_int_equal(r.next_seq, 10);
        assert_non_null(strstr(r.warnings, "torn"));
        check_known(set, 9);
}

/* A header that never made it, a file without a byte. */
static void test_torn_from_the_start(void **state) {
        int dir = dir_of(state);
        FILE_ f = { 0 };

        eventlog_free(writer(dir, 1, 1));
        {
                WRITER l = writer(dir, 1, 1);

                write_known(l, 1, 5);
        }
        {
                WRITER l = writer(dir, 6, 2);

                write_known(l, 6, 6);
        }
        f = last_file(dir, "log-00000000000000000006");
        for (size_t size = 0; size < (size_t)(line_at(&f, 2) - f.text); size++) {
                REPLAY r = { 0 };
                SET set = NULL;

                write_file(dir, f.path, f.text, size);
                set = replayed(dir, &r);
                assert_int_equal(r.next_seq, 6);
                check_known(set, 5);
        }
}

static void test_bad_line_quarantines_its_own(void **state) {
        int dir = dir_of(state);
        WRITER l = writer(dir, 1, 1);
        FILE_ f = { 0 };

        write_known(l, 1, 24);
        f = last_file(dir, "log-");
        /* The first event of the third of four: `staged` is event 7, on line 8. */
        strstr(line_at(&f, 8), "a.sh")[0] = 'b';
        write_file(dir, f.path, f.text, f.size);
        for (int pass = 0; pass < 2; pass++) {
                REPLAY r = { 0 };
                SET set = replayed(dir, &r), *expected = uowset_new();

                assert_int_equal(r.next_seq, 25);
                assert_int_equal(r.quarantined, 1);
                assert_int_equal(r.damaged, pass == 0);
                fold_known(expected, 1, 24);
                assert_int_equal(uowset_size(set), 4);
                for (uint64_t i = 0; i < 4; i++) {
                        assert_int_equal(known_uow(set, i)->quarantined, i == 2);
                        if (i != 2)
                                check_same_uow(known_uow(set, i), known_uow(expected, i));
                }
                if (pass == 1)
                        continue;
                assert_non_null(strstr(r.warnings, known_uow(set, 2)->id));
                /* A checkpoint must not wash it clean. */
                eventlog_rotate(l);
                assert_int_equal(eventlog_checkpoint_write(dir, set, 24, 1, NULL), 0);
        }
}

static void test_damage_without_a_name(void **state) {
        int dir = dir_of(state);
        WRITER l = writer(dir, 1, 1);
        REPLAY r = { 0 };
        SET set = NULL;
        FILE_ f = { 0 };

        write_known(l, 1, 12);
        f = last_file(dir, "log-");
        memset(line_at(&f, 8), 'x', 100);
        write_file(dir, f.path, f.text, f.size);
        set = replayed(dir, &r);
        assert_int_equal(r.damaged, 1);
        assert_int_equal(r.next_seq, 13);
        /* Whose it was shows when its later event does not fit: never was staged, and yet is to be submitted. */
        assert_int_equal(r.quarantined, 1);
        assert_true(known_uow(set, 2)->quarantined);
}

static void test_lost_beginning(void **state) {
        int dir = dir_of(state);
        WRITER l = writer(dir, 1, 1);
        REPLAY r = { 0 };
        SET set = NULL;
        FILE_ f = { 0 };
        const Uow *u;

        write_known(l, 1, 16);
        f = last_file(dir, "log-");
        strstr(line_at(&f, 3), "uploaded")[0] = 'U';
        write_file(dir, f.path, f.text, f.size);
        set = replayed(dir, &r);
        /* Known by its id, so that nobody takes its folder for a new one. */
        u = known_uow(set, 1);
        assert_non_null(u);
        assert_true(u->quarantined);
        assert_string_equal(u->folder, u->id);
        assert_int_equal(uowset_size(set), 4);
        assert_int_equal(r.quarantined, 1);
        assert_int_equal(r.next_seq, 17);
}

static void test_endless_line(void **state) {
        int dir = dir_of(state);
        WRITER l = writer(dir, 1, 1);
        REPLAY r = { 0 };
        SET set = NULL;
        FILE_ f = { 0 };
        _cleanup_free_ char *text = NULL;
        size_t at, junk = 3 * EVENT_LINE_MAX;

        write_known(l, 1, 12);
        f = last_file(dir, "log-");
        at = (size_t)(line_at(&f, 13) - f.text);
        text = malloc(f.size + junk);
        memcpy(text, f.text, at);
        memset(text + at, 'x', junk);
        text[at + junk - 1] = '\n';
        memcpy(text + at + junk, f.text + at, f.size - at);
        write_file(dir, f.path, text, f.size + junk);
        set = replayed(dir, &r);
        assert_int_equal(r.damaged, 1);
        /* It stands where event 12 was looked for, and event 12 comes after it. */
        assert_int_equal(uowset_size(set), 4);
}

static void test_missing_segment(void **state) {
        int dir = dir_of(state);
        REPLAY r = { 0 };
        SET set = NULL;

        for (uint64_t life = 0; life < 3; life++) {
                WRITER l = writer(dir, life * 8 + 1, life + 1);

                write_known(l, life * 8 + 1, life * 8 + 8);
        }
        assert_int_equal(
                unlinkat(dir, "events/log-00000000000000000009-0000000002-000001.jsonl", 0), 0);
        set = replayed(dir, &r);
        assert_non_null(strstr(r.warnings, "events 9 to 16 are missing"));
        assert_int_equal(r.next_seq, 25);
        /* They lack `submitting`: what comes later does not fit, and the gap is why. */
        assert_int_equal(r.quarantined, 4);
}

/* Sealed and in order, but nonsense: as the daemon refused it when it was posted, so does the replay; no harm is done. */
static void test_event_that_does_not_fit(void **state) {
        int dir = dir_of(state);
        WRITER l = writer(dir, 1, 1);
        REPLAY r = { 0 };
        SET set = NULL;
        Event ev = known_event(1);

        write_known(l, 1, 4);
        ev.type = EVENT_RESTORED;
        assert_int_equal(eventlog_append(l, &ev), 0);
        event_done(&ev);
        assert_int_equal(eventlog_commit(l), 0);
        set = replayed(dir, &r);
        assert_int_equal(r.next_seq, 6);
        assert_int_equal(r.quarantined, 0);
        assert_non_null(strstr(r.warnings, "restored"));
        check_known(set, 4);
}

/* An owner that was frozen, was succeeded, and wakes up: nothing of what it then writes counts. */
static void test_fenced_writer(void **state) {
        int dir = dir_of(state);
        WRITER old = writer(dir, 1, 5), *new = NULL, *late = NULL;
        Error e = { "" };

        write_known(old, 1, 20);
        new = writer(dir, 21, 6);
        write_known(new, 21, 22);
        for (int i = 0; i < 3; i++) {
                Event ev = known_event(33);

                ev.id[0] = 'z';
                assert_int_equal(eventlog_append(old, &ev), 0);
                event_done(&ev);
                assert_int_equal(eventlog_commit(old), 0);
        }
        {
                REPLAY r = { 0 };
                SET set = replayed(dir, &r);

                assert_int_equal(r.next_seq, 23);
                assert_int_equal(r.fence, 6);
                assert_non_null(strstr(r.warnings, "3 events of a writer that had lost the lease"));
                check_known(set, 22);
        }
        write_known(new, 23, 30);
        assert_int_equal(eventlog_new(dir, 31, 5, &late, &e), -ESTALE);
        assert_null(late);
        assert_non_null(strstr(e.text, "6"));
}

static void test_fenced_checkpoint(void **state) {
        int dir = dir_of(state);
        WRITER old = writer(dir, 1, 5), *new = NULL;
        SET wrong = uowset_new(), *set = NULL;
        REPLAY r = { 0 };

        write_known(old, 1, 20);
        checkpoint(dir, old, 20, 5);
        /* The old one goes on, unseen, and even writes a checkpoint before the new one has written anything. */
        fold_known(wrong, 1, 32);
        assert_int_equal(eventlog_checkpoint_write(dir, wrong, 32, 5, NULL), 0);
        new = writer(dir, 21, 6);
        write_known(new, 21, 22);
        set = replayed(dir, &r);
        assert_int_equal(r.checkpoint, 20);
        assert_int_equal(r.next_seq, 23);
        check_known(set, 22);
        assert_int_equal(eventlog_checkpoint_write(dir, wrong, 32, 5, NULL), -ESTALE);
        /* What the new one writes is never pushed out by it. */
        checkpoint(dir, new, 22, 6);
        write_known(new, 23, 40);
        checkpoint(dir, new, 40, 6);
        check_replay(dir, 40);
}

static void limit_files(rlim_t size) {
        struct rlimit limit;

        assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
        limit.rlim_cur = size;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* No room (a file that may not grow stands for a disk that is full): nothing is lost, nothing comes twice, nothing is littered. */
static void test_failed_commit(void **state) {
        int dir = dir_of(state);
        WRITER l = writer(dir, 1, 1);
        void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
        FILE_ f = { 0 };

        limit_files(0);
        append_known(l, 1);
        for (int i = 0; i < 3; i++)
                assert_int_equal(eventlog_commit(l), -EFBIG);
        assert_true(eventlog_pending(l));
        assert_int_equal(count(dir, "events", "log-"), 0);
        limit_files(RLIM_INFINITY);
        write_known(l, 2, 10);
        check_replay(dir, 10);

        f = last_file(dir, "log-");
        limit_files(f.size + 250);
        append_known(l, 11);
        append_known(l, 12);
        assert_int_equal(eventlog_commit(l), -EFBIG);
        limit_files(0);
        assert_int_equal(eventlog_commit(l), -EFBIG);
        assert_int_equal(eventlog_since_checkpoint(l), 10);
        check_replay(dir, 10);
        limit_files(RLIM_INFINITY);
        write_known(l, 13, 14);
        signal(SIGXFSZ, handler);
        assert_int_equal(count(dir, "events", "log-"), 2);
        check_replay(dir, 14);
}

/* A sync that failed may have left anything of the last commit: whole lines, damaged ones. Their repetition is what counts. */
static void test_what_a_failed_sync_left(void **state) {
        int dir = dir_of(state);
        WRITER l = writer(dir, 1, 1);
        FILE_ f = { 0 };

        write_known(l, 1, 10);
        f = last_file(dir, "log-");
        eventlog_free(l);
        l = writer(dir, 8, 1);
        write_known(l, 8, 12);
        check_replay(dir, 12);
        strstr(line_at(&f, 10), "id")[8] ^= 1;
        write_file(dir, f.path, f.text, f.size);
        check_replay(dir, 12);
}

static void test_large_segments_are_closed(void **state) {
        int dir = dir_of(state);
        WRITER l = writer(dir, 1, 1);
        _cleanup_free_ char *reason = malloc(EVENT_LINE_MAX / 2 + 1);
        REPLAY r = { 0 };
        SET set = NULL;
        uint64_t n;

        memset(reason, 'x', EVENT_LINE_MAX / 2);
        reason[EVENT_LINE_MAX / 2] = 0;
        write_known(l, 1, 1);
        for (n = 2; count(dir, "events", "log-") < 3; n++) {
                Event ev = known_event(1);

                ev.type = EVENT_CANCELLING;
                json_set_str(ev.data, "by", reason);
                assert_int_equal(eventlog_append(l, &ev), 0);
                event_done(&ev);
                assert_int_equal(eventlog_commit(l), 0);
                assert_true(n < 1000);
        }
        assert_true(n > 2 * EVENTLOG_SEGMENT_MAX / EVENT_LINE_MAX);
        set = replayed(dir, &r);
        assert_int_equal(r.next_seq, n);
        assert_null(r.warnings);
        assert_int_equal(r.segments, 3);
}

static void test_checkpoint(void **state) {
        int dir = dir_of(state);
        WRITER l = writer(dir, 1, 1);
        uint64_t n = 0;

        for (unsigned i = 1; i <= 5; i++) {
                write_known(l, n + 1, n + 40);
                n += 40;
                checkpoint(dir, l, n, 1);
                assert_int_equal(eventlog_since_checkpoint(l), 0);
                assert_int_equal(count(dir, "events", "checkpoint-"), i < 2 ? i : 2);
                write_known(l, n + 1, n + 3);
                n += 3;
                check_replay(dir, n);
        }
        /* All but what the older of the two needs, and the one at hand; nothing is left lying about. */
        assert_true(count(dir, "events", "log-") <= 3);
        assert_true(count(dir, "events/history", "log-") >= 1);
        assert_int_equal(count(dir, "events/history", "."), 2);
        assert_int_equal(count(dir, "events", "."), 2);
        eventlog_free(l);
        l = writer(dir, n + 1, 2);
        assert_int_equal(eventlog_since_checkpoint(l), 3);
}

/* Passes from cron: a segment each. They are put away together, and none of what they hold is lost. */
static void test_many_small_segments(void **state) {
        int dir = dir_of(state);
        char id[UOW_ID_MAX];
        Told t = { .id = id };
        uint64_t n;

        for (n = 0; n < 64 * 3; n += 3) {
                WRITER l = writer(dir, n + 1, n / 3 + 1);

                assert_false(eventlog_checkpoint_due(l, 1));
                write_known(l, n + 1, n + 3);
        }
        for (int i = 0; i < 3; i++, n++) {
                WRITER l = writer(dir, n + 1, n);

                assert_int_equal(eventlog_checkpoint_due(l, 1), i == 0);
                write_known(l, n + 1, n + 1);
                checkpoint(dir, l, n + 1, n);
                assert_false(eventlog_checkpoint_due(l, 1));
        }
        assert_true(count(dir, "events", "log-") <= 3);
        assert_true(count(dir, "events/history", "log-") <= 2);
        check_replay(dir, n);
        uow_id(id, 1);
        assert_int_equal(eventlog_history(dir, id, 2, 30, on_event, &t), 0);
        assert_int_equal(t.n, 8);
        /* And it can be told all over again. */
        while (count(dir, "events", "checkpoint-") > 0) {
                FILE_ f = last_file(dir, "checkpoint-");

                assert_int_equal(unlinkat(dir, f.path, 0), 0);
        }
        check_replay(dir, n);
}

/* Damage is put away as it is, and events that never counted are not. */
static void test_archive_of_damage_and_quarrels(void **state) {
        int dir = dir_of(state);
        WRITER old = writer(dir, 1, 5), *new = NULL;
        FILE_ f = { 0 };

        write_known(old, 1, 20);
        f = last_file(dir, "log-");
        strstr(line_at(&f, 8), "a.sh")[0] = 'b';
        write_file(dir, f.path, f.text, f.size);
        new = writer(dir, 21, 6);
        write_known(new, 21, 22);
        write_known(old, 21, 24);
        eventlog_rotate(old);
        write_known(old, 25, 26);
        for (uint64_t n = 30; n <= 60; n += 10) {
                write_known(new, eventlog_next_seq(new), n);
                checkpoint(dir, new, n, 6);
        }
        while (count(dir, "events", "checkpoint-") > 0) {
                FILE_ c = last_file(dir, "checkpoint-");

                assert_int_equal(unlinkat(dir, c.path, 0), 0);
        }
        {
                REPLAY r = { 0 };
                SET set = replayed(dir, &r);

                assert_int_equal(r.next_seq, 61);
                assert_int_equal(r.damaged, 1);
                assert_int_equal(r.quarantined, 1);
                assert_null(strstr(r.warnings, "missing"));
        }
}

static void test_checkpoint_of_nothing(void **state) {
        int dir = dir_of(state);
        WRITER l = writer(dir, 1, 1);
        SET set = uowset_new();

        assert_int_equal(eventlog_checkpoint_write(dir, set, eventlog_rotate(l), 1, NULL), 0);
        check_replay(dir, 0);
        write_known(l, 1, 3);
        check_replay(dir, 3);
}

static void test_checkpoint_ahead_of_its_number(void **state) {
        int dir = dir_of(state);
        WRITER l = writer(dir, 1, 1);
        SET set = uowset_new();

        write_known(l, 1, 4);
        fold_known(set, 1, 5);
        assert_int_equal(eventlog_checkpoint_write(dir, set, 4, 1, NULL), -EAGAIN);
        assert_int_equal(count(dir, "events", "checkpoint-"), 0);
}

static void two_checkpoints(int dir) {
        WRITER l = writer(dir, 1, 1);

        write_known(l, 1, 40);
        checkpoint(dir, l, 40, 1);
        write_known(l, 41, 80);
        checkpoint(dir, l, 80, 1);
        write_known(l, 81, 90);
}

static void check_passed_over(int dir, uint64_t checkpoint_used) {
        REPLAY r = { 0 };
        SET set = replayed(dir, &r);

        assert_int_equal(r.checkpoint, checkpoint_used);
        assert_int_equal(r.next_seq, 91);
        assert_int_equal(r.quarantined, 0);
        assert_non_null(strstr(r.warnings, "checkpoint-00000000000000000080"));
        check_known(set, 90);
}

static void test_damaged_checkpoint(void **state) {
        int dir = dir_of(state);
        FILE_ f = { 0 };

        two_checkpoints(dir);
        f = last_file(dir, "checkpoint-");
        for (size_t size = 0; size < f.size; size += f.size / 40) {
                write_file(dir, f.path, f.text, size);
                check_passed_over(dir, 40);
        }
        for (size_t at = 0; at < f.size; at += f.size / 40) {
                f.text[at] ^= 4;
                write_file(dir, f.path, f.text, f.size);
                f.text[at] ^= 4;
                check_passed_over(dir, 40);
        }
}

static void test_both_checkpoints_damaged(void **state) {
        int dir = dir_of(state);
        SET set = uowset_new();
        Replay r = { 0 };
        Error e = { "" };

        two_checkpoints(dir);
        write_file(dir, "events/checkpoint-00000000000000000040-0000000001.jsonl", "", 0);
        write_file(dir, "events/checkpoint-00000000000000000080-0000000001.jsonl", "", 0);
        /* The whole history is still there. */
        check_passed_over(dir, 0);
        assert_int_equal(count(dir, "events/history", "log-"), 1);
        assert_int_equal(
                unlinkat(dir, "events/history/log-00000000000000000001-0000000001-000001.jsonl", 0),
                0);
        assert_int_equal(eventlog_replay(dir, set, &r, &e), -EBADMSG);
        assert_non_null(strstr(e.text, "backup"));
        assert_int_equal(uowset_size(set), 0);
        assert_null(r.warnings);
}

/* Rename is not at once everywhere: seen in both folders, or already in the other one. */
static void test_archived_meanwhile(void **state) {
        int dir = dir_of(state);

        two_checkpoints(dir);
        assert_int_equal(
                linkat(dir, "events/history/log-00000000000000000001-0000000001-000001.jsonl", dir,
                        "events/log-00000000000000000001-0000000001-000001.jsonl", 0),
                0);
        check_replay(dir, 90);
        write_file(dir, "events/checkpoint-00000000000000000040-0000000001.jsonl", "", 0);
        write_file(dir, "events/checkpoint-00000000000000000080-0000000001.jsonl", "", 0);
        check_passed_over(dir, 0);
}

static void test_newer_format(void **state) {
        static const char newer[] =
                "{\"segment\":9,\"format\":2,\"fence\":1,\"count\":0,\"version\":\"9.1\"}";
        static const char newer_checkpoint[] =
                "{\"checkpoint\":90,\"format\":2,\"fence\":1,\"count\":0,\"version\":\"9.1\"}";
        int dir = dir_of(state);
        _cleanup_free_ char *line = line_seal(newer), *line2 = line_seal(newer_checkpoint);
        SET set = uowset_new();
        Replay r = { 0 };
        Error e = { "" };
        FILE_ f = { 0 };

        two_checkpoints(dir);
        f = last_file(dir, "log-");
        write_file(dir, f.path, line, strlen(line));
        assert_int_equal(eventlog_replay(dir, set, &r, &e), -EPROTONOSUPPORT);
        assert_non_null(strstr(e.text, "newer"));
        assert_int_equal(uowset_size(set), 0);
        write_file(dir, f.path, f.text, f.size);
        /* Not passed over for its predecessor: that would be going back in time. */
        write_file(dir, "events/checkpoint-00000000000000000090-0000000001.jsonl", line2,
                strlen(line2));
        assert_int_equal(eventlog_replay(dir, set, &r, &e), -EPROTONOSUPPORT);
        assert_non_null(strstr(e.text, "9.1"));
}

static void test_damaged_header(void **state) {
        int dir = dir_of(state);
        WRITER l = writer(dir, 1, 1);
        REPLAY r = { 0 };
        SET set = NULL;
        FILE_ f = { 0 };

        write_known(l, 1, 10);
        f = last_file(dir, "log-");
        f.text[5] ^= 1;
        write_file(dir, f.path, f.text, f.size);
        set = replayed(dir, &r);
        assert_int_equal(r.damaged, 1);
        assert_int_equal(r.quarantined, 0);
        check_known(set, 10);
}

static void test_unreadable_is_no_answer(void **state) {
        int dir = dir_of(state);
        SET set = uowset_new();
        Replay r = { 0 };
        Error e = { "" };

        two_checkpoints(dir);
        assert_int_equal(symlinkat("/dev/null", dir,
                                 "events/log-00000000000000000091-0000000001-000009.jsonl"),
                0);
        assert_int_equal(eventlog_replay(dir, set, &r, &e), -ELOOP);
        assert_int_equal(uowset_size(set), 0);
}

static void test_foreign_names(void **state) {
        static const char *const names[] = { "log-1-1-1.jsonl",
                "log-00000000000000000091-0000000001-000009.jsonl~", "checkpoint-90.jsonl", "core",
                ".checkpoint-x.tmp", "log-00000000000000000091-0000000001.jsonl" };
        int dir = dir_of(state);

        two_checkpoints(dir);
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                _cleanup_free_ char *path = xasprintf("events/%s", names[i]);

                write_file(dir, path, "x", 1);
        }
        check_replay(dir, 90);
}

static void write_and_put_away(int dir) {
        EventLog *l = writer(dir, 1, 1);

        for (uint64_t n = 0; n < 300; n += 3) {
                eventlog_rotate(l);
                write_known(l, n + 1, n + 3);
                if (n % 9 == 6)
                        checkpoint(dir, l, n + 3, 1);
        }
        _exit(0);
}

/* Files come, are put together and go while they are read: what is read is always whole. */
static void test_reader_beside_a_writer(void **state) {
        int dir = dir_of(state), status;
        pid_t pid = fork();
        uint64_t seen = 1;

        if (pid == 0)
                write_and_put_away(dir);
        do {
                REPLAY r = { 0 };
                SET set = replayed(dir, &r);
                char id[UOW_ID_MAX];
                Told t = { .id = id };

                assert_true(r.next_seq >= seen);
                seen = r.next_seq;
                assert_int_equal(r.damaged, 0);
                check_known(set, seen - 1);
                uow_id(id, 0);
                assert_int_equal(eventlog_history(dir, id, 1, 29, on_event, &t), 0);
                assert_true(t.n >= (seen > 29 ? 8 : seen / AT_ONCE));
        } while (waitpid(pid, &status, WNOHANG) == 0);
        assert_int_equal(status, 0);
        check_replay(dir, 300);
}

static void test_history(void **state) {
        int dir = dir_of(state);
        char id[UOW_ID_MAX];
        Told t = { .id = id };

        uow_id(id, 1);
        assert_int_equal(eventlog_history(dir, id, 0, 0, on_event, &t), 0);
        assert_int_equal(t.n, 0);
        two_checkpoints(dir);
        /* Event 2 is its first, 30 its last; both archived by now. */
        assert_int_equal(eventlog_history(dir, id, 2, 30, on_event, &t), 0);
        assert_int_equal(t.n, 8);
        t = (Told){ .id = id };
        assert_int_equal(eventlog_history(dir, id, 0, 0, on_event, &t), 0);
        assert_int_equal(t.n, 8);
        t = (Told){ .id = id, .stop_after = 3 };
        assert_int_equal(eventlog_history(dir, id, 0, 0, on_event, &t), 17);
        assert_int_equal(t.n, 3);
        t = (Told){ .id = id };
        assert_int_equal(eventlog_history(dir, id, 3, 10, on_event, &t), 0);
        assert_int_equal(t.n, 2);
        /* One whose events are in the live segment. */
        uow_id(id, 8);
        t = (Told){ .id = id };
        assert_int_equal(eventlog_history(dir, id, 65, 90, on_event, &t), 0);
        assert_int_equal(t.n, 7);
        uow_id(id, 4711);
        t = (Told){ .id = id };
        assert_int_equal(eventlog_history(dir, id, 0, 0, on_event, &t), 0);
        assert_int_equal(t.n, 0);
}

static void test_history_of_quarrels(void **state) {
        int dir = dir_of(state);
        WRITER old = writer(dir, 1, 5), *new = NULL;
        char id[UOW_ID_MAX];
        Told t = { .id = id };
        FILE_ f = { 0 };

        write_known(old, 1, 8);
        new = writer(dir, 9, 6);
        write_known(new, 9, 20);
        write_known(old, 9, 16);
        uow_id(id, 3);
        assert_int_equal(eventlog_history(dir, id, 0, 0, on_event, &t), 0);
        assert_int_equal(t.n, 5);
        /* Damaged lines, and others that mention it, are passed over. */
        f = last_file(dir, "log-");
        strstr(line_at(&f, 5), "submitting")[0] = 'S';
        write_file(dir, f.path, f.text, f.size);
        t = (Told){ .id = id };
        assert_int_equal(eventlog_history(dir, id, 0, 0, on_event, &t), 0);
        assert_int_equal(t.n, 4);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, place_setup, place_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_nothing_yet),
                TEST(test_round_trip),
                TEST(test_each_life_has_its_segment),
                TEST(test_modes),
                TEST(test_refused_event_uses_no_number),
                TEST(test_torn_tail),
                TEST(test_tail_of_zeroes),
                TEST(test_torn_from_the_start),
                TEST(test_bad_line_quarantines_its_own),
                TEST(test_damage_without_a_name),
                TEST(test_lost_beginning),
                TEST(test_endless_line),
                TEST(test_missing_segment),
                TEST(test_event_that_does_not_fit),
                TEST(test_fenced_writer),
                TEST(test_fenced_checkpoint),
                TEST(test_failed_commit),
                TEST(test_what_a_failed_sync_left),
                TEST(test_large_segments_are_closed),
                TEST(test_checkpoint),
                TEST(test_many_small_segments),
                TEST(test_archive_of_damage_and_quarrels),
                TEST(test_checkpoint_of_nothing),
                TEST(test_checkpoint_ahead_of_its_number),
                TEST(test_damaged_checkpoint),
                TEST(test_both_checkpoints_damaged),
                TEST(test_archived_meanwhile),
                TEST(test_newer_format),
                TEST(test_damaged_header),
                TEST(test_unreadable_is_no_answer),
                TEST(test_foreign_names),
                TEST(test_reader_beside_a_writer),
                TEST(test_history),
                TEST(test_history_of_quarrels),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
