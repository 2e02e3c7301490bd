/* SPDX-License-Identifier: Apache-2.0 */

/* Units of Work that another program began: their history is made, their folders stay, and from then on they are like any other. */

#include "machine-fixture.h"

#include "uow-view.h"

static int setup(void **state) {
        *state = fixture_new(NULL);
        return 0;
}

static int teardown(void **state) {
        fixture_free(*state);
        return 0;
}

static void put_uow(Fixture *f, Place p, const char *name) {
        _cleanup_free_ char *scripts = xasprintf("%s/scripts", name),
                            *data = xasprintf("%s/data", name),
                            *script = xasprintf("%s/scripts/submission_script.sh", name);

        put_folder(place(f->instance, p), name);
        put_folder(place(f->instance, p), data);
        put_folder(place(f->instance, p), scripts);
        put_file(place(f->instance, p), script, SCRIPT);
}

static Uow *import(Fixture *f, const ImportItem *item) {
        Error e = {};

        if (machine_import(f->machine, item, &e) != 0)
                fail_msg("%s", e.text);
        turn(f);
        return uowset_by_folder(f->uows, item->folder);
}

static void test_kept(void **state) {
        const ImportItem item = { .kind = IMPORT_KEPT,
                .folder = (char *)"old",
                .outcome = OUTCOME_FAILED,
                .job_id = (char *)"12",
                .ended = 1700000000 * USEC_PER_SEC };
        Fixture *f = *state;
        usec_t before = clock_now();
        Uow *u;

        put_uow(f, PLACE_FAILED, "old");
        u = import(f, &item);
        assert_int_equal(u->state, UOW_FINISHED);
        assert_int_equal(u->outcome, OUTCOME_FAILED);
        assert_string_equal(u->job_id, "12");
        /* Retention counts from now on, not from when it was made. */
        assert_true(u->filed >= before);
        assert_true(is_there(place(f->instance, PLACE_FAILED), "old/scripts"));
        assert_false(is_there(place(f->instance, PLACE_FAILED), "old/flowcron"));
        assert_quiet(f);
        /* Once more changes nothing, in this life or another. */
        assert_ptr_equal(import(f, &item), u);
        assert_int_equal(uowset_size(f->uows), 1);
        fixture_again(f);
        assert_non_null(import(f, &item));
        assert_int_equal(uowset_size(f->uows), 1);
        u = uowset_at(f->uows, 0);
        assert_int_equal(u->state, UOW_FINISHED);
        assert_string_equal(u->job_id, "12");
}

static void test_kept_is_retried_and_binned(void **state) {
        const ImportItem one = {
                .kind = IMPORT_KEPT, .folder = (char *)"one", .outcome = OUTCOME_FAILED
        };
        const ImportItem two = {
                .kind = IMPORT_KEPT, .folder = (char *)"two", .outcome = OUTCOME_SUCCEEDED
        };
        Fixture *f = *state;
        Uow *u;

        put_uow(f, PLACE_FAILED, "one");
        put_uow(f, PLACE_ANALYSED, "two");
        u = import(f, &one);
        assert_int_equal(machine_order_retry(f->machine, u, "control", NULL), 0);
        turn(f);
        assert_int_equal(u->state, UOW_QUEUED);
        assert_true(is_there(place(f->instance, PLACE_WORK), "one/sentinels/flowcron"));
        assert_false(is_there(place(f->instance, PLACE_FAILED), "one"));
        u = import(f, &two);
        assert_int_equal(machine_soft_delete(f->machine, u, "retention"), 0);
        turn(f);
        assert_true(is_there(place(f->instance, PLACE_BIN_ANALYSED), "two"));
        assert_int_equal(machine_order_purge(f->machine, u, "control", NULL), 0);
        turn(f);
        assert_int_equal(u->state, UOW_PURGED);
        assert_false(is_there(place(f->instance, PLACE_BIN_ANALYSED), "two"));
}

static void test_binned(void **state) {
        const ImportItem item = { .kind = IMPORT_KEPT,
                .folder = (char *)"old",
                .outcome = OUTCOME_SUCCEEDED,
                .binned = true };
        Fixture *f = *state;
        Uow *u;

        put_uow(f, PLACE_BIN_ANALYSED, "old");
        u = import(f, &item);
        assert_int_equal(u->state, UOW_SOFT_DELETED);
        assert_int_equal(machine_order_restore(f->machine, u, "control", NULL), 0);
        turn(f);
        assert_true(is_there(place(f->instance, PLACE_ANALYSED), "old"));
}

static void test_running(void **state) {
        const ImportItem item = { .kind = IMPORT_RUNNING,
                .folder = (char *)"runs",
                .job_id = (char *)"31",
                .submitted = 1700000000 * USEC_PER_SEC };
        Fixture *f = *state;
        Uow *u;

        put_uow(f, PLACE_WORK, "runs");
        put_folder(place(f->instance, PLACE_WORK), "runs/sentinels");
        put_file(place(f->instance, PLACE_WORK), "runs/sentinels/SlurmRunning", "");
        u = import(f, &item);
        assert_int_equal(u->state, UOW_QUEUED);
        assert_int_equal(u->attempt, 1);
        assert_true(u->imported);
        assert_int_equal(u->submitted, item.submitted);
        assert_int_equal(fake.submits, 0); /* never a second time */
        assert_int_equal(fake.n_asked, 1);
        fixture_again(f);
        u = uowset_by_folder(f->uows, "runs");
        turn(f);
        assert_true(u->imported);
        assert_int_equal(fake.submits, 0);
        say_ended(f, u, OUTCOME_SUCCEEDED, "COMPLETED");
        assert_int_equal(u->state, UOW_FINISHED);
        assert_true(is_there(place(f->instance, PLACE_ANALYSED), "runs/flowcron/record.json"));
        assert_false(is_there(place(f->instance, PLACE_ANALYSED), "runs/sentinels"));
}

/* Its node failed: the next attempt is ours, checked and with a token. */
static void test_running_is_tried_again(void **state) {
        const ImportItem item = {
                .kind = IMPORT_RUNNING, .folder = (char *)"runs", .job_id = (char *)"31"
        };
        Fixture *f = *state;
        Uow *u;

        put_uow(f, PLACE_WORK, "runs");
        u = import(f, &item);
        say_ended(f, u, OUTCOME_FAILED, "NODE_FAIL");
        assert_int_equal(u->attempt, 2);
        assert_int_equal(fake.submits, 1);
        assert_string_equal(u->script, "submission_script.sh");
        say_submitted(f, u, SUBMIT_ACCEPTED, "40", NULL);
        assert_false(u->imported);
}

static void test_running_is_cancelled(void **state) {
        const ImportItem item = {
                .kind = IMPORT_RUNNING, .folder = (char *)"runs", .job_id = (char *)"31"
        };
        Fixture *f = *state;
        Uow *u;

        put_uow(f, PLACE_WORK, "runs");
        u = import(f, &item);
        assert_int_equal(machine_order_cancel(f->machine, u, "control", NULL), 0);
        turn(f);
        assert_int_equal(fake.cancels, 1);
        say_cancelled(f, u);
        say_ended(f, u, OUTCOME_CANCELLED, "CANCELLED");
        assert_true(is_there(place(f->instance, PLACE_FAILED), "runs"));
}

static void put_claim(Fixture *f, const char *name) {
        _cleanup_free_ char *sentinels = xasprintf("%s/sentinels", name),
                            *file = xasprintf("%s/sentinels/flowcron", name);

        put_folder(place(f->instance, PLACE_WORK), sentinels);
        put_file(place(f->instance, PLACE_WORK), file, "{\"id\":\"" ID "\"}\n");
}

static void test_waiting(void **state) {
        const ImportItem item = {
                .kind = IMPORT_WAITING, .folder = (char *)"waits", .id = (char *)ID
        };
        Fixture *f = *state;
        Uow *u;

        put_uow(f, PLACE_WORK, "waits");
        put_claim(f, "waits");
        u = import(f, &item);
        assert_string_equal(u->id, ID);
        assert_string_equal(u->folder, "waits");
        assert_int_equal(fake.submits, 1);
        assert_ptr_equal(import(f, &item), u);
        assert_int_equal(fake.submits, 1);
}

static void test_lost(void **state) {
        const ImportItem item = { .kind = IMPORT_LOST, .folder = (char *)"lost", .id = (char *)ID };
        Fixture *f = *state;
        Uow *u;

        put_uow(f, PLACE_WORK, "lost");
        put_claim(f, "lost");
        u = import(f, &item);
        assert_int_equal(u->state, UOW_FINISHED);
        assert_int_equal(u->outcome, OUTCOME_LOST);
        assert_int_equal(fake.submits, 0);
        assert_true(is_there(place(f->instance, PLACE_FAILED), "lost/flowcron/report.txt"));
}

static void test_not_there(void **state) {
        const ImportItem item = {
                .kind = IMPORT_KEPT, .folder = (char *)"none", .outcome = OUTCOME_FAILED
        };
        Fixture *f = *state;
        Error e = {};

        assert_int_equal(machine_import(f->machine, &item, &e), UOW_E_GONE);
        assert_int_equal(uowset_size(f->uows), 0);
}

/* What was not staged was not submitted by us: no answer about it may put it into the queue. */
static void test_queued_needs_an_import(void **state) {
        Fixture *f = *state;
        Uow *u = arrive(f, "u");
        cJSON *data = machine_object("job_id", "5");

        assert_int_equal(u->state, UOW_UPLOADED);
        assert_true(machine_post(f->machine, u, EVENT_QUEUED, data) != 0);
        assert_int_equal(u->state, UOW_UPLOADED);
}

/* ---- items ---- */

static void test_items_travel(void **state) {
        static const ImportItem items[] = {
                { .kind = IMPORT_KEPT,
                        .folder = (char *)"a\\ b\n\xff",
                        .outcome = OUTCOME_SUCCEEDED,
                        .binned = true,
                        .job_id = (char *)"7",
                        .ended = 1700000000 * USEC_PER_SEC },
                { .kind = IMPORT_RUNNING,
                        .folder = (char *)"r",
                        .job_id = (char *)"4294967295",
                        .submitted = 1600000000 * USEC_PER_SEC },
                { .kind = IMPORT_WAITING, .folder = (char *)"w", .id = (char *)ID },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(items); i++) {
                _cleanup_json_ cJSON *j = import_item_to_json(&items[i]);
                _cleanup_(import_item_done) ImportItem back = {};

                assert_int_equal(import_item_from_json(j, &back), 0);
                assert_int_equal(back.kind, items[i].kind);
                assert_string_equal(back.folder, items[i].folder);
                assert_true(streq(back.id, items[i].id) && streq(back.job_id, items[i].job_id));
                assert_int_equal(back.outcome, items[i].outcome);
                assert_int_equal(back.binned, items[i].binned);
                assert_int_equal(back.submitted, items[i].submitted);
                assert_int_equal(back.ended, items[i].ended);
        }
}

static void test_items_that_are_none(void **state) {
        static const char *const texts[] = { "{}", "1", "{\"kind\":\"kept\",\"folder\":\"x\"}",
                "{\"kind\":\"kept\",\"folder\":\"../x\",\"outcome\":\"failed\"}",
                "{\"kind\":\"kept\",\"folder\":\".x\",\"outcome\":\"failed\"}",
                "{\"kind\":\"kept\",\"folder\":\"x\",\"outcome\":\"lost\"}",
                "{\"kind\":\"running\",\"folder\":\"x\"}",
                "{\"kind\":\"running\",\"folder\":\"x\",\"job_id\":\"-1\"}",
                "{\"kind\":\"waiting\",\"folder\":\"x\"}",
                "{\"kind\":\"waiting\",\"folder\":\"x\",\"id\":\"../../../../../../../../../../../x\"}",
                "{\"kind\":\"other\",\"folder\":\"x\"}" };

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                _cleanup_json_ cJSON *j = NULL;
                ImportItem item = {};

                assert_int_equal(json_parse(texts[i], strlen(texts[i]), &j, NULL), 0);
                assert_int_equal(import_item_from_json(j, &item), UOW_E_INVALID);
        }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_kept),
                TEST(test_kept_is_retried_and_binned),
                TEST(test_binned),
                TEST(test_running),
                TEST(test_running_is_tried_again),
                TEST(test_running_is_cancelled),
                TEST(test_waiting),
                TEST(test_lost),
                TEST(test_not_there),
                TEST(test_queued_needs_an_import),
                cmocka_unit_test(test_items_travel),
                cmocka_unit_test(test_items_that_are_none),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
