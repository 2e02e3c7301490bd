/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Where the socket lies, and whose folder that is.
 *
 * Whoever can write to the folder can put a socket of their own there and be taken for us; so it has to be ours or root's, and
 * the one that everybody could have made before us (/tmp/flowcron-UID) must be closed to others. A socket file
 * is bound through the folder's descriptor: no link is followed, and a path longer than sun_path will do.
 */

#include "control-internal.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "fileio.h"
#include "text.h"

/* A second in all. */
#define DEAD_TRIES 50
#define DEAD_PAUSE_NSEC (20 * 1000 * 1000)

static bool folder_is_guessable(const char *folder) {
        char expected[64];

        snprintf(expected, sizeof(expected), "/tmp/flowcron-%u", (unsigned)getuid());
        return streq(folder, expected);
}

static int check_folder(int fd, const char *folder, Error *e) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return error_set(e, -errno, "%s: %m", folder);
        if (st.st_uid != geteuid() && (st.st_uid != 0 || folder_is_guessable(folder)))
                return error_set(e, -EPERM,
                        "%s belongs to somebody else; remove it, or set FLOWCRON_SOCKET to a path in a folder of your own",
                        folder);
        if (folder_is_guessable(folder) && (st.st_mode & 077) != 0)
                return error_set(e, -EPERM,
                        "%s is open to others; make it yours alone: chmod 700 %s", folder, folder);
        return 0;
}

static int open_folder(const char *folder, Error *e) {
        _cleanup_close_ int fd = -1;
        int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC, r;

        r = dir_make_path(folder, 0700);
        if (r < 0)
                return error_set(
                        e, r, "The socket's folder %s can't be made: %s", folder, strerror(-r));
        fd = open(folder, flags | (folder_is_guessable(folder) ? O_NOFOLLOW : 0));
        if (fd < 0)
                return error_set(e, -errno, "The socket's folder %s can't be opened: %m", folder);
        r = check_folder(fd, folder, e);
        return r < 0 ? r : TAKE_FD(fd);
}

static int fill_address(struct sockaddr_un *sun, int dir, const char *name) {
        int n;

        *sun = (struct sockaddr_un){ .sun_family = AF_UNIX };
        n = snprintf(sun->sun_path, sizeof(sun->sun_path), "/proc/self/fd/%d/%s", dir, name);
        return n < 0 || (size_t)n >= sizeof(sun->sun_path) ? -ENAMETOOLONG : 0;
}

static int try_bind(int fd, const struct sockaddr_un *sun) {
        mode_t old = umask(0177);
        int r = bind(fd, (const struct sockaddr *)sun, sizeof(*sun)) < 0 ? -errno : 0;

        umask(old);
        return r;
}

/* 0 if nobody listens there any more, -EADDRINUSE, other -errno. */
static int is_dead(const struct sockaddr_un *sun) {
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        if (fd < 0)
                return -errno;
        if (connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) >= 0 || errno == EAGAIN)
                return -EADDRINUSE;
        return errno == ECONNREFUSED || errno == ENOENT ? 0 : -errno;
}

/*
 * One that was killed may have children that hold its socket open until they are gone, too, which is a matter of
 * moments; nothing else is waited for here, as the loop does not run yet.
 */
static int wait_dead(const struct sockaddr_un *sun) {
        const struct timespec pause = { .tv_nsec = DEAD_PAUSE_NSEC };
        int r = is_dead(sun);

        for (int tries = 1; r == -EADDRINUSE && tries < DEAD_TRIES; tries++) {
                nanosleep(&pause, NULL);
                r = is_dead(sun);
        }
        return r;
}

static int remove_dead(int dir, const char *name, const struct sockaddr_un *sun, Error *e) {
        struct stat st;
        int r;

        if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (!S_ISSOCK(st.st_mode))
                return error_set(
                        e, -EADDRINUSE, "%s is in the socket's place and is no socket", name);
        r = wait_dead(sun);
        if (r < 0)
                return error_set(e, r,
                        r == -EADDRINUSE
                                ? "Another flowcrond listens there already"
                                : "It can't be told whether another flowcrond listens there");
        return unlinkat(dir, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

static int bind_in(Control *c, int dir, const char *name, Error *e) {
        struct sockaddr_un sun;
        struct stat st;
        int r;

        r = fill_address(&sun, dir, name);
        if (r < 0)
                return error_set(e, r, "The socket's name is too long");
        r = try_bind(c->fd, &sun);
        if (r == -EADDRINUSE) {
                r = remove_dead(dir, name, &sun, e);
                if (r >= 0)
                        r = try_bind(c->fd, &sun);
        }
        if (r < 0)
                return e && e->text[0] ? r : error_set(e, r, "%s", strerror(-r));
        if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        c->dev = st.st_dev;
        c->ino = st.st_ino;
        return 0;
}

/* Sets the path and takes it apart: everything before the last slash, and what is behind it. */
static int split_path(Control *c, const char *path, char **ret_folder, const char **ret_name) {
        char *slash;

        c->path = strdup(path);
        *ret_folder = strdup(path);
        if (!c->path || !*ret_folder)
                return -ENOMEM;
        slash = strrchr(*ret_folder, '/');
        if (!slash || !slash[1])
                return -EINVAL;
        *ret_name = c->path + (slash - *ret_folder) + 1;
        slash[slash == *ret_folder] = 0;
        return 0;
}

static int make_socket(Control *c, const char *path, Error *e) {
        _cleanup_free_ char *folder = NULL;
        _cleanup_close_ int dir = -1;
        const char *name;
        int r;

        r = split_path(c, path, &folder, &name);
        if (r < 0)
                return error_set(e, r, "%s is no absolute path of a socket", path);
        dir = open_folder(folder, e);
        if (dir < 0)
                return dir;
        c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (c->fd < 0)
                return error_set(e, -errno, "There is no socket to be had: %m");
        r = bind_in(c, dir, name, e);
        if (r < 0)
                return error_prefix(e, r, "%s", path);
        if (listen(c->fd, CONTROL_CONNECTIONS_MAX) < 0)
                return error_set(e, -errno, "%s: %m", path);
        return 0;
}

/* A socket unit has bound it already; its path is for people only. */
static int take_passed(Control *c, const char *path, Error *e) {
        int fd = SD_LISTEN_FDS_START;

        if (sd_is_socket_unix(fd, SOCK_STREAM, 1, NULL, 0) <= 0)
                return error_set(e, -EINVAL, "What systemd passed is no listening stream socket");
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ||
                fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
                return -errno;
        c->fd = fd;
        c->passed = true;
        c->path = strdup(path);
        return c->path ? 0 : -ENOMEM;
}

int control_socket_open(Control *c, const char *path, Error *e) {
        if (sd_listen_fds(true) > 0)
                return take_passed(c, path, e);
        return make_socket(c, path, e);
}

void control_socket_close(Control *c) {
        struct stat st;

        if (c->fd >= 0 && !c->passed && c->ino != 0 && lstat(c->path, &st) == 0 &&
                st.st_ino == c->ino && st.st_dev == c->dev)
                (void)unlink(c->path);
        c->fd = safe_close(c->fd);
}
