/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the researcher is asked: a JSON Schema from which the web page makes a form, and by which
 * the service checks the input.
 *
 * For most it is all they ever see of FlowCron, so titles and descriptions say what is needed,
 * without a word of Slurm. The input has the shape that flows for FlowCron have always had:
 * {"input": {"source": {"id", "path"}, "delete": bool, …}}.
 */

#include "globus-flow-build.h"

#define TEXTS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static cJSON *strings(Flow *f, const char *const *list) {
        cJSON *a = cJSON_CreateArray();

        for (; *list; list++)
                f->spoiled |= json_add_str(a, *list) < 0;
        return a;
}

static void put(Flow *f, cJSON *o, const char *key, cJSON *value) {
        f->spoiled |= json_set_item(o, key, value) < 0;
}

/* {"type": "object", …} with room for properties. */
static cJSON *object(Flow *f, const char *title, const char *description) {
        cJSON *o = flow_object(
                f, PAIRS({ "type", "object" }, { "title", title }, { "description", description }));

        put(f, o, "properties", cJSON_CreateObject());
        return o;
}

static void property(Flow *f, cJSON *o, const char *name, cJSON *value) {
        put(f, cJSON_GetObjectItemCaseSensitive(o, "properties"), name, value);
}

static cJSON *line(Flow *f, const char *title, const char *description, unsigned max) {
        cJSON *o = flow_object(
                f, PAIRS({ "type", "string" }, { "title", title }, { "description", description }));

        f->spoiled |= json_set_int(o, "maxLength", max) < 0;
        return o;
}

static cJSON *source(Flow *f) {
        cJSON *o = object(f, f->options->fetch ? "Where the result is put" : "Your folder",
                f->options->fetch
                        ? "Best the folder that was uploaded: what is there and newer is left alone."
                        : "The folder to upload. It holds a folder data with your data (it may be empty) and a folder scripts with one job script, and "
                          "no folder sentinels. The result comes back into it.");

        put(f, o, "format", cJSON_CreateString("globus-collection"));
        property(f, o, "id",
                flow_object(f,
                        PAIRS({ "type", "string" }, { "format", "uuid" }, { "title", "Collection" },
                                { "description", "Where your folder is." })));
        property(f, o, "path",
                flow_object(f,
                        PAIRS({ "type", "string" }, { "title", "Path" },
                                { "description", "The folder itself, not one within it." })));
        put(f, o, "required", strings(f, TEXTS("id", "path")));
        put(f, o, "propertyOrder", strings(f, TEXTS("id", "path")));
        f->spoiled |= json_set_bool(o, "additionalProperties", false) < 0;
        return o;
}

static cJSON *name(Flow *f) {
        cJSON *o = line(f, "Name on the cluster",
                "As the first run gave it: your folder's name, an underscore, and the run's id.",
                255);

        put(f, o, "minLength", cJSON_CreateNumber(1));
        /* No path, and nothing hidden. */
        put(f, o, "pattern", cJSON_CreateString("^[^/.][^/]*$"));
        return o;
}

static cJSON *delete (Flow *f) {
        cJSON *o = flow_object(f,
                PAIRS({ "type", "boolean" }, { "title", "Remove it from the cluster afterwards" },
                        { "description",
                                "true: once the result is back in your folder, the copy on the cluster is removed. A failed job's folder stays, so that it can be tried again." }));

        f->spoiled |= json_set_bool(o, "default", false) < 0;
        return o;
}

static cJSON *keywords(Flow *f) {
        cJSON *o = flow_object(f,
                PAIRS({ "type", "array" }, { "title", "Keywords" },
                        { "description", "Words by which it is found in the index." }));

        put(f, o, "items", line(f, NULL, NULL, 100));
        f->spoiled |= json_set_int(o, "maxItems", 50) < 0;
        return o;
}

static void index_questions(Flow *f, cJSON *input, cJSON *order, cJSON *required) {
        property(f, input, "title",
                line(f, "Title",
                        "What this is, in one line, for those who look for it in the index.", 200));
        property(f, input, "keywords", keywords(f));
        property(f, input, "description",
                line(f, "Description", "Whatever others should know about it.", 4000));
        f->spoiled |= json_add_str(order, "title") < 0 || json_add_str(order, "keywords") < 0 ||
                json_add_str(order, "description") < 0 || json_add_str(required, "title") < 0;
}

static cJSON *questions(Flow *f) {
        const FlowOptions *o = f->options;
        cJSON *order = cJSON_CreateArray(), *required = cJSON_CreateArray();
        cJSON *input = object(f,
                flow_text(f, o->fetch ? "Fetch from %s" : "Run on %s", f->site.hpc),
                o->fetch ? "Brings back the result of a job whose first run is over."
                         : "Uploads your folder, has its job run, and brings the result back.");

        if (o->fetch) {
                property(f, input, "name", name(f));
                f->spoiled |= json_add_str(order, "name") < 0 || json_add_str(required, "name") < 0;
        }
        property(f, input, "source", source(f));
        f->spoiled |= json_add_str(order, "source") < 0 || json_add_str(required, "source") < 0;
        if (o->delete == FLOW_DELETE_ASK) {
                property(f, input, "delete", delete (f));
                f->spoiled |= json_add_str(order, "delete") < 0;
        }
        if (o->index)
                index_questions(f, input, order, required);
        put(f, input, "required", required);
        put(f, input, "propertyOrder", order);
        return input;
}

cJSON *flow_form(Flow *f) {
        cJSON *o = object(f, NULL, NULL);

        property(f, o, "input", questions(f));
        put(f, o, "required", strings(f, TEXTS("input")));
        put(f, o, "propertyOrder", strings(f, TEXTS("input")));
        return o;
}
