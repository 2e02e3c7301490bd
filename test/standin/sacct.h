/* SPDX-License-Identifier: Apache-2.0 */

/* sacct's rows and columns. */
#pragma once

#include "standin.h"

typedef enum RowKind {
        ROW_JOB,
        ROW_BATCH,
        ROW_EXTERN,
        ROW_STEP
} RowKind;

/* What the accounting knew some time ago (sacct_lag_ms). */
typedef struct View {
        bool visible;
        JobState state;
        int64_t start_ms, end_ms; /* 0: not yet */
} View;

typedef struct Row {
        const Job *j;
        View v;
        RowKind kind;
        int step, step_code;
        char step_name[64];
} Row;

typedef struct Column {
        const char *name;
        int width;
        bool left;
        void (*write)(Text *t, const Row *r);
} Column;

View sacct_view(const Job *j, int64_t when);
/* The column of that name or beginning; NULL: none. */
const Column *sacct_column(const char *name, size_t n);

#define COLUMNS_MAX 128

typedef struct SacctQuery {
        bool no_header, parsable, trailing, duplicates, allocations, all_users, have_states;
        bool states[JOB_STATES];
        const char *delimiter;
        const Column *columns[COLUMNS_MAX];
        int widths[COLUMNS_MAX]; /* negative: left */
        size_t n_columns;
        JobNames names;
        uint32_t *users;
        size_t n_users;
        int64_t start_ms, end_ms; /* the window; end -1: now */
        int64_t seen_ms;          /* up to where the accounting knows */
} SacctQuery;

/* Ends as sacct does at what it does not take. */
void sacct_parse(SacctQuery *q, int argc, char **argv);
