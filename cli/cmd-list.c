/* SPDX-License-Identifier: Apache-2.0 */

#include "access.h"
#include "output.h"
#include "text.h"
#include "uow-text.h"

static const char usage[] =
        "usage: flowcronctl list [--state STATE] [--outcome OUTCOME] [--all]\n"
        "\n"
        "Lists Units of Work, newest first; those that are still arriving come before all others.\n"
        "\n"
        "      --state STATE      only those that are arriving, uploaded, staged, queued, finished,\n"
        "                         soft-deleted or purged\n"
        "      --outcome OUTCOME  only those that succeeded, failed, or were rejected, cancelled or lost\n"
        "      --all              the purged ones too, of which nothing is left but their history\n"
        "      --json             print an array of Units of Work\n"
        "\n"
        "Examples:\n"
        "  flowcronctl list --outcome failed\n"
        "  flowcronctl list --state queued --json | jq -r '.[].job_id'\n";

static int parse_words(Cli *cli, const char *state, const char *outcome, ListFilter *f) {
        int s = state ? state_from_string(state) : UOW_NEW,
            o = outcome ? outcome_from_string(outcome) : OUTCOME_NONE;

        if (s < 0)
                return cli_usage_error(cli,
                        "there is no state \"%s\"; it is one of arriving, uploaded, staged, queued, finished, "
                        "soft-deleted, purged",
                        state);
        if (o < 0)
                return cli_usage_error(cli,
                        "there is no outcome \"%s\"; it is one of succeeded, failed, rejected, cancelled, lost",
                        outcome);
        f->state = (UowState)s;
        f->outcome = (UowOutcome)o;
        return CLI_GO_ON;
}

static int print_table(const cJSON *uows, const ListFilter *filter) {
        _cleanup_(table_freep) Table *t = uow_table();
        usec_t now = clock_now();
        const cJSON *uow;

        if (!t)
                return EXIT_FAILED;
        cJSON_ArrayForEach(uow, uows)
                if (uow_table_add(t, uow, now) < 0)
                        return EXIT_FAILED;
        if (table_rows(t) > 0)
                table_print(t, 0);
        else
                out_note(filter->state == UOW_NEW && filter->outcome == OUTCOME_NONE
                                ? "There are no Units of Work."
                                : "There are no such Units of Work.");
        return EXIT_DONE;
}

static int run(Cli *cli, char **args) {
        _cleanup_json_ cJSON *uows = NULL;
        const char *state = NULL, *outcome = NULL;
        ListFilter filter = {};
        Refusal f = {};
        size_t n;
        int r;
        const CliOption options[] = {
                { "state", 0, NULL, &state },
                { "outcome", 0, NULL, &outcome },
                { "all", 'a', &filter.all, NULL },
                {},
        };

        r = cli_parse(cli, args, options, &n);
        if (r == CLI_GO_ON)
                r = cli_expect(cli, args, n, 0, 0, NULL);
        if (r == CLI_GO_ON)
                r = parse_words(cli, state, outcome, &filter);
        if (r != CLI_GO_ON)
                return r;
        r = access_list(cli, &filter, &uows, &f);
        if (r != 0)
                return cli_refuse(cli, &f);
        if (!cli->json)
                return print_table(uows, &filter);
        out_json(uows);
        return EXIT_DONE;
}

const Order order_list = { "list", "list Units of Work, newest first", usage, run };
