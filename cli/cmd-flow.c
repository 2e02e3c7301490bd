/* SPDX-License-Identifier: Apache-2.0 */

/* The Globus side: a table of orders in the table of orders. */

#include <stdio.h>

#include "flow.h"
#include "output.h"
#include "text.h"

static const char usage[] =
        "usage: flowcronctl flow ORDER [ARGUMENT...]\n"
        "\n"
        "The flow by which researchers use this instance from Globus's web page.\n"
        "\n"
        "  generate  write its definition and its form\n"
        "  validate  check a definition or a form\n"
        "  login     log in to Globus\n"
        "  logout    log out again\n"
        "  deploy    create the flow at Globus, or update it\n"
        "  run       start it for a folder\n"
        "  status    how a run stands\n"
        "  runs      its runs\n"
        "\n"
        "'flowcronctl flow ORDER --help' says more. See also docs/globus.md.\n";

static const Order *const orders[] = {
        &order_flow_generate,
        &order_flow_validate,
        &order_flow_login,
        &order_flow_logout,
        &order_flow_deploy,
        &order_flow_run,
        &order_flow_status,
        &order_flow_runs,
};

/* The table has "flow generate"; people type "generate". */
static const char *short_name(const Order *o) {
        return startswith(o->name, "flow ") ?: o->name;
}

static int unknown(Cli *cli, const char *word) {
        _cleanup_free_ char *shown = out_text(word, 40);
        const char *words[ELEMENTSOF(orders) + 1] = {}, *nearest;

        for (size_t i = 0; i < ELEMENTSOF(orders); i++)
                words[i] = short_name(orders[i]);
        nearest = cli_nearest(word, words);
        if (nearest)
                return cli_usage_error(cli, "there is no order \"flow %s\"; did you mean \"%s\"?",
                        shown ?: "", nearest);
        return cli_usage_error(cli, "there is no order \"flow %s\"", shown ?: "");
}

static int run(Cli *cli, char **args) {
        char *word = cli_take_word(args);
        size_t n;
        int r;

        for (size_t i = 0; word && i < ELEMENTSOF(orders); i++)
                if (streq(short_name(orders[i]), word))
                        return (cli->order = orders[i])->run(cli, args);
        if (word)
                return unknown(cli, word);
        r = cli_parse(cli, args, NULL, &n);
        if (r != CLI_GO_ON)
                return r;
        return cli_usage_error(
                cli, "what is to be done? Name an order, as in: flowcronctl flow generate");
}

const Order order_flow = { "flow",
        "the Globus side: generate, validate and deploy the flow, and run it", usage, run };
