/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What Slurm's commands print, turned into values. Together with slurm-args.h this is all of the
 * house that knows Slurm's words; nothing here runs a command.
 *
 * Folder names and comments hold any bytes, line breaks included, and come back in squeue's and
 * sacct's rows. So every call is given a *marker*, random letters and digits, as what separates
 * fields and rows; whoever does not know it can't forge a row. Written against Slurm 22.05; facts
 * tried there are in docs and tests.
 */

#include "outcome.h"
#include "strv.h"

/* Random letters and digits, new for each call. */
#define SLURM_MARKER_MAX 33
/** slurm_marker() - a new one. 0 or -errno. */
int slurm_marker(char ret[static SLURM_MARKER_MAX]);

/* ---- single values ---- */

/* "17", "17_3", "17_[3-5,8%2]", "17+0"; with a step behind a dot. */
typedef struct SlurmId {
        uint32_t job;   /* the base id: 17 */
        char part;      /* 0: whole job, '_': array task, '+': component of a heterogeneous job */
        uint32_t index; /* of the task or component; of the first one for several */
        uint32_t count; /* how many the row stands for; 0: not known (a list that was cut short) */
        bool several;   /* "[…]": tasks that were never started */
        char step[32];  /* "batch", "extern", "0"; "" for the job itself */
} SlurmId;

/** slurm_id_parse() - 0, or -EINVAL */
int slurm_id_parse(const char *s, SlurmId *ret);

/** slurm_array_count() - how many tasks "0-4%2", "1-9:3,20" stands for; 0 if it can't be told */
uint32_t slurm_array_count(const char *spec);

/**
 * slurm_time_parse() - seconds since the epoch (SLURM_TIME_FORMAT=%s) or local ISO 8601; 0 for none
 * ("Unknown", "N/A")
 */
usec_t slurm_time_parse(const char *s);

/**
 * slurm_duration_parse() - "1-02:03:04", "03:04", "03:04.567" in whole seconds; -1 if it is none
 * ("UNLIMITED")
 */
int64_t slurm_duration_parse(const char *s);

/**
 * slurm_size_parse() - "4864K", "1.5G", "100M" in bytes, a "c" or "n" behind it ignored; -1 if it
 * is none
 */
int64_t slurm_size_parse(const char *s);

/** slurm_exit_parse() - "CODE:SIGNAL"; -EINVAL leaves the outputs alone */
int slurm_exit_parse(const char *s, int *ret_code, int *ret_signal);

/* ---- states and reasons ---- */

typedef enum SlurmLife {
        SLURM_LIFE_UNKNOWN, /* a word that we don't know: the job is taken to be alive */
        SLURM_LIFE_WAITING,
        SLURM_LIFE_RUNNING, /* or suspended, completing: it has its nodes */
        SLURM_LIFE_ENDED,
} SlurmLife;

SlurmLife slurm_state_life(const char *state);

/**
 * slurm_pending_reason() - why a job waits: "Resources", "PartitionDown: the partition is switched
 * off"
 * @state: its state, for those that wait in a special way; @reason as squeue prints it
 * @ret_stuck: it does not lift by itself
 * New string or NULL.
 */
char *slurm_pending_reason(const char *state, const char *reason, bool *ret_stuck);

/**
 * slurm_limit_lifts() - whether the limit that Slurm names by this word is one that others' or own
 * jobs fill, and free again
 */
bool slurm_limit_lifts(const char *word);

/* ---- rows ---- */

/*
 * Text members are raw bytes, "" when unknown, owned by the table. Numbers are -1 when unknown,
 * times 0.
 */
typedef struct SlurmStep {
        const char *name; /* "batch", "0" */
        const char *state;
        int exit_code, signal;
} SlurmStep;

typedef struct SlurmRow {
        SlurmId id;
        const char *id_text;
        const char *state; /* one word */
        SlurmLife life;
        const char *cancelled_by; /* user id */
        const char *reason, *partition, *account, *qos, *nodes, *comment, *submit_line, *workdir;
        int exit_code, signal, derived_exit_code;
        usec_t submit, start, end;
        int64_t elapsed_s, limit_s, node_count, cpus, cpu_s, memory_used, memory_requested;
        bool step_out_of_memory;
        size_t first_step, steps; /* failed ones, in the table's steps */
        size_t position;          /* as printed */
} SlurmRow;

/* Rows sorted by base id, then task or component, then submission, then as printed. */
typedef struct SlurmTable {
        char *text;
        SlurmRow *rows;
        size_t n;
        SlurmStep *steps;
        size_t n_steps;
        bool incomplete; /* the output ended in the middle of a row, or a row made no sense */
        bool raw;        /* folders are byte for byte what they are, as squeue prints them */
} SlurmTable;

void slurm_table_done(SlurmTable *t);

/** slurm_table_find() - the rows of base id @job; NULL and 0 if there are none */
const SlurmRow *slurm_table_find(const SlurmTable *t, uint32_t job, size_t *ret_n);

/** slurm_squeue_format() - for `squeue --format`; new string or NULL */
char *slurm_squeue_format(const char *marker);
/**
 * slurm_squeue_parse() - the output of squeue with that format. 0 or -ENOMEM; what can't be read
 * sets `incomplete`.
 */
int slurm_squeue_parse(const char *out, size_t size, const char *marker, SlurmTable *ret);

/* Fields that a Slurm before 21.08 does not have are left out (@submit_line false). */
char *slurm_sacct_fields(bool submit_line);
/**
 * slurm_sacct_parse() - the output of `sacct --parsable --delimiter=MARKER` with those fields. As
 * above.
 */
int slurm_sacct_parse(
        const char *out, size_t size, const char *marker, bool submit_line, SlurmTable *ret);

/**
 * slurm_scontrol_parse() - the output of `scontrol --oneliner show job`
 * It has no marker: a name with a line break in it can forge a row. So only *details* may be taken
 * from it, for jobs whose state squeue has told.
 */
int slurm_scontrol_parse(const char *out, size_t size, SlurmTable *ret);

/**
 * slurm_row_has_token() - the row is of a job that was submitted with @token: its comment begins
 * with it, or what its submit line gave as comment
 * Anywhere else a token is something that a user wrote.
 */
bool slurm_row_has_token(const SlurmRow *row, const char *token);

/* ---- a job made of rows ---- */

/* Which rows of a base id belong to our job: ids are used again. */
typedef struct SlurmClaim {
        uint32_t job;
        const char
                *token; /* NULL: a further job, or one that another program submitted, has none */
        const char *workdir; /* its folder, as told to sbatch; NULL: it may be any */
        usec_t not_before;   /* submitted then at the earliest */
} SlurmClaim;

/* The latest life of each part. */
typedef struct SlurmPicture {
        const SlurmRow **parts; /* sorted by index; point into the table */
        size_t n;
        const SlurmTable *table;
        uint32_t waiting, running,
                ended; /* how many tasks or components; unknown words count as running */
        bool array, heterogeneous,
                open;         /* open: a row stands for a number of tasks that is not known */
        uint64_t fingerprint; /* equal for equal pictures */
} SlurmPicture;

/**
 * slurm_picture() - what @t knows of a job; nothing at all is a picture with n = 0. 0 or -ENOMEM.
 */
int slurm_picture(const SlurmTable *t, const SlurmClaim *claim, SlurmPicture *ret);
void slurm_picture_done(SlurmPicture *p);

/**
 * slurm_table_merge() - give rows of @t that ended what they lack (exit codes, figures) from rows
 * of @details with the same id and state
 */
void slurm_table_merge(SlurmTable *t, const SlurmTable *details);

/* A job that our job submitted from its folder. */
typedef struct SlurmFurther {
        uint32_t job;
        SlurmPicture picture;
} SlurmFurther;

/**
 * slurm_judge() - what a job's end means; all parts have ended, and there is at least one
 * @further, @n_further: jobs that it submitted, ended too
 * @cancelling: a person has ordered its end through us
 * Fills ended, outcome, cause, reason, state, nodes, times and facts of @ret; 0 or -ENOMEM.
 */
int slurm_judge(const char *job_id, const SlurmPicture *p, const SlurmFurther *further,
        size_t n_further, bool cancelling, JobReport *ret);

/* ---- answers to orders ---- */

typedef enum SlurmAnswer {
        SLURM_ACCEPTED,
        SLURM_REFUSED,   /* the user must mend it */
        SLURM_DEFERRED,  /* certainly not taken, and may be another time */
        SLURM_UNCERTAIN, /* it may have been taken */
} SlurmAnswer;

/**
 * slurm_sbatch_judge() - what sbatch's end means
 * @exit_code: as it exited; -1 if it was killed or ran out of time
 * @ret_id: new string, for SLURM_ACCEPTED: the base id
 * @ret_text: new string: sbatch's own words, without its prefixes, on one line; "" only when
 * accepted
 * 0 or -ENOMEM.
 */
int slurm_sbatch_judge(int exit_code, const char *out, const char *err, SlurmAnswer *ret,
        char **ret_id, char **ret_text);

/**
 * slurm_error_text() - the words of a command's standard error, prefixes removed, on one line; new
 * string, "" if there are none; NULL without memory
 */
char *slurm_error_text(const char *err);

/**
 * slurm_is_unreachable() - @err says that the controller or the accounting service can't be reached
 */
bool slurm_is_unreachable(const char *err);

/** slurm_job_is_gone() - an order failed because the job has ended or is not known (any more) */
bool slurm_job_is_gone(const char *err);

/** slurm_accounting_is_off() - sacct says that this cluster has none */
bool slurm_accounting_is_off(const char *err);

/** slurm_field_is_unknown() - sacct does not know field @name */
bool slurm_field_is_unknown(const char *err, const char *name);
