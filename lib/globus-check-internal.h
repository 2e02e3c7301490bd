/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The parts of the checker; see globus-check.h. */

#include "globus-check.h"
#include "json-place.h"

typedef struct Check {
        JsonPlaces *places;
        FlowFaults *found;
        const cJSON *states; /* of a definition */
        bool spoiled;        /* no memory */
} Check;

/* Where of an item a fault is. */
typedef enum CheckAt {
        AT_VALUE,
        AT_KEY,
} CheckAt;

void check_fault(Check *c, const cJSON *item, CheckAt at, const char *fmt, ...) _printf_(4, 5);
void check_warn(Check *c, const cJSON *item, CheckAt at, const char *fmt, ...) _printf_(4, 5);
/** check_fault_within() - at byte @at of the text of @item. */
void check_fault_within(Check *c, const cJSON *item, size_t at, bool warning, const char *text);

/* What a value must be. */
typedef enum CheckKind {
        KIND_ANY,
        KIND_TEXT,
        KIND_FLAG,
        KIND_COUNT, /* a whole number, not negative */
        KIND_NUMBER,
        KIND_OBJECT,
        KIND_LIST,
        KIND_TEXTS,  /* a list of texts */
        KIND_URL,    /* https */
        KIND_PATH,   /* into the run's data */
        KIND_TIME,   /* RFC 3339 */
        KIND_TARGET, /* the name of a state */
        KIND_UUID,
} CheckKind;

/** check_kind() - whether @item is such a value; if not, that is a fault. */
bool check_kind(Check *c, const cJSON *item, CheckKind kind);

/**
 * check_no_doubles() - a key that is there twice is a fault: which of the two counts is anybody's
 * guess.
 */
void check_no_doubles(Check *c, const cJSON *object);

/**
 * check_state() - everything about one state but whether it is reached. @state is the member of
 * States.
 */
void check_state(Check *c, const cJSON *state);

/** check_choices() - the rules of a Choice. */
void check_choices(Check *c, const cJSON *choices);

/** check_parameters() - keys ending in .$ and .=, at any depth. */
void check_parameters(Check *c, const cJSON *parameters, bool expressions);

/** check_action_body() - what is known of the parameters of the provider at @url. */
void check_action_body(Check *c, const cJSON *action, const cJSON *parameters);

/** check_reachable() - every state but those that were named as targets of one that is reached. */
void check_reachable(Check *c, const cJSON *definition);

/** check_schema() - an input schema. */
void check_schema(Check *c, const cJSON *schema);
