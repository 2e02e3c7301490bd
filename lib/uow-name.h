/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The name that a Unit of Work gets here, when its own is taken: NAME-YYYYmmdd-HHMMSS, then …-2, …-3.
 */

#include <stdbool.h>

#include "cleanup.h"
#include "clock.h"

/** Whether @name is in use. */
typedef bool (*NameTaken)(const char *name, void *userdata);

/**
 * uow_name_free() - a name for @name that is not taken
 * @stamp: append the time even if @name itself is free (uow.add_timestamp)
 * @now: the time to append, shown as local time
 *
 * A name that would be longer than 255 bytes (NAME_MAX) is cut at a character first. Raw bytes, new string; NULL without memory.
 */
char *uow_name_free(const char *name, bool stamp, usec_t now, NameTaken taken, void *userdata);
