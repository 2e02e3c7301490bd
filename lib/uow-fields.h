/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The inside of a record, shared by uow.c and uow-apply.c only: the table of what is kept.
 */

#include "uow.h"

typedef enum UowFieldKind {
        FIELD_ID,
        FIELD_NAME, /* raw bytes, char * */
        FIELD_TEXT, /* UTF-8, char * */
        FIELD_TIME,
        FIELD_BOOL,
        FIELD_INT,
        FIELD_UNSIGNED,
        FIELD_SEQ,
        FIELD_STATE,
        FIELD_PHASE,
        FIELD_OUTCOME,
} UowFieldKind;

typedef struct UowField {
        const char *key;
        UowFieldKind kind;
        size_t offset;
} UowField;

extern const UowField uow_fields[];
extern const size_t uow_fields_n;

static inline bool field_is_string(const UowField *f) {
        return f->kind == FIELD_NAME || f->kind == FIELD_TEXT;
}

static inline char **field_string(const Uow *u, const UowField *f) {
        return (char **)((char *)u + f->offset);
}
