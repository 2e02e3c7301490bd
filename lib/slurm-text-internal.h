/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the slurm-text-*.c files share. */

#include "slurm-text.h"
#include "text.h"

/* Everything unknown. */
extern const SlurmRow slurm_row_blank;

/** slurm_table_add() - a blank row at the end; @ret is good until the next call. 0 or -ENOMEM. */
int slurm_table_add(SlurmTable *t, SlurmRow **ret);
int slurm_table_add_step(SlurmTable *t, const SlurmStep *step);
void slurm_table_sort(SlurmTable *t);

/** slurm_state_word() - @state as one of the words that we know, static; "" for others */
const char *slurm_state_word(const char *state);

/** slurm_cause() - CAUSE_… of a row that ended, NULL for success, or if it has not ended */
const char *slurm_cause(const SlurmRow *row);
