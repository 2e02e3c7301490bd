/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Running programs and waiting for them: for flowcronctl, which has no event loop. (The daemon has daemon/command.h.)
 *
 * Argument vectors only, never a shell; each program has a deadline, bounded output, its own process group, and gets no
 * descriptor but its own three. Several may run side by side, so that questions to services that hang cost the
 * longest deadline, not the sum of all.
 */

#include <stdbool.h>

#include "clock.h"
#include "error.h"

typedef struct Run {
        /* What is asked for. The pointers are not copied. */
        char *const *argv; /* argv[0] is looked up in the PATH of @env */
        char *const *env;  /* NULL: this process's environment */
        usec_t timeout;    /* then SIGTERM, a second later SIGKILL, to its group */
        size_t output_max; /* of each stream: what goes beyond is read and dropped */
        const char *input; /* on its standard input; NULL: nothing */

        /* How it went; run_done() frees it. */
        int error; /* 0: it ran to its end. -ENOENT, -EACCES …: it could not be started. -ETIMEDOUT: it was ended at its deadline */
        int status;      /* as from waitpid(), if error is 0 */
        char *out, *err; /* NUL-terminated; NULL: nothing was read */
        size_t out_size, err_size;
        bool truncated; /* a stream went beyond output_max */
} Run;

/**
 * run_all() - run all of them, side by side, and wait until each has ended or its deadline has passed
 * A program that even SIGKILL does not end (it waits for a disk) is left behind.
 */
void run_all(Run *runs, size_t n);

void run_done(Run *r);

/** run_ok() - it ran and exited with 0. */
bool run_ok(const Run *r);

/** run_out(), run_err() - what it printed, "" for nothing. */
static inline const char *run_out(const Run *r) {
        return r->out ? r->out : "";
}
static inline const char *run_err(const Run *r) {
        return r->err ? r->err : "";
}

/** run_describe() - how it failed, in words: "no answer within 10s", "exit code 1: its last words"; new string or NULL. */
char *run_describe(const Run *r);

/**
 * run_program() - run_all() for one
 * Returns 0 if it ran and exited with 0; UOW_E_INVALID if it ended otherwise; what is in @ret->error if it could not be
 * started or ran out of time. @ret is filled in every case.
 */
int run_program(char *const *argv, char *const *env, usec_t timeout, size_t output_max, Run *ret);

/**
 * run_login() - the environment of a fresh login shell, the same that the daemon hands to Slurm's commands and to jobs
 * Takes as long as the shell's start-up files do, @timeout at most. Returns 0 with a new vector (strv_free()), or the failure
 * with why in @e.
 */
int run_login(usec_t timeout, char ***ret, Error *e);
