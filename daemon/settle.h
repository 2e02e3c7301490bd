/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Filing a result, in a worker's child: everything that has to be true before the one rename that
 * makes a Unit of Work appear in AnalysedFiles or FailedJobs.
 *
 * The order is the contract with flows in use: links and permissions, record and report, sentinels/ removed, and the rename last. It may be
 * interrupted anywhere and is then done again from the start; the record is made from the event log, so it comes out the same.
 */

#include "layout.h"
#include "uow.h"

typedef struct SettleJob SettleJob;

/** settle_job_new() - what the child needs to file @u, whose outcome is decided. */
SettleJob *settle_job_new(const Layout *l, const Config *c, const Uow *u);
SettleJob *settle_job_free(SettleJob *j);
DEFINE_CLEANUP(SettleJob *, settle_job_free)

/**
 * settle_work() - WorkFunc
 * Found already in the result folder with our id (died after the rename): done. Found still in UploadedFiles (rejected or cancelled before it was staged): taken to
 * the work area first. The result folder has a foreign folder of that name: filed under another name.
 * Returns 0 with @result = data of `finished` ({"folder": …} only when it changed); UOW_E_GONE if its folder is nowhere; -errno: tried again.
 */
int settle_work(void *arg, cJSON *result, Error *e);

/**
 * relocate_work() - WorkFunc: see to it that the folder of a finished or soft-deleted UoW is where its state says (AnalysedFiles … SoftDelete/…), by rename, or by copy
 * across file systems. RelocateJob is made from the record. Returns 0, UOW_E_GONE, -errno.
 * chain_work() - hand a success to the next instance's UploadedFiles: flowcron/ and slurm-*.out stay in it, sentinels/ is made last. @result: {"moved_to": path}
 * purge_work() - remove the folder for good, from wherever its state allows it to be. Absent is done. First renamed to a hidden name, so that nobody sees half of it.
 */
typedef struct RelocateJob RelocateJob;
RelocateJob *relocate_job_new(const Layout *l, const Config *c, const Uow *u);
RelocateJob *relocate_job_free(RelocateJob *j);
int relocate_work(void *arg, cJSON *result, Error *e);
int chain_work(void *arg, cJSON *result, Error *e);
int purge_work(void *arg, cJSON *result, Error *e);
