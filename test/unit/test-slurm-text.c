/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Slurm's output read back: recordings of a real 22.05 (data/slurm/, made with the marker below),
 * and made-up output where a real one is hard to get: forged, torn, from other versions.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "slurm-text.h"
#include "text.h"

#define M "0123456789abcdef0123456789abcdef"
#define ID(n) "11111111-0000-0000-0000-0000000000" n
#define TOKEN(n) "flowcron=" ID(n) ".1"

static char *read_data(const char *name, size_t *ret_size) {
        _cleanup_free_ char *path = xasprintf(SOURCE_DIR "/test/unit/data/slurm/%s", name);
        char *data = calloc(1, 1 << 20);
        FILE *f = fopen(path, "re");

        assert_non_null(f);
        assert_non_null(data);
        *ret_size = fread(data, 1, (1 << 20) - 1, f);
        fclose(f);
        return data;
}

static SlurmTable read_table(const char *name, bool accounting, bool submit_line) {
        _cleanup_free_ char *data = NULL;
        SlurmTable t;
        size_t size;

        data = read_data(name, &size);
        if (accounting)
                assert_int_equal(slurm_sacct_parse(data, size, M, submit_line, &t), 0);
        else
                assert_int_equal(slurm_squeue_parse(data, size, M, &t), 0);
        assert_false(t.incomplete);
        return t;
}

static SlurmPicture picture_of(const SlurmTable *t, uint32_t job, const char *token) {
        SlurmClaim claim = { .job = job, .token = token };
        SlurmPicture p;

        assert_int_equal(slurm_picture(t, &claim, &p), 0);
        return p;
}

/* ---- single values ---- */

static void test_ids(void **state) {
        static const struct {
                const char *s;
                SlurmId id;
        } good[] = {
                { "17", { 17, 0, 0, 1, false, "" } },
                { "17_3", { 17, '_', 3, 1, false, "" } },
                { "17+1", { 17, '+', 1, 1, false, "" } },
                { "17.batch", { 17, 0, 0, 1, false, "batch" } },
                { "17_3.0", { 17, '_', 3, 1, false, "0" } },
                { "17_[3-5,8%2]", { 17, '_', 3, 4, true, "" } },
                { "17_[0-8:4]", { 17, '_', 0, 3, true, "" } },
                { "17_[7]", { 17, '_', 7, 1, true, "" } },
                { "17_[1-3,...]",
                        { 17, '_', 0, 0, true,
                                "" } }, /* cut short by Slurm: how many is not known */
                { "4294967295", { 4294967295, 0, 0, 1, false, "" } },
        };
        static const char *const bad[] = { "", "0", "x", "17x", "17_", "17_x", "17_[", "17_[1-3",
                "17.", "-1", " 17", "17 ", "4294967296", "99999999999999999999", "17_3_4",
                "17.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                SlurmId id;

                assert_int_equal(slurm_id_parse(good[i].s, &id), 0);
                assert_int_equal(id.job, good[i].id.job);
                assert_int_equal(id.part, good[i].id.part);
                assert_int_equal(id.count, good[i].id.count);
                assert_int_equal(id.several, good[i].id.several);
                assert_string_equal(id.step, good[i].id.step);
                if (id.count)
                        assert_int_equal(id.index, good[i].id.index);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                SlurmId id;

                if (slurm_id_parse(bad[i], &id) != -EINVAL)
                        fail_msg("%s", bad[i]);
        }
        assert_int_equal(slurm_array_count("0-4%2"), 5);
        assert_int_equal(slurm_array_count("1,3,5-7"), 5);
        assert_int_equal(slurm_array_count("1-10:3"), 4);
        assert_int_equal(slurm_array_count("0-4294967295"), 0);
        assert_int_equal(slurm_array_count("$N"), 0);
        assert_int_equal(slurm_array_count(""), 0);
        assert_int_equal(slurm_array_count("5-1"), 0);
        assert_int_equal(slurm_array_count("1-5:0"), 0);
}

static void test_values(void **state) {
        int code = -7, signo = -7;

        (void)state;
        assert_int_equal(slurm_time_parse("1795249278"), UINT64_C(1795249278000000));
        assert_int_equal(slurm_time_parse("1970-01-02T00:00:01"), UINT64_C(86401000000));
        assert_int_equal(slurm_time_parse("Unknown"), 0);
        assert_int_equal(slurm_time_parse("None"), 0);
        assert_int_equal(slurm_time_parse("N/A"), 0);
        assert_int_equal(slurm_time_parse(""), 0);
        assert_int_equal(slurm_time_parse("99999999999999999999"), 0);
        assert_int_equal(slurm_duration_parse("5:00"), 300);
        assert_int_equal(slurm_duration_parse("00:05:00"), 300);
        assert_int_equal(slurm_duration_parse("1-02:03:04"), 93784);
        assert_int_equal(slurm_duration_parse("00:00.567"), 0);
        assert_int_equal(slurm_duration_parse("UNLIMITED"), -1);
        assert_int_equal(slurm_duration_parse("5"), -1);
        assert_int_equal(slurm_duration_parse("1-"), -1);
        assert_int_equal(slurm_size_parse("4864K"), 4864 * 1024);
        assert_int_equal(slurm_size_parse("1.50G"), INT64_C(1610612736));
        assert_int_equal(slurm_size_parse("4000Mc"), INT64_C(4194304000));
        assert_int_equal(slurm_size_parse("0"), 0);
        assert_int_equal(slurm_size_parse("16?"), -1);
        assert_int_equal(slurm_size_parse(""), -1);
        assert_int_equal(slurm_size_parse("-1K"), -1);
        assert_int_equal(slurm_size_parse("99999999E"), -1);
        assert_int_equal(slurm_exit_parse("1:9", &code, &signo), 0);
        assert_int_equal(code, 1);
        assert_int_equal(signo, 9);
        assert_int_equal(slurm_exit_parse("1", &code, &signo), -EINVAL);
        assert_int_equal(slurm_exit_parse("", &code, &signo), -EINVAL);
        assert_int_equal(code, 1);
}

static void test_states(void **state) {
        static const char *const alive[] = { "PENDING", "RUNNING", "COMPLETING", "SUSPENDED",
                "REQUEUED", "REQUEUE_HOLD", "CONFIGURING", "STAGE_OUT", "RESIZING",
                "SPECIAL_EXIT" };
        static const char *const ended[] = { "COMPLETED", "FAILED", "TIMEOUT", "CANCELLED",
                "NODE_FAIL", "PREEMPTED", "BOOT_FAIL", "DEADLINE", "OUT_OF_MEMORY", "REVOKED" };

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(alive); i++)
                assert_true(slurm_state_life(alive[i]) == SLURM_LIFE_WAITING ||
                        slurm_state_life(alive[i]) == SLURM_LIFE_RUNNING);
        for (size_t i = 0; i < ELEMENTSOF(ended); i++)
                assert_int_equal(slurm_state_life(ended[i]), SLURM_LIFE_ENDED);
        assert_int_equal(slurm_state_life("TELEPORTED"), SLURM_LIFE_UNKNOWN);
        assert_int_equal(slurm_state_life(""), SLURM_LIFE_UNKNOWN);
}

static void assert_waits(const char *job_state, const char *reason, bool stuck, const char *text) {
        bool s = !stuck;
        _cleanup_free_ char *t = slurm_pending_reason(job_state, reason, &s);

        assert_string_equal(t, text);
        assert_int_equal(s, stuck);
}

static void test_reasons(void **state) {
        (void)state;
        assert_waits("PENDING", "Resources", false, "Resources");
        assert_waits("PENDING", "Priority", false, "Priority");
        assert_waits("PENDING", "None", false, "waiting");
        assert_waits("PENDING", "", false, "waiting");
        assert_waits(
                "PENDING", "PartitionDown", true, "PartitionDown: the partition is switched off");
        assert_waits("PENDING", "PartitionTimeLimit", true,
                "PartitionTimeLimit: it asks for more time than its partition allows");
        assert_waits("PENDING", "DependencyNeverSatisfied", true,
                "DependencyNeverSatisfied: it waits for another job in a way that can't come true any more");
        assert_waits("PENDING", "Dependency", false, "Dependency: it waits for another job");
        assert_waits("PENDING", "JobHeldAdmin", true, "JobHeldAdmin: held by an administrator");
        assert_waits("PENDING", "launch failed requeued held", true,
                "launch failed requeued held: it could not be started, was put back into the queue and held");
        assert_waits("PENDING", "ReqNodeNotAvail, UnavailableNodes:n1", true,
                "ReqNodeNotAvail, UnavailableNodes:n1: a node that it asks for is not available");
        assert_waits("PENDING", "ReqNodeNotAvail, Reserved for maintenance", false,
                "ReqNodeNotAvail, Reserved for maintenance: its nodes are reserved for maintenance");
        assert_waits("PENDING", "AssocMaxJobsLimit", false,
                "AssocMaxJobsLimit: a limit of the account is reached");
        assert_waits("PENDING", "QOSMaxCpuPerUserLimit", false,
                "QOSMaxCpuPerUserLimit: a limit of the account is reached");
        assert_waits("PENDING", "AssocGrpCpuLimit", false,
                "AssocGrpCpuLimit: a limit of the account is reached");
        assert_waits("PENDING", "AssocGrpCPURunMinutesLimit", false,
                "AssocGrpCPURunMinutesLimit: a limit of the account is reached");
        assert_waits("PENDING", "AssocGrpCPUMinutesLimit", true,
                "AssocGrpCPUMinutesLimit: the budget of the account is used up");
        assert_waits("PENDING", "QOSMaxWallDurationPerJobLimit", true,
                "QOSMaxWallDurationPerJobLimit: it asks for more than a limit allows");
        assert_waits(
                "PENDING", "QOSMinGRES", true, "QOSMinGRES: it asks for more than a limit allows");
        assert_waits("REQUEUE_HOLD", "Resources", true,
                "REQUEUE_HOLD: put back into the queue and held; somebody must release it");
        assert_waits("PENDING", "Some\nNew\033Reason", false, "Some\\nNew\\x1bReason");
}

/* ---- recordings ---- */

static void test_squeue_recorded(void **state) {
        _cleanup_(slurm_table_done) SlurmTable t = read_table("squeue-live.txt", false, false);
        const SlurmRow *row;
        size_t n;

        (void)state;
        assert_int_equal(t.n, 23);
        row = slurm_table_find(&t, 30, &n);
        assert_int_equal(n, 1);
        assert_string_equal(row->workdir, "/projects/w/evil\nname|with 50% \xff");
        assert_string_equal(row->state, "COMPLETED");
        assert_true(slurm_row_has_token(row, TOKEN("03")));
        assert_false(slurm_row_has_token(row, TOKEN("02")));
        row = slurm_table_find(&t, 45, &n);
        assert_int_equal(n, 3);
        assert_int_equal(row[2].id.count, 8);
        assert_true(row[2].id.several);
        assert_string_equal(row[2].reason, "JobArrayTaskLimit");
        row = slurm_table_find(&t, 50, &n); /* submitted by job 44 from its folder */
        assert_int_equal(n, 1);
        assert_string_equal(row->comment, "");
        assert_string_equal(row->workdir, "/projects/w/parent");
        row = slurm_table_find(&t, 43, &n);
        assert_int_equal(row->limit_s, 60);
        assert_string_equal(row->partition, "short");
        assert_int_equal(row->start, UINT64_C(1795249278000000));
        assert_null(slurm_table_find(&t, 33, &n)); /* 32+1 has that number of its own */
        assert_int_equal(n, 0);
        assert_null(slurm_table_find(&t, UINT32_MAX, &n));
}

static void judge(
        const SlurmTable *t, uint32_t job, const char *token, bool cancelling, JobReport *ret) {
        SlurmPicture p = picture_of(t, job, token);

        assert_true(p.n > 0);
        assert_int_equal(p.waiting + p.running, 0);
        memset(ret, 0, sizeof(*ret));
        assert_int_equal(slurm_judge("17", &p, NULL, 0, cancelling, ret), 0);
        assert_true(ret->ended);
        slurm_picture_done(&p);
}

static void assert_judged(const SlurmTable *t, uint32_t job, const char *token, UowOutcome outcome,
        const char *cause, const char *reason) {
        JobReport r;

        judge(t, job, token, false, &r);
        assert_int_equal(r.outcome, outcome);
        if (!streq(r.cause, cause) || !streq(r.reason, reason))
                fail_msg("job %u: %s: %s", job, r.cause, r.reason);
        job_report_done(&r);
}

static void test_sacct_recorded(void **state) {
        _cleanup_(slurm_table_done) SlurmTable t = read_table("sacct-end.txt", true, true);

        (void)state;
        assert_judged(&t, 28, TOKEN("01"), OUTCOME_SUCCEEDED, NULL, NULL);
        assert_judged(&t, 29, TOKEN("02"), OUTCOME_FAILED, CAUSE_EXIT_CODE, "exit code 3");
        assert_judged(&t, 30, TOKEN("03"), OUTCOME_SUCCEEDED, NULL,
                NULL); /* a line break in every path */
        assert_judged(
                &t, 31, TOKEN("04"), OUTCOME_FAILED, CAUSE_EXIT_CODE, "task 3 of 5: exit code 1");
        assert_judged(&t, 32, TOKEN("05"), OUTCOME_SUCCEEDED, NULL, NULL);
        assert_judged(&t, 34, TOKEN("06"), OUTCOME_FAILED, CAUSE_OUT_OF_MEMORY,
                "out of memory, used 408 of 100 MB");
        assert_judged(&t, 36, TOKEN("08"), OUTCOME_FAILED, CAUSE_EXIT_CODE,
                "exit code 4"); /* its second life */
        assert_judged(&t, 37, TOKEN("09"), OUTCOME_FAILED, CAUSE_CANCELLED_OUTSIDE,
                "cancelled outside FlowCron, by user 0");
        assert_judged(&t, 40, TOKEN("10"), OUTCOME_FAILED, CAUSE_CANCELLED_OUTSIDE,
                "cancelled outside FlowCron, by user 0");
        assert_judged(
                &t, 43, TOKEN("13"), OUTCOME_FAILED, CAUSE_TIMEOUT, "over its time limit of 1 min");
        assert_judged(&t, 45, TOKEN("15"), OUTCOME_FAILED, CAUSE_CANCELLED_OUTSIDE,
                "10 of 10 tasks failed, task 0: cancelled outside FlowCron, by user 0");
}

static void test_alive(void **state) {
        _cleanup_(slurm_table_done) SlurmTable live = read_table("sacct-live.txt", true, true),
                                               end = read_table("sacct-end.txt", true, true);
        SlurmPicture p = picture_of(&live, 45, TOKEN("15"));

        (void)state;
        assert_int_equal(p.running, 2);
        assert_int_equal(p.waiting, 8);
        assert_int_equal(p.ended, 0);
        assert_true(p.array);
        slurm_picture_done(&p);
        p = picture_of(&end, 41, TOKEN("11"));
        assert_int_equal(p.waiting, 1);
        slurm_picture_done(&p);
        p = picture_of(&end, 32, TOKEN("05"));
        assert_int_equal(p.ended, 2);
        assert_true(p.heterogeneous);
        slurm_picture_done(&p);
        p = picture_of(&end, 999, NULL);
        assert_int_equal(p.n, 0);
        slurm_picture_done(&p);
}

static void test_facts(void **state) {
        _cleanup_(slurm_table_done) SlurmTable t = read_table("sacct-end.txt", true, true);
        const cJSON *tasks, *steps;
        JobReport r;

        (void)state;
        judge(&t, 36, TOKEN("08"), false, &r);
        assert_string_equal(json_str(r.facts, "job_id"), "17");
        assert_string_equal(json_str(r.facts, "state"), "FAILED");
        assert_int_equal(json_int(r.facts, "exit_code", -1), 4);
        assert_int_equal(json_int(r.facts, "wait_s", -1), 121);
        assert_int_equal(json_int(r.facts, "time_limit_s", -1), 120);
        assert_int_equal(json_int(r.facts, "memory_requested_bytes", -1), 100 * 1024 * 1024);
        assert_string_equal(json_str(r.facts, "account"), "science");
        assert_string_equal(json_str(r.facts, "nodes"), "n1");
        assert_int_equal(json_time(r.facts, "ended"), UINT64_C(1795249422000000));
        assert_int_equal(r.started, UINT64_C(1795249422000000));
        job_report_done(&r);
        judge(&t, 31, TOKEN("04"), false, &r);
        assert_int_equal(json_int(r.facts, "task_count", -1), 5);
        assert_int_equal(json_int(r.facts, "tasks_failed", -1), 1);
        tasks = json_array(r.facts, "tasks");
        assert_int_equal(cJSON_GetArraySize(tasks), 1);
        assert_string_equal(json_str(tasks->child, "job_id"), "31_3");
        job_report_done(&r);
        judge(&t, 35, TOKEN("07"), false, &r); /* a step failed, the script did not */
        assert_int_equal(r.outcome, OUTCOME_SUCCEEDED);
        steps = json_array(r.facts, "failed_steps");
        assert_int_equal(cJSON_GetArraySize(steps), 1);
        assert_string_equal(json_str(steps->child, "step"), "0");
        assert_int_equal(json_int(steps->child, "exit_code", -1), 1);
        job_report_done(&r);
        judge(&t, 34, TOKEN("06"), false, &r);
        assert_int_equal(json_int(r.facts, "memory_used_bytes", -1), 417704 * 1024);
        assert_null(json_array(r.facts, "failed_steps"));
        job_report_done(&r);
}

static void test_cancelled_by_order(void **state) {
        _cleanup_(slurm_table_done) SlurmTable t = read_table("sacct-end.txt", true, true);
        JobReport r;

        (void)state;
        judge(&t, 37, TOKEN("09"), true, &r);
        assert_int_equal(r.outcome, OUTCOME_CANCELLED);
        assert_string_equal(r.cause, CAUSE_CANCELLED);
        job_report_done(&r);
        judge(&t, 28, TOKEN("01"), true, &r); /* the order came too late */
        assert_int_equal(r.outcome, OUTCOME_SUCCEEDED);
        job_report_done(&r);
        judge(&t, 29, TOKEN("02"), true, &r);
        assert_int_equal(r.outcome, OUTCOME_FAILED);
        job_report_done(&r);
}

static void test_further_jobs(void **state) {
        _cleanup_(slurm_table_done) SlurmTable t = read_table("sacct-end.txt", true, true);
        SlurmPicture p = picture_of(&t, 44, TOKEN("14"));
        SlurmFurther further[] = { { .job = 28 }, { .job = 50 } };
        JobReport r = { 0 };

        (void)state;
        further[0].picture = picture_of(&t, 28, NULL);
        further[1].picture = picture_of(&t, 50, NULL);
        assert_int_equal(slurm_judge("44", &p, further, 1, false, &r), 0);
        assert_int_equal(r.outcome, OUTCOME_SUCCEEDED);
        job_report_done(&r);
        assert_int_equal(slurm_judge("44", &p, further, 2, false, &r), 0);
        assert_int_equal(r.outcome, OUTCOME_FAILED);
        assert_string_equal(r.cause, CAUSE_EXIT_CODE);
        assert_string_equal(r.reason, "job 50 that it submitted: exit code 5");
        assert_int_equal(cJSON_GetArraySize(json_array(r.facts, "further_jobs")), 2);
        assert_string_equal(json_str(json_array(r.facts, "further_jobs")->child, "job_id"), "50");
        job_report_done(&r);
        slurm_picture_done(&p);
        slurm_picture_done(&further[0].picture);
        slurm_picture_done(&further[1].picture);
}

static void test_old_fields(void **state) {
        _cleanup_(slurm_table_done) SlurmTable t = read_table("sacct-old-fields.txt", true, false);
        _cleanup_free_ char *fields = slurm_sacct_fields(false);

        (void)state;
        assert_null(strstr(fields, "SubmitLine"));
        assert_judged(
                &t, 31, TOKEN("04"), OUTCOME_FAILED, CAUSE_EXIT_CODE, "task 3 of 5: exit code 1");
}

/* What squeue knows of ended jobs, with the details from scontrol: a site without accounting. */
static void test_scontrol_recorded(void **state) {
        static const char squeue[] =
                M ":51" M ",COMPLETED" M ",None" M ",1795249460" M ",1795249460" M ",1795249460" M
                  ",2:00" M ",1" M ",1" M ",debug" M ",science" M ",normal" M ",n1" M ",x" M
                  ",/w\n" M ":52" M ",FAILED" M ",NonZeroExitCode" M ",1795249460" M ",1795249460" M
                  ",1795249460" M ",2:00" M ",1" M ",1" M ",debug" M ",science" M ",normal" M
                  ",n1" M ",x" M ",/w\n";
        _cleanup_(slurm_table_done) SlurmTable details = { 0 }, t = { 0 };
        _cleanup_free_ char *data = NULL;
        const SlurmRow *row;
        size_t size, n;

        (void)state;
        data = read_data("scontrol.txt", &size);
        assert_int_equal(slurm_scontrol_parse(data, size, &details), 0);
        row = slurm_table_find(&details, 53, &n);
        assert_int_equal(n, 3);
        assert_true(row[2].id.several);
        assert_int_equal(row[2].id.count, 8);
        row = slurm_table_find(&details, 54, &n);
        assert_int_equal(n, 2);
        assert_int_equal(row[1].id.index, 1);
        row = slurm_table_find(&details, 36, &n);
        assert_int_equal(n, 1);
        assert_int_equal(row->exit_code, 4);
        assert_int_equal(row->memory_requested, 100 * 1024 * 1024);
        assert_int_equal(slurm_squeue_parse(squeue, sizeof(squeue) - 1, M, &t), 0);
        slurm_table_merge(&t, &details);
        assert_judged(&t, 51, NULL, OUTCOME_SUCCEEDED, NULL, NULL);
        assert_judged(&t, 52, NULL, OUTCOME_FAILED, CAUSE_EXIT_CODE, "exit code 3");
}

/*
 * A job's name or folder that imitates scontrol's rows can add nothing to a job whose state squeue
 * tells otherwise.
 */
static void test_scontrol_forged(void **state) {
        static const char text[] =
                "JobId=7 JobName=a\nJobId=51 JobState=FAILED ExitCode=9:0 UserId=x JobState=RUNNING ExitCode=0:0 "
                "Command=/x\nJobId=51 JobState=COMPLETED ExitCode=0:0\n";
        static const char squeue[] = M ":51" M ",RUNNING" M ",None" M ",1" M ",1" M ",1" M ",2:00" M
                                       ",1" M ",1" M ",p" M ",a" M ",q" M ",n1" M ",x" M ",/w\n";
        _cleanup_(slurm_table_done) SlurmTable details = { 0 }, t = { 0 };
        const SlurmRow *row;
        size_t n;

        (void)state;
        assert_int_equal(slurm_scontrol_parse(text, sizeof(text) - 1, &details), 0);
        assert_int_equal(slurm_squeue_parse(squeue, sizeof(squeue) - 1, M, &t), 0);
        slurm_table_merge(&t, &details);
        row = slurm_table_find(&t, 51, &n);
        assert_int_equal(row->life, SLURM_LIFE_RUNNING);
        assert_int_equal(row->exit_code, -1);
}

/* ---- made-up output ---- */

static void test_squeue_odd(void **state) {
        static const char *const odd[] = {
                M ":17" M ",RUNNING\n", /* too few fields */
                M ":x" M ",R" M ",r" M ",1" M ",1" M ",1" M ",1" M ",1" M ",1" M ",p" M ",a" M
                  ",q" M ",n" M ",c" M ",/w\n", /* no id */
                M ":17" M ",R" M ",r" M ",1" M ",1" M ",1" M ",1" M ",1" M ",1" M ",p" M ",a" M
                  ",q" M ",n" M ",c" M ",/w" M ",x\n",
                M ":17" M ",R" M ",r" M ",1" M ",1" M ",1" M ",1" M ",1" M ",1" M ",p" M ",a" M
                  ",q" M ",n" M ",c" M ",/w", /* torn */
        };
        static const char forged[] =
                "slurm: warning\n" M ":17" M ",RUNNING" M ",r" M ",1" M ",1" M ",1" M ",1:00" M
                ",1" M ",1" M ",p" M ",a" M ",q" M ",n" M ",c" M
                ",/w/x\nfedcba9876543210fedcba9876543210:18,COMPLETED\n17|COMPLETED\n";
        SlurmTable t;

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(odd); i++) {
                assert_int_equal(slurm_squeue_parse(odd[i], strlen(odd[i]), M, &t), 0);
                assert_true(t.incomplete);
                slurm_table_done(&t);
        }
        assert_int_equal(slurm_squeue_parse("", 0, M, &t), 0);
        assert_false(t.incomplete);
        assert_int_equal(t.n, 0);
        slurm_table_done(&t);
        assert_int_equal(slurm_squeue_parse(forged, sizeof(forged) - 1, M, &t), 0);
        assert_int_equal(t.n, 1);
        assert_string_equal(t.rows[0].state, "RUNNING");
        slurm_table_done(&t);
}

/* Cut a recording at every byte: never a crash, and never a row that is not whole. */
static void test_torn(void **state) {
        _cleanup_free_ char *acct = NULL, *queue = NULL;
        size_t acct_size, queue_size;

        (void)state;
        acct = read_data("sacct-live.txt", &acct_size);
        queue = read_data("squeue-live.txt", &queue_size);
        for (size_t size = 0; size < acct_size; size += 7) {
                SlurmTable t;

                assert_int_equal(slurm_sacct_parse(acct, size, M, true, &t), 0);
                assert_true(t.incomplete || size == 0 || acct[size - 1] == '\n');
                slurm_table_done(&t);
        }
        for (size_t size = 0; size < queue_size; size += 7) {
                SlurmTable t;

                assert_int_equal(slurm_squeue_parse(queue, size, M, &t), 0);
                assert_true(t.incomplete || size == 0 || queue[size - 1] == '\n');
                slurm_table_done(&t);
        }
}

/* A row of sacct with what matters, the rest empty. */
#define ROW(line, id, st, exit, submit, comment, dir) \
        line M id M st M exit M M submit M M M M M M M M M M M M M M M M comment M dir M "\n"

static SlurmTable sacct_of(const char *text) {
        SlurmTable t;

        assert_int_equal(slurm_sacct_parse(text, strlen(text), M, true, &t), 0);
        assert_false(t.incomplete);
        return t;
}

/* An id that was used again: the old job's end is not ours. */
static void test_reused_id(void **state) {
        _cleanup_(slurm_table_done) SlurmTable t =
                sacct_of(ROW("sbatch --comment=flowcron=OLD.1 x", "17", "FAILED", "1:0", "1000", "",
                        "/w/other") ROW("sbatch --comment=flowcron=NEW.1 x", "17", "RUNNING", "0:0",
                        "500", "", "/w/new"));
        SlurmPicture p = picture_of(&t, 17, "flowcron=NEW.1");

        (void)state;
        assert_int_equal(p.n, 1);
        assert_int_equal(p.running, 1);
        slurm_picture_done(&p);
        p = picture_of(&t, 17, "flowcron=NEW.2");
        assert_int_equal(p.n, 0);
        slurm_picture_done(&p);
}

static void test_tokens(void **state) {
        _cleanup_(slurm_table_done) SlurmTable t = sacct_of(ROW(
                "sbatch --parsable --comment=flowcron=A.12 hi --chdir=/x --comment=flowcron=B.1 s",
                "1", "PENDING", "0:0", "1", "", "/x") ROW("", "2", "COMPLETED", "0:0", "1",
                "flowcron=A.1 text flowcron=C.1", "/x") ROW("sbatch /flowcron=A.1/s", "3",
                "PENDING", "0:0", "1", "", "/flowcron=A.1"));

        (void)state;
        assert_true(slurm_row_has_token(&t.rows[0], "flowcron=A.12"));
        assert_false(slurm_row_has_token(&t.rows[0], "flowcron=A.1"));
        assert_false(slurm_row_has_token(&t.rows[0], "flowcron=B.1")); /* what a user wrote */
        assert_true(slurm_row_has_token(&t.rows[1], "flowcron=A.1"));
        assert_false(slurm_row_has_token(&t.rows[1], "flowcron=C.1"));
        assert_false(slurm_row_has_token(&t.rows[2], "flowcron=A.1"));
}

/* Preempted or requeued: the earlier life is over, the job is not. */
static void test_lives(void **state) {
        _cleanup_(slurm_table_done) SlurmTable t = sacct_of(ROW("", "17", "PREEMPTED", "0:15",
                "1000", "", "/w") ROW("", "17", "NODE_FAIL", "0:0", "1500", "", "/w") ROW("", "17",
                "PENDING", "0:0", "2000", "", "/w") ROW("", "18_1", "REQUEUED", "0:0", "1000", "",
                "/w") ROW("", "18_2", "COMPLETED", "0:0", "1000", "", "/w")
                        ROW("", "18_1", "COMPLETED", "0:0", "3000", "", "/w")
                                ROW("", "19", "COMPLETED", "0:0", "1000", "", "/w")
                                        ROW("", "19_[0-3]", "PENDING", "0:0", "1000", "", "/w"));
        SlurmPicture p = picture_of(&t, 17, NULL);

        (void)state;
        assert_int_equal(p.n, 1);
        assert_int_equal(p.waiting, 1);
        slurm_picture_done(&p);
        p = picture_of(&t, 18, NULL);
        assert_int_equal(p.n, 2);
        assert_int_equal(p.ended, 2);
        slurm_picture_done(&p);
        p = picture_of(&t, 19, NULL); /* seen before Slurm had written that it is an array */
        assert_int_equal(p.n, 1);
        assert_int_equal(p.waiting, 4);
        slurm_picture_done(&p);
}

static void test_fingerprint(void **state) {
        _cleanup_(slurm_table_done)
                SlurmTable a = sacct_of(ROW("", "17_1", "COMPLETED", "0:0", "1", "", "/w")),
                           b = sacct_of(ROW("", "17_1", "COMPLETED", "0:0", "1", "", "/w")),
                           c = sacct_of(ROW("", "17_1", "COMPLETED", "0:0", "1", "", "/w")
                                           ROW("", "17_2", "COMPLETED", "0:0", "1", "", "/w"));
        SlurmPicture pa = picture_of(&a, 17, NULL), pb = picture_of(&b, 17, NULL),
                     pc = picture_of(&c, 17, NULL);

        (void)state;
        assert_true(pa.fingerprint == pb.fingerprint);
        assert_true(pa.fingerprint != pc.fingerprint);
        slurm_picture_done(&pa);
        slurm_picture_done(&pb);
        slurm_picture_done(&pc);
}

static void test_causes(void **state) {
        _cleanup_(slurm_table_done) SlurmTable t = sacct_of(ROW("", "1", "COMPLETED", "0:9", "1",
                "", "") ROW("", "2", "FAILED", "0:53", "1", "", "") ROW("", "3", "FAILED", "0:11",
                "1", "", "") ROW("", "4", "NODE_FAIL", "0:0", "1", "", "") ROW("", "5",
                "OUT_OF_MEMORY", "0:125", "1", "", "") ROW("", "6", "DEADLINE", "0:0", "1", "", "")
                        ROW("", "7", "CANCELLED by 1001", "0:0", "1", "", "")
                                ROW("", "8", "FAILED", "1:0", "1", "", "")
                                        ROW("", "8.batch", "OUT_OF_MEMORY", "0:125", "1", "", ""));

        (void)state;
        assert_judged(&t, 1, NULL, OUTCOME_FAILED, CAUSE_SIGNAL, "killed by signal 9 (SIGKILL)");
        assert_judged(&t, 2, NULL, OUTCOME_FAILED, CAUSE_LAUNCH,
                "it could not be started on the compute node");
        assert_judged(&t, 3, NULL, OUTCOME_FAILED, CAUSE_SIGNAL,
                "killed by signal 11 (SIGSEGV, a fault in memory)");
        assert_judged(&t, 4, NULL, OUTCOME_FAILED, CAUSE_NODE_FAIL, "a compute node failed");
        assert_judged(&t, 5, NULL, OUTCOME_FAILED, CAUSE_OUT_OF_MEMORY, "out of memory");
        assert_judged(&t, 6, NULL, OUTCOME_FAILED, CAUSE_DEADLINE, "its deadline passed");
        assert_judged(&t, 7, NULL, OUTCOME_FAILED, CAUSE_CANCELLED_OUTSIDE,
                "cancelled outside FlowCron, by user 1001");
        assert_judged(&t, 8, NULL, OUTCOME_FAILED, CAUSE_OUT_OF_MEMORY, "out of memory");
}

/* ---- answers ---- */

static void assert_answer(int exit_code, const char *out, const char *err, SlurmAnswer expected,
        const char *id, const char *text) {
        _cleanup_free_ char *i = NULL, *t = NULL;
        SlurmAnswer a;

        assert_int_equal(slurm_sbatch_judge(exit_code, out, err, &a, &i, &t), 0);
        if (a != expected || !streq(i, id) || (text && !strstr(t, text)))
                fail_msg("exit %d \"%s\" \"%s\": %d %s \"%s\"", exit_code, out, err, a, i, t);
}

#define POLICY \
        "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)\n"

static void test_sbatch(void **state) {
        (void)state;
        assert_answer(0, "17\n", "", SLURM_ACCEPTED, "17", NULL);
        assert_answer(0, "17;north\n", "", SLURM_ACCEPTED, "17", NULL);
        assert_answer(0, "Your budget is low: 3 hours\n2026\nx 5\n4711\nBye.\n",
                "sbatch: warning\n", SLURM_ACCEPTED, "4711", NULL);
        assert_answer(0, "", "", SLURM_UNCERTAIN, NULL, "no answer"); /* --test-only does that */
        assert_answer(0, "Submitted batch job 17\n", "", SLURM_UNCERTAIN, NULL, NULL);
        assert_answer(0, "0\n", "", SLURM_UNCERTAIN, NULL, NULL);
        assert_answer(-1, "", "", SLURM_UNCERTAIN, NULL, NULL);
        assert_answer(-1, "17\n", "", SLURM_UNCERTAIN, NULL, NULL);
        assert_answer(1, "17\n", "wrapper: hook failed\n", SLURM_UNCERTAIN, NULL, NULL);
        assert_answer(255, "",
                "sbatch: unrecognized option '--foo'\nTry \"sbatch --help\" for more information\n",
                SLURM_REFUSED, NULL, "unrecognized option '--foo'");
        assert_answer(1, "",
                "sbatch: error: invalid partition specified: nope\nsbatch: error: Batch job submission failed: Invalid partition name specified\n",
                SLURM_REFUSED, NULL,
                "invalid partition specified: nope; Invalid partition name specified");
        assert_answer(1, "",
                "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified\n",
                SLURM_REFUSED, NULL, "Invalid account");
        assert_answer(1, "",
                "sbatch: error: Batch job submission failed: Requested node configuration is not available\n",
                SLURM_REFUSED, NULL, NULL);
        assert_answer(1, "",
                "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)\n",
                SLURM_DEFERRED, NULL, "connect failure");
        assert_answer(1, "",
                "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation\n",
                SLURM_UNCERTAIN, NULL, "Socket timed out");
        assert_answer(1, "",
                "sbatch: error: slurm_receive_msg: Zero Bytes were transmitted or received\nsbatch: error: Batch job submission failed: Zero Bytes were transmitted or received\n",
                SLURM_UNCERTAIN, NULL, NULL);
        assert_answer(1, "", "sbatch: error: AssocMaxSubmitJobLimit\n" POLICY, SLURM_DEFERRED, NULL,
                "AssocMaxSubmitJobLimit");
        assert_answer(1, "", "sbatch: error: QOSMaxSubmitJobPerUserLimit\n" POLICY, SLURM_DEFERRED,
                NULL, NULL);
        assert_answer(1, "", "sbatch: error: QOSMaxWallDurationPerJobLimit\n" POLICY, SLURM_REFUSED,
                NULL, "QOSMaxWallDurationPerJobLimit");
        assert_answer(
                1, "", "sbatch: error: QOSMaxCpuPerJobLimit\n" POLICY, SLURM_REFUSED, NULL, NULL);
        assert_answer(
                1, "", POLICY, SLURM_DEFERRED, NULL, NULL); /* which limit it is is not said */
        assert_answer(1, "", "sbatch: error: Batch job submission failed: Unspecified error\n",
                SLURM_DEFERRED, NULL, NULL);
        assert_answer(1, "", "sbatch: fatal: Could not establish a configuration source\n",
                SLURM_DEFERRED, NULL, NULL);
        assert_answer(1, "", "", SLURM_UNCERTAIN, NULL, "no answer");
        assert_answer(1, "", "\n", SLURM_UNCERTAIN, NULL, "no answer");
        assert_answer(127, "", "bash: sbatch: Stale file handle\n", SLURM_DEFERRED, NULL, "Stale");
}

static void test_other_answers(void **state) {
        _cleanup_free_ char
                *text = slurm_error_text(
                        "squeue: error: a\n\nsqueue: \033[1mb\nTry \"squeue --help\"\n"),
                *none = slurm_error_text("");

        (void)state;
        assert_string_equal(text, "a; \\x1b[1mb");
        assert_string_equal(none, "");
        assert_true(slurm_job_is_gone(
                "scancel: error: Kill job error on job id 1: Invalid job id specified\n"));
        assert_true(slurm_job_is_gone(
                "scancel: error: Kill job error on job id 1: Job/step already completing or completed\n"));
        assert_false(slurm_job_is_gone(
                "scancel: error: Kill job error on job id 1: Access/permission denied\n"));
        assert_true(slurm_accounting_is_off("Slurm accounting storage is disabled\n"));
        assert_true(slurm_field_is_unknown(
                "sacct: error: Invalid field requested: \"SubmitLine\"\n", "SubmitLine"));
        assert_false(slurm_field_is_unknown(
                "sacct: error: Invalid field requested: \"Foo\"\n", "SubmitLine"));
        assert_true(slurm_is_unreachable(
                "sacct: error: slurm_persist_conn_open_without_init: failed to open persistent connection to host:localhost:6819: Connection refused\n"));
        assert_false(slurm_is_unreachable("sacct: error: Invalid field requested: \"Foo\"\n"));
}

static void test_marker(void **state) {
        char a[SLURM_MARKER_MAX], b[SLURM_MARKER_MAX];

        (void)state;
        assert_int_equal(slurm_marker(a), 0);
        assert_int_equal(slurm_marker(b), 0);
        assert_int_equal(strlen(a), SLURM_MARKER_MAX - 1);
        assert_string_not_equal(a, b);
}

static int use_utc(void **state) {
        (void)state;
        setenv("TZ", "UTC0", 1);
        tzset();
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_ids),
                cmocka_unit_test(test_values),
                cmocka_unit_test(test_states),
                cmocka_unit_test(test_reasons),
                cmocka_unit_test(test_squeue_recorded),
                cmocka_unit_test(test_sacct_recorded),
                cmocka_unit_test(test_alive),
                cmocka_unit_test(test_facts),
                cmocka_unit_test(test_cancelled_by_order),
                cmocka_unit_test(test_further_jobs),
                cmocka_unit_test(test_old_fields),
                cmocka_unit_test(test_scontrol_recorded),
                cmocka_unit_test(test_scontrol_forged),
                cmocka_unit_test(test_squeue_odd),
                cmocka_unit_test(test_torn),
                cmocka_unit_test(test_reused_id),
                cmocka_unit_test(test_tokens),
                cmocka_unit_test(test_lives),
                cmocka_unit_test(test_fingerprint),
                cmocka_unit_test(test_causes),
                cmocka_unit_test(test_sbatch),
                cmocka_unit_test(test_other_answers),
                cmocka_unit_test(test_marker),
        };

        return cmocka_run_group_tests(tests, use_utc, NULL);
}
