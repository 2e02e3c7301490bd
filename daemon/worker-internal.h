/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The pool's inside, shared by worker.c (the daemon's side) and worker-child.c (the children's). */

#include <sys/queue.h>
#include <sys/types.h>

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
        STAILQ_ENTRY(Job) entry;
} Job;

typedef STAILQ_HEAD(JobQueue, Job) JobQueue;

/**
 * worker_child() - the whole life of a child of @parent: does @jobs in order, and answers each with a line of JSON through @fd
 * It ends with 0 when all are done, or when the rest is better begun by another.
 */
_Noreturn void worker_child(const JobQueue *jobs, WorkerLane lane, pid_t parent, int fd);
