/* SPDX-License-Identifier: Apache-2.0 */

#include "flow.h"
#include "output.h"

static const char usage[] =
        "usage: flowcronctl flow logout\n"
        "\n"
        "Has Globus take back what the login was given, and removes it from this machine.\n"
        "\n"
        "      --json  print an object\n";

static int run(Cli *cli, char **args) {
        _cleanup_(globus_freep) Globus *g = NULL;
        _cleanup_json_ cJSON *o = NULL;
        bool was;
        Error e = {};
        size_t n;
        int r;

        r = cli_parse(cli, args, NULL, &n);
        if (r == CLI_GO_ON)
                r = cli_expect(cli, args, n, 0, 0, NULL);
        if (r != CLI_GO_ON)
                return r;
        r = globus_new(&g, &e);
        if (r != 0)
                return flow_refuse(cli, r, &e);
        was = globus_client_id(g);
        r = globus_logout(g, &e);
        if (r != 0) {
                error_prefix(&e, r,
                        "the login is removed here, but Globus could not be told; what it was given ends by itself after some time");
                return flow_refuse(cli, r, &e);
        }
        if (!cli->json) {
                out_note(was ? "Logged out." : "There was no login.");
                return EXIT_DONE;
        }
        o = cJSON_CreateObject();
        if (json_set_bool(o, "was_logged_in", was) < 0)
                return EXIT_FAILED;
        out_json(o);
        return EXIT_DONE;
}

const Order order_flow_logout = { "flow logout", "log out of Globus", usage, run };
