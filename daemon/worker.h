/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Work that may wait for a disk, done in forked children: staging, settling, purging, copies, checkpoints.
 *
 * The child is a fork of the daemon without exec, so it starts with all that the daemon knows; it does one piece of work, or a
 * few small ones that have waited, answers each with one JSON object through a pipe, and ends. It dies with the daemon. What it
 * does must be safe to do again.
 * Lanes keep a purge of a million files from delaying the next upload: each has its own bound on children at once, and a queue.
 */

#include <systemd/sd-event.h>

#include "json.h"

typedef enum WorkerLane {
        LANE_STAGE,
        LANE_SETTLE,
        LANE_BULK, /* purges, copies between file systems */
        LANE_CHECKPOINT,
        _LANE_MAX,
} WorkerLane;

typedef struct WorkerPool WorkerPool;

/*
 * The work, run in the child. Fills @result (an empty object) and returns 0, a positive outcome or -errno; @e is for people.
 * The child has no event loop, and must not touch the daemon's.
 */
typedef int (*WorkFunc)(void *arg, cJSON *result, Error *e);

/*
 * Called from the loop when the child has answered: @r as returned by the work, or -ECHILD when it died without an answer (killed, crashed; @e says how).
 * @result is NULL when there is no answer.
 */
typedef void (*WorkDone)(int r, const cJSON *result, const Error *e, void *userdata);

/** worker_pool_new() - also blocks SIGCHLD, which sd-event wants. */
int worker_pool_new(sd_event *event, WorkerPool **ret);
/** worker_pool_free() - kills and reaps what runs, forgets what waits; no callback. */
WorkerPool *worker_pool_free(WorkerPool *p);
DEFINE_CLEANUP(WorkerPool *, worker_pool_free)

/**
 * worker_run() - queue a piece of work
 * @arg: handed to @work in the child and, in the parent, freed with @arg_free (NULL: not owned) after @done; on failure it stays the caller's
 *
 * If its lane has room the child is forked within this call, so that it sees the daemon's memory as it is now. @done is called
 * exactly once, never from within this call, unless the pool is freed first; it may queue more work, or free the pool.
 * Returns 0, or -ENOMEM. A fork that fails is told through @done.
 */
int worker_run(WorkerPool *p, WorkerLane lane, WorkFunc work, void *arg, void (*arg_free)(void *),
        WorkDone done, void *userdata);

/** worker_busy() - pieces of work running or waiting in @lane (all lanes: _LANE_MAX). */
size_t worker_busy(const WorkerPool *p, WorkerLane lane);
