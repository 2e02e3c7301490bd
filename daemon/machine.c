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
        machine_recount(run);
        return run;
}

static void count(size_t *n, bool *counted, bool now) {
        if (now != *counted)
                *n += now ? 1 : (size_t)-1;
        *counted = now;
}

void machine_recount(UowRun *run) {
        Machine *m = run->machine;

        count(&m->n_queued, &run->is_counted_queued, machine_is_queued(run));
        count(&m->n_polled, &run->is_counted_polled, machine_wants_poll(run));
}

void machine_set_fresh(UowRun *run, bool fresh) {
        if (run->fresh == fresh)
                return;
        run->fresh = fresh;
        if (fresh)
                run->machine->submitting++;
        else
                run->machine->submitting--;
        machine_recount(run);
}

void machine_run_free(Machine *m, UowRun *run) {
        machine_set_fresh(run, false);
        count(&m->n_queued, &run->is_counted_queued, false);
        count(&m->n_polled, &run->is_counted_polled, false);
        TAILQ_REMOVE(&m->active, run, active_entry);
        if (run->dirty)
                TAILQ_REMOVE(&m->dirty, run, dirty_entry);
        if (run->queued_up)
                TAILQ_REMOVE(&m->submit_line, run, submit_entry);
        run->uow->run = NULL;
        free(run->trouble);
        free(run->waiting);
        free(run->seqs);
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

int machine_look(Machine *m) {
        int r;

        if (m->lost)
                return -EOWNERDEAD;
        r = lease_check(m->parts.lease);
        if (r != LEASE_E_HELD)
                return r;
        m->lost = true;
        if (m->events.lease_lost)
                m->events.lease_lost(m->events.userdata);
        return -EOWNERDEAD;
}

void machine_errand_begin(Machine *m, UowRun *run, Errand errand) {
        assert(run->errand == ERRAND_NONE);
        run->errand = errand;
        run->errand_attempt = run->uow->attempt;
        m->errands++;
        machine_recount(run);
}

void machine_errand_end(UowRun *run) {
        Machine *m = run->machine;

        if (run->errand == ERRAND_NONE)
                return;
        run->errand = ERRAND_NONE;
        m->errands--;
        machine_recount(run);
        machine_turn(m);
}

void machine_wake_at(Machine *m, usec_t when) {
        usec_t armed = USEC_INFINITY;
        int enabled = SD_EVENT_OFF;

        sd_event_source_get_enabled(m->pause_timer, &enabled);
        if (enabled != SD_EVENT_OFF)
                sd_event_source_get_time(m->pause_timer, &armed);
        if (when < armed)
                machine_arm(m->pause_timer, when);
}

void machine_pause_for(UowRun *run, usec_t pause, const char *trouble) {
        run->not_before = clock_boottime() + pause;
        (void)strdup_to(&run->trouble, trouble);
        machine_wake_at(run->machine, run->not_before);
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
        if (m->checkpoint_not_before > now && m->checkpoint_not_before < next)
                next = m->checkpoint_not_before;
        machine_turn(m);
        return next == USEC_INFINITY ? 0 : machine_arm(s, next);
}

/* Without memory the list begins anew: it need not be whole, but may have no gap. */
static void note_seq(UowRun *run, uint64_t seq) {
        size_t room = run->room_seqs ? run->room_seqs * 2 : 16;

        if (run->n_seqs == run->room_seqs) {
                uint64_t *seqs = realloc(run->seqs, room * sizeof(*seqs));

                if (!seqs) {
                        run->n_seqs = 0;
                        return;
                }
                run->seqs = seqs;
                run->room_seqs = room;
        }
        run->seqs[run->n_seqs++] = seq;
}

/* Folds the event that was appended just now. Where that fails it has not happened: neither here nor on disk. */
static int apply_appended(Machine *m, Uow **u, Event *ev) {
        int r = uowset_apply(m->parts.uows, ev, u);

        if (r == 0)
                return 0;
        eventlog_retract(m->parts.eventlog, ev);
        if (r == -ENOMEM)
                return r;
        /* The table allowed it, so its data must be at fault: a bug of ours. */
        log_error("event %s of %s could not be applied (%d); please report this",
                event_type_to_string(ev->type), ev->id, r);
        return r < 0 ? r : -EPROTO;
}

int machine_post_event(Machine *m, Uow **u, Event *ev) {
        Posted *p = calloc(1, sizeof(*p));
        int r = p ? eventlog_append(m->parts.eventlog, ev) : -ENOMEM;

        if (r == 0)
                r = apply_appended(m, u, ev);
        if (r < 0) {
                free(p);
                return r;
        }
        machine_dirty(m, *u);
        if ((*u)->run) {
                note_seq((*u)->run, ev->seq);
                machine_recount((*u)->run);
        }
        p->uow = *u;
        p->event = *ev;
        ev->data = NULL;
        TAILQ_INSERT_TAIL(&m->posted, p, entry);
        return 0;
}

/* What may be long and decides nothing: the record has the rest, and one that can't be written at all would never go on. */
static bool drop_bulk(cJSON *data) {
        cJSON *job = cJSON_GetObjectItemCaseSensitive(data, "job");
        int before = cJSON_GetArraySize(data) + cJSON_GetArraySize(job);

        cJSON_DeleteItemFromObjectCaseSensitive(data, "converted");
        if (job)
                cJSON_DeleteItemFromObjectCaseSensitive(job, "tasks");
        return cJSON_GetArraySize(data) + cJSON_GetArraySize(job) < before;
}

int machine_post(Machine *m, Uow *u, EventType type, cJSON *data) {
        Event ev = { .time = clock_now(), .type = type, .attempt = u->attempt, .data = data };
        int r;

        memcpy(ev.id, u->id, sizeof(ev.id));
        r = m->lost ? -EOWNERDEAD : uow_allows(u, type) ? 0 : UOW_E_STATE;
        if (r == 0)
                r = machine_post_event(m, &u, &ev);
        if (r == -EMSGSIZE && drop_bulk(ev.data))
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

void machine_nudge(Machine *m, Uow *u, usec_t changed) {
        UowRun *run = machine_run(m, u);

        if (!run || (run->not_before > clock_boottime() && run->changed == changed))
                return;
        run->changed = changed;
        machine_kick(m, u);
}

int machine_trouble(const Machine *m) {
        return m->lost ? -EOWNERDEAD : m->broken;
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
        r = parts->backend ? scheduler_new_with(parts->backend, parts->event, parts->config,
                                     parts->layout, &machine_scheduler_events, m, &m->scheduler, e)
                           : scheduler_new(parts->event, parts->config, parts->layout,
                                     &machine_scheduler_events, m, &m->scheduler, e);
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

Scheduler *machine_scheduler(Machine *m) {
        return m->scheduler;
}
