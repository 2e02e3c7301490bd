/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "text.h"
#include "uow.h"

#define ID "0b5ea3a5-52c2-4c0b-8f5b-6b1b7e7c7b00"
#define START UINT64_C(1795246091000000)

/* Each event comes a second after the one before it. */
static uint64_t seq;

static int post_at(Uow *u, EventType type, int attempt, const char *data) {
        uint64_t n = ++seq;
        Event e = { .seq = n, .time = START + n * USEC_PER_SEC, .type = type, .attempt = attempt };
        int r;

        strcpy(e.id, ID);
        if (data) {
                e.data = cJSON_Parse(data);
                assert_non_null(e.data);
        }
        r = uow_apply(u, &e);
        event_done(&e);
        return r;
}

static int post(Uow *u, EventType type, const char *data) {
        return post_at(u, type, u->attempt, data);
}

#define OK(...) assert_int_equal(post(__VA_ARGS__), 0)

#define UPLOADED "{\"name\":\"run 1\",\"folder\":\"run 1\",\"owner\":1000}"
#define STAGED \
        "{\"script\":\"submission_script.sh\",\"sha256\":\"ab12\",\"sets\":3,\"comment\":\"mine\",\"array\":\"1-3\"}"

static Uow *uploaded(void) {
        Uow *u = uow_new(ID);

        seq = 0;
        OK(u, EVENT_UPLOADED, UPLOADED);
        return u;
}

static Uow *staged(void) {
        Uow *u = uploaded();

        OK(u, EVENT_STAGED, STAGED);
        return u;
}

static Uow *queued(void) {
        Uow *u = staged();

        OK(u, EVENT_SUBMITTING, "{\"args\":[\"--parsable\"]}");
        OK(u, EVENT_QUEUED, "{\"job_id\":\"17\"}");
        return u;
}

static Uow *finished(void) {
        Uow *u = queued();

        OK(u, EVENT_ENDED,
                "{\"outcome\":\"failed\",\"cause\":\"timeout\",\"reason\":\"It ran out of time.\"}");
        OK(u, EVENT_FINISHED, NULL);
        return u;
}

#define OWNED _cleanup_(uow_freep) Uow *

static void test_from_upload_to_job(void **unused _unused_) {
        OWNED u = uploaded();

        assert_string_equal(u->id, ID);
        assert_string_equal(u->name, "run 1");
        assert_string_equal(u->folder, "run 1");
        assert_int_equal(u->owner, 1000);
        assert_int_equal(u->attempt, 0);
        assert_int_equal(u->created, START + USEC_PER_SEC);
        OK(u, EVENT_STAGED, STAGED);
        assert_int_equal(u->state, UOW_STAGED);
        assert_int_equal(u->attempt, 1);
        assert_string_equal(u->script, "submission_script.sh");
        assert_string_equal(u->comment, "mine");
        assert_string_equal(u->array, "1-3");
        assert_int_equal(u->sets, 3);
        OK(u, EVENT_SUBMITTING, NULL);
        assert_int_equal(u->phase, PHASE_SUBMITTING);
        assert_int_equal(u->submitted, u->updated);
        OK(u, EVENT_QUEUED, "{\"job_id\":\"17\",\"held\":true}");
        assert_int_equal(u->phase, PHASE_PENDING);
        assert_string_equal(u->job_id, "17");
        assert_true(u->held);
        OK(u, EVENT_RELEASED, NULL);
        assert_false(u->held);
        OK(u, EVENT_JOB, "{\"phase\":\"pending\",\"reason\":\"Resources\",\"stuck\":true}");
        assert_string_equal(u->reason, "Resources");
        OK(u, EVENT_JOB,
                "{\"phase\":\"running\",\"nodes\":\"n[1-2]\",\"started\":\"2026-11-21T07:30:00Z\",\"job_ids\":\"18,19\"}");
        assert_int_equal(u->phase, PHASE_RUNNING);
        assert_null(u->reason);
        assert_int_not_equal(u->started, 0);
        assert_string_equal(u->job_ids, "18,19");
        OK(u, EVENT_JOB, NULL);
        assert_int_equal(u->phase, PHASE_RUNNING);
        assert_string_equal(u->job_ids, "18,19");
        assert_int_not_equal(u->started, 0);
        /* The scheduler itself has put it back into its queue. */
        OK(u, EVENT_JOB, "{\"phase\":\"pending\"}");
        assert_int_equal(u->started, 0);
        assert_int_equal(u->first_seq, 1);
        assert_int_equal(u->last_seq, seq);
        assert_int_equal(u->updated, START + seq * USEC_PER_SEC);
}

static void test_deferrals(void **unused _unused_) {
        OWNED u = staged();

        for (int i = 1; i <= 3; i++) {
                OK(u, EVENT_SUBMITTING, NULL);
                assert_null(u->reason);
                OK(u, EVENT_DEFERRED, "{\"kind\":\"down\",\"reason\":\"Slurm is not answering.\"}");
                assert_int_equal(u->state, UOW_STAGED);
                assert_int_equal(u->phase, PHASE_NONE);
                assert_int_equal(u->deferrals, i);
                assert_string_equal(u->reason, "Slurm is not answering.");
        }
        assert_int_equal(u->attempt, 1);
        OK(u, EVENT_SUBMITTING, NULL);
        OK(u, EVENT_QUEUED, "{\"job_id\":\"17\"}");
        assert_int_equal(u->deferrals, 0);
        assert_null(u->reason);
        /* What the scheduler has can't be taken for not submitted. */
        assert_int_equal(post(u, EVENT_DEFERRED, "{\"reason\":\"x\"}"), UOW_E_STATE);
}

static void test_end(void **unused _unused_) {
        OWNED u = queued();

        OK(u, EVENT_CANCELLING, "{\"by\":\"control\",\"uid\":1000}");
        assert_true(u->cancelling);
        OK(u, EVENT_ENDED, "{\"outcome\":\"cancelled\",\"cause\":\"cancelled\"}");
        assert_int_equal(u->state, UOW_QUEUED);
        assert_int_equal(u->phase, PHASE_SETTLING);
        assert_int_equal(u->outcome, OUTCOME_CANCELLED);
        assert_string_equal(u->cause, "cancelled");
        assert_null(u->reason);
        assert_int_equal(u->finished, 0);
        OK(u, EVENT_FINISHED, "{\"folder\":\"run 1-2\"}");
        assert_int_equal(u->state, UOW_FINISHED);
        assert_int_equal(u->phase, PHASE_NONE);
        assert_false(u->cancelling);
        assert_string_equal(u->folder, "run 1-2");
        assert_string_equal(u->name, "run 1");
        assert_int_equal(u->finished, u->updated);
        assert_int_equal(u->filed, u->updated);
        assert_string_equal(u->job_id, "17");
}

/* From the decision on the outcome until the result is filed, nothing may interfere; and nothing is filed without one. */
static void test_settling_is_closed(void **unused _unused_) {
        OWNED u = queued();

        assert_int_equal(post(u, EVENT_FINISHED, NULL), UOW_E_STATE);
        OK(u, EVENT_ENDED, "{\"outcome\":\"succeeded\"}");
        assert_int_equal(post(u, EVENT_ENDED, "{\"outcome\":\"failed\"}"), UOW_E_STATE);
        assert_int_equal(post(u, EVENT_JOB, "{\"phase\":\"running\"}"), UOW_E_STATE);
        assert_int_equal(post(u, EVENT_QUEUED, "{\"job_id\":\"18\"}"), UOW_E_STATE);
        assert_int_equal(post(u, EVENT_REQUEUED, "{\"cause\":\"node-fail\"}"), UOW_E_STATE);
        assert_int_equal(post(u, EVENT_CANCELLING, NULL), UOW_E_STATE);
        assert_int_equal(u->outcome, OUTCOME_SUCCEEDED);
        OK(u, EVENT_FOLDER, "{\"folder\":\"other\"}");
        OK(u, EVENT_FINISHED, NULL);
        assert_string_equal(u->folder, "other");
}

static void test_rejected_before_staging(void **unused _unused_) {
        OWNED u = uploaded();

        OK(u, EVENT_ENDED,
                "{\"outcome\":\"rejected\",\"cause\":\"rule\",\"reason\":\"There is no script.\"}");
        assert_int_equal(u->state, UOW_UPLOADED);
        assert_int_equal(post(u, EVENT_STAGED, STAGED), UOW_E_STATE);
        OK(u, EVENT_FINISHED, NULL);
        assert_int_equal(u->attempt, 0);
        OK(u, EVENT_RETRY, "{\"by\":\"control\"}");
        assert_int_equal(u->attempt, 1);
        OK(u, EVENT_STAGED, STAGED);
        assert_int_equal(u->attempt, 1);
}

static void test_requeue_keeps_the_check(void **unused _unused_) {
        OWNED u = queued();

        OK(u, EVENT_JOB,
                "{\"phase\":\"running\",\"started\":\"2026-11-21T07:30:00Z\",\"job_ids\":\"18\"}");
        OK(u, EVENT_REQUEUED, "{\"cause\":\"node-fail\",\"reason\":\"A node failed.\",\"job\":{}}");
        assert_int_equal(u->state, UOW_STAGED);
        assert_int_equal(u->phase, PHASE_NONE);
        assert_int_equal(u->attempt, 2);
        assert_int_equal(u->requeues, 1);
        assert_null(u->job_id);
        assert_null(u->job_ids);
        assert_int_equal(u->started, 0);
        assert_int_equal(u->queued, 0);
        assert_string_equal(u->script, "submission_script.sh");
        assert_string_equal(u->sha256, "ab12");
        assert_int_equal(u->outcome, OUTCOME_NONE);
        OK(u, EVENT_SUBMITTING, NULL);
}

static void test_retry_forgets_the_check(void **unused _unused_) {
        OWNED u = queued();

        OK(u, EVENT_REQUEUED, NULL);
        OK(u, EVENT_SUBMITTING, NULL);
        OK(u, EVENT_QUEUED, "{\"job_id\":\"18\"}");
        OK(u, EVENT_ENDED, "{\"outcome\":\"failed\",\"cause\":\"timeout\",\"reason\":\"x\"}");
        OK(u, EVENT_FINISHED, NULL);
        OK(u, EVENT_RETRY, "{\"by\":\"control\"}");
        assert_int_equal(u->state, UOW_STAGED);
        assert_int_equal(u->attempt, 3);
        assert_int_equal(u->requeues, 0);
        assert_int_equal(u->outcome, OUTCOME_NONE);
        assert_int_equal(u->filed_as, OUTCOME_FAILED);
        assert_null(u->cause);
        assert_null(u->reason);
        assert_null(u->job_id);
        assert_null(u->script);
        assert_null(u->sha256);
        assert_null(u->comment);
        assert_null(u->array);
        assert_int_equal(u->sets, 0);
        assert_int_equal(u->finished, 0);
        assert_int_equal(post(u, EVENT_SUBMITTING, NULL), UOW_E_STATE);
        OK(u, EVENT_STAGED, STAGED);
        assert_int_equal(u->attempt, 3);
        assert_int_equal(u->filed_as, OUTCOME_NONE);
        OK(u, EVENT_SUBMITTING, NULL);
}

static void test_no_submission_when_cancelling(void **unused _unused_) {
        OWNED u = staged();

        OK(u, EVENT_CANCELLING, "{\"by\":\"control\"}");
        assert_int_equal(post(u, EVENT_SUBMITTING, NULL), UOW_E_STATE);
        assert_int_equal(u->state, UOW_STAGED);
}

static void test_bin_and_back(void **unused _unused_) {
        OWNED u = finished();
        usec_t end = u->finished;

        OK(u, EVENT_SOFT_DELETED, "{\"by\":\"retention\"}");
        assert_int_equal(u->state, UOW_SOFT_DELETED);
        assert_int_equal(u->soft_deleted, u->updated);
        OK(u, EVENT_RESTORED, "{\"by\":\"control\"}");
        assert_int_equal(u->state, UOW_FINISHED);
        assert_int_equal(u->soft_deleted, 0);
        /* The end stays the end, and retention begins anew. */
        assert_int_equal(u->finished, end);
        assert_int_equal(u->filed, u->updated);
        OK(u, EVENT_SOFT_DELETED, NULL);
        OK(u, EVENT_RETRY, "{\"by\":\"folder\"}");
        assert_int_equal(u->soft_deleted, 0);
        assert_int_equal(u->filed, 0);
}

static void test_purge(void **unused _unused_) {
        OWNED u = finished();

        OK(u, EVENT_PURGING, "{\"by\":\"control\"}");
        assert_true(u->purging);
        assert_int_equal(post(u, EVENT_RETRY, NULL), UOW_E_STATE);
        assert_int_equal(post(u, EVENT_SOFT_DELETED, NULL), UOW_E_STATE);
        OK(u, EVENT_PURGING, "{\"by\":\"retention\"}");
        assert_true(uow_uses_folder(u));
        OK(u, EVENT_PURGED, "{\"by\":\"control\"}");
        assert_false(u->purging);
        assert_false(uow_uses_folder(u));
        assert_int_equal(u->outcome, OUTCOME_FAILED);
        assert_string_equal(u->reason, "It ran out of time.");
        assert_string_equal(u->job_id, "17");
        assert_null(u->script);
        assert_null(u->sha256);
        assert_int_equal(post(u, EVENT_RETRY, NULL), UOW_E_STATE);
}

/* Somebody else removes folders at any time, also in the middle of filing; and then there is nothing to be careful about. */
static void test_purged_from_everywhere(void **unused _unused_) {
        Uow *(*const makers[])(void) = { uploaded, staged, queued, finished };

        for (size_t i = 0; i < ELEMENTSOF(makers); i++) {
                OWNED u = makers[i]();

                if (uow_is_active(u))
                        OK(u, EVENT_ENDED, "{\"outcome\":\"lost\"}");
                u->quarantined = true;
                OK(u, EVENT_PURGED, "{\"by\":\"outside\"}");
                assert_int_equal(u->state, UOW_PURGED);
                assert_int_equal(u->phase, PHASE_NONE);
                assert_false(u->quarantined);
        }
}

static void test_moved_on(void **unused _unused_) {
        OWNED u = finished();

        assert_int_equal(post(u, EVENT_MOVED_ON, NULL), -EBADMSG);
        OK(u, EVENT_MOVED_ON, "{\"moved_to\":\"/next/UploadedFiles/\\\\xff\"}");
        assert_string_equal(u->moved_to, "/next/UploadedFiles/\xff");
        assert_int_equal(u->state, UOW_FINISHED);
        assert_false(uow_uses_folder(u));
        assert_int_equal(post(u, EVENT_RETRY, NULL), UOW_E_STATE);
        assert_int_equal(post(u, EVENT_SOFT_DELETED, NULL), UOW_E_STATE);
        OK(u, EVENT_PURGED, "{\"by\":\"retention\"}");
}

static void test_another_attempts_event(void **unused _unused_) {
        OWNED u = queued();

        OK(u, EVENT_REQUEUED, NULL);
        OK(u, EVENT_SUBMITTING, NULL);
        assert_int_equal(post_at(u, EVENT_QUEUED, 1, "{\"job_id\":\"17\"}"), -EBADMSG);
        assert_null(u->job_id);
        OK(u, EVENT_QUEUED, "{\"job_id\":\"18\"}");
        assert_int_equal(post_at(u, EVENT_ENDED, 1, "{\"outcome\":\"failed\"}"), -EBADMSG);
        assert_int_equal(u->outcome, OUTCOME_NONE);
}

/* Data at fault: refused, and not a byte of the record is changed. */
static void test_refusals_change_nothing(void **unused _unused_) {
        static const struct {
                Uow *(*maker)(void);
                EventType type;
                const char *data;
        } wrong[] = {
                { staged, EVENT_STAGED, NULL },
                { staged, EVENT_STAGED, "{\"script\":\"new.sh\"}" },
                { staged, EVENT_STAGED, "{\"script\":\"../new.sh\",\"sha256\":\"cd\"}" },
                { staged, EVENT_STAGED, "{\"script\":7,\"sha256\":\"cd\"}" },
                { staged, EVENT_STAGED, "{\"script\":\"new.sh\",\"sha256\":\"cd\",\"sets\":-1}" },
                { queued, EVENT_QUEUED, "{\"held\":true}" },
                { queued, EVENT_JOB, "{\"job_ids\":\"99\",\"phase\":\"settling\"}" },
                { queued, EVENT_JOB, "{\"phase\":\"flying\"}" },
                { queued, EVENT_ENDED, "{\"cause\":\"timeout\"}" },
                { queued, EVENT_ENDED, "{\"outcome\":\"fine\"}" },
                { queued, EVENT_FOLDER, "{\"folder\":\"a/b\"}" },
                { queued, EVENT_FOLDER, "{\"folder\":\"..\"}" },
                { queued, EVENT_FOLDER, "{\"folder\":\"\"}" },
        };

        for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
                OWNED u = wrong[i].maker();
                Uow before = *u;

                assert_int_equal(post(u, wrong[i].type, wrong[i].data), -EBADMSG);
                assert_memory_equal(u, &before, sizeof(before));
        }
}

static void test_upload_needs_a_name(void **unused _unused_) {
        OWNED u = uow_new(ID);

        assert_int_equal(post(u, EVENT_UPLOADED, NULL), -EBADMSG);
        assert_int_equal(post(u, EVENT_UPLOADED, "{\"name\":\"a\"}"), -EBADMSG);
        assert_int_equal(post(u, EVENT_UPLOADED, "{\"name\":\"a\",\"folder\":\".\"}"), -EBADMSG);
        assert_int_equal(post(u, EVENT_STAGED, STAGED), UOW_E_STATE);
        assert_int_equal(u->state, UOW_NEW);
        assert_null(u->name);
        assert_int_equal(u->first_seq, 0);
}

static void check_same(const Uow *a, const Uow *b) {
        _cleanup_json_ cJSON *ja = uow_to_json(a), *jb = uow_to_json(b);
        _cleanup_free_ char *ta = json_print(ja), *tb = json_print(jb);

        assert_string_equal(ta, tb);
}

static void test_json(void **unused _unused_) {
        Uow *(*const makers[])(void) = { uploaded, staged, queued, finished };

        for (size_t i = 0; i < ELEMENTSOF(makers); i++) {
                OWNED u = makers[i]();
                _cleanup_json_ cJSON *j = NULL;
                OWNED again = NULL;

                u->owner = (uid_t)-2;
                u->quarantined = i == 1;
                j = uow_to_json(u);
                assert_int_equal(uow_from_json(j, &again, NULL), 0);
                check_same(u, again);
                assert_int_equal(again->owner, (uid_t)-2);
                assert_int_equal(again->state, u->state);
                assert_int_equal(again->phase, u->phase);
                assert_int_equal(again->outcome, u->outcome);
                assert_int_equal(again->created, u->created);
                assert_int_equal(again->last_seq, u->last_seq);
                assert_int_equal(again->quarantined, i == 1);
                assert_true(streq(again->sha256, u->sha256));
        }
}

static void test_json_names_are_bytes(void **unused _unused_) {
        OWNED u = uow_new(ID);
        OWNED again = NULL;
        _cleanup_json_ cJSON *j = NULL;

        seq = 0;
        OK(u, EVENT_UPLOADED, "{\"name\":\"\\\\xff\\n\\\"%s\\\\x5cx41\",\"folder\":\"b\"}");
        assert_string_equal(u->name, "\xff\n\"%s\\x41");
        j = uow_to_json(u);
        assert_int_equal(uow_from_json(j, &again, NULL), 0);
        assert_string_equal(again->name, u->name);
}

static void test_json_refusals(void **unused _unused_) {
        static const char *const wrong[] = {
                "{}",
                "[]",
                "{\"id\":\"a\",\"name\":\"n\",\"folder\":\"n\"}",
                "{\"id\":\"a\",\"name\":\"n\",\"state\":\"staged\"}",
                "{\"id\":\"\",\"name\":\"n\",\"folder\":\"n\",\"state\":\"staged\"}",
                "{\"id\":\"a\",\"name\":\"n\",\"folder\":\"n\",\"state\":\"stagnant\"}",
                "{\"id\":\"a\",\"name\":1,\"folder\":\"n\",\"state\":\"staged\"}",
                "{\"id\":\"a\",\"name\":\"n\",\"name\":\"m\",\"folder\":\"n\",\"state\":\"staged\"}",
                "{\"id\":\"a\",\"name\":\"n\",\"folder\":\"n\",\"state\":\"staged\",\"attempt\":-1}",
                "{\"id\":\"a\",\"name\":\"n\",\"folder\":\"n\",\"state\":\"staged\",\"attempt\":5000000000}",
                "{\"id\":\"a\",\"name\":\"n\",\"folder\":\"n\",\"state\":\"staged\",\"last_seq\":1e300}",
                "{\"id\":\"a\",\"name\":\"n\",\"folder\":\"n\",\"state\":\"staged\",\"created\":\"today\"}",
                "{\"id\":\"a\",\"name\":\"n\",\"folder\":\"n\",\"state\":\"staged\",\"held\":\"yes\"}",
        };
        OWNED fine = NULL;
        _cleanup_json_ cJSON *j = cJSON_Parse(
                "{\"later\":[1],\"state\":\"staged\",\"folder\":\"n\",\"name\":\"n\",\"id\":\"a\"}");

        for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
                _cleanup_json_ cJSON *w = cJSON_Parse(wrong[i]);
                Uow *u = NULL;
                Error e = { "" };

                assert_int_equal(uow_from_json(w, &u, &e), -EBADMSG);
                assert_null(u);
                assert_int_not_equal(e.text[0], 0);
        }
        assert_int_equal(uow_from_json(j, &fine, NULL), 0);
        assert_int_equal(fine->state, UOW_STAGED);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_from_upload_to_job),
                cmocka_unit_test(test_deferrals),
                cmocka_unit_test(test_end),
                cmocka_unit_test(test_settling_is_closed),
                cmocka_unit_test(test_rejected_before_staging),
                cmocka_unit_test(test_requeue_keeps_the_check),
                cmocka_unit_test(test_retry_forgets_the_check),
                cmocka_unit_test(test_no_submission_when_cancelling),
                cmocka_unit_test(test_bin_and_back),
                cmocka_unit_test(test_purge),
                cmocka_unit_test(test_purged_from_everywhere),
                cmocka_unit_test(test_moved_on),
                cmocka_unit_test(test_another_attempts_event),
                cmocka_unit_test(test_refusals_change_nothing),
                cmocka_unit_test(test_upload_needs_a_name),
                cmocka_unit_test(test_json),
                cmocka_unit_test(test_json_names_are_bytes),
                cmocka_unit_test(test_json_refusals),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
