/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Checking a local folder by the instance's rules, for validate and submit. */

#include "admit.h"
#include "cli.h"

/* A folder on this machine that is, or may become, a Unit of Work. */
typedef struct Folder {
        char *path;    /* absolute, without links */
        char *name;    /* its last part */
        int parent;    /* open folder that holds it, or -1 */
        cJSON *faults; /* array of texts */
        Script script; /* as found, if there is no fault */
} Folder;

/**
 * rules_check() - find @dir and check it
 * Returns 0, whatever the faults; or an exit code with the refusal: it is not there, or can't be looked at.
 */
int rules_check(const ScriptRules *rules, const char *dir, Folder *ret, Refusal *f);
void folder_done(Folder *folder);

/** rules_of() - the rules in force; the defaults without a configuration. @c may be NULL. */
ScriptRules rules_of(const Config *c);
