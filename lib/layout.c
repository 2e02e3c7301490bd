/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From the configuration to open folders.
 *
 * Paths are compared twice: as text, before anything is touched, and by device and inode, once the
 * folders are open, since links and bind mounts can make two names of one folder. A UoW that is
 * "moved" between two names of one folder would be taken for a newcomer and a result at once.
 */

#include "layout.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "crashpoint.h"
#include "fileio.h"
#include "text.h"

#define STATE_FOLDER ".flowcron"
#define REQUESTS_FOLDER STATE_FOLDER "/requests"
#define DATA_MODE 02770
#define STATE_MODE 0750
#define REQUESTS_MODE 0700

typedef struct PlaceRow {
        const char *name; /* in the default configuration */
        const char *key;  /* what moves it; NULL: nothing does */
        size_t offset;    /* of its path in Config, if @key */
        const char *below;
        mode_t mode;
} PlaceRow;

/* clang-format off */
#define MOVABLE(field) .key = "paths." #field, .offset = offsetof(Config, paths.field), .mode = DATA_MODE

static const PlaceRow places[_PLACE_MAX] = {
        [PLACE_UPLOADED]     = { .name = "UploadedFiles", MOVABLE(uploaded) },
        [PLACE_WORK]         = { .name = "CodeToRun/slurm", MOVABLE(work) },
        [PLACE_ANALYSED]     = { .name = "AnalysedFiles", MOVABLE(analysed) },
        [PLACE_FAILED]       = { .name = "FailedJobs", MOVABLE(failed) },
        [PLACE_BIN_ANALYSED] = { .name = "SoftDelete/AnalysedFiles", MOVABLE(bin), .below = "AnalysedFiles" },
        [PLACE_BIN_FAILED]   = { .name = "SoftDelete/FailedJobs", MOVABLE(bin), .below = "FailedJobs" },
        [PLACE_STATUS]       = { .name = "Status", MOVABLE(status) },
        [PLACE_ORDERS]       = { .name = "Orders", MOVABLE(orders) },
        [PLACE_LOGS]         = { .name = "Logs", MOVABLE(logs) },
        [PLACE_STATE]        = { .name = STATE_FOLDER, .mode = STATE_MODE },
        [PLACE_REQUESTS]     = { .name = REQUESTS_FOLDER, .mode = REQUESTS_MODE },
};
/* clang-format on */

static void close_all(int fds[static _PLACE_MAX]) {
        for (int p = 0; p < _PLACE_MAX; p++)
                fds[p] = safe_close(fds[p]);
}

Layout *layout_free(Layout *l) {
        if (!l)
                return NULL;
        close_all(l->fd);
        for (int p = 0; p < _PLACE_MAX; p++)
                free(l->path[p]);
        free(l->base);
        free(l);
        return NULL;
}

static char *place_path(const Config *c, const PlaceRow *row) {
        const char *path = row->name;

        if (row->key)
                path = *(char *const *)((const char *)c + row->offset);
        return xasprintf("%s%s%s%s%s", *path == '/' ? "" : c->base, *path == '/' ? "" : "/", path,
                row->below ? "/" : "", row->below ? row->below : "");
}

/* What to call a place in a fault of the configuration. */
static const char *place_key(Place p) {
        return places[p].key ? places[p].key : places[p].name;
}

/* Whether @path is @folder or lies in it; both without superfluous slashes. */
static bool path_within(const char *path, const char *folder) {
        const char *rest = startswith(path, folder);

        return rest && (*rest == 0 || *rest == '/');
}

static int check_pair(const Layout *l, Place inner, Place outer, Error *e) {
        if (inner == outer || (inner == PLACE_REQUESTS && outer == PLACE_STATE))
                return 0;
        if (!path_within(l->path[inner], l->path[outer]))
                return 0;
        if (streq(l->path[inner], l->path[outer]))
                return error_set(e, -EINVAL,
                        "%s and %s are the same folder, %s; each needs its own", place_key(inner),
                        place_key(outer), l->path[inner]);
        return error_set(e, -EINVAL, "%s (%s) lies inside %s (%s); it needs a place of its own",
                place_key(inner), l->path[inner], place_key(outer), l->path[outer]);
}

static int check_chain(const Layout *l, const char *to, Error *e) {
        if (isempty(to))
                return 0;
        for (int p = 0; p < _PLACE_MAX; p++)
                if (path_within(to, l->path[p]) || path_within(l->path[p], to))
                        return error_set(e, -EINVAL,
                                "chain.to (%s) and this instance's %s (%s) overlap; it must be another "
                                "instance's UploadedFiles",
                                to, place_key((Place)p), l->path[p]);
        return 0;
}

static int check_paths(const Layout *l, const Config *c, Error *e) {
        for (int p = 0; p < _PLACE_MAX; p++)
                for (int q = 0; q < _PLACE_MAX; q++) {
                        int r;

                        r = check_pair(l, (Place)p, (Place)q, e);
                        if (r < 0)
                                return r;
                }
        return check_chain(l, c->chain.to, e);
}

int layout_new(const Config *c, Layout **ret, Error *e) {
        _cleanup_(layout_freep) Layout *l = calloc(1, sizeof(*l));
        int r;

        if (!l)
                return -ENOMEM;
        for (int p = 0; p < _PLACE_MAX; p++)
                l->fd[p] = -1;
        l->base = strdup(c->base);
        if (!l->base)
                return -ENOMEM;
        for (int p = 0; p < _PLACE_MAX; p++) {
                l->path[p] = place_path(c, &places[p]);
                if (!l->path[p])
                        return -ENOMEM;
        }
        r = check_paths(l, c, e);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(l);
        return 0;
}

/*
 * Give a folder that was just made its mode, past the umask. A file system that knows no set-gid bit
 * gets the rest of the mode; setup tries out whether arrivals end up in the right group.
 */
static int set_mode(int parent, const char *name, mode_t mode) {
        _cleanup_close_ int fd = dir_open_at(parent, name);

        if (fd < 0)
                return fd;
        if (fchmod(fd, mode) < 0 &&
                (!(mode & S_ISGID) || (errno != EPERM && errno != EOPNOTSUPP) ||
                        fchmod(fd, mode & 0777) < 0))
                return -errno;
        return dir_sync(fd);
}

/* Make the entry of a new folder durable, as far as we may read the folder that holds it. */
static int sync_parent(int parent) {
        _cleanup_close_ int fd = dir_open_at(parent, ".");

        return fd < 0 ? 0 : dir_sync(fd);
}

/* Under another name until it has its mode: a start that dies in between leaves no folder that nobody can upload to. */
static int make_folder(int parent, const char *name, mode_t mode) {
        _cleanup_free_ char *hidden = xasprintf(".%s.new", name);
        int r;

        if (!hidden)
                return -ENOMEM;
        if (mkdirat(parent, hidden, mode & 0777) < 0 && errno != EEXIST)
                return -errno;
        CRASH_POINT("layout-before-mode");
        r = set_mode(parent, hidden, mode);
        CRASH_POINT("layout-before-rename");
        if (r == 0)
                r = move_at(parent, hidden, parent, name);
        if (r == 0)
                return sync_parent(parent);
        (void)unlinkat(parent, hidden, AT_REMOVEDIR);
        return r;
}

static int open_path(int dirfd, const char *name) {
        int fd = openat(dirfd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

/* Step into folder @name of *@fd, making it if it is missing. Links are followed: the path is trusted. */
static int step_into(int *fd, const char *name, mode_t mode) {
        int next = open_path(*fd, name), r;

        if (next == -ENOENT) {
                r = make_folder(*fd, name, mode);
                next = open_path(*fd, name); /* somebody else may just have made it */
                if (next == -ENOENT && r < 0 &&
                        r != -EEXIST) /* a link that leads nowhere is there */
                        return r;
        }
        if (next < 0)
                return next;
        safe_close(*fd);
        *fd = next;
        return 0;
}

/* mkdir -p for an absolute path, with the mode for all that it makes. */
static int make_path(const char *path, mode_t mode) {
        _cleanup_close_ int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        _cleanup_free_ char *copy = strdup(path);
        char *rest = copy;

        if (!copy)
                return -ENOMEM;
        if (fd < 0)
                return -errno;
        for (char *name; (name = strsep(&rest, "/"));) {
                int r;

                r = *name ? step_into(&fd, name, mode) : 0;
                if (r < 0)
                        return r;
        }
        return 0;
}

static int place_fault(const Layout *l, Place p, int r, Error *e) {
        const char *advice = r == -ENOENT ? "; is its file system mounted?" : "";

        return error_set(
                e, r, "folder %s (%s): %s%s", l->path[p], place_key(p), strerror(-r), advice);
}

static int check_base(const Layout *l, Error *e) {
        struct stat st;
        int r = 0;

        if (stat(l->base, &st) < 0)
                r = -errno;
        else if (!S_ISDIR(st.st_mode))
                r = -ENOTDIR;
        if (r == -ENOENT)
                return error_set(e, r,
                        "base folder %s does not exist; make it first, or see whether its file system is mounted",
                        l->base);
        return r < 0 ? error_set(e, r, "base folder %s: %s", l->base, strerror(-r)) : 0;
}

int layout_make(Layout *l, Error *e) {
        int r;

        r = check_base(l, e);
        if (r < 0)
                return r;
        for (int p = 0; p < _PLACE_MAX; p++) {
                r = make_path(l->path[p], places[p].mode);
                if (r < 0)
                        return place_fault(l, (Place)p, r, e);
        }
        return 0;
}

/* The folders as they are found by an opening that may still fail. */
typedef struct Opened {
        int fd[_PLACE_MAX];
        struct stat st[_PLACE_MAX];
} Opened;

static void opened_close(Opened *o) {
        close_all(o->fd);
}

static int open_place(const Layout *l, Place p, Opened *o) {
        _cleanup_close_ int fd = dir_open_path(l->path[p]);

        if (fd < 0)
                return fd;
        if (fstat(fd, &o->st[p]) < 0)
                return -errno;
        o->fd[p] = TAKE_FD(fd);
        return 0;
}

static int check_distinct(const Layout *l, const Opened *o, Error *e) {
        for (int p = 0; p < _PLACE_MAX; p++)
                for (int q = p + 1; q < _PLACE_MAX; q++)
                        if (o->st[p].st_ino == o->st[q].st_ino &&
                                o->st[p].st_dev == o->st[q].st_dev)
                                return error_set(e, -EINVAL,
                                        "%s (%s) and %s (%s) are one and the same folder; each needs its own",
                                        place_key((Place)p), l->path[p], place_key((Place)q),
                                        l->path[q]);
        return 0;
}

static void take_over(Layout *l, Opened *o) {
        close_all(l->fd);
        for (int p = 0; p < _PLACE_MAX; p++) {
                l->fd[p] = TAKE_FD(o->fd[p]);
                l->ino[p] = l->fd[p] >= 0 ? o->st[p].st_ino : 0;
                l->dev[p] = l->fd[p] >= 0 ? o->st[p].st_dev : 0;
        }
}

static int open_places(Layout *l, bool reading, Error *e) {
        _cleanup_(opened_close) Opened o;
        int r = 0;

        for (int p = 0; p < _PLACE_MAX; p++)
                o.fd[p] = -1;
        for (int p = 0; p < _PLACE_MAX; p++) {
                r = open_place(l, (Place)p, &o);
                if (r == -ENOENT && reading && p == PLACE_STATE)
                        return error_set(
                                e, r, "flowcrond has never run there: there is no %s", l->path[p]);
                if (r < 0 && (!reading || p == PLACE_STATE))
                        return place_fault(l, (Place)p, r, e);
        }
        r = reading ? 0 : check_distinct(l, &o, e);
        if (r < 0)
                return r;
        take_over(l, &o);
        return 0;
}

int layout_open(Layout *l, Error *e) {
        return open_places(l, false, e);
}

int layout_open_reading(Layout *l, Error *e) {
        int r = check_base(l, e);

        return r < 0 ? r : open_places(l, true, e);
}

/* By which mount it is reached; 0 where the kernel (before 5.8) does not tell. No server is asked for it. */
static uint64_t mount_of(int fd, const char *path) {
#ifdef STATX_MNT_ID
        struct statx stx;

        if (statx(fd, path, AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, STATX_MNT_ID,
                    &stx) == 0 &&
                (stx.stx_mask & STATX_MNT_ID))
                return stx.stx_mnt_id;
#else
        (void)fd;
        (void)path;
#endif
        return 0;
}

/*
 * What was unmounted while we had it open and is mounted again is the same folder, but the way to it that we have leads
 * nowhere: a job that is started there has no working directory.
 */
static bool is_as_opened(const Layout *l, Place p, const struct stat *st) {
        return st->st_ino == l->ino[p] && st->st_dev == l->dev[p] &&
                mount_of(AT_FDCWD, l->path[p]) == mount_of(l->fd[p], "");
}

int layout_check(const Layout *l, Error *e) {
        for (int p = 0; p < _PLACE_MAX; p++) {
                struct stat st;

                if (l->fd[p] < 0)
                        continue;
                if (stat(l->path[p], &st) < 0) {
                        if (errno != ENOENT && errno != ENOTDIR && errno != ESTALE)
                                return place_fault(l, (Place)p, -errno, e);
                } else if (is_as_opened(l, (Place)p, &st))
                        continue;
                return error_set(e, -ESTALE,
                        "folder %s (%s) is not the one that was opened: unmounted, moved or replaced",
                        l->path[p], place_key((Place)p));
        }
        return 0;
}

const char *layout_place_name(Place p) {
        return places[p].name;
}

char *layout_uow_path(const Layout *l, Place p, const char *name) {
        return xasprintf("%s/%s", l->path[p], name);
}

Place place_for_outcome(UowOutcome o) {
        return o == OUTCOME_SUCCEEDED ? PLACE_ANALYSED : PLACE_FAILED;
}

Place place_bin(Place p) {
        switch (p) {
        case PLACE_ANALYSED:
                return PLACE_BIN_ANALYSED;
        case PLACE_FAILED:
                return PLACE_BIN_FAILED;
        case PLACE_BIN_ANALYSED:
                return PLACE_ANALYSED;
        case PLACE_BIN_FAILED:
                return PLACE_FAILED;
        default:
                return p;
        }
}
