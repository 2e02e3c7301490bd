/* SPDX-License-Identifier: Apache-2.0 */

#include "globus-path.h"

#include <string.h>

#include "text.h"

static const char digits[] = "0123456789";
static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

/* The end of a name, or NULL. Letters of other scripts are names too. */
static const char *name_end(const char *s) {
        const char *end = s;

        while (*end && (strchr(letters, *end) || (unsigned char)*end >= 0x80))
                end++;
        return end > s ? end : NULL;
}

/* Behind "[0]" or "['name']", or NULL. */
static const char *bracket_end(const char *s) {
        const char *end;

        if (s[1] == '\'') {
                end = strchr(s + 2, '\'');
                return end && end > s + 2 && end[1] == ']' ? end + 2 : NULL;
        }
        end = s + 1 + strspn(s + 1, digits);
        return end > s + 1 && *end == ']' ? end + 1 : NULL;
}

static bool steps_valid(const char *s) {
        while (s && *s)
                s = *s == '.' ? name_end(s + 1) : *s == '[' ? bracket_end(s) : NULL;
        return s != NULL;
}

bool globus_path_valid(const char *path) {
        return path[0] == '$' && steps_valid(path + 1);
}

bool globus_dotted_valid(const char *path) {
        const char *end = name_end(path);

        return end && steps_valid(end);
}
