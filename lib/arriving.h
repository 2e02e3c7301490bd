/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Units of Work that are still arriving, by what a person calls them.
 *
 * They are in no event log: the daemon knows them from its scan, flowcronctl from a look into UploadedFiles. Both hold them as a JSON
 * array of {"name", "state": "arriving", …}, which is what these functions take.
 */

#include "json.h"

/** arriving_exact() - the one of this name (raw bytes or text_escape()d), or NULL. Owned by @array. */
const cJSON *arriving_exact(const cJSON *array, const char *what);

/**
 * arriving_find() - the same, or the only one whose name begins so
 * Returns 0, UOW_E_NOT_FOUND, or UOW_E_AMBIGUOUS with @e.
 */
int arriving_find(const cJSON *array, const char *what, const cJSON **ret, Error *e);

/**
 * arriving_read() - look into the open folder UploadedFiles, as a reader
 * @taken: whether a name there belongs to a Unit of Work that is known already; NULL: none does
 * Folders without an empty sentinels/ are shown, and those with one too, since nobody has taken them up yet. 0 or -errno.
 */
int arriving_read(
        int uploaded, bool (*taken)(const char *name, void *userdata), void *userdata, cJSON **ret);
