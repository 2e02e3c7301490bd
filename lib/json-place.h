/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Where the parts of a JSON text stand: cJSON does not keep that, and a fault without its place is
 * hard to mend.
 *
 * Made from the text and the value that json_parse() made of it; both must outlive it. Lines and
 * columns count from 1, columns in bytes.
 */

#include "json.h"

typedef struct JsonPlaces JsonPlaces;

/** json_places_new() - 0; -ENOMEM; -EINVAL if @root is not what @data says. */
int json_places_new(const char *data, size_t size, const cJSON *root, JsonPlaces **ret);
JsonPlaces *json_places_free(JsonPlaces *p);
DEFINE_CLEANUP(JsonPlaces *, json_places_free)

/** json_place_value() - of @item; the beginning of the text for what is not in it. */
void json_place_value(const JsonPlaces *p, const cJSON *item, size_t *ret_line, size_t *ret_column);

/** json_place_key() - of the key of @item; of what has none, as json_place_value(). */
void json_place_key(const JsonPlaces *p, const cJSON *item, size_t *ret_line, size_t *ret_column);

/** json_place_within() - of byte @at of the text that string @item stands for. */
void json_place_within(
        const JsonPlaces *p, const cJSON *item, size_t at, size_t *ret_line, size_t *ret_column);

/**
 * json_place_path() - the way to @item: "States.Upload.Catch[0].Next", "" for the root. New string
 * or NULL.
 */
char *json_place_path(const JsonPlaces *p, const cJSON *item);
