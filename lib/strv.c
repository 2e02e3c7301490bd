/* SPDX-License-Identifier: Apache-2.0 */

/* Vectors of strings. Anyone may call this; nothing here fails but for want of memory. */

#include "strv.h"

#include <stdarg.h>
#include <string.h>

char **strv_free(char **v) {
        for (char **s = v; s && *s; s++)
                free(*s);
        free(v);
        return NULL;
}

size_t strv_length(char *const *v) {
        size_t n = 0;

        while (v && v[n])
                n++;
        return n;
}

char **strv_copy(char *const *v) {
        _cleanup_(strv_freep) char **copy = calloc(strv_length(v) + 1, sizeof(*copy));

        if (!copy)
                return NULL;
        for (size_t i = 0; v && v[i]; i++) {
                copy[i] = strdup(v[i]);
                if (!copy[i])
                        return NULL;
        }
        return TAKE_PTR(copy);
}

int strv_take(char ***v, char *s) {
        size_t n = strv_length(*v);
        char **longer = s ? reallocarray(*v, n + 2, sizeof(*longer)) : NULL;

        if (!longer) {
                free(s);
                return -ENOMEM;
        }
        longer[n] = s;
        longer[n + 1] = NULL;
        *v = longer;
        return 0;
}

int strv_add(char ***v, const char *s) {
        return strv_take(v, strdup(s));
}

int strv_add_all(char ***v, ...) {
        const char *s;
        va_list ap;
        int r = 0;

        va_start(ap, v);
        while (r >= 0 && (s = va_arg(ap, const char *)))
                r = strv_add(v, s);
        va_end(ap);
        return r;
}

bool strv_contains(char *const *v, const char *s) {
        for (; v && *v; v++)
                if (strcmp(*v, s) == 0)
                        return true;
        return false;
}

char *strv_join(char *const *v, const char *separator) {
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        if (!f)
                return NULL;
        for (size_t i = 0; v && v[i]; i++)
                fprintf(f, "%s%s", i > 0 ? separator : "", v[i]);
        if (fclose(f) != 0) {
                free(text);
                return NULL;
        }
        return text;
}

int strv_split(char ***v, const char *s, const char *separators) {
        int r = 0;

        while (r >= 0 && *(s += strspn(s, separators))) {
                size_t n = strcspn(s, separators);

                r = strv_take(v, strndup(s, n));
                s += n;
        }
        return r;
}
