/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Faults of a configuration: each is told in words a person can act on, with its line and column.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "config.h"
#include "text.h"
#include "yamldoc.h"

#define FILE_NAME "/etc/cryo.yaml"
#define BASE "base: /p\n"

static Config *parse_ok(const char *text) {
        Config *c = NULL;
        Error e = { "" };
        int r;

        r = config_parse(FILE_NAME, text, strlen(text), &c, &e);
        if (r != 0)
                print_error("refused: %s\n", e.text);
        assert_int_equal(r, 0);
        assert_non_null(c);
        return c;
}

static void assert_fault_n(const char *text, size_t size, const char *expected) {
        Config *c = (Config *)1;
        Error e = { "" };
        int r;

        r = config_parse(FILE_NAME, text, size, &c, &e);
        if (r != UOW_E_INVALID)
                print_error("not refused (%d): %.200s\n", r, text);
        assert_int_equal(r, UOW_E_INVALID);
        assert_ptr_equal(c, (Config *)1);
        assert_int_equal(strncmp(e.text, FILE_NAME ":", strlen(FILE_NAME) + 1), 0);
        assert_string_equal(e.text + strlen(FILE_NAME) + 1, expected);
}

static void assert_fault(const char *text, const char *expected) {
        assert_fault_n(text, strlen(text), expected);
}

typedef struct Fault {
        const char *yaml, *expected;
} Fault;

static void assert_faults(const Fault *faults, size_t n) {
        for (size_t i = 0; i < n; i++)
                assert_fault(faults[i].yaml, faults[i].expected);
}

static void test_bad_values(void **state _unused_) {
        static const Fault faults[] = {
                { BASE "scheduler:\n  poll_interval: fast\n",
                        "3:18: scheduler.poll_interval: \"fast\" is no duration; expected e.g. 30s, 15m, 6h or 14d" },
                { BASE "scheduler: {poll_interval: 30}",
                        "2:28: scheduler.poll_interval: \"30\" is no duration; expected e.g. 30s, 15m, 6h or 14d" },
                { BASE "scheduler: {poll_interval: 0}",
                        "2:28: scheduler.poll_interval: \"0\" is too short; the smallest is 1s" },
                { BASE "watch: {rescan_interval: 0s}",
                        "2:26: watch.rescan_interval: \"0s\" is too short; the smallest is 1s" },
                { BASE "watch: {rescan_interval: often}",
                        "2:26: watch.rescan_interval: \"often\" is no duration; expected auto, or e.g. 30s, 15m, 6h or "
                        "14d" },
                { BASE "watch: {rescan_interval: -5s}",
                        "2:26: watch.rescan_interval: \"-5s\" is no duration; expected auto, or e.g. 30s, 15m, 6h or "
                        "14d" },
                { BASE "retention: {logs: 40000d}",
                        "2:19: retention.logs: \"40000d\" is too long; the longest is 100 years" },
                { BASE "retention: {logs: never}",
                        "2:19: retention.logs: \"never\" is no duration; expected e.g. 30s, 15m, 6h or 14d, or 0 for "
                        "never" },
                { BASE "watch: {mode: Poll}",
                        "2:15: watch.mode: \"Poll\" is not known; expected auto, inotify or poll" },
                { BASE "scheduler: {type: pbs}",
                        "2:19: scheduler.type: \"pbs\" is not known; expected slurm or local" },
                { BASE "scheduler: {enforce: on}",
                        "2:22: scheduler.enforce: \"on\" is neither yes nor no; expected true, false, yes or no" },
                { BASE "scheduler: {slots: 0}",
                        "2:20: scheduler.slots: \"0\" is too small; the smallest is 1" },
                { BASE "scheduler: {slots: -1}",
                        "2:20: scheduler.slots: \"-1\" is too small; the smallest is 1" },
                { BASE "scheduler: {slots: 2.5}",
                        "2:20: scheduler.slots: \"2.5\" is no whole number; expected 1 to 4096" },
                { BASE "scheduler: {slots: 99999999999999999999999}",
                        "2:20: scheduler.slots: \"99999999999999999999999\" is too large; the largest is 4096" },
                { BASE "retry: {max_attempts: 0}",
                        "2:23: retry.max_attempts: \"0\" is too small; the smallest is 1" },
                { BASE "retry: {max_attempts: ''}",
                        "2:23: retry.max_attempts: \"\" is no whole number; expected 1 to 1000" },
                { BASE "retry: {on: [NODE_FAIL, node_fail]}",
                        "2:25: retry.on: \"node_fail\" will not do; expected job states in capitals, e.g. NODE_FAIL" },
                { BASE "uow: {script: scripts/run.sh}",
                        "2:15: uow.script: \"scripts/run.sh\" will not do; expected the plain name of a file, without "
                        "\"/\"" },
                { BASE "uow: {script: ..}",
                        "2:15: uow.script: \"..\" will not do; expected the plain name of a file, without \"/\"" },
                { BASE "uow: {forbidden_variables: [$HOME]}",
                        "2:29: uow.forbidden_variables: \"$HOME\" will not do; expected names of variables, e.g. HOME" },
                { BASE "scheduler: {extra_args: [mem=4G]}",
                        "2:26: scheduler.extra_args: \"mem=4G\" will not do; expected options, e.g. \"--mem=4G\"" },
                { BASE "scheduler: {account: \"a\\u2028b\"}",
                        "2:22: scheduler.account: \"a\\u{2028}b\" has a character that can't be shown; expected plain text" },
                { BASE "scheduler: {account: \"a\\nb\"}",
                        "2:22: scheduler.account: \"a\\nb\" has a character that can't be shown; expected plain text" },
        };

        assert_faults(faults, ELEMENTSOF(faults));
}

static void test_bad_paths(void **state _unused_) {
        static const Fault faults[] = {
                { "base: projects/x\n",
                        "1:7: base: \"projects/x\" is not absolute; expected a path that begins with \"/\"" },
                { "base: ~/flowcron\n",
                        "1:7: base: \"~/flowcron\" is taken as it is, without a shell; write the whole path" },
                { "base: /a/../b\n",
                        "1:7: base: \"/a/../b\" has \"..\" in it; write the path without" },
                { "base: //\n", "1:7: base: \"//\" will not do; expected a folder of its own" },
                { "base: ''\n", "1:7: base: \"\" is empty; expected the path of a folder" },
                { "base:\n", "1:6: base: no value; give it one, or remove the line" },
                { BASE "paths: {work: ''}",
                        "2:15: paths.work: \"\" is empty; expected the path of a folder" },
                { BASE "paths: {work: ./}",
                        "2:15: paths.work: \"./\" will not do; expected a folder of its own" },
                { BASE "paths: {work: a/..}",
                        "2:15: paths.work: \"a/..\" has \"..\" in it; write the path without" },
                { BASE "chain: {to: next/UploadedFiles}",
                        "2:13: chain.to: \"next/UploadedFiles\" is not absolute; expected a path that begins with "
                        "\"/\"" },
        };
        _cleanup_(config_freep) Config *c =
                parse_ok(BASE "paths: {work: ..a/b..}\nchain: {to: ''}");

        assert_string_equal(c->paths.work, "..a/b..");
        assert_faults(faults, ELEMENTSOF(faults));
}

static void test_bad_shapes(void **state _unused_) {
        static const Fault faults[] = {
                { "[a]",
                        "1:1: a list where keys were expected, e.g. \"base: /projects/NAME/flowcron\"" },
                { "hello",
                        "1:1: a value where keys were expected, e.g. \"base: /projects/NAME/flowcron\"" },
                { "\nwatch: {mode: auto}\n",
                        "2:1: base is missing; it is the one key without a default, an absolute path" },
                { BASE "watch: poll",
                        "2:8: watch: a value where keys indented below it were expected" },
                { BASE "watch: [mode]",
                        "2:8: watch: a list where keys indented below it were expected" },
                { BASE "watch:\n#  mode: poll\n",
                        "2:7: watch: nothing below it; give it keys, or remove the line" },
                { BASE "watch: {mode: [poll]}",
                        "2:15: watch.mode: a list where a single value was expected" },
                { BASE "watch: {mode: {a: b}}",
                        "2:15: watch.mode: keys with values where a single value was expected" },
                { BASE "scheduler:\n  account:\n",
                        "3:11: scheduler.account: no value; give it one (\"\" for none), or remove the line" },
                { BASE "scheduler: {account: NULL}",
                        "2:22: scheduler.account: no value; give it one (\"\" for none), or remove the line" },
                { BASE "retry: {on: NODE_FAIL}",
                        "2:13: retry.on: a value where a list was expected, e.g. [a, b]" },
                { BASE "retry: {on: [~]}",
                        "2:14: retry.on: nothing where a list's item was expected" },
                { BASE "retry: {on: [[A]]}",
                        "2:14: retry.on: a list where a list's item was expected" },
        };

        assert_faults(faults, ELEMENTSOF(faults));
}

static void test_unknown_keys(void **state _unused_) {
        static const Fault faults[] = {
                { BASE "scheduler:\n  pol_interval: 30s\n",
                        "3:3: unknown key \"scheduler.pol_interval\"; did you mean \"scheduler.poll_interval\"?" },
                { BASE "scheduler: {Poll-Interval: 30s}",
                        "2:13: unknown key \"scheduler.Poll-Interval\"; did you mean \"scheduler.poll_interval\"?" },
                { BASE "schedular: {}",
                        "2:1: unknown key \"schedular\"; did you mean \"scheduler\"?" },
                { BASE "account: x",
                        "2:1: unknown key \"account\"; did you mean \"scheduler.account\"?" },
                { BASE "retry: {slots: 3}",
                        "2:9: unknown key \"retry.slots\"; did you mean \"scheduler.slots\"?" },
                { BASE "scheduler.slots: 3", "2:1: unknown key \"scheduler.slots\"" },
                { BASE "watch: {zzzzzz: 3}", "2:9: unknown key \"watch.zzzzzz\"" },
                { BASE "'': 3", "2:1: unknown key \"\"" },
                { BASE "\"a\\eb\": 3", "2:1: unknown key \"a\\x1bb\"" },
        };

        assert_faults(faults, ELEMENTSOF(faults));
}

static void test_yaml_extras(void **state _unused_) {
        static const Fault faults[] = {
                { "", "1:1: there are no settings in this file" },
                { "# nothing\n\n", "1:1: there are no settings in this file" },
                { "---\n...\n", "1:1: there are no settings in this file" },
                { BASE BASE, "2:1: key \"base\" is here for the second time, after line 1" },
                { BASE "watch: {mode: auto, 'mode': poll}",
                        "2:21: key \"mode\" is here for the second time, after line 2" },
                { "base: &x /p\n",
                        "1:7: an anchor (\"&…\") is not supported; write the value out" },
                { BASE "watch: &x {mode: auto}\n",
                        "2:8: an anchor (\"&…\") is not supported; write the value out" },
                { BASE "scheduler: *x\n",
                        "2:12: an alias (\"*…\") is not supported; write the value out" },
                { BASE "uow: {<<: *x}\n",
                        "2:11: an alias (\"*…\") is not supported; write the value out" },
                { "base: !!str /p\n", "1:7: a tag (\"!…\") is not supported; remove it" },
                { BASE "---\n" BASE,
                        "2:1: a second document (\"---\") begins here; one file holds one" },
                { BASE "? [a]\n: b\n", "2:3: a key must be a word, not a list or map" },
                { BASE "watch:\n\tmode: poll\n", "3:1: a tab; YAML is indented with spaces only" },
                { BASE "watch:\n  \tmode: poll\n",
                        "3:3: a tab; YAML is indented with spaces only" },
                { "base: \"/p\\0\"\n", "1:7: a NUL character; no setting can hold one" },
                { BASE "watch: {a: [[[[[[[[[[[[[[[[[[[[[[1",
                        "2:26: nested more than 16 deep; these are no settings" },
                { "base: /p\xff\n", "1:9: no valid UTF-8; save the file as UTF-8" },
                { "# ä\nbase: /ä\x07\n", "2:9: a control character; only text is expected here" },
                { "\xff\xfe"
                  "b",
                        "1:1: this is UTF-16; save the file as UTF-8" },
        };

        assert_faults(faults, ELEMENTSOF(faults));
        assert_fault_n("base: /p\0x", 10, "1:9: a control character; only text is expected here");
}

/* libyaml's words are its own; the place and the file are ours. */
static void test_yaml_syntax(void **state _unused_) {
        static const char *const broken[] = { BASE "watch: {mode: auto", BASE "watch: mode: auto\n",
                BASE " x: y\n", BASE "}", BASE "a\nb\n", "base: \"/p\n", "%YAML 9.9\n---\n" BASE,
                BASE "- a\n" };

        for (size_t i = 0; i < ELEMENTSOF(broken); i++) {
                Config *c = NULL;
                Error e = { "" };
                unsigned line = 0, column = 0;

                assert_int_equal(config_parse(FILE_NAME, broken[i], strlen(broken[i]), &c, &e),
                        UOW_E_INVALID);
                assert_int_equal(
                        sscanf(e.text, FILE_NAME ":%u:%u: no valid YAML: ", &line, &column), 2);
                assert_in_range(line, 1, 3);
                assert_non_null(strstr(e.text, "no valid YAML: "));
        }
}

static void test_file_forms(void **state _unused_) {
        static const char *const forms[] = { "base: /p\r\nwatch:\r\n  mode: poll\r\n",
                "\xef\xbb\xbf"
                "base: /p\nwatch: {mode: poll}",
                "%YAML 1.1\n---\nbase: /p\nwatch: {mode: poll}\n...\n",
                "{\"base\": \"/p\", \"watch\": {\"mode\": \"poll\"}}",
                "base:\t/p\nwatch: {mode: poll}" };

        for (size_t i = 0; i < ELEMENTSOF(forms); i++) {
                _cleanup_(config_freep) Config *c = parse_ok(forms[i]);

                assert_string_equal(c->base, "/p");
                assert_int_equal(c->watch.mode, WATCH_POLL);
        }
        assert_fault("\xef\xbb\xbf"
                     "base: p\n",
                "1:7: base: \"p\" is not absolute; expected a path that begins with \"/\"");
        assert_fault("base: /p\r\nwatch:\r\n  mode: x\r\n",
                "3:9: watch.mode: \"x\" is not known; expected auto, inotify or poll");
}

static void test_bounds(void **state _unused_) {
        size_t size = YAMLDOC_SIZE_MAX + 1;
        _cleanup_free_ char *text = malloc(size);

        assert_non_null(text);
        memset(text, '#', size);
        assert_fault_n(text, size, "1:1: larger than 1 MiB; these are no settings");
        memset(text, ' ', size);
        memcpy(text, BASE, strlen(BASE));
        memcpy(text + strlen(BASE), "retry: {on: [", 13);
        for (size_t i = 64; i < size - 64; i += 2)
                memcpy(text + i, "A,", 2);
        assert_fault_n(text, size - 64, "2:20042: more than 10000 values; these are no settings");
        /* A long text is named, but not repeated whole. */
        memset(text, 'a', size);
        memcpy(text, "base: /", 7);
        text[5000] = 0;
        {
                Config *c = NULL;
                Error e = { "" };

                assert_int_equal(config_parse(FILE_NAME, text, 5000, &c, &e), UOW_E_INVALID);
                assert_non_null(strstr(e.text, "is too long; expected at most 2048 bytes"));
                assert_true(strlen(e.text) < 200);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_bad_values),
                cmocka_unit_test(test_bad_paths),
                cmocka_unit_test(test_bad_shapes),
                cmocka_unit_test(test_unknown_keys),
                cmocka_unit_test(test_yaml_extras),
                cmocka_unit_test(test_yaml_syntax),
                cmocka_unit_test(test_file_forms),
                cmocka_unit_test(test_bounds),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
