/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The fold: what each kind of event does to the record.
 *
 * An event is folded into a shallow copy of the record, whose strings are then the record's own or new
 * ones; only when all has gone well the copy takes the record's place and the strings that
 * it replaced are freed. So a record is never changed by half. Within one event each string is set
 * once at most (clearing it before is allowed), or the new one would be lost.
 *
 * Pure: no clock, no disk. The only writer of `state` in the program is uow_apply().
 */

#include "uow-fields.h"

#include <limits.h>
#include <string.h>

#include "text.h"

static int take_text(char **field, const Event *e, const char *key) {
        const char *s = json_str(e->data, key);

        *field = NULL;
        if (!isempty(s) && !(*field = strdup(s)))
                return -ENOMEM;
        return 0;
}

static int take_name(char **field, const Event *e, const char *key) {
        int r = json_get_name(e->data, key, field);

        if (r == -ENOMEM)
                return r;
        if (r < 0)
                *field = NULL;
        return 0;
}

/* A name that can be that of a folder, for it will be used as one. */
static bool is_folder_name(const char *s) {
        return !isempty(s) && strlen(s) <= NAME_MAX && !strchr(s, '/') && !streq(s, ".") &&
                !streq(s, "..");
}

static int take_folder(char **field, const Event *e, const char *key) {
        int r = take_name(field, e, key);

        return r < 0 ? r : is_folder_name(*field) ? 0 : -EBADMSG;
}

static int take_phase(UowPhase *field, const Event *e) {
        const char *s = json_str(e->data, "phase");
        int phase = phase_from_string(s);

        if (!s)
                return 0;
        if (phase != PHASE_PENDING && phase != PHASE_RUNNING)
                return -EBADMSG;
        *field = (UowPhase)phase;
        return 0;
}

/* What belongs to the job of one attempt. */
static void clear_job(Uow *n) {
        n->phase = PHASE_NONE;
        n->cause = n->reason = n->job_id = n->job_ids = NULL;
        n->deferrals = 0;
        n->held = n->imported = false;
        n->submitted = n->queued = n->started = 0;
}

/* What was found out about the script. */
static void clear_script(Uow *n) {
        n->script = n->sha256 = n->comment = n->array = NULL;
        n->sets = 0;
}

static int apply_uploaded(Uow *n, const Event *e) {
        int64_t owner = json_int(e->data, "owner", 0);
        int r;

        if (owner < 0 || owner > UINT32_MAX)
                return -EBADMSG;
        r = take_folder(&n->name, e, "name");
        if (r < 0)
                return r;
        n->owner = (uid_t)owner;
        n->created = e->time;
        return take_folder(&n->folder, e, "folder");
}

static int apply_staged(Uow *n, const Event *e) {
        int64_t sets = json_int(e->data, "sets", 0);
        int r;

        if (sets < 0 || sets > UINT32_MAX)
                return -EBADMSG;
        if ((r = take_folder(&n->script, e, "script")) < 0 ||
                (r = take_text(&n->sha256, e, "sha256")) < 0 ||
                (r = take_name(&n->comment, e, "comment")) < 0 ||
                (r = take_name(&n->array, e, "array")) < 0)
                return r;
        if (!n->sha256)
                return -EBADMSG;
        n->sets = (unsigned)sets;
        n->reason = NULL;
        n->filed_as = OUTCOME_NONE;
        if (n->attempt == 0)
                n->attempt = 1;
        return 0;
}

static int apply_submitting(Uow *n, const Event *e) {
        int deferrals = n->deferrals;

        clear_job(n);
        n->deferrals = deferrals;
        n->phase = PHASE_SUBMITTING;
        n->submitted = e->time;
        return 0;
}

static int apply_deferred(Uow *n, const Event *e) {
        n->phase = PHASE_NONE;
        n->deferrals++;
        return take_text(&n->reason, e, "reason");
}

static int apply_queued(Uow *n, const Event *e) {
        usec_t submitted = n->submitted;
        int r;

        clear_job(n);
        r = take_text(&n->job_id, e, "job_id");
        if (r < 0)
                return r;
        n->phase = PHASE_PENDING;
        n->submitted = submitted;
        n->queued = e->time;
        n->held = json_bool(e->data, "held", false);
        n->imported = json_bool(e->data, "imported", false);
        if (n->imported) {
                n->attempt = e->attempt;
                n->submitted = json_time(e->data, "submitted");
        }
        /* What was not staged can't have been submitted by us. */
        return n->job_id && n->attempt > 0 ? 0 : -EBADMSG;
}

static int apply_released(Uow *n, const Event *e _unused_) {
        n->held = false;
        return 0;
}

static int apply_job(Uow *n, const Event *e) {
        UowPhase phase = n->phase;
        int r;

        r = take_phase(&n->phase, e);
        if (r == 0 && json_str(e->data, "job_ids"))
                r = take_text(&n->job_ids, e, "job_ids");
        if (r < 0)
                return r;
        if (json_str(e->data, "started"))
                n->started = json_time(e->data, "started");
        else if (n->phase == PHASE_PENDING && phase == PHASE_RUNNING)
                n->started = 0; /* requeued by the scheduler */
        return take_text(&n->reason, e, "reason");
}

static int apply_cancelling(Uow *n, const Event *e _unused_) {
        n->cancelling = true;
        return 0;
}

static int apply_ended(Uow *n, const Event *e) {
        int outcome = outcome_from_string(json_str(e->data, "outcome")), r;

        if (outcome < 0)
                return -EBADMSG;
        n->outcome = (UowOutcome)outcome;
        n->phase = PHASE_SETTLING;
        r = take_text(&n->cause, e, "cause");
        return r < 0 ? r : take_text(&n->reason, e, "reason");
}

static int apply_requeued(Uow *n, const Event *e) {
        clear_job(n);
        n->attempt++;
        n->requeues++;
        return take_text(&n->reason, e, "reason");
}

static int apply_finished(Uow *n, const Event *e) {
        n->phase = PHASE_NONE;
        n->held = n->cancelling = false;
        n->chaining = json_bool(e->data, "chain", false);
        n->finished = n->filed = e->time;
        return json_str(e->data, "folder") ? take_folder(&n->folder, e, "folder") : 0;
}

static int apply_retry(Uow *n, const Event *e _unused_) {
        clear_job(n);
        clear_script(n);
        n->attempt++;
        n->requeues = 0;
        n->filed_as = n->outcome;
        n->outcome = OUTCOME_NONE;
        n->cancelling = n->chaining = false;
        n->finished = n->filed = n->soft_deleted = 0;
        return 0;
}

static int apply_moved_on(Uow *n, const Event *e) {
        int r = take_name(&n->moved_to, e, "moved_to");

        n->chaining = false;
        return r < 0 ? r : n->moved_to ? 0 : -EBADMSG;
}

static int apply_soft_deleted(Uow *n, const Event *e) {
        n->soft_deleted = e->time;
        return 0;
}

static int apply_restored(Uow *n, const Event *e) {
        n->soft_deleted = 0;
        n->filed = e->time;
        return 0;
}

static int apply_purging(Uow *n, const Event *e _unused_) {
        n->purging = true;
        return 0;
}

/* What is left is what `list --all` and `show` tell of one that is gone; its events have the rest. */
static int apply_purged(Uow *n, const Event *e _unused_) {
        clear_script(n);
        n->phase = PHASE_NONE;
        n->job_ids = NULL;
        n->held = n->cancelling = n->chaining = n->purging = n->quarantined = false;
        return 0;
}

static int apply_folder(Uow *n, const Event *e) {
        return take_folder(&n->folder, e, "folder");
}

static int (*const handlers[_EVENT_TYPE_MAX])(Uow *n, const Event *e) = {
        [EVENT_UPLOADED] = apply_uploaded,
        [EVENT_STAGED] = apply_staged,
        [EVENT_SUBMITTING] = apply_submitting,
        [EVENT_DEFERRED] = apply_deferred,
        [EVENT_QUEUED] = apply_queued,
        [EVENT_RELEASED] = apply_released,
        [EVENT_JOB] = apply_job,
        [EVENT_CANCELLING] = apply_cancelling,
        [EVENT_ENDED] = apply_ended,
        [EVENT_REQUEUED] = apply_requeued,
        [EVENT_FINISHED] = apply_finished,
        [EVENT_RETRY] = apply_retry,
        [EVENT_MOVED_ON] = apply_moved_on,
        [EVENT_SOFT_DELETED] = apply_soft_deleted,
        [EVENT_RESTORED] = apply_restored,
        [EVENT_PURGING] = apply_purging,
        [EVENT_PURGED] = apply_purged,
        [EVENT_FOLDER] = apply_folder,
};

bool uow_allows(const Uow *u, EventType type) {
        UowState to;

        if (state_next(u->state, type, &to) != 0)
                return false;
        if (type == EVENT_FOLDER || type == EVENT_PURGED)
                return true;
        /* Between the decision on the outcome and its filing nothing may interfere, and nothing is filed undecided. */
        if ((u->phase == PHASE_SETTLING) != (type == EVENT_FINISHED))
                return false;
        if (u->purging || u->moved_to)
                return type == EVENT_PURGING;
        if (type == EVENT_SUBMITTING)
                return u->script && !u->cancelling;
        return type != EVENT_DEFERRED || u->phase == PHASE_SUBMITTING;
}

/* Let go of the strings that are in @gone but not in @kept. */
static void free_replaced(const Uow *gone, const Uow *kept) {
        for (size_t i = 0; i < uow_fields_n; i++) {
                const UowField *f = &uow_fields[i];

                if (field_is_string(f) && *field_string(gone, f) != *field_string(kept, f))
                        free(*field_string(gone, f));
        }
}

int uow_apply(Uow *u, const Event *e) {
        Uow next = *u;
        int r;

        if (!uow_allows(u, e->type) || state_next(u->state, e->type, &next.state) != 0)
                return UOW_E_STATE;
        if (u->state == UOW_QUEUED && e->attempt != u->attempt)
                return -EBADMSG;
        r = handlers[e->type](&next, e);
        if (r != 0) {
                free_replaced(&next, u);
                return r;
        }
        next.updated = e->time;
        if (e->seq > 0)
                next.last_seq = e->seq;
        if (next.first_seq == 0)
                next.first_seq = e->seq;
        free_replaced(u, &next);
        *u = next;
        return 0;
}

/* Where an event leads, whatever was before; for one that changes no state, the last in which it may happen. */
static UowState state_after(EventType type) {
        UowState state = UOW_UPLOADED, to;

        for (int from = UOW_UPLOADED; from < _UOW_STATE_MAX; from++)
                if (state_next((UowState)from, type, &to) == 0)
                        state = to;
        return state;
}

Uow *uow_orphan(const Event *e) {
        _cleanup_(uow_freep) Uow *u = uow_new(e->id);

        if (!u || strdup_to(&u->name, e->id) < 0 || strdup_to(&u->folder, e->id) < 0)
                return NULL;
        u->state = state_after(e->type);
        u->attempt = e->attempt;
        u->quarantined = u->state != UOW_PURGED;
        u->created = u->updated = e->time;
        u->first_seq = u->last_seq = e->seq;
        return TAKE_PTR(u);
}
