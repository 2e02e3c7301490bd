/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The poll: one squeue for all jobs of the user, then one sacct for those that squeue does not list
 * as alive (or `scontrol show job` where there is no accounting), and what comes of them.
 *
 * sacct is asked by ids, or, when a submission is looked for, about all of the user's jobs since;
 * when both are wanted they take turns, because the second leaves out jobs that never became
 * eligible.
 */

#include "scheduler-slurm-internal.h"

#include <string.h>

#include "text.h"

/* A site that says it has no accounting is asked again now and then. */
#define ACCOUNTING_AGAIN USEC_PER_HOUR

/* Room for clocks that differ, time zones, and everything that accounting rounds. */
#define LOOK_BACK USEC_PER_DAY

static void finish(Slurm *s) {
        slurm_tell_health(s);
        slurm_memory_save(s);
        slurm_table_done(&s->squeue);
        slurm_table_done(&s->sacct);
        scheduler_polled(s->scheduler);
}

static int ask(Slurm *s, char **argv, CommandFunc func) {
        CommandSpec spec = { .argv = argv,
                .envp = s->query_environment,
                .cwd = -1,
                .umask = 022,
                .timeout = s->scheduler->config->scheduler.command_timeout,
                .output_max = ANSWER_MAX };
        int r = argv ? command_start(s->scheduler->event, &spec, func, s, &s->query) : -ENOMEM;

        strv_free(argv);
        return r;
}

/* "squeue: exit code 1: Unable to contact slurm controller" */
static void describe(char *buf, size_t size, const char *program, const CommandResult *r) {
        _cleanup_free_ char *words = r->started ? slurm_error_text(r->err) : NULL;

        if (words && *words)
                snprintf(buf, size, "%s: %s", program, words);
        else
                command_describe(buf, size, program, r);
        buf[utf8_cut(buf, size - 1)] = 0;
}

/* ---- what accounting said ---- */

static void judge_all(Slurm *s, bool answered) {
        for (size_t i = 0; i < s->n_items; i++) {
                Item *item = &s->items[i];

                if (!item->asks)
                        continue;
                if (!item->job)
                        slurm_look_up(s, item);
                else if (!answered)
                        slurm_follow_unanswered(s, item);
                else if (!s->by_user || s->accounting_off_since)
                        slurm_follow_end(s, item);
        }
        slurm_find_strays(s);
        finish(s);
}

static void note_sacct(Slurm *s, const char *trouble) {
        if (trouble && !s->sacct_down)
                s->sacct_down_since = clock_now();
        s->sacct_down = trouble != NULL;
        if (trouble)
                snprintf(s->sacct_trouble, sizeof(s->sacct_trouble), "%s", trouble);
}

static void on_scontrol(const CommandResult *r, void *userdata) {
        _cleanup_(slurm_table_done) SlurmTable details = { 0 };
        Slurm *s = userdata;

        s->query = NULL;
        /* Details only: squeue has told the states, and they stand without them. */
        if (command_ok(r) && slurm_scontrol_parse(r->out, r->out_size, &details) >= 0)
                slurm_table_merge(&s->squeue, &details);
        judge_all(s, true);
}

static void ask_controller(Slurm *s) {
        if (ask(s, slurm_args_scontrol_show(), on_scontrol) < 0)
                judge_all(s, true);
}

static void on_sacct_failed(Slurm *s, const CommandResult *r) {
        char trouble[sizeof(s->sacct_trouble)];

        /* It says so, or the site has not even the program, where squeue has just answered. */
        if (r->started ? slurm_accounting_is_off(r->err) : r->error == -ENOENT) {
                s->accounting_off_since = clock_boottime();
                s->scheduler->health.accounting = false;
                note_sacct(s, NULL);
                ask_controller(s);
                return;
        }
        if (r->started && slurm_field_is_unknown(r->err, "SubmitLine"))
                s->no_submit_line = true; /* the next poll does without */
        else {
                describe(trouble, sizeof(trouble), "sacct", r);
                note_sacct(s, trouble);
        }
        judge_all(s, false);
}

static void on_sacct(const CommandResult *r, void *userdata) {
        Slurm *s = userdata;
        bool whole;

        s->query = NULL;
        if (!command_ok(r)) {
                on_sacct_failed(s, r);
                return;
        }
        whole = !r->truncated &&
                slurm_sacct_parse(r->out, r->out_size, s->marker, !s->no_submit_line, &s->sacct) >=
                        0 &&
                !s->sacct.incomplete;
        s->sacct_answered = whole;
        s->scheduler->health.accounting = true;
        note_sacct(s, whole ? NULL : "sacct: its answer can't be read");
        judge_all(s, whole);
}

/* ---- asking it ---- */

typedef struct Wanted {
        size_t lookups, follows, ids;
        usec_t since;
} Wanted;

static Wanted count_wanted(const Slurm *s, bool by_user) {
        Wanted w = { .since = clock_now() };

        for (size_t i = 0; i < s->n_items; i++) {
                const Item *item = &s->items[i];

                if (!item->asks)
                        continue;
                w.lookups += !item->job;
                w.follows += item->job != 0;
                w.ids += item->job ? 1 + item->n_further : 0;
                if (!item->job == by_user && item->submitted && item->submitted < w.since)
                        w.since = item->submitted;
        }
        w.since -= w.since > LOOK_BACK ? LOOK_BACK : 0;
        return w;
}

static char **ask_by_ids(const Slurm *s, const Wanted *w) {
        _cleanup_free_ uint32_t *ids = calloc(w->ids, sizeof(*ids));
        size_t n = 0;

        if (!ids)
                return NULL;
        for (size_t i = 0; i < s->n_items; i++) {
                const Item *item = &s->items[i];

                if (!item->asks || !item->job)
                        continue;
                ids[n++] = item->job;
                for (size_t k = 0; k < item->n_further; k++)
                        ids[n++] = item->further[k];
        }
        return slurm_args_sacct(getuid(), ids, n, w->since, s->marker, !s->no_submit_line);
}

static void ask_accounting(Slurm *s) {
        char trouble[sizeof(s->sacct_trouble)];
        Wanted w = count_wanted(s, false);
        int r;

        if (w.lookups + w.follows == 0) {
                judge_all(s, true);
                return;
        }
        s->by_user = w.lookups > 0 && (w.follows == 0 || s->turn_by_user);
        s->turn_by_user = !s->by_user;
        if (s->accounting_off_since &&
                clock_boottime() - s->accounting_off_since < ACCOUNTING_AGAIN) {
                ask_controller(s);
                return;
        }
        s->accounting_off_since = 0;
        if (s->by_user) {
                w = count_wanted(s, true);
                r = ask(s,
                        slurm_args_sacct(getuid(), NULL, 0, w.since, s->marker, !s->no_submit_line),
                        on_sacct);
        } else
                r = ask(s, ask_by_ids(s, &w), on_sacct);
        if (r < 0) {
                snprintf(trouble, sizeof(trouble), "sacct can't be started: %s", strerror(-r));
                note_sacct(s, trouble);
                judge_all(s, false);
        }
}

/* ---- what the controller said ---- */

static int compare_folders(const void *a, const void *b) {
        const SlurmRow *const *x = a, *const *y = b;

        return strcmp((*x)->workdir, (*y)->workdir);
}

static const SlurmRow **sort_by_folder(const SlurmTable *t) {
        const SlurmRow **rows = calloc(t->n ? t->n : 1, sizeof(*rows));

        if (!rows)
                return NULL;
        for (size_t i = 0; i < t->n; i++)
                rows[i] = &t->rows[i];
        if (t->n > 1)
                qsort(rows, t->n, sizeof(*rows), compare_folders);
        return rows;
}

static int take_squeue(Slurm *s, const CommandResult *r) {
        /* One that was too long to be kept is not worth the time that reading it takes. */
        int x = r->truncated ? -EFBIG
                             : slurm_squeue_parse(r->out, r->out_size, s->marker, &s->squeue);

        return x < 0 ? x : s->squeue.incomplete ? -EBADMSG : 0;
}

static void follow_all(Slurm *s) {
        _cleanup_free_ const SlurmRow **by_folder = sort_by_folder(&s->squeue);

        for (size_t i = 0; by_folder && i < s->n_items; i++) {
                Item *item = &s->items[i];

                if (item->job)
                        slurm_follow_queue(s, item, by_folder, s->squeue.n);
                else
                        item->asks = true;
        }
}

/* Without squeue's answer nothing may be concluded, and a wait to be lost begins anew. */
static void unanswered(Slurm *s, const char *trouble) {
        slurm_note_failure(s, trouble);
        for (size_t i = 0; i < s->n_items; i++) {
                s->items[i].unresolved_since = 0;
                s->items[i].same = 0;
                s->items[i].absent = 0;
        }
        finish(s);
}

static void on_squeue(const CommandResult *r, void *userdata) {
        char trouble[sizeof(((Slurm *)0)->squeue_trouble)];
        Slurm *s = userdata;

        s->query = NULL;
        if (!command_ok(r)) {
                describe(trouble, sizeof(trouble), "squeue", r);
                unanswered(s, trouble);
                return;
        }
        if (take_squeue(s, r) < 0) {
                unanswered(s, "squeue: its answer can't be read");
                return;
        }
        s->squeue_down = false;
        follow_all(s);
        ask_accounting(s);
}

void slurm_poll_start(Slurm *s) {
        char trouble[sizeof(s->squeue_trouble)];
        int r = slurm_marker(s->marker);

        s->poll_waits = false;
        s->sacct_answered = s->by_user = false;
        if (r >= 0)
                r = ask(s, slurm_args_squeue(getuid(), s->marker), on_squeue);
        if (r < 0) {
                snprintf(trouble, sizeof(trouble), "squeue can't be started: %s", strerror(-r));
                unanswered(s, trouble);
        }
}

int slurm_on_poll_start(sd_event_source *source _unused_, void *userdata) {
        Slurm *s = userdata;

        if (s->query_environment)
                slurm_poll_start(s);
        else
                s->poll_waits = true;
        return 0;
}

/* Begun from the loop, so that no answer comes from within this call. */
int slurm_poll(Scheduler *scheduler, Uow **uows, size_t n) {
        Slurm *s = scheduler->backend;
        int r = slurm_items_take(s, uows, n);

        return r < 0 ? r : sd_event_source_set_enabled(s->poll_start, SD_EVENT_ONESHOT);
}
