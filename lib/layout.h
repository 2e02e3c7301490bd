/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The folders of an instance.
 *
 * A Layout holds a descriptor for each folder, opened once; every path of a Unit of Work is then taken relative to one of them,
 * so that no path is built twice and none leads elsewhere. When a folder was moved or unmounted meanwhile, layout_check() notices.
 */

#include "config.h"

typedef enum Place {
        PLACE_UPLOADED,
        PLACE_WORK,
        PLACE_ANALYSED,
        PLACE_FAILED,
        PLACE_BIN_ANALYSED, /* SoftDelete/AnalysedFiles */
        PLACE_BIN_FAILED,   /* SoftDelete/FailedJobs */
        PLACE_STATUS,
        PLACE_ORDERS,
        PLACE_LOGS,
        PLACE_STATE,    /* .flowcron */
        PLACE_REQUESTS, /* .flowcron/requests */
        _PLACE_MAX,
} Place;

typedef struct Layout {
        char *base;              /* absolute, as configured, without trailing slash */
        char *path[_PLACE_MAX];  /* absolute */
        int fd[_PLACE_MAX];      /* open folder, or -1 */
        ino_t ino[_PLACE_MAX];   /* as opened, for layout_check() */
        dev_t dev[_PLACE_MAX];
} Layout;

/**
 * layout_new() - work out the paths from the configuration; touches no disk
 * Two places that would be the same folder, or a result folder inside UploadedFiles, are refused (-EINVAL, @e).
 */
int layout_new(const Config *c, Layout **ret, Error *e);
Layout *layout_free(Layout *l);
DEFINE_CLEANUP(Layout *, layout_free)

/**
 * layout_make() - make what is missing. The base folder itself must exist. Data folders 02770 (set-gid, so that what arrives has the project's group),
 * .flowcron 0750, requests 0700.
 */
int layout_make(Layout *l, Error *e);

/** layout_open() - open every folder; one that is missing or no folder is -ENOENT/-ENOTDIR with its path in @e. Reopens if open already. */
int layout_open(Layout *l, Error *e);

/** layout_open_reading() - the same for a reader: places that can't be opened stay -1; only .flowcron must be there. */
int layout_open_reading(Layout *l, Error *e);

/** layout_check() - 0 if each path still leads to the folder that is open; -ESTALE and the path in @e if not (unmounted, moved, replaced). */
int layout_check(const Layout *l, Error *e);

/** layout_place_name() - "UploadedFiles", … as the default configuration calls it; for messages. */
const char *layout_place_name(Place p);

/** layout_uow_path() - absolute path of folder @name at @p: raw bytes, new string or NULL. */
char *layout_uow_path(const Layout *l, Place p, const char *name);

/** place_for_outcome() - where a result of @o is filed: PLACE_ANALYSED for succeeded, else PLACE_FAILED. bin: the bin's counterpart. */
Place place_for_outcome(UowOutcome o);
Place place_bin(Place p);
