/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The one line that says how a job ended, made from cause and facts. The page-long form is in
 * outcome-explain.c.
 *
 * Knows no scheduler's words. Called by the schedulers' backends and by whoever shows a record
 * again.
 */

#include "outcome-internal.h"

#include <string.h>

/* Fits the status board and a line of `list`. */
#define REASON_MAX 200

void job_report_done(JobReport *r) {
        free(r->cause);
        free(r->reason);
        free(r->state);
        free(r->nodes);
        free(r->job_ids);
        cJSON_Delete(r->facts);
        memset(r, 0, sizeof(*r));
}

typedef struct SizeUnit {
        const char *name;
        double bytes;
} SizeUnit;

/* Sites and their users say GB and mean what the scheduler counts: 1024 to the power of three. */
static const SizeUnit size_units[] = {
        { "TB", 1024.0 * 1024 * 1024 * 1024 },
        { "GB", 1024.0 * 1024 * 1024 },
        { "MB", 1024.0 * 1024 },
        { "kB", 1024.0 },
};

static const SizeUnit *size_unit(uint64_t bytes) {
        static const SizeUnit byte = { "bytes", 1 };

        for (size_t i = 0; i < ELEMENTSOF(size_units); i++)
                if ((double)bytes >= size_units[i].bytes)
                        return &size_units[i];
        return &byte;
}

static void print_size(char *buf, size_t size, uint64_t bytes, const SizeUnit *unit) {
        double value = (double)bytes / unit->bytes, rest = value - (double)(int64_t)(value + 0.5);

        /* "46", "1.5", but not "1.0". */
        if (value < 9.95 && (rest >= 0.05 || rest <= -0.05))
                snprintf(buf, size, "%.1f", value);
        else
                snprintf(buf, size, "%.0f", value);
}

const char *outcome_size(char buf[static OUTCOME_SIZE_MAX], uint64_t bytes) {
        const SizeUnit *unit = size_unit(bytes);
        char number[OUTCOME_SIZE_MAX - 8];

        print_size(number, sizeof(number), bytes, unit);
        snprintf(buf, OUTCOME_SIZE_MAX, "%s %s", number, unit->name);
        return buf;
}

/* "46 of 47 GB", "900 MB of 1 GB" */
static const char *size_of(char *buf, size_t size, uint64_t used, uint64_t asked) {
        char u[OUTCOME_SIZE_MAX], a[OUTCOME_SIZE_MAX];
        const SizeUnit *unit = size_unit(asked);

        if (size_unit(used) == unit)
                print_size(u, sizeof(u), used, unit);
        else
                outcome_size(u, used);
        snprintf(buf, size, "%s of %s", u, outcome_size(a, asked));
        return buf;
}

const char *outcome_signal_name(int signo) {
        static const char *const names[] = {
                [1] = "SIGHUP",
                [2] = "SIGINT",
                [3] = "SIGQUIT",
                [4] = "SIGILL, an instruction that this processor does not have",
                [6] = "SIGABRT, the program stopped itself",
                [7] = "SIGBUS, a fault in memory or a file cut short",
                [8] = "SIGFPE, an arithmetic fault",
                [9] = "SIGKILL",
                [11] = "SIGSEGV, a fault in memory",
                [13] = "SIGPIPE",
                [15] = "SIGTERM",
                [24] = "SIGXCPU, over a limit on processor time",
                [25] = "SIGXFSZ, over a limit on file size",
        };

        return signo > 0 && (size_t)signo < ELEMENTSOF(names) ? names[signo] : NULL;
}

static const cJSON *entry_with(const cJSON *array, const char *key, const char *value) {
        const cJSON *item;

        cJSON_ArrayForEach(item, array)
                if (streq(json_str(item, key), value))
                        return item;
        return NULL;
}

const cJSON *outcome_subject(const cJSON *facts) {
        const char *further = facts ? json_str(facts, "failed_job") : NULL;
        const cJSON *tasks = facts ? json_array(facts, "tasks") : NULL;
        const cJSON *subject = NULL;

        if (further)
                subject = entry_with(json_array(facts, "further_jobs"), "job_id", further);
        else if (tasks)
                subject = tasks->child;
        return subject ? subject : facts;
}

int64_t outcome_fact(const cJSON *facts, const char *key) {
        const cJSON *subject = outcome_subject(facts);
        int64_t value = subject ? json_int(subject, key, -1) : -1;

        return value >= 0 || !facts ? value : json_int(facts, key, -1);
}

static void say_exit_code(char *buf, size_t size, const cJSON *facts) {
        int64_t code = outcome_fact(facts, "exit_code");
        const char *name = code > 128 && code < 192 ? outcome_signal_name((int)code - 128) : NULL;

        if (code < 0)
                snprintf(buf, size, "the script ended with an error");
        else if (name)
                snprintf(buf, size, "exit code %d (a program was killed by %s)", (int)code, name);
        else if (code == 127)
                snprintf(buf, size, "exit code 127 (a command was not found)");
        else if (code == 126)
                snprintf(buf, size, "exit code 126 (a command could not be executed)");
        else
                snprintf(buf, size, "exit code %d", (int)code);
}

static void say_signal(char *buf, size_t size, const cJSON *facts) {
        int64_t signo = outcome_fact(facts, "signal");
        const char *name = outcome_signal_name((int)signo);

        if (name)
                snprintf(buf, size, "killed by signal %d (%s)", (int)signo, name);
        else if (signo > 0)
                snprintf(buf, size, "killed by signal %d", (int)signo);
        else
                snprintf(buf, size, "killed by a signal");
}

static void say_timeout(char *buf, size_t size, const cJSON *facts) {
        int64_t limit = outcome_fact(facts, "time_limit_s");
        char words[CLOCK_TEXT_MAX];

        if (limit > 0)
                snprintf(buf, size, "over its time limit of %s",
                        duration_words(words, (usec_t)limit * USEC_PER_SEC));
        else
                snprintf(buf, size, "over its time limit");
}

bool outcome_memory_is_telling(const cJSON *facts) {
        int64_t used = outcome_fact(facts, "memory_used_bytes"),
                asked = outcome_fact(facts, "memory_requested_bytes");

        return used > 0 && asked > 0 && used >= asked / 10 * 7;
}

/*
 * Use is sampled now and then: a sudden rise is not in the figures, which must not say "used 2 of
 * 47 GB" then.
 */
static void say_memory(char *buf, size_t size, const cJSON *facts) {
        int64_t used = outcome_fact(facts, "memory_used_bytes"),
                asked = outcome_fact(facts, "memory_requested_bytes");
        char words[2 * OUTCOME_SIZE_MAX + 8];

        if (outcome_memory_is_telling(facts))
                snprintf(buf, size, "out of memory, used %s",
                        size_of(words, sizeof(words), (uint64_t)used, (uint64_t)asked));
        else if (asked > 0)
                snprintf(buf, size, "out of memory, needed more than the %s it asked for",
                        outcome_size(words, (uint64_t)asked));
        else
                snprintf(buf, size, "out of memory");
}

static void say_cancelled(char *buf, size_t size, const cJSON *facts) {
        const char *by = facts ? json_str(facts, "cancelled_by") : NULL;

        if (by)
                snprintf(buf, size, "cancelled outside FlowCron, by user %s", by);
        else
                snprintf(buf, size, "cancelled outside FlowCron");
}

static void say_node(char *buf, size_t size, const cJSON *facts) {
        const char *nodes = facts ? json_str(facts, "nodes") : NULL;

        if (nodes)
                snprintf(buf, size, "a compute node failed (%s)", nodes);
        else
                snprintf(buf, size, "a compute node failed");
}

static const struct {
        const char *cause;
        void (*say)(char *buf, size_t size, const cJSON *facts);
        const char *text;
} sayings[] = {
        { CAUSE_EXIT_CODE, say_exit_code, NULL },
        { CAUSE_SIGNAL, say_signal, NULL },
        { CAUSE_TIMEOUT, say_timeout, NULL },
        { CAUSE_OUT_OF_MEMORY, say_memory, NULL },
        { CAUSE_NODE_FAIL, say_node, NULL },
        { CAUSE_CANCELLED_OUTSIDE, say_cancelled, NULL },
        { CAUSE_PREEMPTED, NULL, "preempted by a job of higher priority" },
        { CAUSE_DEADLINE, NULL, "its deadline passed" },
        { CAUSE_CANCELLED, NULL, "cancelled by order" },
        { CAUSE_REQUEUE_HOLD, NULL, "put back into the queue and held" },
        { CAUSE_REVOKED, NULL, "taken over by another cluster" },
        { CAUSE_LAUNCH, NULL, "it could not be started on the compute node" },
        { CAUSE_LOST, NULL,
                "the scheduler no longer knows the job, and nothing tells how it ended" },
        { CAUSE_RULE, NULL, "it breaks a rule for Units of Work" },
        { CAUSE_REFUSED, NULL, "the scheduler refused it" },
};

static void say(char *buf, size_t size, const char *cause, const cJSON *facts) {
        const char *state = facts ? json_str(outcome_subject(facts), "state") : NULL;

        for (size_t i = 0; i < ELEMENTSOF(sayings); i++)
                if (streq(sayings[i].cause, cause)) {
                        if (sayings[i].say)
                                sayings[i].say(buf, size, facts);
                        else
                                snprintf(buf, size, "%s", sayings[i].text);
                        return;
                }
        snprintf(buf, size, "it ended as %s", state ? state : "failed");
}

/* "task 3 of 5: ", "2 of 5 tasks failed, task 3: ", "job 18 that it submitted: ", or nothing. */
static void say_part(char *buf, size_t size, const cJSON *facts) {
        const char *further = facts ? json_str(facts, "failed_job") : NULL, *id, *word;
        const cJSON *subject = outcome_subject(facts);
        int64_t count = facts ? json_int(facts, "task_count", 0) : 0, failed, index;

        buf[0] = 0;
        if (further)
                snprintf(buf, size, "job %s that it submitted: ", further);
        if (further || count < 2 || subject == facts)
                return;
        id = json_str(subject, "job_id");
        word = id && strchr(id, '+') ? "part" : "task";
        failed = json_int(facts, "tasks_failed", 1);
        index = json_int(subject, "index", 0);
        if (failed > 1)
                snprintf(buf, size, "%d of %d %ss failed, %s %d: ", (int)failed, (int)count, word,
                        word, (int)index);
        else
                snprintf(buf, size, "%s %d of %d: ", word, (int)index, (int)count);
}

char *outcome_reason(const char *cause, const cJSON *facts) {
        char part[128], what[256];
        _cleanup_free_ char *all = NULL;

        say_part(part, sizeof(part), facts);
        say(what, sizeof(what), cause, facts);
        what[utf8_cut(what, sizeof(what) - 1)] = 0;
        all = xasprintf("%s%s", part, what);
        return all ? text_printable(all, REASON_MAX) : NULL;
}
