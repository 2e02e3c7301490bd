/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * flowcron/ in a Unit of Work is ours to write to; what it brought along under that name is kept in flowcron/earlier/.
 *
 * A folder that comes back for another run has the record of the former one, which becomes flowcron/earlier/ID/. What is no record of ours
 * (the user's own file or folder of that name, a link) becomes flowcron/earlier/unknown/. Nothing is removed or followed. Only for worker's children.
 */

#include <stdbool.h>

#include "error.h"

/**
 * earlier_keep() - see to it that flowcron/ is a real folder with no other record than that of @id
 * @uowdir: the folder, open; @ret_fd: flowcron/, open
 * @all: whatever it holds is kept as earlier, if the record in it is not of @id (before a run); else only what record and report would overwrite.
 * May be interrupted and repeated. 0 or -errno with @e.
 */
int earlier_keep(int uowdir, const char *id, bool all, int *ret_fd, Error *e);

/**
 * earlier_keep_strangers() - what others put into sentinels/, or have made of it, goes to flowcron/sentinels
 * @ours: flowcron/, open. Our own claim in it stays. To be done before links are judged by where they lie.
 * May be interrupted and repeated. 0 or -errno.
 */
int earlier_keep_strangers(int uowdir, int ours);

/**
 * earlier_take_in() - move entry @name of @dir to @to under its own name, or with "-2", "-3" … if that is taken
 * @ret_name: NULL, or the name that it got (new string). 0, -ENOENT, -errno.
 */
int earlier_take_in(int dir, const char *name, int to, char **ret_name);
