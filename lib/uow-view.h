/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A Unit of Work as the contract shows it, the same from the daemon's memory and from the state on disk.
 */

#include "layout.h"
#include "uow.h"

/**
 * uow_view() - id, name, state, phase, outcome, reason, attempt, job_id, path, created, updated, finished; beyond these: cause, arrived_as (if renamed), script,
 * job_ids, started, moved_to, cancelling, quarantined. Absent means not known. New value, or NULL without memory.
 */
cJSON *uow_view(const Uow *u, const Layout *l);

/** uow_place() - where the folder of @u belongs by its state. */
Place uow_place(const Uow *u);
