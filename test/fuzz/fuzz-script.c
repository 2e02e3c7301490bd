/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The judgement on a script's text: its form, its #SBATCH lines, the variables. What is refused is refused with a
 * reason and leaves nothing; what was converted is judged as it was to be, and nothing that is passed on to sbatch holds
 * more than one line.
 */

#include "fuzz.h"
#include "script-file.h"
#include "script.h"

static char *const variables[] = { "HOME", "USER", NULL };

static bool is_line(const char *s) {
        return !s || !strchr(s, '\n');
}

static int judge(const char *text, size_t size, bool convert, Script *ret) {
        const ScriptRules rules = { .fixed_name = "submission_script.sh",
                .forbidden_variables = variables,
                .convert = convert };
        Error e = {};
        int r = script_text_check("run.sh", text, size, &rules, ret, &e);

        PROMISE(r == 0 || r == UOW_E_REJECTED);
        if (r == 0) {
                PROMISE(strlen(ret->sha256) == 64);
                PROMISE(is_line(ret->comment) && is_line(ret->array) && is_line(ret->time) &&
                        is_line(ret->cpus_per_task) && is_line(ret->ntasks));
        } else {
                promise_told(&e);
                PROMISE(!ret->comment && !ret->array && !ret->sha256[0]);
        }
        return r;
}

static void promise_same(const Script *a, const Script *b) {
        promise_same_text(a->sha256, b->sha256);
        promise_same_text(a->comment, b->comment);
        promise_same_text(a->array, b->array);
        promise_same_text(a->time, b->time);
        promise_same_text(a->ntasks, b->ntasks);
        PROMISE(a->set == b->set && a->hetjob == b->hetjob);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = input_text(data, size), *unix_text = input_text(data, size);
        Script before = {}, after = {};
        bool needed = script_unix_needed(text, size);
        size_t n = script_unix(unix_text, size);

        PROMISE(n <= size && (n < size) == needed);
        PROMISE(!script_unix_needed(unix_text, n) && script_unix(unix_text, n) == n);
        unix_text[n] = 0;
        /* A file with a NUL is no text, and not converted. */
        if (!memchr(text, 0, size)) {
                int r = judge(text, size, true, &before);

                PROMISE(judge(unix_text, n, false, &after) == r);
                if (r == 0) {
                        promise_same(&before, &after);
                        PROMISE(before.needs_conversion == needed && !after.needs_conversion);
                }
        } else
                PROMISE(judge(text, size, true, &before) == UOW_E_REJECTED);
        script_done(&before);
        script_done(&after);
        return 0;
}
