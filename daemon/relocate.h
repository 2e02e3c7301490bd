/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The inside of a RelocateJob, shared by relocate.c and chain.c only. */

#include "settle.h"

struct RelocateJob {
        const Layout *layout;
        Config *config;
        const Uow *uow;
};

/** relocate_is_its_own() - whether the folder that lies under its name where it should be is it: nothing says otherwise. 1, 0, -errno. */
int relocate_is_its_own(int dir, const Uow *u);
