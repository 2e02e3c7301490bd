/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A page of plain text: headings, paragraphs wrapped at REPORT_WIDTH columns, points, rows of a table. What is put in is sanitised here,
 * so that nothing in a name or an output can do more than be read. Shared by report's files only.
 */

#include <stdbool.h>
#include <stdio.h>

#include "cleanup.h"
#include "clock.h"

#define REPORT_WIDTH 78

typedef struct Page {
        FILE *f;
        char *text;
        size_t size;
} Page;

/** page_open() / page_close() - page_close() gives the text (new string); -ENOMEM if it did not come together. */
int page_open(Page *p);
int page_close(Page *p, char **ret);
void page_done(Page *p);

/** page_title() - the page's own heading. page_heading() - of a section, with empty lines around. */
void page_title(Page *p, const char *text);
void page_heading(Page *p, const char *text);

/** page_paragraph() - wrapped, indented by two. page_point() - the same with a bullet. */
void page_paragraph(Page *p, const char *fmt, ...) _printf_(2, 3);
void page_point(Page *p, const char *fmt, ...) _printf_(2, 3);

/** page_row() - "  label      text", text wrapped beside the label, which takes @width columns. */
void page_row(Page *p, size_t width, const char *label, const char *fmt, ...) _printf_(4, 5);

/** page_quote() - a line of somebody's output, cut hard at the width and marked as quoted. */
void page_quote(Page *p, const char *line);

/** page_gap() - an empty line. */
void page_gap(Page *p);

/** page_time() - "21 Nov 2026 08:28" in local time. Returns @buf. */
const char *page_time(char buf[static CLOCK_TEXT_MAX], usec_t t);

/** page_zone() - "UTC+01:00", of local time at @t. Returns @buf. */
const char *page_zone(char buf[static CLOCK_TEXT_MAX], usec_t t);
