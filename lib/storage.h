/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The storage under a base folder: what it is, how much fits, and whether a group can work together there.
 *
 * Everything is found out by asking the folder itself, and what matters most, who may change what others have put there, by trying it
 * out: set-gid bits and default ACLs are things that file systems promise in the same words and keep in different ways.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"

#define STORAGE_UNKNOWN UINT64_MAX

typedef struct Storage {
        const char *type;     /* "ext4", "nfs", "unknown (0x…)" */
        bool shared;          /* other hosts may write there, unseen by inotify */
        uint64_t free, total; /* bytes for an ordinary user */
        uint64_t free_files;  /* STORAGE_UNKNOWN where the file system has no bound */
        uint64_t
                quota_left; /* bytes, the least of user's and group's; STORAGE_UNKNOWN: none set, or not told here */
        uint64_t quota_files_left;
        gid_t group;
        mode_t mode;
        bool setgid;    /* what is made there gets its group */
        bool knows_acl; /* default ACLs can be had there */
        bool acl_shared; /* and one makes what arrives group writable, whatever the uploader's umask */
} Storage;

/** storage_look() - without changing anything. 0 or -errno. */
int storage_look(int dirfd, Storage *ret);

/* What a trial showed. */
typedef struct StorageTrial {
        bool keeps_group; /* the set-gid bit can be had: a file made there has the folder's group */
        bool has_acl;     /* default ACLs can be had */
        bool group_writable; /* and with one a file made under the umask 077 is group writable */
} StorageTrial;

/**
 * storage_try() - make a folder in @dirfd, give it what storage_share() gives, put a file there as the strictest uploader would, look, and remove it all
 * Returns 0; -errno with @e if not even that can be made (read-only, no permission, quota exceeded).
 */
int storage_try(int dirfd, StorageTrial *ret, Error *e);

/**
 * storage_share() - set-gid bit, and a default ACL that makes what arrives group writable, for a folder of our own
 * An ACL that is there already and gives the group as much is left alone, and so are its other entries otherwise.
 * Returns 0; -EOPNOTSUPP: no ACLs here, the bit is set; -errno.
 */
int storage_share(int dirfd);

/** storage_is_below() - whether @path is @folder or lies in it, links resolved as far as the path exists. */
bool storage_is_below(const char *path, const char *folder);
