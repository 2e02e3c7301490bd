/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The mechanism: events are folded at once, written once a turn of the loop, and acted upon only when
 * they are durable. Pauses are kept here too, so that a Unit of Work in trouble is looked at again
 * without anybody asking.
 */

#include "machine-internal.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <uuid/uuid.h>

#include "log.h"
#include "text.h"
#include "uow-name.h"

/* How long after a failed commit the next is tried. */
#define COMMIT_RETRY (5 * USEC_PER_SEC)

/* A checkpoint is due when replaying the events since the last would cost more than reading the records. */
#define CHECKPOINT_EVENTS_MIN 5000

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

static void run_free(Machine *m, UowRun *run) {
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

/* Only Units of Work with something to do keep a run: those kept as results cost nothing. */
static bool run_is_done(const UowRun *run) {
        const Uow *u = run->uow;

        return !run->dirty && run->errand == ERRAND_NONE && !run->misplaced && !u->purging &&
                !uow_is_active(u) && !run->trouble;
}

static int arm(sd_event_source *source, usec_t when) {
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
                arm(m->pause_timer, run->not_before);
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
        return next == USEC_INFINITY ? 0 : arm(s, next);
}

static Posted *posted_free(Posted *p) {
        event_done(&p->event);
        free(p);
        return NULL;
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

static int post(Machine *m, Uow **u, Event *ev) {
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
        UowState to;
        int r;

        memcpy(ev.id, u->id, sizeof(ev.id));
        r = m->lost ? -EOWNERDEAD : state_next(u->state, type, &to);
        if (r == 0)
                r = post(m, &u, &ev);
        event_done(&ev);
        return r;
}

/* Names in use are those in the log, and whatever else lies where a move would lead. */
static bool is_taken(const char *name, void *userdata) {
        static const Place places[] = { PLACE_WORK, PLACE_ANALYSED, PLACE_FAILED,
                PLACE_BIN_ANALYSED, PLACE_BIN_FAILED };
        Machine *m = userdata;

        if (uowset_by_folder(m->parts.uows, name))
                return true;
        for (size_t i = 0; i < ELEMENTSOF(places); i++)
                if (faccessat(m->parts.layout->fd[places[i]], name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
                        return true;
        return false;
}

static cJSON *upload_data(const char *name, const char *folder, uid_t owner) {
        _cleanup_json_ cJSON *data = cJSON_CreateObject();

        if (!data || json_set_name(data, "name", name) < 0 ||
                json_set_name(data, "folder", folder) < 0 ||
                json_set_int(data, "owner", (int64_t)owner) < 0)
                return NULL;
        return TAKE_PTR(data);
}

int machine_upload(Machine *m, const char *name, const char *id, uid_t owner) {
        Event ev = { .time = clock_now(), .type = EVENT_UPLOADED };
        _cleanup_free_ char *folder = NULL;
        Uow *u = NULL;
        uuid_t uuid;
        int r;

        if (m->lost || m->broken)
                return m->lost ? -EOWNERDEAD : m->broken;
        /* Taken up from the work area after a loss of state: it is where it is, under the name it has. */
        if (id && faccessat(m->parts.layout->fd[PLACE_WORK], name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
                folder = strdup(name);
        else
                folder = uow_name_free(
                        name, m->parts.config->uow.add_timestamp, ev.time, is_taken, m);
        ev.data = folder ? upload_data(name, folder, owner) : NULL;
        if (!ev.data)
                return -ENOMEM;
        uuid_generate(uuid);
        if (id)
                snprintf(ev.id, sizeof(ev.id), "%s", id);
        else
                uuid_unparse_lower(uuid, ev.id);
        r = post(m, &u, &ev);
        event_done(&ev);
        return r;
}

static void tell_posted(Machine *m) {
        Posted *p;

        while ((p = TAILQ_FIRST(&m->posted))) {
                TAILQ_REMOVE(&m->posted, p, entry);
                log_event(p->uow, &p->event);
                if (m->events.committed)
                        m->events.committed(p->uow, &p->event, m->events.userdata);
                posted_free(p);
        }
}

static void tell_waiters(Machine *m, int r) {
        Waiter *w;

        while ((w = TAILQ_FIRST(&m->waiters))) {
                TAILQ_REMOVE(&m->waiters, w, entry);
                w->func(r, w->userdata);
                free(w);
        }
}

int machine_after_commit(Machine *m, CommitFunc func, void *userdata) {
        Waiter *w = malloc(sizeof(*w));

        if (!w)
                return -ENOMEM;
        *w = (Waiter){ .func = func, .userdata = userdata };
        TAILQ_INSERT_TAIL(&m->waiters, w, entry);
        machine_turn(m);
        return 0;
}

void machine_forget(Machine *m, void *userdata) {
        Waiter *w, *next;

        for (w = TAILQ_FIRST(&m->waiters); w; w = next) {
                next = TAILQ_NEXT(w, entry);
                if (w->userdata == userdata) {
                        TAILQ_REMOVE(&m->waiters, w, entry);
                        free(w);
                }
        }
}

static void on_checkpointed(int r, const cJSON *result, const Error *e, void *userdata) {
        Machine *m = userdata;

        m->checkpointing = false;
        m->errands--;
        if (r == 0)
                eventlog_checkpoint_done(m->parts.eventlog, (uint64_t)json_int(result, "seq", 0));
        else
                log_warning(
                        "The checkpoint of the event log could not be written (%s); it is tried again later. "
                        "Nothing is lost: a start takes a little longer.",
                        e->text);
        machine_turn(m);
}

typedef struct CheckpointJob {
        Machine *machine;
        uint64_t seq;
} CheckpointJob;

static int checkpoint_work(void *arg, cJSON *result, Error *e) {
        CheckpointJob *job = arg;
        MachineParts *parts = &job->machine->parts;
        int r = lease_check(parts->lease);

        if (r != 0)
                return error_set(e, -EOWNERDEAD, "the base folder has another owner");
        r = json_set_int(result, "seq", (int64_t)job->seq);
        return r < 0 ? r
                     : eventlog_checkpoint_write(
                               parts->layout->fd[PLACE_STATE], parts->uows, job->seq, e);
}

static void checkpoint_if_due(Machine *m) {
        size_t since = eventlog_since_checkpoint(m->parts.eventlog),
               due = uowset_size(m->parts.uows);
        CheckpointJob *job;

        if (m->checkpointing || since < CHECKPOINT_EVENTS_MIN || since < due)
                return;
        job = malloc(sizeof(*job));
        if (!job)
                return;
        *job = (CheckpointJob){ m, eventlog_rotate(m->parts.eventlog) };
        if (worker_run(m->parts.workers, LANE_CHECKPOINT, checkpoint_work, job, free,
                    on_checkpointed, m) < 0)
                return;
        m->checkpointing = true;
        m->errands++;
}

static void commit_failed(Machine *m, int r) {
        if (!m->broken) {
                m->broken_since = clock_now();
                log_message(LOG_CRIT, MESSAGE_ID_STATE_UNWRITABLE,
                        "The event log can't be written: %s. No job is submitted and no result is filed until it "
                        "can; make room in or mend %s.",
                        strerror(-r), m->parts.layout->path[PLACE_STATE]);
        }
        m->broken = r;
        tell_waiters(m, r);
        arm(m->pause_timer, clock_boottime() + COMMIT_RETRY);
}

static bool commit(Machine *m) {
        int r = 0;

        if (eventlog_pending(m->parts.eventlog)) {
                if (!machine_owns(m)) {
                        tell_waiters(m, -EOWNERDEAD);
                        if (!m->lost)
                                arm(m->pause_timer, clock_boottime() + COMMIT_RETRY);
                        return false;
                }
                r = eventlog_commit(m->parts.eventlog);
        }
        if (r < 0) {
                commit_failed(m, r);
                return false;
        }
        if (m->broken) {
                m->broken = 0;
                log_notice("The event log can be written again; work goes on.");
        }
        tell_posted(m);
        tell_waiters(m, 0);
        return true;
}

/* The end of a turn: what was posted in it becomes durable by one sync, and is then acted upon. */
static int on_turn(sd_event_source *s _unused_, void *userdata) {
        Machine *m = userdata;
        UowRunList dirty = TAILQ_HEAD_INITIALIZER(dirty);
        UowRun *run;

        if (m->lost || !commit(m))
                return 0;
        TAILQ_CONCAT(&dirty, &m->dirty, dirty_entry);
        while ((run = TAILQ_FIRST(&dirty))) {
                TAILQ_REMOVE(&dirty, run, dirty_entry);
                run->dirty = false;
                if (!m->lost)
                        machine_act(m, run->uow);
                if (run_is_done(run))
                        run_free(m, run);
        }
        if (m->lost)
                return 0;
        machine_submit_line(m);
        checkpoint_if_due(m);
        machine_arm_poll(m);
        if (m->events.idle && machine_is_idle(m))
                m->events.idle(m->events.userdata);
        return 0;
}

static bool run_wants_poll(const UowRun *run) {
        const Uow *u = run->uow;

        return u->state == UOW_QUEUED && u->phase != PHASE_SETTLING &&
                run->errand != ERRAND_SUBMIT && !(u->phase == PHASE_SUBMITTING && run->fresh);
}

void machine_arm_poll(Machine *m) {
        usec_t due = m->last_poll ? m->last_poll + m->parts.config->scheduler.poll_interval : 0;
        UowRun *run;

        if (!m->started || m->scheduler->polling)
                return;
        TAILQ_FOREACH(run, &m->active, active_entry)
        if (run_wants_poll(run)) {
                arm(m->poll_timer, due);
                return;
        }
        sd_event_source_set_enabled(m->poll_timer, SD_EVENT_OFF);
}

static int on_poll_due(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata) {
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

        r = sd_event_add_defer(event, &m->turn, on_turn, m);
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
                r = sd_event_add_time(event, &m->poll_timer, CLOCK_BOOTTIME, 0, 0, on_poll_due, m);
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
                run_free(m, run);
        while ((p = TAILQ_FIRST(&m->posted))) {
                TAILQ_REMOVE(&m->posted, p, entry);
                posted_free(p);
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
