/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The pool of forked children: who gets what to do.
 *
 * Guarantees: the loop never waits for a disk; a piece of work is answered exactly once, from the loop; an answer is
 * believed only when it is complete; no child outlives the daemon.
 *
 * While a lane has room each piece of work gets a child of its own. What had to wait is handed out in shares, several to one
 * child: a fork costs more than staging a small Unit of Work. A child that dies takes down only what it was at; what it had
 * not begun goes back to the head of the line. So does what stands behind something slow, as soon as another could do it.
 *
 * Called by the machine only, from the loop.
 */

#include "worker-internal.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "clock.h"
#include "fileio.h"
#include "text.h"

/* Killed children that hang in the kernel (a file system that does not answer) are left behind after that. */
#define REAP_WAIT_MSEC 5000

/* At most so much is given to one child. */
#define SHARE_MAX 16

/* What a child has not begun although it was not heard of for so long stands behind something slow. */
#define SLOW (100 * USEC_PER_MSEC)

/*
 * Staging and settling wait mostly for a file server's answers; one bulk job keeps a disk busy. A checkpoint is forked at
 * once, so that it sees the moment that it is about.
 */
static const struct {
        size_t children, share;
} lanes[_LANE_MAX] = {
        [LANE_STAGE] = { 4, SHARE_MAX },
        [LANE_SETTLE] = { 2, SHARE_MAX },
        [LANE_BULK] = { 1, 1 },
        [LANE_CHECKPOINT] = { 1, 1 },
};

void worker_job_free(Job *j) {
        if (j->arg_free)
                j->arg_free(j->arg);
        free(j->answer);
        free(j->trouble);
        free(j);
}

static void jobs_free(JobQueue *q) {
        Job *j;

        while ((j = TAILQ_FIRST(q))) {
                TAILQ_REMOVE(q, j, entry);
                worker_job_free(j);
        }
}

Child *worker_child_free(Child *c) {
        sd_event_source_unref(c->readable);
        sd_event_source_unref(c->ended);
        safe_close(c->fd);
        safe_close(c->hand);
        jobs_free(&c->jobs);
        free(c->text);
        free(c);
        return NULL;
}

/* ---- the start of a child ---- */

/* The child is reaped by hand where the loop can't be told of it. */
static int child_abort(Child *c, int r) {
        kill(c->pid, SIGKILL);
        while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
                ;
        c->pid = 0;
        return r;
}

static int child_watch(Child *c) {
        sd_event *event = c->pool->event;
        int r = sd_event_add_io(event, &c->readable, c->fd, EPOLLIN, worker_on_readable, c);

        if (r >= 0)
                r = sd_event_add_child(event, &c->ended, c->pid, WEXITED, worker_on_ended, c);
        return r < 0 ? child_abort(c, r) : 0;
}

/* Its writing end is closed at once, so that nobody ever waits for a byte. */
static int make_hand(Child *c, size_t n) {
        static const char tokens[SHARE_MAX];
        _cleanup_close_ int in = -1;
        int pair[2];

        if (n == 0)
                return 0;
        if (pipe2(pair, O_CLOEXEC) < 0)
                return -errno;
        c->hand = pair[0];
        in = pair[1];
        return fd_write_all(in, tokens, n);
}

static int child_start(Child *c) {
        _cleanup_close_ int in = -1;
        pid_t parent = getpid();
        int pair[2];

        if (pipe2(pair, O_CLOEXEC) < 0)
                return -errno;
        c->fd = pair[0];
        in = pair[1];
        if (fcntl(c->fd, F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        c->pid = fork();
        if (c->pid < 0)
                return -errno;
        if (c->pid == 0)
                worker_child(&c->jobs, c->lane, parent, in, c->hand);
        return child_watch(c);
}

/* What waits is shared out among all the children that the lane may have. Returns how many @c was given. */
static size_t child_give(Child *c) {
        WorkerPool *p = c->pool;
        size_t n = p->n_waiting[c->lane] / lanes[c->lane].children;

        n = n < 1 ? 1 : n > lanes[c->lane].share ? lanes[c->lane].share : n;
        p->n_waiting[c->lane] -= n;
        for (size_t i = 0; i < n; i++) {
                Job *j = TAILQ_FIRST(&p->waiting[c->lane]);

                TAILQ_REMOVE(&p->waiting[c->lane], j, entry);
                TAILQ_INSERT_TAIL(&c->jobs, j, entry);
        }
        return n;
}

static int hasten(WorkerPool *p) {
        int r = sd_event_source_set_time(p->hasten, clock_boottime() + SLOW);

        return r < 0 ? r : sd_event_source_set_enabled(p->hasten, SD_EVENT_ONESHOT);
}

static void child_begin(WorkerPool *p, WorkerLane lane) {
        Child *c = calloc(1, sizeof(*c));
        int r;

        if (!c) {
                p->n_waiting[lane]--;
                worker_fail_first(p, &p->waiting[lane], -ENOMEM, NULL);
                return;
        }
        *c = (Child){ .pool = p, .lane = lane, .fd = -1, .hand = -1, .heard = clock_boottime() };
        TAILQ_INIT(&c->jobs);
        r = make_hand(c, child_give(c) - 1);
        if (r == 0)
                r = child_start(c);
        if (r == 0) {
                TAILQ_INSERT_TAIL(&p->children, c, entry);
                p->n_children[lane]++;
                if (c->hand >= 0)
                        hasten(p);
                return;
        }
        while (!TAILQ_EMPTY(&c->jobs))
                worker_fail_first(
                        p, &c->jobs, r, xasprintf("can't start a worker: %s", strerror(-r)));
        worker_child_free(c);
}

/* ---- the lanes ---- */

static bool has_room(const WorkerPool *p, WorkerLane lane) {
        return p->n_children[lane] < lanes[lane].children;
}

/* As many as it has bytes left are not begun, and now can't be begun by it: its last ones. */
static void take_back(Child *c) {
        char tokens[SHARE_MAX];
        ssize_t n = c->hand >= 0 ? read(c->hand, tokens, sizeof(tokens)) : 0;

        c->hand = safe_close(c->hand);
        for (; n > 0; n--) {
                Job *j = TAILQ_LAST(&c->jobs, JobQueue);

                TAILQ_REMOVE(&c->jobs, j, entry);
                TAILQ_INSERT_HEAD(&c->pool->waiting[c->lane], j, entry);
                c->pool->n_waiting[c->lane]++;
        }
}

static void take_back_from_slow(WorkerPool *p, WorkerLane lane) {
        usec_t now = clock_boottime();
        Child *c;

        TAILQ_FOREACH(c, &p->children, entry)
                if (c->lane == lane && now - c->heard > SLOW)
                        take_back(c);
}

/* Begins what waits in @lane while there is room. */
void worker_fill(WorkerPool *p, WorkerLane lane) {
        if (has_room(p, lane))
                take_back_from_slow(p, lane);
        while (has_room(p, lane) && p->n_waiting[lane] > 0)
                child_begin(p, lane);
}

static int on_hasten(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata) {
        WorkerPool *p = userdata;
        const Child *c;

        for (WorkerLane l = 0; l < _LANE_MAX; l++)
                worker_fill(p, l);
        TAILQ_FOREACH(c, &p->children, entry)
                if (c->hand >= 0)
                        return hasten(p);
        return 0;
}

/* ---- the pool ---- */

int worker_run(WorkerPool *p, WorkerLane lane, WorkFunc work, void *arg, void (*arg_free)(void *),
        WorkDone done, void *userdata) {
        Job *j = calloc(1, sizeof(*j));

        if (!j)
                return -ENOMEM;
        *j = (Job){ .lane = lane,
                .work = work,
                .arg = arg,
                .arg_free = arg_free,
                .done = done,
                .userdata = userdata };
        TAILQ_INSERT_TAIL(&p->waiting[lane], j, entry);
        p->n_waiting[lane]++;
        p->n_open[lane]++;
        worker_fill(p, lane);
        return 0;
}

size_t worker_busy(const WorkerPool *p, WorkerLane lane) {
        size_t n = 0;

        if (lane < _LANE_MAX)
                return p->n_open[lane];
        for (WorkerLane l = 0; l < _LANE_MAX; l++)
                n += p->n_open[l];
        return n;
}

int worker_pool_new(sd_event *event, WorkerPool **ret) {
        _cleanup_(worker_pool_freep) WorkerPool *p = calloc(1, sizeof(*p));
        sigset_t child;
        int r;

        if (!p)
                return -ENOMEM;
        for (WorkerLane l = 0; l < _LANE_MAX; l++)
                TAILQ_INIT(&p->waiting[l]);
        TAILQ_INIT(&p->over);
        TAILQ_INIT(&p->children);
        /* sd-event learns of children through a signalfd. */
        sigemptyset(&child);
        sigaddset(&child, SIGCHLD);
        if (sigprocmask(SIG_BLOCK, &child, NULL) < 0)
                return -errno;
        p->event = sd_event_ref(event);
        r = sd_event_add_defer(event, &p->tell, worker_on_over, p);
        if (r >= 0)
                r = sd_event_source_set_enabled(p->tell, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time(event, &p->hasten, CLOCK_BOOTTIME, 0, 0, on_hasten, p);
        if (r >= 0)
                r = sd_event_source_set_enabled(p->hasten, SD_EVENT_OFF);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(p);
        return 0;
}

static void child_reap(const Child *c) {
        const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };

        for (int waited = 0; waited < REAP_WAIT_MSEC; waited += 10) {
                pid_t pid = waitpid(c->pid, NULL, WNOHANG);

                if (pid == c->pid || (pid < 0 && errno != EINTR))
                        return;
                nanosleep(&pause, NULL);
        }
}

WorkerPool *worker_pool_free(WorkerPool *p) {
        Child *c;

        if (!p)
                return NULL;
        TAILQ_FOREACH(c, &p->children, entry)
                kill(c->pid, SIGKILL);
        while ((c = TAILQ_FIRST(&p->children))) {
                TAILQ_REMOVE(&p->children, c, entry);
                c->ended = sd_event_source_unref(c->ended);
                child_reap(c);
                worker_child_free(c);
        }
        for (WorkerLane l = 0; l < _LANE_MAX; l++)
                jobs_free(&p->waiting[l]);
        jobs_free(&p->over);
        sd_event_source_unref(p->tell);
        sd_event_source_unref(p->hasten);
        sd_event_unref(p->event);
        free(p);
        return NULL;
}
