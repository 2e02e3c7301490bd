/* SPDX-License-Identifier: Apache-2.0 */

/* Writes the flow's two documents: see lib/globus-flow.h. */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "access.h"
#include "fileio.h"
#include "flow.h"
#include "globus-flow.h"
#include "output.h"
#include "strv.h"
#include "text.h"

static const char usage[] =
        "usage: flowcronctl flow generate [OPTION...]\n"
        "\n"
        "Writes FlowCron-INSTANCE_definition.json and FlowCron-INSTANCE_input_schema.json, the two documents that\n"
        "make a Globus flow for the instance, from its configuration (globus.*, paths.*). Files of these names are\n"
        "replaced.\n"
        "\n"
        "      --output DIR             write them there (default: the current folder)\n"
        "      --delete ask|always|never\n"
        "                               whether a result that came back is removed from the cluster (default: ask,\n"
        "                               in the form)\n"
        "      --return all|results     bring back everything, or leave out the uploaded data/ (default: all)\n"
        "      --share GROUP            let a Globus group read results on the cluster; for guest collections\n"
        "      --index INDEX            make an entry in a Globus search index, and ask for title and keywords\n"
        "      --publish COLLECTION:PATH\n"
        "                               copy results into that folder of another collection too\n"
        "      --fetch                  the second flow: wait for a Unit of Work that is there already, and bring\n"
        "                               its result back; the files' names begin with FlowCron-INSTANCE-fetch\n"
        "      --then INSTANCE,...      the instances that a success moves on to (chain.to), by name or configuration\n"
        "                               file: one flow to start, and the result of the last comes back\n"
        "      --run-as-flow            do what touches only the cluster's collection as the flow itself, not as the\n"
        "                               person who started it; for guest collections\n"
        "      --first DURATION         the first pause between looks at the status (default: globus.check_interval)\n"
        "      --factor NUMBER          each pause is so many times the one before (default: 1.2)\n"
        "      --longest DURATION       but not longer than this (default: 2h)\n"
        "      --rounds NUMBER          looks at most (default: 1500)\n"
        "      --json                   print an object that names the files\n"
        "\n"
        "GROUP, INDEX and COLLECTION are UUIDs. See docs/globus.md.\n";

typedef struct Given {
        const char *output, *delete, *returned, *publish, *share, *index, *first, *factor, *longest,
                *rounds, *then;
        bool fetch, run_as_flow;
} Given;

/* ---- options ---- */

static int read_words(Cli *cli, const Given *given, FlowOptions *o) {
        if (!given->delete || streq(given->delete, "ask"))
                o->delete = FLOW_DELETE_ASK;
        else if (streq(given->delete, "always"))
                o->delete = FLOW_DELETE_ALWAYS;
        else if (streq(given->delete, "never"))
                o->delete = FLOW_DELETE_NEVER;
        else
                return cli_usage_error(cli, "--delete is ask, always or never");
        o->results_only = streq(given->returned, "results");
        if (given->returned && !o->results_only && !streq(given->returned, "all"))
                return cli_usage_error(cli, "--return is all or results");
        return CLI_GO_ON;
}

static int read_duration(Cli *cli, const char *name, const char *text, usec_t *to) {
        if (text && (duration_parse(text, to) != 0 || *to < USEC_PER_SEC))
                return cli_usage_error(cli, "--%s is a duration such as 90s, 15m or 2h", name);
        return CLI_GO_ON;
}

static int read_numbers(Cli *cli, const Given *given, FlowOptions *o) {
        char *end;

        if (given->factor) {
                o->factor = strtod(given->factor, &end);
                if (end == given->factor || *end)
                        return cli_usage_error(cli, "--factor is a number such as 1.2");
        }
        if (given->rounds) {
                unsigned long n = strtoul(given->rounds, &end, 10);

                if (given->rounds[0] < '0' || given->rounds[0] > '9' || *end || n > 1000000)
                        return cli_usage_error(cli, "--rounds is a whole number");
                o->rounds = (unsigned)n;
        }
        return CLI_GO_ON;
}

static int read_pauses(Cli *cli, const Given *given, FlowOptions *o) {
        int r = read_duration(cli, "first", given->first, &o->first);

        if (r == CLI_GO_ON && o->longest < o->first)
                o->longest = o->first;
        return r == CLI_GO_ON ? read_duration(cli, "longest", given->longest, &o->longest) : r;
}

static int read_options(Cli *cli, const Given *given, FlowOptions *o) {
        int r;

        flow_options_init(o, cli->config);
        o->share = given->share;
        o->index = given->index;
        o->publish = given->publish;
        o->fetch = given->fetch;
        o->run_as_flow = given->run_as_flow;
        r = read_words(cli, given, o);
        if (r == CLI_GO_ON)
                r = read_pauses(cli, given, o);
        return r == CLI_GO_ON ? read_numbers(cli, given, o) : r;
}

/* ---- the chain ---- */

typedef struct Chain {
        Config *list[FLOW_CHAIN_MAX + 1]; /* NULL-terminated */
        size_t n;
} Chain;

static void chain_done(Chain *c) {
        for (size_t i = 0; i < c->n; i++)
                config_free(c->list[i]);
}

static int load_one(Cli *cli, const char *what, Config **ret) {
        _cleanup_free_ char *path = strchr(what, '/') || !config_instance_valid(what)
                ? strdup(what)
                : config_default_path(what);
        Error e = {};

        if (!path)
                return cli_fail(cli, "the configuration of instance %s can't be found", what);
        if (config_load(path, ret, &e) != 0)
                return cli_fail(cli, "%s", e.text);
        return CLI_GO_ON;
}

static int load_chain(Cli *cli, const char *then, Chain *c) {
        _cleanup_(strv_freep) char **words = NULL;
        int r = CLI_GO_ON;

        if (flow_split(then, &words) < 0)
                return cli_fail(cli, "%s", strerror(ENOMEM));
        if (strv_length(words) > FLOW_CHAIN_MAX)
                return cli_usage_error(
                        cli, "--then: a chain has %d instances at most", FLOW_CHAIN_MAX);
        for (char **w = words; w && *w && r == CLI_GO_ON; w++) {
                r = load_one(cli, *w, &c->list[c->n]);
                c->n += r == CLI_GO_ON;
        }
        return r;
}

/* A flow that does not follow a success ends with no more than that it moved on. */
static void note_end(const Config *last) {
        if (!isempty(last->chain.to))
                out_note(
                        "A success of instance %s moves on to %s, and this flow does not follow it there: see --then.",
                        last->instance, last->chain.to);
}

/* ---- files ---- */

static int write_document(const cJSON *j, const char *dir, const char *name, Error *e) {
        _cleanup_free_ char *text = json_print_pretty(j);
        _cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r;

        if (!text)
                return -ENOMEM;
        if (fd < 0)
                return error_set(e, -errno, "can't open the folder %s: %m", dir);
        r = file_replace_at(fd, name, text, strlen(text), 0644);
        if (r < 0) {
                errno = -r;
                return error_set(e, r, "can't write %s/%s: %m", dir, name);
        }
        return 0;
}

static int report_json(const char *definition, const char *schema, unsigned events) {
        _cleanup_json_ cJSON *j = cJSON_CreateObject();

        if (!j || json_set_name(j, "definition", definition) < 0 ||
                json_set_name(j, "input_schema", schema) < 0 ||
                json_set_int(j, "events_of_a_week", events) < 0)
                return EXIT_FAILED;
        out_json(j);
        return EXIT_DONE;
}

static int report(Cli *cli, const FlowOptions *o, const char *dir, char *const names[2]) {
        _cleanup_free_ char *definition = xasprintf("%s/%s", dir, names[0]),
                            *schema = xasprintf("%s/%s", dir, names[1]), *shown = NULL;
        unsigned events = flow_events(o, 7 * USEC_PER_DAY);
        char patience[CLOCK_TEXT_MAX];

        if (!definition || !schema)
                return cli_fail(cli, "%s", strerror(ENOMEM));
        if (cli->json)
                return report_json(definition, schema, events);
        shown = out_text(streq(dir, ".") ? "" : dir, SIZE_MAX);
        for (size_t i = 0; i < 2; i++)
                printf("%s%s%s\n", shown ?: "", isempty(shown) ? "" : "/", names[i]);
        duration_words(patience, flow_patience(o));
        out_note(
                "A job of a week takes about %u of the 25,000 entries that a run's history can hold. A run waits %s at most.",
                events, patience);
        return EXIT_DONE;
}

static int write_all(Cli *cli, const FlowOptions *o, const char *dir) {
        const char *instance = cli->config->instance;
        const FlowKind *kind = flow_kind(o->fetch);
        _cleanup_free_ char *definition_name = flow_file_name(instance, kind, "definition");
        _cleanup_free_ char *schema_name = flow_file_name(instance, kind, "input_schema");
        _cleanup_json_ cJSON *definition = NULL, *schema = NULL;
        Error e = {};
        int r;

        if (!definition_name || !schema_name)
                return cli_fail(cli, "%s", strerror(ENOMEM));
        r = flow_generate(cli->config, o, &definition, &schema, &e);
        if (r == 0)
                r = write_document(definition, dir, definition_name, &e);
        if (r == 0)
                r = write_document(schema, dir, schema_name, &e);
        if (r != 0)
                return cli_fail(cli, "%s", r == -ENOMEM ? strerror(ENOMEM) : e.text);
        return report(cli, o, dir, (char *const[2]){ definition_name, schema_name });
}

static int run(Cli *cli, char **args) {
        Given given = {};
        const CliOption options[] = {
                { "output", 0, NULL, &given.output },
                { "delete", 0, NULL, &given.delete },
                { "return", 0, NULL, &given.returned },
                { "share", 0, NULL, &given.share },
                { "index", 0, NULL, &given.index },
                { "publish", 0, NULL, &given.publish },
                { "fetch", 0, &given.fetch, NULL },
                { "run-as-flow", 0, &given.run_as_flow, NULL },
                { "first", 0, NULL, &given.first },
                { "factor", 0, NULL, &given.factor },
                { "longest", 0, NULL, &given.longest },
                { "rounds", 0, NULL, &given.rounds },
                { "then", 0, NULL, &given.then },
                {},
        };
        FlowOptions o = {};
        Chain chain = {};
        Refusal f = {};
        size_t n;
        int r;

        r = cli_parse(cli, args, options, &n);
        if (r == CLI_GO_ON)
                r = cli_expect(cli, args, n, 0, 0, NULL);
        if (r != CLI_GO_ON)
                return r;
        if (access_config(cli, &f) != 0)
                return cli_refuse(cli, &f);
        r = load_chain(cli, given.then, &chain);
        if (r == CLI_GO_ON)
                r = read_options(cli, &given, &o);
        o.chain = (const Config *const *)chain.list;
        if (r == CLI_GO_ON)
                r = write_all(cli, &o, given.output ?: ".");
        if (r == EXIT_DONE)
                note_end(chain.n > 0 ? chain.list[chain.n - 1] : cli->config);
        chain_done(&chain);
        return r;
}

const Order order_flow_generate = { "flow generate", "write the flow's definition and form", usage,
        run };
