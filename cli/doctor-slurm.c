/* SPDX-License-Identifier: Apache-2.0 */

/* Slurm: whether its commands are found where jobs are submitted from, and whether the controller answers. */

#include <string.h>

#include "doctor.h"
#include "environment.h"
#include "slurm-site.h"
#include "text.h"

static const char *const commands[] = { "sbatch", "squeue", "sacct", "scancel", "scontrol" };

static bool uses_slurm(const Doctor *d) {
        return d->config && d->config->scheduler.type == SCHEDULER_SLURM;
}

static void check_login(Doctor *d) {
        if (d->env)
                return;
        doctor_find(d, "commands", FINDING_WARNING, "the login environment can't be taken");
        doctor_why(d, "%s. Jobs get a minimal environment instead, in which `module` is missing.",
                d->env_trouble.text);
        doctor_advise(d, "bash -l -c 'echo it ends'");
}

static void check_commands(Doctor *d) {
        _cleanup_(strv_freep) char **missing = NULL;
        _cleanup_free_ char *list = NULL, *path = NULL;
        char *const *env = d->env ?: environ;

        check_login(d);
        for (size_t i = 0; i < ELEMENTSOF(commands); i++) {
                _cleanup_free_ char *found = NULL;

                if (environment_find_program(env, commands[i], &found) < 0 &&
                        strv_add(&missing, commands[i]) < 0)
                        d->failed = true;
                else if (!path)
                        path = TAKE_PTR(found);
        }
        if (!missing) {
                doctor_find(d, "commands", FINDING_OK, "Slurm's commands are found, as %s",
                        path ?: "?");
                return;
        }
        list = strv_join(missing, ", ");
        doctor_find(d, "commands", FINDING_FAULT, "not found in the login environment: %s",
                list ?: "?");
        doctor_why(d, "flowcrond looks for them as a login shell of %s would, in %s", d->owner_name,
                environment_get(env, "PATH") ?: "?");
        doctor_advise(d, "bash -l -c 'command -v %s'", missing[0]);
}

/* "slurm-wlm 22.05.8" → "22.05.8" */
static char *client_version(const Doctor *d) {
        const Run *r = doctor_answer_ok(d, PROBE_SLURM_VERSION);
        const char *space = r ? strchr(run_out(r), ' ') : NULL;

        return space ? strndup(space + 1, strcspn(space + 1, " \n")) : NULL;
}

static void say_controller(Doctor *d) {
        const Run *config = doctor_answer_ok(d, PROBE_SLURM_CONFIG);
        _cleanup_free_ char *client = client_version(d), *server = NULL, *cluster = NULL;

        if (config) {
                server = slurm_config_value(run_out(config), "SLURM_VERSION");
                cluster = slurm_config_value(run_out(config), "ClusterName");
        }
        doctor_find(d, "controller", FINDING_OK, "answers: Slurm %s, cluster %s%s%s%s",
                server ?: client ?: "?", cluster ?: "?",
                server && client && !streq(server, client) ? " (commands here: " : "",
                server && client && !streq(server, client) ? client : "",
                server && client && !streq(server, client) ? ")" : "");
}

static void check_controller(Doctor *d) {
        const Run *ping = doctor_answer(d, PROBE_PING), *squeue = doctor_answer(d, PROBE_SQUEUE);
        _cleanup_free_ char *words = NULL;

        if (!squeue || squeue->error == -ENOENT)
                return; /* said of the commands */
        if (run_ok(squeue)) {
                say_controller(d);
                return;
        }
        words = doctor_slurm_words(squeue);
        doctor_find(d, "controller", FINDING_FAULT, "Slurm's controller does not answer");
        doctor_why(d, "squeue: %s.%s Uploads wait, jobs that run go on.", words ?: "?",
                ping && run_ok(ping) && !slurm_ping_is_up(run_out(ping))
                        ? " scontrol ping says that it is down."
                        : "");
        doctor_advise(d, "scontrol ping");
}

void doctor_check_slurm(Doctor *d) {
        if (d->config && !uses_slurm(d)) {
                doctor_find(d, "scheduler", FINDING_OK,
                        "jobs run on this machine, %u at a time; no Slurm is needed",
                        d->config->scheduler.slots);
                return;
        }
        if (!uses_slurm(d))
                return;
        check_commands(d);
        check_controller(d);
}
