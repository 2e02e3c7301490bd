/* SPDX-License-Identifier: Apache-2.0 */

/* squeue's columns. */
#pragma once

#include "standin.h"

/* One line for -o FORMAT, or for -O FORMAT; the heading when j is NULL. */
void squeue_row(Text *out, const char *format, const Job *j);
void squeue_row_long(Text *out, const char *format, const Job *j);
/* COMPLETING included. */
const char *squeue_state(const Job *j);
