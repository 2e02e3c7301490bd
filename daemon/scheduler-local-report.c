/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a local job's record means, in FlowCron's own words. Pure. Called by the daemon's side.
 */

#include "scheduler-local-internal.h"

#include <string.h>

#include "json.h"
#include "text.h"

#define VANISHED "the machine restarted, or the process that watched over the job was killed"

static const struct {
        UowOutcome outcome;
        const char *cause;
} meanings[_LOCAL_STATE_MAX] = {
        [LOCAL_COMPLETED] = { OUTCOME_SUCCEEDED, NULL },
        [LOCAL_FAILED] = { OUTCOME_FAILED, CAUSE_EXIT_CODE },
        [LOCAL_TIMEOUT] = { OUTCOME_FAILED, CAUSE_TIMEOUT },
        [LOCAL_CANCELLED] = { OUTCOME_CANCELLED, CAUSE_CANCELLED },
        [LOCAL_NODE_FAIL] = { OUTCOME_FAILED, CAUSE_NODE_FAIL },
};

static const char *cause_of(const LocalRecord *r) {
        if (r->state != LOCAL_FAILED)
                return meanings[r->state].cause;
        return r->note ? CAUSE_LAUNCH : r->signal > 0 ? CAUSE_SIGNAL : CAUSE_EXIT_CODE;
}

static int set_known(cJSON *o, const char *key, int64_t value) {
        return value >= 0 ? json_set_int(o, key, value) : 0;
}

static int set_span(cJSON *o, const char *key, usec_t from, usec_t to) {
        return from && to >= from ? json_set_int(o, key, (int64_t)((to - from) / USEC_PER_SEC)) : 0;
}

static cJSON *task_facts(const LocalRecord *r, const LocalTask *t) {
        _cleanup_json_ cJSON *o = cJSON_CreateObject();
        char id[48];

        snprintf(id, sizeof(id), "%" PRIu64 "_%" PRIu32, r->id, t->index);
        if (!o || json_set_str(o, "job_id", id) < 0 || json_set_int(o, "index", t->index) < 0 ||
                json_set_str(o, "state", local_state_to_string(t->state)) < 0 ||
                set_known(o, "exit_code", t->exit_code) < 0 ||
                set_known(o, "signal", t->signal) < 0 ||
                set_known(o, "elapsed_s", t->elapsed_s) < 0 ||
                set_known(o, "memory_used_bytes", t->memory) < 0)
                return NULL;
        return TAKE_PTR(o);
}

static int set_tasks(cJSON *o, const LocalRecord *r) {
        cJSON *tasks = cJSON_CreateArray();
        int k = json_set_item(o, "tasks", tasks);

        for (size_t i = 0; k >= 0 && i < r->n_tasks; i++) {
                cJSON *t = task_facts(r, &r->tasks[i]);

                if (!t)
                        return -ENOMEM;
                cJSON_AddItemToArray(tasks, t);
        }
        if (k >= 0)
                k = json_set_int(o, "task_count", (int64_t)r->task_count);
        return k >= 0 ? json_set_int(o, "tasks_failed", (int64_t)r->tasks_failed) : k;
}

static int set_times(cJSON *o, const LocalRecord *r) {
        usec_t start = r->started ? r->started : r->ended;
        int k = json_set_time(o, "submitted", r->submitted);

        if (k >= 0)
                k = json_set_time(o, "started", r->started);
        if (k >= 0)
                k = json_set_time(o, "ended", r->ended);
        if (k >= 0)
                k = set_span(o, "wait_s", r->submitted, start);
        if (k >= 0)
                k = set_span(o, "elapsed_s", r->started, r->ended);
        return k >= 0 && r->time_limit_s ? json_set_int(o, "time_limit_s", r->time_limit_s) : k;
}

static int set_use(cJSON *o, const LocalRecord *r) {
        int k = r->host ? json_set_name(o, "nodes", r->host) : 0;

        if (k >= 0 && r->host)
                k = json_set_int(o, "node_count", 1);
        if (k >= 0 && r->cpus)
                k = json_set_int(o, "cpus", r->cpus);
        if (k >= 0)
                k = set_known(o, "cpu_s", r->cpu_s);
        return k >= 0 ? set_known(o, "memory_used_bytes", r->memory) : k;
}

static cJSON *facts_of(const LocalRecord *r) {
        _cleanup_json_ cJSON *o = cJSON_CreateObject();
        char id[24];
        int k;

        snprintf(id, sizeof(id), "%" PRIu64, r->id);
        if (!o || json_set_str(o, "job_id", id) < 0 ||
                json_set_str(o, "state", local_state_to_string(r->state)) < 0 ||
                set_known(o, "exit_code", r->exit_code) < 0 ||
                set_known(o, "signal", r->signal) < 0)
                return NULL;
        k = set_times(o, r);
        if (k >= 0)
                k = set_use(o, r);
        if (k >= 0 && r->task_count)
                k = set_tasks(o, r);
        return k >= 0 ? TAKE_PTR(o) : NULL;
}

static char *reason_of(const LocalRecord *r, const char *cause, const cJSON *facts) {
        if (r->note)
                return text_printable(r->note, 200);
        return r->state == LOCAL_NODE_FAIL ? strdup(VANISHED) : outcome_reason(cause, facts);
}

static int set_end(const LocalRecord *r, JobReport *report) {
        const char *cause = cause_of(r);

        report->ended = true;
        report->outcome = meanings[r->state].outcome;
        report->finished = r->ended;
        report->facts = facts_of(r);
        if (!report->facts || strdup_to(&report->cause, cause) < 0)
                return -ENOMEM;
        if (!cause)
                return 0;
        report->reason = reason_of(r, cause, report->facts);
        return report->reason ? 0 : -ENOMEM;
}

int local_report(const LocalRecord *r, JobReport *ret) {
        JobReport report = { .ended = false,
                .phase = r->state == LOCAL_PENDING ? PHASE_PENDING : PHASE_RUNNING,
                .started = r->started };
        int k = strdup_to(&report.state, local_state_to_string(r->state));

        if (k >= 0 && r->host) {
                report.node_count = 1;
                report.nodes = text_escape(r->host);
                k = report.nodes ? 0 : -ENOMEM;
        }
        if (k >= 0 && local_state_ended(r->state))
                k = set_end(r, &report);
        if (k < 0) {
                job_report_done(&report);
                return k;
        }
        *ret = report;
        return 0;
}
