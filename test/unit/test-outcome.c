/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The words for how jobs end: the figures in them, the part that is meant, and what is said when
 * little is known.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "outcome.h"
#include "text.h"

static void assert_reason(const char *cause, const char *facts, const char *expected) {
        _cleanup_json_ cJSON *f = facts ? cJSON_Parse(facts) : NULL;
        _cleanup_free_ char *reason = outcome_reason(cause, f);

        assert_true(!facts || f);
        assert_string_equal(reason, expected);
}

static void test_reasons(void **state) {
        (void)state;
        assert_reason(CAUSE_EXIT_CODE, "{\"exit_code\":3,\"signal\":0}", "exit code 3");
        assert_reason(
                CAUSE_EXIT_CODE, "{\"exit_code\":127}", "exit code 127 (a command was not found)");
        assert_reason(CAUSE_EXIT_CODE, "{\"exit_code\":137}",
                "exit code 137 (a program was killed by SIGKILL)");
        assert_reason(CAUSE_EXIT_CODE, "{\"exit_code\":255}", "exit code 255");
        assert_reason(CAUSE_EXIT_CODE, NULL, "the script ended with an error");
        assert_reason(CAUSE_SIGNAL, "{\"signal\":11}",
                "killed by signal 11 (SIGSEGV, a fault in memory)");
        assert_reason(CAUSE_SIGNAL, "{\"signal\":60}", "killed by signal 60");
        assert_reason(CAUSE_SIGNAL, "{\"signal\":-5}", "killed by a signal");
        assert_reason(CAUSE_TIMEOUT, "{\"time_limit_s\":7200}", "over its time limit of 2 h");
        assert_reason(CAUSE_TIMEOUT, "{}", "over its time limit");
        assert_reason(CAUSE_CANCELLED_OUTSIDE, "{\"cancelled_by\":\"1001\"}",
                "cancelled outside FlowCron, by user 1001");
        assert_reason(CAUSE_NODE_FAIL, "{\"nodes\":\"n[1-2]\"}", "a compute node failed (n[1-2])");
        assert_reason(CAUSE_OTHER, "{\"state\":\"SPECIAL\"}", "it ended as SPECIAL");
        assert_reason("no-such-cause", NULL, "it ended as failed");
}

#define GB "073741824"

static void test_memory(void **state) {
        (void)state;
        assert_reason(CAUSE_OUT_OF_MEMORY,
                "{\"memory_used_bytes\":49392123904,\"memory_requested_bytes\":50465865728}",
                "out of memory, used 46 of 47 GB");
        assert_reason(CAUSE_OUT_OF_MEMORY,
                "{\"memory_used_bytes\":943718400,\"memory_requested_bytes\":1" GB "}",
                "out of memory, used 900 MB of 1 GB");
        /* A rise that was never sampled. */
        assert_reason(CAUSE_OUT_OF_MEMORY,
                "{\"memory_used_bytes\":4864000,\"memory_requested_bytes\":50465865728}",
                "out of memory, needed more than the 47 GB it asked for");
        assert_reason(CAUSE_OUT_OF_MEMORY, "{\"memory_used_bytes\":1000}", "out of memory");
}

static void test_parts(void **state) {
        (void)state;
        assert_reason(CAUSE_EXIT_CODE,
                "{\"task_count\":5,\"tasks_failed\":1,\"exit_code\":9,"
                "\"tasks\":[{\"job_id\":\"17_3\",\"index\":3,\"exit_code\":1}]}",
                "task 3 of 5: exit code 1");
        assert_reason(CAUSE_OUT_OF_MEMORY,
                "{\"task_count\":5,\"tasks_failed\":2,\"memory_requested_bytes\":104857600,"
                "\"tasks\":[{\"job_id\":\"17_0\",\"index\":0,\"memory_used_bytes\":104857600}]}",
                "2 of 5 tasks failed, task 0: out of memory, used 100 of 100 MB");
        assert_reason(CAUSE_TIMEOUT,
                "{\"task_count\":2,\"tasks_failed\":1,\"tasks\":[{\"job_id\":\"17+1\",\"index\":1}]}",
                "part 1 of 2: over its time limit");
        assert_reason(CAUSE_EXIT_CODE,
                "{\"exit_code\":0,\"failed_job\":\"18\",\"further_jobs\":[{\"job_id\":\"19\",\"exit_code\":0},"
                "{\"job_id\":\"18\",\"exit_code\":3}]}",
                "job 18 that it submitted: exit code 3");
        /* The list is bounded: the one that is meant may not be in it. */
        assert_reason(CAUSE_EXIT_CODE, "{\"exit_code\":0,\"failed_job\":\"18\"}",
                "job 18 that it submitted: exit code 0");
}

/* Whatever a node list or user name holds, the line stays one line of bounded length. */
static void test_hostile_text(void **state) {
        _cleanup_json_ cJSON *f = cJSON_CreateObject();
        _cleanup_free_ char *reason = NULL;
        char long_name[1000];

        (void)state;
        memset(long_name, 'x', sizeof(long_name) - 1);
        long_name[sizeof(long_name) - 1] = 0;
        long_name[3] = '\n';
        long_name[4] = 27;
        cJSON_AddStringToObject(f, "nodes", long_name);
        reason = outcome_reason(CAUSE_NODE_FAIL, f);
        assert_non_null(reason);
        assert_true(strlen(reason) <= 200);
        assert_null(strpbrk(reason, "\n\033"));
        assert_true(utf8_valid(reason));
}

static void assert_explained(
        const char *cause, const char *facts, const char *likely, const char *advice) {
        _cleanup_json_ cJSON *f = facts ? cJSON_Parse(facts) : NULL;
        _cleanup_free_ char *l = NULL, *a = NULL;

        assert_int_equal(outcome_explain(cause, f, &l, &a), 0);
        if (!likely) {
                assert_string_equal(l, "");
                assert_string_equal(a, "");
                return;
        }
        if (!strstr(l, likely) || !strstr(a, advice))
                fail_msg("%s: \"%s\" \"%s\"", cause, l, a);
        assert_null(strchr(l, '\n'));
        assert_null(strchr(a, '\n'));
}

static void test_explanations(void **state) {
        static const char *const causes[] = { CAUSE_EXIT_CODE, CAUSE_SIGNAL, CAUSE_TIMEOUT,
                CAUSE_OUT_OF_MEMORY, CAUSE_NODE_FAIL, CAUSE_PREEMPTED, CAUSE_DEADLINE,
                CAUSE_CANCELLED, CAUSE_CANCELLED_OUTSIDE, CAUSE_REQUEUE_HOLD, CAUSE_REVOKED,
                CAUSE_LAUNCH, CAUSE_LOST, CAUSE_RULE, CAUSE_REFUSED, CAUSE_OTHER, "new-cause" };

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(causes); i++) /* never empty, with facts or without */
                assert_explained(causes[i], i % 2 ? NULL : "{}", ".", ".");
        assert_explained(CAUSE_OUT_OF_MEMORY,
                "{\"memory_used_bytes\":49392123904,\"memory_requested_bytes\":50465865728}",
                "47 GB", "--mem=71G");
        assert_explained(CAUSE_TIMEOUT, "{\"time_limit_s\":7200}", "time was up", "--time=4:00:00");
        assert_explained(
                CAUSE_TIMEOUT, "{\"time_limit_s\":90060}", "time was up", "--time=2-02:02:00");
        assert_explained(CAUSE_EXIT_CODE, "{\"exit_code\":127}", "not found", "module");
        assert_explained(NULL, "{\"exit_code\":0}", NULL, NULL);
        assert_explained(NULL, NULL, NULL, NULL);
        assert_explained(NULL, "{\"failed_steps\":[{\"step\":\"0\"}]}", "1 step within", "set -e");
}

static void test_sizes(void **state) {
        static const struct {
                uint64_t bytes;
                const char *text;
        } sizes[] = {
                { 0, "0 bytes" },
                { 1023, "1023 bytes" },
                { 1536, "1.5 kB" },
                { 1024 * 1024, "1 MB" },
                { UINT64_C(1073741824) * 10 - 1, "10 GB" },
                { UINT64_C(1073741824) * 2048, "2 TB" },
                { UINT64_MAX, "16777216 TB" },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                char buf[OUTCOME_SIZE_MAX];

                assert_string_equal(outcome_size(buf, sizes[i].bytes), sizes[i].text);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_reasons),
                cmocka_unit_test(test_memory),
                cmocka_unit_test(test_parts),
                cmocka_unit_test(test_hostile_text),
                cmocka_unit_test(test_explanations),
                cmocka_unit_test(test_sizes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
