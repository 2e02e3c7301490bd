/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What outcome.c and outcome-explain.c share. */

#include "outcome.h"
#include "text.h"

/**
 * outcome_subject() - the part of the job that the cause is about: a task, a further job, or @facts
 * itself (which may be NULL).
 */
const cJSON *outcome_subject(const cJSON *facts);

/** outcome_fact() - integer @key of the subject, else of the whole; -1 if neither has it. */
int64_t outcome_fact(const cJSON *facts, const char *key);

/** outcome_memory_is_telling() - the memory figures show why it ran out. */
bool outcome_memory_is_telling(const cJSON *facts);

/** outcome_signal_name() - "SIGKILL", …; NULL for those that say nothing to people. */
const char *outcome_signal_name(int signo);
