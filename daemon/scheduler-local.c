/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The `local` scheduler: runs scripts on this machine, `scheduler.slots` at once, without Slurm.
 *
 * A job is a few files in .flowcron/local and, while it runs, a supervisor process that belongs to nobody: it lives on
 * when the daemon ends, and the next daemon finds it by what the folder says. What this guarantees:
 *
 *  - a submission is answered after the job's record is on the disk, so it is never uncertain, and one that is asked for
 *    twice is the same job.
 *  - a script is started at most once: its supervisor claims the job before it does anything, a claim is taken by one
 *    only, and a job that was claimed is never started again, whoever asks.
 *  - a job whose supervisor vanished without having written the end (the machine restarted, somebody killed it) ends as
 *    NODE_FAIL, as it would with Slurm.
 *
 * Nothing waits for the poll interval: supervisors of ours are children, and every change of a record is noticed in the folder.
 * The poll is what makes up for a notice that got lost.
 *
 * Called through the table of scheduler.h only. The other files of the backend are listed in scheduler-local-internal.h.
 */

#include "scheduler-local-internal.h"

#include <limits.h>
#include <string.h>
#include <sys/inotify.h>

#include "text.h"

/* ---- health ---- */

static void tell_health(Local *l) {
        Scheduler *s = l->scheduler;
        const char *login = login_trouble(l->login);
        unsigned slots = s->config->scheduler.slots;

        snprintf(s->health.version, sizeof(s->health.version), "local (%u slot%s)", slots,
                slots == 1 ? "" : "s");
        if (l->trouble[0])
                scheduler_set_health(s, SCHEDULER_DEGRADED, "%s", l->trouble);
        else if (login)
                scheduler_set_health(
                        s, SCHEDULER_DEGRADED, "jobs get a minimal environment: %s", login);
        else
                scheduler_set_health(s, SCHEDULER_UP, "%s", "");
}

/* @what NULL: all is well. */
void local_note_trouble(Local *l, const char *what, int r) {
        if (what)
                snprintf(l->trouble, sizeof(l->trouble), "%s: %s", what, strerror(-r));
        else
                l->trouble[0] = 0;
        tell_health(l);
}

void local_turn_soon(Local *l) {
        (void)sd_event_source_set_enabled(l->turn, SD_EVENT_ONESHOT);
}

void local_turn_later(Local *l, usec_t when) {
        if (sd_event_source_set_time(l->again, when) >= 0)
                (void)sd_event_source_set_enabled(l->again, SD_EVENT_ONESHOT);
}

/* ---- changes in the folder ---- */

static void look_everywhere(Local *l) {
        LocalJob *j;

        TAILQ_FOREACH(j, &l->jobs, entry)
                if (!local_state_ended(j->record.state))
                        local_job_look(j);
}

static int on_changed(
        sd_event_source *s _unused_, int fd, uint32_t revents _unused_, void *userdata) {
        _Alignas(struct inotify_event) char buf[16 * (sizeof(struct inotify_event) + NAME_MAX + 1)];
        Local *l = userdata;
        ssize_t n = read(fd, buf, sizeof(buf));

        for (const char *p = buf; n > 0 && p < buf + n;) {
                const struct inotify_event *e = (const struct inotify_event *)(const void *)p;
                LocalJob *j = e->len ? local_jobs_find(l, local_file_id(e->name, ".json")) : NULL;

                if (e->mask & IN_Q_OVERFLOW)
                        look_everywhere(l);
                else if (j)
                        local_job_look(j);
                p += sizeof(*e) + e->len;
        }
        local_turn_soon(l);
        return 0;
}

/* A hint, no more: where it can't be had (the user's bound on watches), the poll finds what others' supervisors did. */
static void watch_folder(Local *l) {
        char path[64];

        l->changes = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", l->dir);
        if (l->changes < 0 || inotify_add_watch(l->changes, path, IN_MOVED_TO | IN_ONLYDIR) < 0 ||
                sd_event_add_io(
                        l->scheduler->event, &l->changed, l->changes, EPOLLIN, on_changed, l) < 0)
                l->changes = safe_close(l->changes);
}

/* Reads the folder when it is first needed: not before, since until then another owner may be at work there. */
int local_ready(Local *l) {
        int r = local_jobs_load(l);

        if (r == 0 && !l->watching) {
                l->watching = true;
                watch_folder(l);
                look_everywhere(l);
        }
        return r;
}

/* ---- orders ---- */

static int order(Scheduler *s, Uow *u, LocalOrderKind kind) {
        Local *l = s->backend;
        LocalOrder *o = calloc(1, sizeof(*o));

        if (!o)
                return -ENOMEM;
        *o = (LocalOrder){ .kind = kind, .uow = u, .attempt = u->attempt };
        TAILQ_INSERT_TAIL(&l->orders, o, entry);
        local_turn_soon(l);
        return 0;
}

static int local_submit(Scheduler *s, Uow *u) {
        return order(s, u, LOCAL_SUBMIT);
}

static void local_withdraw(Scheduler *s) {
        Local *l = s->backend;

        l->withdrawn = true;
        local_turn_soon(l);
}

static int local_release(Scheduler *s, Uow *u) {
        return order(s, u, LOCAL_RELEASE);
}

static int local_cancel(Scheduler *s, Uow *u) {
        return order(s, u, LOCAL_CANCEL);
}

/* ---- the poll ---- */

/* Its record is gone, and nobody runs it as far as we know. */
static void tell_lost(Local *l, Uow *u) {
        JobReport report = { .ended = true,
                .outcome = OUTCOME_LOST,
                .cause = strdup(CAUSE_LOST),
                .reason = outcome_reason(CAUSE_LOST, NULL) };

        if (report.cause && report.reason)
                l->scheduler->events.job(u, u->attempt, &report, l->scheduler->userdata);
        job_report_done(&report);
}

static void look_up(Local *l, Uow *u, LocalJob *j) {
        char id[24];

        if (j)
                snprintf(id, sizeof(id), "%" PRIu64, j->record.id);
        l->scheduler->events.looked_up(u, u->attempt, j ? LOOKUP_FOUND : LOOKUP_ABSENT,
                j ? id : NULL, false, l->scheduler->userdata);
}

/* First all of them are known, so that what is free can be started, and then told. */
static void find_asked(Local *l) {
        LocalJob *j;

        TAILQ_FOREACH(j, &l->jobs, entry)
                j->asked = false;
        for (size_t i = 0; i < l->n_asked; i++) {
                Uow *u = l->asked[i];

                if (u->state != UOW_QUEUED)
                        continue;
                j = local_job_of(l, u);
                if (j) {
                        j->asked = true;
                        j->uow = u;
                }
                if (!u->job_id)
                        look_up(l, u, j);
        }
        look_everywhere(l);
}

static void tell_asked(Local *l) {
        for (size_t i = 0; i < l->n_asked; i++) {
                Uow *u = l->asked[i];
                LocalJob *j;

                if (u->state != UOW_QUEUED || !u->job_id)
                        continue;
                j = local_job_of(l, u);
                if (j)
                        local_job_tell(j);
                else
                        tell_lost(l, u);
        }
}

static void answer_poll(Local *l) {
        int r = local_ready(l);

        if (r < 0)
                local_note_trouble(l, "The folder of local jobs can't be read", r);
        else {
                find_asked(l);
                local_jobs_start(l);
                tell_asked(l);
                local_jobs_tidy(l);
        }
        free(l->asked);
        l->asked = NULL;
        l->n_asked = 0;
        scheduler_polled(l->scheduler);
}

static int local_poll(Scheduler *s, Uow **uows, size_t n) {
        Local *l = s->backend;

        l->asked = calloc(n + 1, sizeof(*uows));
        if (!l->asked)
                return -ENOMEM;
        memcpy(l->asked, uows, n * sizeof(*uows));
        l->n_asked = n;
        local_turn_soon(l);
        return 0;
}

/* ---- its turn ---- */

/* Until the environment is there nothing is answered: a pass that ended before would leave its jobs to the next one, for ever. */
static int on_turn(sd_event_source *s _unused_, void *userdata) {
        Local *l = userdata;

        if (l->withdrawn)
                local_orders_withdraw(l);
        if (!login_environment(l->login))
                return 0;
        local_orders_carry_out(l);
        if (l->loaded)
                local_jobs_start(l);
        if (l->asked)
                answer_poll(l);
        return 0;
}

static int on_again(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata) {
        Local *l = userdata;

        if (l->loaded)
                look_everywhere(l);
        local_turn_soon(l);
        return 0;
}

static void on_login(void *userdata) {
        Local *l = userdata;

        tell_health(l);
        local_turn_soon(l);
}

/* ---- the table ---- */

static void local_free(Scheduler *s) {
        Local *l = s->backend;
        LocalOrder *o;

        local_jobs_free(l);
        while ((o = TAILQ_FIRST(&l->orders))) {
                TAILQ_REMOVE(&l->orders, o, entry);
                free(o);
        }
        sd_event_source_unref(l->turn);
        sd_event_source_unref(l->again);
        sd_event_source_unref(l->changed);
        safe_close(l->changes);
        safe_close(l->dir);
        login_free(l->login);
        free(l->asked);
        free(l);
        s->backend = NULL;
}

static int add_sources(Local *l) {
        sd_event *event = l->scheduler->event;
        int r = sd_event_add_defer(event, &l->turn, on_turn, l);

        if (r >= 0)
                r = sd_event_source_set_enabled(l->turn, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time(event, &l->again, CLOCK_BOOTTIME, 0, 0, on_again, l);
        if (r >= 0)
                r = sd_event_source_set_enabled(l->again, SD_EVENT_OFF);
        return r < 0 ? r : 0;
}

static int local_new(Scheduler *s, Error *e) {
        Local *l = calloc(1, sizeof(*l));
        int r;

        if (!l)
                return -ENOMEM;
        l->scheduler = s;
        l->dir = l->changes = -1;
        TAILQ_INIT(&l->jobs);
        TAILQ_INIT(&l->orders);
        s->backend = l;
        r = add_sources(l);
        if (r < 0)
                return error_set(e, r, "The event loop refused a source: %s", strerror(-r));
        r = login_new(s->event, on_login, l, &l->login);
        return r < 0 ? error_set(e, r, "The login shell can't be run: %s", strerror(-r)) : 0;
}

static int local_reload(Scheduler *s) {
        Local *l = s->backend;

        tell_health(l);
        local_turn_soon(l);
        return login_refresh(l->login);
}

/* What is run: the script, and the folder as its argument. */
static char **local_args(Scheduler *s, const Uow *u) {
        _cleanup_(strv_freep) char **args = NULL;
        char *path = layout_uow_path(s->layout, PLACE_WORK, u->folder);

        if (!path || strv_take(&args, xasprintf("%s/scripts/%s", path, u->script)) < 0) {
                free(path);
                return NULL;
        }
        return strv_take(&args, path) < 0 ? NULL : TAKE_PTR(args);
}

const SchedulerVTable scheduler_local = {
        .name = "local",
        .new = local_new,
        .free = local_free,
        .submit = local_submit,
        .release = local_release,
        .cancel = local_cancel,
        .poll = local_poll,
        .withdraw = local_withdraw,
        .reload = local_reload,
        .args = local_args,
};
