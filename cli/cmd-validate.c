/* SPDX-License-Identifier: Apache-2.0 */

#include "access.h"
#include "output.h"
#include "rules.h"
#include "text.h"

static const char usage[] =
        "usage: flowcronctl validate DIR...\n"
        "\n"
        "Checks local folders by all the rules that a Unit of Work meets before it is submitted, without\n"
        "submitting anything: with the rules of the instance if there is one, else with the default ones.\n"
        "Ends with 1 if there is a fault.\n"
        "\n"
        "      --json  print an object with \"valid\" and \"faults\"; an array for several\n"
        "\n"
        "See also: flowcron-uow(7).\n";

static cJSON *folder_json(const Folder *folder) {
        _cleanup_json_ cJSON *o = cJSON_CreateObject();
        bool valid = cJSON_GetArraySize(folder->faults) == 0;
        int r;

        if (!o)
                return NULL;
        r = json_set_name(o, "path", folder->path);
        if (r >= 0)
                r = json_set_bool(o, "valid", valid);
        if (r >= 0)
                r = json_set_item(o, "faults", cJSON_Duplicate(folder->faults, true));
        if (r >= 0 && valid)
                r = json_set_name(o, "script", folder->script.name);
        if (r >= 0 && valid)
                r = json_set_str(o, "sha256", folder->script.sha256);
        if (r >= 0 && valid)
                r = json_set_bool(o, "needs_conversion", folder->script.needs_conversion);
        return r < 0 ? NULL : TAKE_PTR(o);
}

static void print_folder(const Folder *folder) {
        _cleanup_free_ char *name = out_text(folder->name, SIZE_MAX),
                            *script = out_text(folder->script.name, SIZE_MAX);
        bool valid = cJSON_GetArraySize(folder->faults) == 0;
        const cJSON *fault;

        printf("%s%s%s: %s%s%s\n", out_on(STYLE_BOLD), name ?: "", out_off(STYLE_BOLD),
                out_on(valid ? STYLE_GOOD : STYLE_BAD), valid ? "good" : "would be rejected",
                out_off(STYLE_GOOD));
        if (valid)
                printf("  its Slurm script is scripts/%s%s\n", script ?: "",
                        folder->script.needs_conversion
                                ? "; its DOS line endings are converted on arrival"
                                : "");
        cJSON_ArrayForEach(fault, folder->faults)
                out_point(2, cJSON_GetStringValue(fault));
}

/* Rules come from an instance if there is one; one that was asked for by name must be there. */
static int get_rules(Cli *cli, ScriptRules *ret) {
        bool asked = cli->instance || cli->config_path || cli->base;
        Refusal f = {};
        int r = access_config(cli, &f);

        if (r != 0 && asked)
                return cli_refuse(cli, &f);
        *ret = rules_of(r == 0 ? cli->config : NULL);
        return CLI_GO_ON;
}

static void validate(Batch *b, const ScriptRules *rules, const char *dir) {
        Refusal f = {};
        Folder folder;

        if (rules_check(rules, dir, &folder, &f) != 0) {
                batch_refuse(b, &f, dir);
                return;
        }
        if (cJSON_GetArraySize(folder.faults) > 0 && b->code < EXIT_FAILED)
                b->code = EXIT_FAILED;
        if (b->cli->json)
                batch_add(b, folder_json(&folder));
        else
                print_folder(&folder);
        folder_done(&folder);
}

static int run(Cli *cli, char **args) {
        ScriptRules rules;
        size_t n;
        Batch b;
        int r;

        r = cli_parse(cli, args, NULL, &n);
        if (r == CLI_GO_ON)
                r = cli_expect(cli, args, n, 1, SIZE_MAX, "a folder");
        if (r == CLI_GO_ON)
                r = get_rules(cli, &rules);
        if (r != CLI_GO_ON)
                return r;
        batch_begin(&b, cli, n);
        for (size_t i = 0; i < n; i++)
                validate(&b, &rules, args[i]);
        return batch_end(&b);
}

const Order order_validate = { "validate",
        "all the checks that a Unit of Work meets, without submitting", usage, run };
