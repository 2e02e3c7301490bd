/* SPDX-License-Identifier: Apache-2.0 */

/* Giving orders: see orders.h. Each is tried, whatever became of the one before. */

#include "orders.h"

#include "output.h"
#include "uow-text.h"

int orders_check_base(Cli *cli) {
        if (!cli->base)
                return CLI_GO_ON;
        return cli_usage_error(cli,
                "--base is for reading; orders are given by the owner, with the instance's configuration");
}

static void say_done(const cJSON *uow, const char *done) {
        _cleanup_free_ char *label = uow_label(uow);

        if (json_bool(uow, "deferred", false))
                printf("%s: the order was left in .flowcron/requests, and is carried out by the next pass of flowcrond, or by "
                       "its owner on another node.\n",
                        label ?: "?");
        else
                printf("%s %s.\n", label ?: "?", done);
}

static int give(Cli *cli, Batch *b, const char *order, const char *done, char **names, size_t n) {
        for (size_t i = 0; i < n; i++) {
                Refusal f = {};
                cJSON *uow = NULL;

                if (access_order(cli, order, names[i], &uow, &f) != 0) {
                        batch_refuse(b, &f, names[i]);
                        continue;
                }
                if (!cli->json)
                        say_done(uow, done);
                batch_add(b, uow);
        }
        return batch_end(b);
}

int orders_give(Cli *cli, const char *order, const char *done, char **names, size_t n) {
        Batch b;

        batch_begin(&b, cli, n);
        return give(cli, &b, order, done, names, n);
}

int orders_give_all(Cli *cli, const char *order, const char *done, char **names, size_t n) {
        Batch b;

        batch_begin(&b, cli, n);
        b.many = true;
        return give(cli, &b, order, done, names, n);
}
