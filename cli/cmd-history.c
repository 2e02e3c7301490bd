/* SPDX-License-Identifier: Apache-2.0 */

#include "access.h"
#include "output.h"
#include "text.h"
#include "uow-text.h"

static const char usage[] =
        "usage: flowcronctl history UOW\n"
        "\n"
        "Shows every event of one Unit of Work, oldest first. The history of a purged one stays; name it\n"
        "by its id if its name has been used again.\n"
        "\n"
        "      --json  print an array of events\n";

static int add_event(Table *t, const cJSON *event, bool attempts) {
        _cleanup_free_ char *text = event_text(event);
        char when[CLOCK_TEXT_MAX], attempt[24] = "";
        int r;

        if (attempts && json_int(event, "attempt", 0) > 0)
                snprintf(attempt, sizeof(attempt), "%d", (int)json_int(event, "attempt", 0));
        r = table_set(t, 0, STYLE_NONE, uow_time_text(when, json_time(event, "time")));
        if (r >= 0)
                r = table_set(t, 1, STYLE_NONE, attempt);
        if (r >= 0)
                r = table_set(t, 2, STYLE_NONE, text);
        return r < 0 ? r : table_end_row(t);
}

/* The first one needs no number. */
static bool was_retried(const cJSON *events) {
        const cJSON *event;

        cJSON_ArrayForEach(event, events)
                if (json_int(event, "attempt", 0) > 1)
                        return true;
        return false;
}

static int print_table(const cJSON *events) {
        static const Column columns[] = {
                { .title = "TIME", .min = 19 },
                { .title = "TRY", .min = 3, .right = true },
                { .title = "WHAT", .min = 20, .shrinks = true, .wraps = true },
        };
        bool attempts = was_retried(events);
        _cleanup_(table_freep) Table *t = table_new(columns, ELEMENTSOF(columns));
        const cJSON *event;

        if (!t)
                return EXIT_FAILED;
        cJSON_ArrayForEach(event, events)
                if (add_event(t, event, attempts) < 0)
                        return EXIT_FAILED;
        if (table_rows(t) > 0)
                table_print(t, 0);
        else
                out_note("It is still arriving; its history begins when its upload is complete.");
        return EXIT_DONE;
}

static int run(Cli *cli, char **args) {
        _cleanup_json_ cJSON *events = NULL;
        Refusal f = {};
        size_t n;
        int r;

        r = cli_parse(cli, args, NULL, &n);
        if (r == CLI_GO_ON)
                r = cli_expect(cli, args, n, 1, 1, "the name of a Unit of Work");
        if (r != CLI_GO_ON)
                return r;
        r = access_history(cli, args[0], &events, &f);
        if (r != 0)
                return cli_refuse(cli, &f);
        if (!cli->json)
                return print_table(events);
        out_json(events);
        return EXIT_DONE;
}

const Order order_history = { "history", "every event of one Unit of Work", usage, run };
