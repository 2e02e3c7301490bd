/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The end of a job, judged: success means COMPLETED with exit code 0:0 for every part, and for
 * every job that it submitted from its folder. Facts go into the record; the words are made from
 * them by outcome.c.
 */

#include "slurm-text-internal.h"

#include <assert.h>
#include <string.h>

/*
 * The part that is to blame: the first that failed by itself, else the first that was cancelled
 * with the rest.
 */
static const SlurmRow *blamed(const SlurmPicture *p) {
        const SlurmRow *cancelled = NULL;

        for (size_t i = 0; i < p->n; i++) {
                const SlurmRow *row = p->parts[i];
                const char *cause = row ? slurm_cause(row) : NULL;

                if (cause && !streq(cause, CAUSE_CANCELLED_OUTSIDE))
                        return row;
                if (cause && !cancelled)
                        cancelled = row;
        }
        return cancelled;
}

static int set_known(cJSON *o, const char *key, int64_t value) {
        return value < 0 ? 0 : json_set_int(o, key, value);
}

static int set_ending(cJSON *o, const SlurmRow *row) {
        int r = json_set_str(o, "state", row->state);

        if (r >= 0)
                r = set_known(o, "exit_code", row->exit_code);
        return r < 0 ? r : set_known(o, "signal", row->signal);
}

static cJSON *add_entry(cJSON *array, const char *key, const char *name) {
        cJSON *o;

        if (!array || cJSON_GetArraySize(array) >= OUTCOME_TASKS_MAX)
                return NULL;
        o = cJSON_CreateObject();
        if (!o || json_set_str(o, key, name) < 0 || !cJSON_AddItemToArray(array, o)) {
                cJSON_Delete(o);
                return NULL;
        }
        return o;
}

/* ---- figures over all parts ---- */

typedef struct Sum {
        usec_t submit, start, end;
        int64_t elapsed_s, cpu_s, cpus, node_count;
        uint32_t count, failed;
} Sum;

static void sum_part(Sum *s, const SlurmRow *row) {
        uint32_t count = row->id.count ? row->id.count : 1;

        if (row->submit && (!s->submit || row->submit < s->submit))
                s->submit = row->submit;
        if (row->start && (!s->start || row->start < s->start))
                s->start = row->start;
        if (row->end > s->end)
                s->end = row->end;
        if (row->elapsed_s > s->elapsed_s)
                s->elapsed_s = row->elapsed_s;
        if (row->cpu_s > 0)
                s->cpu_s += row->cpu_s;
        if (row->cpus > s->cpus)
                s->cpus = row->cpus;
        if (row->node_count > s->node_count)
                s->node_count = row->node_count;
        s->count += count;
        s->failed += slurm_cause(row) ? count : 0;
}

static Sum sum_up(const SlurmPicture *p) {
        Sum s = { .elapsed_s = -1, .cpus = -1, .node_count = -1 };

        for (size_t i = 0; i < p->n; i++)
                sum_part(&s, p->parts[i]);
        if (s.count > 1 && s.start && s.end >= s.start)
                s.elapsed_s = (int64_t)((s.end - s.start) / USEC_PER_SEC);
        return s;
}

/* The part that came nearest to its memory's end: its use and its request belong together. */
static const SlurmRow *hungriest(const SlurmPicture *p) {
        const SlurmRow *most = p->parts[0];

        for (size_t i = 1; i < p->n; i++)
                if (p->parts[i]->memory_used > most->memory_used)
                        most = p->parts[i];
        return most;
}

static int add_figures(cJSON *facts, const SlurmPicture *p, const SlurmRow *row) {
        const SlurmRow *most = hungriest(p);
        Sum s = sum_up(p);
        int r = json_set_time(facts, "submitted", s.submit);

        if (r >= 0)
                r = json_set_time(facts, "started", s.start);
        if (r >= 0)
                r = json_set_time(facts, "ended", s.end);
        if (r >= 0 && s.start >= s.submit && s.submit)
                r = json_set_int(facts, "wait_s", (int64_t)((s.start - s.submit) / USEC_PER_SEC));
        if (r >= 0)
                r = set_known(facts, "elapsed_s", s.elapsed_s);
        if (r >= 0)
                r = set_known(facts, "time_limit_s", row->limit_s);
        if (r >= 0)
                r = set_known(facts, "node_count", s.node_count);
        if (r >= 0)
                r = set_known(facts, "cpus", s.cpus);
        if (r >= 0)
                r = json_set_int(facts, "cpu_s", s.cpu_s);
        if (r >= 0)
                r = set_known(facts, "memory_used_bytes", most->memory_used);
        if (r >= 0)
                r = set_known(facts, "memory_requested_bytes", most->memory_requested);
        if (r >= 0 && s.count > 1)
                r = json_set_int(facts, "task_count", s.count);
        return r >= 0 && s.count > 1 ? json_set_int(facts, "tasks_failed", s.failed) : r;
}

static int add_names(cJSON *facts, const SlurmRow *row) {
        const struct {
                const char *key, *value;
        } names[] = {
                { "nodes", row->nodes },
                { "account", row->account },
                { "partition", row->partition },
                { "qos", row->qos },
                { "cancelled_by", row->cancelled_by },
        };
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(names) && r >= 0; i++)
                if (names[i].value[0])
                        r = json_set_name(facts, names[i].key, names[i].value);
        return r;
}

/* ---- the parts that failed ---- */

static int add_task(cJSON *tasks, const SlurmRow *row) {
        cJSON *o = add_entry(tasks, "job_id", row->id_text);
        int r;

        if (!o)
                return 0; /* enough of them; or no memory, which the next allocation will say */
        r = json_set_int(o, "index", row->id.index);
        if (r >= 0)
                r = set_ending(o, row);
        if (r >= 0)
                r = set_known(o, "elapsed_s", row->elapsed_s);
        if (r >= 0)
                r = set_known(o, "memory_used_bytes", row->memory_used);
        return r < 0 ? r : set_known(o, "memory_requested_bytes", row->memory_requested);
}

/* The one to blame comes first: outcome_reason() speaks of it. */
static int add_tasks(cJSON *facts, const SlurmPicture *p, const SlurmRow *first) {
        cJSON *tasks;
        int r;

        if (!first || !(p->array || p->heterogeneous))
                return 0;
        tasks = cJSON_AddArrayToObject(facts, "tasks");
        if (!tasks)
                return -ENOMEM;
        r = add_task(tasks, first);
        for (size_t i = 0; i < p->n && r >= 0; i++)
                if (p->parts[i] != first && slurm_cause(p->parts[i]))
                        r = add_task(tasks, p->parts[i]);
        return r;
}

static int add_failed_steps(cJSON *facts, const SlurmPicture *p) {
        cJSON *steps = NULL;
        int r = 0;

        for (size_t i = 0; i < p->n && r >= 0; i++)
                for (size_t k = 0; k < p->parts[i]->steps && r >= 0; k++) {
                        const SlurmStep *step = &p->table->steps[p->parts[i]->first_step + k];
                        cJSON *o;

                        if (!steps && !(steps = cJSON_AddArrayToObject(facts, "failed_steps")))
                                return -ENOMEM;
                        o = add_entry(steps, "step", step->name);
                        if (!o)
                                return 0;
                        r = json_set_str(o, "state", step->state);
                        if (r >= 0)
                                r = set_known(o, "exit_code", step->exit_code);
                        if (r >= 0)
                                r = set_known(o, "signal", step->signal);
                }
        return r;
}

static int add_further(cJSON *facts, const SlurmFurther *further, size_t n) {
        cJSON *list;
        int r = 0;

        if (n == 0)
                return 0;
        list = cJSON_AddArrayToObject(facts, "further_jobs");
        if (!list)
                return -ENOMEM;
        /* Failed ones first: the list is bounded. */
        for (int failed = 1; failed >= 0; failed--)
                for (size_t i = 0; i < n && r >= 0; i++) {
                        const SlurmRow *bad =
                                further[i].picture.n ? blamed(&further[i].picture) : NULL;
                        const SlurmRow *row = bad      ? bad
                                : further[i].picture.n ? further[i].picture.parts[0]
                                                       : NULL;
                        char id[16];
                        cJSON *o;

                        if (!row || (bad != NULL) != (failed != 0))
                                continue;
                        snprintf(id, sizeof(id), "%u", further[i].job);
                        o = add_entry(list, "job_id", id);
                        if (!o)
                                return 0;
                        r = set_ending(o, row);
                }
        return r;
}

static int build_facts(const char *job_id, const SlurmPicture *p, const SlurmRow *bad,
        const SlurmFurther *further, size_t n_further, cJSON **ret) {
        _cleanup_json_ cJSON *facts = cJSON_CreateObject();
        const SlurmRow *row = bad ? bad : p->parts[0];
        int r = facts ? json_set_str(facts, "job_id", job_id) : -ENOMEM;

        if (r >= 0)
                r = set_ending(facts, row);
        if (r >= 0)
                r = add_figures(facts, p, row);
        if (r >= 0)
                r = add_names(facts, row);
        if (r >= 0)
                r = add_tasks(facts, p, bad);
        if (r >= 0)
                r = add_failed_steps(facts, p);
        if (r >= 0)
                r = add_further(facts, further, n_further);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(facts);
        return 0;
}

/* ---- the judgement ---- */

static bool any_cancelled(const SlurmPicture *p) {
        for (size_t i = 0; i < p->n; i++)
                if (streq(p->parts[i]->state, "CANCELLED"))
                        return true;
        return false;
}

static const SlurmRow *blamed_further(const SlurmFurther *further, size_t n, uint32_t *ret_job) {
        for (size_t i = 0; i < n; i++) {
                const SlurmRow *bad = blamed(&further[i].picture);

                if (bad) {
                        *ret_job = further[i].job;
                        return bad;
                }
        }
        return NULL;
}

static int fill_report(JobReport *ret, const SlurmPicture *p, const SlurmRow *row,
        const char *cause, cJSON *facts) {
        Sum s = sum_up(p);
        int r = strdup_to(&ret->cause, cause);

        if (r >= 0)
                r = strdup_to(&ret->state, row->state);
        if (r >= 0 && row->nodes[0])
                r = strdup_to(&ret->nodes, row->nodes);
        if (r >= 0 && cause && !(ret->reason = outcome_reason(cause, facts)))
                r = -ENOMEM;
        ret->ended = true;
        ret->started = s.start;
        ret->finished = s.end;
        return r;
}

int slurm_judge(const char *job_id, const SlurmPicture *p, const SlurmFurther *further,
        size_t n_further, bool cancelling, JobReport *ret) {
        const SlurmRow *bad = blamed(p), *worst = bad;
        const char *cause;
        uint32_t failed_job;
        int r;

        assert(p->n > 0 && p->parts[0]);
        r = build_facts(job_id, p, bad, further, n_further, &ret->facts);
        if (r < 0)
                return r;
        if (!worst && (worst = blamed_further(further, n_further, &failed_job))) {
                char id[16];

                snprintf(id, sizeof(id), "%u", failed_job);
                r = json_set_str(ret->facts, "failed_job", id);
                if (r < 0)
                        return r;
        }
        cause = worst ? slurm_cause(worst) : NULL;
        ret->outcome = worst ? OUTCOME_FAILED : OUTCOME_SUCCEEDED;
        if (worst && cancelling && (any_cancelled(p) || streq(worst->state, "CANCELLED"))) {
                ret->outcome = OUTCOME_CANCELLED;
                cause = CAUSE_CANCELLED;
        }
        return fill_report(ret, p, worst ? worst : p->parts[0], cause, ret->facts);
}
