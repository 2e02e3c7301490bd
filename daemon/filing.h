/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The walk through a result before it is filed: permissions, and links.
 *
 * It goes twice. The first walk gives permissions and finds out what is to be done about links; that goes into the record, on disk. The second
 * walk, only where there is something to do, does it. So what was removed is known even if we are killed in between, and is not lost when it is all
 * done again: the lists of an interrupted filing are taken over from its record. Only for worker's children.
 */

#include "config.h"
#include "json.h"
#include "links.h"

typedef struct Filing Filing;

typedef struct FilingPlan {
        int parentdir; /* where the folder is */
        const char *folder;
        LinkScope scope;
        SymlinkMode symlinks;
        bool group_writable;
} FilingPlan;

/** filing_survey() - the first walk. 0 or -errno with @e. */
int filing_survey(const FilingPlan *p, Filing **ret, Error *e);
Filing *filing_free(Filing *f);
DEFINE_CLEANUP(Filing *, filing_free)

/** filing_resume() - take over the lists of an interrupted filing of the same attempt (member `filing` of its record). 0 or -errno. */
int filing_resume(Filing *f, const cJSON *earlier);

/** filing_to_json() - member `filing` of the record, see its schema; an empty object if nothing was remarkable. New value or NULL. */
cJSON *filing_to_json(const Filing *f);

/** filing_apply() - the second walk. @ret_changed: the lists have changed by what could not be done. 0 or -errno with @e. */
int filing_apply(const FilingPlan *p, Filing *f, bool *ret_changed, Error *e);
