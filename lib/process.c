/* SPDX-License-Identifier: Apache-2.0 */

#include "process.h"

#include <fcntl.h>
#include <string.h>

/* Fields 3, 4, 6 and 22 of proc(5), counted behind the last ')', for a name can hold anything. */
int process_stat(int pid, ProcessStat *ret) {
        char path[64], text[1024], *p;
        ProcessStat st;
        ssize_t n;
        int fd;

        snprintf(path, sizeof(path), "/proc/%d/stat", pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        n = read(fd, text, sizeof(text) - 1);
        safe_close(fd);
        if (n <= 0)
                return -ESRCH;
        text[n] = 0;
        p = strrchr(text, ')');
        if (!p ||
                sscanf(p,
                        ") %c %d %*d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %" SCNu64,
                        &st.state, &st.parent, &st.session, &st.start) != 4)
                return -EBADMSG;
        *ret = st;
        return 0;
}

void process_boot_id(char buf[static 33]) {
        char text[64] = "";
        int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
        size_t n = 0;

        if (fd >= 0 && read(fd, text, sizeof(text) - 1) < 0)
                text[0] = 0;
        safe_close(fd);
        for (const char *p = text; *p && *p != '\n' && n < 32; p++)
                if (*p != '-')
                        buf[n++] = *p;
        buf[n] = 0;
}

void process_pid_space(char buf[static 33]) {
        ssize_t n = readlink("/proc/self/ns/pid", buf, 32);

        buf[n > 0 ? n : 0] = 0;
}
