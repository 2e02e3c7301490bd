/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the scheduler answers, turned into events. No answer is never "no": what is not known becomes a pause and another
 * question.
 */

#include "machine-internal.h"

#include <malloc.h>
#include <string.h>

#include "log.h"
#include "text.h"

/* An order to cancel that the scheduler took is repeated if the job is still there after this. */
#define CANCEL_AGAIN USEC_PER_MINUTE

/* A reason that changes from poll to poll is shown at once but written at most this often. */
#define REASON_WRITTEN_EVERY USEC_PER_HOUR

/* The run that waits for this answer, or NULL if it is about what is decided already: an attempt that is over, a job that has ended. */
static UowRun *answered(Uow *u, int attempt, Errand errand) {
        UowRun *run = u->run;

        if (!run || run->errand != errand || run->errand_attempt != attempt)
                return NULL;
        machine_errand_end(run);
        machine_dirty(run->machine, u);
        if (errand == ERRAND_SUBMIT)
                machine_set_fresh(run, false);
        return u->attempt == attempt && u->state == UOW_QUEUED && u->phase != PHASE_SETTLING ? run
                                                                                             : NULL;
}

static cJSON *queued_data(const char *job_id, bool held, bool adopted) {
        cJSON *o = machine_object("job_id", job_id);

        if (o &&
                ((held && json_set_bool(o, "held", true) < 0) ||
                        (adopted && json_set_bool(o, "adopted", true) < 0))) {
                cJSON_Delete(o);
                return NULL;
        }
        return o;
}

/*
 * What keeps one from being submitted mostly keeps the others, too (a scheduler that can't be reached, a limit of the
 * account): one probes for all, ever more rarely. A limit lifts whenever a job ends, so it is probed more often.
 */
static void pause_submissions(Machine *m) {
        unsigned most = m->scheduler->health.availability == SCHEDULER_DOWN ? 6 : 3;
        usec_t now = clock_boottime();

        if (m->submit_not_before > now)
                return; /* one of those that were under way when the trouble began */
        m->submit_not_before =
                now + (PAUSE_FIRST << (m->submit_troubles < most ? m->submit_troubles : most));
        m->submit_troubles++;
        machine_wake_at(m, m->submit_not_before);
}

static void resume_submissions(Machine *m) {
        m->submit_troubles = 0;
        m->submit_not_before = 0;
}

/* Said when it changes; what it is stands in `status` all the time. */
static void tell_health(Machine *m) {
        const SchedulerHealth *h = scheduler_health(m->scheduler);
        SchedulerAvailability told = m->told;

        if (h->availability == told)
                return;
        m->told = h->availability;
        if (h->availability == SCHEDULER_DOWN)
                log_message(LOG_WARNING, MESSAGE_ID_SCHEDULER_DOWN,
                        "%s. What is staged waits, what is queued goes on.", h->text);
        else if (h->availability == SCHEDULER_DEGRADED)
                log_warning("%s.", h->text);
        else if (told != SCHEDULER_UNTRIED)
                log_notice("The scheduler is well again.");
        if (told == SCHEDULER_DOWN)
                m->submit_not_before = 0; /* the next in line may try at once */
        if (m->events.changed)
                m->events.changed(m->events.userdata);
}

static void on_submitted(Uow *u, int attempt, SubmitVerdict v, const char *job_id, const char *text,
        void *userdata) {
        Machine *m = userdata;
        UowRun *run = answered(u, attempt, ERRAND_SUBMIT);

        tell_health(m);
        if (!run)
                return;
        if (v == SUBMIT_ACCEPTED || v == SUBMIT_REFUSED)
                resume_submissions(m);
        else
                pause_submissions(m);
        switch (v) {
        case SUBMIT_ACCEPTED:
                machine_untroubled(run);
                run->stuck = false;
                machine_answer(run, EVENT_QUEUED, queued_data(job_id, run->hold, false));
                break;
        case SUBMIT_REFUSED:
                machine_end(m, u, OUTCOME_REJECTED, CAUSE_REFUSED, text, NULL);
                break;
        case SUBMIT_DEFERRED:
                if (!u->cancelling)
                        machine_pause(run, text);
                machine_answer(run, EVENT_DEFERRED, machine_object("reason", text));
                break;
        case SUBMIT_UNCERTAIN:
                machine_pause_for(run, 0, text);
                log_uow(LOG_WARNING, u, NULL, "whether it was submitted is not known yet: %s",
                        text);
                break;
        }
}

static void on_released(Uow *u, int attempt, int r, const char *text, void *userdata _unused_) {
        UowRun *run = answered(u, attempt, ERRAND_RELEASE);

        if (!run)
                return;
        if (r < 0) {
                if (!u->cancelling)
                        machine_pause(run, text);
                return;
        }
        machine_untroubled(run);
        if (u->held)
                machine_answer(run, EVENT_RELEASED, NULL);
}

static void on_looked_up(
        Uow *u, int attempt, LookupVerdict v, const char *job_id, bool held, void *userdata) {
        Machine *m = userdata;
        UowRun *run = u->run;

        if (!run || u->state != UOW_QUEUED || u->phase != PHASE_SUBMITTING ||
                u->attempt != attempt || run->fresh)
                return;
        if (v == LOOKUP_FOUND) {
                machine_untroubled(run);
                run->stuck = false;
                machine_answer(run, EVENT_QUEUED, queued_data(job_id, held, true));
        } else if (v == LOOKUP_ABSENT && u->cancelling)
                machine_end(m, u, OUTCOME_CANCELLED, CAUSE_CANCELLED,
                        "cancelled by order before it was submitted", NULL);
        else if (v == LOOKUP_ABSENT) {
                machine_untroubled(run);
                machine_answer(run, EVENT_DEFERRED,
                        machine_object(
                                "reason", "the last submission did not reach the scheduler"));
        }
}

static bool is_requeued(const Machine *m, const Uow *u, const JobReport *report) {
        const Config *c = m->parts.config;

        if (u->cancelling || report->outcome == OUTCOME_SUCCEEDED || !report->state ||
                (unsigned)u->requeues + 1 >= c->retry.max_attempts)
                return false;
        for (char *const *state = c->retry.on; state && *state; state++)
                if (streq(*state, report->state))
                        return true;
        return false;
}

static void job_ended(Machine *m, UowRun *run, const JobReport *report) {
        Uow *u = run->uow;
        const char *cause = report->cause, *reason = report->reason;
        UowOutcome outcome = report->outcome;

        if (is_requeued(m, u, report)) {
                machine_untroubled(run);
                machine_answer(run, EVENT_REQUEUED,
                        machine_ended_data(OUTCOME_NONE, cause, reason, report->facts));
                return;
        }
        /* The scheduler's answer may be to a question from before the order; the end that it tells of is ours all the same. */
        if (u->cancelling &&
                (outcome == OUTCOME_CANCELLED || streq(cause, CAUSE_CANCELLED_OUTSIDE))) {
                outcome = OUTCOME_CANCELLED;
                cause = CAUSE_CANCELLED;
                reason = "cancelled by order";
        }
        machine_end(m, u, outcome, cause, reason, report->facts);
}

static bool job_changed(const UowRun *run, const JobReport *report) {
        const Uow *u = run->uow;

        if (report->phase != u->phase || !streq(report->job_ids, u->job_ids) ||
                (report->started && report->started != u->started) || report->stuck != run->stuck)
                return true;
        return report->phase == PHASE_PENDING && !streq(report->reason, u->reason) &&
                (isempty(u->reason) || clock_now() - u->updated > REASON_WRITTEN_EVERY);
}

static cJSON *job_data(const JobReport *report) {
        cJSON *o = machine_object("phase", phase_to_string(report->phase));

        if (o &&
                (json_set_str(o, "reason", report->reason) < 0 ||
                        json_set_str(o, "state", report->state) < 0 ||
                        json_set_str(o, "nodes", report->nodes) < 0 ||
                        json_set_str(o, "job_ids", report->job_ids) < 0 ||
                        json_set_time_usec(o, "started", report->started) < 0 ||
                        (report->stuck && json_set_bool(o, "stuck", true) < 0))) {
                cJSON_Delete(o);
                return NULL;
        }
        return o;
}

static void on_job(Uow *u, int attempt, const JobReport *report, void *userdata) {
        Machine *m = userdata;
        UowRun *run = u->run;

        if (!run || u->state != UOW_QUEUED || u->phase == PHASE_SETTLING || u->attempt != attempt ||
                !u->job_id)
                return;
        if (report->ended) {
                job_ended(m, run, report);
                return;
        }
        (void)strdup_to(&run->waiting, report->reason);
        run->nodes = report->node_count;
        if (job_changed(run, report))
                machine_answer(run, EVENT_JOB, job_data(report));
        if (report->stuck && !run->stuck)
                log_stuck(u, report->reason);
        run->stuck = report->stuck;
}

static void on_cancelled(Uow *u, int attempt, int r, const char *text, void *userdata _unused_) {
        UowRun *run = answered(u, attempt, ERRAND_CANCEL);

        if (!run)
                return;
        if (r < 0)
                machine_pause(run, text);
        else
                machine_pause_for(run, CANCEL_AGAIN, NULL);
}

static void on_polled(void *userdata) {
        Machine *m = userdata;

        tell_health(m);
        /* Answers about thousands of jobs are megabytes, which would stay with us, and be copied for each worker. */
        malloc_trim(0);
        machine_arm_poll(m);
        machine_turn(m);
}

const SchedulerEvents machine_scheduler_events = {
        .submitted = on_submitted,
        .released = on_released,
        .looked_up = on_looked_up,
        .job = on_job,
        .cancelled = on_cancelled,
        .polled = on_polled,
};
