/* SPDX-License-Identifier: Apache-2.0 */

/* Between the scheduling (schedule.c) and the running (run.c) of jobs. */
#pragma once

#include "standin.h"

/* Starts the job's runner. Lock held. */
void run_launch(Job *j);
/* The environment of the script: what sbatch left in the spool folder, and Slurm's variables. */
char **run_environment(const Job *j);
