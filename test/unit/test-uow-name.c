/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Names that nobody else has: short and long ones, of characters and of bytes.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "text.h"
#include "uow-name.h"

#define NOW UINT64_C(1795246091000000) /* 2026-11-21T07:28:11Z */

typedef struct Taken {
        const char *const *names;
        unsigned asked, all_until; /* the first so many are taken, whatever they are */
} Taken;

static bool is_taken(const char *name, void *userdata) {
        Taken *t = userdata;

        if (t->asked++ < t->all_until)
                return true;
        for (const char *const *n = t->names; n && *n; n++)
                if (streq(*n, name))
                        return true;
        return false;
}

static int setup(void **state) {
        (void)state;
        setenv("TZ", "UTC", 1);
        tzset();
        return 0;
}

static void expect(const char *name, bool stamp, const char *const *taken, const char *wanted) {
        Taken t = { .names = taken };
        _cleanup_free_ char *got = uow_name_free(name, stamp, NOW, is_taken, &t);

        assert_string_equal(got, wanted);
}

static void test_untaken(void **state) {
        (void)state;
        expect("cells", false, NULL, "cells");
        expect("-rf \n'\"%\xff", false, NULL, "-rf \n'\"%\xff");
}

static void test_taken(void **state) {
        const char *const one[] = { "cells", NULL };
        const char *const three[] = { "cells", "cells-20261121-072811", "cells-20261121-072811-2",
                NULL };

        (void)state;
        expect("cells", false, one, "cells-20261121-072811");
        expect("cells", false, three, "cells-20261121-072811-3");
}

static void test_stamp(void **state) {
        const char *const one[] = { "cells-20261121-072811", NULL };

        (void)state;
        expect("cells", true, NULL, "cells-20261121-072811");
        expect("cells", true, one, "cells-20261121-072811-2");
}

static char *repeat(const char *s, size_t n) {
        char *text = calloc(n, strlen(s) + 1);

        for (size_t i = 0; i < n; i++)
                strcat(text, s);
        return text;
}

/* @s repeated until no more fits: taken, so that it must be cut. */
static void cut(const char *s, size_t characters, size_t kept) {
        _cleanup_free_ char *name = repeat(s, characters), *begin = repeat(s, kept), *got = NULL,
                            *wanted = xasprintf("%s-20261121-072811", begin);
        const char *const taken[] = { name, NULL };
        Taken t = { .names = taken };

        assert_true(strlen(name) <= NAME_MAX);
        got = uow_name_free(name, false, NOW, is_taken, &t);
        assert_string_equal(got, wanted);
        assert_true(strlen(got) <= NAME_MAX);
}

static void test_long(void **state) {
        (void)state;
        cut("a", 255, 239);
        cut("\xc3\xa9", 127, 119);       /* é: 238 of 239 bytes */
        cut("\xe2\x82\xac", 85, 79);     /* €: 237 */
        cut("\xf0\x9f\xa7\xac", 63, 59); /* 236 */
        cut("a", 239, 239);              /* just fits */
}

/* Bytes that are no characters are cut somewhere, and the result is a name all the same. */
static void test_long_invalid(void **state) {
        _cleanup_free_ char *name = repeat("\xff", 255), *more = repeat("\x80", 255), *a = NULL,
                            *b = NULL;
        Taken t = { .all_until = 1 }, v = { .all_until = 1 };

        (void)state;
        a = uow_name_free(name, false, NOW, is_taken, &t);
        assert_true(strlen(a) <= NAME_MAX && strlen(a) > strlen("-20261121-072811"));
        b = uow_name_free(more, false, NOW, is_taken, &v);
        assert_true(strlen(b) <= NAME_MAX && b[0]);
}

/* The number grows, and what is cut with it. */
static void test_many(void **state) {
        _cleanup_free_ char *name = repeat("a", 255), *got = NULL;
        Taken t = { .all_until = 1200 };

        (void)state;
        got = uow_name_free(name, false, NOW, is_taken, &t);
        assert_int_equal(strlen(got), NAME_MAX);
        assert_non_null(strstr(got, "-20261121-072811-1200"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_untaken),
                cmocka_unit_test(test_taken),
                cmocka_unit_test(test_stamp),
                cmocka_unit_test(test_long),
                cmocka_unit_test(test_long_invalid),
                cmocka_unit_test(test_many),
        };

        return cmocka_run_group_tests(tests, setup, NULL);
}
