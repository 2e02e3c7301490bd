/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The orders behind `flowcronctl flow`, each a file cmd-flow-*.c as other orders are, and what
 * those share that talk to Globus.
 *
 * What was deployed for an instance is in its .flowcron/globus.json: {"flow": {"id", "title",
 * "scope"}, "fetch": {…}}. An order that is given --flow UUID needs no instance: the PC of an
 * instrument has none.
 */

#include "cli.h"
#include "globus-client.h"

extern const Order order_flow_generate, order_flow_validate, order_flow_login, order_flow_logout,
        order_flow_deploy, order_flow_run, order_flow_status, order_flow_runs;

/* Which of an instance's two flows. */
typedef struct FlowKind {
        const char *key;    /* in globus.json: "flow", "fetch" */
        const char *infix;  /* of the files' names: "", "-fetch" */
        const char *option; /* that chooses it, for messages: "", " --fetch" */
} FlowKind;

const FlowKind *flow_kind(bool fetch);

/**
 * flow_file_name() - FlowCron-INSTANCE_definition.json and the like; @what: "definition",
 * "input_schema". New string or NULL.
 */
char *flow_file_name(const char *instance, const FlowKind *kind, const char *what);

/**
 * flow_refuse() - say why a call came to nothing, by what globus_call() and the like returned; the
 * exit code.
 */
int flow_refuse(Cli *cli, int r, const Error *e);

/**
 * flow_deployed_read() - what was deployed for the instance; an empty object if nothing was. 0 or
 * an exit code, said already.
 */
int flow_deployed_read(Cli *cli, cJSON **ret);
int flow_deployed_write(Cli *cli, const cJSON *deployed);

/**
 * flow_id() - @given, checked, or the deployed one's id, or a refusal that is said. New string in
 * @ret.
 */
int flow_id(Cli *cli, const char *given, const FlowKind *kind, char **ret);

/** flow_uuid_valid() - whether @text is a UUID. */
bool flow_uuid_valid(const char *text);

/** flow_split() - "a,b" as a vector; NULL and "" are an empty one. 0 or -ENOMEM. */
int flow_split(const char *text, char ***ret);
