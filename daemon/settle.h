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

/** settle_job_new() - what the child needs to file @u, whose outcome is decided; as stage_job_new(). */
SettleJob *settle_job_new(const Layout *l, const Config *c, const Uow *u);
SettleJob *settle_job_free(SettleJob *j);
DEFINE_CLEANUP(SettleJob *, settle_job_free)

/**
 * settle_job_know_events() - the numbers of the latest events of the record, all @n from the first of them on
 * Spares the work a reading of all that others did meanwhile; without memory it is not spared.
 */
void settle_job_know_events(SettleJob *j, const uint64_t *seqs, size_t n);

/**
 * settle_work() - WorkFunc
 * Found already in the result folder with our id (died after the rename): done. Found still in UploadedFiles (rejected or cancelled before it was staged): taken to
 * the work area first. The result folder has a foreign folder of that name: filed under another name.
 * Returns 0 with @result = data of `finished` ({"folder": …} only when it changed); UOW_E_GONE if its folder is nowhere; -errno with @e: tried again.
 */
int settle_work(void *arg, cJSON *result, Error *e);

/* What is done with a result later on; each WorkFunc takes a RelocateJob, which is made as stage_job_new() makes its own. */
typedef struct RelocateJob RelocateJob;
RelocateJob *relocate_job_new(const Layout *l, const Config *c, const Uow *u);
RelocateJob *relocate_job_free(RelocateJob *j);
DEFINE_CLEANUP(RelocateJob *, relocate_job_free)

/**
 * relocate_work() - see to it that the folder of a finished or soft-deleted one is where its state says
 * By rename, or by copy across file systems. A foreign folder of that name there: it gets another, @result: {"folder": …}.
 * Returns 0, UOW_E_GONE, -errno with @e.
 */
int relocate_work(void *arg, cJSON *result, Error *e);

/**
 * chain_work() - hand a success to the next instance's UploadedFiles
 * flowcron/ and slurm-*.out stay in it; sentinels/ is made last. Once the next instance has taken it, a repetition knows by a note in
 * .flowcron/chain/ where it went. @result: {"moved_to": path}. Returns 0, UOW_E_GONE, -errno with @e.
 */
int chain_work(void *arg, cJSON *result, Error *e);

/**
 * purge_work() - remove the folder for good, from wherever its state allows it to be; absent is done
 * First renamed to a hidden name, so that nobody sees half of it. A folder that says it is another's is let be. Returns 0 or -errno with @e.
 */
int purge_work(void *arg, cJSON *result, Error *e);
