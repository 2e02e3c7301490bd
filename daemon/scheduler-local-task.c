/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One run of the script, in the supervisor's care.
 *
 * The script is a child of the supervisor and leads a process group of its own in the supervisor's session; whatever loses
 * its parent below it becomes a child of the supervisor, too (PR_SET_CHILD_SUBREAPER). So the end is the end: when
 * local_task_run() returns, nothing that the script started is left, unless it can't be killed at all.
 *
 * Called by scheduler-local-supervise.c, with all signals blocked.
 */

#include "scheduler-local-internal.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "fileio.h"
#include "text.h"

/* From SIGTERM to SIGKILL. */
#define KILL_AFTER (10 * USEC_PER_SEC)

/* How long leftovers are waited for that don't die of SIGKILL: they hang in the kernel, or are not ours to kill. */
#define LEFTOVERS_MAX (60 * USEC_PER_SEC)

/* How many files may be in the way of an output file. */
#define ASIDE_MAX 100

/* ---- output files ---- */

/* Whatever has that name already, an earlier output or a link laid by the uploader, is kept under another. */
static int move_aside(int dir, const char *name) {
        struct stat st;

        if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : -errno;
        for (int i = 1; i <= ASIDE_MAX; i++) {
                char other[NAME_MAX];
                int r;

                snprintf(other, sizeof(other), "%s.%d", name, i);
                r = move_at(dir, name, dir, other);
                if (r != -EEXIST)
                        return r;
        }
        return -EEXIST;
}

static int open_output(const LocalRun *run, int64_t index, const char *suffix, int *ret, Error *e) {
        char name[64];
        int fd = -1, r;

        if (index >= 0)
                snprintf(name, sizeof(name), "slurm-%" PRIu64 "_%" PRId64 ".%s", run->record->id,
                        index, suffix);
        else
                snprintf(name, sizeof(name), "slurm-%" PRIu64 ".%s", run->record->id, suffix);
        r = move_aside(run->uow, name);
        if (r == 0) {
                fd = openat(run->uow, name,
                        O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0666);
                r = fd < 0 ? -errno : 0;
        }
        if (r < 0)
                return error_set(e, UOW_E_BLOCKED, "its output file %s can't be made: %s", name,
                        strerror(-r));
        *ret = fd;
        return 0;
}

/* ---- the child ---- */

static char **task_environment(const LocalRun *run, int64_t index) {
        _cleanup_(strv_freep) char **env = strv_copy(run->environment);
        const LocalArray *a = run->array;
        struct {
                const char *name;
                int64_t value;
        } vars[] = {
                { "SLURM_ARRAY_JOB_ID", (int64_t)run->record->id },
                { "SLURM_ARRAY_TASK_ID", index },
                { "SLURM_ARRAY_TASK_COUNT", a ? (int64_t)a->n : 0 },
                { "SLURM_ARRAY_TASK_MIN", a ? a->index[0] : 0 },
                { "SLURM_ARRAY_TASK_MAX", a ? a->index[a->n - 1] : 0 },
                { "SLURM_ARRAY_TASK_STEP", a ? a->step : 0 },
        };

        for (size_t i = 0; env && index >= 0 && i < ELEMENTSOF(vars); i++) {
                char value[24];

                snprintf(value, sizeof(value), "%" PRId64, vars[i].value);
                if (environment_set(&env, vars[i].name, value) < 0)
                        return NULL;
        }
        return TAKE_PTR(env);
}

/* As a shell says it and ends then; the report quotes it. */
static _Noreturn void fail_exec(const char *program, int error) {
        dprintf(STDERR_FILENO, "%s: %s\n", program, strerror(error));
        _exit(error == ENOENT ? 127 : 126);
}

static _Noreturn void become_script(
        const LocalRun *run, pid_t supervisor, int out, int err, char **env) {
        const LocalRecord *r = run->record;
        char *script = xasprintf("%s/%s", r->path, r->script);
        char *argv[5] = { r->interpreter };
        size_t n = 1;
        sigset_t none;

        if (r->argument)
                argv[n++] = r->argument;
        argv[n++] = script;
        argv[n++] = r->path;
        /* Without its supervisor nobody would know of it any more. */
        if (!script || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != supervisor ||
                setpgid(0, 0) < 0 || dup2(out, STDOUT_FILENO) < 0 || dup2(err, STDERR_FILENO) < 0 ||
                fchdir(run->uow) < 0)
                _exit(126);
        sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        execve(r->interpreter, argv, env);
        fail_exec(r->interpreter, errno);
}

static int start(LocalRun *run, int64_t index, pid_t *ret, Error *e) {
        _cleanup_(strv_freep) char **env = task_environment(run, index);
        _cleanup_close_ int out = -1, err = -1;
        pid_t self = getpid(), pid;
        int r;

        if (!env)
                return -ENOMEM;
        r = open_output(run, index, "out", &out, e);
        if (r == 0)
                r = open_output(run, index, "err", &err, e);
        if (r != 0)
                return r;
        pid = fork();
        if (pid < 0)
                return error_set(e, UOW_E_BLOCKED, "no process could be made for it: %m");
        if (pid == 0)
                become_script(run, self, out, err, env);
        (void)setpgid(pid, pid); /* whichever of us comes first */
        *ret = pid;
        return 0;
}

/* ---- watching it ---- */

typedef struct Watch {
        LocalRun *run;
        pid_t script;
        usec_t limit;   /* CLOCK_BOOTTIME; USEC_INFINITY: none */
        usec_t kill_at; /* the same */
        LocalState
                ending; /* it was told to stop, and will have ended as this; LOCAL_PENDING: it was not */
} Watch;

/* The supervisor's own orders: a cancel that was written down, or a signal from whoever stops this machine. */
static void look(LocalRun *run, bool told) {
        if (local_cancel_is_noted(run->dir, run->record->id))
                run->stopped = LOCAL_CANCELLED;
        else if (told && run->stopped == LOCAL_PENDING)
                run->stopped = LOCAL_NODE_FAIL;
}

/* Waits for a child's end, an order or @until. */
static void wait_until(LocalRun *run, usec_t until) {
        usec_t now = clock_boottime(), left = until > now ? until - now : 0;
        struct timespec ts;
        sigset_t set;

        if (left > LOCAL_SIGN_EVERY)
                left = LOCAL_SIGN_EVERY;
        ts.tv_sec = (time_t)(left / USEC_PER_SEC);
        ts.tv_nsec = (long)(left % USEC_PER_SEC) * 1000;
        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        sigaddset(&set, SIGTERM);
        if (sigtimedwait(&set, NULL, &ts) == SIGTERM)
                look(run, true);
        if (clock_boottime() >= run->next_sign) {
                run->next_sign = clock_boottime() + LOCAL_SIGN_EVERY;
                local_claim_sign(run->dir, run->record->id);
                look(run, false);
        }
}

/* Whether the script is a zombie now. It stays one, so that its number keeps meaning its group. */
static bool script_has_ended(const Watch *w) {
        for (;;) {
                siginfo_t si = { .si_pid = 0 };

                if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) < 0 || si.si_pid == 0)
                        return false;
                if (si.si_pid == w->script)
                        return true;
                (void)waitpid(si.si_pid, NULL, WNOHANG);
        }
}

static void stop(Watch *w, LocalState ending) {
        w->ending = ending;
        w->kill_at = clock_boottime() + KILL_AFTER;
        (void)kill(-w->script, SIGTERM);
        (void)kill(-w->script, SIGCONT);
}

static void watch(Watch *w) {
        while (!script_has_ended(w)) {
                usec_t now = clock_boottime();

                if (w->ending == LOCAL_PENDING) {
                        if (w->run->stopped != LOCAL_PENDING)
                                stop(w, w->run->stopped);
                        else if (now >= w->limit)
                                stop(w, LOCAL_TIMEOUT);
                } else if (now >= w->kill_at) {
                        (void)kill(-w->script, SIGKILL);
                        w->kill_at = now + KILL_AFTER;
                }
                wait_until(w->run, w->ending == LOCAL_PENDING ? w->limit : w->kill_at);
        }
}

/* Whoever dies leaves its children to us, so this goes on until there are none. */
static void kill_leftovers(LocalRun *run) {
        usec_t until = clock_boottime() + LEFTOVERS_MAX;
        pid_t pid;

        while (clock_boottime() < until) {
                (void)local_process_kill_children();
                while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
                        ;
                if (pid < 0)
                        return;
                wait_until(run, clock_boottime() + USEC_PER_SEC);
        }
}

static void finish(const Watch *w, LocalTask *t) {
        struct rusage usage = { .ru_maxrss = 0 };
        int status = 0;

        (void)kill(-w->script, SIGKILL);
        while (wait4(w->script, &status, 0, &usage) < 0 && errno == EINTR)
                ;
        kill_leftovers(w->run);
        if (WIFEXITED(status))
                t->exit_code = WEXITSTATUS(status);
        else
                t->signal = WTERMSIG(status);
        if (w->ending != LOCAL_PENDING)
                t->state = w->ending;
        else
                t->state = t->exit_code == 0 ? LOCAL_COMPLETED : LOCAL_FAILED;
        if ((int64_t)usage.ru_maxrss * 1024 > w->run->memory_least)
                t->memory = (int64_t)usage.ru_maxrss * 1024;
}

int local_task_run(LocalRun *run, int64_t index, LocalTask *ret, Error *e) {
        usec_t began = clock_boottime(), limit = (usec_t)run->record->time_limit_s * USEC_PER_SEC;
        LocalTask t = { .index = index >= 0 ? (uint32_t)index : 0,
                .exit_code = -1,
                .signal = -1,
                .elapsed_s = -1,
                .memory = -1 };
        Watch w = { .run = run, .limit = limit ? began + limit : USEC_INFINITY };
        int r = start(run, index, &w.script, e);

        if (r != 0)
                return r;
        watch(&w);
        finish(&w, &t);
        t.elapsed_s = (int64_t)((clock_boottime() - began) / USEC_PER_SEC);
        *ret = t;
        return 0;
}
