/*
 * What the faults do to a call: before the work, after it, and to the answer. The words are those
 * of the 22.05.8 commands, as they were seen with a controller that was stopped or frozen.
 */
#include "standin.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern const char *last_argument;

void controller_error(const char *command, const char *why) {
        int rc = 1;

        if (!strcmp(command, "sbatch"))
                fprintf(stderr, "sbatch: error: Batch job submission failed: %s\n", why);
        else if (!strcmp(command, "squeue"))
                fprintf(stderr, "slurm_load_jobs error: %s\n", why);
        else if (!strcmp(command, "sinfo"))
                fprintf(stderr, "slurm_load_partitions: %s\n", why);
        else if (!strcmp(command, "scancel")) {
                fprintf(stderr, "scancel: error: Kill job error on job id %s: %s\n", last_argument,
                        why);
                rc = 8;
        } else if (!strcmp(command, "sacct") || !strcmp(command, "sacctmgr")) {
                fprintf(stderr,
                        "%s: error: slurm_persist_conn_open_without_init: failed to open "
                        "persistent connection to host:localhost:6819: Connection refused\n"
                        "%s: error: Sending PersistInit msg: Connection refused\n",
                        command, command);
                if (!strcmp(command, "sacct"))
                        fprintf(stderr,
                                "sacct: error: Problem talking to the database: "
                                "Connection refused\n");
        } else if (!strcmp(command, "ping")) {
                printf("Slurmctld(primary) at %s is DOWN\n"
                       "*****************************************\n"
                       "** RESTORE SLURMCTLD DAEMON TO SERVICE **\n"
                       "*****************************************\n",
                       node_name());
        } else if (!strcmp(command, "update"))
                fprintf(stderr, "%s for job %s\nslurm_suspend error: %s\n", why, last_argument, why);
        else
                fprintf(stderr, "slurm_load_jobs error: %s\n", why);
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
                controller_error(command, "Socket timed out on send/recv operation");
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
                controller_error(command, "Unable to contact slurm controller (connect failure)");
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
