/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The environment that jobs are submitted with: that of a fresh login shell of the installer.
 *
 * Pure but for looking the user up: this says which program to run and reads its output; whoever
 * runs it decides when (daemon/login.c). Values are raw bytes: exported shell functions
 * ("BASH_FUNC_module%%=() { …") hold newlines and go through untouched.
 */

#include <stdbool.h>

#include "error.h"
#include "strv.h"

/* No environment that exec would take is larger. */
#define ENVIRONMENT_SIZE_MAX (8U * 1024 * 1024)

/* Who we are, as the user database says; for the environment a login begins with. */
typedef struct LoginUser {
        char *name, *home, *shell;
} LoginUser;

/**
 * login_user_get() - look up our own uid
 * $HOME, where it is set, goes before the database, as it does for everything else that reads ~/.
 * Without an entry in the database: what $USER and $HOME say, "/bin/bash". 0 or -ENOMEM.
 */
int login_user_get(LoginUser *ret);
void login_user_done(LoginUser *u);

/**
 * environment_login_argv() - what to run for a fresh login's environment
 * @marker: letters and digits that nobody can guess; printed before the environment
 *
 * The user's shell if it is a Bourne shell, else bash, as a login shell; what its start-up files
 * print does no harm. New vector or NULL.
 */
char **environment_login_argv(const LoginUser *u, const char *marker);

/**
 * environment_login_start() - what a login begins with: HOME, USER, LOGNAME, SHELL, PATH, and LANG
 * if we have it. New vector or NULL.
 */
char **environment_login_start(const LoginUser *u);

/**
 * environment_parse() - the output of environment_login_argv() as an environment, cleaned (see
 * environment_is_foreign())
 * Returns 0; UOW_E_INVALID with the reason in @e if the marker or PATH is missing, or it is cut off;
 * -ENOMEM.
 */
int environment_parse(const char *data, size_t size, const char *marker, char ***ret, Error *e);

/**
 * environment_is_foreign() - whether Slurm, systemd or a shell's own bookkeeping put @entry
 * ("NAME=…") there: it must not reach a job
 * SLURM_CONF and SLURM_JWT stay: they say how to reach Slurm.
 */
bool environment_is_foreign(const char *entry);

/** environment_get() - the value of @name, or NULL; owned by @env. */
const char *environment_get(char *const *env, const char *name);

/** environment_set() - set @name, replacing what it was. 0 or -ENOMEM. */
int environment_set(char ***env, const char *name, const char *value);

/**
 * environment_default() - set @name unless @env has it; @value NULL: nothing to do. 0 or -ENOMEM.
 */
int environment_default(char ***env, const char *name, const char *value);

/**
 * environment_add_own() - SLURM_CONF and PATH as we were started with, where a login shell did not say. 0 or -ENOMEM.
 */
int environment_add_own(char ***env);

/**
 * environment_find_program() - where execvp() would find @name in the PATH of @env, except that relative entries are passed over
 * A @name with a slash is taken as it is. Returns 0 with a new string, -ENOENT, -EACCES, -ENAMETOOLONG, -ENOMEM.
 */
int environment_find_program(char *const *env, const char *name, char **ret);
