/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The supervisor: a fork of the daemon that runs one job and writes down how it ended.
 *
 * It is in a session of its own, has no descriptors but two folders, and does not mind the daemon's end. What it guarantees: the
 * script is run only after the job was claimed and was found not to have begun; the end is written only after the script and all it
 * left behind are gone; while it lives it gives signs of life.
 *
 * SIGTERM stops the job: as cancelled if that was ordered (ID.cancel), otherwise as a failure of the machine, because that is
 * what a shutdown looks like from here.
 */

#include "scheduler-local-internal.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>

#include "crashpoint.h"
#include "fileio.h"
#include "text.h"

#define STOPPED_OUTSIDE \
        "the machine was shut down, or the process that watched over the job was told to stop"

/* Between tries to write the end on a disk that is full. */
#define WRITE_AGAIN_S 5

/* ---- becoming it ---- */

static void reset_signals(void) {
        struct sigaction dfl = { .sa_handler = SIG_DFL };

        for (int sig = 1; sig <= SIGRTMAX; sig++)
                (void)sigaction(sig, &dfl, NULL);
}

/* The daemon's sockets, lease, logs and loop are not for us, and least of all for the script. */
static void close_others(int a, int b) {
        _cleanup_closedir_ DIR *d = opendir("/proc/self/fd");
        struct rlimit limit = { .rlim_cur = 1024 };
        const struct dirent *de;

        if (!d) {
                (void)getrlimit(RLIMIT_NOFILE, &limit);
                for (int fd = 3; fd < (int)limit.rlim_cur; fd++)
                        if (fd != a && fd != b)
                                close(fd);
                return;
        }
        while ((de = readdir(d))) {
                int fd = atoi(de->d_name);

                if (fd > 2 && fd != a && fd != b && fd != dirfd(d))
                        close(fd);
        }
}

static void detach(LocalStart *s) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);

        /* Clear of the three that are replaced below, should we have been started without them. */
        s->dir = fcntl(s->dir, F_DUPFD_CLOEXEC, 3);
        s->work = fcntl(s->work, F_DUPFD_CLOEXEC, 3);
        (void)setsid();
        (void)prctl(PR_SET_NAME, "flowcron-job");
        (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
        reset_signals();
        for (int fd = 0; fd <= 2 && null >= 0; fd++)
                (void)dup2(null, fd);
        close_others(s->dir, s->work);
        (void)setrlimit(RLIMIT_NOFILE, &s->descriptors);
        umask(022);
        if (chdir("/") < 0)
                _exit(1);
}

/* ---- what the script finds in its environment ---- */

static int set_number(char ***env, const char *name, int64_t value) {
        char text[24];

        snprintf(text, sizeof(text), "%" PRId64, value);
        return environment_set(env, name, text);
}

static int set_place(char ***env, const LocalRecord *r) {
        static const char *const names[] = { "SLURM_JOB_NODELIST", "SLURM_NODELIST",
                "SLURMD_NODENAME", "SLURM_SUBMIT_HOST" };
        int k = environment_set(env, "SLURM_SUBMIT_DIR", r->path);

        for (size_t i = 0; k >= 0 && i < ELEMENTSOF(names); i++)
                k = environment_set(env, names[i], r->host);
        return k;
}

static int set_size(char ***env, const LocalRecord *r) {
        static const struct {
                const char *name;
                int value;
        } ones[] = { { "SLURM_JOB_NUM_NODES", 1 }, { "SLURM_NNODES", 1 }, { "SLURM_NODEID", 0 },
                { "SLURM_PROCID", 0 }, { "SLURM_LOCALID", 0 } };
        const char *ntasks = r->ntasks ? r->ntasks : "1";
        int k = set_number(env, "SLURM_CPUS_ON_NODE", r->cpus);

        for (size_t i = 0; k >= 0 && i < ELEMENTSOF(ones); i++)
                k = set_number(env, ones[i].name, ones[i].value);
        if (k >= 0)
                k = environment_set(env, "SLURM_NTASKS", ntasks);
        if (k >= 0)
                k = environment_set(env, "SLURM_NPROCS", ntasks);
        if (k >= 0 && r->cpus_per_task)
                k = environment_set(env, "SLURM_CPUS_PER_TASK", r->cpus_per_task);
        return k;
}

static char **job_environment(char *const *login, const LocalRecord *r) {
        _cleanup_(strv_freep) char **env = strv_copy(login);
        const char *slash = strrchr(r->script, '/');
        int k = env ? set_number(&env, "SLURM_JOB_ID", (int64_t)r->id) : -ENOMEM;

        if (k >= 0)
                k = set_number(&env, "SLURM_JOBID", (int64_t)r->id);
        if (k >= 0)
                k = environment_set(&env, "SLURM_JOB_NAME", slash ? slash + 1 : r->script);
        if (k >= 0)
                k = set_place(&env, r);
        if (k >= 0)
                k = set_size(&env, r);
        return k >= 0 ? TAKE_PTR(env) : NULL;
}

/* ---- running it ---- */

static int count_cpus(void) {
        cpu_set_t set;
        long n = sysconf(_SC_NPROCESSORS_ONLN);

        if (sched_getaffinity(0, sizeof(set), &set) == 0)
                return CPU_COUNT(&set);
        return n > 0 ? (int)n : 1;
}

static int note_task(LocalRecord *r, const LocalTask *t) {
        if (t->memory > r->memory)
                r->memory = t->memory;
        if (t->state == LOCAL_COMPLETED)
                return 0;
        if (r->tasks_failed++ == 0) {
                r->state = t->state;
                r->exit_code = t->exit_code;
                r->signal = t->signal;
        }
        if (!r->tasks)
                r->tasks = calloc(OUTCOME_TASKS_MAX, sizeof(*r->tasks));
        if (!r->tasks)
                return -ENOMEM;
        if (r->n_tasks < OUTCOME_TASKS_MAX)
                r->tasks[r->n_tasks++] = *t;
        return 0;
}

static int run_array(LocalRun *run, LocalRecord *r, Error *e) {
        int k = 0;

        r->task_count = run->array->n;
        for (size_t i = 0; k == 0 && i < run->array->n; i++) {
                LocalTask t = { .index = run->array->index[i],
                        .state = run->stopped,
                        .exit_code = -1,
                        .signal = -1,
                        .elapsed_s = -1,
                        .memory = -1 };

                if (run->stopped == LOCAL_PENDING)
                        k = local_task_run(run, t.index, &t, e);
                if (k == 0)
                        k = note_task(r, &t);
        }
        if (r->tasks_failed == 0) {
                r->state = LOCAL_COMPLETED;
                r->exit_code = 0;
        } else if (run->stopped != LOCAL_PENDING)
                r->state = run->stopped;
        return k;
}

static int run_script(LocalRun *run, LocalRecord *r, Error *e) {
        LocalTask t;
        int k = local_task_run(run, -1, &t, e);

        if (k != 0)
                return k;
        r->state = t.state;
        r->exit_code = t.exit_code;
        r->signal = t.signal;
        r->memory = t.memory;
        return 0;
}

static int run_job(const LocalStart *s, LocalRecord *r, Error *e) {
        _cleanup_(strv_freep) char **env = job_environment(s->environment, r);
        _cleanup_close_ int uow = dir_open_at(s->work, r->folder);
        struct rusage self = { .ru_maxrss = 0 };
        LocalArray array;
        LocalRun run = { .dir = s->dir, .uow = uow, .record = r, .environment = env };
        int k;

        if (!env)
                return -ENOMEM;
        if (uow < 0)
                return error_set(
                        e, UOW_E_BLOCKED, "its folder can't be opened: %s", strerror(-uow));
        if (r->array && local_array_parse(r->array, &array) == 0)
                run.array = &array;
        (void)getrusage(RUSAGE_SELF, &self);
        run.memory_least = (int64_t)self.ru_maxrss * 1024;
        run.next_sign = clock_boottime() + LOCAL_SIGN_EVERY;
        k = run.array ? run_array(&run, r, e) : run_script(&run, r, e);
        if (k == 0 && r->state == LOCAL_NODE_FAIL)
                k = strdup_to(&r->note, STOPPED_OUTSIDE);
        return k;
}

/* ---- its course ---- */

static void note_usage(LocalRecord *r) {
        struct rusage u;

        if (getrusage(RUSAGE_CHILDREN, &u) == 0)
                r->cpu_s = (int64_t)u.ru_utime.tv_sec + u.ru_stime.tv_sec +
                        (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000000;
}

static int begin(const LocalStart *s, LocalRecord *r) {
        char host[65] = "localhost";

        if (gethostname(host, sizeof(host) - 1) == 0)
                host[sizeof(host) - 1] = 0;
        r->state = LOCAL_RUNNING;
        r->started = clock_now();
        r->cpus = count_cpus();
        if (strdup_to(&r->host, host) < 0)
                return -ENOMEM;
        return local_record_save(s->dir, r);
}

/* The end must not get lost, however long the disk is full. If the folder itself is gone, so is everybody who would read it. */
static void write_end(const LocalStart *s, const LocalRecord *r) {
        const struct timespec pause = { .tv_sec = WRITE_AGAIN_S };
        int k;

        while ((k = local_record_save(s->dir, r)) < 0 && k != -ENOENT && k != -ESTALE) {
                local_claim_sign(s->dir, r->id);
                nanosleep(&pause, NULL);
        }
}

/*
 * A record that says RUNNING under a new claim is of one who could not make sure that it was written, and gave the job back:
 * nothing was run.
 */
static int load_and_begin(const LocalStart *s, LocalRecord *ret) {
        int k = local_record_load(s->dir, s->id, ret);

        if (k < 0)
                return k;
        return local_state_ended(ret->state) ? -EALREADY : begin(s, ret);
}

_Noreturn void local_supervise(const LocalStart *start) {
        LocalStart own = *start, *s = &own;
        LocalRecord r;
        Error e = { "" };
        int k;

        detach(s);
        CRASH_POINT("local-before-claim");
        if (local_claim_take(s->dir, s->id, false) < 0)
                _exit(EXIT_FAILURE); /* another has it; or the daemon sees that nobody has, and tries again */
        CRASH_POINT("local-claimed");
        k = load_and_begin(s, &r);
        if (k < 0) {
                local_claim_drop(s->dir, s->id);
                _exit(EXIT_FAILURE);
        }
        CRASH_POINT("local-running");
        k = run_job(s, &r, &e);
        if (k != 0) {
                r.state = LOCAL_FAILED;
                (void)strdup_to(&r.note, k < 0 || !e.text[0] ? strerror(abs(k)) : e.text);
        }
        r.ended = clock_now();
        note_usage(&r);
        CRASH_POINT("local-before-end");
        write_end(s, &r);
        _exit(EXIT_SUCCESS);
}
