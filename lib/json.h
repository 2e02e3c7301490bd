/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Typed getters and setters over cJSON, so that no caller tests types by hand.
 *
 * Getters of an optional member return a default; the ones that return int say -ENOENT (absent) or
 * -EINVAL (of another type). Setters skip empty values, because in our JSON an absent member means
 * "not known". Setters that run out of memory return -ENOMEM.
 */

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "clock.h"
#include "error.h"

/* Nothing that we read nests deeper; cJSON's own bound is 1000. */
#define JSON_DEPTH_MAX 32

/**
 * json_read() - cJSON's parser, which stops behind the first value, at @ret_end
 * For callers that know what they read to be sound otherwise. 0, -EINVAL, or -ENOMEM, which says nothing about the text.
 */
int json_read(const char *data, size_t size, const char **ret_end, cJSON **ret);

/**
 * json_parse() - parse @size bytes that must be exactly one JSON value (white space around is allowed)
 * Stricter than cJSON: control characters, \u0000, invalid UTF-8 and what nests beyond JSON_DEPTH_MAX are faults.
 * Of members of the same name the first counts.
 * Returns 0 with a new value, -EINVAL with the place in @e ("line 3, column 7: …"), -ENOMEM.
 */
int json_parse(const char *data, size_t size, cJSON **ret, Error *e);

/** json_print() - compact text, new string; NULL without memory. */
char *json_print(const cJSON *j);

/** json_print_pretty() - indented by two spaces, with a newline at the end; for eyes too, so as text_json() makes it. */
char *json_print_pretty(const cJSON *j);

/** json_str() - the string member @key of @o, or NULL; owned by @o. */
const char *json_str(const cJSON *o, const char *key);
bool json_bool(const cJSON *o, const char *key, bool missing);
int64_t json_int(const cJSON *o, const char *key, int64_t missing);
double json_double(const cJSON *o, const char *key, double missing);
/** json_time() - an RFC 3339 string as usec_t, 0 if absent or malformed. */
usec_t json_time(const cJSON *o, const char *key);
const cJSON *json_array(const cJSON *o, const char *key);
const cJSON *json_object(const cJSON *o, const char *key);

int json_set_str(cJSON *o, const char *key, const char *value);  /* NULL and "" are skipped */
int json_set_name(cJSON *o, const char *key, const char *bytes); /* raw bytes, text_escape()d */
int json_set_int(cJSON *o, const char *key, int64_t value);
int json_set_bool(cJSON *o, const char *key, bool value);
int json_set_time(cJSON *o, const char *key, usec_t t); /* local offset, seconds; 0 is skipped */
int json_set_time_usec(cJSON *o, const char *key, usec_t t); /* UTC, microseconds */
int json_set_item(
        cJSON *o, const char *key, cJSON *item); /* takes @item in any case; NULL: -ENOMEM */
int json_add_str(cJSON *array, const char *value);

/** json_get_name() - a text member as raw bytes, new string. 0, -ENOENT, -EINVAL, -ENOMEM. */
int json_get_name(const cJSON *o, const char *key, char **ret);
