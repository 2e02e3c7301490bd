/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What Slurm's commands print. The first byte of the input chooses whose output it is; byte 0x1f stands for the marker,
 * which nobody outside knows. No output whatever makes a job of somebody else's ours, or an end of nothing.
 */

#include "fuzz.h"
#include "slurm-text.h"

#define MARKER "0123456789abcdef0123456789abcdef"
#define TOKEN "flowcron=7c1d9f8e-4a2b-4c3d-8e5f-0123456789ab.1"

static char *with_marker(const uint8_t *data, size_t size, size_t *ret_size) {
        char *text = malloc(size * (sizeof(MARKER) - 1) + 1), *p = text;

        PROMISE(text);
        for (size_t i = 0; i < size; i++)
                if (data[i] == 0x1f)
                        p = mempcpy(p, MARKER, sizeof(MARKER) - 1);
                else
                        *p++ = (char)data[i];
        *p = 0;
        *ret_size = (size_t)(p - text);
        return text;
}

static void promise_row(const SlurmRow *row) {
        PROMISE(row->id.job > 0);
        PROMISE(row->id_text && row->state && row->cancelled_by && row->reason && row->partition &&
                row->account && row->qos && row->nodes && row->comment && row->submit_line &&
                row->workdir);
        PROMISE(!strchr(row->state, ' '));
        PROMISE(strlen(row->id.step) < sizeof(row->id.step));
}

static void promise_sorted(const SlurmTable *t) {
        for (size_t i = 0; i < t->n; i++) {
                const SlurmRow *row = &t->rows[i];

                promise_row(row);
                PROMISE(row->first_step + row->steps <= t->n_steps || row->steps == 0);
                if (i > 0)
                        PROMISE(row[-1].id.job <= row->id.job);
        }
}

static void promise_report(const SlurmPicture *p) {
        JobReport report = {};

        PROMISE(slurm_judge("17", p, NULL, 0, false, &report) == 0);
        PROMISE(report.ended && report.outcome != OUTCOME_NONE);
        PROMISE(report.outcome == OUTCOME_SUCCEEDED || report.reason);
        PROMISE(!report.reason || (report.reason[0] && !strchr(report.reason, '\n')));
        job_report_done(&report);
}

/* Submitted by FlowCron for another Unit of Work, and from another folder. */
static bool is_of_another(const SlurmRow *row, const SlurmClaim *claim) {
        return claim->token && startswith(row->comment, "flowcron=") &&
                !slurm_row_has_token(row, claim->token) && !streq(row->workdir, claim->workdir);
}

static void promise_picture(const SlurmTable *t, uint32_t job, const char *token) {
        const SlurmClaim claim = {
                .job = job, .token = token, .workdir = "/base/CodeToRun/slurm/a"
        };
        SlurmPicture p, again;
        size_t n;
        const SlurmRow *rows = slurm_table_find(t, job, &n);

        PROMISE(rows && n > 0 && rows[0].id.job == job && rows[n - 1].id.job == job);
        PROMISE(slurm_picture(t, &claim, &p) == 0 && slurm_picture(t, &claim, &again) == 0);
        PROMISE(p.n <= n && p.fingerprint == again.fingerprint);
        for (size_t i = 0; i < p.n; i++) {
                PROMISE(p.parts[i] >= rows && p.parts[i] < rows + n);
                PROMISE(!is_of_another(p.parts[i], &claim));
        }
        PROMISE(p.n > 0 || p.waiting + p.running + p.ended == 0);
        if (p.ended > 0 && p.waiting == 0 && p.running == 0 && !p.open)
                promise_report(&p);
        slurm_picture_done(&again);
        slurm_picture_done(&p);
}

static void promise_pictures(SlurmTable *t) {
        promise_sorted(t);
        for (size_t i = 0; i < t->n && i < 20; i++) {
                promise_picture(t, t->rows[i].id.job, NULL);
                promise_picture(t, t->rows[i].id.job, TOKEN);
        }
        slurm_table_merge(t, t);
        promise_sorted(t);
}

static void table(uint8_t which, const uint8_t *data, size_t size) {
        size_t n;
        _cleanup_free_ char *text = with_marker(data, size, &n);
        SlurmTable t = {};
        int r;

        if (which == 0)
                r = slurm_squeue_parse(text, n, MARKER, &t);
        else if (which == 3)
                r = slurm_scontrol_parse(text, n, &t);
        else
                r = slurm_sacct_parse(text, n, MARKER, which == 1, &t);
        PROMISE(r == 0);
        promise_pictures(&t);
        slurm_table_done(&t);
}

/* Output, a NUL, errors; the first byte is the exit code. */
static void answer(const uint8_t *data, size_t size) {
        _cleanup_free_ char *out = input_text(data + 1, size - 1), *id = NULL, *text = NULL,
                            *words = NULL;
        const char *err = memchr(out, 0, size - 1);
        SlurmAnswer a;
        int code = (int8_t)data[0] < 0 ? -1 : (int8_t)data[0];

        err = err ? err + 1 : "";
        PROMISE(slurm_sbatch_judge(code, out, err, &a, &id, &text) == 0);
        PROMISE(text && !strchr(text, '\n'));
        PROMISE((a == SLURM_ACCEPTED) == (id != NULL));
        if (id) {
                PROMISE(*id && strspn(id, "0123456789") == strlen(id));
        } else
                PROMISE(*text);
        words = slurm_error_text(err);
        PROMISE(words && !strchr(words, '\n'));
        (void)slurm_is_unreachable(err);
        (void)slurm_job_is_gone(err);
        (void)slurm_accounting_is_off(err);
        (void)slurm_field_is_unknown(err, "SubmitLine");
}

static void values(const char *s) {
        _cleanup_free_ char *reason = NULL;
        SlurmId id = {};
        int code = -7, signal = -7;
        bool stuck;

        if (slurm_id_parse(s, &id) == 0)
                PROMISE(id.job > 0 && (id.part == 0 || id.part == '_' || id.part == '+'));
        if (slurm_exit_parse(s, &code, &signal) < 0)
                PROMISE(code == -7 && signal == -7);
        PROMISE(slurm_duration_parse(s) >= -1);
        PROMISE(slurm_size_parse(s) >= -1);
        (void)slurm_array_count(s);
        (void)slurm_time_parse(s);
        (void)slurm_state_life(s);
        reason = slurm_pending_reason("PENDING", s, &stuck);
        PROMISE(reason);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = NULL;

        if (size < 2)
                return 0;
        if (data[0] % 8 < 4)
                table(data[0] % 8, data + 1, size - 1);
        else if (data[0] % 8 == 4)
                answer(data + 1, size - 1);
        else {
                text = input_text(data + 1, size - 1);
                values(text);
        }
        return 0;
}
