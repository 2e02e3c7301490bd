/* SPDX-License-Identifier: Apache-2.0 */

/* Logging in to Globus: see lib/globus-client.h. */

#include <stdio.h>
#include <string.h>

#include "flow.h"
#include "output.h"
#include "strv.h"
#include "text.h"

static const char usage[] =
        "usage: flowcronctl flow login --client-id ID [--flow ID] [--data-access COLLECTION[,...]]\n"
        "       flowcronctl flow login --service [--credentials FILE]\n"
        "\n"
        "Logs in to Globus, for this user of this machine. As a person: open the address that is printed in any\n"
        "browser, agree, and paste the code that is shown there. As a service account: with its credentials.\n"
        "\n"
        "      --client-id ID    the native app (\"thick client\") that you registered at Globus; once, it is remembered\n"
        "      --flow ID         ask for the consent to start this flow, too\n"
        "      --data-access COLLECTION\n"
        "                        let that flow use the files of this mapped collection; not for guest collections\n"
        "      --service         as a service account, from FLOWCRON_GLOBUS_CLIENT_ID and FLOWCRON_GLOBUS_CLIENT_SECRET\n"
        "      --credentials FILE\n"
        "                        or from this file: {\"client_id\": ..., \"client_secret\": ...}, readable by you alone\n"
        "      --json            print an object\n"
        "\n"
        "The login is kept in ~/.local/state/flowcron/globus.json, for you alone.\n";

typedef struct Given {
        const char *client_id, *flow, *data_access, *credentials;
        bool service;
} Given;

static int check(Cli *cli, const Given *given) {
        if (given->client_id && !flow_uuid_valid(given->client_id))
                return cli_usage_error(cli, "--client-id is a UUID");
        if (given->flow && !flow_uuid_valid(given->flow))
                return cli_usage_error(
                        cli, "--flow is the UUID of a flow, as its page in Globus shows it");
        if (given->data_access && !given->flow)
                return cli_usage_error(cli, "--data-access goes with --flow");
        if (given->service && (given->client_id || given->flow))
                return cli_usage_error(
                        cli, "a service account needs neither --client-id nor --flow");
        return CLI_GO_ON;
}

static int done(Cli *cli, const Globus *g) {
        _cleanup_json_ cJSON *o = cli->json ? cJSON_CreateObject() : NULL;

        if (!cli->json) {
                out_note("Logged in%s.", globus_is_service(g) ? " as a service account" : "");
                return EXIT_DONE;
        }
        if (json_set_str(o, "kind", globus_is_service(g) ? "service" : "native") < 0 ||
                json_set_str(o, "client_id", globus_client_id(g)) < 0)
                return cli_fail(cli, "%s", strerror(ENOMEM));
        out_json(o);
        return EXIT_DONE;
}

/* ---- a person ---- */

/* All collections must be UUIDs: they become part of a scope. */
static int check_collections(Cli *cli, char *const *collections) {
        for (; collections && *collections; collections++)
                if (!flow_uuid_valid(*collections))
                        return cli_usage_error(cli,
                                "--data-access takes UUIDs of collections, with commas between");
        return CLI_GO_ON;
}

static int add_scopes(Cli *cli, const Given *given, char ***scopes) {
        _cleanup_(strv_freep) char **collections = NULL;
        int r;

        if (flow_split(given->data_access, &collections) < 0 ||
                strv_add(scopes, GLOBUS_FLOWS_SCOPE) < 0)
                return cli_fail(cli, "%s", strerror(ENOMEM));
        r = check_collections(cli, collections);
        if (r != CLI_GO_ON)
                return r;
        if (given->flow && strv_take(scopes, globus_flow_scope(given->flow, collections)) < 0)
                return cli_fail(cli, "%s", strerror(ENOMEM));
        return CLI_GO_ON;
}

static int ask_code(Cli *cli, const char *url, char *code, size_t size) {
        out_note(
                "Open this address in a browser, log in and agree; then paste the code that is shown:\n");
        /* As one piece, so that it can be copied from any terminal. */
        fprintf(stderr, "%s\n\n", url);
        out_ask("Code: ");
        if (!fgets(code, (int)size, stdin))
                return cli_fail(cli, "no code was given; nothing has changed");
        code[strcspn(code, " \t\r\n")] = 0;
        return *code ? CLI_GO_ON : cli_fail(cli, "no code was given; nothing has changed");
}

static int login_person(Cli *cli, Globus *g, const Given *given) {
        const char *client = given->client_id
                ?: globus_is_service(g) ? NULL
                                        : globus_client_id(g),
                   *url;
        _cleanup_(strv_freep) char **scopes = NULL;
        _cleanup_free_ char *client_id = client ? strdup(client) : NULL;
        char code[512];
        Error e = {};
        int r;

        if (!client_id)
                return cli_usage_error(cli,
                        "whose login is it? Register a native app at Globus once, and give its UUID with --client-id; docs/globus.md says how");
        r = add_scopes(cli, given, &scopes);
        if (r != CLI_GO_ON)
                return r;
        r = globus_login_url(g, client_id, scopes, &url, &e);
        if (r != 0)
                return flow_refuse(cli, r, &e);
        r = ask_code(cli, url, code, sizeof(code));
        if (r != CLI_GO_ON)
                return r;
        r = globus_login_finish(g, code, &e);
        return r == 0 ? done(cli, g) : flow_refuse(cli, r, &e);
}

static int run(Cli *cli, char **args) {
        _cleanup_(globus_freep) Globus *g = NULL;
        Given given = {};
        const CliOption options[] = {
                { "client-id", 0, NULL, &given.client_id },
                { "flow", 0, NULL, &given.flow },
                { "data-access", 0, NULL, &given.data_access },
                { "service", 0, &given.service, NULL },
                { "credentials", 0, NULL, &given.credentials },
                {},
        };
        Error e = {};
        size_t n;
        int r;

        r = cli_parse(cli, args, options, &n);
        if (r == CLI_GO_ON)
                r = cli_expect(cli, args, n, 0, 0, NULL);
        given.service = given.service || given.credentials;
        if (r == CLI_GO_ON)
                r = check(cli, &given);
        if (r != CLI_GO_ON)
                return r;
        r = globus_new(&g, &e);
        if (r != 0)
                return flow_refuse(cli, r, &e);
        if (!given.service)
                return login_person(cli, g, &given);
        r = globus_login_service(g, given.credentials, &e);
        return r == 0 ? done(cli, g) : flow_refuse(cli, r, &e);
}

const Order order_flow_login = { "flow login", "log in to Globus", usage, run };
