/* SPDX-License-Identifier: Apache-2.0 */

#include "globus-expr.h"

#include <string.h>

#include "text.h"

char *expr_quote(const char *text) {
        _cleanup_free_ char *valid = text_escape(text);
        const char *from = utf8_valid(text) ? text : valid;
        char *quoted = valid ? malloc(4 * strlen(from) + 3) : NULL, *p = quoted;

        if (!quoted)
                return NULL;
        *p++ = '\'';
        for (; *from; from++)
                if (*from == '\'' || *from == '\\')
                        p += sprintf(p, "\\%c", *from);
                else if ((unsigned char)*from < ' ' || *from == 0x7f || *from == '`')
                        p += sprintf(p, "\\x%02x", (unsigned char)*from);
                else
                        *p++ = *from;
        strcpy(p, "'");
        return quoted;
}
