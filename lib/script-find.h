/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which file is the Slurm script? Rule 6 of flowcron-uow(7), without judging what it does. For the
 * script modules only.
 */

#include "script.h"

/* The script as it is on disk. */
typedef struct ScriptFile {
        char *name;   /* raw bytes, within scripts/ */
        char *target; /* path from the UoW's root, links resolved */
        char *text;   /* NUL-terminated beyond @size */
        size_t size;  /* at most SCRIPT_SIZE_MAX */
} ScriptFile;

void script_file_done(ScriptFile *f);

/**
 * script_locate() - find and read the Slurm script
 * Returns 0; UOW_E_REJECTED with the files considered in @e; -EACCES with the file's name in @e if
 * a file that might be the script can't be read; other -errno.
 */
int script_locate(int uowdir, const ScriptRules *rules, ScriptFile *ret, Error *e);
