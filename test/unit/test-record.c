/* SPDX-License-Identifier: Apache-2.0 */

/* The record: what it is made of, attempt by attempt, and that it has what its schema demands. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>

#include "fileio.h"
#include "outcome.h"
#include "record.h"
#include "text.h"

#define ID "7c1d9f8e-4a2b-4c3d-8e5f-0123456789ab"
#define SHA "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

static cJSON *parse(const char *text) {
        cJSON *j = NULL;
        Error e = { 0 };

        if (json_parse(text, strlen(text), &j, &e) != 0)
                fail_msg("%s: %s", e.text, text);
        return j;
}

static cJSON *build(const char *events, UowOutcome outcome, int attempt, const cJSON *filing) {
        _cleanup_(config_freep) Config *c = NULL;
        _cleanup_(uow_freep) Uow *u = uow_new(ID);
        _cleanup_json_ cJSON *history = parse(events);
        cJSON *record = NULL;
        RecordInput in = {
                .uow = u, .events = history, .path = "/base/FailedJobs/a\xff", .filing = filing
        };

        assert_int_equal(config_new("default", &c), 0);
        in.config = c;
        in.finished = UINT64_C(1763710923) * USEC_PER_SEC;
        u->name = strdup("a\xff");
        u->folder = strdup("a\xff-20251121-074203");
        u->outcome = outcome;
        u->attempt = attempt;
        u->created = UINT64_C(1763700000) * USEC_PER_SEC;
        if (outcome != OUTCOME_SUCCEEDED) {
                u->cause = strdup(CAUSE_TIMEOUT);
                u->reason = strdup("over its time limit");
        }
        assert_int_equal(record_build(&in, &record), 0);
        return record;
}

static const char two_attempts[] =
        "[{\"time\":\"2025-11-21T07:00:00Z\",\"event\":\"uploaded\",\"attempt\":0,\"name\":\"a\",\"folder\":\"a\",\"owner\":1000},"
        "{\"time\":\"2025-11-21T07:00:01Z\",\"event\":\"staged\",\"attempt\":0,\"script\":\"run.sh\",\"sha256\":\"" SHA
        "\",\"converted\":[\"run.sh\"]},"
        "{\"time\":\"2025-11-21T07:00:02Z\",\"event\":\"submitting\",\"attempt\":1,\"args\":[\"--parsable\",\"--chdir=/x\"]},"
        "{\"time\":\"2025-11-21T07:00:03Z\",\"event\":\"deferred\",\"attempt\":1,\"reason\":\"socket timed out\"},"
        "{\"time\":\"2025-11-21T07:00:04Z\",\"event\":\"submitting\",\"attempt\":1,\"args\":[\"--parsable\",\"--again\"]},"
        "{\"time\":\"2025-11-21T07:00:05Z\",\"event\":\"queued\",\"attempt\":1,\"job_id\":\"17\",\"adopted\":true},"
        "{\"time\":\"2025-11-21T07:00:06Z\",\"event\":\"job\",\"attempt\":1,\"phase\":\"running\",\"nodes\":\"n1\",\"started\":\"2025-11-21T07:00:06Z\"},"
        "{\"time\":\"2025-11-21T07:00:07Z\",\"event\":\"requeued\",\"attempt\":1,\"cause\":\"node-fail\",\"reason\":\"a compute node failed\","
        "\"job\":{\"state\":\"NODE_FAIL\",\"nodes\":\"n[1-2]\",\"exit_code\":0,\"signal\":9}},"
        "{\"time\":\"2025-11-21T07:00:08Z\",\"event\":\"submitting\",\"attempt\":2,\"args\":[\"--parsable\"]},"
        "{\"time\":\"2025-11-21T07:00:09Z\",\"event\":\"queued\",\"attempt\":2,\"job_id\":\"18\"},"
        "{\"time\":\"2025-11-21T07:00:10Z\",\"event\":\"ended\",\"attempt\":2,\"outcome\":\"failed\",\"cause\":\"timeout\","
        "\"reason\":\"over its time limit\",\"job\":{\"state\":\"TIMEOUT\",\"elapsed_s\":60,\"ended\":\"2025-11-21T07:00:10Z\"}},"
        "{\"time\":\"2025-11-21T07:00:11Z\",\"event\":\"finished\",\"attempt\":2},"
        "{\"time\":\"2025-11-21T07:00:12Z\",\"event\":\"retry\",\"attempt\":2,\"by\":\"control\"},"
        "{\"time\":\"2025-11-21T07:00:13Z\",\"event\":\"staged\",\"attempt\":3,\"script\":\"other.sh\",\"sha256\":\"" SHA
        "\"}]";

static void test_attempts(void **state _unused_) {
        _cleanup_json_ cJSON *record = build(two_attempts, OUTCOME_FAILED, 3, NULL);
        const cJSON *attempts = json_array(record, "attempts"),
                    *first = cJSON_GetArrayItem(attempts, 0),
                    *second = cJSON_GetArrayItem(attempts, 1),
                    *third = cJSON_GetArrayItem(attempts, 2);

        assert_int_equal(cJSON_GetArraySize(attempts), 3);
        assert_string_equal(json_str(json_object(first, "script"), "name"), "run.sh");
        assert_string_equal(json_str(json_object(first, "script"), "sha256"), SHA);
        assert_int_equal(
                cJSON_GetArraySize(json_array(json_object(first, "script"), "converted")), 1);
        assert_int_equal(json_int(first, "deferrals", 0), 1);
        assert_string_equal(
                cJSON_GetArrayItem(json_array(first, "args"), 1)->valuestring, "--again");
        assert_string_equal(json_str(first, "submitted"), "2025-11-21T07:00:04Z");
        assert_string_equal(json_str(first, "job_id"), "17");
        assert_true(json_bool(first, "adopted", false));
        assert_string_equal(json_str(first, "nodes"), "n[1-2]");
        assert_string_equal(json_str(first, "cause"), "node-fail");
        assert_null(json_str(first, "outcome"));
        assert_int_equal(json_int(first, "signal", 0), 9);
        assert_string_equal(json_str(second, "job_id"), "18");
        assert_string_equal(json_str(second, "outcome"), "failed");
        assert_string_equal(json_str(second, "ended"), "2025-11-21T07:00:10Z");
        assert_int_equal(json_int(json_object(second, "job"), "elapsed_s", 0), 60);
        assert_string_equal(json_str(third, "ordered_by"), "control");
        assert_string_equal(json_str(json_object(third, "script"), "name"), "other.sh");
        assert_null(json_str(third, "job_id"));
        assert_int_equal(cJSON_GetArraySize(json_array(record, "events")), 14);
}

/* Nothing was attempted. */
static void test_no_attempt(void **state _unused_) {
        _cleanup_json_ cJSON *record = build(
                "[{\"time\":\"2025-11-21T07:00:00Z\",\"event\":\"uploaded\",\"attempt\":0},"
                "{\"time\":\"2025-11-21T07:00:01Z\",\"event\":\"ended\",\"attempt\":0,\"outcome\":\"rejected\"}]",
                OUTCOME_REJECTED, 0, NULL);

        assert_int_equal(cJSON_GetArraySize(json_array(record, "attempts")), 0);
        assert_string_equal(json_str(record, "outcome"), "rejected");
        assert_int_equal(json_int(record, "attempt", -1), 0);
}

/* Raw bytes of names are escaped, and come back as they were. */
static void test_names(void **state _unused_) {
        _cleanup_json_ cJSON *record = build("[]", OUTCOME_SUCCEEDED, 1, NULL);
        _cleanup_free_ char *text = json_print_pretty(record), *name = NULL, *path = NULL;

        assert_true(utf8_valid(text));
        assert_int_equal(json_get_name(record, "name", &name), 0);
        assert_string_equal(name, "a\xff");
        assert_int_equal(json_get_name(record, "path", &path), 0);
        assert_string_equal(path, "/base/FailedJobs/a\xff");
        assert_null(json_str(record, "cause"));
        assert_null(json_object(record, "filing"));
}

/* Every member is in the schema, and those that it demands are there. */
static void check_against(
        const cJSON *schema, const cJSON *root, const cJSON *value, const char *where) {
        const char *ref = json_str(schema, "$ref");
        const cJSON *item, *properties;

        if (ref)
                schema = json_object(json_object(root, "$defs"), startswith(ref, "#/$defs/"));
        assert_non_null(schema);
        properties = json_object(schema, "properties");
        cJSON_ArrayForEach(item, json_array(schema, "required"))
                if (!cJSON_GetObjectItemCaseSensitive(value, item->valuestring))
                        fail_msg("%s lacks %s", where, item->valuestring);
        if (cJSON_IsArray(value)) {
                cJSON_ArrayForEach(item, value)
                        check_against(json_object(schema, "items"), root, item, where);
                return;
        }
        cJSON_ArrayForEach(item, value) {
                const cJSON *member = cJSON_GetObjectItemCaseSensitive(properties, item->string);

                if (properties && !member && !streq(where, "events"))
                        fail_msg("%s has %s, of which the schema knows nothing", where,
                                item->string);
                if (member && (cJSON_IsObject(item) || cJSON_IsArray(item)))
                        check_against(member, root, item, item->string);
        }
}

static void test_schema(void **state _unused_) {
        _cleanup_json_ cJSON *filing = parse(
                "{\"removed_links\":{\"count\":1,\"list\":[{\"path\":\"a\",\"target\":\"b\",\"why\":\"broken\"}]},"
                "\"left_alone\":{\"count\":1,\"list\":[{\"path\":\"a\",\"why\":\"owner\"}]},\"unreadable\":1}");
        _cleanup_json_ cJSON *record = build(two_attempts, OUTCOME_FAILED, 3, filing),
                             *schema = NULL;
        _cleanup_free_ char *text = NULL;

        assert_int_equal(file_read_at(AT_FDCWD, SOURCE_DIR "/schema/record.schema.json", 1 << 20,
                                 &text, NULL),
                0);
        schema = parse(text);
        check_against(schema, schema, record, "the record");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_attempts),
                cmocka_unit_test(test_no_attempt),
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_schema),
        };

        return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
