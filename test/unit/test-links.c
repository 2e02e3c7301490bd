/* SPDX-License-Identifier: Apache-2.0 */

/* Where links lead, and group access: what is inside, what is outside, and that nothing outside is touched. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "fileio.h"
#include "links.h"
#include "permissions.h"
#include "text.h"

/*
 *   BASE/uow/            the folder; also known as /old/uow and /new//./uow
 *     data/file, data/sub/deep/, scripts/
 *   BASE/outside/secret
 */
typedef struct Fixture {
        char base[64];
        int basedir, root;
        char *prefixes[4];
        LinkScope scope;
} Fixture;

static void make_file(int dir, const char *name, mode_t mode) {
        int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(fchmod(fd, mode), 0);
        close(fd);
}

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        strcpy(f->base, "/tmp/flowcron-links-XXXXXX");
        assert_non_null(mkdtemp(f->base));
        f->basedir = dir_open_path(f->base);
        assert_int_equal(mkdirat(f->basedir, "uow", 0755), 0);
        assert_int_equal(mkdirat(f->basedir, "outside", 0755), 0);
        make_file(f->basedir, "outside/secret", 0600);
        f->root = dir_open_at(f->basedir, "uow");
        assert_int_equal(mkdirat(f->root, "data", 0755), 0);
        assert_int_equal(mkdirat(f->root, "data/sub", 0755), 0);
        assert_int_equal(mkdirat(f->root, "data/sub/deep", 0755), 0);
        assert_int_equal(mkdirat(f->root, "scripts", 0755), 0);
        make_file(f->root, "data/file", 0600);
        f->prefixes[0] = xasprintf("%s/uow", f->base);
        f->prefixes[1] = strdup("/old/uow");
        f->prefixes[2] = strdup("/new//./uow/");
        f->scope = (LinkScope){ f->root, f->prefixes };
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        close(f->root);
        close(f->basedir);
        assert_int_equal(tree_remove(AT_FDCWD, f->base), 0);
        for (int i = 0; i < 3; i++)
                free(f->prefixes[i]);
        free(f);
        return 0;
}

static void check(Fixture *f, const char *path, const char *target, LinkVerdict wanted,
        const char *relative) {
        _cleanup_free_ char *now = NULL;
        LinkVerdict verdict = (LinkVerdict)-1;

        assert_int_equal(link_judge(&f->scope, path, target, &verdict, &now), 0);
        if (verdict != wanted)
                fail_msg("%s -> %s: verdict %d, wanted %d", path, target, verdict, wanted);
        if (relative)
                assert_string_equal(now, relative);
        else
                assert_null(now);
}

static void test_plain(void **state) {
        static const struct {
                const char *path, *target;
                LinkVerdict verdict;
                const char *relative;
        } cases[] = {
                { "l", "data/file", LINK_INSIDE, NULL },
                { "l", "./data//./file", LINK_INSIDE, NULL },
                { "l", "data/", LINK_INSIDE, NULL },
                { "l", ".", LINK_INSIDE, NULL },
                { "l", "..", LINK_OUTSIDE, NULL },
                { "l", "data/../..", LINK_OUTSIDE, NULL },
                { "l", "../uow/data/file", LINK_OUTSIDE, NULL },
                { "l", "nothing", LINK_BROKEN, NULL },
                { "l", "data/file/", LINK_BROKEN, NULL },
                { "l", "data/file/more", LINK_BROKEN, NULL },
                { "l", "data/file/..", LINK_BROKEN, NULL },
                { "l", "nothing/../data/file", LINK_BROKEN, NULL },
                { "data/sub/l", "../file", LINK_INSIDE, NULL },
                { "data/sub/l", "../../data/sub/deep", LINK_INSIDE, NULL },
                { "data/sub/l", "../..", LINK_INSIDE, NULL },
                { "data/sub/l", "../../..", LINK_OUTSIDE, NULL },
                { "data/sub/l", "../../../outside/secret", LINK_OUTSIDE, NULL },
                { "l", "/", LINK_OUTSIDE, NULL },
                { "l", "/etc/passwd", LINK_OUTSIDE, NULL },
                { "l", "/nothing/there", LINK_OUTSIDE, NULL },
                { "l", "/old/uowx/data/file", LINK_OUTSIDE, NULL },
                { "l", "/old", LINK_OUTSIDE, NULL },
                { "l", "/old/uow/../uow/data", LINK_OUTSIDE, NULL },
                { "l", "/old/uow/data/file", LINK_ABSOLUTE, "data/file" },
                { "l", "//old/./uow//data/./file", LINK_ABSOLUTE, "data/file" },
                { "l", "/new/uow/data/file", LINK_ABSOLUTE, "data/file" },
                { "l", "/old/uow", LINK_ABSOLUTE, "." },
                { "l", "/old/uow/", LINK_ABSOLUTE, "." },
                { "data/l", "/old/uow", LINK_ABSOLUTE, ".." },
                { "data/sub/l", "/old/uow/data/file", LINK_ABSOLUTE, "../file" },
                { "data/sub/l", "/old/uow/data/sub/deep", LINK_ABSOLUTE, "deep" },
                { "data/sub/l", "/old/uow/data/sub", LINK_ABSOLUTE, "." },
                { "data/sub/l", "/old/uow/scripts", LINK_ABSOLUTE, "../../scripts" },
                { "data/sub/l", "/old/uow/data/../scripts", LINK_ABSOLUTE, "../../scripts" },
                { "data/sub/l", "/old/uow/nothing", LINK_BROKEN, NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                check(*state, cases[i].path, cases[i].target, cases[i].verdict, cases[i].relative);
}

/* A link that leads over other links leads where they lead. */
static void test_chains(void **state) {
        Fixture *f = *state;

        assert_int_equal(symlinkat("data", f->root, "d"), 0);
        assert_int_equal(symlinkat("../../outside", f->root, "data/out"), 0);
        assert_int_equal(symlinkat("/old/uow/data", f->root, "abs"), 0);
        assert_int_equal(symlinkat("loop2", f->root, "loop1"), 0);
        assert_int_equal(symlinkat("loop1", f->root, "loop2"), 0);
        assert_int_equal(symlinkat("nothing", f->root, "dead"), 0);
        assert_int_equal(symlinkat("self/x", f->root, "self"), 0);
        check(f, "l", "d/file", LINK_INSIDE, NULL);
        check(f, "l", "d/sub/../file", LINK_INSIDE, NULL);
        check(f, "l", "d/..", LINK_INSIDE, NULL);
        check(f, "l", "d/../..", LINK_OUTSIDE, NULL);
        check(f, "l", "d/out/secret", LINK_OUTSIDE, NULL);
        check(f, "l", "data/out", LINK_OUTSIDE, NULL);
        check(f, "l", "abs/file", LINK_INSIDE, NULL);
        check(f, "l", "abs/out/secret", LINK_OUTSIDE, NULL);
        check(f, "l", "/old/uow/d/file", LINK_ABSOLUTE, "d/file");
        check(f, "l", "/old/uow/data/out/secret", LINK_OUTSIDE, NULL);
        check(f, "l", "loop1", LINK_BROKEN, NULL);
        check(f, "l", "self", LINK_BROKEN, NULL);
        check(f, "l", "dead", LINK_BROKEN, NULL);
        /* A folder that both have in common must not be left out when it is reached over a link. */
        check(f, "data/l", "/old/uow/d/file", LINK_ABSOLUTE, "../d/file");
}

static void test_long_chain(void **state) {
        Fixture *f = *state;
        char name[16], target[16];

        for (int i = 0; i < 45; i++) {
                snprintf(name, sizeof(name), "c%d", i);
                snprintf(target, sizeof(target), i == 44 ? "data" : "c%d", i + 1);
                assert_int_equal(symlinkat(target, f->root, name), 0);
        }
        check(f, "l", "c30", LINK_INSIDE, NULL);
        check(f, "l", "c0", LINK_BROKEN, NULL);
}

static void test_odd_names(void **state) {
        Fixture *f = *state;

        assert_int_equal(mkdirat(f->root, "a\nb \xff", 0755), 0);
        assert_int_equal(mkdirat(f->root, "...", 0755), 0);
        check(f, "l", "a\nb \xff", LINK_INSIDE, NULL);
        check(f, "l", "...", LINK_INSIDE, NULL);
        check(f, "a\nb \xff/l", "/old/uow/...", LINK_ABSOLUTE, "../...");
}

static void test_rewrite(void **state) {
        Fixture *f = *state;
        _cleanup_free_ char *target = NULL;
        struct stat st;

        assert_int_equal(symlinkat("/old/uow/data/file", f->root, "l"), 0);
        assert_int_equal(symlinkat("leftover", f->root, LINK_TEMPORARY), 0);
        assert_int_equal(link_rewrite(f->root, "l", "data/file"), 0);
        assert_int_equal(link_read(f->root, "l", &target), 0);
        assert_string_equal(target, "data/file");
        assert_int_equal(fstatat(f->root, LINK_TEMPORARY, &st, AT_SYMLINK_NOFOLLOW), -1);
        assert_int_equal(link_read(f->root, "data", &target), -EINVAL);
}

static mode_t mode_of(int dir, const char *name) {
        struct stat st;

        assert_int_equal(fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW), 0);
        return st.st_mode & 07777;
}

static int share(int dir, const char *name) {
        struct stat st;

        assert_int_equal(fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW), 0);
        return permissions_share(dir, name, &st);
}

static void test_modes(void **state) {
        static const struct {
                mode_t before, after;
        } cases[] = { { 0600, 0660 }, { 0644, 0664 }, { 0700, 0770 }, { 0755, 0775 },
                { 0400, 0660 }, { 0000, 0660 }, { 0444, 0664 }, { 0660, 0660 }, { 0100, 0770 } };
        Fixture *f = *state;
        char name[16];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                snprintf(name, sizeof(name), "f%zu", i);
                make_file(f->root, name, cases[i].before);
                assert_int_equal(share(f->root, name), PERMISSIONS_SET);
                assert_int_equal(mode_of(f->root, name), cases[i].after);
        }
        assert_int_equal(mkdirat(f->root, "d", 0100), 0);
        assert_int_equal(share(f->root, "d"), PERMISSIONS_SET);
        assert_int_equal(mode_of(f->root, "d"), 02770);
}

static void test_left_alone(void **state) {
        Fixture *f = *state;

        assert_int_equal(linkat(f->basedir, "outside/secret", f->root, "hard", 0), 0);
        assert_int_equal(share(f->root, "hard"), PERMISSIONS_HARD_LINKS);
        assert_int_equal(mode_of(f->basedir, "outside/secret"), 0600);
        assert_int_equal(mkfifoat(f->root, "fifo", 0600), 0);
        assert_int_equal(share(f->root, "fifo"), PERMISSIONS_SPECIAL);
        assert_int_equal(mode_of(f->root, "fifo"), 0600);
        make_file(f->root, "suid", 04711);
        assert_int_equal(share(f->root, "suid"), PERMISSIONS_SET_ID);
        assert_int_equal(mode_of(f->root, "suid"), 04711);
        assert_int_equal(symlinkat("../outside/secret", f->root, "link"), 0);
        assert_int_equal(share(f->root, "link"), PERMISSIONS_SET);
        assert_int_equal(mode_of(f->basedir, "outside/secret"), 0600);
}

static void test_owner(void **state) {
        Fixture *f = *state;

        if (geteuid() != 0)
                skip();
        make_file(f->root, "theirs", 0600);
        assert_int_equal(fchownat(f->root, "theirs", 12345, (gid_t)-1, 0), 0);
        assert_int_equal(share(f->root, "theirs"), PERMISSIONS_OWNER);
        assert_int_equal(mode_of(f->root, "theirs"), 0600);
}

/* Between the look and the change the entry became another one. */
static void test_swapped(void **state) {
        Fixture *f = *state;
        struct stat st;

        make_file(f->root, "x", 0600);
        assert_int_equal(fstatat(f->root, "x", &st, AT_SYMLINK_NOFOLLOW), 0);
        assert_int_equal(renameat(f->root, "x", f->root, "y"), 0);
        assert_int_equal(symlinkat("../outside/secret", f->root, "x"), 0);
        assert_int_equal(permissions_share(f->root, "x", &st), PERMISSIONS_CHANGED);
        assert_int_equal(mode_of(f->basedir, "outside/secret"), 0600);
        assert_int_equal(unlinkat(f->root, "x", 0), 0);
        assert_int_equal(permissions_share(f->root, "x", &st), PERMISSIONS_CHANGED);
        assert_int_equal(linkat(f->root, "y", f->root, "x", 0), 0);
        assert_int_equal(permissions_share(f->root, "x", &st), PERMISSIONS_HARD_LINKS);
        assert_int_equal(mode_of(f->root, "y"), 0600);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                T(test_plain),
                T(test_chains),
                T(test_long_chain),
                T(test_odd_names),
                T(test_rewrite),
                T(test_modes),
                T(test_left_alone),
                T(test_owner),
                T(test_swapped),
        };

        return cmocka_run_group_tests_name("links", tests, NULL, NULL);
}
