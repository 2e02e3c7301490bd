/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Units of Work that another program began: what is to be taken into the history of this instance, and how it is written down
 * in a request ("import") that setup leaves and the daemon carries out.
 */

#include "json.h"
#include "state.h"

typedef enum ImportKind {
        IMPORT_KEPT, /* a result, in its result folder or in the bin: only its history is made */
        IMPORT_RUNNING, /* in the work area, handed to the scheduler as @job_id: followed from now on */
        IMPORT_WAITING, /* in the work area and marked as ours with @id, but never submitted: taken up as any upload */
        IMPORT_LOST, /* in the work area and marked with @id; it was submitted, or not: nobody knows. Filed as lost */
        _IMPORT_KIND_MAX,
} ImportKind;

typedef struct ImportItem {
        ImportKind kind;
        char *folder;            /* raw bytes: its name where it lies */
        char *id;                /* NULL: it gets one */
        UowOutcome outcome;      /* of a kept one */
        bool binned;             /* it is in the recycling bin */
        char *job_id;            /* NULL: not known */
        usec_t submitted, ended; /* of that job; 0: not known */
} ImportItem;

void import_item_done(ImportItem *item);

/** import_item_to_json() - new value or NULL. */
cJSON *import_item_to_json(const ImportItem *item);

/** import_item_from_json() - 0; UOW_E_INVALID: it is none; -ENOMEM. */
int import_item_from_json(const cJSON *j, ImportItem *ret);
