/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the faults do to a call: before the work, after it, and to the answer. The words are those
 * of the 22.05.8 commands, as they were seen with a controller that was stopped or frozen.
 */
#include "standin.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char **call_jobs;
bool call_is_requeue;

#define SOCKET_TIMEOUT "Socket timed out on send/recv operation"
#define NO_CONTROLLER "Unable to contact slurm controller (connect failure)"

static int no_database(const char *command) {
        fprintf(stderr,
                "%s: error: slurm_persist_conn_open_without_init: failed to open persistent "
                "connection to host:localhost:6819: Connection refused\n"
                "%s: error: Sending PersistInit msg: Connection refused\n",
                command, command);
        if (!strcmp(command, "sacct"))
                fprintf(stderr,
                        "sacct: error: Problem talking to the database: Connection refused\n");
        return 1;
}

static int no_ping(void) {
        printf("Slurmctld(primary) at %s is DOWN\n"
               "*****************************************\n"
               "** RESTORE SLURMCTLD DAEMON TO SERVICE **\n"
               "*****************************************\n",
                node_name());
        return 1;
}

/* One line for each job; the exit code is the error's number, cut to eight bits. */
static int no_cancel(const char *why) {
        for (char **id = call_jobs; id && *id; id++)
                fprintf(stderr, "scancel: error: Kill job error on job id %s: %s\n", *id, why);
        return strcmp(why, NO_CONTROLLER) ? 140 : 8;
}

/* scontrol's changes do not say what is wrong, whatever it is. */
static int no_change(void) {
        for (char **id = call_jobs; id && *id; id++)
                fprintf(stderr, "Unexpected message received for job %s\n", *id);
        if (!call_is_requeue)
                fprintf(stderr, "slurm_suspend error: Unexpected message received\n");
        return 1;
}

void controller_error(const char *command, const char *why) {
        static const struct {
                const char *command, *prefix;
        } prefixes[] = {
                { "sbatch", "sbatch: error: Batch job submission failed: " },
                { "squeue", "slurm_load_jobs error: " },
                { "sinfo", "slurm_load_partitions: " },
                { "show jobs", "slurm_load_jobs error: " },
                { "show config", "slurm_load_ctl_conf error: " },
                { "show partitions", "slurm_load_partitions error: " },
                { "update", "slurm_update error: " },
        };
        int rc = 1;

        for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++)
                if (!strcmp(command, prefixes[i].command))
                        fprintf(stderr, "%s%s\n", prefixes[i].prefix, why);
        if (!strcmp(command, "sacct") || !strcmp(command, "sacctmgr"))
                rc = no_database(command);
        else if (!strcmp(command, "ping"))
                rc = no_ping();
        else if (!strcmp(command, "scancel"))
                rc = no_cancel(why);
        else if (!strcmp(command, "change"))
                rc = no_change();
        fflush(NULL);
        _exit(rc);
}

static void hang(void) {
        for (;;)
                pause();
}

static void print_garbage(int64_t bytes, int rc) {
        uint64_t x = 88172645463325252u;
        char buf[4096];

        for (int64_t left = bytes ? bytes : 1000; left > 0;) {
                size_t n = left < (int64_t)sizeof(buf) ? (size_t)left : sizeof(buf);

                for (size_t i = 0; i < n; i++) {
                        x ^= x << 13;
                        x ^= x >> 7;
                        x ^= x << 17;
                        buf[i] = (char)x;
                }
                if (write(STDOUT_FILENO, buf, n) < 0)
                        break;
                left -= (int64_t)n;
        }
        _exit(rc);
}

static void refuse_for_limit(const char *text) {
        fprintf(stderr,
                "sbatch: error: %s\n"
                "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy "
                "(job submit limit, user's size and/or time limits)\n",
                *text ? text : "AssocMaxSubmitJobLimit");
        fflush(NULL);
        _exit(1);
}

static bool strikes(FaultKind kind, bool done) {
        return faults[kind].set && faults[kind].done == done;
}

static void strike(const char *command, bool done) {
        if (strikes(F_DELAY, done))
                sleep_ms(faults[F_DELAY].ms);
        if (strikes(F_HANG, done))
                hang();
        if (strikes(F_KILL, done))
                raise(faults[F_KILL].sig ? faults[F_KILL].sig : SIGKILL);
        if (strikes(F_TIMEOUT, done)) {
                sleep_ms(faults[F_TIMEOUT].ms);
                controller_error(command, SOCKET_TIMEOUT);
        }
        if (strikes(F_EXIT, done)) {
                if (*faults[F_EXIT].text)
                        fprintf(stderr, "%s\n", faults[F_EXIT].text);
                fflush(NULL);
                _exit(faults[F_EXIT].has_rc ? faults[F_EXIT].rc : 1);
        }
        if (strikes(F_SILENT, done))
                _exit(faults[F_SILENT].rc);
        if (strikes(F_GARBAGE, done))
                print_garbage(faults[F_GARBAGE].bytes, faults[F_GARBAGE].rc);
}

void faults_before(const char *command) {
        if (faults[F_WARN_STDERR].set)
                fprintf(stderr, "%s\n", faults[F_WARN_STDERR].text);
        if (faults[F_WARN_STDOUT].set)
                printf("%s\n", faults[F_WARN_STDOUT].text);
        fflush(NULL);
        strike(command, false);
        if (faults[F_DOWN].set) {
                sleep_ms(faults[F_DOWN].ms);
                controller_error(command, NO_CONTROLLER);
        }
        if (faults[F_LIMIT].set)
                refuse_for_limit(faults[F_LIMIT].text);
}

void faults_after(const char *command) {
        strike(command, true);
}

void answer(const char *command, const Text *out, int rc) {
        size_t n = out->n;

        faults_after(command);
        if (faults[F_CUT].set) {
                if ((size_t)faults[F_CUT].bytes < n)
                        n = (size_t)faults[F_CUT].bytes;
                rc = faults[F_CUT].rc;
        }
        fflush(stdout);
        for (size_t at = 0; at < n;) {
                ssize_t w = write(STDOUT_FILENO, out->s + at, n - at);

                if (w <= 0)
                        break;
                at += (size_t)w;
        }
        exit(rc);
}
