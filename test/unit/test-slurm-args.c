/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The argument vectors: exactly what is run, for odd names and every setting; thousands of ids;
 * what the commands' environment gets.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "environment.h"
#include "slurm-args.h"
#include "text.h"

static Config *config_with(const char *scheduler) {
        _cleanup_free_ char *yaml = xasprintf("base: /projects/p\nscheduler: {%s}\n", scheduler);
        Config *c = NULL;
        Error e = { "" };

        if (config_parse("/c/test.yaml", yaml, strlen(yaml), &c, &e) != 0)
                fail_msg("%s", e.text);
        return c;
}

static void assert_args(char **argv, ...) {
        const char *expected;
        size_t i = 0;
        va_list ap;

        assert_non_null(argv);
        va_start(ap, argv);
        while ((expected = va_arg(ap, const char *))) {
                assert_non_null(argv[i]);
                assert_string_equal(argv[i], expected);
                i++;
        }
        va_end(ap);
        assert_null(argv[i]);
        strv_free(argv);
}

#define PATH_OF_UOW "/projects/p/CodeToRun/slurm/"

static void test_plain(void **state) {
        _cleanup_(config_freep) Config *c = config_with("");
        Uow u = { .script = (char *)"submission_script.sh", .attempt = 1 };

        (void)state;
        assert_args(slurm_args_sbatch(&u, c, "flowcron=A.1", PATH_OF_UOW "cells"), "sbatch",
                "--parsable", "--propagate=NONE", "--comment=flowcron=A.1",
                "--chdir=" PATH_OF_UOW "cells", "--output=" PATH_OF_UOW "cells/slurm-%j.out",
                "--error=" PATH_OF_UOW "cells/slurm-%j.err",
                PATH_OF_UOW "cells/scripts/submission_script.sh", PATH_OF_UOW "cells", NULL);
}

/* Only in file patterns does "%" mean something; and no shell is there to be fooled by the rest. */
static void test_odd_name(void **state) {
        _cleanup_(config_freep) Config *c = config_with("");
        Uow u = { .script = (char *)"a b.sh",
                .array = (char *)"0-4%2",
                .comment = (char *)"my \"own\" words" };

        (void)state;
        assert_args(slurm_args_sbatch(&u, c, "flowcron=A.2", PATH_OF_UOW "-x\n'%j $(id) \xff"),
                "sbatch", "--parsable", "--propagate=NONE",
                "--comment=flowcron=A.2 my \"own\" words",
                "--chdir=" PATH_OF_UOW "-x\n'%j $(id) \xff",
                "--output=" PATH_OF_UOW "-x\n'%%j $(id) \xff/slurm-%A_%a.out",
                "--error=" PATH_OF_UOW "-x\n'%%j $(id) \xff/slurm-%A_%a.err",
                PATH_OF_UOW "-x\n'%j $(id) \xff/scripts/a b.sh", PATH_OF_UOW "-x\n'%j $(id) \xff",
                NULL);
}

static void test_settings(void **state) {
        static const char all[] =
                "account: science, qos: long, partition: big, reservation: mine, submit: held, "
                "extra_args: [--nice=10, '--mail-type=NONE']";
        _cleanup_free_ char *with_enforce = xasprintf("%s, enforce: true", all);
        _cleanup_(config_freep) Config *c = config_with(all), *enforced = config_with(with_enforce);
        Uow u = { .script = (char *)"s.sh", .sets = SCRIPT_SETS_QOS | SCRIPT_SETS_PARTITION };

        (void)state;
        assert_args(slurm_args_sbatch(&u, c, "t", "/w"), "sbatch", "--parsable", "--propagate=NONE",
                "--comment=t", "--chdir=/w", "--output=/w/slurm-%j.out", "--error=/w/slurm-%j.err",
                "--hold", "--account=science", "--reservation=mine", "--nice=10",
                "--mail-type=NONE", "/w/scripts/s.sh", "/w", NULL);
        assert_args(slurm_args_sbatch(&u, enforced, "t", "/w"), "sbatch", "--parsable",
                "--propagate=NONE", "--comment=t", "--chdir=/w", "--output=/w/slurm-%j.out",
                "--error=/w/slurm-%j.err", "--hold", "--account=science", "--qos=long",
                "--partition=big", "--reservation=mine", "--nice=10", "--mail-type=NONE",
                "/w/scripts/s.sh", "/w", NULL);
}

static void test_questions(void **state) {
        const uint32_t ids[] = { 17, 4294967295 };
        _cleanup_free_ char *fields = slurm_sacct_fields(true),
                            *format = xasprintf("--format=%s", fields);
        char **argv = slurm_args_squeue(1001, "MARK");

        (void)state;
        assert_non_null(argv);
        assert_int_equal(strv_length(argv), 6);
        assert_string_equal(argv[4], "--user=1001");
        assert_non_null(startswith(argv[5], "--format=MARK:%iMARK,%T"));
        strv_free(argv);
        setenv("TZ", "UTC0", 1);
        tzset();
        assert_args(slurm_args_sacct(1001, ids, 2, UINT64_C(1795249278000000), "MARK", true),
                "sacct", "--noheader", "--parsable", "--duplicates", "--delimiter=MARK", format,
                "--starttime=2026-11-21T08:21:18", "--jobs=17,4294967295", NULL);
        argv = slurm_args_sacct(1001, NULL, 0, UINT64_C(1795249278000000), "MARK", false);
        assert_string_equal(argv[7], "--user=1001");
        assert_null(strstr(argv[5], "SubmitLine"));
        strv_free(argv);
        assert_args(slurm_args_release("17"), "scontrol", "release", "17", NULL);
        assert_args(slurm_args_scancel("17", NULL), "scancel", "17", NULL);
        assert_args(slurm_args_scancel("17", "18,19"), "scancel", "17", "18", "19", NULL);
        assert_args(
                slurm_args_scontrol_show(), "scontrol", "--oneliner", "--all", "show", "job", NULL);
}

/* No argument is longer than a program can be given, and no id is lost on the way. */
static void test_many_ids(void **state) {
        enum {
                N = 18000
        };
        uint32_t *ids = calloc(N, sizeof(*ids)), seen = 0;
        char **argv;

        (void)state;
        assert_non_null(ids);
        for (uint32_t i = 0; i < N; i++)
                ids[i] = 9000000 + i;
        argv = slurm_args_sacct(0, ids, N, USEC_PER_DAY, "MARK", true);
        assert_non_null(argv);
        for (char **a = argv; *a; a++) {
                const char *p = startswith(*a, "--jobs=");

                assert_true(strlen(*a) < 128 * 1024);
                while (p && *p) {
                        char *end;

                        assert_int_equal(strtoul(p, &end, 10), 9000000 + seen);
                        seen++;
                        p = *end ? end + 1 : end;
                }
        }
        assert_int_equal(seen, N);
        strv_free(argv);
        free(ids);
}

static void test_environment(void **state) {
        _cleanup_(strv_freep) char **env = NULL;

        (void)state;
        assert_int_equal(slurm_environment(&env), 0);
        assert_string_equal(environment_get(env, "SLURM_TIME_FORMAT"), "%s");
        assert_string_equal(environment_get(env, "SLURM_BITSTR_LEN"), "0");
}

static void test_trial(void **state) {
        _cleanup_(config_freep) Config *plain = config_with("");
        _cleanup_(config_freep) Config *c = config_with(
                "account: a, qos: q, partition: p, reservation: r, extra_args: [--mem=1G]");

        (void)state;
        assert_args(slurm_args_trial(plain), "sbatch", "--test-only", "--propagate=NONE",
                "--wrap=true", NULL);
        assert_args(slurm_args_trial(c), "sbatch", "--test-only", "--propagate=NONE", "--account=a",
                "--qos=q", "--partition=p", "--reservation=r", "--mem=1G", "--wrap=true", NULL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_plain),
                cmocka_unit_test(test_trial),
                cmocka_unit_test(test_odd_name),
                cmocka_unit_test(test_settings),
                cmocka_unit_test(test_questions),
                cmocka_unit_test(test_many_ids),
                cmocka_unit_test(test_environment),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
