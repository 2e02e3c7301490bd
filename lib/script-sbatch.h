/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The #SBATCH lines of a script, read as sbatch reads them (tried on Slurm 22.05.8, see
 * flowcron-uow(7)).
 *
 * Lines that begin with exactly "#SBATCH" (or, with a warning of sbatch's, "#SLURM") count up to
 * the first line that is neither blank nor a comment. What they say is put together as one argument
 * vector for each component of a heterogeneous job, and read as getopt_long() does: options may be
 * shortened as long as they are unambiguous, short ones may be joined, and a value may stand on the
 * next line.
 */

#include "script.h"

/**
 * script_sbatch() - what the script asks of Slurm
 * Fills @s: comment, set, array, time, cpus_per_task, ntasks, hetjob (what is there already is replaced).
 * Returns 0; UOW_E_REJECTED with the reason in @e for an option with which the job can't be
 * followed; -ENOMEM. What sbatch itself refuses (unknown options, open quotes) is passed over: its
 * own words are better.
 */
int script_sbatch(const char *name, const char *text, size_t size, Script *s, Error *e);
