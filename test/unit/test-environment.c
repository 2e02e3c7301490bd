/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The environment of a login shell: real shells are run with start-up files that print noise,
 * export functions and set what must not reach a job; and broken output is refused.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <sys/wait.h>

#include "environment.h"
#include "text.h"

#define MARKER "c0ffee17c0ffee17"

static char **parse(const char *data, size_t size) {
        char **env = NULL;

        assert_int_equal(environment_parse(data, size, MARKER, &env, NULL), 0);
        return env;
}

#define PARSE(text) parse(text, sizeof(text) - 1)

static void assert_refused(const char *data, size_t size, const char *why) {
        char **env = NULL;
        Error e = { "" };

        assert_int_equal(environment_parse(data, size, MARKER, &env, &e), UOW_E_INVALID);
        assert_null(env);
        if (!strstr(e.text, why))
                fail_msg("%s", e.text);
}

static void test_parse(void **state) {
        _cleanup_(strv_freep) char **env =
                PARSE("Welcome!\n" MARKER "\n" MARKER "\0"
                      "PATH=/bin\0EMPTY=\0TWO=a\nb=c\0\xff=\xfe\0"
                      "BASH_FUNC_module%%=() {  eval `x \"$@\"`\n}\0nonsense\0=x\0");

        (void)state;
        assert_int_equal(strv_length(env), 5);
        assert_string_equal(environment_get(env, "PATH"), "/bin");
        assert_string_equal(environment_get(env, "EMPTY"), "");
        assert_string_equal(environment_get(env, "TWO"), "a\nb=c");
        assert_string_equal(environment_get(env, "\xff"), "\xfe");
        assert_string_equal(environment_get(env, "BASH_FUNC_module%%"), "() {  eval `x \"$@\"`\n}");
        assert_null(environment_get(env, "PAT"));
        assert_null(environment_get(NULL, "PATH"));
}

static void test_parse_refuses(void **state) {
        static const char no_marker[] = "PATH=/bin\0X=y\0", cut[] = MARKER "\0PATH=/bin\0X=cut off",
                          no_path[] = MARKER "\0X=y\0",
                          echoed[] = "+ printf '%s\\0' " MARKER "\nPATH=/bin\0";

        (void)state;
        assert_refused(no_marker, sizeof(no_marker) - 1, "did not print");
        assert_refused(echoed, sizeof(echoed) - 1, "did not print");
        assert_refused(cut, sizeof(cut) - 1, "cut off");
        assert_refused(no_path, sizeof(no_path) - 1, "no PATH");
        assert_refused("", 0, "did not print");
}

static void test_foreign(void **state) {
        static const char *const gone[] = { "SLURM_JOB_ID=1", "SBATCH_PARTITION=x",
                "SQUEUE_FORMAT=%i", "SACCT_FORMAT=x", "SLURMD_NODENAME=n1", "NOTIFY_SOCKET=/run/x",
                "LISTEN_FDS=1", "INVOCATION_ID=1", "JOURNAL_STREAM=8:1", "SYSTEMD_EXEC_PID=1",
                "WATCHDOG_USEC=1", "MANAGERPID=1", "MAINPID=1", "CREDENTIALS_DIRECTORY=/x",
                "MEMORY_PRESSURE_WATCH=/x", "_=/usr/bin/env", "SHLVL=1", "PWD=/" };
        static const char *const kept[] = { "SLURM_CONF=/etc/slurm.conf", "SLURM_JWT=x",
                "PATH=/bin", "SLURMISH=1", "NOTIFY_SOCKETS=1", "MODULEPATH=/x", "_LMFILES_=x",
                "BASH_FUNC_module%%=() { :; }", "MAINPIDX=1" };

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(gone); i++)
                if (!environment_is_foreign(gone[i]))
                        fail_msg("%s", gone[i]);
        for (size_t i = 0; i < ELEMENTSOF(kept); i++)
                if (environment_is_foreign(kept[i]))
                        fail_msg("%s", kept[i]);
}

static void test_set(void **state) {
        _cleanup_(strv_freep) char **env = NULL;

        (void)state;
        assert_int_equal(environment_set(&env, "A", "1"), 0);
        assert_int_equal(environment_set(&env, "AB", "2"), 0);
        assert_int_equal(environment_set(&env, "A", "3"), 0);
        assert_int_equal(environment_default(&env, "A", "4"), 0);
        assert_int_equal(environment_default(&env, "C", NULL), 0);
        assert_int_equal(environment_default(&env, "D", "5"), 0);
        assert_int_equal(strv_length(env), 3);
        assert_string_equal(environment_get(env, "A"), "3");
        assert_string_equal(environment_get(env, "D"), "5");
}

/* What a program prints, all of it. */
static char *run(char **argv, char **env, size_t *ret_size) {
        char *data = calloc(1, 1 << 16);
        int p[2], status;
        ssize_t n;
        pid_t pid;

        assert_non_null(data);
        assert_int_equal(pipe(p), 0);
        pid = fork();
        assert_return_code(pid, errno);
        if (pid == 0) {
                dup2(p[1], 1);
                close(p[0]);
                close(p[1]);
                execve(argv[0], argv, env);
                _exit(127);
        }
        close(p[1]);
        *ret_size = 0;
        while ((n = read(p[0], data + *ret_size, (1 << 16) - 1 - *ret_size)) > 0)
                *ret_size += (size_t)n;
        close(p[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        return data;
}

static void write_file(const char *folder, const char *name, const char *text) {
        _cleanup_free_ char *path = xasprintf("%s/%s", folder, name);
        FILE *f = fopen(path, "we");

        assert_non_null(f);
        assert_int_equal(fputs(text, f) < 0, 0);
        assert_int_equal(fclose(f), 0);
}

static void test_real_shell(void **state) {
        static const char profile[] =
                "echo \"Welcome to the cluster: PATH=/wrong\"\nprintf 'a\\0b\\0'\n"
                "export PATH=/opt/site/bin:$PATH SBATCH_ACCOUNT=x SLURM_CONF=/site/slurm.conf\n"
                "env() { echo trap; }; alias printf='echo alias' exec='echo alias'\n"
                "if [ -n \"$BASH\" ]; then module() { echo \"mod $1\"\n}; export -f module; fi\n"
                "export LINES2='one\ntwo'\n";
        static const char *const shells[] = { "/bin/bash", "/bin/sh", "/bin/tcsh" };
        char home[] = "/tmp/flowcron-test-XXXXXX";
        _cleanup_free_ char *file = NULL;

        (void)state;
        assert_non_null(mkdtemp(home));
        write_file(home, ".profile", profile);
        file = xasprintf("%s/.profile", home);
        for (size_t i = 0; i < ELEMENTSOF(shells); i++) {
                LoginUser u = { .name = "tester", .home = home, .shell = (char *)shells[i] };
                _cleanup_(strv_freep) char **argv = environment_login_argv(&u, MARKER),
                                           **start = environment_login_start(&u), **env = NULL;
                _cleanup_free_ char *data = NULL;
                size_t size;

                assert_non_null(argv);
                assert_non_null(start);
                data = run(argv, start, &size);
                env = parse(data, size);
                assert_non_null(startswith(environment_get(env, "PATH"), "/opt/site/bin:/"));
                assert_string_equal(environment_get(env, "LINES2"), "one\ntwo");
                assert_string_equal(environment_get(env, "SLURM_CONF"), "/site/slurm.conf");
                assert_string_equal(environment_get(env, "USER"), "tester");
                assert_string_equal(environment_get(env, "HOME"), home);
                assert_null(environment_get(env, "SBATCH_ACCOUNT"));
                assert_null(environment_get(env, "PWD"));
                if (i != 1) /* tcsh has bash stand in for it */
                        assert_non_null(
                                strstr(environment_get(env, "BASH_FUNC_module%%"), "mod $1"));
        }
        assert_int_equal(unlink(file), 0);
        assert_int_equal(rmdir(home), 0);
}

/* Nothing of what the daemon itself was started with is in what a login begins with. */
static void test_start_is_bare(void **state) {
        LoginUser u;
        _cleanup_(strv_freep) char **env = NULL;

        (void)state;
        setenv("NOTIFY_SOCKET", "/run/x", 1);
        setenv("SLURM_JOB_ID", "17", 1);
        setenv("HOME", "/somewhere", 1);
        assert_int_equal(login_user_get(&u), 0);
        assert_string_equal(u.home, "/somewhere");
        env = environment_login_start(&u);
        assert_non_null(env);
        assert_true(strv_length(env) <= 6);
        assert_null(environment_get(env, "NOTIFY_SOCKET"));
        assert_null(environment_get(env, "SLURM_JOB_ID"));
        assert_string_equal(environment_get(env, "USER"), u.name);
        login_user_done(&u);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parse),
                cmocka_unit_test(test_parse_refuses),
                cmocka_unit_test(test_foreign),
                cmocka_unit_test(test_set),
                cmocka_unit_test(test_real_shell),
                cmocka_unit_test(test_start_is_bare),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
