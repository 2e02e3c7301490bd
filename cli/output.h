/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What reaches the screen: text made safe, tables that fit, colours where they help, JSON.
 *
 * Colours only on a terminal, and not with NO_COLOR set or TERM=dumb. Where the locale is not UTF-8, what lies beyond ASCII is written as
 * "\u{HHHH}". Names and reasons come from other people's folders; out_text() is their only way out.
 */

#include <stdbool.h>
#include <stddef.h>

#include "json.h"

typedef enum Style {
        STYLE_NONE,
        STYLE_BOLD,
        STYLE_DIM,
        STYLE_GOOD,
        STYLE_BAD,
        STYLE_WARN,
        STYLE_BUSY,
        _STYLE_MAX,
} Style;

/** out_init() - look at the terminal and the locale; once, at start. */
void out_init(void);

bool out_is_terminal(void); /* standard output */
bool out_is_live(void);     /* it is one on which a line can be drawn over */
bool out_can_ask(void);     /* standard input and standard error are a terminal */
size_t out_width(void);  /* columns of the terminal; SIZE_MAX if it is none: nothing is cut then */
size_t out_height(void); /* its lines; 24 if it is none */
const char *out_on(Style s); /* escape sequences for standard output, or "" */
const char *out_off(Style s);

/** out_text() - @s made printable for this terminal and at most @width columns wide ("…" marks the cut). New string; "" for NULL. */
char *out_text(const char *s, size_t width);

/** out_wrapped() - @s, printable, on lines of @room columns; each but the first has @indent spaces before it. A new line at the end. */
void out_wrapped(size_t indent, size_t room, const char *s);

/** out_paragraph() - @s on lines that fit, each with @indent spaces before it; a new line at the end. */
void out_paragraph(size_t indent, const char *s);

/** out_point() - the same of a list, with its mark. */
void out_point(size_t indent, const char *s);

/** out_note(), out_ask() - a line, or a question without line end, on standard error; made printable. */
void out_note(const char *fmt, ...) _printf_(1, 2);
void out_ask(const char *fmt, ...) _printf_(1, 2);

/** out_json() - pretty, on standard output. out_json_line() - on one line, flushed. NULL is lack of memory, and said so on standard error. */
void out_json(const cJSON *j);
void out_json_line(const cJSON *j);

/* ---- tables ---- */

typedef struct Table Table;

typedef struct Column {
        const char *title;
        size_t min;   /* columns that it is not shrunk below */
        bool shrinks; /* gives way when the terminal is narrow; the last such column first */
        bool right;   /* numbers */
        unsigned
                spare; /* where even that is too wide, the column with the highest is left out; 0: stays */
        bool wraps; /* the last column only: goes on in the next line instead of being cut */
} Column;

Table *table_new(const Column *columns, size_t n);
Table *table_free(Table *t);
DEFINE_CLEANUP(Table *, table_free)

/** table_set() - cell @column of the row that is being filled; raw bytes or text. */
int table_set(Table *t, size_t column, Style style, const char *text);
/** table_end_row() - the row is complete. */
int table_end_row(Table *t);
size_t table_rows(const Table *t);
/** table_print() - with titles, at most @max rows (0: all). */
void table_print(const Table *t, size_t max);
