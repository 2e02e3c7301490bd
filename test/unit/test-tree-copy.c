/* SPDX-License-Identifier: Apache-2.0 */

/* A copy is the same tree, resumes where it was cut off, trusts nothing that lies in its way, and never passes over a fault. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/xattr.h>

#include "text.h"
#include "tree-place.h"

/* A time that no clock gives by chance. */
static const struct timespec odd_times[2] = { { 1000000000, 123456789 },
        { 1234567890, 987654321 } };

static struct stat look(int fd, const char *name) {
        struct stat st;

        assert_int_equal(fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
        return st;
}

static void assert_content(int fd, const char *name, const char *expected) {
        _cleanup_free_ char *text = NULL;

        assert_int_equal(file_read_at(fd, name, 1 << 20, &text, NULL), 0);
        assert_string_equal(text, expected);
}

static void assert_link(int fd, const char *name, const char *expected) {
        char target[PATH_MAX] = "";

        assert_true(readlinkat(fd, name, target, sizeof(target) - 1) > 0);
        assert_string_equal(target, expected);
}

static void copy(Place *p) {
        Error e = { "" };

        if (tree_copy(p->fd, "tree", p->fd, ".copy", &e) < 0)
                fail_msg("%s", e.text);
}

static void set_times(int fd, const char *name) {
        assert_int_equal(utimensat(fd, name, odd_times, AT_SYMLINK_NOFOLLOW), 0);
}

static void assert_same(const Place *p, const char *a, const char *b) {
        struct stat x = look(p->fd, a), y = look(p->fd, b);

        assert_int_equal(x.st_mode, y.st_mode);
        assert_int_equal(x.st_mtim.tv_sec, y.st_mtim.tv_sec);
        assert_int_equal(x.st_mtim.tv_nsec, y.st_mtim.tv_nsec);
        assert_int_equal(x.st_gid, y.st_gid);
        if (S_ISREG(x.st_mode))
                assert_int_equal(x.st_size, y.st_size);
}

static void test_copy(void **state) {
        Place *p = *state;

        make_file(p->tree, "f \xff\n", "text");
        make_file(p->tree, "empty", "");
        make_dir(p->tree, "d");
        make_dir(p->tree, "d/closed");
        assert_int_equal(symlinkat("/", p->tree, "root"), 0);
        assert_int_equal(symlinkat("nowhere \xff", p->tree, "broken"), 0);
        assert_int_equal(symlinkat("../outside", p->tree, "d/out"), 0);
        assert_int_equal(mkfifoat(p->tree, "fifo", 0600), 0);
        assert_int_equal(fchmodat(p->tree, "f \xff\n", 0751, 0), 0);
        assert_int_equal(fchmodat(p->tree, "empty", 0, 0), 0);
        assert_int_equal(fchmodat(p->tree, "d", 02775, 0), 0);
        assert_int_equal(fchmodat(p->tree, "d/closed", 0500, 0), 0);
        if (geteuid() == 0)
                assert_int_equal(fchownat(p->tree, "f \xff\n", -1, 12345, 0), 0);
        else
                assert_int_equal(fchmodat(p->tree, "empty", 0400, 0), 0);
        set_times(p->tree, "f \xff\n");
        set_times(p->tree, "root");
        set_times(p->tree, "d/closed");
        set_times(p->tree, "d");
        set_times(p->fd, "tree");
        copy(p);
        assert_same(p, "tree", ".copy");
        assert_same(p, "tree/d", ".copy/d");
        assert_same(p, "tree/d/closed", ".copy/d/closed");
        assert_same(p, "tree/f \xff\n", ".copy/f \xff\n");
        assert_same(p, "tree/empty", ".copy/empty");
        assert_same(p, "tree/root", ".copy/root");
        assert_content(p->fd, ".copy/f \xff\n", "text");
        assert_link(p->fd, ".copy/root", "/");
        assert_link(p->fd, ".copy/broken", "nowhere \xff");
        assert_link(p->fd, ".copy/d/out", "../outside");
        assert_false(exists(p->fd, ".copy/fifo"));
}

/* Rights that were the uploader's to give must not become ours. */
static void test_copy_drops_set_uid(void **state) {
        Place *p = *state;

        make_file(p->tree, "f", "#!");
        assert_int_equal(fchmodat(p->tree, "f", 06755, 0), 0);
        copy(p);
        assert_int_equal(look(p->fd, ".copy/f").st_mode & 07777, 0755);
}

static void test_copy_holes(void **state) {
        enum {
                SIZE = 64 * 1024 * 1024
        };
        Place *p = *state;
        int fd = openat(p->tree, "sparse", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        char word[5] = "";

        assert_int_equal(pwrite(fd, "one", 3, 5000000), 3);
        assert_int_equal(pwrite(fd, "two!", 4, SIZE / 2), 4);
        assert_int_equal(ftruncate(fd, SIZE), 0);
        close(fd);
        copy(p);
        assert_int_equal(look(p->fd, ".copy/sparse").st_size, SIZE);
        assert_true(
                look(p->fd, ".copy/sparse").st_blocks <= look(p->tree, "sparse").st_blocks + 64);
        fd = openat(p->fd, ".copy/sparse", O_RDONLY | O_CLOEXEC);
        assert_int_equal(pread(fd, word, 4, 5000000), 4);
        assert_memory_equal(word, "one", 4);
        assert_int_equal(pread(fd, word, 4, SIZE / 2), 4);
        assert_memory_equal(word, "two!", 4);
        close(fd);
}

static void test_copy_large(void **state) {
        Place *p = *state;
        _cleanup_free_ char *data = malloc(3000001), *back = NULL;
        size_t size;

        for (size_t i = 0; i < 3000001; i++)
                data[i] = (char)(i * 2654435761U >> 13);
        assert_int_equal(file_create_at(p->tree, "f", data, 3000001, 0600), 0);
        copy(p);
        assert_int_equal(file_read_at(p->fd, ".copy/f", 3000001, &back, &size), 0);
        assert_int_equal(size, 3000001);
        assert_memory_equal(back, data, size);
}

static void test_copy_deep(void **state) {
        enum {
                DEPTH = 1000,
                DESCRIPTORS = 40
        };
        struct rlimit few, before;
        Place *p = *state;
        int fd = make_deep(p->tree, "deep-deep-deep-deep", DEPTH);

        make_file(fd, "bottom", "here");
        close(fd);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        few = before;
        few.rlim_cur = DESCRIPTORS;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
        copy(p);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        fd = dir_open_at(p->fd, ".copy");
        for (unsigned i = 0; i < DEPTH; i++) {
                int next = dir_open_at(fd, "deep-deep-deep-deep");

                assert_true(next >= 0);
                close(fd);
                fd = next;
        }
        assert_content(fd, "bottom", "here");
        close(fd);
}

/* As a crash leaves a file, with the right size but other content. */
static void make_torn(const Place *p, const char *name, mode_t mode, bool timed) {
        struct stat st = look(p->tree, name);
        const struct timespec times[2] = { st.st_atim, st.st_mtim };
        int fd = dir_open_at(p->fd, ".copy");

        make_file(fd, name, "?????");
        if (timed)
                assert_int_equal(utimensat(fd, name, times, 0), 0);
        assert_int_equal(fchmodat(fd, name, mode, 0), 0);
        close(fd);
}

/* What is complete is kept, what is not is made anew: absent, not yet timed, or with the mode of a file being written. */
static void test_copy_resumes(void **state) {
        Place *p = *state;
        ino_t kept;

        for (char name[] = "a"; *name <= 'e'; (*name)++)
                make_file(p->tree, name, "whole");
        assert_int_equal(symlinkat("a", p->tree, "link"), 0);
        make_dir(p->tree, "dir");
        make_dir(p->tree, "dir/below");
        assert_int_equal(fchmodat(p->tree, "dir", 0555, 0), 0);
        copy(p);
        kept = look(p->fd, ".copy/a").st_ino;
        assert_int_equal(unlinkat(p->fd, ".copy/b", 0), 0);
        make_torn(p, "c", 0644, false);
        make_torn(p, "d", 0200, true);
        make_file(p->tree, "e", "grown since");
        assert_int_equal(fchmodat(p->fd, ".copy/dir", 0755, 0), 0);
        assert_int_equal(unlinkat(p->fd, ".copy/dir/below", AT_REMOVEDIR), 0);
        assert_int_equal(fchmodat(p->fd, ".copy/dir", 0555, 0), 0);
        copy(p);
        assert_int_equal(look(p->fd, ".copy/a").st_ino, kept);
        for (char name[] = "tree/a", to[] = ".copy/a"; name[5] <= 'e'; name[5]++, to[6]++) {
                assert_content(p->fd, to, name[5] == 'e' ? "grown since" : "whole");
                assert_same(p, name, to);
        }
        assert_true(exists(p->fd, ".copy/dir/below"));
        assert_same(p, "tree/dir", ".copy/dir");
        assert_link(p->fd, ".copy/link", "a");
}

/* Killed anywhere and repeated, the copy is whole in the end, and so it was never wrongly kept. */
static void test_copy_survives_kills(void **state) {
        Place *p = *state;
        char name[] = "f00";

        for (unsigned i = 0; i < 40; i++) {
                name[1] = (char)('0' + i / 10);
                name[2] = (char)('0' + i % 10);
                make_file(p->tree, name, name);
        }
        for (unsigned delay = 0; delay < 20; delay++) {
                pid_t pid = fork();
                int status;

                assert_true(pid >= 0);
                if (pid == 0)
                        _exit(tree_copy(p->fd, "tree", p->fd, ".copy", NULL) < 0);
                usleep(delay * 500);
                kill(pid, SIGKILL);
                assert_int_equal(waitpid(pid, &status, 0), pid);
        }
        copy(p);
        for (unsigned i = 0; i < 40; i++) {
                char path[] = ".copy/f00";

                path[7] = (char)('0' + i / 10);
                path[8] = (char)('0' + i % 10);
                assert_content(p->fd, path, path + 6);
        }
}

/* Links and hard links in the place of the copy are replaced, not written through. */
static void test_copy_over_traps(void **state) {
        Place *p = *state;
        Error e;

        make_file(p->tree, "a", "text");
        make_file(p->tree, "b", "text");
        assert_int_equal(symlinkat("a", p->tree, "link"), 0);
        make_dir(p->fd, ".copy");
        assert_int_equal(symlinkat("../outside/dear", p->fd, ".copy/a"), 0);
        assert_int_equal(linkat(p->outside, "dear", p->fd, ".copy/b", 0), 0);
        assert_int_equal(symlinkat("../outside", p->fd, ".copy/link"), 0);
        copy(p);
        assert_content(p->fd, ".copy/a", "text");
        assert_content(p->fd, ".copy/b", "text");
        assert_link(p->fd, ".copy/link", "a");
        assert_outside_untouched(p);
        assert_int_equal(symlinkat("outside", p->fd, "trap"), 0);
        assert_true(tree_copy(p->fd, "tree", p->fd, "trap", &e) < 0);
        assert_false(exists(p->outside, "a"));
}

static void test_copy_tells_what_failed(void **state) {
        Place *p = *state;
        Error e = { "" };

        assert_int_equal(tree_copy(p->fd, "none", p->fd, ".copy", &e), -ENOENT);
        assert_string_not_equal(e.text, "");
        make_dir(p->tree, "d");
        make_file(p->tree, "d/f\n", "x");
        make_dir(p->fd, ".copy");
        make_dir(p->fd, ".copy/d");
        make_dir(p->fd, ".copy/d/f\n");
        assert_int_equal(tree_copy(p->fd, "tree", p->fd, ".copy", &e), -EISDIR);
        assert_string_equal(e.text, "d/f\\n: Is a directory");
        assert_int_equal(tree_copy(p->fd, "tree", p->fd, ".copy", NULL), -EISDIR);
}

/* A folder that can't be read is a fault, or its content would be lost with the source. */
static void test_copy_unreadable(void **state) {
        Place *p = *state;
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                Error e = { "" };

                become_nobody(p);
                CHECK(mkdirat(p->tree, "d", 0700) == 0);
                CHECK(file_create_at(p->tree, "d/f", "", 0, 0600) == 0);
                CHECK(fchmodat(p->tree, "d", 0300, 0) == 0);
                CHECK(tree_copy(p->fd, "tree", p->fd, ".copy", &e) == -EACCES);
                CHECK(streq(e.text, "d: Permission denied"));
                CHECK(fchmodat(p->tree, "d", 0400, 0) == 0);
                CHECK(tree_copy(p->fd, "tree", p->fd, ".copy", &e) == -EACCES);
                CHECK(streq(e.text, "d/f: Permission denied"));
                CHECK(fchmodat(p->tree, "d", 0700, 0) == 0);
                CHECK(tree_copy(p->fd, "tree", p->fd, ".copy", &e) == 0);
                CHECK(exists(p->fd, ".copy/d/f"));
                _exit(0);
        }
        assert_int_equal(wait_for(pid), 0);
}

static void test_copy_xattrs(void **state) {
        Place *p = *state;
        char value[16] = "";
        int fd;

        make_file(p->tree, "f", "");
        fd = openat(p->tree, "f", O_RDONLY | O_CLOEXEC);
        if (fsetxattr(fd, "user.note", "mine", 4, 0) < 0) {
                close(fd);
                skip();
        }
        close(fd);
        copy(p);
        fd = openat(p->fd, ".copy/f", O_RDONLY | O_CLOEXEC);
        assert_int_equal(fgetxattr(fd, "user.note", value, sizeof(value)), 4);
        assert_string_equal(value, "mine");
        close(fd);
}

/* To another file system, if there is one at hand. */
static void test_copy_elsewhere(void **state) {
        Place *p = *state;
        char there[] = "/dev/shm/flowcron-tree-XXXXXX";
        Error e = { "" };
        int fd;

        if (!mkdtemp(there))
                skip();
        fd = dir_open_path(there);
        make_file(p->tree, "f", "text");
        close(make_deep(p->tree, "d", 30));
        if (tree_copy(p->fd, "tree", fd, ".copy", &e) < 0)
                fail_msg("%s", e.text);
        assert_content(fd, ".copy/f", "text");
        assert_true(exists(fd, ".copy/d/d/d/d/d/f"));
        close(fd);
        assert_int_equal(tree_remove(AT_FDCWD, there), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, place_setup, place_teardown)

int main(void) {
        static const struct CMUnitTest tests[] = {
                TEST(test_copy),
                TEST(test_copy_drops_set_uid),
                TEST(test_copy_holes),
                TEST(test_copy_large),
                TEST(test_copy_deep),
                TEST(test_copy_resumes),
                TEST(test_copy_survives_kills),
                TEST(test_copy_over_traps),
                TEST(test_copy_tells_what_failed),
                TEST(test_copy_unreadable),
                TEST(test_copy_xattrs),
                TEST(test_copy_elsewhere),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
