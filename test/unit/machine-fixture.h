/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A machine on an instance in a temporary folder, with real workers and a scheduler that does nothing by itself: the test looks at
 * what was asked of it, and answers when it likes.
 */

#include <sys/resource.h>

#include "instance-fixture.h"
#include "lease-owner.h"
#include "machine-internal.h"

typedef struct Fake {
        Scheduler *scheduler;
        unsigned submits, releases, cancels, polls, withdrawals;
        Uow *asked[64]; /* by the last poll */
        size_t n_asked;
        int refuse_submit; /* what submit() returns */
} Fake;

typedef struct Fixture {
        Instance *instance;
        sd_event *event;
        Lease *lease;
        UowSet *uows;
        EventLog *eventlog;
        WorkerPool *workers;
        Machine *machine;
        unsigned idle, lost, stopped, broken;
} Fixture;

static Fake fake;

/* ---- the scheduler ---- */

static int fake_new(Scheduler *s, Error *e) {
        (void)e;
        fake = (Fake){ .scheduler = s };
        s->backend = &fake;
        scheduler_set_health(s, SCHEDULER_UP, "%s", "");
        return 0;
}

static void fake_free(Scheduler *s) {
        s->backend = NULL;
}

static int fake_submit(Scheduler *s, Uow *u) {
        (void)s;
        (void)u;
        if (fake.refuse_submit)
                return fake.refuse_submit;
        fake.submits++;
        return 0;
}

static int fake_release(Scheduler *s, Uow *u) {
        (void)s;
        (void)u;
        fake.releases++;
        return 0;
}

static int fake_cancel(Scheduler *s, Uow *u) {
        (void)s;
        (void)u;
        fake.cancels++;
        return 0;
}

static int fake_poll(Scheduler *s, Uow **uows, size_t n) {
        (void)s;
        assert_true(n <= ELEMENTSOF(fake.asked));
        memcpy(fake.asked, uows, n * sizeof(*uows));
        fake.n_asked = n;
        fake.polls++;
        return 0;
}

static void fake_withdraw(Scheduler *s) {
        (void)s;
        fake.withdrawals++;
}

static int fake_reload(Scheduler *s) {
        (void)s;
        return 0;
}

static const SchedulerVTable fake_backend = {
        .name = "fake",
        .new = fake_new,
        .free = fake_free,
        .submit = fake_submit,
        .release = fake_release,
        .cancel = fake_cancel,
        .poll = fake_poll,
        .withdraw = fake_withdraw,
        .reload = fake_reload,
};

/* ---- the instance ---- */

static inline void on_idle(void *userdata) {
        ((Fixture *)userdata)->idle++;
}

static inline void on_lease_lost(void *userdata) {
        ((Fixture *)userdata)->lost++;
}

static inline void on_stopped(void *userdata) {
        ((Fixture *)userdata)->stopped++;
}

static inline void on_broken(void *userdata) {
        ((Fixture *)userdata)->broken++;
}

/* A life of the daemon: lease, replay, machine. */
static inline void fixture_begin(Fixture *f) {
        const MachineEvents events = { .idle = on_idle,
                .lease_lost = on_lease_lost,
                .stopped = on_stopped,
                .broken = on_broken,
                .userdata = f };
        MachineParts parts;
        LeaseWatch watch = {};
        LeaseOwner owner;
        Replay replay = {};
        usec_t retry;
        Error e = {};
        int state = place(f->instance, PLACE_STATE);

        f->lost = f->stopped = f->broken = 0;
        f->uows = uowset_new();
        if (lease_acquire(state, &watch, &f->lease, &owner, &retry, &e) != 0 ||
                eventlog_replay(state, f->uows, &replay, &e) != 0 ||
                eventlog_new(state, replay.next_seq, lease_fence(f->lease), &f->eventlog, &e) != 0)
                fail_msg("%s", e.text);
        assert_null(replay.warnings);
        replay_done(&replay);
        assert_int_equal(worker_pool_new(f->event, &f->workers), 0);
        parts = (MachineParts){ .event = f->event,
                .config = f->instance->config,
                .layout = f->instance->layout,
                .lease = f->lease,
                .uows = f->uows,
                .eventlog = f->eventlog,
                .workers = f->workers,
                .backend = &fake_backend };
        if (machine_new(&parts, &events, &f->machine, &e) != 0)
                fail_msg("%s", e.text);
        assert_int_equal(machine_start(f->machine), 0);
}

/* As a kill does: nothing that was not committed is written. */
static inline void fixture_end(Fixture *f) {
        char name[LEASE_NAME_MAX];

        f->workers = worker_pool_free(f->workers);
        f->machine = machine_free(f->machine);
        f->eventlog = eventlog_free(f->eventlog);
        f->uows = uowset_free(f->uows);
        /* We live on, and so would never get it again. */
        (void)unlinkat(
                place(f->instance, PLACE_STATE), lease_file_name(name, lease_fence(f->lease)), 0);
        f->lease = lease_free(f->lease);
}

static inline void fixture_again(Fixture *f) {
        fixture_end(f);
        fixture_begin(f);
}

static inline Fixture *fixture_new(const char *more) {
        Fixture *f = calloc(1, sizeof(*f));

        f->instance = instance_new(more);
        f->instance->log = eventlog_free(f->instance->log);
        assert_true(sd_event_new(&f->event) >= 0);
        fixture_begin(f);
        return f;
}

static inline void fixture_free(Fixture *f) {
        fixture_end(f);
        sd_event_unref(f->event);
        instance_free(f->instance);
        free(f);
}

/* Until nothing moves but for pauses and the scheduler. */
static inline void turn(Fixture *f) {
        int r;

        do {
                r = sd_event_run(f->event, worker_busy(f->workers, _LANE_MAX) ? UINT64_MAX : 0);
                assert_true(r >= 0);
        } while (r > 0 || worker_busy(f->workers, _LANE_MAX));
}

/* Only what is ready at once: workers that were begun go on. */
static inline void turn_once(Fixture *f) {
        assert_true(sd_event_run(f->event, 0) >= 0);
}

static inline UowRun *run_of(const Uow *u) {
        return u->run;
}

/* ---- what happens ---- */

static inline Uow *arrive(Fixture *f, const char *name) {
        Uow *u;

        upload(f->instance, name);
        assert_int_equal(machine_upload(f->machine, name, NULL, getuid()), 0);
        u = uowset_by_folder(f->uows, name);
        assert_non_null(u);
        return u;
}

static inline void say_submitted(
        Fixture *f, Uow *u, SubmitVerdict v, const char *id, const char *text) {
        fake.scheduler->events.submitted(u, u->attempt, v, id, text, fake.scheduler->userdata);
        turn(f);
}

static inline void say_looked_up(Fixture *f, Uow *u, LookupVerdict v, const char *id) {
        fake.scheduler->events.looked_up(u, u->attempt, v, id, false, fake.scheduler->userdata);
        turn(f);
}

static inline void say_polled(Fixture *f) {
        assert_true(fake.scheduler->polling);
        scheduler_polled(fake.scheduler);
        turn(f);
}

static inline void say_running(Fixture *f, Uow *u) {
        JobReport report = { .phase = PHASE_RUNNING, .started = clock_now() };

        fake.scheduler->events.job(u, u->attempt, &report, fake.scheduler->userdata);
        turn(f);
}

static inline void say_ended_by(Fixture *f, Uow *u, UowOutcome outcome, const char *state,
        const char *cause, const char *reason) {
        JobReport report = { .ended = true, .outcome = outcome, .state = (char *)state };

        report.cause = (char *)cause;
        report.reason = (char *)reason;
        report.facts = cJSON_CreateObject();
        fake.scheduler->events.job(u, u->attempt, &report, fake.scheduler->userdata);
        cJSON_Delete(report.facts);
        turn(f);
}

static inline void say_ended(Fixture *f, Uow *u, UowOutcome outcome, const char *state) {
        bool good = outcome == OUTCOME_SUCCEEDED;

        say_ended_by(
                f, u, outcome, state, good ? NULL : CAUSE_EXIT_CODE, good ? NULL : "exit code 1");
}

static inline void say_cancelled(Fixture *f, Uow *u) {
        fake.scheduler->events.cancelled(u, u->attempt, 0, NULL, fake.scheduler->userdata);
        turn(f);
}

static inline Uow *queue(Fixture *f, const char *name) {
        Uow *u = arrive(f, name);

        turn(f);
        say_submitted(f, u, SUBMIT_ACCEPTED, "17", NULL);
        assert_int_equal(u->state, UOW_QUEUED);
        return u;
}

static inline Uow *finish(Fixture *f, const char *name, UowOutcome outcome) {
        Uow *u = queue(f, name);

        say_ended(f, u, outcome, outcome == OUTCOME_SUCCEEDED ? "COMPLETED" : "FAILED");
        assert_int_equal(u->state, UOW_FINISHED);
        return u;
}

/* Nothing is under way, and nothing is counted that is not. */
static inline void assert_quiet(const Fixture *f) {
        assert_int_equal(f->machine->errands, 0);
        assert_int_equal(f->machine->submitting, 0);
        assert_int_equal(f->machine->n_queued, 0);
        assert_int_equal(f->machine->n_polled, 0);
        assert_true(TAILQ_EMPTY(&f->machine->submit_line));
        assert_true(machine_is_idle(f->machine));
}

/* The file system is "full" for us and our children. */
static inline void set_full(bool full) {
        struct rlimit limit;

        signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
        limit.rlim_cur = full ? 0 : limit.rlim_max;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static inline int set_full_off(void **state) {
        (void)state;
        set_full(false);
        return 0;
}

static inline void kick(Fixture *f, Uow *u) {
        f->machine->submit_not_before = 0;
        machine_kick(f->machine, u);
        turn(f);
}
