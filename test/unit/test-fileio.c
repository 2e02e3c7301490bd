/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Files that are replaced whole, moves that never overwrite, and everything that may lie in the way:
 * links, FIFOs, hard links, folders, names at the limit.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "fileio.h"
#include "text.h"

typedef struct Place {
        char path[64];
        int fd;
} Place;

static int place_setup(void **state) {
        Place *p = calloc(1, sizeof(*p));

        if (!p)
                return -1;
        strcpy(p->path, "/tmp/flowcron-fileio-XXXXXX");
        if (!mkdtemp(p->path))
                return -1;
        p->fd = dir_open_path(p->path);
        umask(077);
        *state = p;
        return p->fd < 0 ? -1 : 0;
}

static int place_teardown(void **state) {
        Place *p = *state;
        int r = tree_remove(AT_FDCWD, p->path);

        safe_close(p->fd);
        free(p);
        return r;
}

static void put(int fd, const char *name, const char *text) {
        assert_int_equal(file_create_at(fd, name, text, strlen(text), 0644), 0);
}

static void assert_content(int fd, const char *name, const char *expected) {
        _cleanup_free_ char *text = NULL;

        assert_int_equal(file_read_at(fd, name, 1 << 20, &text, NULL), 0);
        assert_string_equal(text, expected);
}

static mode_t mode_of(int fd, const char *name) {
        struct stat st;

        assert_int_equal(fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
        return st.st_mode & 07777;
}

static unsigned count(int fd) {
        _cleanup_closedir_ DIR *d = fdopendir(openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        unsigned n = 0;

        assert_non_null(d);
        while (readdir(d))
                n++;
        return n - 2;
}

static void test_read(void **state) {
        Place *p = *state;
        _cleanup_free_ char *text = NULL;
        char big[9000];
        size_t size;

        memset(big, 'x', sizeof(big));
        big[17] = 0;
        assert_int_equal(file_create_at(p->fd, "big", big, sizeof(big), 0600), 0);
        assert_int_equal(file_read_at(p->fd, "big", sizeof(big), &text, &size), 0);
        assert_int_equal(size, sizeof(big));
        assert_memory_equal(text, big, size);
        assert_int_equal(text[size], 0);
        put(p->fd, "empty", "");
        assert_content(p->fd, "empty", "");
}

static void test_read_refuses(void **state) {
        Place *p = *state;
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        char *text = NULL;
        int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        put(p->fd, "file", "12345");
        snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/socket", p->path);
        assert_int_equal(bind(s, (struct sockaddr *)&sa, sizeof(sa)), 0);
        close(s);
        assert_int_equal(symlinkat("file", p->fd, "link"), 0);
        assert_int_equal(mkfifoat(p->fd, "fifo", 0600), 0);
        assert_int_equal(mkdirat(p->fd, "dir", 0700), 0);
        assert_int_equal(file_read_at(p->fd, "file", 4, &text, NULL), -EFBIG);
        assert_int_equal(file_read_at(p->fd, "link", 10, &text, NULL), -ELOOP);
        assert_int_equal(file_read_at(p->fd, "fifo", 10, &text, NULL), -EINVAL);
        assert_int_equal(file_read_at(p->fd, "dir", 10, &text, NULL), -EINVAL);
        assert_int_equal(file_read_at(p->fd, "socket", 10, &text, NULL), -EINVAL);
        assert_int_equal(file_read_at(p->fd, "none", 10, &text, NULL), -ENOENT);
        /* No size to go by. */
        assert_int_equal(file_read_at(AT_FDCWD, "/proc/self/status", 10, &text, NULL), -EFBIG);
        assert_null(text);
}

static void test_replace(void **state) {
        Place *p = *state;

        assert_int_equal(file_replace_at(p->fd, "f", "one", 3, 0664), 0);
        assert_content(p->fd, "f", "one");
        assert_int_equal(mode_of(p->fd, "f"), 0664);
        assert_int_equal(file_replace_nosync_at(p->fd, "f", "", 0, 0400), 0);
        assert_content(p->fd, "f", "");
        assert_int_equal(mode_of(p->fd, "f"), 0400);
        assert_int_equal(count(p->fd), 1);
        assert_int_equal(file_replace_at(p->fd, "a/b", "x", 1, 0600), -EINVAL);
        assert_int_equal(file_replace_at(p->fd, "", "x", 1, 0600), -EINVAL);
        assert_int_equal(mkdirat(p->fd, "dir", 0700), 0);
        assert_int_equal(file_replace_at(p->fd, "dir", "x", 1, 0600), -EISDIR);
        assert_int_equal(count(p->fd), 2);
}

/* A link or hard link under the name of the temporary file is not written through, a FIFO not waited for. */
static void test_replace_with_traps(void **state) {
        Place *p = *state;

        put(p->fd, "dear", "dear");
        assert_int_equal(symlinkat("dear", p->fd, ".a.tmp"), 0);
        assert_int_equal(linkat(p->fd, "dear", p->fd, ".b.tmp", 0), 0);
        assert_int_equal(mkfifoat(p->fd, ".c.tmp", 0600), 0);
        assert_int_equal(mkdirat(p->fd, ".d.tmp", 0700), 0);
        put(p->fd, ".e.tmp", "torn");
        for (char name[] = "a"; *name < 'f'; (*name)++) {
                assert_int_equal(file_replace_at(p->fd, name, "new", 3, 0600), 0);
                assert_content(p->fd, name, "new");
        }
        assert_content(p->fd, "dear", "dear");
        /* The folder stays as it was, all else is gone. */
        assert_int_equal(dir_is_empty(p->fd, ".d.tmp"), 1);
        assert_int_equal(count(p->fd), 1 + 5 + 1);
        /* What is replaced may be a link itself. */
        assert_int_equal(symlinkat("dear", p->fd, "link"), 0);
        assert_int_equal(file_replace_at(p->fd, "link", "new", 3, 0600), 0);
        assert_content(p->fd, "dear", "dear");
        assert_content(p->fd, "link", "new");
}

static void test_replace_odd_names(void **state) {
        Place *p = *state;
        char longest[NAME_MAX + 1], other[NAME_MAX + 1];

        memset(longest, 'n', NAME_MAX);
        longest[NAME_MAX] = 0;
        memcpy(other, longest, sizeof(other));
        other[NAME_MAX - 1] = 'm';
        assert_int_equal(file_replace_at(p->fd, longest, "1", 1, 0600), 0);
        assert_int_equal(file_replace_at(p->fd, other, "2", 1, 0600), 0);
        assert_int_equal(file_replace_at(p->fd, "-n\n'\"%s \xff", "3", 1, 0600), 0);
        assert_content(p->fd, longest, "1");
        assert_content(p->fd, other, "2");
        assert_content(p->fd, "-n\n'\"%s \xff", "3");
        assert_int_equal(count(p->fd), 3);
}

static void test_create(void **state) {
        Place *p = *state;

        assert_int_equal(file_create_at(p->fd, "f", "one", 3, 0640), 0);
        assert_int_equal(mode_of(p->fd, "f"), 0640);
        assert_int_equal(file_create_at(p->fd, "f", "two", 3, 0640), -EEXIST);
        assert_int_equal(symlinkat("nowhere", p->fd, "link"), 0);
        assert_int_equal(file_create_at(p->fd, "link", "two", 3, 0640), -EEXIST);
        assert_content(p->fd, "f", "one");
}

static void test_dir_open(void **state) {
        Place *p = *state;
        int fd;

        assert_int_equal(mkdirat(p->fd, "dir", 0700), 0);
        assert_int_equal(mkfifoat(p->fd, "fifo", 0600), 0);
        assert_int_equal(symlinkat("dir", p->fd, "link"), 0);
        fd = dir_open_at(p->fd, "dir");
        assert_true(fd >= 0);
        close(fd);
        fd = dir_open_at(p->fd, "link");
        assert_true(fd == -ENOTDIR || fd == -ELOOP);
        assert_int_equal(dir_open_at(p->fd, "fifo"), -ENOTDIR);
        assert_int_equal(dir_open_at(p->fd, "none"), -ENOENT);
        assert_int_equal(dir_is_empty(p->fd, "dir"), 1);
        assert_int_equal(dir_is_empty(p->fd, "."), 0);
        assert_int_equal(dir_is_empty(p->fd, "none"), -ENOENT);
        assert_int_equal(dir_sync(p->fd), 0);
}

static void test_make_path(void **state) {
        Place *p = *state;
        char path[200];

        snprintf(path, sizeof(path), "%s/a/b//c/", p->path);
        assert_int_equal(dir_make_path(path, 02770), 0);
        assert_int_equal(dir_make_path(path, 0700), 0);
        assert_int_equal(mode_of(p->fd, "a/b/c"), 02770);
        assert_int_equal(mode_of(p->fd, "a"), 02770);
        snprintf(path, sizeof(path), "%s/a/d", p->path);
        assert_int_equal(dir_make_path(path, 0750), 0);
        assert_int_equal(mode_of(p->fd, "a/d"), 02750);
        put(p->fd, "file", "");
        snprintf(path, sizeof(path), "%s/file", p->path);
        assert_int_equal(dir_make_path(path, 0700), -ENOTDIR);
        snprintf(path, sizeof(path), "%s/file/x", p->path);
        assert_int_equal(dir_make_path(path, 0700), -ENOTDIR);
        assert_int_equal(dir_make_path("relative", 0700), -EINVAL);
        /* There, and in a file system that takes no new folders. */
        assert_int_equal(dir_make_path("/proc/self", 0700), 0);
}

static void check_moves(int fd) {
        assert_int_equal(mkdirat(fd, "from", 0700), 0);
        assert_int_equal(mkdirat(fd, "empty", 0700), 0);
        assert_int_equal(symlinkat("nowhere", fd, "broken"), 0);
        put(fd, "file", "file");
        put(fd, "other", "other");
        assert_int_equal(move_at(fd, "from", fd, "empty"), -EEXIST);
        assert_int_equal(move_at(fd, "from", fd, "broken"), -EEXIST);
        assert_int_equal(move_at(fd, "file", fd, "other"), -EEXIST);
        assert_int_equal(move_at(fd, "none", fd, "new"), -ENOENT);
        assert_int_equal(move_at(fd, "from", fd, "from/below"), -EINVAL);
        assert_int_equal(move_at(fd, "from", fd, "to -n\xff"), 0);
        assert_int_equal(dir_is_empty(fd, "to -n\xff"), 1);
        assert_int_equal(dir_is_empty(fd, "from"), -ENOENT);
        assert_int_equal(move_at(fd, "broken", fd, "link"), 0);
        assert_content(fd, "other", "other");
        assert_content(fd, "file", "file");
}

static void test_move(void **state) {
        check_moves(((Place *)*state)->fd);
}

/* From here on renameat2() with flags fails as it does on NFS. False where filters can't be had. */
static bool forbid_renameat2(void) {
        struct sock_filter code[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_renameat2, 0, 3),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[4])),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = { .len = ELEMENTSOF(code), .filter = code };

        return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
                prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static void test_move_without_renameat2(void **state) {
        Place *p = *state;
        int status;
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                /* cmocka's assertions would jump back into the parent's run. */
                struct stat st;
                bool ok;

                if (!forbid_renameat2())
                        _exit(77);
                ok = renameat2(p->fd, "x", p->fd, "y", RENAME_NOREPLACE) < 0 && errno == EINVAL;
                ok = ok && mkdirat(p->fd, "from", 0700) == 0 && mkdirat(p->fd, "empty", 0700) == 0;
                ok = ok && symlinkat("nowhere", p->fd, "broken") == 0;
                ok = ok && move_at(p->fd, "from", p->fd, "empty") == -EEXIST;
                ok = ok && move_at(p->fd, "from", p->fd, "broken") == -EEXIST;
                ok = ok && move_at(p->fd, "from", p->fd, "from/below") == -EINVAL;
                ok = ok && move_at(p->fd, "none", p->fd, "new") == -ENOENT;
                ok = ok && move_at(p->fd, "from", p->fd, "to") == 0;
                ok = ok && fstatat(p->fd, "to", &st, 0) == 0 && fstatat(p->fd, "from", &st, 0) < 0;
                _exit(ok ? 0 : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == 77)
                skip();
        assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_write_all(void **state) {
        int fds[2];
        pid_t pid;
        _cleanup_free_ char *sent = malloc(1 << 20), *got = NULL;
        size_t size;
        int status;

        (void)state;
        memset(sent, 'w', 1 << 20);
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                close(fds[0]);
                _exit(fd_write_all(fds[1], sent, 1 << 20) == 0 ? 0 : 1);
        }
        close(fds[1]);
        assert_int_equal(fd_read_all(fds[0], 1 << 20, &got, &size), 0);
        assert_int_equal(size, 1 << 20);
        assert_memory_equal(got, sent, size);
        close(fds[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        assert_int_equal(fd_write_all(-1, "x", 1), -EBADF);
        assert_int_equal(fd_write_all(-1, "x", 0), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, place_setup, place_teardown)

int main(void) {
        static const struct CMUnitTest tests[] = {
                TEST(test_read),
                TEST(test_read_refuses),
                TEST(test_replace),
                TEST(test_replace_with_traps),
                TEST(test_replace_odd_names),
                TEST(test_create),
                TEST(test_dir_open),
                TEST(test_make_path),
                TEST(test_move),
                TEST(test_move_without_renameat2),
                TEST(test_write_all),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
