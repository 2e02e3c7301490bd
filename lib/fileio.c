/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Single files and folders: whole reads, atomic writes, moves that never overwrite.
 *
 * Anyone may call this. A file that is replaced or created is seen whole or not at all, whatever
 * crashes when; nothing that somebody else put in the way (link, FIFO, hard link, folder) is
 * followed, waited for, or written through. Trees are in tree.c and tree-copy.c.
 */

#include "fileio.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "crashpoint.h"
#include "text.h"

/* The first read of a file whose size is not known; doubled as long as there is more. */
#define READ_CHUNK 4096U

/* Somebody's folder may have the name of our temporary file; so many other names are tried. */
#define TEMPORARY_TRIES 8

int fd_write_all(int fd, const void *data, size_t size) {
        const char *p = data;

        while (size > 0) {
                ssize_t n = write(fd, p, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                p += n;
                size -= (size_t)n;
        }
        return 0;
}

int fd_read_all(int fd, size_t max, char **ret, size_t *ret_size) {
        _cleanup_free_ char *data = NULL;
        size_t size = 0, room = 0;

        for (;;) {
                ssize_t n;

                if (room - size < 2) {
                        char *more = realloc(data, room = room ? room * 2 : READ_CHUNK);

                        if (!more)
                                return -ENOMEM;
                        data = more;
                }
                n = read(fd, data + size, room - size - 1);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                size += (size_t)n;
                if (size > max)
                        return -EFBIG;
        }
        data[size] = 0;
        *ret = TAKE_PTR(data);
        if (ret_size)
                *ret_size = size;
        return 0;
}

int file_read_at(int dirfd, const char *name, size_t max, char **ret, size_t *ret_size) {
        _cleanup_close_ int fd = -1;
        struct stat st;

        fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENXIO ? -EINVAL
                                      : -errno; /* ENXIO: a socket, or a device that is not there */
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        if ((uint64_t)st.st_size > max)
                return -EFBIG;
        return fd_read_all(fd, max, ret, ret_size);
}

/* Some file systems know no modes; what matters there is that the file is written. */
static int set_mode(int fd, mode_t mode) {
        if (fchmod(fd, mode) < 0 && errno != EPERM && errno != EOPNOTSUPP)
                return -errno;
        return 0;
}

static int write_new(int fd, const void *data, size_t size, mode_t mode, bool sync) {
        int r;

        r = fd_write_all(fd, data, size);
        if (r == 0)
                r = set_mode(fd, mode);
        if (r == 0 && sync && fsync(fd) < 0)
                r = -errno;
        return r;
}

/* Always the same name for a file, so that what a crash leaves is found again; for a long name its hash (FNV-1a). */
static void temporary_name(const char *name, int try, char ret[static NAME_MAX + 1]) {
        uint64_t hash = UINT64_C(0xcbf29ce484222325);
        char digits[17], *end;

        for (const char *p = name; *p; p++)
                hash = (hash ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
        snprintf(digits, sizeof(digits), "%016" PRIx64, hash);
        end = stpcpy(ret, ".");
        end = stpcpy(end, strlen(name) + strlen("..9.tmp") <= NAME_MAX ? name : digits);
        if (try > 0)
                end += sprintf(end, ".%d", try);
        strcpy(end, ".tmp");
}

/* Open a new temporary file. One that is there is removed, not reused: it may be a link to something dear. */
static int temporary_open(int dirfd, const char *name, char ret_name[static NAME_MAX + 1]) {
        int r = -EEXIST;

        if (isempty(name) || strchr(name, '/'))
                return -EINVAL;
        for (int try = 0; try < TEMPORARY_TRIES; try++) {
                int fd;

                temporary_name(name, try, ret_name);
                if (unlinkat(dirfd, ret_name, 0) < 0 && errno != ENOENT) {
                        r = -errno;
                        continue;
                }
                fd = openat(dirfd, ret_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                        0600);
                if (fd >= 0)
                        return fd;
                r = -errno;
                if (r != -EEXIST)
                        break;
        }
        return r;
}

static int file_replace(
        int dirfd, const char *name, const void *data, size_t size, mode_t mode, bool sync) {
        _cleanup_close_ int fd = -1;
        char temporary[NAME_MAX + 1];
        int r;

        fd = temporary_open(dirfd, name, temporary);
        if (fd < 0)
                return fd;
        r = write_new(fd, data, size, mode, sync);
        CRASH_POINT("file-replace-before-rename");
        if (r == 0 && renameat(dirfd, temporary, dirfd, name) < 0)
                r = -errno;
        if (r < 0) {
                unlinkat(dirfd, temporary, 0);
                return r;
        }
        CRASH_POINT("file-replace-before-folder-sync");
        return sync ? dir_sync(dirfd) : 0;
}

int file_replace_at(int dirfd, const char *name, const void *data, size_t size, mode_t mode) {
        return file_replace(dirfd, name, data, size, mode, true);
}

int file_replace_nosync_at(
        int dirfd, const char *name, const void *data, size_t size, mode_t mode) {
        return file_replace(dirfd, name, data, size, mode, false);
}

int file_create_at(int dirfd, const char *name, const void *data, size_t size, mode_t mode) {
        _cleanup_close_ int fd = -1;
        int r;

        fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        CRASH_POINT("file-create-before-write");
        r = write_new(fd, data, size, mode, true);
        if (r < 0) {
                unlinkat(dirfd, name, 0);
                return r;
        }
        CRASH_POINT("file-create-before-folder-sync");
        return dir_sync(dirfd);
}

int dir_open_at(int dirfd, const char *name) {
        int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

int dir_open_path(const char *path) {
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

/* Make one folder with exactly @mode, but with the set-gid bit that it inherits. 0 also if it is there. */
static int make_folder(const char *path, mode_t mode) {
        struct stat st;

        if (mkdir(path, mode & 0777) < 0) {
                int r = -errno;

                /* Not only EEXIST: a read-only or automounted parent refuses before it looks. */
                return r != -ENOENT && stat(path, &st) == 0 ? S_ISDIR(st.st_mode) ? 0 : -ENOTDIR
                                                            : r;
        }
        if (stat(path, &st) < 0)
                return -errno;
        if (chmod(path, mode | (st.st_mode & S_ISGID)) < 0 && errno != EPERM && errno != EOPNOTSUPP)
                return -errno;
        return 0;
}

int dir_make_path(const char *path, mode_t mode) {
        _cleanup_free_ char *copy = NULL;
        int r;

        if (!path || path[0] != '/')
                return -EINVAL;
        r = make_folder(path, mode);
        if (r != -ENOENT)
                return r;
        copy = strdup(path);
        if (!copy)
                return -ENOMEM;
        for (char *p = strchr(copy + 1, '/'); p; p = strchr(p + 1, '/')) {
                *p = 0;
                r = make_folder(copy, mode);
                if (r < 0)
                        return r;
                *p = '/';
        }
        return make_folder(copy, mode);
}

int dir_sync(int dirfd) {
        if (fsync(dirfd) < 0 && errno != EINVAL && errno != EOPNOTSUPP && errno != ENOSYS)
                return -errno;
        return 0;
}

int dir_is_empty(int dirfd, const char *name) {
        _cleanup_closedir_ DIR *d = NULL;
        struct dirent *de;
        int fd;

        fd = dir_open_at(dirfd, name);
        if (fd < 0)
                return fd;
        d = fdopendir(fd);
        if (!d) {
                safe_close(fd);
                return -errno;
        }
        do {
                errno = 0;
                de = readdir(d);
        } while (de && (streq(de->d_name, ".") || streq(de->d_name, "..")));
        return de ? 0 : errno ? -errno : 1;
}

int move_at(int olddir, const char *oldname, int newdir, const char *newname) {
        struct stat st;

        if (renameat2(olddir, oldname, newdir, newname, RENAME_NOREPLACE) == 0)
                return 0;
        if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
                return -errno;
        if (fstatat(newdir, newname, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) == 0)
                return -EEXIST;
        if (errno != ENOENT)
                return -errno;
        if (renameat(olddir, oldname, newdir, newname) < 0)
                return errno == ENOTEMPTY ? -EEXIST : -errno;
        return 0;
}
