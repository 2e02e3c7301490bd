/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Copying a tree to another file system, so that it can be removed here afterwards: what is said to be
 * copied is complete and on disk, and whatever could not be read is an error.
 *
 * May be repeated after a crash: a file that has its final size, time and mode is kept. The mode is
 * given last, after the data is on disk; until then it is one that no readable file has.
 *
 * Works on a walk of the source (tree.c). Of the copy one folder is open at a time; the way up leads
 * through "..", and must lead to the folder that we came from.
 */

#include "fileio.h"

#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>

#include "crashpoint.h"
#include "text.h"

/* Large enough that a parallel file system works in whole stripes of its default size. */
#define BUFFER_SIZE ((size_t)1024 * 1024)

/* The kernel's bound on the list of extended attributes and on the value of one (XATTR_LIST_MAX, XATTR_SIZE_MAX). */
#define XATTR_BUFFER_SIZE ((size_t)64 * 1024)

/* A file of this mode is being written. */
#define MODE_UNFINISHED S_IWUSR

/* Set-uid and set-gid would hand out rights of ours: the copy belongs to us, what is in it does not come from us. */
#define MODE_FILE_MASK 01777

typedef struct Copy {
        int newdir;
        const char *newname;
        int fd;             /* the folder of the copy that is being filled, -1 before the root */
        struct stat *above; /* the folders above it, the root's parent first */
        size_t n_above, room;
        char *buffer;
        Error *error;
        bool told; /* the error has its text */
} Copy;

static void copy_done(Copy *c) {
        safe_close(c->fd);
        free(c->above);
        free(c->buffer);
}

/* ACLs and what people noted on their files; attributes of the system mean nothing elsewhere. */
static bool xattr_is_copied(const char *name) {
        return startswith(name, "user.") || startswith(name, "system.posix_acl_");
}

/* As far as the other file system has them; a copy without is still a copy. */
static void copy_xattrs(int in, int out, char *buffer) {
        char *list = buffer, *value = buffer + XATTR_BUFFER_SIZE;
        ssize_t size = flistxattr(in, list, XATTR_BUFFER_SIZE);

        for (ssize_t i = 0; i < size; i += (ssize_t)strlen(list + i) + 1) {
                ssize_t n;

                if (!xattr_is_copied(list + i))
                        continue;
                n = fgetxattr(in, list + i, value, XATTR_BUFFER_SIZE);
                if (n < 0 || fsetxattr(out, list + i, value, (size_t)n, 0) < 0)
                        continue;
        }
}

/* The group as far as we may; the time and then the mode must be had, where there are modes. */
static int copy_attributes(int in, int out, const struct stat *st, mode_t mode, char *buffer) {
        const struct timespec times[2] = { st->st_atim, st->st_mtim };

        copy_xattrs(in, out, buffer);
        if (fchown(out, (uid_t)-1, st->st_gid) < 0 && errno != EPERM && errno != EINVAL)
                return -errno;
        if (futimens(out, times) < 0)
                return -errno;
        if (fchmod(out, mode) < 0 && errno != EPERM && errno != EOPNOTSUPP)
                return -errno;
        return 0;
}

static int copy_range(int in, int out, off_t at, off_t end, char *buffer) {
        while (at < end) {
                size_t wanted = end - at < (off_t)BUFFER_SIZE ? (size_t)(end - at) : BUFFER_SIZE;
                ssize_t n = pread(in, buffer, wanted, at);
                int r;

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return -EAGAIN;
                if (lseek(out, at, SEEK_SET) < 0)
                        return -errno;
                r = fd_write_all(out, buffer, (size_t)n);
                if (r < 0)
                        return r;
                at += n;
        }
        return 0;
}

/* Only where there is data: holes stay holes. */
static int copy_data(int in, int out, off_t size, char *buffer) {
        off_t at = 0;

        while (at < size) {
                off_t data = lseek(in, at, SEEK_DATA), end = size;
                int r;

                if (data < 0 && errno == ENXIO)
                        break;
                if (data < 0)
                        data = at;
                else
                        end = lseek(in, data, SEEK_HOLE);
                if (end < 0 || end > size)
                        end = size;
                r = copy_range(in, out, data, end, buffer);
                if (r < 0)
                        return r;
                at = end;
        }
        return ftruncate(out, size) < 0 ? -errno : 0;
}

static bool same_content(const struct stat *a, const struct stat *b) {
        return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
                a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static int fill_file(int in, int out, const struct stat *st, char *buffer) {
        struct stat after;
        int r;

        r = copy_data(in, out, st->st_size, buffer);
        if (r < 0)
                return r;
        if (fstat(in, &after) < 0 || fsync(out) < 0)
                return -errno;
        if (!same_content(st, &after))
                return -EAGAIN;
        CRASH_POINT("tree-copy-before-mode");
        return copy_attributes(in, out, st, st->st_mode & MODE_FILE_MASK, buffer);
}

static int copy_file(Copy *c, const WalkEntry *e) {
        _cleanup_close_ int in = -1, out = -1;
        struct stat st, there;

        in = openat(e->dirfd, e->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (in < 0 || fstat(in, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || !stat_same(&st, &e->st))
                return -EAGAIN;
        if (fstatat(c->fd, e->name, &there, AT_SYMLINK_NOFOLLOW) == 0) {
                if (S_ISREG(there.st_mode) && same_content(&st, &there) &&
                        (there.st_mode & 07777) == (st.st_mode & MODE_FILE_MASK))
                        return 0;
                if (unlinkat(c->fd, e->name, 0) < 0)
                        return -errno;
        }
        out = openat(c->fd, e->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                MODE_UNFINISHED);
        if (out < 0)
                return -errno;
        return fill_file(in, out, &st, c->buffer);
}

/* Reads the link into @buffer of BUFFER_SIZE; longer than that is none. */
static int read_link(int dirfd, const char *name, char *buffer) {
        ssize_t n = readlinkat(dirfd, name, buffer, BUFFER_SIZE / 2);

        if (n < 0)
                return -errno;
        buffer[n] = 0;
        return 0;
}

static int copy_link(Copy *c, const WalkEntry *e) {
        const struct timespec times[2] = { e->st.st_atim, e->st.st_mtim };
        char *target = c->buffer, *there = c->buffer + BUFFER_SIZE / 2 + 1;
        int r;

        r = read_link(e->dirfd, e->name, target);
        if (r < 0)
                return r;
        r = read_link(c->fd, e->name, there);
        if (r < 0 || !streq(there, target)) {
                if (r != -ENOENT && unlinkat(c->fd, e->name, 0) < 0)
                        return -errno;
                if (symlinkat(target, c->fd, e->name) < 0)
                        return -errno;
        }
        /* Not every file system keeps the times of links. */
        utimensat(c->fd, e->name, times, AT_SYMLINK_NOFOLLOW);
        return 0;
}

static int remember_above(Copy *c, int dirfd) {
        if (c->n_above == c->room) {
                size_t room = c->room * 2 + 16;
                struct stat *above = realloc(c->above, room * sizeof(*above));

                if (!above)
                        return -ENOMEM;
                c->above = above;
                c->room = room;
        }
        return fstat(dirfd, &c->above[c->n_above++]) < 0 ? -errno : 0;
}

static int enter_folder(Copy *c, const WalkEntry *e) {
        int above = e->depth == 0 ? c->newdir : c->fd, fd, r;
        const char *name = e->depth == 0 ? c->newname : e->name;
        bool there;

        r = remember_above(c, above);
        if (r < 0)
                return r;
        there = mkdirat(above, name, 0700) < 0;
        if (there && errno != EEXIST)
                return -errno;
        fd = dir_open_at(above, name);
        if (fd < 0)
                return fd;
        safe_close(c->fd);
        c->fd = fd;
        return there && fchmod(fd, 0700) < 0 ? -errno : 0;
}

static int leave_folder(Copy *c, const WalkEntry *e) {
        _cleanup_close_ int in = -1, out = TAKE_FD(c->fd);
        struct stat st;
        int r;

        /* First the way back, which the final mode may bar. */
        c->fd = dir_open_at(out, "..");
        if (c->fd < 0)
                return c->fd;
        if (fstat(c->fd, &st) < 0)
                return -errno;
        if (!stat_same(&st, &c->above[--c->n_above]))
                return -ESTALE;
        in = dir_open_at(e->dirfd, e->name);
        if (in < 0)
                return in;
        r = copy_attributes(in, out, &e->st, e->st.st_mode & 07777, c->buffer);
        CRASH_POINT("tree-copy-before-folder-sync");
        return r < 0 ? r : dir_sync(out);
}

static int copy_entry(Copy *c, const WalkEntry *e) {
        if (e->error < 0)
                return e->error;
        if (e->post)
                return leave_folder(c, e);
        switch (e->st.st_mode & S_IFMT) {
        case S_IFDIR:
                return enter_folder(c, e);
        case S_IFREG:
                return copy_file(c, e);
        case S_IFLNK:
                return copy_link(c, e);
        default:
                return 0;
        }
}

static int copy_visit(const WalkEntry *e, void *userdata) {
        Copy *c = userdata;
        _cleanup_free_ char *path = NULL;
        int r;

        r = copy_entry(c, e);
        if (r == 0)
                return 0;
        path = text_printable(e->depth > 0 ? e->path : c->newname, sizeof(c->error->text) / 2);
        c->told = true;
        return error_set(c->error, r, "%s: %s", path ? path : "?",
                r == -EAGAIN ? "it changed while it was copied" : strerror(-r));
}

int tree_copy(int olddir, const char *oldname, int newdir, const char *newname, Error *e) {
        _cleanup_(copy_done)
                Copy c = { .newdir = newdir, .newname = newname, .fd = -1, .error = e };
        int r;

        c.buffer = malloc(BUFFER_SIZE + 2);
        r = c.buffer ? tree_walk(olddir, oldname, copy_visit, &c) : -ENOMEM;
        if (r == 0)
                r = dir_sync(newdir);
        /* Times and modes, which were given after each file's own sync. */
        if (r == 0 && syncfs(newdir) < 0)
                r = -errno;
        return r < 0 && !c.told ? error_set(e, r, "%s", strerror(-r)) : r;
}
