/* SPDX-License-Identifier: Apache-2.0 */

/* Starting a run from the command line, as the PC of an instrument does. */

#include <stdio.h>
#include <string.h>

#include "flow.h"
#include "output.h"
#include "strv.h"
#include "text.h"

static const char usage[] =
        "usage: flowcronctl flow run [OPTION...] COLLECTION:PATH\n"
        "       flowcronctl flow run --fetch --name NAME [OPTION...] COLLECTION:PATH\n"
        "\n"
        "Starts the flow for a folder, as the form on the web page does, and prints the run's id. With --fetch, has the\n"
        "result of NAME, which is on the cluster already, brought into the folder.\n"
        "\n"
        "      --flow ID           this flow (default: the one that was deployed for the instance)\n"
        "      --delete            remove the folder from the cluster once the result is back\n"
        "      --label TEXT        the run's name in Globus (default: the folder's)\n"
        "      --title TEXT, --keywords LIST, --description TEXT\n"
        "                          for a flow that makes an entry in a search index\n"
        "      --check             do not start it; have Globus say whether it would take it\n"
        "      --json              print an object\n"
        "\n"
        "Needs a login with the consent for this flow: flowcronctl flow login --flow ID.\n";

#define LABEL_CHARACTERS 64

typedef struct Given {
        const char *flow, *name, *label, *title, *keywords, *description;
        bool fetch, delete, check;
} Given;

/* ---- what is asked for ---- */

static int read_source(Cli *cli, const char *text, cJSON **ret) {
        const char *colon = strchr(text, ':');
        _cleanup_free_ char *id = colon ? strndup(text, (size_t)(colon - text)) : NULL;
        cJSON *o;

        if (!colon || !id || !flow_uuid_valid(id) || (colon[1] != '/' && colon[1] != '~'))
                return cli_usage_error(cli,
                        "a folder is COLLECTION:PATH, a UUID and a path that begins with / or ~");
        if (!utf8_valid(colon + 1) || strpbrk(colon + 1, "\r\n"))
                return cli_usage_error(
                        cli, "Globus takes no path with line breaks, or with what is no UTF-8");
        o = cJSON_CreateObject();
        if (json_set_str(o, "id", id) < 0 || json_set_str(o, "path", colon + 1) < 0) {
                cJSON_Delete(o);
                return cli_fail(cli, "%s", strerror(ENOMEM));
        }
        *ret = o;
        return 0;
}

static int add_keywords(const Given *given, cJSON *input) {
        _cleanup_(strv_freep) char **words = NULL;
        cJSON *array;

        if (!given->keywords)
                return 0;
        array = cJSON_CreateArray();
        if (json_set_item(input, "keywords", array) < 0 || flow_split(given->keywords, &words) < 0)
                return -ENOMEM;
        for (char **w = words; w && *w; w++)
                if (json_add_str(array, *w) < 0)
                        return -ENOMEM;
        return 0;
}

/* The last part of the path, or what was given; at most so long as Globus takes it. */
static char *make_label(const Given *given, const char *path) {
        _cleanup_free_ char *copy = strdup(given->label ?: given->name ?: path);
        const char *last;
        size_t n = 0, at = 0;

        if (!copy)
                return NULL;
        while (copy[0] && copy[strlen(copy) - 1] == '/')
                copy[strlen(copy) - 1] = 0;
        last = given->label || !strrchr(copy, '/') ? copy : strrchr(copy, '/') + 1;
        while (last[at] && n < LABEL_CHARACTERS) {
                at++;
                while (((unsigned char)last[at] & 0xc0) == 0x80)
                        at++;
                n++;
        }
        return at > 0 ? strndup(last, at) : strdup("FlowCron");
}

static int make_body(Cli *cli, const Given *given, const char *folder, cJSON **ret) {
        _cleanup_json_ cJSON *body = cJSON_CreateObject(), *input = cJSON_CreateObject(),
                             *outer = cJSON_CreateObject(), *source = NULL;
        _cleanup_free_ char *label = NULL;
        int r;

        r = read_source(cli, folder, &source);
        if (r != 0)
                return r;
        label = make_label(given, json_str(source, "path"));
        if (!label || json_set_str(input, "name", given->name) < 0 ||
                json_set_item(input, "source", TAKE_PTR(source)) < 0 ||
                json_set_bool(input, "delete", given->delete) < 0 ||
                json_set_str(input, "title", given->title) < 0 || add_keywords(given, input) < 0 ||
                json_set_str(input, "description", given->description) < 0 ||
                json_set_item(outer, "input", TAKE_PTR(input)) < 0 ||
                json_set_item(body, "body", TAKE_PTR(outer)) < 0 ||
                json_set_str(body, "label", label) < 0)
                return cli_fail(cli, "%s", strerror(ENOMEM));
        *ret = TAKE_PTR(body);
        return 0;
}

/* ---- asking for it ---- */

static int report(Cli *cli, const cJSON *answer, bool check) {
        const char *id = json_str(answer, "run_id");
        _cleanup_json_ cJSON *o = NULL;

        if (!cli->json) {
                if (check)
                        out_note("Globus would take it.");
                else {
                        printf("%s\n", id);
                        out_note("https://app.globus.org/runs/%s", id);
                }
                return EXIT_DONE;
        }
        o = cJSON_CreateObject();
        if (check ? json_set_bool(o, "valid", true) < 0
                  : json_set_str(o, "run_id", id) < 0 ||
                                json_set_str(o, "status", json_str(answer, "status")) < 0 ||
                                json_set_str(o, "label", json_str(answer, "label")) < 0)
                return EXIT_FAILED;
        out_json(o);
        return EXIT_DONE;
}

static int start(Cli *cli, const Given *given, const char *folder) {
        _cleanup_json_ cJSON *body = NULL, *answer = NULL;
        _cleanup_free_ char *id = NULL, *path = NULL;
        _cleanup_(globus_freep) Globus *g = NULL;
        Error e = {};
        int r;

        r = make_body(cli, given, folder, &body);
        if (r == 0)
                r = flow_id(cli, given->flow, flow_kind(given->fetch), &id);
        if (r != 0)
                return r;
        path = xasprintf("/flows/%s/%s", id, given->check ? "validate_run" : "run");
        if (!path)
                return cli_fail(cli, "%s", strerror(ENOMEM));
        r = globus_new(&g, &e);
        if (r == 0)
                r = globus_call(g,
                        &(GlobusRequest){ .method = "POST",
                                .path = path,
                                .body = body,
                                .flow = id,
                                .once = !given->check },
                        &answer, &e);
        if ((r == GLOBUS_E_SERVER || r == GLOBUS_E_UNREACHABLE) && !given->check)
                error_prefix(&e, r,
                        "it is not known whether the run was started (look with: flowcronctl flow runs --flow %s)",
                        id);
        if (r == 0 && !given->check && !json_str(answer, "run_id"))
                r = error_set(&e, GLOBUS_E_SERVER, "Globus answered without a run's id");
        return r == 0 ? report(cli, answer, given->check) : flow_refuse(cli, r, &e);
}

static int run(Cli *cli, char **args) {
        Given given = {};
        const CliOption options[] = {
                { "flow", 0, NULL, &given.flow },
                { "fetch", 0, &given.fetch, NULL },
                { "name", 0, NULL, &given.name },
                { "delete", 0, &given.delete, NULL },
                { "label", 0, NULL, &given.label },
                { "title", 0, NULL, &given.title },
                { "keywords", 0, NULL, &given.keywords },
                { "description", 0, NULL, &given.description },
                { "check", 0, &given.check, NULL },
                {},
        };
        size_t n;
        int r;

        r = cli_parse(cli, args, options, &n);
        if (r == CLI_GO_ON)
                r = cli_expect(cli, args, n, 1, 1, "a folder, as COLLECTION:PATH");
        if (r != CLI_GO_ON)
                return r;
        if (given.fetch && !given.name)
                return cli_usage_error(
                        cli, "--fetch needs --name, the Unit of Work's name on the cluster");
        return start(cli, &given, args[0]);
}

const Order order_flow_run = { "flow run", "start the flow for a folder", usage, run };
