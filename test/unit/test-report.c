/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The report, as the researcher reads it: whole pages against test/unit/golden/report-NAME.txt (FLOWCRON_GOLDEN_UPDATE=1 writes them anew, to be
 * read before they are committed), and what an output may do to a page.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "fileio.h"
#include "outcome.h"
#include "record.h"
#include "text.h"

#define ID "7c1d9f8e-4a2b-4c3d-8e5f-0123456789ab"
#define GIB (INT64_C(1024) * 1024 * 1024)

/* A record as FlowCron writes it, with the given middle; host and user are fixed. */
static cJSON *record(const char *format, ...) _printf_(1, 2);

static cJSON *record(const char *format, ...) {
        _cleanup_free_ char *middle = NULL, *text = NULL;
        cJSON *j = NULL;
        Error e = { 0 };
        va_list ap;

        va_start(ap, format);
        assert_true(vasprintf(&middle, format, ap) > 0);
        va_end(ap);
        text = xasprintf(
                "{\"record\":1,\"flowcron\":\"0.1.0\",\"id\":\"" ID
                "\",\"instance\":\"default\",\"host\":\"login1\","
                "\"user\":\"cryoem\",\"name\":\"grid 7\",\"folder\":\"grid 7\",\"created\":\"2026-11-21T08:28:11+01:00\","
                "\"finished\":\"2026-11-21T10:42:03+01:00\",\"events\":[],%s}",
                middle);
        if (json_parse(text, strlen(text), &j, &e) < 0)
                fail_msg("%s: %s", e.text, text);
        return j;
}

#define RUN                                                                                                                         \
        "\"queued\":\"2026-11-21T07:28:12.5+00:00\",\"job_id\":\"17\",\"nodes\":\"n01\",\"started\":\"2026-11-21T07:40:00+00:00\"," \
        "\"ended\":\"2026-11-21T09:41:12+00:00\","

static char *report(const cJSON *j, const char *tail, const char *file) {
        char *text = NULL;

        assert_int_equal(report_build(j, tail, file, &text), 0);
        return text;
}

/* Whatever went into it. */
static void check_form(const char *text) {
        _cleanup_free_ char *copy = strdup(text);

        assert_true(utf8_valid(text));
        assert_true(text[strlen(text) - 1] == '\n');
        for (char *line = strtok(copy, "\n"); line; line = strtok(NULL, "\n")) {
                if (utf8_width(line) > 78)
                        fail_msg("too long: %s", line);
                for (const char *p = line; *p; p++)
                        assert_true((unsigned char)*p >= 0x20 && *p != 0x7f);
        }
}

static void check_golden(const char *name, const cJSON *j, const char *tail, const char *file) {
        _cleanup_free_ char *path =
                xasprintf("%s/test/unit/golden/report-%s.txt", SOURCE_DIR, name);
        _cleanup_free_ char *text = report(j, tail, file), *golden = NULL;
        FILE *f;

        check_form(text);
        if (getenv("FLOWCRON_GOLDEN_UPDATE")) {
                f = fopen(path, "we");
                assert_non_null(f);
                assert_true(fputs(text, f) >= 0);
                assert_int_equal(fclose(f), 0);
        }
        assert_int_equal(file_read_at(AT_FDCWD, path, 64 * 1024, &golden, NULL), 0);
        assert_string_equal(text, golden);
}

static void test_success(void **state _unused_) {
        _cleanup_json_ cJSON *j = record(
                "\"outcome\":\"succeeded\",\"attempt\":1,\"attempts\":[{\"attempt\":1," RUN
                "\"outcome\":\"succeeded\",\"script\":{\"name\":\"run.sh\",\"sha256\":\"00\",\"converted\":[\"run.sh\",\"more/b c.sh\"]},"
                "\"job\":{\"wait_s\":708,\"elapsed_s\":7272,\"time_limit_s\":14400,\"cpus\":8,\"node_count\":1,\"cpu_s\":6000,"
                "\"memory_used_bytes\":%" PRId64 ",\"memory_requested_bytes\":%" PRId64
                ",\"failed_steps\":[{\"step\":\"0\",\"state\":\"FAILED\",\"exit_code\":1}]}}],"
                "\"filing\":{\"removed_links\":{\"count\":7,\"list\":[{\"path\":\"data/latest\",\"target\":\"/scratch/latest\",\"why\":\"outside\"},"
                "{\"path\":\"data/old\",\"target\":\"gone\",\"why\":\"broken\"}]},"
                "\"left_alone\":{\"count\":1,\"list\":[{\"path\":\"data/theirs\",\"why\":\"owner\"}]}}",
                2 * GIB, 47 * GIB);

        check_golden("success", j, NULL, NULL);
}

static void test_plain_success(void **state _unused_) {
        _cleanup_json_ cJSON *j =
                record("\"outcome\":\"succeeded\",\"attempt\":1,\"attempts\":[{\"attempt\":1," RUN
                       "\"outcome\":\"succeeded\",\"job\":{\"wait_s\":0,\"elapsed_s\":1}}]");

        check_golden("success-plain", j, "must not be shown", "slurm-17.err");
}

static void test_timeout(void **state _unused_) {
        _cleanup_json_ cJSON *j = record(
                "\"outcome\":\"failed\",\"cause\":\"" CAUSE_TIMEOUT
                "\",\"reason\":\"over its time limit of 2 h\",\"attempt\":1,\"attempts\":[{\"attempt\":1," RUN
                "\"deferrals\":3,\"outcome\":\"failed\",\"job\":{\"state\":\"TIMEOUT\",\"wait_s\":708,\"elapsed_s\":7212,"
                "\"time_limit_s\":7200,\"cpus\":8,\"node_count\":1,\"cpu_s\":56000}}]");

        check_golden("timeout", j,
                "iteration 4711\nslurmstepd: error: *** JOB 17 ON n01 CANCELLED AT 2026-11-21T10:41:12 DUE TO TIME LIMIT ***\n",
                "slurm-17.err");
}

static void test_out_of_memory(void **state _unused_) {
        _cleanup_json_ cJSON *j = record(
                "\"outcome\":\"failed\",\"cause\":\"" CAUSE_OUT_OF_MEMORY
                "\",\"reason\":\"out of memory, used 46 of 47 GB\",\"attempt\":2,\"attempts\":[{\"attempt\":1,\"job_id\":\"16\","
                "\"cause\":\"" CAUSE_NODE_FAIL
                "\",\"reason\":\"a compute node failed (n02)\"},{\"attempt\":2," RUN
                "\"outcome\":\"failed\",\"job\":{\"state\":\"OUT_OF_MEMORY\",\"wait_s\":708,\"elapsed_s\":7272,\"time_limit_s\":14400,"
                "\"cpus\":8,\"node_count\":1,\"cpu_s\":56000,\"memory_used_bytes\":%" PRId64
                ",\"memory_requested_bytes\":%" PRId64 "}}]",
                46 * GIB, 47 * GIB);

        check_golden("out-of-memory", j,
                "Killed\nslurmstepd: error: Detected 1 oom_kill event in StepId=17.batch.\n",
                "slurm-17.err");
}

static void test_rejected(void **state _unused_) {
        _cleanup_json_ cJSON *j = record(
                "\"outcome\":\"rejected\",\"cause\":\"" CAUSE_RULE
                "\",\"reason\":\"scripts/run.sh, line 12: $HOME is the home folder of the person who installed FlowCron, not yours: cd "
                "$HOME/project\",\"attempt\":0,\"attempts\":[]");

        check_golden("rejected", j, NULL, NULL);
}

static void test_refused(void **state _unused_) {
        _cleanup_json_ cJSON *j = record(
                "\"outcome\":\"rejected\",\"cause\":\"" CAUSE_REFUSED
                "\",\"reason\":\"sbatch: error: invalid partition specified: gpuu\",\"attempt\":1,\"attempts\":[{\"attempt\":1,"
                "\"outcome\":\"rejected\",\"submitted\":\"2026-11-21T07:28:12Z\"}]");

        check_golden("refused", j, NULL, NULL);
}

static void test_cancelled(void **state _unused_) {
        _cleanup_json_ cJSON *j = record(
                "\"outcome\":\"cancelled\",\"cause\":\"" CAUSE_CANCELLED
                "\",\"reason\":\"cancelled by order before it was submitted\",\"attempt\":1,\"attempts\":[]");

        check_golden("cancelled", j, NULL, NULL);
}

static void test_lost(void **state _unused_) {
        _cleanup_json_ cJSON *j = record(
                "\"outcome\":\"lost\",\"cause\":\"" CAUSE_LOST
                "\",\"reason\":\"the scheduler no longer knows the job, and nothing tells how it ended\",\"attempt\":1,"
                "\"attempts\":[{\"attempt\":1,\"queued\":\"2026-11-21T07:28:12Z\",\"job_id\":\"17\",\"outcome\":\"lost\"}]");

        check_golden("lost", j, "starting\n", "slurm-17.out");
}

static void test_array(void **state _unused_) {
        _cleanup_json_ cJSON *j = record(
                "\"outcome\":\"failed\",\"cause\":\"" CAUSE_EXIT_CODE
                "\",\"reason\":\"12 of 40 tasks failed, task 3: exit code 1\",\"attempt\":1,\"attempts\":[{\"attempt\":1," RUN
                "\"outcome\":\"failed\",\"job\":{\"wait_s\":708,\"elapsed_s\":7272,\"task_count\":40,\"tasks_failed\":12,\"tasks\":["
                "{\"job_id\":\"17_3\",\"index\":3,\"state\":\"FAILED\",\"exit_code\":1},{\"job_id\":\"17_4\",\"index\":4,"
                "\"state\":\"TIMEOUT\",\"exit_code\":0},{\"job_id\":\"17_9\",\"index\":9,\"state\":\"CANCELLED\",\"signal\":9}]}}]");

        check_golden("array", j,
                "Traceback (most recent call last):\n  File \"a.py\", line 3\nValueError: no such grid\n",
                "slurm-17_3.err");
}

static size_t count_rows(const char *text) {
        size_t n = 0;

        while ((text = strstr(text, "\n  | "))) {
                text++;
                n++;
        }
        return n;
}

/* Only the end, at most fifteen rows, oldest first. */
static void test_tail_is_bounded(void **state _unused_) {
        _cleanup_json_ cJSON *j = record("\"outcome\":\"failed\",\"attempt\":1,\"attempts\":[]");
        char tail[8192] = "";
        _cleanup_free_ char *text = NULL;
        size_t rows;

        for (int i = 0; i < 100; i++)
                sprintf(tail + strlen(tail), "line %d\n", i);
        text = report(j, tail, "slurm-1.err");
        rows = count_rows(text);
        assert_int_equal(rows, 15);
        assert_null(strstr(text, "line 84\n"));
        assert_true(strstr(text, "line 85\n") < strstr(text, "line 99\n"));
        check_form(text);
}

/* A line of megabytes without an end, as a progress bar or a dump writes it. */
static void test_tail_of_one_line(void **state _unused_) {
        _cleanup_json_ cJSON *j = record("\"outcome\":\"failed\",\"attempt\":1,\"attempts\":[]");
        _cleanup_free_ char *text = NULL, *tail = malloc(65537);

        memset(tail, 'x', 65536);
        memcpy(tail + 65530, "ENDED\n", 6);
        tail[65536] = 0;
        text = report(j, tail, "slurm-1.err");
        assert_non_null(strstr(text, "xxxENDED\n"));
        assert_non_null(strstr(text, "  | …\n"));
        check_form(text);
}

static void test_hostile_tail(void **state _unused_) {
        static const struct {
                const char *tail, *shown;
        } cases[] = {
                { "\033[1;31mred\033[0m alert\n", "  | red alert\n" },
                { "\033]0;title\arest\n", "  | rest\n" },
                { "10%\r20%\r100%\r\n", "  | 100%\n" },
                { "dos line\r\n", "  | dos line\n" },
                { "a\tb\n", "  | a       b\n" },
                { "bell\a\n", "  | bell\\x07\n" },
                { "bad \xff\xc3( byte\n", "  | bad \\xff\\xc3( byte\n" },
                { "turn\xe2\x80\xae around\n", "  | turn\\u{202e} around\n" },
                { "gap\n\n\nend\n\n\n", "  | gap\n  |\n  |\n  | end\n" },
                { "cut off \033[", "  | cut off" },
                { "\xe6\x97\xa5\xe6\x9c\xac\n", "  | \xe6\x97\xa5\xe6\x9c\xac\n" },
        };
        _cleanup_json_ cJSON *j = record("\"outcome\":\"failed\",\"attempt\":1,\"attempts\":[]");

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *text = report(j, cases[i].tail, "slurm-1.err");

                if (!strstr(text, cases[i].shown))
                        fail_msg("case %zu: %s", i, text);
                check_form(text);
        }
}

/* Wide characters and names without a space must not break the page either. */
static void test_hostile_names(void **state _unused_) {
        static const char *const names[] = { "\\n\\u202e\\u0007x",
                "日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語",
                "%s%n%d", "-rf", "'\\\"`$(id)" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                _cleanup_json_ cJSON *j = record(
                        "\"outcome\":\"failed\",\"attempt\":1,\"attempts\":[],\"reason\":\"%s\"",
                        names[i]);
                _cleanup_free_ char *text = NULL;

                cJSON_ReplaceItemInObject(j, "name", cJSON_CreateString(names[i]));
                cJSON_ReplaceItemInObject(j, "folder", cJSON_CreateString(names[i]));
                text = report(j, "tail", "slurm-1.err");
                check_form(text);
        }
}

/* A record that lacks everything still gives a page. */
static void test_empty_record(void **state _unused_) {
        _cleanup_json_ cJSON *j = cJSON_CreateObject();
        _cleanup_free_ char *text = report(j, NULL, NULL);

        check_form(text);
}

static int set_zone(void **state _unused_) {
        setenv("TZ", "<+01>-1", 1);
        tzset();
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_success),
                cmocka_unit_test(test_plain_success),
                cmocka_unit_test(test_timeout),
                cmocka_unit_test(test_out_of_memory),
                cmocka_unit_test(test_rejected),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_cancelled),
                cmocka_unit_test(test_lost),
                cmocka_unit_test(test_array),
                cmocka_unit_test(test_tail_is_bounded),
                cmocka_unit_test(test_tail_of_one_line),
                cmocka_unit_test(test_hostile_tail),
                cmocka_unit_test(test_hostile_names),
                cmocka_unit_test(test_empty_record),
        };

        return cmocka_run_group_tests_name("report", tests, set_zone, NULL);
}
