/* SPDX-License-Identifier: Apache-2.0 */

/* Names become text and come back as they were; what is shown to people holds nothing that moves a cursor or hides. */

#include "fuzz.h"

static void promise_shown(const char *s, size_t max) {
        _cleanup_free_ char *shown = text_printable(s, max), *again = NULL;

        PROMISE(shown && utf8_valid(shown));
        PROMISE(max == 0 || strlen(shown) <= max);
        for (const unsigned char *p = (const unsigned char *)shown; *p; p++)
                PROMISE(*p >= 0x20 && *p != 0x7f && !(*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0));
        again = text_printable(shown, 0);
        promise_same_text(shown, again);
        PROMISE(utf8_width(shown) <= 2 * strlen(shown));
}

static void promise_escaped(const char *name) {
        _cleanup_free_ char *text = text_escape(name), *back = NULL, *twice = NULL;

        PROMISE(text && utf8_valid(text));
        back = text_unescape(text);
        promise_same_text(name, back);
        /* What needs no escape is its own, and an escape of an escape is still undone by one step. */
        twice = text_escape(text);
        PROMISE(twice && strlen(twice) >= strlen(text));
}

static void promise_json(const char *name) {
        _cleanup_json_ cJSON *o = cJSON_CreateObject(), *parsed = NULL;
        _cleanup_free_ char *text = NULL, *back = NULL;
        Error e = {};

        PROMISE(json_set_name(o, "name", name) == 0);
        text = json_print_pretty(o);
        PROMISE(text && utf8_valid(text));
        if (json_parse(text, strlen(text), &parsed, &e) != 0) {
                fprintf(stderr, "%s: %s\n", e.text, text);
                abort();
        }
        if (!*name)
                return;
        PROMISE(json_get_name(parsed, "name", &back) == 0);
        promise_same_text(name, back);
}

static void promise_cut(const char *s, size_t size) {
        size_t valid = utf8_valid_prefix(s, size);

        PROMISE(valid <= size);
        for (size_t max = 0; max <= size && max < 64; max++)
                PROMISE(utf8_cut(s, max) <= max);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = NULL;

        if (size == 0)
                return 0;
        text = input_text(data + 1, size - 1);
        promise_shown(text, 0);
        promise_shown(text, 4 + data[0]);
        promise_escaped(text);
        promise_json(text);
        promise_cut(text, strlen(text));
        return 0;
}
