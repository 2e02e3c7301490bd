/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Hidden names, for what is not to be seen half done: raw bytes, at most NAME_MAX of them. */

#include "event.h"

/** naming_unfinished() - ".NAME.flowcron-ID": a copy that is being made. New string, NULL without memory. */
char *naming_unfinished(const char *name, const char *id);

/** naming_discarded() - ".flowcron-ID.gone": what is being removed. Returns @buf. */
#define NAMING_DISCARDED_MAX (UOW_ID_MAX + sizeof(".flowcron-.gone"))
const char *naming_discarded(char buf[static NAMING_DISCARDED_MAX], const char *id);
