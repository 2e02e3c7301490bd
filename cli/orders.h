/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What retry, cancel, restore and purge have in common: an order for several names, one after the other. */

#include "access.h"

/** orders_give() - give @order for each of @names; @done says what then is: "is tried again". Returns the exit code. */
int orders_give(Cli *cli, const char *order, const char *done, char **names, size_t n);

/** orders_give_all() - the same for names that were not typed but found: JSON is an array whatever their number. */
int orders_give_all(Cli *cli, const char *order, const char *done, char **names, size_t n);

/** orders_check_base() - CLI_GO_ON, or the usage error if --base is given: that is for reading. */
int orders_check_base(Cli *cli);
