/* SPDX-License-Identifier: Apache-2.0 */

/* Checks a definition or an input schema: see lib/globus-check.h. */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "fileio.h"
#include "flow.h"
#include "globus-check.h"
#include "output.h"
#include "text.h"

static const char usage[] =
        "usage: flowcronctl flow validate [--online] FILE...\n"
        "\n"
        "Checks flow definitions and input schemas, whoever wrote them, more strictly than the service's public\n"
        "schema does: targets, states that nothing leads to, keys that exclude each other, paths, expressions,\n"
        "labels. Each fault is printed with its line and column. Ends with 1 if there is a fault; a warning is none.\n"
        "\n"
        "      --online  ask Globus as well; needs a login\n"
        "      --json    print an object with \"valid\", \"faults\" and \"warnings\"; an array for several files\n";

/* The service takes much less. */
#define DOCUMENT_MAX (16U << 20)

static cJSON *fault_json(const FlowFault *f) {
        _cleanup_json_ cJSON *o = cJSON_CreateObject();
        int r = o ? json_set_str(o, "path", f->path) : -ENOMEM;

        if (r >= 0 && f->line > 0)
                r = json_set_int(o, "line", (int64_t)f->line);
        if (r >= 0 && f->line > 0)
                r = json_set_int(o, "column", (int64_t)f->column);
        if (r >= 0)
                r = json_set_str(o, "message", f->text);
        return r < 0 ? NULL : TAKE_PTR(o);
}

static int add_faults(cJSON *o, const char *key, const FlowFaults *found, bool warnings) {
        cJSON *list = cJSON_CreateArray();
        int r = json_set_item(o, key, list);

        for (size_t i = 0; r >= 0 && i < found->n; i++) {
                cJSON *one =
                        found->list[i].warning == warnings ? fault_json(&found->list[i]) : NULL;

                if (one && !cJSON_AddItemToArray(list, one))
                        r = -ENOMEM;
        }
        return r;
}

static cJSON *file_json(const char *path, const FlowFaults *found) {
        _cleanup_json_ cJSON *o = cJSON_CreateObject();
        int r = o ? json_set_name(o, "file", path) : -ENOMEM;

        if (r >= 0)
                r = json_set_str(o, "kind", found->definition ? "definition" : "input-schema");
        if (r >= 0)
                r = json_set_bool(o, "valid", found->faults == 0);
        if (r >= 0)
                r = add_faults(o, "faults", found, false);
        if (r >= 0)
                r = add_faults(o, "warnings", found, true);
        return r < 0 ? NULL : TAKE_PTR(o);
}

/* FILE:LINE:COLUMN: PATH: TEXT, as compilers have it, so that editors find the place. */
static void print_fault(const char *file, const FlowFault *f) {
        _cleanup_free_ char *path = out_text(f->path, SIZE_MAX),
                            *text = out_text(f->text, SIZE_MAX);
        Style style = f->warning ? STYLE_WARN : STYLE_BAD;

        printf("%s:", file);
        if (f->line > 0)
                printf("%zu:%zu:", f->line, f->column);
        printf(" %s%s%s %s%s%s\n", out_on(style),
                f->warning ? "warning:" : "fault:", out_off(style), path ?: "",
                isempty(path) ? "" : ": ", text ?: "");
}

static void print_file(const char *path, const FlowFaults *found) {
        _cleanup_free_ char *file = out_text(path, SIZE_MAX);

        for (size_t i = 0; i < found->n; i++)
                print_fault(file ?: "", &found->list[i]);
        printf("%s: %s%s%s", file ?: "", out_on(found->faults ? STYLE_BAD : STYLE_GOOD),
                found->faults ? "not valid" : "valid", out_off(STYLE_GOOD));
        if (found->n > 0)
                printf(", %zu fault%s, %zu warning%s", found->faults, found->faults == 1 ? "" : "s",
                        found->warnings, found->warnings == 1 ? "" : "s");
        printf(" (%s)\n", found->definition ? "definition" : "input schema");
}

static int read_file(const char *path, char **ret, size_t *ret_size, Refusal *f) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        int r = fd < 0 ? -errno : fd_read_all(fd, DOCUMENT_MAX, ret, ret_size);

        if (r < 0)
                return refusal_set(f, EXIT_FAILED, NULL, "can't read %s: %s", path, strerror(-r));
        return 0;
}

/* ---- asking the service ---- */

/*
 * The service checks both documents together; for an input schema it gets the smallest definition
 * that there is.
 */
static cJSON *online_body(const char *data, size_t size, bool definition) {
        static const char smallest[] =
                "{\"StartAt\":\"A\",\"States\":{\"A\":{\"Type\":\"Pass\",\"End\":true}}}";
        _cleanup_json_ cJSON *body = cJSON_CreateObject(), *document = NULL, *other = NULL;

        if (json_parse(data, size, &document, NULL) < 0)
                return NULL;
        if (!definition)
                other = cJSON_Parse(smallest);
        if (json_set_item(body, "definition", definition ? TAKE_PTR(document) : TAKE_PTR(other)) <
                0)
                return NULL;
        if (!definition && json_set_item(body, "input_schema", TAKE_PTR(document)) < 0)
                return NULL;
        return TAKE_PTR(body);
}

/* The list of places and messages, if the service gave one. */
static int add_service_faults(
        FlowFaults *found, const char *data, size_t size, const cJSON *answer, const Error *e) {
        const cJSON *list = json_array(json_object(answer, "error"), "detail"), *one;
        int r = 0;

        if (!list || !list->child)
                return flow_faults_add(found, false, 0, 0, "", e->text);
        cJSON_ArrayForEach(one, list)
                if (r == 0)
                        r = flow_faults_add_at(found, data, size, json_array(one, "loc"),
                                json_str(one, "msg") ?: "Globus does not take it");
        return r;
}

static int online(Globus *g, const char *data, size_t size, FlowFaults *found, Refusal *f) {
        _cleanup_json_ cJSON *body = online_body(data, size, found->definition), *answer = NULL;
        int r;

        if (!body)
                return refusal_set(f, EXIT_FAILED, NULL, "%s", strerror(ENOMEM));
        r = globus_call(g,
                &(GlobusRequest){ .method = "POST", .path = "/flows/validate", .body = body },
                &answer, &f->e);
        if (r == 0)
                return 0;
        if (r == GLOBUS_E_REFUSED)
                r = add_service_faults(found, data, size, answer, &f->e);
        else if (r == GLOBUS_E_SERVER)
                /* It is known to stumble over valid definitions. */
                r = flow_faults_add(found, true, 0, 0, "", f->e.text);
        else
                return f->code = EXIT_FAILED;
        return r == 0 ? 0 : refusal_set(f, EXIT_FAILED, NULL, "%s", strerror(ENOMEM));
}

/* ---- one file ---- */

static int check_file(Globus *g, const char *data, size_t size, FlowFaults *found, Refusal *f) {
        if (flow_check(data, size, found) < 0)
                return refusal_set(f, EXIT_FAILED, NULL, "%s", strerror(ENOMEM));
        return g && found->faults == 0 ? online(g, data, size, found, f) : 0;
}

static void validate(Batch *b, Globus *g, const char *path) {
        _cleanup_free_ char *data = NULL;
        FlowFaults found = {};
        Refusal f = {};
        size_t size;

        if (read_file(path, &data, &size, &f) != 0 || check_file(g, data, size, &found, &f) != 0) {
                batch_refuse(b, &f, path);
                flow_faults_done(&found);
                return;
        }
        if (found.faults > 0 && b->code < EXIT_FAILED)
                b->code = EXIT_FAILED;
        if (b->cli->json)
                batch_add(b, file_json(path, &found));
        else
                print_file(path, &found);
        flow_faults_done(&found);
}

static int run(Cli *cli, char **args) {
        bool ask = false;
        const CliOption options[] = { { "online", 0, &ask, NULL }, {} };
        _cleanup_(globus_freep) Globus *g = NULL;
        Error e = {};
        size_t n;
        Batch b;
        int r;

        r = cli_parse(cli, args, options, &n);
        if (r == CLI_GO_ON)
                r = cli_expect(cli, args, n, 1, SIZE_MAX, "a file");
        if (r != CLI_GO_ON)
                return r;
        r = ask ? globus_new(&g, &e) : 0;
        if (r != 0)
                return flow_refuse(cli, r, &e);
        batch_begin(&b, cli, n);
        for (size_t i = 0; i < n; i++)
                validate(&b, g, args[i]);
        return batch_end(&b);
}

const Order order_flow_validate = { "flow validate", "check a definition or a form", usage, run };
