/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The orders behind `flowcronctl flow`: each a file cmd-flow-*.c, as other orders are. */

#include "cli.h"

extern const Order order_flow_generate, order_flow_validate;
