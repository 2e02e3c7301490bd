/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The inside of the local backend, shared by its files only:
 *
 *   scheduler-local.c            the table of the backend; the poll; what brings it its turn
 *   scheduler-local-order.c      submit, release, cancel
 *   scheduler-local-start.c      what starts when; what the machine is told
 *   scheduler-local-jobs.c       the jobs in memory, kept in step with the folder
 *   scheduler-local-script.c     what a script asks for
 *   scheduler-local-record.c     the files of a job: its record
 *   scheduler-local-claim.c      the files of a job: who has begun it, and who wants it stopped
 *   scheduler-local-process.c    which processes live
 *   scheduler-local-supervise.c  the supervisor: a process of its own
 *   scheduler-local-task.c       its child, the script, from start to the last leftover
 *   scheduler-local-report.c     what a job's end means
 *
 * The folder .flowcron/local holds for each job:
 *
 *   ID.json    the record, replaced as a whole. Written by the daemon until it is claimed, by the claimant afterwards
 *   ID.claim   who has it; comes into being whole and once. Its time of modification is the supervisor's sign of life
 *   ID.cancel  somebody wants it stopped
 */

#include <sys/queue.h>
#include <sys/resource.h>

#include "login.h"
#include "scheduler.h"

/* As Slurm's MaxArraySize has it by default: indices 0 to 1000. */
#define LOCAL_ARRAY_MAX 1001

/* How often a supervisor gives a sign of life; and how long a silence means that it is dead, where nothing better tells. */
#define LOCAL_SIGN_EVERY USEC_PER_MINUTE
#define LOCAL_SILENCE_MAX (15 * USEC_PER_MINUTE)

/* After a start that failed, and while something that was killed has not gone yet. */
#define LOCAL_AGAIN (2 * USEC_PER_SEC)

/* ---- processes ---- */

/* A process, told apart from any that had or will have its number. */
typedef struct LocalProcess {
        char host[65];
        char boot_id[33];   /* "" if not known */
        char pid_space[33]; /* of the pid: two containers on one host share the boot id */
        int pid;
        uint64_t start; /* clock ticks since boot */
} LocalProcess;

typedef enum LocalLife {
        LOCAL_LIFE_UNKNOWN, /* it is, or was, elsewhere */
        LOCAL_LIFE_ALIVE,
        LOCAL_LIFE_DEAD, /* or a zombie */
} LocalLife;

void local_process_self(LocalProcess *ret);
LocalLife local_process_life(const LocalProcess *p);

/**
 * local_process_kill_orphans() - kill what is left of the session that @p, which is dead, was the leader of
 * Returns how many were found: 0 means that none is left; -errno if it can't be told.
 */
int local_process_kill_orphans(const LocalProcess *p);

/** local_process_kill_children() - SIGKILL for every child of ours. Returns how many were found, or -errno. */
int local_process_kill_children(void);

/* ---- a job's files ---- */

typedef enum LocalState {
        LOCAL_PENDING,
        LOCAL_RUNNING,
        LOCAL_COMPLETED, /* this and what follows: ended */
        LOCAL_FAILED,
        LOCAL_TIMEOUT,
        LOCAL_CANCELLED,
        LOCAL_NODE_FAIL,
        _LOCAL_STATE_MAX,
} LocalState;

static inline bool local_state_ended(LocalState s) {
        return s >= LOCAL_COMPLETED;
}

const char *local_state_to_string(LocalState s);

/* How the script, or one task of its array, ended. -1: not known, or there is none. */
typedef struct LocalTask {
        uint32_t index;
        LocalState state;
        int exit_code, signal;
        int64_t elapsed_s, memory;
} LocalTask;

typedef struct LocalRecord {
        uint64_t id;
        char token[SCHEDULER_TOKEN_MAX];
        char uow[UOW_ID_MAX];
        int attempt;
        char *folder;                 /* raw bytes: its name in the work area */
        char *path;                   /* raw bytes, absolute */
        char *script;                 /* raw bytes, from the UoW's root */
        char *interpreter, *argument; /* of its first line; raw bytes, @argument may be NULL */
        char *array, *cpus_per_task, *ntasks; /* NULL: not asked for */
        int64_t time_limit_s;                 /* 0: none */
        LocalState state;
        usec_t submitted, started, ended;
        char *host;            /* where it runs; raw bytes */
        char *note;            /* why it could not be run, or was stopped; for people */
        int exit_code, signal; /* of the script, or of the first task that failed; -1: none */
        int64_t memory, cpu_s; /* -1: not known */
        int cpus;
        size_t task_count, tasks_failed; /* of an array; 0: it is none */
        LocalTask *tasks;                /* those without success, OUTCOME_TASKS_MAX at most */
        size_t n_tasks;
} LocalRecord;

void local_record_done(LocalRecord *r);

/** local_record_create() - a new job, durable when this returns 0. -EEXIST if the id is taken. */
int local_record_create(int dir, const LocalRecord *r);
int local_record_save(int dir, const LocalRecord *r);
/** local_record_load() - 0; -ENOENT; -EBADMSG if it is not whole; other -errno. */
int local_record_load(int dir, uint64_t id, LocalRecord *ret);
/** local_record_remove() - the record and all that belongs to it. */
void local_record_remove(int dir, uint64_t id);

#define LOCAL_NAME_MAX 64
/** local_file_name() - "ID@suffix" */
const char *local_file_name(char buf[static LOCAL_NAME_MAX], uint64_t id, const char *suffix);
/** local_file_id() - the id of file @name "ID@suffix", 0 for any other name */
uint64_t local_file_id(const char *name, const char *suffix);

/** local_read_json() - 0; -EBADMSG if it is none; other -errno */
int local_read_json(int dir, const char *name, cJSON **ret);
/** local_copy_text() - -EBADMSG if it is missing or too long */
int local_copy_text(char *buf, size_t size, const cJSON *o, const char *key);

typedef struct LocalClaim {
        LocalProcess process;
        bool cancel;  /* by a daemon that ended it before it had begun */
        usec_t signs; /* the last sign of life, by the file's time */
} LocalClaim;

/** local_claim_take() - make the job ours. 0 once and for one caller only; -EEXIST for all others; other -errno. */
int local_claim_take(int dir, uint64_t id, bool cancel);
/** local_claim_load() - 0; -ENOENT: nobody has it; other -errno. */
int local_claim_load(int dir, uint64_t id, LocalClaim *ret);
/** local_claim_drop() - of a claim of ours, before anything was done under it. */
void local_claim_drop(int dir, uint64_t id);
void local_claim_sign(int dir, uint64_t id);

/** local_cancel_note() - write down that the job is to be stopped. May be repeated. 0 or -errno. */
int local_cancel_note(int dir, uint64_t id);
bool local_cancel_is_noted(int dir, uint64_t id);

/* ---- what a script asks for ---- */

typedef struct LocalArray {
        uint32_t index[LOCAL_ARRAY_MAX]; /* ascending */
        size_t n;
        uint32_t step;
} LocalArray;

/** local_array_parse() - "0-4", "1,3,5", "0-10:2", "1-9%2". 0, or UOW_E_INVALID; @ret is changed in both cases. */
int local_array_parse(const char *text, LocalArray *ret);

/** local_time_parse() - "90", "1:30", "2:00:00", "1-12", "1-12:30", "1-12:30:00", "UNLIMITED" in seconds, 0: no limit. 0 or -EINVAL. */
int local_time_parse(const char *text, int64_t *ret);

/**
 * local_script_read() - fill in what the script asks for: script, interpreter, array, limits
 * @name: within scripts/. Returns 0; UOW_E_REJECTED with the reason for people in @e; -errno.
 */
int local_script_read(int uowdir, const char *name, LocalRecord *r, Error *e);

/** local_report() - what to tell the machine about a job. 0 or -ENOMEM. */
int local_report(const LocalRecord *r, JobReport *ret);

/* ---- the supervisor ---- */

/* What it is given; inherited by fork. */
typedef struct LocalStart {
        uint64_t id;
        int dir;  /* .flowcron/local */
        int work; /* the work area */
        char *const *environment;
        struct rlimit descriptors; /* as they were at login */
} LocalStart;

/** local_supervise() - become the supervisor of a job; called in a forked child with all signals blocked. */
_Noreturn void local_supervise(const LocalStart *start);

typedef struct LocalRun {
        int dir, uow; /* folders */
        const LocalRecord *record;
        char **environment;      /* without what is different for each task */
        const LocalArray *array; /* NULL: no array */
        LocalState
                stopped; /* LOCAL_CANCELLED or _NODE_FAIL: somebody wants the whole job stopped; else LOCAL_PENDING */
        int64_t memory_least; /* any child is counted with as much: it begins as a copy of us */
        usec_t next_sign;     /* CLOCK_BOOTTIME */
} LocalRun;

/**
 * local_task_run() - run the script once, to its end, and until none of its processes is left
 * @index: of the array's task; -1: no array
 * 0; UOW_E_BLOCKED if it could not be begun, with the reason in @e; -ENOMEM.
 */
int local_task_run(LocalRun *run, int64_t index, LocalTask *ret, Error *e);

/* ---- the daemon's side ---- */

/* A job as the daemon sees it. */
typedef struct LocalJob {
        struct Local *local;
        LocalRecord record;
        bool claimed;
        LocalProcess supervisor; /* if claimed */
        Uow *uow; /* NULL: nobody asks about it, so it is never started. Records of Units of Work outlive us. */
        bool asked;  /* in this poll */
        pid_t child; /* a supervisor of ours; 0: none */
        sd_event_source *ended;
        usec_t not_before; /* CLOCK_BOOTTIME: a start failed */
        TAILQ_ENTRY(LocalJob) entry;
} LocalJob;

typedef enum LocalOrderKind {
        LOCAL_SUBMIT,
        LOCAL_RELEASE,
        LOCAL_CANCEL
} LocalOrderKind;

typedef struct LocalOrder {
        LocalOrderKind kind;
        Uow *uow;
        int attempt;
        TAILQ_ENTRY(LocalOrder) entry;
} LocalOrder;

typedef struct Local {
        Scheduler *scheduler;
        Login *login;
        int dir;     /* .flowcron/local, -1: not yet opened */
        int changes; /* inotify, or -1 */
        bool loaded, watching, withdrawn;
        uint64_t highest;                        /* id that was ever given */
        TAILQ_HEAD(LocalJobList, LocalJob) jobs; /* by id */
        TAILQ_HEAD(, LocalOrder) orders;
        Uow **asked; /* the poll that is to be answered */
        size_t n_asked;
        sd_event_source *turn, *again, *changed;
        char trouble[160]; /* "": none */
} Local;

/* scheduler-local-jobs.c */
/** local_jobs_load() - open and read the folder, once. 0 or -errno. */
int local_jobs_load(Local *l);
/** local_jobs_add() - takes what @r holds. New job or NULL without memory. */
LocalJob *local_jobs_add(Local *l, LocalRecord *r);
LocalJob *local_jobs_find(Local *l, uint64_t id);
LocalJob *local_jobs_by_token(Local *l, const char *token);
/** local_job_of() - the job of @u's present attempt, or NULL */
LocalJob *local_job_of(Local *l, const Uow *u);
void local_jobs_free(Local *l);
/** local_jobs_tidy() - remove what is old and nobody asks about. */
void local_jobs_tidy(Local *l);

/**
 * local_job_refresh() - look at the job's files and processes
 * Returns 1 if it has begun or ended since the last look, 0 if not, -errno if that can't be told now.
 */
int local_job_refresh(LocalJob *j);

/** local_job_drop() - claim a job that has not begun, and end it as cancelled. 0; -EEXIST: it has begun; -errno. */
int local_job_drop(LocalJob *j);

/** local_job_uses_slot() - its supervisor runs, or is about to. */
bool local_job_uses_slot(const LocalJob *j);

/* scheduler-local-start.c */
/** local_job_tell() - report it to the machine, if its Unit of Work still waits for it */
void local_job_tell(LocalJob *j);
/** local_job_look() - refresh it, and tell what is new */
void local_job_look(LocalJob *j);
/** local_jobs_start() - start as many as there are slots for; first come, first served */
void local_jobs_start(Local *l);

/* scheduler-local-order.c */
void local_orders_carry_out(Local *l);
/** local_orders_withdraw() - answer what waits, submissions as put off; not orders to cancel */
void local_orders_withdraw(Local *l);

/* scheduler-local.c */
/** local_ready() - the folder is read and watched. 0 or -errno. */
int local_ready(Local *l);
void local_turn_soon(Local *l);
void local_turn_later(Local *l, usec_t when);
/** local_note_trouble() - for `status`; @what NULL: all is well */
void local_note_trouble(Local *l, const char *what, int r);
