/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The last lines of a job's output, as far as they are for reading. Shared by report's files only. */

#include "report-page.h"

/* Rows on the page, wrapped lines counted as what they take. */
#define REPORT_TAIL_ROWS 15

/** report_put_tail() - quote the last lines of @tail (raw bytes). 0 or -ENOMEM. */
int report_put_tail(Page *p, const char *tail);
