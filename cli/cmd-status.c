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

/* Of many to whom the same happened. */
#define NAMES_SHOWN 5

#define LABEL_WIDTH 13

/* @label is the first column; the rest wraps under itself. */
static void print_line(const char *label, Style style, const char *text) {
        _cleanup_free_ char *shown = out_text(text, SIZE_MAX);
        size_t width = out_width();

        printf("  %-10s %s", label, out_on(style));
        out_wrapped(LABEL_WIDTH, width == SIZE_MAX ? width : width - LABEL_WIDTH, shown ?: "");
        printf("%s", out_off(style));
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
                return since_text("answers, last at ", s, "last_answer");
        }
        if (streq(availability, "untried"))
                return strdup("not asked yet");
        if (!availability)
                return strdup("not known");
        *ret_style = streq(availability, "down") ? STYLE_BAD : STYLE_WARN;
        return xasprintf("%s%s",
                streq(availability, "down") ? "does not answer" : "answers in part", since ?: "");
}

/* The same words need no second place. */
static bool is_said_below(const cJSON *status, const char *trouble) {
        const cJSON *a;

        cJSON_ArrayForEach(a, json_array(status, "attention"))
                if (streq(json_str(a, "what"), trouble))
                        return true;
        return false;
}

static void print_scheduler(const cJSON *status) {
        const cJSON *s = json_object(status, "scheduler");
        const char *trouble = json_str(s, "trouble"), *version = json_str(s, "version"),
                   *type = json_str(s, "type") ?: "?";
        _cleanup_free_ char *words = NULL, *line = NULL;
        Style style;

        words = availability_text(s, &style);
        if (!version || !startswith(version, type))
                line = xasprintf(
                        "%s%s%s: %s", type, version ? " " : "", version ?: "", words ?: "?");
        else
                line = xasprintf("%s: %s", version, words ?: "?");
        print_line("scheduler", style, line);
        if (trouble && !is_said_below(status, trouble))
                print_line("", STYLE_WARN, trouble);
}

/* "2 queued, 17 finished", in the order of the states. */
static void print_counts(const cJSON *status) {
        _cleanup_free_ char *line = NULL;
        const cJSON *c;

        cJSON_ArrayForEach(c, json_object(status, "counts")) {
                char *longer;

                if (!cJSON_IsNumber(c) || c->valueint == 0)
                        continue;
                longer = xasprintf(
                        "%s%s%d %s", line ?: "", line ? ", " : "", c->valueint, c->string);
                free(line);
                line = longer;
        }
        print_line("holds", STYLE_NONE, line ?: "no Units of Work yet");
}

static bool same_attention(const cJSON *a, const cJSON *b) {
        return streq(json_str(a, "what"), json_str(b, "what")) &&
                streq(json_str(a, "advice"), json_str(b, "advice"));
}

static bool is_repeated(const cJSON *array, const cJSON *a) {
        const cJSON *before;

        cJSON_ArrayForEach(before, array) {
                if (before == a)
                        return false;
                if (same_attention(before, a))
                        return true;
        }
        return false;
}

/* Those to whom the same happened: "a, b, c and 17 more", new string; NULL if it is about none. */
static char *affected(const cJSON *a) {
        char *names = NULL;
        int n = 0;

        for (const cJSON *b = a; b; b = b->next) {
                const char *uow = json_str(b, "uow");
                char *longer;

                if (!uow || !same_attention(a, b) || n++ >= NAMES_SHOWN)
                        continue;
                longer = xasprintf("%s%s%s", names ?: "", names ? ", " : "", uow);
                free(names);
                names = longer;
        }
        if (names && n > NAMES_SHOWN) {
                char *longer = xasprintf("%s and %d more", names, n - NAMES_SHOWN);

                free(names);
                names = longer;
        }
        return names;
}

static void print_attention(const cJSON *status) {
        const cJSON *array = json_array(status, "attention"), *a;

        if (cJSON_GetArraySize(array) == 0) {
                printf("\nNothing needs attention.\n");
                return;
        }
        printf("\n%sNeeds attention%s\n", out_on(STYLE_WARN), out_off(STYLE_WARN));
        cJSON_ArrayForEach(a, array) {
                _cleanup_free_ char *uows = affected(a), *line = NULL;
                const char *what = json_str(a, "what");

                if (is_repeated(array, a))
                        continue;
                line = xasprintf("%s%s%s", uows ?: "", uows ? ": " : "", what ?: "");
                if (line)
                        out_point(2, line);
                if (json_str(a, "advice"))
                        out_paragraph(4, json_str(a, "advice"));
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
        print_counts(status);
        if (!isempty(as_of))
                print_line("as of", STYLE_DIM, as_of);
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
