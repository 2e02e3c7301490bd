/* SPDX-License-Identifier: Apache-2.0 */

/* Options, refusals, and orders that take several names: see cli.h. */

#include "cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "output.h"
#include "text.h"

/* ---- refusals ---- */

static const char *code_word(int code) {
        switch (code) {
        case EXIT_USAGE:
                return "usage";
        case EXIT_UNREACHABLE:
                return "unreachable";
        case EXIT_NO_UOW:
                return "not-found";
        case EXIT_STATE:
                return "state";
        default:
                return "failed";
        }
}

int refusal_set(Refusal *f, int code, const char *word, const char *fmt, ...) {
        va_list ap;

        f->code = code;
        f->word = word;
        va_start(ap, fmt);
        vsnprintf(f->e.text, sizeof(f->e.text), fmt, ap);
        va_end(ap);
        f->e.text[utf8_cut(f->e.text, sizeof(f->e.text) - 1)] = 0;
        return code;
}

cJSON *refusal_json(const Refusal *f, const char *what) {
        _cleanup_json_ cJSON *o = cJSON_CreateObject();
        int r;

        if (!o)
                return NULL;
        r = json_set_str(o, "error", f->word ?: code_word(f->code));
        if (r >= 0)
                r = json_set_str(o, "message", f->e.text);
        if (r >= 0 && what)
                r = utf8_valid(what) ? json_set_str(o, "uow", what) : json_set_name(o, "uow", what);
        return r < 0 ? NULL : TAKE_PTR(o);
}

int cli_refuse(Cli *cli, const Refusal *f) {
        if (cli->json) {
                _cleanup_json_ cJSON *o = refusal_json(f, NULL);

                out_json(o);
        } else
                out_note("flowcronctl: %s", f->e.text);
        return f->code;
}

int cli_fail(Cli *cli, const char *fmt, ...) {
        Refusal f = { .code = EXIT_FAILED };
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(f.e.text, sizeof(f.e.text), fmt, ap);
        va_end(ap);
        return cli_refuse(cli, &f);
}

int cli_usage_error(Cli *cli, const char *fmt, ...) {
        Refusal f = { .code = EXIT_USAGE };
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(f.e.text, sizeof(f.e.text), fmt, ap);
        va_end(ap);
        cli_refuse(cli, &f);
        if (!cli->json)
                out_note("Try 'flowcronctl %s%s--help'.", cli->order ? cli->order->name : "",
                        cli->order ? " " : "");
        return EXIT_USAGE;
}

/* ---- the nearest word ---- */

#define WORD_MAX 32

static size_t min3(size_t a, size_t b, size_t c) {
        size_t m = a < b ? a : b;

        return m < c ? m : c;
}

/* Levenshtein's distance: how many letters to insert, remove or replace. */
static size_t distance(const char *a, const char *b) {
        size_t row[WORD_MAX + 1], n = strlen(b);

        if (strlen(a) > WORD_MAX || n > WORD_MAX)
                return SIZE_MAX;
        for (size_t j = 0; j <= n; j++)
                row[j] = j;
        for (size_t i = 1; a[i - 1]; i++) {
                size_t diagonal = row[0];

                row[0] = i;
                for (size_t j = 1; j <= n; j++) {
                        size_t above = row[j];

                        row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
                        diagonal = above;
                }
        }
        return row[n];
}

const char *cli_nearest(const char *typed, const char *const *words) {
        size_t best = SIZE_MAX;
        const char *nearest = NULL;

        for (; *words; words++) {
                size_t d = startswith(*words, typed) && strlen(typed) >= 2
                        ? 0
                        : distance(typed, *words);

                if (d < best) {
                        best = d;
                        nearest = *words;
                }
        }
        /* Half of the letters must be right. */
        return nearest && best <= strlen(nearest) / 2 ? nearest : NULL;
}

/* ---- options ---- */

static bool takes_value(const char *arg) {
        return streq(arg, "-i") || streq(arg, "--instance") || streq(arg, "--config") ||
                streq(arg, "--base");
}

char *cli_take_word(char **args) {
        for (size_t i = 0; args[i] && !streq(args[i], "--"); i++) {
                char *word = args[i];

                if (word[0] != '-' || !word[1]) {
                        for (size_t j = i; args[j]; j++)
                                args[j] = args[j + 1];
                        return word;
                }
                if (takes_value(word) && args[i + 1])
                        i++;
        }
        return NULL;
}

typedef struct Parser {
        Cli *cli;
        const CliOption *own;
        bool help;
        CliOption global[7];
} Parser;

static const CliOption *find_in(const CliOption *list, const char *name, size_t n, char letter) {
        for (; list && list->name; list++)
                if (letter ? list->letter == letter
                           : strlen(list->name) == n && strncmp(list->name, name, n) == 0)
                        return list;
        return NULL;
}

static const CliOption *find_option(const Parser *p, const char *name, size_t n, char letter) {
        const CliOption *o = find_in(p->own, name, n, letter);

        return o ? o : find_in(p->global, name, n, letter);
}

static int unknown_option(const Parser *p, const char *arg) {
        _cleanup_free_ char *shown = text_printable(arg, 60), *typed = strdup(arg);
        const char *words[24], *nearest;
        size_t n = 0;

        if (!shown || !typed)
                return EXIT_FAILED;
        typed[strcspn(typed, "=")] = 0;
        for (const CliOption *o = p->own; o && o->name && n < 16; o++)
                words[n++] = o->name;
        for (const CliOption *o = p->global; o->name; o++)
                words[n++] = o->name;
        words[n] = NULL;
        nearest = startswith(typed, "--") ? cli_nearest(typed + 2, words) : NULL;
        if (nearest)
                return cli_usage_error(
                        p->cli, "unknown option %s; did you mean --%s?", shown, nearest);
        return cli_usage_error(p->cli, "unknown option %s", shown);
}

/* @value: behind "=" or the letter, or NULL. Returns how many further arguments were used, or -1 - exit code. */
static int set_option(const Parser *p, const CliOption *o, const char *value, const char *next) {
        if (o->flag) {
                if (value)
                        return -1 - cli_usage_error(p->cli, "--%s takes no value", o->name);
                *o->flag = true;
                return 0;
        }
        if (!value && !next)
                return -1 - cli_usage_error(p->cli, "--%s needs a value", o->name);
        *o->value = value ? value : next;
        return value ? 0 : 1;
}

static int long_option(const Parser *p, const char *arg, const char *next) {
        const char *name = arg + 2, *equals = strchr(name, '=');
        size_t n = equals ? (size_t)(equals - name) : strlen(name);
        const CliOption *o = find_option(p, name, n, 0);

        if (!o)
                return -1 - unknown_option(p, arg);
        return set_option(p, o, equals ? equals + 1 : NULL, next);
}

/* Letters may be joined, and the last may have its value joined to it. */
static int short_options(const Parser *p, const char *arg, const char *next) {
        for (const char *c = arg + 1; *c; c++) {
                const CliOption *o = find_option(p, NULL, 0, *c);

                if (!o)
                        return -1 - unknown_option(p, arg);
                if (o->value)
                        return set_option(p, o, c[1] ? c + 1 : NULL, next);
                *o->flag = true;
        }
        return 0;
}

static int parse_all(const Parser *p, char **args, size_t *ret_n) {
        bool names_only = false;
        size_t n = 0;

        for (size_t i = 0; args[i]; i++) {
                char *arg = args[i];
                int r;

                if (names_only || arg[0] != '-' || !arg[1]) {
                        args[n++] = arg;
                        continue;
                }
                if (streq(arg, "--")) {
                        names_only = true;
                        continue;
                }
                r = arg[1] == '-' ? long_option(p, arg, args[i + 1])
                                  : short_options(p, arg, args[i + 1]);
                if (r < 0)
                        return -1 - r;
                i += (size_t)r;
        }
        args[n] = NULL;
        *ret_n = n;
        return CLI_GO_ON;
}

static int check_globals(Cli *cli) {
        if (cli->instance && !config_instance_valid(cli->instance))
                return cli_usage_error(
                        cli, "an instance's name has letters, digits, '.', '_' and '-' only");
        if (cli->base && cli->config_path)
                return cli_usage_error(cli, "--base and --config exclude each other");
        return CLI_GO_ON;
}

int cli_parse(Cli *cli, char **args, const CliOption *options, size_t *ret_n) {
        Parser p = { .cli = cli, .own = options };
        int r;

        p.global[0] = (CliOption){ "instance", 'i', NULL, &cli->instance };
        p.global[1] = (CliOption){ "config", 0, NULL, &cli->config_path };
        p.global[2] = (CliOption){ "base", 0, NULL, &cli->base };
        p.global[3] = (CliOption){ "json", 0, &cli->json, NULL };
        p.global[4] = (CliOption){ "help", 'h', &p.help, NULL };
        r = parse_all(&p, args, ret_n);
        if (p.help) {
                fputs(cli->order->usage, stdout);
                return EXIT_DONE;
        }
        return r == CLI_GO_ON ? check_globals(cli) : r;
}

int cli_expect(Cli *cli, char **names, size_t n, size_t min, size_t max, const char *what) {
        if (n < min)
                return cli_usage_error(cli, "%s needs %s", cli->order->name, what);
        if (n > max) {
                _cleanup_free_ char *shown = text_printable(names[max], 60);

                return cli_usage_error(cli, "there is one argument too many: %s", shown ?: "");
        }
        return CLI_GO_ON;
}

/* ---- several names ---- */

void batch_begin(Batch *b, Cli *cli, size_t n) {
        *b = (Batch){ .cli = cli, .many = n > 1 };
        if (cli->json)
                b->results = cJSON_CreateArray();
}

void batch_add(Batch *b, cJSON *result) {
        if (!b->results || !cJSON_AddItemToArray(b->results, result))
                cJSON_Delete(result);
}

void batch_refuse(Batch *b, const Refusal *f, const char *what) {
        if (b->results)
                batch_add(b, refusal_json(f, b->many ? what : NULL));
        else
                cli_refuse(b->cli, f);
        if (f->code > b->code)
                b->code = f->code;
}

int batch_end(Batch *b) {
        if (b->results && b->many)
                out_json(b->results);
        else if (b->results && b->results->child)
                out_json(b->results->child);
        cJSON_Delete(b->results);
        b->results = NULL;
        return b->code;
}

/* ---- questions ---- */

bool cli_confirm(const char *fmt, ...) {
        _cleanup_free_ char *question = NULL;
        char answer[16];
        va_list ap;
        int r;

        va_start(ap, fmt);
        r = vasprintf(&question, fmt, ap);
        va_end(ap);
        if (r < 0)
                return false;
        out_ask("%s [y/N] ", question);
        if (!fgets(answer, sizeof(answer), stdin))
                return false;
        return answer[0] == 'y' || answer[0] == 'Y';
}
