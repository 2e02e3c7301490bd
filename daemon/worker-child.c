/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A child of the pool. It keeps the daemon's memory and its open files and folders, but no socket and nothing of the
 * loop: a client whose connection a long purge kept open would never see it end.
 */

#include "worker-internal.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "fileio.h"
#include "text.h"

/* Bulk work gives way to everybody else on a login node. */
#define BULK_NICE 10

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

static void child_descriptors(int answer, int hand) {
        _cleanup_closedir_ DIR *d = opendir("/proc/self/fd");
        struct dirent *de;

        while (d && (de = readdir(d))) {
                int fd = atoi(de->d_name); /* "." and ".." become 0 */

                if (fd != answer && fd != hand && fd != dirfd(d) && !child_keeps(fd))
                        close(fd);
        }
}

static char *answer_line(int r, cJSON *result, const Error *e) {
        _cleanup_json_ cJSON *answer = cJSON_CreateObject();
        _cleanup_free_ char *text = NULL;

        if (!answer || json_set_int(answer, "r", r) < 0 ||
                json_set_name(answer, "text", e->text) < 0 ||
                json_set_item(answer, "result", result) < 0)
                return NULL;
        text = json_print(answer);
        return text ? xasprintf("%s\n", text) : NULL;
}

static int do_job(const Job *j, int fd) {
        _cleanup_free_ char *line = NULL;
        cJSON *result = cJSON_CreateObject();
        Error e = { 0 };

        if (!result)
                return -ENOMEM;
        line = answer_line(j->work(j->arg, result, &e), result, &e);
        return line ? fd_write_all(fd, line, strlen(line)) : -ENOMEM;
}

typedef struct Task {
        const JobQueue *jobs;
        int fd, hand;
} Task;

static bool may_begin_another(const Task *t) {
        char token;

        return t->hand >= 0 && read(t->hand, &token, 1) == 1;
}

static void *do_jobs(void *arg) {
        const Task *t = arg;
        const Job *j;

        TAILQ_FOREACH(j, t->jobs, entry) {
                if (j != TAILQ_FIRST(t->jobs) && !may_begin_another(t))
                        break;
                /* _exit: the daemon's atexit handlers and half-filled stdio buffers are not ours. */
                if (do_job(j, t->fd) < 0)
                        _exit(EXIT_FAILURE);
        }
        _exit(EXIT_SUCCESS);
}

/*
 * On a thread of its own, for which malloc begins with fresh memory. Else the child would be given the many small holes
 * in the daemon's heap, each on another page that has to be copied first: with thousands of records the larger part of its cost.
 */
static _Noreturn void do_jobs_apart(Task *t) {
        pthread_t thread;

        if (pthread_create(&thread, NULL, do_jobs, t) == 0)
                pthread_join(thread, NULL);
        else
                do_jobs(t);
        _exit(EXIT_FAILURE);
}

_Noreturn void worker_child(const JobQueue *jobs, WorkerLane lane, pid_t parent, int fd, int hand) {
        Task task = { jobs, fd, hand };

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
                _exit(EXIT_FAILURE);
        child_signals();
        child_descriptors(fd, hand);
        if (lane == LANE_BULK)
                (void)setpriority(PRIO_PROCESS, 0, BULK_NICE);
        do_jobs_apart(&task);
}
