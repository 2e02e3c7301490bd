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

#include "process.h"
#include "text.h"

static bool is_dead(char state) {
        return state == 'Z' || state == 'X';
}

static void read_place(LocalProcess *p) {
        if (gethostname(p->host, sizeof(p->host)) < 0)
                strcpy(p->host, "localhost");
        p->host[sizeof(p->host) - 1] = 0;
        process_boot_id(p->boot_id);
        process_pid_space(p->pid_space);
}

void local_process_self(LocalProcess *ret) {
        ProcessStat st;

        *ret = (LocalProcess){ .pid = getpid() };
        read_place(ret);
        if (process_stat(ret->pid, &st) == 0)
                ret->start = st.start;
}

/* Its number means the same to us as to it. */
static bool is_near(const LocalProcess *p, const LocalProcess *here) {
        return here->boot_id[0] && streq(p->boot_id, here->boot_id) &&
                streq(p->pid_space, here->pid_space);
}

LocalLife local_process_life(const LocalProcess *p) {
        LocalProcess here = { .pid = 0 };
        ProcessStat st;
        int r;

        read_place(&here);
        if (!is_near(p, &here)) {
                bool restarted = streq(p->host, here.host) && here.boot_id[0] && p->boot_id[0] &&
                        !streq(p->boot_id, here.boot_id);

                return restarted ? LOCAL_LIFE_DEAD : LOCAL_LIFE_UNKNOWN;
        }
        r = process_stat(p->pid, &st);
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
                ProcessStat st;

                if (pid <= 0 || process_stat(pid, &st) < 0 || is_dead(st.state) ||
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
        ProcessStat st;

        read_place(&here);
        if (!is_near(p, &here) || p->pid <= 1)
                return 0;
        if (process_stat(p->pid, &st) == 0 && st.start != p->start)
                return 0;
        return kill_all(-1, p->pid);
}
