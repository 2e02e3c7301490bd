/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The table of what may happen when, and the words for it. Pure data and look-ups; anyone may call.
 *
 * The table says only what the state alone decides. Conditions that need more of the record (its
 * phase, a purge under way) are in uow.c, beside the fold that they protect.
 */

#include "state.h"

#include <errno.h>
#include <string.h>

#include "cleanup.h"
#include "error.h"

#define BIT(s) (1U << (s))
#define STAYS UOW_NEW

/* Ours, and the result not yet filed. */
#define ACTIVE (BIT(UOW_UPLOADED) | BIT(UOW_STAGED) | BIT(UOW_QUEUED))
/* Filed: in a result folder or in the bin. */
#define FILED (BIT(UOW_FINISHED) | BIT(UOW_SOFT_DELETED))

static const StateTransition transitions[] = {
        { EVENT_UPLOADED, BIT(UOW_NEW), UOW_UPLOADED },
        { EVENT_STAGED, BIT(UOW_UPLOADED) | BIT(UOW_STAGED), UOW_STAGED },
        { EVENT_SUBMITTING, BIT(UOW_STAGED), UOW_QUEUED },
        { EVENT_DEFERRED, BIT(UOW_QUEUED), UOW_STAGED },
        { EVENT_QUEUED, BIT(UOW_UPLOADED) | BIT(UOW_QUEUED), UOW_QUEUED },
        { EVENT_RELEASED, BIT(UOW_QUEUED), STAYS },
        { EVENT_JOB, BIT(UOW_QUEUED), STAYS },
        { EVENT_CANCELLING, ACTIVE, STAYS },
        { EVENT_ENDED, ACTIVE, STAYS },
        { EVENT_REQUEUED, BIT(UOW_QUEUED), UOW_STAGED },
        { EVENT_FINISHED, ACTIVE, UOW_FINISHED },
        { EVENT_RETRY, FILED, UOW_STAGED },
        { EVENT_MOVED_ON, BIT(UOW_FINISHED), STAYS },
        { EVENT_SOFT_DELETED, BIT(UOW_FINISHED), UOW_SOFT_DELETED },
        { EVENT_RESTORED, BIT(UOW_SOFT_DELETED), UOW_FINISHED },
        { EVENT_PURGING, FILED, STAYS },
        { EVENT_PURGED, BIT(UOW_ARRIVING) | ACTIVE | FILED | BIT(UOW_PURGED), UOW_PURGED },
        { EVENT_FOLDER, ACTIVE | FILED, STAYS },
};

static const char *const state_words[_UOW_STATE_MAX] = {
        [UOW_ARRIVING] = "arriving",
        [UOW_UPLOADED] = "uploaded",
        [UOW_STAGED] = "staged",
        [UOW_QUEUED] = "queued",
        [UOW_FINISHED] = "finished",
        [UOW_SOFT_DELETED] = "soft-deleted",
        [UOW_PURGED] = "purged",
};

static const char *const phase_words[_UOW_PHASE_MAX] = {
        [PHASE_SUBMITTING] = "submitting",
        [PHASE_PENDING] = "pending",
        [PHASE_RUNNING] = "running",
        [PHASE_SETTLING] = "settling",
};

static const char *const outcome_words[_UOW_OUTCOME_MAX] = {
        [OUTCOME_SUCCEEDED] = "succeeded",
        [OUTCOME_FAILED] = "failed",
        [OUTCOME_REJECTED] = "rejected",
        [OUTCOME_CANCELLED] = "cancelled",
        [OUTCOME_LOST] = "lost",
};

static const char *const event_words[_EVENT_TYPE_MAX] = {
        [EVENT_UPLOADED] = "uploaded",
        [EVENT_STAGED] = "staged",
        [EVENT_SUBMITTING] = "submitting",
        [EVENT_DEFERRED] = "deferred",
        [EVENT_QUEUED] = "queued",
        [EVENT_RELEASED] = "released",
        [EVENT_JOB] = "job",
        [EVENT_CANCELLING] = "cancelling",
        [EVENT_ENDED] = "ended",
        [EVENT_REQUEUED] = "requeued",
        [EVENT_FINISHED] = "finished",
        [EVENT_RETRY] = "retry",
        [EVENT_MOVED_ON] = "moved-on",
        [EVENT_SOFT_DELETED] = "soft-deleted",
        [EVENT_RESTORED] = "restored",
        [EVENT_PURGING] = "purging",
        [EVENT_PURGED] = "purged",
        [EVENT_FOLDER] = "folder",
};

const StateTransition *state_transitions(size_t *ret_n) {
        *ret_n = ELEMENTSOF(transitions);
        return transitions;
}

int state_next(UowState from, EventType event, UowState *ret) {
        for (size_t i = 0; i < ELEMENTSOF(transitions); i++) {
                const StateTransition *t = &transitions[i];

                if (t->event != event || !(t->from & BIT(from)))
                        continue;
                *ret = t->to == STAYS ? from : t->to;
                return 0;
        }
        return UOW_E_STATE;
}

static const char *word(const char *const *words, int n, int value) {
        return value >= 0 && value < n ? words[value] : NULL;
}

static int word_lookup(const char *const *words, int n, const char *s) {
        if (!s)
                return -EINVAL;
        for (int i = 0; i < n; i++)
                if (words[i] && strcmp(words[i], s) == 0)
                        return i;
        return -EINVAL;
}

const char *state_to_string(UowState s) {
        return word(state_words, _UOW_STATE_MAX, (int)s);
}

const char *phase_to_string(UowPhase p) {
        return word(phase_words, _UOW_PHASE_MAX, (int)p);
}

const char *outcome_to_string(UowOutcome o) {
        return word(outcome_words, _UOW_OUTCOME_MAX, (int)o);
}

const char *event_type_to_string(EventType t) {
        return word(event_words, _EVENT_TYPE_MAX, (int)t);
}

int state_from_string(const char *s) {
        return word_lookup(state_words, _UOW_STATE_MAX, s);
}

int phase_from_string(const char *s) {
        return word_lookup(phase_words, _UOW_PHASE_MAX, s);
}

int outcome_from_string(const char *s) {
        return word_lookup(outcome_words, _UOW_OUTCOME_MAX, s);
}

int event_type_from_string(const char *s) {
        return word_lookup(event_words, _EVENT_TYPE_MAX, s);
}
