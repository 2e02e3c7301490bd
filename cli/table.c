/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Tables that fit the terminal: a column is as wide as its widest cell; where that is too much, the columns that may shrink give way, the
 * widest first, down to their minimum, and then those that can be spared are left out. Where output is no terminal, nothing is cut.
 */

#include <stdint.h>
#include <string.h>

#include "output.h"
#include "text.h"

#define COLUMNS_MAX 8
#define GAP 2

typedef struct Cell {
        char *text; /* printable */
        Style style;
} Cell;

struct Table {
        Column columns[COLUMNS_MAX];
        size_t n, rows, room;
        Cell *cells; /* n a row; the row that is being filled is behind the last */
};

Table *table_new(const Column *columns, size_t n) {
        Table *t = n <= COLUMNS_MAX ? calloc(1, sizeof(*t)) : NULL;

        if (!t)
                return NULL;
        memcpy(t->columns, columns, n * sizeof(*columns));
        t->n = n;
        return t;
}

Table *table_free(Table *t) {
        if (!t)
                return NULL;
        for (size_t i = 0; i < t->room * t->n; i++)
                free(t->cells[i].text);
        free(t->cells);
        free(t);
        return NULL;
}

static int make_room(Table *t) {
        size_t room = t->room ? t->room * 2 : 32;
        Cell *cells;

        if (t->rows < t->room)
                return 0;
        cells = reallocarray(t->cells, room, t->n * sizeof(*cells));
        if (!cells)
                return -ENOMEM;
        memset(cells + t->room * t->n, 0, (room - t->room) * t->n * sizeof(*cells));
        t->cells = cells;
        t->room = room;
        return 0;
}

int table_set(Table *t, size_t column, Style style, const char *text) {
        Cell *cell;

        if (make_room(t) < 0)
                return -ENOMEM;
        cell = &t->cells[t->rows * t->n + column];
        free(cell->text);
        cell->text = out_text(text, SIZE_MAX);
        cell->style = style;
        return cell->text ? 0 : -ENOMEM;
}

int table_end_row(Table *t) {
        if (make_room(t) < 0)
                return -ENOMEM;
        t->rows++;
        return 0;
}

size_t table_rows(const Table *t) {
        return t->rows;
}

static const char *cell_text(const Table *t, size_t row, size_t column) {
        return t->cells[row * t->n + column].text ?: "";
}

/* Empty columns are left out: width 0. */
static void natural_widths(const Table *t, size_t rows, size_t *widths) {
        for (size_t c = 0; c < t->n; c++) {
                widths[c] = 0;
                for (size_t r = 0; r < rows; r++) {
                        size_t w = utf8_width(cell_text(t, r, c));

                        widths[c] = w > widths[c] ? w : widths[c];
                }
                if (widths[c] > 0 && widths[c] < strlen(t->columns[c].title))
                        widths[c] = strlen(t->columns[c].title);
        }
}

static size_t total(const Table *t, const size_t *widths) {
        size_t sum = 0;

        for (size_t c = 0; c < t->n; c++)
                if (widths[c] > 0)
                        sum += widths[c] + (sum > 0 ? GAP : 0);
        return sum;
}

static void shrink(const Table *t, size_t *widths, size_t available) {
        size_t sum = total(t, widths);

        while (sum > available) {
                size_t best = t->n;

                for (size_t c = 0; c < t->n; c++)
                        if (t->columns[c].shrinks && widths[c] > t->columns[c].min &&
                                (best == t->n || widths[c] >= widths[best]))
                                best = c;
                if (best == t->n)
                        return;
                widths[best]--;
                sum--;
        }
}

static void print_cell(const char *text, size_t width, bool right, bool last, Style style) {
        _cleanup_free_ char *cut = out_text(text, width);
        size_t used = cut ? utf8_width(cut) : 0;
        int pad = used < width ? (int)(width - used) : 0;

        printf("%*s%s%s%s%*s", right ? pad : 0, "", out_on(style), cut ?: "", out_off(style),
                right || last ? 0 : pad, "");
}

static size_t last_used(const Table *t, const size_t *widths, size_t row, bool titles) {
        size_t last = 0;

        for (size_t c = 0; c < t->n; c++)
                if (widths[c] > 0 && (titles || *cell_text(t, row, c)))
                        last = c;
        return last;
}

static void print_row(const Table *t, const size_t *widths, size_t row, bool titles) {
        size_t last = last_used(t, widths, row, titles), indent = 0;

        for (size_t c = 0; c <= last; c++) {
                const char *text = titles ? t->columns[c].title : cell_text(t, row, c);

                if (widths[c] == 0)
                        continue;
                if (indent > 0)
                        printf("%*s", GAP, "");
                if (t->columns[c].wraps && c == last && !titles) {
                        out_wrapped(indent + GAP, widths[c], text);
                        return;
                }
                indent += widths[c] + (indent > 0 ? GAP : 0);
                print_cell(text, widths[c], t->columns[c].right, c == last,
                        titles ? STYLE_BOLD : t->cells[row * t->n + c].style);
        }
        putchar('\n');
}

/* What goes first; t->n if all the others are needed. */
static size_t most_spare(const Table *t, const size_t *widths) {
        size_t best = t->n;

        for (size_t c = 0; c < t->n; c++)
                if (widths[c] > 0 && t->columns[c].spare > 0 &&
                        (best == t->n || t->columns[c].spare > t->columns[best].spare))
                        best = c;
        return best;
}

static void fit_columns(const Table *t, size_t *widths, size_t available) {
        size_t natural[COLUMNS_MAX], c;

        memcpy(natural, widths, sizeof(natural));
        shrink(t, widths, available);
        while (total(t, widths) > available && (c = most_spare(t, natural)) < t->n) {
                natural[c] = 0;
                memcpy(widths, natural, sizeof(natural));
                shrink(t, widths, available);
        }
}

void table_print(const Table *t, size_t max) {
        size_t widths[COLUMNS_MAX] = {}, rows = max > 0 && max < t->rows ? max : t->rows;

        natural_widths(t, rows, widths);
        fit_columns(t, widths, out_width());
        print_row(t, widths, 0, true);
        for (size_t r = 0; r < rows; r++)
                print_row(t, widths, r, false);
}
