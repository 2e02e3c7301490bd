/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What `flowcronctl doctor` works with: the instance as far as it can be looked at from here, the answers of the programs that
 * were asked, and the findings so far.
 *
 * Nothing here changes anything, but for one small file that the owner's doctor makes and removes to learn the file server's time. All programs
 * are run at once, each with a deadline (doctor-probes.c), and then judged; so a Slurm that hangs costs one deadline.
 */

#include "access.h"
#include "run.h"
#include "strv.h"

typedef enum FindingResult {
        FINDING_OK,
        FINDING_NOTE,    /* good to know, nothing is wrong */
        FINDING_WARNING, /* it works, but not as well, or not for long */
        FINDING_FAULT,   /* it does not work */
        _FINDING_MAX,
} FindingResult;

/* Programs that are asked. */
typedef enum Probe {
        PROBE_SLURM_VERSION,
        PROBE_PING,
        PROBE_SLURM_CONFIG,
        PROBE_PARTITIONS,
        PROBE_ASSOCIATIONS,
        PROBE_RESERVATIONS,
        PROBE_TRIAL,
        PROBE_SQUEUE,
        PROBE_SACCT,
        PROBE_UNIT,
        PROBE_UNIT_VERSION,
        PROBE_CRONTAB,
        PROBE_SCRONTAB,
        PROBE_QUOTA,
        _PROBE_MAX,
} Probe;

typedef struct Doctor {
        Cli *cli;
        char instance[INSTANCE_MAX];
        char unit[INSTANCE_MAX + sizeof("flowcron@.service")];
        char *ctl;       /* for advice: "flowcronctl -i NAME" */
        char *flowcrond; /* for advice: how to start a pass of this instance */

        const Config *config; /* NULL: it can't be read */
        Layout *layout;       /* open for reading; NULL: there is nothing yet */
        cJSON *status;        /* of the daemon, else from disk; NULL: none */
        bool running;         /* a daemon answered */

        uid_t owner; /* whose instance it is */
        char *owner_name;
        bool is_owner; /* we are that user, and --base does not say to look only; else much is hidden from us */

        char **env; /* of a login shell; NULL: it could not be taken */
        Error env_trouble;
        char **argv[_PROBE_MAX];
        Run answers[_PROBE_MAX];
        bool asked[_PROBE_MAX];
        char *marker_squeue, *marker_sacct; /* what separates their fields */
        char *unit_program;                 /* that the installed unit starts; NULL: no unit */

        cJSON *findings;
        bool failed; /* no memory: something was left out */
} Doctor;

/* ---- findings (doctor-findings.c) ---- */

/** doctor_find() - a new finding of @check; the text says what is the case. */
void doctor_find(Doctor *d, const char *check, FindingResult result, const char *fmt, ...)
        _printf_(4, 5);
/** doctor_why() - the last finding's cause, or why it matters. */
void doctor_why(Doctor *d, const char *fmt, ...) _printf_(2, 3);
/** doctor_advise() - what to do about it: one command that works when it is pasted into a shell. */
void doctor_advise(Doctor *d, const char *fmt, ...) _printf_(2, 3);
/** doctor_advise_path() - the same: "COMMAND PATH", with the path quoted. */
void doctor_advise_path(Doctor *d, const char *command, const char *path);
/** doctor_advise_edit() - the command that edits the configuration and puts it into force. */
void doctor_advise_edit(Doctor *d);

/** doctor_worst() - of all findings. */
FindingResult doctor_worst(const Doctor *d);

/** doctor_print() - for people. */
void doctor_print(const Doctor *d);

/* ---- programs (doctor-probes.c) ---- */

/** doctor_ask() - the login environment, and then all programs at once. 0 or -ENOMEM. */
int doctor_ask(Doctor *d);
/** doctor_answer() - what the program said; NULL if it was not asked. */
const Run *doctor_answer(const Doctor *d, Probe p);
/** doctor_answer_ok() - the same if it ran and exited with 0, else NULL. */
const Run *doctor_answer_ok(const Doctor *d, Probe p);
/** doctor_slurm_words() - why a question to Slurm failed: its own words, or that it did not answer; new string or NULL. */
char *doctor_slurm_words(const Run *r);

/* ---- the checks, in the order of the report ---- */

void doctor_check_configuration(Doctor *d); /* doctor-instance.c */
void doctor_check_daemon(Doctor *d);
void doctor_check_lease(Doctor *d);
void doctor_check_service(Doctor *d);    /* doctor-service.c: unit, linger, cron */
void doctor_check_slurm(Doctor *d);      /* doctor-slurm.c: commands, controller */
void doctor_check_accounting(Doctor *d); /* doctor-accounting.c: accounting and its lag */
void doctor_check_settings(
        Doctor *d); /* doctor-settings.c: account, QoS, partition, reservation, a trial */
void doctor_check_folders(Doctor *d); /* doctor-folders.c: watching, clock, permissions */
void doctor_check_space(Doctor *d);   /* doctor-space.c: space, quota, logs */
void doctor_check_work(Doctor *d);    /* doctor-instance.c: what is stuck, and why */
void doctor_check_globus(Doctor *d);
