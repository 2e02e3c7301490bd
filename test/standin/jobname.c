/* SPDX-License-Identifier: Apache-2.0 */

/*
 * How jobs, tasks and states are written: "7", "7_3", "7_[1-4%2]", "7+1", "RUNNING", "R".
 */
#include "standin.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

const char *const state_names[JOB_STATES] = {
        [JOB_PENDING] = "PENDING",
        [JOB_RUNNING] = "RUNNING",
        [JOB_SUSPENDED] = "SUSPENDED",
        [JOB_COMPLETED] = "COMPLETED",
        [JOB_CANCELLED] = "CANCELLED",
        [JOB_FAILED] = "FAILED",
        [JOB_TIMEOUT] = "TIMEOUT",
        [JOB_NODE_FAIL] = "NODE_FAIL",
        [JOB_PREEMPTED] = "PREEMPTED",
        [JOB_BOOT_FAIL] = "BOOT_FAIL",
        [JOB_DEADLINE] = "DEADLINE",
        [JOB_OUT_OF_MEMORY] = "OUT_OF_MEMORY",
        [JOB_REQUEUED] = "REQUEUED",
};

const char *const state_short[JOB_STATES] = {
        [JOB_PENDING] = "PD",
        [JOB_RUNNING] = "R",
        [JOB_SUSPENDED] = "S",
        [JOB_COMPLETED] = "CD",
        [JOB_CANCELLED] = "CA",
        [JOB_FAILED] = "F",
        [JOB_TIMEOUT] = "TO",
        [JOB_NODE_FAIL] = "NF",
        [JOB_PREEMPTED] = "PR",
        [JOB_BOOT_FAIL] = "BF",
        [JOB_DEADLINE] = "DL",
        [JOB_OUT_OF_MEMORY] = "OOM",
        [JOB_REQUEUED] = "RQ",
};

int state_parse(const char *s, size_t n) {
        for (int i = 0; i < JOB_STATES; i++)
                if ((strlen(state_names[i]) == n && !strncasecmp(state_names[i], s, n)) ||
                        (strlen(state_short[i]) == n && !strncasecmp(state_short[i], s, n)))
                        return i;
        return -1;
}

uint32_t tasks_count(const uint64_t *tasks) {
        uint32_t n = 0;

        for (size_t i = 0; i < ARRAY_TASKS_MAX / 64; i++)
                n += (uint32_t)__builtin_popcountll(tasks[i]);
        return n;
}

const char *tasks_text(const uint64_t *tasks, uint32_t throttle) {
        static char buf[ARRAY_TASKS_MAX * 5];
        char *p = buf;

        *p = 0;
        for (uint32_t t = 0; t < ARRAY_TASKS_MAX; t++) {
                uint32_t last = t;

                if (!task_in(tasks, t))
                        continue;
                while (task_in(tasks, last + 1))
                        last++;
                p += sprintf(p, "%s%u", p == buf ? "" : ",", t);
                if (last > t)
                        p += sprintf(p, "-%u", last);
                t = last;
        }
        if (throttle)
                sprintf(p, "%%%u", throttle);
        return buf;
}

static bool add_range(const char **p, uint64_t *tasks) {
        unsigned long from, to, step = 1;
        char *end;

        if (!isdigit((unsigned char)**p))
                return false;
        from = to = strtoul(*p, &end, 10);
        if (*end == '-' && isdigit((unsigned char)end[1]))
                to = strtoul(end + 1, &end, 10);
        if (*end == ':' && isdigit((unsigned char)end[1]))
                step = strtoul(end + 1, &end, 10);
        if (to < from || to > 1000 || !step)
                return false;
        for (unsigned long t = from; t <= to; t += step)
                tasks[t / 64] |= (uint64_t)1 << (t % 64);
        *p = end;
        return true;
}

bool tasks_parse(const char *s, uint64_t *ret_tasks, uint32_t *ret_throttle) {
        uint64_t tasks[ARRAY_TASKS_MAX / 64] = {};
        uint32_t throttle = 0;

        for (;;) {
                if (!add_range(&s, tasks))
                        return false;
                if (*s != ',')
                        break;
                s++;
        }
        if (*s == '%') {
                char *end;

                throttle = (uint32_t)strtoul(s + 1, &end, 10);
                s = end;
        }
        if (*s)
                return false;
        memcpy(ret_tasks, tasks, sizeof(tasks));
        *ret_throttle = throttle;
        return true;
}

const char *job_name_id(const Job *j) {
        static char bufs[4][ARRAY_TASKS_MAX * 5 + 64];
        static unsigned at;
        char *buf = bufs[at++ % 4];

        if (j->kind == JK_ARRAY)
                snprintf(buf, sizeof(bufs[0]), "%u_[%s]", j->group_id,
                        tasks_text(j->tasks, j->throttle));
        else if (j->kind == JK_TASK)
                snprintf(buf, sizeof(bufs[0]), "%u_%u", j->group_id, j->task);
        else if (j->kind == JK_HET)
                snprintf(buf, sizeof(bufs[0]), "%u+%u", j->group_id, j->task);
        else
                snprintf(buf, sizeof(bufs[0]), "%u", j->id);
        return buf;
}

JobName job_name_parse(const char *s, size_t n) {
        JobName name = {};
        char copy[4096], *p = copy, *end;
        uint32_t throttle;

        snprintf(copy, sizeof(copy), "%.*s", (int)n, s);
        if (!isdigit((unsigned char)*p))
                return name;
        name.id = (uint32_t)strtoul(p, &end, 10);
        name.kind = 1;
        if (*end == '_' && end[1] == '[') {
                char *close = strchr(end, ']');

                if (!close)
                        return (JobName){};
                *close = 0;
                name.kind = tasks_parse(end + 2, name.tasks, &throttle) ? 3 : 0;
                end = close + 1;
        } else if (*end == '_' || *end == '+') {
                name.kind = *end == '_' ? 2 : 4;
                p = end + 1;
                name.sub = (uint32_t)strtoul(p, &end, 10);
                if (end == p)
                        return (JobName){};
        }
        if (*end == '.')
                snprintf(name.step, sizeof(name.step), "%s", end + 1);
        else if (*end)
                name.kind = 0;
        return name;
}

bool job_name_means(const JobName *n, const Job *j) {
        switch (n->kind) {
        case 1:
                return j->id == n->id || j->group_id == n->id;
        case 2:
                if (j->group_id != n->id || j->kind == JK_HET)
                        return false;
                return j->kind == JK_ARRAY ? task_in(j->tasks, n->sub) : j->task == n->sub;
        case 3:
                if (j->group_id != n->id || j->kind == JK_HET)
                        return false;
                for (uint32_t t = 0; j->kind == JK_ARRAY && t < ARRAY_TASKS_MAX; t++)
                        if (task_in(n->tasks, t) && task_in(j->tasks, t))
                                return true;
                return j->kind == JK_TASK && task_in(n->tasks, j->task);
        case 4:
                return j->kind == JK_HET && j->group_id == n->id && j->task == n->sub;
        default:
                return false;
        }
}

size_t job_name_each(const JobName *n, void (*fn)(Job *, void *), void *arg) {
        Job *first = n->kind ? db_find(n->id) : NULL, *j;
        size_t count = 0;

        if (!first)
                return 0;
        j = first->family_head ? job_at(first->family_head) : first;
        while (j) {
                /* fn may add to the family, at its head */
                Job *next = job_at(j->family_next);

                if (db_find(j->id) == j && job_name_means(n, j)) {
                        count++;
                        if (fn)
                                fn(j, arg);
                }
                j = next;
        }
        return count;
}

/* ---- many names ---- */

static int by_id(const void *a, const void *b) {
        uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

        return x < y ? -1 : x > y;
}

static bool add_name(JobNames *names, const char *s, size_t n) {
        JobName name = job_name_parse(s, n);

        if (name.kind == 1 && !*name.step) {
                names->plain = one_more(names->plain, names->n_plain, sizeof(*names->plain));
                names->plain[names->n_plain++] = name.id;
        } else if (name.kind) {
                names->special = one_more(names->special, names->n_special, sizeof(name));
                names->special[names->n_special++] = name;
        }
        return name.kind;
}

const char *job_names_add(JobNames *names, const char *list, size_t *ret_len) {
        const char *start = list, *p = list;

        for (int depth = 0;; p++) {
                depth += (*p == '[') - (*p == ']');
                if (*p && (*p != ',' || depth))
                        continue;
                if (p > start && !add_name(names, start, (size_t)(p - start))) {
                        *ret_len = (size_t)(p - start);
                        return start;
                }
                if (!*p)
                        break;
                start = p + 1;
        }
        if (names->n_plain)
                qsort(names->plain, names->n_plain, sizeof(*names->plain), by_id);
        return NULL;
}

static bool has_id(const JobNames *names, uint32_t id) {
        return id && names->n_plain &&
                bsearch(&id, names->plain, names->n_plain, sizeof(id), by_id);
}

bool job_names_plainly_mean(const JobNames *names, const Job *j) {
        return has_id(names, j->id) || has_id(names, j->group_id);
}

bool job_names_mean(const JobNames *names, const Job *j) {
        if (job_names_plainly_mean(names, j))
                return true;
        for (size_t i = 0; i < names->n_special; i++)
                if (job_name_means(&names->special[i], j))
                        return true;
        return false;
}
