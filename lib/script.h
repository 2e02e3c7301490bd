/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Finding and judging the Slurm script of a Unit of Work: rules 5 to 8 of flowcron-uow(7).
 *
 * Used as it is by the daemon before a submission and by `flowcronctl validate`, so that both
 * always agree. Reads only; what has to be changed (line endings) is reported, and done by
 * script_convert().
 */

#include "config.h"

/* The most that Slurm takes: max_script_size, 4 MiB by default (slurm.conf(5)). */
#define SCRIPT_SIZE_MAX (4U * 1024 * 1024)

typedef struct ScriptRules {
        const char *fixed_name;           /* uow.script */
        char *const *forbidden_variables; /* NULL-terminated */
        bool convert;                     /* judge as if line endings were converted already */
} ScriptRules;

typedef struct Script {
        char *name;   /* raw bytes, within scripts/ */
        char *target; /* path from the UoW's root, a link inside the UoW resolved: "scripts/run.sh" */
        char sha256[65];
        bool needs_conversion;
        char *comment;                       /* what `#SBATCH --comment` asks for, or NULL */
        unsigned set;                        /* SCRIPT_SETS_…: what the script asks for itself */
        char *array;                         /* text of `#SBATCH --array`, or NULL */
        char *time, *cpus_per_task, *ntasks; /* likewise */
        bool hetjob;
} Script;

enum {
        SCRIPT_SETS_ACCOUNT = 1 << 0,
        SCRIPT_SETS_QOS = 1 << 1,
        SCRIPT_SETS_PARTITION = 1 << 2,
        SCRIPT_SETS_RESERVATION = 1 << 3,
        SCRIPT_SETS_TIME = 1 << 4,
};

void script_done(Script *s);

/**
 * script_find() - find the script in the UoW's open root folder, and judge it
 * Returns 0; UOW_E_REJECTED with the reason for people in @e (files considered, line number and
 * line); -errno for trouble that is not the user's.
 */
int script_find(int uowdir, const ScriptRules *rules, Script *ret, Error *e);

/**
 * script_convert() - take DOS line endings and a byte-order mark off the Slurm script and every
 * regular *.sh in scripts/
 * @ret_names: what was changed, a JSON array of texts, paths from the UoW's root; the first 1000
 *
 * Atomic for each file, keeps its mode, follows no link, may be repeated. Files with a NUL byte or
 * of more than 64 MiB are left alone. Does nothing unless @rules->convert.
 */
int script_convert(int uowdir, const ScriptRules *rules, cJSON **ret_names, Error *e);

/**
 * script_text_check() - the judgement on the text alone (for tests and the fuzzer): forbidden
 * variables and #SBATCH options
 * @name is for messages. Returns 0, UOW_E_REJECTED or -ENOMEM; @ret (may be NULL) is filled but for
 * name and target.
 */
int script_text_check(const char *name, const char *text, size_t size, const ScriptRules *rules,
        Script *ret, Error *e);
