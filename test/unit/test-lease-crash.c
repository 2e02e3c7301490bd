/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Killed at any step of taking the lease, a process keeps it from nobody for longer than a term, and its number is never given again.
 *
 * lease.c is compiled into this test once more, with its crash points alive.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define FLOWCRON_CRASH_POINTS
#include "../../lib/lease.c"

#include <sys/wait.h>

#include "log-place.h"

static void be_killed(int dir, const char *point) {
        LeaseWatch watch = { 0 };
        LeaseOwner owner;
        usec_t retry;
        Lease *l;
        int status;
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                setenv("FLOWCRON_CRASH_AT", point, 1);
                lease_acquire(dir, &watch, &l, &owner, &retry, NULL);
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void check_successor(int dir, uint64_t fence, bool at_once) {
        LeaseWatch watch = { 0 };
        LeaseOwner owner;
        usec_t retry = 0;
        Lease *l = NULL;

        if (!at_once) {
                /* Nothing in its file says whose it is. */
                assert_int_equal(
                        lease_acquire(dir, &watch, &l, &owner, &retry, NULL), LEASE_E_HELD);
                assert_true(retry > clock_boottime());
                watch.since -= LEASE_TERM;
        }
        assert_int_equal(lease_acquire(dir, &watch, &l, &owner, &retry, NULL), 0);
        assert_int_equal(lease_fence(l), fence);
        assert_int_equal(lease_check(l), 0);
        lease_release(l);
}

static void test_killed_while_taking(void **state) {
        int dir = dir_of(state);

        be_killed(dir, "lease-acquire-before-create");
        check_successor(dir, 1, true);
        be_killed(dir, "lease-acquire-after-create");
        check_successor(dir, 3, false);
        be_killed(dir, "lease-acquire-after-write");
        check_successor(dir, 5, true);
        be_killed(dir, "lease-acquire-before-cleanup");
        check_successor(dir, 7, true);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(
                        test_killed_while_taking, place_setup, place_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
