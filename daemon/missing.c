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

/* What a folder holds. */
typedef struct Names {
        char **names; /* sorted */
        size_t n, room;
} Names;

struct Missing {
        const Layout *layout;
        const UowSet *uows;
        MissingFunc gone;
        void *userdata;
        PlaceSeen places[5];
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

static int names_add(Names *names, const char *name) {
        if (names->n == names->room) {
                size_t room = names->room ? names->room * 2 : 256;
                char **bigger = reallocarray(names->names, room, sizeof(*bigger));

                if (!bigger)
                        return -ENOMEM;
                names->names = bigger;
                names->room = room;
        }
        names->names[names->n] = strdup(name);
        if (!names->names[names->n])
                return -ENOMEM;
        names->n++;
        return 0;
}

static void names_done(Names *names) {
        for (size_t i = 0; i < names->n; i++)
                free(names->names[i]);
        free(names->names);
}

static int compare_names(const void *a, const void *b) {
        return strcmp(*(char *const *)a, *(char *const *)b);
}

static int names_read(const Missing *m, Place place, Names *ret) {
        _cleanup_closedir_ DIR *d = NULL;
        struct dirent *de;
        int fd = openat(m->layout->fd[place], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;

        if (fd < 0 || !(d = fdopendir(fd))) {
                r = -errno;
                safe_close(fd);
                return r;
        }
        while (r == 0 && (errno = 0, de = readdir(d)))
                r = names_add(ret, de->d_name);
        if (r == 0)
                r = -errno;
        if (r == 0 && ret->n > 1)
                qsort(ret->names, ret->n, sizeof(*ret->names), compare_names);
        return r;
}

static bool is_listed(const Names *names, const char *name) {
        return bsearch(&name, names->names, names->n, sizeof(name), compare_names) != NULL;
}

/* Not listed, and not there: it may have come since. */
static bool is_missing(const Missing *m, Place place, const Names *names, const char *folder) {
        return !is_listed(names, folder) &&
                faccessat(m->layout->fd[place], folder, F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
                errno == ENOENT;
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

static void check_place(Missing *m, PlaceSeen *seen, uint64_t newest) {
        _cleanup_(names_done) Names names = {};
        struct stat st;

        if (fstat(m->layout->fd[seen->place], &st) < 0 || is_unchanged(seen, &st, newest))
                return;
        if (names_read(m, seen->place, &names) < 0) {
                seen->stable = false;
                return;
        }
        for (size_t i = 0; i < uowset_size(m->uows); i++) {
                Uow *u = uowset_at(m->uows, i);

                if (place_of(u) != (int)seen->place ||
                        !is_missing(m, seen->place, &names, u->folder))
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
