/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Who holds a lease, and whether it still lives. Shared by lease.c and lease-owner.c only.
 */

#include "lease.h"

#define LEASE_NAME_MAX 32

/* What lease-N holds. */
typedef struct LeaseRecord {
        uint64_t fence;
        char host[65];
        char boot_id[33];   /* "" if not known */
        char pid_space[33]; /* of the pid: two containers on one host share the boot id */
        int pid;
        uint64_t start; /* of the process, clock ticks since boot; 0: not known */
        usec_t since;
        uint64_t counter;
        bool released;
} LeaseRecord;

/** lease_file_name() - "lease-7" */
const char *lease_file_name(char buf[static LEASE_NAME_MAX], uint64_t fence);

/** lease_record_self() - what this process writes. */
void lease_record_self(LeaseRecord *r, uint64_t fence);

/** lease_record_line() - its text; of one length for one process. New string or NULL. */
char *lease_record_line(const LeaseRecord *r);

/** lease_highest() - the highest N of all lease-N, 0: none. 0 or -errno. */
int lease_highest(int statedir, uint64_t *ret);

/**
 * lease_judge() - whether the holder of lease-@fence is in the way
 * 0: it is not (given up, dead, or its term is over); LEASE_E_HELD with @owner and @ret_retry as in lease_acquire(); -EEXIST if the file is no longer there; -errno.
 */
int lease_judge(
        int statedir, uint64_t fence, LeaseWatch *watch, LeaseOwner *owner, usec_t *ret_retry);

/** lease_clean_up() - the new owner @fence removes what is left of those before it. */
void lease_clean_up(int statedir, uint64_t fence);
