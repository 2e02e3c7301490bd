/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the fuzz targets share.
 *
 * A target is one file with one function, LLVMFuzzerTestOneInput(): any bytes in, and whatever comes of them is
 * held against what the headers promise. It keeps nothing from one input to the next, so that a finding is a file.
 * The same object is linked with libFuzzer, which makes inputs up, and with seeds.c, which runs those that are kept.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "json.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A promise that was not kept. Unlike assert() it is there in every build. */
#define PROMISE(condition)                                                              \
        do {                                                                            \
                if (!(condition)) {                                                     \
                        fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
                        abort();                                                        \
                }                                                                       \
        } while (0)

/* A copy on the heap that ends, with a NUL, exactly where the sanitizer looks. */
static inline _unused_ char *input_text(const uint8_t *data, size_t size) {
        char *text = malloc(size + 1);

        PROMISE(text);
        if (size > 0)
                memcpy(text, data, size);
        text[size] = 0;
        return text;
}

/* What is told to people is whole characters, and is told at all. */
static inline _unused_ void promise_told(const Error *e) {
        PROMISE(e->text[0]);
        PROMISE(utf8_valid(e->text));
}

static inline _unused_ void promise_same_text(const char *a, const char *b) {
        PROMISE(streq(a, b));
}

static inline _unused_ void promise_same_json(const cJSON *a, const cJSON *b) {
        _cleanup_free_ char *one = json_print(a), *other = json_print(b);

        PROMISE(one && other);
        promise_same_text(one, other);
}
