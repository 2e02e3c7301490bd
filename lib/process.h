/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Knowing a process again: its number alone does not do, since numbers are reused.
 *
 * On one boot of one kernel, within one pid namespace, a process is its number and the time it began.
 */

#include <inttypes.h>

#include "cleanup.h"

typedef struct ProcessStat {
        char state; /* 'R', 'S', 'D', 'Z' …: proc(5) */
        int parent, session;
        uint64_t start; /* in clock ticks since the boot */
} ProcessStat;

/** process_stat() - what /proc/PID/stat says. 0; -ENOENT or -ESRCH if there is none (or it is hidden from us); -EBADMSG. */
int process_stat(int pid, ProcessStat *ret);

/** process_boot_id() - 32 hex digits that this boot of the kernel has, "" if it does not tell. */
void process_boot_id(char buf[static 33]);

/** process_pid_space() - the name of our pid namespace, "" if it can't be had. */
void process_pid_space(char buf[static 33]);
