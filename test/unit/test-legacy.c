/* SPDX-License-Identifier: Apache-2.0 */

/* A base folder as the bash FlowCron leaves it: what its files say, what lies where, and what squeue adds to it. */

#include "instance-fixture.h"

#include "claim.h"
#include "legacy.h"

static int setup(void **state) {
        *state = instance_new(NULL);
        return 0;
}

static int teardown(void **state) {
        instance_free(*state);
        return 0;
}

static LegacySettings unset(void) {
        return (LegacySettings){ .soft_delete_days = -1, .purge_days = -1, .add_timestamp = -1 };
}

/* ---- settings ---- */

static void test_variables(void **state) {
        _cleanup_(legacy_settings_done) LegacySettings s = unset();

        (void)state;
        assert_int_equal(legacy_parse_variables("source \"bash_functions.sh\"\n"
                                                "#account=\"commented\"\n"
                                                "qos=\"\"\n"
                                                "account='proj x' # a comment\n"
                                                "SOFTDELETE_DAYS=3\n"
                                                "  export HARDDELETE_DAYS=\"30\"\r\n"
                                                "SOFTDELETE_DAYS=14\n"
                                                "#ADD_TIMESTEP Added automatically by setup.sh\n"
                                                "ADD_TIMESTAMP=1\n"
                                                "logging_file=\"${x}/$(date)\"\n",
                                 &s),
                0);
        assert_string_equal(s.account, "proj x");
        assert_null(s.qos);
        assert_int_equal(s.soft_delete_days, 14); /* the last one counts */
        assert_int_equal(s.purge_days, 30);
        assert_int_equal(s.add_timestamp, 1);
}

/* What only a shell could work out is not known, and nothing is run to find out. */
static void test_variables_of_a_shell(void **state) {
        _cleanup_(legacy_settings_done) LegacySettings s = unset();

        (void)state;
        assert_int_equal(legacy_parse_variables("account=$(touch /tmp/flowcron-must-not-be)\n"
                                                "qos=\"`id`\"\n"
                                                "SOFTDELETE_DAYS=$((7*2))\n"
                                                "HARDDELETE_DAYS=-5\n",
                                 &s),
                0);
        assert_null(s.account);
        assert_null(s.qos);
        assert_int_equal(s.soft_delete_days, -1);
        assert_int_equal(s.purge_days, -1);
        assert_int_equal(access("/tmp/flowcron-must-not-be", F_OK), -1);
}

static void test_cleanup(void **state) {
        _cleanup_(legacy_settings_done) LegacySettings s = unset();

        (void)state;
        assert_int_equal(legacy_parse_cleanup("#!/bin/bash\n"
                                              "#SBATCH --account science\n"
                                              "#SBATCH --qos=long           \n"
                                              "#SBATCH -p short\n"
                                              "#SBATCH --reservation \"maint\"\n"
                                              "#SBATCH --time 0:5:0   #Five\n"
                                              "# SBATCH --account other\n"
                                              "##SBATCH --qos other\n",
                                 &s),
                0);
        assert_string_equal(s.account, "science");
        assert_string_equal(s.qos, "long");
        assert_string_equal(s.partition, "short");
        assert_string_equal(s.reservation, "maint");
}

static void put_code(Instance *i) {
        int base = open(i->base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        put_file(base, "CodeToRun/cron.target.sh", "#!/bin/bash\n");
        put_file(base, "CodeToRun/environment_variables.sh", "account=old\nSOFTDELETE_DAYS=7\n");
        put_file(base, "CodeToRun/cleanup.sh", "#!/bin/bash\n#SBATCH --account new\n");
        close(base);
}

static void test_settings_of_a_base(void **state) {
        Instance *i = *state;
        _cleanup_close_ int base = open(i->base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_(legacy_settings_done) LegacySettings s = {};

        assert_false(legacy_is_base(base));
        put_code(i);
        assert_true(legacy_is_base(base));
        assert_int_equal(legacy_read_settings(base, &s), 0);
        assert_string_equal(s.account, "new");
        assert_int_equal(s.soft_delete_days, 7);
        assert_int_equal(s.purge_days, -1);
}

static void test_runs(void **state) {
        Instance *i = *state;
        _cleanup_close_ int base = open(i->base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_free_ char *launcher = xasprintf(
                "#!/bin/sh\n\"%s/CodeToRun/cron.target.sh\" \"%s/CodeToRun\"\n", i->base, i->base);
        _cleanup_free_ char *direct = xasprintf("%s/CodeToRun/cron.target.sh x", i->base);

        put_file(base, "fc.sh", launcher);
        put_file(base, "other.sh", "#!/bin/sh\necho\n");
        assert_true(legacy_runs(direct, i->base, "/nowhere"));
        assert_true(legacy_runs("./fc.sh", i->base, i->base)); /* the base plays the home folder */
        assert_true(legacy_runs("./fc.sh >/dev/null", i->base, i->base));
        assert_false(legacy_runs("./fc.sh", "/another/base", i->base));
        assert_false(legacy_runs("./other.sh", i->base, i->base));
        assert_false(legacy_runs("./not-there.sh", i->base, i->base));
        assert_true(
                legacy_is_comment("# Added by Flowcron on Mon for script fc.sh; do not delete"));
        assert_false(legacy_is_comment("# mine"));
}

/* ---- folders ---- */

static void put_uow(Instance *i, Place p, const char *name, const char *mark) {
        _cleanup_free_ char *sentinels = xasprintf("%s/sentinels", name),
                            *file = xasprintf("%s/sentinels/%s", name, mark ?: "");

        put_folder(place(i, p), name);
        if (mark)
                put_folder(place(i, p), sentinels);
        if (mark && *mark)
                put_file(place(i, p), file, "");
}

static const LegacyUow *find(const LegacySurvey *s, const char *name) {
        for (size_t k = 0; k < s->n; k++)
                if (streq(s->uows[k].folder, name))
                        return &s->uows[k];
        return NULL;
}

static void test_survey(void **state) {
        static const struct {
                Place place;
                const char *name, *mark;
                int finding; /* -1: it is not among them */
        } cases[] = {
                { PLACE_UPLOADED, "complete", "", -1 },
                { PLACE_UPLOADED, "arriving", NULL, -1 },
                { PLACE_UPLOADED, "half-moved", "transfer_to_slurm-20240101-120000", LEGACY_STUCK },
                { PLACE_UPLOADED, "busy", "somebody", -1 },
                { PLACE_WORK, "waits", "", LEGACY_WAITING },
                { PLACE_WORK, "moved", "transfer_to_slurm-20240101-120000", LEGACY_WAITING },
                { PLACE_WORK, "runs", "SlurmRunning", LEGACY_SUBMITTED },
                { PLACE_WORK, "no-uow", NULL, LEGACY_FOREIGN },
                { PLACE_WORK, "busy-there", "somebody", LEGACY_FOREIGN },
                { PLACE_WORK, "ours", CLAIM_FILE, LEGACY_OURS },
                { PLACE_ANALYSED, "done", NULL, LEGACY_KEPT },
                { PLACE_FAILED, "bad name\n%", NULL, LEGACY_KEPT },
                { PLACE_ANALYSED, "cut", "COPY-FOR-GLOBUS-DOWNLOAD-5", LEGACY_UNFINISHED },
                { PLACE_BIN_FAILED, "old", NULL, LEGACY_KEPT },
                { PLACE_ANALYSED, ".hidden", NULL, -1 },
        };
        Instance *i = *state;
        _cleanup_(legacy_survey_done) LegacySurvey s = {};
        size_t expected = 0;

        put_file(place(i, PLACE_WORK), "a-file", "");
        for (size_t k = 0; k < ELEMENTSOF(cases); k++) {
                put_uow(i, cases[k].place, cases[k].name, cases[k].mark);
                expected += cases[k].finding >= 0;
        }
        assert_int_equal(legacy_survey(i->layout, &s, &i->error), 0);
        for (size_t k = 0; k < ELEMENTSOF(cases); k++) {
                const LegacyUow *u = find(&s, cases[k].name);

                if (cases[k].finding < 0)
                        assert_null(u);
                else if (!u || (int)u->finding != cases[k].finding || u->place != cases[k].place)
                        fail_msg("%s: %d", cases[k].name, u ? (int)u->finding : -1);
        }
        assert_int_equal(s.n, expected);
}

static void test_output_of_a_result(void **state) {
        const struct timespec times[2] = { { .tv_sec = 1700000000 }, { .tv_sec = 1700000000 } };
        Instance *i = *state;
        _cleanup_(legacy_survey_done) LegacySurvey s = {};

        put_uow(i, PLACE_ANALYSED, "done", NULL);
        put_file(place(i, PLACE_ANALYSED), "done/slurm-3.out", "");
        put_file(place(i, PLACE_ANALYSED), "done/slurm-x.out", "");
        put_file(place(i, PLACE_ANALYSED), "done/slurm-12.out", "");
        utimensat(place(i, PLACE_ANALYSED), "done/slurm-3.out", times, 0);
        assert_int_equal(legacy_survey(i->layout, &s, &i->error), 0);
        assert_string_equal(find(&s, "done")->job_id, "12");
        assert_true(find(&s, "done")->ended > 1700000000 * USEC_PER_SEC);
}

/* The logs are read in the order of their days; names that end alike are told apart. */
static void test_logs(void **state) {
        Instance *i = *state;
        _cleanup_(legacy_survey_done) LegacySurvey s = {};

        put_uow(i, PLACE_WORK, "a", "SlurmRunning");
        put_uow(i, PLACE_WORK, "b a", "SlurmRunning");
        put_uow(i, PLACE_WORK, "unknown", "SlurmRunning");
        put_file(place(i, PLACE_LOGS), "2024-02-02_cron_target.log",
                "2024-02-02 10:00:00\t cron.target sent sbatch --parsable  slurm/a/scripts/x.sh slurm/a with JobID 22 to the queue\n");
        put_file(place(i, PLACE_LOGS), "2024-02-01_cron_target.log",
                "2024-02-01 10:00:00\t cron.target sent sbatch --parsable  slurm/a/scripts/x.sh slurm/a with JobID 11 to the queue\n"
                "2024-02-01 10:00:01\t cron.target sent sbatch --parsable  slurm/b a/scripts/x.sh slurm/b a with JobID 12 to the queue\n"
                "2024-02-01 10:00:01\t clean_up created with 13 to the queue\n");
        put_file(place(i, PLACE_LOGS), "2024-02-03_flowcron.log", "slurm/a with JobID 99 to\n");
        assert_int_equal(legacy_survey(i->layout, &s, &i->error), 0);
        assert_string_equal(find(&s, "a")->job_id, "22");
        assert_string_equal(find(&s, "b a")->job_id, "12");
        assert_null(find(&s, "unknown")->job_id);
}

/* ---- the queue ---- */

#define MARK "x7Yq"
#define ROW(id, state, command) id MARK state MARK "2024-02-02T10:00:00" MARK command MARK "\n"

static void test_queue(void **state) {
        static const char out[] =
                ROW("31", "RUNNING", "/b/CodeToRun/./slurm/runs/scripts/x.sh ./slurm/runs") ROW(
                        "32", "PENDING", "/b/CodeToRun/cleanup.sh slurm/runs 31") ROW("33",
                        "RUNNING", "/b/CodeToRun/cleanup.sh ./slurm/ended 30") ROW("34", "RUNNING",
                        "/elsewhere/slurm/other/scripts/x.sh slurm/other")
                        ROW("35", "COMPLETED", "/b/CodeToRun/slurm/other/scripts/x.sh") ROW(
                                "36", "RUNNING", "/real//CodeToRun/slurm/linked/scripts/x.sh")
                                ROW("37", "PENDING", "/b/CodeToRun/cleanup.sh slurm/runs-not 9");
        char *const code[] = { (char *)"/b/CodeToRun", (char *)"/real/CodeToRun", NULL };
        Instance *i = *state;
        _cleanup_(legacy_survey_done) LegacySurvey s = {};

        put_uow(i, PLACE_WORK, "runs", "SlurmRunning");
        put_uow(i, PLACE_WORK, "ended", "SlurmRunning");
        put_uow(i, PLACE_WORK, "other", "SlurmRunning");
        put_uow(i, PLACE_WORK, "linked", "SlurmRunning");
        assert_int_equal(legacy_survey(i->layout, &s, &i->error), 0);
        assert_int_equal(legacy_read_queue(&s, out, MARK, code), 0);
        assert_string_equal(find(&s, "runs")->job_id, "31");
        assert_string_equal(find(&s, "runs")->cleanup, "32");
        assert_false(find(&s, "runs")->cleaning);
        assert_true(find(&s, "runs")->submitted > 0);
        /* The job itself is over; its clean-up, which runs, names it. */
        assert_string_equal(find(&s, "ended")->job_id, "30");
        assert_string_equal(find(&s, "ended")->cleanup, "33");
        assert_true(find(&s, "ended")->cleaning);
        assert_null(find(&s, "other")->job_id);
        assert_string_equal(find(&s, "linked")->job_id, "36");
}

/* An answer that was cut off, or is no answer, tells nothing and does no harm. */
static void test_queue_garbage(void **state) {
        static const char *const outs[] = { "", MARK, "31" MARK "RUNNING",
                "x" MARK "y" MARK "z" MARK,
                "31" MARK "RUNNING" MARK "x" MARK "/b/CodeToRun/cleanup.sh" MARK,
                "31" MARK "RUNNING" MARK "x" MARK "/b/CodeToRun/cleanup.sh  " MARK,
                "31" MARK "RUNNING" MARK "x" MARK "/b/CodeToRun/cleanup.sh slurm/runs " MARK,
                "31" MARK "RUNNING" MARK "x" MARK "/b/CodeToRun" MARK };
        char *const code[] = { (char *)"/b/CodeToRun", NULL };
        Instance *i = *state;
        _cleanup_(legacy_survey_done) LegacySurvey s = {};

        put_uow(i, PLACE_WORK, "runs", "SlurmRunning");
        assert_int_equal(legacy_survey(i->layout, &s, &i->error), 0);
        for (size_t k = 0; k < ELEMENTSOF(outs); k++)
                assert_int_equal(legacy_read_queue(&s, outs[k], MARK, code), 0);
        assert_null(find(&s, "runs")->job_id);
}

static void test_clear_marks(void **state) {
        Instance *i = *state;
        int work = place(i, PLACE_WORK);

        put_uow(i, PLACE_WORK, "theirs", "SlurmRunning");
        put_file(work, "theirs/sentinels/transfer_to_slurm-1", "");
        assert_int_equal(legacy_clear_marks(work, "theirs"), 0);
        assert_false(is_there(work, "theirs/sentinels/SlurmRunning"));
        assert_false(is_there(work, "theirs/sentinels/transfer_to_slurm-1"));
        assert_true(is_there(work, "theirs/sentinels"));
        put_uow(i, PLACE_WORK, "others", "somebody");
        assert_int_equal(legacy_clear_marks(work, "others"), 1);
        assert_true(is_there(work, "others/sentinels/somebody"));
        put_uow(i, PLACE_WORK, "none", NULL);
        assert_int_equal(legacy_clear_marks(work, "none"), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_variables),
                cmocka_unit_test(test_variables_of_a_shell),
                cmocka_unit_test(test_cleanup),
                TEST(test_settings_of_a_base),
                TEST(test_runs),
                TEST(test_survey),
                TEST(test_output_of_a_result),
                TEST(test_logs),
                TEST(test_queue),
                TEST(test_queue_garbage),
                TEST(test_clear_marks),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
