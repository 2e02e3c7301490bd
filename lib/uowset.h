/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * All Units of Work of an instance: by id, by the folder's name, in order of arrival.
 *
 * The set owns its records. Look-ups by id and folder cost the same however many there are; those by name or an unambiguous beginning look at all.
 */

#include "uow.h"

typedef struct UowSet UowSet;

UowSet *uowset_new(void);
UowSet *uowset_free(UowSet *s);
DEFINE_CLEANUP(UowSet *, uowset_free)

/** uowset_clear() - free all records. */
void uowset_clear(UowSet *s);

/** uowset_add() - take over @u (also on failure). 0, -EEXIST (same id), -ENOMEM. */
int uowset_add(UowSet *s, Uow *u);

/**
 * uowset_apply() - fold an event into the record it concerns; `uploaded` of an unknown id adds one
 * Keeps the look-up by folder right. Returns as uow_apply(), or UOW_E_NOT_FOUND. @ret may be NULL.
 */
int uowset_apply(UowSet *s, const Event *e, Uow **ret);

Uow *uowset_get(const UowSet *s, const char *id);

/** uowset_by_folder() - the one whose folder has this name now (raw bytes); purged ones are not found. */
Uow *uowset_by_folder(const UowSet *s, const char *folder);

/**
 * uowset_find() - by what a person typed: id, folder name, name it arrived under (the newest), or an unambiguous beginning of id or
 * folder name; raw bytes or text_escape()d. Purged ones are found by their id (or its beginning), and by name only when nothing else has it.
 * Returns 0, UOW_E_NOT_FOUND, or UOW_E_AMBIGUOUS with the candidates' names in @e.
 */
int uowset_find(const UowSet *s, const char *what, Uow **ret, Error *e);

size_t uowset_size(const UowSet *s);

/** uowset_at() - the @i-th in order of arrival. */
Uow *uowset_at(const UowSet *s, size_t i);
