/* SPDX-License-Identifier: Apache-2.0 */

/*
 * squeue's columns: their headings and what they hold, as 22.05.8 prints them.
 */
#include "squeue.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

const char *squeue_state(const Job *j) {
        return j->flags & JF_COMPLETING ? "COMPLETING" : state_names[j->state];
}

/* ---- what a column holds; the answers live until the next rows ---- */

static const char *number(uint32_t n) {
        static char bufs[8][16];
        static unsigned at;
        char *buf = bufs[at++ % 8];

        snprintf(buf, sizeof(bufs[0]), "%u", n);
        return buf;
}

static const char *or_null(const char *s) {
        return *s ? s : "(null)";
}

static int64_t run_seconds(const Job *j) {
        if (!j->start_ms)
                return 0;
        return ((state_over(j->state) ? j->end_ms : now_ms()) - j->start_ms) / 1000;
}

static const char *v_id(const Job *j) {
        return number(j->id);
}

static const char *v_array_id(const Job *j) {
        return number(j->group_id ? j->group_id : j->id);
}

static const char *v_task(const Job *j) {
        if (j->kind == JK_ARRAY)
                return tasks_text(j->tasks, j->throttle);
        return j->kind == JK_TASK ? number(j->task) : "N/A";
}

static const char *v_state_short(const Job *j) {
        return j->flags & JF_COMPLETING ? "CG" : state_short[j->state];
}

static const char *v_reason(const Job *j) {
        const char *r = str_get(j, JS_REASON);

        return *r ? r : "None";
}

static const char *v_nodes(const Job *j) {
        return str_get(j, JS_NODES);
}

static const char *v_nodes_reason(const Job *j) {
        static char buf[512];
        bool reason = j->state == JOB_PENDING || j->state == JOB_FAILED ||
                j->state == JOB_TIMEOUT || j->state == JOB_DEADLINE ||
                j->state == JOB_OUT_OF_MEMORY;

        if (!reason || j->flags & JF_COMPLETING)
                return v_nodes(j);
        snprintf(buf, sizeof(buf), "(%s)", v_reason(j));
        return buf;
}

static const char *v_comment(const Job *j) {
        return or_null(str_get(j, JS_COMMENT));
}

static const char *v_work_dir(const Job *j) {
        return str_get(j, JS_WORKDIR);
}

static const char *v_name(const Job *j) {
        return str_get(j, JS_NAME);
}

static const char *v_user(const Job *j) {
        return user_name(j->uid);
}

static const char *v_uid(const Job *j) {
        return number(j->uid);
}

static const char *v_time(const Job *j) {
        return span_short(run_seconds(j));
}

static const char *v_limit(const Job *j) {
        return j->limit_min ? span_short((int64_t)j->limit_min * 60) : "UNLIMITED";
}

static const char *v_left(const Job *j) {
        return j->limit_min ? span_short((int64_t)j->limit_min * 60 - run_seconds(j)) : "UNLIMITED";
}

static const char *v_start(const Job *j) {
        if (j->state == JOB_PENDING && j->eligible_ms > now_ms())
                return time_iso(j->eligible_ms, "N/A");
        return time_iso(j->start_ms, "N/A");
}

static const char *v_submit(const Job *j) {
        return time_iso(j->submit_ms, "N/A");
}

static const char *v_end(const Job *j) {
        if (state_over(j->state))
                return time_iso(j->end_ms, "N/A");
        if (j->state == JOB_PENDING)
                return "N/A";
        return j->limit_min ? time_iso(j->start_ms + (int64_t)j->limit_min * 60000, "NONE")
                            : "NONE";
}

static const char *v_n_nodes(const Job *j) {
        return number(j->nodes);
}

static const char *v_partition(const Job *j) {
        return str_get(j, JS_PARTITION);
}

static const char *v_account(const Job *j) {
        return str_get(j, JS_ACCOUNT);
}

static const char *v_qos(const Job *j) {
        return str_get(j, JS_QOS);
}

static const char *v_cpus(const Job *j) {
        return number(j->cpus);
}

static const char *v_exec_host(const Job *j) {
        return *v_nodes(j) ? node_name() : "n/a";
}

static const char *v_command(const Job *j) {
        return or_null(str_get(j, JS_COMMAND));
}

static const char *v_priority(const Job *j) {
        return j->flags & JF_HELD ? "0" : "4294901757";
}

static const char *v_priority_part(const Job *j) {
        return j->flags & JF_HELD ? "0.00000000000000" : "0.99998474074527";
}

static const char *v_dependency(const Job *j) {
        return or_null(str_get(j, JS_DEPEND));
}

static const char *v_memory(const Job *j) {
        return *str_get(j, JS_MEM) ? str_get(j, JS_MEM) : "0";
}

typedef struct Field {
        char letter;
        const char *heading, *name; /* name: for -O */
        const char *(*value)(const Job *j);
} Field;

static const Field fields[] = {
        { 'i', "JOBID", "JobArrayID", job_name_id },
        { 'A', "JOBID", "JobID", v_id },
        { 'F', "ARRAY_JOB_ID", "ArrayJobID", v_array_id },
        { 'K', "ARRAY_TASK_ID", "ArrayTaskID", v_task },
        { 'T', "STATE", "State", squeue_state },
        { 't', "ST", "StateCompact", v_state_short },
        { 'r', "REASON", "Reason", v_reason },
        { 'R', "NODELIST(REASON)", "ReasonList", v_nodes_reason },
        { 'k', "COMMENT", "Comment", v_comment },
        { 'Z', "WORK_DIR", "WorkDir", v_work_dir },
        { 'j', "NAME", "Name", v_name },
        { 'u', "USER", "UserName", v_user },
        { 'U', "UID", "UserID", v_uid },
        { 'N', "NODELIST", "NodeList", v_nodes },
        { 'M', "TIME", "TimeUsed", v_time },
        { 'l', "TIME_LIMIT", "TimeLimit", v_limit },
        { 'L', "TIME_LEFT", "TimeLeft", v_left },
        { 'S', "START_TIME", "StartTime", v_start },
        { 'V', "SUBMIT_TIME", "SubmitTime", v_submit },
        { 'e', "END_TIME", "EndTime", v_end },
        { 'D', "NODES", "NumNodes", v_n_nodes },
        { 'P', "PARTITION", "Partition", v_partition },
        { 'a', "ACCOUNT", "Account", v_account },
        { 'q', "QOS", "QOS", v_qos },
        { 'C', "CPUS", "NumCPUs", v_cpus },
        { 'B', "EXEC_HOST", "BatchHost", v_exec_host },
        { 'o', "COMMAND", "Command", v_command },
        { 'Q', "PRIORITY", "PriorityLong", v_priority },
        { 'p', "PRIORITY", "Priority", v_priority_part },
        { 'E', "DEPENDENCY", "Dependency", v_dependency },
        { 'c', "MIN_CPUS", "MinCPUs", v_cpus },
        { 'm', "MIN_MEMORY", "MinMemory", v_memory },
};

static const Field *find_letter(char c) {
        for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
                if (fields[i].letter == c)
                        return &fields[i];
        return NULL;
}

void squeue_row(Text *out, const char *format, const Job *j) {
        for (const char *p = format; *p; p++) {
                bool right = false;
                size_t width = 0;
                const Field *f;

                if (*p != '%') {
                        text_add_bytes(out, p, 1);
                        continue;
                }
                if (p[1] == '.') {
                        right = true;
                        p++;
                }
                while (isdigit((unsigned char)p[1]))
                        width = width * 10 + (size_t)(*++p - '0');
                if (!p[1])
                        break;
                f = find_letter(*++p);
                if (!f)
                        die(1, "squeue: error: Invalid job format specification: %c", *p);
                text_add_padded(out, j ? f->value(j) : f->heading, width, right);
        }
        text_add(out, "\n");
}

void squeue_row_long(Text *out, const char *format, const Job *j) {
        for (const char *p = format; *p; p += strcspn(p, ","), p += *p == ',') {
                size_t n = strcspn(p, ":,"), width = 20, i = 0;
                const char *spec = p[n] == ':' ? p + n + 1 : "";
                bool right = *spec == '.';

                spec += right;
                if (isdigit((unsigned char)*spec))
                        width = strtoul(spec, NULL, 10);
                while (i < sizeof(fields) / sizeof(*fields) &&
                        (strlen(fields[i].name) != n || strncasecmp(fields[i].name, p, n) != 0))
                        i++;
                if (i == sizeof(fields) / sizeof(*fields))
                        die(1, "squeue: error: Invalid job format specification: %.*s", (int)n, p);
                text_add_padded(out, j ? fields[i].value(j) : fields[i].heading, width, right);
        }
        text_add(out, "\n");
}
