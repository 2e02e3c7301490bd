/* SPDX-License-Identifier: Apache-2.0 */

/* Strings end in place: the text is a copy, and NUL at its end stops every scan. */

#include "json-flat.h"

#include <string.h>

#include "cleanup.h"
#include "text.h"

/* A double holds every number of so many digits exactly. */
#define DIGITS_MAX 15

void json_flat_begin(JsonFlat *f, const char *line, size_t size) {
        if (size > JSON_FLAT_MAX)
                size = 0; /* an empty text is not plain either */
        memcpy(f->text, line, size);
        f->text[size] = 0;
        f->at = f->text;
        f->end = f->text + size;
        f->lead = '{';
}

/* NULL: no string, or one with escapes. */
static char *take_string(JsonFlat *f) {
        char *s = f->at + 1, *end = s;

        if (*f->at != '"')
                return NULL;
        while (*end && *end != '"' && *end != '\\')
                end++;
        if (*end != '"')
                return NULL;
        *end = 0;
        f->at = end + 1;
        return s;
}

static bool take_word(JsonFlat *f, const char *word) {
        const char *rest = startswith(f->at, word);

        if (rest)
                f->at += strlen(word);
        return rest;
}

static bool take_number(JsonFlat *f, double *ret) {
        const char *begin = f->at;
        double n = 0;

        for (; *f->at >= '0' && *f->at <= '9'; f->at++)
                n = n * 10 + (*f->at - '0');
        *ret = n;
        return f->at > begin && f->at - begin <= DIGITS_MAX;
}

static bool take_value(JsonFlat *f, cJSON *item) {
        if ((item->valuestring = take_string(f)))
                item->type = cJSON_String;
        else if (take_number(f, &item->valuedouble))
                item->type = cJSON_Number;
        else if (take_word(f, "true"))
                item->type = cJSON_True;
        else if (take_word(f, "false"))
                item->type = cJSON_False;
        return item->type != cJSON_Invalid;
}

int json_flat_next(JsonFlat *f, cJSON *ret) {
        cJSON item = { .type = cJSON_Invalid };

        if (f->lead == ',' && *f->at == '}')
                return f->at + 1 == f->end ? JSON_FLAT_END : JSON_FLAT_OTHER;
        if (*f->at != f->lead)
                return JSON_FLAT_OTHER;
        f->at++;
        f->lead = ',';
        item.string = take_string(f);
        if (!item.string || *f->at++ != ':' || !take_value(f, &item) ||
                (*f->at != ',' && *f->at != '}'))
                return JSON_FLAT_OTHER;
        *ret = item;
        return JSON_FLAT_MEMBER;
}
