/* SPDX-License-Identifier: Apache-2.0 */

/*
 * For LD_PRELOAD: the wall clock of a program is $LATER seconds ahead. What is kept for a day need not be waited for.
 */

#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *ts) {
        const char *later = getenv("LATER");
        int r = (int)syscall(SYS_clock_gettime, clock, ts);

        if (r == 0 && later && clock == CLOCK_REALTIME)
                ts->tv_sec += atol(later);
        return r;
}
