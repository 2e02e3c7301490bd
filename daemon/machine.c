/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The mechanism: an event is folded at once and waits in the buffer for the end of the turn
 * (machine-commit.c). Runs, errands and pauses are kept here, so that a Unit of Work in trouble is
 * looked at again without anybody asking.
 */

#include "machine-internal.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>

#include "log.h"
#include "text.h"

UowRun *machine_run(Machine *m, Uow *u) {
        UowRun *run = u->run;

        if (run)
                return run;
        run = calloc(1, sizeof(*run));
        if (!run)
                return NULL;
        run->machine = m;
        run->uow = u;
        u->run = run;
        TAILQ_INSERT_TAIL(&m->active, run, active_entry);
        return run;
}

void machine_run_free(Machine *m, UowRun *run) {
        TAILQ_REMOVE(&m->active, run, active_entry);
        if (run->dirty)
                TAILQ_REMOVE(&m->dirty, run, dirty_entry);
        if (run->queued_up)
                TAILQ_REMOVE(&m->submit_line, run, submit_entry);
        run->uow->run = NULL;
        free(run->trouble);
        free(run->waiting);
        free(run);
}

int machine_arm(sd_event_source *source, usec_t when) {
        int r = sd_event_source_set_time(source, when);

        return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

void machine_turn(Machine *m) {
        sd_event_source_set_enabled(m->turn, SD_EVENT_ONESHOT);
}

void machine_dirty(Machine *m, Uow *u) {
        UowRun *run = machine_run(m, u);

        if (!run)
                return; /* out of memory: the next scan kicks it */
        if (!run->dirty) {
                run->dirty = true;
                TAILQ_INSERT_TAIL(&m->dirty, run, dirty_entry);
        }
        machine_turn(m);
}

bool machine_owns(Machine *m) {
        int r;

        if (m->lost)
                return false;
        r = lease_check(m->parts.lease);
        if (r == 0)
                return true;
        if (r == LEASE_E_HELD) {
                m->lost = true;
                if (m->events.lease_lost)
                        m->events.lease_lost(m->events.userdata);
        }
        return false;
}

void machine_errand_begin(Machine *m, UowRun *run, Errand errand) {
        assert(run->errand == ERRAND_NONE);
        run->errand = errand;
        m->errands++;
}

void machine_errand_end(UowRun *run) {
        Machine *m = run->machine;

        if (run->errand == ERRAND_NONE)
                return;
        run->errand = ERRAND_NONE;
        m->errands--;
        machine_turn(m);
}

void machine_pause_for(UowRun *run, usec_t pause, const char *trouble) {
        Machine *m = run->machine;
        usec_t armed = USEC_INFINITY;
        int enabled = SD_EVENT_OFF;

        run->not_before = clock_boottime() + pause;
        (void)strdup_to(&run->trouble, trouble);
        sd_event_source_get_enabled(m->pause_timer, &enabled);
        if (enabled != SD_EVENT_OFF)
                sd_event_source_get_time(m->pause_timer, &armed);
        if (run->not_before < armed)
                machine_arm(m->pause_timer, run->not_before);
}

void machine_pause(UowRun *run, const char *trouble) {
        usec_t pause = PAUSE_FIRST << (run->troubles < 8 ? run->troubles : 8);

        run->troubles++;
        machine_pause_for(run, pause < PAUSE_LAST ? pause : PAUSE_LAST, trouble);
}

void machine_untroubled(UowRun *run) {
        run->troubles = 0;
        run->not_before = 0;
        free(run->trouble);
        run->trouble = NULL;
}

static int on_pause_over(sd_event_source *s, uint64_t usec _unused_, void *userdata) {
        Machine *m = userdata;
        usec_t now = clock_boottime(), next = USEC_INFINITY;
        UowRun *run;

        TAILQ_FOREACH(run, &m->active, active_entry) {
                if (!run->not_before)
                        continue;
                if (run->not_before <= now) {
                        run->not_before = 0;
                        machine_dirty(m, run->uow);
                } else if (run->not_before < next)
                        next = run->not_before;
        }
        if (m->submit_not_before > now && m->submit_not_before < next)
                next = m->submit_not_before;
        machine_turn(m);
        return next == USEC_INFINITY ? 0 : machine_arm(s, next);
}

static int note_posted(Machine *m, Uow *u, Event *ev) {
        Posted *p = calloc(1, sizeof(*p));

        if (!p)
                return -ENOMEM;
        p->uow = u;
        p->event = *ev;
        ev->data = NULL;
        TAILQ_INSERT_TAIL(&m->posted, p, entry);
        return 0;
}

int machine_post_event(Machine *m, Uow **u, Event *ev) {
        int r;

        r = eventlog_append(m->parts.eventlog, ev);
        if (r < 0)
                return r;
        r = uowset_apply(m->parts.uows, ev, u);
        if (r != 0) {
                /* The table allowed it, so its data must be at fault: a bug of ours, harmless on replay. */
                log_uow(LOG_ERR, *u, ev, "event %s could not be applied (%d); please report this",
                        event_type_to_string(ev->type), r);
                return r < 0 ? r : -EPROTO;
        }
        machine_dirty(m, *u);
        return note_posted(m, *u, ev);
}

int machine_post(Machine *m, Uow *u, EventType type, cJSON *data) {
        Event ev = { .time = clock_now(), .type = type, .attempt = u->attempt, .data = data };
        int r;

        memcpy(ev.id, u->id, sizeof(ev.id));
        r = m->lost ? -EOWNERDEAD : uow_allows(u, type) ? 0 : UOW_E_STATE;
        if (r == 0)
                r = machine_post_event(m, &u, &ev);
        event_done(&ev);
        return r;
}

void machine_kick(Machine *m, Uow *u) {
        UowRun *run = machine_run(m, u);

        if (!run || run->errand != ERRAND_NONE)
                return;
        run->not_before = 0;
        machine_dirty(m, u);
}

bool machine_is_idle(const Machine *m) {
        return m->errands == 0 && m->submitting == 0 && !m->scheduler->polling &&
                TAILQ_EMPTY(&m->dirty) && !eventlog_pending(m->parts.eventlog) &&
                TAILQ_EMPTY(&m->waiters);
}

static int add_sources(Machine *m) {
        sd_event *event = m->parts.event;
        int r;

        r = sd_event_add_defer(event, &m->turn, machine_on_turn, m);
        if (r < 0)
                return r;
        /* Behind everything else that is ready: one sync then serves all of it. */
        r = sd_event_source_set_priority(m->turn, SD_EVENT_PRIORITY_NORMAL + 50);
        if (r >= 0)
                r = sd_event_source_set_enabled(m->turn, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time(
                        event, &m->pause_timer, CLOCK_BOOTTIME, 0, 0, on_pause_over, m);
        if (r >= 0)
                r = sd_event_source_set_enabled(m->pause_timer, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time(
                        event, &m->poll_timer, CLOCK_BOOTTIME, 0, 0, machine_on_poll_due, m);
        if (r >= 0)
                r = sd_event_source_set_enabled(m->poll_timer, SD_EVENT_OFF);
        return r;
}

int machine_new(const MachineParts *parts, const MachineEvents *events, Machine **ret, Error *e) {
        _cleanup_(machine_freep) Machine *m = calloc(1, sizeof(*m));
        int r;

        if (!m)
                return -ENOMEM;
        m->parts = *parts;
        m->events = *events;
        TAILQ_INIT(&m->active);
        TAILQ_INIT(&m->dirty);
        TAILQ_INIT(&m->submit_line);
        TAILQ_INIT(&m->waiters);
        TAILQ_INIT(&m->posted);
        r = add_sources(m);
        if (r < 0)
                return error_set(e, r, "The event loop refused a source: %s", strerror(-r));
        r = scheduler_new(parts->event, parts->config, parts->layout, &machine_scheduler_events, m,
                &m->scheduler, e);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        return 0;
}

Machine *machine_free(Machine *m) {
        Posted *p;
        Waiter *w;
        UowRun *run;

        if (!m)
                return NULL;
        scheduler_free(m->scheduler);
        while ((run = TAILQ_FIRST(&m->active)))
                machine_run_free(m, run);
        while ((p = TAILQ_FIRST(&m->posted))) {
                TAILQ_REMOVE(&m->posted, p, entry);
                machine_posted_free(p);
        }
        while ((w = TAILQ_FIRST(&m->waiters))) {
                TAILQ_REMOVE(&m->waiters, w, entry);
                free(w);
        }
        sd_event_source_unref(m->turn);
        sd_event_source_unref(m->pause_timer);
        sd_event_source_unref(m->poll_timer);
        free(m);
        return NULL;
}

/* A soft-delete or restore may have died between the event and its rename. */
static bool is_misplaced(Machine *m, Uow *u) {
        Place place = place_for_outcome(u->outcome);
        UowRun *run;

        if ((u->state != UOW_FINISHED && u->state != UOW_SOFT_DELETED) || u->moved_to)
                return false;
        if (u->state == UOW_SOFT_DELETED)
                place = place_bin(place);
        if (faccessat(m->parts.layout->fd[place], u->folder, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
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
                if (uow_is_active(u) || u->purging || is_misplaced(m, u))
                        machine_dirty(m, u);
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
                run->fresh = false;
                m->submitting--;
                (void)machine_post(m, run->uow, EVENT_DEFERRED, TAKE_PTR(data));
        }
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

Scheduler *machine_scheduler(Machine *m) {
        return m->scheduler;
}
