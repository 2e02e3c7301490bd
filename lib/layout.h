/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The folders of an instance.
 *
 * A Layout holds a descriptor for each folder, opened once; every path of a Unit of Work is then taken relative to one of them,
 * so that no path is built twice and none leads elsewhere. When a folder was moved or unmounted meanwhile, layout_check() notices.
 */

#include <sys/types.h>

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
        char *base;             /* absolute, as configured, without trailing slash */
        char *path[_PLACE_MAX]; /* absolute */
        int fd[_PLACE_MAX];     /* open folder, or -1 */
        ino_t ino[_PLACE_MAX];  /* as opened, for layout_check() */
        dev_t dev[_PLACE_MAX];
} Layout;

/**
 * layout_new() - work out the paths from the configuration; touches no disk
 * Every place must be a folder of its own: two that are the same, or one inside another (only requests
 * lie inside .flowcron), are refused, and so is a chain.to that leads into this instance. -EINVAL with
 * the keys concerned in @e; -ENOMEM.
 */
int layout_new(const Config *c, Layout **ret, Error *e);
Layout *layout_free(Layout *l);
DEFINE_CLEANUP(Layout *, layout_free)

/**
 * layout_make() - make what is missing, with the folders above it
 * The base folder itself must exist (-ENOENT): a base that is missing is more likely not mounted than
 * new. Whatever the umask, what is made has 02770 (set-gid, so that what arrives has the project's
 * group), .flowcron 0750, requests 0700; what exists is left as it is. 0 or -errno with the path in @e.
 */
int layout_make(Layout *l, Error *e);

/**
 * layout_open() - open every folder
 * One that is missing or no folder is -ENOENT or -ENOTDIR with its path in @e; two that turn out to be
 * the same folder (by a link or a bind mount) are -EINVAL. If open already, it opens anew, and after a
 * failure the old descriptors are still there.
 */
int layout_open(Layout *l, Error *e);

/** layout_open_reading() - the same for a reader: places that can't be opened stay -1; only .flowcron must be there. */
int layout_open_reading(Layout *l, Error *e);

/**
 * layout_check() - whether each path still leads to the folder that is open
 * -ESTALE and the path in @e if not (unmounted, moved, replaced); another -errno if that can't be told
 * now, which is no reason to act.
 */
int layout_check(const Layout *l, Error *e);

/** layout_place_name() - "UploadedFiles", … as the default configuration calls it; for messages. */
const char *layout_place_name(Place p);

/** layout_uow_path() - absolute path of folder @name at @p: raw bytes, new string or NULL. */
char *layout_uow_path(const Layout *l, Place p, const char *name);

/** place_for_outcome() - where a result of @o is filed: PLACE_ANALYSED for succeeded, else PLACE_FAILED. */
Place place_for_outcome(UowOutcome o);

/** place_bin() - a result folder's counterpart in the bin, and the other way round; any other place is its own. */
Place place_bin(Place p);
