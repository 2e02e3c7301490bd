/* SPDX-License-Identifier: Apache-2.0 */

/*
 * When a local job starts, and what the machine is told of it. A supervisor is forked off here; all that follows is its own.
 *
 * Called by the daemon's side of the backend.
 */

#include "scheduler-local-internal.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "crashpoint.h"
#include "text.h"

/* The limit that scripts get, see getrlimit(2): before the daemon raises its own. */
static struct rlimit descriptors_at_login;

__attribute__((constructor)) static void remember_limits(void) {
        (void)getrlimit(RLIMIT_NOFILE, &descriptors_at_login);
}

/* ---- telling the machine ---- */

static bool is_theirs(const LocalJob *j) {
        return j->uow && j->uow->state == UOW_QUEUED && j->uow->attempt == j->record.attempt;
}

static unsigned slots_in_use(Local *l) {
        const LocalJob *j;
        unsigned n = 0;

        TAILQ_FOREACH(j, &l->jobs, entry)
                n += local_job_uses_slot(j);
        return n;
}

void local_job_tell(LocalJob *j) {
        Local *l = j->local;
        JobReport report;

        if (!is_theirs(j) || (j->record.state == LOCAL_PENDING && local_job_uses_slot(j)))
                return; /* the latter begins just now, and says so itself */
        if (local_report(&j->record, &report) < 0)
                return; /* the next poll comes here again */
        if (j->record.state == LOCAL_PENDING)
                report.reason = xasprintf("waits for a free slot (%u of %u in use)",
                        slots_in_use(l), l->scheduler->config->scheduler.slots);
        l->scheduler->events.job(j->uow, j->record.attempt, &report, l->scheduler->userdata);
        job_report_done(&report);
}

/* Looks at a job again, and tells what is new. */
void local_job_look(LocalJob *j) {
        int r = local_job_refresh(j);

        if (r > 0)
                local_job_tell(j);
        else if (r < 0)
                local_turn_later(j->local, clock_boottime() + LOCAL_AGAIN);
}

/* ---- starting ---- */

static int on_child(sd_event_source *s _unused_, const siginfo_t *si _unused_, void *userdata) {
        LocalJob *j = userdata;
        Local *l = j->local;

        j->child = 0;
        j->ended = sd_event_source_unref(j->ended);
        local_job_look(j);
        if (j->record.state == LOCAL_PENDING && !j->claimed) {
                local_note_trouble(l, "A job could not be begun", -EIO);
                j->not_before = clock_boottime() + LOCAL_AGAIN;
        }
        local_turn_soon(l);
        return 0;
}

static int start_job(LocalJob *j) {
        Local *l = j->local;
        const LocalStart start = {
                .id = j->record.id,
                .dir = l->dir,
                .work = l->scheduler->layout->fd[PLACE_WORK],
                .environment = login_environment(l->login),
                .descriptors = descriptors_at_login,
        };
        sigset_t all, saved;
        pid_t pid;

        /* An order for the daemon that arrives just now must not be taken for one by its copy. */
        sigfillset(&all);
        if (sigprocmask(SIG_SETMASK, &all, &saved) < 0)
                return -errno;
        pid = fork();
        if (pid == 0)
                local_supervise(&start);
        j->child = pid;
        (void)sigprocmask(SIG_SETMASK, &saved, NULL);
        if (pid < 0) {
                j->child = 0;
                return -EAGAIN;
        }
        CRASH_POINT("local-started");
        if (sd_event_add_child(l->scheduler->event, &j->ended, pid, WEXITED, on_child, j) < 0) {
                /* It runs all the same, and what it writes is seen. */
                j->child = 0;
                j->not_before = clock_boottime() + LOCAL_AGAIN;
        }
        return 0;
}

static bool may_start(const LocalJob *j) {
        return j->record.state == LOCAL_PENDING && !j->claimed && j->child == 0 && is_theirs(j) &&
                !j->uow->cancelling;
}

/* First come, first served. */
void local_jobs_start(Local *l) {
        unsigned used = slots_in_use(l), slots = l->scheduler->config->scheduler.slots;
        usec_t now = clock_boottime();
        LocalJob *j;
        int r;

        TAILQ_FOREACH(j, &l->jobs, entry) {
                if (used >= slots)
                        return;
                if (!may_start(j))
                        continue;
                if (j->not_before > now) {
                        local_turn_later(l, j->not_before);
                        continue;
                }
                r = start_job(j);
                if (r < 0) {
                        local_note_trouble(l, "A job could not be begun", r);
                        j->not_before = now + LOCAL_AGAIN;
                        local_turn_later(l, j->not_before);
                        continue;
                }
                if (l->trouble[0])
                        local_note_trouble(l, NULL, 0);
                used++;
        }
}
