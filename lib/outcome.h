/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a job's course and end mean, in FlowCron's own words, whatever the scheduler.
 *
 * A backend fills a JobReport; machine.c turns changes of it into events; the record keeps its facts;
 * outcome_explain() gives the plain words for the researcher.
 */

#include "json.h"
#include "state.h"

/* Codes of causes: stable, in events, records and JSON. */
#define CAUSE_EXIT_CODE "exit-code"           /* the script ended with another code than 0 */
#define CAUSE_SIGNAL "signal"                 /* killed by a signal not sent by the scheduler's limits */
#define CAUSE_TIMEOUT "timeout"               /* over its time limit */
#define CAUSE_OUT_OF_MEMORY "out-of-memory"
#define CAUSE_NODE_FAIL "node-fail"           /* NODE_FAIL, BOOT_FAIL */
#define CAUSE_PREEMPTED "preempted"           /* and not requeued */
#define CAUSE_DEADLINE "deadline"
#define CAUSE_CANCELLED "cancelled"           /* by order of a person through FlowCron */
#define CAUSE_CANCELLED_OUTSIDE "cancelled-outside" /* by somebody else: scancel, an administrator */
#define CAUSE_REQUEUE_HOLD "requeue-hold"
#define CAUSE_REVOKED "revoked"
#define CAUSE_LAUNCH "launch-failed"          /* the scheduler could not start it (0:53 and the like) */
#define CAUSE_LOST "lost"
#define CAUSE_RULE "rule"                     /* the Unit of Work breaks a rule: rejected by us */
#define CAUSE_REFUSED "refused"               /* rejected in the scheduler's own words */
#define CAUSE_OTHER "other"

/* What a scheduler says about the job of one attempt. */
typedef struct JobReport {
        bool ended;
        UowPhase phase;     /* PHASE_PENDING or PHASE_RUNNING while not ended */
        UowOutcome outcome; /* when ended; OUTCOME_SUCCEEDED, _FAILED, _CANCELLED or _LOST */
        char *cause;        /* CAUSE_…, when ended without success */
        char *reason;       /* one line for people; while pending: why it waits */
        char *state;        /* the scheduler's own word: "TIMEOUT" */
        char *nodes;        /* node list, as the scheduler writes it */
        char *job_ids;      /* further jobs submitted from its folder and still known, "18,19" */
        usec_t started, finished;
        bool stuck;         /* what it waits for does not lift by itself */
        cJSON *facts;       /* when ended: object for the record, see schema/record.schema.json, member job */
} JobReport;

void job_report_done(JobReport *r);
