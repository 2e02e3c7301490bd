/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What probably happened and what to change, for somebody who knows their science and not the
 * cluster.
 *
 * Suggestions are made from what the job used, so that they can be followed as they stand. Called
 * by whoever writes the report.
 */

#include "outcome-internal.h"

#include <string.h>

#define GIB (INT64_C(1024) * 1024 * 1024)

typedef struct Words {
        char likely[512], advice[768];
} Words;

/* Half as much again as was asked for or used, in whole gigabytes. */
static int64_t more_memory_gb(const cJSON *facts) {
        int64_t used = outcome_fact(facts, "memory_used_bytes"),
                asked = outcome_fact(facts, "memory_requested_bytes");
        int64_t base = used > asked ? used : asked;

        return base > 0 ? (base + base / 2 + GIB - 1) / GIB : 0;
}

static void explain_memory(Words *w, const cJSON *facts) {
        int64_t gb = more_memory_gb(facts), asked = outcome_fact(facts, "memory_requested_bytes");
        char size[OUTCOME_SIZE_MAX];

        if (asked > 0)
                snprintf(w->likely, sizeof(w->likely),
                        "The job needed more than the %s of memory it had asked for, and the system stopped it.",
                        outcome_size(size, (uint64_t)asked));
        else
                snprintf(w->likely, sizeof(w->likely),
                        "The job needed more memory than it was given, and the system stopped it.");
        if (gb > 0)
                snprintf(w->advice, sizeof(w->advice),
                        "Ask for more memory: put the line \"#SBATCH --mem=%dG\" into the script (replacing one that is there), "
                        "or work on less data at once.",
                        (int)gb);
        else
                snprintf(w->advice, sizeof(w->advice),
                        "Ask for more memory with a line such as \"#SBATCH --mem=16G\" in the script, or work on less data at once.");
}

/* Twice the limit, as Slurm writes it: "4:00:00", "2-00:00:00". */
static void print_limit(char *buf, size_t size, int64_t s) {
        int64_t days = s / 86400, hours = s / 3600 % 24, minutes = s / 60 % 60;

        if (days > 0)
                snprintf(buf, size, "%d-%02d:%02d:00", (int)days, (int)hours, (int)minutes);
        else
                snprintf(buf, size, "%d:%02d:00", (int)hours, (int)minutes);
}

static void explain_timeout(Words *w, const cJSON *facts) {
        int64_t limit = outcome_fact(facts, "time_limit_s");
        char text[32];

        snprintf(w->likely, sizeof(w->likely),
                "The job was still running when its time was up, and the scheduler stopped it. What it had written until then is kept.");
        if (limit <= 0) {
                snprintf(w->advice, sizeof(w->advice),
                        "Ask for more time with a line such as \"#SBATCH --time=4:00:00\" in the script.");
                return;
        }
        print_limit(text, sizeof(text), 2 * limit);
        snprintf(w->advice, sizeof(w->advice),
                "Ask for more time: put the line \"#SBATCH --time=%s\" into the script (replacing one that is there). If the "
                "cluster does not allow as much, divide the work.",
                text);
}

static void explain_exit_code(Words *w, const cJSON *facts) {
        int64_t code = outcome_fact(facts, "exit_code");

        if (code == 127) {
                snprintf(w->likely, sizeof(w->likely),
                        "The script called a program that was not found.");
                snprintf(w->advice, sizeof(w->advice),
                        "Look in the error output for \"command not found\": is the name spelt right, and does the script load the "
                        "module that has the program?");
        } else if (code == 126) {
                snprintf(w->likely, sizeof(w->likely),
                        "The script called a file that can't be executed.");
                snprintf(w->advice, sizeof(w->advice),
                        "Call helper scripts through their interpreter (\"bash scripts/helper.sh\"): uploads don't keep the permission to execute.");
        } else if (code == 137) {
                snprintf(w->likely, sizeof(w->likely),
                        "A program in the script was killed from outside; most often because memory ran out.");
                snprintf(w->advice, sizeof(w->advice),
                        "Ask for more memory with a line such as \"#SBATCH --mem=16G\" in the script.");
        } else {
                snprintf(w->likely, sizeof(w->likely),
                        "The script, or the last program in it, reported an error of its own. The cluster worked as it should.");
                snprintf(w->advice, sizeof(w->advice),
                        "The last lines of the error output usually name the fault. Mend the script or the data, and upload again.");
        }
}

static void explain_signal(Words *w, const cJSON *facts) {
        int64_t signo = outcome_fact(facts, "signal");

        if (signo == 9 || signo == 15) {
                snprintf(w->likely, sizeof(w->likely),
                        "The job was stopped from outside: for want of memory, by its own script, or by an administrator.");
                snprintf(w->advice, sizeof(w->advice),
                        "Compare the memory used with what was asked for; if they are close, ask for more with \"#SBATCH --mem=…\".");
        } else {
                snprintf(w->likely, sizeof(w->likely),
                        "A program crashed. That is a fault in the program or in the data it was given.");
                snprintf(w->advice, sizeof(w->advice),
                        "Look at the error output for the program that crashed; try it with a smaller or a known good data set.");
        }
}

static void explain_launch(Words *w, const cJSON *facts _unused_) {
        snprintf(w->likely, sizeof(w->likely),
                "The scheduler accepted the job, but the compute node could not start it: often the node can't reach the folder, or the node is at fault.");
        snprintf(w->advice, sizeof(w->advice),
                "Try once more. If it happens again, ask the person who runs this FlowCron.");
}

static void explain_again(Words *w, const cJSON *facts _unused_) {
        snprintf(w->likely, sizeof(w->likely),
                "Nothing is wrong with the script or the data: the cluster took the job's place away.");
        snprintf(w->advice, sizeof(w->advice), "Try again; nothing needs to be changed.");
}

static void explain_lost(Words *w, const cJSON *facts _unused_) {
        snprintf(w->likely, sizeof(w->likely),
                "The scheduler has forgotten the job, and there is no record of its end. It may have run to its end all the same.");
        snprintf(w->advice, sizeof(w->advice),
                "Look at the results: if they are complete, nothing is lost. Otherwise try again.");
}

static void explain_deadline(Words *w, const cJSON *facts _unused_) {
        snprintf(w->likely, sizeof(w->likely),
                "The script set a deadline for the job (\"#SBATCH --deadline\"), and it could not be met.");
        snprintf(w->advice, sizeof(w->advice), "Leave the deadline out, or set a later one.");
}

static void explain_outside(Words *w, const cJSON *facts _unused_) {
        snprintf(w->likely, sizeof(w->likely),
                "Somebody cancelled the job on the cluster itself, or the scheduler did because it could never have run.");
        snprintf(w->advice, sizeof(w->advice),
                "Ask the person who runs this FlowCron, or the cluster's support, before trying again.");
}

static void explain_cancelled(Words *w, const cJSON *facts _unused_) {
        snprintf(w->likely, sizeof(w->likely), "It was cancelled as somebody asked.");
        snprintf(w->advice, sizeof(w->advice),
                "Nothing needs to be changed; it can be run again as it is.");
}

static void explain_refused(Words *w, const cJSON *facts _unused_) {
        snprintf(w->likely, sizeof(w->likely),
                "The scheduler refused the job before it could wait in the queue; the reason is given in its own words.");
        snprintf(w->advice, sizeof(w->advice),
                "Correct the \"#SBATCH\" line that the message speaks of, and upload again.");
}

static void explain_rule(Words *w, const cJSON *facts _unused_) {
        snprintf(w->likely, sizeof(w->likely),
                "The folder was looked at before anything ran, and something in it does not fit.");
        snprintf(w->advice, sizeof(w->advice), "Change what the reason names, and upload again.");
}

static void explain_other(Words *w, const cJSON *facts _unused_) {
        snprintf(w->likely, sizeof(w->likely),
                "The scheduler ended the job in a way that is not a usual one.");
        snprintf(w->advice, sizeof(w->advice),
                "Try again; if it happens once more, ask the person who runs this FlowCron.");
}

static void explain_success(Words *w, const cJSON *facts) {
        const cJSON *steps = facts ? json_array(facts, "failed_steps") : NULL;
        int n = steps ? cJSON_GetArraySize(steps) : 0;

        if (n == 0)
                return;
        snprintf(w->likely, sizeof(w->likely),
                "The script succeeded, but %d step%s within it did not: the script went on past %s.",
                n, n == 1 ? "" : "s", n == 1 ? "that" : "them");
        snprintf(w->advice, sizeof(w->advice),
                "See whether the results are complete. With \"set -e\" near the top of the script, the first failure would end it.");
}

static const struct {
        const char *cause;
        void (*explain)(Words *w, const cJSON *facts);
} explanations[] = {
        { CAUSE_EXIT_CODE, explain_exit_code },
        { CAUSE_SIGNAL, explain_signal },
        { CAUSE_TIMEOUT, explain_timeout },
        { CAUSE_OUT_OF_MEMORY, explain_memory },
        { CAUSE_NODE_FAIL, explain_again },
        { CAUSE_PREEMPTED, explain_again },
        { CAUSE_REVOKED, explain_again },
        { CAUSE_REQUEUE_HOLD, explain_launch },
        { CAUSE_LAUNCH, explain_launch },
        { CAUSE_DEADLINE, explain_deadline },
        { CAUSE_CANCELLED, explain_cancelled },
        { CAUSE_CANCELLED_OUTSIDE, explain_outside },
        { CAUSE_LOST, explain_lost },
        { CAUSE_RULE, explain_rule },
        { CAUSE_REFUSED, explain_refused },
};

int outcome_explain(const char *cause, const cJSON *facts, char **ret_likely, char **ret_advice) {
        void (*explain)(Words *, const cJSON *) = cause ? explain_other : explain_success;
        _cleanup_free_ char *likely = NULL, *advice = NULL;
        Words w = { "", "" };

        for (size_t i = 0; cause && i < ELEMENTSOF(explanations); i++)
                if (streq(explanations[i].cause, cause))
                        explain = explanations[i].explain;
        explain(&w, facts);
        likely = strdup(w.likely);
        advice = strdup(w.advice);
        if (!likely || !advice)
                return -ENOMEM;
        *ret_likely = TAKE_PTR(likely);
        *ret_advice = TAKE_PTR(advice);
        return 0;
}
