/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Orders given by making a folder: what its name asks for, and what it is called once that is answered.
 *
 *      retry NAME      →  done - retry NAME        or      refused - retry NAME - why
 */

#include <stdbool.h>
#include <time.h>

#include "clock.h"

/* So long an answer is shown. */
#define ORDER_ANSWER_KEPT USEC_PER_DAY

typedef enum OrderFolder {
        ORDER_FOLDER_NONE,     /* hidden: nothing to do with us */
        ORDER_FOLDER_ASKS,     /* an order */
        ORDER_FOLDER_ANSWERED, /* one that has been answered */
        ORDER_FOLDER_UNKNOWN,  /* no order that we know */
} OrderFolder;

/**
 * order_folder_parse() - what the folder @name is
 * Of an order, @ret_order is its word ("retry", "cancel"; static) and @ret_what what it is about: raw bytes within @name, never empty.
 */
OrderFolder order_folder_parse(const char *name, const char **ret_order, const char **ret_what);

/**
 * order_folder_is_over() - whether an answer, whose folder was changed last at @changed (seconds since the epoch), is to go at @now
 * One from a future that is further away than it would be kept counts as old: the clock was set.
 */
bool order_folder_is_over(time_t changed, usec_t now);

/**
 * order_folder_answer() - what @name is to be called now
 * @refused: why it is refused; NULL: it was carried out
 * @nth: 1, or more when the names before are taken by what can't be replaced
 *
 * At most 255 bytes, cut at characters, printable, '/' written as "∕". New string; NULL without memory.
 */
char *order_folder_answer(const char *name, const char *refused, unsigned nth);
