/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Where a symbolic link in a Unit of Work leads, found out without ever going there if it is outside.
 *
 * A link is resolved component by component beneath the folder's descriptor; ".." above the folder, or an absolute target that is not
 * the folder itself, is outside. Absolute targets that name the folder by one of its paths (as it was uploaded, as it was worked on, as it
 * will be filed) are inside. The tree may be changed under our hands: a verdict can then be wrong, but nothing outside is touched. Only for worker's children.
 */

#include <stdbool.h>

#include "cleanup.h"

typedef struct LinkScope {
        int root;              /* the folder, open */
        char *const *prefixes; /* absolute paths that mean the folder, NULL-terminated */
} LinkScope;

typedef enum LinkVerdict {
        LINK_INSIDE,
        LINK_ABSOLUTE, /* inside, but by an absolute path that will not be right elsewhere */
        LINK_BROKEN,   /* to nothing, or in a circle */
        LINK_OUTSIDE,
        LINK_UNKNOWABLE, /* through a folder that we may not enter */
} LinkVerdict;

/**
 * link_judge() - where the link leads
 * @path: of the link itself, from the root; the folders in it are real ones
 * @target: what it holds
 * @ret_relative: for LINK_ABSOLUTE the same target as a relative one (new string), else untouched
 * Returns 0 or -errno (no memory, no descriptors).
 */
int link_judge(const LinkScope *s, const char *path, const char *target, LinkVerdict *ret,
        char **ret_relative);

/** link_read() - the target of link @name, new string. 0, -EINVAL (no link any more), -errno. */
int link_read(int dirfd, const char *name, char **ret);

/** link_rewrite() - give it another target, atomically. What a crash leaves is a link of the name LINK_TEMPORARY beside it. */
#define LINK_TEMPORARY ".flowcron-link.tmp"
int link_rewrite(int dirfd, const char *name, const char *target);
