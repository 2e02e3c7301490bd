/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Slurm's accounting: whether it is there, and how far it lags behind. What the controller says of recent jobs is held against
 * what accounting says of the same ones: a job that ended five minutes ago and still runs there is five minutes of lag.
 */

#include <string.h>

#include "doctor.h"
#include "slurm-site.h"
#include "slurm-text.h"
#include "text.h"

/* Longer than this, and a submission whose answer was lost is long in doubt, and reports wait for their figures. */
#define LAG_MUCH (2 * USEC_PER_MINUTE)

/* Accounting is told in bursts; a job that changed a moment ago tells nothing. */
#define LAG_NONE (5 * USEC_PER_SEC)

static bool same_part(const SlurmRow *a, const SlurmRow *b) {
        return a->id.job == b->id.job && a->id.part == b->id.part && a->id.index == b->id.index;
}

/* What accounting has not heard of this job yet: since when, or 0. */
static usec_t not_heard_since(const SlurmTable *sacct, const SlurmRow *row) {
        size_t n;
        const SlurmRow *known = slurm_table_find(sacct, row->id.job, &n);

        if (!n)
                return row->submit;
        if (row->life != SLURM_LIFE_ENDED)
                return 0;
        for (size_t i = 0; i < n; i++)
                if (same_part(&known[i], row) && known[i].life == SLURM_LIFE_ENDED)
                        return 0;
        return row->end;
}

static usec_t lag_of(const SlurmTable *squeue, const SlurmTable *sacct, usec_t now, size_t *ret_n) {
        usec_t lag = 0;

        *ret_n = 0;
        for (size_t i = 0; i < squeue->n; i++) {
                const SlurmRow *row = &squeue->rows[i];
                usec_t since;

                /* A list of tasks that never started has no row of its own there. */
                if (row->id.several)
                        continue;
                ++*ret_n;
                since = not_heard_since(sacct, row);
                if (since && now > since && now - since > lag)
                        lag = now - since;
        }
        return lag;
}

static void say_lag(Doctor *d, usec_t lag, size_t n) {
        char words[CLOCK_TEXT_MAX];

        duration_words(words, lag);
        if (n == 0)
                doctor_find(d, "accounting", FINDING_OK,
                        "answers; there is no recent job by which its lag could be told");
        else if (lag <= LAG_NONE)
                doctor_find(d, "accounting", FINDING_OK, "answers, and knows of %zu recent %s", n,
                        n == 1 ? "job" : "jobs");
        else if (lag <= LAG_MUCH)
                doctor_find(d, "accounting", FINDING_OK, "answers, and lags behind by %s", words);
        else {
                doctor_find(d, "accounting", FINDING_WARNING, "lags behind by %s", words);
                doctor_why(d,
                        "A submission whose answer was lost stays in doubt for so long. The site's "
                        "slurmdbd, or its database, is slow or down.");
                doctor_advise(d, "sacctmgr show stats");
        }
}

static void measure_lag(Doctor *d, const Run *sacct) {
        _cleanup_(slurm_table_done) SlurmTable jobs = {}, known = {};
        const Run *squeue = doctor_answer_ok(d, PROBE_SQUEUE);
        size_t n = 0;
        usec_t lag;

        if ((squeue &&
                    slurm_squeue_parse(run_out(squeue), squeue->out_size, d->marker_squeue, &jobs) <
                            0) ||
                slurm_sacct_parse(run_out(sacct), sacct->out_size, d->marker_sacct, false, &known) <
                        0) {
                d->failed = true;
                return;
        }
        lag = lag_of(&jobs, &known, clock_now(), &n);
        say_lag(d, lag, n);
}

static void say_none(Doctor *d) {
        const Run *config = doctor_answer_ok(d, PROBE_SLURM_CONFIG);
        _cleanup_free_ char *age = config ? slurm_config_value(run_out(config), "MinJobAge") : NULL;

        doctor_find(d, "accounting", FINDING_NOTE, "this site has none");
        doctor_why(d,
                "How a job ended is asked of the controller, which forgets it after %s. A pass of cron must come more often.",
                age ?: "MinJobAge");
}

void doctor_check_accounting(Doctor *d) {
        const Run *sacct = doctor_answer(d, PROBE_SACCT);
        _cleanup_free_ char *words = NULL;

        if (!sacct || sacct->error == -ENOENT)
                return;
        if (run_ok(sacct)) {
                measure_lag(d, sacct);
                return;
        }
        if (slurm_accounting_is_off(run_err(sacct))) {
                say_none(d);
                return;
        }
        words = doctor_slurm_words(sacct);
        doctor_find(d, "accounting", FINDING_WARNING, "Slurm's accounting does not answer");
        doctor_why(d,
                "sacct: %s. Jobs are followed by the controller's word; figures are missing in reports.",
                words ?: "?");
        doctor_advise(d, "sacctmgr show stats");
}
