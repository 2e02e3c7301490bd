/* SPDX-License-Identifier: Apache-2.0 */

#include <string.h>

#include "access.h"
#include "output.h"
#include "text.h"
#include "uow-text.h"

static const char usage[] =
        "usage: flowcronctl status\n"
        "       flowcronctl status UOW\n"
        "\n"
        "Shows the instance at a glance: whether the daemon runs and where, how it watches for uploads, how\n"
        "the scheduler does, how many Units of Work are in which state, and what needs somebody's attention.\n"
        "With UOW, shows that one: where it is, and why.\n"
        "\n"
        "      --json  print an object\n";

/* @label is the first column; the rest wraps under itself. */
static void print_line(const char *label, Style style, const char *text) {
        _cleanup_free_ char *shown = out_text(text, SIZE_MAX);

        printf("  %-10s %s%s%s\n", label, out_on(style), shown ?: "", out_off(style));
}

static char *since_text(const char *prefix, const cJSON *o, const char *key) {
        usec_t t = json_time(o, key);
        char when[CLOCK_TEXT_MAX];

        return t ? xasprintf("%s%s", prefix, clock_format_short(when, t, clock_now())) : strdup("");
}

/* From the state on disk: all that the lease says. */
static char *owner_text(const cJSON *daemon) {
        const cJSON *owner = json_object(daemon, "owner");
        const char *host = json_str(owner, "host");

        if (!owner)
                return strdup("never ran here");
        if (!json_bool(owner, "alive", false))
                return xasprintf("does not run%s; ran last on %s",
                        json_bool(daemon, "once", false) ? " between its passes" : "", host ?: "?");
        return xasprintf("runs on %s, process %d, and can't be reached from here", host ?: "?",
                (int)json_int(owner, "pid", 0));
}

static void print_daemon(const cJSON *status) {
        const cJSON *d = json_object(status, "daemon");
        const char *host = json_str(status, "host"), *version = json_str(d, "version");
        _cleanup_free_ char *since = since_text(" since ", d, "since"), *line = NULL;
        bool running = json_bool(d, "running", false);

        line = running ? xasprintf("running%s on %s, process %d, version %s", since ?: "",
                                 host ?: "?", (int)json_int(d, "pid", 0), version ?: "?")
                       : owner_text(d);
        print_line("daemon", running ? STYLE_GOOD : STYLE_WARN, line);
}

static void print_watch(const cJSON *status) {
        const cJSON *w = json_object(status, "watch");
        const char *mode = json_str(w, "mode"), *why = json_str(w, "why");
        _cleanup_free_ char *line = NULL;

        if (!mode)
                return;
        line = xasprintf("%s, scan every %s%s%s", mode, json_str(w, "rescan_interval") ?: "?",
                why ? ": " : "", why ?: "");
        print_line("watch", STYLE_NONE, line);
        if (json_str(w, "trouble"))
                print_line("", STYLE_WARN, json_str(w, "trouble"));
}

static char *availability_text(const cJSON *s, Style *ret_style) {
        const char *availability = json_str(s, "availability");
        _cleanup_free_ char *since = since_text(" since ", s, "since");

        *ret_style = STYLE_NONE;
        if (streq(availability, "up")) {
                *ret_style = STYLE_GOOD;
                return strdup("answers");
        }
        if (streq(availability, "untried"))
                return strdup("not asked yet");
        if (!availability)
                return strdup("not known");
        *ret_style = streq(availability, "down") ? STYLE_BAD : STYLE_WARN;
        return xasprintf("%s%s",
                streq(availability, "down") ? "does not answer" : "answers in part", since ?: "");
}

static void print_scheduler(const cJSON *status) {
        const cJSON *s = json_object(status, "scheduler");
        const char *trouble = json_str(s, "trouble"), *version = json_str(s, "version"),
                   *type = json_str(s, "type") ?: "?";
        _cleanup_free_ char *last = since_text(", last at ", s, "last_answer"), *words = NULL,
                            *line = NULL;
        Style style;

        words = availability_text(s, &style);
        if (!version || !startswith(version, type))
                line = xasprintf("%s%s%s: %s%s", type, version ? " " : "", version ?: "",
                        words ?: "?", last ?: "");
        else
                line = xasprintf("%s: %s%s", version, words ?: "?", last ?: "");
        print_line("scheduler", style, line);
        if (trouble)
                print_line("", STYLE_WARN, trouble);
}

static void print_counts(const cJSON *status) {
        const cJSON *counts = json_object(status, "counts"), *c;

        putchar('\n');
        cJSON_ArrayForEach(c, counts)
                if (cJSON_IsNumber(c))
                        printf("  %s%6d  %s%s\n", out_on(c->valueint > 0 ? STYLE_NONE : STYLE_DIM),
                                c->valueint, c->string,
                                out_off(c->valueint > 0 ? STYLE_NONE : STYLE_DIM));
}

static void print_attention(const cJSON *status) {
        const cJSON *array = json_array(status, "attention"), *a;

        if (cJSON_GetArraySize(array) == 0) {
                printf("\nNothing needs attention.\n");
                return;
        }
        printf("\n%sNeeds attention%s\n", out_on(STYLE_WARN), out_off(STYLE_WARN));
        cJSON_ArrayForEach(a, array) {
                const char *what = json_str(a, "what"), *uow = json_str(a, "uow");
                _cleanup_free_ char *line = uow
                        ? xasprintf("%s %s: %s", out_bullet(), uow, what ?: "")
                        : xasprintf("%s %s", out_bullet(), what ?: "");

                if (line)
                        out_paragraph(2, line);
                if (json_str(a, "advice"))
                        out_paragraph(6, json_str(a, "advice"));
        }
}

static void print_status(const cJSON *status) {
        _cleanup_free_ char *base = out_text(json_str(status, "base"), SIZE_MAX);
        _cleanup_free_ char *as_of = since_text("", status, "time");

        printf("%s%s%s in %s\n", out_on(STYLE_BOLD), json_str(status, "instance") ?: "?",
                out_off(STYLE_BOLD), base ?: "?");
        print_daemon(status);
        print_watch(status);
        print_scheduler(status);
        if (!isempty(as_of))
                print_line("as of", STYLE_DIM, as_of);
        print_counts(status);
        print_attention(status);
}

static int show_one(Cli *cli, const char *what) {
        _cleanup_json_ cJSON *uow = NULL;
        Refusal f = {};

        if (access_show(cli, what, &uow, &f) != 0)
                return cli_refuse(cli, &f);
        if (cli->json)
                out_json(uow);
        else
                uow_print(uow, true);
        return EXIT_DONE;
}

static int run(Cli *cli, char **args) {
        _cleanup_json_ cJSON *status = NULL;
        Refusal f = {};
        size_t n;
        int r;

        r = cli_parse(cli, args, NULL, &n);
        if (r == CLI_GO_ON)
                r = cli_expect(cli, args, n, 0, 1, NULL);
        if (r != CLI_GO_ON)
                return r;
        if (n == 1)
                return show_one(cli, args[0]);
        if (access_status(cli, &status, &f) != 0)
                return cli_refuse(cli, &f);
        if (cli->json)
                out_json(status);
        else
                print_status(status);
        return EXIT_DONE;
}

const Order order_status = { "status", "the instance at a glance, or one Unit of Work", usage,
        run };
