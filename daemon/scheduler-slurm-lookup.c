/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Submissions whose answer is missing are looked for by their token.
 *
 * Found: adopted. Not found counts only if squeue and accounting have both answered about
 * everything, the sbatch in question was over for so long that its request can't be on its way any
 * more and accounting has caught up, and only the second time in a row. Everything else is "not
 * known yet".
 *
 * A second job of a token that is taken can only come from an owner that was frozen between its
 * look and its act; it is cancelled.
 */

#include "scheduler-slurm-internal.h"

#include <string.h>

#include "text.h"

/*
 * Of several the oldest; but one that was cancelled only if there is no other, since that is how
 * second jobs end. Slurm gives ids in the order of submission.
 */
static bool is_better(const SlurmRow *a, const SlurmRow *b) {
        bool a_cancelled = streq(a->state, "CANCELLED"), b_cancelled = streq(b->state, "CANCELLED");

        if (a_cancelled != b_cancelled)
                return b_cancelled;
        if (a->submit != b->submit && a->submit && b->submit)
                return a->submit < b->submit;
        return a->id.job < b->id.job;
}

/*
 * Slurm notes down a refused request in accounting as a job that failed at the moment it came, on
 * no node: a ghost, not our job. One that is alive, or got a node, is.
 */
static bool is_ghost(const SlurmRow *row) {
        return streq(row->state, "FAILED") && !row->nodes[0] && row->elapsed_s <= 0;
}

static const SlurmRow *find_job(const SlurmTable *t, const char *token) {
        const SlurmRow *best = NULL;

        for (size_t i = 0; i < t->n; i++)
                if (slurm_row_has_token(&t->rows[i], token) && !is_ghost(&t->rows[i]) &&
                        (!best || is_better(&t->rows[i], best)))
                        best = &t->rows[i];
        return best;
}

static void tell(Slurm *s, const Item *item, LookupVerdict v, const char *job_id, bool held) {
        s->scheduler->events.looked_up(
                item->uow, item->attempt, v, job_id, held, s->scheduler->userdata);
}

static bool is_held(const SlurmTable *t, uint32_t job) {
        const SlurmRow *rows;
        size_t n;

        rows = slurm_table_find(t, job, &n);
        for (size_t i = 0; i < n; i++)
                if (rows[i].life == SLURM_LIFE_WAITING && startswith(rows[i].reason, "JobHeldUser"))
                        return true;
        return false;
}

static void found(Slurm *s, Item *item, const SlurmRow *row) {
        item->job = row->id.job; /* so that its seconds are known for what they are */
        item->absent = 0;
        snprintf(item->job_id, sizeof(item->job_id), "%u", row->id.job);
        tell(s, item, LOOKUP_FOUND, item->job_id, is_held(&s->squeue, row->id.job));
}

/* Every source has answered about every job that could be the one. */
static bool all_have_answered(const Slurm *s) {
        return s->accounting_off_since || (s->sacct_answered && s->by_user);
}

static void not_found(Slurm *s, Item *item) {
        usec_t dead = slurm_dead_for(s, item), grace = slurm_grace(s);

        if (!all_have_answered(s) || slurm_submit_is_under_way(s, item) || dead < grace) {
                tell(s, item, LOOKUP_UNKNOWN, NULL, false);
                return;
        }
        item->absent++;
        /* A pass of `--once` remembers nothing of the one before; then time must do. */
        if (item->absent >= 2 || dead >= 2 * grace)
                tell(s, item, LOOKUP_ABSENT, NULL, false);
        else
                tell(s, item, LOOKUP_UNKNOWN, NULL, false);
}

void slurm_look_up(Slurm *s, Item *item) {
        const SlurmRow *row = find_job(&s->squeue, item->token);
        const SlurmRow *past = s->sacct_answered ? find_job(&s->sacct, item->token) : NULL;

        if (!row || (past && is_better(past, row)))
                row = past ? past : row;
        if (row)
                found(s, item, row);
        else
                not_found(s, item);
}

/* "flowcron=ID.ATTEMPT": the attempt, or 0 if the comment is no token; the id into @id. */
static int read_token(const char *comment, char id[static UOW_ID_MAX]) {
        const char *p = startswith(comment, "flowcron="), *dot = p ? strchr(p, '.') : NULL;

        if (!dot || dot - p != UOW_ID_MAX - 1)
                return 0;
        memcpy(id, p, UOW_ID_MAX - 1);
        id[UOW_ID_MAX - 1] = 0;
        return atoi(dot + 1);
}

void slurm_find_strays(Slurm *s) {
        for (size_t i = 0; i < s->squeue.n; i++) {
                const SlurmRow *row = &s->squeue.rows[i];
                char id[UOW_ID_MAX];
                int attempt = read_token(row->comment, id);
                const Item *item;

                if (attempt <= 0 || row->life == SLURM_LIFE_ENDED)
                        continue;
                item = slurm_item_find(s, id);
                /* Also one of an earlier attempt: that is over, whatever this job believes. */
                if (item && item->job && row->id.job != item->job && attempt <= item->attempt)
                        slurm_cancel_stray(s, item, row->id.job);
        }
}
