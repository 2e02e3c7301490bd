/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Files and folders, the careful way.
 *
 * Everything works relative to a folder descriptor, follows no link, and survives a crash at any
 * instant: a file is replaced as a whole or not at all, a move never overwrites, a removal can be
 * repeated. Trees are walked with a bounded number of descriptors whatever their depth, and a walk
 * never leaves the tree: a folder that is swapped for a link while we look is not entered.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "error.h"

/** fd_write_all() - write all @size bytes, going on after short writes and EINTR. 0 or -errno. */
int fd_write_all(int fd, const void *data, size_t size);

/** fd_read_all() - read to the end, at most @max bytes; new NUL-terminated buffer. -EFBIG beyond @max. */
int fd_read_all(int fd, size_t max, char **ret, size_t *ret_size);

/**
 * file_read_at() - read a small regular file whole
 * Opens with O_NOFOLLOW and O_NONBLOCK; anything but a regular file is -EINVAL (-ELOOP for a link).
 * @ret_size may be NULL. -EFBIG if it holds more than @max bytes.
 */
int file_read_at(int dirfd, const char *name, size_t max, char **ret, size_t *ret_size);

/**
 * file_replace_at() - atomic replace: temporary file, fsync, rename, fsync of the folder
 * The temporary's name begins with "." and ends in ".tmp"; one left by a crash is reused or removed by the next call.
 */
int file_replace_at(int dirfd, const char *name, const void *data, size_t size, mode_t mode);

/** file_replace_nosync_at() - the same without fsync: atomic for readers, not durable. For state that can be derived again. */
int file_replace_nosync_at(int dirfd, const char *name, const void *data, size_t size, mode_t mode);

/** file_create_at() - create with O_EXCL, write, fsync file and folder. -EEXIST if there is one. */
int file_create_at(int dirfd, const char *name, const void *data, size_t size, mode_t mode);

/** dir_open_at() - open a real folder (no link) for reading: descriptor or -errno (-ENOTDIR, -ELOOP). */
int dir_open_at(int dirfd, const char *name);

/** dir_open_path() - open folder @path, an absolute path that is trusted (links in it are followed). */
int dir_open_path(const char *path);

/** dir_make_path() - mkdir -p for a trusted absolute path; @mode for what it makes. 0 or -errno. */
int dir_make_path(const char *path, mode_t mode);

/** dir_sync() - fsync a folder. File systems that can't (-EINVAL) count as done. */
int dir_sync(int dirfd);

/** dir_is_empty() - 1 empty, 0 not, -errno. */
int dir_is_empty(int dirfd, const char *name);

/**
 * move_at() - rename that never overwrites: renameat2(RENAME_NOREPLACE), or where the file system has no such
 * call (NFS), a check followed by a plain rename, which POSIX refuses onto a folder that is not empty
 * Returns 0, -EEXIST, -ENOENT, -EXDEV, other -errno. Makes nothing durable; see dir_sync().
 */
int move_at(int olddir, const char *oldname, int newdir, const char *newname);

/** stat_same() - whether both are the same file. */
static inline bool stat_same(const struct stat *a, const struct stat *b) {
        return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* What a walk shows of an entry. All strings are valid during the call only. */
typedef struct WalkEntry {
        int dirfd;        /* the folder that holds it */
        const char *name; /* its name there, raw bytes */
        const char *path; /* from the tree's root, "" for the root itself; may exceed PATH_MAX */
        unsigned depth;   /* 0 for the root */
        struct stat st;   /* lstat */
        bool post;        /* folder seen the second time, after what it holds */
        int error; /* 0; or -errno: the entry can't be looked at (@st holds no more than its type), or, if @post,
                              * what the folder holds was not seen whole (-EXDEV: another file system is mounted there,
                              * -ESTALE: it was moved away or replaced meanwhile) */
} WalkEntry;

/* Return 0 to go on, WALK_SKIP not to enter the folder (pre-order only), negative errno to stop. */
enum {
        WALK_SKIP = 1
};
typedef int (*WalkFunc)(const WalkEntry *entry, void *userdata);

/**
 * tree_walk() - visit a tree without following links
 * @dirfd, @name: the root; it must be a real folder (-ENOTDIR otherwise)
 *
 * Folders are visited before what they hold and again after (post). A folder that can't be opened is still shown;
 * then @func is called with post = true at once, and entry->error says why. An entry that vanishes
 * meanwhile is passed over, and one that can't be looked at is shown once, with its error. Never leaves the
 * root's file system (a mount point inside is shown, not entered). What a folder holds is what it held when
 * it was entered, whatever @func does to it. Only of folders inside one that was moved away is there no second visit.
 *
 * Deep trees need memory, not descriptors: about 20 are open at most. In memory are the names in the folders
 * on the way down. Returns 0, what @func returned if negative, or -errno (the root is not there or can't be
 * opened, no memory, no descriptors).
 */
int tree_walk(int dirfd, const char *name, WalkFunc func, void *userdata);

/**
 * tree_walk_names() - as tree_walk(), but looks at folders only
 * Of other entries @st has no more than the type, as far as the folder tells it. For those who need the names alone:
 * on a cluster's file system each look is a question to a server.
 */
int tree_walk_names(int dirfd, const char *name, WalkFunc func, void *userdata);

/**
 * tree_remove() - remove a file, or a folder with all it holds
 * Own folders without permissions are given them first. Absent is done (0). Goes on past what can't be
 * removed and returns the first error at the end.
 */
int tree_remove(int dirfd, const char *name);

/**
 * tree_copy() - copy a tree faithfully: modes, groups, times, ACLs, links as links, holes kept as far as SEEK_DATA tells; synced
 * @newname must not exist, or be an unfinished copy of the same source (files that are there with equal size and
 * mtime are kept). FIFOs, sockets and devices are left out; set-uid and set-gid bits of files are dropped, because the copy
 * belongs to us. Anything that could not be read whole is a failure: -EAGAIN for a file that changed meanwhile.
 * Returns 0 or -errno, with the place in @e.
 */
int tree_copy(int olddir, const char *oldname, int newdir, const char *newname, Error *e);
