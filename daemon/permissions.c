/* SPDX-License-Identifier: Apache-2.0 */

#include "permissions.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>

#include "cleanup.h"

#define MODE_BITS 07777

static mode_t wanted_mode(const struct stat *st) {
        mode_t mode = st->st_mode & MODE_BITS;

        if (S_ISDIR(st->st_mode))
                return mode | S_IRWXU | S_IRWXG | S_ISGID;
        mode |= S_IRUSR | S_IWUSR | S_IRGRP | S_IWGRP;
        return mode & S_IXUSR ? mode | S_IXGRP : mode;
}

static int judge(const struct stat *st) {
        if (!S_ISDIR(st->st_mode) && !S_ISREG(st->st_mode))
                return PERMISSIONS_SPECIAL;
        if (st->st_uid != geteuid())
                return PERMISSIONS_OWNER;
        if (S_ISREG(st->st_mode) && st->st_nlink > 1)
                return PERMISSIONS_HARD_LINKS;
        if (S_ISREG(st->st_mode) && st->st_mode & (S_ISUID | S_ISGID))
                return PERMISSIONS_SET_ID;
        return PERMISSIONS_SET;
}

/* Says something of the entry; everything else of this machine or its disks, which may pass. */
static bool is_of_the_entry(int error) {
        switch (error) {
        case EACCES:
        case EPERM:
        case EOPNOTSUPP:
        case ENOENT:
        case ENOTDIR:
        case ELOOP:
        case ESTALE:
                return true;
        default:
                return false;
        }
}

int permissions_share(int dirfd, const char *name, const struct stat *st) {
        _cleanup_close_ int fd = -1;
        char path[sizeof("/proc/self/fd/") + 12];
        struct stat now;
        int left;

        if (S_ISLNK(st->st_mode))
                return PERMISSIONS_SET;
        left = judge(st);
        if (left != PERMISSIONS_SET || wanted_mode(st) == (st->st_mode & MODE_BITS))
                return left;
        /* O_PATH needs no permission on the entry, opens no device, waits for no FIFO. */
        fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &now) < 0)
                return is_of_the_entry(errno) ? PERMISSIONS_CHANGED : -errno;
        if (now.st_dev != st->st_dev || now.st_ino != st->st_ino)
                return PERMISSIONS_CHANGED;
        left = judge(&now);
        if (left != PERMISSIONS_SET)
                return left;
        /* fchmod() does not take such a descriptor; the link in /proc leads to its very inode. */
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        if (chmod(path, wanted_mode(&now)) == 0)
                return PERMISSIONS_SET;
        return is_of_the_entry(errno) ? PERMISSIONS_REFUSED : -errno;
}

const char *permissions_word(int left) {
        static const char *const words[] = {
                [PERMISSIONS_OWNER] = "owner",
                [PERMISSIONS_HARD_LINKS] = "hard-links",
                [PERMISSIONS_SET_ID] = "set-id",
                [PERMISSIONS_SPECIAL] = "special",
                [PERMISSIONS_REFUSED] = "refused",
                [PERMISSIONS_CHANGED] = "changed",
        };

        return left > 0 && (size_t)left < ELEMENTSOF(words) ? words[left] : NULL;
}
