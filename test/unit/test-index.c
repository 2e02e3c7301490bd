/* SPDX-License-Identifier: Apache-2.0 */

/* Items by key: beside a plain list, through growth, replacement and removal. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index.h"

#define ITEMS 2000

typedef struct Item {
        char key[24];
        bool in;
} Item;

static const char *key_of(const void *item) {
        return ((const Item *)item)->key;
}

static void test_empty(void **state _unused_) {
        Index x = { .key = key_of };
        Item item = { .key = "a" };

        assert_null(index_get(&x, "a"));
        index_remove(&x, &item);
        index_done(&x);
}

static void test_replaces(void **state _unused_) {
        Index x = { .key = key_of };
        Item old = { .key = "a" }, new = { .key = "a" }, empty = { .key = "" };

        assert_int_equal(index_put(&x, &old), 0);
        assert_int_equal(index_put(&x, &empty), 0);
        assert_int_equal(index_put(&x, &new), 0);
        assert_ptr_equal(index_get(&x, "a"), &new);
        assert_ptr_equal(index_get(&x, ""), &empty);
        assert_int_equal(x.n, 2);
        index_remove(&x, &old); /* another has its place */
        assert_ptr_equal(index_get(&x, "a"), &new);
        index_remove(&x, &new);
        assert_null(index_get(&x, "a"));
        assert_ptr_equal(index_get(&x, ""), &empty);
        index_done(&x);
}

static void assert_holds(const Index *x, const Item *items) {
        size_t n = 0;

        for (size_t i = 0; i < ITEMS; i++) {
                const void *expected = items[i].in ? &items[i] : NULL;

                assert_ptr_equal(index_get(x, items[i].key), expected);
                n += items[i].in;
        }
        assert_int_equal(x->n, n);
}

/* In and out at random, a table that grows on the way: it holds what it should, and nothing else. */
static void test_like_a_list(void **state _unused_) {
        Index x = { .key = key_of };
        Item *items = calloc(ITEMS, sizeof(*items));

        assert_non_null(items);
        srand(1);
        for (size_t i = 0; i < ITEMS; i++)
                snprintf(items[i].key, sizeof(items[i].key), "uow_%zu", i);
        for (int step = 0; step < 40000; step++) {
                Item *item = &items[(size_t)rand() % ITEMS];

                if (item->in)
                        index_remove(&x, item);
                else
                        assert_int_equal(index_put(&x, item), 0);
                item->in = !item->in;
                if (step % 1000 == 0)
                        assert_holds(&x, items);
        }
        assert_holds(&x, items);
        index_done(&x);
        assert_null(index_get(&x, items[0].key));
        free(items);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_empty),
                cmocka_unit_test(test_replaces),
                cmocka_unit_test(test_like_a_list),
        };

        return cmocka_run_group_tests_name("index", tests, NULL, NULL);
}
