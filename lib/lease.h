/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The one owner of a base folder.
 *
 * .flowcron/lease-N holds the N-th owner: host, boot id, pid with its start time, a counter that it renews, and whether it was given up.
 * Whoever creates lease-(N+1), with O_EXCL, owns the folder from then on, and the fencing number is N+1; who held N sees that on its next look and
 * stops. Exclusive creation is the one thing that every file system gets right. An owner on this host is known dead by boot id, pid and start time;
 * one elsewhere when its counter has not moved for LEASE_TERM of our own (not its) time. A clock is never compared with another.
 *
 * A new owner removes the files of its predecessors. Numbers never go back even if all of them are removed: the event log's files carry the number
 * of their writer, and the next lease is above those too.
 *
 * What a process saw of an owner elsewhere it leaves in .flowcron/lease-watch-HOST-BOOTID, so that processes that run
 * for a moment only (--once) can together find that its term is over.
 */

#include <stdbool.h>

#include "clock.h"
#include "error.h"

#define LEASE_RENEW (15 * USEC_PER_SEC)
#define LEASE_TERM (90 * USEC_PER_SEC)

typedef struct Lease Lease;

typedef struct LeaseOwner {
        char host[65];
        char boot_id[33];
        int pid;
        uint64_t fence;
        usec_t since;
        bool released;
        bool alive; /* as far as can be known from here; an owner on another host counts as alive until its term is over */
        bool here;  /* it runs on this host and boot */
} LeaseOwner;

/** lease_read() - who owns the folder, for readers: 0, -ENOENT if nobody ever did, -errno. */
int lease_read(int statedir, LeaseOwner *ret);

/**
 * lease_acquire() - one try
 * Returns 0 with the lease; LEASE_E_HELD with the owner in @owner; -errno.
 * For an owner on another host the first try notes its counter; call again until LEASE_TERM is over (@ret_retry: when to look again, CLOCK_BOOTTIME; 0: pointless,
 * the owner is known to be alive). @watch keeps what was noted between tries; zero it before the first. The fencing number is above every one in
 * the event log's folder, so there is no need to look whether it is.
 */
enum {
        LEASE_E_HELD = 1
};
typedef struct LeaseWatch {
        uint64_t fence, counter;
        usec_t since;
} LeaseWatch;
int lease_acquire(int statedir, LeaseWatch *watch, Lease **ret, LeaseOwner *owner,
        usec_t *ret_retry, Error *e);

/** lease_fence() - the fencing number. */
uint64_t lease_fence(const Lease *l);

/** lease_check() - look before an act: 0 it is ours, LEASE_E_HELD it is lost for good, -errno it can't be told (do nothing now). Costs three system calls. */
int lease_check(Lease *l);

/** lease_renew() - move the counter; every LEASE_RENEW. Returns as lease_check(). */
int lease_renew(Lease *l);

/** lease_release() - give it up (the successor need not wait) and free; nothing that acts may be under way. NULL-safe, returns NULL. */
Lease *lease_release(Lease *l);

/** lease_free() - free without giving it up, as in a forked child or after the loss. */
Lease *lease_free(Lease *l);
DEFINE_CLEANUP(Lease *, lease_free)
