/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The argument vectors that Slurm's commands are called with. Pure: what is asked for is decided
 * here and nowhere else, so that the record shows exactly what was run.
 *
 * All return a new vector (strv_free()), NULL only without memory.
 */

#include "config.h"
#include "slurm-text.h"
#include "uow.h"

/**
 * slurm_args_sbatch() - submit the present attempt of @u
 * @path: absolute path of its folder in the work area, raw bytes
 * @token: see scheduler_token()
 */
char **slurm_args_sbatch(const Uow *u, const Config *c, const char *token, const char *path);

/** slurm_args_trial() - have the controller judge a job with the settings of @c, without submitting one */
char **slurm_args_trial(const Config *c);

/** slurm_args_squeue() - every job of user @uid that the controller remembers, ended ones too */
char **slurm_args_squeue(uid_t uid, const char *marker);

/**
 * slurm_args_sacct() - what accounting knows of the jobs @ids, or of all jobs of @uid if @ids is
 * NULL
 * @ids are told in as many arguments as it takes: one argument of a program holds 128 KiB at most
 * (execve(2)).
 * @since: nothing that ended before
 */
char **slurm_args_sacct(uid_t uid, const uint32_t *ids, size_t n, usec_t since, const char *marker,
        bool submit_line);

char **slurm_args_scontrol_show(void);
char **slurm_args_release(const char *job_id);

/** slurm_args_scancel() - @further: "18,19" or NULL */
char **slurm_args_scancel(const char *job_id, const char *further);

/**
 * slurm_environment() - set in @env what makes Slurm's commands print what slurm-text.h reads. 0 or
 * -ENOMEM.
 */
int slurm_environment(char ***env);
