/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Places where a test may kill or freeze the process, to see that what was promised survives.
 *
 * CRASH_POINT("eventlog-commit-before-sync") stands before and behind each step that makes something durable or asks
 * somebody else to act. In a normal build it is nothing. Compiled with -DFLOWCRON_CRASH_POINTS, the environment says what happens:
 *
 *   FLOWCRON_CRASH_AT=NAME[:N]  where; the N-th time, else the first. NAME * is any point
 *   FLOWCRON_CRASH_HOW          kill: SIGKILL for this process, so no clean-up of any kind (the default); all: for its process
 *                               group, so for the daemon and its workers at once; freeze: SIGSTOP for the group
 *   FLOWCRON_CRASH_LOG=FILE     each pass adds a line with the point's name; N then counts the lines that are there, by whatever process
 *                               and in whatever life they were written; a death is a line !NAME. Without it each file's code counts
 *                               for itself
 *
 * A test can't wait for what takes minutes by design. TEST_TUNABLE("NAME", value) is the value, but in such a build what the environment
 * has as NAME, if it has.
 */

#ifdef FLOWCRON_CRASH_POINTS

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* Lines of @text that are @name; all of them for "*". */
static inline unsigned long crash_count(const char *text, const char *name) {
        unsigned long count = 0;
        size_t n = strlen(name);

        for (const char *end; (end = strchr(text, '\n')); text = end + 1)
                count += strcmp(name, "*") == 0
                        ? *text != '!'
                        : (size_t)(end - text) == n && strncmp(text, name, n) == 0;
        return count;
}

/* Notes that @name is passed, or, with a mark, the death there; how often @wanted was passed, this time included. */
static inline unsigned long crash_note(
        const char *log, const char *mark, const char *name, const char *wanted) {
        int fd = open(log, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
        char line[128], *text = NULL;
        unsigned long count = 0;
        ssize_t size;

        if (fd < 0 || flock(fd, LOCK_EX) < 0)
                abort();
        size = lseek(fd, 0, SEEK_END);
        snprintf(line, sizeof(line), "%s%s\n", mark, name);
        text = calloc(1, (size_t)size + sizeof(line));
        if (!text || pread(fd, text, (size_t)size, 0) != size ||
                write(fd, line, strlen(line)) != (ssize_t)strlen(line))
                abort();
        count = crash_count(strcat(text, line), wanted);
        free(text);
        close(fd);
        return count;
}

static inline void crash_now(void) {
        const char *how = getenv("FLOWCRON_CRASH_HOW");

        if (how && strcmp(how, "freeze") == 0)
                kill(0, SIGSTOP);
        else if (how && strcmp(how, "all") == 0)
                kill(0, SIGKILL);
        else
                raise(SIGKILL);
}

static inline void crash_point(const char *name) {
        static unsigned long passed;
        const char *at = getenv("FLOWCRON_CRASH_AT"), *log = getenv("FLOWCRON_CRASH_LOG");
        const char *colon = at ? strchr(at, ':') : NULL;
        unsigned long when = colon ? strtoul(colon + 1, NULL, 10) : 1;
        char wanted[96] = "";
        bool here;

        if (at)
                strncat(wanted, at,
                        colon && (size_t)(colon - at) < sizeof(wanted) ? (size_t)(colon - at)
                                                                       : sizeof(wanted) - 1);
        here = strcmp(wanted, "*") == 0 || strcmp(wanted, name) == 0;
        if (log) {
                unsigned long count = crash_note(log, "", name, wanted);

                here = here && count == when;
        } else
                here = here && ++passed == when;
        if (here && log)
                crash_note(log, "!", name, "");
        if (here)
                crash_now();
}

static inline unsigned long long crash_tunable(const char *name, unsigned long long value) {
        const char *given = getenv(name);

        return given ? strtoull(given, NULL, 10) : value;
}

#define CRASH_POINT(name) crash_point(name)
#define TEST_TUNABLE(name, value) crash_tunable(name, value)
#else
#define CRASH_POINT(name) ((void)0)
#define TEST_TUNABLE(name, value) (value)
#endif
