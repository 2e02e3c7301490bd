/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The members of a plain object, one at a time, without a tree of them in memory: for lines of which there are very many.
 *
 * Plain is what json_print() makes of strings without escapes, whole numbers, true and false. Whatever else there is, valid or
 * not, is left to cJSON.
 */

#include <cjson/cJSON.h>
#include <stddef.h>

/* Longer ones are not plain. */
#define JSON_FLAT_MAX ((size_t)4096)

typedef struct JsonFlat {
        char text[JSON_FLAT_MAX + 1];
        char *at, *end;
        char lead; /* what stands before the next member */
} JsonFlat;

enum {
        JSON_FLAT_END,
        JSON_FLAT_MEMBER,
        JSON_FLAT_OTHER, /* not plain: parse the whole of it with cJSON, and forget what came of it so far */
};

/** json_flat_begin() - @size bytes are to be read; copied. */
void json_flat_begin(JsonFlat *f, const char *line, size_t size);

/** json_flat_next() - JSON_FLAT_…; @ret is a string, a number or a boolean with its key, valid as long as @f. */
int json_flat_next(JsonFlat *f, cJSON *ret);
