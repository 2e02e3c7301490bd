/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a job's course and end mean, in FlowCron's own words, whatever the scheduler.
 *
 * A backend fills a JobReport; machine.c turns changes of it into events; the record keeps its
 * facts; outcome_reason() and outcome_explain() make the words for the researcher from cause and
 * facts alone, so that they can be made again from a record.
 */

#include "json.h"
#include "state.h"

/* Codes of causes: stable, in events, records and JSON. */
#define CAUSE_EXIT_CODE "exit-code" /* the script ended with another code than 0 */
#define CAUSE_SIGNAL "signal"       /* killed by a signal not sent by the scheduler's limits */
#define CAUSE_TIMEOUT "timeout"     /* over its time limit */
#define CAUSE_OUT_OF_MEMORY "out-of-memory"
#define CAUSE_NODE_FAIL "node-fail" /* NODE_FAIL, BOOT_FAIL */
#define CAUSE_PREEMPTED "preempted" /* and not requeued */
#define CAUSE_DEADLINE "deadline"
#define CAUSE_CANCELLED "cancelled"                 /* by order of a person through FlowCron */
#define CAUSE_CANCELLED_OUTSIDE "cancelled-outside" /* by somebody else, with scancel say */
#define CAUSE_REQUEUE_HOLD "requeue-hold"
#define CAUSE_REVOKED "revoked"
#define CAUSE_LAUNCH "launch-failed" /* the scheduler could not start it (0:53 and the like) */
#define CAUSE_LOST "lost"
#define CAUSE_RULE "rule"       /* the Unit of Work breaks a rule: rejected by us */
#define CAUSE_REFUSED "refused" /* rejected in the scheduler's own words */
#define CAUSE_OTHER "other"

/* What a scheduler says about the job of one attempt. */
typedef struct JobReport {
        bool ended;
        UowPhase phase;      /* PHASE_PENDING or PHASE_RUNNING while not ended */
        UowOutcome outcome;  /* when ended; OUTCOME_SUCCEEDED, _FAILED, _CANCELLED or _LOST */
        char *cause;         /* CAUSE_…, when ended without success */
        char *reason;        /* one line for people; while pending: why it waits */
        char *state;         /* the scheduler's own word: "TIMEOUT" */
        char *nodes;         /* node list, as the scheduler writes it */
        unsigned node_count; /* while running; 0: not known, or more jobs than one */
        char *job_ids;       /* further jobs submitted from its folder and still known, "18,19" */
        usec_t started, finished;
        bool stuck;   /* what it waits for does not lift by itself */
        cJSON *facts; /* when ended: see below */
} JobReport;

void job_report_done(JobReport *r);

/*
 * Facts: an object, the member `job` of `ended` and of an attempt in the record
 * (schema/record.schema.json). Every member is optional; absent means not known. Text members are
 * UTF-8.
 *
 *   job_id, state                     strings, as the scheduler writes them
 *   exit_code, signal                 of the script (of the first part that failed); integers
 *   submitted, started, ended         times
 *   wait_s, elapsed_s, time_limit_s   whole seconds: before the start, running, allowed (absent for
 *                                     "unlimited")
 *   nodes, node_count, cpus, cpu_s    node list; how many; processor seconds really used
 *   memory_used_bytes                 the most that a part was seen to use
 *   memory_requested_bytes            what that part had asked for
 *   account, partition, qos
 *   cancelled_by                      who cancelled it, as the scheduler says: a user name or id
 *   task_count, tasks_failed          arrays, heterogeneous jobs: parts, and those without success
 *   tasks                             the parts without success: [{"job_id", "index", "state",
 *                                     "exit_code", "signal", "elapsed_s", "memory_used_bytes",
 *                                     "memory_requested_bytes"}], the one to blame first
 *   further_jobs                      jobs submitted from its folder: [{"job_id", "state",
 *                                     "exit_code", "signal"}]
 *   failed_job                        the further job that the cause is about, when the job itself
 *                                     succeeded
 *   failed_steps                      steps that failed within a success: [{"step", "state",
 *                                     "exit_code", "signal"}]
 *
 * Lists hold OUTCOME_TASKS_MAX entries at most.
 */
#define OUTCOME_TASKS_MAX 100

/**
 * outcome_reason() - the one line for people: "out of memory, used 46 of 47 GB", "over its time
 * limit of 2 h", "task 3 of 5: exit code 1"
 * @cause: CAUSE_…
 * @facts: NULL allowed
 * New string, printable, at most 200 bytes; NULL without memory.
 */
char *outcome_reason(const char *cause, const cJSON *facts);

/**
 * outcome_explain() - for the report: what probably happened, and what to change
 * @ret_likely, @ret_advice: new strings, one paragraph each, without line breaks; "" where there is
 * nothing to say (success without a warning) 0 or -ENOMEM. @cause NULL means success: a warning
 * about failed steps, if there were any.
 */
int outcome_explain(const char *cause, const cJSON *facts, char **ret_likely, char **ret_advice);

/**
 * outcome_size() - "46 GB", "512 MB", "1.5 GB": binary units as schedulers count them, rounded for
 * people. Returns @buf.
 */
#define OUTCOME_SIZE_MAX 32
const char *outcome_size(char buf[static OUTCOME_SIZE_MAX], uint64_t bytes);
