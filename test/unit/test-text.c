/* SPDX-License-Identifier: Apache-2.0 */

/* Names of any bytes become text and come back; nothing that a person must not see reaches the screen. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "error.h"
#include "text.h"

static void test_utf8_valid(void **state) {
        static const char *const good[] = { "", "plain", "\xc3\xa9", "\xe2\x82\xac",
                "\xf0\x9f\x92\xa9", "\xef\xbf\xbf", "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf",
                "\xee\x80\x80", "\x01\x7f" };
        static const char *const bad[] = { "\x80", "\xc3", "\xc0\xaf", "\xc1\xbf", "\xe0\x80\xaf",
                "\xe0\x9f\xbf", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf",
                "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "a\xe2\x82", "\xe2\x28\xa1",
                "\xf0\x9f\x92" };

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                assert_true(utf8_valid(good[i]));
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_false(utf8_valid(bad[i]));
        assert_int_equal(utf8_valid_prefix("ab\xe2\x82\xac", 4), 2);
        assert_int_equal(utf8_valid_prefix("ab\xe2\x82\xac", 5), 5);
        assert_int_equal(utf8_valid_prefix("a\0\xff", 3), 2);
}

static void test_utf8_cut(void **state) {
        (void)state;
        assert_int_equal(utf8_cut("abc", 10), 3);
        assert_int_equal(utf8_cut("abc", 2), 2);
        assert_int_equal(utf8_cut("", 0), 0);
        assert_int_equal(utf8_cut("a\xe2\x82\xac z", 1), 1);
        assert_int_equal(utf8_cut("a\xe2\x82\xac z", 2), 1);
        assert_int_equal(utf8_cut("a\xe2\x82\xac z", 3), 1);
        assert_int_equal(utf8_cut("a\xe2\x82\xac z", 4), 4);
        assert_int_equal(utf8_cut("\xf0\x9f\x92\xa9", 3), 0);
        /* Bytes that are no character may be cut anywhere. */
        assert_int_equal(utf8_cut("\x80\x80\x80\x80\x80\x80\x80", 5), 5);
        assert_int_equal(utf8_cut("ab\xff\xff", 3), 3);
        /* Shorter than the bound: kept as it is. At the bound: somebody cut it in the middle. */
        assert_int_equal(utf8_cut("ab\xe2\x82", 10), 4);
        assert_int_equal(utf8_cut("ab\xe2\x82", 4), 2);
}

static void test_error_is_cut_at_a_character(void **state) {
        char odd[sizeof(((Error *)0)->text) + 1];
        Error e;

        (void)state;
        memset(odd, 'x', sizeof(odd) - 1);
        odd[sizeof(odd) - 1] = 0;
        memcpy(odd + sizeof(e.text) - 2, "\xc3\xa9", 2);
        assert_int_equal(error_set(&e, -5, "%s", odd), -5);
        assert_int_equal(strlen(e.text), sizeof(e.text) - 2);
        assert_int_equal(error_prefix(&e, 3, "é%s", "a"), 3);
        assert_true(utf8_valid(e.text));
        assert_int_equal(memcmp(e.text, "éa: xx", 7), 0);
        assert_int_equal(error_set(NULL, -7, "x"), -7);
        assert_int_equal(error_prefix(NULL, -7, "x"), -7);
}

static void test_utf8_width(void **state) {
        (void)state;
        assert_int_equal(utf8_width(""), 0);
        assert_int_equal(utf8_width("abc"), 3);
        assert_int_equal(utf8_width("é"), 1);
        assert_int_equal(utf8_width("e\xcc\x81"), 1);
        assert_int_equal(utf8_width("漢字"), 4);
        assert_int_equal(utf8_width("\xf0\x9f\x92\xa9"), 2);
        assert_int_equal(utf8_width("a\xff"
                                    "b"),
                3);
        assert_int_equal(utf8_width("a\nb"), 2);
}

static void assert_escapes(const char *name, const char *text) {
        _cleanup_free_ char *escaped = text_escape(name), *back = NULL;

        assert_string_equal(escaped, text);
        back = text_unescape(escaped);
        assert_string_equal(back, name);
}

static void test_escape(void **state) {
        (void)state;
        assert_escapes("", "");
        assert_escapes("A b'\"%\n-", "A b'\"%\n-");
        assert_escapes("caf\xc3\xa9", "café");
        assert_escapes("caf\xe9", "caf\\xe9");
        assert_escapes("a\\b", "a\\b");
        assert_escapes("\\xe9", "\\x5cxe9");
        assert_escapes("\\\xe9", "\\\\xe9");
        assert_escapes("\\x\xe9", "\\x\\xe9");
        assert_escapes("\\x41 \\x2f \\x00", "\\x5cx41 \\x5cx2f \\x5cx00");
        assert_escapes("\\xE9", "\\xE9");
        assert_escapes("\\x", "\\x");
        assert_escapes("\\x5", "\\x5");
        assert_escapes("\xed\xa0\x80", "\\xed\\xa0\\x80");
}

/* What text_escape() never writes is no escape: text from outside makes no '/' and cuts no name. */
static void test_unescape_is_narrow(void **state) {
        _cleanup_free_ char *name = text_unescape("a\\x2fb\\x00c\\x41\\xFF\\xff\\x5c\\x");

        (void)state;
        assert_string_equal(name, "a\\x2fb\\x00c\\x41\\xFF\xff\\\\x");
}

/* All names of four bytes out of those that matter to the escape. */
static void test_escape_roundtrip(void **state) {
        static const char alphabet[] = "\\x5cf0\xc3\xa9\xff";
        enum {
                N = sizeof(alphabet) - 1
        };
        char name[6] = "";

        (void)state;
        for (unsigned n = 0; n < N * N * N * N * N; n++) {
                _cleanup_free_ char *text = NULL, *back = NULL;

                for (unsigned i = 0, rest = n; i < 5; i++, rest /= N)
                        name[i] = alphabet[rest % N];
                text = text_escape(name);
                back = text_unescape(text);
                if (!utf8_valid(text) || strcmp(back, name) != 0)
                        fail_msg("%s", text);
        }
}

static void assert_printable(const char *s, size_t max, const char *expected) {
        _cleanup_free_ char *p = text_printable(s, max);

        assert_string_equal(p, expected);
        if (max > 0)
                assert_true(strlen(p) <= max);
}

static void test_printable(void **state) {
        (void)state;
        assert_printable("", 0, "");
        assert_printable("a b\\c", 0, "a b\\c");
        assert_printable("a\nb\tc\rd", 0, "a\\nb\\tc\\rd");
        assert_printable("\x1b[2J\x07\x7f", 0, "\\x1b[2J\\x07\\x7f");
        assert_printable("caf\xe9", 0, "caf\\xe9");
        assert_printable("\xc2\x9b"
                         "2J",
                0, "\\u{009b}2J");
        assert_printable("a\xe2\x80\xae"
                         "b",
                0, "a\\u{202e}b");
        assert_printable("\xd8\x9c\xe2\x81\xa6\xe2\x80\x8f", 0, "\\u{061c}\\u{2066}\\u{200f}");
        assert_printable("\xf3\xa0\x80\x81", 0, "\\u{e0001}");
        assert_printable("\xe2\x80\xa8", 0, "\\u{2028}");
        assert_printable("漢字 é", 0, "漢字 é");
}

static void test_printable_cut(void **state) {
        (void)state;
        assert_printable("abcdef", 6, "abcdef");
        assert_printable("abcdef", 5, "ab…");
        assert_printable("abcdef", 3, "…");
        assert_printable("abcdef", 2, "ab");
        assert_printable("漢字漢字", 12, "漢字漢字");
        assert_printable("漢字漢字", 11, "漢字…");
        assert_printable("ab\n\n\n", 7, "ab\\n…");
        assert_printable("ab\n\n\n", 6, "ab…");
        assert_printable("\xff\xff\xff", 11, "\\xff\\xff…");
        assert_printable("\xd8\x9c", 8, "\\u{061c}");
        assert_printable("\xd8\x9c", 7, "…");
}

static void test_strings(void **state) {
        char *p = NULL;
        _cleanup_free_ char *s = NULL;

        (void)state;
        assert_true(streq(NULL, NULL));
        assert_false(streq(NULL, ""));
        assert_false(streq("a", NULL));
        assert_true(streq("a", "a"));
        assert_string_equal(startswith("done - ok", "done - "), "ok");
        assert_null(startswith("don", "done"));
        assert_int_equal(strdup_to(&p, "one"), 0);
        assert_int_equal(strdup_to(&p, p), 0);
        assert_string_equal(p, "one");
        assert_int_equal(strdup_to(&p, NULL), 0);
        assert_null(p);
        s = xasprintf("%d-%s", 7, "x");
        assert_string_equal(s, "7-x");
}

static void test_json(void **state _unused_) {
        static const char *const cases[][2] = {
                { "{\"a\": \"b\\u001b\\n\"}\n", "{\"a\": \"b\\u001b\\n\"}\n" },
                { "\"\xc3\xa9\xe6\x95\xb0\xf0\x9f\x94\xac\"",
                        "\"\xc3\xa9\xe6\x95\xb0\xf0\x9f\x94\xac\"" },
                { "\"\x7f\xc2\x9b"
                  "2J\xe2\x80\xae\"",
                        "\"\\u007f\\u009b2J\\u202e\"" },
                { "\"\xf3\xa0\x81\x81\"", "\"\\udb40\\udc41\"" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *text = text_json(cases[i][0]);

                assert_string_equal(text, cases[i][1]);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_json),
                cmocka_unit_test(test_utf8_valid),
                cmocka_unit_test(test_utf8_cut),
                cmocka_unit_test(test_error_is_cut_at_a_character),
                cmocka_unit_test(test_utf8_width),
                cmocka_unit_test(test_escape),
                cmocka_unit_test(test_unescape_is_narrow),
                cmocka_unit_test(test_escape_roundtrip),
                cmocka_unit_test(test_printable),
                cmocka_unit_test(test_printable_cut),
                cmocka_unit_test(test_strings),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
