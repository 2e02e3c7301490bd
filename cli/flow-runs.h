/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Runs, as `flow runs` and `flow status` show them. */

#include "flow.h"

/**
 * flow_runs() - the runs of flow @id, newest first, at most @max
 * Each is {"run_id", "label", "status", "start_time", "completion_time"}. Returns as globus_call().
 */
int flow_runs(Globus *g, const char *id, size_t max, cJSON **ret, Error *e);

/** flow_run_short() - those members of a run, as the service describes it. New value or NULL. */
cJSON *flow_run_short(const cJSON *run);
