/* SPDX-License-Identifier: Apache-2.0 */

/* Frames cut anywhere, frames too long, and messages that are none. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "text.h"
#include "varlink.h"

static VarlinkReader reader_of(size_t max) {
        return (VarlinkReader){ .max = max };
}

static void feed(VarlinkReader *r, const char *data, size_t size) {
        assert_int_equal(varlink_reader_feed(r, data, size), 0);
}

static void expect_frame(VarlinkReader *r, const char *text) {
        const char *frame;
        size_t size;

        assert_int_equal(varlink_reader_next(r, &frame, &size), 1);
        assert_int_equal(size, strlen(text));
        assert_string_equal(frame, text);
}

static void expect_none(VarlinkReader *r) {
        const char *frame;
        size_t size;

        assert_int_equal(varlink_reader_next(r, &frame, &size), 0);
}

static void test_frames_cut_anywhere(void **state) {
        static const char data[] = "{\"a\":1}\0{}\0\0x";

        (void)state;
        for (size_t cut = 0; cut <= sizeof(data); cut++) {
                VarlinkReader r = reader_of(100);

                feed(&r, data, cut);
                if (cut >= 8)
                        expect_frame(&r, "{\"a\":1}");
                else
                        expect_none(&r);
                feed(&r, data + cut, sizeof(data) - cut);
                if (cut < 8)
                        expect_frame(&r, "{\"a\":1}");
                expect_frame(&r, "{}");
                expect_frame(&r, "");
                expect_frame(&r, "x");
                expect_none(&r);
                assert_false(varlink_reader_pending(&r));
                varlink_reader_done(&r);
        }
}

static void test_frame_too_long(void **state) {
        VarlinkReader r = reader_of(4);
        const char *frame;
        size_t size;

        (void)state;
        feed(&r, "1234", 4);
        expect_none(&r); /* the NUL may yet come */
        feed(&r, "", 1);
        expect_frame(&r, "1234");
        feed(&r, "12345", 5);
        assert_int_equal(varlink_reader_next(&r, &frame, &size), -EMSGSIZE);
        varlink_reader_done(&r);

        r = reader_of(4);
        feed(&r, "12345\0", 6);
        assert_int_equal(varlink_reader_next(&r, &frame, &size), -EMSGSIZE);
        varlink_reader_done(&r);
}

/* A peer that sends much and is read in parts: what was handed out does not pile up. */
static void test_reader_gives_back(void **state) {
        VarlinkReader r = reader_of(1000);
        char block[500];

        (void)state;
        memset(block, 'x', sizeof(block));
        block[sizeof(block) - 1] = 0;
        for (int i = 0; i < 10000; i++) {
                const char *frame;
                size_t size;

                feed(&r, block, sizeof(block));
                assert_int_equal(varlink_reader_next(&r, &frame, &size), 1);
        }
        assert_true(r.allocated <= 8192);
        varlink_reader_done(&r);
}

static int parse_call(const char *text, VarlinkCall *ret) {
        Error e = {};

        return varlink_call_parse(text, strlen(text), ret, &e);
}

static void test_calls(void **state) {
        VarlinkCall c = {};

        (void)state;
        assert_int_equal(parse_call("{\"method\":\"a.b.C\"}", &c), 0);
        assert_string_equal(c.method, "a.b.C");
        assert_true(cJSON_IsObject(c.parameters));
        assert_false(c.more || c.oneway || c.upgrade);
        varlink_call_done(&c);

        assert_int_equal(
                parse_call("{\"method\":\"a.b.C\",\"more\":true,\"oneway\":null,\"upgrade\":false,"
                           "\"parameters\":{\"x\":[1]},\"else\":1}",
                        &c),
                0);
        assert_true(c.more && !c.oneway && !c.upgrade);
        assert_int_equal(cJSON_GetArraySize(json_array(c.parameters, "x")), 1);
        varlink_call_done(&c);
}

static void test_no_calls(void **state) {
        static const char *const bad[] = { "", "[]", "null", "{", "{}", "{\"method\":1}",
                "{\"method\":\"\"}", "{\"method\":\"a.b.C\",\"more\":1}",
                "{\"method\":\"a.b.C\",\"oneway\":\"yes\"}",
                "{\"method\":\"a.b.C\",\"parameters\":[]}",
                "{\"method\":\"a.b.C\",\"parameters\":\"x\"}", "{\"method\":\"a.b.C\"}{}",
                "{\"method\":\"\xff\"}", "\x01{}" };

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                VarlinkCall c = {};

                assert_int_equal(parse_call(bad[i], &c), -EINVAL);
                assert_null(c.method);
                assert_null(c.parameters);
        }
}

static void test_replies(void **state) {
        static const char *const bad[] = { "[]", "{\"error\":1}", "{\"error\":\"\"}",
                "{\"continues\":1}", "{\"parameters\":1}" };
        VarlinkReply r = {};
        Error e = {};

        (void)state;
        assert_int_equal(varlink_reply_parse("{}", 2, &r, &e), 0);
        assert_null(r.error);
        assert_true(cJSON_IsObject(r.parameters));
        assert_false(r.continues);
        varlink_reply_done(&r);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(varlink_reply_parse(bad[i], strlen(bad[i]), &r, &e), -EINVAL);
}

/* What one side writes, the other reads. */
static void test_round_trip(void **state) {
        _cleanup_free_ char *call = NULL, *reply = NULL;
        cJSON *in = cJSON_CreateObject(), *out = cJSON_CreateObject();
        VarlinkCall c = {};
        VarlinkReply r = {};
        Error e = {};
        size_t size;

        (void)state;
        json_set_name(in, "uow", "a\nb\xff\"");
        assert_int_equal(varlink_call_format("a.b.C", in, true, true, &call, &size), 0);
        assert_int_equal(call[size - 1], 0);
        assert_int_equal(strlen(call), size - 1);
        assert_int_equal(varlink_call_parse(call, size - 1, &c, &e), 0);
        assert_true(c.more && c.oneway);
        assert_string_equal(json_str(c.parameters, "uow"), "a\nb\\xff\"");
        varlink_call_done(&c);

        json_set_str(out, "message", "no");
        assert_int_equal(varlink_reply_format("a.b.No", out, false, &reply, &size), 0);
        assert_int_equal(varlink_reply_parse(reply, size - 1, &r, &e), 0);
        assert_string_equal(r.error, "a.b.No");
        assert_string_equal(json_str(r.parameters, "message"), "no");
        varlink_reply_done(&r);
}

static void test_method_names(void **state) {
        static const char *const bad[] = { "", "x", ".", "a.b", "a.b.", ".C", "org" };
        const char *name;
        size_t size;

        (void)state;
        assert_int_equal(varlink_method_split("org.flowcron.Control.Show", &size, &name), 0);
        assert_int_equal(size, strlen("org.flowcron.Control"));
        assert_string_equal(name, "Show");
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(varlink_method_split(bad[i], &size, &name), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_frames_cut_anywhere),
                cmocka_unit_test(test_frame_too_long),
                cmocka_unit_test(test_reader_gives_back),
                cmocka_unit_test(test_calls),
                cmocka_unit_test(test_no_calls),
                cmocka_unit_test(test_replies),
                cmocka_unit_test(test_round_trip),
                cmocka_unit_test(test_method_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
