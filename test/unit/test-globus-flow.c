/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The generated flow: whole documents against test/unit/golden/flow-NAME.json
 * (FLOWCRON_GOLDEN_UPDATE=1 writes them anew, to be read before they are committed), and what must
 * hold whatever is configured and asked for.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>

#include "fileio.h"
#include "globus-check.h"
#include "globus-expr.h"
#include "globus-flow-build.h"
#include "globus-flow.h"
#include "text.h"

#define HPC_UUID "11111111-2222-3333-4444-555555555555"
#define GROUP "22222222-3333-4444-5555-666666666666"
#define INDEX "33333333-4444-5555-6666-777777777777"
#define PUBLISH "44444444-5555-6666-7777-888888888888:/repo's"

static Config *config(const char *hpc, const char *path) {
        Config *c;
        Error e;

        assert_int_equal(config_new("cryo", &c), 0);
        assert_int_equal(config_set(c, "base", "/projects/cryo", &e), 0);
        assert_int_equal(config_set(c, "globus.hpc_name", hpc, &e), 0);
        assert_int_equal(config_set(c, "globus.collection_id", HPC_UUID, &e), 0);
        assert_int_equal(config_set(c, "globus.collection_path", path, &e), 0);
        return c;
}

static void generate(
        const Config *c, const FlowOptions *o, cJSON **ret_definition, cJSON **ret_schema) {
        Error e = {};

        if (flow_generate(c, o, ret_definition, ret_schema, &e) != 0)
                fail_msg("%s", e.text);
}

/* ---- golden ---- */

static void check_golden(const char *name, const cJSON *j) {
        _cleanup_free_ char *path = xasprintf("%s/test/unit/golden/flow-%s.json", SOURCE_DIR, name);
        _cleanup_free_ char *text = json_print_pretty(j), *golden = NULL;

        if (getenv("FLOWCRON_GOLDEN_UPDATE")) {
                FILE *f = fopen(path, "we");

                assert_non_null(f);
                assert_true(fputs(text, f) >= 0);
                assert_int_equal(fclose(f), 0);
        }
        assert_int_equal(file_read_at(AT_FDCWD, path, 1 << 20, &golden, NULL), 0);
        assert_string_equal(text, golden);
}

static void test_golden(void **state _unused_) {
        _cleanup_(config_freep) Config *c = config("Baskerville", "/projects/cryo/");
        _cleanup_json_ cJSON *definition = NULL, *schema = NULL, *fetch = NULL,
                             *fetch_schema = NULL;
        FlowOptions o;

        flow_options_init(&o, c);
        generate(c, &o, &definition, &schema);
        check_golden("definition", definition);
        check_golden("input-schema", schema);
        o = (FlowOptions){ .delete = FLOW_DELETE_NEVER,
                .results_only = true,
                .fetch = true,
                .run_as_flow = true,
                .share = GROUP,
                .index = INDEX,
                .publish = PUBLISH,
                .first = USEC_PER_MINUTE,
                .longest = USEC_PER_HOUR,
                .factor = 2,
                .rounds = 100 };
        generate(c, &o, &fetch, &fetch_schema);
        check_golden("fetch-definition", fetch);
        check_golden("fetch-input-schema", fetch_schema);
}

/* ---- what always holds ---- */

static void assert_valid(const cJSON *j, bool doubtful) {
        _cleanup_free_ char *text = json_print_pretty(j);
        FlowFaults found;

        assert_int_equal(flow_check(text, strlen(text), &found), 0);
        for (size_t i = 0; i < found.n; i++)
                if (!found.list[i].warning || !doubtful)
                        fail_msg("%zu:%zu: %s: %s", found.list[i].line, found.list[i].column,
                                found.list[i].path, found.list[i].text);
        flow_faults_done(&found);
}

static const cJSON *state_of(const cJSON *definition, const char *name) {
        return json_object(json_object(definition, "States"), name);
}

/* All labels are made in one state. */
static void assert_labels_fit(const cJSON *definition) {
        const cJSON *item;
        unsigned n = 0;

        cJSON_ArrayForEach(item, json_object(state_of(definition, "PlanTheTrip"), "Parameters")) {
                ExprFacts facts;
                Error e;

                if (!strstr(item->string, "label"))
                        continue;
                assert_int_equal(expr_check(item->valuestring, &facts, &e), 0);
                assert_in_range(facts.longest, 1, 128);
                n++;
        }
        assert_true(n >= 3);
}

static void assert_transfers_careful(const cJSON *definition) {
        const cJSON *s, *p;
        unsigned n = 0;

        cJSON_ArrayForEach(s, json_object(definition, "States")) {
                if (!streq(json_str(s, "ActionUrl"), PROVIDER_TRANSFER))
                        continue;
                p = json_object(s, "Parameters");
                assert_true(json_bool(p, "encrypt_data", false));
                assert_true(json_bool(p, "verify_checksum", false));
                n++;
        }
        assert_true(n > 0);
}

/* Every pair of options, and all at once. */
static void test_options(void **state _unused_) {
        static const char *const hpcs[] = {
                "", "Bask", "it's a \"\\ 100% `big` $.one",
                "Überrechner mit einem Namen, der viel zu lang für ein Schild ist und nicht aufhört",
                "  漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字  "
        };

        for (unsigned bits = 0; bits < 3 * 64; bits++) {
                _cleanup_(config_freep) Config *c =
                        config(hpcs[bits % ELEMENTSOF(hpcs)], bits % 2 ? "/it's `\"\\ü" : "/~/p/");
                _cleanup_json_ cJSON *definition = NULL, *schema = NULL;
                FlowOptions o;

                if (__builtin_popcount(bits % 64) > 2 && bits % 64 != 63)
                        continue;
                flow_options_init(&o, c);
                o.delete = bits / 64;
                o.fetch = bits & 1;
                o.results_only = bits & 2;
                o.run_as_flow = bits & 4;
                o.share = bits & 8 && o.delete != FLOW_DELETE_ALWAYS ? GROUP : NULL;
                o.index = bits & 16 ? INDEX : NULL;
                o.publish = bits & 32 ? PUBLISH : NULL;
                generate(c, &o, &definition, &schema);
                assert_valid(definition, o.results_only);
                assert_valid(schema, false);
                assert_labels_fit(definition);
                assert_transfers_careful(definition);
        }
}

/*
 * Only what touches nothing but the cluster's collection is the flow's; the researcher's files are
 * the researcher's.
 */
static void test_run_as_flow(void **state _unused_) {
        _cleanup_(config_freep) Config *c = config("H", "/p");
        _cleanup_json_ cJSON *definition = NULL, *schema = NULL;
        const cJSON *s;
        FlowOptions o;

        flow_options_init(&o, c);
        o.run_as_flow = true;
        generate(c, &o, &definition, &schema);
        cJSON_ArrayForEach(s, json_object(definition, "States")) {
                const char *endpoint = json_str(json_object(s, "Parameters"), "endpoint_id")
                        ?: json_str(json_object(s, "Parameters"), "endpoint");

                if (streq(json_str(s, "Type"), "Action"))
                        assert_int_equal(
                                streq(json_str(s, "RunAs"), "Flow"), streq(endpoint, HPC_UUID));
        }
}

static void test_the_base_is_its_own_path(void **state _unused_) {
        _cleanup_(config_freep) Config *c = config("H", "");
        _cleanup_json_ cJSON *definition = NULL, *schema = NULL;
        FlowOptions o;

        flow_options_init(&o, c);
        generate(c, &o, &definition, &schema);
        assert_string_equal(json_str(json_object(state_of(definition, "PlanTheTrip"), "Parameters"),
                                    "status.="),
                "'/projects/cryo/Status/' + unit.name");
}

static void test_folders(void **state _unused_) {
        _cleanup_(config_freep) Config *c = config("H", "/shared/");
        _cleanup_json_ cJSON *definition = NULL, *schema = NULL;
        FlowOptions o;
        Error e;

        assert_int_equal(config_set(c, "paths.uploaded", "in/here", &e), 0);
        assert_int_equal(config_set(c, "paths.status", "/projects/cryo/board", &e), 0);
        flow_options_init(&o, c);
        generate(c, &o, &definition, &schema);
        assert_string_equal(json_str(json_object(state_of(definition, "PlanTheTrip"), "Parameters"),
                                    "upload.="),
                "'/shared/in/here/' + unit.name + '/'");
        assert_string_equal(json_str(json_object(state_of(definition, "PlanTheTrip"), "Parameters"),
                                    "status.="),
                "'/shared/board/' + unit.name");
}

/* ---- pauses ---- */

static void test_pauses(void **state _unused_) {
        static const unsigned firsts[] = { 1, 2, 10, 60, 120, 300, 900, 1800, 7200, 20000 };

        for (size_t i = 0; i < ELEMENTSOF(firsts); i++) {
                _cleanup_(config_freep) Config *c = config("H", "/p");
                FlowOptions o;

                c->globus.check_interval = firsts[i] * USEC_PER_SEC;
                flow_options_init(&o, c);
                assert_int_equal(flow_pause(&o, 0), firsts[i]);
                for (unsigned n = 0; n < 200; n++) {
                        assert_true(flow_pause(&o, n) <= flow_pause(&o, n + 1));
                        assert_true(flow_pause(&o, n) <= o.longest / USEC_PER_SEC);
                }
                assert_in_range(flow_events(&o, 7 * USEC_PER_DAY), 1, 1999);
                assert_in_range(flow_events(&o, USEC_INFINITY), 20000, 24999);
        }
}

/* The list in the definition is the pauses that flow_pause() gives. */
static void test_pauses_are_written_out(void **state _unused_) {
        _cleanup_(config_freep) Config *c = config("H", "/p");
        _cleanup_json_ cJSON *definition = NULL, *schema = NULL, *flat = NULL, *flat_schema = NULL;
        FlowOptions o;

        flow_options_init(&o, c);
        o.first = 10 * USEC_PER_SEC;
        o.longest = 80 * USEC_PER_SEC;
        o.factor = 2;
        generate(c, &o, &definition, &schema);
        assert_string_equal(
                json_str(json_object(state_of(definition, "NoteStatus"), "Parameters"), "pause.="),
                "[20, 40][progress.round] if progress.round < 2 else 80");
        assert_int_equal(
                json_int(json_object(state_of(definition, "StartWatching"), "Result"), "pause", 0),
                10);
        o.factor = 1;
        generate(c, &o, &flat, &flat_schema);
        assert_string_equal(
                json_str(json_object(state_of(flat, "NoteStatus"), "Parameters"), "pause.="), "10");
}

/* ---- what can't be ---- */

static void assert_refused(const Config *c, const FlowOptions *o, const char *word) {
        cJSON *definition = NULL, *schema = NULL;
        Error e = {};

        assert_int_equal(flow_generate(c, o, &definition, &schema, &e), UOW_E_INVALID);
        assert_null(definition);
        assert_null(schema);
        if (!strstr(e.text, word))
                fail_msg("%s", e.text);
}

static void test_refused_options(void **state _unused_) {
        _cleanup_(config_freep) Config *c = config("H", "/p");
        FlowOptions good, o;

        flow_options_init(&good, c);
        o = good, o.share = "a group";
        assert_refused(c, &o, "share");
        o = good, o.share = GROUP, o.delete = FLOW_DELETE_ALWAYS;
        assert_refused(c, &o, "always removed");
        o = good, o.index = "";
        assert_refused(c, &o, "index");
        o = good, o.publish = HPC_UUID;
        assert_refused(c, &o, "COLLECTION:PATH");
        o = good, o.publish = "x:/y";
        assert_refused(c, &o, "UUID");
        o = good, o.publish = HPC_UUID ":y";
        assert_refused(c, &o, "begins with /");
        o = good, o.factor = 0.5;
        assert_refused(c, &o, "factor");
        o = good, o.factor = 1.0001;
        assert_refused(c, &o, "not reached");
        o = good, o.longest = o.first / 2;
        assert_refused(c, &o, "longest");
        o = good, o.rounds = 0;
        assert_refused(c, &o, "looks");
        o = good, o.rounds = 1800;
        assert_refused(c, &o, "25,000");
}

static void test_refused_configurations(void **state _unused_) {
        static const struct {
                const char *key, *value, *word;
        } bad[] = {
                { "globus.collection_id", "", "collection_id is not set" },
                { "globus.collection_id", "1234", "no UUID" },
                { "globus.collection_path", "p", "begins with" },
                { "paths.failed", "/elsewhere/failed", "outside the base" },
                { "paths.failed", "/projects/cryofailed", "outside the base" },
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_(config_freep) Config *c = config("H", "/p");
                FlowOptions o;
                Error e;

                assert_int_equal(config_set(c, bad[i].key, bad[i].value, &e), 0);
                flow_options_init(&o, c);
                assert_refused(c, &o, bad[i].word);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_golden),
                cmocka_unit_test(test_options),
                cmocka_unit_test(test_run_as_flow),
                cmocka_unit_test(test_the_base_is_its_own_path),
                cmocka_unit_test(test_folders),
                cmocka_unit_test(test_pauses),
                cmocka_unit_test(test_pauses_are_written_out),
                cmocka_unit_test(test_refused_options),
                cmocka_unit_test(test_refused_configurations),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
