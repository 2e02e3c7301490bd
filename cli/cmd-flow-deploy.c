/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Publishing an instance's flow: created the first time, updated in place from then on, so that
 * researchers keep their link and runs that are under way keep the definition they began with. What
 * is sent is what lies in the files, which a person may have read and changed.
 */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "access.h"
#include "fileio.h"
#include "flow.h"
#include "globus-check.h"
#include "output.h"
#include "strv.h"
#include "text.h"

static const char usage[] =
        "usage: flowcronctl flow deploy [OPTION...]\n"
        "\n"
        "Publishes what 'flow generate' wrote: creates the flow at Globus, or updates the one that was deployed for\n"
        "this instance before. The files are checked first. Needs a login.\n"
        "\n"
        "      --from DIR             the files are there (default: the current folder)\n"
        "      --fetch                the second flow, which fetches\n"
        "      --new                  create another one, whatever was deployed before\n"
        "      --flow ID              update this one\n"
        "      --title TEXT           as people see it (default, once: FlowCron INSTANCE on HPC)\n"
        "      --subtitle TEXT\n"
        "      --description TEXT\n"
        "      --starters LIST        who may start it: group:UUID, identity:UUID, all_authenticated_users\n"
        "      --viewers LIST         who may see it besides: the same, or public\n"
        "      --administrators LIST  who may change it: group:UUID, identity:UUID\n"
        "      --run-managers LIST    who may look after everybody's runs\n"
        "      --subscription ID      the subscription it belongs to; without one a flow lives for 30 days\n"
        "      --json                 print an object\n"
        "\n"
        "A LIST has commas between. What is not given stays as it is.\n";

#define DOCUMENT_MAX (4U << 20)
/* The service's bounds. */
#define PRINCIPALS_MAX 16
#define TITLE_CHARACTERS 128

typedef struct Given {
        const char *from, *flow, *title, *subtitle, *description, *starters, *viewers,
                *administrators, *run_managers, *subscription;
        bool fetch, anew;
} Given;

/* ---- the files ---- */

static void print_faults(const char *path, const FlowFaults *found) {
        for (size_t i = 0; i < found->n; i++)
                if (!found->list[i].warning)
                        out_note("%s:%zu:%zu: %s: %s", path, found->list[i].line,
                                found->list[i].column, found->list[i].path, found->list[i].text);
}

static int check_document(Cli *cli, const char *path, const char *data, size_t size) {
        FlowFaults found;
        size_t n;

        if (flow_check(data, size, &found) < 0)
                return cli_fail(cli, "%s", strerror(ENOMEM));
        if (!cli->json)
                print_faults(path, &found);
        n = found.faults;
        flow_faults_done(&found);
        return n == 0 ? 0
                      : cli_fail(cli, "%s has %zu fault%s: flowcronctl flow validate %s", path, n,
                                n == 1 ? "" : "s", path);
}

static int read_document(Cli *cli, const Given *given, const char *what, cJSON **ret) {
        _cleanup_free_ char *name = flow_file_name(
                                    cli->config->instance, flow_kind(given->fetch), what),
                            *path = NULL, *data = NULL;
        _cleanup_close_ int fd = -1;
        size_t size;
        int r;

        path = name ? xasprintf("%s%s%s", given->from ?: "", given->from ? "/" : "", name) : NULL;
        if (!path)
                return cli_fail(cli, "%s", strerror(ENOMEM));
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
                return cli_fail(cli, "can't open %s: %s%s%s", path, strerror(errno),
                        errno == ENOENT ? "; write it with: flowcronctl flow generate" : "",
                        errno == ENOENT ? flow_kind(given->fetch)->option : "");
        r = fd_read_all(fd, DOCUMENT_MAX, &data, &size);
        if (r < 0)
                return cli_fail(cli, "can't read %s: %s", path, strerror(-r));
        r = check_document(cli, path, data, size);
        return r
                ?: json_parse(data, size, ret, NULL) < 0 ? cli_fail(cli, "can't read %s", path)
                                                         : 0;
}

/* ---- who may ---- */

static int principals(
        Cli *cli, const char *option, const char *list, const char *everybody, cJSON **ret) {
        _cleanup_(strv_freep) char **words = NULL;
        _cleanup_json_ cJSON *array = cJSON_CreateArray();
        Error e = {};

        if (!array || flow_split(list, &words) < 0)
                return cli_fail(cli, "%s", strerror(ENOMEM));
        if (strv_length(words) > PRINCIPALS_MAX)
                return cli_usage_error(cli, "--%s: Globus takes %d at most; make a group of them",
                        option, PRINCIPALS_MAX);
        for (char **w = words; w && *w; w++) {
                _cleanup_free_ char *urn = NULL;

                if (globus_principal(*w, everybody, &urn, &e) != 0)
                        return cli_usage_error(cli, "--%s: %s", option, e.text);
                if (json_add_str(array, urn) < 0)
                        return cli_fail(cli, "%s", strerror(ENOMEM));
        }
        *ret = TAKE_PTR(array);
        return 0;
}

static int add_principals(Cli *cli, const Given *given, cJSON *body) {
        const struct {
                const char *option, *list, *everybody, *key;
        } roles[] = {
                { "starters", given->starters, "all_authenticated_users", "flow_starters" },
                { "viewers", given->viewers, "public", "flow_viewers" },
                { "administrators", given->administrators, NULL, "flow_administrators" },
                { "run-managers", given->run_managers, NULL, "run_managers" },
        };

        for (size_t i = 0; i < ELEMENTSOF(roles); i++) {
                cJSON *array = NULL;
                int r;

                if (!roles[i].list)
                        continue;
                r = principals(cli, roles[i].option, roles[i].list, roles[i].everybody, &array);
                if (r != 0)
                        return r;
                if (json_set_item(body, roles[i].key, array) < 0)
                        return cli_fail(cli, "%s", strerror(ENOMEM));
        }
        return 0;
}

/* ---- the request ---- */

/* Only for a flow that is new: a title that somebody chose is theirs. */
static char *default_title(const Config *c, const Given *given) {
        char *title = xasprintf("FlowCron %s%s%s%s", c->instance, given->fetch ? ", fetch" : "",
                isempty(c->globus.hpc_name) ? "" : " on ", c->globus.hpc_name);

        if (title)
                title[utf8_cut(title, TITLE_CHARACTERS)] = 0;
        return title;
}

static int make_body(Cli *cli, const Given *given, bool create, cJSON **ret) {
        _cleanup_json_ cJSON *body = cJSON_CreateObject(), *definition = NULL, *schema = NULL;
        _cleanup_free_ char *title = given->title ? strdup(given->title)
                : create                          ? default_title(cli->config, given)
                                                  : NULL;
        int r;

        r = read_document(cli, given, "definition", &definition);
        if (r == 0)
                r = read_document(cli, given, "input_schema", &schema);
        if (r != 0)
                return r;
        r = json_set_str(body, "title", title);
        if (r == 0)
                r = json_set_item(body, "definition", TAKE_PTR(definition));
        if (r == 0)
                r = json_set_item(body, "input_schema", TAKE_PTR(schema));
        if (r == 0)
                r = json_set_str(body, "subtitle", given->subtitle);
        if (r == 0)
                r = json_set_str(body, "description", given->description);
        if (r == 0)
                r = json_set_str(body, "subscription_id", given->subscription);
        if (r < 0)
                return cli_fail(cli, "%s", strerror(ENOMEM));
        r = add_principals(cli, given, body);
        if (r == 0)
                *ret = TAKE_PTR(body);
        return r;
}

static int remember(Cli *cli, cJSON *deployed, const char *key, const cJSON *answer) {
        cJSON *one = cJSON_CreateObject();

        if (json_set_str(one, "id", json_str(answer, "id")) < 0 ||
                json_set_str(one, "title", json_str(answer, "title")) < 0 ||
                json_set_str(one, "scope", json_str(answer, "globus_auth_scope")) < 0 ||
                json_set_str(one, "principal", json_str(answer, "principal_urn")) < 0 ||
                json_set_time(one, "deployed", clock_now()) < 0) {
                cJSON_Delete(one);
                return cli_fail(cli, "%s", strerror(ENOMEM));
        }
        if (json_set_item(deployed, key, one) < 0)
                return cli_fail(cli, "%s", strerror(ENOMEM));
        return flow_deployed_write(cli, deployed);
}

static int report(Cli *cli, const cJSON *answer, bool create) {
        const char *id = json_str(answer, "id"), *principal = json_str(answer, "principal_urn");
        _cleanup_json_ cJSON *o = NULL;

        if (!cli->json) {
                _cleanup_free_ char *title = out_text(json_str(answer, "title"), SIZE_MAX);

                printf("%s: %s\n  https://app.globus.org/flows/%s\n",
                        create ? "created" : "updated", title ?: "", id);
                if (principal)
                        out_note("The flow's own identity, for --run-as-flow: %s", principal);
                return EXIT_DONE;
        }
        o = cJSON_CreateObject();
        if (json_set_str(o, "id", id) < 0 ||
                json_set_str(o, "title", json_str(answer, "title")) < 0 ||
                json_set_bool(o, "created", create) < 0 ||
                json_set_str(o, "principal", principal) < 0)
                return EXIT_FAILED;
        out_json(o);
        return EXIT_DONE;
}

static int send(Cli *cli, Globus *g, const char *id, const cJSON *body, cJSON **ret) {
        _cleanup_free_ char *path = id ? xasprintf("/flows/%s", id) : strdup("/flows");
        Error e = {};
        int r;

        if (!path)
                return cli_fail(cli, "%s", strerror(ENOMEM));
        r = globus_call(g,
                &(GlobusRequest){
                        .method = id ? "PUT" : "POST", .path = path, .body = body, .once = !id },
                ret, &e);
        if (r == GLOBUS_E_NOT_FOUND && id)
                error_set(&e, r,
                        "flow %s, which was deployed before, is not there any more, or is another login's. To create another: flowcronctl flow deploy --new",
                        id);
        if (r == 0 && !json_str(*ret, "id"))
                r = error_set(&e, GLOBUS_E_SERVER, "Globus answered without a flow's id");
        return r == 0 ? 0 : flow_refuse(cli, r, &e);
}

static int deploy(Cli *cli, const Given *given) {
        const FlowKind *kind = flow_kind(given->fetch);
        _cleanup_json_ cJSON *deployed = NULL, *body = NULL, *answer = NULL;
        _cleanup_(globus_freep) Globus *g = NULL;
        const char *id;
        Error e = {};
        int r;

        r = flow_deployed_read(cli, &deployed);
        if (r != 0)
                return r;
        id = given->anew ? NULL : given->flow ?: json_str(json_object(deployed, kind->key), "id");
        r = make_body(cli, given, !id, &body);
        /* Before there is a flow whose id could not be kept. */
        if (r == 0)
                r = flow_deployed_write(cli, deployed);
        if (r != 0)
                return r;
        r = globus_new(&g, &e);
        if (r != 0)
                return flow_refuse(cli, r, &e);
        r = send(cli, g, id, body, &answer);
        if (r == 0)
                r = remember(cli, deployed, kind->key, answer);
        return r == 0 ? report(cli, answer, !id) : r;
}

static int run(Cli *cli, char **args) {
        Given given = {};
        const CliOption options[] = {
                { "from", 0, NULL, &given.from },
                { "fetch", 0, &given.fetch, NULL },
                { "new", 0, &given.anew, NULL },
                { "flow", 0, NULL, &given.flow },
                { "title", 0, NULL, &given.title },
                { "subtitle", 0, NULL, &given.subtitle },
                { "description", 0, NULL, &given.description },
                { "starters", 0, NULL, &given.starters },
                { "viewers", 0, NULL, &given.viewers },
                { "administrators", 0, NULL, &given.administrators },
                { "run-managers", 0, NULL, &given.run_managers },
                { "subscription", 0, NULL, &given.subscription },
                {},
        };
        size_t n;
        int r;

        r = cli_parse(cli, args, options, &n);
        if (r == CLI_GO_ON)
                r = cli_expect(cli, args, n, 0, 0, NULL);
        if (r != CLI_GO_ON)
                return r;
        if (given.flow && !flow_uuid_valid(given.flow))
                return cli_usage_error(
                        cli, "--flow is the UUID of a flow, as its page in Globus shows it");
        if (given.flow && given.anew)
                return cli_usage_error(cli, "--flow and --new exclude each other");
        return deploy(cli, &given);
}

const Order order_flow_deploy = { "flow deploy", "create the flow at Globus, or update it", usage,
        run };
