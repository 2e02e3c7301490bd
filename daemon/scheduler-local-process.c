/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Who lives, and ending what is left of whom.
 *
 * A process is known by its number and the time it began, on one kernel and in one pid namespace; about processes elsewhere
 * nothing is ever concluded here. Called by both sides of the local backend.
 */

#include "scheduler-local-internal.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include "text.h"

typedef struct Stat {
        char state;
        int parent, session;
        uint64_t start;
} Stat;

/* proc(5); counted behind the last ')', since a name can hold anything. */
static int read_stat(int pid, Stat *ret) {
        char path[64], text[1024], *p;
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
                        &ret->state, &ret->parent, &ret->session, &ret->start) != 4)
                return -EBADMSG;
        return 0;
}

static bool is_dead(char state) {
        return state == 'Z' || state == 'X';
}

static void read_boot_id(char buf[static 40]) {
        int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
        ssize_t n = fd >= 0 ? read(fd, buf, 39) : 0;

        safe_close(fd);
        buf[n > 0 ? n : 0] = 0;
        buf[strcspn(buf, "\n")] = 0;
}

static void read_pid_space(char buf[static 33]) {
        ssize_t n = readlink("/proc/self/ns/pid", buf, 32);

        buf[n > 0 ? n : 0] = 0;
}

static void read_place(LocalProcess *p) {
        if (gethostname(p->host, sizeof(p->host)) < 0)
                strcpy(p->host, "localhost");
        p->host[sizeof(p->host) - 1] = 0;
        read_boot_id(p->boot_id);
        read_pid_space(p->pid_space);
}

void local_process_self(LocalProcess *ret) {
        Stat st;

        *ret = (LocalProcess){ .pid = getpid() };
        read_place(ret);
        if (read_stat(ret->pid, &st) == 0)
                ret->start = st.start;
}

/* Its number means the same to us as to it. */
static bool is_near(const LocalProcess *p, const LocalProcess *here) {
        return here->boot_id[0] && streq(p->boot_id, here->boot_id) &&
                streq(p->pid_space, here->pid_space);
}

LocalLife local_process_life(const LocalProcess *p) {
        LocalProcess here = { .pid = 0 };
        Stat st;
        int r;

        read_place(&here);
        if (!is_near(p, &here)) {
                bool restarted = streq(p->host, here.host) && here.boot_id[0] && p->boot_id[0] &&
                        !streq(p->boot_id, here.boot_id);

                return restarted ? LOCAL_LIFE_DEAD : LOCAL_LIFE_UNKNOWN;
        }
        r = read_stat(p->pid, &st);
        if (r == 0)
                return st.start == p->start && !is_dead(st.state) ? LOCAL_LIFE_ALIVE
                                                                  : LOCAL_LIFE_DEAD;
        return r == -ENOENT || r == -ESRCH ? LOCAL_LIFE_DEAD : LOCAL_LIFE_UNKNOWN;
}

/* SIGKILL for every process whose parent or session is the one given (-1: any). Returns how many, or -errno. */
static int kill_all(int parent, int session) {
        _cleanup_closedir_ DIR *d = opendir("/proc");
        const struct dirent *de;
        int n = 0;

        if (!d)
                return -errno;
        while ((de = readdir(d))) {
                int pid = atoi(de->d_name);
                Stat st;

                if (pid <= 0 || read_stat(pid, &st) < 0 || is_dead(st.state) ||
                        (parent >= 0 && st.parent != parent) ||
                        (session >= 0 && st.session != session))
                        continue;
                (void)kill(pid, SIGKILL);
                n++;
        }
        return n;
}

int local_process_kill_children(void) {
        return kill_all(getpid(), -1);
}

/*
 * As long as a session has members the kernel gives its number to no new process. So if the number is in use again, none is
 * left; and if it is not, whoever is in that session was there before.
 */
int local_process_kill_orphans(const LocalProcess *p) {
        LocalProcess here = { .pid = 0 };
        Stat st;

        read_place(&here);
        if (!is_near(p, &here) || p->pid <= 1)
                return 0;
        if (read_stat(p->pid, &st) == 0 && st.start != p->start)
                return 0;
        return kill_all(-1, p->pid);
}
