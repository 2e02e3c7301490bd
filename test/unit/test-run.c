/* SPDX-License-Identifier: Apache-2.0 */

/* Programs run by flowcronctl: what they see, what is heard of them, and that none can hold it up. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "environment.h"
#include "run.h"
#include "text.h"

static char *const plain[] = { (char *)"PATH=/nonexistent::.:/usr/bin:/bin", (char *)"MARK=seen",
        NULL };

static char *script_argv[4] = { (char *)"sh", (char *)"-c", NULL, NULL };

static int ask(const char *script, usec_t timeout, size_t max, Run *ret) {
        script_argv[2] = (char *)script;
        return run_program(script_argv, plain, timeout, max, ret);
}

static void test_output_and_exit(void **unused _unused_) {
        _cleanup_free_ char *words = NULL;
        Run r;

        assert_int_equal(ask("echo out $MARK; echo first >&2; echo last >&2; exit 3",
                                 USEC_PER_MINUTE, 4096, &r),
                UOW_E_INVALID);
        assert_string_equal(run_out(&r), "out seen\n");
        assert_string_equal(run_err(&r), "first\nlast\n");
        assert_int_equal(WEXITSTATUS(r.status), 3);
        assert_false(run_ok(&r));
        words = run_describe(&r);
        assert_string_equal(words, "exit code 3: last");
        run_done(&r);

        assert_int_equal(ask(":", USEC_PER_MINUTE, 4096, &r), 0);
        assert_true(run_ok(&r));
        assert_string_equal(run_out(&r), "");
        run_done(&r);
}

static void test_what_cannot_be_started(void **unused _unused_) {
        char *missing[] = { (char *)"no-such-program", NULL };
        char *folder[] = { (char *)"/", NULL };
        Run r;

        assert_int_equal(run_program(missing, plain, USEC_PER_MINUTE, 4096, &r), -ENOENT);
        run_done(&r);
        assert_int_equal(run_program(folder, plain, USEC_PER_MINUTE, 4096, &r), -EACCES);
        run_done(&r);
}

static void test_input(void **unused _unused_) {
        char *argv[] = { (char *)"cat", NULL };
        Run r = { .argv = argv,
                .env = plain,
                .timeout = USEC_PER_MINUTE,
                .output_max = 4096,
                .input = "line\nno end" };

        run_all(&r, 1);
        assert_true(run_ok(&r));
        assert_string_equal(run_out(&r), "line\nno end");
        run_done(&r);
        assert_int_equal(run_program(argv, plain, USEC_PER_MINUTE, 4096, &r), 0);
        assert_string_equal(run_out(&r), "");
        run_done(&r);
}

static void test_bounded_output(void **unused _unused_) {
        Run r;

        assert_int_equal(
                ask("head -c 3000000 /dev/zero | tr '\\0' x", USEC_PER_MINUTE, 1000, &r), 0);
        assert_int_equal(r.out_size, 1000);
        assert_int_equal(strlen(run_out(&r)), 1000);
        assert_true(r.truncated);
        run_done(&r);
}

/* Each ends at its own deadline, also one that is deaf to SIGTERM; those that are well are not held up by them. */
static void test_deadlines(void **unused _unused_) {
        char *deaf[] = { (char *)"sh", (char *)"-c",
                (char *)"trap '' TERM; while :; do sleep 1000; done", NULL };
        char *hang[] = { (char *)"sleep", (char *)"1000", NULL };
        char *well[] = { (char *)"echo", (char *)"well", NULL };
        Run runs[] = {
                { .argv = deaf, .env = plain, .timeout = 200000, .output_max = 100 },
                { .argv = hang, .env = plain, .timeout = 100000, .output_max = 100 },
                { .argv = well, .env = plain, .timeout = 1000 * USEC_PER_SEC, .output_max = 100 },
        };
        _cleanup_free_ char *words = NULL;

        run_all(runs, ELEMENTSOF(runs));
        assert_int_equal(runs[0].error, -ETIMEDOUT);
        assert_int_equal(runs[1].error, -ETIMEDOUT);
        assert_true(run_ok(&runs[2]));
        assert_string_equal(run_out(&runs[2]), "well\n");
        words = run_describe(&runs[1]);
        assert_non_null(startswith(words, "no answer within "));
        for (size_t i = 0; i < ELEMENTSOF(runs); i++)
                run_done(&runs[i]);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
        assert_int_equal(errno, ECHILD);
}

/* What a program leaves behind keeps its output open; that is not waited for. */
static void test_something_left_behind(void **unused _unused_) {
        Run r;
        int pid;

        assert_int_equal(ask("sleep 1000 & echo $!", 1000 * USEC_PER_SEC, 100, &r), 0);
        pid = atoi(run_out(&r));
        assert_true(pid > 1);
        assert_int_equal(kill(pid, SIGKILL), 0);
        run_done(&r);
}

static void test_no_descriptor_of_ours(void **unused _unused_) {
        Run r;
        int fd = dup(2); /* not close-on-exec */

        assert_int_equal(ask("ls /proc/self/fd | wc -l", USEC_PER_MINUTE, 100, &r), 0);
        close(fd);
        assert_string_equal(run_out(&r), "4\n"); /* its three, and the folder that ls reads */
        run_done(&r);
}

/* HOME goes before the user database: the start-up file there is read. */
static void test_login_shell(void **unused _unused_) {
        char home[] = "/tmp/test-run-XXXXXX";
        _cleanup_(strv_freep) char **env = NULL;
        _cleanup_free_ char *profile = NULL;
        Error e = {};
        FILE *f;

        assert_non_null(mkdtemp(home));
        profile = xasprintf("%s/.profile", home);
        f = fopen(profile, "w");
        assert_non_null(f);
        fputs("echo welcome; export SITE=\"from the profile\" SLURM_JOB_ID=7\n", f);
        fclose(f);
        setenv("HOME", home, 1);
        assert_int_equal(run_login(USEC_PER_MINUTE, &env, &e), 0);
        assert_string_equal(environment_get(env, "SITE"), "from the profile");
        assert_null(environment_get(env, "SLURM_JOB_ID"));
        strv_free(TAKE_PTR(env));

        f = fopen(profile, "w");
        assert_non_null(f);
        fputs("exec sleep 1000\n", f);
        fclose(f);
        assert_int_equal(run_login(100000, &env, &e), -ETIMEDOUT);
        assert_non_null(strstr(e.text, "no answer within"));
        unlink(profile);
        rmdir(home);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_output_and_exit),
                cmocka_unit_test(test_what_cannot_be_started),
                cmocka_unit_test(test_input),
                cmocka_unit_test(test_bounded_output),
                cmocka_unit_test(test_deadlines),
                cmocka_unit_test(test_something_left_behind),
                cmocka_unit_test(test_no_descriptor_of_ours),
                cmocka_unit_test(test_login_shell),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
