/* SPDX-License-Identifier: Apache-2.0 */

/* Taking a Unit of Work over: found in every place, claimed, never overwriting, with what it brought kept. */

#include "instance-fixture.h"

static int setup(void **state) {
        *state = instance_new(NULL);
        return 0;
}

static int teardown(void **state) {
        instance_free(*state);
        return 0;
}

static void check_claimed(Instance *i, int r) {
        _cleanup_json_ cJSON *claim = NULL;

        if (r != 0)
                fail_msg("%d: %s", r, i->error.text);
        assert_string_equal(json_str(i->result, "script"), "submission_script.sh");
        assert_int_equal(strlen(json_str(i->result, "sha256")), 64);
        assert_false(is_there(place(i, PLACE_UPLOADED), "u"));
        claim = json_at(place(i, PLACE_WORK), "u/sentinels/flowcron");
        assert_string_equal(json_str(claim, "id"), ID);
        assert_int_equal(mode_at(place(i, PLACE_WORK), "u/sentinels/flowcron"), 0640);
}

static void check_staged(Instance *i, int r) {
        _cleanup_json_ cJSON *claim = NULL;

        check_claimed(i, r);
        claim = json_at(place(i, PLACE_WORK), "u/sentinels/flowcron");
        assert_string_equal(json_str(claim, "instance"), "test");
        assert_true(json_time(claim, "since") > 0);
}

static void test_fresh(void **state) {
        Instance *i = *state;
        char id[UOW_ID_MAX];

        uploaded(i);
        assert_int_equal(stage_sentinel(place(i, PLACE_UPLOADED), "u", id), SENTINEL_EMPTY);
        check_staged(i, stage(i));
        assert_int_equal(stage_sentinel(place(i, PLACE_WORK), "u", id), SENTINEL_OURS);
        assert_string_equal(id, ID);
        assert_int_equal(stage_identify(place(i, PLACE_WORK), "u", id), 0);
        assert_string_equal(id, ID);
        /* Again, as after a crash before the event was written. */
        check_staged(i, stage(i));
}

/* A crash right after the claim, in the middle of it, or in a life that nobody remembers. */
static void test_claim_is_there(void **state) {
        static const char *const claims[] = { "{\"id\":\"" ID "\",\"instance\":\"test\"}\n", "",
                "{\"id\":\"", "{\"id\":\"" OTHER_ID "\"}\n", "{\"id\":\"../../x\"}\n" };
        Instance *i = *state;

        for (size_t n = 0; n < ELEMENTSOF(claims); n++) {
                if (n > 0) {
                        teardown(state);
                        setup(state);
                        i = *state;
                }
                uploaded(i);
                put_file(place(i, PLACE_UPLOADED), "u/sentinels/flowcron", claims[n]);
                assert_int_equal(
                        fchmodat(place(i, PLACE_UPLOADED), "u/sentinels/flowcron", 0640, 0), 0);
                check_claimed(i, stage(i));
        }
}

static void test_somebody_works_on_it(void **state) {
        Instance *i = *state;
        char id[UOW_ID_MAX];

        uploaded(i);
        put_file(place(i, PLACE_UPLOADED), "u/sentinels/mine", "");
        assert_int_equal(stage_sentinel(place(i, PLACE_UPLOADED), "u", id), SENTINEL_BUSY);
        assert_int_equal(stage(i), -EAGAIN);
        assert_false(is_there(place(i, PLACE_UPLOADED), "u/sentinels/flowcron"));
        put_file(place(i, PLACE_UPLOADED), "u/sentinels/flowcron", "{\"id\":\"" ID "\"}\n");
        assert_int_equal(stage(i), -EAGAIN);
        assert_true(is_there(place(i, PLACE_UPLOADED), "u/sentinels/mine"));
        assert_false(is_there(place(i, PLACE_WORK), "u"));
        assert_int_equal(unlinkat(place(i, PLACE_UPLOADED), "u/sentinels/mine", 0), 0);
        assert_int_equal(stage(i), 0);
}

/* What bears our file's name and is no file is somebody else's. */
static void test_claim_is_a_link(void **state) {
        Instance *i = *state;
        _cleanup_free_ char *victim = xasprintf("%s/victim", i->base), *text = NULL;
        char id[UOW_ID_MAX];

        uploaded(i);
        put_file(AT_FDCWD, victim, "dear");
        assert_int_equal(symlinkat(victim, place(i, PLACE_UPLOADED), "u/sentinels/flowcron"), 0);
        assert_int_equal(stage_sentinel(place(i, PLACE_UPLOADED), "u", id), SENTINEL_BUSY);
        assert_int_equal(stage(i), -EAGAIN);
        text = text_at(AT_FDCWD, victim);
        assert_string_equal(text, "dear");
}

static void test_sentinels_that_are_none(void **state) {
        Instance *i = *state;
        char id[UOW_ID_MAX];

        make_uow(i, PLACE_UPLOADED, "a");
        assert_int_equal(stage_sentinel(place(i, PLACE_UPLOADED), "a", id), SENTINEL_NONE);
        put_file(place(i, PLACE_UPLOADED), "a/sentinels", "");
        assert_int_equal(stage_sentinel(place(i, PLACE_UPLOADED), "a", id), SENTINEL_NONE);
        make_uow(i, PLACE_UPLOADED, "b");
        assert_int_equal(symlinkat("data", place(i, PLACE_UPLOADED), "b/sentinels"), 0);
        assert_int_equal(stage_sentinel(place(i, PLACE_UPLOADED), "b", id), SENTINEL_NONE);
        assert_int_equal(stage_sentinel(place(i, PLACE_UPLOADED), "nothing", id), SENTINEL_NONE);
        assert_int_equal(symlinkat("b", place(i, PLACE_UPLOADED), "c"), 0);
        assert_int_equal(stage_sentinel(place(i, PLACE_UPLOADED), "c", id), SENTINEL_NONE);
}

static void test_taken_back(void **state) {
        Instance *i = *state;

        uploaded(i);
        assert_int_equal(unlinkat(place(i, PLACE_UPLOADED), "u/sentinels", AT_REMOVEDIR), 0);
        assert_int_equal(stage(i), -EAGAIN);
        assert_true(is_there(place(i, PLACE_UPLOADED), "u/data/input"));
        assert_int_equal(tree_remove(place(i, PLACE_UPLOADED), "u"), 0);
        assert_int_equal(stage(i), UOW_E_GONE);
        /* A link is no Unit of Work, wherever it leads. */
        make_uow(i, PLACE_FAILED, "elsewhere");
        put_folder(place(i, PLACE_FAILED), "elsewhere/sentinels");
        assert_int_equal(symlinkat("../FailedJobs/elsewhere", place(i, PLACE_UPLOADED), "u"), 0);
        assert_int_equal(stage(i), UOW_E_GONE);
}

static void test_name_taken(void **state) {
        Instance *i = *state;
        const char *folder;

        uploaded(i);
        put_folder(place(i, PLACE_WORK), "u");
        put_file(place(i, PLACE_WORK), "u/theirs", "");
        assert_int_equal(stage(i), -EEXIST);
        folder = json_str(i->result, "folder");
        assert_non_null(folder);
        assert_non_null(startswith(folder, "u-20"));
        assert_int_equal(strlen(folder), strlen("u-YYYYmmdd-HHMMSS"));
        assert_true(is_there(place(i, PLACE_UPLOADED), "u/data/input"));
        assert_true(is_there(place(i, PLACE_WORK), "u/theirs"));
        /* With the name that was proposed it goes on. */
        free(i->uow->folder);
        i->uow->folder = strdup(folder);
        assert_int_equal(stage(i), 0);
        assert_true(is_there(place(i, PLACE_WORK), i->uow->folder));
        assert_false(is_there(place(i, PLACE_UPLOADED), "u"));
}

static void test_rejected(void **state) {
        Instance *i = *state;

        uploaded(i);
        assert_int_equal(
                unlinkat(place(i, PLACE_UPLOADED), "u/scripts/submission_script.sh", 0), 0);
        assert_int_equal(stage(i), UOW_E_REJECTED);
        assert_true(strlen(i->error.text) > 0);
        assert_true(is_there(place(i, PLACE_WORK), "u/sentinels/flowcron"));
        assert_int_equal(stage(i), UOW_E_REJECTED);
}

static void test_converted(void **state) {
        Instance *i = *state;
        _cleanup_free_ char *text = NULL;

        uploaded(i);
        put_file(place(i, PLACE_UPLOADED), "u/scripts/submission_script.sh",
                "\xef\xbb\xbf#!/bin/bash\r\n#SBATCH --time=5\r\n");
        check_staged(i, stage(i));
        assert_int_equal(cJSON_GetArraySize(json_array(i->result, "converted")), 1);
        text = text_at(place(i, PLACE_WORK), "u/scripts/submission_script.sh");
        assert_string_equal(text, "#!/bin/bash\n#SBATCH --time=5\n");
}

static void bring_record(Instance *i, const char *record) {
        put_folder(place(i, PLACE_UPLOADED), "u/flowcron");
        put_file(place(i, PLACE_UPLOADED), "u/flowcron/record.json", record);
        put_file(place(i, PLACE_UPLOADED), "u/flowcron/report.txt", "old");
        put_folder(place(i, PLACE_UPLOADED), "u/flowcron/sub");
}

/* It comes back for another run. */
static void test_earlier_record(void **state) {
        Instance *i = *state;
        _cleanup_free_ char *text = NULL;
        char id[UOW_ID_MAX];

        uploaded(i);
        bring_record(i, "{\"id\":\"" OTHER_ID "\",\"attempt\":1}");
        put_file(place(i, PLACE_UPLOADED), "u/slurm-3.out", "old");
        check_staged(i, stage(i));
        text = text_at(place(i, PLACE_WORK), "u/flowcron/earlier/" OTHER_ID "/report.txt");
        assert_string_equal(text, "old");
        assert_true(is_there(place(i, PLACE_WORK), "u/flowcron/earlier/" OTHER_ID "/record.json"));
        assert_true(is_there(place(i, PLACE_WORK), "u/flowcron/earlier/" OTHER_ID "/sub"));
        assert_false(is_there(place(i, PLACE_WORK), "u/flowcron/record.json"));
        assert_true(is_there(place(i, PLACE_WORK), "u/slurm-3.out"));
        assert_int_equal(stage_identify(place(i, PLACE_WORK), "u", id), 0);
        assert_string_equal(id, ID);
}

/* Interrupted half-way, or uploaded twice with the same old record: nothing is overwritten. */
static void test_earlier_is_there(void **state) {
        Instance *i = *state;
        _cleanup_free_ char *first = NULL, *second = NULL;

        uploaded(i);
        bring_record(i, "{\"id\":\"" OTHER_ID "\",\"attempt\":1}");
        put_folder(place(i, PLACE_UPLOADED), "u/flowcron/earlier");
        put_folder(place(i, PLACE_UPLOADED), "u/flowcron/earlier/" OTHER_ID);
        put_file(place(i, PLACE_UPLOADED), "u/flowcron/earlier/" OTHER_ID "/report.txt", "older");
        check_staged(i, stage(i));
        first = text_at(place(i, PLACE_WORK), "u/flowcron/earlier/" OTHER_ID "/report.txt");
        second = text_at(place(i, PLACE_WORK), "u/flowcron/earlier/" OTHER_ID "/report.txt-2");
        assert_string_equal(first, "older");
        assert_string_equal(second, "old");
}

/* flowcron/ may be anything. */
static void test_hostile_flowcron(void **state) {
        Instance *i = *state;
        _cleanup_free_ char *victim = xasprintf("%s/victim", i->base),
                            *inside = xasprintf("%s/victim/record.json", i->base);
        struct stat st;

        uploaded(i);
        put_folder(AT_FDCWD, victim);
        put_file(AT_FDCWD, inside, "dear");
        assert_int_equal(symlinkat(victim, place(i, PLACE_UPLOADED), "u/flowcron"), 0);
        check_staged(i, stage(i));
        assert_int_equal(fstatat(place(i, PLACE_WORK), "u/flowcron", &st, AT_SYMLINK_NOFOLLOW), 0);
        assert_true(S_ISDIR(st.st_mode));
        assert_true(is_there(place(i, PLACE_WORK), "u/flowcron/earlier/unknown/.flowcron-aside"));
        assert_true(is_there(AT_FDCWD, inside));
        check_staged(i, stage(i));
}

static void test_hostile_earlier(void **state) {
        Instance *i = *state;
        _cleanup_free_ char *victim = xasprintf("%s/victim", i->base);

        uploaded(i);
        put_folder(AT_FDCWD, victim);
        bring_record(i, "{\"id\":\"../../../../victim\"}");
        assert_int_equal(symlinkat(victim, place(i, PLACE_UPLOADED), "u/flowcron/earlier"), 0);
        check_staged(i, stage(i));
        assert_int_equal(dir_is_empty(AT_FDCWD, victim), 1);
        assert_true(is_there(place(i, PLACE_WORK), "u/flowcron/earlier/unknown/report.txt"));
        assert_false(is_there(place(i, PLACE_WORK), "u/flowcron/record.json"));
}

/* Tried again by itself: it lies in the work area, and the job may have done anything to it. */
static void test_in_work_without_marks(void **state) {
        Instance *i = *state;

        uploaded(i);
        staged(i);
        assert_int_equal(tree_remove(place(i, PLACE_WORK), "u/sentinels"), 0);
        check_staged(i, stage(i));
}

static void test_retry(void **state) {
        static const Place places[] = { PLACE_ANALYSED, PLACE_BIN_ANALYSED };
        Instance *i = *state;

        for (size_t n = 0; n < ELEMENTSOF(places); n++) {
                if (n > 0) {
                        teardown(state);
                        setup(state);
                        i = *state;
                }
                uploaded(i);
                staged(i);
                ended(i, "succeeded");
                finished(i);
                if (places[n] != PLACE_ANALYSED)
                        assert_int_equal(
                                move_at(place(i, PLACE_ANALYSED), "u", place(i, places[n]), "u"),
                                0);
                happens(i, EVENT_RETRY, "{\"by\":\"test\"}");
                check_staged(i, stage(i));
                assert_false(is_there(place(i, places[n]), "u"));
                assert_true(is_there(place(i, PLACE_WORK), "u/flowcron/record.json"));
                check_staged(i, stage(i));
        }
}

/* The work area has something else under its name: the result is not lost over it. */
static void test_retry_name_taken(void **state) {
        Instance *i = *state;

        uploaded(i);
        staged(i);
        ended(i, "succeeded");
        finished(i);
        put_folder(place(i, PLACE_WORK), "u");
        happens(i, EVENT_RETRY, "{\"by\":\"test\"}");
        assert_int_equal(stage(i), -EBUSY);
        assert_null(json_str(i->result, "folder"));
        assert_true(is_there(place(i, PLACE_ANALYSED), "u/flowcron/record.json"));
        assert_int_equal(unlinkat(place(i, PLACE_WORK), "u", AT_REMOVEDIR), 0);
        check_staged(i, stage(i));
}

/* A copy across file systems that died before the original was removed. */
static void test_retry_leftover(void **state) {
        Instance *i = *state;

        uploaded(i);
        staged(i);
        ended(i, "failed");
        finished(i);
        assert_int_equal(
                tree_copy(place(i, PLACE_FAILED), "u", place(i, PLACE_WORK), "u", NULL), 0);
        happens(i, EVENT_RETRY, "{\"by\":\"test\"}");
        check_staged(i, stage(i));
        assert_false(is_there(place(i, PLACE_FAILED), "u"));
}

static void test_odd_names(void **state) {
        static const char *const names[] = { "-rf", "a b'\"`$(x)", "100%j", "new\nline",
                "bad \xff byte", "日本" };
        Instance *i = *state;

        for (size_t n = 0; n < ELEMENTSOF(names); n++) {
                upload(i, names[n]);
                uow_free(i->uow);
                i->uow = uow_new(ID);
                i->uow->state = UOW_UPLOADED;
                i->uow->name = strdup(names[n]);
                i->uow->folder = strdup(names[n]);
                assert_int_equal(stage(i), 0);
                assert_true(is_there(place(i, PLACE_WORK), names[n]));
        }
}

/* A mapped collection whose uploads are not group writable. */
static void test_blocked(void **state) {
        Instance *i = *state;
        int r;

        if (geteuid() != 0)
                skip();
        uploaded(i);
        for (Place p = 0; p < _PLACE_MAX; p++)
                assert_int_equal(fchown(place(i, p), 12345, 12345), 0);
        assert_int_equal(setegid(12345), 0);
        assert_int_equal(seteuid(12345), 0);
        r = stage(i);
        assert_int_equal(seteuid(0), 0);
        assert_int_equal(setegid(0), 0);
        assert_int_equal(r, UOW_E_BLOCKED);
        assert_non_null(strstr(i->error.text, "chmod"));
        assert_false(is_there(place(i, PLACE_UPLOADED), "u/sentinels/flowcron"));
        assert_true(is_there(place(i, PLACE_UPLOADED), "u/data/input"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                T(test_fresh),
                T(test_claim_is_there),
                T(test_somebody_works_on_it),
                T(test_claim_is_a_link),
                T(test_sentinels_that_are_none),
                T(test_taken_back),
                T(test_name_taken),
                T(test_rejected),
                T(test_converted),
                T(test_earlier_record),
                T(test_earlier_is_there),
                T(test_hostile_flowcron),
                T(test_hostile_earlier),
                T(test_in_work_without_marks),
                T(test_retry),
                T(test_retry_name_taken),
                T(test_retry_leftover),
                T(test_odd_names),
                T(test_blocked),
        };

        return cmocka_run_group_tests_name("stage", tests, NULL, NULL);
}
