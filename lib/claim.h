/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How we say in a Unit of Work's sentinels/ that it is ours: a file of one line of JSON, which the group may read,
 *
 *   {"id":"…","instance":"default","since":"2026-11-21T07:28:11+00:00"}
 *
 * What is read here may be forged by whoever may write to the folder.
 */

#include "event.h"

#define CLAIM_FOLDER "sentinels"
#define CLAIM_FILE "flowcron"

/* The group may read whose it is; nobody needs to write. */
#define CLAIM_MODE 0640

/** claim_text() - the line; new string or NULL. */
char *claim_text(const char *id, const char *instance);

/** claim_id_valid() - a UUID as ours are: ids are used in names of folders, nothing else may pass. */
bool claim_id_valid(const char *id);

/** claim_read() - the id in file @name of the open sentinels/ (or another of that form, of at most @max bytes). 0; @ret_id is "" if there is none to be made out; -errno. @ret_attempt may be NULL. */
int claim_read(
        int dirfd, const char *name, size_t max, char ret_id[static UOW_ID_MAX], int *ret_attempt);
#define CLAIM_SIZE_MAX 4096
