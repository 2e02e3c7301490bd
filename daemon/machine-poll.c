/* SPDX-License-Identifier: Apache-2.0 */

/* When the scheduler is asked about all that is queued: never faster than the poll interval, never when nothing is. */

#include "machine-internal.h"

#include <string.h>

#include "log.h"

static bool run_wants_poll(const UowRun *run) {
        const Uow *u = run->uow;

        return u->state == UOW_QUEUED && u->phase != PHASE_SETTLING &&
                run->errand != ERRAND_SUBMIT && !(u->phase == PHASE_SUBMITTING && run->fresh);
}

void machine_arm_poll(Machine *m) {
        usec_t due = m->last_poll ? m->last_poll + m->parts.config->scheduler.poll_interval : 0;
        UowRun *run;

        if (!m->started || m->stopping || m->scheduler->polling)
                return;
        TAILQ_FOREACH(run, &m->active, active_entry)
        if (run_wants_poll(run)) {
                machine_arm(m->poll_timer, due);
                return;
        }
        sd_event_source_set_enabled(m->poll_timer, SD_EVENT_OFF);
}

int machine_on_poll_due(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata) {
        Machine *m = userdata;
        _cleanup_free_ Uow **uows = NULL;
        size_t n = 0, room = 0;
        UowRun *run;
        int r;

        if (m->lost || m->scheduler->polling)
                return 0;
        TAILQ_FOREACH(run, &m->active, active_entry)
        room += run_wants_poll(run);
        if (!room)
                return 0;
        uows = calloc(room, sizeof(*uows));
        if (!uows)
                return -ENOMEM;
        TAILQ_FOREACH(run, &m->active, active_entry)
        if (run_wants_poll(run))
                uows[n++] = run->uow;
        m->last_poll = clock_boottime();
        r = scheduler_poll(m->scheduler, uows, n);
        if (r < 0 && r != -EBUSY) {
                log_warning(
                        "The scheduler could not be asked: %s; it is asked again.", strerror(-r));
                machine_arm_poll(m);
        }
        return 0;
}

bool machine_has_polled(const Machine *m) {
        const UowRun *run;

        if (m->last_poll)
                return true;
        TAILQ_FOREACH(run, &m->active, active_entry)
        if (run_wants_poll(run))
                return false;
        return true;
}

void machine_poll(Machine *m) {
        machine_arm_poll(m);
}
