/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What workers and the scheduler answer, turned into events. An answer that is missing or unclear
 * becomes a pause and another look, never a conclusion.
 */

#include "machine-internal.h"

#include <string.h>

#include "log.h"
#include "text.h"

/* An order to cancel that the scheduler took is repeated if the job is still there after this. */
#define CANCEL_AGAIN USEC_PER_MINUTE

/* A reason that changes from poll to poll is shown at once but written at most this often. */
#define REASON_WRITTEN_EVERY USEC_PER_HOUR

static void settle_text(Error *ret, int r, const Error *e, const char *what) {
        if (e && e->text[0])
                error_set(ret, r, "%s", e->text);
        else
                error_set(ret, r, "%s: %s", what, r < 0 ? strerror(-r) : "unexpected answer");
}

/* Something is in the way that may pass: say it once, try again. */
static void trouble(UowRun *run, int r, const Error *e, const char *what) {
        bool news;
        Error text;

        settle_text(&text, r, e, what);
        news = !streq(run->trouble, text.text);
        machine_pause(run, text.text);
        if (news)
                log_uow(LOG_WARNING, run->uow, NULL, "%s", text.text);
}

/* Posting fails only without memory or for an event the table has no room for; both are said, and the errand is done again. */
static void post(UowRun *run, EventType type, cJSON *data) {
        int r = machine_post(run->machine, run->uow, type, data);

        if (r != 0) {
                log_uow(LOG_ERR, run->uow, NULL,
                        "event %s could not be noted (%d); it is tried again",
                        event_type_to_string(type), r);
                machine_pause(run, NULL);
        }
}

static cJSON *object_with(const char *key, const char *value) {
        cJSON *o = cJSON_CreateObject();

        if (o && json_set_str(o, key, value) < 0) {
                cJSON_Delete(o);
                return NULL;
        }
        return o;
}

static cJSON *copy_of(const cJSON *result) {
        return result && result->child ? cJSON_Duplicate(result, true) : NULL;
}

static cJSON *ended_data(
        UowOutcome outcome, const char *cause, const char *reason, const cJSON *job) {
        cJSON *o =
                object_with("outcome", outcome == OUTCOME_NONE ? NULL : outcome_to_string(outcome));

        if (o &&
                (json_set_str(o, "cause", cause) < 0 || json_set_str(o, "reason", reason) < 0 ||
                        (job && json_set_item(o, "job", cJSON_Duplicate(job, true)) < 0))) {
                cJSON_Delete(o);
                return NULL;
        }
        return o;
}

void machine_end(Machine *m, Uow *u, UowOutcome outcome, const char *cause, const char *reason,
        const cJSON *job) {
        UowRun *run = machine_run(m, u);
        cJSON *data = ended_data(outcome, cause, reason, job);

        if (!run || !data) {
                cJSON_Delete(data);
                return; /* out of memory: the next poll or kick comes here again */
        }
        machine_untroubled(run);
        post(run, EVENT_ENDED, data);
}

void machine_gone(Machine *m, Uow *u) {
        UowRun *run = machine_run(m, u);
        bool live = u->state == UOW_QUEUED && u->phase != PHASE_SETTLING && !run->fresh;
        Error e = {};
        int r;

        if (!run || u->state == UOW_PURGED)
                return;
        /* An unmounted file system takes no Unit of Work away. */
        r = layout_check(m->parts.layout, &e);
        if (r < 0) {
                trouble(run, r, &e, "The instance's folders can't be looked at");
                return;
        }
        machine_untroubled(run);
        run->misplaced = false;
        if (run->fresh) {
                run->fresh = false;
                m->submitting--;
        }
        if (live && !u->cancelling)
                post(run, EVENT_CANCELLING, object_with("by", "outside"));
        else if (!live)
                post(run, EVENT_PURGED,
                        object_with("by", u->purging && run->purge_by ? run->purge_by : "outside"));
}

void machine_missing(Machine *m, Uow *u) {
        UowRun *run = machine_run(m, u);

        if (!run || run->errand != ERRAND_NONE || run->dirty)
                return;
        if (uow_is_active(u)) {
                machine_gone(m, u);
                return;
        }
        run->misplaced = true;
        machine_kick(m, u);
}

void machine_staged(int r, const cJSON *result, const Error *e, void *userdata) {
        UowRun *run = userdata;
        Machine *m = run->machine;

        machine_errand_end(run);
        machine_dirty(m, run->uow);
        if (r == 0) {
                machine_untroubled(run);
                post(run, EVENT_STAGED, cJSON_Duplicate(result, true));
        } else if (r == UOW_E_REJECTED)
                machine_end(m, run->uow, OUTCOME_REJECTED, CAUSE_RULE, e->text, NULL);
        else if (r == UOW_E_GONE)
                machine_gone(m, run->uow);
        else if (r == -EEXIST && json_str(result, "folder"))
                post(run, EVENT_FOLDER, copy_of(result));
        else
                trouble(run, r, e, "It could not be taken over");
}

void machine_settled(int r, const cJSON *result, const Error *e, void *userdata) {
        UowRun *run = userdata;

        machine_errand_end(run);
        machine_dirty(run->machine, run->uow);
        if (r == 0) {
                machine_untroubled(run);
                post(run, EVENT_FINISHED, copy_of(result));
        } else if (r == UOW_E_GONE)
                machine_gone(run->machine, run->uow);
        else
                trouble(run, r, e, "The result could not be filed");
}

void machine_relocated(int r, const cJSON *result, const Error *e, void *userdata) {
        UowRun *run = userdata;

        machine_errand_end(run);
        machine_dirty(run->machine, run->uow);
        if (r == 0) {
                machine_untroubled(run);
                run->misplaced = false;
                if (json_str(result, "folder"))
                        post(run, EVENT_FOLDER, copy_of(result));
        } else if (r == UOW_E_GONE)
                machine_gone(run->machine, run->uow);
        else
                trouble(run, r, e, "The folder could not be moved");
}

void machine_chained(int r, const cJSON *result, const Error *e, void *userdata) {
        UowRun *run = userdata;

        machine_errand_end(run);
        machine_dirty(run->machine, run->uow);
        if (r == 0) {
                machine_untroubled(run);
                post(run, EVENT_MOVED_ON, cJSON_Duplicate(result, true));
        } else if (r == UOW_E_GONE)
                machine_gone(run->machine, run->uow);
        else
                trouble(run, r, e, "It could not be handed to the next instance");
}

void machine_purged(int r, const cJSON *result _unused_, const Error *e, void *userdata) {
        UowRun *run = userdata;

        machine_errand_end(run);
        machine_dirty(run->machine, run->uow);
        if (r == 0 || r == UOW_E_GONE) {
                machine_untroubled(run);
                post(run, EVENT_PURGED, object_with("by", run->purge_by ? run->purge_by : "order"));
        } else
                trouble(run, r, e, "It could not be removed");
}

/* ---- the scheduler's answers ---- */

/* The run that waits for this answer, or NULL if the answer is about an attempt that is over. */
static UowRun *answered(Uow *u, int attempt, Errand errand) {
        UowRun *run = u->run;

        if (!run || run->errand != errand || u->attempt != attempt)
                return NULL;
        machine_errand_end(run);
        machine_dirty(run->machine, u);
        return run;
}

static cJSON *queued_data(const char *job_id, bool held, bool adopted) {
        cJSON *o = object_with("job_id", job_id);

        if (o &&
                ((held && json_set_bool(o, "held", true) < 0) ||
                        (adopted && json_set_bool(o, "adopted", true) < 0))) {
                cJSON_Delete(o);
                return NULL;
        }
        return o;
}

/* A scheduler that can't be reached is no Unit of Work's own trouble: one probes for all, ever more rarely. */
static void pause_submissions(Machine *m) {
        usec_t pause = PAUSE_FIRST << (m->submit_troubles < 6 ? m->submit_troubles : 6);

        m->submit_troubles++;
        m->submit_not_before = clock_boottime() + pause;
}

static void on_submitted(Uow *u, int attempt, SubmitVerdict v, const char *job_id, const char *text,
        void *userdata) {
        Machine *m = userdata;
        UowRun *run = answered(u, attempt, ERRAND_SUBMIT);

        if (!run)
                return;
        run->fresh = false;
        m->submitting--;
        if (v == SUBMIT_ACCEPTED || v == SUBMIT_REFUSED)
                m->submit_troubles = 0;
        switch (v) {
        case SUBMIT_ACCEPTED:
                machine_untroubled(run);
                post(run, EVENT_QUEUED,
                        queued_data(
                                job_id, m->parts.config->scheduler.submit == SUBMIT_HELD, false));
                break;
        case SUBMIT_REFUSED:
                machine_end(m, u, OUTCOME_REJECTED, CAUSE_REFUSED, text, NULL);
                break;
        case SUBMIT_DEFERRED:
                if (m->scheduler->health.availability == SCHEDULER_DOWN)
                        pause_submissions(m);
                machine_pause(run, text);
                post(run, EVENT_DEFERRED, object_with("reason", text));
                break;
        case SUBMIT_UNCERTAIN:
                pause_submissions(m);
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
                machine_pause(run, text);
                return;
        }
        machine_untroubled(run);
        if (u->held)
                post(run, EVENT_RELEASED, NULL);
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
                post(run, EVENT_QUEUED, queued_data(job_id, held, true));
        } else if (v == LOOKUP_ABSENT && u->cancelling)
                machine_end(m, u, OUTCOME_CANCELLED, CAUSE_CANCELLED,
                        "cancelled by order before it was submitted", NULL);
        else if (v == LOOKUP_ABSENT) {
                machine_untroubled(run);
                post(run, EVENT_DEFERRED,
                        object_with("reason", "the last submission did not reach the scheduler"));
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

        if (is_requeued(m, u, report)) {
                machine_untroubled(run);
                post(run, EVENT_REQUEUED, ended_data(OUTCOME_NONE, cause, reason, report->facts));
                return;
        }
        if (u->cancelling && report->outcome == OUTCOME_CANCELLED) {
                cause = CAUSE_CANCELLED;
                reason = "cancelled by order";
        }
        machine_end(m, u, report->outcome, cause, reason, report->facts);
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
        cJSON *o = object_with("phase", phase_to_string(report->phase));

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
        if (job_changed(run, report))
                post(run, EVENT_JOB, job_data(report));
        if (report->stuck && !run->stuck)
                log_uow(LOG_WARNING, u, NULL,
                        "its job waits for something that does not lift by itself: %s",
                        report->reason ?: "?");
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
