/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The pool's inside, shared by its files only:
 *
 *   worker.c         lanes, and the start of children
 *   worker-answer.c  what children answer, and how they end
 *   worker-child.c   the children
 */

#include <sys/queue.h>
#include <sys/types.h>

#include "clock.h"
#include "worker.h"

/* A piece of work: waiting, given to a child, or over and about to be told. */
typedef struct Job {
        WorkerLane lane;
        WorkFunc work;
        void *arg;
        void (*arg_free)(void *);
        WorkDone done;
        void *userdata;

        char *answer;  /* the child's, a JSON object; NULL: none */
        int error;     /* without an answer: -errno, … */
        char *trouble; /* … and why */
        TAILQ_ENTRY(Job) entry;
} Job;

typedef TAILQ_HEAD(JobQueue, Job) JobQueue;

/* A child and its share, in order, less what it has answered. */
typedef struct Child {
        WorkerPool *pool;
        WorkerLane lane;
        JobQueue jobs;
        pid_t pid;
        int fd;       /* read end of the answers' pipe */
        int hand;     /* a byte in it for each that the child has not begun, and may; -1: none */
        usec_t heard; /* CLOCK_BOOTTIME: its start or last answer */
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
        sd_event_source *hasten; /* while shares are out: looks for slow children */
        sd_event_source *tell;   /* of what is over, one a time: a callback may free the pool */
        JobQueue over;
        JobQueue waiting[_LANE_MAX];
        TAILQ_HEAD(, Child) children;
        size_t n_children[_LANE_MAX];
        size_t n_waiting[_LANE_MAX]; /* pieces of work */
        size_t n_open[_LANE_MAX];    /* waiting, given to a child, or over but not told yet */
};

/* worker.c */
void worker_job_free(Job *j);
Child *worker_child_free(Child *c);
/** worker_fill() - begin what waits in @lane while there is room. */
void worker_fill(WorkerPool *p, WorkerLane lane);

/* worker-answer.c */
/** worker_fail_first() - the first of @q, if there is one, is over without an answer; takes @trouble. */
void worker_fail_first(WorkerPool *p, JobQueue *q, int error, char *trouble);
int worker_on_over(sd_event_source *s, void *userdata);
int worker_on_readable(sd_event_source *s, int fd, uint32_t revents, void *userdata);
int worker_on_ended(sd_event_source *s, const siginfo_t *si, void *userdata);

/* worker-child.c */
/**
 * worker_child() - the whole life of a child of @parent: does @jobs in order, and answers each with a line of JSON through @fd
 * @hand: before each but the first it takes a byte from here, if there is one, and else ends: the daemon takes one for each that it
 * wants back. -1: the first only.
 */
_Noreturn void worker_child(const JobQueue *jobs, WorkerLane lane, pid_t parent, int fd, int hand);
