/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Slurm's words for states of jobs and for why they wait, and what each means to us.
 *
 * squeue(1), "Job state codes" and "Job reason codes"; sacct(1). A word that is not here means
 * "alive": a state that a later Slurm invents never ends a job. Called by the other slurm-text-*.c
 * files and by scheduler-slurm*.c.
 */

#include "slurm-text-internal.h"

#include <string.h>

typedef struct StateWord {
        const char *word;
        SlurmLife life;
        const char *cause; /* when ended; refined by slurm_cause() */
        const char *waits; /* for people: a special way to wait, which does not lift by itself */
} StateWord;

static const StateWord states[] = {
        { "PENDING", SLURM_LIFE_WAITING, NULL, NULL },
        { "CONFIGURING", SLURM_LIFE_WAITING, NULL, NULL },
        { "REQUEUED", SLURM_LIFE_WAITING, NULL, NULL },
        { "REQUEUE_FED", SLURM_LIFE_WAITING, NULL, NULL },
        { "REQUEUE_HOLD", SLURM_LIFE_WAITING, NULL,
                "put back into the queue and held; somebody must release it" },
        { "SPECIAL_EXIT", SLURM_LIFE_WAITING, NULL,
                "put back into the queue in a special state; somebody must release it" },
        { "RESV_DEL_HOLD", SLURM_LIFE_WAITING, NULL, "held, because its reservation was deleted" },
        { "RUNNING", SLURM_LIFE_RUNNING, NULL, NULL },
        { "SUSPENDED", SLURM_LIFE_RUNNING, NULL, NULL },
        { "STOPPED", SLURM_LIFE_RUNNING, NULL, NULL },
        { "COMPLETING", SLURM_LIFE_RUNNING, NULL, NULL },
        { "RESIZING", SLURM_LIFE_RUNNING, NULL, NULL },
        { "SIGNALING", SLURM_LIFE_RUNNING, NULL, NULL },
        { "STAGE_OUT", SLURM_LIFE_RUNNING, NULL, NULL },
        { "COMPLETED", SLURM_LIFE_ENDED, NULL, NULL },
        { "FAILED", SLURM_LIFE_ENDED, CAUSE_EXIT_CODE, NULL },
        { "TIMEOUT", SLURM_LIFE_ENDED, CAUSE_TIMEOUT, NULL },
        { "OUT_OF_MEMORY", SLURM_LIFE_ENDED, CAUSE_OUT_OF_MEMORY, NULL },
        { "CANCELLED", SLURM_LIFE_ENDED, CAUSE_CANCELLED_OUTSIDE, NULL },
        { "NODE_FAIL", SLURM_LIFE_ENDED, CAUSE_NODE_FAIL, NULL },
        { "BOOT_FAIL", SLURM_LIFE_ENDED, CAUSE_NODE_FAIL, NULL },
        { "RECONFIG_FAIL", SLURM_LIFE_ENDED, CAUSE_NODE_FAIL, NULL },
        { "PREEMPTED", SLURM_LIFE_ENDED, CAUSE_PREEMPTED, NULL },
        { "DEADLINE", SLURM_LIFE_ENDED, CAUSE_DEADLINE, NULL },
        { "REVOKED", SLURM_LIFE_ENDED, CAUSE_REVOKED, NULL },
        { "LAUNCH_FAILED", SLURM_LIFE_ENDED, CAUSE_LAUNCH, NULL },
};

static const StateWord *find_state(const char *word) {
        for (size_t i = 0; i < ELEMENTSOF(states); i++)
                if (streq(states[i].word, word))
                        return &states[i];
        return NULL;
}

SlurmLife slurm_state_life(const char *state) {
        const StateWord *s = find_state(state);

        return s ? s->life : SLURM_LIFE_UNKNOWN;
}

const char *slurm_state_word(const char *state) {
        const StateWord *s = find_state(state);

        return s ? s->word : "";
}

/* Slurm's own signal for "could not be started": folder or output not to be opened, or the like. */
#define SIGNAL_LAUNCH 53

/*
 * Killed for memory by ways that leave no OUT_OF_MEMORY behind: a step's end, or figures beyond
 * what was asked for.
 */
static bool ran_out_of_memory(const SlurmRow *row) {
        bool killed = row->signal == 9 || row->exit_code == 137;

        return row->step_out_of_memory ||
                (killed && row->memory_requested > 0 && row->memory_used >= row->memory_requested);
}

const char *slurm_cause(const SlurmRow *row) {
        const StateWord *s = find_state(row->state);
        const char *cause = s ? s->cause : NULL;

        if (row->life != SLURM_LIFE_ENDED)
                return NULL;
        if (streq(row->state, "COMPLETED")) {
                if (row->exit_code <= 0 && row->signal <= 0)
                        return NULL;
                cause = CAUSE_EXIT_CODE;
        }
        if (!streq(cause, CAUSE_EXIT_CODE))
                return cause;
        if (ran_out_of_memory(row))
                return CAUSE_OUT_OF_MEMORY;
        if (row->exit_code <= 0 && row->signal == SIGNAL_LAUNCH)
                return CAUSE_LAUNCH;
        return row->exit_code <= 0 && row->signal > 0 ? CAUSE_SIGNAL : CAUSE_EXIT_CODE;
}

/* ---- why it waits ---- */

typedef struct ReasonWord {
        const char *word; /* or the beginning of it */
        bool stuck;
        const char *text;
} ReasonWord;

/* Those that are plain by themselves ("Resources", "Priority") are not here. */
static const ReasonWord reasons[] = {
        { "PartitionDown", true, "the partition is switched off" },
        { "PartitionInactive", true, "the partition starts no jobs" },
        { "PartitionTimeLimit", true, "it asks for more time than its partition allows" },
        { "PartitionNodeLimit", true, "it asks for more or fewer nodes than its partition allows" },
        { "PartitionConfig", true, "its partition can't give what it asks for" },
        { "DependencyNeverSatisfied", true,
                "it waits for another job in a way that can't come true any more" },
        { "Dependency", false, "it waits for another job" },
        { "JobHeldAdmin", true, "held by an administrator" },
        { "JobHeldUser", true, "held by the user" },
        { "JobHoldMaxRequeue", true, "held, because it was put back into the queue too often" },
        { "job requeued in held state", true, "put back into the queue and held" },
        { "launch failed requeued held", true,
                "it could not be started, was put back into the queue and held" },
        { "JobLaunchFailure", true, "it could not be started" },
        { "BadConstraints", true, "no node can ever give what it asks for" },
        { "MaxMemPerLimit", true, "it asks for more memory than the cluster allows" },
        { "InvalidAccount", true, "its account is not valid" },
        { "InvalidQOS", true, "its quality of service is not valid" },
        { "AccountNotAllowed", true, "its account may not use this partition" },
        { "QOSNotAllowed", true, "its quality of service may not use this partition" },
        { "AssociationTimeLimit", true, "the account's time is used up" },
        { "QOSTimeLimit", true, "it asks for more time than its quality of service allows" },
        { "ReservationDeleted", true, "its reservation was deleted" },
        { "NodeDown", true, "a node that it asks for is down" },
        { "FrontEndDown", true, "no front end can start it" },
        { "ReqNodeNotAvail, Reserved for maintenance", false,
                "its nodes are reserved for maintenance" },
        { "ReqNodeNotAvail", true, "a node that it asks for is not available" },
        { "BeginTime", false, "its start time has not come" },
        { "Licenses", false, "it waits for a licence" },
        { "JobArrayTaskLimit", false, "as many of its tasks run as it allows at once" },
        { "Reservation", false, "it waits for its reservation" },
        { "Prolog", false, "its nodes are being prepared" },
        { "Cleaning", false, "its last run is being cleaned up" },
        { "BurstBuffer", false, "it waits for its burst buffer" },
};

static bool is_policy_word(const char *word) {
        return startswith(word, "Assoc") || startswith(word, "QOS") || startswith(word, "Max");
}

bool slurm_limit_lifts(const char *word) {
        /* Bounds on one job, whatever else runs. */
        static const char *const never[] = { "PerJob", "PerNode", "WallDuration", "TimeLimit",
                "MemPerLimit", "MemPerCPU" };

        /* A budget of minutes is refilled by a person; running minutes come back. */
        if (startswith(word, "AssocGrp") || startswith(word, "QOSGrp"))
                return !strstr(word, "Minutes") || strstr(word, "RunMinutes");
        if (startswith(word, "QOSMin"))
                return false;
        for (size_t i = 0; i < ELEMENTSOF(never); i++)
                if (strstr(word, never[i]))
                        return false;
        return true;
}

/* "QOSMaxWallDurationPerJobLimit", "AssocGrpCpuLimit", …: there are some 200 of them. */
static const char *policy_text(const char *word, bool *ret_stuck) {
        bool lifts = slurm_limit_lifts(word);

        *ret_stuck = !lifts;
        if (strstr(word, "Grp") && !lifts)
                return "the budget of the account is used up";
        return lifts ? "a limit of the account is reached" : "it asks for more than a limit allows";
}

static char *with_text(const char *word, const char *text) {
        _cleanup_free_ char *all = text ? xasprintf("%s: %s", word, text) : strdup(word);

        return all ? text_printable(all, 160) : NULL;
}

char *slurm_pending_reason(const char *state, const char *reason, bool *ret_stuck) {
        const StateWord *s = find_state(state);
        const char *text = NULL;
        bool stuck = false;

        if (s && s->waits) {
                *ret_stuck = true;
                return with_text(state, s->waits);
        }
        if (isempty(reason) || streq(reason, "None")) {
                *ret_stuck = false;
                return strdup(
                        streq(state, "CONFIGURING") ? "its nodes are being started" : "waiting");
        }
        for (size_t i = 0; i < ELEMENTSOF(reasons) && !text; i++)
                if (startswith(reason, reasons[i].word)) {
                        text = reasons[i].text;
                        stuck = reasons[i].stuck;
                }
        if (!text && is_policy_word(reason))
                text = policy_text(reason, &stuck);
        *ret_stuck = stuck;
        return with_text(reason, text);
}
