/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The options of sbatch: what getopt_long() must know to read them, and what they mean to us. Used
 * by script-sbatch.c only.
 */

#include <stddef.h>

typedef enum SbatchMeaning {
        SBATCH_OTHER, /* of no interest */
        SBATCH_ACCOUNT,
        SBATCH_QOS,
        SBATCH_PARTITION,
        SBATCH_RESERVATION,
        SBATCH_TIME,
        SBATCH_COMMENT,
        SBATCH_ARRAY,
        SBATCH_CPUS_PER_TASK,
        SBATCH_NTASKS,
        _SBATCH_FORBIDDEN, /* from here on: the job could not be followed */
        SBATCH_WAIT = _SBATCH_FORBIDDEN,
        SBATCH_TEST_ONLY,
        SBATCH_HOLD,
        SBATCH_WRAP,
        SBATCH_CLUSTERS,
} SbatchMeaning;

typedef enum SbatchArgument {
        SBATCH_NONE,
        SBATCH_REQUIRED,
        SBATCH_OPTIONAL, /* only when joined */
} SbatchArgument;

typedef struct SbatchOption {
        const char *name;
        SbatchArgument argument;
        SbatchMeaning meaning;
} SbatchOption;

/**
 * sbatch_option_long() - the option whose name is, or begins with, the @size bytes at @name, or
 * NULL
 *
 * If several begin so, sbatch refuses the script. A forbidden one among them is returned
 * then, as its reason says more.
 */
const SbatchOption *sbatch_option_long(const char *name, size_t size);

/** sbatch_option_short() - the option "-@c"; one that sbatch does not know takes no value and means
 * nothing. Its name is "". */
SbatchOption sbatch_option_short(char c);

/** sbatch_forbidden_name(), sbatch_forbidden_reason() - for a forbidden meaning: "--wait", and why
 * ("since …"). */
const char *sbatch_forbidden_name(SbatchMeaning meaning);
const char *sbatch_forbidden_reason(SbatchMeaning meaning);
