/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Removing trees: with a walk (tree.c), so with its promises. Only names inside the tree are ever
 * unlinked, relative to a folder that was reached without following a link.
 *
 * May be repeated after a crash, and goes on past what it can't remove.
 */

#include "fileio.h"

#include <fcntl.h>
#include <string.h>

#include "crashpoint.h"

/* A removal starts over as long as it gets on; who adds files faster than it removes them keeps some. */
#define REMOVE_PASSES_MAX 5

typedef struct Removal {
        dev_t dev;
        uint64_t removed;
        int error; /* the first one */
} Removal;

/*
 * Give ourselves back a folder of our own. chmod() would follow a link that took its place, and
 * fchmod() wants it open for reading; the way through /proc has neither fault. A failure shows when
 * the folder is opened.
 */
static void grant_access(const WalkEntry *e) {
        _cleanup_close_ int fd = -1;
        char path[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
        struct stat st;

        if (e->st.st_uid != geteuid() || (e->st.st_mode & S_IRWXU) == S_IRWXU)
                return;
        fd = openat(e->dirfd, e->name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0 || !stat_same(&st, &e->st))
                return;
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        chmod(path, (st.st_mode & 07777) | S_IRWXU);
}

static int remove_entry(const WalkEntry *e, void *userdata) {
        Removal *rm = userdata;
        bool folder = S_ISDIR(e->st.st_mode);

        if (folder && !e->post && e->error == 0) {
                if (e->depth == 0)
                        rm->dev = e->st.st_dev;
                if (e->st.st_dev == rm->dev)
                        grant_access(e);
                return 0;
        }
        CRASH_POINT("tree-remove-entry");
        if (unlinkat(e->dirfd, e->name, folder ? AT_REMOVEDIR : 0) == 0)
                rm->removed++;
        else if (errno != ENOENT && rm->error == 0)
                rm->error = e->error < 0 ? e->error : -errno;
        return 0;
}

/* Returns 0 when nothing is left, -EAGAIN when another pass may do better, else why not. */
static int remove_pass(int dirfd, const char *name, int *ret_error) {
        Removal rm = { 0 };
        int unlinked, r;

        if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
                return 0;
        unlinked = -errno;
        /* Both mean a folder, the second one also a file that may not be removed. */
        if (unlinked != -EISDIR && unlinked != -EPERM)
                return unlinked;
        r = tree_walk_names(dirfd, name, remove_entry, &rm);
        if (r == -ENOTDIR && unlinked == -EPERM)
                return unlinked;
        if (rm.error < 0)
                r = rm.error;
        *ret_error = r;
        return r == 0 || r == -ENOENT ? 0 : rm.removed > 0 || r == -ENOTDIR ? -EAGAIN : r;
}

int tree_remove(int dirfd, const char *name) {
        int r = -EAGAIN, error = 0;

        for (int pass = 0; pass < REMOVE_PASSES_MAX && r == -EAGAIN; pass++)
                r = remove_pass(dirfd, name, &error);
        return r == -EAGAIN ? error : r;
}
