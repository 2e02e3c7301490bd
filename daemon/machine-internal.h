/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The machine's inside, shared by its files only:
 *
 *   machine.c         post, runs, errands, pauses: the mechanism
 *   machine-commit.c  the end of a turn: durable, told, acted upon
 *   machine-upload.c  the first event: id and name
 *   machine-import.c  the first events of what another program began
 *   machine-poll.c    when the scheduler is asked
 *   machine-act.c     what each state demands
 *   machine-answer.c  what workers answer, turned into events
 *   machine-scheduler.c  what the scheduler answers
 *   machine-life.c    start, stop, reload
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
        int errand_attempt; /* the attempt that the errand is about */
        bool fresh; /* the intent to submit is of this life and nothing was started for it: no look-up needed */
        bool hold; /* the submission under way is one of a held job */
        bool is_counted_queued, is_counted_polled; /* in Machine's n_queued, n_polled */
        bool misplaced; /* finished or soft-deleted: whether the folder is in its place is to be seen to */
        bool queued_up;    /* in the line of those that wait to be submitted */
        bool dirty;        /* to be acted upon after the commit */
        unsigned troubles; /* in a row */
        usec_t not_before; /* CLOCK_BOOTTIME: its pause */
        usec_t changed; /* of the folder as it was when a scan looked last, see machine_nudge() */
        bool stuck;     /* the scheduler says: does not lift by itself */
        char *trouble;  /* what is in the way, for people; NULL: nothing */
        bool blocked;   /* @trouble ends with the command that mends it */
        char *waiting; /* why the job waits, as the scheduler said last; changes too often for the event log */
        unsigned nodes; /* that the job has, as the scheduler said last; 0: not known */
        const char *purge_by;
        uint64_t *seqs; /* of its latest events, all from the first of these on */
        size_t n_seqs, room_seqs;
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

        unsigned submitting; /* intents that are fresh, or sbatch calls under way */
        size_t n_queued,
                n_polled; /* the scheduler has them, as far as we know; it is to be asked about them */
        usec_t submit_not_before; /* CLOCK_BOOTTIME: the scheduler as a whole is not to be had */
        unsigned submit_troubles;
        usec_t last_poll; /* CLOCK_BOOTTIME, start of the last one */
        size_t errands;   /* under way, of any kind */
        int broken;       /* the last commit failed with this; 0: state can be written */
        usec_t broken_since;
        bool checkpointing;
        usec_t checkpoint_not_before; /* CLOCK_BOOTTIME: the last one failed */
        SchedulerAvailability told;   /* the last that was logged */
        bool lost;                    /* the lease is lost: nothing is done or written any more */
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
/** machine_wake_at() - look at all pauses at @when (CLOCK_BOOTTIME), if not before. */
void machine_wake_at(Machine *m, usec_t when);
void machine_untroubled(UowRun *run);
void machine_set_fresh(UowRun *run, bool fresh);
/** machine_recount() - bring what is counted of @run up to date; after whatever may change it. */
void machine_recount(UowRun *run);
void machine_arm_poll(Machine *m);
/** machine_look() - look at the lease: 0 an act may be begun now, -errno not; -EOWNERDEAD: never again. */
int machine_look(Machine *m);

int machine_arm(sd_event_source *source, usec_t when); /* CLOCK_BOOTTIME, once */
int machine_post_event(Machine *m, Uow **u, Event *ev);
void machine_run_free(Machine *m, UowRun *run);

/* machine-commit.c */
Posted *machine_posted_free(Posted *p);
int machine_on_turn(sd_event_source *s, void *userdata);

/* machine-poll.c */
bool machine_is_queued(const UowRun *run);
bool machine_wants_poll(const UowRun *run);
int machine_on_poll_due(sd_event_source *s, uint64_t usec, void *userdata);

/* machine-act.c */
/** machine_wants_chain() - a success that is to move on to the next instance. */
bool machine_wants_chain(const Machine *m, const Uow *u);
void machine_prepare(Machine *m);
void machine_act(Machine *m, Uow *u);
void machine_submit_line(Machine *m);

/* machine-scheduler.c */
extern const SchedulerEvents machine_scheduler_events;

/* machine-answer.c */
/** machine_answer() - post what an answer means; takes @data. What can't be posted is said, and the errand done again. */
void machine_answer(UowRun *run, EventType type, cJSON *data);
/** machine_object() - {@key: @value}, new value or NULL. */
cJSON *machine_object(const char *key, const char *value);
/** machine_ended_data() - the data of `ended` or, without @outcome, of `requeued`. New value or NULL. */
cJSON *machine_ended_data(
        UowOutcome outcome, const char *cause, const char *reason, const cJSON *job);
void machine_staged(int r, const cJSON *result, const Error *e, void *userdata);
void machine_settled(int r, const cJSON *result, const Error *e, void *userdata);
void machine_relocated(int r, const cJSON *result, const Error *e, void *userdata);
void machine_chained(int r, const cJSON *result, const Error *e, void *userdata);
void machine_purged(int r, const cJSON *result, const Error *e, void *userdata);
void machine_end(Machine *m, Uow *u, UowOutcome outcome, const char *cause, const char *reason,
        const cJSON *job);
