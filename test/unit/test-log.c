/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The daily log: where lines go, what a hostile name may do to them (nothing), and what is cleared away.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "fileio.h"
#include "log.h"
#include "text.h"

#define ID "7c1d9f8e-4a2b-4c3d-8e5f-0123456789ab"

typedef struct Fixture {
        char path[64];
        int dir;
        int saved, said; /* standard error, and the file that stands in for it */
} Fixture;

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        unsetenv("JOURNAL_STREAM");
        strcpy(f->path, "/tmp/flowcron-log-XXXXXX");
        assert_non_null(mkdtemp(f->path));
        f->dir = dir_open_path(f->path);
        f->saved = dup(STDERR_FILENO);
        f->said = openat(f->dir, ".", O_TMPFILE | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
        assert_true(f->said >= 0);
        dup2(f->said, STDERR_FILENO);
        assert_int_equal(log_open("test", f->dir), 0);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        log_close();
        dup2(f->saved, STDERR_FILENO);
        close(f->saved);
        close(f->said);
        close(f->dir);
        assert_int_equal(tree_remove(AT_FDCWD, f->path), 0);
        free(f);
        return 0;
}

static void daily_name(char name[static 64], int days_ago) {
        time_t t = (time_t)(clock_now() / USEC_PER_SEC) - days_ago * (time_t)86400;
        struct tm tm;

        localtime_r(&t, &tm);
        assert_true(strftime(name, 64, "%Y-%m-%d_flowcron.log", &tm) > 0);
}

/* Today's; should midnight have passed just now, it is tried as yesterday's. */
static char *daily(const Fixture *f) {
        char name[64], *text = NULL;

        daily_name(name, 0);
        if (file_read_at(f->dir, name, 1 << 20, &text, NULL) == -ENOENT) {
                daily_name(name, 1);
                if (file_read_at(f->dir, name, 1 << 20, &text, NULL) < 0)
                        return strdup("");
        }
        return text;
}

static char *standard_error(const Fixture *f) {
        char *text = NULL;

        assert_int_equal(lseek(f->said, 0, SEEK_SET), 0);
        assert_int_equal(fd_read_all(f->said, 1 << 20, &text, NULL), 0);
        return text;
}

static size_t lines(const char *text) {
        size_t n = 0;

        for (; *text; text++)
                n += *text == '\n';
        return n;
}

static bool is_there(const Fixture *f, const char *name) {
        struct stat st;

        return fstatat(f->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void put(const Fixture *f, const char *name) {
        assert_int_equal(file_create_at(f->dir, name, "x", 1, 0600), 0);
}

static void test_both_places(void **state) {
        Fixture *f = *state;
        _cleanup_free_ char *text = NULL, *said = NULL;

        log_notice("it is %d", 17);
        log_debug("nobody wants to know");
        text = daily(f);
        said = standard_error(f);
        assert_int_equal(lines(text), 1);
        assert_non_null(strstr(text, " notice: it is 17\n"));
        assert_string_equal(said, "flowcrond[test]: notice: it is 17\n");
}

static void test_keeps_errno(void **state) {
        (void)state;
        errno = EXDEV;
        log_warning("%m");
        assert_int_equal(errno, EXDEV);
}

/* A name can't begin a line, nor move the cursor. */
static void test_hostile_name(void **state) {
        Fixture *f = *state;
        _cleanup_free_ char *text = NULL;
        Uow *u = uow_new(ID);

        assert_int_equal(strdup_to(&u->folder, "x\n2026-01-01 error: forged\x1b[2J\xff%n%s"), 0);
        log_uow(LOG_INFO, u, NULL, "%s", "first\nsecond\r\x07");
        text = daily(f);
        assert_int_equal(lines(text), 1);
        assert_null(strchr(text, 0x1b));
        assert_null(strchr(text, '\r'));
        assert_true(utf8_valid(text));
        assert_non_null(strstr(text, "%n%s: first"));
        uow_free(u);
}

static void test_every_event_has_words(void **state) {
        Fixture *f = *state;
        _cleanup_free_ char *text = NULL;
        Uow *u = uow_new(ID);
        Event bare = { .attempt = 1 };

        assert_int_equal(strdup_to(&u->folder, "u"), 0);
        for (int t = 0; t < _EVENT_TYPE_MAX; t++) {
                bare.type = (EventType)t; /* without any of its data */
                log_event(u, &bare);
        }
        text = daily(f);
        assert_int_equal(lines(text), _EVENT_TYPE_MAX);
        assert_null(strstr(text, "(null)"));
        uow_free(u);
}

static void test_rotation(void **state) {
        Fixture *f = *state;
        static const char *const others[] = { "2001-01-01_flowcron.log.gz", "notes",
                "2001-01-01.log", "2001-1-1_flowcron.log", "2001-13-01_flowcron.log" };
        char six[64], eight[64];

        daily_name(six, 6);
        daily_name(eight, 8);
        put(f, six);
        put(f, eight);
        put(f, "2001-01-01_flowcron.log");
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                put(f, others[i]);
        log_notice("today");
        log_rotate(0);
        assert_true(is_there(f, eight));
        log_rotate(200 * 365 * USEC_PER_DAY); /* longer than there are times */
        assert_true(is_there(f, "2001-01-01_flowcron.log"));
        log_rotate(7 * USEC_PER_DAY);
        assert_true(is_there(f, six));
        assert_false(is_there(f, eight));
        assert_false(is_there(f, "2001-01-01_flowcron.log"));
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                assert_true(is_there(f, others[i]));
}

/* Somebody cleared the folder: what follows is not written into nothing. */
static void test_removed(void **state) {
        Fixture *f = *state;
        _cleanup_free_ char *text = NULL;
        char name[64];

        log_notice("one");
        daily_name(name, 0);
        assert_int_equal(unlinkat(f->dir, name, 0), 0);
        log_notice("two");
        text = daily(f);
        assert_int_equal(lines(text), 1);
        assert_non_null(strstr(text, "two"));
}

/* The group may write to the folder: what lies under the name of the day is not trusted. */
static void trap(Fixture *f, const char *what) {
        _cleanup_free_ char *said = NULL, *victim = NULL;
        char name[64];

        daily_name(name, 0);
        put(f, "victim");
        if (streq(what, "link"))
                assert_int_equal(symlinkat("victim", f->dir, name), 0);
        else if (streq(what, "hard link"))
                assert_int_equal(linkat(f->dir, "victim", f->dir, name, 0), 0);
        else if (streq(what, "folder"))
                assert_int_equal(mkdirat(f->dir, name, 0700), 0);
        else
                assert_int_equal(mkfifoat(f->dir, name, 0600), 0);
        log_notice("one");
        log_notice("two");
        said = standard_error(f);
        assert_int_equal(lines(said), 3); /* both, and once that the file can't be written */
        assert_non_null(strstr(said, "daily log"));
        assert_int_equal(file_read_at(f->dir, "victim", 100, &victim, NULL), 0);
        assert_string_equal(victim, "x");
}

static void test_symlink(void **state) {
        trap(*state, "link");
}

static void test_hard_link(void **state) {
        trap(*state, "hard link");
}

static void test_folder(void **state) {
        trap(*state, "folder");
}

static void test_fifo(void **state) {
        trap(*state, "fifo");
}

static void test_without_a_folder(void **state) {
        Fixture *f = *state;
        _cleanup_free_ char *text = NULL, *said = NULL;

        assert_int_equal(log_open("test", -1), 0);
        log_error("early");
        log_rotate(USEC_PER_DAY);
        said = standard_error(f);
        text = daily(f);
        assert_string_equal(said, "flowcrond[test]: error: early\n");
        assert_string_equal(text, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_both_places),
                TEST(test_keeps_errno),
                TEST(test_hostile_name),
                TEST(test_every_event_has_words),
                TEST(test_rotation),
                TEST(test_removed),
                TEST(test_symlink),
                TEST(test_hard_link),
                TEST(test_folder),
                TEST(test_fifo),
                TEST(test_without_a_folder),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
