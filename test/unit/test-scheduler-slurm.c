/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The Slurm backend against a stand-in whose faults can be chosen: answers that are missing, late,
 * empty, torn; jobs that end in every way; accounting that lags, is down, or is not there. What
 * really happened is in the stand-in's own log.
 */

#include "slurm-fixture.h"

/* Short, so that waits for an answer that never comes are short, too. */
#define QUICK "command_timeout: 2s, lost_after: 2s, poll_interval: 1s"
#define NO_RUN "mode=norun\n"

/* The controller remembers nothing that is over. */
#define FORGETFUL NO_RUN "min_job_age_ms=1\n"

static size_t count(const char *text, const char *what) {
        size_t n = 0;

        for (const char *p = text; (p = strstr(p, what)); p += strlen(what))
                n++;
        return n;
}

/* How many jobs really exist. */
static size_t jobs_made(const Fixture *f) {
        _cleanup_free_ char *truth = get_file(f, "slurm/truth.log");

        return count(truth, "\"submit\"");
}

/* ---- submitting ---- */

static void test_submit_and_succeed(void **state) {
        Fixture *f = fixture_new(QUICK, "mode=run\n");
        Uow *u = add_uow(f, "cells 50%\n'x",
                "declare -F module; module load x; umask; env; echo \"arg=$1\"; pwd");
        _cleanup_free_ char *name = NULL, *out = NULL;
        const JobReport *r;

        (void)state;
        setenv("NOTIFY_SOCKET", "/run/notify", 1);
        setenv("SLURM_JOB_ID", "999", 1);
        submit_accepted(f, u);
        unsetenv("NOTIFY_SOCKET");
        unsetenv("SLURM_JOB_ID");
        r = poll_to_end(f, u);
        assert_int_equal(r->outcome, OUTCOME_SUCCEEDED);
        assert_null(r->cause);
        assert_string_equal(json_str(r->facts, "job_id"), u->job_id);
        assert_int_equal(json_int(r->facts, "exit_code", -1), 0);
        assert_int_equal(f->scheduler->health.availability, SCHEDULER_UP);
        assert_true(f->scheduler->health.accounting);
        name = xasprintf("base/CodeToRun/slurm/cells 50%%\n'x/slurm-%s.out", u->job_id);
        out = get_file(f, name);
        assert_non_null(strstr(out, "module\nmod load\n0002\n"));
        assert_non_null(strstr(out, "/cells 50%\n'x"));
        assert_null(strstr(out, "NOTIFY_SOCKET"));
        assert_null(strstr(out, "SLURM_JOB_ID=999"));
        assert_null(strstr(out, "SLURM_TIME_FORMAT"));
        assert_int_equal(jobs_made(f), 1);
        fixture_free(f);
}

static void assert_submit(const char *fault, SubmitVerdict verdict, const char *text, size_t made) {
        Fixture *f = fixture_new(QUICK, NO_RUN);
        Uow *u = add_uow(f, "cells", "");
        Seen *s = seen_of(f, u);

        set_fault(f, "sbatch", fault);
        submit(f, u);
        if (s->submit != verdict || !strstr(s->text, text))
                fail_msg("%s: %d: %s", fault, s->submit, s->text);
        assert_int_equal(jobs_made(f), made);
        fixture_free(f);
}

static void test_submit_answers(void **state) {
        (void)state;
        assert_submit("exit rc=255 text=sbatch: unrecognized option '--foo'", SUBMIT_REFUSED,
                "unrecognized option '--foo'", 0);
        assert_submit(
                "exit rc=1 text=sbatch: error: Batch job submission failed: Invalid qos specification",
                SUBMIT_REFUSED, "Invalid qos", 0);
        assert_submit("down ms=1", SUBMIT_DEFERRED, "connect failure", 0);
        assert_submit("limit", SUBMIT_DEFERRED, "AssocMaxSubmitJobLimit", 0);
        assert_submit("limit text=QOSMaxWallDurationPerJobLimit", SUBMIT_REFUSED,
                "QOSMaxWallDuration", 0);
        assert_submit("timeout ms=1", SUBMIT_UNCERTAIN, "Socket timed out", 0);
        assert_submit("timeout-done ms=1", SUBMIT_UNCERTAIN, "Socket timed out", 1);
        assert_submit("hang", SUBMIT_UNCERTAIN, "no answer within 2s", 0);
        assert_submit("hang-done", SUBMIT_UNCERTAIN, "no answer within 2s", 1);
        assert_submit("kill-done", SUBMIT_UNCERTAIN, "killed by signal 9", 1);
        assert_submit("silent-done", SUBMIT_UNCERTAIN, "", 1);
        assert_submit("garbage-done bytes=3000", SUBMIT_UNCERTAIN, "", 1);
        assert_submit("warn-stdout text=Your budget: 3", SUBMIT_ACCEPTED, "", 1);
}

static void test_no_slurm_at_all(void **state) {
        Fixture *f = fixture_new(QUICK, NO_RUN);
        Uow *u = add_uow(f, "cells", "");

        (void)state;
        put_file(f, "home/.profile", "export PATH=/nonexistent\n");
        reopen_scheduler(f);
        submit(f, u);
        assert_int_equal(seen_of(f, u)->submit, SUBMIT_DEFERRED);
        assert_non_null(strstr(seen_of(f, u)->text, "sbatch: No such file or directory"));
        assert_int_equal(f->scheduler->health.availability, SCHEDULER_DOWN);
        assert_non_null(strstr(f->scheduler->health.text, "Slurm is not answering since "));
        fixture_free(f);
}

static void test_login_shell_fails(void **state) {
        Fixture *f = fixture_new(QUICK, NO_RUN);
        Uow *u = add_uow(f, "cells", "");
        _cleanup_free_ char *path = xasprintf("%s/bin:/usr/bin:/bin", f->dir),
                            *old = strdup(getenv("PATH"));

        (void)state;
        put_file(f, "home/.profile", "exit 5\n");
        setenv("PATH", path, 1);
        reopen_scheduler(f);
        submit_accepted(f, u);
        poll_now(f);
        setenv("PATH", old, 1);
        assert_int_equal(f->scheduler->health.availability, SCHEDULER_DEGRADED);
        assert_non_null(strstr(f->scheduler->health.text, "login environment can't be taken"));
        fixture_free(f);
}

/* ---- looking for lost submissions ---- */

static void test_adopt(void **state) {
        static const char *const faults[] = { "timeout-done ms=1", "kill-done", "silent-done",
                "hang-done" };

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(faults); i++) {
                Fixture *f = fixture_new(QUICK, NO_RUN);
                Uow *u = add_uow(f, "cells", "");

                set_fault(f, "sbatch", faults[i]);
                submit(f, u);
                assert_int_equal(seen_of(f, u)->submit, SUBMIT_UNCERTAIN);
                assert_int_equal(look_up(f, u), LOOKUP_FOUND);
                assert_string_equal(u->job_id, "1");
                assert_false(seen_of(f, u)->held);
                fixture_free(f);
        }
}

/* The request arrives long after sbatch was killed; "absent" before that would run it twice. */
static void test_adopt_late(void **state) {
        Fixture *f = fixture_new(QUICK, NO_RUN);
        Uow *u = add_uow(f, "cells", "");

        (void)state;
        set_fault(f, "sbatch", "late ms=2500 how=kill");
        submit(f, u);
        assert_int_equal(seen_of(f, u)->submit, SUBMIT_UNCERTAIN);
        reopen_scheduler(f); /* and the daemon was killed as well */
        assert_int_equal(look_up(f, u), LOOKUP_FOUND);
        assert_int_equal(jobs_made(f), 1);
        fixture_free(f);
}

/* It has ended and the controller has forgotten it: accounting tells. */
static void test_adopt_from_accounting(void **state) {
        Fixture *f = fixture_new(QUICK, NO_RUN);
        Uow *u = add_uow(f, "cells", "");

        (void)state;
        set_fault(f, "sbatch", "kill-done n=1");
        submit(f, u);
        run_standin(f, NULL, "set", "1", "RUNNING", NULL);
        run_standin(f, NULL, "set", "1", "FAILED", "exit=3", NULL);
        set_knobs(f, FORGETFUL);
        assert_int_equal(look_up(f, u), LOOKUP_FOUND);
        assert_int_equal(poll_to_end(f, u)->outcome, OUTCOME_FAILED);
        assert_string_equal(seen_of(f, u)->report.reason, "exit code 3");
        fixture_free(f);
}

static void test_absent(void **state) {
        Fixture *f = fixture_new(QUICK, NO_RUN);
        Uow *u = add_uow(f, "cells", "");
        usec_t died;

        (void)state;
        set_fault(f, "sbatch", "kill n=1");
        submit(f, u);
        died = clock_boottime();
        assert_int_equal(look_up(f, u), LOOKUP_ABSENT);
        assert_true(clock_boottime() - died >= 4 * USEC_PER_SEC); /* twice command_timeout */
        assert_true(seen_of(f, u)->looked_up >= 2);
        fixture_free(f);
}

static void assert_never_absent(const char *command, const char *fault) {
        Fixture *f = fixture_new(QUICK, NO_RUN);
        Uow *u = add_uow(f, "cells", "");
        usec_t end;

        set_fault(f, "sbatch", "kill-done n=1");
        submit(f, u);
        run_standin(f, NULL, "set", "1", "RUNNING", NULL);
        run_standin(f, NULL, "set", "1", "COMPLETED", NULL);
        set_knobs(f, FORGETFUL);
        set_fault(f, command, fault);
        for (end = clock_boottime() + 6 * USEC_PER_SEC; clock_boottime() < end; nap()) {
                poll_now(f);
                assert_int_not_equal(seen_of(f, u)->lookup, LOOKUP_ABSENT);
                seen_of(f, u)->lookup = LOOKUP_UNKNOWN;
                /* Until the controller has forgotten the job it may be found there: look for it again. */
                assert_int_equal(strdup_to(&u->job_id, NULL), 0);
        }
        set_fault(f, command, "");
        assert_int_equal(look_up(f, u), LOOKUP_FOUND);
        fixture_free(f);
}

/* A source that has not answered, or not whole, says nothing. */
static void test_never_absent_without_answers(void **state) {
        (void)state;
        assert_never_absent("squeue", "down ms=1");
        assert_never_absent("sacct", "down ms=1");
        assert_never_absent("sacct", "cut bytes=300");
}

static void test_second_job_is_cancelled(void **state) {
        Fixture *f = fixture_new(QUICK, NO_RUN);
        Uow *u = add_uow(f, "cells", "");
        _cleanup_free_ char *truth = NULL;

        (void)state;
        set_fault(f, "sbatch", "kill-done n=2");
        submit(f, u);
        submit(f, u); /* an owner that was frozen, woken up */
        assert_int_equal(look_up(f, u), LOOKUP_FOUND);
        assert_string_equal(u->job_id, "1");
        for (;;) {
                free(truth);
                truth = get_file(f, "slurm/truth.log");
                if (count(truth, "\"cancel\""))
                        break;
                poll_now(f);
        }
        assert_int_equal(count(truth, "\"cancel\""), 1);
        poll_now(f);
        assert_false(seen_of(f, u)->report.ended);
        fixture_free(f);
}

/* Two jobs, the first cancelled already: the other one is ours. */
static void test_adopt_the_one_left(void **state) {
        Fixture *f = fixture_new(QUICK, NO_RUN);
        Uow *u = add_uow(f, "cells", "");

        (void)state;
        set_fault(f, "sbatch", "kill-done n=2");
        submit(f, u);
        submit(f, u);
        run_standin(f, "scancel", "1", NULL);
        assert_int_equal(look_up(f, u), LOOKUP_FOUND);
        assert_string_equal(u->job_id, "2");
        fixture_free(f);
}

/* ---- following ---- */

static void test_pending_reasons(void **state) {
        Fixture *f = fixture_new(QUICK, "mode=run\npartition_state=down\n");
        Uow *u = add_uow(f, "cells", "exit 0");
        Seen *s = seen_of(f, u);

        (void)state;
        submit_accepted(f, u);
        poll_now(f);
        assert_int_equal(s->report.phase, PHASE_PENDING);
        assert_true(s->report.stuck);
        assert_string_equal(s->report.reason, "PartitionDown: the partition is switched off");
        set_knobs(f, "mode=run\npartition_state=up\n");
        assert_int_equal(poll_to_end(f, u)->outcome, OUTCOME_SUCCEEDED);
        fixture_free(f);
}

static void test_ends(void **state) {
        static const struct {
                const char *state, *detail;
                UowOutcome outcome;
                const char *cause, *reason;
        } ends[] = {
                { "COMPLETED", "exit=0", OUTCOME_SUCCEEDED, NULL, NULL },
                { "FAILED", "exit=3", OUTCOME_FAILED, CAUSE_EXIT_CODE, "exit code 3" },
                { "TIMEOUT", "exit=0", OUTCOME_FAILED, CAUSE_TIMEOUT,
                        "over its time limit of 10 min" },
                { "OUT_OF_MEMORY", "exit=0", OUTCOME_FAILED, CAUSE_OUT_OF_MEMORY, NULL },
                { "NODE_FAIL", "exit=0", OUTCOME_FAILED, CAUSE_NODE_FAIL, NULL },
                { "CANCELLED", "exit=0", OUTCOME_FAILED, CAUSE_CANCELLED_OUTSIDE, NULL },
                { "PREEMPTED", "exit=0", OUTCOME_FAILED, CAUSE_PREEMPTED, NULL },
        };
        Fixture *f = fixture_new(QUICK, NO_RUN);

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(ends); i++) {
                Uow *u = add_uow(f, ends[i].state, "");

                submit_accepted(f, u);
                run_standin(f, NULL, "set", u->job_id, ends[i].state, ends[i].detail, NULL);
        }
        for (size_t i = 0; i < ELEMENTSOF(ends); i++) {
                const JobReport *r = poll_to_end(f, f->uows[i]);

                assert_int_equal(r->outcome, ends[i].outcome);
                assert_true(streq(r->cause, ends[i].cause));
                assert_true(!ends[i].reason || streq(r->reason, ends[i].reason));
                assert_true(r->outcome == OUTCOME_SUCCEEDED || !isempty(r->reason));
        }
        fixture_free(f);
}

/* Whatever squeue leaves out, a job that accounting shows as running has not ended. */
static void test_never_ended_by_absence(void **state) {
        static const char *const faults[] = { "empty", "down ms=1", "cut bytes=100" };
        Fixture *f = fixture_new(QUICK, NO_RUN);
        Uow *u = add_uow(f, "cells", "");

        (void)state;
        submit_accepted(f, u);
        run_standin(f, NULL, "set", "1", "RUNNING", NULL);
        for (size_t i = 0; i < ELEMENTSOF(faults); i++) {
                usec_t end = clock_boottime() + 3 * USEC_PER_SEC; /* longer than lost_after */

                set_fault(f, "squeue", faults[i]);
                for (; clock_boottime() < end; nap()) {
                        poll_now(f);
                        assert_false(seen_of(f, u)->report.ended);
                }
        }
        set_fault(f, "squeue", "");
        poll_now(f);
        assert_int_equal(seen_of(f, u)->report.phase, PHASE_RUNNING);
        assert_int_equal(f->scheduler->health.availability, SCHEDULER_UP);
        fixture_free(f);
}

static void test_lost(void **state) {
        Fixture *f = fixture_new(QUICK, NO_RUN);
        Uow *u = add_uow(f, "cells", "");
        usec_t first;

        (void)state;
        submit_accepted(f, u);
        assert_int_equal(strdup_to(&u->job_id, "4711"), 0); /* nobody knows that one */
        set_fault(f, "sacct", "down ms=1");
        poll_now(f);
        first = clock_boottime();
        while (clock_boottime() - first <
                3 * USEC_PER_SEC) { /* without an answer the wait does not begin */
                poll_now(f);
                assert_false(seen_of(f, u)->report.ended);
                nap();
        }
        assert_int_equal(f->scheduler->health.availability, SCHEDULER_DEGRADED);
        set_fault(f, "sacct", "");
        first = clock_boottime();
        assert_int_equal(poll_to_end(f, u)->outcome, OUTCOME_LOST);
        assert_true(clock_boottime() - first >= 2 * USEC_PER_SEC);
        assert_string_equal(seen_of(f, u)->report.cause, CAUSE_LOST);
        fixture_free(f);
}

/* With --once each pass is a life of its own; the wait goes on over them. */
static void test_lost_over_lives(void **state) {
        Fixture *f = fixture_new(QUICK, NO_RUN);
        Uow *u = add_uow(f, "cells", "");
        usec_t deadline = clock_boottime() + PATIENCE;

        (void)state;
        submit_accepted(f, u);
        assert_int_equal(strdup_to(&u->job_id, "4711"), 0);
        while (!seen_of(f, u)->report.ended) {
                reopen_scheduler(f);
                poll_now(f);
                nap();
                assert_true(clock_boottime() < deadline);
        }
        assert_int_equal(seen_of(f, u)->report.outcome, OUTCOME_LOST);
        fixture_free(f);
}

/* Accounting never hears of the end; the controller's word is taken after a while. */
static void test_accounting_lags(void **state) {
        Fixture *f = fixture_new(QUICK, "mode=norun\nsacct_lag_ms=600000\n");
        Uow *u = add_uow(f, "cells", "");

        (void)state;
        submit_accepted(f, u);
        run_standin(f, NULL, "set", "1", "FAILED", "exit=3", NULL);
        poll_now(f);
        assert_false(seen_of(f, u)->report.ended);
        assert_int_equal(poll_to_end(f, u)->outcome, OUTCOME_FAILED);
        assert_string_equal(seen_of(f, u)->report.state, "FAILED");
        fixture_free(f);
}

static void test_without_accounting(void **state) {
        Fixture *f = fixture_new(QUICK, "mode=norun\naccounting=0\n");
        Uow *good = add_uow(f, "good", ""), *bad = add_uow(f, "bad", ""),
            *lost = add_uow(f, "lost", "");

        (void)state;
        submit_accepted(f, good);
        submit_accepted(f, bad);
        submit_accepted(f, lost);
        run_standin(f, NULL, "set", "1", "COMPLETED", NULL);
        run_standin(f, NULL, "set", "2", "FAILED", "exit=3", NULL);
        run_standin(f, NULL, "set", "3", "COMPLETED", NULL);
        run_standin(f, NULL, "forget", "3", NULL);
        assert_int_equal(poll_to_end(f, good)->outcome, OUTCOME_SUCCEEDED);
        assert_int_equal(poll_to_end(f, bad)->outcome, OUTCOME_FAILED);
        assert_string_equal(seen_of(f, bad)->report.reason, "exit code 3");
        assert_int_equal(poll_to_end(f, lost)->outcome, OUTCOME_LOST);
        assert_false(f->scheduler->health.accounting);
        assert_int_equal(f->scheduler->health.availability, SCHEDULER_UP);
        fixture_free(f);
}

static void test_array(void **state) {
        Fixture *f = fixture_new(QUICK, "mode=run\n");
        Uow *u = add_uow(f, "cells", "#SBATCH --array=0-4%2\nexit $((SLURM_ARRAY_TASK_ID == 3))");
        const JobReport *r;

        (void)state;
        assert_int_equal(strdup_to(&u->array, "0-4%2"), 0);
        submit_accepted(f, u);
        r = poll_to_end(f, u);
        assert_int_equal(r->outcome, OUTCOME_FAILED);
        assert_string_equal(r->reason, "task 3 of 5: exit code 1");
        fixture_free(f);
}

/* Tasks that accounting has not heard of yet are not forgotten. */
static void test_array_lagging(void **state) {
        Fixture *f = fixture_new("command_timeout: 60s, lost_after: 1h, poll_interval: 1s", NO_RUN);
        Uow *u = add_uow(f, "cells", "#SBATCH --array=0-2\n");

        (void)state;
        assert_int_equal(strdup_to(&u->array, "0-2"), 0);
        submit_accepted(f, u);
        run_standin(f, NULL, "set", "1_[0-2]", "COMPLETED", NULL);
        set_fault(f, "sacct", "partial rows=2");
        for (int i = 0; i < 5; i++) {
                poll_now(f);
                assert_false(seen_of(f, u)->report.ended);
        }
        set_fault(f, "sacct", "");
        assert_int_equal(poll_to_end(f, u)->outcome, OUTCOME_SUCCEEDED);
        fixture_free(f);
}

static void test_requeue(void **state) {
        Fixture *f = fixture_new(QUICK, NO_RUN);
        Uow *u = add_uow(f, "cells", "");

        (void)state;
        submit_accepted(f, u);
        run_standin(f, NULL, "set", "1", "RUNNING", NULL);
        poll_now(f);
        run_standin(f, "scontrol", "requeue", "1", NULL);
        for (int i = 0; i < 3; i++) {
                poll_now(f);
                assert_false(seen_of(f, u)->report.ended);
                assert_int_equal(seen_of(f, u)->report.phase, PHASE_PENDING);
        }
        run_standin(f, NULL, "set", "1", "COMPLETED", NULL);
        assert_int_equal(poll_to_end(f, u)->outcome, OUTCOME_SUCCEEDED);
        fixture_free(f);
}

static void test_further_jobs(void **state) {
        Fixture *f = fixture_new(QUICK, "mode=run\n");
        Uow *u = add_uow(f, "cells",
                "printf '#!/bin/bash\\nuntil [ -e go ]; do sleep 0.1; done; exit 5\\n' > c.sh; sbatch c.sh");
        Seen *s = seen_of(f, u);

        (void)state;
        submit_accepted(f, u);
        while (!s->report.job_ids) {
                assert_false(s->report.ended);
                poll_now(f);
                nap();
        }
        assert_string_equal(s->report.job_ids, "2");
        while (!s->report.reason || !strstr(s->report.reason, "jobs that it submitted")) {
                assert_false(s->report.ended);
                poll_now(f);
                nap();
        }
        assert_int_equal(s->report.phase, PHASE_RUNNING);
        assert_int_equal(strdup_to(&u->job_ids, s->report.job_ids), 0);
        reopen_scheduler(f); /* it is in the record */
        put_file(f, "base/CodeToRun/slurm/cells/go", "");
        assert_int_equal(poll_to_end(f, u)->outcome, OUTCOME_FAILED);
        assert_string_equal(s->report.reason, "job 2 that it submitted: exit code 5");
        fixture_free(f);
}

/* ---- orders ---- */

static void test_cancel(void **state) {
        Fixture *f = fixture_new(QUICK, NO_RUN);
        Uow *u = add_uow(f, "cells", "");
        Seen *s = seen_of(f, u);

        (void)state;
        submit_accepted(f, u);
        u->cancelling = true;
        set_fault(f, "scancel", "down n=1 ms=1");
        assert_int_equal(scheduler_cancel(f->scheduler, u), 0);
        run_until(f, &s->cancelled, 1);
        assert_true(s->order < 0);
        for (int i = 2; i < 4; i++) { /* the second time it is gone already */
                assert_int_equal(scheduler_cancel(f->scheduler, u), 0);
                run_until(f, &s->cancelled, i);
                assert_int_equal(s->order, 0);
        }
        assert_int_equal(poll_to_end(f, u)->outcome, OUTCOME_CANCELLED);
        assert_string_equal(s->report.cause, CAUSE_CANCELLED);
        fixture_free(f);
}

static void test_held(void **state) {
        Fixture *f = fixture_new(QUICK ", submit: held", "mode=run\n");
        Uow *u = add_uow(f, "cells", "exit 0"), *lost = add_uow(f, "lost", "exit 0");
        Seen *s = seen_of(f, u);

        (void)state;
        submit_accepted(f, u);
        u->held = true;
        poll_now(f);
        assert_int_equal(s->report.phase, PHASE_PENDING);
        assert_false(s->report.stuck);
        for (int i = 1; i < 3; i++) {
                assert_int_equal(scheduler_release(f->scheduler, u), 0);
                run_until(f, &s->released, i);
                assert_int_equal(s->order, 0);
        }
        u->held = false;
        assert_int_equal(poll_to_end(f, u)->outcome, OUTCOME_SUCCEEDED);
        set_fault(f, "sbatch", "kill-done n=1");
        submit(f, lost);
        assert_int_equal(look_up(f, lost), LOOKUP_FOUND);
        assert_true(seen_of(f, lost)->held);
        fixture_free(f);
}

/* However many there are: one squeue and one sacct. */
static void test_calls_per_poll(void **state) {
        Fixture *f = fixture_new(QUICK, NO_RUN);
        _cleanup_free_ char *before = NULL, *after = NULL;

        (void)state;
        for (int i = 0; i < 20; i++) {
                char name[16];

                snprintf(name, sizeof(name), "u%d", i);
                submit_accepted(f, add_uow(f, name, ""));
        }
        run_standin(f, NULL, "set-all", "COMPLETED", NULL);
        before = get_file(f, "slurm/calls.log");
        poll_now(f);
        after = get_file(f, "slurm/calls.log");
        assert_int_equal(
                count(after, "\"command\":\"squeue\"") - count(before, "\"command\":\"squeue\""),
                1);
        assert_int_equal(
                count(after, "\"command\":\"sacct\"") - count(before, "\"command\":\"sacct\""), 1);
        assert_int_equal(count(after, "\n") - count(before, "\n"), 2);
        for (int i = 0; i < 20; i++)
                assert_int_equal(poll_to_end(f, f->uows[i])->outcome, OUTCOME_SUCCEEDED);
        fixture_free(f);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_submit_and_succeed),
                cmocka_unit_test(test_submit_answers),
                cmocka_unit_test(test_no_slurm_at_all),
                cmocka_unit_test(test_login_shell_fails),
                cmocka_unit_test(test_adopt),
                cmocka_unit_test(test_adopt_late),
                cmocka_unit_test(test_adopt_from_accounting),
                cmocka_unit_test(test_absent),
                cmocka_unit_test(test_never_absent_without_answers),
                cmocka_unit_test(test_second_job_is_cancelled),
                cmocka_unit_test(test_adopt_the_one_left),
                cmocka_unit_test(test_pending_reasons),
                cmocka_unit_test(test_ends),
                cmocka_unit_test(test_never_ended_by_absence),
                cmocka_unit_test(test_lost),
                cmocka_unit_test(test_lost_over_lives),
                cmocka_unit_test(test_accounting_lags),
                cmocka_unit_test(test_without_accounting),
                cmocka_unit_test(test_array),
                cmocka_unit_test(test_array_lagging),
                cmocka_unit_test(test_requeue),
                cmocka_unit_test(test_further_jobs),
                cmocka_unit_test(test_cancel),
                cmocka_unit_test(test_held),
                cmocka_unit_test(test_calls_per_poll),
        };

        return cmocka_run_group_tests(tests, block_sigchld, NULL);
}
