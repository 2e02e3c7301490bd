/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The record of a Unit of Work: made and let go here, written to a checkpoint and read back from it.
 *
 * One table names every field that outlives the process; writing, reading, copying and freeing all
 * go by it, so that a new field is one new row. The fold itself is in uow-apply.c.
 *
 * Anyone may call this; nobody but the fold changes a record.
 */

#include "uow-fields.h"

#include <string.h>

#include "json-flat.h"
#include "text.h"

#define FIELD(kind, name) \
        { #name, FIELD_##kind, offsetof(Uow, name) }

/* In the order in which a checkpoint has them. */
const UowField uow_fields[] = {
        FIELD(ID, id),
        FIELD(NAME, name),
        FIELD(NAME, folder),
        FIELD(STATE, state),
        FIELD(PHASE, phase),
        FIELD(OUTCOME, outcome),
        FIELD(TEXT, cause),
        FIELD(TEXT, reason),
        FIELD(INT, attempt),
        FIELD(INT, requeues),
        FIELD(INT, deferrals),
        FIELD(TEXT, job_id),
        FIELD(TEXT, job_ids),
        FIELD(NAME, script),
        FIELD(TEXT, sha256),
        FIELD(NAME, comment),
        FIELD(NAME, array),
        FIELD(UNSIGNED, sets),
        FIELD(NAME, moved_to),
        FIELD(OUTCOME, filed_as),
        FIELD(UNSIGNED, owner),
        FIELD(BOOL, held),
        FIELD(BOOL, imported),
        FIELD(BOOL, cancelling),
        FIELD(BOOL, chaining),
        FIELD(BOOL, purging),
        FIELD(TIME, created),
        FIELD(TIME, updated),
        FIELD(TIME, submitted),
        FIELD(TIME, queued),
        FIELD(TIME, started),
        FIELD(TIME, finished),
        FIELD(TIME, filed),
        FIELD(TIME, soft_deleted),
        FIELD(SEQ, first_seq),
        FIELD(SEQ, last_seq),
        FIELD(BOOL, quarantined),
};
const size_t uow_fields_n = ELEMENTSOF(uow_fields);

_Static_assert(sizeof(uid_t) == sizeof(unsigned), "FIELD_UNSIGNED holds an owner");

Uow *uow_new(const char *id) {
        Uow *u = calloc(1, sizeof(*u));

        if (u)
                snprintf(u->id, sizeof(u->id), "%s", id);
        return u;
}

Uow *uow_free(Uow *u) {
        if (!u)
                return NULL;
        for (size_t i = 0; i < uow_fields_n; i++)
                if (field_is_string(&uow_fields[i]))
                        free(*field_string(u, &uow_fields[i]));
        free(u);
        return NULL;
}

static int set_word(cJSON *j, const UowField *f, int value) {
        const char *word = f->kind == FIELD_STATE ? state_to_string((UowState)value)
                : f->kind == FIELD_PHASE          ? phase_to_string((UowPhase)value)
                                                  : outcome_to_string((UowOutcome)value);

        return json_set_str(j, f->key, word);
}

static int write_field(cJSON *j, const Uow *u, const UowField *f) {
        const void *p = (const char *)u + f->offset;

        switch (f->kind) {
        case FIELD_ID:
                return json_set_str(j, f->key, p);
        case FIELD_NAME:
                return json_set_name(j, f->key, *(char *const *)p);
        case FIELD_TEXT:
                return json_set_str(j, f->key, *(char *const *)p);
        case FIELD_TIME:
                return json_set_time_usec(j, f->key, *(const usec_t *)p);
        case FIELD_BOOL:
                return *(const bool *)p ? json_set_bool(j, f->key, true) : 0;
        case FIELD_INT:
                return *(const int *)p ? json_set_int(j, f->key, *(const int *)p) : 0;
        case FIELD_UNSIGNED:
                return *(const unsigned *)p ? json_set_int(j, f->key, *(const unsigned *)p) : 0;
        case FIELD_SEQ:
                return json_set_int(j, f->key, (int64_t) * (const uint64_t *)p);
        default:
                return set_word(j, f, *(const int *)p);
        }
}

cJSON *uow_to_json(const Uow *u) {
        _cleanup_json_ cJSON *j = cJSON_CreateObject();

        if (!j)
                return NULL;
        for (size_t i = 0; i < uow_fields_n; i++)
                if (write_field(j, u, &uow_fields[i]) < 0)
                        return NULL;
        return TAKE_PTR(j);
}

static int read_string(const cJSON *item, const UowField *f, char **field) {
        char *s;

        if (!cJSON_IsString(item) || *field)
                return -EBADMSG;
        s = f->kind == FIELD_NAME ? text_unescape(item->valuestring) : strdup(item->valuestring);
        if (!s)
                return -ENOMEM;
        *field = s;
        return 0;
}

static int read_id(const cJSON *item, char *id) {
        const char *s = cJSON_GetStringValue(item);

        if (!s || !event_id_valid(s))
                return -EBADMSG;
        strcpy(id, s);
        return 0;
}

static int read_word(const cJSON *item, const UowField *f, int *field) {
        const char *s = cJSON_GetStringValue(item);
        int value = f->kind == FIELD_STATE ? state_from_string(s)
                : f->kind == FIELD_PHASE   ? phase_from_string(s)
                                           : outcome_from_string(s);

        if (value < 0)
                return -EBADMSG;
        *field = value;
        return 0;
}

static int read_time(const cJSON *item, usec_t *field) {
        return clock_parse(cJSON_GetStringValue(item), field) < 0 ? -EBADMSG : 0;
}

/* No number of ours is negative, and none is beyond what a double holds exactly. */
static int read_number(const cJSON *item, const UowField *f, void *field) {
        double d = item->valuedouble;

        if (!cJSON_IsNumber(item) || !(d >= 0 && d <= 0x1p53))
                return -EBADMSG;
        if (f->kind == FIELD_SEQ)
                *(uint64_t *)field = (uint64_t)d;
        else if (f->kind == FIELD_UNSIGNED && d <= UINT32_MAX)
                *(unsigned *)field = (unsigned)d;
        else if (f->kind == FIELD_INT && d <= INT32_MAX)
                *(int *)field = (int)d;
        else
                return -EBADMSG;
        return 0;
}

static int read_field(const cJSON *item, const UowField *f, Uow *u) {
        void *p = (char *)u + f->offset;

        switch (f->kind) {
        case FIELD_ID:
                return read_id(item, p);
        case FIELD_NAME:
        case FIELD_TEXT:
                return read_string(item, f, p);
        case FIELD_TIME:
                return read_time(item, p);
        case FIELD_BOOL:
                *(bool *)p = cJSON_IsTrue(item);
                return cJSON_IsBool(item) ? 0 : -EBADMSG;
        case FIELD_INT:
        case FIELD_UNSIGNED:
        case FIELD_SEQ:
                return read_number(item, f, p);
        default:
                return read_word(item, f, p);
        }
}

/* The row for @key, looked for from row @from on: members come in the table's order. */
static size_t find_field(const char *key, size_t from) {
        for (size_t n = 0; n < uow_fields_n; n++) {
                size_t i = (from + n) % uow_fields_n;

                if (strcmp(uow_fields[i].key, key) == 0)
                        return i;
        }
        return uow_fields_n;
}

/* Takes one member; those that we do not know are passed over. @next: the row that is likely the next member's. */
static int take_member(Uow *u, const cJSON *item, size_t *next, Error *e) {
        size_t i = item->string ? find_field(item->string, *next) : uow_fields_n;
        int r;

        if (i == uow_fields_n)
                return 0;
        r = read_field(item, &uow_fields[i], u);
        *next = i + 1;
        return r == -EBADMSG ? error_set(e, r, "%s: no valid value", uow_fields[i].key) : r;
}

static int check_whole(const Uow *u, Error *e) {
        if (u->id[0] && u->name && u->folder && u->state != UOW_NEW)
                return 0;
        return error_set(e, -EBADMSG, "id, name, folder or state is missing");
}

int uow_from_json(const cJSON *j, Uow **ret, Error *e) {
        _cleanup_(uow_freep) Uow *u = uow_new("");
        const cJSON *item;
        size_t next = 0;
        int r = u ? 0 : -ENOMEM;

        cJSON_ArrayForEach(item, j) {
                if (r == 0)
                        r = take_member(u, item, &next, e);
        }
        if (r == 0)
                r = check_whole(u, e);
        if (r == 0)
                *ret = TAKE_PTR(u);
        return r;
}

static int parse_line(const char *line, size_t size, Uow **ret, Error *e) {
        _cleanup_json_ cJSON *j = NULL;
        const char *end;
        int r = json_read(line, size, &end, &j);

        if (r == -ENOMEM)
                return r;
        return r == 0 ? uow_from_json(j, ret, e) : error_set(e, -EBADMSG, "not valid JSON");
}

int uow_from_line(const char *line, size_t size, Uow **ret, Error *e) {
        _cleanup_(uow_freep) Uow *u = uow_new("");
        int r = u ? 0 : -ENOMEM, k = JSON_FLAT_END;
        size_t next = 0;
        JsonFlat flat;
        cJSON item;

        json_flat_begin(&flat, line, size);
        while (r == 0 && (k = json_flat_next(&flat, &item)) == JSON_FLAT_MEMBER)
                r = take_member(u, &item, &next, e);
        if (r == 0 && k == JSON_FLAT_OTHER)
                return parse_line(line, size, ret, e);
        if (r == 0)
                r = check_whole(u, e);
        if (r == 0)
                *ret = TAKE_PTR(u);
        return r;
}
