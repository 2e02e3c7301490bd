/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The machine from upload to purge, with a scheduler that says what the test wants: in time, late, never, or after the question
 * has lost its meaning.
 */

#include "machine-fixture.h"

#include "uow-view.h"

static int setup(void **state) {
        *state = fixture_new(NULL);
        return 0;
}

static int teardown(void **state) {
        set_full(false);
        fixture_free(*state);
        return 0;
}

static bool is_at(const Fixture *f, Place p, const char *name) {
        return is_there(place(f->instance, p), name);
}

/* ---- the way through ---- */

static void test_success(void **state) {
        Fixture *f = *state;
        Uow *u = arrive(f, "u");

        assert_int_equal(u->state, UOW_UPLOADED);
        turn(f);
        assert_int_equal(u->phase, PHASE_SUBMITTING);
        assert_int_equal(fake.submits, 1);
        assert_int_equal(fake.polls, 0);
        say_submitted(f, u, SUBMIT_ACCEPTED, "17", NULL);
        assert_string_equal(u->job_id, "17");
        assert_int_equal(fake.polls, 1);
        assert_ptr_equal(fake.asked[0], u);
        say_running(f, u);
        assert_int_equal(u->phase, PHASE_RUNNING);
        say_ended(f, u, OUTCOME_SUCCEEDED, "COMPLETED");
        assert_int_equal(u->state, UOW_FINISHED);
        assert_true(is_at(f, PLACE_ANALYSED, "u"));
        assert_false(is_at(f, PLACE_ANALYSED, "u/sentinels"));
        say_polled(f);
        assert_null(u->run); /* a result costs nothing */
        assert_quiet(f);
        assert_true(f->idle > 0);
}

static void test_restart_goes_on(void **state) {
        Fixture *f = *state;
        Uow *u;

        queue(f, "u");
        fixture_again(f);
        u = uowset_by_folder(f->uows, "u");
        turn(f);
        assert_int_equal(fake.submits, 0);
        assert_int_equal(fake.n_asked, 1);
        say_ended(f, u, OUTCOME_SUCCEEDED, "COMPLETED");
        assert_true(is_at(f, PLACE_ANALYSED, "u"));
}

static void test_deferred(void **state) {
        Fixture *f = *state;
        Uow *u = arrive(f, "u");

        turn(f);
        say_submitted(f, u, SUBMIT_DEFERRED, NULL, "a limit of the account");
        assert_int_equal(u->state, UOW_STAGED);
        assert_string_equal(u->reason, "a limit of the account");
        assert_int_equal(fake.submits, 1);
        assert_int_equal(f->machine->submitting, 0);
        assert_true(machine_is_idle(f->machine)); /* a pass does not wait for a pause */
        kick(f, u);
        assert_int_equal(fake.submits, 2);
        assert_int_equal(u->attempt, 1);
}

/* Eight were under way when the trouble began: that is one trouble. */
static void test_trouble_is_counted_once(void **state) {
        Fixture *f = *state;
        Uow *uows[SUBMISSIONS_AT_ONCE + 2];
        char name[8];

        for (size_t i = 0; i < ELEMENTSOF(uows); i++) {
                snprintf(name, sizeof(name), "u%zu", i);
                uows[i] = arrive(f, name);
        }
        turn(f);
        assert_int_equal(fake.submits, SUBMISSIONS_AT_ONCE);
        for (size_t i = 0; i < ELEMENTSOF(uows); i++)
                if (uows[i]->phase == PHASE_SUBMITTING)
                        say_submitted(f, uows[i], SUBMIT_DEFERRED, NULL, "no");
        assert_int_equal(f->machine->submit_troubles, 1);
        assert_int_equal(fake.submits, SUBMISSIONS_AT_ONCE);
        f->machine->submit_not_before = 0;
        machine_turn(f->machine);
        turn(f);
        assert_int_equal(fake.submits, SUBMISSIONS_AT_ONCE + 1); /* one probes for all */
}

static void test_refused(void **state) {
        Fixture *f = *state;
        Uow *u = arrive(f, "u");

        turn(f);
        say_submitted(f, u, SUBMIT_REFUSED, NULL, "invalid partition");
        assert_int_equal(u->outcome, OUTCOME_REJECTED);
        assert_true(is_at(f, PLACE_FAILED, "u"));
        assert_quiet(f);
}

static void test_uncertain_found(void **state) {
        Fixture *f = *state;
        Uow *u = arrive(f, "u");

        turn(f);
        say_submitted(f, u, SUBMIT_UNCERTAIN, NULL, "no answer within 60s");
        assert_int_equal(fake.polls, 1);
        kick(f, u);
        kick(f, u);
        assert_int_equal(fake.submits, 1);
        say_looked_up(f, u, LOOKUP_UNKNOWN, NULL);
        assert_int_equal(u->phase, PHASE_SUBMITTING);
        say_looked_up(f, u, LOOKUP_FOUND, "23");
        assert_string_equal(u->job_id, "23");
        assert_int_equal(fake.submits, 1);
        assert_null(run_of(u)->trouble);
}

static void test_uncertain_absent(void **state) {
        Fixture *f = *state;
        Uow *u = arrive(f, "u");

        turn(f);
        say_submitted(f, u, SUBMIT_UNCERTAIN, NULL, "no answer within 60s");
        say_looked_up(f, u, LOOKUP_ABSENT, NULL);
        kick(f, u);
        assert_int_equal(fake.submits, 2);
        assert_int_equal(u->phase, PHASE_SUBMITTING);
}

/* The intent is on disk, and we died: it is looked for, said so, and not given again. */
static void test_killed_in_mid_call(void **state) {
        Fixture *f = *state;
        _cleanup_json_ cJSON *attention = NULL;
        Uow *u;

        arrive(f, "u");
        turn(f);
        fixture_again(f);
        u = uowset_by_folder(f->uows, "u");
        turn(f);
        assert_int_equal(fake.submits, 0);
        assert_int_equal(fake.n_asked, 1);
        attention = machine_attention(f->machine);
        assert_int_equal(cJSON_GetArraySize(attention), 1);
        say_looked_up(f, u, LOOKUP_FOUND, "23");
        assert_string_equal(u->job_id, "23");
        assert_null(run_of(u)->trouble);
}

static void test_answers_of_another_attempt(void **state) {
        Fixture *f = *state;
        Uow *u = queue(f, "u");
        JobReport report = { .ended = true, .outcome = OUTCOME_FAILED };

        fake.scheduler->events.job(u, u->attempt + 1, &report, fake.scheduler->userdata);
        fake.scheduler->events.looked_up(
                u, u->attempt, LOOKUP_ABSENT, NULL, false, fake.scheduler->userdata);
        fake.scheduler->events.submitted(
                u, u->attempt, SUBMIT_ACCEPTED, "99", NULL, fake.scheduler->userdata);
        turn(f);
        assert_int_equal(u->state, UOW_QUEUED);
        assert_string_equal(u->job_id, "17");
}

static void test_max_queued(void **state) {
        Fixture *f = fixture_new("scheduler: {max_queued: 1}\n");
        Uow *a = arrive(f, "a"), *b, *c;
        Error e = {};

        (void)state;
        turn(f);
        b = arrive(f, "b");
        c = arrive(f, "c");
        turn(f);
        assert_int_equal(fake.submits, 1);
        say_submitted(f, a, SUBMIT_ACCEPTED, "17", NULL);
        assert_int_equal(fake.submits, 1);
        /* One that went away from the head of the line does not count. */
        assert_int_equal(machine_order_cancel(f->machine, b, "test", &e), 0);
        say_ended(f, a, OUTCOME_SUCCEEDED, "COMPLETED");
        assert_int_equal(fake.submits, 2);
        assert_int_equal(c->phase, PHASE_SUBMITTING);
        assert_int_equal(b->outcome, OUTCOME_CANCELLED);
        fixture_free(f);
}

static void test_tried_again_by_itself(void **state) {
        Fixture *f = *state;
        Uow *u = queue(f, "u");

        for (int attempt = 2; attempt <= 3; attempt++) {
                say_ended(f, u, OUTCOME_FAILED, "NODE_FAIL");
                assert_int_equal(u->attempt, attempt);
                say_submitted(f, u, SUBMIT_ACCEPTED, "18", NULL);
        }
        say_ended(f, u, OUTCOME_FAILED, "NODE_FAIL");
        assert_int_equal(u->state, UOW_FINISHED);
        assert_int_equal(fake.submits, 3);
}

/* ---- held jobs ---- */

static void say_released(Fixture *f, Uow *u, int attempt, int r) {
        fake.scheduler->events.released(u, attempt, r, "busy", fake.scheduler->userdata);
        turn(f);
}

static Fixture *held(Uow **ret) {
        Fixture *f = fixture_new("scheduler: {submit: held}\n");

        *ret = queue(f, "u");
        assert_true((*ret)->held);
        assert_int_equal(fake.releases, 1);
        return f;
}

static void test_held(void **state) {
        Uow *u;
        Fixture *f = held(&u);

        (void)state;
        say_released(f, u, 1, -EAGAIN);
        assert_true(u->held);
        kick(f, u);
        assert_int_equal(fake.releases, 2);
        say_released(f, u, 1, 0);
        assert_false(u->held);
        fixture_free(f);
}

/* A node failed while the order to release was on its way: its answer is about an attempt that is over. */
static void test_released_too_late(void **state) {
        Uow *u;
        Fixture *f = held(&u);

        (void)state;
        say_ended(f, u, OUTCOME_FAILED, "NODE_FAIL");
        assert_int_equal(u->attempt, 2);
        say_released(f, u, 1, 0);
        assert_int_equal(fake.submits, 2);
        assert_int_equal(f->machine->errands, 1);
        fixture_free(f);
}

static void test_released_after_the_end(void **state) {
        Uow *u;
        Fixture *f = held(&u);

        (void)state;
        say_ended(f, u, OUTCOME_FAILED, "FAILED");
        assert_int_equal(u->phase, PHASE_SETTLING);
        say_released(f, u, 1, 0);
        assert_int_equal(u->state, UOW_FINISHED); /* without a pause */
        fixture_free(f);
}

/* How it was submitted counts, not what the configuration says when the answer comes. */
static void test_reload_in_mid_call(void **state) {
        Fixture *f = fixture_new("scheduler: {submit: held}\n");
        Uow *u = arrive(f, "u");
        Config *other = NULL;
        _cleanup_free_ char *yaml = xasprintf("base: %s\n", f->instance->base);
        Error e = {};

        (void)state;
        turn(f);
        assert_int_equal(
                config_parse_named("test", "/etc/test.yaml", yaml, strlen(yaml), &other, &e), 0);
        machine_reload(f->machine, other);
        config_free(f->instance->config);
        f->instance->config = other;
        say_submitted(f, u, SUBMIT_ACCEPTED, "17", NULL);
        assert_true(u->held);
        assert_int_equal(fake.releases, 1);
        fixture_free(f);
}

/* ---- cancelling ---- */

static void cancel(Fixture *f, Uow *u) {
        Error e = {};

        if (machine_order_cancel(f->machine, u, "test", &e) != 0)
                fail_msg("%s", e.text);
}

static void test_cancel_while_staging(void **state) {
        Fixture *f = *state;
        Uow *u = arrive(f, "u");

        while (!run_of(u)->errand)
                turn_once(f);
        assert_int_equal(run_of(u)->errand, ERRAND_STAGE);
        cancel(f, u);
        turn(f);
        assert_int_equal(u->outcome, OUTCOME_CANCELLED);
        assert_int_equal(fake.submits, 0);
        assert_true(is_at(f, PLACE_FAILED, "u"));
        assert_quiet(f);
}

static void test_cancel_deferred(void **state) {
        Fixture *f = *state;
        Uow *u = arrive(f, "u");

        turn(f);
        cancel(f, u);
        turn(f);
        assert_int_equal(u->phase, PHASE_SUBMITTING); /* sbatch is asked, not interrupted */
        say_submitted(f, u, SUBMIT_DEFERRED, NULL, "no");
        assert_int_equal(u->outcome, OUTCOME_CANCELLED);
        assert_true(is_at(f, PLACE_FAILED, "u"));
        assert_quiet(f);
}

static void test_cancel_in_mid_call(void **state) {
        Fixture *f = *state;
        Uow *u = arrive(f, "u");

        turn(f);
        cancel(f, u);
        turn(f);
        assert_int_equal(fake.cancels, 0);
        say_submitted(f, u, SUBMIT_ACCEPTED, "17", NULL);
        assert_int_equal(fake.cancels, 1);
        say_cancelled(f, u);
        say_ended(f, u, OUTCOME_CANCELLED, "CANCELLED");
        assert_int_equal(u->outcome, OUTCOME_CANCELLED);
        assert_string_equal(u->reason, "cancelled by order");
        say_polled(f);
        assert_quiet(f);
}

/* The poll was begun before the order came, so that to the scheduler it looks like somebody else's doing. */
static void test_cancel_during_a_poll(void **state) {
        Fixture *f = *state;
        Uow *u = queue(f, "u");

        cancel(f, u);
        turn(f);
        say_ended_by(f, u, OUTCOME_FAILED, "CANCELLED", CAUSE_CANCELLED_OUTSIDE,
                "cancelled outside FlowCron");
        assert_int_equal(u->outcome, OUTCOME_CANCELLED);
        assert_string_equal(u->reason, "cancelled by order");
}

static void test_cancel_uncertain(void **state) {
        Fixture *f = *state;
        Uow *u = arrive(f, "u");

        turn(f);
        say_submitted(f, u, SUBMIT_UNCERTAIN, NULL, "no answer");
        cancel(f, u);
        turn(f);
        assert_int_equal(
                u->phase, PHASE_SUBMITTING); /* whether there is a job to end is not known */
        say_looked_up(f, u, LOOKUP_UNKNOWN, NULL);
        assert_int_equal(u->phase, PHASE_SUBMITTING);
        say_looked_up(f, u, LOOKUP_ABSENT, NULL);
        assert_int_equal(u->outcome, OUTCOME_CANCELLED);
        say_polled(f);
        assert_quiet(f);
}

static void test_cancel_held(void **state) {
        Uow *u;
        Fixture *f = held(&u);

        (void)state;
        cancel(f, u);
        turn(f);
        say_released(f, u, 1, -EAGAIN);
        assert_int_equal(fake.cancels, 1); /* without waiting for a pause */
        assert_int_equal(fake.releases, 1);
        fixture_free(f);
}

static void test_cancel_is_repeated(void **state) {
        Fixture *f = *state;
        Uow *u = queue(f, "u");

        cancel(f, u);
        cancel(f, u);
        turn(f);
        assert_int_equal(fake.cancels, 1);
        say_cancelled(f, u);
        assert_true(run_of(u)->not_before > 0);
        kick(f, u);
        assert_int_equal(fake.cancels, 2);
}

static void test_orders_refused(void **state) {
        Fixture *f = *state;
        Uow *u = queue(f, "u");
        Error e = {};

        assert_int_equal(machine_order_retry(f->machine, u, "test", &e), UOW_E_STATE);
        assert_int_equal(machine_order_purge(f->machine, u, "test", &e), UOW_E_STATE);
        assert_int_equal(machine_order_restore(f->machine, u, "test", &e), UOW_E_STATE);
        assert_int_equal(machine_soft_delete(f->machine, u, "test"), UOW_E_STATE);
        say_ended(f, u, OUTCOME_FAILED, "FAILED");
        assert_int_equal(machine_order_cancel(f->machine, u, "test", &e), UOW_E_STATE);
        assert_int_equal(u->state, UOW_FINISHED);
        assert_true(e.text[0]);
}

/* ---- folders that vanish ---- */

static void take_away(Fixture *f, Place p, const char *name) {
        assert_int_equal(tree_remove(place(f->instance, p), name), 0);
}

static void test_gone_while_queued(void **state) {
        Fixture *f = *state;
        Uow *u = queue(f, "u");
        usec_t again;

        take_away(f, PLACE_WORK, "u");
        machine_missing(f->machine, u);
        turn(f);
        assert_true(u->cancelling);
        assert_int_equal(fake.cancels, 1);
        say_cancelled(f, u);
        again = run_of(u)->not_before;
        machine_missing(f->machine, u); /* each scan says so */
        assert_int_equal(run_of(u)->not_before, again);
        say_ended(f, u, OUTCOME_CANCELLED, "CANCELLED");
        assert_int_equal(u->state, UOW_PURGED);
        say_polled(f);
        assert_quiet(f);
}

static void test_gone_while_waiting(void **state) {
        Fixture *f = *state;
        Uow *u = arrive(f, "u");

        turn(f);
        say_submitted(f, u, SUBMIT_DEFERRED, NULL, "no");
        take_away(f, PLACE_WORK, "u");
        machine_missing(f->machine, u);
        turn(f);
        assert_int_equal(u->state, UOW_PURGED);
        assert_quiet(f);
}

static void test_gone_before_staging(void **state) {
        Fixture *f = *state;
        Uow *u = arrive(f, "u");

        take_away(f, PLACE_UPLOADED, "u");
        turn(f);
        assert_int_equal(u->state, UOW_PURGED);
        assert_quiet(f);
}

static void test_gone_result(void **state) {
        Fixture *f = *state;
        Uow *u = finish(f, "u", OUTCOME_FAILED);

        take_away(f, PLACE_FAILED, "u");
        machine_missing(f->machine, u);
        turn(f);
        assert_int_equal(u->state, UOW_PURGED);
}

/* ---- the bin ---- */

static void test_restore_on_the_way_to_the_bin(void **state) {
        Fixture *f = *state;
        Uow *u = finish(f, "u", OUTCOME_SUCCEEDED);
        Error e = {};

        assert_int_equal(machine_soft_delete(f->machine, u, "retention"), 0);
        while (run_of(u)->errand != ERRAND_RELOCATE)
                turn_once(f);
        assert_int_equal(machine_order_restore(f->machine, u, "test", &e), 0);
        turn(f);
        assert_int_equal(u->state, UOW_FINISHED);
        assert_true(is_at(f, PLACE_ANALYSED, "u"));
        assert_false(is_at(f, PLACE_BIN_ANALYSED, "u"));
}

static void test_retry_on_the_way_to_the_bin(void **state) {
        Fixture *f = *state;
        Uow *u = finish(f, "u", OUTCOME_FAILED);
        Error e = {};

        assert_int_equal(machine_soft_delete(f->machine, u, "retention"), 0);
        while (run_of(u)->errand != ERRAND_RELOCATE)
                turn_once(f);
        assert_int_equal(machine_order_retry(f->machine, u, "test", &e), 0);
        turn(f);
        assert_int_equal(u->attempt, 2);
        assert_int_equal(fake.submits, 2);
        assert_true(is_at(f, PLACE_WORK, "u"));
}

static void test_purge_on_the_way_to_the_bin(void **state) {
        Fixture *f = *state;
        Uow *u = finish(f, "u", OUTCOME_FAILED);
        Error e = {};

        assert_int_equal(machine_soft_delete(f->machine, u, "retention"), 0);
        while (run_of(u)->errand != ERRAND_RELOCATE)
                turn_once(f);
        assert_int_equal(machine_order_purge(f->machine, u, "test", &e), 0);
        assert_int_equal(machine_order_restore(f->machine, u, "test", &e), UOW_E_STATE);
        turn(f);
        assert_int_equal(u->state, UOW_PURGED);
        assert_false(is_at(f, PLACE_FAILED, "u") || is_at(f, PLACE_BIN_FAILED, "u"));
        assert_null(u->run);
}

static void test_soft_delete_is_made_up_for(void **state) {
        Fixture *f = *state;
        Uow *u = finish(f, "u", OUTCOME_SUCCEEDED);

        assert_int_equal(machine_soft_delete(f->machine, u, "retention"), 0);
        while (run_of(u)->errand != ERRAND_RELOCATE) /* durable now */
                turn_once(f);
        fixture_again(f);
        u = uowset_by_folder(f->uows, "u");
        machine_missing(f->machine, u); /* as the first scan finds */
        turn(f);
        assert_int_equal(u->state, UOW_SOFT_DELETED);
        assert_true(is_at(f, PLACE_BIN_ANALYSED, "u"));
}

/* ---- chains ---- */

static Fixture *chained(char to[static 64]) {
        _cleanup_free_ char *yaml = NULL;

        strcpy(to, "/tmp/flowcron-next-XXXXXX");
        assert_non_null(mkdtemp(to));
        yaml = xasprintf("chain: {to: %s}\n", to);
        return fixture_new(yaml);
}

static void chain_done(Fixture *f, const char *to) {
        fixture_free(f);
        assert_int_equal(tree_remove(AT_FDCWD, to), 0);
}

static bool has_moved_on(const char *to) {
        _cleanup_free_ char *sentinels = xasprintf("%s/u/sentinels", to);

        return is_there(AT_FDCWD, sentinels);
}

static void test_chain(void **state) {
        char to[64];
        Fixture *f = chained(to);
        Uow *u = finish(f, "u", OUTCOME_SUCCEEDED);

        (void)state;
        assert_non_null(u->moved_to);
        assert_true(has_moved_on(to));
        finish(f, "v", OUTCOME_FAILED);
        assert_true(is_at(f, PLACE_FAILED, "v"));
        chain_done(f, to);
}

/* Killed with the event on disk, and before or while it was handed over. */
static void test_chain_after_restart(void **state) {
        char to[64];
        Fixture *f = chained(to);
        Uow *u = queue(f, "u");
        JobReport report = { .ended = true, .outcome = OUTCOME_SUCCEEDED };
        Error e = {};

        (void)state;
        fake.scheduler->events.job(u, u->attempt, &report, fake.scheduler->userdata);
        while (u->state != UOW_FINISHED || run_of(u)->errand != ERRAND_CHAIN)
                assert_true(sd_event_run(f->event, UINT64_MAX) >= 0);
        assert_int_equal(machine_order_retry(f->machine, u, "test", &e), UOW_E_STATE);
        assert_int_equal(machine_order_purge(f->machine, u, "test", &e), UOW_E_STATE);
        assert_int_equal(machine_soft_delete(f->machine, u, "test"), UOW_E_STATE);
        fixture_again(f);
        turn(f);
        assert_true(has_moved_on(to));
        assert_false(is_at(f, PLACE_ANALYSED, "u"));
        assert_null(uowset_by_folder(f->uows, "u"));
        chain_done(f, to);
}

static void test_chain_is_not_for_old_results(void **state) {
        Fixture *f = *state;
        Config *other = NULL;
        _cleanup_free_ char *yaml =
                xasprintf("base: %s\nchain: {to: /tmp/flowcron-nowhere}\n", f->instance->base);
        Error e = {};

        finish(f, "u", OUTCOME_SUCCEEDED);
        assert_int_equal(
                config_parse_named("test", "/etc/test.yaml", yaml, strlen(yaml), &other, &e), 0);
        config_free(f->instance->config);
        f->instance->config = other;
        fixture_again(f);
        turn(f);
        assert_true(is_at(f, PLACE_ANALYSED, "u"));
        assert_null(uowset_by_folder(f->uows, "u")->run);
}

/* ---- a disk that is full ---- */

static void test_commit_fails(void **state) {
        Fixture *f = *state;
        Uow *u = finish(f, "u", OUTCOME_FAILED), *v;
        _cleanup_json_ cJSON *attention = NULL;
        Error e = {};

        upload(f->instance, "v");
        set_full(true);
        assert_int_equal(machine_upload(f->machine, "v", NULL, 0), 0);
        turn(f);
        assert_int_equal(machine_trouble(f->machine), -EFBIG);
        assert_int_equal(f->broken, 1);
        assert_true(is_at(f, PLACE_UPLOADED, "v"));
        assert_true(machine_upload(f->machine, "w", NULL, 0) < 0);
        assert_int_equal(machine_order_retry(f->machine, u, "test", &e), -EFBIG);
        assert_int_equal(u->state, UOW_FINISHED);
        attention = machine_attention(f->machine);
        assert_int_equal(cJSON_GetArraySize(attention), 1);
        assert_int_equal(fake.submits, 1);
        set_full(false);
        machine_turn(f->machine);
        turn(f);
        assert_int_equal(machine_trouble(f->machine), 0);
        v = uowset_by_folder(f->uows, "v");
        assert_int_equal(v->phase, PHASE_SUBMITTING);
        fixture_again(f);
        assert_int_equal(uowset_size(f->uows), 2);
}

static void note_result(int r, void *userdata) {
        *(int *)userdata = r;
}

/* Whoever waits for an answer gets it, good or bad. */
static void test_waiters(void **state) {
        Fixture *f = *state;
        int good = 1, bad = 1, forgotten = 1;
        Uow *u = finish(f, "u", OUTCOME_FAILED);
        Error e = {};

        assert_int_equal(machine_after_commit(f->machine, note_result, &good), 0);
        turn(f);
        assert_int_equal(good, 0);
        assert_int_equal(machine_order_purge(f->machine, u, "test", &e), 0);
        assert_int_equal(machine_after_commit(f->machine, note_result, &bad), 0);
        assert_int_equal(machine_after_commit(f->machine, note_result, &forgotten), 0);
        machine_forget(f->machine, &forgotten);
        set_full(true);
        turn(f);
        set_full(false);
        assert_int_equal(bad, -EFBIG);
        assert_int_equal(forgotten, 1);
        assert_true(is_at(f, PLACE_FAILED, "u"));
}

/* ---- the lease ---- */

static off_t log_size(const Fixture *f) {
        _cleanup_close_ int fd = dir_open_at(place(f->instance, PLACE_STATE), "events");
        _cleanup_closedir_ DIR *d = fdopendir(dup(fd));
        struct dirent *de;
        struct stat st;
        off_t size = 0;

        while ((de = readdir(d)))
                if (fstatat(fd, de->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
                        size += st.st_size;
        return size;
}

static void lose_lease(const Fixture *f) {
        char name[LEASE_NAME_MAX];

        put_file(place(f->instance, PLACE_STATE), lease_file_name(name, lease_fence(f->lease) + 1),
                "");
}

static void test_lease_lost_before_commit(void **state) {
        Fixture *f = *state;
        off_t before = log_size(f);
        Uow *u = arrive(f, "u");

        lose_lease(f);
        turn(f);
        assert_int_equal(f->lost, 1);
        assert_int_equal(log_size(f), before);
        assert_true(is_at(f, PLACE_UPLOADED, "u"));
        assert_int_equal(machine_post(f->machine, u, EVENT_CANCELLING, NULL), -EOWNERDEAD);
        assert_true(machine_trouble(f->machine) < 0);
}

/* Work that waited in its lane looks for itself when it begins. */
static void test_lease_lost_while_staging(void **state) {
        Fixture *f = *state;
        char name[8];

        for (int i = 0; i < 8; i++) {
                snprintf(name, sizeof(name), "u%d", i);
                arrive(f, name);
        }
        while (f->machine->errands < 8)
                turn_once(f);
        lose_lease(f);
        turn(f);
        assert_int_equal(f->lost, 1);
        assert_true(is_at(f, PLACE_UPLOADED, "u6") && is_at(f, PLACE_UPLOADED, "u7"));
        assert_false(is_at(f, PLACE_UPLOADED, "u7/sentinels/flowcron"));
        assert_int_equal(fake.submits, 0);
}

static void test_lease_lost_before_release(void **state) {
        Uow *u;
        Fixture *f = held(&u);

        (void)state;
        say_released(f, u, 1, -EAGAIN);
        lose_lease(f);
        kick(f, u);
        assert_int_equal(fake.releases, 1);
        assert_int_equal(f->lost, 1);
        fixture_free(f);
}

/* ---- stopping ---- */

static void test_stop_takes_back_intents(void **state) {
        Fixture *f = *state;
        Uow *u;

        fake.refuse_submit = -ENOMEM;
        u = arrive(f, "u");
        turn(f);
        assert_int_equal(u->phase, PHASE_SUBMITTING);
        machine_stop(f->machine);
        turn(f);
        assert_int_equal(f->stopped, 1);
        assert_int_equal(fake.withdrawals, 1);
        assert_int_equal(f->machine->submitting, 0);
        fixture_again(f);
        turn(f);
        u = uowset_by_folder(f->uows, "u");
        assert_int_equal(fake.submits, 1); /* at once, without looking for it */
        assert_int_equal(fake.polls, 0);
}

static void test_stop_waits_for_the_answer(void **state) {
        Fixture *f = *state;
        Uow *u = arrive(f, "u");

        turn(f);
        machine_stop(f->machine);
        turn(f);
        assert_int_equal(f->stopped, 0);
        say_submitted(f, u, SUBMIT_ACCEPTED, "17", NULL);
        assert_int_equal(f->stopped, 1);
        fixture_again(f);
        assert_string_equal(uowset_by_folder(f->uows, "u")->job_id, "17");
}

/* ---- others ---- */

/* So many lives that left a segment each that a checkpoint is due. */
static void live_shortly(Fixture *f, unsigned n) {
        int state = place(f->instance, PLACE_STATE);
        uint64_t seq = 1;

        for (unsigned fence = 1; fence <= n; fence++) {
                Event uploaded = { .time = clock_now(), .type = EVENT_UPLOADED },
                      purged = { .time = clock_now(), .type = EVENT_PURGED };
                EventLog *l = NULL;
                Error e = {};

                snprintf(uploaded.id, sizeof(uploaded.id), "%08u-1111-2222-3333-444444444444",
                        fence);
                strcpy(purged.id, uploaded.id);
                uploaded.data = cJSON_Parse("{\"name\":\"x\",\"folder\":\"x\",\"owner\":0}");
                assert_int_equal(eventlog_new(state, seq, fence, &l, &e), 0);
                assert_int_equal(eventlog_append(l, &uploaded), 0);
                assert_int_equal(eventlog_append(l, &purged), 0);
                assert_int_equal(eventlog_commit(l), 0);
                seq = eventlog_next_seq(l);
                eventlog_free(l);
                event_done(&uploaded);
        }
}

/* One that can't be written is not begun anew in each turn: this would go round for ever. */
static void test_checkpoint_fails(void **state) {
        Fixture *f = *state;
        int dir = place(f->instance, PLACE_STATE);
        char obstacle[80];

        fixture_end(f);
        live_shortly(f, 70);
        fixture_begin(f);
        snprintf(obstacle, sizeof(obstacle), "events/.checkpoint-%020u-%010u.jsonl.tmp",
                (unsigned)eventlog_next_seq(f->eventlog) - 1, (unsigned)lease_fence(f->lease));
        put_folder(dir, obstacle);
        turn(f);
        assert_true(f->machine->checkpoint_not_before > 0);
        assert_true(eventlog_checkpoint_due(f->eventlog, 1));
        assert_true(machine_is_idle(f->machine));
        assert_int_equal(unlinkat(dir, obstacle, AT_REMOVEDIR), 0);
        f->machine->checkpoint_not_before = 0;
        machine_turn(f->machine);
        turn(f);
        assert_false(eventlog_checkpoint_due(f->eventlog, 1));
}

/* What somebody mends leaves a trace; until then a scan does not end the pause. */
static void test_nudge(void **state) {
        Fixture *f = *state;
        Uow *u;

        upload(f->instance, "u");
        put_file(place(f->instance, PLACE_UPLOADED), "u/sentinels/busy", "");
        assert_int_equal(machine_upload(f->machine, "u", NULL, getuid()), 0);
        u = uowset_by_folder(f->uows, "u");
        turn(f);
        assert_non_null(run_of(u)->trouble);
        machine_nudge(f->machine, u, 5);
        turn(f);
        assert_int_equal(run_of(u)->troubles, 2);
        machine_nudge(f->machine, u, 5);
        turn(f);
        assert_int_equal(run_of(u)->troubles, 2);
        assert_int_equal(unlinkat(place(f->instance, PLACE_UPLOADED), "u/sentinels/busy", 0), 0);
        machine_nudge(f->machine, u, 6);
        turn(f);
        assert_int_equal(u->phase, PHASE_SUBMITTING);
}

static void test_attention_is_bounded(void **state) {
        Fixture *f = *state;
        _cleanup_json_ cJSON *attention = NULL, *down = NULL;
        Uow *u;

        for (int i = 0; i < 150; i++) {
                char name[8];

                snprintf(name, sizeof(name), "u%d", i);
                assert_int_equal(machine_upload(f->machine, name, NULL, 0), 0);
                u = uowset_by_folder(f->uows, name);
                assert_int_equal(strdup_to(&run_of(u)->trouble, "it is stuck"), 0);
        }
        attention = machine_attention(f->machine);
        assert_int_equal(cJSON_GetArraySize(attention), 101);
        for (size_t i = 0; i < uowset_size(f->uows); i++)
                machine_untroubled(run_of(uowset_at(f->uows, i)));
        /* Those that wait for a scheduler that is down are spoken for by one line. */
        u = arrive(f, "v");
        turn(f);
        say_submitted(f, u, SUBMIT_DEFERRED, NULL, "no");
        scheduler_set_health(fake.scheduler, SCHEDULER_DOWN, "Slurm is not answering");
        down = machine_attention(f->machine);
        assert_int_equal(cJSON_GetArraySize(down), 1);
}

static void test_same_name(void **state) {
        Fixture *f = *state;
        Uow *u = queue(f, "u"), *v;

        upload(f->instance, "u");
        assert_int_equal(machine_upload(f->machine, "u", NULL, getuid()), 0);
        v = uowset_at(f->uows, 1);
        assert_string_equal(v->name, "u");
        assert_string_not_equal(v->folder, "u");
        assert_ptr_equal(uowset_by_folder(f->uows, "u"), u);
        turn(f);
        assert_true(is_at(f, PLACE_WORK, v->folder));
}

/* State was lost; another's folder of that name in the work area is not ours. */
static void test_claim_of_a_lost_life(void **state) {
        Fixture *f = *state;
        Uow *u;

        put_folder(place(f->instance, PLACE_WORK), "u");
        upload(f->instance, "u");
        assert_int_equal(machine_upload(f->machine, "u", OTHER_ID, getuid()), 0);
        u = uowset_get(f->uows, OTHER_ID);
        assert_string_not_equal(u->folder, "u");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define ALONE(name) cmocka_unit_test_setup_teardown(name, NULL, set_full_off)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_success),
                TEST(test_restart_goes_on),
                TEST(test_deferred),
                TEST(test_trouble_is_counted_once),
                TEST(test_refused),
                TEST(test_uncertain_found),
                TEST(test_uncertain_absent),
                TEST(test_killed_in_mid_call),
                TEST(test_answers_of_another_attempt),
                ALONE(test_max_queued),
                TEST(test_tried_again_by_itself),
                ALONE(test_held),
                ALONE(test_released_too_late),
                ALONE(test_released_after_the_end),
                ALONE(test_reload_in_mid_call),
                TEST(test_cancel_while_staging),
                TEST(test_cancel_deferred),
                TEST(test_cancel_in_mid_call),
                TEST(test_cancel_during_a_poll),
                TEST(test_cancel_uncertain),
                ALONE(test_cancel_held),
                TEST(test_cancel_is_repeated),
                TEST(test_orders_refused),
                TEST(test_gone_while_queued),
                TEST(test_gone_while_waiting),
                TEST(test_gone_before_staging),
                TEST(test_gone_result),
                TEST(test_restore_on_the_way_to_the_bin),
                TEST(test_retry_on_the_way_to_the_bin),
                TEST(test_purge_on_the_way_to_the_bin),
                TEST(test_soft_delete_is_made_up_for),
                ALONE(test_chain),
                ALONE(test_chain_after_restart),
                TEST(test_chain_is_not_for_old_results),
                TEST(test_commit_fails),
                TEST(test_waiters),
                TEST(test_lease_lost_before_commit),
                TEST(test_lease_lost_while_staging),
                ALONE(test_lease_lost_before_release),
                TEST(test_stop_takes_back_intents),
                TEST(test_stop_waits_for_the_answer),
                TEST(test_checkpoint_fails),
                TEST(test_nudge),
                TEST(test_attention_is_bounded),
                TEST(test_same_name),
                TEST(test_claim_of_a_lost_life),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
