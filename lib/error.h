/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The error contract of the whole house.
 *
 * A function that can fail returns an int:
 *
 *      0          done
 *      negative   -errno: a failure the caller passes on, or gives up on
 *      positive   a named outcome (UOW_E_…, or a module's own) that the direct caller must handle; it
 *                 never travels two levels up
 *
 * The library is silent. Where a person will need more than a number, the function takes an `Error *`
 * and fills it with one line in plain words; whoever stands at a border (daemon's log, command line,
 * control socket) says it once.
 */

#include "cleanup.h"

/* One line for people. Room enough for a path and a sentence; longer text is cut at a character. */
typedef struct Error {
        char text[1024];
} Error;

/* Outcomes that more than one module knows. */
enum {
        UOW_E_NOT_FOUND = 1, /* no Unit of Work of that name */
        UOW_E_AMBIGUOUS,     /* several answer to that name */
        UOW_E_STATE,         /* its state does not allow what was asked */
        UOW_E_REJECTED,      /* it breaks a rule; the reason is in the Error */
        UOW_E_BLOCKED, /* it can't be taken over now (permissions); the Error says what mends it */
        UOW_E_GONE,    /* its folder is not where it was */
        UOW_E_INVALID, /* input is at fault; the Error says where */
};

/**
 * error_set() - put a text into @e and return @r
 * @e: where to; NULL is allowed, then only @r is returned
 * @r: returned as it is, so that `return error_set(e, -EINVAL, "…")` reads well
 *
 * Replaces an earlier text. "%m" is expanded with errno as on entry.
 */
int error_set(Error *e, int r, const char *fmt, ...) _printf_(3, 4);

/**
 * error_prefix() - put "context: " before the text that @e holds already
 *
 * Returns @r. Used to add the file or the Unit of Work that a lower level could not know.
 */
int error_prefix(Error *e, int r, const char *fmt, ...) _printf_(3, 4);
