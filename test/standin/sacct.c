/* SPDX-License-Identifier: Apache-2.0 */

/*
 * sacct: which jobs of the accounting's past are shown, and in which rows.
 */
#include "sacct.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- which jobs ---- */

static bool in_window(const SacctQuery *q, const Job *j, const View *v) {
        int64_t end = q->end_ms < 0 ? now_ms() : q->end_ms;

        /* A list of ids is answered whatever the times, unless a state is asked for as well. */
        if (job_names_count(&q->names) && !q->have_states && q->end_ms < 0 && !q->start_ms)
                return true;
        if (job_names_count(&q->names))
                return !v->end_ms || v->end_ms >= q->start_ms;
        /* Held, waiting for a dependency, to begin later: not eligible, so not in any window. */
        if (!j->eligible_ms || j->eligible_ms > end)
                return false;
        return !v->end_ms || v->end_ms >= q->start_ms;
}

static bool named(const SacctQuery *q, const Job *j) {
        if (!job_names_count(&q->names) || job_names_plainly_mean(&q->names, j))
                return true;
        for (size_t i = 0; i < q->names.n_special; i++)
                if (job_name_means(&q->names.special[i], j) && j->kind != JK_ARRAY)
                        return true;
        return false;
}

static bool superseded(const SacctQuery *q, const Job *j) {
        for (const Job *n = db_find(j->id); n && n != j; n = job_at(n->previous))
                if (n->created_ms <= q->seen_ms)
                        return true;
        return false;
}

static bool wanted(const SacctQuery *q, const Job *j) {
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

static void add_line(Text *out, const SacctQuery *q, const Row *r) {
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

static void add_heading(Text *out, const SacctQuery *q) {
        add_line(out, q, NULL);
        for (size_t i = 0; !q->parsable && i < q->n_columns; i++) {
                for (int k = 0; k < abs(q->widths[i]); k++)
                        text_add(out, "-");
                text_add(out, i + 1 < q->n_columns ? " " : " \n");
        }
}

/* A name with a step means that row alone. */
static bool step_wanted(const SacctQuery *q, const Job *j, const char *step) {
        if (!job_names_count(&q->names) || job_names_plainly_mean(&q->names, j))
                return true;
        for (size_t i = 0; i < q->names.n_special; i++) {
                const JobName *n = &q->names.special[i];

                if (job_name_means(n, j) && (!*n->step || !strcmp(n->step, step)))
                        return true;
        }
        return false;
}

static void add_steps(Text *out, const SacctQuery *q, Row r) {
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

static void add_job(Text *out, const SacctQuery *q, const Job *j) {
        Row r = { .j = j, .v = sacct_view(j, q->seen_ms) };

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

static void find_id(const SacctQuery *q, Found *f, uint32_t id) {
        for (const Job *j = db_find(id); j; j = job_at(j->previous)) {
                if (!j->family_head && wanted(q, j))
                        add_found(f, j);
                for (const Job *m = job_at(j->family_head); m; m = job_at(m->family_next))
                        if (wanted(q, m))
                                add_found(f, m);
        }
}

/* All lives of the jobs asked for, without a look at all the others. */
static void find_named(const SacctQuery *q, Found *f) {
        for (size_t i = 0; i < q->names.n_plain; i++)
                if (!i || q->names.plain[i] != q->names.plain[i - 1])
                        find_id(q, f, q->names.plain[i]);
        for (size_t i = 0; i < q->names.n_special; i++)
                find_id(q, f, q->names.special[i].id);
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

static void add_others(Text *out, const SacctQuery *q) {
        int64_t n = faults[F_FLOOD].set ? faults[F_FLOOD].rows : 0;
        Job j = make_other();

        n += faults[F_OTHERS].set ? faults[F_OTHERS].rows : 0;
        for (int64_t i = 0; i < n; i++, j.id++)
                add_line(out, q, &(Row){ .j = &j, .v = sacct_view(&j, now_ms()) });
}

int main_sacct(int argc, char **argv) {
        SacctQuery q = {};
        Found found = {};
        Text out = {};
        size_t n;

        if (!knob_int("accounting", 1))
                die(1, "Slurm accounting storage is disabled");
        sacct_parse(&q, argc, argv);
        faults_before("sacct");
        db_lock();
        jobs_settle();
        q.seen_ms = now_ms() - knob_int("sacct_lag_ms", 0);
        if (job_names_count(&q.names))
                find_named(&q, &found);
        for (uint32_t i = 1; !job_names_count(&q.names) && i < db->count; i++)
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
