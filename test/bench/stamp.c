/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Stands before a command on PATH and notes when it began and ended, and what processor time it used.
 *
 * A copy named sbatch, squeue, … lies in a folder that also holds TARGET (the folder of the real commands). Each call
 * adds a line to CALLS there, in one write:
 *
 *   NAME BEGAN ENDED CPU STATUS         nanoseconds of CLOCK_REALTIME, nanoseconds of processor time, wait status
 *
 * Whatever is compared goes through the same wrapper, so what the wrapper costs is in all the figures alike.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static long long now(void) {
        struct timespec t;

        clock_gettime(CLOCK_REALTIME, &t);
        return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static long long used(int who) {
        struct rusage u;

        getrusage(who, &u);
        return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000000LL +
                (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000LL;
}

static _Noreturn void die(const char *what) {
        fprintf(stderr, "stamp: %s: %s\n", what, strerror(errno));
        exit(127);
}

/* Splits the path of this program into folder and name, and finds the program it stands for. */
static const char *find(char self[static PATH_MAX], char target[static PATH_MAX]) {
        ssize_t n = readlink("/proc/self/exe", self, PATH_MAX - 1);
        char file[PATH_MAX + 16];
        char *name;
        int fd;

        if (n < 0)
                die("/proc/self/exe");
        self[n] = 0;
        name = strrchr(self, '/');
        *name++ = 0;
        snprintf(file, sizeof(file), "%s/TARGET", self);
        fd = open(file, O_RDONLY | O_CLOEXEC);
        n = fd < 0 ? -1 : read(fd, target, PATH_MAX - NAME_MAX - 2);
        if (n <= 0)
                die(file);
        target[n] = 0;
        n = (ssize_t)strcspn(target, "\n");
        snprintf(target + n, (size_t)(PATH_MAX - n), "/%s", name);
        return name;
}

static void note(const char *folder, const char *name, long long began, int status) {
        char file[PATH_MAX + 16], line[256];
        int fd, n;

        n = snprintf(line, sizeof(line), "%s %lld %lld %lld %d\n", name, began, now(),
                used(RUSAGE_SELF) + used(RUSAGE_CHILDREN), status);
        snprintf(file, sizeof(file), "%s/CALLS", folder);
        fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0 || write(fd, line, (size_t)n) != n)
                die(file);
}

int main(int argc, char **argv) {
        char self[PATH_MAX], target[PATH_MAX];
        long long began = now();
        const char *name;
        int status;
        pid_t pid;

        if (argc < 1)
                return 127;
        name = find(self, target);
        argv[0] = target;
        errno = posix_spawn(&pid, target, NULL, NULL, argv, environ);
        if (errno)
                die(target);
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        die("wait");
        note(self, name, began, status);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
