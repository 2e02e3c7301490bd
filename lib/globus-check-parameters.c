/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Parameters: a key that ends in ".$" holds a path, one that ends in ".=" an expression, any other
 * what it says, at any depth.
 *
 * Of the providers that FlowCron's flows use it is known which parameters they need; and a label is
 * to fit whatever it is made of.
 */

#include "globus-check-internal.h"

#include <stdint.h>
#include <string.h>

#include "globus-expr.h"
#include "text.h"

#define LABEL_CHARACTERS 128

static size_t characters(const char *s) {
        size_t n = 0;

        for (; *s; s++)
                n += ((unsigned char)*s & 0xc0) != 0x80;
        return n;
}

/* What @key is without ".$" or ".="; @ret_mark is '$', '=' or 0. New string or NULL. */
static char *plain_key(const char *key, char *ret_mark) {
        size_t n = strlen(key);
        bool marked = n > 2 && key[n - 2] == '.' && (key[n - 1] == '$' || key[n - 1] == '=');

        *ret_mark = marked ? key[n - 1] : 0;
        return strndup(key, marked ? n - 2 : n);
}

/* ---- labels ---- */

static void check_label(Check *c, const cJSON *item, size_t longest) {
        if (longest == SIZE_MAX)
                check_warn(c, item, AT_VALUE,
                        "a label has at most %d characters; that this one fits can't be told. Cut its parts, as in name[:50]",
                        LABEL_CHARACTERS);
        else if (longest > LABEL_CHARACTERS)
                check_fault(c, item, AT_VALUE, "a label has at most %d characters; this one %s %zu",
                        LABEL_CHARACTERS,
                        item->string[strlen(item->string) - 1] == '=' ? "can have" : "has",
                        longest);
}

/* ---- one parameter ---- */

static void check_expression(Check *c, const cJSON *item, bool allowed, bool label) {
        const char *text = cJSON_GetStringValue(item);
        ExprFacts facts;
        Error e = {};

        if (!allowed)
                check_fault(c, item, AT_KEY,
                        "no documentation shows expressions in a state of this type");
        if (!text) {
                check_kind(c, item, KIND_TEXT);
                return;
        }
        if (expr_check(text, &facts, &e) != 0)
                check_fault_within(c, item, facts.at, false, e.text);
        else {
                if (facts.warning[0])
                        check_fault_within(c, item, facts.at, true, facts.warning);
                if (label)
                        check_label(c, item, facts.longest);
        }
}

static void check_value(Check *c, const cJSON *value, bool expressions);

static void check_plain(Check *c, const cJSON *item, bool label, bool expressions) {
        const char *text = cJSON_GetStringValue(item);

        if (text && startswith(text, "$."))
                check_fault(c, item, AT_VALUE,
                        "this looks like a path into the run's data, but the key does not end in .$");
        else if (text && label)
                check_label(c, item, characters(text));
        check_value(c, item, expressions);
}

/*
 * Whether one of the members before @end, or any if that is NULL, is called @plain but for its
 * mark.
 */
static bool has_plain(const cJSON *object, const char *plain, const cJSON *end) {
        for (const cJSON *item = object->child; item && item != end; item = item->next) {
                char mark;
                _cleanup_free_ char *other = plain_key(item->string, &mark);

                if (streq(other, plain))
                        return true;
        }
        return false;
}

static void check_member(Check *c, const cJSON *object, const cJSON *item, bool expressions) {
        char mark;
        _cleanup_free_ char *plain = plain_key(item->string, &mark);
        bool label = streq(plain, "label");

        if (!plain) {
                c->spoiled = true;
                return;
        }
        if (cJSON_GetObjectItemCaseSensitive(object, item->string) == item &&
                has_plain(object, plain, item))
                check_fault(c, item, AT_KEY, "%s is given twice", plain);
        if (streq(item->string, "__Private_Parameters"))
                check_kind(c, item, KIND_TEXTS);
        else if (mark == '$')
                check_kind(c, item, KIND_PATH);
        else if (mark == '=')
                check_expression(c, item, expressions, label);
        else
                check_plain(c, item, label, expressions);
}

static void check_value(Check *c, const cJSON *value, bool expressions) {
        const cJSON *item;

        if (cJSON_IsObject(value)) {
                check_no_doubles(c, value);
                cJSON_ArrayForEach(item, value)
                        check_member(c, value, item, expressions);
        } else if (cJSON_IsArray(value)) {
                cJSON_ArrayForEach(item, value)
                        check_value(c, item, expressions);
        }
}

void check_parameters(Check *c, const cJSON *parameters, bool expressions) {
        check_value(c, parameters, expressions);
}

/* ---- what providers need ---- */

#define TRANSFER "https://transfer.actions.globus.org/"

static const struct Provider {
        const char *url;
        const char *needs[6];
} providers[] = {
        { TRANSFER "transfer", { "source_endpoint", "destination_endpoint", "DATA" } },
        { TRANSFER "delete", { "endpoint", "DATA" } },
        { TRANSFER "mkdir", { "endpoint_id", "path" } },
        { TRANSFER "stat", { "endpoint_id", "path" } },
        { TRANSFER "ls", { "endpoint_id", "path" } },
        { TRANSFER "collection_info", { "endpoint_id" } },
        { TRANSFER "manage_permission", { "operation", "endpoint_id" } },
        { "https://actions.globus.org/search/ingest",
                { "search_index", "subject", "visible_to", "content" } },
};

void check_action_body(Check *c, const cJSON *action, const cJSON *parameters) {
        const cJSON *url = cJSON_GetObjectItemCaseSensitive(action, "ActionUrl");
        const char *text = cJSON_GetStringValue(url) ?: "";

        if (startswith(text, "https://actions.globus.org/transfer/"))
                check_fault(c, url, AT_VALUE,
                        "these providers ended in January 2025; their successors are at " TRANSFER);
        for (size_t i = 0; i < ELEMENTSOF(providers); i++) {
                const char *rest = startswith(text, providers[i].url);

                if (!rest || (*rest && !streq(rest, "/")))
                        continue;
                for (const char *const *need = providers[i].needs; *need; need++)
                        if (!has_plain(parameters, *need, NULL))
                                check_fault(c, parameters, AT_KEY,
                                        "%s is missing, which this provider needs", *need);
        }
}
