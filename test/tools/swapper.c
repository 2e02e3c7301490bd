// SPDX-License-Identifier: Apache-2.0
//
// swapper LINK PATH...
//
// Exchanges PATH with LINK, a name beside which nobody else works, and back again, atomically, for each
// PATH in turn and without pause: whoever looks at PATH twice may see a folder and then a link. A PATH
// that is not there just now is passed over. What is taken along by a move between an exchange and the
// one back stays where it is then; the next exchange of that PATH brings the link back.
//
// Prints one line "ready" when it has begun, and at SIGTERM or end of input how many exchanges it made.

#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static volatile sig_atomic_t stopping;

static void on_signal(int signal_number) {
        (void)signal_number;
        stopping = 1;
}

// A link of ours may have stayed in a folder that was moved on: never through it, or we change the outside ourselves.
static int open_parent(const char *path, const char **ret_name) {
        struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                .resolve = RESOLVE_NO_SYMLINKS };
        const char *slash = strrchr(path, '/');
        char parent[4096];

        *ret_name = slash + 1;
        (void)snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
        return (int)syscall(SYS_openat2, AT_FDCWD, parent, &how, sizeof(how));
}

static int exchange(const char *link, const char *path) {
        const char *name;
        int parent = open_parent(path, &name), done;

        if (parent < 0)
                return 0;
        done = renameat2(AT_FDCWD, link, parent, name, RENAME_EXCHANGE) == 0;
        (void)close(parent);
        return done;
}

// Whoever started it may be gone without a signal; seldom asked.
static int input_ended(void) {
        struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };

        return poll(&input, 1, 0) > 0;
}

int main(int argc, char *argv[]) {
        struct sigaction action = { .sa_handler = on_signal };
        unsigned long exchanges = 0, turns = 0;

        if (argc < 3) {
                (void)fprintf(stderr, "Usage: swapper LINK PATH...\n");
                return 2;
        }
        (void)sigaction(SIGTERM, &action, NULL);
        (void)puts("ready");
        (void)fflush(stdout);
        while (!stopping && (++turns % 256 != 0 || !input_ended()))
                for (int i = 2; i < argc; i++)
                        if (exchange(argv[1], argv[i]))
                                exchanges += 1 + (unsigned long)exchange(argv[1], argv[i]);
        (void)printf("%lu\n", exchanges);
        return fflush(stdout) == 0 ? 0 : 1;
}
