/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "error.h"
#include "state.h"

/* The contract's way, event by event. */
static void test_the_way_through(void **unused _unused_) {
        static const struct {
                EventType event;
                UowState to;
        } way[] = {
                { EVENT_UPLOADED, UOW_UPLOADED },
                { EVENT_STAGED, UOW_STAGED },
                { EVENT_SUBMITTING, UOW_QUEUED },
                { EVENT_DEFERRED, UOW_STAGED },
                { EVENT_SUBMITTING, UOW_QUEUED },
                { EVENT_QUEUED, UOW_QUEUED },
                { EVENT_RELEASED, UOW_QUEUED },
                { EVENT_JOB, UOW_QUEUED },
                { EVENT_REQUEUED, UOW_STAGED },
                { EVENT_SUBMITTING, UOW_QUEUED },
                { EVENT_QUEUED, UOW_QUEUED },
                { EVENT_CANCELLING, UOW_QUEUED },
                { EVENT_ENDED, UOW_QUEUED },
                { EVENT_FINISHED, UOW_FINISHED },
                { EVENT_RETRY, UOW_STAGED },
                { EVENT_STAGED, UOW_STAGED },
                { EVENT_ENDED, UOW_STAGED },
                { EVENT_FINISHED, UOW_FINISHED },
                { EVENT_SOFT_DELETED, UOW_SOFT_DELETED },
                { EVENT_RESTORED, UOW_FINISHED },
                { EVENT_MOVED_ON, UOW_FINISHED },
                { EVENT_SOFT_DELETED, UOW_SOFT_DELETED },
                { EVENT_PURGING, UOW_SOFT_DELETED },
                { EVENT_PURGED, UOW_PURGED },
        };
        UowState s = UOW_NEW;

        for (size_t i = 0; i < ELEMENTSOF(way); i++) {
                assert_int_equal(state_next(s, way[i].event, &s), 0);
                assert_int_equal(s, way[i].to);
        }
}

static void test_refusals(void **unused _unused_) {
        static const struct {
                UowState from;
                EventType event;
        } wrong[] = {
                { UOW_NEW, EVENT_STAGED },
                { UOW_NEW, EVENT_PURGED },
                { UOW_UPLOADED, EVENT_UPLOADED },
                { UOW_UPLOADED, EVENT_SUBMITTING },
                { UOW_STAGED, EVENT_QUEUED },
                { UOW_STAGED, EVENT_RETRY },
                { UOW_QUEUED, EVENT_SUBMITTING },
                { UOW_QUEUED, EVENT_RETRY },
                { UOW_QUEUED, EVENT_PURGING },
                { UOW_QUEUED, EVENT_SOFT_DELETED },
                { UOW_FINISHED, EVENT_ENDED },
                { UOW_FINISHED, EVENT_CANCELLING },
                { UOW_FINISHED, EVENT_RESTORED },
                { UOW_PURGED, EVENT_RETRY },
                { UOW_PURGED, EVENT_FOLDER },
                { UOW_PURGED, EVENT_RESTORED },
        };
        UowState s = UOW_ARRIVING;

        for (size_t i = 0; i < ELEMENTSOF(wrong); i++)
                assert_int_equal(state_next(wrong[i].from, wrong[i].event, &s), UOW_E_STATE);
        assert_int_equal(s, UOW_ARRIVING);
}

/* No event may have two answers in one state, every event leads somewhere, and no way leads back to "not seen". */
static void test_table(void **unused _unused_) {
        unsigned seen[_EVENT_TYPE_MAX] = { 0 };
        size_t n;
        const StateTransition *t = state_transitions(&n);

        for (size_t i = 0; i < n; i++) {
                assert_int_equal(seen[t[i].event] & t[i].from, 0);
                seen[t[i].event] |= t[i].from;
        }
        for (int e = 0; e < _EVENT_TYPE_MAX; e++)
                assert_int_not_equal(seen[e], 0);
        for (int from = 0; from < _UOW_STATE_MAX; from++)
                for (int e = 0; e < _EVENT_TYPE_MAX; e++) {
                        UowState to;

                        if (state_next((UowState)from, (EventType)e, &to) == 0)
                                assert_int_not_equal(to, UOW_NEW);
                }
}

static void test_words(void **unused _unused_) {
        for (int i = UOW_ARRIVING; i < _UOW_STATE_MAX; i++)
                assert_int_equal(state_from_string(state_to_string((UowState)i)), i);
        for (int i = PHASE_SUBMITTING; i < _UOW_PHASE_MAX; i++)
                assert_int_equal(phase_from_string(phase_to_string((UowPhase)i)), i);
        for (int i = OUTCOME_SUCCEEDED; i < _UOW_OUTCOME_MAX; i++)
                assert_int_equal(outcome_from_string(outcome_to_string((UowOutcome)i)), i);
        for (int i = 0; i < _EVENT_TYPE_MAX; i++)
                assert_int_equal(event_type_from_string(event_type_to_string((EventType)i)), i);
        assert_string_equal(state_to_string(UOW_SOFT_DELETED), "soft-deleted");
        assert_null(state_to_string(UOW_NEW));
        assert_null(phase_to_string(PHASE_NONE));
        assert_null(outcome_to_string(OUTCOME_NONE));
        assert_null(state_to_string(_UOW_STATE_MAX));
        assert_null(event_type_to_string((EventType)4711));
        assert_int_equal(state_from_string(NULL), -EINVAL);
        assert_int_equal(state_from_string(""), -EINVAL);
        assert_int_equal(outcome_from_string("Succeeded"), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_way_through),
                cmocka_unit_test(test_refusals),
                cmocka_unit_test(test_table),
                cmocka_unit_test(test_words),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
