/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The record of one Unit of Work, and the fold that makes it from events.
 *
 * uow_apply() is pure: record and event in, record out. Start-up folds the log with it, the running
 * daemon folds each new event with it, and so does flowcronctl when it reads the state from disk.
 * Nothing else writes a field above the line "not persisted".
 */

#include <sys/types.h>

#include "event.h"
#include "script.h"

typedef struct Uow {
        char id[UOW_ID_MAX];
        char *name; /* raw bytes: the name it arrived under */
        char *folder; /* raw bytes: the name its folder has here; unique in this instance until purged */
        UowState state;
        UowPhase phase;
        UowOutcome outcome; /* decided at `ended`; final at `finished` */
        char *cause;  /* code of the outcome's cause, e.g. "timeout", see outcome.h; NULL if none */
        char *reason; /* one line for people: why it ended so, or what it waits for */
        int attempt;  /* 0 before the first */
        int requeues; /* attempts made by itself since the last order; bounded by retry.max_attempts */
        int deferrals; /* refusals in a row; the pause grows with it */
        char *job_id;  /* of this attempt, base id ("17" for array and heterogeneous jobs alike) */
        char *job_ids; /* further jobs that the job submitted from its folder, "18,19"; NULL if none */
        char *script; /* raw bytes: name within scripts/; NULL until this attempt has been checked */
        char *sha256;   /* of the script as checked, lower-case hex */
        char *comment;  /* what the script asks for with #SBATCH --comment; NULL if nothing */
        char *array;    /* and with --array */
        unsigned sets;  /* SCRIPT_SETS_…: what the script asks for itself */
        char *moved_to; /* where a chain took it; its folder is no longer in this instance then */
        UowOutcome
                filed_as; /* after `retry`, until it is staged: what its folder was filed under and may still lie under */
        uid_t owner; /* of the folder as it arrived */
        bool held;   /* submitted held and not yet released */
        bool imported; /* the job of this attempt was submitted by another program: it has no token, and any folder */
        bool cancelling;  /* an order to cancel is being carried out */
        bool chaining;    /* is to move on to the next instance of a chain */
        bool purging;     /* an order or rule to remove it is being carried out */
        usec_t created;   /* `uploaded` */
        usec_t updated;   /* the last event */
        usec_t submitted; /* the last `submitting` */
        usec_t queued;    /* the last `queued` */
        usec_t started;   /* the job of this attempt, as the scheduler says */
        usec_t finished;  /* the last `finished`; 0 again after `retry` */
        usec_t filed;     /* the last `finished` or `restored`: retention counts from it */
        usec_t soft_deleted;
        uint64_t first_seq, last_seq; /* where its history stands in the log */
        bool quarantined; /* a damaged line concerns it: shown, never acted upon, until it is purged */

        /* Not persisted. */
        void *run;       /* the daemon's own, see machine.h */
        unsigned listed; /* and missing.c's: the listing of its place that saw its folder last */
} Uow;

/** uow_new() - an empty record for @id; NULL without memory. */
Uow *uow_new(const char *id);
Uow *uow_free(Uow *u);
DEFINE_CLEANUP(Uow *, uow_free)

/**
 * uow_apply() - fold one event into the record
 * Returns 0; UOW_E_STATE if the event is not allowed in this state, -EBADMSG if it lacks a member it needs or belongs
 * to another attempt of a queued one, -ENOMEM; the record is unchanged then.
 *
 * Beyond the table of states: while its result is being filed (PHASE_SETTLING) only `finished`, `purged` and `folder` are
 * allowed, and only then is `finished`; while it is being purged, only `purged`, `purging` and `folder`; once moved on, only those too;
 * `submitting` needs a checked script and no order to cancel; `deferred` undoes `submitting` only.
 */
int uow_apply(Uow *u, const Event *e);

/** uow_allows() - whether uow_apply() would take an event of this kind now, as far as its data does not matter. */
bool uow_allows(const Uow *u, EventType type);

/**
 * uow_orphan() - a record for a Unit of Work whose first events are lost, of which @e is the first that is known
 * It is quarantined unless it is purged by now, called by its id, and in the state that @e leads to as far as can be told. NULL without memory.
 */
Uow *uow_orphan(const Event *e);

/**
 * uow_to_json() - the record as a checkpoint holds it. New value or NULL.
 * uow_from_json() - its inverse; members that it does not know are passed over. 0, -EBADMSG with @e, -ENOMEM.
 * uow_from_line() - the same from a checkpoint's line whose checksum is right
 */
cJSON *uow_to_json(const Uow *u);
int uow_from_json(const cJSON *j, Uow **ret, Error *e);
int uow_from_line(const char *line, size_t size, Uow **ret, Error *e);

/** uow_is_active() - between `uploaded` and `finished`: FlowCron has something to do for it. */
static inline bool uow_is_active(const Uow *u) {
        return u->state >= UOW_UPLOADED && u->state <= UOW_QUEUED;
}

/** uow_uses_folder() - its folder's name is taken in this instance. */
static inline bool uow_uses_folder(const Uow *u) {
        return u->state >= UOW_UPLOADED && u->state < UOW_PURGED && !u->moved_to;
}
