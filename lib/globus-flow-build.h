/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Writing a flow definition so that the code reads like the flow: one call a state, in the order of
 * the story.
 *
 * A Flow collects the states and every text made on the way. A call that runs out of memory spoils
 * the Flow; nobody has to look before flow_finish(), which says so. All strings that a call takes
 * may be the Flow's own, constants or the caller's; they are copied.
 */

#include "globus-flow.h"

/* Folders of an instance, as the collection shows them, with a slash at the end. */
typedef struct FlowLeg {
        const char *status, *analysed, *failed;
} FlowLeg;

/* Folders of an instance. */
typedef enum FlowFolder {
        FOLDER_STATUS,
        FOLDER_ANALYSED,
        FOLDER_FAILED,
        _FOLDER_MAX,
} FlowFolder;

/*
 * What the generator knows of the instance, ready to be used. Folders are as the collection shows
 * them, with a slash at the end.
 */
typedef struct FlowSite {
        const char *instance, *hpc; /* HPC's name: at most 40 characters, never empty */
        const char *collection;     /* UUID */
        const char *uploaded;
        const char *legs[FLOW_CHAIN_MAX]
                        [_FOLDER_MAX]; /* the instance, and those that a success moves on to */
        size_t n_legs;
} FlowSite;

typedef struct Flow {
        cJSON *states;
        char **texts; /* all that flow_text() and the like made */
        bool spoiled; /* no memory */
        const FlowOptions *options;
        FlowSite site;
        const char *publish_collection,
                *publish_path; /* or NULL; the path with a slash at the end */
} Flow;

/** flow_text() - a text that lives as long as the Flow; "" without memory. */
const char *flow_text(Flow *f, const char *fmt, ...) _printf_(2, 3);

/** flow_quote() - @text as a literal for expressions; lives as long as the Flow. */
const char *flow_quote(Flow *f, const char *text);

/* Members of an object whose values are texts; one whose value is NULL is left out. */
typedef struct Pair {
        const char *key, *value;
} Pair;

#define PAIRS(...) ((const Pair[]){ __VA_ARGS__, {} })

/** flow_object() - a JSON object of @pairs, which end with an empty one; NULL: none. */
cJSON *flow_object(Flow *f, const Pair *pairs);

/*
 * An Action. What is not given is left out, but for ResultPath and ExceptionOnActionFailure, which
 * are always written.
 */
typedef struct FlowAction {
        const char *comment;
        const char *url;
        const char *result; /* JSONPath */
        unsigned seconds;   /* the action may take; 0: five minutes */
        const Pair *parameters;
        cJSON *more;          /* parameters that are no texts; taken */
        bool bears_failure;   /* a failed action is for the next state to judge, not an error */
        bool on_cluster_only; /* done as the flow itself if the options say so */
        const char *on_error; /* state; the error is at $.problem then */
        const char *next;
} FlowAction;

void flow_action(Flow *f, const char *name, const FlowAction *a);

/** flow_eval() - an ExpressionEval: @pairs are parameters, @result a JSONPath. */
void flow_eval(Flow *f, const char *name, const char *comment, const Pair *pairs,
        const char *result, const char *next);

/** flow_constant() - a Pass that puts @value, which it takes, at @result. */
void flow_constant(Flow *f, const char *name, const char *comment, cJSON *value, const char *result,
        const char *next);

/** flow_done() - a Pass that ends the run as succeeded. */
void flow_done(Flow *f, const char *name, const char *comment);

/** flow_wait() - for as many seconds as @seconds_path leads to, or, if that is NULL, @seconds. */
void flow_wait(Flow *f, const char *name, const char *comment, const char *seconds_path,
        unsigned seconds, const char *next);

/**
 * flow_explain() - an ExpressionEval that makes the reason of a failed end, which is the next state
 * @error: a short code; @cause: an expression for the sentence.
 */
void flow_explain(
        Flow *f, const char *name, const char *comment, const char *error, const char *cause);

/* ---- choices ---- */

/* A Choice that is being filled with rules. */
typedef struct FlowChoice {
        Flow *flow;
        cJSON *rules;
} FlowChoice;

FlowChoice flow_choice(Flow *f, const char *name, const char *comment, const char *otherwise);

/**
 * choice_text() - @operator is StringEquals or StringMatches. The path must be there when the
 * choice is made.
 */
void choice_text(
        FlowChoice c, const char *path, const char *operator, const char * value, const char *next);
/** choice_present_text() - the same for a path that may not be there, which is no match. */
void choice_present_text(FlowChoice c, const char *path, const char *value, const char *next);
void choice_true(FlowChoice c, const char *path, const char *next);
void choice_present_at_most(FlowChoice c, const char *path, double value, const char *next);
void choice_at_most(FlowChoice c, const char *path, double value, const char *next);
void choice_at_least(FlowChoice c, const char *path, double value, const char *next);

/* ---- the parts of the story ---- */

/* Names of states where one part hands over to the next. */
#define STATE_UPLOAD_FIRST "ReadTheForm"
#define STATE_WATCH_FIRST "StartWatching"
#define STATE_RETURN_FIRST "PlanTheReturn"
#define STATE_END_FAILED "EndWithTheReason"

/*
 * Expressions for what an entry of the status board says: the name that the folder has now, and the
 * text without it. In an entry the first " - as " is followed by a new name. It begins with the old
 * one; else it is not looked at.
 */
#define FLOW_AS "progress.text[len(progress.text.split(' - as ')[0]) + 6:]"
#define FLOW_RENAMED FLOW_AS "[:len(plan.name)] == plan.name"
#define FLOW_NAME FLOW_AS " if " FLOW_RENAMED " else plan.name"
#define FLOW_SAID "progress.text.split(' - as ')[0] if " FLOW_RENAMED " else progress.text"

void flow_upload(Flow *f);
void flow_fetch(Flow *f); /* instead of flow_upload() */
void flow_watch(Flow *f);
void flow_return(Flow *f);
cJSON *flow_form(Flow *f);

/**
 * flow_transfer_folder() - the parameters, beside texts, of a transfer of one folder; the folders
 * are at two paths in the run's data.
 */
cJSON *flow_transfer_folder(Flow *f, const char *from, const char *to);
/**
 * flow_transfer_options() - what each transfer of ours has: encrypted, verified, times kept, no
 * mails. Adds to @more and returns it.
 */
cJSON *flow_transfer_options(Flow *f, cJSON *more);
/**
 * flow_transfer_reason() - an expression for what is known of why the transfer at $.RESULT failed.
 */
const char *flow_transfer_reason(Flow *f, const char *result);

/** flow_pause() - the pause before look @n, counted from 0, in seconds. */
unsigned flow_pause(const FlowOptions *o, unsigned n);

/* The list of growing pauses has no more; more would make the definition a list of numbers. */
#define FLOW_PAUSES_MAX 200

/*
 * The engine's history: wait 2, listing 5, note 5, choice 2 a round, and all before and after it
 * with every option. See docs/globus.md.
 */
#define FLOW_EVENTS_A_ROUND 14
#define FLOW_EVENTS_AROUND 150
#define FLOW_EVENTS_MAX 25000
#define FLOW_ROUNDS_MAX ((FLOW_EVENTS_MAX - FLOW_EVENTS_AROUND) / FLOW_EVENTS_A_ROUND)

/* The providers; see docs/globus.md. */
#define PROVIDER_TRANSFER "https://transfer.actions.globus.org/transfer"
#define PROVIDER_DELETE "https://transfer.actions.globus.org/delete"
#define PROVIDER_MKDIR "https://transfer.actions.globus.org/mkdir"
#define PROVIDER_STAT "https://transfer.actions.globus.org/stat"
#define PROVIDER_LS "https://transfer.actions.globus.org/ls"
#define PROVIDER_PERMISSION "https://transfer.actions.globus.org/manage_permission"
#define PROVIDER_INGEST "https://actions.globus.org/search/ingest"

/*
 * How long an upload, or a return, may take. Nothing is known of a bound of the service; two weeks
 * is more than any transfer that goes on.
 */
#define TRANSFER_SECONDS (14 * 24 * 3600)
