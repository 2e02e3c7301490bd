/* SPDX-License-Identifier: Apache-2.0 */

/* What setup says while it works, and at its end: for people on standard error, for programs as one JSON object. */

#include "setup.h"

#include <stdarg.h>
#include <string.h>

#include "output.h"
#include "text.h"

static _printf_(4, 0) void note(
        const Setup *s, cJSON *list, const char *mark, const char *fmt, va_list ap) {
        _cleanup_free_ char *text = NULL;

        if (vasprintf(&text, fmt, ap) < 0)
                return;
        if (!s->cli->json)
                out_note("%s%s", mark, text);
        /* Names and lines of crontabs are bytes; JSON is UTF-8. */
        if (!utf8_valid(text)) {
                char *escaped = text_escape(text);

                free(text);
                text = escaped;
        }
        if (list && text)
                (void)json_add_str(list, text);
}

void setup_say_done(Setup *s, const char *fmt, ...) {
        va_list ap;

        va_start(ap, fmt);
        note(s, s->done, "", fmt, ap);
        va_end(ap);
}

void setup_warn(Setup *s, const char *fmt, ...) {
        va_list ap;

        va_start(ap, fmt);
        note(s, s->warnings, "  Note: ", fmt, ap);
        va_end(ap);
}

#define DAYS_MAX (CLOCK_TEXT_MAX + 8)

static const char *or_else(const char *answer, const char *otherwise) {
        return isempty(answer) ? otherwise : answer;
}

/* "14d" is "after 14 days" to people. */
static const char *days(const char *answer, char buf[static DAYS_MAX]) {
        char words[CLOCK_TEXT_MAX];
        usec_t d;

        if (duration_parse(answer, &d) < 0 || d == 0)
                return "never";
        snprintf(buf, DAYS_MAX, "after %s", duration_words(words, d));
        return buf;
}

void setup_summary(Setup *s) {
        char soft[DAYS_MAX], purge[DAYS_MAX];
        char **a = s->answers;

        if (s->cli->json)
                return;
        out_note("%s", "");
        out_note("Instance       %s%s", s->instance, s->today ? " (there already)" : "");
        out_note("Configuration  %s", s->config_path);
        out_note("Base folder    %s%s", a[ASK_BASE],
                s->is_legacy ? " (taken over from the bash FlowCron)" : "");
        if (streq(a[ASK_SCHEDULER], "slurm"))
                out_note(
                        "Jobs           by Slurm: account %s, QoS %s, partition %s, reservation %s",
                        or_else(a[ASK_ACCOUNT], "(default)"), or_else(a[ASK_QOS], "(default)"),
                        or_else(a[ASK_PARTITION], "(default)"),
                        or_else(a[ASK_RESERVATION], "(none)"));
        else
                out_note("Jobs           on this machine, without Slurm");
        out_note("Looks          %s", a[ASK_INTERVAL]);
        out_note("Recycling bin  %s; removed from there %s", days(a[ASK_SOFT_DELETE], soft),
                days(a[ASK_PURGE], purge));
        out_note("Timestamp      %s", a[ASK_TIMESTAMP]);
        out_note("Kept running   %s%s", a[ASK_SERVICE],
                streq(a[ASK_SERVICE], "auto") ? ": systemd, else scrontab, else cron" : "");
}

static cJSON *report(Setup *s) {
        _cleanup_json_ cJSON *o = cJSON_CreateObject();

        if (!o || json_set_str(o, "instance", s->instance) < 0 ||
                json_set_name(o, "config", s->config_path) < 0 ||
                (s->config && !isempty(s->config->base) &&
                        json_set_name(o, "base", s->config->base) < 0))
                return NULL;
        if ((s->storage && json_set_item(o, "storage", TAKE_PTR(s->storage)) < 0) ||
                (s->service && json_set_item(o, "service", TAKE_PTR(s->service)) < 0) ||
                (s->takeover && json_set_item(o, "takeover", TAKE_PTR(s->takeover)) < 0) ||
                json_set_item(o, "done", TAKE_PTR(s->done)) < 0 ||
                json_set_item(o, "warnings", TAKE_PTR(s->warnings)) < 0)
                return NULL;
        return TAKE_PTR(o);
}

static void print_advice(const Setup *s) {
        bool is_default = streq(s->instance, "default");
        const char *option = is_default ? "" : " -i ", *name = is_default ? "" : s->instance;

        if (s->remove)
                return;
        printf("Set up. Uploads go to %s/UploadedFiles; look with: flowcronctl%s%s status\n",
                s->config->base, option, name);
}

int setup_print(Setup *s, int code) {
        _cleanup_json_ cJSON *o = NULL;

        if (s->cli->json) {
                o = report(s);
                out_json(o);
        } else if (code == EXIT_DONE)
                print_advice(s);
        return code;
}
