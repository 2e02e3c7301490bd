/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The rules of a Choice: And, Or and Not in any depth, and leaves that compare one variable once.
 */

#include "globus-check-internal.h"

#include <string.h>

#include "text.h"

static const char *const tests[] = { "IsPresent", "IsNull", "IsBoolean", "IsNumeric", "IsString",
        "IsTimestamp" };
static const char *const orders[] = { "Equals", "LessThan", "GreaterThan", "LessThanEquals",
        "GreaterThanEquals" };

/* What @operator compares with; false if there is no such operator. */
static bool operand_kind(const char *operator, CheckKind * ret) {
        static const struct {
                const char *prefix;
                CheckKind kind;
        } sorts[] = { { "String", KIND_TEXT }, { "Numeric", KIND_NUMBER },
                { "Timestamp", KIND_TIME } };

        for (size_t i = 0; i < ELEMENTSOF(tests); i++)
                if (streq(tests[i], operator))
                        return *ret = KIND_FLAG, true;
        if (streq(operator, "StringMatches"))
                return *ret = KIND_TEXT, true;
        if (streq(operator, "BooleanEquals"))
                return *ret = KIND_FLAG, true;
        if (streq(operator, "BooleanEqualsPath"))
                return *ret = KIND_PATH, true;
        for (size_t s = 0; s < ELEMENTSOF(sorts); s++) {
                const char *order = startswith(operator, sorts[s].prefix), *rest;

                for (size_t o = 0; order && o < ELEMENTSOF(orders); o++) {
                        rest = startswith(order, orders[o]);
                        if (rest && (!*rest || streq(rest, "Path")))
                                return *ret = *rest ? KIND_PATH : sorts[s].kind, true;
                }
        }
        return false;
}

static void check_next(Check *c, const cJSON *rule, const cJSON *next, bool outermost) {
        if (outermost && !next)
                check_fault(c, rule, AT_VALUE, "Next is missing");
        else if (outermost)
                check_kind(c, next, KIND_TARGET);
        else if (next)
                check_fault(c, next, AT_KEY, "only the outermost rule has a Next");
}

static void check_leaf(Check *c, const cJSON *rule) {
        const cJSON *item, *variable = cJSON_GetObjectItemCaseSensitive(rule, "Variable");
        unsigned comparisons = 0;
        CheckKind kind;

        if (variable)
                check_kind(c, variable, KIND_PATH);
        else
                check_fault(c, rule, AT_VALUE,
                        "a rule has And, Or or Not, or a Variable that it compares");
        cJSON_ArrayForEach(item, rule) {
                if (streq(item->string, "Variable") || streq(item->string, "Next"))
                        continue;
                if (!operand_kind(item->string, &kind)) {
                        check_fault(c, item, AT_KEY, "there is no such comparison");
                        continue;
                }
                comparisons++;
                check_kind(c, item, kind);
        }
        if (variable && comparisons != 1)
                check_fault(c, rule, AT_VALUE, "a rule compares exactly once; this one %s",
                        comparisons ? "does so several times" : "does not");
}

static void check_rule(Check *c, const cJSON *rule, bool outermost);

static void check_combined(Check *c, const cJSON *rule, const cJSON *combined) {
        const cJSON *item, *part;

        cJSON_ArrayForEach(item, rule)
                if (item != combined && !streq(item->string, "Next"))
                        check_fault(c, item, AT_KEY, "a rule with %s has nothing else",
                                combined->string);
        if (streq(combined->string, "Not")) {
                check_rule(c, combined, false);
                return;
        }
        if (!check_kind(c, combined, KIND_LIST))
                return;
        if (!combined->child)
                check_fault(c, combined, AT_VALUE, "it combines nothing");
        cJSON_ArrayForEach(part, combined)
                check_rule(c, part, false);
}

static void check_rule(Check *c, const cJSON *rule, bool outermost) {
        static const char *const combinators[] = { "And", "Or", "Not" };
        const cJSON *combined = NULL;

        if (!check_kind(c, rule, KIND_OBJECT))
                return;
        check_no_doubles(c, rule);
        check_next(c, rule, cJSON_GetObjectItemCaseSensitive(rule, "Next"), outermost);
        for (size_t i = 0; i < ELEMENTSOF(combinators) && !combined; i++)
                combined = cJSON_GetObjectItemCaseSensitive(rule, combinators[i]);
        if (combined)
                check_combined(c, rule, combined);
        else
                check_leaf(c, rule);
}

void check_choices(Check *c, const cJSON *choices) {
        const cJSON *rule;

        if (!choices->child)
                check_fault(c, choices, AT_VALUE, "it has nothing to choose from");
        cJSON_ArrayForEach(rule, choices)
                check_rule(c, rule, true);
}
