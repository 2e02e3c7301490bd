// SPDX-License-Identifier: Apache-2.0
//
// sampler UPLOADED WORK ANALYSED FAILED NAME...
//
// Looks without pause where Units of Work are, as a published flow does: in the four folders, in
// that order, until one has it. Moves go forward in that order, so a UoW that is somewhere at every
// instant is found by every pass, however the pass and a move interleave. (A retry moves backward;
// stop the sampler before.) What it watches for, once a UoW was seen at all:
//
//   nowhere     a pass found it in none of the four; a flow would fail the run at that instant
//   sentinels   it was in a result folder with `sentinels` still in it
//   no-report   it was in a result folder without `flowcron/report.txt`
//
// Prints one line "ready" when it has begun, and at SIGTERM or end of input one JSON array with an
// object for each name, in the order given: the number of passes, the folders it was seen in, in
// order, and how often each violation was seen. Exits with 0 whatever it saw; the test judges.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
        UPLOADED,
        WORK,
        ANALYSED,
        FAILED,
        NOWHERE,
        PLACES_MAX
};

static const char *const place_names[] = { "uploaded", "work", "analysed", "failed", "nowhere" };

// More changes of place than any UoW can make in one life; further ones are only counted.
#define TRAIL_MAX 64

typedef struct Subject {
        const char *name;
        uint64_t passes;
        int place;
        int trail[TRAIL_MAX];
        size_t n_trail;
        uint64_t nowhere;
        uint64_t sentinels;
        uint64_t no_report;
} Subject;

static int folders[4];
static volatile sig_atomic_t stopping;

static void on_signal(int signal_number) {
        (void)signal_number;
        stopping = 1;
}

static bool exists(int folder, const char *name) {
        struct stat st;

        return fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int find_place(const char *name) {
        int i;

        for (i = UPLOADED; i < NOWHERE; i++)
                if (exists(folders[i], name))
                        return i;
        return NOWHERE;
}

// The result as a flow meets it at sight. The descriptor keeps pointing at this folder should it be
// moved on; a folder that was moved while it was looked at is not judged: it may change there.
static void judge_result(Subject *subject, int place) {
        struct stat before, after;
        int fd = openat(
                folders[place], subject->name, O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW | O_PATH);
        bool sentinels, report;

        if (fd < 0)
                return;
        sentinels = exists(fd, "sentinels");
        report = exists(fd, "flowcron/report.txt");
        if (fstat(fd, &before) == 0 &&
                fstatat(folders[place], subject->name, &after, AT_SYMLINK_NOFOLLOW) == 0 &&
                before.st_ino == after.st_ino) {
                subject->sentinels += sentinels;
                subject->no_report += !report;
        }
        (void)close(fd);
}

static void look(Subject *subject) {
        int place = find_place(subject->name);

        if (place == NOWHERE && subject->n_trail == 0)
                return; // not there yet
        subject->passes++;
        if (place == NOWHERE)
                subject->nowhere++;
        else if (place >= ANALYSED)
                judge_result(subject, place);
        if (place == subject->place)
                return;
        subject->place = place;
        if (subject->n_trail < TRAIL_MAX)
                subject->trail[subject->n_trail++] = place;
}

static void look_at_all(Subject *subjects, size_t n) {
        size_t i;

        for (i = 0; i < n; i++)
                look(&subjects[i]);
}

// Without the name: names are raw bytes and JSON is not.
static void print_subject(const Subject *subject) {
        size_t i;

        printf("{\"passes\": %" PRIu64 ", \"trail\": [", subject->passes);
        for (i = 0; i < subject->n_trail; i++)
                printf("%s\"%s\"", i > 0 ? ", " : "", place_names[subject->trail[i]]);
        printf("], \"nowhere\": %" PRIu64 ", \"sentinels\": %" PRIu64 ", \"no_report\": %" PRIu64
               "}",
                subject->nowhere, subject->sentinels, subject->no_report);
}

static bool input_ended(void) {
        struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };

        return poll(&input, 1, 0) > 0;
}

int main(int argc, char *argv[]) {
        struct sigaction action = { .sa_handler = on_signal };
        Subject *subjects;
        size_t n, i;
        uint64_t turn = 0;
        bool last;

        if (argc < 6) {
                (void)fprintf(stderr, "Usage: sampler UPLOADED WORK ANALYSED FAILED NAME...\n");
                return 2;
        }
        for (i = 0; i < 4; i++) {
                folders[i] = open(argv[i + 1], O_DIRECTORY | O_CLOEXEC | O_PATH);
                if (folders[i] < 0) {
                        perror(argv[i + 1]);
                        return 1;
                }
        }
        n = (size_t)argc - 5;
        subjects = calloc(n, sizeof *subjects);
        if (!subjects)
                return 1;
        for (i = 0; i < n; i++)
                subjects[i] = (Subject){ .name = argv[i + 5], .place = NOWHERE };
        (void)sigaction(SIGTERM, &action, NULL);

        // One pass is made before it says "ready" and one after the signal, so that how it was at
        // the start and at the end is never missed.
        look_at_all(subjects, n);
        (void)puts("ready");
        (void)fflush(stdout);
        // Whoever started it may be gone without a signal; seldom asked, as it costs a stat's time.
        do {
                last = stopping || (++turn % 4096 == 0 && input_ended());
                look_at_all(subjects, n);
        } while (!last);

        (void)putchar('[');
        for (i = 0; i < n; i++) {
                (void)fputs(i > 0 ? ", " : "", stdout);
                print_subject(&subjects[i]);
        }
        (void)puts("]");
        free(subjects);
        return fflush(stdout) == 0 ? 0 : 1;
}
