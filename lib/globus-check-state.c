/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One state: its keys, which of them exclude each other, and where it leads.
 *
 * The table has what the public schema has; the functions below it have what that can't say.
 */

#include "globus-check-internal.h"

#include <string.h>

#include "text.h"

#define NAME_MAX_CHARACTERS 128

enum {
        ACTION = 1 << 0,
        EVAL = 1 << 1,
        PASS = 1 << 2,
        WAIT = 1 << 3,
        CHOICE = 1 << 4,
        FAIL = 1 << 5,
        CREATE = 1 << 6,
        AWAIT = 1 << 7,
        WEB = CREATE | AWAIT,
        ALL = 0xff,
        GOES_ON = ALL & ~(CHOICE | FAIL),
};

static const struct StateType {
        const char *name;
        unsigned bit;
} types[] = {
        { "Action", ACTION },
        { "ExpressionEval", EVAL },
        { "Pass", PASS },
        { "Wait", WAIT },
        { "Choice", CHOICE },
        { "Fail", FAIL },
        { "CreateWebInput", CREATE },
        { "AwaitWebInput", AWAIT },
};

/* Types of other dialects of the language, each with what does the same here. */
static const struct ForeignType {
        const char *name, *instead;
} foreign[] = {
        { "Task", "Action" },
        { "Succeed", "a Pass with \"End\": true" },
        { "Parallel", "nothing" },
        { "Map", "a loop of Choice states" },
};

static const struct Field {
        const char *key;
        CheckKind kind;
        unsigned allowed, needed;
} fields[] = {
        { "Type", KIND_TEXT, ALL, ALL },
        { "Comment", KIND_TEXT, ALL, 0 },
        { "Next", KIND_TARGET, GOES_ON, 0 },
        { "End", KIND_FLAG, GOES_ON, 0 },
        { "Parameters", KIND_OBJECT, ACTION | EVAL | PASS | WEB, EVAL },
        { "InputPath", KIND_PATH, ACTION | PASS | WEB, 0 },
        { "ResultPath", KIND_PATH, ACTION | EVAL | PASS | WEB, ACTION | EVAL | WEB },
        { "Result", KIND_OBJECT, PASS, 0 },
        { "ActionUrl", KIND_URL, ACTION, 0 },
        { "ActionScope", KIND_TEXT, ACTION, 0 },
        { "Handler", KIND_ANY, ACTION, 0 },
        { "WaitTime", KIND_COUNT, ACTION, 0 },
        { "ExceptionOnActionFailure", KIND_FLAG, ACTION, 0 },
        { "Catch", KIND_LIST, ACTION | WEB, 0 },
        { "RunAs", KIND_TEXT, ACTION, 0 },
        { "Seconds", KIND_COUNT, WAIT, 0 },
        { "SecondsPath", KIND_PATH, WAIT, 0 },
        { "Timestamp", KIND_TIME, WAIT, 0 },
        { "TimestampPath", KIND_PATH, WAIT, 0 },
        { "Choices", KIND_LIST, CHOICE, CHOICE },
        { "Default", KIND_TARGET, CHOICE, 0 },
        { "Cause", KIND_TEXT, FAIL, 0 },
        { "CausePath", KIND_PATH, FAIL, 0 },
        { "Error", KIND_TEXT, FAIL, 0 },
        { "ErrorPath", KIND_PATH, FAIL, 0 },
};

static const cJSON *get(const cJSON *o, const char *key) {
        return cJSON_GetObjectItemCaseSensitive(o, key);
}

static bool has(const cJSON *o, const char *key) {
        return get(o, key) != NULL;
}

/* ---- keys ---- */

static const struct Field *field_find(const char *key) {
        for (size_t i = 0; i < ELEMENTSOF(fields); i++)
                if (streq(fields[i].key, key))
                        return &fields[i];
        return NULL;
}

static void check_keys(Check *c, const cJSON *state, const struct StateType *type) {
        const cJSON *item;

        check_no_doubles(c, state);
        cJSON_ArrayForEach(item, state) {
                const struct Field *f = field_find(item->string);

                if (!f)
                        check_fault(c, item, AT_KEY, "no state has such a key");
                else if (!(f->allowed & type->bit))
                        check_fault(
                                c, item, AT_KEY, "a state of type %s has no such key", type->name);
                else
                        check_kind(c, item, f->kind);
        }
        for (size_t i = 0; i < ELEMENTSOF(fields); i++)
                if ((fields[i].needed & type->bit) && !has(state, fields[i].key))
                        check_fault(c, state, AT_KEY, "%s is missing%s", fields[i].key,
                                streq(fields[i].key, "ResultPath")
                                        ? ": without it the result would replace all that the run knows"
                                        : "");
}

/* How many of the keys up to NULL it has. */
static unsigned count(const cJSON *state, const char *const *keys) {
        unsigned n = 0;

        for (; *keys; keys++)
                n += has(state, *keys);
        return n;
}

static void check_one_of(Check *c, const cJSON *state, const char *const *keys, const char *words) {
        unsigned n = count(state, keys);

        if (n != 1)
                check_fault(c, state, AT_KEY, "it needs exactly one of %s, and has %s", words,
                        n == 0 ? "none" : "several");
}

/* ---- where it leads ---- */

static void check_way_on(Check *c, const cJSON *state) {
        const cJSON *end = get(state, "End");

        check_one_of(c, state, (const char *const[]){ "Next", "End", NULL }, "Next and End");
        if (cJSON_IsFalse(end))
                check_fault(c, end, AT_VALUE, "End is true or not there");
}

static void check_error_names(Check *c, const cJSON *names) {
        static const char *const known[] = { "ActionUnableToRun", "ActionFailedException",
                "ActionTimeout", "Flows.WebInputExpired" };
        const cJSON *name;

        if (!check_kind(c, names, KIND_TEXTS))
                return;
        if (!names->child)
                check_fault(c, names, AT_VALUE, "it catches nothing");
        cJSON_ArrayForEach(name, names) {
                bool found = false;

                for (size_t i = 0; i < ELEMENTSOF(known); i++)
                        found = found || streq(known[i], name->valuestring);
                if (!found)
                        check_warn(c, name, AT_VALUE, "no documentation names the error %s",
                                name->valuestring);
        }
}

static void check_catcher(Check *c, const cJSON *catcher) {
        const cJSON *item;

        if (!check_kind(c, catcher, KIND_OBJECT))
                return;
        check_no_doubles(c, catcher);
        cJSON_ArrayForEach(item, catcher)
                if (streq(item->string, "ErrorEquals"))
                        check_error_names(c, item);
                else if (streq(item->string, "Next"))
                        check_kind(c, item, KIND_TARGET);
                else if (streq(item->string, "ResultPath"))
                        check_kind(c, item, KIND_PATH);
                else
                        check_fault(c, item, AT_KEY,
                                "a Catch has no such key; it has ErrorEquals, Next and ResultPath");
        if (!has(catcher, "ErrorEquals") || !has(catcher, "Next"))
                check_fault(c, catcher, AT_VALUE, "a Catch has ErrorEquals and Next");
        if (!has(catcher, "ResultPath"))
                check_fault(c, catcher, AT_VALUE,
                        "ResultPath is missing: without it the error would replace all that the run knows");
}

static void check_catch(Check *c, const cJSON *state) {
        const cJSON *catcher;

        cJSON_ArrayForEach(catcher, json_array(state, "Catch"))
                check_catcher(c, catcher);
}

/* ---- by type ---- */

static void check_handler(Check *c, const cJSON *handler) {
        bool provider = streq(json_str(handler, "Type"), "ActionProvider"),
             api = streq(json_str(handler, "Type"), "RegisteredAPI");
        const cJSON *item;

        if (cJSON_IsString(handler))
                return;
        if (!cJSON_IsObject(handler) || (!provider && !api)) {
                check_fault(c, handler, AT_VALUE,
                        "it should be a text, or an object whose Type is ActionProvider or RegisteredAPI");
                return;
        }
        cJSON_ArrayForEach(item, handler)
                if (provider && streq(item->string, "Url"))
                        check_kind(c, item, KIND_URL);
                else if (provider && streq(item->string, "Scope"))
                        check_kind(c, item, KIND_TEXT);
                else if (api && streq(item->string, "Id"))
                        check_kind(c, item, KIND_UUID);
                else if (!streq(item->string, "Type"))
                        check_fault(c, item, AT_KEY, "this kind of Handler has no such key");
        if (!has(handler, provider ? "Url" : "Id"))
                check_fault(c, handler, AT_VALUE, "%s is missing", provider ? "Url" : "Id");
}

static void check_action(Check *c, const cJSON *state) {
        const cJSON *wait = get(state, "WaitTime");

        check_one_of(c, state, (const char *const[]){ "ActionUrl", "Handler", NULL },
                "ActionUrl and Handler");
        check_one_of(c, state, (const char *const[]){ "Parameters", "InputPath", NULL },
                "Parameters and InputPath");
        if (has(state, "Handler"))
                check_handler(c, get(state, "Handler"));
        if (cJSON_IsNumber(wait) && wait->valuedouble == 0)
                check_fault(c, wait, AT_VALUE, "the action has no time at all");
        if (!has(state, "ExceptionOnActionFailure"))
                check_warn(c, state, AT_KEY,
                        "ExceptionOnActionFailure is missing, and its default is documented in two ways");
        if (cJSON_IsObject(get(state, "Parameters")))
                check_action_body(c, state, get(state, "Parameters"));
        check_catch(c, state);
}

static void check_pass(Check *c, const cJSON *state) {
        unsigned n =
                count(state, (const char *const[]){ "Parameters", "InputPath", "Result", NULL });

        if (has(state, "Parameters") && n > 1)
                check_fault(c, state, AT_KEY, "it has Parameters, and InputPath or Result as well");
        if (n > 0 && !has(state, "ResultPath"))
                check_fault(c, state, AT_KEY,
                        "ResultPath is missing: without it the result would replace all that the run knows");
}

static void check_fail(Check *c, const cJSON *state) {
        if (has(state, "Cause") && has(state, "CausePath"))
                check_fault(c, state, AT_KEY, "it has both Cause and CausePath");
        if (has(state, "Error") && has(state, "ErrorPath"))
                check_fault(c, state, AT_KEY, "it has both Error and ErrorPath");
        if (!has(state, "Cause") && !has(state, "CausePath"))
                check_warn(c, state, AT_KEY,
                        "a run that ends here says no reason; give it a Cause or a CausePath");
}

static void check_choice(Check *c, const cJSON *state) {
        const cJSON *choices = get(state, "Choices");

        if (cJSON_IsArray(choices))
                check_choices(c, choices);
        if (!has(state, "Default"))
                check_warn(c, state, AT_KEY,
                        "Default is missing: where nothing matches, the run ends with an error of the engine");
}

static void check_by_type(Check *c, const cJSON *state, unsigned bit) {
        if (bit & ACTION)
                check_action(c, state);
        if (bit & PASS)
                check_pass(c, state);
        if (bit & WAIT)
                check_one_of(c, state,
                        (const char *const[]){
                                "Seconds", "SecondsPath", "Timestamp", "TimestampPath", NULL },
                        "Seconds, SecondsPath, Timestamp and TimestampPath");
        if (bit & CHOICE)
                check_choice(c, state);
        if (bit & FAIL)
                check_fail(c, state);
        if (bit & WEB) {
                check_one_of(c, state, (const char *const[]){ "Parameters", "InputPath", NULL },
                        "Parameters and InputPath");
                check_catch(c, state);
        }
        if (bit & GOES_ON)
                check_way_on(c, state);
        /* Of a Pass no source shows that it evaluates expressions. */
        if (cJSON_IsObject(get(state, "Parameters")))
                check_parameters(c, get(state, "Parameters"), !(bit & PASS));
}

/* ---- one state ---- */

static void check_name(Check *c, const cJSON *state) {
        size_t n = 0;

        for (const char *s = state->string; *s; s++)
                n += ((unsigned char)*s & 0xc0) != 0x80;
        if (n < 1 || n > NAME_MAX_CHARACTERS)
                check_fault(c, state, AT_KEY,
                        "a state's name has 1 to %d characters; this one has %zu",
                        NAME_MAX_CHARACTERS, n);
}

static void unknown_type(Check *c, const cJSON *type) {
        for (size_t i = 0; i < ELEMENTSOF(foreign); i++)
                if (streq(foreign[i].name, type->valuestring)) {
                        check_fault(c, type, AT_VALUE,
                                "there is no state type %s here; what does the same is %s",
                                foreign[i].name, foreign[i].instead);
                        return;
                }
        check_fault(c, type, AT_VALUE, "there is no state type \"%s\"", type->valuestring);
}

void check_state(Check *c, const cJSON *state) {
        const cJSON *type = get(state, "Type");

        check_name(c, state);
        if (!check_kind(c, state, KIND_OBJECT))
                return;
        if (!cJSON_IsString(type)) {
                check_fault(
                        c, type ?: state, type ? AT_VALUE : AT_KEY, "Type is missing, or no text");
                return;
        }
        for (size_t i = 0; i < ELEMENTSOF(types); i++)
                if (streq(types[i].name, type->valuestring)) {
                        check_keys(c, state, &types[i]);
                        check_by_type(c, state, types[i].bit);
                        return;
                }
        unknown_type(c, type);
}
