/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Whether a flow definition, or an input schema, is one that the Globus Flows service would take
 * and that could run to its end.
 *
 * Stricter than the service's public schema, which knows neither targets nor expressions.
 * Everything that is wrong is found in one go, each fault with its place. What only may be wrong
 * (an expression that works in the interpreter behind the service, but is documented nowhere) is a
 * warning.
 *
 * The rules and their sources are in docs/globus.md.
 */

#include <stdbool.h>

#include <cjson/cJSON.h>

#include "error.h"

typedef struct FlowFault {
        size_t line, column; /* from 1; 0: no place in the file */
        bool warning;
        char *path; /* "States.Upload.Next"; "" for the whole */
        char *text;
} FlowFault;

typedef struct FlowFaults {
        FlowFault *list; /* in the order of the file */
        size_t n, room;
        size_t faults, warnings; /* of which n is the sum */
        bool definition;         /* it was taken for a definition, not for an input schema */
} FlowFaults;

void flow_faults_done(FlowFaults *f);

/** flow_faults_add() - one more, at the end. 0 or -ENOMEM. @line 0: no place. */
int flow_faults_add(FlowFaults *f, bool warning, size_t line, size_t column, const char *path,
        const char *text);

/**
 * flow_check() - check a document of either kind; an object with States or StartAt is a definition
 * Returns 0, whatever is found: a text that is no JSON at all is one fault; -ENOMEM.
 */
int flow_check(const char *data, size_t size, FlowFaults *ret);

/**
 * flow_faults_add_at() - a fault that the service found, at the place that it names
 * @loc: the way there as the service writes it, a list of keys and numbers that begins with the
 * document's own name ("definition", "input_schema"), perhaps with more before it. As far as it
 * leads into the document, the place is told. 0 or -ENOMEM.
 */
int flow_faults_add_at(
        FlowFaults *f, const char *data, size_t size, const cJSON *loc, const char *text);
