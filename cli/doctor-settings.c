/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What jobs are submitted with: account, QoS, partition and reservation, each against what the site offers, and all together by asking the
 * controller to judge a job that is never submitted.
 *
 * A name that is not in a list is a fault only if the list is there: an empty answer is no answer.
 */

#include <string.h>

#include "doctor.h"
#include "slurm-site.h"
#include "slurm-text.h"
#include "text.h"

/* What the site offers to the owner of the instance. */
typedef struct Offer {
        char **partitions, **closed, **accounts, **qos, **reservations;
        char *fallback; /* the default partition */
} Offer;

static void offer_done(Offer *o) {
        strv_free(o->partitions);
        strv_free(o->closed);
        strv_free(o->accounts);
        strv_free(o->qos);
        strv_free(o->reservations);
        free(o->fallback);
}

static int read_offer(const Doctor *d, Offer *o) {
        const Run *partitions = doctor_answer_ok(d, PROBE_PARTITIONS),
                  *associations = doctor_answer_ok(d, PROBE_ASSOCIATIONS),
                  *reservations = doctor_answer_ok(d, PROBE_RESERVATIONS);
        int r = 0;

        if (partitions)
                r = slurm_partitions_parse(
                        run_out(partitions), &o->partitions, &o->fallback, &o->closed);
        if (r >= 0 && associations)
                r = slurm_associations_parse(
                        run_out(associations), d->config->scheduler.account, &o->accounts, &o->qos);
        if (r >= 0 && associations && !o->qos) /* of a wrong account: with any other */
                r = slurm_associations_parse(run_out(associations), NULL, NULL, &o->qos);
        if (r >= 0 && reservations)
                r = slurm_reservations_parse(run_out(reservations), &o->reservations);
        return r;
}

/* Slurm takes the names of accounts and QoS in any case. */
static bool is_offered(char *const *choices, const char *value) {
        for (; choices && *choices; choices++)
                if (strcasecmp(*choices, value) == 0)
                        return true;
        return false;
}

/* @told: the site said what there is, if only that there is nothing. */
static void check_name(
        Doctor *d, const char *key, const char *value, char *const *choices, bool told) {
        _cleanup_free_ char *list = strv_join(choices, ", ");

        if (isempty(value))
                return;
        if (!told) {
                doctor_find(
                        d, key, FINDING_NOTE, "whether %s %s is valid can't be told", key, value);
                doctor_why(d, "The site does not say what there is.");
        } else if (is_offered(choices, value))
                doctor_find(d, key, FINDING_OK, "%s %s is valid", key, value);
        else {
                doctor_find(d, key, FINDING_FAULT, "there is no %s %s for %s", key, value,
                        d->owner_name);
                doctor_why(d, "scheduler.%s is wrong. There is: %s.", key,
                        isempty(list) ? "none" : list);
                doctor_advise_edit(d);
        }
}

static void check_partition(Doctor *d, const Offer *o) {
        const char *value = d->config->scheduler.partition;

        check_name(d, "partition", value, o->partitions, o->partitions);
        if (isempty(value))
                value = o->fallback;
        if (value && strv_contains(o->closed, value)) {
                doctor_find(d, "partition", FINDING_WARNING, "partition %s is down", value);
                doctor_why(d, "Jobs wait there until the site takes it up again.");
                doctor_advise(d, "sinfo --partition=%s", value);
        }
}

static void check_trial(Doctor *d) {
        const Run *r = doctor_answer(d, PROBE_TRIAL);
        _cleanup_free_ char *words = NULL;

        if (!r || r->error == -ENOENT)
                return;
        if (run_ok(r)) {
                doctor_find(
                        d, "submission", FINDING_OK, "Slurm would take a job with these settings");
                return;
        }
        words = doctor_slurm_words(r);
        /* Said of the controller already. */
        if (r->error == -ETIMEDOUT || slurm_is_unreachable(run_err(r)))
                return;
        doctor_find(d, "submission", FINDING_FAULT, "Slurm would refuse a job with these settings");
        doctor_why(d, "sbatch --test-only: %s", words ?: "?");
        doctor_advise_edit(d);
}

void doctor_check_settings(Doctor *d) {
        const Run *squeue = doctor_answer_ok(d, PROBE_SQUEUE);
        _cleanup_(offer_done) Offer o = {};

        if (!squeue)
                return; /* no Slurm, or it does not answer */
        if (read_offer(d, &o) < 0) {
                d->failed = true;
                return;
        }
        check_name(d, "account", d->config->scheduler.account, o.accounts, o.accounts);
        check_name(d, "qos", d->config->scheduler.qos, o.qos, o.qos);
        check_partition(d, &o);
        check_name(d, "reservation", d->config->scheduler.reservation, o.reservations,
                doctor_answer_ok(d, PROBE_RESERVATIONS));
        check_trial(d);
}
