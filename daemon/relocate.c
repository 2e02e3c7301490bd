/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Results on the move: into the bin and out of it, and out of the world.
 *
 * A folder is known by the id in its record. Where its state says that it is, one without any id (its owner may have removed flowcron/) is
 * taken for it as well, since no other Unit of Work of this instance has that name; one that bears another's id never is.
 */

#include "relocate.h"

#include <string.h>

#include "crashpoint.h"
#include "fileio.h"
#include "haul.h"
#include "naming.h"
#include "stage-take.h"
#include "text.h"
#include "uow-view.h"

RelocateJob *relocate_job_new(const Layout *l, const Config *c, const Uow *u) {
        RelocateJob *j = calloc(1, sizeof(*j));

        if (j)
                *j = (RelocateJob){ .layout = l, .config = config_ref(c), .uow = u };
        return j;
}

RelocateJob *relocate_job_free(RelocateJob *j) {
        if (!j)
                return NULL;
        config_free(j->config);
        free(j);
        return NULL;
}

int relocate_is_its_own(int dir, const Uow *u) {
        int whose = take_whose(dir, u->folder, u->id);

        return whose < 0 ? whose : whose == WHOSE_OURS || whose == WHOSE_UNMARKED;
}

/* The place other than @target that has it; -ENOENT. Its counterpart is the likely one. */
static int find_source(const RelocateJob *j, Place target) {
        const Layout *l = j->layout;
        int r = relocate_is_its_own(l->fd[place_bin(target)], j->uow);

        if (r != 0)
                return r < 0 ? r : (int)place_bin(target);
        for (size_t i = 0; i < ELEMENTSOF(take_result_places); i++) {
                Place p = take_result_places[i];

                if (p == target)
                        continue;
                r = take_whose(l->fd[p], j->uow->folder, j->uow->id);
                if (r < 0 || r == WHOSE_OURS)
                        return r < 0 ? r : (int)p;
        }
        return -ENOENT;
}

/* It is in its place; a move across file systems may have died before the original was removed. */
static int clear_source(const RelocateJob *j, Place target, Error *e) {
        int dir = j->layout->fd[place_bin(target)];
        int whose = take_whose(dir, j->uow->folder, j->uow->id);

        if (whose < 0)
                return whose;
        return haul_discard(dir, whose == WHOSE_OURS ? j->uow->folder : NULL, j->uow->id, e);
}

static int move_to(const RelocateJob *j, Place source, Place target, const char *name, Error *e) {
        const Layout *l = j->layout;
        int r;

        CRASH_POINT("relocate-move");
        r = haul_move(l->fd[source], j->uow->folder, l->fd[target], name, j->uow->id, e);
        return r == -EEXIST ? -EAGAIN : r;
}

int relocate_work(void *arg, cJSON *result, Error *e) {
        const RelocateJob *j = arg;
        const Uow *u = j->uow;
        _cleanup_free_ char *name = NULL;
        Place target = uow_place(u);
        int dir = j->layout->fd[target], r, source;

        r = take_free_name(dir, u->folder, u->updated, u->id, &name);
        if (r < 0)
                return error_set(
                        e, r, "%s can't be looked at: %s", j->layout->path[target], strerror(-r));
        if (r == WHOSE_OURS)
                r = clear_source(j, target, e);
        else {
                source = find_source(j, target);
                if (source ==
                        -ENOENT) /* nowhere else: then what has its name here may be it, with its marks gone */
                        return relocate_is_its_own(dir, u) > 0 ? 0 : UOW_E_GONE;
                r = source < 0 ? source : move_to(j, (Place)source, target, name, e);
        }
        if (r == 0 && !streq(name, u->folder))
                r = json_set_name(result, "folder", name);
        return r;
}

/* Copies that were begun and never shown. */
static int discard_unfinished(int dir, const Uow *u, Error *e) {
        _cleanup_free_ char *name = naming_unfinished(u->folder, u->id);
        int r = name ? tree_remove(dir, name) : -ENOMEM;

        return r < 0 ? error_set(e, r, "not everything can be removed: %s", strerror(-r)) : 0;
}

static int purge_place(const RelocateJob *j, Place p, Error *e) {
        const Uow *u = j->uow;
        int dir = j->layout->fd[p], r;
        bool own;

        r = take_whose(dir, u->folder, u->id);
        if (r < 0)
                return error_set(
                        e, r, "%s can't be looked at: %s", j->layout->path[p], strerror(-r));
        own = r == WHOSE_OURS || (r == WHOSE_UNMARKED && p == uow_place(u));
        CRASH_POINT("purge-place");
        r = haul_discard(dir, own ? u->folder : NULL, u->id, e);
        return r < 0 ? r : discard_unfinished(dir, u, e);
}

int purge_work(void *arg, cJSON *result _unused_, Error *e) {
        const RelocateJob *j = arg;
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(take_result_places); i++) {
                int q = purge_place(j, take_result_places[i], e);

                if (r == 0)
                        r = q;
        }
        return r;
}
