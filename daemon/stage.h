/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Staging: taking a Unit of Work over, in a worker's child.
 *
 * From wherever its folder is (UploadedFiles; after an order to retry: a result folder or the bin; after a crash: the work area already) to
 * the work area, claimed with sentinels/flowcron, checked, ready to be submitted. Every step may be found done already.
 */

#include "layout.h"
#include "uow.h"

/* What the child needs. The record is seen as it is when the child begins; it and @l must stay until then. The configuration is that of now. */
typedef struct StageJob StageJob;

StageJob *stage_job_new(const Layout *l, const Config *c, const Uow *u);
StageJob *stage_job_free(StageJob *j);
DEFINE_CLEANUP(StageJob *, stage_job_free)

/**
 * stage_work() - WorkFunc
 *
 *  1. finds the folder: in the work area under @folder with our id; else in UploadedFiles under @name (sentinels/ empty or with our own
 *     file alone); else, for a retry, in a result folder or the bin under @folder with our id in its record
 *  2. claims it: sentinels/flowcron with the id, for its owner's eyes and for a start without the event log (a claim of another id is replaced: the
 *     caller knows that the event log has no such id)
 *  3. moves it to the work area, never overwriting
 *  4. keeps an old record: flowcron/ becomes flowcron/earlier/ID/ (of the earlier UoW's id); slurm-*.out/.err of earlier attempts stay
 *  5. converts line endings, then admit_check()
 *
 * Returns 0 with @result = the data of a `staged` event; UOW_E_REJECTED (@e: reason; the folder is in the work area); UOW_E_BLOCKED (@e: what is missing; it
 * stays in UploadedFiles); UOW_E_GONE (its folder is nowhere); -EEXIST (the work area has a foreign folder of that name: @result "folder" proposes another); -EAGAIN (somebody else put an entry
 * into sentinels/, or took it away: hands off for now); -errno else, with @e.
 */
int stage_work(void *arg, cJSON *result, Error *e);

/**
 * stage_sentinel() - what sentinels/ of folder @name says: the way of the protocol
 * Returns SENTINEL_…, or -errno. For SENTINEL_OURS @ret_id has the id in our file ("" if unreadable).
 */
enum {
        SENTINEL_NONE,
        SENTINEL_EMPTY,
        SENTINEL_BUSY,
        SENTINEL_OURS
};
int stage_sentinel(int parentdir, const char *name, char ret_id[static UOW_ID_MAX]);

/** stage_identify() - the id that a folder of ours carries (sentinels/flowcron, else flowcron/record.json), or "" . 0 or -errno. */
int stage_identify(int parentdir, const char *name, char ret_id[static UOW_ID_MAX]);
