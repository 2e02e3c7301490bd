/* SPDX-License-Identifier: Apache-2.0 */

/* When, how much, and which tasks. Whatever is not known is left out, never guessed. */

#include "report-internal.h"

#include <string.h>

#include "outcome.h"
#include "text.h"

#define TIME_COLUMNS 20
#define USE_COLUMNS 13

/* Of an array's tasks so many are named on the page. */
#define TASKS_SHOWN 10

static const char *seconds_words(char buf[static CLOCK_TEXT_MAX], int64_t s) {
        return duration_words(buf, (usec_t)s * USEC_PER_SEC);
}

static void put_time(Page *p, usec_t t, const char *what) {
        char when[CLOCK_TEXT_MAX];

        if (t > 0)
                page_row(p, TIME_COLUMNS, page_time(when, t), "%s", what);
}

static void put_submitted(Page *p, const cJSON *attempt) {
        int64_t deferrals = json_int(attempt, "deferrals", 0);
        char what[160];

        snprintf(what, sizeof(what), "put into the cluster's queue as job %.40s",
                json_str(attempt, "job_id") ?: "?");
        if (deferrals > 0)
                snprintf(what + strlen(what), sizeof(what) - strlen(what),
                        "; before, the cluster could not take it %d time%s", (int)deferrals,
                        deferrals == 1 ? "" : "s");
        put_time(p, json_time(attempt, "queued"), what);
}

static void put_started(Page *p, const cJSON *attempt) {
        int64_t wait = json_int(json_object(attempt, "job"), "wait_s", -1);
        const char *nodes = json_str(attempt, "nodes");
        char what[256], words[CLOCK_TEXT_MAX];

        snprintf(what, sizeof(what), "started%s%.120s", nodes ? " on " : "", nodes ?: "");
        if (wait >= 0)
                snprintf(what + strlen(what), sizeof(what) - strlen(what), ", after waiting %s",
                        seconds_words(words, wait));
        put_time(p, json_time(attempt, "started"), what);
}

static void put_ended(Page *p, const cJSON *attempt) {
        int64_t elapsed = json_int(json_object(attempt, "job"), "elapsed_s", -1);
        char what[128], words[CLOCK_TEXT_MAX];

        if (elapsed >= 0)
                snprintf(what, sizeof(what), "ended, after running %s",
                        seconds_words(words, elapsed));
        else
                snprintf(what, sizeof(what), "ended");
        put_time(p, json_time(attempt, "ended"), what);
}

static void put_attempt(Page *p, const cJSON *attempt) {
        const char *reason = json_str(attempt, "reason"), *outcome = json_str(attempt, "outcome");

        if (outcome)
                page_point(p, "attempt %d: %s%s%s", (int)json_int(attempt, "attempt", 0), outcome,
                        reason ? ", " : "", reason ?: "");
        else
                page_point(p, "attempt %d: %s; it was tried again by itself",
                        (int)json_int(attempt, "attempt", 0), reason ?: "ended without success");
}

static void put_earlier_attempts(Page *p, const cJSON *record) {
        const cJSON *attempts = json_array(record, "attempts"), *attempt;

        if (cJSON_GetArraySize(attempts) < 2)
                return;
        page_gap(p);
        page_paragraph(p, "These are the times of the last attempt. The ones before:");
        cJSON_ArrayForEach(attempt, attempts)
                if (attempt->next)
                        put_attempt(p, attempt);
}

void report_put_times(Page *p, const cJSON *record) {
        const cJSON *attempt = report_last_attempt(record);
        usec_t finished = json_time(record, "finished");
        char heading[80], zone[CLOCK_TEXT_MAX];

        snprintf(heading, sizeof(heading), "When (times of the cluster, %s)",
                page_zone(zone, finished));
        page_heading(p, heading);
        put_time(p, json_time(record, "created"), "the upload was complete");
        if (report_ran(record)) {
                put_submitted(p, attempt);
                put_started(p, attempt);
                put_ended(p, attempt);
        }
        put_time(p, finished,
                report_ran(record) ? "the results were filed" : "this report was written");
        put_earlier_attempts(p, record);
}

static int percent(int64_t part, int64_t whole) {
        return whole > 0 ? (int)((double)part * 100 / (double)whole + 0.5) : 0;
}

static void put_run_time(Page *p, const cJSON *job) {
        int64_t elapsed = json_int(job, "elapsed_s", -1), limit = json_int(job, "time_limit_s", -1);
        char used[CLOCK_TEXT_MAX], allowed[CLOCK_TEXT_MAX];

        if (elapsed < 0)
                return;
        if (limit > 0)
                page_row(p, USE_COLUMNS, "Time", "%s of the %s it was allowed (%d %%)",
                        seconds_words(used, elapsed), seconds_words(allowed, limit),
                        percent(elapsed, limit));
        else
                page_row(p, USE_COLUMNS, "Time", "%s", seconds_words(used, elapsed));
}

static void put_processors(Page *p, const cJSON *job) {
        int64_t cpus = json_int(job, "cpus", 0), used = json_int(job, "cpu_s", -1),
                elapsed = json_int(job, "elapsed_s", 0);
        int64_t nodes = json_int(job, "node_count", 0);
        char words[CLOCK_TEXT_MAX], where[48] = "";

        if (cpus <= 0)
                return;
        if (nodes > 0)
                snprintf(where, sizeof(where), " on %d node%s", (int)nodes, nodes == 1 ? "" : "s");
        if (used >= 0 && elapsed > 0)
                page_row(p, USE_COLUMNS, "Processors", "%d%s, busy for %s together (%d %%)",
                        (int)cpus, where, seconds_words(words, used),
                        percent(used, cpus * elapsed));
        else
                page_row(p, USE_COLUMNS, "Processors", "%d%s", (int)cpus, where);
}

static void put_memory(Page *p, const cJSON *job) {
        int64_t used = json_int(job, "memory_used_bytes", -1),
                asked = json_int(job, "memory_requested_bytes", -1);
        char u[OUTCOME_SIZE_MAX], a[OUTCOME_SIZE_MAX];

        if (used >= 0 && asked > 0)
                page_row(p, USE_COLUMNS, "Memory", "%s of the %s it was given (%d %%)",
                        outcome_size(u, (uint64_t)used), outcome_size(a, (uint64_t)asked),
                        percent(used, asked));
        else if (used >= 0)
                page_row(p, USE_COLUMNS, "Memory", "%s", outcome_size(u, (uint64_t)used));
        else if (asked > 0)
                page_row(p, USE_COLUMNS, "Memory", "%s given; what it used is not known",
                        outcome_size(a, (uint64_t)asked));
}

void report_put_use(Page *p, const cJSON *record) {
        const cJSON *job = json_object(report_last_attempt(record), "job");

        if (json_int(job, "elapsed_s", -1) < 0 && json_int(job, "cpus", 0) <= 0 &&
                json_int(job, "memory_used_bytes", -1) < 0)
                return;
        page_heading(p, "What it used");
        put_run_time(p, job);
        put_processors(p, job);
        put_memory(p, job);
}

/* "exit code 1", "killed by signal 9", "OUT_OF_MEMORY" */
const char *report_part_words(char buf[static REPORT_PART_MAX], const cJSON *part) {
        int64_t code = json_int(part, "exit_code", 0), signo = json_int(part, "signal", 0);
        const char *state = json_str(part, "state");

        if (code > 0)
                snprintf(buf, REPORT_PART_MAX, "exit code %d", (int)code);
        else if (signo > 0)
                snprintf(buf, REPORT_PART_MAX, "killed by signal %d", (int)signo);
        else
                snprintf(buf, REPORT_PART_MAX, "%.40s", state ?: "failed");
        if ((code > 0 || signo > 0) && state && !streq(state, "FAILED"))
                snprintf(buf + strlen(buf), REPORT_PART_MAX - strlen(buf), " (%.40s)", state);
        return buf;
}

static void put_task(Page *p, const cJSON *task, const char *word) {
        char words[REPORT_PART_MAX];
        const char *id = json_str(task, "job_id");

        page_point(p, "%s %d%s%s: %s", word, (int)json_int(task, "index", 0), id ? ", job " : "",
                id ?: "", report_part_words(words, task));
}

void report_put_tasks(Page *p, const cJSON *record) {
        const cJSON *job = json_object(report_last_attempt(record), "job"),
                    *tasks = json_array(job, "tasks"), *task;
        int64_t count = json_int(job, "task_count", 0), failed = json_int(job, "tasks_failed", 0);
        const char *first = tasks ? json_str(tasks->child, "job_id") : NULL;
        const char *word = first && strchr(first, '+') ? "part" : "task";
        int shown = 0;

        if (count < 2 || failed < 1 || !tasks || !tasks->child)
                return;
        page_gap(p);
        page_paragraph(p, "The job had %d %ss. %d of them did not succeed:", (int)count, word,
                (int)failed);
        page_gap(p);
        cJSON_ArrayForEach(task, tasks) {
                if (shown == TASKS_SHOWN)
                        break;
                put_task(p, task, word);
                shown++;
        }
        if (failed > shown)
                page_point(p, "and %d more", (int)failed - shown);
}
