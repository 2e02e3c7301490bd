/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>
#include <string.h>

#include "flow-runs.h"
#include "output.h"
#include "text.h"

static const char usage[] =
        "usage: flowcronctl flow runs [--flow ID | --fetch] [--limit N]\n"
        "\n"
        "The runs of a flow, newest first.\n"
        "\n"
        "      --flow ID   this flow (default: the one that was deployed for the instance)\n"
        "      --fetch     the instance's second flow\n"
        "      --limit N   at most so many (default: 20)\n"
        "      --json      print an array\n";

static Style status_style(const char *status) {
        if (streq(status, "SUCCEEDED"))
                return STYLE_GOOD;
        if (streq(status, "FAILED"))
                return STYLE_BAD;
        if (streq(status, "INACTIVE"))
                return STYLE_WARN;
        return streq(status, "ACTIVE") ? STYLE_BUSY : STYLE_NONE;
}

static int print_table(const cJSON *runs) {
        static const Column columns[] = {
                { .title = "STARTED" },
                { .title = "STATUS" },
                { .title = "RUN", .spare = 1 },
                { .title = "LABEL", .min = 12, .shrinks = true },
        };
        _cleanup_(table_freep) Table *t = table_new(columns, ELEMENTSOF(columns));
        const cJSON *one;

        cJSON_ArrayForEach(one, runs) {
                usec_t started = json_time(one, "start_time");
                const char *status = json_str(one, "status") ?: "?";
                char when[CLOCK_TEXT_MAX] = "?";

                if (started)
                        clock_format_short(when, started, clock_now());
                if (!t || table_set(t, 0, STYLE_NONE, when) < 0 ||
                        table_set(t, 1, status_style(status), status) < 0 ||
                        table_set(t, 2, STYLE_DIM, json_str(one, "run_id") ?: "?") < 0 ||
                        table_set(t, 3, STYLE_BOLD, json_str(one, "label") ?: "") < 0 ||
                        table_end_row(t) < 0)
                        return EXIT_FAILED;
        }
        table_print(t, 0);
        return EXIT_DONE;
}

static int run(Cli *cli, char **args) {
        const char *flow = NULL, *limit = "20";
        bool fetch = false;
        const CliOption options[] = {
                { "flow", 0, NULL, &flow },
                { "fetch", 0, &fetch, NULL },
                { "limit", 0, NULL, &limit },
                {},
        };
        _cleanup_json_ cJSON *runs = NULL;
        _cleanup_free_ char *id = NULL;
        _cleanup_(globus_freep) Globus *g = NULL;
        Error e = {};
        char *end;
        long max;
        size_t n;
        int r;

        r = cli_parse(cli, args, options, &n);
        if (r == CLI_GO_ON)
                r = cli_expect(cli, args, n, 0, 0, NULL);
        if (r != CLI_GO_ON)
                return r;
        max = strtol(limit, &end, 10);
        if (*end || max < 1 || max > 10000)
                return cli_usage_error(cli, "--limit is a number from 1 to 10000");
        r = flow_id(cli, flow, flow_kind(fetch), &id);
        if (r != 0)
                return r;
        r = globus_new(&g, &e);
        if (r == 0)
                r = flow_runs(g, id, (size_t)max, &runs, &e);
        if (r != 0)
                return flow_refuse(cli, r, &e);
        if (!cli->json && cJSON_GetArraySize(runs) == 0)
                out_note("There are no runs of this flow, or none that Globus shows to you.");
        else if (!cli->json)
                return print_table(runs);
        else
                out_json(runs);
        return EXIT_DONE;
}

const Order order_flow_runs = { "flow runs", "the runs of a flow", usage, run };
