/* SPDX-License-Identifier: Apache-2.0 */

/* The terminal, and text on it: see output.h. Tables are in table.c. */

#include "output.h"

#include <langinfo.h>
#include <locale.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>

#include "text.h"

/* Nobody reads lines longer than this, however wide the terminal. */
#define PARAGRAPH_MAX 100

static struct { bool terminal, live, colour, utf8; } out;

static const char *const on[_STYLE_MAX] = {
        [STYLE_NONE] = "",
        [STYLE_BOLD] = "\x1b[1m",
        [STYLE_DIM] = "\x1b[2m",
        [STYLE_GOOD] = "\x1b[32m",
        [STYLE_BAD] = "\x1b[31m",
        [STYLE_WARN] = "\x1b[33m",
        [STYLE_BUSY] = "\x1b[36m",
};

void out_init(void) {
        const char *term = getenv("TERM");

        setlocale(LC_CTYPE, "");
        out.terminal = isatty(STDOUT_FILENO);
        out.live = out.terminal && !isempty(term) && !streq(term, "dumb");
        out.colour = out.live && isempty(getenv("NO_COLOR"));
        out.utf8 = streq(nl_langinfo(CODESET), "UTF-8");
}

bool out_is_terminal(void) {
        return out.terminal;
}

bool out_is_live(void) {
        return out.live;
}

bool out_can_ask(void) {
        return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

static size_t terminal_size(bool height) {
        struct winsize w = {};

        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) < 0)
                return 0;
        return height ? w.ws_row : w.ws_col;
}

static size_t env_size(const char *name) {
        const char *s = getenv(name);
        unsigned long n = s ? strtoul(s, NULL, 10) : 0;

        return n > 0 && n < 10000 ? n : 0;
}

size_t out_width(void) {
        size_t n;

        if (!out.terminal)
                return SIZE_MAX;
        n = terminal_size(false);
        if (n == 0)
                n = env_size("COLUMNS");
        if (n == 0)
                n = 80;
        return n < 40 ? 40 : n;
}

size_t out_height(void) {
        size_t n = out.terminal ? terminal_size(true) : 0;

        if (n == 0)
                n = env_size("LINES");
        return n ?: 24;
}

const char *out_on(Style s) {
        return out.colour ? on[s] : "";
}

const char *out_off(Style s) {
        return out.colour && s != STYLE_NONE ? "\x1b[0m" : "";
}

/* ---- text ---- */

/* The character at @s, which is valid UTF-8, and its length. */
static unsigned decode(const char *s, size_t *ret_size) {
        const unsigned char *u = (const unsigned char *)s;
        size_t n = u[0] < 0x80 ? 1 : u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : 4;
        unsigned c = n == 1 ? u[0] : u[0] & (0x7fU >> n);

        for (size_t i = 1; i < n; i++)
                c = c << 6 | (u[i] & 0x3f);
        *ret_size = n;
        return c;
}

static char *to_ascii(const char *s) {
        char *text = NULL;
        size_t size, n;
        FILE *f = open_memstream(&text, &size);

        if (!f)
                return NULL;
        for (; *s; s += n) {
                unsigned c = decode(s, &n);

                if (c < 0x80)
                        fputc((int)c, f);
                else if (c == 0x2026)
                        fputs("...", f);
                else
                        fprintf(f, "\\u{%x}", c);
        }
        if (fclose(f) != 0) {
                free(text);
                return NULL;
        }
        return text;
}

/* The longest beginning of @s that is at most @width columns wide. */
static size_t fitting(const char *s, size_t width) {
        size_t at = 0, columns = 0, n;

        while (s[at]) {
                char one[5] = "";

                decode(s + at, &n);
                memcpy(one, s + at, n);
                columns += utf8_width(one);
                if (columns > width)
                        return at;
                at += n;
        }
        return at;
}

char *out_text(const char *s, size_t width) {
        _cleanup_free_ char *safe = text_printable(s ?: "", 0), *cut = NULL;
        const char *mark = out.utf8 ? "…" : "~";

        if (safe && !out.utf8) {
                char *ascii = to_ascii(safe);

                free(safe);
                safe = ascii;
        }
        if (!safe || utf8_width(safe) <= width)
                return TAKE_PTR(safe);
        if (width == 0)
                return strdup("");
        cut = xasprintf("%.*s%s", (int)fitting(safe, width - 1), safe, mark);
        return TAKE_PTR(cut);
}

void out_wrapped(size_t indent, size_t room, const char *s) {
        for (bool first = true; first || *s; first = false) {
                size_t n = room == SIZE_MAX ? strlen(s) : fitting(s, room), end = n;

                if (s[n]) {
                        while (end > 0 && s[end] != ' ')
                                end--;
                        if (end == 0)
                                end = n;
                }
                printf("%*s%.*s\n", first ? 0 : (int)indent, "", (int)end, s);
                s += end;
                s += strspn(s, " ");
        }
}

static void put_paragraph(size_t indent, const char *mark, const char *s) {
        _cleanup_free_ char *text = out_text(s, SIZE_MAX);
        size_t width = out_width(), hang = indent + utf8_width(mark), room;

        if (!text)
                return;
        if (width > PARAGRAPH_MAX && width != SIZE_MAX)
                width = PARAGRAPH_MAX;
        room = width == SIZE_MAX ? SIZE_MAX : width > hang + 20 ? width - hang : 20;
        printf("%*s%s", (int)indent, "", mark);
        out_wrapped(hang, room, text);
}

void out_paragraph(size_t indent, const char *s) {
        put_paragraph(indent, "", s);
}

void out_point(size_t indent, const char *s) {
        put_paragraph(indent, out.utf8 ? "• " : "* ", s);
}

static _printf_(1, 0) void to_stderr(const char *fmt, va_list ap, const char *end) {
        _cleanup_free_ char *raw = NULL, *text = NULL;

        if (vasprintf(&raw, fmt, ap) < 0) {
                raw = NULL;
                return;
        }
        text = out_text(raw, SIZE_MAX);
        fflush(stdout);
        fprintf(stderr, "%s%s", text ?: "", end);
}

void out_note(const char *fmt, ...) {
        va_list ap;

        va_start(ap, fmt);
        to_stderr(fmt, ap, "\n");
        va_end(ap);
}

void out_ask(const char *fmt, ...) {
        va_list ap;

        va_start(ap, fmt);
        to_stderr(fmt, ap, "");
        va_end(ap);
}

/* ---- JSON ---- */

static void put_json(const char *text, const char *end) {
        if (text)
                printf("%s%s", text, end);
        else
                out_note("flowcronctl: %s", strerror(ENOMEM));
}

void out_json(const cJSON *j) {
        _cleanup_free_ char *text = j ? json_print_pretty(j) : NULL;

        put_json(text, "");
}

void out_json_line(const cJSON *j) {
        _cleanup_free_ char *line = j ? json_print(j) : NULL, *text = line ? text_json(line) : NULL;

        put_json(text, "\n");
        fflush(stdout);
}
