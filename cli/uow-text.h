/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A Unit of Work in words, from its JSON: shared by the orders that show it. */

#include "output.h"

#define UOW_STATE_TEXT_MAX 48

/** uow_state_text() - "queued: running", "finished: failed"; @ret_style may be NULL. Returns @buf. */
const char *uow_state_text(const cJSON *uow, char buf[static UOW_STATE_TEXT_MAX], Style *ret_style);

/** uow_since() - when it came into what uow_state_text() says; 0 if not known. */
usec_t uow_since(const cJSON *uow);

/** uow_is_active() here: FlowCron or the scheduler has still something to do for it, so that its time runs. */
bool uow_runs(const cJSON *uow);

/** uow_time_text() - local time to the second, "2026-11-21 08:28:11", "" for 0. Returns @buf. */
const char *uow_time_text(char buf[static CLOCK_TEXT_MAX], usec_t t);

/** uow_label() - what it is called: its name, or its id; printable, new string or NULL. */
char *uow_label(const cJSON *uow);

/** uow_table() - an empty table with the columns of `list`; uow_table_add() - a row. */
Table *uow_table(void);
int uow_table_add(Table *t, const cJSON *uow, usec_t now);

/** uow_print() - everything about one, a line each. @brief: no more than where it is, why, and what to do. */
void uow_print(const cJSON *uow, bool brief);

/** event_text() - what happened, in words, new string or NULL: "queued as job 4711". */
char *event_text(const cJSON *event);
