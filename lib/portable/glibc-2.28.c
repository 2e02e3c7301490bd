/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Old versions of glibc's symbols, for programs that are built with a newer glibc and are to run with 2.28: see cmake/portable.cmake.
 *
 * The linker's --wrap sends calls here. Only what is listed there is needed: the packaging script looks at each symbol of the
 * finished programs, so that a new one does not go unnoticed.
 */

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The first version that glibc had on this processor; there are two that CMake lets through. */
#ifdef __x86_64__
#define FIRST "GLIBC_2.2.5"
#else
#define FIRST "GLIBC_2.17"
#endif
#define OLD(name) __asm__(".symver old_" #name ", " #name "@" FIRST)

/* ---- the start ---- */

typedef int (*Main)(int argc, char **argv, char **envp);

OLD(__libc_start_main);
int old___libc_start_main(Main main, int argc, char **argv, void (*init)(int, char **, char **),
        void (*fini)(void), void (*rtld_fini)(void), void *stack_end);
int __wrap___libc_start_main(Main main, int argc, char **argv, void (*init)(int, char **, char **),
        void (*fini)(void), void (*rtld_fini)(void), void *stack_end);

/* Of the program itself; the linker knows where they are. */
typedef void (*Constructor)(int argc, char **argv, char **envp);
extern const Constructor preinit_begin[] __asm__("__preinit_array_start")
        __attribute__((visibility("hidden")));
extern const Constructor preinit_end[] __asm__("__preinit_array_end")
        __attribute__((visibility("hidden")));
extern const Constructor init_begin[] __asm__("__init_array_start")
        __attribute__((visibility("hidden")));
extern const Constructor init_end[] __asm__("__init_array_end")
        __attribute__((visibility("hidden")));

/*
 * Before 2.34 the program brought the function that calls its constructors; since then libc does it itself, unless there is one.
 */
static void call_constructors(int argc, char **argv, char **envp) {
        for (const Constructor *c = preinit_begin; c < preinit_end; c++)
                (*c)(argc, argv, envp);
        for (const Constructor *c = init_begin; c < init_end; c++)
                (*c)(argc, argv, envp);
}

int __wrap___libc_start_main(Main main, int argc, char **argv, void (*init)(int, char **, char **),
        void (*fini)(void), void (*rtld_fini)(void), void *stack_end) {
        return old___libc_start_main(
                main, argc, argv, init ? init : call_constructors, fini, rtld_fini, stack_end);
}

/* ---- stat: before 2.33 these were no functions of libc but inline ---- */

int __wrap_fstatat(int dirfd, const char *path, struct stat *st, int flags);
int __wrap_fstat(int fd, struct stat *st);
int __wrap_stat(const char *path, struct stat *st);
int __wrap_lstat(const char *path, struct stat *st);

int __wrap_fstatat(int dirfd, const char *path, struct stat *st, int flags) {
        return (int)syscall(SYS_newfstatat, dirfd, path, st, flags);
}

int __wrap_fstat(int fd, struct stat *st) {
        return (int)syscall(SYS_fstat, fd, st);
}

int __wrap_stat(const char *path, struct stat *st) {
        return __wrap_fstatat(AT_FDCWD, path, st, 0);
}

int __wrap_lstat(const char *path, struct stat *st) {
        return __wrap_fstatat(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW);
}

/* ---- threads: since 2.34 they are in libc, with a new version ---- */

OLD(pthread_create);
OLD(pthread_join);
int old_pthread_create(
        pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg);
int old_pthread_join(pthread_t thread, void **ret);
int __wrap_pthread_create(
        pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg);
int __wrap_pthread_join(pthread_t thread, void **ret);

int __wrap_pthread_create(
        pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg) {
        return old_pthread_create(thread, attr, start, arg);
}

int __wrap_pthread_join(pthread_t thread, void **ret) {
        return old_pthread_join(thread, ret);
}
