/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The rules of a job's life, the same whether it really runs or is only told to have run. All of
 * it works under the state's lock.
 */
#include "standin.h"

#include <signal.h>
#include <string.h>

void job_set_state(Job *j, JobState s, int64_t when) {
        uint32_t weight = j->kind == JK_ARRAY ? tasks_count(j->tasks) : 1;

        if (state_over(s) && !state_over(j->state)) {
                db->unfinished -= weight;
                j->end_ms = when;
        }
        j->state = s;
}

static void start_one(Job *j, int64_t when) {
        if (j->state != JOB_PENDING)
                return;
        j->start_ms = when;
        j->flags |= JF_EVER_STARTED;
        str_set(j, JS_NODES, node_name());
        str_set(j, JS_REASON, "None");
        job_set_state(j, JOB_RUNNING, when);
}

/* A heterogeneous job's parts start and end as one. */
#define FOR_EACH_PART(part, j)                                                       \
        for (Job *part = (j)->kind == JK_HET ? job_at((j)->family_head) : (j); part; \
                part = (j)->kind == JK_HET ? job_at(part->family_next) : NULL)

void job_start(Job *j, int64_t when) {
        FOR_EACH_PART(part, j)
        start_one(part, when);
}

static const char *end_reason(JobState s, int code, int sig) {
        if (s == JOB_FAILED)
                return sig && !code ? "JobLaunchFailure" : "NonZeroExitCode";
        return s == JOB_TIMEOUT ? "TimeLimit" : s == JOB_OUT_OF_MEMORY ? "OutOfMemory" : "None";
}

void job_end(Job *j, JobState s, int code, int sig, int64_t when) {
        FOR_EACH_PART(part, j) {
                if (state_over(part->state))
                        continue;
                if (!part->start_ms)
                        part->start_ms = when;
                part->exit_code = code;
                part->exit_signal = sig;
                str_set(part, JS_REASON, end_reason(s, code, sig));
                job_set_state(part, s, when);
        }
}

static void cancel_one(Job *j, uint32_t uid) {
        int64_t now = now_ms();

        if (state_over(j->state))
                return;
        j->cancel_uid = uid;
        if (j->state == JOB_PENDING)
                j->start_ms = now;
        if (j->runner && j->state != JOB_PENDING) {
                j->flags |= JF_COMPLETING;
                j->exit_signal = SIGTERM;
        }
        job_set_state(j, JOB_CANCELLED, now);
        runner_signal(j, 0);
        truth_change(j, "cancel");
}

/* Tasks that have not started vanish without a row when others remain; so it is in Slurm. */
static bool cancel_tasks(Job *j, const uint64_t *tasks) {
        uint64_t rest[ARRAY_TASKS_MAX / 64];
        uint32_t before = tasks_count(j->tasks), after;

        for (size_t i = 0; i < ARRAY_TASKS_MAX / 64; i++)
                rest[i] = j->tasks[i] & ~tasks[i];
        after = tasks_count(rest);
        if (!after)
                return false;
        memcpy(j->tasks, rest, sizeof(rest));
        db->unfinished -= before - after;
        truth_change(j, "cancel-tasks");
        return true;
}

void job_cancel(Job *j, uint32_t uid, const uint64_t *tasks) {
        if (j->kind == JK_ARRAY && tasks && !state_over(j->state) && cancel_tasks(j, tasks))
                return;
        FOR_EACH_PART(part, j)
        cancel_one(part, uid);
}

Job *job_split(Job *array, uint32_t task) {
        Job *j;

        if (array->kind != JK_ARRAY || !task_in(array->tasks, task))
                return NULL;
        if (tasks_count(array->tasks) == 1) {
                array->kind = JK_TASK;
                array->task = task;
                return array;
        }
        j = db_new_job(db->next_id++);
        uint32_t index = j->index, id = j->id;

        *j = *array;
        j->index = index;
        j->id = id;
        j->kind = JK_TASK;
        j->task = task;
        j->active_next = 0;
        memset(j->tasks, 0, sizeof(j->tasks));
        array->tasks[task / 64] &= ~((uint64_t)1 << (task % 64));
        db->unfinished--; /* the new record brings it back */
        db_commit_job(j);
        db_family_add(job_at(array->family_head), j);
        return j;
}

static void end_life(Job *j, int64_t now) {
        if (j->runner && !state_over(j->state))
                j->flags |= JF_COMPLETING;
        if (state_over(j->state))
                j->end_ms = now;
        job_set_state(j, JOB_REQUEUED, now);
        runner_signal(j, 0);
}

Job *job_requeue(Job *j, bool held) {
        int64_t now = now_ms(), delay = knob_int("requeue_delay_ms", 0);
        Job *n = db_new_job(j->id);
        uint32_t index = n->index;

        *n = *j;
        n->index = index;
        n->state = JOB_PENDING;
        n->flags = (j->flags & JF_APPEND) | (held ? JF_HELD : 0);
        n->submit_ms = now;
        n->eligible_ms = held ? 0 : now + delay;
        n->start_ms = n->end_ms = 0;
        n->restarts++;
        n->runner = n->session = 0;
        n->exit_code = n->exit_signal = n->derived_code = 0;
        n->active_next = n->family_next = 0;
        n->str[JS_NODES] = n->str[JS_STEPS] = 0;
        n->wait_for = j->runner ? j->index : 0;
        str_set(n, JS_REASON, held ? "JobHeldUser" : delay ? "BeginTime" : "None");
        if (held)
                str_set(n, JS_REASON, "job requeued in held state");
        end_life(j, now);
        db_commit_job(n);
        if (j->family_head)
                db_family_add(job_at(j->family_head), n);
        truth_change(n, "requeue");
        return n;
}

void job_hold(Job *j, bool admin) {
        if (j->state != JOB_PENDING)
                return;
        j->flags |= admin ? JF_HELD_ADMIN | JF_HELD : JF_HELD;
        j->eligible_ms = 0;
        str_set(j, JS_REASON, admin ? "JobHeldAdmin" : "JobHeldUser");
        truth_change(j, "hold");
}

void job_release(Job *j) {
        FOR_EACH_PART(part, j) {
                if (part->state != JOB_PENDING || !(part->flags & JF_HELD))
                        continue;
                part->flags &= ~(uint32_t)(JF_HELD | JF_HELD_ADMIN);
                part->eligible_ms = now_ms();
                str_set(part, JS_REASON, "None");
                truth_change(part, "release");
        }
}

bool job_forgotten(const Job *j) {
        return state_over(j->state) && !(j->flags & JF_COMPLETING) &&
                now_ms() - j->end_ms > knob_int("min_job_age_ms", 300000);
}

static void autocomplete(Job *j, int64_t after, int64_t now) {
        int64_t start = j->eligible_ms + knob_int("start_delay_ms", 0), end = start + after;
        const char *word = knob("autocomplete_state", "COMPLETED");
        int s = state_parse(word, strlen(word));

        if (s < 0 || state_over(j->state) || j->flags & JF_HELD || !j->eligible_ms || now < start)
                return;
        for (uint32_t t = 0; j->kind == JK_ARRAY && t < ARRAY_TASKS_MAX; t++)
                job_split(j, t);
        if (j->state == JOB_PENDING)
                job_start(j, start);
        if (now >= end)
                job_end(j, (JobState)s, s == JOB_FAILED, 0, end);
}

void jobs_settle(void) {
        bool norun = !strcmp(knob("mode", "run"), "norun");
        int64_t after = norun ? knob_int("autocomplete_ms", -1) : -1, now = now_ms();
        uint32_t before = 0;
        Job *next;

        for (Job *j = job_at(db->active_head); j; j = next) {
                if (after >= 0)
                        autocomplete(j, after, now);
                run_check(j);
                next = job_at(j->active_next);
                if (job_forgotten(j))
                        db_unlink_active(before, j);
                else
                        before = j->index;
        }
        schedule();
}
