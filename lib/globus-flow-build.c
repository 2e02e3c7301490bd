/* SPDX-License-Identifier: Apache-2.0 */

/* One call a state: see globus-flow-build.h. */

#include "globus-flow-build.h"

#include <stdarg.h>
#include <string.h>

#include "globus-expr.h"
#include "strv.h"
#include "text.h"

/*
 * Every error that an action can end with; without all of them a run could end without a word of
 * ours.
 */
static const char *const action_errors[] = { "ActionUnableToRun", "ActionFailedException",
        "ActionTimeout" };

#define ACTION_SECONDS 300

/* ---- texts ---- */

/* Takes @s. */
static const char *keep(Flow *f, char *s) {
        if (!s || strv_take(&f->texts, s) < 0) {
                f->spoiled = true;
                return "";
        }
        return s;
}

const char *flow_text(Flow *f, const char *fmt, ...) {
        va_list ap;
        char *s;
        int n;

        va_start(ap, fmt);
        n = vasprintf(&s, fmt, ap);
        va_end(ap);
        return keep(f, n < 0 ? NULL : s);
}

const char *flow_quote(Flow *f, const char *text) {
        return keep(f, expr_quote(text));
}

/* ---- objects ---- */

static void note(Flow *f, int r) {
        if (r < 0)
                f->spoiled = true;
}

/* Skips NULL, but not "": an empty text is a value here. */
static void set(Flow *f, cJSON *o, const char *key, const char *value) {
        if (value)
                note(f, json_set_item(o, key, cJSON_CreateString(value)));
}

cJSON *flow_object(Flow *f, const Pair *pairs) {
        cJSON *o = cJSON_CreateObject();

        note(f, o ? 0 : -ENOMEM);
        for (; pairs && pairs->key; pairs++)
                set(f, o, pairs->key, pairs->value);
        return o;
}

static cJSON *new_state(Flow *f, const char *name, const char *type, const char *comment) {
        cJSON *s = flow_object(f, PAIRS({ "Type", type }, { "Comment", comment }));

        note(f, json_set_item(f->states, name, s));
        return cJSON_GetObjectItemCaseSensitive(f->states, name);
}

/* Moves the members of @from, which it takes, behind those of @to. */
static void merge(Flow *f, cJSON *to, cJSON *from) {
        while (from && from->child) {
                cJSON *item = cJSON_DetachItemViaPointer(from, from->child);

                note(f, json_set_item(to, item->string, item));
        }
        cJSON_Delete(from);
}

/* ---- states ---- */

static cJSON *catcher(Flow *f, const char *next) {
        cJSON *catch = cJSON_CreateArray(), *one = cJSON_CreateObject();
        cJSON *errors = cJSON_CreateStringArray(action_errors, ELEMENTSOF(action_errors));

        note(f, catch && one ? json_set_item(one, "ErrorEquals", errors) : -ENOMEM);
        set(f, one, "ResultPath", "$.problem");
        set(f, one, "Next", next);
        if (!cJSON_AddItemToArray(catch, one))
                cJSON_Delete(one);
        return catch;
}

void flow_action(Flow *f, const char *name, const FlowAction *a) {
        cJSON *s = new_state(f, name, "Action", a->comment), *parameters;
        bool as_flow = a->on_cluster_only && f->options->run_as_flow;

        parameters = flow_object(f, a->parameters);
        merge(f, parameters, a->more);
        set(f, s, "ActionUrl", a->url);
        set(f, s, "RunAs", as_flow ? "Flow" : NULL);
        note(f, json_set_item(s, "Parameters", parameters));
        set(f, s, "ResultPath", a->result);
        note(f, json_set_int(s, "WaitTime", a->seconds ?: ACTION_SECONDS));
        note(f, json_set_bool(s, "ExceptionOnActionFailure", !a->bears_failure));
        note(f, json_set_item(s, "Catch", catcher(f, a->on_error)));
        set(f, s, "Next", a->next);
}

void flow_eval(Flow *f, const char *name, const char *comment, const Pair *pairs,
        const char *result, const char *next) {
        cJSON *s = new_state(f, name, "ExpressionEval", comment);

        note(f, json_set_item(s, "Parameters", flow_object(f, pairs)));
        set(f, s, "ResultPath", result);
        set(f, s, "Next", next);
}

void flow_constant(Flow *f, const char *name, const char *comment, cJSON *value, const char *result,
        const char *next) {
        cJSON *s = new_state(f, name, "Pass", comment);

        note(f, json_set_item(s, "Result", value));
        set(f, s, "ResultPath", result);
        set(f, s, "Next", next);
}

void flow_done(Flow *f, const char *name, const char *comment) {
        cJSON *s = new_state(f, name, "Pass", comment);

        note(f, json_set_bool(s, "End", true));
}

void flow_wait(Flow *f, const char *name, const char *comment, const char *seconds_path,
        unsigned seconds, const char *next) {
        cJSON *s = new_state(f, name, "Wait", comment);

        if (seconds_path)
                set(f, s, "SecondsPath", seconds_path);
        else
                note(f, json_set_int(s, "Seconds", seconds));
        set(f, s, "Next", next);
}

void flow_explain(
        Flow *f, const char *name, const char *comment, const char *error, const char *cause) {
        flow_eval(f, name, comment, PAIRS({ "error", error }, { "cause.=", cause }), "$.ending",
                STATE_END_FAILED);
}

/* ---- choices ---- */

FlowChoice flow_choice(Flow *f, const char *name, const char *comment, const char *otherwise) {
        cJSON *s = new_state(f, name, "Choice", comment);

        note(f, json_set_item(s, "Choices", cJSON_CreateArray()));
        set(f, s, "Default", otherwise);
        return (FlowChoice){ f, cJSON_GetObjectItemCaseSensitive(s, "Choices") };
}

/* Takes @rule. */
static void add_rule(FlowChoice c, cJSON *rule, const char *next) {
        set(c.flow, rule, "Next", next);
        if (cJSON_AddItemToArray(c.rules, rule))
                return;
        cJSON_Delete(rule);
        c.flow->spoiled = true;
}

void choice_text(FlowChoice c, const char *path, const char *operator, const char * value,
        const char *next) {
        add_rule(c, flow_object(c.flow, PAIRS({ "Variable", path }, { operator, value })), next);
}

/* Takes @test: a condition on @path that is only looked at where there is something. */
static void add_guarded(FlowChoice c, const char *path, cJSON *test, const char *next) {
        cJSON *rule = cJSON_CreateObject(), *both = cJSON_CreateArray();
        cJSON *present = flow_object(c.flow, PAIRS({ "Variable", path }));

        note(c.flow, json_set_bool(present, "IsPresent", true));
        note(c.flow, json_set_item(rule, "And", both));
        if (!cJSON_AddItemToArray(both, present))
                cJSON_Delete(present);
        if (!cJSON_AddItemToArray(both, test))
                cJSON_Delete(test);
        add_rule(c, rule, next);
}

void choice_present_text(FlowChoice c, const char *path, const char *value, const char *next) {
        add_guarded(c, path,
                flow_object(c.flow, PAIRS({ "Variable", path }, { "StringEquals", value })), next);
}

void choice_present_at_most(FlowChoice c, const char *path, double value, const char *next) {
        cJSON *test = flow_object(c.flow, PAIRS({ "Variable", path }));

        note(c.flow, json_set_item(test, "NumericLessThanEquals", cJSON_CreateNumber(value)));
        add_guarded(c, path, test, next);
}

void choice_true(FlowChoice c, const char *path, const char *next) {
        cJSON *rule = flow_object(c.flow, PAIRS({ "Variable", path }));

        note(c.flow, json_set_bool(rule, "BooleanEquals", true));
        add_rule(c, rule, next);
}

static void add_number(
        FlowChoice c, const char *path, const char *operator, double value, const char *next) {
        cJSON *rule = flow_object(c.flow, PAIRS({ "Variable", path }));

        note(c.flow, json_set_item(rule, operator, cJSON_CreateNumber(value)));
        add_rule(c, rule, next);
}

void choice_at_least(FlowChoice c, const char *path, double value, const char *next) {
        add_number(c, path, "NumericGreaterThanEquals", value, next);
}

void choice_at_most(FlowChoice c, const char *path, double value, const char *next) {
        add_number(c, path, "NumericLessThanEquals", value, next);
}
