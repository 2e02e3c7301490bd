/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The end of a loop's turn: what was posted in it becomes durable by one write and one sync; then it is
 * told to those who listen or wait, and only then acted upon. A commit that fails stops all acts and is
 * tried again, since nothing may be done of which the log knows nothing.
 */

#include "machine-internal.h"

#include <string.h>

#include "log.h"

/* How long after a failed commit the next is tried. */
#define COMMIT_RETRY (5 * USEC_PER_SEC)

/* And after a failed checkpoint, which only makes the next start a little slower. */
#define CHECKPOINT_RETRY (10 * USEC_PER_MINUTE)

Posted *machine_posted_free(Posted *p) {
        event_done(&p->event);
        free(p);
        return NULL;
}

static void tell_posted(Machine *m) {
        Posted *p;

        while ((p = TAILQ_FIRST(&m->posted))) {
                TAILQ_REMOVE(&m->posted, p, entry);
                log_event(p->uow, &p->event);
                if (m->events.committed)
                        m->events.committed(p->uow, &p->event, m->events.userdata);
                machine_posted_free(p);
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
        else {
                log_warning(
                        "The checkpoint of the event log could not be written (%s); it is tried again later. "
                        "Nothing is lost: a start takes a little longer.",
                        e->text);
                m->checkpoint_not_before = clock_boottime() + CHECKPOINT_RETRY;
                machine_wake_at(m, m->checkpoint_not_before);
        }
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
                     : eventlog_checkpoint_write(parts->layout->fd[PLACE_STATE], parts->uows,
                               job->seq, lease_fence(parts->lease), e);
}

static void checkpoint_if_due(Machine *m) {
        CheckpointJob *job;

        if (m->checkpointing || m->stopping || m->checkpoint_not_before > clock_boottime() ||
                !eventlog_checkpoint_due(m->parts.eventlog, uowset_size(m->parts.uows)))
                return;
        job = malloc(sizeof(*job));
        if (!job)
                return;
        *job = (CheckpointJob){ m, eventlog_rotate(m->parts.eventlog) };
        if (worker_run(m->parts.workers, LANE_CHECKPOINT, checkpoint_work, job, free,
                    on_checkpointed, m) < 0) {
                free(job);
                return;
        }
        m->checkpointing = true;
        m->errands++;
}

/* Only Units of Work with something to do keep a run: those kept as results cost nothing. */
static bool run_is_done(const UowRun *run) {
        const Uow *u = run->uow;

        return !run->dirty && run->errand == ERRAND_NONE && !run->misplaced && !u->purging &&
                !uow_is_active(u) && !run->trouble;
}

/* An answer that is awaited now would have to be looked for at the next start. */
static bool is_in_mid_call(const Machine *m) {
        const UowRun *run;

        TAILQ_FOREACH(run, &m->active, active_entry)
                if (run->errand == ERRAND_SUBMIT || run->errand == ERRAND_RELEASE)
                        return true;
        return false;
}

static void tell_changed(Machine *m) {
        if (m->events.changed)
                m->events.changed(m->events.userdata);
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
        tell_changed(m);
        tell_waiters(m, r);
        machine_wake_at(m, clock_boottime() + COMMIT_RETRY);
        if (m->events.broken && !is_in_mid_call(m))
                m->events.broken(m->events.userdata);
}

static int write_pending(Machine *m) {
        int r;

        if (!eventlog_pending(m->parts.eventlog))
                return 0;
        r = machine_look(m);
        return r < 0 ? r : eventlog_commit(m->parts.eventlog);
}

static bool commit(Machine *m) {
        int r = write_pending(m);

        if (m->lost) {
                tell_waiters(m, r);
                return false;
        }
        if (r < 0) {
                commit_failed(m, r);
                return false;
        }
        if (m->broken) {
                m->broken = 0;
                log_notice("The event log can be written again; work goes on.");
                tell_changed(m);
        }
        tell_posted(m);
        tell_waiters(m, 0);
        return true;
}

/* The end of a turn: what was posted in it becomes durable by one sync, and is then acted upon. */
int machine_on_turn(sd_event_source *s _unused_, void *userdata) {
        Machine *m = userdata;
        UowRunList dirty = TAILQ_HEAD_INITIALIZER(dirty);
        UowRun *run;

        if (m->lost)
                return 0;
        machine_prepare(m);
        if (!commit(m))
                return 0;
        checkpoint_if_due(
                m); /* first: its child's snapshot must be what is durable now, and nothing more */
        TAILQ_CONCAT(&dirty, &m->dirty, dirty_entry);
        while ((run = TAILQ_FIRST(&dirty))) {
                TAILQ_REMOVE(&dirty, run, dirty_entry);
                run->dirty = false;
                if (!m->lost)
                        machine_act(m, run->uow);
                if (run_is_done(run))
                        machine_run_free(m, run);
        }
        if (m->lost)
                return 0;
        if (m->stopping && !is_in_mid_call(m)) {
                if (m->events.stopped)
                        m->events.stopped(m->events.userdata);
                return 0;
        }
        machine_submit_line(m);
        machine_arm_poll(m);
        if (m->events.idle && machine_is_idle(m))
                m->events.idle(m->events.userdata);
        return 0;
}
