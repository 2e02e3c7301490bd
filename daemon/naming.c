/* SPDX-License-Identifier: Apache-2.0 */

/* Pure; anyone may call. The same arguments always give the same name, so that an act done again finds what it did before. */

#include "naming.h"

#include <limits.h>
#include <string.h>
#include <time.h>

#include "text.h"

static char *with_suffix(const char *prefix, const char *name, const char *suffix) {
        size_t room = NAME_MAX - strlen(prefix) - strlen(suffix), size = strlen(name);

        if (size > room)
                size = utf8_cut(name, room);
        return xasprintf("%s%.*s%s", prefix, (int)size, name, suffix);
}

char *naming_stamped(const char *name, usec_t when, unsigned n) {
        time_t t = (time_t)(when / USEC_PER_SEC);
        char suffix[64], again[16] = "";
        struct tm tm;

        if (!localtime_r(&t, &tm) ||
                strftime(suffix, sizeof(suffix) - sizeof(again), "-%Y%m%d-%H%M%S", &tm) == 0)
                return NULL;
        if (n > 1)
                snprintf(again, sizeof(again), "-%u", n);
        strcat(suffix, again);
        return with_suffix("", name, suffix);
}

char *naming_unfinished(const char *name, const char *id) {
        char suffix[UOW_ID_MAX + sizeof(".flowcron-")];

        snprintf(suffix, sizeof(suffix), ".flowcron-%s", id);
        return with_suffix(".", name, suffix);
}

const char *naming_discarded(char buf[static NAMING_DISCARDED_MAX], const char *id) {
        snprintf(buf, NAMING_DISCARDED_MAX, ".flowcron-%s.gone", id);
        return buf;
}
