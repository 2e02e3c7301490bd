/* SPDX-License-Identifier: Apache-2.0 */

#include "orders.h"

static const char usage[] =
        "usage: flowcronctl cancel UOW...\n"
        "\n"
        "Cancels Units of Work that are not finished: their jobs are cancelled, and what there is is filed\n"
        "in FailedJobs with the outcome \"cancelled\".\n"
        "\n"
        "      --json  print the Unit of Work; an array for several\n";

static int run(Cli *cli, char **args) {
        size_t n;
        int r;

        r = cli_parse(cli, args, NULL, &n);
        if (r == CLI_GO_ON)
                r = cli_expect(cli, args, n, 1, SIZE_MAX, "the name of a Unit of Work");
        if (r == CLI_GO_ON)
                r = orders_check_base(cli);
        return r == CLI_GO_ON ? orders_give(cli, "cancel", "is being cancelled", args, n) : r;
}

const Order order_cancel = { "cancel", "cancel Units of Work that are not finished", usage, run };
