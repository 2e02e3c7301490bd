/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Following a Unit of Work that was just submitted, until it is finished. */

#include "access.h"

/* What is to be followed. */
typedef struct Follow {
        const char *name; /* of its folder in UploadedFiles, raw bytes */
        const char *
                before; /* id of the one that answered to that name before, or NULL: it is not meant */
        int uploaded; /* the open folder UploadedFiles */
} Follow;

/**
 * follow() - until it is finished, with a live line on a terminal, else with a line for each change (on standard output, if not --json)
 * Works without a daemon too, from disk. Returns 0 with the finished UoW in @ret, or an exit code with the refusal; FOLLOW_INTERRUPTED
 * after Ctrl-C, which leaves the UoW alone.
 */
#define FOLLOW_INTERRUPTED 130
int follow(Cli *cli, const Follow *what, cJSON **ret, Refusal *f);

/** follow_interrupted() - Ctrl-C was pressed since follow_catch_interrupt(). */
void follow_catch_interrupt(void);
bool follow_interrupted(void);
