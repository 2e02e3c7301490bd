/* SPDX-License-Identifier: Apache-2.0 */

#include "uow-name.h"

#include <limits.h>
#include <string.h>
#include <time.h>

#include "text.h"

static char *with_suffix(const char *name, const char *suffix) {
        size_t keep = strlen(name), room = NAME_MAX - strlen(suffix);

        if (keep > room)
                keep = utf8_cut(name, room);
        return xasprintf("%.*s%s", (int)keep, name, suffix);
}

char *uow_name_free(const char *name, bool stamp, usec_t now, NameTaken taken, void *userdata) {
        time_t t = (time_t)(now / USEC_PER_SEC);
        char when[32], suffix[64];
        struct tm tm;
        char *s;

        if (!stamp && !taken(name, userdata))
                return strdup(name);
        localtime_r(&t, &tm);
        strftime(when, sizeof(when), "-%Y%m%d-%H%M%S", &tm);
        for (unsigned i = 1;; i++) {
                if (i == 1)
                        snprintf(suffix, sizeof(suffix), "%s", when);
                else
                        snprintf(suffix, sizeof(suffix), "%s-%u", when, i);
                s = with_suffix(name, suffix);
                if (!s || !taken(s, userdata))
                        return s;
                free(s);
        }
}
