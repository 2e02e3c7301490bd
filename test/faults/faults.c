/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A library to be preloaded into a program that is to meet faults of its machine: system calls that fail when, where and
 * as a test wants it, switched on and off while the program lives.
 *
 * The rules are in a file that the test and the program (and what it forks) have mapped: FAULTS names it. A call that
 * is of a rule's kind and about a path that holds the rule's text is counted in `seen`; after the first `skip` of
 * them, the next `count` fail with `error` and are counted in `hit`. A call that fails has had no effect, except that a write
 * leaves half of what it was given: so do real disks. The test's side is support/faults.py.
 *
 * What libc does within itself (the writes of stdio, say) is not met; fflush() stands for those.
 */

#define _GNU_SOURCE

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* As in support/faults.py. */
enum {
        CREATE = 1 << 0, /* a file opened for writing */
        WRITE = 1 << 1,
        SYNC = 1 << 2,
        RENAME = 1 << 3, /* and new links */
        MKDIR = 1 << 4,
        REMOVE = 1 << 5,
        CHANGE = 1 << 6, /* mode, times, attributes */
        LOOK = 1 << 7,   /* a file or folder opened for reading */
        FORK = 1 << 8,
        MEMORY = 1 << 9,
        INOTIFY = 1 << 10,
        ASK = 1 << 11, /* what is there, and what is in it */
};

#define RULES_MAX 1024

typedef struct Rule {
        char text[64]; /* a part of the path; "": any */
        uint32_t kinds;
        int32_t error;
        uint32_t skip, count;
        _Atomic uint32_t seen, hit;
} Rule;

typedef struct Rules {
        _Atomic uint32_t n;
        uint32_t reserved;
        Rule rule[RULES_MAX];
} Rules;

static Rules *rules;

__attribute__((constructor)) static void map_rules(void) {
        const char *path = getenv("FAULTS");
        int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
        void *map;

        if (fd < 0)
                return;
        map = mmap(NULL, sizeof(Rules), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd);
        if (map != MAP_FAILED)
                rules = map;
}

static bool strikes(Rule *r) {
        uint32_t seen = atomic_fetch_add(&r->seen, 1);

        if (seen < r->skip || seen - r->skip >= r->count)
                return false;
        atomic_fetch_add(&r->hit, 1);
        return true;
}

/* Sets errno and returns true if a call of this kind is to fail. @path NULL: it is about none. */
static bool fails(uint32_t kind, const char *path) {
        uint32_t n = rules ? atomic_load(&rules->n) : 0;

        for (uint32_t i = 0; i < n; i++) {
                Rule *r = &rules->rule[i];

                if (!(r->kinds & kind) || (r->text[0] && (!path || !strstr(path, r->text))))
                        continue;
                if (strikes(r)) {
                        errno = r->error;
                        return true;
                }
        }
        return false;
}

static bool is_armed(uint32_t kind) {
        uint32_t n = rules ? atomic_load(&rules->n) : 0;

        for (uint32_t i = 0; i < n; i++)
                if (rules->rule[i].kinds & kind)
                        return true;
        return false;
}

/* "/base/UploadedFiles" for a descriptor, "" for what can't be told. */
static size_t path_of(int fd, char path[static PATH_MAX]) {
        char link[64];
        ssize_t n = -1;

        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        if (fd >= 0)
                n = readlink(link, path, PATH_MAX - 1);
        path[n < 0 ? 0 : n] = 0;
        return n < 0 ? 0 : (size_t)n;
}

static bool fails_fd(uint32_t kind, int fd) {
        int saved = errno;
        char path[PATH_MAX];

        if (!is_armed(kind))
                return false;
        path_of(fd, path);
        errno = saved;
        return fails(kind, path);
}

static bool fails_at(uint32_t kind, int dirfd, const char *name) {
        int saved = errno;
        char path[2 * PATH_MAX];
        size_t n = 0;

        if (!is_armed(kind))
                return false;
        if (name[0] != '/')
                n = path_of(dirfd, path);
        snprintf(path + n, sizeof(path) - n, "/%s", name);
        errno = saved;
        return fails(kind, path);
}

/* A path that may be the kernel's name for a descriptor. */
static bool fails_path(uint32_t kind, const char *path) {
        int fd;

        return sscanf(path, "/proc/self/fd/%d", &fd) == 1 ? fails_fd(kind, fd)
                                                          : fails_at(kind, AT_FDCWD, path);
}

/* The next function of this name: libc's, or a sanitizer's. */
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* A call that fails or is passed on: CALL(unlink, int, (const char *path), (path), fails_at(...)). */
#define CALL(name, type, parameters, arguments, fault) \
        type name parameters {                         \
                static __typeof__(&name) next;         \
                                                       \
                if (fault)                             \
                        return -1;                     \
                if (!next)                             \
                        next = NEXT(name);             \
                return next arguments;                 \
        }

/* ---- files ---- */

static uint32_t kind_of(int flags) {
        return (flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT) ? CREATE : LOOK;
}

static mode_t mode_of(int flags, va_list ap) {
        return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(ap, mode_t) : 0;
}

#define OPEN(name, parameters, arguments, dirfd)           \
        int name parameters {                              \
                static __typeof__(&name) next;             \
                mode_t mode;                               \
                va_list ap;                                \
                                                           \
                va_start(ap, flags);                       \
                mode = mode_of(flags, ap);                 \
                va_end(ap);                                \
                if (fails_at(kind_of(flags), dirfd, path)) \
                        return -1;                         \
                if (!next)                                 \
                        next = NEXT(name);                 \
                return next arguments;                     \
        }

OPEN(open, (const char *path, int flags, ...), (path, flags, mode), AT_FDCWD)
OPEN(open64, (const char *path, int flags, ...), (path, flags, mode), AT_FDCWD)
OPEN(openat, (int dirfd, const char *path, int flags, ...), (dirfd, path, flags, mode), dirfd)
OPEN(openat64, (int dirfd, const char *path, int flags, ...), (dirfd, path, flags, mode), dirfd)

ssize_t write(int fd, const void *data, size_t size) {
        static __typeof__(&write) next;

        if (!next)
                next = NEXT(write);
        if (fails_fd(WRITE, fd)) {
                int error = errno;

                (void)!next(fd, data, size / 2);
                errno = error;
                return -1;
        }
        return next(fd, data, size);
}

CALL(pwrite, ssize_t, (int fd, const void *data, size_t size, off_t at), (fd, data, size, at),
        fails_fd(WRITE, fd))
CALL(ftruncate, int, (int fd, off_t size), (fd, size), fails_fd(WRITE, fd))
CALL(fflush, int, (FILE * f), (f), f &&fails_fd(WRITE, fileno(f)))
CALL(fsync, int, (int fd), (fd), fails_fd(SYNC, fd))
CALL(fdatasync, int, (int fd), (fd), fails_fd(SYNC, fd))
CALL(syncfs, int, (int fd), (fd), fails_fd(SYNC, fd))
CALL(renameat, int, (int from, const char *old, int to, const char *new), (from, old, to, new),
        fails_at(RENAME, to, new))
CALL(renameat2, int, (int from, const char *old, int to, const char *new, unsigned flags),
        (from, old, to, new, flags), fails_at(RENAME, to, new))
CALL(linkat, int, (int from, const char *old, int to, const char *new, int flags),
        (from, old, to, new, flags), fails_at(RENAME, to, new))
CALL(symlinkat, int, (const char *target, int dirfd, const char *name), (target, dirfd, name),
        fails_at(RENAME, dirfd, name))
CALL(mkdir, int, (const char *path, mode_t mode), (path, mode), fails_at(MKDIR, AT_FDCWD, path))
CALL(mkdirat, int, (int dirfd, const char *name, mode_t mode), (dirfd, name, mode),
        fails_at(MKDIR, dirfd, name))
CALL(unlink, int, (const char *path), (path), fails_at(REMOVE, AT_FDCWD, path))
CALL(unlinkat, int, (int dirfd, const char *name, int flags), (dirfd, name, flags),
        fails_at(REMOVE, dirfd, name))
CALL(chmod, int, (const char *path, mode_t mode), (path, mode), fails_path(CHANGE, path))
CALL(fchmod, int, (int fd, mode_t mode), (fd, mode), fails_fd(CHANGE, fd))
CALL(fchmodat, int, (int dirfd, const char *name, mode_t mode, int flags),
        (dirfd, name, mode, flags), fails_at(CHANGE, dirfd, name))
CALL(futimens, int, (int fd, const struct timespec times[2]), (fd, times), fails_fd(CHANGE, fd))

CALL(read, ssize_t, (int fd, void *data, size_t size), (fd, data, size), fails_fd(ASK, fd))
CALL(fstatat, int, (int dirfd, const char *name, struct stat *st, int flags),
        (dirfd, name, st, flags), fails_at(ASK, dirfd, name))
CALL(faccessat, int, (int dirfd, const char *name, int how, int flags), (dirfd, name, how, flags),
        fails_at(ASK, dirfd, name))
CALL(readlinkat, ssize_t, (int dirfd, const char *name, char *target, size_t size),
        (dirfd, name, target, size), fails_at(ASK, dirfd, name))

struct dirent *readdir(DIR *d) {
        static __typeof__(&readdir) next;

        if (fails_fd(ASK, dirfd(d)))
                return NULL;
        if (!next)
                next = NEXT(readdir);
        return next(d);
}

/* ---- processes, memory, inotify ---- */

CALL(fork, pid_t, (void), (), fails(FORK, NULL))

int clone(int (*run)(void *), void *stack, int flags, void *arg, ...) {
        static __typeof__(&clone) next;

        if (fails(FORK, NULL))
                return -1;
        if (!next)
                next = NEXT(clone);
        return next(run, stack, flags, arg); /* nobody here gives it more */
}

/*
 * dlsym() may want memory itself, and bears being refused it. realloc() is let through: when the one at its end fails,
 * vasprintf() of glibc 2.36 writes behind what it has.
 */
#define ALLOCATE(name, parameters, arguments)                 \
        void *name parameters {                               \
                static __typeof__(&name) next;                \
                static bool asking;                           \
                                                              \
                if (asking || (rules && fails(MEMORY, NULL))) \
                        return NULL;                          \
                if (!next) {                                  \
                        asking = true;                        \
                        next = NEXT(name);                    \
                        asking = false;                       \
                }                                             \
                return next arguments;                        \
        }

ALLOCATE(malloc, (size_t size), (size))
ALLOCATE(calloc, (size_t n, size_t size), (n, size))
ALLOCATE(reallocarray, (void *old, size_t n, size_t size), (old, n, size))

CALL(inotify_init1, int, (int flags), (flags), fails(INOTIFY, NULL))
CALL(inotify_add_watch, int, (int fd, const char *path, uint32_t mask), (fd, path, mask),
        fails(INOTIFY, path))
