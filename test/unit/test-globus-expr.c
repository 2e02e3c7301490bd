/* SPDX-License-Identifier: Apache-2.0 */

/* Literals survive every byte; expressions are told from what only looks like one. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "globus-expr.h"
#include "globus-path.h"
#include "text.h"

/* ---- quoting ---- */

/* What the literal stands for, by the rules of the language; NULL if it is none. */
static char *unquote(const char *literal) {
        size_t n = strlen(literal);
        char *text = malloc(n + 1), *to = text;
        const char *from = literal + 1;

        assert_true(n >= 2 && literal[0] == '\'' && literal[n - 1] == '\'');
        while (from < literal + n - 1) {
                unsigned c;

                assert_true(*from != '\'' && *from != '`' && (unsigned char)*from >= ' ');
                if (*from != '\\') {
                        *to++ = *from++;
                        continue;
                }
                if (from[1] == 'x') {
                        assert_int_equal(sscanf(from + 2, "%2x", &c), 1);
                        *to++ = (char)c;
                        from += 4;
                } else {
                        assert_true(from[1] == '\'' || from[1] == '\\');
                        *to++ = from[1];
                        from += 2;
                }
        }
        *to = 0;
        return text;
}

static void assert_quotes(const char *text) {
        _cleanup_free_ char *literal = expr_quote(text), *back = unquote(literal),
                            *longer = xasprintf("a.b + %s + 'c'", literal);
        ExprFacts facts;
        Error e = {};

        assert_string_equal(back, text);
        if (expr_check(longer, &facts, &e) != 0)
                fail_msg("%s: %s", longer, e.text);
}

/* All texts of three out of the characters that could matter. */
static void test_quote_roundtrip(void **state _unused_) {
        static const char *const alphabet[] = { "'", "\"", "\\", "%", "`", "$", "\n", "\x01",
                "\x7f", "é", "漢", "x", "n", "{", " " };
        enum {
                N = ELEMENTSOF(alphabet)
        };

        assert_quotes("");
        for (size_t i = 0; i < N * N * N; i++) {
                _cleanup_free_ char *text = xasprintf(
                        "%s%s%s", alphabet[i % N], alphabet[i / N % N], alphabet[i / N / N]);

                assert_quotes(text);
        }
}

static void test_quote_what_is_no_utf8(void **state _unused_) {
        _cleanup_free_ char *literal = expr_quote("a\xff"
                                                  "b");

        assert_string_equal(literal, "'a\\\\xffb'");
}

/* ---- expressions ---- */

static void test_good(void **state _unused_) {
        static const struct {
                const char *text;
                size_t longest;
        } good[] = {
                { "'abc'", 3 },
                { "\"a'b\"", 3 },
                { "'é\\'x'", 3 },
                { "input.source.path.rstrip('/').rpartition('/')[2][:56]", 56 },
                { "'a' + x.y[:10] + 'bc'", 13 },
                { "x[3:10]", 7 },
                { "x[:n]", SIZE_MAX },
                { "x[-13:]", SIZE_MAX },
                { "'abcdef'[:100]", 6 },
                { "'a' if x else 'bcd'", 3 },
                { "'a' if x == 1 and not y or z in [1, 2.5] else 'b' if w else x", SIZE_MAX },
                { "getattr('input.delete', False)", SIZE_MAX },
                { "is_present('a.b[0].c')", SIZE_MAX },
                { "`$.input.source.path` + 'x'", SIZE_MAX },
                { "[item.name for item in ls.details.DATA]", SIZE_MAX },
                { "([entry.name for entry in board.details.DATA] + [text])[0]", SIZE_MAX },
                { "[1, 2, 3,][n] if n < 3 else -7", SIZE_MAX },
                { "{'path': p + item.name, 'recursive': a.type == 'dir'}", SIZE_MAX },
                { "list[i:i+n]", SIZE_MAX },
                { "a not in b", SIZE_MAX },
                { "a <= b < c != d >= e", SIZE_MAX },
                { "len(x) % 3 * 2 / 4 - -1", SIZE_MAX },
                { "_context.run_id", SIZE_MAX },
                { " ( 'a' ) ", 1 },
                { "[]", SIZE_MAX },
                { "{}", SIZE_MAX },
                { "pathsplit(p)[1]", SIZE_MAX },
                { "x.endswith('/')", SIZE_MAX },
        };

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                ExprFacts facts;
                Error e = {};

                if (expr_check(good[i].text, &facts, &e) != 0)
                        fail_msg("%s: %s", good[i].text, e.text);
                assert_string_equal(facts.warning, "");
                if (facts.longest != good[i].longest)
                        fail_msg("%s: longest is %zu", good[i].text, facts.longest);
        }
}

static void test_bad(void **state _unused_) {
        static const struct {
                const char *text;
                size_t at;
        } bad[] = {
                { "", 0 },
                { "  ", 2 },
                { "'abc", 0 },
                { "a +", 3 },
                { "a b", 2 },
                { "a = b", 2 },
                { "int('3')", 0 },
                { "x + open('f')", 4 },
                { "max(1, 2)", 0 },
                { "len()", 0 },
                { "len(a, b)", 0 },
                { "getattr(name, 1)", 0 },
                { "getattr('a.b')", 0 },
                { "getattr('a' + 'b', 1)", 0 },
                { "is_present('$.a')", 0 },
                { "x._secret", 2 },
                { "x.format('a')", 2 },
                { "[a for a, b in c]", 8 },
                { "[a for a in c for b in d]", 14 },
                { "lambda x: x", 0 },
                { "None", 0 },
                { "(a, b)", 2 },
                { "(a", 2 },
                { "a[0", 3 },
                { "a[::2]", 3 },
                { "a.split(c=1)", 9 },
                { "f'x'", 0 },
                { "'''x'''", 0 },
                { "`input.x`", 0 },
                { "`$.input", 0 },
                { "a ; b", 2 },
                { "a | b", 2 },
                { "a is b", 2 },
                { "{'a' 'b'}", 5 },
                { "a()()", 3 },
                { "3x", 0 },
                { "a if b", 2 },
                { "'a'\\", 3 },
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                ExprFacts facts;
                Error e = {};

                if (expr_check(bad[i].text, &facts, &e) != UOW_E_INVALID)
                        fail_msg("%s is let through", bad[i].text);
                assert_true(e.text[0]);
                if (streq(bad[i].text, "a()()"))
                        continue; /* an unknown function, and no place to call */
                if (facts.at != bad[i].at)
                        fail_msg("%s: at %zu: %s", bad[i].text, facts.at, e.text);
        }
}

static void test_warnings(void **state _unused_) {
        static const char *const doubtful[] = { "[a for a in b if a.c != 'x']", "', '.join(a)",
                "a.startswith('b')", "a // 2", "2 ** a" };

        for (size_t i = 0; i < ELEMENTSOF(doubtful); i++) {
                ExprFacts facts;
                Error e = {};

                assert_int_equal(expr_check(doubtful[i], &facts, &e), 0);
                if (!facts.warning[0])
                        fail_msg("%s is let through without a warning", doubtful[i]);
        }
}

/* No text makes the reader read beyond its end, or never end. */
static void test_beginnings(void **state _unused_) {
        static const char whole[] =
                "[{'p': r.path + e.name[:10], \"q\": not e.type == 'dir'} for e in l.DATA if e.name != 'd'] if is_present('a.b') else `$.x`[0] + -1";
        char deep[1000];
        ExprFacts facts;
        Error e;

        for (size_t n = 0; n < sizeof(whole); n++) {
                _cleanup_free_ char *part = strndup(whole, n), *tail = strdup(whole + n);

                expr_check(part, &facts, &e);
                assert_true(facts.at <= n);
                expr_check(tail, &facts, &e);
        }
        memset(deep, '(', sizeof(deep) - 1);
        deep[sizeof(deep) - 1] = 0;
        assert_int_equal(expr_check(deep, &facts, &e), UOW_E_INVALID);
}

static void test_paths(void **state _unused_) {
        static const char *const good[] = { "$", "$.a", "$.a.b_c-d", "$.a[0].b", "$.x['y z'].q",
                "$._context.run_id", "$.ü" };
        static const char *const bad[] = { "", "a", "$a", "$.", "$.a.", "$.a b", "$.a[]", "$.a[x]",
                "$.a[*]", "$..a", "$.a[0", "$.a['']", "$$.a" };

        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                if (!globus_path_valid(good[i]))
                        fail_msg("%s", good[i]);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                if (globus_path_valid(bad[i]))
                        fail_msg("%s", bad[i]);
        assert_true(globus_dotted_valid("a.b[1]"));
        assert_false(globus_dotted_valid("$.a"));
        assert_false(globus_dotted_valid(""));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_quote_roundtrip),
                cmocka_unit_test(test_quote_what_is_no_utf8),
                cmocka_unit_test(test_good),
                cmocka_unit_test(test_bad),
                cmocka_unit_test(test_warnings),
                cmocka_unit_test(test_beginnings),
                cmocka_unit_test(test_paths),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
