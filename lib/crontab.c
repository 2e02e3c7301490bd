/* SPDX-License-Identifier: Apache-2.0 */

/* Lines between our marks, put in and taken out: see crontab.h. */

#include "crontab.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

#define BEGIN "# BEGIN flowcron "
#define END "# END flowcron "
#define DISABLED "#DISABLED: "

/* The length of the line at @p, its newline included. */
static size_t line_length(const char *p) {
        size_t n = strcspn(p, "\n");

        return n + (p[n] == '\n');
}

/* Whether the line at @p is @mark followed by @instance, and by nothing but what we explain behind a space. */
static bool is_mark(const char *p, const char *mark, const char *instance) {
        size_t n = strlen(mark), m = strlen(instance);

        if (strncmp(p, DISABLED, strlen(DISABLED)) == 0)
                p += strlen(DISABLED);
        return strncmp(p, mark, n) == 0 && strncmp(p + n, instance, m) == 0 &&
                (p[n + m] == 0 || strchr(" \t\r\n", p[n + m]));
}

/* Our lines in @text: where they begin and, behind their last, end. Without an end mark they are the first line alone. */
static bool find_block(
        const char *text, const char *instance, const char **ret_begin, const char **ret_end) {
        const char *begin = NULL;

        for (const char *p = text; *p; p += line_length(p)) {
                if (!begin && is_mark(p, BEGIN, instance))
                        begin = p;
                if (!begin || !is_mark(p, END, instance))
                        continue;
                *ret_begin = begin;
                *ret_end = p + line_length(p);
                return true;
        }
        if (!begin)
                return false;
        *ret_begin = begin;
        *ret_end = begin + line_length(begin);
        return true;
}

bool crontab_has(const char *text, const char *instance) {
        const char *begin, *end;

        return find_block(text, instance, &begin, &end);
}

static char *block(const char *instance, const char *lines) {
        return xasprintf(BEGIN "%s (by flowcronctl setup; what stands between these lines is "
                               "replaced and removed by it)\n%s" END "%s\n",
                instance, lines, instance);
}

char *crontab_with(const char *text, const char *instance, const char *lines) {
        _cleanup_free_ char *ours = block(instance, lines);
        const char *begin = text + strlen(text), *end = begin;
        bool torn;

        if (!ours)
                return NULL;
        (void)find_block(text, instance, &begin, &end);
        /* A last line without its end would swallow ours. */
        torn = begin > text && begin[-1] != '\n';
        return xasprintf("%.*s%s%s%s", (int)(begin - text), text, torn ? "\n" : "", ours, end);
}

char *crontab_without(const char *text, const char *instance) {
        const char *begin, *end;

        if (!find_block(text, instance, &begin, &end))
                return strdup(text);
        return xasprintf("%.*s%s", (int)(begin - text), text, end);
}

/* ---- lines of others ---- */

static bool is_line(const char *p, const char *line) {
        size_t n = strcspn(p, "\n");

        return strlen(line) == n && strncmp(p, line, n) == 0;
}

static bool is_their_comment(const char *p, bool (*is_theirs)(const char *comment)) {
        _cleanup_free_ char *line = strndup(p, strcspn(p, "\n"));

        return line && *line == '#' && is_theirs(line);
}

char *crontab_without_line(
        const char *text, const char *line, bool (*is_theirs)(const char *comment)) {
        _cleanup_free_ char *out = NULL;
        size_t size;
        FILE *f = open_memstream(&out, &size);

        if (!f)
                return NULL;
        for (const char *p = text; *p; p += line_length(p)) {
                const char *next = p + line_length(p);

                if (is_line(p, line) ||
                        (is_line(next, line) && is_theirs && is_their_comment(p, is_theirs)))
                        continue;
                fprintf(f, "%.*s", (int)line_length(p), p);
        }
        return fclose(f) == 0 ? TAKE_PTR(out) : NULL;
}

/* ---- making and reading an entry ---- */

int crontab_schedule(usec_t interval, char buf[static CRONTAB_SCHEDULE_MAX]) {
        unsigned minutes = (unsigned)(interval / USEC_PER_MINUTE), hours = minutes / 60;

        if (interval == 0 || interval % USEC_PER_MINUTE != 0 || interval > USEC_PER_DAY)
                return -EINVAL;
        if (minutes == 1)
                snprintf(buf, CRONTAB_SCHEDULE_MAX, "* * * * *");
        else if (minutes < 60 && 60 % minutes == 0)
                snprintf(buf, CRONTAB_SCHEDULE_MAX, "*/%u * * * *", minutes);
        else if (minutes == 60)
                snprintf(buf, CRONTAB_SCHEDULE_MAX, "0 * * * *");
        else if (minutes == 24 * 60)
                snprintf(buf, CRONTAB_SCHEDULE_MAX, "0 0 * * *");
        else if (minutes % 60 == 0 && 24 % hours == 0)
                snprintf(buf, CRONTAB_SCHEDULE_MAX, "0 */%u * * *", hours);
        else
                return -EINVAL;
        return 0;
}

static const char harmless[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:,@=";

int crontab_quote(const char *word, bool percent, char **ret) {
        char *quoted, *p;

        if (strpbrk(word, "\r\n"))
                return -EINVAL;
        if (*word && !word[strspn(word, harmless)])
                return (*ret = strdup(word)) ? 0 : -ENOMEM;
        quoted = p = malloc(4 * strlen(word) + 3);
        if (!quoted)
                return -ENOMEM;
        *p++ = '\'';
        for (; *word; word++)
                if (*word == '\'')
                        p = stpcpy(p, "'\\''");
                else if (*word == '%' && percent)
                        p = stpcpy(p,
                                "'\\%'"); /* cron takes the backslash, outside of quotes or not */
                else
                        *p++ = *word;
        strcpy(p, "'");
        *ret = quoted;
        return 0;
}

static const char *skip_word(const char *p) {
        p += strcspn(p, " \t");
        return p + strspn(p, " \t");
}

/* NAME = value, which cron allows spaces around. */
static bool is_variable(const char *p) {
        const char *q = p;

        if (!isalpha((unsigned char)*q) && *q != '_' && *q != '"' && *q != '\'')
                return false;
        while (isalnum((unsigned char)*q) || *q == '_' || *q == '"' || *q == '\'')
                q++;
        q += strspn(q, " \t");
        return *q == '=';
}

const char *crontab_command(const char *line) {
        const char *p = line + strspn(line, " \t");
        int fields = *p == '@' ? 1 : 5;

        if (!*p || *p == '#' || is_variable(p))
                return NULL;
        while (fields-- > 0)
                p = skip_word(p);
        return *p ? p : NULL;
}

char *crontab_first_word(const char *command) {
        char *word = strdup(command), *out = word, quote = 0;

        if (!word)
                return NULL;
        for (const char *p = command; *p && (quote || !strchr(" \t;&|<>", *p)); p++) {
                if (quote ? *p == quote : *p == '\'' || *p == '"')
                        quote = quote ? 0 : *p;
                else if (*p == '\\' && p[1] && quote != '\'')
                        *out++ = *++p;
                else
                        *out++ = *p;
        }
        *out = 0;
        return word;
}
