/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The sections of the report, shared by its files only:
 *
 *   report.c        the page as a whole; what happened and what to change
 *   report-facts.c  when, how much, which tasks
 *   report-notes.c  what else there is to know
 *   report-output.c which file has the output that tells most
 *   report-tail.c   the last lines of it
 *   report-page.c   paragraphs, rows, wrapping
 */

#include "json.h"
#include "report-page.h"

const cJSON *report_last_attempt(const cJSON *record);

/** report_ran() - whether the scheduler had it in the last attempt. */
bool report_ran(const cJSON *record);

void report_put_times(Page *p, const cJSON *record);
void report_put_use(Page *p, const cJSON *record);
void report_put_tasks(Page *p, const cJSON *record);

/** report_part_words() - how a task or step ended: "exit code 1", "killed by signal 9 (CANCELLED)", "TIMEOUT". Returns @buf. */
#define REPORT_PART_MAX 96
const char *report_part_words(char buf[static REPORT_PART_MAX], const cJSON *part);

/** report_put_notes() - 0 or -ENOMEM. */
int report_put_notes(Page *p, const cJSON *record);
