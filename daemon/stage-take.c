/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Looks where the folder is, and moves it on. Where it is is read from the disk each time, so an interrupted move is found done or
 * not done and gone on with.
 */

#include "stage-take.h"

#include <fcntl.h>
#include <string.h>

#include "admit.h"
#include "crashpoint.h"
#include "fileio.h"
#include "haul.h"
#include "text.h"
#include "uow-name.h"

const Place take_result_places[4] = { PLACE_ANALYSED, PLACE_FAILED, PLACE_BIN_ANALYSED,
        PLACE_BIN_FAILED };

typedef struct Search {
        int dir;
        const char *id;
        int whose; /* of the name looked at last, or -errno */
} Search;

static bool is_anothers(const char *name, void *userdata) {
        Search *s = userdata;

        s->whose = take_whose(s->dir, name, s->id);
        return s->whose >= 0 && s->whose != WHOSE_ABSENT && s->whose != WHOSE_OURS;
}

int take_free_name(int dir, const char *folder, usec_t stamp, const char *id, char **ret) {
        Search s = { .dir = dir, .id = id };
        _cleanup_free_ char *name = uow_name_free(folder, false, stamp, is_anothers, &s);

        if (!name)
                return -ENOMEM;
        if (s.whose >= 0)
                *ret = TAKE_PTR(name);
        return s.whose;
}

/* The result place that has it, -ENOENT, or -errno. */
static int find_result_of(const Take *t, int wanted) {
        for (size_t i = 0; i < ELEMENTSOF(take_result_places); i++) {
                int whose = take_whose(t->layout->fd[take_result_places[i]], t->folder, t->id);

                if (whose < 0)
                        return whose;
                if (whose == wanted)
                        return (int)take_result_places[i];
        }
        return -ENOENT;
}

static int find_result(const Take *t) {
        return find_result_of(t, WHOSE_OURS);
}

/* 1, 0 or -errno: that it can't be told is no answer. */
static int is_folder(int dirfd, const char *name) {
        struct stat st;

        if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : -errno;
        return S_ISDIR(st.st_mode);
}

/* Whether @name in the work area is it (1), free (0), or somebody else's (-EEXIST). */
static int look_in_work(const Take *t, const char *name) {
        int whose = take_whose(t->layout->fd[PLACE_WORK], name, t->id), result, r;

        switch (whose) {
        case WHOSE_ABSENT:
                return 0;
        case WHOSE_OURS:
                return 1;
        case WHOSE_UNMARKED:
        case WHOSE_STALE:
        case WHOSE_OTHER:
                r = t->staged ? is_folder(t->layout->fd[PLACE_WORK], name) : 0;
                if (r <= 0)
                        return r < 0 ? r : -EEXIST;
                /*
                 * The job may have removed our marks, or copied another's over them; the name is in the
                 * log as ours alone. But a result that waits for its retry is not here yet.
                 */
                result = find_result(t);
                return result == -ENOENT ? 1 : result < 0 ? result : -EEXIST;
        default:
                return whose;
        }
}

/* A retry across file systems may have died between the copy and the removal of the original. */
static int discard_leftover(const Take *t, const char *folder, Error *e) {
        const Layout *l = t->layout;
        int result;

        if (!t->staged || take_whose(l->fd[PLACE_WORK], folder, t->id) != WHOSE_OURS)
                return 0;
        result = find_result(t);
        if (result == -ENOENT)
                return 0;
        return result < 0 ? result : haul_discard(l->fd[result], t->folder, t->id, e);
}

static int claim_in_work(const Take *t, const char *folder, Error *e) {
        _cleanup_close_ int fd = -1;

        if (!t->claim)
                return 0;
        fd = dir_open_at(t->layout->fd[PLACE_WORK], folder);
        return fd < 0 ? fd : take_claim(fd, t, false, e);
}

static int blocked(const Take *t, int r, Error *e) {
        _cleanup_free_ char *path = layout_uow_path(t->layout, PLACE_UPLOADED, t->name);
        int q;

        if (!path)
                return -ENOMEM;
        q = admit_takeover(t->layout->fd[PLACE_UPLOADED], t->name, path, e);
        return q != 0 ? q : r;
}

/* What was claimed must be what was moved: whoever may write to UploadedFiles may swap folders under our hands. */
static int check_moved(const Take *t, int fd, const char *folder, Error *e) {
        const Layout *l = t->layout;
        struct stat claimed, moved;

        if (fstat(fd, &claimed) < 0 ||
                fstatat(l->fd[PLACE_WORK], folder, &moved, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        if (claimed.st_dev == moved.st_dev && claimed.st_ino == moved.st_ino)
                return 0;
        (void)move_at(l->fd[PLACE_WORK], folder, l->fd[PLACE_UPLOADED], t->name);
        return error_set(
                e, -EAGAIN, "another folder was put in its place while it was being taken over");
}

static int move_upload(const Take *t, int fd, const char *folder, Error *e) {
        const Layout *l = t->layout;
        int r = move_at(l->fd[PLACE_UPLOADED], t->name, l->fd[PLACE_WORK], folder);

        if (r == -EXDEV)
                return error_set(e, r,
                        "%s and %s are on different file systems: a Unit of Work must get from the one to the other in one "
                        "step; put both on one file system (paths: in the configuration)",
                        l->path[PLACE_UPLOADED], l->path[PLACE_WORK]);
        if (r == -EACCES || r == -EPERM)
                return blocked(t,
                        error_set(e, r, "it can't be moved to the work area: %s", strerror(-r)), e);
        if (r < 0)
                return r;
        CRASH_POINT("stage-moved");
        r = check_moved(t, fd, folder, e);
        CRASH_POINT("stage-before-folder-sync");
        if (r == 0)
                r = dir_sync(l->fd[PLACE_WORK]);
        return r < 0 ? r : dir_sync(l->fd[PLACE_UPLOADED]);
}

static int take_upload(const Take *t, const char *folder, Error *e) {
        _cleanup_close_ int fd = -1;
        char id[UOW_ID_MAX];
        int r;

        r = stage_sentinel(t->layout->fd[PLACE_UPLOADED], t->name, id);
        if (r == -EACCES)
                return blocked(t, error_set(e, r, "its sentinels/ folder can't be read"), e);
        if (r < 0)
                return r;
        if (r == SENTINEL_NONE)
                return error_set(e, -EAGAIN,
                        "its sentinels/ folder was taken away: the upload is not complete any more");
        if (r == SENTINEL_BUSY)
                return error_set(e, -EAGAIN,
                        "somebody is working on it: its sentinels/ folder is not empty");
        r = blocked(t, 0, e);
        if (r != 0)
                return r;
        fd = dir_open_at(t->layout->fd[PLACE_UPLOADED], t->name);
        if (fd < 0)
                return fd;
        r = take_claim(fd, t, true, e);
        if (r == -EACCES || r == -EPERM)
                return blocked(t, r, e);
        return r < 0 ? r : move_upload(t, fd, folder, e);
}

static int take_result(const Take *t, const char *folder, Error *e) {
        const Layout *l = t->layout;
        int place = find_result(t), r;

        /* One without marks (imported, or its owner removed them) has the name that the log knows as its own. */
        if (place == -ENOENT)
                place = find_result_of(t, WHOSE_UNMARKED);
        if (place == -ENOENT)
                return UOW_E_GONE;
        if (place < 0)
                return place;
        r = haul_move(l->fd[place], t->folder, l->fd[PLACE_WORK], folder, t->id, e);
        return r < 0 ? r : claim_in_work(t, folder, e);
}

/* The name for it in the work area: 1 it is there under that name, 0 the name is free, -EEXIST it is not. */
static int choose_name(const Take *t, char **ret_folder) {
        int r = look_in_work(t, t->folder);

        if (r == -EEXIST && t->rename) {
                r = take_free_name(
                        t->layout->fd[PLACE_WORK], t->folder, t->stamp, t->id, ret_folder);
                return r < 0 ? r : r == WHOSE_OURS;
        }
        if (r >= 0)
                return strdup_to(ret_folder, t->folder) < 0 ? -ENOMEM : r;
        return r;
}

int take_to_work(const Take *t, char **ret_folder, Error *e) {
        _cleanup_free_ char *folder = NULL;
        int r = choose_name(t, &folder);

        if (r == 1) {
                r = discard_leftover(t, folder, e);
                if (r == 0)
                        r = claim_in_work(t, folder, e);
        } else if (r == 0 && t->staged)
                r = take_result(t, folder, e);
        else if (r == 0) {
                r = is_folder(t->layout->fd[PLACE_UPLOADED], t->name);
                r = r > 0 ? take_upload(t, folder, e) : r == 0 ? UOW_E_GONE : r;
        }
        if (r == 0)
                *ret_folder = TAKE_PTR(folder);
        if (r < 0 && !e->text[0])
                error_set(e, r, "it can't be looked for in %s and %s: %s",
                        t->layout->path[PLACE_UPLOADED], t->layout->path[PLACE_WORK], strerror(-r));
        return r;
}
