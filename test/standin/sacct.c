/*
 * sacct: options, and which jobs of the accounting's past are shown.
 */
#include "sacct.h"

#include <getopt.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COLUMNS_MAX 128
#define DEFAULT_FORMAT "JobID,JobName,Partition,Account,AllocCPUS,State,ExitCode"

typedef struct Query {
        bool no_header, parsable, trailing, duplicates, allocations, all_users, have_states;
        bool states[JOB_STATES];
        const char *delimiter;
        const Column *columns[COLUMNS_MAX];
        int widths[COLUMNS_MAX]; /* negative: left */
        size_t n_columns;
        JobName *names;
        size_t n_names;
        uint32_t *users;
        size_t n_users;
        int64_t start_ms, end_ms, seen_ms;
} Query;

static void *one_more(void *v, size_t n, size_t size) {
        v = realloc(v, (n + 1) * size);
        if (!v)
                die(99, "standin: out of memory");
        return v;
}

/* ---- options ---- */

static void take_jobs(Query *q, const char *list) {
        int depth = 0;

        for (const char *p = list, *start = list;; p++) {
                depth += (*p == '[') - (*p == ']');
                if (*p && (*p != ',' || depth))
                        continue;
                if (p > start) {
                        q->names = one_more(q->names, q->n_names, sizeof(*q->names));
                        q->names[q->n_names] = job_name_parse(start, (size_t)(p - start));
                        if (!q->names[q->n_names].kind)
                                die(1, "sacct: fatal: Bad job/step specified: %.*s",
                                        (int)(p - start), start);
                        q->n_names++;
                }
                if (!*p)
                        break;
                start = p + 1;
        }
}

static void take_users(Query *q, const char *list) {
        char *copy = xstrdup(list), *save = NULL;

        for (char *u = strtok_r(copy, ",", &save); u; u = strtok_r(NULL, ",", &save)) {
                const struct passwd *pw = getpwnam(u);
                bool number = strspn(u, "0123456789") == strlen(u);

                if (!pw && !number)
                        die(1, "sacct: error: Invalid user id: %s", u);
                q->users = one_more(q->users, q->n_users, sizeof(*q->users));
                q->users[q->n_users++] = pw ? pw->pw_uid : (uint32_t)strtoul(u, NULL, 10);
        }
        free(copy);
}

static void take_states(Query *q, const char *list) {
        q->have_states = true;
        for (const char *p = list; *p; p += strcspn(p, ","), p += *p == ',') {
                int s = state_parse(p, strcspn(p, ","));

                if (s < 0)
                        die(1, "sacct: fatal: unrecognized job state value %.*s",
                                (int)strcspn(p, ","), p);
                q->states[s] = true;
        }
}

static void take_format(Query *q, const char *list) {
        q->n_columns = 0;
        for (const char *p = list; *p; p += strcspn(p, ","), p += *p == ',') {
                size_t n = strcspn(p, ",%");
                const Column *c = sacct_column(p, n);

                if (!c || q->n_columns == COLUMNS_MAX)
                        die(1, "sacct: error: Invalid field requested: \"%.*s\"", (int)n, p);
                q->widths[q->n_columns] = c->left ? -c->width : c->width;
                if (p[n] == '%' && strtol(p + n + 1, NULL, 10))
                        q->widths[q->n_columns] = (int)strtol(p + n + 1, NULL, 10);
                q->columns[q->n_columns++] = c;
        }
}

static int64_t take_time(const char *s) {
        int64_t ms = parse_when(s);

        if (ms < 0)
                die(1, "Invalid time specification (pos=0): %s", s);
        return ms;
}

enum { O_DELIMITER = 0x1000, O_IGNORE, O_IGNORE_ARG, O_HELP };

static void take_option(Query *q, int c) {
        switch (c) {
        case 'n':
                q->no_header = true;
                break;
        case 'p':
        case 'P':
                q->parsable = true;
                q->trailing = c == 'p';
                break;
        case O_DELIMITER:
                q->delimiter = optarg;
                break;
        case 'j':
                take_jobs(q, optarg);
                break;
        case 'u':
                take_users(q, optarg);
                break;
        case 'a':
                q->all_users = true;
                break;
        case 'S':
                q->start_ms = take_time(optarg);
                break;
        case 'E':
                q->end_ms = take_time(optarg);
                break;
        case 's':
                take_states(q, optarg);
                break;
        case 'D':
                q->duplicates = true;
                break;
        case 'X':
                q->allocations = true;
                break;
        case 'o':
                take_format(q, optarg);
                break;
        case 'V':
                puts(SLURM_VERSION_TEXT);
                exit(0);
        case O_HELP:
                puts("sacct [<OPTION>]");
                exit(0);
        default:
                break;
        }
}

static void parse(Query *q, int argc, char **argv) {
        static const struct option longs[] = {
                {"noheader", no_argument, NULL, 'n'},
                {"parsable", no_argument, NULL, 'p'},
                {"parsable2", no_argument, NULL, 'P'},
                {"delimiter", required_argument, NULL, O_DELIMITER},
                {"jobs", required_argument, NULL, 'j'},
                {"user", required_argument, NULL, 'u'},
                {"uid", required_argument, NULL, 'u'},
                {"allusers", no_argument, NULL, 'a'},
                {"starttime", required_argument, NULL, 'S'},
                {"endtime", required_argument, NULL, 'E'},
                {"state", required_argument, NULL, 's'},
                {"duplicates", no_argument, NULL, 'D'},
                {"allocations", no_argument, NULL, 'X'},
                {"format", required_argument, NULL, 'o'},
                {"accounts", required_argument, NULL, 'A'},
                {"partition", required_argument, NULL, 'r'},
                {"qos", required_argument, NULL, 'q'},
                {"clusters", required_argument, NULL, 'M'},
                {"name", required_argument, NULL, O_IGNORE_ARG},
                {"units", required_argument, NULL, O_IGNORE_ARG},
                {"noconvert", no_argument, NULL, O_IGNORE},
                {"array", no_argument, NULL, O_IGNORE},
                {"truncate", no_argument, NULL, 'T'},
                {"allclusters", no_argument, NULL, 'L'},
                {"verbose", no_argument, NULL, 'v'},
                {"long", no_argument, NULL, 'l'},
                {"helpformat", no_argument, NULL, O_HELP},
                {"help", no_argument, NULL, O_HELP},
                {"usage", no_argument, NULL, O_HELP},
                {"version", no_argument, NULL, 'V'},
                {},
        };
        int c;

        q->start_ms = q->end_ms = -1;
        q->delimiter = "|";
        take_format(q, getenv("SACCT_FORMAT") ? getenv("SACCT_FORMAT") : DEFAULT_FORMAT);
        while ((c = getopt_long(argc, argv, "aA:bcC:DeE:g:hi:I:j:k:K:lLM:nN:o:OpPq:r:Rs:S:Ttu:vVW:xX",
                        longs, NULL)) != -1) {
                if (c == '?')
                        exit(1);
                take_option(q, c);
        }
        if (!q->n_users && !q->all_users && !q->n_names) {
                q->users = one_more(q->users, 0, sizeof(*q->users));
                q->users[q->n_users++] = getuid();
        }
        if (q->start_ms < 0)
                q->start_ms = q->n_names ? 0 : parse_when("midnight");
}

/* ---- which jobs ---- */

static bool in_window(const Query *q, const Job *j, const View *v) {
        int64_t end = q->end_ms < 0 ? now_ms() : q->end_ms;

        /* A list of ids is answered whatever the times, unless a state is asked for as well. */
        if (q->n_names && !q->have_states && q->end_ms < 0 && !q->start_ms)
                return true;
        if (q->n_names)
                return !v->end_ms || v->end_ms >= q->start_ms;
        /* Held, waiting for a dependency, to begin later: not eligible, so not in any window. */
        if (!j->eligible_ms || j->eligible_ms > end)
                return false;
        return !v->end_ms || v->end_ms >= q->start_ms;
}

static bool named(const Query *q, const Job *j) {
        if (!q->n_names)
                return true;
        for (size_t i = 0; i < q->n_names; i++)
                if (job_name_means(&q->names[i], j) &&
                        !(j->kind == JK_ARRAY && q->names[i].kind != 1))
                        return true;
        return false;
}

static bool superseded(const Query *q, const Job *j) {
        for (const Job *n = db_find(j->id); n && n != j; n = job_at(n->previous))
                if (n->created_ms <= q->seen_ms)
                        return true;
        return false;
}

static bool wanted(const Query *q, const Job *j) {
        View v = sacct_view(j, q->seen_ms);
        bool user = q->all_users || !q->n_users;

        for (size_t i = 0; i < q->n_users && !user; i++)
                user = q->users[i] == j->uid;
        if (!v.visible || !user || !named(q, j) || !in_window(q, j, &v))
                return false;
        if (q->have_states && !q->states[v.state])
                return false;
        return q->duplicates || !superseded(q, j);
}

/* ---- rows ---- */

static void add_line(Text *out, const Query *q, const Row *r) {
        for (size_t i = 0; i < q->n_columns; i++) {
                size_t width = (size_t)abs(q->widths[i]), start;
                Text cell = {};

                if (r)
                        q->columns[i]->write(&cell, r);
                else
                        text_add(&cell, q->columns[i]->name);
                if (q->parsable) {
                        text_add(out, text_str(&cell));
                        if (q->trailing || i + 1 < q->n_columns)
                                text_add(out, q->delimiter);
                } else {
                        start = out->n;
                        text_add_padded(out, text_str(&cell), width, q->widths[i] > 0);
                        if (cell.n > width && r && width)
                                out->s[start + width - 1] = '+';
                        text_add(out, " ");
                }
                text_free(&cell);
        }
        text_add(out, "\n");
}

static void add_heading(Text *out, const Query *q) {
        add_line(out, q, NULL);
        for (size_t i = 0; !q->parsable && i < q->n_columns; i++) {
                for (int k = 0; k < abs(q->widths[i]); k++)
                        text_add(out, "-");
                text_add(out, i + 1 < q->n_columns ? " " : " \n");
        }
}

static bool step_wanted(const Query *q, const Job *j, const char *step) {
        if (!q->n_names)
                return true;
        for (size_t i = 0; i < q->n_names; i++)
                if (job_name_means(&q->names[i], j) &&
                        (!*q->names[i].step || !*step || !strcmp(q->names[i].step, step)))
                        return *step || !*q->names[i].step;
        return false;
}

static void add_steps(Text *out, const Query *q, Row r) {
        const char *p = str_get(r.j, JS_STEPS);
        char number[16];

        r.kind = ROW_STEP;
        for (r.step = 0; *p; r.step++, p += strspn(p, " ")) {
                size_t n = strcspn(p, ":");

                snprintf(r.step_name, sizeof(r.step_name), "%.*s", (int)n, p);
                r.step_code = p[n] ? (int)strtol(p + n + 1, NULL, 10) : 0;
                snprintf(number, sizeof(number), "%d", r.step);
                if (step_wanted(q, r.j, number))
                        add_line(out, q, &r);
                p += strcspn(p, " ");
        }
}

static void add_job(Text *out, const Query *q, const Job *j) {
        Row r = {.j = j, .v = sacct_view(j, q->seen_ms)};

        if (step_wanted(q, j, ""))
                add_line(out, q, &r);
        if (q->allocations || !r.v.start_ms || !*str_get(j, JS_NODES))
                return;
        r.kind = ROW_BATCH;
        if (!(j->kind == JK_HET && j->task) && step_wanted(q, j, "batch"))
                add_line(out, q, &r);
        r.kind = ROW_EXTERN;
        if (knob_int("extern_step", 0) && step_wanted(q, j, "extern"))
                add_line(out, q, &r);
        add_steps(out, q, r);
}

/* Arrays come after all else, the tasks in their order, what is left of the array last. */
static int in_order(const void *a, const void *b) {
        const Job *x = *(const Job *const *)a, *y = *(const Job *const *)b;
        uint64_t ax = x->kind == JK_ARRAY || x->kind == JK_TASK ? x->group_id : 0;
        uint64_t ay = y->kind == JK_ARRAY || y->kind == JK_TASK ? y->group_id : 0;
        uint64_t kx = !ax ? x->index : x->kind == JK_ARRAY ? NO_VALUE : x->task;
        uint64_t ky = !ay ? y->index : y->kind == JK_ARRAY ? NO_VALUE : y->task;

        if (ax != ay)
                return ax < ay ? -1 : 1;
        if (kx != ky)
                return kx < ky ? -1 : 1;
        return x->index < y->index ? -1 : x->index > y->index;
}

typedef struct Found {
        const Job **v;
        size_t n, cap;
} Found;

static void add_found(Found *f, const Job *j) {
        if (f->n == f->cap) {
                f->cap = f->cap * 2 + 64;
                f->v = realloc(f->v, f->cap * sizeof(*f->v));
                if (!f->v)
                        die(99, "standin: out of memory");
        }
        f->v[f->n++] = j;
}

/* All lives of the jobs asked for, without a look at all the others. */
static void find_named(const Query *q, Found *f) {
        for (size_t i = 0; i < q->n_names; i++)
                for (const Job *j = db_find(q->names[i].id); j; j = job_at(j->previous)) {
                        if (!j->family_head && wanted(q, j))
                                add_found(f, j);
                        for (const Job *m = job_at(j->family_head); m; m = job_at(m->family_next))
                                if (wanted(q, m))
                                        add_found(f, m);
                }
}

static size_t sort_found(Found *f) {
        size_t kept = 0;

        if (f->n)
                qsort(f->v, f->n, sizeof(*f->v), in_order);
        for (size_t i = 0; i < f->n; i++)
                if (!kept || f->v[kept - 1] != f->v[i])
                        f->v[kept++] = f->v[i];
        return kept;
}

static void add_others(Text *out, const Query *q) {
        int64_t n = faults[F_FLOOD].set ? faults[F_FLOOD].rows : 0;
        Job j = make_other();

        n += faults[F_OTHERS].set ? faults[F_OTHERS].rows : 0;
        for (int64_t i = 0; i < n; i++, j.id++)
                add_line(out, q, &(Row){.j = &j, .v = sacct_view(&j, now_ms())});
}

int main_sacct(int argc, char **argv) {
        Query q = {};
        Found found = {};
        Text out = {};
        size_t n;

        if (!knob_int("accounting", 1))
                die(1, "Slurm accounting storage is disabled");
        parse(&q, argc, argv);
        faults_before("sacct");
        db_lock();
        jobs_settle();
        q.seen_ms = now_ms() - knob_int("sacct_lag_ms", 0);
        if (q.n_names)
                find_named(&q, &found);
        for (uint32_t i = 1; !q.n_names && i < db->count; i++)
                if (wanted(&q, job_at(i)))
                        add_found(&found, job_at(i));
        n = sort_found(&found);
        if (!q.no_header)
                add_heading(&out, &q);
        if (faults[F_EMPTY].set)
                n = 0;
        if (faults[F_PARTIAL].set && (size_t)faults[F_PARTIAL].rows < n)
                n = (size_t)faults[F_PARTIAL].rows;
        for (size_t i = 0; i < n; i++)
                add_job(&out, &q, found.v[i]);
        add_others(&out, &q);
        db_unlock();
        answer("sacct", &out, 0);
}
