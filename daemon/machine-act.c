/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What each state demands. machine_act() may be called at any time and any number of times: it begins
 * at most one errand, and what that errand finds done already it does not do again.
 */

#include "machine-internal.h"

#include <string.h>

#include "log.h"
#include "settle.h"
#include "stage.h"
#include "text.h"

static void no_memory(UowRun *run) {
        machine_pause(run, "The machine is out of memory.");
}

static void free_stage_job(void *p) {
        stage_job_free(p);
}

static void free_settle_job(void *p) {
        settle_job_free(p);
}

static void free_relocate_job(void *p) {
        relocate_job_free(p);
}

/* The work may wait in its lane for long: the lease is looked at by the child, when it begins. */
typedef struct OwnedJob {
        Lease *lease;
        WorkFunc work;
        void *job;
        void (*job_free)(void *);
} OwnedJob;

static int owned_work(void *arg, cJSON *result, Error *e) {
        const OwnedJob *o = arg;
        int r = lease_check(o->lease);

        if (r < 0)
                return error_set(e, r,
                        "Whether this daemon still owns the base folder can't be told now: %s",
                        strerror(-r));
        return r == 0 ? o->work(o->job, result, e)
                      : error_set(e, -EOWNERDEAD, "The base folder has another owner.");
}

static void free_owned_job(void *p) {
        OwnedJob *o = p;

        o->job_free(o->job);
        free(o);
}

/* Hands @job to a worker; it is freed in any case. */
static void start_errand(UowRun *run, Errand errand, WorkerLane lane, WorkFunc work, void *job,
        void (*job_free)(void *), WorkDone done) {
        Machine *m = run->machine;
        OwnedJob *o = job ? malloc(sizeof(*o)) : NULL;

        if (!o) {
                if (job)
                        job_free(job);
                no_memory(run);
                return;
        }
        *o = (OwnedJob){ m->parts.lease, work, job, job_free };
        machine_errand_begin(m, run, errand);
        if (worker_run(m->parts.workers, lane, owned_work, o, free_owned_job, done, run) < 0) {
                free_owned_job(o);
                machine_errand_end(run);
                no_memory(run);
        }
}

/* Before what is done by the scheduler at once. */
static bool may_order(UowRun *run) {
        if (machine_look(run->machine) == 0)
                return true;
        if (!run->machine->lost)
                machine_pause(
                        run, "Whether this daemon still owns the base folder can't be told now.");
        return false;
}

static void act_stage(Machine *m, UowRun *run) {
        start_errand(run, ERRAND_STAGE, LANE_STAGE, stage_work,
                stage_job_new(m->parts.layout, m->parts.config, run->uow), free_stage_job,
                machine_staged);
}

static void act_settle(Machine *m, UowRun *run) {
        SettleJob *job = settle_job_new(m->parts.layout, m->parts.config, run->uow);

        if (job)
                settle_job_know_events(job, run->seqs, run->n_seqs);
        start_errand(run, ERRAND_SETTLE, LANE_SETTLE, settle_work, job, free_settle_job,
                machine_settled);
}

static void act_relocate(Machine *m, UowRun *run, Errand errand, WorkFunc work, WorkDone done) {
        start_errand(run, errand, LANE_BULK, work,
                relocate_job_new(m->parts.layout, m->parts.config, run->uow), free_relocate_job,
                done);
}

static void line_up(Machine *m, UowRun *run) {
        if (run->queued_up)
                return;
        run->queued_up = true;
        TAILQ_INSERT_TAIL(&m->submit_line, run, submit_entry);
}

static void act_submit(Machine *m, UowRun *run) {
        if (!may_order(run))
                return;
        run->hold = m->parts.config->scheduler.submit == SUBMIT_HELD;
        machine_errand_begin(m, run, ERRAND_SUBMIT);
        if (scheduler_submit(m->scheduler, run->uow) < 0) {
                /* Nothing was started, so the intent is still fresh. */
                machine_errand_end(run);
                machine_pause(run, "The submission could not be started; it is tried again.");
        }
}

static void act_release(Machine *m, UowRun *run) {
        if (!may_order(run))
                return;
        machine_errand_begin(m, run, ERRAND_RELEASE);
        if (scheduler_release(m->scheduler, run->uow) < 0) {
                machine_errand_end(run);
                machine_pause(run, "The held job could not be released; it is tried again.");
        }
}

static void act_queued(Machine *m, UowRun *run) {
        Uow *u = run->uow;

        if (u->phase == PHASE_SUBMITTING && run->fresh)
                act_submit(m, run);
        else if (u->held)
                act_release(m, run);
        /* Everything else is the poll's: following the job, and looking for a submission whose answer is missing. */
}

static void act_cancel_job(Machine *m, UowRun *run) {
        if (!may_order(run))
                return;
        machine_errand_begin(m, run, ERRAND_CANCEL);
        if (scheduler_cancel(m->scheduler, run->uow) < 0) {
                machine_errand_end(run);
                machine_pause(run, "The order to cancel could not be given; it is tried again.");
        }
}

/* Where nothing was handed to the scheduler there is nothing to wait for. */
static void act_cancel(Machine *m, UowRun *run) {
        Uow *u = run->uow;

        if (u->job_id) {
                act_cancel_job(m, run);
                return;
        }
        if (u->state == UOW_QUEUED && !run->fresh)
                return; /* it may have been submitted: the poll's look-up decides */
        machine_set_fresh(run, false);
        machine_end(m, u, OUTCOME_CANCELLED, CAUSE_CANCELLED,
                "cancelled by order before it was submitted", NULL);
}

bool machine_wants_chain(const Machine *m, const Uow *u) {
        return u->state == UOW_FINISHED && u->chaining && !u->moved_to && !u->purging &&
                !isempty(m->parts.config->chain.to);
}

static void act_kept(Machine *m, UowRun *run) {
        Uow *u = run->uow;

        if (u->purging)
                act_relocate(m, run, ERRAND_PURGE, purge_work, machine_purged);
        else if (run->misplaced) {
                /* An order that comes while it is being moved may want it elsewhere again. */
                run->misplaced = false;
                act_relocate(m, run, ERRAND_RELOCATE, relocate_work, machine_relocated);
                run->misplaced = run->errand == ERRAND_NONE;
        } else if (machine_wants_chain(m, u))
                act_relocate(m, run, ERRAND_CHAIN, chain_work, machine_chained);
        else
                machine_untroubled(run); /* what was in the way of is wanted no more */
}

static void act(Machine *m, UowRun *run) {
        Uow *u = run->uow;

        if (u->phase == PHASE_SETTLING) {
                act_settle(m, run);
                return;
        }
        if (u->cancelling) {
                act_cancel(m, run);
                return;
        }
        switch (u->state) {
        case UOW_UPLOADED:
                act_stage(m, run);
                break;
        case UOW_STAGED:
                if (u->script)
                        line_up(m, run);
                else
                        act_stage(m, run);
                break;
        case UOW_QUEUED:
                act_queued(m, run);
                break;
        case UOW_FINISHED:
        case UOW_SOFT_DELETED:
                act_kept(m, run);
                break;
        default:
                break;
        }
}

static bool may_act(const Machine *m, const UowRun *run) {
        return !m->stopping && !run->uow->quarantined && run->errand == ERRAND_NONE &&
                run->not_before <= clock_boottime();
}

/*
 * What follows from this turn's events without any act is posted in the same turn: the intent to submit what was
 * checked just now, or what takes the place of one that Slurm has, then shares their sync.
 */
void machine_prepare(Machine *m) {
        UowRun *run;

        if (m->broken)
                return;
        TAILQ_FOREACH(run, &m->dirty, dirty_entry) {
                const Uow *u = run->uow;

                if (u->state == UOW_STAGED && u->phase != PHASE_SETTLING && !u->cancelling &&
                        u->script && may_act(m, run))
                        line_up(m, run);
        }
        machine_submit_line(m);
}

void machine_act(Machine *m, Uow *u) {
        UowRun *run = machine_run(m, u);

        if (run && may_act(m, run))
                act(m, run);
}

static int json_add_name(cJSON *array, const char *bytes) {
        _cleanup_free_ char *text = text_escape(bytes);

        return text ? json_add_str(array, text) : -ENOMEM;
}

static cJSON *submitting_data(Machine *m, const Uow *u) {
        _cleanup_json_ cJSON *data = cJSON_CreateObject();
        cJSON *args;
        char **argv;
        int r;

        if (!data || !(args = cJSON_AddArrayToObject(data, "args")))
                return NULL;
        argv = scheduler_args(m->scheduler, u);
        r = argv || !m->scheduler->vtable->args ? 0 : -ENOMEM;
        for (char **a = argv; a && *a; a++) {
                if (r >= 0)
                        r = json_add_name(args, *a);
                free(*a);
        }
        free(argv);
        return r < 0 ? NULL : TAKE_PTR(data);
}

static void submit_next(Machine *m, UowRun *run) {
        Uow *u = run->uow;
        cJSON *data;

        if (u->state != UOW_STAGED || u->phase == PHASE_SETTLING || u->cancelling || !u->script ||
                run->errand != ERRAND_NONE)
                return; /* things have changed while it stood in line */
        data = submitting_data(m, u);
        if (!data || machine_post(m, u, EVENT_SUBMITTING, data) != 0) {
                no_memory(run);
                return;
        }
        machine_set_fresh(run, true);
}

void machine_submit_line(Machine *m) {
        unsigned bound = m->submit_troubles ? 1 : SUBMISSIONS_AT_ONCE;
        unsigned max_queued = m->parts.config->scheduler.max_queued;
        UowRun *run;

        if (m->stopping || m->submit_not_before > clock_boottime())
                return;
        while ((run = TAILQ_FIRST(&m->submit_line)) && m->submitting < bound &&
                (!max_queued || m->n_queued < max_queued)) {
                TAILQ_REMOVE(&m->submit_line, run, submit_entry);
                run->queued_up = false;
                submit_next(m, run);
        }
}
