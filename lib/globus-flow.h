/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The flow that an instance's researchers start, generated from the instance's configuration.
 *
 * flow_generate() writes the two documents that the Globus Flows service takes: the definition, a
 * state machine in the service's own language, and the input schema, from which the web page makes
 * the form. What the flow does is told by the files in its order:
 *
 *      globus-flow-form.c      what the researcher is asked
 *      globus-flow-upload.c    look before moving; make the status folder; upload; say that the upload is complete
 *      globus-flow-watch.c     read the status board, with growing pauses
 *      globus-flow-return.c    bring the result back; publish, index, delete, share; end with a reason in words
 *
 * docs/globus.md says on which facts about the services this is built.
 */

#include "config.h"
#include "json.h"

typedef enum FlowDelete {
        FLOW_DELETE_ASK, /* the form asks */
        FLOW_DELETE_ALWAYS,
        FLOW_DELETE_NEVER,
} FlowDelete;

typedef struct FlowOptions {
        FlowDelete delete;
        bool results_only; /* bring back all but the uploaded data/ */
        bool fetch;        /* the second flow: no upload, only waiting and bringing back */
        bool run_as_flow; /* what touches nothing but the cluster's collection is done as the flow itself */
        const char *share;     /* UUID of a group that may read the results, or NULL */
        const char *index;     /* UUID of a search index, or NULL */
        const char *publish;   /* COLLECTION:PATH for a copy of the results, or NULL */
        usec_t first, longest; /* pauses between looks at the status, in whole seconds */
        double factor;         /* each pause is so many times the one before, at least 1 */
        unsigned rounds;       /* looks at most */
        const Config *const *
                chain; /* the instances that a success moves on to, in order, NULL-terminated; or NULL */
} FlowOptions;

/* The most instances in a chain. */
#define FLOW_CHAIN_MAX 8

/* The defaults; docs/globus.md has the reasoning. */
#define FLOW_LONGEST (2 * USEC_PER_HOUR)
#define FLOW_FACTOR 1.2
#define FLOW_ROUNDS 1500

/**
 * flow_options_init() - the defaults for @c: asks whether to delete, brings back everything, begins
 * with globus.check_interval
 */
void flow_options_init(FlowOptions *o, const Config *c);

/**
 * flow_generate() - the definition and the input schema of a flow for instance @c
 * Returns 0; UOW_E_INVALID with the key or the option that is at fault in @e; -ENOMEM.
 */
int flow_generate(const Config *c, const FlowOptions *o, cJSON **ret_definition, cJSON **ret_schema,
        Error *e);

/**
 * flow_events() - how many entries of the run's history a job takes that is not done for @time
 * Counted as carefully as the engine's bound of 25,000 is thought to count; the upload and the
 * return are included.
 */
unsigned flow_events(const FlowOptions *o, usec_t time);

/** flow_patience() - how long such a flow waits at most before the bound on its looks ends it. */
usec_t flow_patience(const FlowOptions *o);
