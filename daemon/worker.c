/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The pool of forked children.
 *
 * Guarantees: the loop never waits for a disk; a piece of work is answered exactly once, from the loop; an answer is
 * believed only when it is complete and its child ended with 0; no child outlives the daemon. A child keeps the daemon's
 * memory and its open files and folders, but no socket and nothing of the loop: a client whose connection a long purge
 * kept open would never see it end.
 *
 * Called by the machine only, from the loop.
 */

#include "worker.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "fileio.h"
#include "text.h"

/* A record of what settling did in a large tree is some 100 KiB; more than this is a fault. */
#define ANSWER_MAX ((size_t)4 * 1024 * 1024)

/* Killed children that hang in the kernel (a file system that does not answer) are left behind after that. */
#define REAP_WAIT_MSEC 5000

/* Bulk work gives way to everybody else on a login node. */
#define BULK_NICE 10

typedef struct Job Job;

struct Job {
        WorkerPool *pool;
        Job *next;
        WorkerLane lane;
        WorkFunc work;
        void *arg;
        void (*arg_free)(void *);
        WorkDone done;
        void *userdata;

        pid_t pid;
        int fd; /* read end of the answer's pipe; in the child its write end */
        sd_event_source *readable, *ended;
        char *answer;
        size_t size, room;
        bool overflow;
        int error; /* could not be started: -errno */
};

typedef struct Queue {
        Job *first, **end;
} Queue;

struct WorkerPool {
        sd_event *event;
        sd_event_source *failure; /* tells of jobs that could not be started */
        Queue waiting[_LANE_MAX];
        Queue failed;
        Queue running;
        size_t n_waiting[_LANE_MAX];
        size_t n_running[_LANE_MAX];
};

/* Staging and settling wait mostly for a file server's answers; one bulk job keeps a disk busy. */
static const size_t lane_bound[_LANE_MAX] = {
        [LANE_STAGE] = 4,
        [LANE_SETTLE] = 2,
        [LANE_BULK] = 1,
        [LANE_CHECKPOINT] = 1,
};

static void queue_init(Queue *q) {
        q->first = NULL;
        q->end = &q->first;
}

static void queue_push(Queue *q, Job *j) {
        j->next = NULL;
        *q->end = j;
        q->end = &j->next;
}

static Job *queue_pop(Queue *q) {
        Job *j = q->first;

        if (!j)
                return NULL;
        q->first = j->next;
        if (!q->first)
                q->end = &q->first;
        return j;
}

static void queue_remove(Queue *q, Job *gone) {
        Job **p = &q->first;

        while (*p && *p != gone)
                p = &(*p)->next;
        if (!*p)
                return;
        *p = gone->next;
        if (!*p)
                q->end = p;
}

static Job *job_free(Job *j) {
        sd_event_source_unref(j->readable);
        sd_event_source_unref(j->ended);
        safe_close(j->fd);
        if (j->arg_free)
                j->arg_free(j->arg);
        free(j->answer);
        free(j);
        return NULL;
}

/* ---- the child ---- */

static void child_signals(void) {
        sigset_t none;

        for (int sig = 1; sig < NSIG; sig++)
                signal(sig, SIG_DFL); /* fails for SIGKILL, SIGSTOP and libc's own, rightly */
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Sockets, pipes and the loop's own descriptors belong to the daemon; files and folders are what work is done with. */
static bool child_keeps(int fd) {
        struct stat st;

        return fd <= STDERR_FILENO || fstat(fd, &st) < 0 || S_ISDIR(st.st_mode) ||
                S_ISREG(st.st_mode);
}

static void child_descriptors(int answer) {
        _cleanup_closedir_ DIR *d = opendir("/proc/self/fd");
        struct dirent *de;

        while (d && (de = readdir(d))) {
                int fd = atoi(de->d_name); /* "." and ".." become 0 */

                if (fd != answer && fd != dirfd(d) && !child_keeps(fd))
                        close(fd);
        }
}

static char *child_answer(int r, cJSON *result, const Error *e) {
        _cleanup_json_ cJSON *answer = cJSON_CreateObject();

        if (!answer || json_set_int(answer, "r", r) < 0 ||
                json_set_name(answer, "text", e->text) < 0 ||
                json_set_item(answer, "result", result) < 0)
                return NULL;
        return json_print(answer);
}

static void *child_work(void *arg) {
        Job *j = arg;
        Error e = { 0 };
        cJSON *result = cJSON_CreateObject();
        char *text;
        int r;

        if (!result)
                _exit(EXIT_FAILURE);
        r = j->work(j->arg, result, &e);
        text = child_answer(r, result, &e);
        /* _exit: the daemon's atexit handlers and half-filled stdio buffers are not ours. */
        _exit(text && fd_write_all(j->fd, text, strlen(text)) == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}

/*
 * On a thread of its own, for which malloc begins with fresh memory. Else the child would be given the many small holes
 * in the daemon's heap, each on another page that has to be copied first: with thousands of records the larger part of its cost.
 */
static _Noreturn void child_work_apart(Job *j) {
        pthread_t thread;

        if (pthread_create(&thread, NULL, child_work, j) == 0)
                pthread_join(thread, NULL);
        else
                child_work(j);
        _exit(EXIT_FAILURE);
}

static _Noreturn void child_run(Job *j, pid_t parent, int fd) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
                _exit(EXIT_FAILURE);
        child_signals();
        child_descriptors(fd);
        if (j->lane == LANE_BULK)
                (void)setpriority(PRIO_PROCESS, 0, BULK_NICE);
        j->fd = fd;
        child_work_apart(j);
}

/* ---- the parent ---- */

static void pool_fill(WorkerPool *p, WorkerLane lane);

static int answer_grow(Job *j) {
        size_t room = j->room ? j->room * 2 : 4096;
        char *bigger = realloc(j->answer, room);

        if (!bigger)
                return -ENOMEM;
        j->answer = bigger;
        j->room = room;
        return 0;
}

/* Takes what is there. 1: the end of the answer, 0: more may come, -errno. */
static int answer_read(Job *j) {
        for (;;) {
                ssize_t n;

                if (j->size == j->room && answer_grow(j) < 0)
                        return -ENOMEM;
                n = read(j->fd, j->answer + j->size, j->room - j->size);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return errno == EAGAIN ? 0 : -errno;
                if (n == 0)
                        return 1;
                j->size += (size_t)n;
                if (j->size > ANSWER_MAX)
                        return -EFBIG;
        }
}

static int on_readable(
        sd_event_source *s, int fd _unused_, uint32_t revents _unused_, void *userdata) {
        Job *j = userdata;
        int r = answer_read(j);

        if (r == 0)
                return 0;
        if (r < 0) {
                j->overflow = true;
                kill(j->pid, SIGKILL);
        }
        return sd_event_source_set_enabled(s, SD_EVENT_OFF);
}

/* What the child said, or -ECHILD. @ret_result is NULL without an answer. */
static int answer_parse(const Job *j, cJSON **ret_result, Error *e) {
        _cleanup_json_ cJSON *answer = NULL;
        _cleanup_free_ char *text = NULL;
        int64_t r;

        if (json_parse(j->answer, j->size, &answer, e) < 0)
                return error_prefix(e, -ECHILD, "a worker's answer makes no sense");
        r = json_int(answer, "r", INT64_MIN);
        if (r < INT32_MIN || r > INT32_MAX || !json_object(answer, "result"))
                return error_set(e, -ECHILD, "a worker's answer is not complete");
        e->text[0] = 0;
        if (json_get_name(answer, "text", &text) == 0)
                error_set(e, 0, "%s", text);
        *ret_result = cJSON_DetachItemFromObjectCaseSensitive(answer, "result");
        return (int)r;
}

static int job_outcome(Job *j, const siginfo_t *si, cJSON **ret_result, Error *e) {
        if (si->si_code != CLD_EXITED && !j->overflow)
                return error_set(e, -ECHILD, "a worker was killed by signal %i (%s)", si->si_status,
                        strsignal(si->si_status));
        if (!j->overflow && answer_read(j) < 0)
                j->overflow = true;
        if (j->overflow)
                return error_set(
                        e, -ECHILD, "a worker's answer could not be taken in (%zu bytes)", j->size);
        if (si->si_status != EXIT_SUCCESS)
                return error_set(e, -ECHILD, "a worker ended with code %i", si->si_status);
        return answer_parse(j, ret_result, e);
}

static int on_ended(sd_event_source *s _unused_, const siginfo_t *si, void *userdata) {
        _cleanup_json_ cJSON *result = NULL;
        Job *j = userdata;
        WorkerPool *p = j->pool;
        Error e = { 0 };
        int r = job_outcome(j, si, &result, &e);

        queue_remove(&p->running, j);
        p->n_running[j->lane]--;
        pool_fill(p, j->lane);
        /* From here on the pool may be freed by the callback. */
        j->done(r, result, &e, j->userdata);
        job_free(j);
        return 0;
}

static int on_failure(sd_event_source *s, void *userdata) {
        WorkerPool *p = userdata;
        Job *j = queue_pop(&p->failed);
        Error e = { 0 };

        if (!p->failed.first)
                (void)sd_event_source_set_enabled(s, SD_EVENT_OFF);
        if (!j)
                return 0;
        error_set(&e, 0, "can't start a worker: %s", strerror(-j->error));
        j->done(j->error, NULL, &e, j->userdata);
        job_free(j);
        return 0;
}

/* The child is reaped by hand where the loop can't be told of it. */
static int job_abort(Job *j, int r) {
        kill(j->pid, SIGKILL);
        while (waitpid(j->pid, NULL, 0) < 0 && errno == EINTR)
                ;
        j->pid = 0;
        return r;
}

static int job_watch(Job *j) {
        sd_event *event = j->pool->event;
        int r = sd_event_add_io(event, &j->readable, j->fd, EPOLLIN, on_readable, j);

        if (r >= 0)
                r = sd_event_add_child(event, &j->ended, j->pid, WEXITED, on_ended, j);
        return r < 0 ? job_abort(j, r) : 0;
}

static int job_start(Job *j) {
        _cleanup_close_ int in = -1;
        pid_t parent = getpid();
        int pair[2];

        if (pipe2(pair, O_CLOEXEC) < 0)
                return -errno;
        j->fd = pair[0];
        in = pair[1];
        if (fcntl(j->fd, F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        j->pid = fork();
        if (j->pid < 0)
                return -errno;
        if (j->pid == 0)
                child_run(j, parent, in);
        return job_watch(j);
}

/* Starts what waits in @lane while there is room. */
static void pool_fill(WorkerPool *p, WorkerLane lane) {
        while (p->n_running[lane] < lane_bound[lane] && p->waiting[lane].first) {
                Job *j = queue_pop(&p->waiting[lane]);

                p->n_waiting[lane]--;
                j->error = job_start(j);
                if (j->error == 0) {
                        queue_push(&p->running, j);
                        p->n_running[lane]++;
                } else {
                        queue_push(&p->failed, j);
                        (void)sd_event_source_set_enabled(p->failure, SD_EVENT_ON);
                }
        }
}

int worker_run(WorkerPool *p, WorkerLane lane, WorkFunc work, void *arg, void (*arg_free)(void *),
        WorkDone done, void *userdata) {
        Job *j = calloc(1, sizeof(*j));

        if (!j)
                return -ENOMEM;
        *j = (Job){
                .pool = p,
                .lane = lane,
                .work = work,
                .arg = arg,
                .arg_free = arg_free,
                .done = done,
                .userdata = userdata,
                .fd = -1,
        };
        queue_push(&p->waiting[lane], j);
        p->n_waiting[lane]++;
        pool_fill(p, lane);
        return 0;
}

size_t worker_busy(const WorkerPool *p, WorkerLane lane) {
        size_t n = 0;

        if (lane < _LANE_MAX)
                return p->n_running[lane] + p->n_waiting[lane];
        for (WorkerLane l = 0; l < _LANE_MAX; l++)
                n += p->n_running[l] + p->n_waiting[l];
        return n;
}

int worker_pool_new(sd_event *event, WorkerPool **ret) {
        _cleanup_(worker_pool_freep) WorkerPool *p = calloc(1, sizeof(*p));
        sigset_t child;
        int r;

        if (!p)
                return -ENOMEM;
        for (WorkerLane l = 0; l < _LANE_MAX; l++)
                queue_init(&p->waiting[l]);
        queue_init(&p->failed);
        queue_init(&p->running);
        /* sd-event learns of children through a signalfd. */
        sigemptyset(&child);
        sigaddset(&child, SIGCHLD);
        if (sigprocmask(SIG_BLOCK, &child, NULL) < 0)
                return -errno;
        p->event = sd_event_ref(event);
        r = sd_event_add_defer(event, &p->failure, on_failure, p);
        if (r >= 0)
                r = sd_event_source_set_enabled(p->failure, SD_EVENT_OFF);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(p);
        return 0;
}

static void job_reap(Job *j) {
        const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };

        for (int waited = 0; waited < REAP_WAIT_MSEC; waited += 10) {
                pid_t pid = waitpid(j->pid, NULL, WNOHANG);

                if (pid == j->pid || (pid < 0 && errno != EINTR))
                        return;
                nanosleep(&pause, NULL);
        }
}

WorkerPool *worker_pool_free(WorkerPool *p) {
        Job *j;

        if (!p)
                return NULL;
        for (j = p->running.first; j; j = j->next)
                kill(j->pid, SIGKILL);
        while ((j = queue_pop(&p->running))) {
                j->ended = sd_event_source_unref(j->ended);
                job_reap(j);
                job_free(j);
        }
        for (WorkerLane l = 0; l < _LANE_MAX; l++)
                while ((j = queue_pop(&p->waiting[l])))
                        job_free(j);
        while ((j = queue_pop(&p->failed)))
                job_free(j);
        sd_event_source_unref(p->failure);
        sd_event_unref(p->event);
        free(p);
        return NULL;
}
