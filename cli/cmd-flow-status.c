/* SPDX-License-Identifier: Apache-2.0 */

/* One run: how it stands, and what the status board said last, read from the run's event log. */

#include <stdio.h>
#include <string.h>

#include "flow-runs.h"
#include "output.h"
#include "text.h"

static const char usage[] =
        "usage: flowcronctl flow status [--flow ID | --fetch] [RUN]\n"
        "\n"
        "How a run stands: its state, what the cluster said last, and for a failed one the reason. Without RUN the\n"
        "newest run of the flow.\n"
        "\n"
        "      --flow ID  this flow (default: the one that was deployed for the instance)\n"
        "      --fetch    the instance's second flow\n"
        "      --json     print an object\n";

/* The last ones: a round of waiting takes ten. */
#define LOG_LINES "60"

/* What a state's log entry says it made: the result itself, or the run's whole data. */
static const char *made(const cJSON *entry, const char *part, const char *key) {
        const cJSON *output = json_object(json_object(entry, "details"), "output");

        return json_str(output, key) ?: json_str(json_object(output, part), key);
}

/* The newest entry comes first. */
static void add_log(cJSON *o, const cJSON *entries) {
        const char *state = NULL, *said = NULL, *cause = NULL;
        const cJSON *entry;

        cJSON_ArrayForEach(entry, entries) {
                state = state ?: json_str(json_object(entry, "details"), "state_name");
                said = said ?: made(entry, "progress", "text");
                cause = cause ?: made(entry, "ending", "cause");
        }
        json_set_str(o, "state", state);
        json_set_str(o, "cluster", said);
        if (streq(json_str(o, "status"), "FAILED"))
                json_set_str(o, "reason", cause);
}

static int get_run(Globus *g, const char *id, cJSON **ret, Error *e) {
        _cleanup_free_ char *escaped = globus_escape(id), *path = NULL, *log_path = NULL;
        _cleanup_json_ cJSON *run = NULL, *log = NULL, *o = NULL;
        int r;

        path = escaped ? xasprintf("/runs/%s", escaped) : NULL;
        log_path = escaped
                ? xasprintf("/runs/%s/log?limit=" LOG_LINES "&reverse_order=true", escaped)
                : NULL;
        if (!path || !log_path)
                return -ENOMEM;
        r = globus_call(g, &(GlobusRequest){ .method = "GET", .path = path }, &run, e);
        if (r == 0)
                r = globus_call(g, &(GlobusRequest){ .method = "GET", .path = log_path }, &log, e);
        if (r != 0)
                return r;
        o = flow_run_short(run);
        if (!o)
                return -ENOMEM;
        add_log(o, json_array(log, "entries"));
        if (!json_str(o, "reason") && !streq(json_str(o, "status"), "ACTIVE") &&
                !streq(json_str(o, "status"), "SUCCEEDED"))
                json_set_str(o, "reason", json_str(json_object(run, "details"), "description"));
        *ret = TAKE_PTR(o);
        return 0;
}

static void print_line(const char *label, const char *text) {
        _cleanup_free_ char *shown = out_text(text, SIZE_MAX);
        size_t width = out_width();

        if (isempty(text))
                return;
        printf("  %-8s ", label);
        out_wrapped(11, width == SIZE_MAX ? width : width - 11, shown ?: "");
}

static void print_run(const cJSON *o) {
        _cleanup_free_ char *label =
                out_text(json_str(o, "label") ?: json_str(o, "run_id"), SIZE_MAX);
        usec_t started = json_time(o, "start_time"), ended = json_time(o, "completion_time"),
               now = clock_now();
        char when[CLOCK_TEXT_MAX];

        printf("%s%s%s\n", out_on(STYLE_BOLD), label ?: "", out_off(STYLE_BOLD));
        print_line("status", json_str(o, "status"));
        print_line("state", json_str(o, "state"));
        print_line("cluster", json_str(o, "cluster"));
        print_line("reason", json_str(o, "reason"));
        print_line("started", started ? clock_format_short(when, started, now) : NULL);
        print_line("ended", ended ? clock_format_short(when, ended, now) : NULL);
        print_line("run", json_str(o, "run_id"));
        if (streq(json_str(o, "status"), "INACTIVE"))
                out_note(
                        "It waits for a person: open https://app.globus.org/runs/%s and do what is asked there.",
                        json_str(o, "run_id"));
}

static int newest(Cli *cli, Globus *g, const char *flow, bool fetch, char **ret) {
        _cleanup_json_ cJSON *runs = NULL;
        _cleanup_free_ char *id = NULL;
        const char *run;
        Error e = {};
        int r;

        r = flow_id(cli, flow, flow_kind(fetch), &id);
        if (r != 0)
                return r;
        r = flow_runs(g, id, 1, &runs, &e);
        if (r != 0)
                return flow_refuse(cli, r, &e);
        run = json_str(cJSON_GetArrayItem(runs, 0), "run_id");
        if (!run)
                return cli_fail(
                        cli, "there are no runs of this flow, or none that Globus shows to you");
        *ret = strdup(run);
        return *ret ? 0 : cli_fail(cli, "%s", strerror(ENOMEM));
}

static int run(Cli *cli, char **args) {
        const char *flow = NULL;
        bool fetch = false;
        const CliOption options[] = {
                { "flow", 0, NULL, &flow },
                { "fetch", 0, &fetch, NULL },
                {},
        };
        _cleanup_(globus_freep) Globus *g = NULL;
        _cleanup_json_ cJSON *o = NULL;
        _cleanup_free_ char *id = NULL;
        Error e = {};
        size_t n;
        int r;

        r = cli_parse(cli, args, options, &n);
        if (r == CLI_GO_ON)
                r = cli_expect(cli, args, n, 0, 1, NULL);
        if (r != CLI_GO_ON)
                return r;
        r = globus_new(&g, &e);
        if (r != 0)
                return flow_refuse(cli, r, &e);
        if (n == 0)
                r = newest(cli, g, flow, fetch, &id);
        if (r != 0)
                return r;
        r = get_run(g, id ?: args[0], &o, &e);
        if (r != 0)
                return flow_refuse(cli, r, &e);
        if (cli->json)
                out_json(o);
        else
                print_run(o);
        return EXIT_DONE;
}

const Order order_flow_status = { "flow status", "how a run stands", usage, run };
