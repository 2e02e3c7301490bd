/* sacct's rows and columns. */
#pragma once

#include "standin.h"

typedef enum RowKind { ROW_JOB, ROW_BATCH, ROW_EXTERN, ROW_STEP } RowKind;

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
