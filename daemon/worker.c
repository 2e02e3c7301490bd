/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The pool of forked children, as the daemon sees it.
 *
 * Guarantees: the loop never waits for a disk; a piece of work is answered exactly once, from the loop; an answer is
 * believed only when it is complete; no child outlives the daemon.
 *
 * While a lane has room each piece of work gets a child of its own. What had to wait is handed out in shares, several to one
 * child: a fork costs more than staging a small Unit of Work. A child that dies takes down only what it was at; what it had
 * not begun goes back to the head of the line.
 *
 * Called by the machine only, from the loop.
 */

#include "worker-internal.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "text.h"

/* A record of what settling did in a large tree is some 100 KiB; more than this is a fault. */
#define ANSWER_MAX ((size_t)4 * 1024 * 1024)

/* Killed children that hang in the kernel (a file system that does not answer) are left behind after that. */
#define REAP_WAIT_MSEC 5000

/* A child and its share, in order, less what it has answered. */
typedef struct Child {
        WorkerPool *pool;
        WorkerLane lane;
        JobQueue jobs;
        pid_t pid;
        int fd; /* read end of the answers' pipe */
        sd_event_source *readable, *ended;
        char *text; /* what was read of an answer that is not complete */
        size_t size, room;
        bool overflow;
        bool has_answered;
        bool leaving; /* all is answered: its place is another's, who need not wait for its end */
        TAILQ_ENTRY(Child) entry;
} Child;

struct WorkerPool {
        sd_event *event;
        sd_event_source
                *tell; /* those that are over, one a time: their callbacks may free the pool */
        JobQueue over;
        JobQueue waiting[_LANE_MAX];
        TAILQ_HEAD(, Child) children;
        size_t n_children[_LANE_MAX];
        size_t n_waiting[_LANE_MAX]; /* pieces of work */
        size_t n_open[_LANE_MAX];    /* waiting, given to a child, or over but not told yet */
};

/*
 * Staging and settling wait mostly for a file server's answers; one bulk job keeps a disk busy. Only staging is always
 * short: settling a large tree must not keep a small one waiting that another child could do.
 */
static const struct {
        size_t children, share;
} lanes[_LANE_MAX] = {
        [LANE_STAGE] = { 4, 16 },
        [LANE_SETTLE] = { 2, 1 },
        [LANE_BULK] = { 1, 1 },
        [LANE_CHECKPOINT] = { 1, 1 },
};

static void job_free(Job *j) {
        if (j->arg_free)
                j->arg_free(j->arg);
        free(j->answer);
        free(j->trouble);
        free(j);
}

static void jobs_free(JobQueue *q) {
        Job *j;

        while ((j = STAILQ_FIRST(q))) {
                STAILQ_REMOVE_HEAD(q, entry);
                job_free(j);
        }
}

static Child *child_free(Child *c) {
        sd_event_source_unref(c->readable);
        sd_event_source_unref(c->ended);
        safe_close(c->fd);
        jobs_free(&c->jobs);
        free(c->text);
        free(c);
        return NULL;
}

static void pool_fill(WorkerPool *p, WorkerLane lane);

/* ---- what is over ---- */

/* What the child said, or -ECHILD. @ret_result is NULL without an answer. */
static int answer_parse(const char *text, cJSON **ret_result, Error *e) {
        _cleanup_json_ cJSON *answer = NULL;
        _cleanup_free_ char *words = NULL;
        int64_t r;

        if (json_parse(text, strlen(text), &answer, e) < 0)
                return error_prefix(e, -ECHILD, "a worker's answer makes no sense");
        r = json_int(answer, "r", INT64_MIN);
        if (r < INT32_MIN || r > INT32_MAX || !json_object(answer, "result"))
                return error_set(e, -ECHILD, "a worker's answer is not complete");
        e->text[0] = 0;
        if (json_get_name(answer, "text", &words) == 0)
                error_set(e, 0, "%s", words);
        *ret_result = cJSON_DetachItemFromObjectCaseSensitive(answer, "result");
        return (int)r;
}

static int on_over(sd_event_source *s, void *userdata) {
        _cleanup_json_ cJSON *result = NULL;
        WorkerPool *p = userdata;
        Job *j = STAILQ_FIRST(&p->over);
        Error e = { 0 };
        int r;

        STAILQ_REMOVE_HEAD(&p->over, entry);
        if (STAILQ_EMPTY(&p->over))
                (void)sd_event_source_set_enabled(s, SD_EVENT_OFF);
        p->n_open[j->lane]--;
        r = j->answer ? answer_parse(j->answer, &result, &e)
                      : error_set(&e, j->error, "%s", j->trouble ? j->trouble : strerror(ENOMEM));
        /* From here on the pool may be freed by the callback. */
        j->done(r, result, &e, j->userdata);
        job_free(j);
        return 0;
}

static void job_over(WorkerPool *p, Job *j) {
        STAILQ_INSERT_TAIL(&p->over, j, entry);
        (void)sd_event_source_set_enabled(p->tell, SD_EVENT_ON);
}

/* Takes @trouble. */
static void fail_first(WorkerPool *p, JobQueue *q, int error, char *trouble) {
        Job *j = STAILQ_FIRST(q);

        if (!j) {
                free(trouble);
                return;
        }
        STAILQ_REMOVE_HEAD(q, entry);
        j->error = error;
        j->trouble = trouble;
        job_over(p, j);
}

/* ---- answers ---- */

static void leave(Child *c) {
        if (!c->leaving)
                c->pool->n_children[c->lane]--;
        c->leaving = true;
}

static int text_grow(Child *c) {
        size_t room = c->room ? c->room * 2 : 4096;
        char *bigger = realloc(c->text, room);

        if (!bigger)
                return -ENOMEM;
        c->text = bigger;
        c->room = room;
        return 0;
}

/* Each line answers the first that has none. Without memory for it the work is done again. */
static void take_answers(Child *c) {
        char *line = c->text, *end;

        while ((end = memchr(line, '\n', c->size - (size_t)(line - c->text)))) {
                Job *j = STAILQ_FIRST(&c->jobs);

                if (j)
                        j->answer = strndup(line, (size_t)(end - line));
                fail_first(c->pool, &c->jobs, -ENOMEM, NULL);
                c->has_answered = true;
                line = end + 1;
        }
        c->size -= (size_t)(line - c->text);
        memmove(c->text, line, c->size);
        if (STAILQ_EMPTY(&c->jobs))
                leave(c);
}

/* Takes what is there. 1: the end of all answers, 0: more may come, -errno. */
static int read_answers(Child *c) {
        for (;;) {
                ssize_t n;

                if (c->size == c->room && text_grow(c) < 0)
                        return -ENOMEM;
                n = read(c->fd, c->text + c->size, c->room - c->size);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return errno == EAGAIN ? 0 : -errno;
                if (n == 0)
                        return 1;
                c->size += (size_t)n;
                if (memchr(c->text + c->size - n, '\n', (size_t)n))
                        take_answers(c);
                if (c->size > ANSWER_MAX)
                        return -EFBIG;
        }
}

static int on_readable(
        sd_event_source *s, int fd _unused_, uint32_t revents _unused_, void *userdata) {
        Child *c = userdata;
        int r = read_answers(c);

        if (r == 0) {
                pool_fill(c->pool, c->lane);
                return 0;
        }
        if (r < 0) {
                c->overflow = true;
                kill(c->pid, SIGKILL);
        }
        return sd_event_source_set_enabled(s, SD_EVENT_OFF);
}

/* ---- the end of a child ---- */

static char *describe_end(const Child *c, const siginfo_t *si) {
        if (c->overflow)
                return xasprintf("a worker's answer could not be taken in (%zu bytes)", c->size);
        if (si->si_code != CLD_EXITED)
                return xasprintf("a worker was killed by signal %i (%s)", si->si_status,
                        strsignal(si->si_status));
        if (si->si_status != EXIT_SUCCESS)
                return xasprintf("a worker ended with code %i", si->si_status);
        return xasprintf("a worker ended without an answer");
}

/* It may have left the rest to others, if it did something. */
static bool ended_well(const Child *c, const siginfo_t *si) {
        return !c->overflow && si->si_code == CLD_EXITED && si->si_status == EXIT_SUCCESS &&
                c->has_answered;
}

static void give_back(Child *c) {
        WorkerPool *p = c->pool;
        const Job *j;

        STAILQ_FOREACH(j, &c->jobs, entry)
        p->n_waiting[c->lane]++;
        STAILQ_CONCAT(&c->jobs, &p->waiting[c->lane]);
        STAILQ_CONCAT(&p->waiting[c->lane], &c->jobs);
}

static int on_ended(sd_event_source *s _unused_, const siginfo_t *si, void *userdata) {
        Child *c = userdata;
        WorkerPool *p = c->pool;
        WorkerLane lane = c->lane;

        if (!c->overflow && read_answers(c) < 0)
                c->overflow = true;
        if (!ended_well(c, si))
                fail_first(p, &c->jobs, -ECHILD, describe_end(c, si));
        give_back(c);
        leave(c);
        TAILQ_REMOVE(&p->children, c, entry);
        child_free(c);
        pool_fill(p, lane);
        return 0;
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
        int r = sd_event_add_io(event, &c->readable, c->fd, EPOLLIN, on_readable, c);

        if (r >= 0)
                r = sd_event_add_child(event, &c->ended, c->pid, WEXITED, on_ended, c);
        return r < 0 ? child_abort(c, r) : 0;
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
                worker_child(&c->jobs, c->lane, parent, in);
        return child_watch(c);
}

/* What waits is shared out among all the children that the lane may have. */
static void child_give(Child *c) {
        WorkerPool *p = c->pool;
        size_t n = p->n_waiting[c->lane] / lanes[c->lane].children;

        n = n < 1 ? 1 : n > lanes[c->lane].share ? lanes[c->lane].share : n;
        p->n_waiting[c->lane] -= n;
        while (n-- > 0) {
                Job *j = STAILQ_FIRST(&p->waiting[c->lane]);

                STAILQ_REMOVE_HEAD(&p->waiting[c->lane], entry);
                STAILQ_INSERT_TAIL(&c->jobs, j, entry);
        }
}

static void child_begin(WorkerPool *p, WorkerLane lane) {
        Child *c = calloc(1, sizeof(*c));
        int r;

        if (!c) {
                p->n_waiting[lane]--;
                fail_first(p, &p->waiting[lane], -ENOMEM, NULL);
                return;
        }
        *c = (Child){ .pool = p, .lane = lane, .fd = -1 };
        STAILQ_INIT(&c->jobs);
        child_give(c);
        r = child_start(c);
        if (r == 0) {
                TAILQ_INSERT_TAIL(&p->children, c, entry);
                p->n_children[lane]++;
                return;
        }
        while (!STAILQ_EMPTY(&c->jobs))
                fail_first(p, &c->jobs, r, xasprintf("can't start a worker: %s", strerror(-r)));
        child_free(c);
}

/* Begins what waits in @lane while there is room. */
static void pool_fill(WorkerPool *p, WorkerLane lane) {
        while (p->n_children[lane] < lanes[lane].children && p->n_waiting[lane] > 0)
                child_begin(p, lane);
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
        STAILQ_INSERT_TAIL(&p->waiting[lane], j, entry);
        p->n_waiting[lane]++;
        p->n_open[lane]++;
        pool_fill(p, lane);
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
                STAILQ_INIT(&p->waiting[l]);
        STAILQ_INIT(&p->over);
        TAILQ_INIT(&p->children);
        /* sd-event learns of children through a signalfd. */
        sigemptyset(&child);
        sigaddset(&child, SIGCHLD);
        if (sigprocmask(SIG_BLOCK, &child, NULL) < 0)
                return -errno;
        p->event = sd_event_ref(event);
        r = sd_event_add_defer(event, &p->tell, on_over, p);
        if (r >= 0)
                r = sd_event_source_set_enabled(p->tell, SD_EVENT_OFF);
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
                child_free(c);
        }
        for (WorkerLane l = 0; l < _LANE_MAX; l++)
                jobs_free(&p->waiting[l]);
        jobs_free(&p->over);
        sd_event_source_unref(p->tell);
        sd_event_unref(p->event);
        free(p);
        return NULL;
}
