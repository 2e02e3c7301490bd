/* SPDX-License-Identifier: Apache-2.0 */

#include "error.h"

#include <stdarg.h>
#include <string.h>

#include "text.h"

int error_set(Error *e, int r, const char *fmt, ...) {
        va_list ap;

        if (!e)
                return r;
        va_start(ap, fmt);
        vsnprintf(e->text, sizeof(e->text), fmt, ap);
        va_end(ap);
        e->text[utf8_cut(e->text, sizeof(e->text) - 1)] = 0;
        return r;
}

int error_prefix(Error *e, int r, const char *fmt, ...) {
        char old[sizeof(((Error *)0)->text)];
        va_list ap;
        int n;

        if (!e)
                return r;
        memcpy(old, e->text, sizeof(old));
        va_start(ap, fmt);
        n = vsnprintf(e->text, sizeof(e->text), fmt, ap);
        va_end(ap);
        if (n < 0)
                n = 0;
        if ((size_t)n < sizeof(e->text) &&
                snprintf(e->text + n, sizeof(e->text) - (size_t)n, ": %s", old) < 0)
                e->text[n] = 0;
        e->text[utf8_cut(e->text, sizeof(e->text) - 1)] = 0;
        return r;
}
