/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Removals: with somebody swapping folders for links all the time, without permissions, past what
 * can't be removed, up to a mount point. Nothing outside is ever touched.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>

#include "text.h"
#include "tree-place.h"

/* Swap folders for a link to the outside, or for others, and back, until killed. */
static void start_swapper(Place *p) {
        p->helper = fork();
        assert_true(p->helper >= 0);
        if (p->helper > 0)
                return;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        mkdirat(p->fd, "spare", 0700);
        for (;;) {
                /* A folder is left under this name when "a" was removed while it was the link. */
                unlinkat(p->fd, "link/b", AT_REMOVEDIR);
                unlinkat(p->fd, "link", AT_REMOVEDIR);
                if (symlinkat("../outside", p->fd, "link") < 0 && errno != EEXIST)
                        _exit(1);
                for (unsigned i = 0; i < 10; i++)
                        renameat2(p->tree, "a", p->fd, "link", RENAME_EXCHANGE);
                renameat2(p->tree, "d/d/d", p->fd, "spare", RENAME_EXCHANGE);
                renameat2(p->tree, "d/d/d", p->fd, "spare", RENAME_EXCHANGE);
        }
}

static int never_outside(const WalkEntry *e, void *userdata) {
        (void)userdata;
        assert_string_not_equal(e->name, "dear");
        return 0;
}

/* Thirty folders one in the other, more than a walk keeps open; parts may be swapped while they are made. */
static void make_deep_again(const Place *p) {
        int fd = dup(p->tree);

        for (unsigned i = 0; i < 30 && fd >= 0; i++) {
                int next;

                mkdirat(fd, "d", 0700);
                next = dir_open_at(fd, "d");
                safe_close(fd);
                fd = next;
        }
        safe_close(fd);
}

static void test_race(void **state) {
        enum {
                ROUNDS = 100,
                LOOKS = 20
        };
        Place *p = *state;

        start_swapper(p);
        for (unsigned i = 0; i < ROUNDS; i++) {
                make_deep_again(p);
                assert_int_equal(tree_walk(p->fd, "tree", never_outside, NULL), 0);
                for (unsigned k = 0; k < LOOKS; k++) {
                        mkdirat(p->tree, "a", 0700);
                        mkdirat(p->tree, "a/b", 0700);
                        tree_walk(p->tree, "a", never_outside, NULL);
                        tree_remove(p->tree, "a");
                }
                tree_remove(p->tree, "d");
                assert_outside_untouched(p);
        }
        stop_helper(p);
        assert_outside_untouched(p);
        assert_int_equal(tree_remove(p->fd, "tree"), 0);
}

static void test_remove(void **state) {
        Place *p = *state;
        int fd = make_deep(p->tree, "a", 3);

        assert_int_equal(symlinkat(p->path, fd, "out"), 0);
        assert_int_equal(linkat(p->outside, "dear", fd, "hard", 0), 0);
        assert_int_equal(mkfifoat(fd, "fifo", 0), 0);
        make_dir(fd, "\xff\n-rf");
        close(fd);
        assert_int_equal(symlinkat("outside", p->fd, "link"), 0);
        assert_int_equal(tree_remove(p->fd, "link"), 0);
        assert_int_equal(tree_remove(p->fd, "link"), 0);
        assert_int_equal(tree_remove(p->tree, "a/a/f"), 0);
        assert_int_equal(tree_remove(p->fd, "tree"), 0);
        assert_false(exists(p->fd, "tree"));
        assert_false(exists(p->fd, "link"));
        assert_outside_untouched(p);
}

static void test_remove_without_permissions(void **state) {
        Place *p = *state;
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                become_nobody(p);
                CHECK(mkdirat(p->tree, "a", 0700) == 0 && mkdirat(p->tree, "a/b", 0700) == 0);
                CHECK(file_create_at(p->tree, "a/b/f", "", 0, 0) == 0);
                CHECK(fchmodat(p->tree, "a/b", 0, 0) == 0);
                CHECK(mkdirat(p->tree, "a/c", 0) == 0);
                CHECK(fchmodat(p->tree, "a", 0500, 0) == 0);
                CHECK(tree_remove(p->tree, "a") == 0);
                CHECK(!exists(p->tree, "a"));
                _exit(0);
        }
        assert_int_equal(wait_for(pid), 0);
}

/* What is not ours stays, all else goes, and the error is told. */
static void test_remove_goes_on(void **state) {
        Place *p = *state;
        pid_t pid;
        int fd;

        if (geteuid() != 0)
                skip();
        make_dir(p->tree, "theirs");
        fd = dir_open_at(p->tree, "theirs");
        make_file(fd, "f", "");
        close(fd);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                become_nobody(p);
                for (char name[] = "a"; *name <= 'e'; (*name)++)
                        CHECK(mkdirat(p->tree, name, 0700) == 0);
                CHECK(file_create_at(p->tree, "z", "", 0, 0600) == 0);
                CHECK(tree_remove(p->fd, "tree") == -EACCES);
                _exit(0);
        }
        assert_int_equal(wait_for(pid), 0);
        assert_true(exists(p->tree, "theirs/f"));
        for (char name[] = "a"; *name <= 'e'; (*name)++)
                assert_false(exists(p->tree, name));
        assert_false(exists(p->tree, "z"));
}

static int note_mount(const WalkEntry *e, void *userdata) {
        int *errors = userdata;

        CHECK(!streq(e->name, "dear"));
        if (streq(e->path, "mnt"))
                errors[e->post] = e->error;
        return 0;
}

/* A mount point in the tree is shown, not entered; a removal leaves it alone. */
static void test_mount_point(void **state) {
        Place *p = *state;
        pid_t pid = fork();
        int r;

        assert_true(pid >= 0);
        if (pid == 0) {
                char mnt[80];
                int errors[2] = { 1, 1 }, fd;

                snprintf(mnt, sizeof(mnt), "%s/tree/mnt", p->path);
                if (mkdir(mnt, 0700) < 0 || unshare(CLONE_NEWNS) < 0 ||
                        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
                        mount("none", mnt, "tmpfs", 0, "mode=0500") < 0)
                        _exit(EXIT_NOT_HERE);
                /* The parent's descriptors do not see what is mounted here. */
                fd = dir_open_path(p->path);
                CHECK(mknodat(fd, "tree/mnt/dear", S_IFREG | 0600, 0) == 0);
                CHECK(tree_walk(fd, "tree", note_mount, errors) == 0);
                CHECK(errors[0] == 0 && errors[1] == -EXDEV);
                CHECK(tree_remove(fd, "tree") == -EXDEV);
                CHECK(exists(fd, "tree/mnt/dear"));
                CHECK(umount(mnt) == 0);
                _exit(0);
        }
        r = wait_for(pid);
        if (r == EXIT_NOT_HERE)
                skip();
        assert_int_equal(r, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, place_setup, place_teardown)

int main(void) {
        static const struct CMUnitTest tests[] = {
                TEST(test_remove),
                TEST(test_race),
                TEST(test_remove_without_permissions),
                TEST(test_remove_goes_on),
                TEST(test_mount_point),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
