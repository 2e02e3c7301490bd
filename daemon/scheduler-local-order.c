/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the machine may order: submit and cancel. Both are carried out at once, on our own disk; only a job that runs takes its time to end.
 *
 * Called by scheduler-local.c.
 */

#include "scheduler-local-internal.h"

#include <signal.h>
#include <string.h>

#include "crashpoint.h"
#include "fileio.h"
#include "text.h"

/* So many numbers are tried that turn out to be taken. */
#define IDS_TRIED 100

/* What the order was about may have been settled meanwhile; there is nothing to do then but to answer. */
static bool order_stands(const LocalOrder *o) {
        return o->uow->attempt == o->attempt;
}

static void answer_only(Local *l, const LocalOrder *o, const char *text) {
        const SchedulerEvents *events = &l->scheduler->events;
        void *userdata = l->scheduler->userdata;

        switch (o->kind) {
        case LOCAL_SUBMIT:
                events->submitted(o->uow, o->attempt, SUBMIT_DEFERRED, NULL, text, userdata);
                break;
        case LOCAL_RELEASE:
                events->released(o->uow, o->attempt, 0, NULL, userdata);
                break;
        case LOCAL_CANCEL:
                events->cancelled(o->uow, o->attempt, 0, NULL, userdata);
                break;
        }
}

static int fill_record(Local *l, const Uow *u, LocalRecord *r, Error *e) {
        const Layout *layout = l->scheduler->layout;
        _cleanup_close_ int dir = dir_open_at(layout->fd[PLACE_WORK], u->folder);

        if (dir < 0)
                return error_set(e, dir, "its folder can't be opened: %s", strerror(-dir));
        *r = (LocalRecord){ .attempt = u->attempt,
                .submitted = clock_now(),
                .exit_code = -1,
                .signal = -1,
                .memory = -1,
                .cpu_s = -1 };
        (void)scheduler_token(r->token, u);
        snprintf(r->uow, sizeof(r->uow), "%s", u->id);
        r->path = layout_uow_path(layout, PLACE_WORK, u->folder);
        if (!r->path || strdup_to(&r->folder, u->folder) < 0)
                return -ENOMEM;
        return local_script_read(dir, u->script, r, e);
}

static int create_job(Local *l, LocalRecord *r, LocalJob **ret) {
        int k = -EEXIST;

        for (int i = 0; k == -EEXIST && i < IDS_TRIED; i++) {
                r->id = ++l->highest;
                k = local_record_create(l->dir, r);
        }
        if (k < 0) {
                if (k != -EEXIST)
                        local_record_remove(
                                l->dir, r->id); /* written, but not known to be on the disk */
                return k;
        }
        CRASH_POINT("local-recorded");
        *ret = local_jobs_add(l, r);
        if (*ret)
                return 0;
        local_record_remove(l->dir, r->id);
        return -ENOMEM;
}

static int submit(Local *l, Uow *u, LocalJob **ret, Error *e) {
        char token[SCHEDULER_TOKEN_MAX];
        LocalRecord r = { .id = 0 };
        int k;

        *ret = local_jobs_by_token(l, scheduler_token(token, u));
        if (*ret)
                return 0;
        k = fill_record(l, u, &r, e);
        if (k == 0)
                k = create_job(l, &r, ret);
        local_record_done(&r);
        return k;
}

static void answer_submit(Local *l, Uow *u) {
        const SchedulerEvents *events = &l->scheduler->events;
        void *userdata = l->scheduler->userdata;
        Error e = { "" };
        LocalJob *j = NULL;
        char id[24];
        int r = local_ready(l);

        if (r == 0)
                r = submit(l, u, &j, &e);
        if (r < 0 && !e.text[0])
                error_set(&e, r, "the job can't be written down: %s", strerror(-r));
        if (r != 0) {
                events->submitted(u, u->attempt, r < 0 ? SUBMIT_DEFERRED : SUBMIT_REFUSED, NULL,
                        e.text, userdata);
                return;
        }
        j->uow = u;
        snprintf(id, sizeof(id), "%" PRIu64, j->record.id);
        events->submitted(u, u->attempt, SUBMIT_ACCEPTED, id, NULL, userdata);
}

static int cancel(LocalJob *j) {
        int r = local_job_refresh(j);

        if (r < 0 || local_state_ended(j->record.state))
                return r < 0 ? r : 0;
        if (!j->claimed) {
                r = local_job_drop(j);
                if (r != -EEXIST)
                        return r;
                r = local_job_refresh(j);
                if (r < 0 || local_state_ended(j->record.state))
                        return r < 0 ? r : 0;
        }
        r = local_cancel_note(j->local->dir, j->record.id);
        if (r < 0)
                return r;
        /* Elsewhere it finds the note by itself. */
        if (local_process_life(&j->supervisor) == LOCAL_LIFE_ALIVE &&
                kill(j->supervisor.pid, SIGTERM) < 0 && errno != ESRCH)
                return -errno;
        return 0;
}

static void answer_cancel(Local *l, Uow *u) {
        LocalJob *j = NULL;
        int r = local_ready(l);

        if (r == 0)
                j = local_job_of(l, u);
        if (j) {
                j->uow = u;
                r = cancel(j);
        }
        l->scheduler->events.cancelled(
                u, u->attempt, r, r < 0 ? strerror(-r) : NULL, l->scheduler->userdata);
        if (j && r == 0)
                local_job_tell(j);
}

static void carry_out(Local *l, const LocalOrder *o) {
        if (!order_stands(o)) {
                answer_only(l, o, "its attempt is over");
                return;
        }
        switch (o->kind) {
        case LOCAL_SUBMIT:
                answer_submit(l, o->uow);
                break;
        case LOCAL_RELEASE: /* nothing is ever held here: the record on our own disk is as good */
                answer_only(l, o, NULL);
                break;
        case LOCAL_CANCEL:
                answer_cancel(l, o->uow);
                break;
        }
}

void local_orders_carry_out(Local *l) {
        LocalOrder *o;

        while ((o = TAILQ_FIRST(&l->orders))) {
                TAILQ_REMOVE(&l->orders, o, entry);
                carry_out(l, o);
                free(o);
        }
}

void local_orders_withdraw(Local *l) {
        LocalOrder *o, *next;

        for (o = TAILQ_FIRST(&l->orders); o; o = next) {
                next = TAILQ_NEXT(o, entry);
                if (o->kind == LOCAL_CANCEL)
                        continue;
                TAILQ_REMOVE(&l->orders, o, entry);
                answer_only(l, o, "flowcrond was stopped before it was submitted");
                free(o);
        }
}
