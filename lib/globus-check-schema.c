/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Input schemas: JSON Schema, draft 7, and of Globus's own the key propertyOrder and a few formats.
 *
 * Whether the service refuses keywords that it does not know is not documented; its editor does, so
 * we do.
 */

#include "globus-check-internal.h"

#include <string.h>

#include "text.h"

/* How a keyword's value is checked. */
typedef enum Sort {
        PLAIN, /* by its kind alone */
        SCHEMA,
        SCHEMAS,       /* a list of them */
        SCHEMA_BY_KEY, /* an object of them */
        SCHEMA_OR_FLAG,
        SCHEMA_OR_LIST,
        TYPE,
        ENUM,
} Sort;

static const struct Keyword {
        const char *name;
        Sort sort;
        CheckKind kind;
} keywords[] = {
        { "$schema", PLAIN, KIND_TEXT },
        { "$id", PLAIN, KIND_TEXT },
        { "$ref", PLAIN, KIND_TEXT },
        { "$comment", PLAIN, KIND_TEXT },
        { "title", PLAIN, KIND_TEXT },
        { "description", PLAIN, KIND_TEXT },
        { "default", PLAIN, KIND_ANY },
        { "const", PLAIN, KIND_ANY },
        { "examples", PLAIN, KIND_LIST },
        { "readOnly", PLAIN, KIND_FLAG },
        { "writeOnly", PLAIN, KIND_FLAG },
        { "type", TYPE, KIND_ANY },
        { "enum", ENUM, KIND_LIST },
        { "format", PLAIN, KIND_TEXT },
        { "pattern", PLAIN, KIND_TEXT },
        { "minLength", PLAIN, KIND_COUNT },
        { "maxLength", PLAIN, KIND_COUNT },
        { "minimum", PLAIN, KIND_NUMBER },
        { "maximum", PLAIN, KIND_NUMBER },
        { "exclusiveMinimum", PLAIN, KIND_NUMBER },
        { "exclusiveMaximum", PLAIN, KIND_NUMBER },
        { "multipleOf", PLAIN, KIND_NUMBER },
        { "minItems", PLAIN, KIND_COUNT },
        { "maxItems", PLAIN, KIND_COUNT },
        { "uniqueItems", PLAIN, KIND_FLAG },
        { "items", SCHEMA_OR_LIST, KIND_ANY },
        { "additionalItems", SCHEMA_OR_FLAG, KIND_ANY },
        { "contains", SCHEMA, KIND_ANY },
        { "minProperties", PLAIN, KIND_COUNT },
        { "maxProperties", PLAIN, KIND_COUNT },
        { "required", PLAIN, KIND_TEXTS },
        { "propertyOrder", PLAIN, KIND_TEXTS },
        { "properties", SCHEMA_BY_KEY, KIND_OBJECT },
        { "patternProperties", SCHEMA_BY_KEY, KIND_OBJECT },
        { "definitions", SCHEMA_BY_KEY, KIND_OBJECT },
        { "dependencies", PLAIN, KIND_OBJECT },
        { "additionalProperties", SCHEMA_OR_FLAG, KIND_ANY },
        { "propertyNames", SCHEMA, KIND_ANY },
        { "if", SCHEMA, KIND_ANY },
        { "then", SCHEMA, KIND_ANY },
        { "else", SCHEMA, KIND_ANY },
        { "allOf", SCHEMAS, KIND_LIST },
        { "anyOf", SCHEMAS, KIND_LIST },
        { "oneOf", SCHEMAS, KIND_LIST },
        { "not", SCHEMA, KIND_ANY },
};

static const char *const types[] = { "object", "array", "string", "number", "integer", "boolean",
        "null" };

static bool type_valid(const cJSON *item) {
        for (size_t i = 0; i < ELEMENTSOF(types); i++)
                if (streq(cJSON_GetStringValue(item), types[i]))
                        return true;
        return false;
}

static void check_type(Check *c, const cJSON *item) {
        const cJSON *one;

        if (!cJSON_IsArray(item)) {
                if (!type_valid(item))
                        check_fault(c, item, AT_VALUE, "there is no such type");
                return;
        }
        cJSON_ArrayForEach(one, item)
                if (!type_valid(one))
                        check_fault(c, one, AT_VALUE, "there is no such type");
}

static void check_each(Check *c, const cJSON *list) {
        const cJSON *one;

        cJSON_ArrayForEach(one, list)
                check_schema(c, one);
}

static void check_keyword(Check *c, const cJSON *item, const struct Keyword *k) {
        if (!check_kind(c, item, k->kind))
                return;
        switch (k->sort) {
        case SCHEMA:
                check_schema(c, item);
                break;
        case SCHEMAS:
        case ENUM:
                if (!item->child)
                        check_fault(c, item, AT_VALUE, "it is empty");
                else if (k->sort == SCHEMAS)
                        check_each(c, item);
                break;
        case SCHEMA_BY_KEY:
                check_no_doubles(c, item);
                check_each(c, item);
                break;
        case SCHEMA_OR_FLAG:
                if (!cJSON_IsBool(item))
                        check_schema(c, item);
                break;
        case SCHEMA_OR_LIST:
                if (cJSON_IsArray(item))
                        check_each(c, item);
                else
                        check_schema(c, item);
                break;
        case TYPE:
                check_type(c, item);
                break;
        default:
                break;
        }
}

/*
 * In propertyOrder a name that is no property is a fault; in required it asks for what the form has
 * no place for, which may be meant.
 */
static void check_names(Check *c, const cJSON *schema, const char *keyword, bool fault) {
        const cJSON *properties = json_object(schema, "properties"), *name;

        cJSON_ArrayForEach(name, json_array(schema, keyword))
                if (cJSON_IsString(name) && properties &&
                        !cJSON_GetObjectItemCaseSensitive(properties, name->valuestring))
                        (fault ? check_fault : check_warn)(c, name, AT_VALUE,
                                "there is no property \"%s\"", name->valuestring);
}

static void check_collection(Check *c, const cJSON *schema) {
        const cJSON *properties = json_object(schema, "properties"), *item;

        if (!streq(json_str(schema, "format"), "globus-collection"))
                return;
        if (!streq(json_str(schema, "type"), "object") ||
                !cJSON_GetObjectItemCaseSensitive(properties, "id"))
                check_fault(c, schema, AT_KEY,
                        "a globus-collection is an object with the properties id and path");
        cJSON_ArrayForEach(item, properties)
                if (!streq(item->string, "id") && !streq(item->string, "path"))
                        check_fault(c, item, AT_KEY,
                                "a globus-collection has the properties id and path, and no other");
}

void check_schema(Check *c, const cJSON *schema) {
        const cJSON *item;

        if (cJSON_IsBool(schema) || !check_kind(c, schema, KIND_OBJECT))
                return;
        check_no_doubles(c, schema);
        cJSON_ArrayForEach(item, schema) {
                const struct Keyword *k = NULL;

                for (size_t i = 0; i < ELEMENTSOF(keywords) && !k; i++)
                        if (streq(keywords[i].name, item->string))
                                k = &keywords[i];
                if (k)
                        check_keyword(c, item, k);
                else
                        check_fault(c, item, AT_KEY, "draft 7 of JSON Schema has no such keyword%s",
                                streq(item->string, "$defs") ? "; it is called definitions there"
                                                             : "");
        }
        check_names(c, schema, "propertyOrder", true);
        check_names(c, schema, "required", false);
        check_collection(c, schema);
}
