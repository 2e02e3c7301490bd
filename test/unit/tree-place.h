/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A place in /tmp for each test about trees: `tree` to work on, `outside` that nothing may touch. */

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "fileio.h"

/* For children, in which cmocka's assertions would jump back into the parent's run. */
#define CHECK(x)                                                                          \
        do {                                                                              \
                if (!(x)) {                                                               \
                        fprintf(stderr, "line %d: %s (errno %d)\n", __LINE__, #x, errno); \
                        _exit(1);                                                         \
                }                                                                         \
        } while (0)

/* What a child exits with where the system does not let it try. */
#define EXIT_NOT_HERE 77

typedef struct Place {
        char path[64];
        int fd, tree, outside;
        pid_t helper; /* a child that runs until the test is over; 0: none */
} Place;

static inline int place_setup(void **state) {
        Place *p = calloc(1, sizeof(*p));

        if (!p)
                return -1;
        strcpy(p->path, "/tmp/flowcron-tree-XXXXXX");
        if (!mkdtemp(p->path))
                return -1;
        umask(022);
        p->fd = dir_open_path(p->path);
        if (mkdirat(p->fd, "tree", 0700) < 0 || mkdirat(p->fd, "outside", 0700) < 0)
                return -1;
        p->tree = dir_open_at(p->fd, "tree");
        p->outside = dir_open_at(p->fd, "outside");
        *state = p;
        return file_create_at(p->outside, "dear", "dear", 4, 0600);
}

static inline void stop_helper(Place *p) {
        if (p->helper > 0) {
                kill(p->helper, SIGKILL);
                waitpid(p->helper, NULL, 0);
        }
        p->helper = 0;
}

static inline int place_teardown(void **state) {
        Place *p = *state;
        int r;

        stop_helper(p);
        r = tree_remove(AT_FDCWD, p->path);
        safe_close(p->fd);
        safe_close(p->tree);
        safe_close(p->outside);
        free(p);
        return r;
}

static inline void assert_outside_untouched(const Place *p) {
        _cleanup_free_ char *text = NULL;

        assert_int_equal(file_read_at(p->outside, "dear", 10, &text, NULL), 0);
        assert_string_equal(text, "dear");
}

static inline void make_dir(int fd, const char *name) {
        assert_int_equal(mkdirat(fd, name, 0755), 0);
}

static inline void make_file(int fd, const char *name, const char *text) {
        int f = openat(fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        assert_true(f >= 0);
        assert_int_equal(fd_write_all(f, text, strlen(text)), 0);
        close(f);
}

/* @n folders of the name @name, each in the one before and with a file "f"; returns the deepest. */
static inline int make_deep(int fd, const char *name, unsigned n) {
        int at = dup(fd);

        for (unsigned i = 0; i < n; i++) {
                int next;

                make_dir(at, name);
                next = dir_open_at(at, name);
                assert_true(next >= 0);
                make_file(next, "f", "x");
                close(at);
                at = next;
        }
        return at;
}

static inline bool exists(int fd, const char *name) {
        struct stat st;

        return fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The exit status of a child. */
static inline int wait_for(pid_t pid) {
        int status;

        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

/* Somebody without rights on what belongs to root; "nobody" nearly everywhere. */
#define NOBODY 65534

/* Become somebody who is not above permissions, and own the tree. */
static inline void become_nobody(const Place *p) {
        if (geteuid() != 0)
                return;
        CHECK(fchmod(p->fd, 0777) == 0);
        CHECK(fchown(p->tree, NOBODY, NOBODY) == 0);
        CHECK(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
}
