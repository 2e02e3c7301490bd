/* SPDX-License-Identifier: Apache-2.0 */

/* The judgement on a script's text: its form, its #SBATCH lines, the variables. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "script.h"
#include "text.h"

#define BASH "#!/bin/bash\n"

static char *const variables[] = { "HOME", "USER", NULL };
static const ScriptRules rules = {
        .fixed_name = "submission_script.sh",
        .forbidden_variables = variables,
        .convert = true,
};

static Script accepted(const char *text) {
        Script s = { 0 };
        Error e = { "" };

        if (script_text_check("run.sh", text, strlen(text), &rules, &s, &e) != 0)
                fail_msg("refused: %s\n%s", e.text, text);
        assert_int_equal(strlen(s.sha256), 64);
        return s;
}

/* Refused, with all of the words in the reason. */
static void refused(const char *text, size_t size, const char *one, const char *two) {
        Script s = { .set = 77 };
        Error e = { "" };

        if (script_text_check("run.sh", text, size, &rules, &s, &e) != UOW_E_REJECTED)
                fail_msg("accepted: %s", text);
        assert_int_equal(s.set, 77);
        if (!strstr(e.text, one) || !strstr(e.text, two) || !strstr(e.text, "scripts/run.sh"))
                fail_msg("\"%s\" and \"%s\" are not in: %s", one, two, e.text);
}

static void test_form(void **state _unused_) {
        Script s;

        refused("", 0, "is empty", "");
        refused("echo\n", 5, "#!", "first line");
        refused(" #!/bin/bash\n", 13, "#!", "");
        refused(BASH "a\0b\n", strlen(BASH) + 4, "NUL", "");
        refused("\xff\xfe#\0!\0", 6, "UTF-16", "UTF-8");
        s = accepted(
                "#!/usr/bin/env python3\nimport os\nprint('it is', os.environ['HOME'], \"$HOME\")\n");
        script_done(&s);
        s = accepted("#!");
        script_done(&s);
        s = accepted(BASH "echo \xff\xfe invalid \xc3\n");
        script_done(&s);
}

static void test_too_large(void **state _unused_) {
        size_t size = SCRIPT_SIZE_MAX + 1;
        _cleanup_free_ char *text = malloc(size + 1);

        assert_non_null(text);
        memset(text, '#', size);
        text[size] = 0;
        memcpy(text, BASH, strlen(BASH));
        refused(text, size, "4 MiB", "");
        text[size - 1] = 0;
        assert_int_equal(script_text_check("x", text, size - 1, &rules, NULL, NULL), 0);
}

static void test_dos(void **state _unused_) {
        ScriptRules strict = rules;
        const char *dos = "\xef\xbb\xbf#!/bin/bash\r\n#SBATCH -A chem\r\necho\r\n";
        Script s = accepted(dos), plain = accepted(BASH "#SBATCH -A chem\necho\n");
        Error e;

        assert_true(s.needs_conversion);
        assert_false(plain.needs_conversion);
        assert_string_equal(s.sha256, plain.sha256);
        assert_int_equal(s.set, SCRIPT_SETS_ACCOUNT);
        script_done(&s);
        script_done(&plain);
        strict.convert = false;
        assert_int_equal(script_text_check("x", dos, strlen(dos), &strict, &s, &e), UOW_E_REJECTED);
        assert_non_null(strstr(e.text, "DOS"));
        s = accepted(BASH "printf 'a\rb\\r\\n'\n");
        assert_false(s.needs_conversion);
        script_done(&s);
}

static void assert_asks(
        const char *text, unsigned set, const char *comment, const char *array, bool hetjob) {
        Script s = accepted(text);

        if (s.set != set || !streq(s.comment, comment) || !streq(s.array, array) ||
                s.hetjob != hetjob)
                fail_msg("set %x comment %s array %s hetjob %d in: %s", s.set,
                        s.comment ? s.comment : "-", s.array ? s.array : "-", s.hetjob, text);
        script_done(&s);
}

static void test_directives(void **state _unused_) {
        const unsigned A = SCRIPT_SETS_ACCOUNT, Q = SCRIPT_SETS_QOS, P = SCRIPT_SETS_PARTITION,
                       R = SCRIPT_SETS_RESERVATION, T = SCRIPT_SETS_TIME;

        assert_asks(BASH
                "#SBATCH --account=a --qos q\n#SBATCH -p p --reservation=r\n#SBATCH -t 1:00\n",
                A | Q | P | R | T, NULL, NULL, false);
        assert_asks(
                BASH "#SBATCH -Aa -qq -pp -t1 -Jname -o out\n", A | Q | P | T, NULL, NULL, false);
        assert_asks(BASH "#SBATCH -vQAa\n#SBATCH -k -n 4\n", A, NULL, NULL, false);
        assert_asks(BASH "#SBATCH --acco=a --part p --reserv=r --array=1-3\n", A | P | R, NULL,
                "1-3", false);
        assert_asks(BASH "#SBATCH -a 0-9%2\n", 0, NULL, "0-9%2", false);
        assert_asks(BASH "#SBATCH --comment=\"a b\" # --account=x\n", 0, "a b", NULL, false);
        assert_asks(BASH "#SBATCH --comment='say \"x\"'\n", 0, "say \"x\"", NULL, false);
        assert_asks(BASH "#SBATCH --comment=a\"b c\"d\\#e#f\n", 0, "ab cd#e", NULL, false);
        assert_asks(BASH "#SBATCH --comment=\"a\\\"b\\\\c\\n\"\n", 0, "a\"b\\cn", NULL, false);
        assert_asks(BASH "#SBATCH --comment=one\n#SBATCH --comment two\n", 0, "two", NULL, false);
        assert_asks(BASH "#SBATCH --comment=\n#SBATCH --account= -p \"\"\n", 0, NULL, NULL, false);
        assert_asks(BASH "#SBATCH \"\" --account=a\n", 0, NULL, NULL, false);
        assert_asks(BASH "#SBATCH -A\n#SBATCH --hold\n#SBATCH -p p\n", A | P, NULL, NULL, false);
        assert_asks(BASH "#SBATCH --job-name --hold --job-name=--wait\n", 0, NULL, NULL, false);
        assert_asks(BASH "#SBATCH --account=a -- --hold\n", A, NULL, NULL, false);
        assert_asks(BASH "#SBATCH --from-the-future value --account=a\n", A, NULL, NULL, false);
        assert_asks(BASH "#SBATCH -A a\n#SBATCH hetjob\n#SBATCH -q q\n", A | Q, NULL, NULL, true);
        assert_asks(BASH "#SBATCH packjob --hold\n", 0, NULL, NULL, true);
        assert_asks(BASH "#SBATCH -J hetjob\n#SBATCH --comment=hetjob\n", 0, "hetjob", NULL, false);
        assert_asks(BASH "#SBATCH--account=a\n#SLURM -p p\n", A | P, NULL, NULL, false);
        assert_asks(BASH "\n  # note\n\t\n#SBATCH -A a\n", A, NULL, NULL, false);
        assert_asks(BASH "# SBATCH -A a\n #SBATCH -A a\n##SBATCH --hold\n#sbatch --hold\n", 0, NULL,
                NULL, false);
        assert_asks(BASH "echo\n#SBATCH -A a --hold\n", 0, NULL, NULL, false);
        assert_asks(BASH "#SBATCH -A $HOME/~/x\n", A, NULL, NULL, false);
        assert_asks(BASH "#SBATCH --comment=\"open\n#SBATCH - -- \n#SBATCH --=x ---\n", 0, "open",
                NULL, false);
}

static void refused_option(const char *line, const char *option) {
        _cleanup_free_ char *text = xasprintf(BASH "#SBATCH -J x\n#SBATCH %s\necho\n", line);

        assert_non_null(text);
        refused(text, strlen(text), option, "line 3");
}

static void test_forbidden_options(void **state _unused_) {
        const char *hetjob = BASH "#SBATCH -N 1\n#SBATCH hetjob\n#SBATCH --hold\n";

        refused_option("--wait", "--wait");
        refused_option("-W", "--wait");
        refused_option("-QW", "--wait");
        refused_option("--wa", "--wait"); /* ambiguous: sbatch refuses it too */
        refused_option("--test-only", "--test-only");
        refused_option("--te", "--test-only");
        refused_option("--hold", "--hold");
        refused_option("--ho", "--hold");
        refused_option("-H", "--hold");
        refused_option("-N 1 -vH", "--hold");
        refused_option("\\--hold", "--hold");
        refused_option("'--ho'\"ld\"", "--hold");
        refused_option("--wrap=ls", "--wrap");
        refused_option("--wr ls", "--wrap");
        refused_option("--clusters=a,b", "--clusters");
        refused_option("--cluster a", "--clusters");
        refused_option("-Ma", "--clusters");
        refused_option("-M a", "--clusters");
        refused(hetjob, strlen(hetjob), "--hold", "line 4");
}

static void test_allowed_lookalikes(void **state _unused_) {
        assert_asks(BASH "#SBATCH --wait-all-nodes=1 --cluster-constraint=x --help\n", 0, NULL,
                NULL, false);
        assert_asks(BASH "#SBATCH -w node -C c -hN 2 -Jhold -JW -D -H\n", 0, NULL, NULL, false);
}

static void test_variables(void **state _unused_) {
        const char *text = BASH "#SBATCH -J x\n\n# $HOME\n   cp $HOME/x .\nUSER=me\necho $USER\n";
        const char *user = BASH "echo ${USER}\n";
        const char *tilde = BASH "cd ~/x\n";
        _cleanup_free_ char *longline = NULL;
        Script s;

        refused(text, strlen(text), "scripts/run.sh line 5 uses $HOME: \"cp $HOME/x .\"", "$1");
        refused(user, strlen(user), "line 2 uses $USER", "installed FlowCron");
        refused(tilde, strlen(tilde), "line 2 uses ~ (HOME)", "cd ~/x");
        s = accepted(BASH "HOME=$1\nUSER=me\ncd ~/x/$USER\n");
        script_done(&s);
        longline = xasprintf(BASH "%*s; echo \x1b[2J $HOME %*s\n", 100000, "x", 100000, "y");
        assert_non_null(longline);
        refused(longline, strlen(longline), "\"…", "\\x1b[2J $HOME ");
}

static void test_list_is_configured(void **state _unused_) {
        char *const others[] = { "SCRATCH", NULL };
        ScriptRules r = { .fixed_name = "x", .forbidden_variables = others };
        const char *text = BASH "cd $HOME/$USER ~\n", *other = BASH "cd $SCRATCH\n";
        Error e;

        assert_int_equal(script_text_check("x", text, strlen(text), &r, NULL, NULL), 0);
        assert_int_equal(
                script_text_check("x", other, strlen(other), &r, NULL, &e), UOW_E_REJECTED);
        assert_non_null(strstr(e.text, "$SCRATCH"));
        r.forbidden_variables = NULL;
        assert_int_equal(script_text_check("x", other, strlen(other), &r, NULL, NULL), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_form),
                cmocka_unit_test(test_too_large),
                cmocka_unit_test(test_dos),
                cmocka_unit_test(test_directives),
                cmocka_unit_test(test_forbidden_options),
                cmocka_unit_test(test_allowed_lookalikes),
                cmocka_unit_test(test_variables),
                cmocka_unit_test(test_list_is_configured),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
