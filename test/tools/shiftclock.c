/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Somebody sets the clock: a library for LD_PRELOAD that adds to the wall clock as many seconds as the file SHIFTCLOCK
 * says, which is read at each look. Only for flowcrond; all that it starts has the machine's own time.
 */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static long shift(void) {
        const char *path = getenv("SHIFTCLOCK");
        char text[32] = "";
        int fd;

        if (!path || strcmp(program_invocation_short_name, "flowcrond") != 0)
                return 0;
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
                text[0] = 0;
        if (fd >= 0)
                close(fd);
        return atol(text);
}

int clock_gettime(clockid_t id, struct timespec *ts) {
        int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
        int r = real(id, ts);

        if (r == 0 && id == CLOCK_REALTIME)
                ts->tv_sec += shift();
        return r;
}
