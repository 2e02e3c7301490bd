/* SPDX-License-Identifier: Apache-2.0 */

#include "access.h"
#include "output.h"
#include "text.h"

static const char usage[] =
        "usage: flowcronctl version\n"
        "\n"
        "Prints the version of flowcronctl, and of the daemon if it can be reached.\n"
        "\n"
        "      --json  print an object\n";

static int print_json(const char *daemon) {
        _cleanup_json_ cJSON *o = cJSON_CreateObject();

        if (!o || json_set_str(o, "version", FLOWCRON_VERSION) < 0 ||
                json_set_str(o, "daemon", daemon) < 0)
                return EXIT_FAILED;
        out_json(o);
        return EXIT_DONE;
}

static int run(Cli *cli, char **args) {
        _cleanup_json_ cJSON *status = NULL;
        const char *daemon = NULL;
        Refusal f = {};
        size_t n;
        int r;

        r = cli_parse(cli, args, NULL, &n);
        if (r == CLI_GO_ON)
                r = cli_expect(cli, args, n, 0, 0, NULL);
        if (r != CLI_GO_ON)
                return r;
        if (access_client(cli) && access_status(cli, &status, &f) == 0)
                daemon = json_str(json_object(status, "daemon"), "version");
        if (cli->json)
                return print_json(daemon);
        printf("flowcronctl %s\n", FLOWCRON_VERSION);
        if (daemon)
                printf("flowcrond %s%s\n", daemon,
                        streq(daemon, FLOWCRON_VERSION)
                                ? ""
                                : "; restart it to run the installed version");
        return EXIT_DONE;
}

const Order order_version = { "version", "print the version", usage, run };
