/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A board on disk: one entry, changed by a rename, whatever else others put there.
 */

#include "instance-fixture.h"

#include "board-folder.h"

static int status_dir(const Instance *i) {
        return place(i, PLACE_STATUS);
}

/* What the board holds, sorted and joined by "|". */
static char *holds(Instance *i, const char *board) {
        struct dirent **names = NULL;
        int fd = dir_open_at(status_dir(i), board), n = scandirat(fd, ".", &names, NULL, alphasort);
        char *all = strdup("");

        assert_true(n >= 2);
        for (int k = 0; k < n; k++) {
                if (!streq(names[k]->d_name, ".") && !streq(names[k]->d_name, "..")) {
                        char *longer = xasprintf("%s%s%s", all, *all ? "|" : "", names[k]->d_name);

                        free(all);
                        all = longer;
                }
                free(names[k]);
        }
        free(names);
        close(fd);
        return all;
}

static void expect(Instance *i, const char *wanted) {
        _cleanup_free_ char *got = holds(i, "u");

        assert_string_equal(got, wanted);
}

static ino_t ino_of(Instance *i, const char *path) {
        struct stat st;

        assert_int_equal(fstatat(status_dir(i), path, &st, AT_SYMLINK_NOFOLLOW), 0);
        return st.st_ino;
}

static void test_one_entry(void **state) {
        Instance *i = instance_new(NULL);
        ino_t ino;

        (void)state;
        assert_int_equal(board_folder_show(status_dir(i), "u", "waiting"), -ENOENT);
        put_folder(status_dir(i), "u");
        assert_int_equal(board_folder_show(status_dir(i), "u", "waiting"), 0);
        expect(i, "waiting");
        ino = ino_of(i, "u/waiting");
        assert_int_equal(board_folder_show(status_dir(i), "u", "done - succeeded"), 0);
        expect(i, "done - succeeded");
        assert_int_equal(ino_of(i, "u/done - succeeded"), ino); /* renamed: never without one */
        assert_int_equal(board_folder_show(status_dir(i), "u", "done - succeeded"), 0);
        expect(i, "done - succeeded");
        instance_free(i);
}

static void test_strays(void **state) {
        Instance *i = instance_new(NULL);

        (void)state;
        put_folder(status_dir(i), "u");
        put_folder(status_dir(i), "u/done - faked");
        put_folder(status_dir(i), "u/running - faked");
        put_folder(status_dir(i), "u/something");
        put_folder(status_dir(i), "u/kept");
        put_file(status_dir(i), "u/kept/data", "mine");
        put_file(status_dir(i), "u/empty", "");
        put_file(status_dir(i), "u/notes", "mine");
        put_file(status_dir(i), "u/.nfs0001", "");
        assert_int_equal(symlinkat("/", status_dir(i), "u/link"), 0);
        assert_int_equal(mkfifoat(status_dir(i), "u/fifo", 0600), 0);
        assert_int_equal(board_folder_show(status_dir(i), "u", "waiting"), 0);
        /* What holds data may be somebody's. */
        expect(i, ".nfs0001|kept|notes|waiting");
        instance_free(i);
}

/* Something that is no folder has the name already. */
static void test_the_name_is_taken(void **state) {
        Instance *i = instance_new(NULL);

        (void)state;
        put_folder(status_dir(i), "u");
        assert_int_equal(symlinkat("/", status_dir(i), "u/waiting"), 0);
        assert_int_equal(board_folder_show(status_dir(i), "u", "waiting"), 0);
        expect(i, "waiting");
        assert_int_equal(board_folder_show(status_dir(i), "u", "waiting"), 0);
        put_folder(status_dir(i), "u/pending");
        put_file(status_dir(i), "u/done", "mine");
        assert_int_equal(board_folder_show(status_dir(i), "u", "done"), -ENOTDIR);
        instance_free(i);
}

static void test_many(void **state) {
        Instance *i = instance_new(NULL);
        char path[64];
        int r = -EAGAIN;

        (void)state;
        put_folder(status_dir(i), "u");
        for (int k = 0; k < 1500; k++) {
                snprintf(path, sizeof(path), "u/stray %d", k);
                put_folder(status_dir(i), path);
        }
        for (int rounds = 0; r == -EAGAIN; rounds++) {
                assert_true(rounds < 30);
                r = board_folder_show(status_dir(i), "u", "waiting");
                assert_true(is_there(status_dir(i), "u/waiting")); /* at once, and always */
        }
        assert_int_equal(r, 0);
        expect(i, "waiting");
        instance_free(i);
}

static void test_links_are_no_boards(void **state) {
        Instance *i = instance_new(NULL);

        (void)state;
        put_folder(status_dir(i), "real");
        assert_int_equal(symlinkat("real", status_dir(i), "u"), 0);
        put_file(status_dir(i), "file", "");
        assert_true(board_folder_show(status_dir(i), "u", "waiting") < 0);
        assert_true(board_folder_show(status_dir(i), "file", "waiting") < 0);
        assert_false(is_there(status_dir(i), "real/waiting"));
        instance_free(i);
}

/* With a mapped collection a board belongs to whoever made it. */
static void test_of_another_owner(void **state) {
        Instance *i = instance_new(NULL);

        (void)state;
        if (geteuid() != 0) {
                instance_free(i);
                skip();
        }
        put_folder(status_dir(i), "u");
        put_folder(status_dir(i), "full");
        put_file(status_dir(i), "full/notes", "mine");
        put_file(status_dir(i), "victim", "");
        for (int k = 0; k < 2; k++) {
                const char *board = k ? "full" : "u";

                assert_int_equal(fchmodat(status_dir(i), board, 0705, 0), 0);
                assert_int_equal(fchownat(status_dir(i), board, 1, 1, 0), 0);
        }
        /* In the way: what a crash left, or what would have us open up something else. */
        assert_int_equal(symlinkat("victim", status_dir(i), BOARD_FOLDER_NEW), 0);
        assert_int_equal(fchmodat(status_dir(i), "victim", 0600, 0), 0);
        assert_int_equal(fchmod(status_dir(i), 0777), 0);
        assert_int_equal(chmod(i->base, 0755), 0);
        assert_int_equal(fchown(status_dir(i), 2, 2), 0);
        assert_int_equal(setegid(2), 0);
        assert_int_equal(seteuid(2), 0);
        assert_int_equal(board_folder_show(status_dir(i), "u", "waiting"), 0);
        assert_int_equal(board_folder_show(status_dir(i), "full", "waiting"), -EACCES);
        assert_int_equal(seteuid(0), 0);
        assert_int_equal(setegid(0), 0);
        expect(i, "waiting");
        assert_int_equal(mode_at(status_dir(i), "u"), 0775);
        assert_int_equal(mode_at(status_dir(i), "victim"), 0600);
        assert_true(is_there(status_dir(i), "full/notes"));
        assert_false(is_there(status_dir(i), BOARD_FOLDER_NEW));
        instance_free(i);
}

static void test_clear_and_remove(void **state) {
        Instance *i = instance_new(NULL);

        (void)state;
        put_folder(status_dir(i), "u");
        assert_int_equal(board_folder_remove(status_dir(i), "u"), 0);
        assert_true(is_there(status_dir(i), "u")); /* just made, for the next of that name */
        assert_int_equal(board_folder_show(status_dir(i), "u", "arriving"), 0);
        assert_int_equal(board_folder_remove(status_dir(i), "u"), 0);
        expect(i, ""); /* that was about the next of that name, too */
        assert_int_equal(board_folder_show(status_dir(i), "u", "running"), 0);
        assert_int_equal(board_folder_clear_arriving(status_dir(i), "u"), 0);
        expect(i, "running");
        assert_int_equal(board_folder_show(status_dir(i), "u", "arriving"), 0);
        assert_int_equal(board_folder_clear_arriving(status_dir(i), "u"), 0);
        expect(i, "");
        assert_int_equal(board_folder_show(status_dir(i), "u", "gone - being removed"), 0);
        assert_int_equal(board_folder_remove(status_dir(i), "u"), 0);
        assert_false(is_there(status_dir(i), "u"));
        put_folder(status_dir(i), "u");
        put_file(status_dir(i), "u/notes", "mine");
        assert_int_equal(board_folder_show(status_dir(i), "u", "gone - being removed"), 0);
        assert_int_equal(board_folder_remove(status_dir(i), "u"), 0);
        expect(i, "notes");
        instance_free(i);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_one_entry),
                cmocka_unit_test(test_strays),
                cmocka_unit_test(test_the_name_is_taken),
                cmocka_unit_test(test_many),
                cmocka_unit_test(test_links_are_no_boards),
                cmocka_unit_test(test_of_another_owner),
                cmocka_unit_test(test_clear_and_remove),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
