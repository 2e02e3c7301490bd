/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What FlowCron wants of a scheduler, and the table of backends that give it.
 *
 * Answers always come later, from the event loop, through SchedulerEvents. A backend keeps no state
 * of its own that matters after a restart: the event log knows which attempt was about to be
 * submitted, and the scheduler itself is asked by the attempt's token.
 */

#include <systemd/sd-event.h>

#include "config.h"
#include "layout.h"
#include "outcome.h"
#include "uow.h"

typedef struct Scheduler Scheduler;

typedef enum SubmitVerdict {
        SUBMIT_ACCEPTED,  /* @job_id */
        SUBMIT_REFUSED,   /* the user must mend it: @text has the scheduler's words */
        SUBMIT_DEFERRED,  /* certainly not submitted, for a passing reason: @text */
        SUBMIT_UNCERTAIN, /* it may have been submitted: look for it by poll before anything else */
} SubmitVerdict;

typedef enum LookupVerdict {
        LOOKUP_FOUND, /* @job_id: adopt it */
        LOOKUP_ABSENT, /* every source has answered late enough: it was not submitted and can't be any more */
        LOOKUP_UNKNOWN, /* not known yet */
} LookupVerdict;

typedef enum SchedulerAvailability {
        SCHEDULER_UNTRIED,
        SCHEDULER_UP,
        SCHEDULER_DEGRADED,
        SCHEDULER_DOWN
} SchedulerAvailability;

typedef struct SchedulerHealth {
        SchedulerAvailability availability;
        usec_t since;       /* of this availability */
        usec_t last_answer; /* 0: none yet */
        char text
                [256]; /* for people: "Slurm is not answering since 12:03 (squeue: …)"; "" when up */
        char version[64]; /* "slurm 22.05.8"; "" not known */
        bool accounting;  /* sacct answers */
} SchedulerHealth;

/*
 * Handed down by the machine. None is called from within a call into the scheduler.
 * A Uow that was given to submit(), release() or cancel() must stay until its answer has come.
 * @attempt is the one that was current when the question was asked.
 */
typedef struct SchedulerEvents {
        void (*submitted)(Uow *u, int attempt, SubmitVerdict v, const char *job_id,
                const char *text, void *userdata);
        /* r: 0 or -errno (tried again) */
        void (*released)(Uow *u, int attempt, int r, const char *text, void *userdata);
        void (*looked_up)(Uow *u, int attempt, LookupVerdict v, const char *job_id, bool held,
                void *userdata);
        void (*job)(Uow *u, int attempt, const JobReport *report, void *userdata);
        /* the order was taken (0) or not (-errno); the end comes through job() */
        void (*cancelled)(Uow *u, int attempt, int r, const char *text, void *userdata);
        void (*polled)(void *userdata); /* a poll is over, answered or not */
} SchedulerEvents;

typedef struct SchedulerVTable {
        const char *name;
        int (*new)(Scheduler *s, Error *e); /* allocates s->backend */
        void (*free)(Scheduler *s);
        int (*submit)(Scheduler *s, Uow *u);
        int (*release)(Scheduler *s, Uow *u);
        int (*cancel)(Scheduler *s, Uow *u);
        int (*poll)(Scheduler *s, Uow **uows, size_t n);
        void (*withdraw)(Scheduler
                        *s); /* see scheduler_withdraw(); NULL: an order is always begun at once */
        int (*reload)(Scheduler *s); /* configuration changed: take the login environment anew */
        char **(*args)(Scheduler *s,
                const Uow *u); /* the arguments submit() will use, for the record; strv or NULL */
} SchedulerVTable;

struct Scheduler {
        sd_event *event;
        const Config *config; /* replaced at reload */
        const Layout *layout;
        SchedulerEvents events;
        void *userdata;
        SchedulerHealth health;
        const SchedulerVTable *vtable;
        void *backend;
        bool polling; /* a poll is under way */
};

extern const SchedulerVTable scheduler_slurm;
extern const SchedulerVTable scheduler_local;

int scheduler_new(sd_event *event, const Config *c, const Layout *l, const SchedulerEvents *events,
        void *userdata, Scheduler **ret, Error *e);
/** scheduler_new_with() - the same with a backend that is not for the configuration to choose: for tests. */
int scheduler_new_with(const SchedulerVTable *backend, sd_event *event, const Config *c,
        const Layout *l, const SchedulerEvents *events, void *userdata, Scheduler **ret, Error *e);
Scheduler *scheduler_free(Scheduler *s);
DEFINE_CLEANUP(Scheduler *, scheduler_free)

/**
 * scheduler_submit() - submit the present attempt of @u (its intent is durable); the folder is in
 * the work area
 * One answer through submitted(). The child that submits dies with the daemon.
 */
int scheduler_submit(Scheduler *s, Uow *u);

/**
 * scheduler_withdraw() - begin no submission and no release any more: each that was not begun yet
 * (because the environment is not there) is answered as put off, from the loop
 */
void scheduler_withdraw(Scheduler *s);

/** scheduler_release() - let a job that was submitted held run. May be repeated. */
int scheduler_release(Scheduler *s, Uow *u);

/** scheduler_cancel() - ask for the end of the attempt's job(s). May be repeated. */
int scheduler_cancel(Scheduler *s, Uow *u);

/**
 * scheduler_poll() - ask about all of @uows at once: those with a job_id are followed, those
 * without (phase submitting) looked up by token
 * @uows is copied; a Uow in it must stay until polled(). Answers through job() and looked_up() for
 * those about which something is known, then polled(). -EBUSY while one is under way.
 */
int scheduler_poll(Scheduler *s, Uow **uows, size_t n);

int scheduler_reload(Scheduler *s, const Config *c);
char **scheduler_args(Scheduler *s, const Uow *u);
const SchedulerHealth *scheduler_health(const Scheduler *s);

/** scheduler_polled() - for backends: the poll is over; never from within scheduler_poll(). */
void scheduler_polled(Scheduler *s);

/**
 * scheduler_set_health() - for backends: note how the last exchange went; `since` changes only with
 * the availability.
 */
void scheduler_set_health(Scheduler *s, SchedulerAvailability a, const char *fmt, ...)
        _printf_(3, 4);

/* "flowcron=ID.ATTEMPT": how a submission is found again. */
#define SCHEDULER_TOKEN_MAX (sizeof("flowcron=") + UOW_ID_MAX + 12)
const char *scheduler_token(char buf[static SCHEDULER_TOKEN_MAX], const Uow *u);
