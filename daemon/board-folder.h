/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A board on disk: a folder in Status/ that holds one entry, an empty folder whose name is read.
 *
 * Whoever may write in Status/ may put anything there, so nothing is believed of what a board holds: links are not followed, strays
 * that hold nothing are removed, a few at a time, and what holds data is left, since it may be somebody's.
 */

#include <stdbool.h>

/* What is about to become a board; hidden, so that nobody takes it for one. A crash may leave it, and the next use takes it. */
#define BOARD_FOLDER_NEW ".board.new"

/**
 * board_folder_show() - have board @name show @entry and nothing else of ours
 * An entry that is there is renamed, so that a reader sees the old or the new one. Entries that FlowCron makes no such names for, if they are
 * empty, are removed. An empty board that belongs to somebody else and is closed to us is replaced by one of ours. Returns 0; -EAGAIN if strays are left for another time; -ENOENT: there is no such board (any more); other -errno.
 */
int board_folder_show(int status, const char *name, const char *entry);

/** board_folder_clear_arriving() - remove an entry that says "arriving"; the board stays. 0 or -errno. */
int board_folder_clear_arriving(int status, const char *name);

/**
 * board_folder_remove() - remove board @name of what was purged
 * An empty one was just made for the next of that name; one that says "arriving" was about that, too, and is emptied; one that holds data is
 * left with them. 0 or -errno.
 */
int board_folder_remove(int status, const char *name);

/** board_folder_finish() - go on with a removal that a crash has cut off, whose folder board_folder_is_gone() knows by its name. 0 or -errno. */
int board_folder_finish(int status, const char *hidden);
bool board_folder_is_gone(const char *name);
