/* SPDX-License-Identifier: Apache-2.0 */

#include "script-file.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "fileio.h"
#include "text.h"

/* As many as the kernel follows (path_resolution(7)). */
#define LINKS_MAX 40

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

/* A path on its way: what has been resolved, the folder that this leads to, and what is still to
 * come. */
typedef struct Route {
        int uowdir;
        int dir; /* own descriptor */
        char resolved[PATH_MAX];
        char rest[PATH_MAX];
        unsigned links;
} Route;

static int open_folder(int dirfd, const char *name) {
        int fd = openat(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

/* Splits the first component off; "" at the end. Room for NAME_MAX. */
static int take_component(Route *r, char name[NAME_MAX + 1]) {
        const char *p = r->rest + strspn(r->rest, "/");
        size_t n = strcspn(p, "/");

        if (n > NAME_MAX)
                return -ENAMETOOLONG;
        memcpy(name, p, n);
        name[n] = 0;
        memmove(r->rest, p + n, strlen(p + n) + 1);
        return 0;
}

static int walk_from_root(Route *r, const char *path) {
        int fd = open_folder(r->uowdir, ".");

        while (fd >= 0 && *path) {
                char name[NAME_MAX + 1];
                size_t n = strcspn(path, "/");
                int next;

                if (n > NAME_MAX) {
                        safe_close(fd);
                        return -ENAMETOOLONG;
                }
                memcpy(name, path, n);
                name[n] = 0;
                next = open_folder(fd, name);
                safe_close(fd);
                fd = next;
                path += n + strspn(path + n, "/");
        }
        if (fd < 0)
                return fd;
        safe_close(r->dir);
        r->dir = fd;
        return 0;
}

/* ".." is taken off the path, and the folder looked up again: a folder that was moved meanwhile
 * can't lead us out. */
static int go_up(Route *r) {
        char *slash = strrchr(r->resolved, '/');

        if (!r->resolved[0])
                return SCRIPT_FILE_OUTSIDE;
        *(slash ? slash : r->resolved) = 0;
        return walk_from_root(r, r->resolved);
}

static int append_resolved(Route *r, const char *name) {
        size_t used = strlen(r->resolved), n = strlen(name);

        if (used + n + 2 > sizeof(r->resolved))
                return -ENAMETOOLONG;
        if (used > 0)
                r->resolved[used++] = '/';
        memcpy(r->resolved + used, name, n + 1);
        return 0;
}

/* What the link says is put in front of what is still to come. */
static int follow_link(Route *r, const char *name) {
        char target[PATH_MAX];
        ssize_t n = readlinkat(r->dir, name, target, sizeof(target));
        size_t rest = strlen(r->rest);

        if (n < 0)
                return -errno;
        if (n == 0 || ++r->links > LINKS_MAX)
                return SCRIPT_FILE_NOWHERE;
        if (target[0] == '/')
                return SCRIPT_FILE_OUTSIDE;
        if ((size_t)n + rest + 1 > sizeof(r->rest))
                return -ENAMETOOLONG;
        memmove(r->rest + n, r->rest, rest + 1);
        memcpy(r->rest, target, (size_t)n);
        return 0;
}

static int enter_folder(Route *r, const char *name) {
        int fd = open_folder(r->dir, name);

        if (fd < 0)
                return fd;
        safe_close(r->dir);
        r->dir = fd;
        return append_resolved(r, name);
}

/* O_NONBLOCK: a FIFO put in the file's place meanwhile must not hold us up. */
static int open_regular(Route *r, const char *name, int *ret_fd) {
        _cleanup_close_ int fd =
                openat(r->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        struct stat st;

        if (fd < 0)
                return errno == ELOOP || errno == ENXIO ? SCRIPT_FILE_IRREGULAR : -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return SCRIPT_FILE_IRREGULAR;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

/* One step; @ret_fd is set when the file has been reached. */
static int step(Route *r, int *ret_fd) {
        char name[NAME_MAX + 1];
        struct stat st;
        int k = take_component(r, name);

        if (k < 0)
                return k;
        if (!name[0])
                return SCRIPT_FILE_IRREGULAR; /* the path ends in a folder */
        if (streq(name, "."))
                return 0;
        if (streq(name, ".."))
                return go_up(r);
        if (fstatat(r->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        if (S_ISLNK(st.st_mode))
                return follow_link(r, name);
        if (S_ISDIR(st.st_mode))
                return enter_folder(r, name);
        if (!S_ISREG(st.st_mode))
                return SCRIPT_FILE_IRREGULAR;
        if (r->rest[0])
                return SCRIPT_FILE_NOWHERE; /* a file where a folder should be */
        k = open_regular(r, name, ret_fd);
        return k != 0 ? k : append_resolved(r, name);
}

int script_file_open(int uowdir, const char *path, char **ret_target, int *ret_fd) {
        _cleanup_close_ int dir = open_folder(uowdir, "."), fd = -1;
        _cleanup_free_ Route *r = calloc(1, sizeof(*r));
        char *target;
        int k = 0;

        if (!r)
                return -ENOMEM;
        if (dir < 0)
                return dir;
        if (strlen(path) >= sizeof(r->rest))
                return -ENAMETOOLONG;
        memcpy(r->rest, path, strlen(path) + 1);
        r->uowdir = uowdir;
        r->dir = TAKE_FD(dir);
        while (k == 0 && fd < 0)
                k = step(r, &fd);
        safe_close(r->dir);
        if (k == -ENOENT || k == -ENAMETOOLONG)
                return SCRIPT_FILE_NOWHERE;
        if (k != 0)
                return k;
        target = strdup(r->resolved);
        if (!target)
                return -ENOMEM;
        *ret_target = target;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int script_file_parent(int uowdir, const char *target, int *ret_dirfd, const char **ret_name) {
        const char *slash = strrchr(target, '/');
        _cleanup_free_ char *folder = strndup(target, slash ? (size_t)(slash - target) : 0);
        Route r = { .uowdir = uowdir, .dir = -1 };
        int k;

        if (!folder)
                return -ENOMEM;
        k = walk_from_root(&r, folder);
        if (k < 0)
                return k;
        k = dir_open_at(r.dir, "."); /* one that can be synced, which O_PATH can't */
        safe_close(r.dir);
        if (k < 0)
                return k;
        *ret_dirfd = k;
        *ret_name = slash ? slash + 1 : target;
        return 0;
}

static bool starts_with_mark(const char *text, size_t size) {
        return size >= strlen(BYTE_ORDER_MARK) &&
                memcmp(text, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0;
}

bool script_unix_needed(const char *text, size_t size) {
        const char *p = text, *end = text + size;

        if (starts_with_mark(text, size))
                return true;
        while ((p = memchr(p, '\r', (size_t)(end - p)))) {
                while (p < end && *p == '\r')
                        p++;
                if (p == end || *p == '\n')
                        return true;
        }
        return false;
}

size_t script_unix(char *text, size_t size) {
        size_t in = 0, out = 0;

        while (starts_with_mark(text + in, size - in))
                in += strlen(BYTE_ORDER_MARK);
        while (in < size) {
                size_t next = in;

                while (next < size && text[next] == '\r')
                        next++;
                if (next == size)
                        break;
                if (text[next] != '\n' || next == in) {
                        memmove(text + out, text + in, next - in + 1);
                        out += next - in + 1;
                } else {
                        text[out++] = '\n';
                }
                in = next + 1;
        }
        return out;
}
