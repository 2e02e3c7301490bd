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
