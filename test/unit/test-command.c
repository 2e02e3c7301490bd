/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Programs run from the loop: what they see, what is heard of them, and every way in which they can
 * be in the way (missing, hanging, deaf to SIGTERM, talkative, leaving something behind).
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "command.h"
#include "text.h"

typedef struct Answer {
        sd_event *event;
        int calls;
        int error, status;
        bool started, truncated, ok;
        size_t out_size, err_size;
        char out[8192], err[1024];
        char description[256];
} Answer;

static void on_answer(const CommandResult *r, void *userdata) {
        Answer *a = userdata;

        a->calls++;
        a->error = r->error;
        a->status = r->status;
        a->started = r->started;
        a->truncated = r->truncated;
        a->ok = command_ok(r);
        a->out_size = r->out_size;
        a->err_size = r->err_size;
        assert_int_equal(r->out[r->out_size], 0);
        assert_int_equal(r->err[r->err_size], 0);
        snprintf(a->out, sizeof(a->out), "%s", r->out);
        snprintf(a->err, sizeof(a->err), "%s", r->err);
        command_describe(a->description, sizeof(a->description), "prog", r);
        sd_event_exit(a->event, 0);
}

static char *const default_env[] = { "PATH=/nonexistent::.:/usr/bin:/bin", "LC_ALL=C", NULL };

static Answer ask_spec(CommandSpec spec) {
        Answer a = { 0 };

        if (!spec.envp)
                spec.envp = default_env;
        if (!spec.timeout)
                spec.timeout = 60 * USEC_PER_SEC;
        if (!spec.output_max)
                spec.output_max = 4096;
        assert_return_code(sd_event_new(&a.event), 0);
        assert_int_equal(command_start(a.event, &spec, on_answer, &a, NULL), 0);
        assert_int_equal(a.calls, 0);
        assert_return_code(sd_event_loop(a.event), 0);
        assert_int_equal(a.calls, 1);
        a.event = sd_event_unref(a.event);
        return a;
}

static Answer ask(const char *script) {
        char *argv[] = { "sh", "-c", (char *)script, NULL };

        return ask_spec((CommandSpec){ .argv = argv, .cwd = -1, .umask = 022 });
}

static void test_output_and_exit(void **state) {
        Answer a = ask("printf out; printf err >&2; exit 3");

        (void)state;
        assert_string_equal(a.out, "out");
        assert_string_equal(a.err, "err");
        assert_int_equal(a.error, 0);
        assert_true(a.started);
        assert_false(a.ok);
        assert_true(WIFEXITED(a.status));
        assert_int_equal(WEXITSTATUS(a.status), 3);
        assert_string_equal(a.description, "prog: exit code 3");
        a = ask("exit 0");
        assert_true(a.ok);
        assert_int_equal(a.out_size, 0);
        a = ask("kill -9 $$");
        assert_false(a.ok);
        assert_true(WIFSIGNALED(a.status));
        assert_string_equal(a.description, "prog: killed by signal 9");
}

static void test_missing_program(void **state) {
        char *missing[] = { "no-such-program", NULL }, *folder[] = { "/tmp", NULL };
        Answer a = ask_spec((CommandSpec){ .argv = missing, .cwd = -1 });

        (void)state;
        assert_int_equal(a.error, -ENOENT);
        assert_false(a.started);
        assert_false(a.ok);
        assert_string_equal(a.description, "prog: No such file or directory");
        a = ask_spec((CommandSpec){ .argv = folder, .cwd = -1 });
        assert_int_equal(a.error, -EACCES);
        assert_false(a.started);
}

/*
 * Relative entries of PATH (an empty one, ".") are never used: the working folder belongs to
 * somebody else.
 */
static void test_path_of_working_folder(void **state) {
        char folder[] = "/tmp/flowcron-test-XXXXXX", *argv[] = { "intruder", NULL };
        _cleanup_close_ int fd = -1;
        _cleanup_free_ char *file = NULL;
        Answer a;

        (void)state;
        assert_non_null(mkdtemp(folder));
        file = xasprintf("%s/intruder", folder);
        assert_int_equal(symlink("/bin/true", file), 0);
        fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_return_code(fd, errno);
        a = ask_spec((CommandSpec){ .argv = argv, .cwd = fd });
        assert_int_equal(a.error, -ENOENT);
        assert_int_equal(unlink(file), 0);
        assert_int_equal(rmdir(folder), 0);
}

static void test_surroundings(void **state) {
        char *argv[] = { "sh", "-c",
                "pwd; umask; ls /proc/$$/fd; grep -E 'Sig(Blk|Ign)' /proc/self/status; cat; echo $X; "
                "test $(cut -d' ' -f5 /proc/$$/stat) = $$ && echo group",
                NULL };
        char *envp[] = { "PATH=/bin:/usr/bin", "X=yes", NULL };
        _cleanup_close_ int cwd = -1, leak = -1;
        Answer a;

        (void)state;
        cwd = open("/usr", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        leak = open("/dev/null", O_RDONLY); /* on purpose without O_CLOEXEC */
        assert_return_code(cwd, errno);
        signal(SIGPIPE, SIG_IGN);
        a = ask_spec((CommandSpec){ .argv = argv, .envp = envp, .cwd = cwd, .umask = 027 });
        signal(SIGPIPE, SIG_DFL);
        assert_string_equal(a.out,
                "/usr\n0027\n0\n1\n2\n"
                "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"
                "yes\ngroup\n");
        a = ask("pwd");
        assert_string_equal(a.out, "/\n");
}

static void test_bounded_output(void **state) {
        char *argv[] = { "sh", "-c", "yes | head -c 3000000; printf 12345 >&2", NULL };
        Answer a = ask_spec((CommandSpec){ .argv = argv, .cwd = -1, .output_max = 5 });

        (void)state;
        assert_true(a.ok); /* what was dropped was read: the program did not hang */
        assert_true(a.truncated);
        assert_string_equal(a.out, "y\ny\ny");
        assert_string_equal(a.err, "12345");
        a = ask_spec((CommandSpec){ .argv = argv, .cwd = -1, .output_max = 3000000 });
        assert_true(a.ok);
        assert_false(a.truncated);
        assert_int_equal(a.out_size, 3000000);
}

static void test_deadline(void **state) {
        char *gentle[] = { "sh", "-c", "trap 'exit 7' TERM; sleep 600 & wait", NULL };
        char *deaf[] = { "sh", "-c", "trap '' TERM; echo up; while :; do sleep 600; done", NULL };
        Answer a = ask_spec(
                (CommandSpec){ .argv = gentle, .cwd = -1, .timeout = 500 * USEC_PER_MSEC });

        (void)state;
        assert_int_equal(a.error, -ETIMEDOUT);
        assert_true(a.started);
        assert_false(a.ok);
        /* Before it has said so it is not deaf yet, and on a busy machine that takes its time. */
        for (usec_t timeout = 250 * USEC_PER_MSEC; !streq(a.out, "up\n"); timeout *= 2)
                a = ask_spec((CommandSpec){ .argv = deaf, .cwd = -1, .timeout = timeout });
        assert_int_equal(a.error, -ETIMEDOUT);
        assert_true(WIFSIGNALED(a.status));
        assert_int_equal(WTERMSIG(a.status), SIGKILL);
}

/* A daemon that the program started keeps the streams open; the answer comes all the same. */
static void test_something_left_behind(void **state) {
        Answer a = ask("sleep 600 & echo $!");
        pid_t left = (pid_t)atoi(a.out);

        (void)state;
        assert_true(a.ok);
        assert_true(left > 1);
        assert_int_equal(kill(left, SIGKILL), 0); /* it was left alone */
}

static void no_answer(const CommandResult *r _unused_, void *userdata _unused_) {
        fail_msg("called although it was freed");
}

static void test_given_up(void **state) {
        char *argv[] = { "sleep", "600", NULL };
        CommandSpec spec = { .argv = argv, .envp = default_env, .cwd = -1, .output_max = 1 };
        sd_event *event = NULL;
        Command *c = NULL;

        (void)state;
        assert_return_code(sd_event_new(&event), 0);
        assert_int_equal(command_start(event, &spec, no_answer, NULL, &c), 0);
        assert_non_null(c);
        assert_null(command_free(c));
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
        assert_int_equal(errno, ECHILD);
        assert_null(command_free(NULL));
        sd_event_unref(event);
}

/* When whoever started it dies, so does the program; and only then do its streams end. */
static void test_dies_with_parent(void **state) {
        int p[2];
        char byte;
        pid_t pid;

        (void)state;
        assert_int_equal(pipe(p), 0);
        /* The orphan comes to us, so that its end can be waited for. */
        assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
        pid = fork();
        assert_return_code(pid, errno);
        if (pid == 0) {
                char *argv[] = { "sleep", "600", NULL };
                CommandSpec spec = {
                        .argv = argv, .envp = default_env, .cwd = -1, .output_max = 1
                };
                sd_event *event = NULL;

                close(p[0]);
                if (sd_event_new(&event) < 0 ||
                        command_start(event, &spec, no_answer, NULL, NULL) < 0)
                        _exit(1);
                if (write(p[1], "x", 1) != 1)
                        _exit(1);
                raise(SIGKILL);
        }
        close(p[1]);
        assert_int_equal(read(p[0], &byte, 1), 1);
        while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
                ;
        assert_int_equal(errno, ECHILD);
        assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
        close(p[0]);
}

static int block_sigchld(void **state) {
        sigset_t set;

        (void)state;
        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        return sigprocmask(SIG_BLOCK, &set, NULL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_output_and_exit),
                cmocka_unit_test(test_missing_program),
                cmocka_unit_test(test_path_of_working_folder),
                cmocka_unit_test(test_surroundings),
                cmocka_unit_test(test_bounded_output),
                cmocka_unit_test(test_deadline),
                cmocka_unit_test(test_given_up),
                cmocka_unit_test(test_dies_with_parent),
                cmocka_unit_test(test_something_left_behind),
        };

        return cmocka_run_group_tests(tests, block_sigchld, NULL);
}
