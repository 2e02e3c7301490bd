/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Moving the folder of a Unit of Work from one place to another, and removing it: never overwriting, never half seen.
 *
 * On one file system a move is one rename. On two it is a copy under a hidden name, synced and checked, one rename there, and only then
 * the removal here; an interrupted one is taken up where it stopped when it is called again. Only for worker's children.
 */

#include "error.h"

/**
 * haul_move() - returns 0 when it is there and durable, and not here any more
 * -EEXIST: something else has that name there. -ENOENT: it is not here. Else -errno with @e.
 */
int haul_move(
        int olddir, const char *oldname, int newdir, const char *newname, const char *id, Error *e);

/**
 * haul_discard() - remove @name (NULL: nothing new) from @dirfd, and what an interrupted removal for @id left there; absent is done
 * Hidden by one rename first, so that nobody sees half of it. -errno with @e if something in it can't be removed.
 */
int haul_discard(int dirfd, const char *name, const char *id, Error *e);
