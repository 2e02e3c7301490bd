/* SPDX-License-Identifier: Apache-2.0 */

#include "shell-quote.h"

#include <stdbool.h>
#include <string.h>

#include "text.h"

static const char harmless[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:,@%=";

/* 'a'\''b' */
static char *quote_plainly(const char *prefix, const char *name) {
        char *quoted = malloc(strlen(prefix) + 4 * strlen(name) + 3), *p = quoted;

        if (!quoted)
                return NULL;
        p = stpcpy(p, prefix);
        *p++ = '\'';
        for (; *name; name++)
                if (*name == '\'')
                        p = stpcpy(p, "'\\''");
                else
                        *p++ = *name;
        strcpy(p, "'");
        return quoted;
}

/* $'a\x0ab': every byte that is not plain ASCII. Octal, as a digit may follow. */
static char *quote_bytes(const char *prefix, const char *name) {
        char *quoted = malloc(strlen(prefix) + 4 * strlen(name) + 4), *p = quoted;

        if (!quoted)
                return NULL;
        p = stpcpy(p, prefix);
        p = stpcpy(p, "$'");
        for (; *name; name++)
                if (*name == '\'' || *name == '\\')
                        p += sprintf(p, "\\%c", *name);
                else if (*name >= ' ' && *name < 0x7f)
                        *p++ = *name;
                else
                        p += sprintf(p, "\\%03o", (unsigned char)*name);
        strcpy(p, "'");
        return quoted;
}

char *shell_quote(const char *name) {
        const char *prefix = name[0] == '-' ? "./" : "";
        _cleanup_free_ char *shown = text_printable(name, 0);

        if (!shown)
                return NULL;
        if (!streq(shown, name))
                return quote_bytes(prefix, name);
        if (name[0] && !name[strspn(name, harmless)])
                return xasprintf("%s%s", prefix, name);
        return quote_plainly(prefix, name);
}
