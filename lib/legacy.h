/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The base folder of the FlowCron of bash scripts and cron (doi 10.12688/wellcomeopenres.23491.1), read without running any of it.
 *
 * Its folders have the names that ours have. Beside them lie its scripts, in CodeToRun/: cron.target.sh, which cron runs; environment_variables.sh and
 * cleanup.sh, into which its setup wrote the answers. A Unit of Work in the work area has sentinels/SlurmRunning from just before its job is
 * submitted until a second job, which waits for the first (cleanup.sh FOLDER JOB), moves the folder on. Logs/…_cron_target.log tells which job
 * belongs to which folder.
 */

#include <stdbool.h>

#include "import.h"
#include "layout.h"

#define LEGACY_CODE "CodeToRun"
#define LEGACY_SCRIPT "cron.target.sh"

/** legacy_is_base() - whether the folder is such a base. */
bool legacy_is_base(int basefd);

/* What its setup was told. Strings NULL: not told. */
typedef struct LegacySettings {
        char *account, *qos, *partition, *reservation;
        int soft_delete_days, purge_days; /* -1: not told */
        int add_timestamp;                /* -1: not told, 0, 1 */
} LegacySettings;

void legacy_settings_done(LegacySettings *s);

/** legacy_read_settings() - from both files; one that is not there tells nothing. 0 or -errno. */
int legacy_read_settings(int basefd, LegacySettings *ret);

/** legacy_parse_variables(), legacy_parse_cleanup() - the same of a file's text: plain assignments, and #SBATCH lines. 0 or -ENOMEM. */
int legacy_parse_variables(const char *text, LegacySettings *s);
int legacy_parse_cleanup(const char *text, LegacySettings *s);

/** legacy_is_comment() - the comment that its setup puts above its line in a crontab. */
bool legacy_is_comment(const char *comment);

/**
 * legacy_runs() - whether @command (of a crontab's line) runs the scripts of @base: by their path, or through the little script in the home
 * folder that its setup makes
 * @home: where relative paths begin
 */
bool legacy_runs(const char *command, const char *base, const char *home);

/* ---- what it has under way ---- */

typedef enum LegacyFinding {
        LEGACY_KEPT,       /* in a result folder or the bin */
        LEGACY_UNFINISHED, /* the same, but its clean-up died: sentinels/ is still there */
        LEGACY_WAITING,    /* in the work area, not submitted */
        LEGACY_SUBMITTED,  /* in the work area, with its mark of a submission */
        LEGACY_OURS,       /* in the work area, with our mark alone: taken over already */
        LEGACY_STUCK,      /* in UploadedFiles, with a mark of a move that never came to its end */
        LEGACY_FOREIGN,    /* in the work area, and no Unit of Work of its making: left alone */
} LegacyFinding;

typedef struct LegacyUow {
        LegacyFinding finding;
        Place place;
        char *folder; /* raw bytes */
        char *job_id; /* NULL: not known */
        char *cleanup; /* the job that is to clean up after it, while that has not ended; NULL: none */
        bool cleaning; /* that one runs just now */
        usec_t submitted, ended;
} LegacyUow;

typedef struct LegacySurvey {
        LegacyUow *uows;
        size_t n;
        char **left; /* names of what is in the way of a whole take-over, in words; NULL-terminated */
} LegacySurvey;

void legacy_survey_done(LegacySurvey *s);

/** legacy_survey() - what lies in the folders, with what the logs tell of jobs. Changes nothing. 0, or -errno with @e. */
int legacy_survey(const Layout *l, LegacySurvey *ret, Error *e);

/** legacy_read_log() - jobs out of the text of a log: "… FOLDER with JobID 17 to the queue". 0 or -ENOMEM. */
int legacy_read_log(LegacySurvey *s, const char *text);

/** legacy_queue_args() - squeue's arguments for legacy_read_queue(); new vector or NULL. */
char **legacy_queue_args(const char *marker);

/**
 * legacy_read_queue() - what squeue says: jobs of folders, and their clean-up jobs
 * @code: absolute paths of CodeToRun, NULL-terminated: as configured, and without links
 * 0 or -ENOMEM.
 */
int legacy_read_queue(LegacySurvey *s, const char *out, const char *marker, char *const *code);

/**
 * legacy_clear_marks() - take its marks out of sentinels/ of a folder: of a move, a submission, a copy. Others stay.
 * 0: sentinels/ is empty now (but for our own mark), or not there; 1: it holds something else; -errno.
 */
int legacy_clear_marks(int dirfd, const char *folder);
