/* SPDX-License-Identifier: Apache-2.0 */

/* What is read is JSON and nothing else, the place of a fault is told, and what is written can be read. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <string.h>

#include "json.h"

/* Parse a copy without a byte to spare, so that the sanitizer sees a look beyond the end. */
static int parse(const char *data, size_t size, cJSON **ret, Error *e) {
        _cleanup_free_ char *copy = malloc(size ? size : 1);

        assert_non_null(copy);
        memcpy(copy, data, size);
        return json_parse(copy, size, ret, e);
}

static cJSON *parse_good(const char *s) {
        cJSON *j = NULL;
        Error e = { "" };

        if (parse(s, strlen(s), &j, &e) < 0)
                fail_msg("%s: %s", s, e.text);
        return j;
}

static void test_parse(void **state) {
        static const char *const good[] = { "0", " null ", "\t[]\r\n", "{}", "\"\"", "-1.5e3",
                "true", "[1,2,[3]]", "{\"a\":{\"b\":[\"c\"]}}", "\"\\u00e9\\ud83d\\ude00\\\\\\\"\"",
                "\"\\\\u0000\"", "\"[[[[{{{{]}\"", "\"é漢\"" };

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                _cleanup_json_ cJSON *j = parse_good(good[i]);

                assert_non_null(j);
        }
}

static void test_parse_tells_the_place(void **state) {
        static const struct {
                const char *s, *place;
        } bad[] = {
                { "", "line 1, column 1: it ends too early" },
                { " \n ", "line 2, column " },
                { "{\"a\":1", "line 1, column " },
                { "{\n  \"a\": tru\n}", "line 2, column 8: not valid JSON" },
                { "{} x", "line 1, column 4: something follows" },
                { "{}\n{}", "line 2, column 1: something follows" },
                { "{\"a\":1,}", "line 1, column 8: not valid JSON" },
                { "{'a':1}", "line 1, column " },
                { "\x01{}", "line 1, column 1: control character" },
                { "{}\x0b", "line 1, column 3: control character" },
                { "[\"a\nb\"]", "line 1, column 4: control character in a string" },
                { "[\"a\\\nb\"]", "line 1, column 4: control character in a string" },
                { "[\"\\u0000\"]", "line 1, column 3: NUL in a string" },
                { "[\"a\",\n\"\xff\"]", "line 2, column 2: not valid UTF-8" },
                { "]", "line 1, column 1: closing bracket" },
                { "\"abc", "line 1, column " },
                { "\"abc\\", "line 1, column " },
                { "\"\\u12\"", "line 1, column " },
                { "\"\\ud83d\"", "line 1, column " },
                { "NaN", "line 1, column 1: not valid JSON" },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                cJSON *j = NULL;
                Error e = { "" };

                assert_int_equal(parse(bad[i].s, strlen(bad[i].s), &j, &e), -EINVAL);
                assert_null(j);
                if (strncmp(e.text, bad[i].place, strlen(bad[i].place)) != 0)
                        fail_msg("%s: %s", bad[i].s, e.text);
        }
}

static void test_parse_nul(void **state) {
        cJSON *j = NULL;
        Error e;

        (void)state;
        assert_int_equal(parse("{}\0", 3, &j, &e), -EINVAL);
        assert_string_equal(e.text, "line 1, column 3: control character");
        assert_int_equal(parse("\"a\0b\"", 5, &j, &e), -EINVAL);
        assert_int_equal(parse("\0{}", 3, &j, NULL), -EINVAL);
        assert_int_equal(parse("\"a\"", 2, &j, NULL), -EINVAL);
        assert_int_equal(parse("12\xe9", 2, &j, NULL), 0);
        cJSON_Delete(j);
}

static void test_parse_depth(void **state) {
        char s[2 * JSON_DEPTH_MAX + 3];
        cJSON *j = NULL;
        Error e;

        (void)state;
        memset(s, '[', JSON_DEPTH_MAX);
        memset(s + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
        assert_int_equal(parse(s, 2 * JSON_DEPTH_MAX, &j, NULL), 0);
        cJSON_Delete(j);
        memset(s, '[', JSON_DEPTH_MAX + 1);
        memset(s + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
        assert_int_equal(parse(s, 2 * JSON_DEPTH_MAX + 2, &j, &e), -EINVAL);
        assert_string_equal(e.text, "line 1, column 33: nested too deeply");
}

/* Every beginning of a document, as a torn write leaves it. */
static void test_parse_torn(void **state) {
        static const char whole[] =
                "{\"a\":[1,-2.5e+3,true,null,\"x\\u00e9\\n\\\"\"],\"b\":{\"c\":\"é\"}}";

        (void)state;
        for (size_t n = 0; n < sizeof(whole) - 1; n++) {
                cJSON *j = NULL;

                assert_int_equal(parse(whole, n, &j, NULL), -EINVAL);
        }
}

static void test_getters(void **state) {
        _cleanup_json_ cJSON *j = parse_good(
                "{\"s\":\"x\",\"b\":true,\"i\":-7,\"big\":9007199254740992,\"half\":0.5,\"inf\":1e999,"
                "\"huge\":1e30,\"t\":\"2026-11-21T07:28:11Z\",\"a\":[],\"o\":{},\"s\":\"second\","
                "\"n\":\"\\\\xff\",\"S\":1}");
        char *name = NULL;

        (void)state;
        assert_string_equal(json_str(j, "s"), "x");
        assert_null(json_str(j, "i"));
        assert_null(json_str(j, "absent"));
        assert_null(json_str(NULL, "s"));
        assert_true(json_bool(j, "b", false));
        assert_true(json_bool(j, "s", true));
        assert_int_equal(json_int(j, "i", 3), -7);
        assert_int_equal(json_int(j, "big", 3), INT64_C(9007199254740992));
        assert_int_equal(json_int(j, "half", 3), 3);
        assert_int_equal(json_int(j, "inf", 3), 3);
        assert_int_equal(json_int(j, "huge", 3), 3);
        assert_int_equal(json_int(j, "s", 3), 3);
        assert_true(json_double(j, "half", 9) == 0.5);
        assert_true(json_double(j, "inf", 9) == 9);
        assert_int_equal(json_time(j, "t"), UINT64_C(1795246091000000));
        assert_int_equal(json_time(j, "s"), 0);
        assert_int_equal(json_time(j, "i"), 0);
        assert_non_null(json_array(j, "a"));
        assert_null(json_array(j, "o"));
        assert_non_null(json_object(j, "o"));
        assert_null(json_object(j, "a"));
        assert_int_equal(json_get_name(j, "absent", &name), -ENOENT);
        assert_int_equal(json_get_name(j, "i", &name), -EINVAL);
        assert_null(name);
        assert_int_equal(json_get_name(j, "n", &name), 0);
        assert_string_equal(name, "\xff");
        free(name);
}

static void test_setters(void **state) {
        _cleanup_json_ cJSON *o = cJSON_CreateObject(), *back = NULL;
        cJSON *list = cJSON_CreateArray();
        _cleanup_free_ char *text = NULL, *name = NULL;

        (void)state;
        assert_int_equal(json_set_str(o, "none", NULL), 0);
        assert_int_equal(json_set_str(o, "empty", ""), 0);
        assert_int_equal(json_set_time(o, "never", 0), 0);
        assert_int_equal(json_set_str(o, "s", "a \"q\" \n"), 0);
        assert_int_equal(json_set_str(o, "raw", "caf\xe9"), 0);
        assert_int_equal(json_set_name(o, "name", "caf\xe9\\xff"), 0);
        assert_int_equal(json_set_int(o, "i", 1), 0);
        assert_int_equal(json_set_int(o, "i", INT64_C(1234567890123456)), 0);
        assert_int_equal(json_set_bool(o, "b", false), 0);
        assert_int_equal(json_set_time_usec(o, "t", UINT64_C(1795246091123456)), 0);
        assert_int_equal(json_add_str(list, "x"), 0);
        assert_int_equal(json_add_str(list, "\x80"), 0);
        assert_int_equal(json_set_item(o, "list", list), 0);
        assert_int_equal(json_set_item(o, "null", NULL), -ENOMEM);

        text = json_print(o);
        back = parse_good(text);
        assert_int_equal(cJSON_GetArraySize(back), 7);
        assert_string_equal(json_str(back, "raw"), "caf\\xe9");
        assert_int_equal(json_int(back, "i", 0), INT64_C(1234567890123456));
        assert_string_equal(json_str(back, "t"), "2026-11-21T07:28:11.123456Z");
        assert_int_equal(json_get_name(back, "name", &name), 0);
        assert_string_equal(name, "caf\xe9\\xff");
}

static void test_print_pretty(void **state) {
        static const char expected[] = "{\n"
                                       "  \"a \\\"b\\\"\": 1,\n"
                                       "  \"list\": [\n"
                                       "    \"{,:}\",\n"
                                       "    [],\n"
                                       "    {}\n"
                                       "  ],\n"
                                       "  \"o\": {\n"
                                       "    \"x\": null\n"
                                       "  }\n"
                                       "}\n";
        _cleanup_json_ cJSON *j =
                parse_good("{\"a \\\"b\\\"\":1,\"list\":[\"{,:}\",[],{}],\"o\":{\"x\":null}}");
        _cleanup_free_ char *text = json_print_pretty(j);

        (void)state;
        assert_string_equal(text, expected);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parse),
                cmocka_unit_test(test_parse_tells_the_place),
                cmocka_unit_test(test_parse_nul),
                cmocka_unit_test(test_parse_depth),
                cmocka_unit_test(test_parse_torn),
                cmocka_unit_test(test_getters),
                cmocka_unit_test(test_setters),
                cmocka_unit_test(test_print_pretty),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
