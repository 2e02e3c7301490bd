/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Running programs from the event loop.
 *
 * The child is made with CLONE_VM | CLONE_VFORK: the daemon's memory is neither copied nor counted
 * twice, however large it has grown, and an exec that fails is known at once. Until its exec the
 * child shares our memory, so it does nothing but system calls (see child_main()), on a stack of
 * its own and with all signals blocked.
 *
 * A command is over when the program has been reaped and both of its streams are at their end; or a
 * second after the first, because a program may leave something behind that never closes them.
 */

#include "command.h"

#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "environment.h"
#include "text.h"

/* From SIGTERM to SIGKILL. */
#define KILL_AFTER (2 * USEC_PER_SEC)

/* How long streams may stay open after the program itself has ended. */
#define LINGER (1 * USEC_PER_SEC)

/* What one turn of the loop reads at most from one stream. */
#define READ_AT_ONCE (64U * 1024)

#define CHILD_STACK (64U * 1024)

typedef struct Stream {
        int fd;
        sd_event_source *source;
        char *data; /* NUL-terminated once anything was read */
        size_t size, room;
} Stream;

struct Command {
        sd_event *event;
        CommandFunc func;
        void *userdata;
        size_t output_max;
        usec_t timeout;

        pid_t pid; /* 0: never started, or reaped */
        Stream out, err;
        sd_event_source *child, *timer, *defer;
        bool terminated; /* SIGTERM was sent */
        bool reaped;
        bool truncated;
        bool delivering; /* @func is being called */
        bool started;
        int error, status;
};

/* ---- the child ---- */

typedef struct Child {
        const char *path;
        char *const *argv;
        char *const *envp;
        int cwd, in, out, err;
        mode_t mask;
        pid_t parent;
        int error; /* why it did not get as far as running the program */
} Child;

/*
 * Everything of ours is close-on-exec; this is for what a library or whoever started us left open.
 */
static void close_others(void) {
#ifdef SYS_close_range
        (void)syscall(SYS_close_range, 3U, ~0U, 0U);
#endif
}

static void reset_signals(void) {
        struct sigaction dfl;
        sigset_t none;

        memset(&dfl, 0, sizeof(dfl));
        dfl.sa_handler = SIG_DFL;
        for (int sig = 1; sig <= SIGRTMAX; sig++)
                (void)sigaction(sig, &dfl, NULL);
        sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Shares the daemon's memory: system calls only, nothing allocated, no lock taken. */
__attribute__((no_sanitize_address)) static int child_main(void *arg) {
        Child *c = arg;

        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
                goto fail;
        if (getppid() != c->parent) {
                errno = ESRCH; /* the daemon was gone before the line above took effect */
                goto fail;
        }
        if (setpgid(0, 0) < 0 || dup2(c->in, 0) < 0 || dup2(c->out, 1) < 0 || dup2(c->err, 2) < 0)
                goto fail;
        if (c->cwd >= 0 ? fchdir(c->cwd) < 0 : chdir("/") < 0)
                goto fail;
        umask(c->mask);
        close_others();
        reset_signals();
        execve(c->path, c->argv, c->envp);
fail:
        c->error = errno;
        _exit(127);
}

/*
 * @c->error tells whether the program runs; the child must be reaped in both cases. Returns its pid
 * or -errno.
 */
static pid_t spawn(Child *c) {
        static _Alignas(64) char stack[CHILD_STACK];
        sigset_t all, saved;
        int saved_errno;
        pid_t pid;

        sigfillset(&all);
        if (sigprocmask(SIG_SETMASK, &all, &saved) < 0)
                return -errno;
        c->parent = getpid();
        /* The stack can be one for all: this does not return before the child has left it. */
        pid = clone(child_main, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, c);
        saved_errno = errno;
        (void)sigprocmask(SIG_SETMASK, &saved, NULL);
        return pid < 0 ? -saved_errno : pid;
}

/* ---- its end ---- */

static void stream_close(Stream *s) {
        s->source = sd_event_source_unref(s->source);
        s->fd = safe_close(s->fd);
}

static void stream_done(Stream *s) {
        stream_close(s);
        free(s->data);
}

static void kill_group(Command *c, int sig) {
        if (c->pid > 0 && !c->reaped)
                (void)kill(-c->pid, sig);
}

static void kill_and_reap(Command *c) {
        kill_group(c, SIGKILL);
        if (c->pid > 0 && !c->reaped)
                while (waitpid(c->pid, &c->status, 0) < 0 && errno == EINTR)
                        ;
        c->reaped = true;
}

Command *command_free(Command *c) {
        if (!c || c->delivering)
                return NULL;
        /* The source goes first: it would reap the child itself. */
        c->child = sd_event_source_unref(c->child);
        kill_and_reap(c);
        sd_event_source_unref(c->timer);
        sd_event_source_unref(c->defer);
        stream_done(&c->out);
        stream_done(&c->err);
        sd_event_unref(c->event);
        free(c);
        return NULL;
}

static void deliver(Command *c) {
        CommandResult r = {
                .error = c->error,
                .started = c->started,
                .status = c->status,
                .out = c->out.data ? c->out.data : "",
                .out_size = c->out.size,
                .err = c->err.data ? c->err.data : "",
                .err_size = c->err.size,
                .truncated = c->truncated,
                .timeout = c->timeout,
        };

        stream_close(&c->out);
        stream_close(&c->err);
        c->delivering = true;
        c->func(&r, c->userdata);
        c->delivering = false;
        command_free(c);
}

static void deliver_if_over(Command *c) {
        if (c->reaped && c->out.fd < 0 && c->err.fd < 0)
                deliver(c);
}

static int on_defer(sd_event_source *s _unused_, void *userdata) {
        deliver(userdata);
        return 0;
}

static int arm_timer(Command *c, usec_t from_now) {
        int r = sd_event_source_set_time(c->timer, clock_boottime() + from_now);

        return r < 0 ? r : sd_event_source_set_enabled(c->timer, SD_EVENT_ONESHOT);
}

static int on_child(sd_event_source *s _unused_, const siginfo_t *si, void *userdata) {
        Command *c = userdata;

        c->reaped =
                true; /* by sd-event, once this returns: the pid must not be used from here on */
        c->status = si->si_code == CLD_EXITED ? (si->si_status & 0xff) << 8 : si->si_status & 0x7f;
        c->child = sd_event_source_unref(c->child);
        if (c->out.fd >= 0 || c->err.fd >= 0)
                return arm_timer(c, LINGER);
        deliver(c);
        return 0;
}

static int on_timer(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata) {
        Command *c = userdata;

        if (c->reaped) {
                deliver(c);
                return 0;
        }
        if (c->terminated) {
                kill_group(c, SIGKILL);
                return 0; /* reaped as soon as the kernel lets go of it: only then is it certain that it is over */
        }
        c->terminated = true;
        c->error = -ETIMEDOUT;
        kill_group(c, SIGTERM);
        return arm_timer(c, KILL_AFTER);
}

/* ---- its output ---- */

static int stream_grow(Stream *s, size_t wanted) {
        size_t room = s->room ? s->room : 4096;
        char *data;

        while (room < wanted + 1)
                room *= 2;
        if (room == s->room)
                return 0;
        data = realloc(s->data, room);
        if (!data)
                return -ENOMEM;
        s->data = data;
        s->room = room;
        return 0;
}

static void stream_keep(Command *c, Stream *s, const char *data, size_t n) {
        size_t room = c->output_max - s->size;

        if (n > room) {
                c->truncated = true;
                n = room;
        }
        if (n == 0)
                return;
        if (stream_grow(s, s->size + n) < 0) {
                c->truncated = true;
                return;
        }
        memcpy(s->data + s->size, data, n);
        s->size += n;
        s->data[s->size] = 0;
}

static int on_stream(sd_event_source *source, int fd, uint32_t revents _unused_, void *userdata) {
        Command *c = userdata;
        Stream *s = source == c->out.source ? &c->out : &c->err;
        char buf[READ_AT_ONCE];
        ssize_t n = read(fd, buf, sizeof(buf));

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n > 0) {
                stream_keep(c, s, buf, (size_t)n);
                return 0;
        }
        stream_close(s);
        deliver_if_over(c);
        return 0;
}

/*
 * Above the three standard descriptors, which dup2() in the child would otherwise tread on. Takes
 * @fd in any case.
 */
static int above_standard(int fd) {
        int r;

        if (fd < 0)
                return -errno;
        if (fd > 2)
                return fd;
        r = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (r < 0)
                r = -errno;
        close(fd);
        return r;
}

static int make_pipe(int *ret_read, int *ret_write) {
        int p[2];

        if (pipe2(p, O_CLOEXEC) < 0)
                return -errno;
        p[0] = above_standard(p[0]);
        p[1] = above_standard(p[1]);
        if (p[0] < 0 || p[1] < 0) {
                safe_close(p[0]);
                safe_close(p[1]);
                return p[0] < 0 ? p[0] : p[1];
        }
        *ret_read = p[0];
        *ret_write = p[1];
        return 0;
}

static int stream_open(Command *c, Stream *s, int *ret_write_end) {
        int r = make_pipe(&s->fd, ret_write_end);

        if (r < 0)
                return r;
        if (fcntl(s->fd, F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        return sd_event_add_io(c->event, &s->source, s->fd, EPOLLIN, on_stream, c);
}

/* ---- its start ---- */

/* A child that sd-event refuses to watch is killed and reported; that it ran is not hidden. */
static int watch_child(Command *c) {
        int r = sd_event_add_child(c->event, &c->child, c->pid, WEXITED, on_child, c);

        if (r >= 0)
                return 0;
        kill_and_reap(c);
        c->error = -ECANCELED;
        return sd_event_source_set_enabled(c->defer, SD_EVENT_ONESHOT);
}

static int run(Command *c, const CommandSpec *spec, Child *child) {
        _cleanup_free_ char *path = NULL;
        pid_t pid;
        int r;

        r = environment_find_program(child->envp, spec->argv[0], &path);
        if (r >= 0) {
                child->path = path;
                pid = spawn(child);
                child->path = NULL;
                r = pid < 0 ? (int)pid : -child->error;
                c->pid = pid > 0 ? pid : 0;
        }
        if (r == 0) {
                c->started = true;
                return watch_child(c);
        }
        kill_and_reap(c);
        c->error = r;
        return sd_event_source_set_enabled(c->defer, SD_EVENT_ONESHOT);
}

static int add_sources(Command *c) {
        int r = sd_event_add_defer(c->event, &c->defer, on_defer, c);

        if (r >= 0)
                r = sd_event_source_set_enabled(c->defer, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time(c->event, &c->timer, CLOCK_BOOTTIME,
                        clock_boottime() + c->timeout, 0, on_timer, c);
        if (r >= 0 && c->timeout == 0)
                r = sd_event_source_set_enabled(c->timer, SD_EVENT_OFF);
        return r < 0 ? r : 0;
}

int command_start(
        sd_event *event, const CommandSpec *spec, CommandFunc func, void *userdata, Command **ret) {
        _cleanup_(command_freep) Command *c = calloc(1, sizeof(*c));
        _cleanup_close_ int in = -1, out = -1, err = -1;
        Child child = { .argv = spec->argv,
                .envp = spec->envp ? spec->envp : environ,
                .cwd = spec->cwd,
                .mask = spec->umask };
        int r;

        assert(spec->argv && spec->argv[0]);
        if (!c)
                return -ENOMEM;
        c->out.fd = c->err.fd = -1;
        c->event = sd_event_ref(event);
        c->func = func;
        c->userdata = userdata;
        c->output_max = spec->output_max;
        c->timeout = spec->timeout;
        in = above_standard(open("/dev/null", O_RDONLY | O_CLOEXEC));
        if (in < 0)
                return in;
        r = add_sources(c);
        if (r >= 0)
                r = stream_open(c, &c->out, &out);
        if (r >= 0)
                r = stream_open(c, &c->err, &err);
        if (r < 0)
                return r;
        child.in = in;
        child.out = out;
        child.err = err;
        r = run(c, spec, &child);
        if (r < 0)
                return r;
        if (ret)
                *ret = c;
        TAKE_PTR(c);
        return 0;
}

bool command_ok(const CommandResult *r) {
        return r->error == 0 && r->started && WIFEXITED(r->status) && WEXITSTATUS(r->status) == 0;
}

const char *command_describe(char *buf, size_t size, const char *program, const CommandResult *r) {
        char duration[CLOCK_TEXT_MAX];

        if (r->error == -ETIMEDOUT)
                snprintf(buf, size, "%s: no answer within %s", program,
                        duration_format(duration, r->timeout));
        else if (r->error < 0)
                snprintf(buf, size, "%s: %s", program, strerror(-r->error));
        else if (WIFSIGNALED(r->status))
                snprintf(buf, size, "%s: killed by signal %d", program, WTERMSIG(r->status));
        else
                snprintf(buf, size, "%s: exit code %d", program, WEXITSTATUS(r->status));
        return buf;
}
