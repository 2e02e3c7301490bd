/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The state from disk, for when no daemon can be asked: event log, arrivals, the daemon's last words in status.json; and orders left as requests.
 *
 * Reading needs no more than permission to read. What is shown has the same form as what the daemon would say.
 */

#include "eventlog.h"
#include "layout.h"

typedef struct Offline {
        const Config *config; /* not ours */
        Layout *layout;
        UowSet *uows;
        Replay replay;
        cJSON *arriving;
} Offline;

/** offline_open() - read it all. 0, or -errno with why in @e. */
int offline_open(const Config *config, Offline **ret, Error *e);
Offline *offline_free(Offline *o);
DEFINE_CLEANUP(Offline *, offline_free)

/** offline_find() - as the daemon's Show: sets *ret, or *ret_arriving (owned by @o). 0, UOW_E_NOT_FOUND, UOW_E_AMBIGUOUS. */
int offline_find(
        const Offline *o, const char *what, Uow **ret, const cJSON **ret_arriving, Error *e);

/** offline_status() - the `status` object, as far as it can be told from here. New value or NULL. */
cJSON *offline_status(const Offline *o);

/** offline_history() - array of events. New value, or NULL with @e. */
cJSON *offline_history(const Offline *o, const Uow *u, Error *e);

/** offline_allows() - whether the state of @u allows @order: 0, or UOW_E_STATE with why in @e. */
int offline_allows(const Uow *u, const char *order, Error *e);
