/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Places where a test may kill the process, to see that what was promised survives.
 *
 * CRASH_POINT("eventlog-commit-before-sync") stands before and behind each step that makes something
 * durable. In a normal build it is nothing. Compiled with -DFLOWCRON_CRASH_POINTS, the process kills itself with SIGKILL,
 * so without any clean-up, when FLOWCRON_CRASH_AT has that name; "NAME:3" means the third time that one file's code comes by.
 */

#ifdef FLOWCRON_CRASH_POINTS

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static inline void crash_point(const char *name) {
        static unsigned long passed;
        const char *at = getenv("FLOWCRON_CRASH_AT");
        size_t n = strlen(name);
        unsigned long when = 1;

        if (!at || strncmp(at, name, n) != 0 || (at[n] && at[n] != ':'))
                return;
        if (at[n] == ':')
                when = strtoul(at + n + 1, NULL, 10);
        if (++passed == when)
                raise(SIGKILL);
}

#define CRASH_POINT(name) crash_point(name)
#else
#define CRASH_POINT(name) ((void)0)
#endif
