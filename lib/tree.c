/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Walking trees that belong to somebody else, while that somebody may be changing them.
 *
 * A folder is entered by one name, from a descriptor, never through a link, and only if it is the
 * folder that was looked at. Of the folders on the way down the deepest stay open. The way back leads
 * through "..", and is believed only if it leads to the folder that we came from; else the way down
 * is taken again from the root, which stays open all the time. What can't be reached again is given
 * up: whatever is moved about meanwhile, the walk never gets outside.
 *
 * The names in a folder are read at once when it is entered, since reading on while entries are
 * removed, or after the folder was closed, is not reliable everywhere (NFS, tmpfs). A million names
 * are some 20 MB.
 */

#include "fileio.h"

#include <fcntl.h>
#include <string.h>

#include "text.h"

/* How many of the deepest folders stay open, so that going down and up in an ordinary tree opens none twice. */
#define WALK_OPEN_MAX 16U

/* A folder that the walk is in. Its name and path are a beginning of the walk's path. */
typedef struct Level {
        char *names; /* one after the other: type (DT_…), name, NUL */
        size_t size, at;
        size_t name_at, path_size; /* where its name begins in the path, and where that ends */
        int fd;                    /* -1: to be opened again on the way back */
        int error;
        struct stat st;
} Level;

typedef struct Walk {
        int dirfd;
        const char *name;
        WalkFunc func;
        void *userdata;
        bool names_only;
        Level *levels;
        size_t n_levels, room;
        char *path;
        size_t path_room;
} Walk;

static void level_drop(Walk *w) {
        Level *l = &w->levels[--w->n_levels];

        free(l->names);
        safe_close(l->fd);
}

static void walk_done(Walk *w) {
        while (w->n_levels > 0)
                level_drop(w);
        free(w->levels);
        free(w->path);
}

/* Not the tree's fault, and nothing that the next entry would not meet as well. */
static bool is_fatal(int r) {
        return r == -ENOMEM || r == -EMFILE || r == -ENFILE;
}

/* Open a folder if it is the one that was seen before. */
static int open_same(int dirfd, const char *name, const struct stat *seen) {
        _cleanup_close_ int fd = dir_open_at(dirfd, name);
        struct stat st;

        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        return stat_same(&st, seen) ? TAKE_FD(fd) : -ESTALE;
}

/* Put the path of the entry @name in the folder whose path has @size bytes; returns where the name begins. */
static int path_set(Walk *w, size_t size, const char *name, size_t *ret_name_at) {
        size_t name_at = size > 0 ? size + 1 : 0, needed = name_at + strlen(name) + 1;

        if (needed > w->path_room) {
                char *path = realloc(w->path, needed * 2);

                if (!path)
                        return -ENOMEM;
                w->path = path;
                w->path_room = needed * 2;
        }
        if (size > 0)
                w->path[size] = '/';
        strcpy(w->path + name_at, name);
        *ret_name_at = name_at;
        return 0;
}

static int level_add_name(Level *l, size_t *room, const struct dirent *de) {
        size_t needed = l->size + strlen(de->d_name) + 2;

        if (needed > *room) {
                char *names = realloc(l->names, needed * 2);

                if (!names)
                        return -ENOMEM;
                l->names = names;
                *room = needed * 2;
        }
        l->names[l->size] = (char)de->d_type;
        strcpy(l->names + l->size + 1, de->d_name);
        l->size = needed;
        return 0;
}

static int level_read(Level *l) {
        _cleanup_closedir_ DIR *d = NULL;
        size_t room = 0;
        int r = 0, fd;

        fd = fcntl(l->fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
                return -errno;
        d = fdopendir(fd);
        if (!d) {
                safe_close(fd);
                return -errno;
        }
        while (r == 0) {
                struct dirent *de;

                errno = 0;
                de = readdir(d);
                if (!de)
                        return -errno;
                if (!streq(de->d_name, ".") && !streq(de->d_name, ".."))
                        r = level_add_name(l, &room, de);
        }
        return r;
}

static int walk_room(Walk *w) {
        size_t room = w->room * 2 + WALK_OPEN_MAX;
        Level *levels;

        if (w->n_levels < w->room)
                return 0;
        levels = realloc(w->levels, room * sizeof(*levels));
        if (!levels)
                return -ENOMEM;
        w->levels = levels;
        w->room = room;
        return 0;
}

/* Go down into the folder that is being shown. A failure to read all of it is kept for the way up. */
static int walk_enter(Walk *w, const WalkEntry *e) {
        Level *l;
        int fd, r;

        if (w->n_levels > 0 && e->st.st_dev != w->levels[0].st.st_dev)
                return -EXDEV;
        r = walk_room(w);
        if (r < 0)
                return r;
        fd = open_same(e->dirfd, e->name, &e->st);
        if (fd < 0)
                return fd;
        l = &w->levels[w->n_levels++];
        *l = (Level){ .fd = fd, .st = e->st, .path_size = strlen(e->path) };
        l->name_at = w->n_levels > 1 ? (size_t)(e->name - e->path) : 0;
        l->error = level_read(l);
        if (w->n_levels > WALK_OPEN_MAX + 1) {
                Level *high = &w->levels[w->n_levels - 1 - WALK_OPEN_MAX];

                high->fd = safe_close(high->fd);
        }
        return is_fatal(l->error) ? l->error : 0;
}

static int walk_show(Walk *w, WalkEntry *e) {
        int r, q;

        r = w->func(e, w->userdata);
        if (r != 0 || e->error < 0 || !S_ISDIR(e->st.st_mode))
                return r < 0 ? r : 0;
        r = walk_enter(w, e);
        if (r == 0 || is_fatal(r))
                return r;
        e->post = true;
        e->error = r;
        q = w->func(e, w->userdata);
        return q < 0 ? q : e->depth == 0 ? r : 0;
}

static int walk_next(Walk *w, Level *l) {
        WalkEntry e = { .dirfd = l->fd, .depth = (unsigned)w->n_levels };
        int type = (unsigned char)l->names[l->at], r;
        const char *name = l->names + l->at + 1;
        size_t name_at;

        l->at += strlen(name) + 2;
        r = path_set(w, l->path_size, name, &name_at);
        if (r < 0)
                return r;
        e.path = w->path;
        e.name = w->path + name_at;
        if (!w->names_only || type == DT_DIR || type == DT_UNKNOWN) {
                if (fstatat(l->fd, name, &e.st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) == 0)
                        return walk_show(w, &e);
                if (errno == ENOENT)
                        return 0;
                e.error = -errno;
                e.st = (struct stat){ 0 };
        }
        e.st.st_mode = DTTOIF((mode_t)type);
        return walk_show(w, &e);
}

/* Open the folder of level @i, from the one above it. */
static int reopen_level(Walk *w, size_t i, int above) {
        Level *l = &w->levels[i];
        char behind = w->path[l->path_size];
        int fd;

        w->path[l->path_size] = 0;
        fd = open_same(above, w->path + l->name_at, &l->st);
        w->path[l->path_size] = behind;
        return fd;
}

/*
 * ".." did not lead back: take the way down once more, as far as the folder above the deepest one.
 * If that fails the deepest folder that could not be reached is left next, without a further look.
 */
static int walk_down_again(Walk *w) {
        _cleanup_close_ int fd = -1;
        size_t i;

        for (i = 1; i + 1 < w->n_levels; i++) {
                int next = reopen_level(w, i, i > 1 ? fd : w->levels[0].fd);

                if (is_fatal(next))
                        return next;
                if (next < 0)
                        break;
                safe_close(fd);
                fd = next;
        }
        if (i + 1 < w->n_levels) {
                while (w->n_levels > i + 1)
                        level_drop(w);
                w->levels[i].at = w->levels[i].size;
                w->levels[i].error = -ESTALE;
        }
        if (i > 1) {
                safe_close(w->levels[i - 1].fd);
                w->levels[i - 1].fd = TAKE_FD(fd);
        }
        return 0;
}

/* All of the deepest folder was seen: show it again, and go on in the one above. */
static int walk_leave(Walk *w) {
        Level *l = &w->levels[w->n_levels - 1], *above = w->n_levels > 1 ? l - 1 : NULL;
        WalkEntry e = { .post = true, .name = w->name, .path = w->path, .dirfd = w->dirfd };
        int r;

        if (above && above->fd < 0) {
                above->fd = open_same(l->fd, "..", &above->st);
                if (is_fatal(above->fd))
                        return above->fd;
                if (above->fd < 0) {
                        l->error = -ESTALE;
                        return walk_down_again(w);
                }
        }
        w->path[l->path_size] = 0;
        if (above) {
                e.name = w->path + l->name_at;
                e.dirfd = above->fd;
        }
        e.st = l->st;
        e.error = l->error;
        e.depth = (unsigned)w->n_levels - 1;
        level_drop(w);
        r = w->func(&e, w->userdata);
        return r < 0 ? r : 0;
}

static int walk_run(Walk *w) {
        WalkEntry root = { .dirfd = w->dirfd, .name = w->name };
        size_t unused;
        int r;

        r = path_set(w, 0, "", &unused);
        if (r < 0)
                return r;
        root.path = w->path;
        if (fstatat(w->dirfd, w->name, &root.st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
                return -errno;
        if (!S_ISDIR(root.st.st_mode))
                return -ENOTDIR;
        r = walk_show(w, &root);
        while (r >= 0 && w->n_levels > 0) {
                Level *l = &w->levels[w->n_levels - 1];

                r = l->at < l->size ? walk_next(w, l) : walk_leave(w);
        }
        return r;
}

int tree_walk(int dirfd, const char *name, WalkFunc func, void *userdata) {
        _cleanup_(walk_done)
                Walk w = { .dirfd = dirfd, .name = name, .func = func, .userdata = userdata };

        return walk_run(&w);
}

int tree_walk_names(int dirfd, const char *name, WalkFunc func, void *userdata) {
        _cleanup_(walk_done)
                Walk w = { .dirfd = dirfd, .name = name, .func = func, .userdata = userdata };

        w.names_only = true;
        return walk_run(&w);
}
