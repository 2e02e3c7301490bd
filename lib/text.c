/* SPDX-License-Identifier: Apache-2.0 */

/*
 * UTF-8 by hand, because the programs must read names alike in every locale, "C" included. Only the
 * width of a character is asked of the C library, which has Unicode's tables.
 *
 * Anyone may call this; nothing here fails but for want of memory.
 */

#include "text.h"

#include <locale.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <wchar.h>

/* What stands for the rest of a text that was cut. */
#define ELLIPSIS "…"

/* The longest piece that text_printable() writes for one character: "\u{10ffff}" and the NUL, with room to spare. */
#define PIECE_MAX 16

static bool is_continuation(unsigned char c) {
        return (c & 0xc0) == 0x80;
}

/* How many bytes a character has that begins with @c; 0 if none does. */
static size_t utf8_length(unsigned char c) {
        if (c < 0x80)
                return 1;
        if (c >= 0xc2 && c <= 0xdf)
                return 2;
        if (c >= 0xe0 && c <= 0xef)
                return 3;
        if (c >= 0xf0 && c <= 0xf4)
                return 4;
        return 0;
}

/*
 * The character that the @size bytes at @s begin with (RFC 3629): its length in bytes, or 0 if that is
 * no valid UTF-8. In a string the NUL ends a sequence as well as @size does.
 */
static size_t utf8_decode_n(const char *s, size_t size, uint32_t *ret) {
        static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
        const unsigned char *p = (const unsigned char *)s;
        size_t n = utf8_length(*p);
        uint32_t c;

        if (n <= 1) {
                *ret = *p;
                return n;
        }
        c = *p & (0x7fU >> n);
        for (size_t i = 1; i < n; i++) {
                if (i == size || !is_continuation(p[i]))
                        return 0;
                c = c << 6 | (p[i] & 0x3f);
        }
        if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
                return 0;
        *ret = c;
        return n;
}

static size_t utf8_decode(const char *s, uint32_t *ret) {
        return utf8_decode_n(s, SIZE_MAX, ret);
}

size_t utf8_valid_prefix(const char *s, size_t size) {
        uint32_t c;
        size_t i = 0, n;

        while (i < size && (n = utf8_decode_n(s + i, size - i, &c)) > 0)
                i += n;
        return i;
}

bool utf8_valid(const char *s) {
        size_t n = strlen(s);

        return utf8_valid_prefix(s, n) == n;
}

size_t utf8_cut(const char *s, size_t max) {
        size_t n = strnlen(s, max), lead = n;

        /* A text that ends right at @max may have been cut there by somebody who did not look. */
        if (n < max || n == 0)
                return n;
        do {
                lead--;
        } while (lead > 0 && n - lead < 4 && is_continuation((unsigned char)s[lead]));
        return utf8_length((unsigned char)s[lead]) > n - lead ? lead : n;
}

/* Debian, Fedora and RHEL have had this locale for long; without it every character counts one column. */
static locale_t utf8_locale(void) {
        static locale_t locale;

        if (!locale)
                locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
        return locale;
}

size_t utf8_width(const char *s) {
        locale_t locale = utf8_locale(), saved = (locale_t)0;
        size_t width = 0;

        if (locale)
                saved = uselocale(locale);
        while (*s) {
                uint32_t c;
                size_t n = utf8_decode(s, &c);
                int w = n > 1 && locale                    ? wcwidth((wchar_t)c)
                        : n > 0 && (c < 0x20 || c == 0x7f) ? 0
                                                           : 1;

                width += w > 0 ? (size_t)w : 0;
                s += n > 0 ? n : 1;
        }
        if (locale)
                uselocale(saved);
        return width;
}

static int hex_digit(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        return -1;
}

/* The byte that an escape at @s stands for, or -1 if @s does not read as an escape. */
static int escape_value(const char *s) {
        int high, low;

        if (s[0] != '\\' || s[1] != 'x')
                return -1;
        high = hex_digit(s[2]);
        low = high < 0 ? -1 : hex_digit(s[3]);
        return low < 0 ? -1 : high << 4 | low;
}

char *text_escape(const char *name) {
        char *text = malloc(strlen(name) * 4 + 1), *t = text;

        if (!text)
                return NULL;
        while (*name) {
                uint32_t c;
                size_t n = utf8_decode(name, &c);

                if (n == 0 || escape_value(name) >= 0) {
                        t += sprintf(t, "\\x%02x", (unsigned char)*name++);
                        continue;
                }
                t = mempcpy(t, name, n);
                name += n;
        }
        *t = 0;
        return text;
}

char *text_unescape(const char *text) {
        char *name = malloc(strlen(text) + 1), *n = name;

        if (!name)
                return NULL;
        while (*text) {
                int value = escape_value(text);

                /* Only what text_escape() writes: no NUL, and no '/' comes in by this door. */
                if (value >= 0x80 || value == '\\') {
                        *n++ = (char)value;
                        text += 4;
                } else
                        *n++ = *text++;
        }
        *n = 0;
        return name;
}

/*
 * Characters that can't be seen but change what is seen around them (Unicode's Bidi_Control, the
 * line separators, zero-width and tag characters). The two joiners stay: scripts and emoji need them.
 */
static bool is_deceptive(uint32_t c) {
        return (c >= 0x80 && c < 0xa0) || c == 0x061c || c == 0x200b || c == 0x200e ||
                c == 0x200f || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) ||
                c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe007f);
}

/* What is shown for the character at @s: its length in @piece; @ret_used is how many bytes of @s it stands for. */
static size_t printable_piece(const char *s, char piece[static PIECE_MAX], size_t *ret_used) {
        static const char names[] = "\nn\tt\rr";
        uint32_t c;
        size_t n = utf8_decode(s, &c);
        const char *name;

        *ret_used = n > 0 ? n : 1;
        if (n == 1 && (name = strchr(names, *s)) && c < 0x20)
                return (size_t)sprintf(piece, "\\%c", name[1]);
        if (n == 0 || c < 0x20 || c == 0x7f)
                return (size_t)sprintf(piece, "\\x%02x", (unsigned char)*s);
        if (is_deceptive(c))
                return (size_t)sprintf(piece, "\\u{%04x}", (unsigned)c);
        memcpy(piece, s, n);
        return n;
}

char *text_printable(const char *s, size_t max) {
        size_t size = strlen(s), used, n, at = 0, cut = 0;
        const char *mark = max >= strlen(ELLIPSIS) ? ELLIPSIS : "";
        char *out, *shorter, piece[PIECE_MAX];

        if (max == 0)
                max = SIZE_MAX;
        /* One byte can become four ("\xff"), two can become eight ("\u{061c}"); nothing grows by more. */
        size = size > (max - 1) / 4 ? max : size * 4;
        if (size == SIZE_MAX || !(out = malloc(size + 1)))
                return NULL;
        for (; *s; s += used, at += n) {
                n = printable_piece(s, piece, &used);
                if (n > max - at) {
                        at = (size_t)((char *)mempcpy(out + cut, mark, strlen(mark)) - out);
                        break;
                }
                memcpy(out + at, piece, n);
                if (at + n <= max - strlen(mark))
                        cut = at + n;
        }
        out[at] = 0;
        shorter = realloc(out, at + 1);
        return shorter ? shorter : out;
}

static void put_escaped(FILE *f, uint32_t c) {
        if (c > 0xffff)
                fprintf(f, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10),
                        0xdc00 + ((c - 0x10000) & 0x3ff));
        else
                fprintf(f, "\\u%04x", c);
}

char *text_json(const char *json) {
        const char *plain = json; /* what need not be changed begins here */
        char *text = NULL;
        size_t size, n;
        FILE *f = open_memstream(&text, &size);

        if (!f)
                return NULL;
        for (; *json; json += n) {
                uint32_t c = 0;

                n = utf8_decode(json, &c);
                n = n > 0 ? n : 1;
                if (c != 0x7f && !is_deceptive(c))
                        continue;
                fwrite(plain, 1, (size_t)(json - plain), f);
                put_escaped(f, c);
                plain = json + n;
        }
        fputs(plain, f);
        if (fclose(f) != 0) {
                free(text);
                return NULL;
        }
        return text;
}

bool streq(const char *a, const char *b) {
        return a && b ? strcmp(a, b) == 0 : a == b;
}

const char *startswith(const char *s, const char *prefix) {
        size_t n = strlen(prefix);

        return strncmp(s, prefix, n) == 0 ? s + n : NULL;
}

int strdup_to(char **p, const char *s) {
        char *copy = NULL;

        if (s && !(copy = strdup(s)))
                return -ENOMEM;
        free(*p);
        *p = copy;
        return 0;
}

char *xasprintf(const char *fmt, ...) {
        va_list ap;
        char *s;
        int n;

        va_start(ap, fmt);
        n = vasprintf(&s, fmt, ap);
        va_end(ap);
        return n < 0 ? NULL : s;
}
