/* SPDX-License-Identifier: Apache-2.0 */

#include "orders.h"

static const char usage[] =
        "usage: flowcronctl restore UOW...\n"
        "\n"
        "Takes Units of Work out of the recycling bin, back to where their results were filed.\n"
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
        return r == CLI_GO_ON
                ? orders_give(cli, "restore", "is taken out of the recycling bin", args, n)
                : r;
}

const Order order_restore = { "restore", "take Units of Work out of the recycling bin", usage,
        run };
