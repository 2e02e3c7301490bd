/* SPDX-License-Identifier: Apache-2.0 */

#include "access.h"
#include "evidence.h"
#include "output.h"
#include "text.h"
#include "uow-text.h"

static const char usage[] =
        "usage: flowcronctl show UOW\n"
        "\n"
        "Shows everything about one Unit of Work: where it is, why, its job, its times, its folder; of one\n"
        "that did not succeed also what probably happened, the last lines of its output, and what to change.\n"
        "UOW is its name, its id, or an unambiguous beginning of either.\n"
        "\n"
        "      --json  print it as an object\n"
        "\n"
        "See also: flowcronctl history UOW, flowcronctl logs UOW.\n";

static int run(Cli *cli, char **args) {
        _cleanup_json_ cJSON *uow = NULL;
        Refusal f = {};
        size_t n;
        int r;

        r = cli_parse(cli, args, NULL, &n);
        if (r == CLI_GO_ON)
                r = cli_expect(cli, args, n, 1, 1, "the name of a Unit of Work");
        if (r != CLI_GO_ON)
                return r;
        r = access_show(cli, args[0], &uow, &f);
        if (r != 0)
                return cli_refuse(cli, &f);
        if (cli->json)
                out_json(uow);
        else {
                uow_print(uow, false);
                evidence_print(uow);
        }
        return EXIT_DONE;
}

const Order order_show = { "show", "everything about one Unit of Work", usage, run };
