/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What reaches the screen: nothing of other people's names may steer the terminal, and tables fit. flowcronctl is no library, so its files
 * are taken in whole; its terminal is a pseudo-terminal here.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "../../cli/output.c"
#include "../../cli/table.c"
#include "../../cli/uow-text.c"

/* ---- on a terminal of its own ---- */

typedef struct Screen {
        unsigned short columns;
        const char *locale, *term, *no_color;
} Screen;

static char seen[65536];

/* forkpty() would need a library of its own with older versions of libc. */
static pid_t fork_on_terminal(unsigned short columns, int *ret_fd) {
        const struct winsize size = { .ws_row = 24, .ws_col = columns };
        int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), terminal;
        pid_t pid;

        assert_true(fd >= 0 && grantpt(fd) == 0 && unlockpt(fd) == 0);
        terminal = open(ptsname(fd), O_RDWR | O_NOCTTY | O_CLOEXEC);
        assert_true(terminal >= 0 && ioctl(terminal, TIOCSWINSZ, &size) == 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0 && (dup2(terminal, STDOUT_FILENO) < 0))
                _exit(1);
        close(terminal);
        *ret_fd = fd;
        return pid;
}

/* Runs @draw in a child on a terminal as @s says; what it wrote is in @seen. */
static void on_screen(const Screen *s, void (*draw)(void)) {
        size_t n = 0;
        int fd, status;
        pid_t pid = fork_on_terminal(s->columns, &fd);

        if (pid == 0) {
                setenv("LC_ALL", s->locale ?: "C.UTF-8", 1);
                setenv("TERM", s->term ?: "xterm", 1);
                if (s->no_color)
                        setenv("NO_COLOR", s->no_color, 1);
                else
                        unsetenv("NO_COLOR");
                out_init();
                draw();
                fflush(stdout);
                _exit(0);
        }
        for (;;) {
                ssize_t r = read(fd, seen + n, sizeof(seen) - 1 - n);

                if (r <= 0)
                        break;
                n += (size_t)r;
        }
        seen[n] = 0;
        close(fd);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* The width of each line, without escape sequences. */
static size_t widest(void) {
        size_t most = 0, line = 0;
        const char *p = seen;

        while (*p) {
                size_t n = 1;
                char one[5] = "";

                if (*p == '\x1b') {
                        p += strcspn(p, "mhlJKH") + 1;
                        continue;
                }
                if (*p == '\r' || *p == '\n') {
                        line = 0;
                        p++;
                        continue;
                }
                decode(p, &n);
                memcpy(one, p, n);
                line += utf8_width(one);
                most = line > most ? line : most;
                p += n;
        }
        return most;
}

/* ---- text ---- */

static void test_text_is_harmless(void **state) {
        static const char *const names[] = { "\x1b[2J", "a\nb",
                "\x9b"
                "31m",
                "\xe2\x80\xae"
                "txt",
                "\a", "\x7f", "\xff\xfe", "\r" };

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                _cleanup_free_ char *text = out_text(names[i], SIZE_MAX);

                assert_non_null(text);
                for (const unsigned char *p = (const unsigned char *)text; *p; p++)
                        assert_true(*p >= 0x20 && *p != 0x7f);
                assert_true(utf8_valid(text));
                assert_null(strstr(text, "\xe2\x80\xae"));
        }
}

/* A table makes cells printable, and cuts them when they are drawn: twice must be as good as once. */
static void test_text_twice_is_text_once(void **state) {
        _cleanup_free_ char *once = out_text("a\x1b[0m\xff\\x1b\nb", SIZE_MAX),
                            *twice = out_text(once, SIZE_MAX);

        (void)state;
        assert_string_equal(once, twice);
}

static void test_cut_to_width(void **state) {
        static const char name[] = "数据-細胞-e\xcc\x81tude-🧪-plain";

        (void)state;
        out.utf8 = true;
        for (size_t width = 0; width < 40; width++) {
                _cleanup_free_ char *text = out_text(name, width);

                assert_true(utf8_valid(text));
                assert_true(utf8_width(text) <= width);
        }
        out.utf8 = false;
        for (size_t width = 0; width < 90; width++) {
                _cleanup_free_ char *text = out_text(name, width);

                assert_true(strlen(text) <= width);
                for (const char *p = text; *p; p++)
                        assert_true((unsigned char)*p < 0x80);
        }
}

/* ---- tables ---- */

static void draw_table(void) {
        _cleanup_(table_freep) Table *t = uow_table();
        static const char *const uows[] = {
                "{\"id\":\"1\",\"name\":\"a name that goes on and on and on and on and on and on and on and on\","
                "\"state\":\"queued\",\"phase\":\"running\",\"job_id\":\"123456_[1-100]\","
                "\"started\":\"2020-01-01T00:00:00Z\",\"reason\":\"\"}",
                "{\"id\":\"2\",\"name\":\"数据細胞数据細胞数据細胞数据細胞数据細胞数据細胞数据細胞数据細胞\",\"state\":\"finished\","
                "\"outcome\":\"failed\",\"finished\":\"2020-01-01T00:00:00Z\",\"reason\":\"out of memory, used 46 of 47 GB, and "
                "more words than anybody reads\"}",
                "{\"name\":\"x\\u001b[2J\",\"state\":\"arriving\"}",
        };

        for (size_t i = 0; i < ELEMENTSOF(uows); i++) {
                _cleanup_json_ cJSON *uow = cJSON_Parse(uows[i]);

                if (!uow || uow_table_add(t, uow, clock_now()) < 0)
                        _exit(1);
        }
        table_print(t, 0);
}

static void test_table_fits(void **state) {
        (void)state;
        for (unsigned short columns = 44; columns <= 240; columns += 4) {
                const Screen s = { .columns = columns };

                on_screen(&s, draw_table);
                assert_true(widest() > 30);
                assert_true(widest() <= columns);
                assert_null(strstr(seen, "\x1b[2J"));
        }
}

static void test_colours_only_where_wanted(void **state) {
        static const Screen plain[] = {
                { 100, NULL, "dumb", NULL },
                { 100, NULL, NULL, "1" },
        };
        const Screen coloured = { .columns = 100 }, ascii = { .columns = 100, .locale = "C" };

        (void)state;
        on_screen(&coloured, draw_table);
        assert_non_null(strstr(seen, "\x1b[31m"));
        for (size_t i = 0; i < ELEMENTSOF(plain); i++) {
                on_screen(&plain[i], draw_table);
                assert_null(strchr(seen, '\x1b'));
        }
        on_screen(&ascii, draw_table);
        for (const char *p = seen; *p; p++)
                assert_true((unsigned char)*p < 0x80);
}

static const char prose[] =
        "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "aWordThatIsLongerThanTheWholeLineWillEverBeSoThatItHasToBeBrokenSomewhereInItsMiddleWhateverThatLooksLike";

static void draw_paragraph(void) {
        out_paragraph(4, prose);
}

/* @s without white space. */
static void squeeze(const char *s, char *to) {
        for (; *s; s++)
                if (!strchr(" \r\n", *s))
                        *to++ = *s;
        *to = 0;
}

static void test_paragraph_wraps(void **state) {
        const Screen s = { .columns = 60 };
        char before[sizeof(prose)], after[sizeof(seen)];

        (void)state;
        on_screen(&s, draw_paragraph);
        assert_true(widest() <= 60);
        assert_non_null(strstr(seen, "    one two three"));
        assert_null(strstr(seen, "     ")); /* no space is left over at the beginning of a line */
        squeeze(prose, before);
        squeeze(seen, after);
        assert_string_equal(before, after);
}

static void draw_wrapping_table(void) {
        static const Column columns[] = {
                { .title = "TIME", .min = 4 },
                { .title = "WHAT", .min = 20, .shrinks = true, .wraps = true },
        };
        _cleanup_(table_freep) Table *t = table_new(columns, ELEMENTSOF(columns));

        if (!t || table_set(t, 0, STYLE_NONE, "10:00") < 0 ||
                table_set(t, 1, STYLE_NONE, prose) < 0 || table_end_row(t) < 0)
                _exit(1);
        table_print(t, 0);
}

static void test_last_column_wraps(void **state) {
        const Screen s = { .columns = 60 };
        char before[sizeof(prose)], after[sizeof(seen)];

        (void)state;
        on_screen(&s, draw_wrapping_table);
        assert_true(widest() <= 60);
        assert_non_null(strstr(seen, "10:00  one two"));
        squeeze(prose, before);
        squeeze(strstr(seen, "one two"), after);
        assert_string_equal(before, after);
}

/* ---- words ---- */

static void expect_state(const char *json, const char *expected) {
        _cleanup_json_ cJSON *uow = cJSON_Parse(json);
        char text[UOW_STATE_TEXT_MAX];

        assert_non_null(uow);
        assert_string_equal(uow_state_text(uow, text, NULL), expected);
}

static void test_state_words(void **state) {
        (void)state;
        expect_state("{\"state\":\"staged\"}", "staged");
        expect_state("{\"state\":\"queued\",\"phase\":\"pending\"}", "queued: pending");
        expect_state("{\"state\":\"queued\",\"phase\":\"pending\",\"cancelling\":true}",
                "queued: cancelling");
        /* Decided, but not filed yet: nobody may act on it. */
        expect_state("{\"state\":\"queued\",\"phase\":\"settling\",\"outcome\":\"succeeded\"}",
                "queued: settling");
        expect_state("{\"state\":\"finished\",\"outcome\":\"lost\"}", "finished: lost");
        expect_state("{\"state\":\"queued\",\"quarantined\":true}", "queued: quarantined");
        expect_state("{}", "?");
}

static void expect_handle(const char *json, const char *expected) {
        _cleanup_json_ cJSON *uow = cJSON_Parse(json);

        assert_non_null(uow);
        assert_string_equal(handle(uow), expected);
}

/* What is shown for pasting into a shell must mean there what it says. */
static void test_handle_needs_no_quotes(void **state) {
        (void)state;
        expect_handle("{\"id\":\"1-2\",\"name\":\"cells-07_b.x\"}", "cells-07_b.x");
        expect_handle("{\"id\":\"1-2\",\"name\":\"cells 07\"}", "1-2");
        expect_handle("{\"id\":\"1-2\",\"name\":\"-f\"}", "1-2");
        expect_handle("{\"id\":\"1-2\",\"name\":\"~root\"}", "1-2");
        expect_handle("{\"id\":\"1-2\",\"name\":\"a;reboot\"}", "1-2");
        expect_handle("{\"id\":\"1-2\"}", "1-2");
}

/* Every kind of event has words, even without the members that it should have. */
static void test_event_words(void **state) {
        (void)state;
        for (int t = 0; t < _EVENT_TYPE_MAX; t++) {
                _cleanup_json_ cJSON *event = cJSON_CreateObject();
                _cleanup_free_ char *text = NULL;

                json_set_str(event, "event", event_type_to_string((EventType)t));
                text = event_text(event);
                assert_non_null(text);
                assert_true(strlen(text) > 3);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_text_is_harmless),
                cmocka_unit_test(test_text_twice_is_text_once),
                cmocka_unit_test(test_cut_to_width),
                cmocka_unit_test(test_table_fits),
                cmocka_unit_test(test_colours_only_where_wanted),
                cmocka_unit_test(test_paragraph_wraps),
                cmocka_unit_test(test_last_column_wraps),
                cmocka_unit_test(test_state_words),
                cmocka_unit_test(test_handle_needs_no_quotes),
                cmocka_unit_test(test_event_words),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
