/* SPDX-License-Identifier: Apache-2.0 */

#include "orders.h"
#include "output.h"
#include "text.h"

static const char usage[] =
        "usage: flowcronctl purge [--yes] UOW...\n"
        "\n"
        "Removes finished Units of Work from disk for good, data and results. Their history stays.\n"
        "Asks first.\n"
        "\n"
        "      --yes   do not ask; needed where there is no terminal\n"
        "      --json  print the Unit of Work; an array for several\n";

static bool confirm(char **names, size_t n) {
        _cleanup_free_ char *name = out_text(names[0], 60);

        if (n == 1)
                return cli_confirm("Remove %s from disk for good?", name ?: "it");
        return cli_confirm("Remove %s and %zu more from disk for good?", name ?: "it", n - 1);
}

static int run(Cli *cli, char **args) {
        bool yes = false;
        size_t n;
        int r;
        const CliOption options[] = { { "yes", 'y', &yes, NULL }, {} };

        r = cli_parse(cli, args, options, &n);
        if (r == CLI_GO_ON)
                r = cli_expect(cli, args, n, 1, SIZE_MAX, "the name of a Unit of Work");
        if (r == CLI_GO_ON)
                r = orders_check_base(cli);
        if (r != CLI_GO_ON)
                return r;
        if (!yes && !out_can_ask())
                return cli_usage_error(
                        cli, "purge asks before it removes, and there is no terminal: add --yes");
        if (!yes && !confirm(args, n)) {
                out_note("Nothing was removed.");
                return EXIT_FAILED;
        }
        return orders_give(cli, "purge", "is being removed", args, n);
}

const Order order_purge = { "purge", "remove Units of Work from disk for good", usage, run };
