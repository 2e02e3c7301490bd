/* SPDX-License-Identifier: Apache-2.0 */

/* What the doctor found: collected as JSON, which is also what is printed from. */

#include <stdarg.h>
#include <string.h>

#include "doctor.h"
#include "output.h"
#include "shell-quote.h"
#include "text.h"

static const struct {
        const char *word;
        Style style;
} results[_FINDING_MAX] = {
        [FINDING_OK] = { "ok", STYLE_GOOD },
        [FINDING_NOTE] = { "note", STYLE_BUSY },
        [FINDING_WARNING] = { "warning", STYLE_WARN },
        [FINDING_FAULT] = { "fault", STYLE_BAD },
};

static FindingResult result_of(const cJSON *finding) {
        const char *word = json_str(finding, "result");

        for (int i = 0; i < _FINDING_MAX; i++)
                if (streq(results[i].word, word))
                        return (FindingResult)i;
        return FINDING_FAULT;
}

static _printf_(4, 0) void set_text(
        Doctor *d, cJSON *finding, const char *key, const char *fmt, va_list ap) {
        _cleanup_free_ char *raw = NULL, *text = NULL;

        if (vasprintf(&raw, fmt, ap) < 0)
                raw = NULL;
        text = raw ? text_printable(raw, 0) : NULL;
        if (!finding || !text || json_set_str(finding, key, text) < 0)
                d->failed = true;
}

void doctor_find(Doctor *d, const char *check, FindingResult result, const char *fmt, ...) {
        cJSON *finding = cJSON_CreateObject();
        va_list ap;

        if (!finding || json_set_str(finding, "check", check) < 0 ||
                json_set_str(finding, "result", results[result].word) < 0 ||
                !cJSON_AddItemToArray(d->findings, finding)) {
                cJSON_Delete(finding);
                d->failed = true;
                return;
        }
        va_start(ap, fmt);
        set_text(d, finding, "what", fmt, ap);
        va_end(ap);
}

static cJSON *last(const Doctor *d) {
        return cJSON_GetArrayItem(d->findings, cJSON_GetArraySize(d->findings) - 1);
}

void doctor_why(Doctor *d, const char *fmt, ...) {
        va_list ap;

        va_start(ap, fmt);
        set_text(d, last(d), "why", fmt, ap);
        va_end(ap);
}

void doctor_advise(Doctor *d, const char *fmt, ...) {
        va_list ap;

        va_start(ap, fmt);
        set_text(d, last(d), "advice", fmt, ap);
        va_end(ap);
}

void doctor_advise_path(Doctor *d, const char *command, const char *path) {
        _cleanup_free_ char *quoted = shell_quote(path);

        if (quoted)
                doctor_advise(d, "%s %s", command, quoted);
        else
                d->failed = true;
}

void doctor_advise_edit(Doctor *d) {
        _cleanup_free_ char *path = NULL, *file = NULL;

        /* With --base the copy was read: the owner's own file is not known here. */
        if (d->cli->base)
                return;
        path = d->cli->config_path ? strdup(d->cli->config_path) : config_default_path(d->instance);
        file = path ? shell_quote(path) : NULL;
        if (file)
                doctor_advise(d, "${EDITOR:-vi} %s && %s reload", file, d->ctl);
        else
                d->failed = true;
}

FindingResult doctor_worst(const Doctor *d) {
        FindingResult worst = FINDING_OK;
        const cJSON *f;

        cJSON_ArrayForEach(f, d->findings)
                if (result_of(f) > worst)
                        worst = result_of(f);
        return worst;
}

/* ---- for people ---- */

#define RESULT_WIDTH 7
#define CHECK_WIDTH 13
#define INDENT (RESULT_WIDTH + 2 + CHECK_WIDTH + 2)

static size_t room(void) {
        size_t width = out_width();

        if (width == SIZE_MAX)
                return SIZE_MAX;
        if (width > INDENT + 90)
                width = INDENT + 90; /* longer lines are hard to read */
        return width > INDENT + 20 ? width - INDENT : 20;
}

static void print_more(const char *text) {
        _cleanup_free_ char *shown = text ? out_text(text, SIZE_MAX) : NULL;

        if (!shown)
                return;
        printf("%*s%s", INDENT, "", out_on(STYLE_DIM));
        out_wrapped(INDENT, room(), shown);
        fputs(out_off(STYLE_DIM), stdout);
}

/* On one line, however long: broken by us it could not be pasted. */
static void print_advice(const char *command) {
        _cleanup_free_ char *shown = command ? out_text(command, SIZE_MAX) : NULL;

        if (shown)
                printf("%*s%s%s%s\n", INDENT, "", out_on(STYLE_BOLD), shown, out_off(STYLE_BOLD));
}

static void print_finding(const cJSON *f, bool same_check) {
        _cleanup_free_ char *what = out_text(json_str(f, "what"), SIZE_MAX);
        FindingResult result = result_of(f);

        printf("%s%-*s%s  %-*s  ", out_on(results[result].style), RESULT_WIDTH,
                results[result].word, out_off(results[result].style), CHECK_WIDTH,
                same_check ? "" : json_str(f, "check"));
        out_wrapped(INDENT, room(), what ?: "");
        print_more(json_str(f, "why"));
        print_advice(json_str(f, "advice"));
}

static void print_sum(const Doctor *d) {
        size_t n[_FINDING_MAX] = {};
        const cJSON *f;

        cJSON_ArrayForEach(f, d->findings)
                n[result_of(f)]++;
        if (n[FINDING_FAULT] + n[FINDING_WARNING] == 0)
                printf("\n%sAll is well.%s\n", out_on(STYLE_GOOD), out_off(STYLE_GOOD));
        else
                printf("\n%zu %s, %zu %s.\n", n[FINDING_FAULT],
                        n[FINDING_FAULT] == 1 ? "fault" : "faults", n[FINDING_WARNING],
                        n[FINDING_WARNING] == 1 ? "warning" : "warnings");
}

void doctor_print(const Doctor *d) {
        _cleanup_free_ char *base = d->config ? out_text(d->config->base, SIZE_MAX) : NULL;
        const char *before = NULL;
        const cJSON *f;

        printf("%s%s%s%s%s\n\n", out_on(STYLE_BOLD), d->instance, out_off(STYLE_BOLD),
                base ? " in " : "", base ?: "");
        cJSON_ArrayForEach(f, d->findings) {
                print_finding(f, streq(before, json_str(f, "check")));
                before = json_str(f, "check");
        }
        print_sum(d);
}
