/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Orders that lie in a folder until what they caused is durable.
 *
 * An order left on disk is closed only when its effect is in the log: a crash before that has it carried out once more, which the state
 * of the Unit of Work then refuses or bears. Until then it lies there, and whoever looks again passes over what is held here; so, too, if
 * it can't be closed, or a full disk would have a Unit of Work retried for ever.
 */

#include "machine.h"

typedef struct Carried Carried;

/* Called when it is durable: close the order that lies as @name. @answer: as given. 0, or -errno: it still lies there. */
typedef int (*CarriedFunc)(const char *name, const char *answer, void *userdata);

/** carried_new() - @func is called for each that became durable, and again by carried_close() for those that it could not close. */
int carried_new(Machine *m, CarriedFunc func, void *userdata, Carried **ret);

/** carried_free() - forgets what is not durable; no callback. */
Carried *carried_free(Carried *c);
DEFINE_CLEANUP(Carried *, carried_free)

/** carried_add() - @name was carried out just now; @answer (NULL allowed) is copied. 0 or -ENOMEM. */
int carried_add(Carried *c, const char *name, const char *answer);

/** carried_close() - close what could not be closed before, or was not durable then. Only while state can be written: see machine_trouble(). */
void carried_close(Carried *c);

/** carried_has() - whether @name waits to be closed. */
bool carried_has(const Carried *c, const char *name);
