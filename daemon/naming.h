/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Names that folders get from us: with the time appended when their own is taken, and hidden ones for what is not to be seen half done.
 *
 * All are raw bytes, at most NAME_MAX of them; a name that is too long for its suffix is cut at a character.
 */

#include "clock.h"
#include "event.h"

/** naming_stamped() - "NAME-YYYYmmdd-HHMMSS" in local time; for @n > 1 with "-N" behind it. New string, NULL without memory. */
char *naming_stamped(const char *name, usec_t when, unsigned n);

/** naming_unfinished() - ".NAME.flowcron-ID": a copy that is being made. New string, NULL without memory. */
char *naming_unfinished(const char *name, const char *id);

/** naming_discarded() - ".flowcron-ID.gone": what is being removed. Returns @buf. */
#define NAMING_DISCARDED_MAX (UOW_ID_MAX + sizeof(".flowcron-.gone"))
const char *naming_discarded(char buf[static NAMING_DISCARDED_MAX], const char *id);
