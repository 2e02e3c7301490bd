/* SPDX-License-Identifier: Apache-2.0 */

/*
 * squeue: options and which jobs are shown. What a column holds is in squeue-fields.c.
 */
#include "squeue.h"

#include <getopt.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_FORMAT "%.18i %.9P %.8j %.8u %.2t %.10M %.6D %R"
#define STATE_COMPLETING JOB_STATES

typedef struct Query {
        bool no_header, expand, all_states, have_states;
        bool states[JOB_STATES + 1];
        JobNames names;
        const char *format, *long_format, *partitions, *accounts, *qos, *job_names;
        bool have_user;
        uint32_t *users;
        size_t n_users;
} Query;

static void take_states(Query *q, const char *list) {
        q->have_states = true;
        for (const char *p = list; *p; p += strcspn(p, ","), p += *p == ',') {
                size_t n = strcspn(p, ",");
                int s = state_parse(p, n);

                if (n == 3 && !strncasecmp(p, "all", 3))
                        q->all_states = true;
                else if ((n == 10 && !strncasecmp(p, "COMPLETING", 10)) ||
                        (n == 2 && !strncasecmp(p, "CG", 2)))
                        q->states[STATE_COMPLETING] = true;
                else if (s >= 0)
                        q->states[s] = true;
                else if (!list_has("CONFIGURING,CF,RESIZING,SIGNALING,STOPPED,STAGE_OUT,REVOKED,"
                                   "REQUEUE_HOLD,REQUEUE_FED,RESV_DEL_HOLD,SPECIAL_EXIT",
                                 p, n))
                        die(1,
                                "squeue: error: Invalid job state specified: %.*s\n"
                                "squeue: error: Valid job states include: "
                                "PENDING,RUNNING,SUSPENDED,COMPLETED,CANCELLED,FAILED,TIMEOUT,"
                                "NODE_FAIL,PREEMPTED,BOOT_FAIL,DEADLINE,OUT_OF_MEMORY,COMPLETING,"
                                "CONFIGURING,RESIZING,RESV_DEL_HOLD,REQUEUED,REQUEUE_FED,"
                                "REQUEUE_HOLD,REVOKED,SIGNALING,SPECIAL_EXIT,STAGE_OUT,STOPPED\n",
                                (int)n, p);
        }
}

static void take_jobs(Query *q, const char *list) {
        size_t n = 0;
        const char *bad = job_names_add(&q->names, list, &n);

        if (bad)
                die(1, "squeue: error: Invalid job id: %.*s", (int)n, bad);
}

static void take_users(Query *q, const char *list) {
        char *copy = xstrdup(list), *save = NULL;

        q->have_user = true;
        for (char *u = strtok_r(copy, ",", &save); u; u = strtok_r(NULL, ",", &save)) {
                const struct passwd *pw = getpwnam(u);
                bool number = strspn(u, "0123456789") == strlen(u);

                if (!pw && !number)
                        die(0, "squeue: error: Invalid user: %s\n", u);
                q->users = one_more(q->users, q->n_users, sizeof(*q->users));
                q->users[q->n_users++] = pw ? pw->pw_uid : (uint32_t)strtoul(u, NULL, 10);
        }
        free(copy);
}

enum {
        O_ME = 0x1000,
        O_IGNORE,
        O_HELP
};

static void take_option(Query *q, int c) {
        char me[16];

        switch (c) {
        case 'h':
                q->no_header = true;
                break;
        case 'r':
                q->expand = true;
                break;
        case 't':
                take_states(q, optarg);
                break;
        case 'j':
                if (optarg)
                        take_jobs(q, optarg);
                break;
        case 'u':
                take_users(q, optarg);
                break;
        case 'o':
                q->format = optarg;
                break;
        case 'O':
                q->long_format = optarg;
                break;
        case 'p':
                q->partitions = optarg;
                break;
        case 'A':
                q->accounts = optarg;
                break;
        case 'q':
                q->qos = optarg;
                break;
        case 'n':
                q->job_names = optarg;
                break;
        case O_ME:
                snprintf(me, sizeof(me), "%u", getuid());
                take_users(q, me);
                break;
        case 'V':
                puts(SLURM_VERSION_TEXT);
                exit(0);
        case O_HELP:
                puts("Usage: squeue [OPTIONS]");
                exit(0);
        default:
                break;
        }
}

static const struct option longs[] = {
        { "noheader", no_argument, NULL, 'h' },
        { "array", no_argument, NULL, 'r' },
        { "states", required_argument, NULL, 't' },
        { "jobs", optional_argument, NULL, 'j' },
        { "users", required_argument, NULL, 'u' },
        { "format", required_argument, NULL, 'o' },
        { "Format", required_argument, NULL, 'O' },
        { "partition", required_argument, NULL, 'p' },
        { "account", required_argument, NULL, 'A' },
        { "qos", required_argument, NULL, 'q' },
        { "name", required_argument, NULL, 'n' },
        { "sort", required_argument, NULL, 'S' },
        { "clusters", required_argument, NULL, 'M' },
        { "nodelist", required_argument, NULL, 'w' },
        { "reservation", required_argument, NULL, 'R' },
        { "licenses", required_argument, NULL, 'L' },
        { "steps", optional_argument, NULL, 's' },
        { "iterate", required_argument, NULL, 'i' },
        { "all", no_argument, NULL, 'a' },
        { "long", no_argument, NULL, 'l' },
        { "verbose", no_argument, NULL, 'v' },
        { "hide", no_argument, NULL, O_IGNORE },
        { "local", no_argument, NULL, O_IGNORE },
        { "start", no_argument, NULL, O_IGNORE },
        { "array-unique", no_argument, NULL, O_IGNORE },
        { "federation", no_argument, NULL, O_IGNORE },
        { "noconvert", no_argument, NULL, O_IGNORE },
        { "priority", no_argument, NULL, 'P' },
        { "me", no_argument, NULL, O_ME },
        { "help", no_argument, NULL, O_HELP },
        { "usage", no_argument, NULL, O_HELP },
        { "version", no_argument, NULL, 'V' },
        {},
};

static void parse(Query *q, int argc, char **argv) {
        int c;

        while ((c = getopt_long(argc, argv, "A:ahi:j::lL:M:n:o:O:p:Pq:R:rs::S:t:u:vVw:", longs,
                        NULL)) != -1) {
                if (c == '?')
                        die(1, "Try \"squeue --help\" for more information");
                /* squeue takes "-j ID" as well as "-jID" */
                if (c == 'j' && !optarg && optind < argc && argv[optind][0] != '-')
                        optarg = argv[optind++];
                take_option(q, c);
        }
        if (!q->format && !q->long_format)
                q->format = getenv("SQUEUE_FORMAT");
        if (!q->format && !q->long_format)
                q->format = DEFAULT_FORMAT;
}

/* ---- which jobs ---- */

static bool in_list(const char *list, const Job *j, int which) {
        const char *v = str_get(j, which);

        return !list || list_has(list, v, strlen(v));
}

static bool state_wanted(const Query *q, const Job *j) {
        bool completing = j->flags & JF_COMPLETING;

        if (q->all_states)
                return true;
        if (!q->have_states)
                return !state_over(j->state) || completing;
        return completing ? q->states[STATE_COMPLETING] : q->states[j->state];
}

static bool named(const Query *q, const Job *j) {
        return !job_names_count(&q->names) || job_names_mean(&q->names, j);
}

static bool wanted(const Query *q, const Job *j) {
        bool users = !q->have_user;

        /* An earlier life: only the latest is in the controller's memory. */
        if (db_find(j->id) != j && !(j->flags & JF_OTHERS))
                return false;
        for (size_t i = 0; i < q->n_users && !users; i++)
                users = q->users[i] == j->uid;
        return named(q, j) && users && state_wanted(q, j) &&
                in_list(q->partitions, j, JS_PARTITION) && in_list(q->accounts, j, JS_ACCOUNT) &&
                in_list(q->qos, j, JS_QOS) && in_list(q->job_names, j, JS_NAME);
}

/* Slurm's own order: by state, then by priority, which the held ones have none of. */
static int by_state(const void *a, const void *b) {
        const Job *x = *(Job *const *)a, *y = *(Job *const *)b;
        int order = strcmp(squeue_state(x), squeue_state(y));

        if (order)
                return order;
        if ((x->flags ^ y->flags) & JF_HELD)
                return x->flags & JF_HELD ? 1 : -1;
        return x->index < y->index ? -1 : x->index > y->index;
}

static void add_row(Text *out, const Query *q, const Job *j) {
        if (q->long_format)
                squeue_row_long(out, q->long_format, j);
        else
                squeue_row(out, q->format, j);
}

/* With -r, and when a single task is asked for, each task gets a row. */
static void add_job(Text *out, const Query *q, const Job *j) {
        bool each = q->expand;

        for (size_t i = 0; i < q->names.n_special; i++)
                each |= q->names.special[i].kind == 2;
        if (j->kind != JK_ARRAY || !each) {
                add_row(out, q, j);
                return;
        }
        for (uint32_t t = 0; t < ARRAY_TASKS_MAX; t++) {
                Job task = *j;

                task.kind = JK_TASK;
                task.task = t;
                if (task_in(j->tasks, t) && named(q, &task))
                        add_row(out, q, &task);
        }
}

/* `squeue -j` of a single job that the controller does not know is an error. */
static void check_known(const Query *q) {
        const Job *j;

        if (job_names_count(&q->names) != 1)
                return;
        j = db_find(q->names.n_plain ? q->names.plain[0] : q->names.special[0].id);
        if (j && j->family_head)
                for (const Job *m = job_at(j->family_head); m && job_forgotten(j);
                        m = job_at(m->family_next))
                        j = m;
        if (j && !job_forgotten(j))
                return;
        db_unlock();
        die(1, "slurm_load_jobs error: Invalid job id specified");
}

static void add_others(Text *out, const Query *q) {
        int64_t n = faults[F_FLOOD].set ? faults[F_FLOOD].rows : 0;
        Job j = make_other();

        n += faults[F_OTHERS].set ? faults[F_OTHERS].rows : 0;
        for (int64_t i = 0; i < n; i++, j.id++)
                add_row(out, q, &j);
}

int main_squeue(int argc, char **argv) {
        Query q = {};
        Text out = {};
        Job **rows = NULL;
        size_t n = 0, cap = 0;

        parse(&q, argc, argv);
        faults_before("squeue");
        db_lock();
        jobs_settle();
        check_known(&q);
        for (Job *j = job_at(db->active_head); j; j = job_at(j->active_next)) {
                if (!wanted(&q, j))
                        continue;
                if (n == cap) {
                        cap = cap * 2 + 64;
                        rows = realloc(rows, cap * sizeof(*rows));
                        if (!rows)
                                die(99, "standin: out of memory");
                }
                rows[n++] = j;
        }
        if (n)
                qsort(rows, n, sizeof(*rows), by_state);
        if (!q.no_header)
                add_row(&out, &q, NULL);
        if (faults[F_EMPTY].set)
                n = 0;
        if (faults[F_PARTIAL].set && (size_t)faults[F_PARTIAL].rows < n)
                n = (size_t)faults[F_PARTIAL].rows;
        for (size_t i = 0; i < n; i++)
                add_job(&out, &q, rows[i]);
        add_others(&out, &q);
        db_unlock();
        answer("squeue", &out, 0);
}
