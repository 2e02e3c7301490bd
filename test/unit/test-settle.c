/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Filing a result, and what is done with it later: complete when it appears, nothing outside touched, nothing overwritten, and the same
 * however often it is begun.
 */

#include "instance-fixture.h"

#define OTHER_FILE_SYSTEM "/dev/shm"

static int setup(void **state) {
        *state = instance_new(NULL);
        return 0;
}

static int teardown(void **state) {
        instance_free(*state);
        return 0;
}

static void again(void **state, const char *more) {
        instance_free(*state);
        *state = instance_new(more);
}

/* In the work area, its job over. */
static Instance *over(void **state, const char *outcome) {
        Instance *i = *state;

        uploaded(i);
        staged(i);
        put_file(place(i, PLACE_WORK), "u/slurm-17.err", "something went wrong\n");
        put_file(place(i, PLACE_WORK), "u/data/output", "4 5 6\n");
        ended(i, outcome);
        return i;
}

static int settled(Instance *i) {
        int r = settle(i);

        if (r != 0 && i->error.text[0])
                print_message("settle: %d %s\n", r, i->error.text);
        return r;
}

static void check_filed(Instance *i, Place p, const char *name) {
        _cleanup_free_ char *record_path = xasprintf("%s/flowcron/record.json", name),
                            *report_path = xasprintf("%s/flowcron/report.txt", name),
                            *sentinels = xasprintf("%s/sentinels", name),
                            *input = xasprintf("%s/data/input", name),
                            *report = text_at(place(i, p), report_path),
                            *full = layout_uow_path(i->layout, p, name);
        _cleanup_json_ cJSON *record = json_at(place(i, p), record_path);

        assert_string_equal(json_str(record, "id"), ID);
        assert_string_equal(json_str(record, "folder"), name);
        assert_string_equal(json_str(record, "path"), full);
        assert_string_equal(json_str(record, "outcome"), outcome_to_string(i->uow->outcome));
        assert_true(cJSON_GetArraySize(json_array(record, "events")) > 0);
        assert_true(strlen(report) > 0);
        assert_false(is_there(place(i, p), sentinels));
        assert_true(is_there(place(i, p), input));
        assert_false(is_there(place(i, PLACE_WORK), "u"));
        assert_false(is_there(place(i, PLACE_UPLOADED), "u"));
}

static void test_success(void **state) {
        Instance *i = over(state, "succeeded");

        assert_int_equal(settled(i), 0);
        assert_null(json_str(i->result, "folder"));
        check_filed(i, PLACE_ANALYSED, "u");
        assert_int_equal(mode_at(place(i, PLACE_ANALYSED), "u"), 02775);
        assert_int_equal(mode_at(place(i, PLACE_ANALYSED), "u/data/output"), 0660);
        assert_int_equal(mode_at(place(i, PLACE_ANALYSED), "u/flowcron/record.json"), 0660);
        assert_int_equal(mode_at(place(i, PLACE_ANALYSED), "u/flowcron/report.txt"), 0660);
        /* Died after the rename. */
        assert_int_equal(settled(i), 0);
        check_filed(i, PLACE_ANALYSED, "u");
}

static void test_failure(void **state) {
        Instance *i = over(state, "failed");
        _cleanup_free_ char *report = NULL;

        assert_int_equal(settled(i), 0);
        check_filed(i, PLACE_FAILED, "u");
        report = text_at(place(i, PLACE_FAILED), "u/flowcron/report.txt");
        assert_non_null(strstr(report, "  | something went wrong\n"));
        assert_non_null(strstr(report, "slurm-17.err"));
}

/* The output is shown where there is no error output; what is not a plain file is not even opened. */
static void test_tail_sources(void **state) {
        Instance *i = over(state, "failed");
        _cleanup_free_ char *report = NULL;

        put_file(place(i, PLACE_WORK), "u/slurm-17.err", " \n\n");
        put_file(place(i, PLACE_WORK), "u/slurm-17.out", "said before it died\n");
        assert_int_equal(settled(i), 0);
        report = text_at(place(i, PLACE_FAILED), "u/flowcron/report.txt");
        assert_non_null(strstr(report, "  | said before it died\n"));
}

static void test_hostile_tail(void **state) {
        Instance *i = over(state, "failed");
        _cleanup_free_ char *report = NULL, *secret = xasprintf("%s/secret", i->base);

        put_file(AT_FDCWD, secret, "the installer's own\n");
        assert_int_equal(unlinkat(place(i, PLACE_WORK), "u/slurm-17.err", 0), 0);
        assert_int_equal(symlinkat(secret, place(i, PLACE_WORK), "u/slurm-17.err"), 0);
        assert_int_equal(mkfifoat(place(i, PLACE_WORK), "u/slurm-17.out", 0600), 0);
        assert_int_equal(settled(i), 0);
        report = text_at(place(i, PLACE_FAILED), "u/flowcron/report.txt");
        assert_null(strstr(report, "installer"));
        check_filed(i, PLACE_FAILED, "u");
}

static void test_not_group_writable(void **state) {
        Instance *i;

        again(state, "results: {group_writable: false}\n");
        i = over(state, "succeeded");
        assert_int_equal(settled(i), 0);
        check_filed(i, PLACE_ANALYSED, "u");
        assert_int_equal(mode_at(place(i, PLACE_ANALYSED), "u/data/output"), 0600);
        assert_int_equal(mode_at(place(i, PLACE_ANALYSED), "u/flowcron/record.json"), 0640);
}

static char *link_at(int dir, const char *path) {
        char target[4096];
        ssize_t n = readlinkat(dir, path, target, sizeof(target));

        return n < 0 ? NULL : strndup(target, (size_t)n);
}

static const cJSON *entry_of(const cJSON *record, const char *list, const char *path) {
        const cJSON *item;

        cJSON_ArrayForEach(
                item, json_array(json_object(json_object(record, "filing"), list), "list"))
                if (streq(json_str(item, "path"), path))
                        return item;
        return NULL;
}

static void make_links(Instance *i) {
        _cleanup_free_ char *in_work = xasprintf("%s/u/data/output", i->layout->path[PLACE_WORK]),
                            *in_uploaded =
                                    xasprintf("%s/u/data/input", i->layout->path[PLACE_UPLOADED]),
                            *out = xasprintf("%s/secret", i->base);
        int work = place(i, PLACE_WORK);

        put_file(AT_FDCWD, out, "the installer's own\n");
        assert_int_equal(symlinkat("output", work, "u/data/good"), 0);
        assert_int_equal(symlinkat("nothing", work, "u/data/broken"), 0);
        assert_int_equal(symlinkat(out, work, "u/data/out"), 0);
        assert_int_equal(symlinkat("../../../../secret", work, "u/data/out2"), 0);
        assert_int_equal(symlinkat("out", work, "u/data/over-out"), 0);
        assert_int_equal(symlinkat(in_work, work, "u/data/abs"), 0);
        assert_int_equal(symlinkat(in_uploaded, work, "u/scripts/abs2"), 0);
}

static void check_links(Instance *i) {
        int done = place(i, PLACE_ANALYSED);
        _cleanup_free_ char *good = link_at(done, "u/data/good"),
                            *abs = link_at(done, "u/data/abs"),
                            *abs2 = link_at(done, "u/scripts/abs2"),
                            *secret = xasprintf("%s/secret", i->base);
        _cleanup_json_ cJSON *record = json_at(done, "u/flowcron/record.json");

        assert_string_equal(good, "output");
        assert_string_equal(abs, "output");
        assert_string_equal(abs2, "../data/input");
        assert_false(is_there(done, "u/data/broken"));
        assert_false(is_there(done, "u/data/out"));
        assert_false(is_there(done, "u/data/out2"));
        assert_false(is_there(done, "u/data/over-out"));
        assert_int_equal(
                json_int(json_object(json_object(record, "filing"), "removed_links"), "count", 0),
                4);
        assert_string_equal(
                json_str(entry_of(record, "removed_links", "data/broken"), "why"), "broken");
        assert_string_equal(
                json_str(entry_of(record, "removed_links", "data/out"), "target"), secret);
        assert_string_equal(
                json_str(entry_of(record, "removed_links", "data/over-out"), "why"), "outside");
        assert_string_equal(
                json_str(entry_of(record, "rewritten_links", "data/abs"), "now"), "output");
        assert_int_equal(mode_at(AT_FDCWD, secret), 0600);
}

static void test_links(void **state) {
        Instance *i = over(state, "succeeded");

        make_links(i);
        assert_int_equal(settled(i), 0);
        check_links(i);
}

static void test_links_kept(void **state) {
        Instance *i;

        again(state, "results: {symlinks: keep}\n");
        i = over(state, "succeeded");
        make_links(i);
        assert_int_equal(settled(i), 0);
        assert_true(is_there(place(i, PLACE_ANALYSED), "u/data/out"));
        assert_true(is_there(place(i, PLACE_ANALYSED), "u/data/broken"));
}

static void test_links_deleted(void **state) {
        Instance *i;

        again(state, "results: {symlinks: delete}\n");
        i = over(state, "succeeded");
        make_links(i);
        assert_int_equal(settled(i), 0);
        assert_false(is_there(place(i, PLACE_ANALYSED), "u/data/good"));
        assert_true(is_there(place(i, PLACE_ANALYSED), "u/data/output"));
}

/* What was removed before we were killed is still in the record. */
static void test_lists_survive(void **state) {
        Instance *i = over(state, "succeeded");
        _cleanup_json_ cJSON *record = NULL;

        put_file(place(i, PLACE_WORK), "u/flowcron/record.json",
                "{\"id\":\"" ID
                "\",\"attempt\":1,\"filing\":{\"removed_links\":{\"count\":2,\"list\":["
                "{\"path\":\"a\",\"target\":\"x\",\"why\":\"broken\"},{\"path\":\"data/broken\",\"target\":\"nothing\",\"why\":\"broken\"}]}}}");
        assert_int_equal(symlinkat("nothing", place(i, PLACE_WORK), "u/data/broken"), 0);
        assert_int_equal(symlinkat("nothing", place(i, PLACE_WORK), "u/data/broken2"), 0);
        assert_int_equal(settled(i), 0);
        record = json_at(place(i, PLACE_ANALYSED), "u/flowcron/record.json");
        assert_int_equal(
                json_int(json_object(json_object(record, "filing"), "removed_links"), "count", 0),
                3);
        assert_non_null(entry_of(record, "removed_links", "a"));
        assert_non_null(entry_of(record, "removed_links", "data/broken2"));
}

/* A hard link to a file elsewhere, a FIFO, somebody else's file: listed, and not touched. */
static void test_left_alone(void **state) {
        Instance *i = over(state, "succeeded");
        _cleanup_free_ char *dear = xasprintf("%s/dear", i->base);
        _cleanup_json_ cJSON *record = NULL;

        put_file(AT_FDCWD, dear, "");
        assert_int_equal(linkat(AT_FDCWD, dear, place(i, PLACE_WORK), "u/data/hard", 0), 0);
        assert_int_equal(mkfifoat(place(i, PLACE_WORK), "u/data/fifo", 0600), 0);
        assert_int_equal(settled(i), 0);
        assert_int_equal(mode_at(AT_FDCWD, dear), 0600);
        record = json_at(place(i, PLACE_ANALYSED), "u/flowcron/record.json");
        assert_string_equal(
                json_str(entry_of(record, "left_alone", "data/hard"), "why"), "hard-links");
        assert_string_equal(
                json_str(entry_of(record, "left_alone", "data/fifo"), "why"), "special");
        assert_int_equal(json_int(json_object(record, "filing"), "unreadable", 0), 1);
}

static void test_many_left_alone(void **state) {
        Instance *i = over(state, "succeeded");
        _cleanup_json_ cJSON *record = NULL;
        const cJSON *left;
        char name[32];

        for (int n = 0; n < 250; n++) {
                snprintf(name, sizeof(name), "u/data/fifo%d", n);
                assert_int_equal(mkfifoat(place(i, PLACE_WORK), name, 0600), 0);
        }
        assert_int_equal(settled(i), 0);
        record = json_at(place(i, PLACE_ANALYSED), "u/flowcron/record.json");
        left = json_object(json_object(record, "filing"), "left_alone");
        assert_int_equal(json_int(left, "count", 0), 250);
        assert_int_equal(cJSON_GetArraySize(json_array(left, "list")), 100);
}

/* The job made folders that nobody may enter. */
static void test_closed_folders(void **state) {
        Instance *i = over(state, "succeeded");

        put_folder(place(i, PLACE_WORK), "u/data/closed");
        put_file(place(i, PLACE_WORK), "u/data/closed/x", "");
        assert_int_equal(symlinkat("nothing", place(i, PLACE_WORK), "u/data/closed/broken"), 0);
        assert_int_equal(fchmodat(place(i, PLACE_WORK), "u/data/closed", 0, 0), 0);
        assert_int_equal(settled(i), 0);
        assert_int_equal(mode_at(place(i, PLACE_ANALYSED), "u/data/closed"), 02770);
        assert_int_equal(mode_at(place(i, PLACE_ANALYSED), "u/data/closed/x"), 0660);
        assert_false(is_there(place(i, PLACE_ANALYSED), "u/data/closed/broken"));
}

static void test_hostile_flowcron(void **state) {
        Instance *i = over(state, "succeeded");
        _cleanup_free_ char *victim = xasprintf("%s/victim", i->base),
                            *dear = xasprintf("%s/victim/record.json", i->base), *text = NULL;

        put_folder(AT_FDCWD, victim);
        put_file(AT_FDCWD, dear, "dear");
        assert_int_equal(tree_remove(place(i, PLACE_WORK), "u/flowcron"), 0);
        assert_int_equal(symlinkat(victim, place(i, PLACE_WORK), "u/flowcron"), 0);
        assert_int_equal(settled(i), 0);
        check_filed(i, PLACE_ANALYSED, "u");
        text = text_at(AT_FDCWD, dear);
        assert_string_equal(text, "dear");
        assert_int_equal(mode_at(AT_FDCWD, dear), 0600);
        assert_int_equal(mode_at(AT_FDCWD, victim), 0755);
}

/* record.json and report.txt themselves are links, or folders. */
static void test_hostile_record(void **state) {
        Instance *i = over(state, "succeeded");
        _cleanup_free_ char *dear = xasprintf("%s/dear", i->base), *text = NULL;

        put_file(AT_FDCWD, dear, "dear");
        assert_int_equal(symlinkat(dear, place(i, PLACE_WORK), "u/flowcron/record.json"), 0);
        put_folder(place(i, PLACE_WORK), "u/flowcron/report.txt");
        assert_int_equal(settled(i), 0);
        check_filed(i, PLACE_ANALYSED, "u");
        text = text_at(AT_FDCWD, dear);
        assert_string_equal(text, "dear");
        assert_true(is_there(place(i, PLACE_ANALYSED), "u/flowcron/earlier/unknown/report.txt"));
}

static void test_others_sentinels(void **state) {
        Instance *i = over(state, "succeeded");

        put_file(place(i, PLACE_WORK), "u/sentinels/note", "mine");
        assert_int_equal(settled(i), 0);
        check_filed(i, PLACE_ANALYSED, "u");
        assert_true(is_there(place(i, PLACE_ANALYSED), "u/flowcron/sentinels/note"));
        assert_false(is_there(place(i, PLACE_ANALYSED), "u/flowcron/sentinels/flowcron"));
}

static void test_sentinels_replaced(void **state) {
        Instance *i = over(state, "succeeded");

        assert_int_equal(tree_remove(place(i, PLACE_WORK), "u/sentinels"), 0);
        put_file(place(i, PLACE_WORK), "u/sentinels", "a file now");
        assert_int_equal(settled(i), 0);
        check_filed(i, PLACE_ANALYSED, "u");
        assert_true(is_there(place(i, PLACE_ANALYSED), "u/flowcron/sentinels"));
}

static void test_name_taken(void **state) {
        Instance *i = over(state, "succeeded");
        _cleanup_free_ char *name = NULL;

        put_folder(place(i, PLACE_ANALYSED), "u");
        put_file(place(i, PLACE_ANALYSED), "u/theirs", "");
        assert_int_equal(settled(i), 0);
        name = strdup(json_str(i->result, "folder"));
        assert_non_null(startswith(name, "u-20"));
        check_filed(i, PLACE_ANALYSED, name);
        assert_true(is_there(place(i, PLACE_ANALYSED), "u/theirs"));
        /* Again, as after a crash: the same name. */
        assert_int_equal(settled(i), 0);
        assert_string_equal(json_str(i->result, "folder"), name);
}

/* Cancelled before it was taken over. */
static void test_never_staged(void **state) {
        Instance *i = *state;

        uploaded(i);
        happens(i, EVENT_CANCELLING, "{\"by\":\"test\"}");
        happens(i, EVENT_ENDED, "{\"outcome\":\"cancelled\",\"cause\":\"cancelled\"}");
        assert_int_equal(settled(i), 0);
        check_filed(i, PLACE_FAILED, "u");
        assert_int_equal(settled(i), 0);
}

static void test_never_staged_name_taken(void **state) {
        Instance *i = *state;

        uploaded(i);
        put_folder(place(i, PLACE_WORK), "u");
        happens(i, EVENT_CANCELLING, "{\"by\":\"test\"}");
        happens(i, EVENT_ENDED, "{\"outcome\":\"cancelled\",\"cause\":\"cancelled\"}");
        assert_int_equal(settled(i), 0);
        assert_true(is_there(place(i, PLACE_FAILED), "u/flowcron/record.json"));
        assert_true(is_there(place(i, PLACE_WORK), "u"));
}

/* An order to retry, and one to cancel before anything came of it: from a result folder to the other. */
static void test_retry_cancelled(void **state) {
        Instance *i = over(state, "succeeded");

        finished(i);
        happens(i, EVENT_RETRY, "{\"by\":\"test\"}");
        happens(i, EVENT_CANCELLING, "{\"by\":\"test\"}");
        happens(i, EVENT_ENDED, "{\"outcome\":\"cancelled\",\"cause\":\"cancelled\"}");
        assert_int_equal(settled(i), 0);
        check_filed(i, PLACE_FAILED, "u");
        assert_false(is_there(place(i, PLACE_ANALYSED), "u"));
}

/* The second attempt fails like the first: its result folder is the same, the old record must not count as this one. */
static void test_second_attempt(void **state) {
        Instance *i = over(state, "failed");
        _cleanup_json_ cJSON *record = NULL;

        finished(i);
        happens(i, EVENT_RETRY, "{\"by\":\"test\"}");
        staged(i);
        ended(i, "failed");
        finished(i);
        check_filed(i, PLACE_FAILED, "u");
        record = json_at(place(i, PLACE_FAILED), "u/flowcron/record.json");
        assert_int_equal(json_int(record, "attempt", 0), 2);
        assert_int_equal(cJSON_GetArraySize(json_array(record, "attempts")), 2);
        assert_string_equal(
                json_str(json_array(record, "attempts")->child->next, "ordered_by"), "test");
}

static void test_gone(void **state) {
        Instance *i = over(state, "succeeded");

        assert_int_equal(tree_remove(place(i, PLACE_WORK), "u"), 0);
        assert_int_equal(settled(i), UOW_E_GONE);
}

static bool other_file_system(Instance *i) {
        struct stat here, there;

        return stat(i->base, &here) == 0 && stat(OTHER_FILE_SYSTEM, &there) == 0 &&
                here.st_dev != there.st_dev;
}

typedef struct Elsewhere {
        char folder[64];
        char config[256];
} Elsewhere;

/* Results on another file system; false if there is none here. */
static bool elsewhere(void **state, Elsewhere *e) {
        if (!other_file_system(*state))
                return false;
        strcpy(e->folder, OTHER_FILE_SYSTEM "/flowcron-XXXXXX");
        assert_non_null(mkdtemp(e->folder));
        snprintf(e->config, sizeof(e->config), "paths: {analysed: %s/A, failed: %s/F}\n", e->folder,
                e->folder);
        again(state, e->config);
        return true;
}

static void test_other_file_system(void **state) {
        Elsewhere e;
        Instance *i;

        if (!elsewhere(state, &e))
                skip();
        i = over(state, "succeeded");
        make_links(i);
        assert_int_equal(settled(i), 0);
        check_filed(i, PLACE_ANALYSED, "u");
        check_links(i);
        assert_int_equal(settled(i), 0);
        happens(i, EVENT_FINISHED, NULL);
        happens(i, EVENT_SOFT_DELETED, NULL);
        assert_int_equal(relocate(i, relocate_work), 0);
        assert_false(is_there(place(i, PLACE_ANALYSED), "u"));
        assert_true(is_there(place(i, PLACE_BIN_ANALYSED), "u/flowcron/record.json"));
        assert_int_equal(tree_remove(AT_FDCWD, e.folder), 0);
}

static Instance *kept(void **state) {
        Instance *i = over(state, "succeeded");

        finished(i);
        return i;
}

static void test_bin_and_back(void **state) {
        Instance *i = kept(state);

        happens(i, EVENT_SOFT_DELETED, NULL);
        assert_int_equal(relocate(i, relocate_work), 0);
        assert_true(is_there(place(i, PLACE_BIN_ANALYSED), "u/data/input"));
        assert_false(is_there(place(i, PLACE_ANALYSED), "u"));
        assert_int_equal(relocate(i, relocate_work), 0);
        happens(i, EVENT_RESTORED, NULL);
        assert_int_equal(relocate(i, relocate_work), 0);
        assert_true(is_there(place(i, PLACE_ANALYSED), "u/data/input"));
        assert_int_equal(relocate(i, relocate_work), 0);
        assert_false(is_there(place(i, PLACE_BIN_ANALYSED), "u"));
}

static void test_relocate_name_taken(void **state) {
        Instance *i = kept(state);
        const char *name;

        put_folder(place(i, PLACE_BIN_ANALYSED), "u");
        happens(i, EVENT_SOFT_DELETED, NULL);
        assert_int_equal(relocate(i, relocate_work), 0);
        name = json_str(i->result, "folder");
        assert_non_null(name);
        assert_true(is_there(place(i, PLACE_BIN_ANALYSED), name));
        assert_int_equal(dir_is_empty(place(i, PLACE_BIN_ANALYSED), "u"), 1);
}

static void test_relocate_without_marks(void **state) {
        Instance *i = kept(state);

        assert_int_equal(tree_remove(place(i, PLACE_ANALYSED), "u/flowcron"), 0);
        happens(i, EVENT_SOFT_DELETED, NULL);
        assert_int_equal(relocate(i, relocate_work), 0);
        assert_true(is_there(place(i, PLACE_BIN_ANALYSED), "u/data/input"));
        assert_int_equal(relocate(i, relocate_work), 0);
}

static void test_relocate_gone(void **state) {
        Instance *i = kept(state);

        assert_int_equal(tree_remove(place(i, PLACE_ANALYSED), "u"), 0);
        happens(i, EVENT_SOFT_DELETED, NULL);
        assert_int_equal(relocate(i, relocate_work), UOW_E_GONE);
        /* Somebody else's folder is not taken for it. */
        make_uow(i, PLACE_ANALYSED, "u");
        put_folder(place(i, PLACE_ANALYSED), "u/flowcron");
        put_file(place(i, PLACE_ANALYSED), "u/flowcron/record.json", "{\"id\":\"" OTHER_ID "\"}");
        assert_int_equal(relocate(i, relocate_work), UOW_E_GONE);
        assert_true(is_there(place(i, PLACE_ANALYSED), "u/data/input"));
}

static void test_purge(void **state) {
        Instance *i = kept(state);

        happens(i, EVENT_SOFT_DELETED, NULL);
        assert_int_equal(relocate(i, relocate_work), 0);
        put_folder(place(i, PLACE_BIN_ANALYSED), "u/data/closed");
        put_file(place(i, PLACE_BIN_ANALYSED), "u/data/closed/x", "");
        assert_int_equal(fchmodat(place(i, PLACE_BIN_ANALYSED), "u/data/closed", 0, 0), 0);
        /* An earlier try died half-way. */
        put_folder(place(i, PLACE_BIN_ANALYSED), ".flowcron-" ID ".gone");
        put_file(place(i, PLACE_BIN_ANALYSED), ".flowcron-" ID ".gone/rest", "");
        assert_int_equal(relocate(i, purge_work), 0);
        assert_int_equal(dir_is_empty(place(i, PLACE_BIN_ANALYSED), "."), 1);
        assert_int_equal(relocate(i, purge_work), 0);
}

static void test_purge_spares_others(void **state) {
        Instance *i = kept(state);

        assert_int_equal(tree_remove(place(i, PLACE_ANALYSED), "u"), 0);
        make_uow(i, PLACE_ANALYSED, "u");
        put_folder(place(i, PLACE_ANALYSED), "u/flowcron");
        put_file(place(i, PLACE_ANALYSED), "u/flowcron/record.json", "{\"id\":\"" OTHER_ID "\"}");
        make_uow(i, PLACE_FAILED, "u");
        assert_int_equal(relocate(i, purge_work), 0);
        assert_true(is_there(place(i, PLACE_ANALYSED), "u/data/input"));
        assert_true(is_there(place(i, PLACE_FAILED), "u/data/input"));
}

/* Another instance's UploadedFiles. */
static Instance *chained(void **state, char next[64]) {
        _cleanup_free_ char *config = NULL;

        strcpy(next, "/tmp/flowcron-next-XXXXXX");
        assert_non_null(mkdtemp(next));
        config = xasprintf("chain: {to: %s}\n", next);
        again(state, config);
        return kept(state);
}

static void check_chained(Instance *i, const char *path) {
        _cleanup_free_ char *sentinels = xasprintf("%s/sentinels", path),
                            *record = xasprintf("%s/flowcron/record.json", path);

        assert_string_equal(json_str(i->result, "moved_to"), path);
        assert_int_equal(dir_is_empty(AT_FDCWD, sentinels), 1);
        assert_true(is_there(AT_FDCWD, record));
        assert_false(is_there(place(i, PLACE_ANALYSED), "u"));
}

static void test_chain(void **state) {
        char next[64];
        Instance *i = chained(state, next);
        _cleanup_free_ char *path = xasprintf("%s/u", next),
                            *sentinels = xasprintf("%s/u/sentinels", next);

        assert_int_equal(relocate(i, chain_work), 0);
        check_chained(i, path);
        assert_int_equal(mode_at(AT_FDCWD, sentinels), 02770);
        /* Died before the sentinel; before the event; after the next instance had taken it. */
        assert_int_equal(rmdir(sentinels), 0);
        assert_int_equal(relocate(i, chain_work), 0);
        check_chained(i, path);
        assert_int_equal(relocate(i, chain_work), 0);
        check_chained(i, path);
        assert_int_equal(tree_remove(AT_FDCWD, path), 0);
        assert_int_equal(relocate(i, chain_work), 0);
        assert_string_equal(json_str(i->result, "moved_to"), path);
        assert_int_equal(tree_remove(AT_FDCWD, next), 0);
}

static void test_chain_name_taken(void **state) {
        char next[64];
        Instance *i = chained(state, next);
        _cleanup_free_ char *taken = xasprintf("%s/u", next), *path = NULL;

        put_folder(AT_FDCWD, taken);
        assert_int_equal(relocate(i, chain_work), 0);
        path = strdup(json_str(i->result, "moved_to"));
        assert_string_not_equal(path, taken);
        check_chained(i, path);
        assert_int_equal(relocate(i, chain_work), 0);
        check_chained(i, path);
        assert_int_equal(dir_is_empty(AT_FDCWD, taken), 1);
        assert_int_equal(tree_remove(AT_FDCWD, next), 0);
}

/* A sentinels/ in the result would start the next instance too early. */
static void test_chain_strips_sentinels(void **state) {
        char next[64];
        Instance *i = chained(state, next);
        _cleanup_free_ char *path = xasprintf("%s/u", next);

        put_folder(place(i, PLACE_ANALYSED), "u/sentinels");
        put_file(place(i, PLACE_ANALYSED), "u/sentinels/x", "");
        assert_int_equal(relocate(i, chain_work), 0);
        check_chained(i, path);
        assert_int_equal(tree_remove(AT_FDCWD, next), 0);
}

static void test_chain_gone(void **state) {
        char next[64];
        Instance *i = chained(state, next);

        assert_int_equal(tree_remove(place(i, PLACE_ANALYSED), "u"), 0);
        assert_int_equal(relocate(i, chain_work), UOW_E_GONE);
        assert_int_equal(tree_remove(AT_FDCWD, next), 0);
        assert_true(relocate(i, chain_work) < 0);
        assert_non_null(strstr(i->error.text, next));
}

static void test_chain_other_file_system(void **state) {
        char next[64] = OTHER_FILE_SYSTEM "/flowcron-XXXXXX";
        _cleanup_free_ char *config = NULL, *path = NULL;
        Instance *i;

        if (!other_file_system(*state))
                skip();
        assert_non_null(mkdtemp(next));
        config = xasprintf("chain: {to: %s}\n", next);
        path = xasprintf("%s/u", next);
        again(state, config);
        i = kept(state);
        assert_int_equal(relocate(i, chain_work), 0);
        check_chained(i, path);
        assert_int_equal(tree_remove(AT_FDCWD, next), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                T(test_success),
                T(test_failure),
                T(test_tail_sources),
                T(test_hostile_tail),
                T(test_not_group_writable),
                T(test_links),
                T(test_links_kept),
                T(test_links_deleted),
                T(test_lists_survive),
                T(test_left_alone),
                T(test_many_left_alone),
                T(test_closed_folders),
                T(test_hostile_flowcron),
                T(test_hostile_record),
                T(test_others_sentinels),
                T(test_sentinels_replaced),
                T(test_name_taken),
                T(test_never_staged),
                T(test_never_staged_name_taken),
                T(test_retry_cancelled),
                T(test_second_attempt),
                T(test_gone),
                T(test_other_file_system),
                T(test_bin_and_back),
                T(test_relocate_name_taken),
                T(test_relocate_without_marks),
                T(test_relocate_gone),
                T(test_purge),
                T(test_purge_spares_others),
                T(test_chain),
                T(test_chain_name_taken),
                T(test_chain_strips_sentinels),
                T(test_chain_gone),
                T(test_chain_other_file_system),
        };

        return cmocka_run_group_tests_name("settle", tests, NULL, NULL);
}
