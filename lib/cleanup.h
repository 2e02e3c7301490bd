/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Cleanup attributes and the few macros that every file uses.
 *
 * A variable that owns something says so where it is declared, and is let go of on every way out of
 * its block. TAKE_PTR() and TAKE_FD() hand the ownership on.
 */

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _unused_ __attribute__((unused))
#define _pure_ __attribute__((pure))
#define _must_check_ __attribute__((warn_unused_result))

/* What is promised elsewhere, said to analyzers that can't look there; the tests' build checks it. */
#define ASSUME(condition)                        \
        do {                                     \
                if (!(condition))                \
                        __builtin_unreachable(); \
        } while (0)

#define ELEMENTSOF(x) (sizeof(x) / sizeof((x)[0]))

/* Defines the cleanup function of a type that has a NULL-safe x_free(). */
#define DEFINE_CLEANUP(type, func)                     \
        static inline _unused_ void func##p(type *p) { \
                if (*p)                                \
                        func(*p);                      \
        }

static inline void freep(void *p) {
        free(*(void **)p);
}

/* Closes a descriptor if it is one; errno is kept. Always returns -1, to be assigned back. */
static inline int safe_close(int fd) {
        if (fd >= 0) {
                int saved = errno;

                close(fd);
                errno = saved;
        }
        return -1;
}

static inline void closep(int *fd) {
        safe_close(*fd);
}

static inline void closedirp(DIR **d) {
        if (*d)
                closedir(*d);
}

static inline void fclosep(FILE **f) {
        if (*f)
                fclose(*f);
}

#define _cleanup_free_ _cleanup_(freep)
#define _cleanup_close_ _cleanup_(closep)
#define _cleanup_closedir_ _cleanup_(closedirp)
#define _cleanup_fclose_ _cleanup_(fclosep)
#define _cleanup_json_ _cleanup_(cJSON_Deletep)

DEFINE_CLEANUP(cJSON *, cJSON_Delete)

#define TAKE_PTR(p)                                \
        ({                                         \
                __typeof__(p) *_take_pp = &(p);    \
                __typeof__(p) _take_p = *_take_pp; \
                *_take_pp = NULL;                  \
                _take_p;                           \
        })

#define TAKE_FD(fd)                        \
        ({                                 \
                int *_take_pfd = &(fd);    \
                int _take_fd = *_take_pfd; \
                *_take_pfd = -1;           \
                _take_fd;                  \
        })
