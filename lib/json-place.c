/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The text is walked once more, beside the tree that was made of it; it is known to be valid, so
 * the walk needs no care of its own.
 */

#include "json-place.h"

#include <string.h>

#include "text.h"

typedef struct Place {
        const cJSON *item, *parent;
        size_t key, value; /* bytes from the beginning; key is value for what has none */
} Place;

struct JsonPlaces {
        const char *data;
        size_t size;
        Place *list; /* by item, for bsearch() */
        size_t n, room;
};

/* ---- the walk ---- */

typedef struct Walk {
        JsonPlaces *places;
        size_t at;
} Walk;

static char here(const Walk *w) {
        return w->at < w->places->size ? w->places->data[w->at] : 0;
}

/* White space, and what stands between values. */
static void skip_to_token(Walk *w) {
        while (here(w) && strchr(" \t\r\n,:", here(w)))
                w->at++;
}

static void skip_string(Walk *w) {
        for (w->at++; here(w) && here(w) != '"'; w->at++)
                if (here(w) == '\\')
                        w->at++;
        w->at++;
}

/* A number, or a word. */
static void skip_scalar(Walk *w) {
        while (here(w) && strchr("-+.0123456789abcdefghijklmnopqrstuvwxyzE", here(w)))
                w->at++;
}

static int add(Walk *w, const cJSON *item, const cJSON *parent, size_t key) {
        JsonPlaces *p = w->places;

        if (p->n == p->room) {
                size_t room = p->room ? 2 * p->room : 256;
                Place *list = reallocarray(p->list, room, sizeof(*list));

                if (!list)
                        return -ENOMEM;
                p->list = list;
                p->room = room;
        }
        p->list[p->n++] = (Place){ item, parent, key, w->at };
        return 0;
}

static int walk(Walk *w, const cJSON *item, const cJSON *parent) {
        const cJSON *child;
        size_t key;
        int r;

        skip_to_token(w);
        key = w->at;
        if (item->string && parent) {
                skip_string(w);
                skip_to_token(w);
        }
        r = add(w, item, parent, item->string && parent ? key : w->at);
        if (r < 0)
                return r;
        if (cJSON_IsString(item))
                skip_string(w);
        else if (!cJSON_IsObject(item) && !cJSON_IsArray(item))
                skip_scalar(w);
        else {
                w->at++;
                cJSON_ArrayForEach(child, item) {
                        r = walk(w, child, item);
                        if (r < 0)
                                return r;
                }
                skip_to_token(w);
                w->at++;
        }
        return w->at > w->places->size ? -EINVAL : 0;
}

static int by_item(const void *a, const void *b) {
        const Place *x = a, *y = b;

        return (x->item > y->item) - (x->item < y->item);
}

int json_places_new(const char *data, size_t size, const cJSON *root, JsonPlaces **ret) {
        _cleanup_(json_places_freep) JsonPlaces *p = calloc(1, sizeof(*p));
        Walk w = { p, 0 };
        int r;

        if (!p)
                return -ENOMEM;
        p->data = data;
        p->size = size;
        r = walk(&w, root, NULL);
        if (r < 0)
                return r;
        qsort(p->list, p->n, sizeof(*p->list), by_item);
        *ret = TAKE_PTR(p);
        return 0;
}

JsonPlaces *json_places_free(JsonPlaces *p) {
        if (p)
                free(p->list);
        free(p);
        return NULL;
}

/* ---- answers ---- */

static const Place *find(const JsonPlaces *p, const cJSON *item) {
        const Place wanted = { .item = item };

        return p->n ? bsearch(&wanted, p->list, p->n, sizeof(*p->list), by_item) : NULL;
}

static void line_and_column(const JsonPlaces *p, size_t at, size_t *ret_line, size_t *ret_column) {
        size_t line = 1, start = 0;

        for (size_t i = 0; i < at && i < p->size; i++)
                if (p->data[i] == '\n') {
                        line++;
                        start = i + 1;
                }
        *ret_line = line;
        *ret_column = at - start + 1;
}

void json_place_value(
        const JsonPlaces *p, const cJSON *item, size_t *ret_line, size_t *ret_column) {
        const Place *place = find(p, item);

        line_and_column(p, place ? place->value : 0, ret_line, ret_column);
}

void json_place_key(const JsonPlaces *p, const cJSON *item, size_t *ret_line, size_t *ret_column) {
        const Place *place = find(p, item);

        line_and_column(p, place ? place->key : 0, ret_line, ret_column);
}

/*
 * How many bytes the four hexadecimal digits at @s stand for in UTF-8; half of a pair counts two.
 */
static size_t escaped_length(const char *s) {
        unsigned c = 0;

        if (sscanf(s, "%4x", &c) != 1)
                return 1;
        if (c >= 0xd800 && c <= 0xdfff)
                return 2;
        return c < 0x80 ? 1 : c < 0x800 ? 2 : 3;
}

void json_place_within(
        const JsonPlaces *p, const cJSON *item, size_t at, size_t *ret_line, size_t *ret_column) {
        const Place *place = find(p, item);
        size_t i = place ? place->value + 1 : 0;

        while (place && at > 0 && i + 1 < p->size && p->data[i] != '"') {
                size_t raw = p->data[i] != '\\' ? 1 : p->data[i + 1] == 'u' ? 6 : 2;
                size_t meant = raw == 6 && i + raw < p->size ? escaped_length(p->data + i + 2) : 1;

                at -= meant < at ? meant : at;
                i += raw;
        }
        line_and_column(p, i, ret_line, ret_column);
}

static size_t position(const cJSON *item, const cJSON *parent) {
        size_t n = 0;

        for (const cJSON *c = parent->child; c && c != item; c = c->next)
                n++;
        return n;
}

char *json_place_path(const JsonPlaces *p, const cJSON *item) {
        char *path = strdup("");

        if (!path)
                return NULL;
        for (const Place *place = find(p, item); place && place->parent;
                place = find(p, place->parent)) {
                const char *joint = *path && *path != '[' ? "." : "";
                char *longer = place->item->string
                        ? xasprintf("%s%s%s", place->item->string, joint, path)
                        : xasprintf("[%zu]%s%s", position(place->item, place->parent), joint, path);

                free(path);
                path = longer;
                if (!path)
                        break;
        }
        return path;
}
