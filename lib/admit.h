/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * All the checks that a Unit of Work meets before it is submitted.
 *
 * The daemon's stage worker and `flowcronctl validate` call the same function, so `validate` never
 * promises what the daemon then refuses.
 */

#include "script.h"

/* The name of a Unit of Work that Slurm can't take: it would fail the job (slurm's --chdir and
 * --output treat '\' as an escape). */
#define ADMIT_FORBIDDEN_CHARACTER '\\'

/**
 * admit_check() - rules 5 to 8 and the name's rule
 * @parentdir, @name: where the UoW's folder is, raw bytes
 * Returns 0 with @ret (release by script_done()); UOW_E_REJECTED with the reason for people in @e;
 * UOW_E_BLOCKED with what is missing and the command that mends it, if permissions keep us from
 * looking; -errno else.
 */
int admit_check(int parentdir, const char *name, const ScriptRules *rules, Script *ret, Error *e);

/**
 * admit_takeover() - whether we may take the folder over: list, write and enter it, its sentinels/,
 * and every folder below data/ and scripts/ at the first level. Returns 0 or UOW_E_BLOCKED with the
 * owner's name, what is missing, and the command that mends it ("chmod -R g+rwX …").
 */
int admit_takeover(int parentdir, const char *name, const char *path, Error *e);
