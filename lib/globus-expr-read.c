/* SPDX-License-Identifier: Apache-2.0 */

/* Signs, names and literals: see globus-expr-internal.h. */

#include "globus-expr-internal.h"

#include <string.h>

#include "globus-path.h"
#include "text.h"

static const char *const reserved[] = { "and", "or", "not", "in", "if", "else", "for", "is",
        "lambda", "None", "await", "yield", "async", "class", "def", "import", "from", "return",
        "while", "with", "as", "try", "except", "raise", "pass", "del", "global", "assert", "break",
        "continue", "elif", "finally", "nonlocal", NULL };

Value expr_unknown(void) {
        return (Value){ UNKNOWN, false };
}

Value expr_fault(Reader *r, size_t at, const char *what, const char *more) {
        if (!r->failed) {
                r->facts->at = at;
                error_set(r->e, 0, "%s%s", what, more);
        }
        r->failed = true;
        return expr_unknown();
}

void expr_warn(Reader *r, size_t at, const char *what, const char *more) {
        if (r->facts->warning[0] || r->failed)
                return;
        snprintf(r->facts->warning, sizeof(r->facts->warning), "%s%s", what, more);
        r->facts->at = at;
}

bool expr_is_one_of(const char *const *list, const char *word) {
        for (; *list; list++)
                if (streq(*list, word))
                        return true;
        return false;
}

bool expr_is_reserved(const char *word) {
        return expr_is_one_of(reserved, word);
}

/* ---- tokens ---- */

bool expr_is_name_char(char c, bool first) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
                (!first && c >= '0' && c <= '9');
}

char expr_next(Reader *r) {
        r->at += strspn(r->text + r->at, " \t\r\n");
        return r->text[r->at];
}

/* A sign, but not the beginning of a longer one: "<" is not "<=". */
bool expr_accept(Reader *r, const char *sign) {
        size_t n = strlen(sign);

        expr_next(r);
        if (r->failed || strncmp(r->text + r->at, sign, n) != 0)
                return false;
        if (strchr("<>=!*/", sign[0]) && n == 1 && strchr("=*/", r->text[r->at + 1]) &&
                r->text[r->at + 1] && !(strchr("*/", sign[0]) && r->text[r->at + 1] != sign[0]))
                return false;
        r->at += n;
        return true;
}

bool expr_accept_word(Reader *r, const char *word) {
        size_t n = strlen(word);

        expr_next(r);
        if (r->failed || strncmp(r->text + r->at, word, n) != 0 ||
                expr_is_name_char(r->text[r->at + n], false))
                return false;
        r->at += n;
        return true;
}

void expr_expect(Reader *r, const char *sign) {
        if (!r->failed && !expr_accept(r, sign))
                expr_fault(
                        r, r->at, r->text[r->at] ? "here should be " : "it ends before its ", sign);
}

/* Into @word; "" if there is none. */
void expr_take_name(Reader *r, char *word, size_t size) {
        size_t n = 0;

        expr_next(r);
        while (expr_is_name_char(r->text[r->at], n == 0)) {
                if (n + 1 < size)
                        word[n++] = r->text[r->at];
                r->at++;
        }
        word[n] = 0;
}

/* ---- atoms ---- */

Value expr_text(Reader *r) {
        char quote = r->text[r->at];
        size_t start = r->at++, n = 0;
        bool escaped = false;

        if (r->text[r->at] == quote && r->text[r->at + 1] == quote)
                return expr_fault(r, start, "texts in three quotes are not known", "");
        for (; r->text[r->at] != quote; r->at++) {
                if (!r->text[r->at])
                        return expr_fault(r, start, "a text that does not end", "");
                if (r->text[r->at] == '\n')
                        return expr_fault(r, r->at, "a line break within a text; write \\n", "");
                if (r->text[r->at] == '\\' && r->text[r->at + 1]) {
                        escaped = true;
                        r->at++;
                }
                /* Escapes count as at least one character, and more where they have more. */
                n += ((unsigned char)r->text[r->at] & 0xc0) != 0x80;
        }
        r->literal = r->text + start + 1;
        r->literal_size = r->at++ - start - 1;
        return (Value){ n, !escaped };
}

Value expr_number(Reader *r) {
        size_t start = r->at;

        r->at += strspn(r->text + r->at, "0123456789.");
        if (expr_is_name_char(r->text[r->at], true))
                return expr_fault(r, start, "that is no number", "");
        return expr_unknown();
}

Value expr_backticks(Reader *r) {
        size_t start = r->at++;
        const char *end = strchr(r->text + r->at, '`');
        _cleanup_free_ char *path =
                end ? strndup(r->text + r->at, (size_t)(end - r->text) - r->at) : NULL;

        if (!path || !globus_path_valid(path))
                return expr_fault(
                        r, start, "between backticks stands a path such as $.input.name", "");
        r->at = (size_t)(end - r->text) + 1;
        return expr_unknown();
}
