/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Expressions of the flow language: the values of parameters whose name ends in ".=".
 *
 * They look like Python's and are evaluated by a small interpreter of the service. Only what is
 * documented, or used in the service's own examples, counts as known: see docs/globus.md.
 */

#include "error.h"

/**
 * expr_quote() - @text as a literal of the language, the one way that text gets into an expression
 * In single quotes. Quotes, backslashes and control characters are escaped; a backtick too, because
 * outside of literals it encloses a JSONPath. What is no UTF-8 becomes text_escape()d first. New
 * string, NULL without memory.
 */
char *expr_quote(const char *text);

/* What a check finds out about an expression. */
typedef struct ExprFacts {
        size_t longest; /* characters of the text it makes, at most; SIZE_MAX: can't be told */
        size_t at;      /* of a fault, or of what the warning is about: bytes from the beginning */
        char warning[200]; /* "" or about what works in the interpreter but is not documented */
} ExprFacts;

/**
 * expr_check() - whether @text is an expression that uses only what is known
 * Returns 0 with @ret filled; UOW_E_INVALID with what is wrong in @e and its place in @ret.
 */
int expr_check(const char *text, ExprFacts *ret, Error *e);
