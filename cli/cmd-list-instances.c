/* SPDX-License-Identifier: Apache-2.0 */

#include "access.h"
#include "output.h"
#include "setup.h"
#include "text.h"

static const char usage[] =
        "usage: flowcronctl list-instances [--names]\n"
        "\n"
        "Lists the instances that you have: those with a configuration in its usual place.\n"
        "\n"
        "      --names  their names only, a line each\n"
        "      --json   print an array\n";

static const Column columns[] = {
        { "INSTANCE", 8, false, false, 0, false },
        { "STATE", 8, false, false, 0, false },
        { "BASE", 12, true, false, 0, false },
};

/* "runs", "runs elsewhere", "stopped", or what is wrong with its configuration. */
static const char *look(const char *name, const Config *c, Style *ret_style) {
        _cleanup_free_ char *socket = config_socket_path(name);
        _cleanup_(client_freep) Client *client = NULL;
        _cleanup_(offline_freep) Offline *offline = NULL;
        _cleanup_json_ cJSON *status = NULL;

        *ret_style = STYLE_GOOD;
        if (socket && client_open(socket, &client, NULL) == 0)
                return "runs";
        if (offline_open(c, &offline, NULL) == 0 && (status = offline_status(offline)) &&
                json_bool(json_object(status, "daemon"), "running", false))
                return "runs elsewhere";
        *ret_style = STYLE_DIM;
        return "stopped";
}

static int add(cJSON *list, Table *t, const char *name) {
        _cleanup_json_ cJSON *o = cJSON_CreateObject();
        _cleanup_free_ char *file = config_default_path(name);
        _cleanup_(config_freep) Config *c = NULL;
        const char *state = "faulty";
        Style style = STYLE_BAD;
        Error e = {};

        if (!o || !file)
                return -ENOMEM;
        if (config_load(file, &c, &e) == 0)
                state = look(name, c, &style);
        if (table_set(t, 0, STYLE_BOLD, name) < 0 || table_set(t, 1, style, state) < 0 ||
                table_set(t, 2, STYLE_NONE, c ? c->base : e.text) < 0 || table_end_row(t) < 0 ||
                json_set_str(o, "instance", name) < 0 || json_set_name(o, "config", file) < 0 ||
                (c ? json_set_name(o, "base", c->base) : json_set_str(o, "error", e.text)) < 0 ||
                json_set_str(o, "state", state) < 0 || !cJSON_AddItemToArray(list, o))
                return -ENOMEM;
        TAKE_PTR(o);
        return 0;
}

static int show(Cli *cli, char **names) {
        _cleanup_(table_freep) Table *t = table_new(columns, ELEMENTSOF(columns));
        _cleanup_json_ cJSON *list = cJSON_CreateArray();
        int r = t && list ? 0 : -ENOMEM;

        for (char **name = names; r == 0 && *name; name++)
                r = add(list, t, *name);
        if (r < 0)
                return cli_fail(cli, "out of memory");
        if (cli->json)
                out_json(list);
        else if (table_rows(t) == 0)
                puts("There are no instances. Set one up with: flowcronctl setup");
        else
                table_print(t, 0);
        return EXIT_DONE;
}

static int run(Cli *cli, char **args) {
        _cleanup_(strv_freep) char **names = NULL;
        bool names_only = false;
        const CliOption options[] = { { "names", 0, &names_only, NULL }, {} };
        size_t n;
        int r;

        r = cli_parse(cli, args, options, &n);
        if (r == CLI_GO_ON)
                r = cli_expect(cli, args, n, 0, 0, NULL);
        if (r != CLI_GO_ON)
                return r;
        names = instances_list();
        if (!names)
                return cli_fail(cli, "neither XDG_CONFIG_HOME nor a home folder is known");
        if (!names_only)
                return show(cli, names);
        for (char **name = names; *name; name++)
                puts(*name);
        return EXIT_DONE;
}

const Order order_list_instances = { "list-instances", "which instances you have", usage, run };
