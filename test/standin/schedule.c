/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Which jobs may start, and what they find when they do: environment and names of output files.
 */
#include "run.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- scheduling ---- */

static int one_dependency(const char *kind, size_t len, uint32_t id) {
        const Job *d = db_find(id);

        if (!strncmp(kind, "after", len))
                return !d || d->state != JOB_PENDING;
        if (d && !state_over(d->state))
                return 0;
        if (!strncmp(kind, "afterany", len))
                return 1;
        if (!strncmp(kind, "afternotok", len))
                return d && d->state != JOB_COMPLETED ? 1 : -1;
        return !d || d->state == JOB_COMPLETED ? 1 : -1;
}

/* 1 satisfied, 0 not yet, -1 never */
static int dependency(const Job *j) {
        int result = 1;

        for (const char *p = str_get(j, JS_DEPEND); *p;) {
                const char *colon = strchr(p, ':');
                size_t kind = colon ? (size_t)(colon - p) : 0;
                char *end = (char *)colon;

                while (end && *end == ':') {
                        int one = one_dependency(p, kind, (uint32_t)strtoul(end + 1, &end, 10));

                        if (one <= 0 && result >= 0)
                                result = one;
                }
                if (!end || !*end)
                        break;
                p = end + 1;
        }
        return result;
}

static uint32_t launched_of(uint32_t group) {
        uint32_t n = 0;

        for (Job *j = job_at(db->active_head); j; j = job_at(j->active_next))
                if (j->flags & JF_LAUNCHED && j->runner && (!group || j->group_id == group))
                        n++;
        return n;
}

static const char *why_not(const Job *j) {
        int64_t slots = knob_int("max_running", 0);
        int dep = *str_get(j, JS_DEPEND) ? dependency(j) : 1;
        const Job *earlier = job_at(j->wait_for);

        if (j->flags & JF_HELD)
                return str_get(j, JS_REASON);
        if (dep <= 0)
                return dep ? "DependencyNeverSatisfied" : "Dependency";
        if (!strcmp(knob("partition_state", "up"), "down"))
                return "PartitionDown";
        if (earlier && earlier->runner)
                return "BeginTime";
        if (j->throttle && launched_of(j->group_id) >= j->throttle)
                return "JobArrayTaskLimit";
        if (slots && (int64_t)launched_of(0) >= slots)
                return "Resources";
        return NULL;
}

/* Launches the job, or tasks of the array until something is in the way. */
static void try_launch(Job *j) {
        for (uint32_t t = 0;; t++) {
                const char *reason = why_not(j);
                bool array = j->kind == JK_ARRAY;
                Job *task = j;

                if (reason) {
                        str_set(j, JS_REASON, reason);
                        return;
                }
                while (array && !task_in(j->tasks, t))
                        t++;
                if (array)
                        task = job_split(j, t);
                if (!task->eligible_ms)
                        task->eligible_ms = now_ms();
                run_launch(task);
                if (!array || task == j)
                        return;
        }
}

void schedule(void) {
        if (!strcmp(knob("mode", "run"), "norun"))
                return;
        for (Job *j = job_at(db->active_head); j; j = job_at(j->active_next))
                if (j->state == JOB_PENDING && !(j->flags & (JF_LAUNCHED | JF_OTHERS)) &&
                        !(j->kind == JK_HET && j->task))
                        try_launch(j);
}

/* ---- what the script finds ---- */

typedef struct Env {
        char **v;
        size_t n, cap;
} Env;

static void env_add(Env *e, const char *name, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));

static void env_add(Env *e, const char *name, const char *fmt, ...) {
        Text t = {};
        char *value = NULL;
        va_list ap;

        va_start(ap, fmt);
        if (vasprintf(&value, fmt, ap) < 0)
                die(99, "standin: out of memory");
        va_end(ap);
        text_addf(&t, "%s=", name);
        text_add(&t, value);
        free(value);
        if (e->n + 2 > e->cap) {
                e->cap = e->cap * 2 + 64;
                e->v = realloc(e->v, e->cap * sizeof(*e->v));
                if (!e->v)
                        die(99, "standin: out of memory");
        }
        e->v[e->n++] = t.s;
        e->v[e->n] = NULL;
}

static void add_array(Env *e, const Job *j) {
        env_add(e, "SLURM_ARRAY_JOB_ID", "%u", j->group_id);
        env_add(e, "SLURM_ARRAY_TASK_ID", "%u", j->task);
        env_add(e, "SLURM_ARRAY_TASK_COUNT", "%u", j->task_count);
        env_add(e, "SLURM_ARRAY_TASK_MIN", "%u", j->task_min);
        env_add(e, "SLURM_ARRAY_TASK_MAX", "%u", j->task_max);
        env_add(e, "SLURM_ARRAY_TASK_STEP", "%u", j->task_step);
}

static void add_slurm(Env *e, const Job *j) {
        env_add(e, "SLURM_JOB_ID", "%u", j->id);
        env_add(e, "SLURM_JOBID", "%u", j->id);
        env_add(e, "SLURM_JOB_NAME", "%s", str_get(j, JS_NAME));
        env_add(e, "SLURM_JOB_PARTITION", "%s", str_get(j, JS_PARTITION));
        env_add(e, "SLURM_JOB_ACCOUNT", "%s", str_get(j, JS_ACCOUNT));
        env_add(e, "SLURM_JOB_QOS", "%s", str_get(j, JS_QOS));
        env_add(e, "SLURM_JOB_UID", "%u", j->uid);
        env_add(e, "SLURM_JOB_USER", "%s", user_name(j->uid));
        env_add(e, "SLURM_JOB_NUM_NODES", "%u", j->nodes);
        env_add(e, "SLURM_NNODES", "%u", j->nodes);
        env_add(e, "SLURM_JOB_NODELIST", "%s", node_name());
        env_add(e, "SLURM_NODELIST", "%s", node_name());
        env_add(e, "SLURMD_NODENAME", "%s", node_name());
        env_add(e, "SLURM_CPUS_ON_NODE", "%u", j->cpus);
        env_add(e, "SLURM_JOB_CPUS_PER_NODE", "%u", j->cpus);
        env_add(e, "SLURM_CLUSTER_NAME", "%s", knob("cluster", "standin"));
        env_add(e, "SLURM_SUBMIT_DIR", "%s", str_get(j, JS_SUBMIT_DIR));
        env_add(e, "SLURM_SUBMIT_HOST", "%s", node_name());
        env_add(e, "SLURM_PROCID", "0");
        env_add(e, "SLURM_NODEID", "0");
        if (j->restarts)
                env_add(e, "SLURM_RESTART_COUNT", "%u", j->restarts);
        if (j->kind == JK_TASK)
                add_array(e, j);
        if (j->kind == JK_HET)
                env_add(e, "SLURM_HET_SIZE", "%u", j->task_count);
}

char **run_environment(const Job *j) {
        size_t size = 0;
        char *data = read_whole(state_path("spool/%u/env", j->spool_id), &size);
        Env e = {};

        for (char *p = data; p && p < data + size; p += strlen(p) + 1) {
                char *eq = strchr(p, '=');

                if (!eq)
                        continue;
                *eq = 0;
                env_add(&e, p, "%s", eq + 1);
                p = eq + 1;
        }
        add_slurm(&e, j);
        free(data);
        return e.v;
}

static void expand_one(Text *t, const Job *j, char c, int width) {
        uint32_t array = j->group_id && j->kind != JK_HET ? j->group_id : j->id;

        if (c == 'j' || c == 'J')
                text_addf(t, "%0*u", width, j->id);
        else if (c == 'A')
                text_addf(t, "%0*u", width, array);
        else if (c == 'a')
                text_addf(t, "%0*u", width, j->task == NO_VALUE ? NO_VALUE - 1 : j->task);
        else if (c == 'N')
                text_add(t, node_name());
        else if (c == 'n' || c == 't')
                text_addf(t, "%0*d", width, 0);
        else if (c == 'u')
                text_add(t, user_name(j->uid));
        else if (c == 'x')
                text_add(t, str_get(j, JS_NAME));
        else if (c == '%')
                text_add(t, "%");
        else
                text_addf(t, "%%%c", c);
}

void expand_output(Text *t, const Job *j, const char *pattern) {
        if (*pattern != '/') {
                text_add(t, str_get(j, JS_WORKDIR));
                text_add(t, "/");
        }
        for (const char *p = pattern; *p; p++) {
                int width = 0;

                if (*p != '%' || !p[1]) {
                        text_add_bytes(t, p, 1);
                        continue;
                }
                while (isdigit((unsigned char)p[1]) && width < 10)
                        width = width * 10 + (*++p - '0');
                if (!p[1])
                        break;
                expand_one(t, j, *++p, width > 10 ? 10 : width);
        }
}
