/* SPDX-License-Identifier: Apache-2.0 */

#include "orders.h"
#include "output.h"
#include "strv.h"
#include "text.h"
#include "uow-text.h"

/* A flow that polls every few minutes and then transfers for a while may be at work that long after a result was filed. */
#define FRESH (10 * USEC_PER_MINUTE)

static const char usage[] =
        "usage: flowcronctl retry [--yes] UOW...\n"
        "       flowcronctl retry [--yes] --failed\n"
        "\n"
        "Runs finished Units of Work once more: they go back to the work area and are submitted anew. What\n"
        "earlier attempts left stays in them. A result that was filed less than ten minutes ago may just be\n"
        "fetched by a flow, so retry asks before it takes that away.\n"
        "\n"
        "      --failed  all that failed\n"
        "      --yes     do not ask; needed for fresh results where there is no terminal\n"
        "      --json    print the Unit of Work; an array for several\n";

static bool is_fresh(const cJSON *uow) {
        usec_t finished = json_time(uow, "finished"), now = clock_now();

        return streq(json_str(uow, "state"), "finished") && finished && finished + FRESH > now;
}

/* CLI_GO_ON, or an exit code. A name that is not found is told later, with the others. */
static int ask_about_fresh(Cli *cli, char **names, size_t n) {
        _cleanup_free_ char *first = NULL;
        size_t fresh = 0;

        for (size_t i = 0; i < n; i++) {
                _cleanup_json_ cJSON *uow = NULL;
                Refusal f = {};

                if (access_show(cli, names[i], &uow, &f) != 0 || !is_fresh(uow))
                        continue;
                if (fresh++ == 0)
                        first = uow_label(uow);
        }
        if (fresh == 0)
                return CLI_GO_ON;
        if (!out_can_ask())
                return cli_usage_error(cli,
                        "%s was filed less than ten minutes ago, and a flow may be fetching it: add --yes to retry it all "
                        "the same",
                        first ?: "it");
        if (cli_confirm(
                    "%s%s filed less than ten minutes ago, and a flow may be fetching it. Retry?",
                    first ?: "It", fresh > 1 ? " and others were" : " was"))
                return CLI_GO_ON;
        out_note("Nothing was retried.");
        return EXIT_FAILED;
}

static int find_failed(Cli *cli, char ***ret) {
        const ListFilter filter = { .state = UOW_FINISHED, .outcome = OUTCOME_FAILED };
        _cleanup_(strv_freep) char **ids = NULL;
        _cleanup_json_ cJSON *uows = NULL;
        const cJSON *uow;
        Refusal f = {};
        int r;

        r = access_list(cli, &filter, &uows, &f);
        if (r != 0)
                return cli_refuse(cli, &f);
        cJSON_ArrayForEach(uow, uows) {
                if (json_str(uow, "moved_to") || json_bool(uow, "quarantined", false))
                        continue;
                if (strv_add(&ids, json_str(uow, "id")) < 0)
                        return cli_fail(cli, "there is not enough memory");
        }
        *ret = TAKE_PTR(ids);
        return CLI_GO_ON;
}

static int retry_failed(Cli *cli, bool yes) {
        _cleanup_(strv_freep) char **ids = NULL;
        int r = find_failed(cli, &ids);

        if (r != CLI_GO_ON)
                return r;
        if (ids && !yes)
                r = ask_about_fresh(cli, ids, strv_length(ids));
        if (r != CLI_GO_ON)
                return r;
        if (ids)
                return orders_give_all(cli, "retry", "is tried again", ids, strv_length(ids));
        if (cli->json)
                puts("[]");
        else
                puts("Nothing has failed.");
        return EXIT_DONE;
}

static int run(Cli *cli, char **args) {
        bool yes = false, failed = false;
        size_t n;
        int r;
        const CliOption options[] = {
                { "yes", 'y', &yes, NULL },
                { "failed", 0, &failed, NULL },
                {},
        };

        r = cli_parse(cli, args, options, &n);
        if (r == CLI_GO_ON)
                r = orders_check_base(cli);
        if (r != CLI_GO_ON)
                return r;
        if (failed && n > 0)
                return cli_usage_error(cli, "--failed and names exclude each other");
        if (failed)
                return retry_failed(cli, yes);
        r = cli_expect(cli, args, n, 1, SIZE_MAX, "the name of a Unit of Work, or --failed");
        if (r == CLI_GO_ON && !yes)
                r = ask_about_fresh(cli, args, n);
        return r == CLI_GO_ON ? orders_give(cli, "retry", "is tried again", args, n) : r;
}

const Order order_retry = { "retry", "run finished Units of Work once more", usage, run };
