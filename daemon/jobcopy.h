/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a piece of work that may wait in a queue takes along, since the daemon's own may change meanwhile. */

#include "uow.h"

/** jobcopy_uow() - a deep copy, to be freed as the original; NULL without memory. */
Uow *jobcopy_uow(const Uow *u);
