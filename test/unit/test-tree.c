/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Walks in trees made to mislead them: links to everywhere, folders that are swapped or moved away
 * in mid-walk, depth, width, missing permissions. Nothing outside is ever shown.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "text.h"
#include "tree-place.h"

/* What a walk showed, one "kind path" a line. */
typedef struct Seen {
        char text[4096];
        size_t n, posts;
        unsigned depth_max;
        int fd_max;
        int error;
        Place *place;
} Seen;

static int note(const WalkEntry *e, void *userdata) {
        Seen *s = userdata;

        s->n++;
        s->posts += e->post;
        s->depth_max = e->depth > s->depth_max ? e->depth : s->depth_max;
        s->fd_max = e->dirfd > s->fd_max ? e->dirfd : s->fd_max;
        if (e->error < 0)
                s->error = e->error;
        assert_true(e->depth == 0 ||
                streq(e->name, strrchr(e->path, '/') ? strrchr(e->path, '/') + 1 : e->path));
        return 0;
}

static int compare(const void *a, const void *b) {
        return strcmp(*(char *const *)a, *(char *const *)b);
}

/* As note(), with a line for each entry; the order among siblings is the file system's, so lines are sorted at the end. */
static int write_down(const WalkEntry *e, void *userdata) {
        Seen *s = userdata;
        size_t n = strlen(s->text);
        char kind = S_ISDIR(e->st.st_mode) ? 'd'
                : S_ISLNK(e->st.st_mode)   ? 'l'
                : S_ISREG(e->st.st_mode)   ? 'f'
                                           : '?';

        snprintf(s->text + n, sizeof(s->text) - n, "%c%s %s\n", kind, e->post ? "<" : ">", e->path);
        return note(e, userdata);
}

static void assert_seen(Seen *s, const char *expected) {
        char *lines[64], *save = NULL, text[sizeof(s->text)] = "";
        size_t n = 0;

        for (char *l = strtok_r(s->text, "\n", &save); l && n < 64; l = strtok_r(NULL, "\n", &save))
                lines[n++] = l;
        qsort(lines, n, sizeof(*lines), compare);
        for (size_t i = 0; i < n; i++) {
                strcat(text, lines[i]);
                strcat(text, "\n");
        }
        assert_string_equal(text, expected);
}

static void test_walk(void **state) {
        Place *p = *state;
        Seen s = { .n = 0 };
        int fd;

        make_dir(p->tree, "a");
        fd = dir_open_at(p->tree, "a");
        make_dir(fd, "-b \xff");
        make_file(fd, "x\\'\"%s", "");
        close(fd);
        assert_int_equal(mkfifoat(p->tree, "fifo", 0600), 0);
        assert_int_equal(symlinkat("/", p->tree, "root"), 0);
        assert_int_equal(symlinkat("../outside", p->tree, "out"), 0);
        assert_int_equal(symlinkat(".", p->tree, "loop"), 0);
        assert_int_equal(symlinkat("nowhere", p->tree, "broken"), 0);
        assert_int_equal(tree_walk(p->fd, "tree", write_down, &s), 0);
        assert_seen(&s,
                "?> fifo\nd< \nd< a\nd< a/-b \xff\nd> \nd> a\nd> a/-b \xff\nf> a/x\\'\"%s\n"
                "l> broken\nl> loop\nl> out\nl> root\n");
        assert_int_equal(s.error, 0);
        s = (Seen){ .n = 0 };
        assert_int_equal(tree_walk_names(p->fd, "tree", note, &s), 0);
        assert_int_equal(s.n, 12);
}

static void test_walk_root(void **state) {
        Place *p = *state;
        Seen s = { .n = 0 };

        make_file(p->fd, "file", "");
        assert_int_equal(symlinkat("outside", p->fd, "link"), 0);
        assert_int_equal(mkfifoat(p->fd, "fifo", 0600), 0);
        assert_int_equal(tree_walk(p->fd, "file", note, &s), -ENOTDIR);
        assert_int_equal(tree_walk(p->fd, "link", note, &s), -ENOTDIR);
        assert_int_equal(tree_walk(p->fd, "fifo", note, &s), -ENOTDIR);
        assert_int_equal(tree_walk(p->fd, "none", note, &s), -ENOENT);
        assert_int_equal(s.n, 0);
}

/* Parents come before and after what they hold, and each folder twice. */
static int check_order(const WalkEntry *e, void *userdata) {
        unsigned *depth = userdata;

        if (!S_ISDIR(e->st.st_mode))
                assert_int_equal(e->depth, *depth);
        else if (e->post)
                assert_int_equal(e->depth, --*depth);
        else
                assert_int_equal(e->depth, (*depth)++);
        return 0;
}

static void test_walk_order(void **state) {
        Place *p = *state;
        unsigned depth = 0;

        close(make_deep(p->tree, "a", 20));
        close(make_deep(p->tree, "b", 40));
        close(make_deep(p->tree, "c", 1));
        assert_int_equal(tree_walk(p->fd, "tree", check_order, &depth), 0);
        assert_int_equal(depth, 0);
}

static int skip_a(const WalkEntry *e, void *userdata) {
        note(e, userdata);
        if (streq(e->path, "stop"))
                return -ECANCELED;
        return streq(e->path, "a") ? WALK_SKIP : 0;
}

static void test_walk_skip_and_stop(void **state) {
        Place *p = *state;
        Seen s = { .n = 0 };

        close(make_deep(p->tree, "a", 3));
        assert_int_equal(tree_walk(p->fd, "tree", skip_a, &s), 0);
        assert_int_equal(s.n, 3);
        make_file(p->tree, "stop", "");
        assert_int_equal(tree_walk(p->fd, "tree", skip_a, &s), -ECANCELED);
}

static void test_deep(void **state) {
        enum {
                DEPTH = 2000
        };
        Place *p = *state;
        Seen s = { .n = 0 };
        int lowest = dup(p->fd);
        char name[100];

        memset(name, 'd', sizeof(name) - 1);
        name[sizeof(name) - 1] = 0;
        close(lowest);
        close(make_deep(p->tree, name, DEPTH));
        assert_int_equal(tree_walk(p->fd, "tree", note, &s), 0);
        assert_int_equal(s.depth_max, DEPTH + 1);
        assert_int_equal(s.n, 2 * (DEPTH + 1) + DEPTH);
        assert_int_equal(s.posts, DEPTH + 1);
        assert_int_equal(s.error, 0);
        assert_true(s.fd_max < lowest + 20);
        assert_int_equal(tree_remove(p->fd, "tree"), 0);
        assert_false(exists(p->fd, "tree"));
}

static void test_wide(void **state) {
        enum {
                WIDTH = 100000
        };
        Place *p = *state;
        Seen s = { .n = 0 };

        for (unsigned i = 0; i < WIDTH; i++) {
                char name[16];

                snprintf(name, sizeof(name), "%u", i);
                assert_int_equal(mknodat(p->tree, name, S_IFREG | 0600, 0), 0);
        }
        assert_int_equal(tree_walk(p->fd, "tree", note, &s), 0);
        assert_int_equal(s.n, WIDTH + 2);
        assert_int_equal(tree_remove(p->fd, "tree"), 0);
        assert_false(exists(p->fd, "tree"));
}

/* Replace each file by another, as filing a result does with links. */
static int replace_files(const WalkEntry *e, void *userdata) {
        if (S_ISREG(e->st.st_mode))
                assert_int_equal(file_replace_nosync_at(e->dirfd, e->name, "other", 5, 0600), 0);
        return note(e, userdata);
}

static void test_walk_sees_what_was_there(void **state) {
        Place *p = *state;
        Seen s = { .n = 0 };

        for (char name[] = "a"; *name <= 'z'; (*name)++)
                make_file(p->tree, name, "one");
        assert_int_equal(tree_walk(p->fd, "tree", replace_files, &s), 0);
        assert_int_equal(s.n, 26 + 2);
}

/* Swap the folder "a" for something else between the look and the entering. */
static int swap_for_link(const WalkEntry *e, void *userdata) {
        Seen *s = userdata;

        if (streq(e->path, "a") && !e->post) {
                assert_int_equal(renameat(e->dirfd, "a", e->dirfd, "moved"), 0);
                assert_int_equal(symlinkat(s->place->path, e->dirfd, "a"), 0);
        }
        assert_null(strstr(e->path, "dear"));
        return note(e, userdata);
}

static int swap_for_folder(const WalkEntry *e, void *userdata) {
        Seen *s = userdata;

        if (streq(e->path, "a") && !e->post)
                assert_int_equal(
                        renameat2(e->dirfd, "a", s->place->fd, "outside", RENAME_EXCHANGE), 0);
        assert_null(strstr(e->path, "dear"));
        return note(e, userdata);
}

static void test_walk_swapped_before_entering(void **state) {
        Place *p = *state;
        Seen s = { .place = p };

        make_dir(p->tree, "a");
        assert_int_equal(tree_walk(p->fd, "tree", swap_for_link, &s), 0);
        assert_true(s.error == -ENOTDIR || s.error == -ELOOP);
        assert_int_equal(s.n, 4);
        assert_int_equal(unlinkat(p->tree, "a", 0), 0);
        assert_int_equal(renameat(p->tree, "moved", p->tree, "a"), 0);
        s = (Seen){ .place = p };
        assert_int_equal(tree_walk(p->fd, "tree", swap_for_folder, &s), 0);
        assert_int_equal(s.error, -ESTALE);
        assert_int_equal(s.n, 4);
}

/* At the bottom, move folders far up to the outside: ".." leads there now, and so does the name. */
static int move_away(const WalkEntry *e, void *userdata) {
        Seen *s = userdata;

        if (e->depth == 50 && !e->post && S_ISDIR(e->st.st_mode)) {
                assert_int_equal(
                        renameat(s->place->tree, "d/d/d/d/d/d", s->place->outside, "e"), 0);
                assert_int_equal(renameat(s->place->tree, "d/d/d", s->place->outside, "d"), 0);
                assert_int_equal(symlinkat("../../../outside", s->place->tree, "d/d/d"), 0);
        }
        if (e->error < 0)
                assert_string_equal(e->path, "d/d/d");
        assert_null(strstr(e->path, "dear"));
        return note(e, userdata);
}

static void test_walk_moved_away(void **state) {
        Place *p = *state;
        Seen s = { .place = p };
        int fd;

        close(make_deep(p->tree, "d", 50));
        fd = dir_open_at(p->tree, "d");
        make_file(fd, "z", "");
        close(fd);
        assert_int_equal(tree_walk(p->fd, "tree", move_away, &s), 0);
        assert_int_equal(s.error, -ESTALE);
        /* 51 less those from the sixth, whose way back led astray, up to the third, which was gone. */
        assert_int_equal(s.posts, 51 - 3);
        assert_true(exists(p->outside, "d/d/d/f"));
        assert_outside_untouched(p);
}

/* Move a folder to another place in the tree: its second visit tells, and all is seen. */
static int move_within(const WalkEntry *e, void *userdata) {
        Seen *s = userdata;

        if (e->depth == 50 && !e->post && S_ISDIR(e->st.st_mode))
                assert_int_equal(renameat(s->place->tree, "d/d/d", s->place->tree, "e"), 0);
        assert_int_equal(e->error, e->post && streq(e->path, "d/d/d") ? -ESTALE : 0);
        return note(e, userdata);
}

static void test_walk_moved_within(void **state) {
        Place *p = *state;
        Seen s = { .place = p };

        close(make_deep(p->tree, "d", 50));
        assert_int_equal(tree_walk(p->fd, "tree", move_within, &s), 0);
        assert_int_equal(s.error, -ESTALE);
        assert_int_equal(s.posts, 51);
        assert_int_equal(tree_remove(p->fd, "tree"), 0);
        assert_false(exists(p->fd, "tree"));
}

static int note_errors(const WalkEntry *e, void *userdata) {
        int *errors = userdata;

        if (streq(e->path, "closed"))
                errors[e->post] = e->error;
        if (streq(e->path, "blind/f"))
                errors[2] = e->error;
        return 0;
}

static void test_walk_without_permissions(void **state) {
        Place *p = *state;
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                int errors[3] = { 1, 1, 1 };

                become_nobody(p);
                CHECK(mkdirat(p->tree, "closed", 0) == 0 && mkdirat(p->tree, "blind", 0700) == 0);
                CHECK(file_create_at(p->tree, "blind/f", "", 0, 0600) == 0);
                CHECK(fchmodat(p->tree, "blind", 0400, 0) == 0);
                CHECK(tree_walk(p->fd, "tree", note_errors, errors) == 0);
                CHECK(errors[0] == 0 && errors[1] == -EACCES && errors[2] == -EACCES);
                CHECK(fchmod(p->tree, 0) == 0);
                CHECK(tree_walk(p->fd, "tree", note_errors, errors) == -EACCES);
                _exit(0);
        }
        assert_int_equal(wait_for(pid), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, place_setup, place_teardown)

int main(void) {
        static const struct CMUnitTest tests[] = {
                TEST(test_walk),
                TEST(test_walk_root),
                TEST(test_walk_order),
                TEST(test_walk_skip_and_stop),
                TEST(test_deep),
                TEST(test_wide),
                TEST(test_walk_sees_what_was_there),
                TEST(test_walk_swapped_before_entering),
                TEST(test_walk_moved_away),
                TEST(test_walk_moved_within),
                TEST(test_walk_without_permissions),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
