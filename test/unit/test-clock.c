/* SPDX-License-Identifier: Apache-2.0 */

/* Times written and read back; faulty ones refused; leap days, offsets, the ends of the ranges. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cleanup.h"
#include "clock.h"

static int set_zone(void **state) {
        (void)state;
        /* Hours behind UTC with a half: signs and minutes of the offset show. POSIX counts west as positive. */
        setenv("TZ", "NST3:30", 1);
        tzset();
        return 0;
}

static void test_parse(void **state) {
        static const struct {
                const char *s;
                usec_t t;
        } good[] = {
                { "1970-01-01T00:00:00Z", 0 },
                { "1970-01-01T00:00:01z", 1 * USEC_PER_SEC },
                { "1970-01-01 01:00:00+00:59", USEC_PER_MINUTE },
                { "2026-11-21T07:28:11.123456+00:00", UINT64_C(1795246091123456) },
                { "2026-11-21T08:28:11.123456+01:00", UINT64_C(1795246091123456) },
                { "2026-11-21T02:58:11.1234569999999999999999-04:30", UINT64_C(1795246091123456) },
                { "2026-11-21T07:28:11.1Z", UINT64_C(1795246091100000) },
                { "2024-02-29T00:00:00Z", UINT64_C(1709164800000000) },
                { "2000-02-29T00:00:00Z", UINT64_C(951782400000000) },
                { "2016-12-31T23:59:60Z", UINT64_C(1483228800000000) },
                { "9999-12-31T23:59:59Z", UINT64_C(253402300799000000) },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                usec_t t = 42;

                assert_int_equal(clock_parse(good[i].s, &t), 0);
                assert_int_equal(t, good[i].t);
        }
}

static void test_parse_refuses(void **state) {
        static const char *const bad[] = { "", "2026", "2026-11-21", "2026-11-21T07:28:11",
                "2026-11-21T07:28Z", "2026-11-21T07:28:11.Z", "2026-11-21T07:28:11Zx",
                "2026-11-21T07:28:11+01", "2026-11-21T07:28:11+0100", "2026-11-21T07:28:11+24:00",
                "2026-11-21T07:28:11+01:60", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z",
                "2026-01-00T00:00:00Z", "2026-02-29T00:00:00Z", "2100-02-29T00:00:00Z",
                "2026-04-31T00:00:00Z", "2026-11-21T24:00:00Z", "2026-11-21T00:60:00Z",
                "2026-11-21T00:00:61Z", "1969-12-31T23:59:59Z", "1970-01-01T00:00:00+00:01",
                " 2026-11-21T07:28:11Z", "2026-11-21T07:28:11 Z", "+026-11-21T07:28:11Z",
                "2026-1-021T07:28:11Z", "Unknown" };
        usec_t t = 42;

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                if (clock_parse(bad[i], &t) != -EINVAL)
                        fail_msg("taken: %s", bad[i]);
        assert_int_equal(clock_parse(NULL, &t), -EINVAL);
        assert_int_equal(t, 42);
}

/* Every day from 1970 to 2400, against the C library. */
static void test_parse_agrees_with_libc(void **state) {
        (void)state;
        for (time_t sec = 86399; sec < (time_t)430 * 366 * 86400; sec += 86400) {
                char buf[CLOCK_TEXT_MAX];
                usec_t t = (usec_t)sec * USEC_PER_SEC + 7, back = 0;

                if (clock_parse(clock_format_usec(buf, t), &back) < 0 || back != t)
                        fail_msg("%s", buf);
        }
}

static void test_format(void **state) {
        char buf[CLOCK_TEXT_MAX];
        usec_t t = UINT64_C(1795246091123456), back;

        (void)state;
        assert_string_equal(clock_format(buf, 0), "");
        assert_string_equal(clock_format_usec(buf, 0), "");
        assert_string_equal(clock_format(buf, USEC_INFINITY), "");
        assert_string_equal(clock_format_usec(buf, USEC_INFINITY), "");
        assert_string_equal(clock_format(buf, t), "2026-11-21T03:58:11-03:30");
        assert_int_equal(clock_parse(buf, &back), 0);
        assert_int_equal(back, t / USEC_PER_SEC * USEC_PER_SEC);
        assert_string_equal(clock_format_usec(buf, t), "2026-11-21T07:28:11.123456Z");
}

static void test_format_short(void **state) {
        char buf[CLOCK_TEXT_MAX];
        usec_t now;

        (void)state;
        assert_int_equal(clock_parse("2026-11-21T20:00:00-03:30", &now), 0);
        assert_string_equal(clock_format_short(buf, now - 8 * USEC_PER_HOUR, now), "12:00");
        assert_string_equal(clock_format_short(buf, now - 20 * USEC_PER_HOUR, now), "00:00");
        assert_string_equal(
                clock_format_short(buf, now - 20 * USEC_PER_HOUR - 1, now), "Nov 20 23:59");
        assert_string_equal(clock_format_short(buf, now - 335 * USEC_PER_DAY, now), "2025-12-21");
        assert_string_equal(clock_format_short(buf, 0, now), "");
}

static void test_clocks_go_on(void **state) {
        usec_t a = clock_boottime(), b = clock_boottime();

        (void)state;
        assert_true(a > 0 && b >= a);
        assert_true(clock_now() > UINT64_C(1500000000000000));
}

static void test_duration_parse(void **state) {
        static const struct {
                const char *s;
                int r;
                usec_t d;
        } cases[] = {
                { "0", 0, 0 },
                { "0s", 0, 0 },
                { "90s", 0, 90 * USEC_PER_SEC },
                { "15m", 0, 15 * USEC_PER_MINUTE },
                { "6h", 0, 6 * USEC_PER_HOUR },
                { "14d", 0, 14 * USEC_PER_DAY },
                { "36525d", 0, 36525 * USEC_PER_DAY },
                { "36526d", -ERANGE, 0 },
                { "999999999999999999999999999999d", -ERANGE, 0 },
                { "18446744073709551616s", -ERANGE, 0 },
                { "", -EINVAL, 0 },
                { "5", -EINVAL, 0 },
                { "-5s", -EINVAL, 0 },
                { "5 s", -EINVAL, 0 },
                { "5S", -EINVAL, 0 },
                { "5sec", -EINVAL, 0 },
                { "1h30m", -EINVAL, 0 },
                { "s", -EINVAL, 0 },
                { "1.5h", -EINVAL, 0 },
                { "5w", -EINVAL, 0 },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                usec_t d = 42;

                assert_int_equal(duration_parse(cases[i].s, &d), cases[i].r);
                assert_int_equal(d, cases[i].r == 0 ? cases[i].d : 42);
        }
        assert_int_equal(duration_parse(NULL, &(usec_t){ 0 }), -EINVAL);
}

static void test_duration_format(void **state) {
        static const char *const exact[] = { "0", "1s", "90s", "15m", "119m", "6h", "14d",
                "36525d" };
        char buf[CLOCK_TEXT_MAX];

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(exact); i++) {
                usec_t d;

                assert_int_equal(duration_parse(exact[i], &d), 0);
                assert_string_equal(duration_format(buf, d), exact[i]);
        }
        assert_string_equal(duration_format(buf, 2 * USEC_PER_DAY), "2d");
        assert_string_equal(duration_format(buf, 120 * USEC_PER_MINUTE), "2h");
}

static void test_duration_words(void **state) {
        char buf[CLOCK_TEXT_MAX];

        (void)state;
        assert_string_equal(duration_words(buf, 0), "less than a second");
        assert_string_equal(duration_words(buf, USEC_PER_SEC - 1), "less than a second");
        assert_string_equal(duration_words(buf, 45 * USEC_PER_SEC), "45 s");
        assert_string_equal(duration_words(buf, 125 * USEC_PER_MINUTE), "2 h 5 min");
        assert_string_equal(duration_words(buf, USEC_PER_HOUR + 59 * USEC_PER_SEC), "1 h");
        assert_string_equal(duration_words(buf, 14 * USEC_PER_DAY), "14 days");
        assert_string_equal(duration_words(buf, 25 * USEC_PER_HOUR), "1 day 1 h");
        assert_true(strlen(duration_words(buf, USEC_INFINITY)) < CLOCK_TEXT_MAX);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parse),
                cmocka_unit_test(test_parse_refuses),
                cmocka_unit_test(test_parse_agrees_with_libc),
                cmocka_unit_test(test_format),
                cmocka_unit_test(test_format_short),
                cmocka_unit_test(test_clocks_go_on),
                cmocka_unit_test(test_duration_parse),
                cmocka_unit_test(test_duration_format),
                cmocka_unit_test(test_duration_words),
        };

        return cmocka_run_group_tests(tests, set_zone, NULL);
}
