/* SPDX-License-Identifier: Apache-2.0 */

/* What is plain is read as cJSON reads it; what is not is left to it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "cleanup.h"
#include "json-flat.h"
#include "json.h"

/* Reads all of @text; each member must be cJSON's, in its order. Returns JSON_FLAT_END or JSON_FLAT_OTHER. */
static int read_beside(const char *text) {
        _cleanup_json_ cJSON *whole = cJSON_Parse(text);
        const cJSON *expected = whole ? whole->child : NULL;
        JsonFlat flat;
        cJSON item;
        int k;

        json_flat_begin(&flat, text, strlen(text));
        while ((k = json_flat_next(&flat, &item)) == JSON_FLAT_MEMBER) {
                if (!whole)
                        continue; /* what comes of it is forgotten */
                assert_non_null(expected);
                assert_string_equal(item.string, expected->string);
                assert_true(cJSON_Compare(&item, expected, true));
                expected = expected->next;
        }
        if (k == JSON_FLAT_END) {
                assert_non_null(whole);
                assert_null(expected);
        }
        return k;
}

static void test_plain(void **state _unused_) {
        assert_int_equal(read_beside("{\"id\":\"0-1\",\"name\":\"a b\xc3\xa4\",\"n\":0,\"seq\":"
                                     "123456789012345,\"held\":true,\"x\":false,\"e\":\"\"}"),
                JSON_FLAT_END);
        assert_int_equal(read_beside("{\"a\":1}"), JSON_FLAT_END);
}

static void test_not_plain(void **state _unused_) {
        static const char *const texts[] = {
                "",
                "{",
                "{}",
                "[1]",
                "{\"a\"",
                "{\"a\":",
                "{\"a\":1",
                "{\"a\":1,",
                "{\"a\":1,}",
                "{\"a\":1}}",
                "{\"a\":1} ",
                "{\"a\": 1}",
                "{\"a\":-1}",
                "{\"a\":1.5}",
                "{\"a\":1e3}",
                "{\"a\":1234567890123456}",
                "{\"a\":null}",
                "{\"a\":tru}",
                "{\"a\":truely}",
                "{\"a\":[1]}",
                "{\"a\":{\"b\":1}}",
                "{\"a\":\"\\n\"}",
                "{\"a\":\"\\\"\"}",
                "{\"a\\n\":1}",
                "{\"a\":\"unended}",
                "{\"a\":\"x\"\"b\":1}",
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                assert_int_equal(read_beside(texts[i]), JSON_FLAT_OTHER);
}

static void test_long(void **state _unused_) {
        char text[JSON_FLAT_MAX + 16] = "{\"a\":\"";
        size_t head = strlen(text), body = JSON_FLAT_MAX - head - 2;

        memset(text + head, 'x', body);
        strcpy(text + head + body, "\"}");
        assert_int_equal(strlen(text), JSON_FLAT_MAX);
        assert_int_equal(read_beside(text), JSON_FLAT_END);
        strcpy(text + head + body, "x\"}");
        assert_int_equal(read_beside(text), JSON_FLAT_OTHER);
}

/* A NUL ends no line of ours. */
static void test_nul(void **state _unused_) {
        static const char text[] = "{\"a\":1}\0{\"b\":2}";
        JsonFlat flat;
        cJSON item;

        json_flat_begin(&flat, text, sizeof(text) - 1);
        assert_int_equal(json_flat_next(&flat, &item), JSON_FLAT_MEMBER);
        assert_int_equal(json_flat_next(&flat, &item), JSON_FLAT_OTHER);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_plain),
                cmocka_unit_test(test_not_plain),
                cmocka_unit_test(test_long),
                cmocka_unit_test(test_nul),
        };

        return cmocka_run_group_tests_name("json-flat", tests, NULL, NULL);
}
