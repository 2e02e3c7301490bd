/* SPDX-License-Identifier: Apache-2.0 */

/*
 * standin-slurm: a stand-in for the client commands of Slurm 22.05, for tests.
 *
 * One program under many names (sbatch, squeue, ...). All that a cluster would remember lives in
 * one folder, the state; each call takes the state's lock, does its work and leaves. There is no
 * daemon: a job that really runs has a runner process of its own, and whoever changes something
 * also does the scheduling that follows from it.
 *
 * The way through: main.c picks the command and reads knobs and faults; the commands
 * (sbatch*.c, squeue*.c, sacct*.c, scontrol*.c, scancel.c, site.c, ctl.c) parse and print;
 * job.c holds the rules of a job's life; run.c runs scripts; db.c stores; truth.c keeps the
 * ground truth that the tests judge by.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define NO_VALUE UINT32_MAX
#define NO_LIMIT 0u
/* Slurm's default MaxArraySize, 1001, fits */
#define ARRAY_TASKS_MAX 1024u
#define SLURM_VERSION_TEXT "slurm-wlm 22.05.8"

/* ---- text.c: strings that grow, times ---- */

typedef struct Text {
        char *s; /* always NUL-terminated once something was added; NULL before */
        size_t n, cap;
} Text;

void text_add(Text *t, const char *s);
void text_add_bytes(Text *t, const void *s, size_t n);
void text_addf(Text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Pads or cuts like squeue: width 0 leaves the value alone. */
void text_add_padded(Text *t, const char *s, size_t width, bool right);
/* A JSON string with its quotes; bytes from 0x80 up stay as they are, so that nothing is lost. */
void text_add_json(Text *t, const char *s);
/* Never NULL. */
const char *text_str(const Text *t);
void text_free(Text *t);

void *xcalloc(size_t n, size_t size);
/* Room for one more in an array of n. */
void *one_more(void *array, size_t n, size_t size);
char *xstrdup(const char *s);
void die(int code, const char *fmt, ...) __attribute__((noreturn, format(printf, 2, 3)));

int64_t now_ms(void);
void sleep_ms(int64_t ms);
/* 2026-11-21T07:37:03 in local time, or `unset` when ms is 0; the answer is in a rotating buffer. */
const char *time_iso(int64_t ms, const char *unset);
/* [D-]HH:MM:SS as sacct and scontrol write it. */
const char *span_long(int64_t seconds);
/* [D-][H:]M:SS as squeue writes it. */
const char *span_short(int64_t seconds);
/* Slurm's ways to write a time limit, in minutes (rounded up); -1: not a time. UNLIMITED is 0. */
int64_t parse_limit(const char *s);
/* now, now+1hour, HH:MM, 2026-11-21[THH:MM[:SS]], epoch seconds; -1: not a time. In ms. */
int64_t parse_when(const char *s);
/* Reads a whole file; NULL when it is not there. The caller frees. */
char *read_whole(const char *path, size_t *ret_size);
/* Replaces a file in one step. */
void write_whole(const char *path, const void *data, size_t n, mode_t mode);
bool list_has(const char *comma_list, const char *word, size_t len);

/* ---- db.c: the state on disk ---- */

typedef enum JobState {
        JOB_PENDING,
        JOB_RUNNING,
        JOB_SUSPENDED,
        JOB_COMPLETED,
        JOB_CANCELLED,
        JOB_FAILED,
        JOB_TIMEOUT,
        JOB_NODE_FAIL,
        JOB_PREEMPTED,
        JOB_BOOT_FAIL,
        JOB_DEADLINE,
        JOB_OUT_OF_MEMORY,
        JOB_REQUEUED,
        JOB_STATES,
} JobState;

enum { /* Job.flags */
        JF_HELD = 1,
        JF_HELD_ADMIN = 2,
        JF_COMPLETING = 4, /* over, but its processes or its epilogue are not */
        JF_LAUNCHED = 8,   /* a runner was started for it */
        JF_RELATED = 16,   /* counted as active: not over */
        JF_APPEND = 32,    /* --open-mode=append */
        JF_EVER_STARTED = 64,
        JF_OTHERS = 128, /* another user's */
};

/* A string in the heap; offset 0 is the empty string. */
typedef uint64_t Str;

enum { /* Job.str */
        JS_NAME,
        JS_COMMENT,
        JS_WORKDIR,
        JS_SUBMIT_DIR,
        JS_SUBMIT_LINE,
        JS_COMMAND,
        JS_STDOUT,
        JS_STDERR,
        JS_STDIN,
        JS_PARTITION,
        JS_ACCOUNT,
        JS_QOS,
        JS_REASON,
        JS_DEPEND,
        JS_MEM,
        JS_STEPS, /* name:exit code, separated by spaces */
        JS_NODES,
        JS_COUNT,
};

/*
 * A record: a job, a task of an array, a part of a heterogeneous job, or what is left of an array
 * (the tasks that have not started, `kind` JK_ARRAY). Index 0 is never used and means none.
 */
typedef enum JobKind {
        JK_PLAIN,
        JK_ARRAY,
        JK_TASK,
        JK_HET
} JobKind;

typedef struct Job {
        uint32_t index;
        uint32_t id;
        uint32_t kind;
        uint32_t state;
        uint32_t flags;
        uint32_t uid;
        uint32_t group_id; /* array or heterogeneous job's id; 0 for a plain job */
        uint32_t task;     /* task number or part number; NO_VALUE for a plain job */
        uint32_t throttle;
        uint32_t task_count, task_min, task_max, task_step; /* of the whole array */
        uint32_t previous;                                  /* earlier record with the same id */
        uint32_t family_head, family_next; /* all records of one array or het job */
        uint32_t active_next;
        uint32_t wait_for;  /* an earlier life whose runner must end first */
        uint32_t spool_id;  /* whose script and environment */
        uint32_t limit_min; /* minutes, NO_LIMIT for none */
        uint32_t nodes, cpus, cancel_uid, restarts, priority;
        uint32_t umask;
        int32_t runner, session; /* pids; session leads the script's process group */
        uint64_t pid_space;      /* the pid namespace in which they mean something */
        int32_t exit_code, exit_signal, derived_code;
        uint32_t max_rss_kb, cpu_ms;
        int64_t created_ms; /* when this record came to be, for the accounting's lag */
        int64_t submit_ms, eligible_ms, start_ms, end_ms;
        uint64_t tasks[ARRAY_TASKS_MAX / 64]; /* JK_ARRAY: tasks that have not started */
        Str str[JS_COUNT];
} Job;

typedef struct Db {
        uint64_t magic;
        uint32_t count; /* records in use, the unused one included */
        uint32_t next_id;
        uint32_t active_head, active_tail;
        uint32_t unfinished; /* jobs that are not over, tasks counted singly */
        uint32_t running;
        uint64_t heap_used;
        uint64_t calls[16];
        uint64_t fault_rolls;
} Db;

extern Db *db;
extern char state_dir[4096];

/* Opens (and on the first use makes) the state and takes its lock. */
void db_lock(void);
void db_unlock(void);
/* To be called in a child before anything else: the lock is the parent's. */
void db_forget_lock(void);
Job *job_at(uint32_t index);
/* A zeroed record with a new id, not yet visible to anybody; see db_commit_job. */
Job *db_new_job(uint32_t id);
void db_commit_job(Job *j);
/* The newest record with that id, or NULL. */
Job *db_find(uint32_t id);
void db_family_add(Job *head, Job *j);
/* Takes what follows `before` (0: the first) off the list of active jobs. */
void db_unlink_active(uint32_t before, Job *j);
Str db_str(const char *s);
const char *str_get(const Job *j, int which);
void str_set(Job *j, int which, const char *s);
const char *state_path(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* ---- job.c: a job's life ---- */

extern const char *const state_names[JOB_STATES];
extern const char *const state_short[JOB_STATES];
/* -1: no such state. Takes both spellings, any case. */
int state_parse(const char *s, size_t n);
static inline bool state_over(uint32_t s) {
        return s >= JOB_COMPLETED;
}
void job_set_state(Job *j, JobState s, int64_t when);
void job_start(Job *j, int64_t when);
void job_end(Job *j, JobState s, int code, int sig, int64_t when);
/* Kills what runs, too. `tasks`: of a JK_ARRAY only these; NULL: all. */
void job_cancel(Job *j, uint32_t uid, const uint64_t *tasks);
/* Gives a task of an array its own record; the last one keeps the array's. NULL: no such task. */
Job *job_split(Job *array, uint32_t task);
/* A new life under the same id. */
Job *job_requeue(Job *j, bool held);
void job_hold(Job *j, bool admin);
void job_release(Job *j);
/* Lets pass what time alone brings about (autocomplete); forgets what the controller forgets. */
void jobs_settle(void);
bool job_forgotten(const Job *j);
/* "7", "7_3", "7_[1-4%2]", "7+1". */
const char *job_name_id(const Job *j);
const char *tasks_text(const uint64_t *tasks, uint32_t throttle);
bool tasks_parse(const char *s, uint64_t *ret_tasks, uint32_t *ret_throttle);
uint32_t tasks_count(const uint64_t *tasks);
static inline bool task_in(const uint64_t *tasks, uint32_t t) {
        return t < ARRAY_TASKS_MAX && (tasks[t / 64] >> (t % 64) & 1);
}

/*
 * A job as people name it: ID, ID_TASK, ID_[TASKS], ID+PART, with .STEP after it.
 * kind: 0 not a job's name, 1 ID alone, 2 with task, 3 with a list of tasks, 4 with part.
 */
typedef struct JobName {
        int kind;
        uint32_t id, sub;
        uint64_t tasks[ARRAY_TASKS_MAX / 64];
        char step[32];
} JobName;
JobName job_name_parse(const char *s, size_t n);
/* Is this record (of any life) meant? */
bool job_name_means(const JobName *n, const Job *j);
/* Calls fn for each record meant, latest lives only; returns how many there were. */
size_t job_name_each(const JobName *n, void (*fn)(Job *, void *), void *arg);

/* Thousands of ids at once, as a poll asks for them. */
typedef struct JobNames {
        uint32_t *plain; /* ids alone, sorted */
        size_t n_plain;
        JobName *special; /* with task, part or step */
        size_t n_special;
} JobNames;
/* Adds a comma list; answers NULL, or where there is no job's name, and how long that is. */
const char *job_names_add(JobNames *names, const char *list, size_t *ret_len);
static inline size_t job_names_count(const JobNames *names) {
        return names->n_plain + names->n_special;
}
bool job_names_plainly_mean(const JobNames *names, const Job *j);
bool job_names_mean(const JobNames *names, const Job *j);

/* ---- run.c: jobs that really run ---- */

/* Starts what may start. Lock held. */
void schedule(void);
/* Sends the runner and its script a signal; sig 0: tells the runner to look at the job again. */
void runner_signal(const Job *j, int sig);
/* Kills all that runs for the job, at once. */
void run_kill(Job *j);
/* A job whose runner was killed from outside is a job whose node died. */
void run_check(Job *j);
const char *node_name(void);
/* The file's name with Slurm's % put in, absolute. */
void expand_output(Text *t, const Job *j, const char *pattern);
/* Becomes a child that outlives us: own session, no terminal, nothing of ours open. */
pid_t fork_detached(void);

/* ---- knobs.c: knobs and faults ---- */

const char *knob(const char *name, const char *dflt);
int64_t knob_int(const char *name, int64_t dflt);
/* Reads the knobs anew, for a process that outlives a change of theirs. */
void knobs_reload(void);

typedef enum FaultKind {
        F_DOWN,
        F_TIMEOUT,
        F_HANG,
        F_KILL,
        F_DELAY,
        F_LATE,
        F_WARN_STDERR,
        F_WARN_STDOUT,
        F_SILENT,
        F_GARBAGE,
        F_LIMIT,
        F_EXIT,
        F_EMPTY,
        F_PARTIAL,
        F_CUT,
        F_FLOOD,
        F_OTHERS,
        F_KINDS,
} FaultKind;

typedef struct Fault {
        bool set;
        bool done; /* the "-done" form: strike after the work was done */
        int64_t ms, rows, bytes;
        int sig, rc;
        bool has_rc;
        char how[16];
        char text[512];
} Fault;

extern Fault faults[F_KINDS];
/* Reads the faults for this command, counts them down. Lock held. */
void faults_load(const char *command, int argc, char **argv);
/* Faults before the work: may end the process; command as for controller_error. */
void faults_before(const char *command);
/* Faults after the work and before the answer. */
void faults_after(const char *command);
/* Writes the answer, as the faults will have it, and ends. */
void answer(const char *command, const Text *out, int rc) __attribute__((noreturn));
/* The jobs that this call names, and whether it is a requeue: for the words of the errors. */
extern char **call_jobs;
extern bool call_is_requeue;
/*
 * "sbatch: error: Batch job submission failed: WHY" and the like, with that command's exit code.
 * scontrol is "show jobs", "show config", "show partitions", "change", "update" or "ping" here.
 */
void controller_error(const char *command, const char *why) __attribute__((noreturn));

/* ---- truth.c: for the judges ---- */

void truth_submit(const Job *j, int argc, char **argv, const char *cwd, size_t env_count);
void truth_run(const Job *j, const char *event, pid_t pid, int code, int sig);
void truth_change(const Job *j, const char *event);
void truth_call(const char *command, int argc, char **argv);

/* ---- the commands ---- */

int main_sbatch(int argc, char **argv);
int main_squeue(int argc, char **argv);
int main_sacct(int argc, char **argv);
int main_scancel(int argc, char **argv);
int main_scontrol(int argc, char **argv);
int main_sinfo(int argc, char **argv);
int main_sacctmgr(int argc, char **argv);
int main_ctl(int argc, char **argv);

void show_job(Text *out, const Job *j, bool oneline);
void show_config(Text *out);
const char *user_name(uint32_t uid);
/* A job of another user, to be printed and not stored; its id may be counted up. */
Job make_other(void);
