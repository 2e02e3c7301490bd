/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Orders by folder: what a name asks for, and what it becomes.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <limits.h>
#include <string.h>

#include "order-folder.h"
#include "text.h"

static void expect(const char *name, OrderFolder kind, const char *order, const char *what) {
        const char *got_order = NULL, *got_what = NULL;

        assert_int_equal(order_folder_parse(name, &got_order, &got_what), kind);
        if (order) {
                assert_string_equal(got_order, order);
                assert_string_equal(got_what, what);
        }
}

static void test_parse(void **state) {
        (void)state;
        expect("retry cells", ORDER_FOLDER_ASKS, "retry", "cells");
        expect("cancel cells 7 - b", ORDER_FOLDER_ASKS, "cancel", "cells 7 - b");
        expect("Retry cells", ORDER_FOLDER_ASKS, "retry", "cells");
        expect("retry  x", ORDER_FOLDER_ASKS, "retry", " x"); /* a name may begin with a space */
        expect("retry \xff", ORDER_FOLDER_ASKS, "retry", "\xff");
        expect("retry done - x", ORDER_FOLDER_ASKS, "retry", "done - x");
        expect("retry", ORDER_FOLDER_UNKNOWN, NULL, NULL);
        expect("retry ", ORDER_FOLDER_UNKNOWN, NULL, NULL);
        expect("retrycells", ORDER_FOLDER_UNKNOWN, NULL, NULL);
        expect("purge cells", ORDER_FOLDER_UNKNOWN, NULL, NULL);
        expect("New folder", ORDER_FOLDER_UNKNOWN, NULL, NULL);
        expect("done - retry cells", ORDER_FOLDER_ANSWERED, NULL, NULL);
        expect("refused - retry cells - why", ORDER_FOLDER_ANSWERED, NULL, NULL);
        expect(".retry cells", ORDER_FOLDER_NONE, NULL, NULL);
}

static void answers(const char *name, const char *why, unsigned nth, const char *wanted) {
        _cleanup_free_ char *got = order_folder_answer(name, why, nth);

        assert_string_equal(got, wanted);
}

static void test_answer(void **state) {
        (void)state;
        answers("retry cells", NULL, 1, "done - retry cells");
        answers("retry cells", NULL, 3, "done - retry cells (3)");
        answers("cancel x", "it is finished", 1, "refused - cancel x - it is finished");
        answers("cancel x", "no /a/b\n", 2, "refused - cancel x - no ∕a∕b\\n (2)");
        answers("retry \xff\n", NULL, 1, "done - retry \\xff\\n");
}

/* Every answer is a name that a folder can have, and is never taken for an order again. */
static void test_answers_are_names(void **state) {
        char name[256], why[2000];
        const char *order, *what;

        (void)state;
        for (size_t i = 0; i + 3 < sizeof(why); i += 3)
                memcpy(why + i, "€", 3);
        why[1998] = 0;
        for (size_t n = 8; n < sizeof(name); n++) {
                memcpy(name, "retry ", 6);
                memset(name + 6, n % 2 ? '\xff' : 'x', n - 6);
                name[n] = 0;
                for (int refused = 0; refused < 2; refused++) {
                        _cleanup_free_ char *got =
                                order_folder_answer(name, refused ? why : NULL, 9);

                        assert_true(strlen(got) <= NAME_MAX && utf8_valid(got));
                        assert_null(strchr(got, '/'));
                        assert_int_equal(
                                order_folder_parse(got, &order, &what), ORDER_FOLDER_ANSWERED);
                        assert_true(!refused || strstr(got, " - €€€"));
                }
        }
}

static void test_a_day(void **state) {
        const time_t then = 1795246091;
        const usec_t at = (usec_t)then * USEC_PER_SEC;

        (void)state;
        assert_false(order_folder_is_over(then, at));
        assert_false(order_folder_is_over(then, at + USEC_PER_DAY));
        assert_true(order_folder_is_over(then, at + USEC_PER_DAY + USEC_PER_SEC));
        assert_false(order_folder_is_over(then, at - USEC_PER_HOUR)); /* clocks differ a little */
        assert_true(order_folder_is_over(then, at - 2 * USEC_PER_DAY));
        assert_true(order_folder_is_over(-1, at));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parse),
                cmocka_unit_test(test_answer),
                cmocka_unit_test(test_answers_are_names),
                cmocka_unit_test(test_a_day),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
