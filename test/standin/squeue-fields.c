/*
 * squeue's columns: their headings and what they hold, as 22.05.8 prints them.
 */
#include "squeue.h"

#include <ctype.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#define OTHER_UID 4242u

const char *user_name(uint32_t uid) {
        static char names[4][64];
        static uint32_t last = UINT32_MAX;
        static unsigned at;
        const struct passwd *pw;

        if (uid == OTHER_UID)
                return "someone";
        if (uid == last)
                return names[at % 4];
        pw = getpwuid(uid);
        snprintf(names[++at % 4], sizeof(names[0]), "%s", pw ? pw->pw_name : "nobody");
        last = uid;
        return names[at % 4];
}

Job make_other(void) {
        const Fault *f = &faults[faults[F_OTHERS].set ? F_OTHERS : F_FLOOD];
        int64_t now = now_ms();
        Job j = {.id = 900001, .task = NO_VALUE, .uid = OTHER_UID, .nodes = 1, .cpus = 1};

        j.state = JOB_RUNNING;
        j.flags = JF_OTHERS;
        j.submit_ms = j.eligible_ms = j.created_ms = now - 3600000;
        j.start_ms = now - 1800000;
        str_set(&j, JS_NAME, "theirs.sh");
        str_set(&j, JS_COMMENT, f->text);
        str_set(&j, JS_WORKDIR, "/home/someone");
        str_set(&j, JS_SUBMIT_LINE, "sbatch theirs.sh");
        str_set(&j, JS_COMMAND, "/home/someone/theirs.sh");
        str_set(&j, JS_PARTITION, "debug");
        str_set(&j, JS_ACCOUNT, "theirs");
        str_set(&j, JS_QOS, "normal");
        str_set(&j, JS_REASON, "None");
        str_set(&j, JS_NODES, node_name());
        return j;
}

const char *squeue_state(const Job *j) {
        return j->flags & JF_COMPLETING ? "COMPLETING" : state_names[j->state];
}

static int64_t run_seconds(const Job *j) {
        if (!j->start_ms)
                return 0;
        return ((state_over(j->state) ? j->end_ms : now_ms()) - j->start_ms) / 1000;
}

static const char *field_limit(const Job *j) {
        return j->limit_min ? span_short((int64_t)j->limit_min * 60) : "UNLIMITED";
}

static const char *field_left(const Job *j) {
        return j->limit_min ? span_short((int64_t)j->limit_min * 60 - run_seconds(j)) : "UNLIMITED";
}

static const char *field_end(const Job *j) {
        if (state_over(j->state))
                return time_iso(j->end_ms, "N/A");
        if (j->state == JOB_PENDING)
                return "N/A";
        return j->limit_min ? time_iso(j->start_ms + (int64_t)j->limit_min * 60000, "NONE") : "NONE";
}

static const char *field_start(const Job *j) {
        if (j->state == JOB_PENDING && j->eligible_ms > now_ms())
                return time_iso(j->eligible_ms, "N/A");
        return time_iso(j->start_ms, "N/A");
}

static const char *field_task(const Job *j) {
        static char buf[16];

        if (j->kind == JK_ARRAY)
                return tasks_text(j->tasks, j->throttle);
        if (j->kind != JK_TASK)
                return "N/A";
        snprintf(buf, sizeof(buf), "%u", j->task);
        return buf;
}

static const char *field_reason(const Job *j) {
        const char *r = str_get(j, JS_REASON);

        return *r ? r : "None";
}

static const char *field_nodes_reason(const Job *j) {
        static char buf[512];
        bool reason = j->state == JOB_PENDING || j->state == JOB_FAILED ||
                      j->state == JOB_TIMEOUT || j->state == JOB_DEADLINE ||
                      j->state == JOB_OUT_OF_MEMORY;

        if (!reason || j->flags & JF_COMPLETING)
                return str_get(j, JS_NODES);
        snprintf(buf, sizeof(buf), "(%s)", field_reason(j));
        return buf;
}

static const char *number(uint32_t n) {
        static char bufs[4][16];
        static unsigned at;
        char *buf = bufs[at++ % 4];

        snprintf(buf, sizeof(bufs[0]), "%u", n);
        return buf;
}

typedef struct Field {
        char letter;
        const char *heading, *name; /* name: for -O */
} Field;

static const Field fields[] = {
        {'i', "JOBID", "JobArrayID"},
        {'A', "JOBID", "JobID"},
        {'F', "ARRAY_JOB_ID", "ArrayJobID"},
        {'K', "ARRAY_TASK_ID", "ArrayTaskID"},
        {'T', "STATE", "State"},
        {'t', "ST", "StateCompact"},
        {'r', "REASON", "Reason"},
        {'R', "NODELIST(REASON)", "ReasonList"},
        {'k', "COMMENT", "Comment"},
        {'Z', "WORK_DIR", "WorkDir"},
        {'j', "NAME", "Name"},
        {'u', "USER", "UserName"},
        {'U', "UID", "UserID"},
        {'N', "NODELIST", "NodeList"},
        {'M', "TIME", "TimeUsed"},
        {'l', "TIME_LIMIT", "TimeLimit"},
        {'L', "TIME_LEFT", "TimeLeft"},
        {'S', "START_TIME", "StartTime"},
        {'V', "SUBMIT_TIME", "SubmitTime"},
        {'e', "END_TIME", "EndTime"},
        {'D', "NODES", "NumNodes"},
        {'P', "PARTITION", "Partition"},
        {'a', "ACCOUNT", "Account"},
        {'q', "QOS", "QOS"},
        {'C', "CPUS", "NumCPUs"},
        {'B', "EXEC_HOST", "BatchHost"},
        {'o', "COMMAND", "Command"},
        {'Q', "PRIORITY", "Priority"},
        {'p', "PRIORITY", "PriorityLong"},
        {'v', "RESERVATION", "Reservation"},
        {'E', "DEPENDENCY", "Dependency"},
        {'H', "S:C:T", "SCT"},
        {'c', "MIN_CPUS", "MinCPUs"},
        {'m', "MIN_MEMORY", "MinMemory"},
};

static const char *value(char letter, const Job *j) {
        switch (letter) {
        case 'i':
                return job_name_id(j);
        case 'A':
                return number(j->id);
        case 'F':
                return number(j->group_id ? j->group_id : j->id);
        case 'K':
                return field_task(j);
        case 'T':
                return squeue_state(j);
        case 't':
                return j->flags & JF_COMPLETING ? "CG" : state_short[j->state];
        case 'r':
                return field_reason(j);
        case 'R':
                return field_nodes_reason(j);
        case 'k':
                return *str_get(j, JS_COMMENT) ? str_get(j, JS_COMMENT) : "(null)";
        case 'Z':
                return str_get(j, JS_WORKDIR);
        case 'j':
                return str_get(j, JS_NAME);
        case 'u':
                return user_name(j->uid);
        case 'U':
                return number(j->uid);
        case 'N':
                return str_get(j, JS_NODES);
        case 'M':
                return span_short(run_seconds(j));
        case 'l':
                return field_limit(j);
        case 'L':
                return field_left(j);
        case 'S':
                return field_start(j);
        case 'V':
                return time_iso(j->submit_ms, "N/A");
        case 'e':
                return field_end(j);
        case 'D':
                return number(j->nodes);
        case 'P':
                return str_get(j, JS_PARTITION);
        case 'a':
                return str_get(j, JS_ACCOUNT);
        case 'q':
                return str_get(j, JS_QOS);
        case 'C':
        case 'c':
                return number(j->cpus);
        case 'B':
                return *str_get(j, JS_NODES) ? node_name() : "n/a";
        case 'o':
                return str_get(j, JS_COMMAND);
        case 'Q':
                return j->flags & JF_HELD ? "0" : "4294901757";
        case 'p':
                return j->flags & JF_HELD ? "0.00000000000000" : "0.99998474074527";
        case 'v':
                return "(null)";
        case 'E':
                return *str_get(j, JS_DEPEND) ? str_get(j, JS_DEPEND) : "(null)";
        case 'm':
                return *str_get(j, JS_MEM) ? str_get(j, JS_MEM) : "0";
        default:
                return "";
        }
}

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
                text_add_padded(out, j ? value(f->letter, j) : f->heading, width, right);
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
                text_add_padded(out, j ? value(fields[i].letter, j) : fields[i].heading, width,
                        right);
        }
        text_add(out, "\n");
}
