/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a Unit of Work carries home: flowcron/record.json for machines, flowcron/report.txt for people.
 *
 * The record holds facts only; the report is made from the record, so that any other form (a page, a
 * receipt in a standard format) can be made from it later.
 */

#include "layout.h"
#include "uow.h"

typedef struct RecordInput {
        const Uow *uow;
        const Config *config;
        const char *path;    /* where the result will be, absolute, raw bytes; NULL: not known */
        const char *folder;  /* the folder's name there; NULL: as in @uow */
        const cJSON *events; /* array as from event_to_json(), oldest first */
        const cJSON *filing; /* what settling did, see the schema; NULL for nothing remarkable */
        usec_t finished;     /* when the result is filed */
} RecordInput;

/** record_build() - the record, see schema/record.schema.json. 0 or -errno. */
int record_build(const RecordInput *in, cJSON **ret);

/**
 * report_build() - one page in plain words, at most 78 columns, UTF-8, no control characters
 * @record: from record_build()
 * @tail: the last lines of the error output (or of the output if that is empty), raw bytes, or NULL; @tail_file its name for people
 */
int report_build(const cJSON *record, const char *tail, const char *tail_file, char **ret);

/**
 * report_output() - the end of the output that tells most about the last attempt, for report_build()
 * The error output, or the output if that is empty, of the part that failed. Raw bytes without NUL, and the file's name; both NULL
 * if there is none. 0 or -ENOMEM.
 */
int report_output(int uowdir, const cJSON *record, char **ret_tail, char **ret_name);

/** report_explanation() - of a run that did not succeed, the part of the page that says what happened and what to change. */
int report_explanation(const cJSON *record, const char *tail, const char *tail_file, char **ret);
