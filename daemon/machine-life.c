/* SPDX-License-Identifier: Apache-2.0 */

/* Start, stop and reload. A start takes up what the log says; it needs no stop to have gone before. */

#include "machine-internal.h"

#include <fcntl.h>
#include <string.h>

#include "log.h"
#include "naming.h"
#include "text.h"

static bool exists(const Layout *l, Place p, const char *name) {
        return faccessat(l->fd[p], name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/*
 * Between file systems a result is copied to its new place, shown there, and only then removed from the old one. What a
 * crash left in the old one no scan misses.
 */
static bool is_left_behind(Machine *m, Uow *u) {
        const Layout *l = m->parts.layout;
        Place place = place_for_outcome(u->outcome), other = place_bin(place);
        char discarded[NAMING_DISCARDED_MAX];
        UowRun *run;

        if ((u->state != UOW_FINISHED && u->state != UOW_SOFT_DELETED) || u->moved_to ||
                l->dev[place] == l->dev[other])
                return false;
        if (u->state == UOW_SOFT_DELETED)
                other = place;
        if (!exists(l, other, u->folder) && !exists(l, other, naming_discarded(discarded, u->id)))
                return false;
        run = machine_run(m, u);
        if (run)
                run->misplaced = true;
        return true;
}

int machine_start(Machine *m) {
        size_t n = uowset_size(m->parts.uows);

        m->started = true;
        for (size_t i = 0; i < n; i++) {
                Uow *u = uowset_at(m->parts.uows, i);

                if (u->quarantined)
                        continue;
                /* Whether a move died between its event and its rename is the first scan's to see: machine_missing(). */
                if (uow_is_active(u) || u->purging || machine_wants_chain(m, u) ||
                        is_left_behind(m, u))
                        machine_dirty(m, u);
                if (u->run && u->phase == PHASE_SUBMITTING)
                        (void)strdup_to(&((UowRun *)u->run)->trouble,
                                "Whether it was submitted before flowcrond stopped is not known yet; the scheduler is asked about it.");
        }
        machine_turn(m);
        return 0;
}

void machine_stop(Machine *m) {
        UowRun *run;

        m->stopping = true;
        TAILQ_FOREACH(run, &m->active, active_entry) {
                _cleanup_json_ cJSON *data = NULL;

                if (!run->fresh || run->errand != ERRAND_NONE)
                        continue;
                data = cJSON_CreateObject();
                if (!data ||
                        json_set_str(data, "reason",
                                "flowcrond was stopped before it was submitted") < 0)
                        continue;
                machine_set_fresh(run, false);
                (void)machine_post(m, run->uow, EVENT_DEFERRED, TAKE_PTR(data));
        }
        scheduler_withdraw(m->scheduler);
        machine_turn(m);
}

void machine_reload(Machine *m, const Config *c) {
        int r;

        m->parts.config = c;
        r = scheduler_reload(m->scheduler, c);
        if (r < 0)
                log_warning(
                        "The login environment could not be taken anew: %s; the former one is used.",
                        strerror(-r));
        machine_turn(m);
}
