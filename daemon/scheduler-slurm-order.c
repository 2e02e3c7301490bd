/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Orders: submit, release, cancel. Each is one command, and each may be given again.
 *
 * The heart is what sbatch's silence means: it may have submitted unless it was never started.
 */

#include "scheduler-slurm-internal.h"

#include <string.h>
#include <sys/wait.h>

#include "crashpoint.h"
#include "fileio.h"
#include "log.h"
#include "text.h"

/* What sbatch and the others print is a line or two; sites' wrappers may be talkative. */
#define ORDER_OUTPUT_MAX (256U * 1024)

/* Longer than any submission is looked for. */
#define DEATHS_KEPT USEC_PER_DAY

static void op_free(Op *op) {
        TAILQ_REMOVE(&op->slurm->ops, op, entry);
        command_free(op->command);
        sd_event_source_unref(op->later);
        strv_free(op->argv);
        safe_close(op->cwd);
        free(op->trouble);
        free(op);
}

void slurm_ops_free(Slurm *s) {
        Op *op;

        while ((op = TAILQ_FIRST(&s->ops)))
                op_free(op);
}

static const SchedulerEvents *events_of(const Op *op) {
        return &op->slurm->scheduler->events;
}

/* ---- the dead ---- */

static void note_death(Slurm *s, const Op *op) {
        usec_t now = clock_boottime();
        Death *d, *next;

        for (d = TAILQ_FIRST(&s->deaths); d; d = next) {
                next = TAILQ_NEXT(d, entry);
                if (streq(d->id, op->id) || d->when + DEATHS_KEPT < now) {
                        TAILQ_REMOVE(&s->deaths, d, entry);
                        free(d);
                }
        }
        d = calloc(1, sizeof(*d));
        if (!d)
                return; /* slurm_dead_for() then counts from the first look */
        memcpy(d->id, op->id, sizeof(d->id));
        d->attempt = op->attempt;
        d->when = now;
        TAILQ_INSERT_TAIL(&s->deaths, d, entry);
}

/*
 * The wall clock, which anybody may set, is asked only about the time before this life: it is all that a pass of `--once` has.
 * A submission of an earlier life was killed at its deadline at the latest, or died with that life.
 */
usec_t slurm_dead_for(const Slurm *s, const Item *item) {
        usec_t now = clock_boottime(), latest;
        const Death *d;

        TAILQ_FOREACH(d, &s->deaths, entry)
                if (streq(d->id, item->id) && d->attempt == item->attempt)
                        return now - d->when;
        if (item->submitted >= s->started)
                return now - item->asked_since;
        latest = item->submitted + s->scheduler->config->scheduler.command_timeout +
                5 * USEC_PER_SEC;
        return now - s->started_boottime + (latest < s->started ? s->started - latest : 0);
}

bool slurm_submit_is_under_way(const Slurm *s, const Item *item) {
        const Op *op;

        TAILQ_FOREACH(op, &s->ops, entry)
                if (op->kind == OP_SUBMIT && streq(op->id, item->id) &&
                        op->attempt == item->attempt)
                        return true;
        return false;
}

/* ---- answers ---- */

static int exit_code_of(const CommandResult *r) {
        return r->error == 0 && WIFEXITED(r->status) ? WEXITSTATUS(r->status) : -1;
}

static void tell_submitted(Op *op, SlurmAnswer answer, const char *job_id, const char *text) {
        static const SubmitVerdict verdicts[] = {
                [SLURM_ACCEPTED] = SUBMIT_ACCEPTED,
                [SLURM_REFUSED] = SUBMIT_REFUSED,
                [SLURM_DEFERRED] = SUBMIT_DEFERRED,
                [SLURM_UNCERTAIN] = SUBMIT_UNCERTAIN,
        };

        if (answer == SLURM_UNCERTAIN)
                note_death(op->slurm, op);
        events_of(op)->submitted(op->uow, op->attempt, verdicts[answer], job_id, text,
                op->slurm->scheduler->userdata);
}

static void submit_answered(Op *op, const CommandResult *r) {
        _cleanup_free_ char *id = NULL, *text = NULL;
        SlurmAnswer answer;
        char how[256];

        command_describe(how, sizeof(how), "sbatch", r);
        if (!r->started) {
                slurm_note_failure(op->slurm, how);
                tell_submitted(op, SLURM_DEFERRED, NULL, how);
                return;
        }
        if (slurm_sbatch_judge(exit_code_of(r), r->out, r->err, &answer, &id, &text) < 0) {
                tell_submitted(op, SLURM_UNCERTAIN, NULL, strerror(ENOMEM));
                return;
        }
        if (answer != SLURM_ACCEPTED && slurm_is_unreachable(r->err))
                slurm_note_failure(op->slurm, text);
        tell_submitted(op, answer, id, r->err[0] || exit_code_of(r) >= 0 ? text : how);
}

/* A job that has ended needs no release and no end. */
static int judge_order(const CommandResult *r, const char *program, char *buf, size_t size) {
        _cleanup_free_ char *words = NULL;

        if (command_ok(r) || (r->started && slurm_job_is_gone(r->err))) {
                buf[0] = 0;
                return 0;
        }
        words = slurm_error_text(r->err);
        if (words && *words)
                snprintf(buf, size, "%s: %s", program, words);
        else
                command_describe(buf, size, program, r);
        return -EAGAIN;
}

static void order_answered(Op *op, const CommandResult *r) {
        const SchedulerEvents *events = events_of(op);
        void *userdata = op->slurm->scheduler->userdata;
        char text[512];
        int result = judge_order(r, op->argv[0], text, sizeof(text));

        if (result < 0 && slurm_is_unreachable(r->err))
                slurm_note_failure(op->slurm, text);
        switch (op->kind) {
        case OP_RELEASE:
                events->released(op->uow, op->attempt, result, text, userdata);
                break;
        case OP_CANCEL:
                events->cancelled(op->uow, op->attempt, result, text, userdata);
                break;
        case OP_CANCEL_STRAY:
                if (result < 0) /* found and tried again with the next poll */
                        log_warning("A second job (%s) of %s could not be cancelled: %s",
                                op->argv[1], op->id, text);
                break;
        case OP_SUBMIT:
                break;
        }
}

static void on_command(const CommandResult *r, void *userdata) {
        Op *op = userdata;

        op->command = NULL;
        CRASH_POINT("order-answered");
        if (op->kind == OP_SUBMIT)
                submit_answered(op, r);
        else
                order_answered(op, r);
        op_free(op);
}

/* ---- starting ---- */

static int on_later(sd_event_source *source _unused_, void *userdata) {
        Op *op = userdata;
        CommandResult r = { .error = -EAGAIN, .out = "", .err = op->trouble ? op->trouble : "" };

        if (op->kind == OP_SUBMIT)
                tell_submitted(
                        op, SLURM_DEFERRED, NULL, op->trouble ? op->trouble : strerror(EAGAIN));
        else
                order_answered(op, &r);
        op_free(op);
        return 0;
}

/* It can't be started; that is said from the loop. */
static int fail_later(Op *op, const char *what, int error) {
        op->trouble = xasprintf("%s: %s", what, strerror(-error));
        return sd_event_add_defer(op->slurm->scheduler->event, &op->later, on_later, op);
}

static int start(Op *op) {
        const Config *c = op->slurm->scheduler->config;
        bool submits = op->kind == OP_SUBMIT;
        CommandSpec spec = {
                .argv = op->argv,
                .envp = submits ? login_environment(op->slurm->login)
                                : op->slurm->query_environment,
                .cwd = op->cwd,
                /* Jobs take it over: results are to be shared, or not. */
                .umask = c->results.group_writable ? 002 : 022,
                .timeout = c->scheduler.command_timeout,
                .output_max = ORDER_OUTPUT_MAX,
        };
        int r;

        CRASH_POINT("order-before-start");
        r = command_start(op->slurm->scheduler->event, &spec, on_command, op, &op->command);
        CRASH_POINT("order-started");
        return r < 0 ? fail_later(op, op->argv[0], r) : 0;
}

void slurm_start_waiting(Slurm *s) {
        Op *op, *next;

        for (op = TAILQ_FIRST(&s->ops); op; op = next) {
                next = TAILQ_NEXT(op, entry);
                if (!op->command && !op->later && start(op) < 0)
                        op_free(op); /* no memory even to say so: the order is given again */
        }
}

void slurm_withdraw(Scheduler *scheduler) {
        Slurm *s = scheduler->backend;
        Op *op;

        TAILQ_FOREACH(op, &s->ops, entry)
                if ((op->kind == OP_SUBMIT || op->kind == OP_RELEASE) && !op->command && !op->later)
                        (void)fail_later(
                                op, "flowcrond was stopped before it could be done", -ECANCELED);
}

/* Takes @argv in any case. */
static int op_new(Slurm *s, OpKind kind, Uow *u, char **argv, int cwd, Op **ret) {
        Op *op = argv ? calloc(1, sizeof(*op)) : NULL;

        if (!op) {
                strv_free(argv);
                return -ENOMEM;
        }
        op->slurm = s;
        op->kind = kind;
        op->uow = u;
        op->argv = argv;
        op->cwd = cwd;
        if (u) {
                memcpy(op->id, u->id, sizeof(op->id));
                op->attempt = u->attempt;
        }
        TAILQ_INSERT_TAIL(&s->ops, op, entry);
        *ret = op;
        return 0;
}

static int begin(Op *op) {
        int r = op->slurm->query_environment ? start(op) : 0;

        if (r < 0)
                op_free(op);
        return r;
}

int slurm_submit(Scheduler *scheduler, Uow *u) {
        Slurm *s = scheduler->backend;
        Op *op;
        int r = op_new(s, OP_SUBMIT, u, scheduler_args(scheduler, u), -1, &op);

        if (r < 0)
                return r;
        op->cwd = dir_open_at(scheduler->layout->fd[PLACE_WORK], u->folder);
        if (op->cwd >= 0)
                return begin(op);
        r = fail_later(op, "its folder can't be opened", op->cwd);
        op->cwd = -1;
        if (r < 0)
                op_free(op);
        return r;
}

int slurm_release(Scheduler *scheduler, Uow *u) {
        Op *op;
        int r = u->job_id
                ? op_new(scheduler->backend, OP_RELEASE, u, slurm_args_release(u->job_id), -1, &op)
                : -EINVAL;

        return r < 0 ? r : begin(op);
}

int slurm_cancel(Scheduler *scheduler, Uow *u) {
        Op *op;
        int r = u->job_id ? op_new(scheduler->backend, OP_CANCEL, u,
                                    slurm_args_scancel(u->job_id, u->job_ids), -1, &op)
                          : -EINVAL;

        return r < 0 ? r : begin(op);
}

void slurm_cancel_stray(Slurm *s, const Item *item, uint32_t job) {
        char id[16];
        Op *op;

        snprintf(id, sizeof(id), "%u", job);
        TAILQ_FOREACH(op, &s->ops, entry)
                if (op->kind == OP_CANCEL_STRAY && streq(op->argv[1], id))
                        return;
        log_warning("Job %s is a second one of %s, attempt %d: it is cancelled.", id, item->id,
                item->attempt);
        if (op_new(s, OP_CANCEL_STRAY, NULL, slurm_args_scancel(id, NULL), -1, &op) < 0)
                return;
        memcpy(op->id, item->id, sizeof(op->id));
        (void)begin(op);
}
