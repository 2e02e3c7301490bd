/* SPDX-License-Identifier: Apache-2.0 */

/* Pure; anyone may call. The same arguments always give the same name, so that an act done again finds what it did before. */

#include "naming.h"

#include <limits.h>
#include <string.h>

#include "text.h"

char *naming_unfinished(const char *name, const char *id) {
        size_t room = NAME_MAX - strlen(".") - strlen(".flowcron-") - strlen(id),
               size = strlen(name);

        if (size > room)
                size = utf8_cut(name, room);
        return xasprintf(".%.*s.flowcron-%s", (int)size, name, id);
}

const char *naming_discarded(char buf[static NAMING_DISCARDED_MAX], const char *id) {
        snprintf(buf, NAMING_DISCARDED_MAX, ".flowcron-%s.gone", id);
        return buf;
}
