/* SPDX-License-Identifier: Apache-2.0 */

/* Crontabs: our lines go in and come out, and not a byte of anybody else's changes. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>
#include <sys/wait.h>

#include "crontab.h"
#include "text.h"

static const char *const others[] = {
        "",
        "MAILTO=me\n# mine\n*/5 * * * * ./mine.sh  # BEGIN flowcron default\n",
        "\n\n0 3 * * 1 echo 'a%b'\n",
        "* * * * * no-newline-at-the-end",
        "# BEGIN flowcron other (by …)\n1 2 3 4 5 x\n# END flowcron other\n",
        "# BEGIN flowcron default2\n1 2 3 4 5 x\n# END flowcron default2\n",
};

static void test_in_and_out(void **state) {
        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(others); i++) {
                const char *text = others[i];
                size_t n = strlen(text);
                _cleanup_free_ char *with = crontab_with(text, "default", "LINE\n");
                _cleanup_free_ char *without = crontab_without(with, "default");

                assert_false(crontab_has(text, "default"));
                assert_true(crontab_has(with, "default"));
                assert_non_null(strstr(with, "\nLINE\n"));
                assert_non_null(startswith(with, text));
                /* A line end that was missing is all that stays. */
                assert_int_equal(strncmp(without, text, n), 0);
                assert_string_equal(without + n, n && text[n - 1] != '\n' ? "\n" : "");
        }
}

static void test_replaced_in_place(void **state) {
        _cleanup_free_ char *one = crontab_with("before\n", "a", "1\n"), *two = NULL, *three = NULL,
                            *gone = NULL;

        (void)state;
        two = xasprintf("%safter\n", one);
        three = crontab_with(two, "a", "2\n");
        assert_null(strstr(three, "\n1\n"));
        assert_non_null(strstr(three, "\n2\n"));
        gone = crontab_without(three, "a");
        assert_string_equal(gone, "before\nafter\n");
        /* The same again changes nothing. */
        free(gone);
        gone = crontab_with(three, "a", "2\n");
        assert_string_equal(gone, three);
}

static void test_several_instances(void **state) {
        _cleanup_free_ char *one = crontab_with("", "one", "1\n"), *both = NULL, *left = NULL;

        (void)state;
        both = crontab_with(one, "two", "2\n");
        left = crontab_without(both, "one");
        assert_false(crontab_has(left, "one"));
        assert_true(crontab_has(left, "two"));
}

/* As scrontab shows an entry that was cancelled; and half of a block, as an editor may leave it. */
static void test_damaged(void **state) {
        _cleanup_free_ char *disabled = crontab_without(
                "x\n#DISABLED: # BEGIN flowcron a\n#DISABLED: 1\n#DISABLED: # END flowcron a\ny\n",
                "a");
        _cleanup_free_ char *torn = crontab_without("x\n# BEGIN flowcron a\ntheirs\n", "a");

        (void)state;
        assert_string_equal(disabled, "x\ny\n");
        assert_string_equal(torn, "x\ntheirs\n");
}

static void test_schedule(void **state) {
        static const struct {
                usec_t interval;
                const char *fields; /* NULL: it can't be had */
        } cases[] = {
                { USEC_PER_MINUTE, "* * * * *" },
                { 5 * USEC_PER_MINUTE, "*/5 * * * *" },
                { 30 * USEC_PER_MINUTE, "*/30 * * * *" },
                { USEC_PER_HOUR, "0 * * * *" },
                { 6 * USEC_PER_HOUR, "0 */6 * * *" },
                { USEC_PER_DAY, "0 0 * * *" },
                { 7 * USEC_PER_MINUTE, NULL },
                { 90 * USEC_PER_SEC, NULL },
                { 90 * USEC_PER_MINUTE, NULL },
                { 5 * USEC_PER_HOUR, NULL },
                { 2 * USEC_PER_DAY, NULL },
                { 0, NULL },
        };
        char buf[CRONTAB_SCHEDULE_MAX];

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                int r = crontab_schedule(cases[i].interval, buf);

                assert_int_equal(r, cases[i].fields ? 0 : -EINVAL);
                if (cases[i].fields)
                        assert_string_equal(buf, cases[i].fields);
        }
}

/* What cron does to a command before its shell sees it: "\%" is "%", and a "%" ends it. */
static void as_cron(char *command) {
        char *out = command;

        for (const char *p = command; *p && *p != '%'; p++)
                if (p[0] == '\\' && p[1] == '%')
                        *out++ = *++p;
                else
                        *out++ = *p;
        *out = 0;
}

static void test_quote(void **state) {
        static const char *const words[] = { "/usr/bin/flowcrond", "/a b/c", "it's", "50%", "$HOME",
                "a\\b", "`x`", "\"", "~/x", "-x", "ä", "%", "'%'" };

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                for (int percent = 0; percent < 2; percent++) {
                        _cleanup_free_ char *quoted = NULL, *line = NULL;
                        char out[64] = "";
                        FILE *f;

                        assert_int_equal(crontab_quote(words[i], percent, &quoted), 0);
                        if (percent)
                                as_cron(quoted);
                        line = xasprintf("printf %%s %s", quoted);
                        f = popen(line, "r");
                        assert_non_null(f);
                        (void)!fread(out, 1, sizeof(out) - 1, f);
                        assert_int_equal(pclose(f), 0);
                        assert_string_equal(out, words[i]);
                }
        {
                char *quoted = NULL;

                assert_int_equal(crontab_quote("a\nb", true, &quoted), -EINVAL);
        }
}

static void test_commands(void **state) {
        static const struct {
                const char *line, *command, *word;
        } cases[] = {
                { "*/5 * * * * ./x.sh", "./x.sh", "./x.sh" },
                { "  1 2 3 4 5\t'/a b/c' d", "'/a b/c' d", "/a b/c" },
                { "@reboot /x;y", "/x;y", "/x" },
                { "@daily  \"/a\\\"b\" c", "\"/a\\\"b\" c", "/a\"b" },
                { "# * * * * * x", NULL, NULL },
                { "MAILTO=a b c d e f", NULL, NULL },
                { "PATH = /bin:/usr/bin", NULL, NULL },
                { "", NULL, NULL },
                { "1 2 3", NULL, NULL },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const char *command = crontab_command(cases[i].line);
                _cleanup_free_ char *word = command ? crontab_first_word(command) : NULL;

                assert_int_equal(command != NULL, cases[i].command != NULL);
                if (!command)
                        continue;
                assert_string_equal(command, cases[i].command);
                assert_string_equal(word, cases[i].word);
        }
}

static bool is_theirs(const char *comment) {
        return startswith(comment, "# Added by") != NULL;
}

static void test_without_line(void **state) {
        _cleanup_free_ char *less = crontab_without_line(
                "a\n# Added by them\n* * * * * ./x.sh\n# mine\n* * * * * ./x.sh.not\n",
                "* * * * * ./x.sh", is_theirs);
        _cleanup_free_ char *last = crontab_without_line("# mine\nx", "x", is_theirs);

        (void)state;
        assert_string_equal(less, "a\n# mine\n* * * * * ./x.sh.not\n");
        assert_string_equal(last, "# mine\n");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_in_and_out),
                cmocka_unit_test(test_replaced_in_place),
                cmocka_unit_test(test_several_instances),
                cmocka_unit_test(test_damaged),
                cmocka_unit_test(test_schedule),
                cmocka_unit_test(test_quote),
                cmocka_unit_test(test_commands),
                cmocka_unit_test(test_without_line),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
