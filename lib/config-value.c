/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One value of the configuration: understood from text, printed as YAML, compared, freed.
 *
 * What is printed always reads back as the same value. So text is kept to characters that can stand
 * in one line of YAML; nothing in a configuration needs others.
 */

#include "config-key.h"

#include <stdarg.h>
#include <string.h>

#include "text.h"

#define TEXT_MAX 1024
/* Leaves room for the names of a UoW and of what it holds below PATH_MAX. */
#define PATH_TEXT_MAX 2048

/* "TEXT" and what is wrong with it. */
static int _printf_(3, 4) refuse(Error *e, const char *text, const char *fmt, ...) {
        _cleanup_free_ char *shown = text_printable(text, 80);
        char fault[256];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(fault, sizeof(fault), fmt, ap);
        va_end(ap);
        return error_set(e, UOW_E_INVALID, "\"%s\" %s", shown ? shown : "?", fault);
}

/* Control characters, C0 and C1, and what YAML takes for a line break or a mark. @s is valid UTF-8. */
static bool has_control(const char *s) {
        for (const unsigned char *p = (const unsigned char *)s; *p; p++) {
                if (*p < 0x20 || *p == 0x7f)
                        return true;
                if (p[0] == 0xc2 && p[1] < 0xa0)
                        return true;
                if (p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9))
                        return true;
                if (p[0] == 0xef &&
                        ((p[1] == 0xbb && p[2] == 0xbf) || (p[1] == 0xbf && p[2] >= 0xbe)))
                        return true;
        }
        return false;
}

static int check_text(const ConfigKey *k, const char *text, size_t i, Error *e) {
        const char *expected;

        if (!utf8_valid(text) || has_control(text))
                return refuse(e, text, "has a character that can't be shown; expected plain text");
        if (strlen(text) > (k->type == CONFIG_PATH ? PATH_TEXT_MAX : TEXT_MAX))
                return refuse(e, text, "is too long; expected at most %d bytes",
                        k->type == CONFIG_PATH ? PATH_TEXT_MAX : TEXT_MAX);
        expected = k->check ? k->check(text, i) : NULL;
        if (expected)
                return refuse(e, text, "will not do; expected %s", expected);
        return 0;
}

static int set_text(const ConfigKey *k, char **slot, const char *text, Error *e) {
        int r;

        r = check_text(k, text, 0, e);
        return r != 0 ? r : strdup_to(slot, text);
}

/* "a//b/./c/" -> "a/b/c". Returns 0, or -EINVAL for a path with "..". */
static int normalise(char *path) {
        char *out = path;
        bool absolute = *path == '/';

        for (const char *p = path; *p;) {
                size_t n = strcspn(p, "/");

                if (n == 2 && p[0] == '.' && p[1] == '.')
                        return -EINVAL;
                if (n > 0 && !(n == 1 && *p == '.')) {
                        if (out != path || absolute)
                                *out++ = '/';
                        memmove(out, p, n);
                        out += n;
                }
                p += n + (p[n] == '/');
        }
        *out = 0;
        return 0;
}

static int set_path(const ConfigKey *k, char **slot, const char *text, Error *e) {
        _cleanup_free_ char *path = NULL;
        int r;

        r = check_text(k, text, 0, e);
        if (r != 0)
                return r;
        if (!*text && (k->flags & CONFIG_OPTIONAL))
                return strdup_to(slot, "");
        if (!*text)
                return refuse(e, text, "is empty; expected the path of a folder");
        if (*text == '~' || *text == '$')
                return refuse(e, text, "is taken as it is, without a shell; write the whole path");
        if (*text != '/' && (k->flags & CONFIG_ABSOLUTE))
                return refuse(e, text, "is not absolute; expected a path that begins with \"/\"");
        path = strdup(text);
        if (!path)
                return -ENOMEM;
        if (normalise(path) < 0)
                return refuse(e, text, "has \"..\" in it; write the path without");
        if (!*path)
                return refuse(e, text, "will not do; expected a folder of its own");
        free(*slot);
        *slot = TAKE_PTR(path);
        return 0;
}

static int set_bool(bool *slot, const char *text, Error *e) {
        if (strcasecmp(text, "true") == 0 || strcasecmp(text, "yes") == 0)
                *slot = true;
        else if (strcasecmp(text, "false") == 0 || strcasecmp(text, "no") == 0)
                *slot = false;
        else
                return refuse(e, text, "is neither yes nor no; expected true, false, yes or no");
        return 0;
}

static int set_unsigned(const ConfigKey *k, unsigned *slot, const char *text, Error *e) {
        uint64_t value = 0;
        const char *p;

        for (p = text; *p >= '0' && *p <= '9' && value <= k->max; p++)
                value = value * 10 + (uint64_t)(*p - '0');
        if (*text == '-' && text[1] >= '0' && text[1] <= '9')
                return refuse(e, text, "is too small; the smallest is %" PRIu64, k->min);
        if (p == text || (*p && value <= k->max))
                return refuse(e, text, "is no whole number; expected %" PRIu64 " to %" PRIu64,
                        k->min, k->max);
        if (value > k->max)
                return refuse(e, text, "is too large; the largest is %" PRIu64, k->max);
        if (value < k->min)
                return refuse(e, text, "is too small; the smallest is %" PRIu64, k->min);
        *slot = (unsigned)value;
        return 0;
}

static int set_duration(const ConfigKey *k, usec_t *slot, const char *text, Error *e) {
        char least[CLOCK_TEXT_MAX];
        usec_t value;
        int r;

        if ((k->flags & CONFIG_AUTO) && strcasecmp(text, "auto") == 0) {
                *slot = 0;
                return 0;
        }
        r = duration_parse(text, &value);
        if (r == -ERANGE)
                return refuse(e, text, "is too long; the longest is 100 years");
        if (r < 0)
                return refuse(e, text, "is no duration; expected %se.g. 30s, 15m, 6h or 14d%s",
                        k->flags & CONFIG_AUTO ? "auto, or " : "",
                        k->flags & CONFIG_ZERO ? ", or 0 for never" : "");
        if (value < k->min && !(value == 0 && (k->flags & CONFIG_ZERO)))
                return refuse(e, text, "is too short; the smallest is %s",
                        duration_format(least, k->min));
        *slot = value;
        return 0;
}

static int set_word(const ConfigKey *k, void *slot, const char *text, Error *e) {
        char all[128] = "";

        for (unsigned i = 0; k->words[i]; i++) {
                size_t n = strlen(all);

                if (streq(text, k->words[i])) {
                        memcpy(slot, &i, sizeof(i));
                        return 0;
                }
                snprintf(all + n, sizeof(all) - n, "%s%s",
                        i == 0                    ? ""
                                : k->words[i + 1] ? ", "
                                                  : " or ",
                        k->words[i]);
        }
        return refuse(e, text, "is not known; expected %s", all);
}

int config_value_set(const ConfigKey *k, void *slot, const char *text, Error *e) {
        switch (k->type) {
        case CONFIG_TEXT:
                return set_text(k, slot, text, e);
        case CONFIG_PATH:
                return set_path(k, slot, text, e);
        case CONFIG_BOOL:
                return set_bool(slot, text, e);
        case CONFIG_UNSIGNED:
                return set_unsigned(k, slot, text, e);
        case CONFIG_DURATION:
                return set_duration(k, slot, text, e);
        case CONFIG_WORD:
                return set_word(k, slot, text, e);
        case CONFIG_LIST:
                break;
        }
        return -EINVAL;
}

static size_t list_length(char *const *list) {
        size_t n = 0;

        while (list && list[n])
                n++;
        return n;
}

static int list_append(char ***list, const char *text, size_t length) {
        size_t n = list_length(*list);
        _cleanup_free_ char *item = strndup(text, length);
        char **grown;

        if (!item)
                return -ENOMEM;
        grown = reallocarray(*list, n + 2, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        grown[n] = TAKE_PTR(item);
        grown[n + 1] = NULL;
        *list = grown;
        return 0;
}

int config_value_append(const ConfigKey *k, void *slot, const char *text, Error *e) {
        char ***list = slot;
        int r;

        r = check_text(k, text, list_length(*list), e);
        return r != 0 ? r : list_append(list, text, strlen(text));
}

void config_value_clear(const ConfigKey *k, void *slot) {
        if (k->type == CONFIG_LIST) {
                char ***list = slot;

                for (size_t i = 0; *list && (*list)[i]; i++)
                        free((*list)[i]);
                free(*list);
                *list = NULL;
        } else if (k->type == CONFIG_TEXT || k->type == CONFIG_PATH) {
                free(*(char **)slot);
                *(char **)slot = NULL;
        }
}

/* An empty list is one terminator, so that nobody who reads it meets NULL. */
int config_value_begin_list(const ConfigKey *k, void *slot) {
        char ***list = slot;

        config_value_clear(k, slot);
        *list = calloc(1, sizeof(**list));
        return *list ? 0 : -ENOMEM;
}

static int list_reset(const ConfigKey *k, char ***list) {
        int r;

        r = config_value_begin_list(k, list);
        if (r < 0)
                return r;
        for (const char *p = k->fallback; *p; p += strspn(p, " ")) {
                size_t n = strcspn(p, " ");

                r = list_append(list, p, n);
                if (r < 0)
                        return r;
                p += n;
        }
        return 0;
}

int config_value_reset(const ConfigKey *k, void *slot) {
        if (k->type == CONFIG_LIST)
                return list_reset(k, slot);
        if (!k->fallback)
                return strdup_to(slot, "");
        return config_value_set(k, slot, k->fallback, NULL);
}

static bool list_equal(char *const *a, char *const *b) {
        for (; *a && *b; a++, b++)
                if (!streq(*a, *b))
                        return false;
        return !*a && !*b;
}

bool config_value_equal(const ConfigKey *k, const void *a, const void *b) {
        switch (k->type) {
        case CONFIG_TEXT:
        case CONFIG_PATH:
                return streq(*(char *const *)a, *(char *const *)b);
        case CONFIG_BOOL:
                return *(const bool *)a == *(const bool *)b;
        case CONFIG_UNSIGNED:
        case CONFIG_WORD:
                return memcmp(a, b, sizeof(unsigned)) == 0;
        case CONFIG_DURATION:
                return *(const usec_t *)a == *(const usec_t *)b;
        case CONFIG_LIST:
                return list_equal(*(char **const *)a, *(char **const *)b);
        }
        return false;
}

/* Words that YAML's readers all take for text stay bare; whatever is in doubt is quoted. */
static void print_text(const char *text, FILE *f) {
        const char *bare = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-";
        static const char *const reserved[] = { "null", "true", "false", "yes", "no", "on", "off",
                "y", "n" };
        bool quote = !*text || strspn(text, bare) != strlen(text) || strchr("0123456789.-", *text);

        for (size_t i = 0; i < ELEMENTSOF(reserved); i++)
                quote = quote || strcasecmp(text, reserved[i]) == 0;
        if (!quote) {
                fputs(text, f);
                return;
        }
        fputc('"', f);
        for (; *text; text++) {
                if (*text == '"' || *text == '\\')
                        fputc('\\', f);
                fputc(*text, f);
        }
        fputc('"', f);
}

static void print_list(char *const *list, FILE *f) {
        fputc('[', f);
        for (size_t i = 0; list[i]; i++) {
                fputs(i > 0 ? ", " : "", f);
                print_text(list[i], f);
        }
        fputc(']', f);
}

static void print_duration(const ConfigKey *k, usec_t d, FILE *f) {
        char text[CLOCK_TEXT_MAX];

        if (d == 0 && (k->flags & CONFIG_AUTO))
                fputs("auto", f);
        else
                fputs(duration_format(text, d), f);
}

static void print_word(const ConfigKey *k, const void *slot, FILE *f) {
        unsigned i;

        memcpy(&i, slot, sizeof(i));
        fputs(k->words[i], f);
}

void config_value_print(const ConfigKey *k, const void *slot, FILE *f) {
        switch (k->type) {
        case CONFIG_TEXT:
        case CONFIG_PATH:
                print_text(*(char *const *)slot, f);
                break;
        case CONFIG_BOOL:
                fputs(*(const bool *)slot ? "true" : "false", f);
                break;
        case CONFIG_UNSIGNED:
                fprintf(f, "%u", *(const unsigned *)slot);
                break;
        case CONFIG_DURATION:
                print_duration(k, *(const usec_t *)slot, f);
                break;
        case CONFIG_WORD:
                print_word(k, slot, f);
                break;
        case CONFIG_LIST:
                print_list(*(char **const *)slot, f);
                break;
        }
}
