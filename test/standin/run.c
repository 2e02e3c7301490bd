/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Jobs that really run: each has a runner, a detached process that waits until the job may start,
 * runs the script in a session of its own, keeps the time limit, and writes down how it ended.
 */
#include "standin.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run.h"

/* Slurm's own exit code for "could not even begin" (ESLURMD_... 53 in the signal's place) */
#define LAUNCH_FAILED 53

const char *node_name(void) {
        return knob("node", "node1");
}

/* The test's hand may be in another pid namespace than the jobs; pids are not to be mixed up. */
static uint64_t pid_space(void) {
        static uint64_t space;
        struct stat st;

        if (!space)
                space = stat("/proc/self/ns/pid", &st) < 0 ? 1 : (uint64_t)st.st_ino;
        return space;
}

void runner_signal(const Job *j, int sig) {
        if (j->pid_space != pid_space())
                return; /* the runner looks by itself once a second */
        if (sig && j->session > 1)
                kill(-j->session, sig);
        else if (!sig && j->runner > 1 && j->runner != getpid())
                kill(j->runner, SIGUSR1);
}

pid_t fork_detached(void) {
        pid_t pid = fork();
        int null;

        if (pid < 0)
                die(99, "standin: fork: %s", strerror(errno));
        if (pid)
                return pid;
        setsid();
        db_forget_lock();
        null = open("/dev/null", O_RDWR);
        for (int fd = 0; fd < 3; fd++)
                dup2(null, fd);
        if (null > 2)
                close(null);
        /* Without close-on-exec it is not ours but our caller's, who may wait for its end. */
        for (int fd = 3; fd < 256; fd++)
                if (fcntl(fd, F_GETFD) == 0)
                        close(fd);
        return 0;
}

/* ---- the script's process ---- */

static int open_stream(const Job *j, int which, int fd, bool append) {
        const char *pattern = str_get(j, which);
        int flags = O_WRONLY | O_CREAT | O_NONBLOCK | (append ? O_APPEND : O_TRUNC), got;
        Text path = {};

        /* With a backslash in the path slurmstepd cannot open its files; see sbatch(1), "\\". */
        if (strchr(pattern, '\\'))
                return -1;
        expand_output(&path, j, pattern);
        got = open(path.s, flags, 0666);
        text_free(&path);
        if (got < 0)
                return -1;
        fcntl(got, F_SETFL, flags & O_APPEND);
        dup2(got, fd);
        if (got != fd)
                close(got);
        return 0;
}

static void clean_process(void) {
        sigset_t none;

        for (int s = 1; s < 32; s++)
                signal(s, SIG_DFL);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
}

static char **script_argv(const Job *j) {
        size_t size = 0, n = 0;
        char *args = read_whole(state_path("spool/%u/args", j->spool_id), &size);
        char **argv = xcalloc(size + 2, sizeof(*argv));

        argv[n++] = xstrdup(state_path("spool/%u/slurm_script", j->spool_id));
        for (char *p = args; p && p < args + size; p += strlen(p) + 1)
                argv[n++] = p;
        return argv;
}

/* Does not return. */
static void run_script(const Job *j) {
        char **argv = script_argv(j), **envp = run_environment(j);
        const char *dir = str_get(j, JS_WORKDIR);

        setsid();
        umask((mode_t)j->umask);
        if (chdir(dir) < 0) {
                dprintf(2,
                        "slurmstepd-%s: error: couldn't chdir to `%s': %s: going to /tmp instead\n",
                        node_name(), dir, strerror(errno));
                if (chdir("/tmp") < 0)
                        _exit(1);
        }
        for (int fd = 3; fd < 1024; fd++)
                close(fd);
        clean_process();
        execve(argv[0], argv, envp);
        dprintf(2, "slurmstepd-%s: error: execve(): %s: %s\n", node_name(), argv[0],
                strerror(errno));
        _exit(errno == ENOENT ? 2 : errno);
}

void run_kill(Job *j) {
        runner_signal(j, SIGKILL);
        if (j->runner > 1 && j->pid_space == pid_space())
                kill(j->runner, SIGKILL);
        j->runner = j->session = 0;
        j->flags &= ~(uint32_t)(JF_COMPLETING | JF_LAUNCHED);
}

void run_check(Job *j) {
        if (j->runner < 2 || j->pid_space != pid_space() || kill(j->runner, 0) == 0 ||
                errno != ESRCH)
                return;
        runner_signal(j, SIGKILL);
        j->runner = j->session = 0;
        j->flags &= ~(uint32_t)(JF_COMPLETING | JF_LAUNCHED);
        if (j->state == JOB_RUNNING || j->state == JOB_SUSPENDED)
                job_end(j, JOB_NODE_FAIL, 0, 0, now_ms());
        truth_change(j, "runner-died");
}

/* ---- the runner ---- */

static Job *claim(uint32_t index) {
        Job *j;
        int64_t wait;

        for (;;) {
                db_lock();
                knobs_reload();
                j = job_at(index);
                if (j->state != JOB_PENDING || j->flags & JF_HELD || j->runner != getpid()) {
                        if (j->runner == getpid()) {
                                j->runner = 0;
                                j->flags &= ~(uint32_t)JF_LAUNCHED;
                                schedule();
                        }
                        db_unlock();
                        _exit(0);
                }
                wait = j->eligible_ms + knob_int("start_delay_ms", 0) - now_ms();
                if (wait <= 0)
                        return j;
                db_unlock();
                sleep_ms(wait < 100 ? wait : 100);
        }
}

static void give_up(Job *j) {
        job_start(j, now_ms());
        job_end(j, JOB_FAILED, 0, LAUNCH_FAILED, now_ms());
        str_set(j, JS_REASON, "RaisedSignal:53(Real-time_signal_19)");
        truth_run(j, "launch-failed", getpid(), 0, LAUNCH_FAILED);
        j->runner = 0;
        schedule();
        db_unlock();
        _exit(0);
}

static pid_t start_script(Job *j) {
        const char *in = str_get(j, JS_STDIN);
        bool append = j->flags & JF_APPEND, own_stderr = *str_get(j, JS_STDERR);
        int fd = *in ? open(in, O_RDONLY) : -1;
        pid_t pid;

        umask((mode_t)j->umask);
        if (fd >= 0)
                dup2(fd, 0);
        if (open_stream(j, JS_STDOUT, 1, append) < 0 ||
                (own_stderr && open_stream(j, JS_STDERR, 2, append) < 0))
                give_up(j);
        if (!own_stderr)
                dup2(1, 2);
        job_start(j, now_ms());
        truth_run(j, "start", getpid(), 0, 0);
        pid = fork();
        if (pid == 0)
                run_script(j);
        j->session = pid;
        return pid;
}

static void terminate(pid_t pid) {
        if (kill(-pid, SIGTERM) < 0)
                kill(pid, SIGTERM);
}

static void note_time_limit(const Job *j, pid_t pid) {
        dprintf(2, "slurmstepd-%s: error: *** JOB %u ON %s CANCELLED AT %s DUE TO TIME LIMIT ***\n",
                node_name(), j->id, node_name(), time_iso(now_ms(), ""));
        terminate(pid);
}

/* Waits for the script; how it ended goes to *ret_status. True: it went over its time. */
static bool await_script(uint32_t index, pid_t pid, int *ret_status, struct rusage *ret_usage) {
        int64_t limit = (int64_t)job_at(index)->limit_min * knob_int("minute_ms", 60000);
        int64_t deadline = limit ? now_ms() + limit : INT64_MAX, kill_at = INT64_MAX;
        bool over_time = false;
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        sigaddset(&set, SIGUSR1);
        while (wait4(pid, ret_status, WNOHANG, ret_usage) == 0) {
                int64_t now = now_ms(), next = deadline < kill_at ? deadline : kill_at, left;
                struct timespec ts;

                if (now >= kill_at) {
                        kill(-pid, SIGKILL);
                        kill_at = INT64_MAX;
                        continue;
                }
                if (now >= deadline || (kill_at == INT64_MAX && state_over(job_at(index)->state))) {
                        if (now >= deadline) {
                                over_time = true;
                                note_time_limit(job_at(index), pid);
                        } else
                                terminate(pid);
                        deadline = INT64_MAX;
                        kill_at = now + knob_int("kill_wait_ms", 2000);
                        continue;
                }
                left = next == INT64_MAX ? 1000 : next - now;
                ts = (struct timespec){ left / 1000, (left % 1000) * 1000000 };
                sigtimedwait(&set, NULL, &ts);
        }
        return over_time;
}

static void note_end(Job *j, int status, bool over_time, const struct rusage *u) {
        int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
        int sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;

        j->max_rss_kb = (uint32_t)u->ru_maxrss;
        j->cpu_ms = (uint32_t)((u->ru_utime.tv_sec + u->ru_stime.tv_sec) * 1000 +
                (u->ru_utime.tv_usec + u->ru_stime.tv_usec) / 1000);
        if (over_time)
                job_end(j, JOB_TIMEOUT, 0, 0, now_ms());
        else
                job_end(j, code || sig ? JOB_FAILED : JOB_COMPLETED, code, sig, now_ms());
        truth_run(j, "end", getpid(), code, sig);
}

static void runner(uint32_t index) {
        struct rusage usage = {};
        int status = 0;
        int64_t completing;
        bool over_time;
        pid_t pid;
        Job *j;

        signal(SIGCHLD, SIG_DFL);
        j = claim(index);
        pid = start_script(j);
        db_unlock();
        over_time = await_script(index, pid, &status, &usage);
        kill(-pid, SIGKILL);
        db_lock();
        knobs_reload();
        completing = knob_int("completing_ms", 0);
        note_end(j, status, over_time, &usage);
        if (completing > 0) {
                j->flags |= JF_COMPLETING;
                db_unlock();
                sleep_ms(completing);
                db_lock();
        }
        j->flags &= ~(uint32_t)JF_COMPLETING;
        j->runner = j->session = 0;
        schedule();
        db_unlock();
        _exit(0);
}

void run_launch(Job *j) {
        uint32_t index = j->index;
        sigset_t set, old;
        pid_t pid;

        /* Blocked from its first moment on: the runner takes them when it is ready. */
        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        sigaddset(&set, SIGUSR1);
        sigprocmask(SIG_BLOCK, &set, &old);
        j->flags |= JF_LAUNCHED;
        pid = fork_detached();
        if (pid == 0)
                runner(index);
        j->runner = pid;
        j->pid_space = pid_space();
        sigprocmask(SIG_SETMASK, &old, NULL);
}
