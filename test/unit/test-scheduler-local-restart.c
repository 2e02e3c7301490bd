/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The local scheduler across lives of the daemon: jobs go on, are found again, are never run twice and never forgotten, whoever
 * was killed and when.
 */

#include "local-fixture.h"

#define WAIT_FOR_GO "#!/bin/bash\necho run >> runs\n" UNTIL_GO "exit 4\n"

static void go(Fixture *f, const char *name) {
        char path[64];

        snprintf(path, sizeof(path), "%s/go", name);
        assert_int_equal(file_create_at(f->work, path, "", 0, 0600), 0);
}

static void restart(Fixture *f) {
        stop_scheduler(f);
        start_scheduler(f);
        for (size_t i = 0; i < f->n; i++)
                heard(f->uows[i])->phase = PHASE_NONE;
        f->running = 0;
}

static uint64_t id_of(const Uow *u) {
        return strtoull(u->job_id, NULL, 10);
}

static int descriptors_of(int pid) {
        char path[64];
        _cleanup_closedir_ DIR *d = NULL;
        int n = 0;

        snprintf(path, sizeof(path), "/proc/%d/fd", pid);
        d = opendir(path);
        while (d && readdir(d))
                n++;
        return n - 2;
}

static void test_job_goes_on(void **state) {
        Fixture *f = *state;
        Uow *u = submit(f, "a", WAIT_FOR_GO);

        RUN_UNTIL(f, heard(u)->phase == PHASE_RUNNING && there(f, "a/runs"));
        /* Nothing of the daemon's but three folders: no lease, no socket, no log. */
        RUN_UNTIL(f, descriptors_of(supervisor_of(f, u)) == 6);
        restart(f);
        poll_all(f);
        assert_int_equal(heard(u)->phase, PHASE_RUNNING);
        go(f, "a");
        /* Without another poll. */
        RUN_UNTIL(f, heard(u)->ended);
        assert_string_equal(heard(u)->report.reason, "exit code 4");
        assert_string_equal(content(f, "a/runs"), "run\n");
}

static void test_job_ends_meanwhile(void **state) {
        Fixture *f = *state;
        Uow *u = submit(f, "a", WAIT_FOR_GO);
        int pid;

        RUN_UNTIL(f, heard(u)->phase == PHASE_RUNNING);
        pid = supervisor_of(f, u);
        stop_scheduler(f);
        go(f, "a");
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        start_scheduler(f);
        poll_all(f);
        assert_true(heard(u)->ended);
        assert_string_equal(heard(u)->report.state, "FAILED");
}

/* Slots are counted over supervisors of an earlier life; what waited then starts now. */
static void test_slots_go_on(void **state) {
        Fixture *f = *state;
        Uow *a, *b;

        f->config->scheduler.slots = 1;
        a = submit(f, "a", WAIT_FOR_GO);
        b = submit(f, "b", "#!/bin/bash\n");
        RUN_UNTIL(f, heard(a)->phase == PHASE_RUNNING && heard(b)->submitted);
        restart(f);
        poll_all(f);
        poll_all(f);
        assert_int_equal(heard(b)->phase, PHASE_PENDING);
        go(f, "a");
        RUN_UNTIL(f, heard(a)->ended && heard(b)->ended);
        assert_int_equal(heard(b)->report.outcome, OUTCOME_SUCCEEDED);
}

/* ---- the answer to a submission that got lost ---- */

static void test_lookup(void **state) {
        Fixture *f = *state;
        Uow *u, *never = uow_with(f, "never", "#!/bin/bash\n");

        f->config->scheduler.slots = 1;
        u = submit(f, "a", WAIT_FOR_GO);
        RUN_UNTIL(f, heard(u)->phase == PHASE_RUNNING);
        free(u->job_id);
        u->job_id = NULL;
        restart(f);
        poll_all(f);
        assert_int_equal(heard(u)->found, LOOKUP_FOUND);
        assert_string_equal(heard(u)->found_id, "1");
        assert_int_equal(heard(never)->looked_up, 1);
        assert_int_equal(heard(never)->found, LOOKUP_ABSENT);
        go(f, "a");
        RUN_UNTIL(f, heard(u)->ended);
        assert_string_equal(content(f, "a/runs"), "run\n");
}

static void test_submitted_twice_is_one_job(void **state) {
        Fixture *f = *state;
        Uow *u = submit(f, "a", "#!/bin/bash\necho run >> runs\n");

        RUN_UNTIL(f, heard(u)->submitted);
        assert_int_equal(scheduler_submit(f->scheduler, u), 0);
        RUN_UNTIL(f, heard(u)->submitted == 2 && heard(u)->ended);
        assert_string_equal(u->job_id, "1");
        assert_string_equal(content(f, "a/runs"), "run\n");
}

static void test_next_attempt_is_another_job(void **state) {
        Fixture *f = *state;
        Uow *u = submit(f, "a", "#!/bin/bash\necho $SLURM_JOB_ID >> runs\n");

        RUN_UNTIL(f, heard(u)->ended);
        job_report_done(&heard(u)->report);
        heard(u)->ended = false;
        u->state = UOW_QUEUED;
        u->attempt = 2;
        free(u->job_id);
        u->job_id = NULL;
        assert_int_equal(scheduler_submit(f->scheduler, u), 0);
        RUN_UNTIL(f, heard(u)->ended);
        assert_string_equal(content(f, "a/runs"), "1\n2\n");
}

/* ---- who was killed, and when ---- */

/* As a daemon leaves it that died between writing the job down and starting it. */
static Uow *recorded_only(Fixture *f, const char *name, const char *script) {
        unsigned slots = f->config->scheduler.slots;
        Uow *u;

        f->config->scheduler.slots = 0;
        u = submit(f, name, script);
        RUN_UNTIL(f, heard(u)->submitted);
        stop_scheduler(f);
        f->config->scheduler.slots = slots;
        return u;
}

static void test_daemon_died_before_start(void **state) {
        Fixture *f = *state;
        Uow *u = recorded_only(f, "a", "#!/bin/bash\necho run >> runs\n");

        start_scheduler(f);
        poll_all(f);
        RUN_UNTIL(f, heard(u)->ended);
        assert_int_equal(heard(u)->report.outcome, OUTCOME_SUCCEEDED);
        assert_string_equal(content(f, "a/runs"), "run\n");
}

/* Nobody knows whether its script has run a line, so it is not run again. */
static void test_supervisor_died_with_claim(void **state) {
        Fixture *f = *state;
        Uow *u = recorded_only(f, "a", "#!/bin/bash\necho run >> runs\n");
        pid_t pid = fork();

        if (pid == 0)
                _exit(local_claim_take(f->local, 1, false) == 0 ? 0 : 1);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        start_scheduler(f);
        poll_all(f);
        assert_true(heard(u)->ended);
        assert_string_equal(heard(u)->report.state, "NODE_FAIL");
        assert_string_equal(heard(u)->report.cause, CAUSE_NODE_FAIL);
        assert_false(there(f, "a/runs"));
}

static void test_supervisor_killed(void **state) {
        Fixture *f = *state;
        Uow *u = submit(f, "a",
                "#!/bin/bash\nsleep 1000 &\necho $$ > pid; echo $! > pid2; touch up; wait\n");
        int script, child;

        RUN_UNTIL(f, there(f, "a/up"));
        script = atoi(content(f, "a/pid"));
        child = atoi(content(f, "a/pid2"));
        assert_int_equal(kill(supervisor_of(f, u), SIGKILL), 0);
        RUN_UNTIL(f, heard(u)->ended);
        assert_string_equal(heard(u)->report.state, "NODE_FAIL");
        assert_contains(heard(u)->report.reason, "killed");
        assert_false(is_alive(script));
        assert_false(is_alive(child));
}

static void test_machine_shut_down(void **state) {
        Fixture *f = *state;
        Uow *u = submit(f, "a", WAIT_FOR_GO);

        RUN_UNTIL(f, there(f, "a/runs"));
        assert_int_equal(kill(supervisor_of(f, u), SIGTERM), 0);
        RUN_UNTIL(f, heard(u)->ended);
        assert_string_equal(heard(u)->report.state, "NODE_FAIL");
        assert_contains(heard(u)->report.reason, "shut down");
}

static void test_canceller_died(void **state) {
        Fixture *f = *state;
        Uow *u = recorded_only(f, "a", "#!/bin/bash\ntouch ran\n");

        assert_int_equal(local_claim_take(f->local, 1, true), 0);
        start_scheduler(f);
        poll_all(f);
        assert_true(heard(u)->ended);
        assert_int_equal(heard(u)->report.outcome, OUTCOME_CANCELLED);
        assert_false(there(f, "a/ran"));
}

/* ---- never twice ---- */

/* Supervisors of several daemons that all believe to be the owner. */
static void test_one_claimant_only(void **state) {
        Fixture *f = *state;
        char *environment[] = { "PATH=/usr/bin:/bin", NULL };
        const LocalStart start = { .id = 1,
                .dir = f->local,
                .work = f->work,
                .environment = environment,
                .descriptors = { 1024, 4096 } };
        pid_t pid[8];
        int winners = 0;

        recorded_only(f, "a", "#!/bin/bash\necho run >> runs\n");
        for (size_t i = 0; i < ELEMENTSOF(pid); i++) {
                pid[i] = fork();
                if (pid[i] == 0)
                        local_supervise(&start);
        }
        for (size_t i = 0; i < ELEMENTSOF(pid); i++) {
                int status;

                assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
                winners += WIFEXITED(status) && WEXITSTATUS(status) == 0;
        }
        assert_int_equal(winners, 1);
        assert_string_equal(content(f, "a/runs"), "run\n");
        start_scheduler(f);
        poll_all(f);
        assert_true(heard(f->uows[0])->ended);
        assert_int_equal(heard(f->uows[0])->report.outcome, OUTCOME_SUCCEEDED);
}

/* A job that ended is not begun by a supervisor that comes late, even if its claim was removed by hand. */
static void test_late_supervisor(void **state) {
        Fixture *f = *state;
        char *environment[] = { "PATH=/usr/bin:/bin", NULL };
        const LocalStart start = { .id = 1,
                .dir = f->local,
                .work = f->work,
                .environment = environment,
                .descriptors = { 1024, 4096 } };
        Uow *u = submit(f, "a", "#!/bin/bash\necho run >> runs\n");
        int status;
        pid_t pid;

        RUN_UNTIL(f, heard(u)->ended);
        local_claim_drop(f->local, 1);
        pid = fork();
        if (pid == 0)
                local_supervise(&start);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_not_equal(WEXITSTATUS(status), 0);
        assert_string_equal(content(f, "a/runs"), "run\n");
}

/* ---- claims of other machines ---- */

static void write_claim(Fixture *f, const char *host, const char *boot, time_t age) {
        _cleanup_free_ char *text = xasprintf(
                "{\"host\":\"%s\",\"boot_id\":\"%s\",\"pid_space\":\"pid:[1]\",\"pid\":2,\"start\":\"3\"}",
                host, boot);
        struct timespec times[2] = { { .tv_sec = time(NULL) - age },
                { .tv_sec = time(NULL) - age } };

        assert_int_equal(file_create_at(f->local, "1.claim", text, strlen(text), 0600), 0);
        assert_int_equal(utimensat(f->local, "1.claim", times, 0), 0);
}

static void test_elsewhere(void **state) {
        Fixture *f = *state;
        Uow *u = recorded_only(f, "a", "#!/bin/bash\ntouch ran\n");

        write_claim(f, "another.example", "00000000000000000000000000000000", 60);
        start_scheduler(f);
        poll_all(f);
        assert_int_equal(heard(u)->phase, PHASE_RUNNING);
        assert_int_equal(scheduler_cancel(f->scheduler, u), 0);
        RUN_UNTIL(f, heard(u)->cancelled);
        assert_int_equal(heard(u)->cancel_r, 0);
        assert_true(local_cancel_is_noted(f->local, 1));
        poll_all(f);
        assert_false(heard(u)->ended);
        /* No sign of life for long. */
        assert_int_equal(unlinkat(f->local, "1.claim", 0), 0);
        write_claim(f, "another.example", "00000000000000000000000000000000",
                (time_t)(2 * LOCAL_SILENCE_MAX / USEC_PER_SEC));
        poll_all(f);
        assert_true(heard(u)->ended);
        assert_string_equal(heard(u)->report.state, "NODE_FAIL");
}

static void test_machine_restarted(void **state) {
        Fixture *f = *state;
        Uow *u = recorded_only(f, "a", "#!/bin/bash\n");
        char host[65];

        assert_int_equal(gethostname(host, sizeof(host)), 0);
        write_claim(f, host, "00000000000000000000000000000000", 0);
        start_scheduler(f);
        poll_all(f);
        assert_true(heard(u)->ended);
        assert_string_equal(heard(u)->report.state, "NODE_FAIL");
}

/* ---- the folder ---- */

static void test_damage(void **state) {
        Fixture *f = *state;
        Uow *u = uow_with(f, "a", "#!/bin/bash\n");

        assert_int_equal(file_create_at(f->local, "7.json", "{\"id\":7,\"tok", 12, 0600), 0);
        assert_int_equal(file_create_at(f->local, "9.json", "", 0, 0600), 0);
        assert_int_equal(file_create_at(f->local, "x.json", "", 0, 0600), 0);
        assert_int_equal(file_create_at(f->local, "08.json", "{}", 2, 0600), 0);
        assert_int_equal(scheduler_submit(f->scheduler, u), 0);
        RUN_UNTIL(f, heard(u)->ended);
        assert_string_equal(u->job_id, "10");
        assert_int_equal(heard(u)->report.outcome, OUTCOME_SUCCEEDED);
}

static void test_lost(void **state) {
        Fixture *f = *state;
        Uow *u = submit(f, "a", "#!/bin/bash\n"), *other;

        RUN_UNTIL(f, heard(u)->ended);
        /* The folder was emptied, and numbers began anew: 1 is somebody else's. */
        other = uow_with(f, "b", "#!/bin/bash\n");
        other->job_id = strdup("1");
        poll_all(f);
        assert_true(heard(other)->ended);
        assert_int_equal(heard(other)->report.outcome, OUTCOME_LOST);
        assert_string_equal(heard(other)->report.cause, CAUSE_LOST);
}

static void grow_old(Fixture *f, uint64_t id) {
        LocalRecord r;

        assert_int_equal(local_record_load(f->local, id, &r), 0);
        r.submitted -= 3 * USEC_PER_DAY;
        if (r.ended)
                r.ended -= 3 * USEC_PER_DAY;
        assert_int_equal(local_record_save(f->local, &r), 0);
        local_record_done(&r);
}

static void test_tidy(void **state) {
        Fixture *f = *state;
        Uow *u[3];
        char name[8] = "a";

        for (int i = 0; i < 3; i++, name[0]++) {
                u[i] = submit(f, name, "#!/bin/bash\n");
                RUN_UNTIL(f, heard(u[i])->ended);
        }
        grow_old(f, 1);
        grow_old(f, 3);
        restart(f);
        poll_all(f);
        assert_int_equal(faccessat(f->local, "1.json", F_OK, 0), -1);
        assert_int_equal(faccessat(f->local, "1.claim", F_OK, 0), -1);
        assert_int_equal(faccessat(f->local, "2.json", F_OK, 0), 0);
        assert_int_equal(faccessat(f->local, "3.json", F_OK, 0), 0);
        assert_string_equal(u[2]->job_id, "3");
        u[0] = submit(f, name, "#!/bin/bash\n");
        RUN_UNTIL(f, heard(u[0])->ended);
        assert_int_equal(id_of(u[0]), 4);
}

/* Its UoW is asked for no more: it is not run, however many slots are free, and goes in the end. */
static void test_stray(void **state) {
        Fixture *f = *state;
        Uow *u = recorded_only(f, "a", "#!/bin/bash\ntouch ran\n"), *other;
        LocalRecord r;

        grow_old(f, 1);
        u->state = UOW_PURGED;
        start_scheduler(f);
        other = submit(f, "b", "#!/bin/bash\n");
        RUN_UNTIL(f, heard(other)->ended);
        poll_all(f);
        poll_all(f);
        assert_false(there(f, "a/ran"));
        assert_int_equal(local_record_load(f->local, 1, &r), 0);
        assert_int_equal(r.state, LOCAL_CANCELLED);
        local_record_done(&r);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_job_goes_on, setup, teardown),
                cmocka_unit_test_setup_teardown(test_job_ends_meanwhile, setup, teardown),
                cmocka_unit_test_setup_teardown(test_slots_go_on, setup, teardown),
                cmocka_unit_test_setup_teardown(test_lookup, setup, teardown),
                cmocka_unit_test_setup_teardown(test_submitted_twice_is_one_job, setup, teardown),
                cmocka_unit_test_setup_teardown(test_next_attempt_is_another_job, setup, teardown),
                cmocka_unit_test_setup_teardown(test_daemon_died_before_start, setup, teardown),
                cmocka_unit_test_setup_teardown(test_supervisor_died_with_claim, setup, teardown),
                cmocka_unit_test_setup_teardown(test_supervisor_killed, setup, teardown),
                cmocka_unit_test_setup_teardown(test_machine_shut_down, setup, teardown),
                cmocka_unit_test_setup_teardown(test_canceller_died, setup, teardown),
                cmocka_unit_test_setup_teardown(test_one_claimant_only, setup, teardown),
                cmocka_unit_test_setup_teardown(test_late_supervisor, setup, teardown),
                cmocka_unit_test_setup_teardown(test_elsewhere, setup, teardown),
                cmocka_unit_test_setup_teardown(test_machine_restarted, setup, teardown),
                cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
                cmocka_unit_test_setup_teardown(test_lost, setup, teardown),
                cmocka_unit_test_setup_teardown(test_tidy, setup, teardown),
                cmocka_unit_test_setup_teardown(test_stray, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
