/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owning a base folder: taking it, showing that we live, seeing that we lost it.
 *
 * The file of an owner is created once, with O_EXCL, and afterwards overwritten in place with text of the same length; it
 * is sealed by a checksum, so that a reader who meets half a write knows it and looks again.
 *
 * Who looks, and who is thought dead, is in lease-owner.c. The manager takes, renews and releases; every room looks before it acts.
 */

#include "lease.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "crashpoint.h"
#include "event.h"
#include "eventlog.h"
#include "fileio.h"
#include "lease-owner.h"
#include "text.h"

/* So often is a race for the next number run; who loses it that often has lost to a living owner each time. */
#define TRIES_MAX 5

#define FILE_MODE 0640

struct Lease {
        int dir; /* .flowcron */
        int fd;  /* our file */
        ino_t ino;
        char name[LEASE_NAME_MAX];
        LeaseRecord record;
};

uint64_t lease_fence(const Lease *l) {
        return l->record.fence;
}

Lease *lease_free(Lease *l) {
        if (!l)
                return NULL;
        safe_close(l->fd);
        safe_close(l->dir);
        free(l);
        return NULL;
}

/* Same length every time, so that overwriting leaves nothing of the old text behind. */
static int write_record(Lease *l) {
        _cleanup_free_ char *line = lease_record_line(&l->record);
        ssize_t n;

        if (!line)
                return -ENOMEM;
        n = pwrite(l->fd, line, strlen(line), 0);
        if (n < 0)
                return -errno;
        if ((size_t)n < strlen(line))
                return -EIO;
        return fdatasync(l->fd) < 0 ? -errno : 0;
}

static int create_file(Lease *l) {
        struct stat st = { 0 };
        int r;

        CRASH_POINT("lease-acquire-before-create");
        l->fd = openat(
                l->dir, l->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
        if (l->fd < 0)
                return -errno;
        CRASH_POINT("lease-acquire-after-create");
        r = fchmod(l->fd, FILE_MODE) < 0 || fstat(l->fd, &st) < 0 ? -errno : write_record(l);
        CRASH_POINT("lease-acquire-after-write");
        if (r == 0)
                r = dir_sync(l->dir);
        if (r < 0) {
                unlinkat(l->dir, l->name, 0);
                return r;
        }
        l->ino = st.st_ino;
        return 0;
}

static Lease *lease_new(int statedir, uint64_t fence) {
        Lease *l = calloc(1, sizeof(*l));

        if (!l)
                return NULL;
        l->fd = -1;
        l->dir = fcntl(statedir, F_DUPFD_CLOEXEC, 3);
        lease_record_self(&l->record, fence);
        lease_file_name(l->name, fence);
        return l;
}

/* 0; -EEXIST if somebody was faster. */
static int take(int statedir, uint64_t fence, Lease **ret) {
        _cleanup_(lease_freep) Lease *l = lease_new(statedir, fence);
        uint64_t highest;
        int r;

        if (!l)
                return -ENOMEM;
        r = create_file(l);
        if (r < 0)
                return r;
        /* We may have been asleep for so long that our number was taken, given up and cleared away meanwhile. */
        r = lease_highest(statedir, &highest);
        if (r < 0 || highest > fence) {
                unlinkat(statedir, l->name, 0);
                return r < 0 ? r : -EEXIST;
        }
        CRASH_POINT("lease-acquire-before-cleanup");
        lease_clean_up(statedir, fence);
        *ret = TAKE_PTR(l);
        return 0;
}

static int try_once(
        int statedir, LeaseWatch *watch, Lease **ret, LeaseOwner *owner, usec_t *ret_retry) {
        uint64_t highest, logged = 0;
        int r;

        r = lease_highest(statedir, &highest);
        if (r < 0)
                return r;
        r = highest > 0 ? lease_judge(statedir, highest, watch, owner, ret_retry) : 0;
        if (r != 0)
                return r;
        r = eventlog_fence(statedir, &logged);
        if (r < 0)
                return r;
        return take(statedir, (highest > logged ? highest : logged) + 1, ret);
}

int lease_acquire(int statedir, LeaseWatch *watch, Lease **ret, LeaseOwner *owner,
        usec_t *ret_retry, Error *e) {
        LeaseOwner who = { 0 };
        usec_t retry = 0;
        int r = -EEXIST;

        for (int tries = 0; r == -EEXIST && tries < TRIES_MAX; tries++)
                r = try_once(statedir, watch, ret, &who, &retry);
        if (r == -EEXIST)
                r = LEASE_E_HELD;
        if (r < 0)
                return error_set(
                        e, r, "the lease of the base folder can't be taken: %s", strerror(-r));
        if (r == LEASE_E_HELD) {
                *owner = who;
                *ret_retry = retry;
        }
        return r;
}

/*
 * Two names tell: ours is gone, or the next one is there. The folder is asked for its attributes first, for
 * an NFS client believes its cache about names until it sees that the folder has changed.
 */
int lease_check(Lease *l) {
        char next[LEASE_NAME_MAX];
        struct statx folder;
        struct stat st;

        if (statx(l->dir, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &folder) <
                        0 &&
                errno != ENOSYS)
                return -errno;
        if (fstatat(l->dir, lease_file_name(next, l->record.fence + 1), &st, AT_SYMLINK_NOFOLLOW) ==
                0)
                return LEASE_E_HELD;
        if (errno != ENOENT)
                return -errno;
        if (fstatat(l->dir, l->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? LEASE_E_HELD : -errno;
        return st.st_ino == l->ino ? 0 : LEASE_E_HELD;
}

int lease_renew(Lease *l) {
        int r = lease_check(l);

        if (r != 0)
                return r;
        l->record.counter++;
        CRASH_POINT("lease-renew-before-write");
        return write_record(l);
}

Lease *lease_release(Lease *l) {
        if (l && lease_check(l) == 0) {
                l->record.released = true;
                CRASH_POINT("lease-release-before-write");
                /* If this fails the successor waits, or sees that we are gone. */
                (void)write_record(l);
        }
        return lease_free(l);
}
