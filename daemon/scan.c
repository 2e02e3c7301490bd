/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Listing is cheap and always right; so whatever inotify missed, the next scan finds. What others took away from
 * the work area and the result folders is noticed by missing.c.
 */

#include "scan.h"

#include <dirent.h>
#include <fcntl.h>
#include <search.h>
#include <string.h>
#include <sys/stat.h>

#include "admit.h"
#include "fileio.h"
#include "missing.h"
#include "stage.h"
#include "text.h"

typedef struct Arrival {
        char *name;
        char *reason; /* why it is not taken, if it is not just under way */
        usec_t since;
        unsigned generation;
} Arrival;

struct Scan {
        const Layout *layout;
        const UowSet *uows;
        ScanEvents events;
        void *arrivals; /* tsearch() tree of Arrival */
        size_t n_arrivals;
        unsigned generation;
        bool first_done;
        Missing *missing;
};

int scan_new(const Layout *l, const UowSet *uows, const ScanEvents *events, Scan **ret) {
        _cleanup_(scan_freep) Scan *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        *s = (Scan){ .layout = l, .uows = uows, .events = *events };
        r = missing_new(l, uows, events->gone, events->userdata, &s->missing);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
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
        missing_free(s->missing);
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

        if (!a)
                a = arrival_add(s, name);
        if (!a)
                return;
        a->generation = s->generation;
        (void)strdup_to(&a->reason, reason);
        /* Each time: whoever watches it may have had to begin anew. */
        s->events.arriving(name, s->events.userdata);
}

static void note_not_arriving(Scan *s, const char *name) {
        Arrival *a = arrival_find(s, name);

        if (a)
                arrival_drop(s, a);
}

/* The record that waits to be taken over from UploadedFiles under @name. */
static Uow *find_uploaded(const Scan *s, const char *name) {
        Uow *likely = uowset_by_folder(s->uows, name);

        if (likely && likely->state == UOW_UPLOADED && streq(likely->name, name))
                return likely;
        for (size_t i = uowset_size(s->uows); i > 0; i--) {
                Uow *u = uowset_at(s->uows, i - 1);

                if (u->state == UOW_UPLOADED && streq(u->name, name))
                        return u;
        }
        return NULL;
}

static usec_t changed_at(int dirfd, const char *name) {
        struct stat st;

        if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return 0;
        return (usec_t)st.st_ctim.tv_sec * USEC_PER_SEC + (usec_t)st.st_ctim.tv_nsec / 1000;
}

/* What its owner may do to mend what keeps us from taking it leaves a trace in one of the two. */
static void tell_known(Scan *s, Uow *u) {
        _cleanup_free_ char *sentinels = xasprintf("%s/sentinels", u->name);
        int uploaded = s->layout->fd[PLACE_UPLOADED];
        usec_t folder = changed_at(uploaded, u->name),
               inside = sentinels ? changed_at(uploaded, sentinels) : 0;

        s->events.known(u, folder > inside ? folder : inside, s->events.userdata);
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
                tell_known(s, u);
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
                error_set(
                        &e, r, "it can't be looked into: %s; each scan tries again", strerror(-r));
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
        const Uow *u = uowset_by_folder(s->uows, name);
        char id[UOW_ID_MAX] = "";
        struct stat st;

        /* One that is still in UploadedFiles may have this name without having this folder. */
        if (name[0] == '.' || (u && u->state != UOW_UPLOADED) ||
                fstatat(s->layout->fd[PLACE_WORK], name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
                !S_ISDIR(st.st_mode))
                return;
        if (stage_sentinel(s->layout->fd[PLACE_WORK], name, id) == SENTINEL_OURS && id[0] &&
                !uowset_get(s->uows, id))
                s->events.complete(name, id, st.st_uid, s->events.userdata);
}

/* So many are found by one walk through the tree. */
#define STALE_AT_ONCE 256

static struct {
        unsigned generation;
        Arrival *found[STALE_AT_ONCE];
        size_t n;
} sweep; /* twalk() hands no userdata on in the glibc of RHEL 8 */

static void find_stale(const void *node, VISIT which, int depth _unused_) {
        Arrival *a = *(Arrival *const *)node;

        if ((which == postorder || which == leaf) && a->generation != sweep.generation &&
                sweep.n < STALE_AT_ONCE)
                sweep.found[sweep.n++] = a;
}

static void drop_vanished(Scan *s) {
        do {
                sweep.n = 0;
                sweep.generation = s->generation;
                twalk(s->arrivals, find_stale);
                for (size_t i = 0; i < sweep.n; i++)
                        arrival_drop(s, sweep.found[i]);
        } while (sweep.n == STALE_AT_ONCE);
}

static void tell_all_known(Scan *s) {
        for (size_t i = 0; i < uowset_size(s->uows); i++) {
                Uow *u = uowset_at(s->uows, i);

                if (u->state == UOW_UPLOADED && !u->quarantined)
                        tell_known(s, u);
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
        tell_all_known(s);
        missing_look(s->missing);
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

bool scan_is_arriving(const Scan *s, const char *name, const char **ret_reason) {
        const Arrival *a = arrival_find(s, name);

        if (a)
                *ret_reason = a->reason;
        return a != NULL;
}
