/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A program that writes for a terminal colours its lines and draws progress bars: escape sequences are taken out, and of a line that was
 * written over with carriage returns only what stood there last is shown. All else that can't be printed is escaped.
 */

#include "report-tail.h"

#include <string.h>

#include "strv.h"
#include "text.h"

/* Room for text beside the mark of a quoted line. */
#define COLUMNS (REPORT_WIDTH - 4)

/* One line may take so many rows; its end, where a message names the fault, is kept. */
#define ROWS_A_LINE 3

#define TAB_STOP 8

/* Of a longer line only the end is looked at: no more of it is shown anyway. */
#define LINE_BYTES_MAX 4096

/* Behind an escape sequence as ECMA-48 has them (CSI, OSC, or two characters) that begins at @s; @s itself if none does. */
static const char *skip_escape(const char *s) {
        if (s[0] != '\033' || !s[1])
                return s;
        if (s[1] == '[') {
                s += 2;
                while (*s >= 0x20 && *s <= 0x3f)
                        s++;
                return *s ? s + 1 : s;
        }
        if (s[1] == ']') {
                while (*s && *s != '\a' && !(s[0] == '\033' && s[1] == '\\'))
                        s++;
                return *s == '\a' ? s + 1 : *s ? s + 2 : s;
        }
        return s + 2;
}

/* What the line looked like in the end: new string or NULL. */
static char *as_seen(const char *line, size_t size) {
        char *text = malloc(size * TAB_STOP + 1), *t = text;
        const char *end = line + size;

        if (!text)
                return NULL;
        while (line < end) {
                const char *behind = skip_escape(line);

                if (behind > line) {
                        line = behind < end ? behind : end;
                        continue;
                }
                if (*line == '\r') {
                        if (line + 1 < end)
                                t = text;
                } else if (*line == '\t')
                        do
                                *t++ = ' ';
                        while ((t - text) % TAB_STOP != 0);
                else
                        *t++ = *line;
                line++;
        }
        while (t > text && t[-1] == ' ')
                t--;
        *t = 0;
        return text;
}

/* The beginning of @s that fits in a row. */
static size_t row_size(const char *s) {
        size_t low = 0, n = strlen(s);

        if (utf8_width(s) <= COLUMNS)
                return n;
        while (s[low]) {
                size_t next = low + 1;
                char *head;
                bool fits;

                while (((unsigned char)s[next] & 0xc0) == 0x80)
                        next++;
                head = strndup(s, next);
                fits = head && utf8_width(head) <= COLUMNS;
                free(head);
                if (!fits)
                        break;
                low = next;
        }
        return low > 0 ? low : n;
}

/* The rows of one line, at most ROWS_A_LINE: the first ones left out if there are more, with "…" in their place. */
static int split_rows(const char *line, char ***ret) {
        _cleanup_(strv_freep) char **rows = NULL;
        size_t n, drop;
        int r;

        do {
                size_t size = row_size(line);

                r = strv_take(&rows, strndup(line, size));
                if (r < 0)
                        return r;
                line += size;
        } while (*line);
        n = strv_length(rows);
        drop = n > ROWS_A_LINE ? n - ROWS_A_LINE + 1 : 0;
        if (drop > 0 && strdup_to(&rows[drop - 1], "…") < 0)
                return -ENOMEM;
        for (size_t i = drop > 0 ? drop - 1 : 0; i < n; i++) {
                r = strv_add(ret, rows[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int line_rows(const char *line, size_t size, char ***ret) {
        _cleanup_free_ char *seen = as_seen(line, size),
                            *shown = seen ? text_printable(seen, 0) : NULL;

        return shown ? split_rows(shown, ret) : -ENOMEM;
}

static size_t last_line(const char *text, size_t size) {
        const char *nl = memrchr(text, '\n', size);

        return nl ? (size_t)(nl - text) + 1 : 0;
}

int report_put_tail(Page *p, const char *tail) {
        size_t size = strlen(tail), count = 0;
        char **lines[REPORT_TAIL_ROWS] = { NULL };
        size_t n = 0;
        int r = 0;

        while (size > 0 && strchr(" \t\r\n", tail[size - 1]))
                size--;
        while (size > 0 && n < REPORT_TAIL_ROWS && r == 0) {
                size_t at = last_line(tail, size),
                       from = size - at > LINE_BYTES_MAX ? size - LINE_BYTES_MAX : at;

                r = line_rows(tail + from, size - from, &lines[n]);
                count += strv_length(lines[n]);
                if (count > REPORT_TAIL_ROWS) {
                        lines[n] = strv_free(lines[n]);
                        break;
                }
                n++;
                size = at > 0 ? at - 1 : 0;
        }
        for (size_t i = n; i > 0; i--)
                for (char **row = lines[i - 1]; row && *row && r == 0; row++)
                        page_quote(p, *row);
        for (size_t i = 0; i < REPORT_TAIL_ROWS; i++)
                strv_free(lines[i]);
        return r;
}
