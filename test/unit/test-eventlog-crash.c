/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Killed anywhere, the event log has all that was acknowledged, and the next life goes on with it.
 *
 * The writer is compiled into this test once more, with its crash points alive. A child writes, tells over a pipe what is
 * durable, and is killed at a point of the list; then the state is read and checked, and the next child goes on.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define FLOWCRON_CRASH_POINTS
#include "../../lib/eventlog.c"
#undef FILE_MODE
#include "../../lib/eventlog-checkpoint.c"
#undef FILE_MODE
#define write_temporary archive_write_temporary
#include "../../lib/eventlog-archive.c"

#include <sys/wait.h>

#include "log-place.h"

#define LIVES 3
#define COMMITS 12

static void write_checkpoint_now(int dir, EventLog *l, uint64_t n, uint64_t fence) {
        _cleanup_(uowset_freep) UowSet *set = uowset_new();

        fold_known(set, 1, n);
        if (eventlog_checkpoint_write(dir, set, eventlog_rotate(l), fence, NULL) != 0)
                _exit(3);
        eventlog_checkpoint_done(l, n);
}

/* One life: commits of three events, a checkpoint after every third; the segments between two checkpoints are three, or one. Never returns. */
static void live(int dir, uint64_t next, uint64_t fence, int told) {
        EventLog *l = writer(dir, next, fence);

        for (int i = 1; i <= COMMITS; i++, next += 3) {
                uint64_t durable = next + 2;

                if ((i - 1) / 3 % 2)
                        eventlog_rotate(l);
                write_known(l, next, durable);
                if (write(told, &durable, sizeof(durable)) != sizeof(durable))
                        _exit(2);
                if (i % 3 == 0)
                        write_checkpoint_now(dir, l, durable, fence);
        }
        _exit(0);
}

/* What the child has acknowledged before it died; whether it was killed. */
static bool watch_life(int dir, uint64_t next, uint64_t fence, uint64_t *durable) {
        int told[2], status;
        uint64_t value;
        pid_t pid;

        assert_int_equal(pipe(told), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                live(dir, next, fence, told[1]);
        close(told[1]);
        while (read(told[0], &value, sizeof(value)) == sizeof(value))
                *durable = value;
        close(told[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
        return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static uint64_t check_state(int dir, uint64_t durable) {
        _cleanup_(replay_done) Replay r = { 0 };
        _cleanup_(uowset_freep) UowSet *set = replayed(dir, &r);

        assert_true(r.next_seq > durable);
        assert_int_equal(r.damaged, 0);
        assert_int_equal(r.quarantined, 0);
        if (r.warnings)
                assert_non_null(strstr(r.warnings, "torn"));
        check_known(set, r.next_seq - 1);
        return r.next_seq;
}

/* The archive has all that ever happened, too, once and in order. */
static void check_whole_history(int dir, uint64_t n) {
        LogListing files;

        assert_int_equal(log_listing_read(dir, &files, NULL), 0);
        for (size_t i = 0; i < files.n_checkpoints; i++) {
                char name[LOG_NAME_MAX];

                assert_int_equal(
                        unlinkat(files.events, log_checkpoint_name(name, &files.checkpoints[i]), 0),
                        0);
        }
        log_listing_done(&files);
        check_replay(dir, n);
}

static bool crash_at(const char *point, unsigned when) {
        void *place = NULL;
        uint64_t next = 1, durable = 0;
        bool killed = false;
        char at[96];
        int dir;

        assert_int_equal(place_setup(&place), 0);
        dir = dir_of(&place);
        snprintf(at, sizeof(at), "%s:%u", point, when);
        setenv("FLOWCRON_CRASH_AT", at, 1);
        for (uint64_t fence = 1; fence <= LIVES; fence++) {
                killed |= watch_life(dir, next, fence, &durable);
                next = check_state(dir, durable);
        }
        /* And a life that nothing befalls tidies up. */
        unsetenv("FLOWCRON_CRASH_AT");
        assert_false(watch_life(dir, next, LIVES + 1, &durable));
        check_replay(dir, durable);
        check_whole_history(dir, durable);
        place_teardown(&place);
        return killed;
}

static void test_crash_points(void **unused _unused_) {
        static const char *const points[] = {
                "eventlog-commit-before-open",
                "eventlog-commit-after-open",
                "eventlog-commit-before-write",
                "eventlog-commit-before-sync",
                "eventlog-commit-before-folder-sync",
                "eventlog-commit-after-sync",
                "eventlog-checkpoint-before-sync",
                "eventlog-checkpoint-before-rename",
                "eventlog-checkpoint-before-folder-sync",
                "eventlog-checkpoint-before-retire",
                "eventlog-archive-before-move",
                "eventlog-archive-before-rename",
                "eventlog-archive-before-unlink",
                "eventlog-checkpoint-before-remove",
        };

        for (size_t i = 0; i < ELEMENTSOF(points); i++) {
                unsigned when = 1;

                /* As often as it is passed in one life, so that each time is tried. */
                while (crash_at(points[i], when))
                        when++;
                if (when == 1)
                        fail_msg("%s is never passed", points[i]);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_crash_points),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
