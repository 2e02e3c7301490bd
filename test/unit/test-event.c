/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "crc32.h"
#include "event.h"

#define ID "0b5ea3a5-52c2-4c0b-8f5b-6b1b7e7c7b00"

static Event example(EventType type, const char *data) {
        Event e = {
                .seq = 17, .time = UINT64_C(1795246091123456), .type = type, .id = ID, .attempt = 1
        };

        if (data)
                e.data = cJSON_Parse(data);
        return e;
}

/* Not inlined, or gcc 12 takes what it returns for the address of its variable. */
static __attribute__((noinline)) char *line_of(const Event *e) {
        char *line = NULL;

        assert_int_equal(event_to_line(e, &line), 0);
        return line;
}

static void test_crc(void **unused _unused_) {
        assert_int_equal(crc32("123456789", 9), 0xcbf43926);
        assert_int_equal(crc32("", 0), 0);
        assert_int_equal(crc32("The quick brown fox jumps over the lazy dog", 43), 0x414fa339);
}

static void test_form(void **unused _unused_) {
        _cleanup_(event_done) Event e = example(EVENT_QUEUED, "{\"job_id\":\"17\",\"held\":true}");
        _cleanup_free_ char *line = line_of(&e), *bare = NULL;
        const char *start =
                "{\"seq\":17,\"time\":\"2026-11-21T07:28:11.123456Z\",\"event\":\"queued\",\"id\":\"" ID
                "\",\"attempt\":1,\"job_id\":\"17\",\"held\":true,\"sum\":\"";

        assert_memory_equal(line, start, strlen(start));
        assert_string_equal(line + strlen(line) - 3, "\"}\n");
        event_done(&e);
        bare = line_of(&e);
        assert_non_null(strstr(bare, "\"attempt\":1,\"sum\":\""));
}

static void test_round_trip(void **unused _unused_) {
        static const char *const data[] = {
                NULL,
                "{\"reason\":\"\\\"quoted\\\" \\\\ \\n\\u0001 \\u00e4\\ud83d\\ude00\"}",
                "{\"sets\":5,\"held\":false,\"none\":null,\"big\":1795246091123456}",
                "{\"job\":{\"exit\":[0,1],\"sum\":\"x\"},\"args\":[\"--sum\",\",\\\"sum\\\":\\\"00000000\\\"}\"]}",
        };

        for (size_t i = 0; i < ELEMENTSOF(data); i++) {
                _cleanup_(event_done) Event in = example(EVENT_JOB, data[i]), out = { 0 };
                _cleanup_free_ char *line = line_of(&in), *again = NULL;

                assert_int_equal(event_from_line(line, strlen(line) - 1, &out, NULL), 0);
                assert_int_equal(out.seq, 17);
                assert_int_equal(out.time, in.time);
                assert_int_equal(out.type, EVENT_JOB);
                assert_string_equal(out.id, ID);
                assert_int_equal(out.attempt, 1);
                assert_true(!in.data == !out.data);
                again = line_of(&out);
                assert_string_equal(again, line);
        }
}

static void test_large_data(void **unused _unused_) {
        _cleanup_free_ char *text = malloc(EVENT_LINE_MAX), *line = NULL, *none = NULL;
        _cleanup_(event_done) Event e = example(EVENT_DEFERRED, "{}"), out = { 0 };

        memset(text, 'x', EVENT_LINE_MAX);
        text[EVENT_LINE_MAX - 300] = 0;
        json_set_str(e.data, "reason", text);
        line = line_of(&e);
        assert_int_equal(event_from_line(line, strlen(line) - 1, &out, NULL), 0);
        assert_string_equal(json_str(out.data, "reason"), text);
        memset(text, 'x', EVENT_LINE_MAX);
        text[EVENT_LINE_MAX - 1] = 0;
        json_set_str(e.data, "reason", text);
        assert_int_equal(event_to_line(&e, &none), -EMSGSIZE);
}

static void test_incomplete_is_not_written(void **unused _unused_) {
        char *line = NULL;
        Event e;

        e = example(EVENT_STAGED, NULL), e.seq = 0;
        assert_int_equal(event_to_line(&e, &line), -EINVAL);
        e = example(EVENT_STAGED, NULL), e.time = 0;
        assert_int_equal(event_to_line(&e, &line), -EINVAL);
        e = example(EVENT_STAGED, NULL), e.id[0] = 0;
        assert_int_equal(event_to_line(&e, &line), -EINVAL);
        e = example(EVENT_STAGED, NULL), e.id[3] = '"';
        assert_int_equal(event_to_line(&e, &line), -EINVAL);
        e = example(_EVENT_TYPE_MAX, NULL);
        assert_int_equal(event_to_line(&e, &line), -EINVAL);
        assert_null(line);
}

/* No single changed byte, and no shortening, goes unnoticed; and nothing of the damaged line is handed out. */
static void test_every_damage_is_seen(void **unused _unused_) {
        _cleanup_(event_done) Event e = example(EVENT_QUEUED, "{\"job_id\":\"17\"}");
        _cleanup_free_ char *line = line_of(&e);
        size_t size = strlen(line) - 1;

        for (size_t i = 0; i < size; i++)
                for (int bit = 0; bit < 8; bit++) {
                        Event out;

                        line[i] = (char)(line[i] ^ 1 << bit);
                        assert_int_equal(event_from_line(line, size, &out, NULL), -EBADMSG);
                        assert_null(out.data);
                        line[i] = (char)(line[i] ^ 1 << bit);
                }
        for (size_t n = 0; n < size; n++) {
                Event out;

                assert_int_equal(event_from_line(line, n, &out, NULL), -EBADMSG);
        }
}

static void test_damage_is_laid_at_one_door(void **unused _unused_) {
        _cleanup_(event_done) Event e = example(EVENT_QUEUED, "{\"job_id\":\"17\"}");
        _cleanup_free_ char *line = line_of(&e);
        Event out;
        Error err;
        char *at = strstr(line, "17\",\"sum");
        size_t size = strlen(line) - 1;

        *at = '9';
        assert_int_equal(event_from_line(line, strlen(line) - 1, &out, &err), -EBADMSG);
        assert_string_equal(out.id, ID);
        assert_non_null(strstr(err.text, "checksum"));
        /* Torn behind the id, within the id, and with a NUL in it. */
        assert_int_equal(
                event_from_line(line, (size_t)(strstr(line, "attempt") - line), &out, NULL),
                -EBADMSG);
        assert_string_equal(out.id, ID);
        assert_int_equal(event_from_line(line, (size_t)(strstr(line, ID) - line) + 20, &out, NULL),
                -EBADMSG);
        assert_string_equal(out.id, "");
        strstr(line, ID)[5] = 0;
        assert_int_equal(event_from_line(line, size, &out, NULL), -EBADMSG);
        assert_string_equal(out.id, "");
}

/* Sealed properly, but not as we write it. */
static void check_foreign(const char *object, int expected, EventType type) {
        _cleanup_free_ char *line = line_seal(object);
        _cleanup_(event_done) Event e = { 0 };
        Error err = { "" };

        assert_int_equal(event_from_line(line, strlen(line) - 1, &e, &err), expected);
        if (expected == 0)
                assert_int_equal(e.type, type);
        else
                assert_int_not_equal(err.text[0], 0);
}

static void test_foreign_forms(void **unused _unused_) {
        _cleanup_free_ char *s = NULL;

        check_foreign(
                "{\"event\":\"staged\", \"id\":\"a-1\",\"attempt\":1,\"time\":\"2026-11-21T07:28:11+00:00\",\"seq\":3,\"x\":1}",
                0, EVENT_STAGED);
        check_foreign(
                "{\"seq\":1,\"time\":\"2026-11-21T08:28:11.5+01:00\",\"event\":\"purged\",\"id\":\"a\",\"attempt\":0}",
                0, EVENT_PURGED);
        check_foreign(
                "{\"seq\":1,\"time\":\"never\",\"event\":\"purged\",\"id\":\"a\",\"attempt\":0}",
                -EBADMSG, 0);
        check_foreign(
                "{\"seq\":1,\"time\":\"2026-11-21T08:28:11Z\",\"event\":\"sung\",\"id\":\"a\",\"attempt\":0}",
                -EBADMSG, 0);
        check_foreign(
                "{\"seq\":0,\"time\":\"2026-11-21T08:28:11Z\",\"event\":\"purged\",\"id\":\"a\",\"attempt\":0}",
                -EBADMSG, 0);
        check_foreign(
                "{\"seq\":1,\"time\":\"2026-11-21T08:28:11Z\",\"event\":\"purged\",\"id\":\"../a\",\"attempt\":0}",
                -EBADMSG, 0);
        check_foreign(
                "{\"seq\":1,\"time\":\"2026-11-21T08:28:11Z\",\"event\":\"purged\",\"id\":\"a\",\"attempt\":-1}",
                -EBADMSG, 0);
        check_foreign(
                "{\"seq\":1,\"time\":\"2026-11-21T08:28:11Z\",\"event\":\"purged\",\"id\":\"a\",\"attempt\":1,\"x\":}",
                -EBADMSG, 0);
        check_foreign(
                "{\"seq\":1,\"time\":\"2026-11-21T08:28:11Z\",\"event\":\"purged\",\"id\":\"a\",\"attempt\":1,\"x\":1},{\"y\":2}",
                -EBADMSG, 0);
        check_foreign("[1,2]", -EBADMSG, 0);
        s = line_seal("{\"a\":1}");
        assert_int_equal(line_check(s, strlen(s) - 1), 0);
        assert_int_equal(line_check(s, strlen(s)), -EBADMSG);
}

static void test_to_json(void **unused _unused_) {
        _cleanup_(event_done) Event e = example(EVENT_SOFT_DELETED, "{\"by\":\"retention\"}");
        _cleanup_json_ cJSON *j = event_to_json(&e);

        assert_int_equal(json_time(j, "time"), e.time);
        assert_string_equal(json_str(j, "event"), "soft-deleted");
        assert_int_equal(json_int(j, "attempt", -1), 1);
        assert_string_equal(json_str(j, "by"), "retention");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_crc),
                cmocka_unit_test(test_form),
                cmocka_unit_test(test_round_trip),
                cmocka_unit_test(test_large_data),
                cmocka_unit_test(test_incomplete_is_not_written),
                cmocka_unit_test(test_every_damage_is_seen),
                cmocka_unit_test(test_damage_is_laid_at_one_door),
                cmocka_unit_test(test_foreign_forms),
                cmocka_unit_test(test_to_json),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
