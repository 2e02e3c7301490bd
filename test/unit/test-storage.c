/* SPDX-License-Identifier: Apache-2.0 */

/* What a folder's storage can do is found out by trying it, and leaves nothing behind. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <sys/stat.h>
#include <sys/xattr.h>

#include "tree-place.h"
#include "storage.h"
#include "text.h"

#define ACL "system.posix_acl_default"

static void test_look(void **state) {
        Place *p = *state;
        struct stat st;
        Storage s;

        assert_int_equal(fchmod(p->tree, 02770), 0);
        assert_int_equal(fstat(p->tree, &st), 0);
        assert_int_equal(storage_look(p->tree, &s), 0);
        assert_true(s.setgid);
        assert_int_equal(s.group, st.st_gid);
        assert_int_equal(s.mode, 02770);
        assert_true(s.total >= s.free && s.total > 0);
        assert_non_null(s.type);
        assert_true(storage_look(-1, &s) < 0);
}

/* A file as a careless uploader makes it, in a folder that is shared: its mode. */
static mode_t arrive(Place *p) {
        mode_t mask = umask(077);
        _cleanup_close_ int fd = openat(p->tree, "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
        struct stat st;

        umask(mask);
        assert_true(fd >= 0);
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(unlinkat(p->tree, "f", 0), 0);
        return st.st_mode & 0777;
}

static void test_share(void **state) {
        Place *p = *state;
        struct stat st;
        int r;

        assert_int_equal(fchmod(p->tree, 0770), 0);
        assert_int_equal(arrive(p), 0600);
        r = storage_share(p->tree);
        assert_int_equal(fstat(p->tree, &st), 0);
        assert_int_equal(st.st_mode & 07777, 02770);
        if (r == -EOPNOTSUPP)
                skip();
        assert_int_equal(r, 0);
        assert_int_equal(arrive(p), 0660);
        /* A second time finds it done. */
        assert_int_equal(storage_share(p->tree), 0);
        assert_int_equal(arrive(p), 0660);
}

/* Entries that a site has set stay; only what keeps the group out is opened. */
static void test_share_keeps_entries(void **state) {
        static const struct __attribute__((packed)) {
                uint32_t version;
                struct {
                        uint16_t tag, permissions;
                        uint32_t id;
                } entries[5];
        } acl = { 2,
                { { 0x01, 7, UINT32_MAX }, { 0x02, 7, 12345 }, { 0x04, 5, UINT32_MAX },
                        { 0x10, 5, UINT32_MAX }, { 0x20, 0, UINT32_MAX } } };
        Place *p = *state;
        char found[256];
        ssize_t n;

        if (fsetxattr(p->tree, ACL, &acl, sizeof(acl), 0) < 0)
                skip();
        assert_int_equal(storage_share(p->tree), 0);
        n = fgetxattr(p->tree, ACL, found, sizeof(found));
        assert_int_equal(n, sizeof(acl));
        /* The named user is still there, and with it all others in their order. */
        assert_memory_equal(found, &acl, 4 + 8 + 8);
        assert_int_equal(found[4 + 2 * 8 + 2], 7);
        assert_int_equal(found[4 + 3 * 8 + 2], 7);
        assert_int_equal(arrive(p) & 060, 060);
}

static void test_try(void **state) {
        Place *p = *state;
        StorageTrial trial = {};
        Error e = {};
        DIR *d;

        assert_int_equal(storage_try(p->tree, &trial, &e), 0);
        assert_true(trial.keeps_group);
        assert_int_equal(trial.has_acl, trial.group_writable);
        d = fdopendir(dup(p->tree));
        for (const struct dirent *de; (de = readdir(d));)
                assert_true(streq(de->d_name, ".") || streq(de->d_name, ".."));
        closedir(d);
}

static void test_try_where_nothing_can_be_made(void **state) {
        _cleanup_close_ int proc = dir_open_path("/proc");
        StorageTrial trial;
        Error e = {};

        (void)state;
        assert_true(storage_try(proc, &trial, &e) < 0);
        assert_true(e.text[0]);
}

static void test_below(void **state) {
        Place *p = *state;
        _cleanup_free_ char *tree = xasprintf("%s/tree", p->path),
                            *inside = xasprintf("%s/tree/not/there", p->path),
                            *beside = xasprintf("%s/tree2", p->path),
                            *link = xasprintf("%s/link", p->path),
                            *through = xasprintf("%s/link/x", p->path);

        assert_int_equal(symlink(tree, link), 0);
        assert_true(storage_is_below(tree, tree));
        assert_true(storage_is_below(inside, tree));
        assert_true(storage_is_below(through, tree));
        assert_true(storage_is_below(tree, "/"));
        assert_false(storage_is_below(beside, tree));
        assert_false(storage_is_below(p->path, tree));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, place_setup, place_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_look),
                TEST(test_share),
                TEST(test_share_keeps_entries),
                TEST(test_try),
                TEST(test_try_where_nothing_can_be_made),
                TEST(test_below),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
