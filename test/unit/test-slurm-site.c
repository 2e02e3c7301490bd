/* SPDX-License-Identifier: Apache-2.0 */

/* What a site offers, from the words of Slurm 22.05. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "slurm-site.h"
#include "text.h"

static void assert_words(char *const *v, const char *expected) {
        _cleanup_free_ char *text = strv_join(v, " ");

        assert_string_equal(text, expected);
}

static void test_partitions(void **unused _unused_) {
        _cleanup_(strv_freep) char **names = NULL, **closed = NULL;
        _cleanup_free_ char *fallback = NULL;

        assert_int_equal(slurm_partitions_parse(
                                 "short|up\ndebug*|up\nclosed|down\n", &names, &fallback, &closed),
                0);
        assert_words(names, "short debug closed");
        assert_string_equal(fallback, "debug");
        assert_words(closed, "closed");
}

static void test_no_partitions(void **unused _unused_) {
        _cleanup_(strv_freep) char **names = NULL, **closed = NULL;
        _cleanup_free_ char *fallback = NULL;

        assert_int_equal(slurm_partitions_parse("garbage\n|\n\n", &names, &fallback, &closed), 0);
        assert_null(names);
        assert_null(fallback);
}

static void test_associations(void **unused _unused_) {
        const char *out = "tiny|normal\nscience|long,normal\nscience|normal\n";
        _cleanup_(strv_freep) char **accounts = NULL, **any = NULL, **of_tiny = NULL;

        assert_int_equal(slurm_associations_parse(out, "", &accounts, &any), 0);
        assert_words(accounts, "tiny science");
        assert_words(any, "normal long");
        /* Slurm takes its accounts in any case of letters. */
        assert_int_equal(slurm_associations_parse(out, "TINY", NULL, &of_tiny), 0);
        assert_words(of_tiny, "normal");
}

static void test_reservations(void **unused _unused_) {
        _cleanup_(strv_freep) char **names = NULL, **none = NULL;

        assert_int_equal(
                slurm_reservations_parse("ReservationName=course StartTime=2026-11-30T09:00:00 "
                                         "Nodes=n1\nReservationName=x State=ACTIVE\n",
                        &names),
                0);
        assert_words(names, "course x");
        assert_int_equal(slurm_reservations_parse("No reservations in the system\n", &none), 0);
        assert_null(none);
}

static void test_controller(void **unused _unused_) {
        const char *out = "Configuration data as of 2026-11-30T17:55:29\n"
                          "AccountingStorageTypeX   = wrong\n"
                          "AccountingStorageType   = accounting_storage/slurmdbd\n"
                          "MinJobAge               = 60 sec\n";
        _cleanup_free_ char *type = slurm_config_value(out, "AccountingStorageType"),
                            *age = slurm_config_value(out, "MinJobAge");

        assert_string_equal(type, "accounting_storage/slurmdbd");
        assert_string_equal(age, "60 sec");
        assert_null(slurm_config_value(out, "ClusterName"));
        assert_true(slurm_ping_is_up("Slurmctld(primary) at a is DOWN\n"
                                     "Slurmctld(backup) at b is UP\n"));
        assert_false(slurm_ping_is_up("Slurmctld(primary) at a is DOWN\n"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_partitions),
                cmocka_unit_test(test_no_partitions),
                cmocka_unit_test(test_associations),
                cmocka_unit_test(test_reservations),
                cmocka_unit_test(test_controller),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
