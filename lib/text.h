/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Names are bytes, text is UTF-8.
 *
 * A folder name may hold any byte but '/' and NUL. Inside the programs it stays raw; wherever it
 * becomes text (JSON, logs, terminal) it is *escaped*: a byte that is no part of valid UTF-8 becomes
 * "\xHH" (lower case), and so does a backslash that would otherwise read as such an escape. A name
 * without those bytes is its own escaped form, and text_unescape() is the exact inverse.
 *
 * For people's eyes (terminal, one-line logs, reports) text_printable() goes further: control
 * characters, line breaks and Unicode's invisible direction marks can't reach the screen.
 */

#include <stdbool.h>
#include <stddef.h>

#include "cleanup.h"

/** utf8_valid() - whether @s (NUL-terminated) is valid UTF-8: no surrogates, no overlong forms. */
bool utf8_valid(const char *s) _pure_;

/** utf8_valid_prefix() - how many of the @size bytes at @s are valid UTF-8, counted from the first; NUL is a character. */
size_t utf8_valid_prefix(const char *s, size_t size) _pure_;

/**
 * utf8_cut() - the largest length <= @max at which @s can be cut without splitting a character
 * A string of @max bytes whose last character is not whole is taken for one that was cut there already.
 */
size_t utf8_cut(const char *s, size_t max) _pure_;

/** utf8_width() - columns that @s takes on a terminal; 0 for combining marks, 2 for wide characters. */
size_t utf8_width(const char *s) _pure_;

/** text_escape() - raw name -> text, new string; NULL only without memory. */
char *text_escape(const char *name);

/** text_unescape() - text -> raw name, new string; NULL only without memory. */
char *text_unescape(const char *text);

/**
 * text_printable() - what may be shown on one line of a terminal or a log
 * @s: raw bytes or text
 * @max: at most so many bytes in the result, 0 for no bound; "…" marks a cut
 *
 * Newline, tab and return become "\n", "\t", "\r"; other control characters, invalid bytes and
 * direction marks become "\xHH" or "\u{HHHH}". Returns a new string, NULL only without memory.
 */
char *text_printable(const char *s, size_t max);

/**
 * text_json() - the same JSON, with what text_printable() would not show written as \uXXXX within its strings
 * JSON escapes control characters below U+0020 itself, but neither DEL, nor U+0080 to U+009F, nor direction marks. @json is what
 * a printer made. Returns a new string, NULL only without memory.
 */
char *text_json(const char *json);

/** streq() - string equality that takes NULL (NULL equals NULL only). */
bool streq(const char *a, const char *b) _pure_;

/** isempty() - NULL or "". */
static inline bool isempty(const char *s) {
        return !s || !*s;
}

/** startswith() - the rest of @s behind @prefix, or NULL. */
const char *startswith(const char *s, const char *prefix) _pure_;

/** strdup_to() - replace the string @p owns by a copy of @s (NULL allowed). 0 or -ENOMEM. */
int strdup_to(char **p, const char *s);

/** xasprintf() - asprintf that returns the new string, or NULL without memory. */
char *xasprintf(const char *fmt, ...) _printf_(1, 2);
