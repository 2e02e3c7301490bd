/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The machine's inside, shared by its files only:
 *
 *   machine.c         post, runs, errands, pauses: the mechanism
 *   machine-commit.c  the end of a turn: durable, told, acted upon
 *   machine-upload.c  the first event: id and name
 *   machine-poll.c    when the scheduler is asked
 *   machine-act.c     what each state demands
 *   machine-answer.c  what workers and the scheduler answer, turned into events
 *   machine-order.c   what people may ask for
 *   machine-view.c    how it looks from outside
 */

#include "machine.h"

/* So many sbatch at once: enough to hide the controller's answering time, few enough not to be a flood. */
#define SUBMISSIONS_AT_ONCE 8

/* Pauses after trouble grow from the first to the last by doubling. */
#define PAUSE_FIRST (2 * USEC_PER_SEC)
#define PAUSE_LAST (5 * USEC_PER_MINUTE)

/* What is under way for a Unit of Work; at most one thing at a time. */
typedef enum Errand {
        ERRAND_NONE,
        ERRAND_STAGE,
        ERRAND_SUBMIT,
        ERRAND_RELEASE,
        ERRAND_CANCEL,
        ERRAND_SETTLE,
        ERRAND_RELOCATE,
        ERRAND_CHAIN,
        ERRAND_PURGE,
} Errand;

/* The daemon's own part of a record, for as long as there is something to do: uow->run. */
typedef struct UowRun {
        Machine *machine;
        Uow *uow;
        Errand errand;
        bool fresh; /* the intent to submit is of this life and nothing was started for it: no look-up needed */
        bool misplaced; /* finished or soft-deleted: whether the folder is in its place is to be seen to */
        bool queued_up;    /* in the line of those that wait to be submitted */
        bool dirty;        /* to be acted upon after the commit */
        unsigned troubles; /* in a row */
        usec_t not_before; /* CLOCK_BOOTTIME: its pause */
        bool stuck;        /* the scheduler says: does not lift by itself */
        char *trouble;     /* what is in the way, for people; NULL: nothing */
        char *waiting; /* why the job waits, as the scheduler said last; changes too often for the event log */
        const char *purge_by;
        TAILQ_ENTRY(UowRun) active_entry, dirty_entry, submit_entry;
} UowRun;

typedef TAILQ_HEAD(UowRunList, UowRun) UowRunList;

typedef struct Waiter {
        CommitFunc func;
        void *userdata;
        TAILQ_ENTRY(Waiter) entry;
} Waiter;

/* Durable with the next commit, then told. */
typedef struct Posted {
        Uow *uow;
        Event event;
        TAILQ_ENTRY(Posted) entry;
} Posted;

struct Machine {
        MachineParts parts;
        MachineEvents events;
        Scheduler *scheduler;

        UowRunList active, dirty, submit_line;
        TAILQ_HEAD(, Waiter) waiters;
        TAILQ_HEAD(, Posted) posted;

        sd_event_source *turn;        /* end of the loop's turn: commit, act, submit */
        sd_event_source *pause_timer; /* the earliest not_before */
        sd_event_source *poll_timer;

        unsigned submitting;      /* sbatch calls under way */
        usec_t submit_not_before; /* CLOCK_BOOTTIME: the scheduler as a whole is not to be had */
        unsigned submit_troubles;
        usec_t last_poll; /* CLOCK_BOOTTIME, start of the last one */
        size_t errands;   /* under way, of any kind */
        int broken;       /* the last commit failed with this; 0: state can be written */
        usec_t broken_since;
        bool checkpointing;
        bool lost; /* the lease is lost: nothing is done or written any more */
        bool started;
        bool stopping; /* begin nothing more */
};

/* machine.c */
UowRun *machine_run(Machine *m, Uow *u); /* makes it if need be; NULL without memory */
void machine_dirty(Machine *m, Uow *u);
void machine_turn(Machine *m);
void machine_errand_begin(Machine *m, UowRun *run, Errand errand);
void machine_errand_end(UowRun *run);
void machine_pause(UowRun *run, const char *trouble); /* try again later, and say why meanwhile */
void machine_pause_for(UowRun *run, usec_t pause, const char *trouble);
void machine_untroubled(UowRun *run);
void machine_arm_poll(Machine *m);
/** machine_owns() - look at the lease: whether an act may be begun now. */
bool machine_owns(Machine *m);

int machine_arm(sd_event_source *source, usec_t when); /* CLOCK_BOOTTIME, once */
int machine_post_event(Machine *m, Uow **u, Event *ev);
void machine_run_free(Machine *m, UowRun *run);

/* machine-commit.c */
Posted *machine_posted_free(Posted *p);
int machine_on_turn(sd_event_source *s, void *userdata);

/* machine-poll.c */
int machine_on_poll_due(sd_event_source *s, uint64_t usec, void *userdata);

/* machine-act.c */
void machine_act(Machine *m, Uow *u);
void machine_submit_line(Machine *m);

/* machine-answer.c */
extern const SchedulerEvents machine_scheduler_events;
void machine_staged(int r, const cJSON *result, const Error *e, void *userdata);
void machine_settled(int r, const cJSON *result, const Error *e, void *userdata);
void machine_relocated(int r, const cJSON *result, const Error *e, void *userdata);
void machine_chained(int r, const cJSON *result, const Error *e, void *userdata);
void machine_purged(int r, const cJSON *result, const Error *e, void *userdata);
void machine_end(Machine *m, Uow *u, UowOutcome outcome, const char *cause, const char *reason,
        const cJSON *job);
