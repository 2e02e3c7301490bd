/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Each rule about definitions and input schemas, broken once: found, at its place, and nothing else
 * with it.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "globus-check.h"
#include "json-place.h"
#include "text.h"

/* A state that all the others can lead to. */
#define END "\"Z\": {\"Type\": \"Pass\", \"End\": true}"
/* A definition whose first state has what is given. */
#define STATE(members) "{\"StartAt\": \"A\", \"States\": {\"A\": {" members "}, " END "}}"
#define ACTION \
        "\"Type\": \"Action\", \"ActionUrl\": \"https://x/\", \"ResultPath\": \"$.r\", \"ExceptionOnActionFailure\": true, "
#define EVAL(parameters)                                                                            \
        STATE("\"Type\": \"ExpressionEval\", \"ResultPath\": \"$.r\", \"Parameters\": {" parameters \
              "}, \"Next\": \"Z\"")
#define RULE(rule) STATE("\"Type\": \"Choice\", \"Default\": \"Z\", \"Choices\": [" rule "]")
#define SCHEMA(members) "{\"type\": \"object\", " members "}"

typedef struct Case {
        const char *text;
        const char *path; /* of the only fault or warning; NULL: there is none */
        const char *word; /* in its text */
        bool warning;
} Case;

static void check(const Case *one) {
        FlowFaults found;

        assert_int_equal(flow_check(one->text, strlen(one->text), &found), 0);
        for (size_t i = one->path ? 1 : 0; i < found.n; i++)
                fail_msg("%s: also: %s: %s", one->text, found.list[i].path, found.list[i].text);
        if (one->path) {
                if (found.n == 0)
                        fail_msg("%s: nothing was found", one->text);
                assert_string_equal(found.list[0].path, one->path);
                if (!strstr(found.list[0].text, one->word))
                        fail_msg("%s: %s", one->text, found.list[0].text);
                assert_int_equal(found.list[0].warning, one->warning);
                assert_int_equal(found.faults, !one->warning);
        }
        flow_faults_done(&found);
}

static const Case cases[] = {
        /* the top */
        { "{\"StartAt\": \"Z\", \"Comment\": \"c\", \"States\": {" END "}}", NULL, NULL, false },
        { "{\"StartAt\": \"Y\", \"States\": {}}", "States", "empty", false },
        { "{\"StartAt\": \"Z\"}", "", "States", false },
        { "{\"StartAt\": \"Z\", \"Version\": 1, \"States\": {" END "}}", "Version", "no such key",
                false },
        { "[]", "", "an object", false },
        /* targets and ways */
        { STATE(ACTION
                  "\"Parameters\": {}, \"Next\": \"Q\", \"Catch\": [{\"ErrorEquals\": [\"ActionTimeout\"], \"ResultPath\": \"$.e\", \"Next\": \"Z\"}]"),
                "States.A.Next", "no state \"Q\"", false },
        { STATE("\"Type\": \"Wait\", \"Seconds\": 1, \"Next\": \"Z\", \"End\": true"), "States.A",
                "exactly one of Next and End", false },
        { "{\"StartAt\": \"Z\", \"States\": {\"A\": {\"Type\": \"Wait\", \"Seconds\": 1, \"Next\": \"Z\"}, " END
          "}}",
                "States.A", "nothing leads", false },
        /* types and keys */
        { "{\"StartAt\": \"Z\", \"States\": {\"Z\": {\"Type\": \"Succeed\"}}}", "States.Z.Type",
                "a Pass with", false },
        { "{\"StartAt\": \"Z\", \"States\": {\"Z\": {\"Type\": \"Sleep\"}}}", "States.Z.Type",
                "no state type", false },
        { "{\"StartAt\": \"Z\", \"States\": {\"Z\": {\"End\": true}}}", "States.Z",
                "Type is missing", false },
        { STATE("\"Type\": \"Wait\", \"Seconds\": 1, \"OutputPath\": \"$\", \"Next\": \"Z\""),
                "States.A.OutputPath", "no state has", false },
        { STATE("\"Type\": \"Wait\", \"Seconds\": 1, \"Cause\": \"c\", \"Next\": \"Z\""),
                "States.A.Cause", "type Wait has no such key", false },
        { STATE("\"Type\": \"Wait\", \"Seconds\": 1, \"Seconds\": 2, \"Next\": \"Z\""),
                "States.A.Seconds", "twice", false },
        /* waiting */
        { STATE("\"Type\": \"Wait\", \"Next\": \"Z\""), "States.A", "none", false },
        { STATE("\"Type\": \"Wait\", \"Seconds\": 1, \"SecondsPath\": \"$.a\", \"Next\": \"Z\""),
                "States.A", "several", false },
        { STATE("\"Type\": \"Wait\", \"Seconds\": 1.5, \"Next\": \"Z\""), "States.A.Seconds",
                "whole number", false },
        { STATE("\"Type\": \"Wait\", \"Timestamp\": \"tomorrow\", \"Next\": \"Z\""),
                "States.A.Timestamp", "a time", false },
        { STATE("\"Type\": \"Wait\", \"TimestampPath\": \"$.when\", \"Next\": \"Z\""), NULL, NULL,
                false },
        /* actions */
        { STATE(ACTION "\"Parameters\": {}, \"Next\": \"Z\""), NULL, NULL, false },
        { STATE(ACTION "\"Parameters\": {}, \"InputPath\": \"$.a\", \"Next\": \"Z\""), "States.A",
                "Parameters and InputPath", false },
        { STATE(ACTION "\"Next\": \"Z\""), "States.A", "Parameters and InputPath", false },
        { STATE("\"Type\": \"Action\", \"ActionUrl\": \"http://x/\", \"ResultPath\": \"$.r\", \"ExceptionOnActionFailure\": true, \"Parameters\": {}, \"Next\": \"Z\""),
                "States.A.ActionUrl", "https://", false },
        { STATE("\"Type\": \"Action\", \"ActionUrl\": \"https://x/\", \"ExceptionOnActionFailure\": true, \"Parameters\": {}, \"Next\": \"Z\""),
                "States.A", "ResultPath is missing", false },
        { STATE("\"Type\": \"Action\", \"ActionUrl\": \"https://x/\", \"ResultPath\": \"$\", \"Parameters\": {}, \"Next\": \"Z\""),
                "States.A", "ExceptionOnActionFailure", true },
        { STATE(ACTION "\"Handler\": \"urn:x\", \"Parameters\": {}, \"Next\": \"Z\""), "States.A",
                "ActionUrl and Handler", false },
        { STATE(ACTION
                  "\"Parameters\": {}, \"Next\": \"Z\", \"Catch\": [{\"ErrorEquals\": [\"ActionTimeout\"], \"Next\": \"Z\"}]"),
                "States.A.Catch[0]", "ResultPath is missing", false },
        { STATE(ACTION
                  "\"Parameters\": {}, \"Next\": \"Z\", \"Catch\": [{\"ErrorEquals\": [], \"ResultPath\": \"$.e\", \"Next\": \"Z\"}]"),
                "States.A.Catch[0].ErrorEquals", "catches nothing", false },
        { STATE(ACTION
                  "\"Parameters\": {}, \"Next\": \"Z\", \"Catch\": [{\"ErrorEquals\": [\"States.ALL\"], \"ResultPath\": \"$.e\", \"Next\": \"Z\"}]"),
                "States.A.Catch[0].ErrorEquals[0]", "States.ALL", true },
        { STATE(ACTION "\"WaitTime\": 0, \"Parameters\": {}, \"Next\": \"Z\""), "States.A.WaitTime",
                "no time", false },
        { STATE("\"Type\": \"Action\", \"ActionUrl\": \"https://actions.globus.org/transfer/transfer\", \"ResultPath\": \"$.r\", \"ExceptionOnActionFailure\": true, "
                "\"Parameters\": {}, \"Next\": \"Z\""),
                "States.A.ActionUrl", "January 2025", false },
        { STATE("\"Type\": \"Action\", \"ActionUrl\": \"https://transfer.actions.globus.org/ls\", \"ResultPath\": \"$.r\", \"ExceptionOnActionFailure\": true, "
                "\"Parameters\": {\"path.=\": \"a.b\"}, \"Next\": \"Z\""),
                "States.A.Parameters", "endpoint_id is missing", false },
        /* Pass, Fail */
        { STATE("\"Type\": \"Pass\", \"Result\": {}, \"Next\": \"Z\""), "States.A",
                "ResultPath is missing", false },
        { STATE("\"Type\": \"Pass\", \"Result\": [], \"ResultPath\": \"$.a\", \"Next\": \"Z\""),
                "States.A.Result", "an object", false },
        { STATE("\"Type\": \"Pass\", \"Parameters\": {\"a.=\": \"1\"}, \"ResultPath\": \"$.a\", \"Next\": \"Z\""),
                "States.A.Parameters.a.=", "expressions", false },
        { "{\"StartAt\": \"F\", \"States\": {\"F\": {\"Type\": \"Fail\", \"Cause\": \"a\", \"CausePath\": \"$.a\"}}}",
                "States.F", "both Cause", false },
        { "{\"StartAt\": \"F\", \"States\": {\"F\": {\"Type\": \"Fail\", \"Error\": \"a\"}}}",
                "States.F", "no reason", true },
        /* choices */
        { RULE("{\"Variable\": \"$.a\", \"NumericLessThanEqualsPath\": \"$.b\", \"Next\": \"Z\"}"),
                NULL, NULL, false },
        { RULE("{\"And\": [{\"Variable\": \"$.a\", \"IsPresent\": true}, {\"Not\": {\"Variable\": \"$.a\", \"StringMatches\": \"x*\"}}], \"Next\": \"Z\"}"),
                NULL, NULL, false },
        { RULE("{\"Variable\": \"$.a\", \"StringEquals\": \"b\"}"), "States.A.Choices[0]",
                "Next is missing", false },
        { RULE("{\"Variable\": \"$.a\", \"Next\": \"Z\"}"), "States.A.Choices[0]", "does not",
                false },
        { RULE("{\"Variable\": \"$.a\", \"IsNull\": true, \"IsString\": true, \"Next\": \"Z\"}"),
                "States.A.Choices[0]", "several times", false },
        { RULE("{\"Variable\": \"$.a\", \"StringMatchesPath\": \"$.b\", \"IsNull\": true, \"Next\": \"Z\"}"),
                "States.A.Choices[0].StringMatchesPath", "no such comparison", false },
        { RULE("{\"Variable\": \"$.a\", \"NumericEquals\": \"1\", \"Next\": \"Z\"}"),
                "States.A.Choices[0].NumericEquals", "a number", false },
        { RULE("{\"Variable\": \"a\", \"IsNull\": true, \"Next\": \"Z\"}"),
                "States.A.Choices[0].Variable", "a path", false },
        { RULE("{\"Or\": [{\"Variable\": \"$.a\", \"IsNull\": true, \"Next\": \"Z\"}], \"Next\": \"Z\"}"),
                "States.A.Choices[0].Or[0].Next", "only the outermost", false },
        { RULE("{\"Or\": [], \"Next\": \"Z\"}"), "States.A.Choices[0].Or", "combines nothing",
                false },
        { RULE("{\"Or\": [{\"Variable\": \"$.a\", \"IsNull\": true}], \"Variable\": \"$.b\", \"Next\": \"Z\"}"),
                "States.A.Choices[0].Variable", "nothing else", false },
        { RULE(""), "States.A.Choices", "nothing to choose", false },
        { STATE("\"Type\": \"Choice\", \"Choices\": [{\"Variable\": \"$.a\", \"IsNull\": true, \"Next\": \"Z\"}]"),
                "States.A", "Default is missing", true },
        /* parameters */
        { EVAL("\"a.$\": \"$.b\", \"c.=\": \"b + 1\", \"d\": {\"e\": [{\"f.$\": \"$.g[0]\"}]}"),
                NULL, NULL, false },
        { EVAL("\"a.$\": \"b\""), "States.A.Parameters.a.$", "a path", false },
        { EVAL("\"a\": \"$.b\""), "States.A.Parameters.a", "does not end in .$", false },
        { EVAL("\"a\": [{\"b.=\": \"exec('x')\"}]"), "States.A.Parameters.a[0].b.=", "exec()",
                false },
        { EVAL("\"a.=\": 3"), "States.A.Parameters.a.=", "a text", false },
        { EVAL("\"a\": 1, \"a.$\": \"$.b\""), "States.A.Parameters.a.$", "given twice", false },
        { EVAL("\"__Private_Parameters\": \"a\""), "States.A.Parameters.__Private_Parameters",
                "list of texts", false },
        { EVAL("\"label.=\": \"'FlowCron ' + a.b[:100]\""), NULL, NULL, false },
        { EVAL("\"label.=\": \"'FlowCron ' + a.b[:120]\""),
                "States.A.Parameters.label.=", "can have 129", false },
        { EVAL("\"label.=\": \"a.b\""), "States.A.Parameters.label.=", "can't be told", true },
        { EVAL("\"a.=\": \"[x for x in y if x]\""), "States.A.Parameters.a.=", "no documentation",
                true },
        /* input schemas */
        { SCHEMA("\"properties\": {\"a\": {\"type\": [\"string\", \"null\"], \"minLength\": 1}}, \"required\": [\"a\"], \"propertyOrder\": [\"a\"]"),
                NULL, NULL, false },
        { SCHEMA("\"properties\": {}, \"propertyOrder\": [\"a\"]"), "propertyOrder[0]",
                "no property", false },
        { SCHEMA("\"properties\": {}, \"required\": [\"a\"]"), "required[0]", "no property", true },
        { SCHEMA("\"$defs\": {}"), "$defs", "definitions", false },
        { SCHEMA("\"properties\": {\"a\": {\"type\": \"text\"}}"), "properties.a.type",
                "no such type", false },
        { SCHEMA("\"properties\": {\"a\": {\"anyOf\": []}}"), "properties.a.anyOf", "empty",
                false },
        { SCHEMA("\"properties\": {\"a\": {\"maxLength\": -1}}"), "properties.a.maxLength",
                "whole number", false },
        { SCHEMA("\"properties\": {\"c\": {\"type\": \"object\", \"format\": \"globus-collection\", \"properties\": {\"id\": {}, \"folder\": {}}}}"),
                "properties.c.properties.folder", "no other", false },
        { "{}", NULL, NULL, false },
};

static void test_rules(void **state _unused_) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                check(&cases[i]);
}

static void test_a_long_name(void **state _unused_) {
        for (int n = 128; n <= 129; n++) {
                _cleanup_free_ char *name = calloc(1, (size_t)n + 2), *text = NULL;
                FlowFaults found;

                memset(name, 'x', (size_t)n + 1);
                memcpy(name, "é", 2); /* two bytes, one character */
                text = xasprintf(
                        "{\"StartAt\": \"%s\", \"States\": {\"%s\": {\"Type\": \"Pass\", \"End\": true}}}",
                        name, name);
                assert_int_equal(flow_check(text, strlen(text), &found), 0);
                assert_int_equal(found.faults, n > 128);
                flow_faults_done(&found);
        }
}

static void assert_place(const FlowFault *f, size_t line, size_t column) {
        if (f->line != line || f->column != column)
                fail_msg("%s: line %zu, column %zu", f->text, f->line, f->column);
}

static void test_places(void **state _unused_) {
        static const char text[] =
                "{\"StartAt\": \"A\",\n"
                "  \"States\": {\n"
                "    \"A\": {\"Type\": \"ExpressionEval\", \"ResultPath\": \"$.r\",\n"
                "      \"Parameters\": {\"x.=\": \"'\\u00e9\\n\\\"' + fun(1)\", \"y.$\":\n"
                "        \"z\"}, \"Next\": \"B\", \"Color\": 3}}}";
        FlowFaults found;

        assert_int_equal(flow_check(text, strlen(text), &found), 0);
        assert_int_equal(found.n, 4);
        /*
         * A raw line break is none of the language's texts; it is found where it stands in the
         * file.
         */
        assert_place(&found.list[0], 4, 37);
        assert_place(&found.list[1], 5, 9);  /* the value */
        assert_place(&found.list[2], 5, 23); /* the target */
        assert_place(&found.list[3], 5, 28); /* the key */
        flow_faults_done(&found);
}

static void test_no_json(void **state _unused_) {
        static const char text[] = "{\"StartAt\": \"A\",\n \"States\": {,}}";
        FlowFaults found;

        assert_int_equal(flow_check(text, strlen(text), &found), 0);
        assert_int_equal(found.faults, 1);
        assert_int_equal(found.list[0].line, 2);
        flow_faults_done(&found);
}

/* Every value of a text that has all kinds, found at its place, with its way. */
static void test_json_places(void **state _unused_) {
        static const char text[] =
                " {\"a\" : [1, -2.5e3, true, null,\t\"x\\\"]\\\\\"],\n\"b\\u0062\": {} , \"c\":{\"d\":[[],{\"e\":false}]}}";
        _cleanup_(json_places_freep) JsonPlaces *places = NULL;
        _cleanup_json_ cJSON *j = NULL;
        _cleanup_free_ char *path = NULL;
        const cJSON *item;
        size_t line, column;
        Error e;

        assert_int_equal(json_parse(text, strlen(text), &j, &e), 0);
        assert_int_equal(json_places_new(text, strlen(text), j, &places), 0);
        item = cJSON_GetArrayItem(json_array(j, "a"), 4);
        json_place_value(places, item, &line, &column);
        assert_memory_equal(text + column - 1, "\"x", 2);
        json_place_within(places, item, 2, &line, &column);
        assert_memory_equal(text + column - 1, "]\\", 2);
        json_place_key(places, json_object(j, "bb"), &line, &column);
        assert_int_equal(line, 2);
        assert_int_equal(column, 1);
        item = cJSON_GetArrayItem(json_array(json_object(j, "c"), "d"), 1)->child;
        json_place_value(places, item, &line, &column);
        assert_memory_equal(strchr(text, '\n') + column, "false", 5);
        path = json_place_path(places, item);
        assert_string_equal(path, "c.d[1].e");
        json_place_value(places, NULL, &line, &column);
        assert_int_equal(line, 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rules),
                cmocka_unit_test(test_a_long_name),
                cmocka_unit_test(test_places),
                cmocka_unit_test(test_no_json),
                cmocka_unit_test(test_json_places),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
