/* SPDX-License-Identifier: Apache-2.0 */

/* Collecting faults, and the top of a definition: see globus-check.h. */

#include "globus-check-internal.h"

#include <stdarg.h>
#include <string.h>
#include <uuid.h>

#include "globus-path.h"
#include "text.h"

/* ---- what was found ---- */

void flow_faults_done(FlowFaults *f) {
        for (size_t i = 0; i < f->n; i++) {
                free(f->list[i].path);
                free(f->list[i].text);
        }
        free(f->list);
        *f = (FlowFaults){};
}

static int make_room(FlowFaults *f) {
        size_t room = f->room ? 2 * f->room : 16;
        FlowFault *list;

        if (f->n < f->room)
                return 0;
        list = reallocarray(f->list, room, sizeof(*list));
        if (!list)
                return -ENOMEM;
        f->list = list;
        f->room = room;
        return 0;
}

int flow_faults_add(FlowFaults *f, bool warning, size_t line, size_t column, const char *path,
        const char *text) {
        FlowFault one = { .line = line, .column = column, .warning = warning };

        one.path = strdup(path);
        one.text = strdup(text);
        if (!one.path || !one.text || make_room(f) < 0) {
                free(one.path);
                free(one.text);
                return -ENOMEM;
        }
        f->list[f->n++] = one;
        if (warning)
                f->warnings++;
        else
                f->faults++;
        return 0;
}

static void add(
        Check *c, const cJSON *item, bool warning, size_t line, size_t column, const char *text) {
        _cleanup_free_ char *path = json_place_path(c->places, item);

        if (!path || flow_faults_add(c->found, warning, line, column, path, text) < 0)
                c->spoiled = true;
}

static _printf_(5, 0) void add_formatted(
        Check *c, const cJSON *item, CheckAt at, bool warning, const char *fmt, va_list ap) {
        _cleanup_free_ char *text = NULL;
        size_t line, column;

        if (vasprintf(&text, fmt, ap) < 0) {
                text = NULL;
                c->spoiled = true;
                return;
        }
        if (at == AT_KEY)
                json_place_key(c->places, item, &line, &column);
        else
                json_place_value(c->places, item, &line, &column);
        add(c, item, warning, line, column, text);
}

void check_fault(Check *c, const cJSON *item, CheckAt at, const char *fmt, ...) {
        va_list ap;

        va_start(ap, fmt);
        add_formatted(c, item, at, false, fmt, ap);
        va_end(ap);
}

void check_warn(Check *c, const cJSON *item, CheckAt at, const char *fmt, ...) {
        va_list ap;

        va_start(ap, fmt);
        add_formatted(c, item, at, true, fmt, ap);
        va_end(ap);
}

void check_fault_within(Check *c, const cJSON *item, size_t at, bool warning, const char *text) {
        size_t line, column;

        json_place_within(c->places, item, at, &line, &column);
        add(c, item, warning, line, column, text);
}

static int by_place(const void *a, const void *b) {
        const FlowFault *x = a, *y = b;

        if (x->line != y->line)
                return x->line < y->line ? -1 : 1;
        return (x->column > y->column) - (x->column < y->column);
}

/* ---- values ---- */

void check_no_doubles(Check *c, const cJSON *object) {
        const cJSON *item;

        cJSON_ArrayForEach(item, object)
                if (cJSON_GetObjectItemCaseSensitive(object, item->string) != item)
                        check_fault(c, item, AT_KEY, "the key is there twice");
}

static bool is_whole(const cJSON *item) {
        double d = cJSON_IsNumber(item) ? item->valuedouble : -1;

        return d >= 0 && d <= 1e15 && (double)(int64_t)d == d;
}

static bool is_texts(const cJSON *item) {
        const cJSON *one;

        if (!cJSON_IsArray(item))
                return false;
        cJSON_ArrayForEach(one, item)
                if (!cJSON_IsString(one))
                        return false;
        return true;
}

static bool is_uuid(const cJSON *item) {
        uuid_t uuid;

        return cJSON_IsString(item) && strlen(item->valuestring) == UUID_STR_LEN - 1 &&
                uuid_parse(item->valuestring, uuid) == 0;
}

static bool is_target(const Check *c, const cJSON *item) {
        return cJSON_IsString(item) &&
                cJSON_GetObjectItemCaseSensitive(c->states, item->valuestring);
}

static bool fits(const Check *c, const cJSON *item, CheckKind kind) {
        const char *s = cJSON_GetStringValue(item), *rest;
        usec_t t;

        switch (kind) {
        case KIND_TEXT:
                return s;
        case KIND_FLAG:
                return cJSON_IsBool(item);
        case KIND_COUNT:
                return is_whole(item);
        case KIND_NUMBER:
                return cJSON_IsNumber(item);
        case KIND_OBJECT:
                return cJSON_IsObject(item);
        case KIND_LIST:
                return cJSON_IsArray(item);
        case KIND_TEXTS:
                return is_texts(item);
        case KIND_URL:
                rest = s ? startswith(s, "https://") : NULL;
                return !isempty(rest);
        case KIND_PATH:
                return s && globus_path_valid(s);
        case KIND_TIME:
                return s && clock_parse(s, &t) == 0;
        case KIND_TARGET:
                return is_target(c, item);
        case KIND_UUID:
                return is_uuid(item);
        default:
                return true;
        }
}

static const char *const kind_words[] = {
        [KIND_ANY] = "anything",
        [KIND_TEXT] = "a text",
        [KIND_FLAG] = "true or false",
        [KIND_COUNT] = "a whole number",
        [KIND_NUMBER] = "a number",
        [KIND_OBJECT] = "an object",
        [KIND_LIST] = "a list",
        [KIND_TEXTS] = "a list of texts",
        [KIND_URL] = "a URL that begins with https://",
        [KIND_PATH] = "a path into the run's data, such as $.input.name",
        [KIND_TIME] = "a time such as 2026-11-21T07:28:11Z",
        [KIND_TARGET] = "the name of a state",
        [KIND_UUID] = "a UUID",
};

bool check_kind(Check *c, const cJSON *item, CheckKind kind) {
        if (fits(c, item, kind))
                return true;
        if (kind == KIND_TARGET && cJSON_IsString(item))
                check_fault(c, item, AT_VALUE, "there is no state \"%s\"", item->valuestring);
        else
                check_fault(c, item, AT_VALUE, "it should be %s", kind_words[kind]);
        return false;
}

/* ---- the top of a definition ---- */

static void check_top_keys(Check *c, const cJSON *d) {
        const cJSON *item;

        check_no_doubles(c, d);
        cJSON_ArrayForEach(item, d)
                if (streq(item->string, "Comment"))
                        check_kind(c, item, KIND_TEXT);
                else if (!streq(item->string, "StartAt") && !streq(item->string, "States"))
                        check_fault(c, item, AT_KEY,
                                "a definition has no such key; it has StartAt, States and Comment");
}

static void check_definition(Check *c, const cJSON *d) {
        const cJSON *start = cJSON_GetObjectItemCaseSensitive(d, "StartAt"), *state;

        check_top_keys(c, d);
        c->states = json_object(d, "States");
        if (!c->states || !c->states->child) {
                check_fault(c, cJSON_GetObjectItemCaseSensitive(d, "States") ?: d, AT_VALUE,
                        "States is missing, or empty, or no object");
                return;
        }
        if (start)
                check_kind(c, start, KIND_TARGET);
        else
                check_fault(c, d, AT_VALUE, "StartAt is missing");
        check_no_doubles(c, c->states);
        cJSON_ArrayForEach(state, c->states)
                check_state(c, state);
        check_reachable(c, d);
}

/* ---- either document ---- */

/* json_parse() says "line 3, column 7: what". */
static int add_parse_error(FlowFaults *f, const Error *e) {
        size_t line = 0, column = 0;
        const char *text = e->text;
        int n = 0;

        if (sscanf(text, "line %zu, column %zu: %n", &line, &column, &n) == 2 && n > 0)
                text += n;
        return flow_faults_add(f, false, line, column, "", text);
}

static int check_document(const cJSON *document, JsonPlaces *places, FlowFaults *ret) {
        Check c = { .places = places, .found = ret };

        ret->definition =
                cJSON_HasObjectItem(document, "States") || cJSON_HasObjectItem(document, "StartAt");
        if (!cJSON_IsObject(document))
                check_fault(
                        &c, document, AT_VALUE, "a definition, or an input schema, is an object");
        else if (ret->definition)
                check_definition(&c, document);
        else
                check_schema(&c, document);
        if (ret->n > 0)
                qsort(ret->list, ret->n, sizeof(*ret->list), by_place);
        return c.spoiled ? -ENOMEM : 0;
}

int flow_check(const char *data, size_t size, FlowFaults *ret) {
        _cleanup_(json_places_freep) JsonPlaces *places = NULL;
        _cleanup_json_ cJSON *document = NULL;
        Error e = {};
        int r;

        *ret = (FlowFaults){};
        r = json_parse(data, size, &document, &e);
        if (r == -EINVAL)
                return add_parse_error(ret, &e);
        if (r == 0)
                r = json_places_new(data, size, document, &places);
        return r < 0 ? r : check_document(document, places, ret);
}

/* ---- what others found ---- */

/* Behind the document's name in @loc; the whole way if it is not named. */
static const cJSON *within_document(const cJSON *loc) {
        const cJSON *step;

        cJSON_ArrayForEach(step, loc)
                if (streq(cJSON_GetStringValue(step), "definition") ||
                        streq(cJSON_GetStringValue(step), "input_schema"))
                        return step->next;
        return loc ? loc->child : NULL;
}

static const cJSON *follow(const cJSON *item, const cJSON *step) {
        for (; step; step = step->next) {
                const cJSON *next = cJSON_IsNumber(step) && cJSON_IsArray(item)
                        ? cJSON_GetArrayItem(item, step->valueint)
                        : cJSON_IsString(step) && cJSON_IsObject(item)
                        ? cJSON_GetObjectItemCaseSensitive(item, step->valuestring)
                        : NULL;

                if (!next)
                        break;
                item = next;
        }
        return item;
}

int flow_faults_add_at(
        FlowFaults *f, const char *data, size_t size, const cJSON *loc, const char *text) {
        _cleanup_(json_places_freep) JsonPlaces *places = NULL;
        _cleanup_json_ cJSON *document = NULL;
        Check c = { .found = f };
        int r;

        r = json_parse(data, size, &document, NULL);
        if (r == 0)
                r = json_places_new(data, size, document, &places);
        if (r < 0)
                return r == -ENOMEM ? r : flow_faults_add(f, false, 0, 0, "", text);
        c.places = places;
        check_fault(&c, follow(document, within_document(loc)), AT_KEY, "%s", text);
        return c.spoiled ? -ENOMEM : 0;
}
