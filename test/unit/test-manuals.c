/* SPDX-License-Identifier: Apache-2.0 */

/* The manual pages say what the tables of the program say: no more, no less, and nothing else. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>

#include "config-key.h"
#include "fileio.h"
#include "state.h"
#include "strv.h"
#include "text.h"

/* A page without the backslashes that protect what scdoc would take for markup. */
static char *page_read(const char *name) {
        _cleanup_free_ char *path = xasprintf(SOURCE_DIR "/docs/%s.scd", name);
        char *text, *to;
        size_t size;

        assert_int_equal(file_read_at(AT_FDCWD, path, 1 << 20, &text, &size), 0);
        to = text;
        for (const char *from = text; *from; from++)
                if (*from != '\\')
                        *to++ = *from;
        *to = 0;
        return text;
}

/* Whether the page has @line, alone. */
static bool has_line(const char *page, const char *line) {
        _cleanup_free_ char *wanted = xasprintf("\n%s\n", line);

        return strstr(page, wanted);
}

/* As one would write it in the file: 60s, not 1m. */
static char *default_of(const ConfigKey *k, Config *c) {
        char *text = NULL;
        size_t size;
        FILE *f;

        if (k->type != CONFIG_LIST)
                return strdup(*k->fallback ? k->fallback : "\"\"");
        f = open_memstream(&text, &size);
        assert_non_null(f);
        config_value_print(k, config_key_slot(k, c), f);
        fclose(f);
        return text;
}

/* "*KEY* (type, DEFAULT)" or "*KEY* (this or that; DEFAULT)" */
static bool has_key(const char *page, const char *key, const char *fallback) {
        _cleanup_free_ char *begin = xasprintf("\n*%s* (", key);
        _cleanup_free_ char *end = xasprintf(" %s)", fallback);
        const char *at = strstr(page, begin);
        size_t n, line;

        if (!at)
                return false;
        line = strcspn(at + 1, "\n");
        n = strlen(end);
        return line > n && strncmp(at + 1 + line - n, end, n) == 0;
}

static void test_every_key_with_its_default(void **unused _unused_) {
        _cleanup_free_ char *page = page_read("flowcron.yaml.5");
        _cleanup_(config_freep) Config *c = NULL;
        size_t n;
        const ConfigKey *keys = config_keys(&n);

        assert_int_equal(config_new("default", &c), 0);
        for (size_t i = 0; i < n; i++) {
                _cleanup_free_ char *fallback =
                        keys[i].fallback ? default_of(&keys[i], c) : strdup("must be given");

                if (!has_key(page, keys[i].name, fallback))
                        fail_msg("flowcron.yaml(5) lacks %s with its default %s", keys[i].name,
                                fallback);
        }
}

static void test_no_key_that_is_none(void **unused _unused_) {
        _cleanup_free_ char *page = page_read("flowcron.yaml.5");
        size_t n, found = 0;

        (void)config_keys(&n);
        for (const char *p = strstr(page, "\n*"); p; p = strstr(p + 1, "\n*")) {
                const char *end = strstr(p, "* (");
                _cleanup_free_ char *name = NULL;
                char *dot;

                if (!end || memchr(p + 1, '\n', (size_t)(end - p - 1)))
                        continue;
                name = strndup(p + 2, (size_t)(end - p - 2));
                dot = strchr(name, '.');
                if (dot)
                        *dot++ = 0;
                if (!config_key_find(dot ? name : NULL, dot ? dot : name))
                        fail_msg("flowcron.yaml(5) has a key %s%s%s", name, dot ? "." : "",
                                dot ? dot : "");
                found++;
        }
        assert_int_equal(found, n);
}

static void test_every_state_phase_and_outcome(void **unused _unused_) {
        _cleanup_free_ char *page = page_read("flowcron-uow.7");
        _cleanup_(strv_freep) char **words = NULL;

        for (int i = UOW_ARRIVING; i < _UOW_STATE_MAX; i++)
                assert_int_equal(strv_add(&words, state_to_string((UowState)i)), 0);
        for (int i = PHASE_NONE + 1; i < _UOW_PHASE_MAX; i++)
                assert_int_equal(strv_add(&words, phase_to_string((UowPhase)i)), 0);
        for (int i = OUTCOME_NONE + 1; i < _UOW_OUTCOME_MAX; i++)
                assert_int_equal(strv_add(&words, outcome_to_string((UowOutcome)i)), 0);
        for (char **w = words; *w; w++) {
                _cleanup_free_ char *begin = xasprintf("\n*%s*", *w), *later = NULL;

                later = xasprintf(", *%s*\n", *w);
                if (!strstr(page, begin) && !strstr(page, later))
                        fail_msg("flowcron-uow(7) does not explain %s", *w);
        }
}

static void test_every_event(void **unused _unused_) {
        _cleanup_free_ char *page = page_read("flowcron-eventlog.5");

        for (int i = 0; i < _EVENT_TYPE_MAX; i++) {
                const char *word = event_type_to_string((EventType)i);
                _cleanup_free_ char *heading = xasprintf("*%s*", word);

                if (!has_line(page, heading))
                        fail_msg("flowcron-eventlog(5) does not explain %s", word);
        }
}

/* The states of @from as the page has them: "uploaded, staged". */
static void states_text(unsigned from, char *ret, size_t size) {
        static const unsigned all = (1U << _UOW_STATE_MAX) - 1 - (1U << UOW_NEW);

        *ret = 0;
        if (from == all) {
                snprintf(ret, size, "any");
                return;
        }
        if (from & (1U << UOW_NEW))
                snprintf(ret, size, "none");
        for (int s = UOW_ARRIVING; s < _UOW_STATE_MAX; s++)
                if (from & (1U << s)) {
                        size_t n = strlen(ret);

                        snprintf(ret + n, size - n, "%s%s", n ? ", " : "",
                                state_to_string((UowState)s));
                }
}

/* The row that names @event, alone or with others: its text up to the next row. */
static char *row_of(const char *page, const char *event) {
        const char *p = strstr(page, "\n[[ *event*");

        while ((p = strstr(p, "\n|  "))) {
                const char *end;
                _cleanup_free_ char *line = NULL, *word = xasprintf(", %s,", event), *list = NULL;

                p += strlen("\n|  ");
                end = strstr(p, "\n|  ");
                line = strndup(p, strcspn(p, "\n"));
                list = xasprintf(", %s,", line);
                if (strstr(list, word))
                        return end ? strndup(p, (size_t)(end - p)) : strdup(p);
        }
        return NULL;
}

static void test_the_table_of_states(void **unused _unused_) {
        _cleanup_free_ char *page = page_read("flowcron-eventlog.5");
        size_t n;
        const StateTransition *t = state_transitions(&n);

        for (size_t i = 0; i < n; i++) {
                const char *event = event_type_to_string(t[i].event);
                _cleanup_free_ char *row = row_of(page, event), *wanted = NULL;
                char from[256];

                states_text(t[i].from, from, sizeof(from));
                wanted = xasprintf("\n:  %s\n:  %s", from,
                        t[i].to == UOW_NEW ? "as before" : state_to_string(t[i].to));
                if (!row || !strstr(row, wanted))
                        fail_msg("flowcron-eventlog(5): the row of %s should be%s; it is %s", event,
                                wanted, row ? row : "not there");
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_key_with_its_default),
                cmocka_unit_test(test_no_key_that_is_none),
                cmocka_unit_test(test_every_state_phase_and_outcome),
                cmocka_unit_test(test_every_event),
                cmocka_unit_test(test_the_table_of_states),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
