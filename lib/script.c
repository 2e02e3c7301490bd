/* SPDX-License-Identifier: Apache-2.0 */

#include "script.h"

#include <string.h>

#include "script-file.h"
#include "script-find.h"
#include "script-sbatch.h"
#include "sha256.h"
#include "shell-scan.h"
#include "text.h"

/* Of a line that is shown in a reason. */
#define EXCERPT_MAX 100

void script_done(Script *s) {
        free(s->name);
        free(s->target);
        free(s->comment);
        free(s->array);
        free(s->time);
        free(s->cpus_per_task);
        free(s->ntasks);
        *s = (Script){ 0 };
}

static int reject(Error *e, const char *name, const char *fault) {
        _cleanup_free_ char *shown = text_printable(name, 80);

        if (!shown)
                return -ENOMEM;
        return error_set(e, UOW_E_REJECTED, "the Slurm script scripts/%s %s", shown, fault);
}

/* What Slurm would refuse, said in our words. */
static int check_form(const char *name, const char *text, size_t size, Error *e) {
        if (size == 0)
                return reject(e, name, "is empty.");
        if (size > SCRIPT_SIZE_MAX)
                return reject(e, name, "is larger than the 4 MiB that Slurm takes.");
        if (size >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0))
                return reject(e, name, "is saved as UTF-16. Save it as UTF-8.");
        if (memchr(text, 0, size))
                return reject(e, name,
                        "holds a NUL byte, so it is no text file. Upload a plain text file.");
        if (script_unix_needed(text, size))
                return reject(e, name,
                        "has DOS line endings or a byte-order mark, which Slurm does not take. Save it with "
                        "Unix line endings, as UTF-8 without BOM.");
        if (size < 2 || memcmp(text, "#!", 2) != 0)
                return reject(e, name, "does not begin with #!. Make its first line #!/bin/bash.");
        return 0;
}

/* The line around @offset, from a little before it if the line is long. */
static char *excerpt(const char *text, size_t size, size_t offset, size_t *ret_line) {
        const char *at = text + offset, *start = at, *end = memchr(at, '\n', size - offset);
        _cleanup_free_ char *line = NULL, *shown = NULL;
        bool cut = false;

        end = end ? end : text + size;
        *ret_line = 1;
        for (const char *p = text; p < at; p++)
                *ret_line += *p == '\n';
        while (start > text && start[-1] != '\n' && !cut) {
                start--;
                cut = (size_t)(at - start) > EXCERPT_MAX / 2;
        }
        while (start < at && (*start == ' ' || *start == '\t' || (*start & 0xc0) == 0x80))
                start++; /* not in the middle of a character */
        line = strndup(start,
                (size_t)(end - start) < 2 * EXCERPT_MAX ? (size_t)(end - start) : 2 * EXCERPT_MAX);
        shown = line ? text_printable(line, EXCERPT_MAX) : NULL;
        return shown ? xasprintf("%s%s", cut ? "…" : "", shown) : NULL;
}

static int reject_use(const char *name, const char *text, size_t size, const char *variable,
        const ShellUse *use, Error *e) {
        size_t number;
        _cleanup_free_ char *line = excerpt(text, size, use->offset, &number);
        _cleanup_free_ char *shown = text_printable(name, 80);

        if (!line || !shown)
                return -ENOMEM;
        return error_set(e, UOW_E_REJECTED,
                "scripts/%s line %zu uses %s%s%s: \"%s\". The job runs as the person who installed FlowCron, so "
                "$%s is that person's, not yours. Use paths inside the Unit of Work instead, which the script gets as "
                "\"$1\", or let the script set %s itself first.",
                shown, number, use->tilde ? "~ (" : "$", variable, use->tilde ? ")" : "", line,
                variable, variable);
}

static int check_variables(
        const char *name, const char *text, size_t size, char *const *variables, Error *e) {
        const char *newline = memchr(text, '\n', size), *first = NULL;
        ShellUse earliest = { .offset = size };

        if (!shell_interpreter(text, newline ? (size_t)(newline - text) : size))
                return 0;
        for (; variables && *variables; variables++) {
                ShellUse use;

                if (shell_scan(text, size, *variables, &use) && use.offset < earliest.offset) {
                        earliest = use;
                        first = *variables;
                }
        }
        return first ? reject_use(name, text, size, first, &earliest, e) : 0;
}

/* Judges @text, which has been converted if it is to be. */
static int judge(const char *name, const char *text, size_t size, const ScriptRules *rules,
        Script *s, Error *e) {
        int k = check_form(name, text, size, e);

        if (k == 0)
                k = script_sbatch(name, text, size, s, e);
        if (k == 0)
                k = check_variables(name, text, size, rules->forbidden_variables, e);
        if (k == 0)
                sha256_hex(text, size, s->sha256);
        return k;
}

int script_text_check(const char *name, const char *text, size_t size, const ScriptRules *rules,
        Script *ret, Error *e) {
        _cleanup_free_ char *converted = NULL;
        Script s = { 0 };
        int k;

        if (rules->convert && size <= SCRIPT_SIZE_MAX && script_unix_needed(text, size)) {
                converted = malloc(size + 1);
                if (!converted)
                        return -ENOMEM;
                memcpy(converted, text, size);
                size = script_unix(converted, size);
                converted[size] = 0;
                text = converted;
                s.needs_conversion = true;
        }
        k = judge(name, text, size, rules, &s, e);
        if (k != 0 || !ret)
                script_done(&s);
        else
                *ret = s;
        return k;
}

int script_find(int uowdir, const ScriptRules *rules, Script *ret, Error *e) {
        ScriptFile file = { 0 };
        Script s = { 0 };
        int k;

        k = script_locate(uowdir, rules, &file, e);
        if (k != 0)
                return k;
        k = script_text_check(file.name, file.text, file.size, rules, &s, e);
        if (k == 0) {
                s.name = TAKE_PTR(file.name);
                s.target = TAKE_PTR(file.target);
                *ret = s;
        }
        script_file_done(&file);
        return k;
}
