/* SPDX-License-Identifier: Apache-2.0 */

/* Programs side by side, each with its deadline: see run.h. One poll() for the streams of all of them. */

#include "run.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "environment.h"
#include "fileio.h"
#include "text.h"

/* From SIGTERM to SIGKILL, and from there until a program that does not end is left to itself. */
#define KILL_AFTER (1 * USEC_PER_SEC)

/* How long streams that something else holds open are listened to after the program has ended. */
#define LINGER (200 * USEC_PER_MSEC)

/* A program's end is no event that poll() could wait for; so often we look. */
#define LOOK_MS 20

typedef struct Stream {
        int fd;
        char **data;
        size_t *size;
} Stream;

typedef struct Job {
        Run *run;
        pid_t pid; /* 0: not running */
        Stream out, err;
        usec_t deadline;
        unsigned killed; /* signals sent */
} Job;

void run_done(Run *r) {
        free(r->out);
        free(r->err);
        r->out = r->err = NULL;
        r->out_size = r->err_size = 0;
}

bool run_ok(const Run *r) {
        return r->error == 0 && WIFEXITED(r->status) && WEXITSTATUS(r->status) == 0;
}

/* ---- the child ---- */

static void close_others(int kept) {
        long max = sysconf(_SC_OPEN_MAX);

        /* Ours are close-on-exec; this is for what whoever started us left open. */
        for (int fd = 3; fd < (max < 0 || max > 1024 ? 1024 : max); fd++)
                if (fd != kept)
                        close(fd);
}

static void reset_signals(void) {
        sigset_t none;

        for (int sig = 1; sig < NSIG; sig++)
                (void)signal(sig, SIG_DFL);
        sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In the child: system calls only. @failed is told why the program could not be run. */
__attribute__((noreturn)) static void child(
        const char *path, const Run *r, int in, int out, int err, int failed) {
        int error;

        if (setpgid(0, 0) == 0 && dup2(in, 0) >= 0 && dup2(out, 1) >= 0 && dup2(err, 2) >= 0) {
                close_others(failed);
                reset_signals();
                execve(path, r->argv, r->env ?: environ);
        }
        error = errno;
        (void)!write(failed, &error, sizeof(error));
        _exit(127);
}

/* ---- its start ---- */

/* Above the three on which dup2() in the child would tread. Takes @fd. */
static int above_standard(int fd) {
        int higher = fcntl(fd, F_DUPFD_CLOEXEC, 3), r = higher < 0 ? -errno : higher;

        close(fd);
        return r;
}

static int open_input(const Run *r) {
        _cleanup_close_ int fd = -1;

        if (!r->input)
                fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        else
                fd = memfd_create("input", MFD_CLOEXEC);
        if (fd < 0)
                return -errno;
        if (r->input) {
                int e = fd_write_all(fd, r->input, strlen(r->input));

                if (e < 0)
                        return e;
                if (lseek(fd, 0, SEEK_SET) < 0)
                        return -errno;
        }
        return above_standard(TAKE_FD(fd));
}

/* Whether the child got as far as running the program: 0, or -errno. */
static int read_failure(int fd) {
        int error = 0;
        ssize_t n;

        do
                n = read(fd, &error, sizeof(error));
        while (n < 0 && errno == EINTR);
        return n == sizeof(error) ? -error : 0;
}

static int make_pipe(int p[2]) {
        if (pipe2(p, O_CLOEXEC) < 0)
                return -errno;
        p[0] = above_standard(p[0]);
        p[1] = above_standard(p[1]);
        return p[0] < 0 ? p[0] : p[1] < 0 ? p[1] : 0;
}

/* The three pipes: output, errors, and why the program could not be run. */
static int spawn(Job *j, const char *path, int in, int pipes[3][2]) {
        int r;

        j->pid = fork();
        if (j->pid < 0) {
                j->pid = 0;
                return -errno;
        }
        if (j->pid == 0)
                child(path, j->run, in, pipes[0][1], pipes[1][1], pipes[2][1]);
        pipes[2][1] = safe_close(pipes[2][1]);
        r = read_failure(pipes[2][0]);
        if (r == 0)
                return 0;
        while (waitpid(j->pid, NULL, 0) < 0 && errno == EINTR)
                ;
        j->pid = 0;
        return r;
}

static int start_program(Job *j) {
        int pipes[3][2] = { { -1, -1 }, { -1, -1 }, { -1, -1 } }, r, in;
        _cleanup_free_ char *path = NULL;

        r = environment_find_program(j->run->env ?: environ, j->run->argv[0], &path);
        if (r < 0)
                return r;
        in = open_input(j->run);
        if (in < 0)
                return in;
        for (int i = 0; r >= 0 && i < 3; i++)
                r = make_pipe(pipes[i]);
        if (r >= 0)
                r = spawn(j, path, in, pipes);
        if (r >= 0) {
                j->out.fd = TAKE_FD(pipes[0][0]);
                j->err.fd = TAKE_FD(pipes[1][0]);
        }
        safe_close(in);
        for (int i = 0; i < 3; i++) {
                safe_close(pipes[i][0]);
                safe_close(pipes[i][1]);
        }
        return r;
}

/* ---- its output and its end ---- */

static void keep(Run *r, Stream *s, const char *data, size_t n) {
        size_t room = r->output_max - *s->size;
        char *longer;

        if (n > room) {
                r->truncated = true;
                n = room;
        }
        longer = realloc(*s->data, *s->size + n + 1);
        if (!longer) {
                r->truncated = true;
                return;
        }
        memcpy(longer + *s->size, data, n);
        *s->size += n;
        longer[*s->size] = 0;
        *s->data = longer;
}

static void listen_to(Run *r, Stream *s) {
        char buf[16384];
        ssize_t n = read(s->fd, buf, sizeof(buf));

        if (n > 0)
                keep(r, s, buf, (size_t)n);
        else if (n == 0 || errno != EINTR)
                s->fd = safe_close(s->fd);
}

static void note_end(Job *j) {
        int status;

        if (j->pid == 0 || waitpid(j->pid, &status, WNOHANG) != j->pid)
                return;
        j->run->status = status;
        j->pid = 0;
        j->deadline = clock_boottime() + LINGER;
}

static void give_up(Job *j) {
        j->out.fd = safe_close(j->out.fd);
        j->err.fd = safe_close(j->err.fd);
        j->pid = 0;
}

static void mind_deadline(Job *j) {
        usec_t now = clock_boottime();

        if (now < j->deadline)
                return;
        if (j->pid == 0 || j->killed == 2) {
                give_up(j);
                return;
        }
        j->run->error = -ETIMEDOUT;
        (void)kill(-j->pid, j->killed++ == 0 ? SIGTERM : SIGKILL);
        j->deadline = now + KILL_AFTER;
}

static bool is_over(const Job *j) {
        return j->pid == 0 && j->out.fd < 0 && j->err.fd < 0;
}

/* Waits a moment for output of any of them. False if all are over. */
static bool turn(Job *jobs, size_t n, struct pollfd *polls) {
        bool any = false;

        for (size_t i = 0; i < n; i++) {
                polls[2 * i] = (struct pollfd){ .fd = jobs[i].out.fd, .events = POLLIN };
                polls[2 * i + 1] = (struct pollfd){ .fd = jobs[i].err.fd, .events = POLLIN };
                any |= !is_over(&jobs[i]);
        }
        if (!any)
                return false;
        if (poll(polls, 2 * n, LOOK_MS) < 0)
                return true;
        for (size_t i = 0; i < n; i++) {
                if (polls[2 * i].revents)
                        listen_to(jobs[i].run, &jobs[i].out);
                if (polls[2 * i + 1].revents)
                        listen_to(jobs[i].run, &jobs[i].err);
        }
        return true;
}

static Job job_of(Run *r) {
        r->error = r->status = 0;
        r->out = r->err = NULL;
        r->out_size = r->err_size = 0;
        r->truncated = false;
        return (Job){ .run = r,
                .out = { -1, &r->out, &r->out_size },
                .err = { -1, &r->err, &r->err_size },
                .deadline = clock_boottime() + r->timeout };
}

void run_all(Run *runs, size_t n) {
        _cleanup_free_ struct pollfd *polls = calloc(2 * n + 1, sizeof(*polls));
        _cleanup_free_ Job *jobs = calloc(n + 1, sizeof(*jobs));

        for (size_t i = 0; i < n; i++) {
                Job j = job_of(&runs[i]);

                runs[i].error = jobs && polls ? start_program(&j) : -ENOMEM;
                if (jobs)
                        jobs[i] = j;
        }
        while (jobs && polls && turn(jobs, n, polls))
                for (size_t i = 0; i < n; i++) {
                        note_end(&jobs[i]);
                        if (!is_over(&jobs[i]))
                                mind_deadline(&jobs[i]);
                }
}

int run_program(char *const *argv, char *const *env, usec_t timeout, size_t output_max, Run *ret) {
        *ret = (Run){ .argv = argv, .env = env, .timeout = timeout, .output_max = output_max };
        run_all(ret, 1);
        if (ret->error < 0)
                return ret->error;
        return run_ok(ret) ? 0 : UOW_E_INVALID;
}

/* The last line that is not empty; new string or NULL. */
static char *last_line(const char *text) {
        size_t end = strlen(text), start;

        while (end > 0 && strchr(" \t\r\n", text[end - 1]))
                end--;
        start = end;
        while (start > 0 && text[start - 1] != '\n')
                start--;
        return strndup(text + start, end - start);
}

char *run_describe(const Run *r) {
        _cleanup_free_ char *words = last_line(run_err(r));
        char duration[CLOCK_TEXT_MAX];

        if (r->error == -ETIMEDOUT)
                return xasprintf("no answer within %s", duration_format(duration, r->timeout));
        if (r->error < 0)
                return strdup(strerror(-r->error));
        if (WIFSIGNALED(r->status))
                return xasprintf("killed by signal %d", WTERMSIG(r->status));
        return xasprintf("exit code %d%s%s", WEXITSTATUS(r->status), isempty(words) ? "" : ": ",
                words ?: "");
}
