/* SPDX-License-Identifier: Apache-2.0 */

#include "script-option.h"

#include <string.h>

#include "cleanup.h"

/*
 * All long options of sbatch 22.05, and those that came later with a value. The ones without
 * interest to us are here because an abbreviation is one only if no other option begins like it,
 * and because of the words that they take as their value.
 */
static const SbatchOption long_options[] = {
        { "account", SBATCH_REQUIRED, SBATCH_ACCOUNT },
        { "acctg-freq", SBATCH_REQUIRED, SBATCH_OTHER },
        { "array", SBATCH_REQUIRED, SBATCH_ARRAY },
        { "batch", SBATCH_REQUIRED, SBATCH_OTHER },
        { "bb", SBATCH_REQUIRED, SBATCH_OTHER },
        { "bbf", SBATCH_REQUIRED, SBATCH_OTHER },
        { "begin", SBATCH_REQUIRED, SBATCH_OTHER },
        { "chdir", SBATCH_REQUIRED, SBATCH_OTHER },
        { "cluster", SBATCH_REQUIRED, SBATCH_CLUSTERS },
        { "cluster-constraint", SBATCH_REQUIRED, SBATCH_OTHER },
        { "clusters", SBATCH_REQUIRED, SBATCH_CLUSTERS },
        { "comment", SBATCH_REQUIRED, SBATCH_COMMENT },
        { "constraint", SBATCH_REQUIRED, SBATCH_OTHER },
        { "container", SBATCH_REQUIRED, SBATCH_OTHER },
        { "container-id", SBATCH_REQUIRED, SBATCH_OTHER },
        { "context", SBATCH_REQUIRED, SBATCH_OTHER },
        { "contiguous", SBATCH_NONE, SBATCH_OTHER },
        { "core-spec", SBATCH_REQUIRED, SBATCH_OTHER },
        { "cores-per-socket", SBATCH_REQUIRED, SBATCH_OTHER },
        { "cpu-freq", SBATCH_REQUIRED, SBATCH_OTHER },
        { "cpus-per-gpu", SBATCH_REQUIRED, SBATCH_OTHER },
        { "cpus-per-task", SBATCH_REQUIRED, SBATCH_CPUS_PER_TASK },
        { "deadline", SBATCH_REQUIRED, SBATCH_OTHER },
        { "delay-boot", SBATCH_REQUIRED, SBATCH_OTHER },
        { "dependency", SBATCH_REQUIRED, SBATCH_OTHER },
        { "distribution", SBATCH_REQUIRED, SBATCH_OTHER },
        { "error", SBATCH_REQUIRED, SBATCH_OTHER },
        { "exclude", SBATCH_REQUIRED, SBATCH_OTHER },
        { "exclusive", SBATCH_OPTIONAL, SBATCH_OTHER },
        { "export", SBATCH_REQUIRED, SBATCH_OTHER },
        { "export-file", SBATCH_REQUIRED, SBATCH_OTHER },
        { "extra", SBATCH_REQUIRED, SBATCH_OTHER },
        { "extra-node-info", SBATCH_REQUIRED, SBATCH_OTHER },
        { "get-user-env", SBATCH_OPTIONAL, SBATCH_OTHER },
        { "gid", SBATCH_REQUIRED, SBATCH_OTHER },
        { "gpu-bind", SBATCH_REQUIRED, SBATCH_OTHER },
        { "gpu-freq", SBATCH_REQUIRED, SBATCH_OTHER },
        { "gpus", SBATCH_REQUIRED, SBATCH_OTHER },
        { "gpus-per-node", SBATCH_REQUIRED, SBATCH_OTHER },
        { "gpus-per-socket", SBATCH_REQUIRED, SBATCH_OTHER },
        { "gpus-per-task", SBATCH_REQUIRED, SBATCH_OTHER },
        { "gres", SBATCH_REQUIRED, SBATCH_OTHER },
        { "gres-flags", SBATCH_REQUIRED, SBATCH_OTHER },
        { "help", SBATCH_NONE, SBATCH_OTHER },
        { "hint", SBATCH_REQUIRED, SBATCH_OTHER },
        { "hold", SBATCH_NONE, SBATCH_HOLD },
        { "ignore-pbs", SBATCH_NONE, SBATCH_OTHER },
        { "input", SBATCH_REQUIRED, SBATCH_OTHER },
        { "job-name", SBATCH_REQUIRED, SBATCH_OTHER },
        { "kill-on-invalid-dep", SBATCH_REQUIRED, SBATCH_OTHER },
        { "licenses", SBATCH_REQUIRED, SBATCH_OTHER },
        { "mail-type", SBATCH_REQUIRED, SBATCH_OTHER },
        { "mail-user", SBATCH_REQUIRED, SBATCH_OTHER },
        { "mcs-label", SBATCH_REQUIRED, SBATCH_OTHER },
        { "mem", SBATCH_REQUIRED, SBATCH_OTHER },
        { "mem-bind", SBATCH_REQUIRED, SBATCH_OTHER },
        { "mem-per-cpu", SBATCH_REQUIRED, SBATCH_OTHER },
        { "mem-per-gpu", SBATCH_REQUIRED, SBATCH_OTHER },
        { "mincpus", SBATCH_REQUIRED, SBATCH_OTHER },
        { "network", SBATCH_REQUIRED, SBATCH_OTHER },
        { "nice", SBATCH_OPTIONAL, SBATCH_OTHER },
        { "no-kill", SBATCH_OPTIONAL, SBATCH_OTHER },
        { "no-requeue", SBATCH_NONE, SBATCH_OTHER },
        { "nodefile", SBATCH_REQUIRED, SBATCH_OTHER },
        { "nodelist", SBATCH_REQUIRED, SBATCH_OTHER },
        { "nodes", SBATCH_REQUIRED, SBATCH_OTHER },
        { "ntasks", SBATCH_REQUIRED, SBATCH_NTASKS },
        { "ntasks-per-core", SBATCH_REQUIRED, SBATCH_OTHER },
        { "ntasks-per-gpu", SBATCH_REQUIRED, SBATCH_OTHER },
        { "ntasks-per-node", SBATCH_REQUIRED, SBATCH_OTHER },
        { "ntasks-per-socket", SBATCH_REQUIRED, SBATCH_OTHER },
        { "ntasks-per-tres", SBATCH_REQUIRED, SBATCH_OTHER },
        { "open-mode", SBATCH_REQUIRED, SBATCH_OTHER },
        { "output", SBATCH_REQUIRED, SBATCH_OTHER },
        { "overcommit", SBATCH_NONE, SBATCH_OTHER },
        { "oversubscribe", SBATCH_NONE, SBATCH_OTHER },
        { "parsable", SBATCH_NONE, SBATCH_OTHER },
        { "partition", SBATCH_REQUIRED, SBATCH_PARTITION },
        { "power", SBATCH_REQUIRED, SBATCH_OTHER },
        { "prefer", SBATCH_REQUIRED, SBATCH_OTHER },
        { "priority", SBATCH_REQUIRED, SBATCH_OTHER },
        { "profile", SBATCH_REQUIRED, SBATCH_OTHER },
        { "propagate", SBATCH_OPTIONAL, SBATCH_OTHER },
        { "qos", SBATCH_REQUIRED, SBATCH_QOS },
        { "quiet", SBATCH_NONE, SBATCH_OTHER },
        { "reboot", SBATCH_NONE, SBATCH_OTHER },
        { "requeue", SBATCH_NONE, SBATCH_OTHER },
        { "reservation", SBATCH_REQUIRED, SBATCH_RESERVATION },
        { "resv-ports", SBATCH_OPTIONAL, SBATCH_OTHER },
        { "segment", SBATCH_REQUIRED, SBATCH_OTHER },
        { "signal", SBATCH_REQUIRED, SBATCH_OTHER },
        { "sockets-per-node", SBATCH_REQUIRED, SBATCH_OTHER },
        { "spread-job", SBATCH_NONE, SBATCH_OTHER },
        { "switches", SBATCH_REQUIRED, SBATCH_OTHER },
        { "tasks-per-node", SBATCH_REQUIRED, SBATCH_OTHER },
        { "test-only", SBATCH_NONE, SBATCH_TEST_ONLY },
        { "thread-spec", SBATCH_REQUIRED, SBATCH_OTHER },
        { "threads-per-core", SBATCH_REQUIRED, SBATCH_OTHER },
        { "time", SBATCH_REQUIRED, SBATCH_TIME },
        { "time-min", SBATCH_REQUIRED, SBATCH_OTHER },
        { "tmp", SBATCH_REQUIRED, SBATCH_OTHER },
        { "tres-bind", SBATCH_REQUIRED, SBATCH_OTHER },
        { "tres-per-task", SBATCH_REQUIRED, SBATCH_OTHER },
        { "uid", SBATCH_REQUIRED, SBATCH_OTHER },
        { "usage", SBATCH_NONE, SBATCH_OTHER },
        { "use-min-nodes", SBATCH_NONE, SBATCH_OTHER },
        { "verbose", SBATCH_NONE, SBATCH_OTHER },
        { "version", SBATCH_NONE, SBATCH_OTHER },
        { "wait", SBATCH_NONE, SBATCH_WAIT },
        { "wait-all-nodes", SBATCH_REQUIRED, SBATCH_OTHER },
        { "wckey", SBATCH_REQUIRED, SBATCH_OTHER },
        { "wrap", SBATCH_REQUIRED, SBATCH_WRAP },
};

/* Short options that take a value; "k" takes one only when joined. All others take none. */
static const char short_with_value[] = "AaBbCcDdeFGiJLMmNnopqStwx";
static const char short_with_optional_value[] = "k";

/* In the order of SbatchMeaning, from _SBATCH_FORBIDDEN on. */
static const struct {
        const char *name, *why;
} forbidden[] = {
        { "--wait", "sbatch would not return, and FlowCron waits for the job anyway" },
        { "--test-only", "Slurm would only pretend to take the job" },
        { "--hold", "nobody would release the job, and it would wait for ever" },
        { "--wrap", "it puts another command in the script's place" },
        { "--clusters", "FlowCron follows jobs of its own cluster only" },
};

static SbatchMeaning short_meaning(char c) {
        switch (c) {
        case 'A':
                return SBATCH_ACCOUNT;
        case 'a':
                return SBATCH_ARRAY;
        case 'c':
                return SBATCH_CPUS_PER_TASK;
        case 'H':
                return SBATCH_HOLD;
        case 'M':
                return SBATCH_CLUSTERS;
        case 'n':
                return SBATCH_NTASKS;
        case 'p':
                return SBATCH_PARTITION;
        case 'q':
                return SBATCH_QOS;
        case 't':
                return SBATCH_TIME;
        case 'W':
                return SBATCH_WAIT;
        default:
                return SBATCH_OTHER;
        }
}

const SbatchOption *sbatch_option_long(const char *name, size_t size) {
        const SbatchOption *found = NULL;

        if (size == 0)
                return NULL;
        for (size_t i = 0; i < ELEMENTSOF(long_options); i++) {
                const SbatchOption *o = &long_options[i];

                if (strncmp(o->name, name, size) != 0)
                        continue;
                if (!o->name[size])
                        return o;
                if (!found || o->meaning > found->meaning)
                        found = o;
        }
        return found;
}

SbatchOption sbatch_option_short(char c) {
        SbatchOption o = { .name = "", .meaning = short_meaning(c) };

        if (c && strchr(short_with_value, c))
                o.argument = SBATCH_REQUIRED;
        else if (c && strchr(short_with_optional_value, c))
                o.argument = SBATCH_OPTIONAL;
        return o;
}

const char *sbatch_forbidden_name(SbatchMeaning meaning) {
        return forbidden[meaning - _SBATCH_FORBIDDEN].name;
}

const char *sbatch_forbidden_reason(SbatchMeaning meaning) {
        return forbidden[meaning - _SBATCH_FORBIDDEN].why;
}
