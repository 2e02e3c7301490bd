/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Group access to what a job leaves behind.
 *
 * Only what is ours alone is changed: not what belongs to somebody else, not a file that has another name elsewhere (a hard link may
 * have been made to get at a file of ours), not what is set-uid or set-gid (group write would give our rights away), nothing that is neither
 * file nor folder. The change is made through a descriptor of the very entry that was looked at. Only for worker's children.
 */

#include <sys/stat.h>

/* Why an entry was left as it is. */
enum {
        PERMISSIONS_SET = 0, /* as it should be, now or before */
        PERMISSIONS_OWNER = 1,
        PERMISSIONS_HARD_LINKS,
        PERMISSIONS_SET_ID,
        PERMISSIONS_SPECIAL,
        PERMISSIONS_REFUSED, /* the file system would not */
        PERMISSIONS_CHANGED, /* it was replaced or removed meanwhile */
};

/**
 * permissions_share() - files u+rw,g+rw (g+x where u+x), folders u+rwx,g+rwxs
 * @st: lstat of the entry. Links are passed over. Returns PERMISSIONS_…, or -errno (no descriptors).
 */
int permissions_share(int dirfd, const char *name, const struct stat *st);

/** permissions_word() - "owner", "hard-links", … as the record has it. */
const char *permissions_word(int left);
