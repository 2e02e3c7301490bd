/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What every order of flowcronctl works with: the global options, the table's row, refusals, and where to ask.
 *
 * An order's function returns the program's exit code. Whatever is said to people goes through output.h; with --json nothing but JSON
 * reaches standard output.
 */

#include <stdbool.h>

#include "config.h"
#include "json.h"

/* The contract's exit codes. */
enum {
        EXIT_DONE = 0,
        EXIT_FAILED = 1,
        EXIT_USAGE = 2,
        EXIT_UNREACHABLE = 3,
        EXIT_NO_UOW = 4,
        EXIT_STATE = 5,
};

/* cli_parse(): the order goes on. */
#define CLI_GO_ON (-1)

typedef struct Client Client;
typedef struct Offline Offline;
typedef struct Order Order;

typedef struct Cli {
        const char *instance;    /* -i; NULL: not given */
        const char *config_path; /* --config */
        const char *base;        /* --base */
        bool json;
        const Order *order;

        /* Made when first asked for; see access.h. */
        Config *config;
        Client *client;
        Offline *offline;
        bool client_tried;
        bool said_offline;
        Error unreachable; /* why there is no client */
} Cli;

struct Order {
        const char *name;
        const char *summary; /* one line for `flowcronctl --help` */
        const char *usage;   /* the whole help text */
        int (*run)(Cli *cli, char **args);
};

extern const Order order_status, order_list, order_show, order_history, order_retry, order_cancel,
        order_restore, order_purge, order_submit, order_validate, order_watch, order_logs,
        order_doctor, order_flow, order_setup, order_list_instances, order_reload, order_version;

/* ---- options ---- */

/* One option of an order: either a flag or one with a value. The list ends with name NULL. */
typedef struct CliOption {
        const char *name; /* without the dashes */
        char letter;      /* or 0 */
        bool *flag;
        const char **value;
} CliOption;

/**
 * cli_parse() - take the global options and those of the order out of @args
 * What is left, the names, stands at the beginning of @args, NULL-terminated, and is counted in @ret_n.
 * Returns CLI_GO_ON, or an exit code: help was asked for, or the usage is wrong and has been said.
 */
int cli_parse(Cli *cli, char **args, const CliOption *options, size_t *ret_n);

/** cli_take_word() - the first of @args that is neither an option nor a global option's value, taken out of them; or NULL. */
char *cli_take_word(char **args);

/** cli_expect() - whether there are from @min to @max names; else the usage error, which has been said. */
int cli_expect(Cli *cli, char **names, size_t n, size_t min, size_t max, const char *what);

/** cli_usage_error() - say it and return EXIT_USAGE. */
int cli_usage_error(Cli *cli, const char *fmt, ...) _printf_(2, 3);

/** cli_nearest() - the word of @words (NULL-terminated) that is most like @typed, or NULL if none is. */
const char *cli_nearest(const char *typed, const char *const *words);

/* ---- refusals ---- */

/* Why an order came to nothing. */
typedef struct Refusal {
        int code; /* EXIT_… */
        const char *
                word; /* "not-found", "ambiguous", "state", … as the member "error"; NULL: by the code */
        Error e;
} Refusal;

/** refusal_set() - fill it and return its code. */
int refusal_set(Refusal *f, int code, const char *word, const char *fmt, ...) _printf_(4, 5);

/** refusal_json() - {"error", "message"}, with "uow" if @what is not NULL. New value or NULL. */
cJSON *refusal_json(const Refusal *f, const char *what);

/** cli_refuse() - say it, on standard error or with --json on standard output; returns its code. */
int cli_refuse(Cli *cli, const Refusal *f);

/** cli_fail() - a refusal with EXIT_FAILED, made and said at once. */
int cli_fail(Cli *cli, const char *fmt, ...) _printf_(2, 3);

/* ---- several names, one order ---- */

/* Collects the results of an order that takes several names: JSON is one value, or an array for several; the worst exit code wins. */
typedef struct Batch {
        Cli *cli;
        bool many; /* several names were given, or could have been: an array */
        cJSON *results;
        int code;
} Batch;

void batch_begin(Batch *b, Cli *cli, size_t n);
/** batch_add() - a result for --json; takes it in any case. */
void batch_add(Batch *b, cJSON *result);
void batch_refuse(Batch *b, const Refusal *f, const char *what);
/** batch_end() - print what was collected; returns the exit code. */
int batch_end(Batch *b);

/** cli_confirm() - ask a question that is answered with y or n; false without an answer. For terminals only. */
bool cli_confirm(const char *fmt, ...) _printf_(1, 2);
