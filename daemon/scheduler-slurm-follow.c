/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Following jobs whose id is known.
 *
 * A job is alive when squeue says so, whatever accounting says: accounting lags, and shows the
 * earlier lives of a requeued job. It has ended when squeue has answered without listing it as
 * alive AND its end is told: by accounting, completely, or, when accounting has been silent for
 * scheduler.lost_after, by what the controller showed while it still remembered. If nobody told
 * anything for as long, it is lost. Nothing is concluded from a failed answer.
 */

#include "scheduler-slurm-internal.h"

#include <string.h>

#include "text.h"

static void tell(Slurm *s, const Item *item, const JobReport *report) {
        s->scheduler->events.job(item->uow, item->attempt, report, s->scheduler->userdata);
}

static SlurmClaim claim_of(const Item *item) {
        return (SlurmClaim){
                .job = item->job,
                .token = item->imported ? NULL : item->token,
                .workdir = item->imported ? NULL : item->path,
                /* Ids come round after months; clocks are not a day apart. */
                .not_before = item->submitted > USEC_PER_DAY ? item->submitted - USEC_PER_DAY : 0,
        };
}

static SlurmClaim claim_of_further(const Item *item, uint32_t job) {
        SlurmClaim claim = claim_of(item);

        claim.job = job;
        claim.token = NULL;
        return claim;
}

/* ---- alive ---- */

/* Jobs in the same folder that came later and carry no token of ours. */
static int find_further(Item *item, const SlurmRow *const *by_folder, size_t n) {
        size_t low = 0, high = n;
        int r = 0;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (strcmp(by_folder[middle]->workdir, item->path) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        for (; low < n && r >= 0 && streq(by_folder[low]->workdir, item->path); low++)
                if (by_folder[low]->id.job > item->job &&
                        !startswith(by_folder[low]->comment, "flowcron="))
                        r = slurm_item_add_further(item, by_folder[low]->id.job);
        return r;
}

static bool further_is_alive(const Slurm *s, const Item *item, uint32_t job) {
        SlurmClaim claim = claim_of_further(item, job);
        SlurmPicture p;
        bool alive;

        if (slurm_picture(&s->squeue, &claim, &p) < 0)
                return true; /* not known this time */
        alive = p.waiting + p.running > 0;
        slurm_picture_done(&p);
        return alive;
}

/* "18,19": those that squeue lists as alive. NULL if there are none. */
static int list_further(const Slurm *s, const Item *item, char **ret) {
        char *list = NULL;
        size_t size, listed = 0;
        FILE *f = open_memstream(&list, &size);

        if (!f)
                return -ENOMEM;
        for (size_t i = 0; i < item->n_further && listed < OUTCOME_TASKS_MAX; i++)
                if (further_is_alive(s, item, item->further[i]))
                        fprintf(f, "%s%u", listed++ ? "," : "", item->further[i]);
        if (fclose(f) != 0) {
                free(list);
                return -ENOMEM;
        }
        if (!listed)
                list = (free(list), NULL);
        *ret = list;
        return 0;
}

static const SlurmRow *first_of(const SlurmPicture *p, SlurmLife life) {
        for (size_t i = 0; i < p->n; i++)
                if (p->parts[i]->life == life)
                        return p->parts[i];
        return NULL;
}

static const SlurmRow *first_alive(const SlurmPicture *p) {
        const SlurmRow *row = first_of(p, SLURM_LIFE_RUNNING);

        if (!row)
                row = first_of(p, SLURM_LIFE_UNKNOWN);
        return row ? row : first_of(p, SLURM_LIFE_WAITING);
}

/* A pending row's start is a forecast. */
static usec_t started_of(const SlurmPicture *p) {
        usec_t start = 0;

        for (size_t i = 0; i < p->n; i++)
                if (p->parts[i]->life != SLURM_LIFE_WAITING && p->parts[i]->start &&
                        (!start || p->parts[i]->start < start))
                        start = p->parts[i]->start;
        return start;
}

static int say_waiting(const Item *item, const SlurmPicture *p, JobReport *report) {
        const SlurmRow *row = first_of(p, SLURM_LIFE_WAITING);

        if (item->held && startswith(row->reason, "JobHeldUser")) {
                report->reason = strdup("it is about to be released");
                return report->reason ? 0 : -ENOMEM;
        }
        report->reason = slurm_pending_reason(row->state, row->reason, &report->stuck);
        return report->reason ? 0 : -ENOMEM;
}

static int say_alive(const Item *item, const SlurmPicture *p, JobReport *report) {
        const SlurmRow *row = first_alive(p);
        int r;

        report->phase =
                p->running > 0 || (p->waiting > 0 && p->ended > 0) ? PHASE_RUNNING : PHASE_PENDING;
        report->started = report->phase == PHASE_RUNNING ? started_of(p) : 0;
        r = strdup_to(&report->state, row->state);
        if (r >= 0 && row->nodes[0])
                r = strdup_to(&report->nodes, row->nodes);
        if (r < 0)
                return r;
        if (report->phase == PHASE_PENDING)
                return say_waiting(item, p, report);
        if (p->n == 1 && row->node_count > 0)
                report->node_count = (unsigned)row->node_count;
        if (!p->array)
                return 0;
        report->reason = xasprintf(
                "%u tasks running, %u waiting, %u done", p->running, p->waiting, p->ended);
        return report->reason ? 0 : -ENOMEM;
}

static int say_further(const SlurmPicture *p, JobReport *report) {
        report->phase = PHASE_RUNNING;
        report->started = started_of(p);
        report->reason = xasprintf("waiting for jobs that it submitted: %s", report->job_ids);
        return report->reason ? 0 : -ENOMEM;
}

/*
 * What the controller shows of the end is kept: it forgets soon, and of an array one task after the
 * other. A failure once seen is not covered up by what is left.
 */
static void keep_evidence(Item *item, const SlurmPicture *p) {
        JobReport evidence = { 0 };

        for (size_t i = 0; i < p->n; i++)
                if (p->array && p->parts[i]->life == SLURM_LIFE_ENDED && !p->parts[i]->id.several &&
                        slurm_item_add_done(item, p->parts[i]->id.index) < 0)
                        return;
        if (slurm_judge(item->job_id, p, NULL, 0, item->cancelling, &evidence) < 0 ||
                (evidence.outcome == OUTCOME_SUCCEEDED && item->evidence.ended &&
                        item->evidence.outcome != OUTCOME_SUCCEEDED)) {
                job_report_done(&evidence);
                return;
        }
        job_report_done(&item->evidence);
        item->evidence = evidence;
        if (!item->evidence_since)
                item->evidence_since = clock_boottime();
}

/* Whether what the controller has shown tells the end of the whole job. */
static bool evidence_suffices(const Item *item) {
        if (!item->evidence.ended)
                return false;
        return item->evidence.outcome != OUTCOME_SUCCEEDED ||
                (item->tasks == 0 && item->n_done == 0) ||
                (item->tasks > 0 && item->n_done >= item->tasks);
}

static void drop_evidence(Item *item) {
        job_report_done(&item->evidence);
        item->evidence_since = 0;
        item->n_done = 0;
}

static void follow_alive(Slurm *s, Item *item, const SlurmPicture *p, JobReport *report) {
        bool alive = p->waiting + p->running > 0;
        int r = alive ? say_alive(item, p, report) : say_further(p, report);

        item->unresolved_since = 0;
        item->same = 0;
        if (alive && !p->array)
                drop_evidence(item); /* requeued: the end that was shown is over */
        else if (p->ended > 0)
                keep_evidence(item, p);
        if (r >= 0)
                tell(s, item, report);
}

void slurm_follow_queue(Slurm *s, Item *item, const SlurmRow *const *by_folder, size_t n) {
        SlurmClaim claim = claim_of(item);
        JobReport report = { 0 };
        SlurmPicture p;

        if (slurm_picture(&s->squeue, &claim, &p) < 0)
                return;
        if (find_further(item, by_folder, n) >= 0 && list_further(s, item, &report.job_ids) >= 0) {
                item->asks = p.waiting + p.running == 0 && !report.job_ids;
                if (!item->asks)
                        follow_alive(s, item, &p, &report);
        }
        job_report_done(&report);
        slurm_picture_done(&p);
}

/* ---- ended ---- */

/* All pictures of one job and those that it submitted. */
typedef struct View {
        SlurmPicture queue; /* as squeue (with scontrol's details) shows the job */
        SlurmPicture main;  /* as accounting, or without it the controller, shows it */
        SlurmFurther *further;
        size_t n_further;
        bool further_complete;
} View;

static void view_done(View *v) {
        slurm_picture_done(&v->queue);
        slurm_picture_done(&v->main);
        for (size_t i = 0; i < v->n_further; i++)
                slurm_picture_done(&v->further[i].picture);
        free(v->further);
}

static bool has_ended(const SlurmPicture *p) {
        return p->n > 0 && p->waiting + p->running == 0;
}

/*
 * After an outage accounting is told of a job's start before its end. The row then has a final
 * state, which the job had by then, but neither its end nor its exit code. (Seen with Slurm 22.05,
 * for a dozen seconds.)
 */
static bool is_told(const SlurmPicture *p) {
        if (!has_ended(p))
                return false;
        for (size_t i = 0; i < p->n; i++)
                if (!p->parts[i]->end)
                        return false;
        return true;
}

static usec_t waited(const Item *item) {
        return item->unresolved_since ? clock_boottime() - item->unresolved_since : 0;
}

static int view_further(View *v, const Slurm *s, const Item *item, const SlurmTable *source) {
        bool late = waited(item) >= slurm_grace(s);

        v->further_complete = true;
        v->further = calloc(item->n_further ? item->n_further : 1, sizeof(*v->further));
        if (!v->further)
                return -ENOMEM;
        for (size_t i = 0; i < item->n_further; i++) {
                SlurmClaim claim = claim_of_further(item, item->further[i]);
                SlurmFurther *f = &v->further[v->n_further];
                int r = slurm_picture(source, &claim, &f->picture);

                bool told = r >= 0 && has_ended(&f->picture) &&
                        (source == &s->squeue || is_told(&f->picture));

                /* The controller knows the state, at least; but not the exit code. */
                if (r >= 0 && !told && late) {
                        slurm_picture_done(&f->picture);
                        r = slurm_picture(&s->squeue, &claim, &f->picture);
                        told = r >= 0 && has_ended(&f->picture);
                }
                if (r < 0)
                        return r;
                f->job = item->further[i];
                v->n_further++;
                v->further_complete &= told;
        }
        return 0;
}

static int view(const Slurm *s, const Item *item, View *ret) {
        const SlurmTable *source = s->accounting_off_since ? &s->squeue : &s->sacct;
        SlurmClaim claim = claim_of(item);
        View v = { 0 };
        int r = slurm_picture(&s->squeue, &claim, &v.queue);

        if (r >= 0)
                r = slurm_picture(source, &claim, &v.main);
        if (r >= 0)
                r = view_further(&v, s, item, source);
        if (r < 0) {
                view_done(&v);
                return r;
        }
        *ret = v;
        return 0;
}

/*
 * Accounting hears of a short job's end before it hears of its start. Until then the row has neither
 * partition nor anything that was asked for. (Seen with Slurm 22.05, for half a second.)
 */
static bool is_whole(const SlurmPicture *p) {
        for (size_t i = 0; i < p->n; i++)
                if (isempty(p->parts[i]->partition))
                        return false;
        return true;
}

/*
 * Accounting still tells of an earlier life: the controller has shown a later end, of the job after it
 * was put back into the queue.
 */
static bool is_behind(const Item *item, const SlurmPicture *p) {
        usec_t end = 0;

        for (size_t i = 0; i < p->n; i++)
                if (p->parts[i]->end > end)
                        end = p->parts[i]->end;
        return item->evidence.ended && item->evidence.finished > end;
}

static bool accounting_lags(const Slurm *s, const Item *item, const SlurmPicture *p) {
        if (is_behind(item, p))
                return true;
        if (!is_told(p))
                return waited(item) < s->scheduler->config->scheduler.lost_after;
        return !is_whole(p) && waited(item) < slurm_grace(s);
}

/*
 * Whether accounting has told of every part. Tasks that were cancelled one by one before they
 * started leave no row, so that a number that is never reached must not hold up the end for ever;
 * tasks of which it has not heard yet must.
 */
static bool is_complete(const Slurm *s, Item *item, const View *v) {
        const SlurmPicture *p = &v->main;

        item->same = p->fingerprint == item->fingerprint ? item->same + 1 : 1;
        item->fingerprint = p->fingerprint;
        if (!has_ended(p) || p->ended < v->queue.ended)
                return false;
        if (!s->accounting_off_since && accounting_lags(s, item, p))
                return false;
        if (!p->array && !p->heterogeneous && item->tasks <= 1)
                return true;
        if (item->tasks > 0 && p->ended >= item->tasks)
                return true;
        if (item->tasks == 0)
                return item->same >= 2;
        return item->same >= 2 && waited(item) >= slurm_grace(s);
}

static int report_lost(const Item *item, JobReport *report) {
        report->ended = true;
        report->outcome = OUTCOME_LOST;
        report->facts = cJSON_CreateObject();
        if (!report->facts || json_set_str(report->facts, "job_id", item->job_id) < 0)
                return -ENOMEM;
        report->reason = outcome_reason(CAUSE_LOST, report->facts);
        return report->reason ? strdup_to(&report->cause, CAUSE_LOST) : -ENOMEM;
}

/*
 * Nobody has told how it ended, for as long as we are to wait: by the controller's word, or lost.
 */
static void end_untold(Slurm *s, Item *item) {
        JobReport lost = { 0 };

        if (evidence_suffices(item))
                tell(s, item, &item->evidence);
        else if (report_lost(item, &lost) >= 0)
                tell(s, item, &lost);
        job_report_done(&lost);
}

static void end_as_seen(Slurm *s, const Item *item, const View *v) {
        JobReport report = { 0 };

        if (slurm_judge(item->job_id, &v->main, v->further, v->n_further, item->cancelling,
                    &report) >= 0)
                tell(s, item, &report);
        job_report_done(&report);
}

static bool is_over(const Slurm *s, Item *item, const View *v) {
        if (!v->further_complete)
                return false;
        /*
         * Without accounting the controller is the only witness, and what it has shown since is
         * what there is.
         */
        if (s->accounting_off_since && v->main.n == 0)
                return evidence_suffices(item);
        if (s->accounting_off_since && v->main.array)
                return has_ended(&v->main) && evidence_suffices(item);
        return is_complete(s, item, v);
}

static void end_told(Slurm *s, Item *item, const View *v) {
        bool failed = item->evidence.ended && item->evidence.outcome != OUTCOME_SUCCEEDED;

        item->unresolved_since = 0;
        if (s->accounting_off_since &&
                (v->main.n == 0 || (v->main.array && (failed || v->n_further == 0))))
                tell(s, item, &item->evidence);
        else
                end_as_seen(s, item, v);
}

/*
 * A job that accounting believes to be alive is not lost, whatever the controller has forgotten: an
 * administrator must tell.
 */
static void tell_runaway(Slurm *s, const Item *item) {
        JobReport report = { .phase = PHASE_RUNNING, .stuck = true };

        report.reason = strdup(
                "Slurm's controller does not know the job any more, but accounting says that it runs");
        if (report.reason)
                tell(s, item, &report);
        job_report_done(&report);
}

static void wait_for_word(Slurm *s, Item *item, const View *v) {
        bool believed_alive = v->main.waiting + v->main.running > 0 && !item->cancelling;

        if (!item->unresolved_since) {
                item->unresolved_since = clock_boottime();
                item->unresolved_noted = clock_now();
        }
        if (waited(item) < s->scheduler->config->scheduler.lost_after)
                return;
        if (believed_alive && !evidence_suffices(item))
                tell_runaway(s, item);
        else
                end_untold(s, item);
}

void slurm_follow_end(Slurm *s, Item *item) {
        View v;

        if (view(s, item, &v) < 0)
                return;
        if (has_ended(&v.queue))
                keep_evidence(item, &v.queue);
        if (is_over(s, item, &v))
                end_told(s, item, &v);
        else
                wait_for_word(s, item, &v);
        view_done(&v);
}

void slurm_follow_unanswered(Slurm *s, Item *item) {
        SlurmClaim claim = claim_of(item);
        SlurmPicture p;

        /* Only answers count towards being lost. The controller's word is an answer, too. */
        item->unresolved_since = 0;
        item->same = 0;
        if (slurm_picture(&s->squeue, &claim, &p) < 0)
                return;
        if (has_ended(&p))
                keep_evidence(item, &p);
        slurm_picture_done(&p);
        if (item->n_further == 0 && evidence_suffices(item) &&
                clock_boottime() - item->evidence_since >=
                        s->scheduler->config->scheduler.lost_after)
                tell(s, item, &item->evidence);
}
