/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Jobs of the local scheduler: what they see, how they end, how they are stopped, and what they can't leave behind. Restarts and races
 * are in test-scheduler-local-restart.c.
 */

#include "local-fixture.h"

/* ---- what a script asks for ---- */

static void test_array_text(void **state _unused_) {
        static const struct {
                const char *text;
                size_t n;
                uint32_t first, last, step;
        } good[] = {
                { "0-4", 5, 0, 4, 1 },
                { "1,3,5", 3, 1, 5, 1 },
                { "0-10:2", 6, 0, 10, 2 },
                { "0-10:3%4", 4, 0, 9, 3 },
                { "7", 1, 7, 7, 1 },
                { "5,1,1-2,5", 3, 1, 5, 1 },
                { "0-1000", 1001, 0, 1000, 1 },
        };
        static const char *const bad[] = { "", "a", "4-1", "1-", "-1", "1,", ",1", "0-1001", "1001",
                "0-4:0", "0-4:", "0-4%", "0-4%0", "1 2", "99999999999999999999", "0-4%2x" };
        LocalArray a;

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                assert_int_equal(local_array_parse(good[i].text, &a), 0);
                assert_int_equal(a.n, good[i].n);
                assert_int_equal(a.index[0], good[i].first);
                assert_int_equal(a.index[a.n - 1], good[i].last);
                assert_int_equal(a.step, good[i].step);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                if (local_array_parse(bad[i], &a) == 0)
                        fail_msg("taken: \"%s\"", bad[i]);
}

static void test_time_text(void **state _unused_) {
        static const struct {
                const char *text;
                int64_t s;
        } good[] = { { "90", 5400 }, { "1:30", 90 }, { "2:00:00", 7200 }, { "1-12", 129600 },
                { "1-12:30", 131400 }, { "1-12:30:05", 131405 }, { "0", 0 }, { "UNLIMITED", 0 },
                { "infinite", 0 }, { "-1", 0 } };
        static const char *const bad[] = { "", "x", "1:", ":1", "1-", "-2", "1:2:3:4", "1-2:3:4:5",
                "1-2-3", "5 ", "5m", "99999999999" };
        int64_t s;

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                assert_int_equal(local_time_parse(good[i].text, &s), 0);
                assert_int_equal(s, good[i].s);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                if (local_time_parse(bad[i], &s) == 0)
                        fail_msg("taken: \"%s\"", bad[i]);
}

static void test_refused(void **state) {
        static const struct {
                const char *script, *words;
        } cases[] = {
                { "#!/bin/bash\n#SBATCH --array=4-1\n", "Invalid job array specification: 4-1" },
                { "#!/bin/bash\n#SBATCH --time=soon\n", "Invalid --time specification: soon" },
                { "echo\n", "#! followed by the path" },
                { "", "#! followed by the path" },
                { "#!bash\n#SBATCH -n 1\n", "no interpreter by its full path" },
                { "#!   \n", "no interpreter by its full path" },
        };
        Fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char name[8] = { (char)('a' + i), 0 };
                Uow *u = submit(f, name, cases[i].script);

                RUN_UNTIL(f, heard(u)->submitted);
                assert_int_equal(heard(u)->verdict, SUBMIT_REFUSED);
                assert_contains(heard(u)->text, cases[i].words);
        }
        assert_int_equal(dir_is_empty(f->layout->fd[PLACE_STATE], "local"), 1);
}

static void test_script_out_of_reach(void **state) {
        Fixture *f = *state;
        Uow *link = uow_with(f, "link", "#!/bin/bash\n"),
            *gone = uow_with(f, "gone", "#!/bin/bash\n");

        assert_int_equal(unlinkat(f->work, "link/scripts/submission_script.sh", 0), 0);
        assert_int_equal(symlinkat("/bin/bash", f->work, "link/scripts/submission_script.sh"), 0);
        assert_int_equal(tree_remove(f->work, "gone"), 0);
        assert_int_equal(scheduler_submit(f->scheduler, link), 0);
        assert_int_equal(scheduler_submit(f->scheduler, gone), 0);
        RUN_UNTIL(f, heard(link)->submitted && heard(gone)->submitted);
        assert_int_equal(heard(link)->verdict, SUBMIT_REFUSED);
        assert_int_equal(heard(gone)->verdict, SUBMIT_DEFERRED);
        assert_contains(heard(gone)->text, "can't be opened");
}

/* ---- what it sees ---- */

static void test_success(void **state) {
        Fixture *f = *state;
        _cleanup_free_ char *path = xasprintf("%s/CodeToRun/slurm/good one", f->base);
        Heard *h = run_to_end(f, "good one",
                "#!/bin/bash -u\n"
                "#SBATCH --time=1:00:00 --cpus-per-task=3 -n 2\n"
                "echo \"arg $1\"; echo \"cwd $PWD\"; echo \"flags $-\" >&2; umask\n"
                "echo \"$SLURM_JOB_ID $SLURM_JOB_NAME $SLURM_CPUS_PER_TASK $SLURM_NTASKS\"\n"
                "echo \"dir $SLURM_SUBMIT_DIR\"; echo \"in $(cat | wc -c)\"\n"
                "echo fds /proc/$$/fd/*; cat /proc/$PPID/comm; trap\n");
        const char *out;

        assert_int_equal(h->verdict, SUBMIT_ACCEPTED);
        assert_int_equal(h->report.outcome, OUTCOME_SUCCEEDED);
        assert_string_equal(h->report.state, "COMPLETED");
        assert_null(h->report.cause);
        assert_int_equal(json_int(h->report.facts, "exit_code", -1), 0);
        assert_int_equal(json_int(h->report.facts, "time_limit_s", -1), 3600);
        assert_int_equal(json_int(h->report.facts, "node_count", -1), 1);
        assert_true(json_time(h->report.facts, "submitted") > 0);
        assert_true(json_time(h->report.facts, "ended") >= json_time(h->report.facts, "started"));
        out = content(f, "good one/slurm-1.out");
        assert_contains(out, "1 submission_script.sh 3 2\n");
        assert_contains(out, "\n0022\n");
        assert_contains(out, "in 0\n");
        assert_contains(out, "\nflowcron-job\n");
        assert_contains(strstr(out, "arg "), path);
        assert_contains(strstr(out, "cwd "), path);
        assert_contains(strstr(out, "dir "), path);
        /* 255 is bash's own, on the script. */
        out = strstr(out, "fds ");
        assert_null(strstr(out, "fd/3 "));
        assert_contains(out, "fd/2 ");
        assert_contains(content(f, "good one/slurm-1.err"), "u");
}

/* The daemon changes its own limit; scripts get the one of the login. */
static void test_descriptor_limit(void **state) {
        Fixture *f = *state;
        struct rlimit before, raised;
        char expected[32];

        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        raised = before;
        raised.rlim_cur = before.rlim_cur / 2;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &raised), 0);
        (void)run_to_end(f, "a", "#!/bin/bash\nulimit -Sn\n");
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        snprintf(expected, sizeof(expected), "%llu\n", (unsigned long long)before.rlim_cur);
        assert_string_equal(content(f, "a/slurm-1.out"), expected);
}

static void test_ends(void **state) {
        Fixture *f = *state;
        Heard *h = run_to_end(f, "code", "#!/bin/bash\nexit 3\n");

        assert_int_equal(h->report.outcome, OUTCOME_FAILED);
        assert_string_equal(h->report.state, "FAILED");
        assert_string_equal(h->report.cause, CAUSE_EXIT_CODE);
        assert_string_equal(h->report.reason, "exit code 3");
        h = run_to_end(f, "signal", "#!/bin/bash\nkill -SEGV $$\n");
        assert_string_equal(h->report.cause, CAUSE_SIGNAL);
        assert_int_equal(json_int(h->report.facts, "signal", -1), SIGSEGV);
        assert_int_equal(json_int(h->report.facts, "exit_code", -1), -1);
        h = run_to_end(f, "missing", "#!/no/such/interpreter\n");
        assert_int_equal(json_int(h->report.facts, "exit_code", -1), 127);
        assert_contains(content(f, "missing/slurm-3.err"), "/no/such/interpreter");
        h = run_to_end(f, "env", "#!/usr/bin/env bash\nexit 0\n");
        assert_int_equal(h->report.outcome, OUTCOME_SUCCEEDED);
}

static void test_folder_gone_before_start(void **state) {
        Fixture *f = *state;
        Uow *first, *u;

        f->config->scheduler.slots = 1;
        first = submit(f, "a", "#!/bin/bash\n" UNTIL_GO);
        u = submit(f, "b", "#!/bin/bash\n");
        RUN_UNTIL(f, heard(u)->submitted && heard(first)->phase == PHASE_RUNNING);
        assert_int_equal(tree_remove(f->work, "b"), 0);
        assert_int_equal(file_create_at(f->work, "a/go", "", 0, 0600), 0);
        RUN_UNTIL(f, heard(u)->ended);
        assert_string_equal(heard(u)->report.cause, CAUSE_LAUNCH);
        assert_contains(heard(u)->report.reason, "can't be opened");
}

/* ---- slots ---- */

#define WAIT_FOR_GO "#!/bin/bash\n" UNTIL_GO

static void test_slots(void **state) {
        Fixture *f = *state;
        Uow *u[5];

        for (int i = 0; i < 5; i++) {
                char name[8] = { (char)('a' + i), 0 };

                u[i] = submit(f, name, WAIT_FOR_GO);
        }
        RUN_UNTIL(f, f->running == 2);
        poll_all(f);
        for (int i = 2; i < 5; i++) {
                assert_int_equal(heard(u[i])->phase, PHASE_PENDING);
                assert_contains(heard(u[i])->waiting, "2 of 2");
        }
        for (int i = 0; i < 5; i++) {
                char go[16];

                snprintf(go, sizeof(go), "%c/go", 'a' + i);
                RUN_UNTIL(f, heard(u[i])->phase == PHASE_RUNNING);
                assert_int_equal(file_create_at(f->work, go, "", 0, 0600), 0);
                RUN_UNTIL(f, heard(u[i])->ended);
                /* The place goes to the next in line, however long that takes to begin. */
                if (i + 2 < 5)
                        RUN_UNTIL(f, heard(u[i + 2])->phase == PHASE_RUNNING);
        }
        assert_int_equal(f->most, 2);
        assert_int_equal(strlen(f->order), 5);
        assert_int_equal(f->order[2], 'c');
        assert_string_equal(f->order + 2, "cde");
}

/* ---- stopping ---- */

static void test_cancel_pending(void **state) {
        Fixture *f = *state;
        Uow *first, *u;

        f->config->scheduler.slots = 1;
        first = submit(f, "a", WAIT_FOR_GO);
        u = submit(f, "b", "#!/bin/bash\ntouch ran\n");
        RUN_UNTIL(f, heard(u)->submitted && heard(first)->phase == PHASE_RUNNING);
        assert_int_equal(scheduler_cancel(f->scheduler, u), 0);
        RUN_UNTIL(f, heard(u)->cancelled && heard(u)->ended);
        assert_int_equal(heard(u)->cancel_r, 0);
        assert_int_equal(heard(u)->report.outcome, OUTCOME_CANCELLED);
        /* Once more, after its end. */
        assert_int_equal(scheduler_cancel(f->scheduler, u), 0);
        RUN_UNTIL(f, heard(u)->cancelled == 2);
        assert_int_equal(heard(u)->cancel_r, 0);
        assert_int_equal(file_create_at(f->work, "a/go", "", 0, 0600), 0);
        RUN_UNTIL(f, heard(first)->ended);
        poll_all(f);
        assert_false(there(f, "b/ran"));
        assert_false(there(f, "b/slurm-2.out"));
}

static void test_cancel_running(void **state) {
        Fixture *f = *state;
        Uow *u = submit(f, "a",
                "#!/bin/bash\ntrap 'echo got it; exit 0' TERM\ntouch up\nuntil [ $((++n)) -gt 6000 ]; do sleep 0.02; done\n");

        RUN_UNTIL(f, there(f, "a/up"));
        assert_int_equal(scheduler_cancel(f->scheduler, u), 0);
        assert_int_equal(scheduler_cancel(f->scheduler, u), 0);
        RUN_UNTIL(f, heard(u)->cancelled == 2 && heard(u)->ended);
        assert_int_equal(heard(u)->report.outcome, OUTCOME_CANCELLED);
        assert_string_equal(heard(u)->report.state, "CANCELLED");
        assert_contains(content(f, "a/slurm-1.out"), "got it");
}

/* Deaf to SIGTERM, so the second, harder way is gone as well. */
static void test_timeout(void **state) {
        Fixture *f = *state;
        Heard *h = run_to_end(f, "a",
                "#!/bin/bash\n#SBATCH -t 0:01\ntrap 'echo heard' TERM\nwhile :; do sleep 0.05; done\n");

        assert_int_equal(h->report.outcome, OUTCOME_FAILED);
        assert_string_equal(h->report.state, "TIMEOUT");
        assert_string_equal(h->report.cause, CAUSE_TIMEOUT);
        assert_int_equal(json_int(h->report.facts, "signal", -1), SIGKILL);
        assert_contains(content(f, "a/slurm-1.out"), "heard");
}

static void test_leftovers(void **state) {
        Fixture *f = *state;
        Heard *h = run_to_end(f, "a",
                "#!/bin/bash\n"
                "sleep 1000 & echo $! >> pids\n"
                "setsid bash -c 'echo $$ >> pids; trap \"\" TERM HUP; (echo $BASHPID >> pids; sleep 1000) & wait' &\n"
                "until [ $(wc -l < pids) = 3 ]; do sleep 0.02; done\n"
                "exit 0\n");
        const char *pids = content(f, "a/pids");
        int n = 0;

        assert_int_equal(h->report.outcome, OUTCOME_SUCCEEDED);
        for (const char *p = pids; *p; p = strchr(p, '\n') + 1, n++)
                assert_false(is_alive(atoi(p)));
        assert_int_equal(n, 3);
}

/* ---- arrays ---- */

static void test_array(void **state) {
        Fixture *f = *state;
        const cJSON *task;
        Heard *h = run_to_end(f, "a",
                "#!/bin/bash\n#SBATCH --array=1-5:2,8%2\n"
                "echo $SLURM_ARRAY_TASK_ID >> order\n"
                "echo $SLURM_ARRAY_JOB_ID $SLURM_ARRAY_TASK_COUNT $SLURM_ARRAY_TASK_MIN $SLURM_ARRAY_TASK_MAX\n"
                "[ $SLURM_ARRAY_TASK_ID != 3 ] || exit 7\n"
                "[ $SLURM_ARRAY_TASK_ID != 8 ] || kill -9 $$\n");

        assert_string_equal(content(f, "a/order"), "1\n3\n5\n8\n");
        assert_string_equal(content(f, "a/slurm-1_5.out"), "1 4 1 8\n");
        assert_false(there(f, "a/slurm-1.out"));
        assert_int_equal(h->report.outcome, OUTCOME_FAILED);
        assert_string_equal(h->report.reason, "2 of 4 tasks failed, task 3: exit code 7");
        assert_int_equal(json_int(h->report.facts, "task_count", -1), 4);
        assert_int_equal(json_int(h->report.facts, "tasks_failed", -1), 2);
        task = cJSON_GetArrayItem(json_array(h->report.facts, "tasks"), 1);
        assert_string_equal(json_str(task, "job_id"), "1_8");
        assert_int_equal(json_int(task, "signal", -1), SIGKILL);
        h = run_to_end(f, "b", "#!/bin/bash\n#SBATCH -a 0-2\n:\n");
        assert_int_equal(h->report.outcome, OUTCOME_SUCCEEDED);
}

static void test_array_cancelled(void **state) {
        Fixture *f = *state;
        Uow *u = submit(f, "a",
                "#!/bin/bash\n#SBATCH --array=0-3\n"
                "[ $SLURM_ARRAY_TASK_ID = 0 ] && exit 0\ntouch up\nuntil [ $((++n)) -gt 6000 ]; do sleep 0.02; done\n");

        RUN_UNTIL(f, there(f, "a/up"));
        assert_int_equal(scheduler_cancel(f->scheduler, u), 0);
        RUN_UNTIL(f, heard(u)->ended);
        assert_int_equal(heard(u)->report.outcome, OUTCOME_CANCELLED);
        assert_int_equal(json_int(heard(u)->report.facts, "tasks_failed", -1), 3);
        assert_false(there(f, "a/slurm-1_2.out"));
}

/* ---- what an uploader may have laid there ---- */

static void test_hostile_outputs(void **state) {
        Fixture *f = *state;
        Uow *u = uow_with(f, "a", "#!/bin/bash\necho out; echo err >&2\n");
        struct stat st;

        assert_int_equal(file_create_at(f->work, "victim", "dear", 4, 0600), 0);
        assert_int_equal(symlinkat("../victim", f->work, "a/slurm-1.out"), 0);
        assert_int_equal(mkfifoat(f->work, "a/slurm-1.err", 0600), 0);
        assert_int_equal(file_create_at(f->work, "a/slurm-1.err.1", "", 0, 0600), 0);
        assert_int_equal(scheduler_submit(f->scheduler, u), 0);
        RUN_UNTIL(f, heard(u)->ended);
        assert_int_equal(heard(u)->report.outcome, OUTCOME_SUCCEEDED);
        assert_string_equal(content(f, "victim"), "dear");
        assert_string_equal(content(f, "a/slurm-1.out"), "out\n");
        assert_string_equal(content(f, "a/slurm-1.err"), "err\n");
        assert_int_equal(fstatat(f->work, "a/slurm-1.out.1", &st, AT_SYMLINK_NOFOLLOW), 0);
        assert_true(S_ISLNK(st.st_mode));
        assert_int_equal(fstatat(f->work, "a/slurm-1.err.2", &st, AT_SYMLINK_NOFOLLOW), 0);
        assert_true(S_ISFIFO(st.st_mode));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_array_text),
                cmocka_unit_test(test_time_text),
                cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
                cmocka_unit_test_setup_teardown(test_script_out_of_reach, setup, teardown),
                cmocka_unit_test_setup_teardown(test_success, setup, teardown),
                cmocka_unit_test_setup_teardown(test_descriptor_limit, setup, teardown),
                cmocka_unit_test_setup_teardown(test_ends, setup, teardown),
                cmocka_unit_test_setup_teardown(test_folder_gone_before_start, setup, teardown),
                cmocka_unit_test_setup_teardown(test_slots, setup, teardown),
                cmocka_unit_test_setup_teardown(test_cancel_pending, setup, teardown),
                cmocka_unit_test_setup_teardown(test_cancel_running, setup, teardown),
                cmocka_unit_test_setup_teardown(test_timeout, setup, teardown),
                cmocka_unit_test_setup_teardown(test_leftovers, setup, teardown),
                cmocka_unit_test_setup_teardown(test_array, setup, teardown),
                cmocka_unit_test_setup_teardown(test_array_cancelled, setup, teardown),
                cmocka_unit_test_setup_teardown(test_hostile_outputs, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
