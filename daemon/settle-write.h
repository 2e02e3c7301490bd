/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Writing flowcron/record.json and flowcron/report.txt; a part of settling, shared by its files only. */

#include "filing.h"
#include "uow.h"

typedef struct SettleTexts {
        const Uow *uow;
        const Config *config;
        const uint64_t *seqs; /* see settle_job_know_events() */
        size_t n_seqs;
        int statedir; /* .flowcron, for the history */
        int uowdir;
        int ours; /* flowcron/ in it */
        const char *path, *folder;
        const cJSON *filing;
} SettleTexts;

/** settle_write() - both files, durably; the record first. 0 or -errno with @e. */
int settle_write(const SettleTexts *t, Error *e);

/** settle_resume() - if the record is of an interrupted filing of this attempt, take its lists over. 0 or -errno. */
int settle_resume(int ours, const Uow *u, Filing *f);

/** settle_remove_sentinels() - sentinels/ of the open folder; what others put there goes to @ours (flowcron/). 0 or -errno. */
int settle_remove_sentinels(int uowdir, int ours);
