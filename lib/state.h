/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The words for where a Unit of Work is, and the one table of what may happen when.
 *
 *   arriving -> uploaded -> staged -> queued -> finished -> soft-deleted -> purged
 *
 * The table state_transitions() is the only place that knows which event leads where; uow_apply() and
 * the diagram in the documentation are made from it.
 */

#include <stdbool.h>
#include <stddef.h>

typedef enum UowState {
        UOW_NEW, /* not seen yet: only the source of the first event */
        UOW_ARRIVING,
        UOW_UPLOADED,
        UOW_STAGED,
        UOW_QUEUED,
        UOW_FINISHED,
        UOW_SOFT_DELETED,
        UOW_PURGED,
        _UOW_STATE_MAX,
} UowState;

/* Refines a state. Settling may refine any state before finished: the outcome is decided and the result is being filed. */
typedef enum UowPhase {
        PHASE_NONE,
        PHASE_SUBMITTING, /* the intent is on disk; whether Slurm has it is not yet known */
        PHASE_PENDING,
        PHASE_RUNNING,
        PHASE_SETTLING,
        _UOW_PHASE_MAX,
} UowPhase;

typedef enum UowOutcome {
        OUTCOME_NONE,
        OUTCOME_SUCCEEDED,
        OUTCOME_FAILED,
        OUTCOME_REJECTED,
        OUTCOME_CANCELLED,
        OUTCOME_LOST, /* the scheduler no longer knows the job and there is no evidence of its end */
        _UOW_OUTCOME_MAX,
} UowOutcome;

typedef enum EventType {
        EVENT_UPLOADED,   /* complete, seen, ours: name, folder, owner, imported */
        EVENT_STAGED,     /* in the work area and found good: script, sha256, converted */
        EVENT_SUBMITTING, /* the intent to submit this attempt; sbatch starts after it is on disk */
        EVENT_DEFERRED,   /* certainly not submitted, for a passing reason; tried again: reason */
        EVENT_QUEUED, /* the scheduler has it: job_id, held, adopted; submitted by another program: imported, submitted */
        EVENT_RELEASED, /* a job submitted held may run */
        EVENT_JOB, /* what the scheduler says changed: phase, reason, nodes, started, job_ids */
        EVENT_CANCELLING, /* somebody wants it stopped: by */
        EVENT_ENDED, /* the outcome is decided, the result will be filed: outcome, cause, reason, job */
        EVENT_REQUEUED, /* tried again by itself in the work area: next attempt, cause, job */
        EVENT_FINISHED, /* filed: folder, chain */
        EVENT_RETRY,    /* an order: back to staged with the next attempt: by */
        EVENT_MOVED_ON, /* handed to the next instance of a chain: moved_to */
        EVENT_SOFT_DELETED,
        EVENT_RESTORED,
        EVENT_PURGING, /* the intent to remove it for good: by */
        EVENT_PURGED,  /* gone from disk: by */
        EVENT_FOLDER,  /* its folder got another name, because the old one was taken: folder */
        _EVENT_TYPE_MAX,
} EventType;

/* One row: in any of the states of @from (bits 1 << state), @event leads to @to; UOW_NEW as @to means "stays". */
typedef struct StateTransition {
        EventType event;
        unsigned from;
        UowState to;
} StateTransition;

/** state_transitions() - the table, for the documentation's generator and tests. */
const StateTransition *state_transitions(size_t *ret_n);

/**
 * state_next() - where @event leads from @from
 * Returns 0 and the state, or UOW_E_STATE if the table has no such row.
 */
int state_next(UowState from, EventType event, UowState *ret);

/* Words as in product documentation and JSON ("soft-deleted"); NULL for a value out of range or the empty one. */
const char *state_to_string(UowState s);
const char *phase_to_string(UowPhase p);
const char *outcome_to_string(UowOutcome o);
const char *event_type_to_string(EventType t);

/* The inverse; negative (-EINVAL) for an unknown word or NULL. */
int state_from_string(const char *s);
int phase_from_string(const char *s);
int outcome_from_string(const char *s);
int event_type_from_string(const char *s);
