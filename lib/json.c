/* SPDX-License-Identifier: Apache-2.0 */

/*
 * JSON that can be trusted in both directions.
 *
 * cJSON is a lenient reader: it takes any control character for white space, lets raw bytes through
 * and cuts a string at \u0000. So json_parse() looks over the bytes first, which also gives the place
 * of the fault. What the setters put in is always valid UTF-8, so that what we write we can read.
 *
 * Anyone may call this. Works with cJSON 1.7.14 and later.
 */

#include "json.h"

#include <math.h>
#include <string.h>

#include "text.h"

static int fault_at(const char *data, size_t at, Error *e, const char *what) {
        size_t line = 1, start = 0;

        for (size_t i = 0; i < at; i++)
                if (data[i] == '\n') {
                        line++;
                        start = i + 1;
                }
        return error_set(e, -EINVAL, "line %zu, column %zu: %s", line, at - start + 1, what);
}

static bool is_space(char c) {
        return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* What is wrong with the byte at @i as part of a string, or NULL. @i is moved onto an escaped character. */
static const char *scan_string(const char *data, size_t size, size_t *i) {
        if ((unsigned char)data[*i] < 0x20)
                return "control character in a string";
        if (data[*i] != '\\')
                return NULL;
        if (size - *i >= 6 && memcmp(data + *i, "\\u0000", 6) == 0)
                return "NUL in a string";
        (*i)++;
        return *i < size && (unsigned char)data[*i] < 0x20 ? "control character in a string" : NULL;
}

static const char *scan_outside(char c, unsigned *depth) {
        if (c == '{' || c == '[')
                return ++*depth > JSON_DEPTH_MAX ? "nested too deeply" : NULL;
        if (c == '}' || c == ']')
                return (*depth)-- == 0 ? "closing bracket without an opening one" : NULL;
        return (unsigned char)c < 0x20 && !is_space(c) ? "control character" : NULL;
}

/* All that cJSON would let pass. */
static int scan(const char *data, size_t size, Error *e) {
        unsigned depth = 0;
        bool in_string = false;

        for (size_t i = 0; i < size; i++) {
                size_t at = i;
                const char *fault;

                if (data[i] == '"') {
                        in_string = !in_string;
                        continue;
                }
                fault = in_string ? scan_string(data, size, &i) : scan_outside(data[i], &depth);
                if (fault)
                        return fault_at(data, at, e, fault);
        }
        return 0;
}

int json_read(const char *data, size_t size, const char **ret_end, cJSON **ret) {
        errno = 0;
        *ret = cJSON_ParseWithLengthOpts(data, size, ret_end, false);
        if (*ret)
                return 0;
        return errno == ENOMEM ? -ENOMEM : -EINVAL; /* cJSON itself does not tell them apart */
}

int json_parse(const char *data, size_t size, cJSON **ret, Error *e) {
        _cleanup_json_ cJSON *j = NULL;
        const char *end = NULL;
        size_t at;
        int r;

        r = scan(data, size, e);
        if (r < 0)
                return r;
        at = utf8_valid_prefix(data, size);
        if (at < size)
                return fault_at(data, at, e, "not valid UTF-8");
        r = json_read(data, size, &end, &j);
        if (r == -ENOMEM)
                return error_set(e, r, "%s", strerror(ENOMEM));
        at = end >= data && end <= data + size ? (size_t)(end - data) : size;
        if (!j)
                return fault_at(data, at, e, at >= size ? "it ends too early" : "not valid JSON");
        while (at < size && is_space(data[at]))
                at++;
        if (at < size)
                return fault_at(data, at, e, "something follows the end of the value");
        *ret = TAKE_PTR(j);
        return 0;
}

char *json_print(const cJSON *j) {
        return cJSON_PrintUnformatted(j);
}

/* Most keys and values are shorter; a record has hundreds of them. */
#define SCALAR_SIZE 512

static int write_scalar(FILE *f, const cJSON *j) {
        _cleanup_free_ char *large = NULL;
        char small[SCALAR_SIZE];
        const char *s = small;

        if (!cJSON_PrintPreallocated((cJSON *)j, small, sizeof(small), false))
                s = large = cJSON_PrintUnformatted(j);
        return s && fputs(s, f) >= 0 ? 0 : -ENOMEM;
}

static int write_key(FILE *f, const char *key) {
        _cleanup_json_ cJSON *j = cJSON_CreateStringReference(key);

        if (!j || write_scalar(f, j) < 0)
                return -ENOMEM;
        fputs(": ", f);
        return 0;
}

/* cJSON's own layout has tabs, arrays on one line, and a line break in an empty object. */
static int write_pretty(FILE *f, const cJSON *j, int indent) {
        const cJSON *item;

        if (!j->child)
                return write_scalar(f, j);
        fputc(cJSON_IsArray(j) ? '[' : '{', f);
        cJSON_ArrayForEach(item, j) {
                fprintf(f, "%s\n%*s", item == j->child ? "" : ",", indent + 2, "");
                if (cJSON_IsObject(j) && write_key(f, item->string) < 0)
                        return -ENOMEM;
                if (write_pretty(f, item, indent + 2) < 0)
                        return -ENOMEM;
        }
        fprintf(f, "\n%*s%c", indent, "", cJSON_IsArray(j) ? ']' : '}');
        return 0;
}

char *json_print_pretty(const cJSON *j) {
        _cleanup_free_ char *s = NULL;
        size_t size;
        FILE *f = open_memstream(&s, &size);
        int r;

        if (!f)
                return NULL;
        r = write_pretty(f, j, 0);
        fputc('\n', f);
        if (ferror(f))
                r = -ENOMEM;
        if (fclose(f) != 0 || r < 0)
                return NULL;
        return text_json(s);
}

static const cJSON *member(const cJSON *o, const char *key) {
        return cJSON_GetObjectItemCaseSensitive(o, key);
}

const char *json_str(const cJSON *o, const char *key) {
        return cJSON_GetStringValue(member(o, key));
}

bool json_bool(const cJSON *o, const char *key, bool missing) {
        const cJSON *j = member(o, key);

        return cJSON_IsBool(j) ? cJSON_IsTrue(j) : missing;
}

int64_t json_int(const cJSON *o, const char *key, int64_t missing) {
        double d = json_double(o, key, NAN);

        /* The bounds are those of int64_t, written as what a double can hold. */
        if (!(d >= -0x1p63 && d < 0x1p63) || (double)(int64_t)d != d)
                return missing;
        return (int64_t)d;
}

double json_double(const cJSON *o, const char *key, double missing) {
        const cJSON *j = member(o, key);

        return cJSON_IsNumber(j) && isfinite(j->valuedouble) ? j->valuedouble : missing;
}

usec_t json_time(const cJSON *o, const char *key) {
        usec_t t;

        return clock_parse(json_str(o, key), &t) < 0 ? 0 : t;
}

const cJSON *json_array(const cJSON *o, const char *key) {
        const cJSON *j = member(o, key);

        return cJSON_IsArray(j) ? j : NULL;
}

const cJSON *json_object(const cJSON *o, const char *key) {
        const cJSON *j = member(o, key);

        return cJSON_IsObject(j) ? j : NULL;
}

int json_get_name(const cJSON *o, const char *key, char **ret) {
        const cJSON *j = member(o, key);
        char *name;

        if (!j)
                return -ENOENT;
        if (!cJSON_IsString(j))
                return -EINVAL;
        name = text_unescape(j->valuestring);
        if (!name)
                return -ENOMEM;
        *ret = name;
        return 0;
}

int json_set_item(cJSON *o, const char *key, cJSON *item) {
        _cleanup_json_ cJSON *owned = item;

        if (!owned)
                return -ENOMEM;
        cJSON_DeleteItemFromObjectCaseSensitive(o, key);
        if (!cJSON_AddItemToObject(o, key, owned))
                return -ENOMEM;
        TAKE_PTR(owned);
        return 0;
}

/* A new JSON string; bytes that are no UTF-8 are escaped, so that the text as a whole stays readable. */
static cJSON *string_new(const char *value) {
        _cleanup_free_ char *text = NULL;

        if (utf8_valid(value))
                return cJSON_CreateString(value);
        text = text_escape(value);
        return text ? cJSON_CreateString(text) : NULL;
}

int json_set_str(cJSON *o, const char *key, const char *value) {
        return isempty(value) ? 0 : json_set_item(o, key, string_new(value));
}

int json_set_name(cJSON *o, const char *key, const char *bytes) {
        _cleanup_free_ char *text = NULL;

        if (isempty(bytes))
                return 0;
        text = text_escape(bytes);
        return text ? json_set_item(o, key, cJSON_CreateString(text)) : -ENOMEM;
}

int json_set_int(cJSON *o, const char *key, int64_t value) {
        return json_set_item(o, key, cJSON_CreateNumber((double)value));
}

int json_set_bool(cJSON *o, const char *key, bool value) {
        return json_set_item(o, key, cJSON_CreateBool(value));
}

int json_set_time(cJSON *o, const char *key, usec_t t) {
        char buf[CLOCK_TEXT_MAX];

        return json_set_str(o, key, clock_format(buf, t));
}

int json_set_time_usec(cJSON *o, const char *key, usec_t t) {
        char buf[CLOCK_TEXT_MAX];

        return json_set_str(o, key, clock_format_usec(buf, t));
}

int json_add_str(cJSON *array, const char *value) {
        _cleanup_json_ cJSON *j = string_new(value);

        if (!j || !cJSON_AddItemToArray(array, j))
                return -ENOMEM;
        TAKE_PTR(j);
        return 0;
}
