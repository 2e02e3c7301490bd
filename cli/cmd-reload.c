/* SPDX-License-Identifier: Apache-2.0 */

#include "access.h"
#include "orders.h"
#include "output.h"
#include "text.h"

static const char usage[] =
        "usage: flowcronctl reload\n"
        "\n"
        "Has the daemon read its configuration again. If that is at fault the former one stays in force, and\n"
        "the fault is shown. The base folder, paths and the kind of scheduler change only with a restart.\n"
        "\n"
        "      --json  print an object\n";

static int refuse(Cli *cli, const VarlinkReply *reply) {
        Refusal f = {};

        refusal_set(&f, EXIT_FAILED, "config", "%s",
                json_str(reply->parameters, "message") ?: reply->error);
        return cli_refuse(cli, &f);
}

static int reload(Cli *cli) {
        _cleanup_(varlink_reply_done) VarlinkReply reply = {};
        Client *c = access_client(cli);
        Refusal f = {};
        Error e = {};

        if (!c) {
                refusal_set(&f, EXIT_UNREACHABLE, NULL,
                        "flowcrond can't be reached (%s). It reads its configuration when it starts",
                        cli->unreachable.text);
                return cli_refuse(cli, &f);
        }
        if (client_call(c, "Reload", NULL, &reply, &e) < 0) {
                refusal_set(&f, EXIT_UNREACHABLE, NULL, "%s", e.text);
                return cli_refuse(cli, &f);
        }
        if (reply.error)
                return refuse(cli, &reply);
        puts(cli->json ? "{}" : "The configuration was read again.");
        return EXIT_DONE;
}

static int run(Cli *cli, char **args) {
        size_t n;
        int r;

        r = cli_parse(cli, args, NULL, &n);
        if (r == CLI_GO_ON)
                r = cli_expect(cli, args, n, 0, 0, NULL);
        if (r == CLI_GO_ON)
                r = orders_check_base(cli);
        return r == CLI_GO_ON ? reload(cli) : r;
}

const Order order_reload = { "reload", "have the daemon read its configuration again", usage, run };
