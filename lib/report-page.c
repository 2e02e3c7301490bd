/* SPDX-License-Identifier: Apache-2.0 */

#include "report-page.h"

#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "text.h"

#define INDENT 2
#define QUOTE "  | "

int page_open(Page *p) {
        *p = (Page){ 0 };
        p->f = open_memstream(&p->text, &p->size);
        return p->f ? 0 : -ENOMEM;
}

int page_close(Page *p, char **ret) {
        int failed = ferror(p->f);

        failed |= fclose(p->f);
        p->f = NULL;
        if (failed || !p->text)
                return -ENOMEM;
        *ret = TAKE_PTR(p->text);
        return 0;
}

void page_done(Page *p) {
        if (p->f)
                fclose(p->f);
        free(p->text);
}

void page_gap(Page *p) {
        fputc('\n', p->f);
}

/* The bytes of @s that fit into @columns, characters whole; at least one character. */
static size_t fit(const char *s, size_t columns) {
        size_t used = 0, width = 0;

        while (s[used]) {
                char c[8] = "";
                size_t n = 1;

                while (((unsigned char)s[used + n] & 0xc0) == 0x80 && n < sizeof(c) - 1)
                        n++;
                memcpy(c, s + used, n);
                width += utf8_width(c);
                if (width > columns && used > 0)
                        break;
                used += n;
        }
        return used;
}

/* As fit(), but at a space if there is one. */
static size_t fit_words(const char *s, size_t columns) {
        size_t n = fit(s, columns), at = n;

        if (!s[n] || s[n] == ' ')
                return n;
        while (at > 0 && s[at - 1] != ' ')
                at--;
        while (at > 0 && s[at - 1] == ' ')
                at--;
        return at > 0 ? at : n;
}

/* @text behind what was printed already on the line, which took @indent columns. */
static void put_wrapped(Page *p, size_t indent, const char *text) {
        for (bool first = true; first || *text; first = false) {
                size_t n = fit_words(text, REPORT_WIDTH - indent);

                if (!first)
                        fprintf(p->f, "%*s", (int)indent, "");
                fprintf(p->f, "%.*s\n", (int)n, text);
                text += n;
                text += strspn(text, " ");
        }
}

static _printf_(3, 0) void put_v(Page *p, size_t indent, const char *fmt, va_list ap) {
        _cleanup_free_ char *raw = NULL, *text = NULL;

        if (vasprintf(&raw, fmt, ap) < 0)
                raw = NULL;
        text = raw ? text_printable(raw, 0) : NULL;
        put_wrapped(p, indent, text ? text : "(out of memory)");
}

void page_title(Page *p, const char *text) {
        _cleanup_free_ char *shown = text_printable(text, 0);
        size_t width = shown ? utf8_width(shown) : 0;

        put_wrapped(p, 0, shown ? shown : "");
        for (size_t i = 0; i < (width < REPORT_WIDTH ? width : REPORT_WIDTH); i++)
                fputc('=', p->f);
        fputc('\n', p->f);
}

void page_heading(Page *p, const char *text) {
        fprintf(p->f, "\n%s\n\n", text);
}

void page_paragraph(Page *p, const char *fmt, ...) {
        va_list ap;

        fprintf(p->f, "%*s", INDENT, "");
        va_start(ap, fmt);
        put_v(p, INDENT, fmt, ap);
        va_end(ap);
}

void page_point(Page *p, const char *fmt, ...) {
        va_list ap;

        fputs("  * ", p->f);
        va_start(ap, fmt);
        put_v(p, strlen("  * "), fmt, ap);
        va_end(ap);
}

void page_row(Page *p, size_t width, const char *label, const char *fmt, ...) {
        size_t taken = utf8_width(label);
        va_list ap;

        fprintf(p->f, "%*s%s%*s", INDENT, "", label, taken < width ? (int)(width - taken) : 1, "");
        va_start(ap, fmt);
        put_v(p, INDENT + (taken < width ? width : taken + 1), fmt, ap);
        va_end(ap);
}

void page_quote(Page *p, const char *line) {
        size_t n = fit(line, REPORT_WIDTH - strlen(QUOTE));

        while (n > 0 && line[n - 1] == ' ')
                n--;
        if (n == 0)
                fputs("  |\n", p->f);
        else
                fprintf(p->f, QUOTE "%.*s\n", (int)n, line);
}

const char *page_time(char buf[static CLOCK_TEXT_MAX], usec_t t) {
        static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug",
                "Sep", "Oct", "Nov", "Dec" };
        time_t s = (time_t)(t / USEC_PER_SEC);
        struct tm tm;

        if (t == 0 || !localtime_r(&s, &tm))
                snprintf(buf, CLOCK_TEXT_MAX, "?");
        else
                snprintf(buf, CLOCK_TEXT_MAX, "%2d %s %d %02d:%02d", tm.tm_mday,
                        months[tm.tm_mon % 12], tm.tm_year + 1900, tm.tm_hour, tm.tm_min);
        return buf;
}

const char *page_zone(char buf[static CLOCK_TEXT_MAX], usec_t t) {
        time_t s = (time_t)(t / USEC_PER_SEC);
        char offset[8] = "+0000";
        struct tm tm;

        if (localtime_r(&s, &tm))
                strftime(offset, sizeof(offset), "%z", &tm);
        snprintf(buf, CLOCK_TEXT_MAX, "UTC%.3s:%s", offset, offset + 3);
        return buf;
}
