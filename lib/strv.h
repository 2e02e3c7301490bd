/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Vectors of strings that end with NULL: argument vectors and environments.
 *
 * A vector owns its strings. NULL is an empty vector everywhere.
 */

#include <stdbool.h>
#include <stddef.h>

#include "cleanup.h"

char **strv_free(char **v);
DEFINE_CLEANUP(char **, strv_free)

size_t strv_length(char *const *v);

/** strv_copy() - new vector, NULL only without memory (an empty vector for NULL). */
char **strv_copy(char *const *v);

/**
 * strv_take() - append @s, which is owned by the vector from now on. NULL, or no memory: -ENOMEM,
 * and @s is freed.
 */
int strv_take(char ***v, char *s);

/** strv_add() - append a copy of @s. 0 or -ENOMEM. */
int strv_add(char ***v, const char *s);

/**
 * strv_add_all() - append copies of the strings up to the NULL at the end of the list. 0 or
 * -ENOMEM.
 */
int strv_add_all(char ***v, ...) __attribute__((sentinel));

/** strv_contains() - whether @s is one of them. */
bool strv_contains(char *const *v, const char *s) _pure_;

/** strv_join() - all of them with @separator in between; new string, "" for none, NULL only without memory. */
char *strv_join(char *const *v, const char *separator);

/** strv_split() - append the parts of @s between any of the bytes @separators; empty ones are left out. 0 or -ENOMEM. */
int strv_split(char ***v, const char *s, const char *separators);
