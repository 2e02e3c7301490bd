/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The inside of the Slurm backend, shared by its files only:
 *
 *   scheduler-slurm.c         the table of the backend; the environment; health
 *   scheduler-slurm-order.c   submit, release, cancel: one command each
 *   scheduler-slurm-poll.c    one squeue and one sacct for all, and what comes of them
 *   scheduler-slurm-follow.c  jobs whose id is known
 *   scheduler-slurm-lookup.c  submissions whose answer is missing
 *   scheduler-slurm-memory.c  what is remembered of a job from poll to poll
 */

#include <sys/queue.h>

#include "command.h"
#include "login.h"
#include "scheduler.h"
#include "slurm-args.h"

/* An answer about 18,000 jobs is some 10 MB. */
#define ANSWER_MAX (128U * 1024 * 1024)

/*
 * Further jobs of one Unit of Work that are followed; a workflow engine run as a job may submit
 * many.
 */
#define FURTHER_MAX 1000

typedef struct Slurm Slurm;

/* What is known of one Unit of Work from poll to poll. */
typedef struct Item {
        Uow *uow;
        char id[UOW_ID_MAX];
        int attempt;
        uint32_t job; /* 0: not known yet, looked for by its token */
        char job_id[16];
        char token[SCHEDULER_TOKEN_MAX];
        char *path;     /* of its folder */
        uint32_t tasks; /* of its array; 0: no array, or not known */
        bool cancelling, held, imported;
        usec_t submitted; /* wall clock */

        /* Carried from poll to poll. */
        uint32_t *further; /* jobs that it submitted, sorted */
        size_t n_further;
        uint32_t *
                done; /* array tasks that the controller showed as ended, sorted: it forgets them one by one */
        size_t n_done;
        usec_t unresolved_since; /* squeue lists it as alive no more, and its end is not told: CLOCK_BOOTTIME; 0: not so */
        usec_t unresolved_noted; /* the same as the file has it, wall clock */
        uint64_t fingerprint;    /* of accounting's last picture */
        unsigned same;           /* so many polls in a row */
        JobReport
                evidence; /* how it ended, as the controller told while it knew; .ended false: nothing */
        usec_t evidence_since; /* CLOCK_BOOTTIME */
        usec_t asked_since;    /* looked for in this life since then, CLOCK_BOOTTIME */
        unsigned absent;       /* look-ups in a row that found nothing in any source */

        /* Of the poll under way. */
        bool asks; /* accounting is asked about it */
} Item;

/* An order under way, or waiting for the environment. */
typedef enum OpKind {
        OP_SUBMIT,
        OP_RELEASE,
        OP_CANCEL,
        OP_CANCEL_STRAY
} OpKind;

typedef struct Op {
        Slurm *slurm;
        OpKind kind;
        Uow *uow; /* NULL for a stray */
        char id[UOW_ID_MAX];
        int attempt;
        char **argv;
        int cwd;
        Command *command;
        sd_event_source *later; /* tells that it could not even be started */
        char *trouble;
        TAILQ_ENTRY(Op) entry;
} Op;

/* When a submission whose answer is missing was certainly over. */
typedef struct Death {
        char id[UOW_ID_MAX];
        int attempt;
        usec_t when; /* CLOCK_BOOTTIME */
        TAILQ_ENTRY(Death) entry;
} Death;

struct Slurm {
        Scheduler *scheduler;
        Login *login;
        char **query_environment; /* the login environment, with what makes output readable */
        TAILQ_HEAD(, Op) ops;
        TAILQ_HEAD(, Death) deaths;
        usec_t started,
                started_boottime; /* wall clock, and CLOCK_BOOTTIME: older submissions are dead */

        Item *items; /* of the last or present poll, sorted by id */
        size_t n_items;
        bool poll_waits; /* for the environment */
        sd_event_source *poll_start;
        Command *query, *version;
        char marker[SLURM_MARKER_MAX];
        SlurmTable squeue, sacct;
        bool sacct_answered;         /* in this poll */
        bool by_user;                /* the sacct call was about all of the user's jobs */
        bool turn_by_user;           /* whose turn it is when both are wanted */
        bool no_submit_line;         /* this Slurm's sacct does not know that field */
        usec_t accounting_off_since; /* CLOCK_BOOTTIME; 0: accounting is there, as far as is known */
        bool squeue_down, sacct_down;
        usec_t squeue_down_since, sacct_down_since; /* wall clock */
        char squeue_trouble[160], sacct_trouble[160];
        char *memory_written; /* the file's text as on disk; NULL: none */
};

/* scheduler-slurm.c */
void slurm_tell_health(Slurm *s);
/** slurm_note_failure() - a command could not reach the controller; @text says how */
void slurm_note_failure(Slurm *s, const char *text);
/** slurm_grace() - how long accounting may lag, and a request be on its way */
usec_t slurm_grace(const Slurm *s);

/* scheduler-slurm-order.c */
int slurm_submit(Scheduler *scheduler, Uow *u);
void slurm_withdraw(Scheduler *scheduler);
int slurm_release(Scheduler *scheduler, Uow *u);
int slurm_cancel(Scheduler *scheduler, Uow *u);
/** slurm_cancel_stray() - end a second job of @item's token, @job */
void slurm_cancel_stray(Slurm *s, const Item *item, uint32_t job);
/** slurm_start_waiting() - the environment is there: start the orders that wait for it */
void slurm_start_waiting(Slurm *s);
/** slurm_submit_is_under_way() - an sbatch of this attempt runs, or waits to */
bool slurm_submit_is_under_way(const Slurm *s, const Item *item);
/** slurm_dead_for() - for how long the last sbatch of this attempt has certainly been over, whoever set the clock meanwhile */
usec_t slurm_dead_for(const Slurm *s, const Item *item);
void slurm_ops_free(Slurm *s);

/* scheduler-slurm-poll.c */
int slurm_poll(Scheduler *scheduler, Uow **uows, size_t n);
void slurm_poll_start(Slurm *s);
int slurm_on_poll_start(sd_event_source *source, void *userdata);

/* scheduler-slurm-follow.c */
/** slurm_follow_queue() - what squeue says of @item; sets item->asks if accounting must be asked */
void slurm_follow_queue(Slurm *s, Item *item, const SlurmRow *const *by_folder, size_t n);
/**
 * slurm_follow_end() - squeue lists it no longer as alive, and accounting has answered (or there is
 * none)
 */
void slurm_follow_end(Slurm *s, Item *item);
/** slurm_follow_unanswered() - the same, but accounting has not answered */
void slurm_follow_unanswered(Slurm *s, Item *item);

/* scheduler-slurm-lookup.c */
void slurm_look_up(Slurm *s, Item *item);
/** slurm_find_strays() - second jobs of a token that is taken: cancel them */
void slurm_find_strays(Slurm *s);

/* scheduler-slurm-memory.c */
/**
 * slurm_items_take() - items for @uows, with what is remembered of them; the old ones are let go
 */
int slurm_items_take(Slurm *s, Uow **uows, size_t n);
void slurm_items_free(Slurm *s);
/** slurm_item_add_further() - 0 or -ENOMEM; beyond FURTHER_MAX they are not followed */
int slurm_item_add_further(Item *item, uint32_t job);
/** slurm_item_add_done() - 0 or -ENOMEM */
int slurm_item_add_done(Item *item, uint32_t task);
Item *slurm_item_find(Slurm *s, const char *id);
/**
 * slurm_memory_load(), slurm_memory_save() - since when jobs are unresolved, for a life to come:
 * .flowcron/slurm-unresolved.json
 */
void slurm_memory_load(Slurm *s, Item *items, size_t n);
void slurm_memory_save(Slurm *s);
