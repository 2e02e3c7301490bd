/* SPDX-License-Identifier: Apache-2.0 */

/*
 * flowcronctl: how people talk to FlowCron.
 *
 * The table of orders is the program: each row is a file cmd-*.c, with its own usage text. Global options may stand before or after
 * the order, so the order is looked for first, and reads all options itself (cli_parse()).
 */

#include <stdio.h>
#include <string.h>

#include "access.h"
#include "output.h"
#include "text.h"

static const Order *const orders[] = {
        &order_setup,
        &order_status,
        &order_list,
        &order_show,
        &order_history,
        &order_retry,
        &order_cancel,
        &order_restore,
        &order_purge,
        &order_submit,
        &order_validate,
        &order_watch,
        &order_logs,
        &order_doctor,
        &order_flow,
        &order_list_instances,
        &order_reload,
        &order_version,
};

static void print_help(void) {
        puts("usage: flowcronctl [-i INSTANCE | --config FILE | --base DIR] [--json] ORDER [ARGUMENT...]\n"
             "\n"
             "Looks after the Units of Work of a FlowCron instance.\n");
        for (size_t i = 0; i < ELEMENTSOF(orders); i++)
                printf("  %-14s %s\n", orders[i]->name, orders[i]->summary);
        puts("\n"
             "  -i, --instance NAME  this instance (default: default)\n"
             "      --config FILE    the instance with this configuration\n"
             "      --base DIR       read the state in this base folder; for anyone in the group\n"
             "      --json           print JSON\n"
             "  -h, --help           print this text, or that of an order\n"
             "\n"
             "A Unit of Work is named by its folder's name, its id, or an unambiguous beginning of either.\n"
             "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 the daemon can't be reached, 4 no such Unit of Work\n"
             "or several, 5 its state does not allow it. See flowcronctl(1).");
}

static const Order *find_order(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(orders); i++)
                if (streq(orders[i]->name, name))
                        return orders[i];
        return NULL;
}

static bool contains(char **args, const char *word) {
        for (; *args && !streq(*args, "--"); args++)
                if (streq(*args, word))
                        return true;
        return false;
}

static int without_order(Cli *cli, char **args) {
        if (contains(args, "--version"))
                return (cli->order = &order_version)->run(cli, (char *[]){ NULL });
        if (contains(args, "--help") || contains(args, "-h")) {
                print_help();
                return EXIT_DONE;
        }
        return cli_usage_error(cli, "what is to be done? Name an order, as in: flowcronctl status");
}

static int unknown_order(Cli *cli, const char *word) {
        _cleanup_free_ char *shown = out_text(word, 40);
        const char *words[ELEMENTSOF(orders) + 1] = {}, *nearest;

        for (size_t i = 0; i < ELEMENTSOF(orders); i++)
                words[i] = orders[i]->name;
        nearest = cli_nearest(word, words);
        if (nearest)
                return cli_usage_error(cli, "there is no order \"%s\"; did you mean \"%s\"?",
                        shown ?: "", nearest);
        return cli_usage_error(cli, "there is no order \"%s\"", shown ?: "");
}

/* `help ORDER` is `ORDER --help`. */
static int help(Cli *cli, char **args) {
        char *word = cli_take_word(args);

        if (!word) {
                print_help();
                return EXIT_DONE;
        }
        cli->order = find_order(word);
        if (!cli->order)
                return unknown_order(cli, word);
        return cli->order->run(
                cli, (char *[]){ args[0] ?: "--help", args[0] ? "--help" : NULL, NULL });
}

static int dispatch(Cli *cli, char **args) {
        char *word;

        cli->json = contains(args, "--json"); /* for refusals that come before options are read */
        word = cli_take_word(args);
        if (!word)
                return without_order(cli, args);
        if (streq(word, "help"))
                return help(cli, args);
        cli->order = find_order(word);
        if (!cli->order)
                return unknown_order(cli, word);
        return cli->order->run(cli, args);
}

int main(int argc _unused_, char **argv) {
        Cli cli = {};
        int code;

        out_init();
        code = dispatch(&cli, argv + 1);
        access_done(&cli);
        /* A full disk or a closed pipe is a failure too. */
        if (fflush(stdout) != 0 && code == EXIT_DONE)
                code = EXIT_FAILED;
        return code;
}
