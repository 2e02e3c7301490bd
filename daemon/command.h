/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Child processes that run a program: an argument vector, a deadline, bounded output.
 *
 * The child dies with the daemon (PR_SET_PDEATHSIG), has no descriptors but its own three, default
 * signal handling, its own process group, and standard input from /dev/null. The loop is never
 * blocked.
 *
 * SIGCHLD must be blocked in the daemon, as sd-event asks for.
 */

#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "clock.h"
#include "error.h"

typedef struct Command Command;

typedef struct CommandSpec {
        char *const *argv; /* argv[0] is looked up in the PATH of @envp; copied */
        char *const *
                envp; /* NULL: this process's environment; not copied, needed during the call only */
        int cwd; /* folder descriptor to start in, or -1 for "/"; needed during the call only */
        mode_t umask;      /* of the child */
        usec_t timeout;    /* then SIGTERM, 2 s later SIGKILL, to its group; 0: none */
        size_t output_max; /* of each stream: what goes beyond is read and dropped */
} CommandSpec;

typedef struct CommandResult {
        int error; /* 0: it ran to its end. -errno: could not be started (-ENOENT: no such program).
                          * -ETIMEDOUT: killed at its deadline. -ECANCELED: killed because it could
                          * not be watched */
        bool started;    /* the program ran, for however short a time: it may have done something */
        int status;      /* as from waitpid(), if it was started */
        const char *out; /* NUL-terminated; valid during the call */
        size_t out_size;
        const char *err;
        size_t err_size;
        bool truncated; /* a stream went beyond output_max */
        usec_t timeout; /* as asked for */
} CommandResult;

/*
 * Called once from the event loop, never from command_start() itself; the Command is freed after it
 * returns. When the program has ended but something it left behind keeps its streams open, they are
 * given up after a second.
 */
typedef void (*CommandFunc)(const CommandResult *result, void *userdata);

/**
 * command_start() - start a program; the answer comes through @func in every case in which this
 * returns 0
 * @ret: NULL allowed; for command_free(), which kills and reaps it without calling @func.
 *
 * A program that is not there or can't be executed is an answer, too. Returns 0, or -errno if
 * nothing was started.
 */
int command_start(
        sd_event *event, const CommandSpec *spec, CommandFunc func, void *userdata, Command **ret);
Command *command_free(Command *c);
DEFINE_CLEANUP(Command *, command_free)

/** command_ok() - it ran and exited with 0. */
bool command_ok(const CommandResult *r);

/**
 * command_describe() - "sbatch: exit code 1", "sbatch: no answer within 60s", "squeue: No such file
 * or directory"; for messages
 * Returns @buf.
 */
const char *command_describe(char *buf, size_t size, const char *program, const CommandResult *r);
