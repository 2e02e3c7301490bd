/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What others took away: Units of Work whose folder is not where their state says, in the work area, the result
 * folders and the bin. Called by scan.c, once layout_check() has said that the folders themselves are there.
 */

#include "layout.h"
#include "uowset.h"

typedef struct Missing Missing;

/* Told in each look until it is there again or its record says that it need not be. */
typedef void (*MissingFunc)(Uow *u, void *userdata);

/** missing_new() - @l and @uows must stay. 0 or -ENOMEM. */
int missing_new(
        const Layout *l, const UowSet *uows, MissingFunc gone, void *userdata, Missing **ret);
Missing *missing_free(Missing *m);
DEFINE_CLEANUP(Missing *, missing_free)

/** missing_look() - compare what is there with what should be. A folder that can't be listed is looked at the next time. */
void missing_look(Missing *m);
