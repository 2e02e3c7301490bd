/* SPDX-License-Identifier: Apache-2.0 */

/*
 * sacct's columns, and the past as the accounting knows it. What 22.05.8 prints for each kind of
 * row was read off a real one.
 */
#include "sacct.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

View sacct_view(const Job *j, int64_t when) {
        View v = { .visible = j->created_ms <= when, .state = JOB_PENDING };

        if (state_over(j->state) && j->end_ms <= when) {
                v.state = (JobState)j->state;
                v.start_ms = j->start_ms ? j->start_ms : j->end_ms;
                v.end_ms = j->end_ms;
        } else if (j->start_ms && j->start_ms <= when && *str_get(j, JS_NODES)) {
                v.state = j->state == JOB_SUSPENDED ? JOB_SUSPENDED : JOB_RUNNING;
                v.start_ms = j->start_ms;
        }
        return v;
}

static bool started(const Row *r) {
        return r->v.start_ms && *str_get(r->j, JS_NODES);
}

static int64_t elapsed(const Row *r) {
        if (!r->v.start_ms)
                return 0;
        return ((r->v.end_ms ? r->v.end_ms : now_ms()) - r->v.start_ms) / 1000;
}

static size_t utf8_length(const char *s) {
        unsigned char c = (unsigned char)*s;
        size_t n = c < 0x80             ? 1
                : c >= 0xc2 && c < 0xe0 ? 2
                : c >= 0xe0 && c < 0xf0 ? 3
                : c >= 0xf0 && c < 0xf5 ? 4
                                        : 0;

        for (size_t i = 1; i < n; i++)
                if (((unsigned char)s[i] & 0xc0) != 0x80)
                        return 0;
        return n;
}

/* The database keeps UTF-8 alone; names and folders also lose their double quotes. */
static void add_stored(Text *t, const char *s, bool no_quotes) {
        while (*s) {
                size_t n = utf8_length(s);

                if (!n)
                        text_add(t, "?");
                else if (*s == '"' && no_quotes)
                        text_add(t, "`");
                else
                        text_add_bytes(t, s, n);
                s += n ? n : 1;
        }
}

static void add_suffix(Text *t, const Row *r) {
        if (r->kind == ROW_BATCH)
                text_add(t, ".batch");
        else if (r->kind == ROW_EXTERN)
                text_add(t, ".extern");
        else if (r->kind == ROW_STEP)
                text_addf(t, ".%d", r->step);
}

static void w_job_id(Text *t, const Row *r) {
        text_add(t, job_name_id(r->j));
        add_suffix(t, r);
}

static void w_job_id_raw(Text *t, const Row *r) {
        text_addf(t, "%u", r->j->id);
        add_suffix(t, r);
}

static void w_name(Text *t, const Row *r) {
        if (r->kind == ROW_JOB)
                add_stored(t, str_get(r->j, JS_NAME), true);
        else
                text_add(t,
                        r->kind == ROW_BATCH          ? "batch"
                                : r->kind == ROW_STEP ? r->step_name
                                                      : "extern");
}

static bool killed(const Row *r) {
        JobState s = r->v.state;

        return s == JOB_CANCELLED || s == JOB_TIMEOUT || s == JOB_REQUEUED || s == JOB_PREEMPTED ||
                s == JOB_NODE_FAIL || s == JOB_DEADLINE || (s == JOB_FAILED && r->j->exit_signal);
}

static void w_state(Text *t, const Row *r) {
        if (r->kind == ROW_JOB && r->v.state == JOB_CANCELLED)
                text_addf(t, "CANCELLED by %u", r->j->cancel_uid);
        else if (r->kind == ROW_STEP)
                text_add(t, r->step_code ? "FAILED" : "COMPLETED");
        else if (r->kind == ROW_EXTERN && r->v.end_ms)
                text_add(t, "COMPLETED");
        else if (r->kind == ROW_BATCH && killed(r))
                text_add(t, "CANCELLED");
        else
                text_add(t, state_names[r->v.state]);
}

static void w_exit_code(Text *t, const Row *r) {
        int sig = r->j->exit_signal;

        if (!r->v.end_ms || r->kind == ROW_EXTERN)
                text_add(t, "0:0");
        else if (r->kind == ROW_STEP)
                text_addf(t, "%d:0", r->step_code);
        else if (r->kind == ROW_JOB && r->v.state == JOB_CANCELLED)
                text_add(t, "0:0");
        else if (r->kind == ROW_BATCH && killed(r))
                text_addf(t, "0:%d", sig ? sig : SIGTERM);
        else
                text_addf(t, "%d:%d", r->j->exit_code, sig);
}

static void w_derived(Text *t, const Row *r) {
        if (r->kind == ROW_JOB)
                text_addf(t, "%d:0", r->v.end_ms ? r->j->derived_code : 0);
}

static void w_submit(Text *t, const Row *r) {
        text_add(t, time_iso(r->kind == ROW_JOB ? r->j->submit_ms : r->v.start_ms, "Unknown"));
}

static void w_eligible(Text *t, const Row *r) {
        if (r->kind == ROW_JOB)
                text_add(t, time_iso(r->j->eligible_ms, "Unknown"));
}

static void w_start(Text *t, const Row *r) {
        text_add(t, time_iso(r->v.start_ms, "Unknown"));
}

static void w_end(Text *t, const Row *r) {
        text_add(t, time_iso(r->v.end_ms, "Unknown"));
}

static void w_elapsed(Text *t, const Row *r) {
        text_add(t, span_long(elapsed(r)));
}

static void w_elapsed_raw(Text *t, const Row *r) {
        text_addf(t, "%lld", (long long)elapsed(r));
}

static const char *no_limit(const Row *r) {
        return started(r) ? "UNLIMITED" : "Partition_Limit";
}

static void w_limit(Text *t, const Row *r) {
        if (r->kind == ROW_JOB)
                text_add(t,
                        r->j->limit_min ? span_long((int64_t)r->j->limit_min * 60) : no_limit(r));
}

static void w_limit_raw(Text *t, const Row *r) {
        if (r->kind != ROW_JOB)
                return;
        if (r->j->limit_min)
                text_addf(t, "%u", r->j->limit_min);
        else
                text_add(t, no_limit(r));
}

static void w_nodes(Text *t, const Row *r) {
        text_add(t, started(r) ? str_get(r->j, JS_NODES) : "None assigned");
}

static void w_n_nodes(Text *t, const Row *r) {
        text_addf(t, "%u", r->j->nodes);
}

static void w_cpus(Text *t, const Row *r) {
        text_addf(t, "%u", r->j->cpus);
}

static void w_alloc_tres(Text *t, const Row *r) {
        if (!started(r))
                return;
        if (r->kind == ROW_JOB)
                text_addf(t, "billing=%u,cpu=%u,node=%u", r->j->cpus, r->j->cpus, r->j->nodes);
        else
                text_addf(t, "cpu=%u,mem=0,node=%u", r->j->cpus, r->j->nodes);
}

static void w_req_mem(Text *t, const Row *r) {
        const char *mem = str_get(r->j, JS_MEM);
        char *unit;
        unsigned long long n = strtoull(mem, &unit, 10);
        char u = *unit ? *unit & ~0x20 : 'M';

        if (r->kind != ROW_JOB)
                return;
        while (n && n % 1024 == 0 && strchr("KMG", u)) {
                n /= 1024;
                u = u == 'K' ? 'M' : u == 'M' ? 'G' : 'T';
        }
        if (*mem)
                text_addf(t, "%llu%c", n, u);
        else
                text_add(t, "1M");
}

static void w_max_rss(Text *t, const Row *r) {
        if (r->kind != ROW_JOB && r->kind != ROW_EXTERN && r->v.end_ms && r->j->max_rss_kb)
                text_addf(t, "%uK", r->j->max_rss_kb);
}

/* As sacct writes it, but for the parts that nobody here measures. */
static void w_usage(Text *t, const Row *r) {
        if (r->kind != ROW_JOB && r->kind != ROW_EXTERN && r->v.end_ms && r->j->max_rss_kb)
                text_addf(t, "cpu=%s,energy=0,mem=%uK,pages=0,vmem=%uK",
                        span_long(r->j->cpu_ms / 1000), r->j->max_rss_kb, r->j->max_rss_kb);
}

static void w_total_cpu(Text *t, const Row *r) {
        uint32_t ms = r->j->cpu_ms;

        if (r->v.end_ms && started(r))
                text_addf(t, "%02u:%02u.%03u", ms / 60000, ms / 1000 % 60, ms % 1000);
        else
                text_add(t, "00:00:00");
}

static void w_cpu_raw(Text *t, const Row *r) {
        text_addf(t, "%lld", started(r) ? (long long)elapsed(r) * r->j->cpus : 0);
}

static void w_cpu(Text *t, const Row *r) {
        text_add(t, span_long(started(r) ? elapsed(r) * r->j->cpus : 0));
}

static void w_work_dir(Text *t, const Row *r) {
        if (r->kind == ROW_JOB)
                add_stored(t, str_get(r->j, JS_WORKDIR), true);
}

/* Only with AccountingStoreFlags=job_comment, and only once the job is over. */
static void w_comment(Text *t, const Row *r) {
        if (r->kind == ROW_JOB && r->v.end_ms && knob_int("store_comment", 1))
                add_stored(t, str_get(r->j, JS_COMMENT), false);
}

static void w_submit_line(Text *t, const Row *r) {
        if (r->kind == ROW_JOB)
                add_stored(t, str_get(r->j, JS_SUBMIT_LINE), false);
}

/* The database has the reason that a job waited for, and no word of how it ended. */
static void w_reason(Text *t, const Row *r) {
        if (r->kind == ROW_JOB)
                text_add(t, r->v.start_ms ? "None" : str_get(r->j, JS_REASON));
}

static void w_user(Text *t, const Row *r) {
        if (r->kind == ROW_JOB)
                text_add(t, user_name(r->j->uid));
}

static void w_uid(Text *t, const Row *r) {
        if (r->kind == ROW_JOB)
                text_addf(t, "%u", r->j->uid);
}

static void w_account(Text *t, const Row *r) {
        text_add(t, str_get(r->j, JS_ACCOUNT));
}

static void w_partition(Text *t, const Row *r) {
        if (r->kind == ROW_JOB)
                text_add(t, str_get(r->j, JS_PARTITION));
}

static void w_qos(Text *t, const Row *r) {
        if (r->kind == ROW_JOB)
                text_add(t, str_get(r->j, JS_QOS));
}

static void w_cluster(Text *t, const Row *r) {
        (void)r;
        text_add(t, knob("cluster", "standin"));
}

static void w_restarts(Text *t, const Row *r) {
        if (r->kind == ROW_JOB)
                text_addf(t, "%u", r->j->restarts);
}

static const Column columns[] = {
        { "Account", 10, false, w_account },
        { "AllocCPUS", 10, false, w_cpus },
        { "AllocNodes", 10, false, w_n_nodes },
        { "AllocTRES", 10, false, w_alloc_tres },
        { "Cluster", 10, false, w_cluster },
        { "Comment", 14, false, w_comment },
        { "CPUTime", 10, false, w_cpu },
        { "CPUTimeRAW", 10, false, w_cpu_raw },
        { "DerivedExitCode", 15, false, w_derived },
        { "Elapsed", 10, false, w_elapsed },
        { "ElapsedRaw", 10, false, w_elapsed_raw },
        { "Eligible", 19, false, w_eligible },
        { "End", 19, false, w_end },
        { "ExitCode", 8, false, w_exit_code },
        { "JobID", 12, true, w_job_id },
        { "JobIDRaw", 12, true, w_job_id_raw },
        { "JobName", 10, false, w_name },
        { "MaxRSS", 10, false, w_max_rss },
        { "NCPUS", 10, false, w_cpus },
        { "NNodes", 8, false, w_n_nodes },
        { "NodeList", 15, false, w_nodes },
        { "Partition", 10, false, w_partition },
        { "QOS", 10, false, w_qos },
        { "Reason", 22, false, w_reason },
        { "ReqCPUS", 8, false, w_cpus },
        { "ReqMem", 10, false, w_req_mem },
        { "ReqNodes", 8, false, w_n_nodes },
        { "Start", 19, false, w_start },
        { "State", 10, false, w_state },
        { "Submit", 19, false, w_submit },
        { "SubmitLine", 20, false, w_submit_line },
        { "Timelimit", 10, false, w_limit },
        { "TimelimitRaw", 10, false, w_limit_raw },
        { "TotalCPU", 10, false, w_total_cpu },
        { "TRESUsageInTot", 14, false, w_usage },
        { "UID", 6, false, w_uid },
        { "User", 9, false, w_user },
        { "WorkDir", 20, false, w_work_dir },
};

const Column *sacct_column(const char *name, size_t n) {
        /* 22.05 has no such column; knob restarts_field for a stand-in of 23.02 and later. */
        static const Column restarts = { "Restarts", 10, false, w_restarts };

        for (size_t i = 0; n && i < sizeof(columns) / sizeof(*columns); i++)
                if (!strncasecmp(columns[i].name, name, n))
                        return &columns[i];
        if (n == 8 && !strncasecmp(name, "Restarts", n) && knob_int("restarts_field", 0))
                return &restarts;
        return NULL;
}
