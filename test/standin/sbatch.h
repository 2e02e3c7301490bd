/* SPDX-License-Identifier: Apache-2.0 */

/* sbatch's options, from the command line, the environment and the script. */
#pragma once

#include "standin.h"

#define HET_MAX 16

typedef enum SbatchKey {
        SB_IGNORED,
        SB_ARRAY,
        SB_ACCOUNT,
        SB_BEGIN,
        SB_CHDIR,
        SB_CLUSTERS,
        SB_COMMENT,
        SB_CPUS,
        SB_DEPENDENCY,
        SB_ERROR,
        SB_EXPORT,
        SB_HOLD,
        SB_INPUT,
        SB_NAME,
        SB_MEM,
        SB_NODES,
        SB_NTASKS,
        SB_OPEN_MODE,
        SB_OUTPUT,
        SB_PARTITION,
        SB_PARSABLE,
        SB_QOS,
        SB_QUIET,
        SB_RESERVATION,
        SB_SIGNAL,
        SB_TEST_ONLY,
        SB_TIME,
        SB_WAIT,
        SB_WRAP,
        SB_HELP,
        SB_VERSION,
        SB_KEYS,
} SbatchKey;

typedef struct SbatchOptions {
        const char *v[SB_KEYS]; /* NULL: not given; "" for one without a value */
} SbatchOptions;

typedef struct Submission {
        int argc;
        char **argv;
        char *script, *path; /* its text; its absolute path, empty for standard input */
        size_t script_size;
        char **args;
        int nargs;
        unsigned parts;
        SbatchOptions o[HET_MAX];
        char cwd[4096];
} Submission;

const char *sbatch_opt(const Submission *s, unsigned part, SbatchKey key, const char *dflt);
/* Ends as sbatch does when the controller refuses the request. */
void sbatch_check(const Submission *s);
/* Takes the job in and returns its id; 0: over the limit of submitted jobs. */
uint32_t sbatch_accept(const Submission *s);

/*
 * Takes a command line apart into o, up to the script's name, whose index it returns. Ends with
 * 255 at an option that sbatch does not know, and at a value that it refuses by itself.
 */
int sbatch_parse(int argc, char **argv, SbatchOptions *o);
void sbatch_environment(SbatchOptions *o);
/* The script's own directives; returns how many parts (1 unless heterogeneous). */
unsigned sbatch_directives(const char *script, SbatchOptions o[HET_MAX]);
/* What `over` gives takes precedence. */
void sbatch_overlay(SbatchOptions *o, const SbatchOptions *over);
