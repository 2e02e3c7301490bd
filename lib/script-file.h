/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Files of a Unit of Work that may be reached through a link, and the bytes of a script as they
 * come from other systems.
 *
 * For the script modules only. A path is followed component by component from the UoW's root, with
 * every link read and weighed here and not by the kernel, so that nothing outside is ever opened,
 * on kernels without openat2() too.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "cleanup.h"

/* Why a path leads to no file of this Unit of Work. */
enum {
        SCRIPT_FILE_OUTSIDE = 1, /* out of the UoW: by "..", or by an absolute link */
        SCRIPT_FILE_NOWHERE,     /* to nothing, or round in a circle */
        SCRIPT_FILE_IRREGULAR,   /* to a folder, FIFO, socket or device */
};

/**
 * script_file_open() - open regular file @path, relative to the UoW's open root folder
 * @ret_target: the path from the root with all links resolved, new string
 * Returns 0, SCRIPT_FILE_…, or -errno.
 */
int script_file_open(int uowdir, const char *path, char **ret_target, int *ret_fd);

/**
 * script_file_parent() - open the folder that holds @target, a path that script_file_open()
 * returned
 * @ret_name: the last component, within @target. Follows no link. Returns 0 or -errno.
 */
int script_file_parent(int uowdir, const char *target, int *ret_dirfd, const char **ret_name);

/** script_unix_needed() - whether the text has DOS line endings or begins with UTF-8's byte-order
 * mark. */
bool script_unix_needed(const char *text, size_t size);

/**
 * script_unix() - take both off, in place; returns the new size
 * Returns in front of a newline or of the end go, however many. Doing it twice changes nothing
 * more.
 */
size_t script_unix(char *text, size_t size);
