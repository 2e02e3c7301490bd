/* SPDX-License-Identifier: Apache-2.0 */

/* When the scheduler is asked about all that is queued: never faster than the poll interval, never when nothing is. */

#include "machine-internal.h"

#include <string.h>

#include "log.h"

bool machine_is_queued(const UowRun *run) {
        const Uow *u = run->uow;

        return u->state == UOW_QUEUED && u->phase != PHASE_SETTLING && !u->quarantined;
}

bool machine_wants_poll(const UowRun *run) {
        return machine_is_queued(run) && run->errand != ERRAND_SUBMIT &&
                !(run->uow->phase == PHASE_SUBMITTING && run->fresh);
}

void machine_arm_poll(Machine *m) {
        usec_t due = m->last_poll ? m->last_poll + m->parts.config->scheduler.poll_interval : 0;
        usec_t armed = 0;
        int enabled = SD_EVENT_OFF;

        if (!m->started || m->stopping || m->scheduler->polling)
                return;
        if (!m->n_polled) {
                sd_event_source_set_enabled(m->poll_timer, SD_EVENT_OFF);
                return;
        }
        sd_event_source_get_enabled(m->poll_timer, &enabled);
        sd_event_source_get_time(m->poll_timer, &armed);
        if (enabled == SD_EVENT_OFF || armed != due)
                machine_arm(m->poll_timer, due);
}

int machine_on_poll_due(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata) {
        Machine *m = userdata;
        _cleanup_free_ Uow **uows = NULL;
        size_t n = 0;
        UowRun *run;
        int r;

        if (m->lost || m->stopping || m->scheduler->polling || !m->n_polled)
                return 0;
        uows = calloc(m->n_polled, sizeof(*uows));
        if (!uows) { /* a later turn arms it again */
                m->last_poll = clock_boottime();
                machine_arm_poll(m);
                return 0;
        }
        TAILQ_FOREACH(run, &m->active, active_entry)
                if (run->is_counted_polled)
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
        return m->last_poll || !m->n_polled;
}

void machine_poll(Machine *m) {
        machine_arm_poll(m);
}
