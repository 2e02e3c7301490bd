/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Slurm as a scheduler: never twice, never lost, never a conclusion from silence.
 *
 * The machine calls it through the table at the end. All commands run in the background with the
 * login environment; until that has been taken, orders and the poll wait. The files of the backend
 * are listed in scheduler-slurm-internal.h.
 */

#include "scheduler-slurm-internal.h"

#include <string.h>

#include "text.h"

usec_t slurm_grace(const Slurm *s) {
        return 2 * s->scheduler->config->scheduler.command_timeout;
}

/* ---- health ---- */

void slurm_tell_health(Slurm *s) {
        char when[CLOCK_TEXT_MAX];
        usec_t now = clock_now();
        const char *trouble = login_trouble(s->login);

        if (s->squeue_down)
                scheduler_set_health(s->scheduler, SCHEDULER_DOWN,
                        "Slurm is not answering since %s (%s)",
                        clock_format_short(when, s->squeue_down_since, now), s->squeue_trouble);
        else if (s->sacct_down)
                scheduler_set_health(s->scheduler, SCHEDULER_DEGRADED,
                        "Slurm's accounting is not answering since %s (%s)",
                        clock_format_short(when, s->sacct_down_since, now), s->sacct_trouble);
        else if (trouble)
                scheduler_set_health(s->scheduler, SCHEDULER_DEGRADED,
                        "jobs get a minimal environment: %s", trouble);
        else
                scheduler_set_health(s->scheduler, SCHEDULER_UP, "%s", "");
}

void slurm_note_failure(Slurm *s, const char *text) {
        if (!s->squeue_down) {
                s->squeue_down = true;
                s->squeue_down_since = clock_now();
        }
        snprintf(s->squeue_trouble, sizeof(s->squeue_trouble), "%s", text);
        s->squeue_trouble[utf8_cut(s->squeue_trouble, sizeof(s->squeue_trouble) - 1)] = 0;
        slurm_tell_health(s);
}

/* ---- the environment ---- */

static void on_version(const CommandResult *r, void *userdata) {
        Slurm *s = userdata;
        SchedulerHealth *health = &s->scheduler->health;

        s->version = NULL;
        if (command_ok(r))
                snprintf(health->version, sizeof(health->version), "%.*s",
                        (int)strcspn(r->out, "\n"), r->out);
}

/* For people only: nothing depends on it, and a failure is not worth a word. */
static void ask_version(Slurm *s) {
        char *argv[] = { (char *)"scontrol", (char *)"--version", NULL };
        CommandSpec spec = { .argv = argv,
                .envp = s->query_environment,
                .cwd = -1,
                .umask = 022,
                .timeout = s->scheduler->config->scheduler.command_timeout,
                .output_max = 256 };

        if (!s->version)
                (void)command_start(s->scheduler->event, &spec, on_version, s, &s->version);
}

static void on_login(void *userdata) {
        Slurm *s = userdata;
        char **env = strv_copy(login_environment(s->login));

        if (!env || slurm_environment(&env) < 0) {
                strv_free(env);
                return; /* no memory: what there was is used on, or the next answer comes here again */
        }
        strv_free(s->query_environment);
        s->query_environment = env;
        if (s->scheduler->health.availability != SCHEDULER_UNTRIED)
                slurm_tell_health(s);
        ask_version(s);
        slurm_start_waiting(s);
        if (s->poll_waits)
                slurm_poll_start(s);
}

/* ---- the table ---- */

static void slurm_free(Scheduler *scheduler) {
        Slurm *s = scheduler->backend;
        Death *d;

        command_free(s->query);
        command_free(s->version);
        sd_event_source_unref(s->poll_start);
        slurm_ops_free(s);
        while ((d = TAILQ_FIRST(&s->deaths))) {
                TAILQ_REMOVE(&s->deaths, d, entry);
                free(d);
        }
        login_free(s->login);
        strv_free(s->query_environment);
        slurm_table_done(&s->squeue);
        slurm_table_done(&s->sacct);
        slurm_items_free(s);
        free(s->memory_written);
        free(s);
        scheduler->backend = NULL;
}

static int slurm_new(Scheduler *scheduler, Error *e) {
        Slurm *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        s->scheduler = scheduler;
        s->started = clock_now();
        s->started_boottime = clock_boottime();
        TAILQ_INIT(&s->ops);
        TAILQ_INIT(&s->deaths);
        scheduler->backend = s;
        /* Whose turn it is first is left to chance: a pass of `--once` is always the first. */
        s->turn_by_user = slurm_marker(s->marker) == 0 && s->marker[0] & 1;
        r = sd_event_add_defer(scheduler->event, &s->poll_start, slurm_on_poll_start, s);
        if (r >= 0)
                r = sd_event_source_set_enabled(s->poll_start, SD_EVENT_OFF);
        if (r >= 0)
                r = login_new(scheduler->event, on_login, s, &s->login);
        return r < 0 ? error_set(e, r, "The login shell can't be run: %s", strerror(-r)) : 0;
}

static int slurm_reload(Scheduler *scheduler) {
        Slurm *s = scheduler->backend;

        s->accounting_off_since = 0; /* perhaps the site has changed */
        s->no_submit_line = false;
        return login_refresh(s->login);
}

static char **slurm_args(Scheduler *scheduler, const Uow *u) {
        _cleanup_free_ char *path = layout_uow_path(scheduler->layout, PLACE_WORK, u->folder);
        char token[SCHEDULER_TOKEN_MAX];

        return path ? slurm_args_sbatch(u, scheduler->config, scheduler_token(token, u), path)
                    : NULL;
}

const SchedulerVTable scheduler_slurm = {
        .name = "slurm",
        .new = slurm_new,
        .free = slurm_free,
        .submit = slurm_submit,
        .release = slurm_release,
        .cancel = slurm_cancel,
        .poll = slurm_poll,
        .withdraw = slurm_withdraw,
        .reload = slurm_reload,
        .args = slurm_args,
};
