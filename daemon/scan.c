/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Listing is cheap and always right; so whatever inotify missed, the next scan finds. Result folders
 * are looked at only when their modification time says that entries came or went, so that ten thousand
 * kept results cost four stat calls.
 */

#include "scan.h"

#include <dirent.h>
#include <fcntl.h>
#include <search.h>
#include <string.h>
#include <sys/stat.h>

#include "admit.h"
#include "fileio.h"
#include "stage.h"
#include "text.h"

typedef struct Arrival {
        char *name;
        char *reason; /* why it is not taken, if it is not just under way */
        usec_t since;
        unsigned generation;
} Arrival;

typedef struct PlaceSeen {
        Place place;
        struct timespec mtime;
        bool stable; /* looked at twice with this time */
} PlaceSeen;

struct Scan {
        const Layout *layout;
        const UowSet *uows;
        ScanEvents events;
        void *arrivals; /* tsearch() tree of Arrival */
        size_t n_arrivals;
        unsigned generation;
        bool first_done;
        PlaceSeen results[4];
};

int scan_new(const Layout *l, const UowSet *uows, const ScanEvents *events, Scan **ret) {
        Scan *s = calloc(1, sizeof(*s));

        if (!s)
                return -ENOMEM;
        *s = (Scan){
                .layout = l,
                .uows = uows,
                .events = *events,
                .results = { { .place = PLACE_ANALYSED }, { .place = PLACE_FAILED },
                        { .place = PLACE_BIN_ANALYSED }, { .place = PLACE_BIN_FAILED } },
        };
        *ret = s;
        return 0;
}

static void arrival_free(void *p) {
        Arrival *a = p;

        free(a->name);
        free(a->reason);
        free(a);
}

Scan *scan_free(Scan *s) {
        if (!s)
                return NULL;
        tdestroy(s->arrivals, arrival_free);
        free(s);
        return NULL;
}

static int arrival_compare(const void *a, const void *b) {
        return strcmp(((const Arrival *)a)->name, ((const Arrival *)b)->name);
}

static Arrival *arrival_find(const Scan *s, const char *name) {
        Arrival key = { .name = (char *)name };
        Arrival **found = tfind(&key, &s->arrivals, arrival_compare);

        return found ? *found : NULL;
}

static Arrival *arrival_add(Scan *s, const char *name) {
        Arrival *a = calloc(1, sizeof(*a));

        if (a)
                a->name = strdup(name);
        if (!a || !a->name || !tsearch(a, &s->arrivals, arrival_compare)) {
                if (a)
                        arrival_free(a);
                return NULL;
        }
        a->since = clock_now();
        s->n_arrivals++;
        return a;
}

static void arrival_drop(Scan *s, Arrival *a) {
        s->events.settled(a->name, s->events.userdata);
        tdelete(a, &s->arrivals, arrival_compare);
        s->n_arrivals--;
        arrival_free(a);
}

static void note_arriving(Scan *s, const char *name, const char *reason) {
        Arrival *a = arrival_find(s, name);
        bool news = !a;

        if (!a)
                a = arrival_add(s, name);
        if (!a)
                return;
        a->generation = s->generation;
        (void)strdup_to(&a->reason, reason);
        if (news)
                s->events.arriving(name, s->events.userdata);
}

static void note_not_arriving(Scan *s, const char *name) {
        Arrival *a = arrival_find(s, name);

        if (a)
                arrival_drop(s, a);
}

/* The record that waits to be taken over from UploadedFiles under @name. */
static Uow *find_uploaded(const Scan *s, const char *name) {
        for (size_t i = uowset_size(s->uows); i > 0; i--) {
                Uow *u = uowset_at(s->uows, i - 1);

                if (u->state == UOW_UPLOADED && streq(u->name, name))
                        return u;
        }
        return NULL;
}

static void look_complete(Scan *s, const char *name, const char *id, uid_t owner) {
        Uow *u = id ? uowset_get(s->uows, id) : NULL;

        if (!u)
                u = find_uploaded(s, name);
        if (u && u->state != UOW_UPLOADED) {
                /* A claim of ours that is elsewhere in its life: a copy, or an old result uploaded with its sentinels/. */
                note_arriving(s, name,
                        "its sentinels/ holds the mark of an earlier run; remove sentinels/ and make it anew");
                return;
        }
        note_not_arriving(s, name);
        if (u)
                s->events.known(u, s->events.userdata);
        else
                s->events.complete(name, isempty(id) ? NULL : id, owner, s->events.userdata);
}

/* What keeps us from even looking inside is said where the person in charge will see it. */
static void look_failed(Scan *s, const char *name, int r) {
        _cleanup_free_ char *path = layout_uow_path(s->layout, PLACE_UPLOADED, name);
        Error e = {};

        if (!path)
                return;
        if (admit_takeover(s->layout->fd[PLACE_UPLOADED], name, path, &e) != UOW_E_BLOCKED)
                error_set(&e, r, "it can't be looked into: %s", strerror(-r));
        note_arriving(s, name, e.text);
}

static void look(Scan *s, const char *name) {
        char id[UOW_ID_MAX] = "";
        struct stat st;
        int r;

        if (name[0] == '.')
                return;
        if (fstatat(s->layout->fd[PLACE_UPLOADED], name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
                !S_ISDIR(st.st_mode)) {
                note_not_arriving(s, name);
                return;
        }
        r = stage_sentinel(s->layout->fd[PLACE_UPLOADED], name, id);
        if (r == SENTINEL_EMPTY)
                look_complete(s, name, NULL, st.st_uid);
        else if (r == SENTINEL_OURS)
                look_complete(s, name, id, st.st_uid);
        else if (r == SENTINEL_BUSY)
                note_arriving(s, name, "its sentinels/ is not empty: somebody is working on it");
        else if (r == SENTINEL_NONE)
                note_arriving(s, name, NULL);
        else if (r != -ENOENT)
                look_failed(s, name, r);
}

int scan_one(Scan *s, const char *name, Error *e _unused_) {
        look(s, name);
        return 0;
}

typedef void (*NameFunc)(Scan *s, const char *name);

static int list(Scan *s, Place place, NameFunc func, Error *e) {
        _cleanup_closedir_ DIR *d = NULL;
        struct dirent *de;
        int fd;

        /* Opened anew, so that a network file system asks its server. */
        fd = openat(s->layout->fd[place], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || !(d = fdopendir(fd))) {
                int r = -errno;

                safe_close(fd);
                return error_set(
                        e, r, "%s can't be listed: %s", s->layout->path[place], strerror(-r));
        }
        while ((errno = 0, de = readdir(d)))
                if (!streq(de->d_name, ".") && !streq(de->d_name, ".."))
                        func(s, de->d_name);
        if (errno)
                return error_set(
                        e, -errno, "%s can't be listed to its end: %m", s->layout->path[place]);
        return 0;
}

/* State was lost, the folders were not: what is in the work area with a mark of ours is taken up anew. */
static void look_orphan(Scan *s, const char *name) {
        char id[UOW_ID_MAX] = "";
        struct stat st;

        if (name[0] == '.' || uowset_by_folder(s->uows, name) ||
                fstatat(s->layout->fd[PLACE_WORK], name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
                !S_ISDIR(st.st_mode))
                return;
        if (stage_sentinel(s->layout->fd[PLACE_WORK], name, id) == SENTINEL_OURS && id[0] &&
                !uowset_get(s->uows, id))
                s->events.complete(name, id, st.st_uid, s->events.userdata);
}

static Scan *sweeping; /* twalk() hands no userdata on in the glibc of RHEL 8 */
static Arrival *stale;

static void find_stale(const void *node, VISIT which, int depth _unused_) {
        Arrival *a = *(Arrival *const *)node;

        if ((which == postorder || which == leaf) && a->generation != sweeping->generation)
                stale = a;
}

static void drop_vanished(Scan *s) {
        sweeping = s;
        do {
                stale = NULL;
                twalk(s->arrivals, find_stale);
                if (stale)
                        arrival_drop(s, stale);
        } while (stale);
}

static bool is_missing(const Scan *s, Place place, const char *folder) {
        return faccessat(s->layout->fd[place], folder, F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
                errno == ENOENT;
}

static bool belongs_in_work(const Uow *u) {
        return u->phase != PHASE_SETTLING &&
                ((u->state == UOW_STAGED && u->script) || u->state == UOW_QUEUED);
}

static void check_work(Scan *s) {
        for (size_t i = 0; i < uowset_size(s->uows); i++) {
                Uow *u = uowset_at(s->uows, i);

                if (u->quarantined)
                        continue;
                if (u->state == UOW_UPLOADED)
                        s->events.known(u, s->events.userdata);
                else if (belongs_in_work(u) && is_missing(s, PLACE_WORK, u->folder))
                        s->events.gone(u, s->events.userdata);
        }
}

static bool kept_at(const Uow *u, Place place) {
        Place p = place_for_outcome(u->outcome);

        if (u->quarantined || u->purging || u->moved_to)
                return false;
        return (u->state == UOW_FINISHED && p == place) ||
                (u->state == UOW_SOFT_DELETED && place_bin(p) == place);
}

static void check_results(Scan *s, PlaceSeen *seen) {
        struct stat st;
        bool same;

        if (fstat(s->layout->fd[seen->place], &st) < 0)
                return;
        same = memcmp(&st.st_mtim, &seen->mtime, sizeof(st.st_mtim)) == 0;
        if (same && seen->stable)
                return;
        seen->stable = same;
        seen->mtime = st.st_mtim;
        for (size_t i = 0; i < uowset_size(s->uows); i++) {
                Uow *u = uowset_at(s->uows, i);

                if (kept_at(u, seen->place) && is_missing(s, seen->place, u->folder))
                        s->events.gone(u, s->events.userdata);
        }
}

int scan_all(Scan *s, Error *e) {
        int r;

        /* An unmounted or replaced folder looks empty: conclude nothing from it. */
        r = layout_check(s->layout, e);
        if (r < 0)
                return r;
        s->generation++;
        r = list(s, PLACE_UPLOADED, look, e);
        if (r < 0)
                return r;
        drop_vanished(s);
        if (!s->first_done) {
                r = list(s, PLACE_WORK, look_orphan, e);
                if (r < 0)
                        return r;
                s->first_done = true;
        }
        check_work(s);
        for (size_t i = 0; i < ELEMENTSOF(s->results); i++)
                check_results(s, &s->results[i]);
        return 0;
}

static cJSON *shown; /* see `sweeping` */

static void show(const void *node, VISIT which, int depth _unused_) {
        const Arrival *a = *(Arrival *const *)node;
        cJSON *o;

        if (which != postorder && which != leaf)
                return;
        o = cJSON_CreateObject();
        if (!o)
                return;
        json_set_name(o, "name", a->name);
        json_set_str(o, "state", state_to_string(UOW_ARRIVING));
        json_set_str(o, "reason", a->reason);
        json_set_time(o, "created", a->since);
        cJSON_AddItemToArray(shown, o);
}

cJSON *scan_arriving(const Scan *s) {
        cJSON *array = cJSON_CreateArray();

        shown = array;
        if (array)
                twalk(s->arrivals, show);
        return array;
}

size_t scan_n_arriving(const Scan *s) {
        return s->n_arrivals;
}
