/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A job put together from its rows: of each array task or component the latest life only, and of
 * rows with its id only those that are its own.
 *
 * Called by scheduler-slurm-poll.c. What the picture means for the user is in slurm-text-judge.c.
 */

#include "slurm-text-internal.h"

#include <string.h>

/*
 * The token decides where it can be seen. Some sites' plugins rewrite comments, and accounting has
 * the folder's name mangled or, for a moment, neither; then the folder or the time must do.
 */
static bool is_claimed(const SlurmTable *t, const SlurmRow *row, const SlurmClaim *claim) {
        if (claim->token && slurm_row_has_token(row, claim->token))
                return true;
        if (claim->workdir && streq(row->workdir, claim->workdir))
                return true;
        if (claim->token && claim->workdir && t->raw && row->workdir[0])
                return false; /* neither: the id is used again */
        if (claim->token && (row->submit_line[0] || startswith(row->comment, "flowcron=")))
                return false; /* somebody else's */
        return row->submit >= claim->not_before;
}

/*
 * Rows of tasks that were never started stand for one record of Slurm's, whatever tasks are left in
 * it.
 */
static bool same_part(const SlurmRow *a, const SlurmRow *b) {
        return a->id.part == b->id.part && a->id.several == b->id.several &&
                (a->id.several || a->id.index == b->id.index);
}

static bool is_later(const SlurmRow *a, const SlurmRow *b) {
        return a->submit != b->submit ? a->submit > b->submit : a->position > b->position;
}

/* The latest life of each part, in the table's order. */
static void pick_parts(SlurmPicture *p, const SlurmRow *rows, size_t n, const SlurmClaim *claim) {
        for (size_t i = 0; i < n; i++) {
                const SlurmRow **last = p->n > 0 ? &p->parts[p->n - 1] : NULL;

                if (!is_claimed(p->table, &rows[i], claim))
                        continue;
                if (!last || !same_part(*last, &rows[i]))
                        p->parts[p->n++] = &rows[i];
                else if (is_later(&rows[i], *last))
                        *last = &rows[i];
        }
}

/* A whole-job row beside tasks is from before Slurm had written down that it is an array. */
static void drop_whole(SlurmPicture *p) {
        if (p->n < 2 || p->parts[0]->id.part != 0)
                return;
        memmove(p->parts, p->parts + 1, (p->n - 1) * sizeof(*p->parts));
        p->n--;
}

static void hash_bytes(uint64_t *hash, const void *data, size_t size) {
        const unsigned char *p = data;

        for (size_t i = 0; i < size; i++)
                *hash = (*hash ^ p[i]) * UINT64_C(0x100000001b3); /* FNV-1a */
}

static void count_part(SlurmPicture *p, const SlurmRow *row) {
        uint32_t count = row->id.count ? row->id.count : 1;

        p->array |= row->id.part == '_';
        p->heterogeneous |= row->id.part == '+';
        p->open |= row->id.count == 0;
        if (row->life == SLURM_LIFE_ENDED)
                p->ended += count;
        else if (row->life == SLURM_LIFE_WAITING)
                p->waiting += count;
        else
                p->running += count;
        hash_bytes(&p->fingerprint, &row->id.index, sizeof(row->id.index));
        hash_bytes(&p->fingerprint, row->id_text, strlen(row->id_text));
        hash_bytes(&p->fingerprint, row->state, strlen(row->state));
        hash_bytes(&p->fingerprint, &row->exit_code, sizeof(row->exit_code));
        hash_bytes(&p->fingerprint, &row->submit, sizeof(row->submit));
        hash_bytes(&p->fingerprint, &row->end, sizeof(row->end));
}

int slurm_picture(const SlurmTable *t, const SlurmClaim *claim, SlurmPicture *ret) {
        SlurmPicture p = { .table = t, .fingerprint = UINT64_C(0xcbf29ce484222325) };
        const SlurmRow *rows;
        size_t n;

        rows = slurm_table_find(t, claim->job, &n);
        if (n > 0) {
                p.parts = calloc(n, sizeof(*p.parts));
                if (!p.parts)
                        return -ENOMEM;
                pick_parts(&p, rows, n, claim);
                drop_whole(&p);
        }
        for (size_t i = 0; i < p.n; i++)
                count_part(&p, p.parts[i]);
        *ret = p;
        return 0;
}

void slurm_picture_done(SlurmPicture *p) {
        free(p->parts);
        memset(p, 0, sizeof(*p));
}

static void take_number(int64_t *to, int64_t from) {
        if (*to < 0)
                *to = from;
}

static void merge_row(SlurmRow *row, const SlurmRow *d) {
        if (row->exit_code < 0) {
                row->exit_code = d->exit_code;
                row->signal = d->signal;
        }
        take_number(&row->elapsed_s, d->elapsed_s);
        take_number(&row->limit_s, d->limit_s);
        take_number(&row->cpus, d->cpus);
        take_number(&row->node_count, d->node_count);
        take_number(&row->memory_requested, d->memory_requested);
        if (!row->start)
                row->start = d->start;
        if (!row->end)
                row->end = d->end;
}

void slurm_table_merge(SlurmTable *t, const SlurmTable *details) {
        for (size_t i = 0; i < t->n; i++) {
                SlurmRow *row = &t->rows[i];
                const SlurmRow *d;
                size_t n;

                if (row->life != SLURM_LIFE_ENDED)
                        continue;
                d = slurm_table_find(details, row->id.job, &n);
                for (size_t k = 0; k < n; k++)
                        if (same_part(row, &d[k]) && streq(row->state, d[k].state))
                                merge_row(row, &d[k]);
        }
}
