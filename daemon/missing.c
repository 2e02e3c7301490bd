/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A folder is listed only when its modification time says that entries came or went, or when a Unit of Work has come to
 * belong there since; so ten thousand kept results cost a stat call, and one listing after a change rather than a
 * question for each.
 */

#include "missing.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "fileio.h"
#include "uow-view.h"

typedef struct PlaceSeen {
        Place place;
        struct timespec mtime;
        bool stable;     /* looked at twice with this time, and nothing was missing */
        uint64_t newest; /* the last event of all that belonged there */
} PlaceSeen;

struct Missing {
        const Layout *layout;
        const UowSet *uows;
        MissingFunc gone;
        void *userdata;
        PlaceSeen places[5];
        unsigned listings; /* how many were begun: the mark of the present one, see Uow */
};

int missing_new(
        const Layout *l, const UowSet *uows, MissingFunc gone, void *userdata, Missing **ret) {
        Missing *m = calloc(1, sizeof(*m));

        if (!m)
                return -ENOMEM;
        *m = (Missing){
                .layout = l,
                .uows = uows,
                .gone = gone,
                .userdata = userdata,
                .places = { { .place = PLACE_WORK }, { .place = PLACE_ANALYSED },
                        { .place = PLACE_FAILED }, { .place = PLACE_BIN_ANALYSED },
                        { .place = PLACE_BIN_FAILED } },
        };
        *ret = m;
        return 0;
}

Missing *missing_free(Missing *m) {
        free(m);
        return NULL;
}

/* Where its folder must be: -1 if that is not for us to say, because somebody is about to move it. */
static int place_of(const Uow *u) {
        if (u->quarantined || u->purging || u->moved_to || u->phase == PHASE_SETTLING)
                return -1;
        switch (u->state) {
        case UOW_STAGED:
                return u->script ? PLACE_WORK : -1;
        case UOW_QUEUED:
        case UOW_FINISHED:
        case UOW_SOFT_DELETED:
                return (int)uow_place(u);
        default:
                return -1;
        }
}

static void find_newest(const Missing *m, uint64_t newest[static _PLACE_MAX]) {
        for (size_t i = 0; i < uowset_size(m->uows); i++) {
                const Uow *u = uowset_at(m->uows, i);
                int place = place_of(u);

                if (place >= 0 && u->last_seq > newest[place])
                        newest[place] = u->last_seq;
        }
}

/* Nobody came or went since it was found complete, and none that belongs there is new. */
static bool is_unchanged(PlaceSeen *seen, const struct stat *st, uint64_t newest) {
        bool same = memcmp(&st->st_mtim, &seen->mtime, sizeof(st->st_mtim)) == 0 &&
                seen->newest == newest;
        bool unchanged = same && seen->stable;

        seen->stable = same;
        seen->mtime = st->st_mtim;
        seen->newest = newest;
        return unchanged;
}

/* Marks those that are there. 0 or -errno: it could not be listed to its end. */
static int list_place(Missing *m, Place place) {
        _cleanup_closedir_ DIR *d = NULL;
        struct dirent *de;
        int fd = openat(m->layout->fd[place], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

        if (fd < 0 || !(d = fdopendir(fd))) {
                r = -errno;
                safe_close(fd);
                return r;
        }
        m->listings++;
        while ((errno = 0, de = readdir(d))) {
                Uow *u = uowset_by_folder(m->uows, de->d_name);

                if (u)
                        u->listed = m->listings;
        }
        return -errno;
}

/* Not listed, and not there: it may have come since. */
static bool is_missing(const Missing *m, Place place, const Uow *u) {
        return u->listed != m->listings &&
                faccessat(m->layout->fd[place], u->folder, F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
                errno == ENOENT;
}

static void check_place(Missing *m, PlaceSeen *seen, uint64_t newest) {
        struct stat st;

        if (fstat(m->layout->fd[seen->place], &st) < 0 || is_unchanged(seen, &st, newest))
                return;
        if (list_place(m, seen->place) < 0) {
                seen->stable = false;
                return;
        }
        for (size_t i = 0; i < uowset_size(m->uows); i++) {
                Uow *u = uowset_at(m->uows, i);

                if (place_of(u) != (int)seen->place || !is_missing(m, seen->place, u))
                        continue;
                seen->stable = false; /* nothing may come of it now: look again */
                m->gone(u, m->userdata);
        }
}

void missing_look(Missing *m) {
        uint64_t newest[_PLACE_MAX] = {};

        find_newest(m, newest);
        for (size_t i = 0; i < ELEMENTSOF(m->places); i++)
                check_place(m, &m->places[i], newest[m->places[i].place]);
}
