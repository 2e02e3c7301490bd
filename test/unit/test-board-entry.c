/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the status board says in every state, and that nothing hostile gets into a name.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "board-entry.h"
#include "text.h"

#define NOW UINT64_C(1795246091000000) /* 2026-11-21T07:28:11Z */
#define STARTED (NOW - 85 * USEC_PER_MINUTE)

static int setup(void **state) {
        (void)state;
        setenv("TZ", "UTC", 1);
        tzset();
        return 0;
}

static void expect(const BoardFacts *f, const char *wanted) {
        _cleanup_free_ char *entry = board_entry(f, NOW);

        if (!wanted)
                assert_null(entry);
        else if (!entry)
                fail_msg("nothing, wanted: %s", wanted);
        else
                assert_string_equal(entry, wanted);
        assert_true(!entry || (board_is_entry(entry) && strlen(entry) <= BOARD_ENTRY_MAX));
}

#define UOW(...) (&(Uow){ .name = (char *)"cells", .folder = (char *)"cells", __VA_ARGS__ })
#define EXPECT(wanted, u, ...) expect(&(BoardFacts){ .uow = u, __VA_ARGS__ }, wanted)

static void test_before_the_queue(void **state) {
        (void)state;
        EXPECT("arriving", NULL);
        EXPECT("arriving - its sentinels∕ is not empty", NULL,
                .waits_for = "its sentinels/ is not empty");
        EXPECT("waiting - complete, about to be taken over", UOW(.state = UOW_UPLOADED));
        EXPECT("waiting - being checked", UOW(.state = UOW_STAGED));
        EXPECT("waiting - about to be handed to the scheduler",
                UOW(.state = UOW_STAGED, .script = (char *)"s"));
        EXPECT("waiting - Slurm is not answering since 12:03", UOW(.state = UOW_STAGED),
                .waits_for = "Slurm is not answering since 12:03");
        EXPECT("waiting - Slurm is not answering", UOW(.state = UOW_STAGED, .script = (char *)"s"),
                .waits_for = "connect failure", .scheduler = "Slurm is not answering");
        EXPECT("waiting - the disk is full", UOW(.state = UOW_STAGED),
                .waits_for = "the disk is full", .scheduler = "Slurm is not answering");
        EXPECT("waiting - being cancelled", UOW(.state = UOW_STAGED, .cancelling = true));
        EXPECT("waiting - set aside, because its history is damaged; ask whoever runs FlowCron here",
                UOW(.state = UOW_FINISHED, .quarantined = true), .ready = true);
}

#define QUEUED(p, ...) UOW(.state = UOW_QUEUED, .phase = p, __VA_ARGS__)

static void test_in_the_queue(void **state) {
        (void)state;
        EXPECT("waiting - being handed to the scheduler", QUEUED(PHASE_SUBMITTING));
        EXPECT("pending", QUEUED(PHASE_PENDING));
        EXPECT("pending - Resources", QUEUED(PHASE_PENDING, .reason = (char *)"Resources"));
        EXPECT("pending - Priority", QUEUED(PHASE_PENDING, .reason = (char *)"Resources"),
                .waits_for = "Priority");
        EXPECT("pending - Slurm is not answering", QUEUED(PHASE_PENDING), .waits_for = "Priority",
                .scheduler = "Slurm is not answering");
        EXPECT("running", QUEUED(PHASE_RUNNING));
        EXPECT("running - since 06:03", QUEUED(PHASE_RUNNING, .started = STARTED));
        EXPECT("running - since 06:03 on 1 node", QUEUED(PHASE_RUNNING, .started = STARTED),
                .nodes = 1);
        EXPECT("running - since 06:03 on 2 nodes; Slurm is not answering",
                QUEUED(PHASE_RUNNING, .started = STARTED), .nodes = 2,
                .scheduler = "Slurm is not answering");
        EXPECT("running - 3 tasks running", QUEUED(PHASE_RUNNING), .waits_for = "3 tasks running");
        EXPECT("running - being cancelled",
                QUEUED(PHASE_RUNNING, .started = STARTED, .cancelling = true));
        EXPECT("finishing - failed", QUEUED(PHASE_SETTLING, .outcome = OUTCOME_FAILED));
        EXPECT("finishing - disk full", QUEUED(PHASE_SETTLING, .outcome = OUTCOME_FAILED),
                .waits_for = "disk full");
}

#define FINISHED(o, ...) UOW(.state = UOW_FINISHED, .outcome = o, __VA_ARGS__)

static void test_after_it(void **state) {
        (void)state;
        EXPECT("done - succeeded", FINISHED(OUTCOME_SUCCEEDED), .ready = true);
        EXPECT("done - failed - out of memory, used 46 of 47 GB",
                FINISHED(OUTCOME_FAILED, .reason = (char *)"out of memory, used 46 of 47 GB"),
                .ready = true);
        EXPECT("done - rejected - scripts∕ is missing",
                FINISHED(OUTCOME_REJECTED, .reason = (char *)"scripts/ is missing"), .ready = true);
        EXPECT("finishing - its folder is on the way", FINISHED(OUTCOME_SUCCEEDED));
        EXPECT("finishing - no space", FINISHED(OUTCOME_SUCCEEDED), .waits_for = "no space");
        EXPECT("gone - being removed", FINISHED(OUTCOME_SUCCEEDED, .purging = true));
        EXPECT("gone - moved on to the next instance",
                FINISHED(OUTCOME_SUCCEEDED, .moved_to = (char *)"/b/UploadedFiles/cells"));
        EXPECT("gone - moved on to the next instance - as cells-2",
                FINISHED(OUTCOME_SUCCEEDED, .moved_to = (char *)"/b/UploadedFiles/cells-2"));
        EXPECT("gone - in the recycling bin", UOW(.state = UOW_SOFT_DELETED));
        EXPECT(NULL, UOW(.state = UOW_PURGED));
}

static void test_a_new_name(void **state) {
        Uow u = { .name = (char *)"cells",
                .folder = (char *)"cells-20261121-072811",
                .state = UOW_FINISHED,
                .outcome = OUTCOME_SUCCEEDED };
        char reason[400], folder[256];
        _cleanup_free_ char *entry = NULL;

        (void)state;
        EXPECT("done - succeeded - as cells-20261121-072811", &u, .ready = true);
        /* The reason gives way, and can't pretend to be a name. */
        memset(reason, 'r', sizeof(reason));
        memcpy(reason, "x - as other ", 13);
        reason[sizeof(reason) - 1] = 0;
        u.reason = reason;
        entry = board_entry(&(BoardFacts){ .uow = &u, .ready = true }, NOW);
        assert_string_equal(strstr(entry, " - as "), " - as cells-20261121-072811");
        assert_true(startswith(entry, "done - succeeded - x – as other rrr"));
        assert_int_equal(strlen(entry), BOARD_ENTRY_MAX);
        EXPECT("done - failed - As root", FINISHED(OUTCOME_FAILED, .reason = (char *)"as root"),
                .ready = true);
        EXPECT("done - failed - – as root", FINISHED(OUTCOME_FAILED, .reason = (char *)"- as root"),
                .ready = true);
        /* A name that is too long is cut, and the outcome still told. */
        memset(folder, 'n', sizeof(folder));
        folder[255] = 0;
        u.folder = folder;
        free(entry);
        entry = board_entry(&(BoardFacts){ .uow = &u, .ready = true }, NOW);
        assert_true(startswith(entry, "done - succeeded"));
        assert_non_null(strstr(entry, " - as nnn"));
        assert_true(strlen(entry) <= BOARD_ENTRY_MAX && utf8_valid(entry));
}

static void test_hostile_text(void **state) {
        char reason[1000];
        _cleanup_free_ char *entry = NULL;

        (void)state;
        EXPECT("done - failed - a\\nb\\x07\\xff\\u{202e}∕∕ c",
                FINISHED(OUTCOME_FAILED, .reason = (char *)" a\nb\a\xff\u202e// c  "),
                .ready = true);
        /* Cut at a character: each has three bytes. */
        for (size_t i = 0; i + 3 < sizeof(reason); i += 3)
                memcpy(reason + i, "€", 3);
        reason[999] = 0;
        entry = board_entry(
                &(BoardFacts){ .uow = FINISHED(OUTCOME_FAILED, .reason = reason), .ready = true },
                NOW);
        assert_true(strlen(entry) <= BOARD_ENTRY_MAX && strlen(entry) > BOARD_ENTRY_MAX - 3);
        assert_true(utf8_valid(entry));
}

static void test_what_is_an_entry(void **state) {
        (void)state;
        assert_true(board_is_entry("arriving"));
        assert_true(board_is_entry("done - succeeded"));
        assert_false(board_is_entry("donee"));
        assert_false(board_is_entry("done-"));
        assert_false(board_is_entry("Done - succeeded"));
        assert_false(board_is_entry("my data"));
        assert_false(board_is_entry(""));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_before_the_queue),
                cmocka_unit_test(test_in_the_queue),
                cmocka_unit_test(test_after_it),
                cmocka_unit_test(test_a_new_name),
                cmocka_unit_test(test_hostile_text),
                cmocka_unit_test(test_what_is_an_entry),
        };

        return cmocka_run_group_tests(tests, setup, NULL);
}
