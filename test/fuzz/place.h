/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A private folder, in memory where there is such a place, for targets whose input becomes files. */

#include <fcntl.h>
#include <sys/stat.h>

#include "fileio.h"
#include "fuzz.h"

typedef struct PrivateFolder {
        char path[64];
        int dir;
} PrivateFolder;

static PrivateFolder place;

static void place_remove(void) {
        safe_close(place.dir);
        tree_remove(AT_FDCWD, place.path);
}

/* The same empty folder for every input. */
static inline int place_empty(void) {
        if (!place.path[0]) {
                strcpy(place.path,
                        access("/dev/shm", W_OK) == 0 ? "/dev/shm/flowcron-fuzz-XXXXXX"
                                                      : "/tmp/flowcron-fuzz-XXXXXX");
                PROMISE(mkdtemp(place.path));
                atexit(place_remove);
        } else {
                safe_close(place.dir);
                PROMISE(tree_remove(AT_FDCWD, place.path) == 0);
                PROMISE(mkdir(place.path, 0700) == 0);
        }
        place.dir = dir_open_path(place.path);
        PROMISE(place.dir >= 0);
        return place.dir;
}

static inline void put_file(int dir, const char *name, const char *data, size_t size) {
        _cleanup_close_ int fd =
                openat(dir, name, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);

        PROMISE(fd >= 0 && fd_write_all(fd, data, size) == 0);
}
