/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the reader of expressions reads with: signs, names, literals. See globus-expr.c. */

#include <stdbool.h>
#include <stdint.h>

#include "globus-expr.h"

/* Of a text: how long it can become can't be told. */
#define UNKNOWN SIZE_MAX

typedef struct Reader {
        const char *text;
        size_t at;
        unsigned depth;
        ExprFacts *facts;
        Error *e;
        bool failed;
        const char *
                literal; /* the value of the last text read, if it was a plain one: its beginning in the text */
        size_t literal_size;
} Reader;

/* What is known of a value. */
typedef struct Value {
        size_t longest;
        bool plain; /* a text literal, nothing else */
} Value;

/** expr_unknown() - a value of which nothing is known. */
Value expr_unknown(void);

/**
 * expr_fault() - note a fault, if it is the first, and return a value of which nothing is known.
 */
Value expr_fault(Reader *r, size_t at, const char *what, const char *more);
/** expr_warn() - note a warning, if it is the first. */
void expr_warn(Reader *r, size_t at, const char *what, const char *more);

bool expr_is_one_of(const char *const *list, const char *word);

/** expr_is_reserved() - whether @word is one that can't be a name. */
bool expr_is_reserved(const char *word);
bool expr_is_name_char(char c, bool first);

/** expr_next() - the character that comes next, white space skipped; 0 at the end. */
char expr_next(Reader *r);
/**
 * expr_accept() - take a sign if it comes next; "<" is not the beginning of "<=". Nothing is
 * accepted after a fault.
 */
bool expr_accept(Reader *r, const char *sign);
bool expr_accept_word(Reader *r, const char *word);
void expr_expect(Reader *r, const char *sign);
/** expr_take_name() - into @word, cut if it is too long; "" if none comes next. */
void expr_take_name(Reader *r, char *word, size_t size);

/* Literals, of which the first character has been seen. */
Value expr_text(Reader *r);
Value expr_number(Reader *r);
Value expr_backticks(Reader *r);
