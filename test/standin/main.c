/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Which command this is, and where its state is: $STANDIN_STATE, else the folder named in the
 * file STATE beside the link that was called. The link's folder is looked up on PATH as the shell
 * did, and links are not followed: each test has a folder of links of its own.
 */
#include "standin.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
        const char *name;
        int (*main)(int argc, char **argv);
} commands[] = {
        { "sbatch", main_sbatch },
        { "squeue", main_squeue },
        { "sacct", main_sacct },
        { "scancel", main_scancel },
        { "scontrol", main_scontrol },
        { "sinfo", main_sinfo },
        { "sacctmgr", main_sacctmgr },
};

static bool folder_of_link(const char *argv0, char *buf, size_t size) {
        const char *slash = strrchr(argv0, '/'), *path = getenv("PATH");

        if (slash) {
                snprintf(buf, size, "%.*s", (int)(slash - argv0), argv0);
                return true;
        }
        for (const char *p = path ? path : "/usr/bin:/bin"; *p;
                p += strcspn(p, ":"), p += *p == ':') {
                size_t n = strcspn(p, ":");

                snprintf(buf, size, "%.*s/%s", (int)n, p, argv0);
                if (access(buf, X_OK) < 0)
                        continue;
                snprintf(buf, size, "%.*s", (int)n, p);
                return true;
        }
        return false;
}

static void find_state(const char *argv0) {
        const char *given = getenv("STANDIN_STATE");
        char folder[4096], path[4200], *text = NULL;

        if (given && *given)
                snprintf(state_dir, sizeof(state_dir), "%s", given);
        else if (folder_of_link(argv0, folder, sizeof(folder))) {
                snprintf(path, sizeof(path), "%s/STATE", folder);
                text = read_whole(path, NULL);
                if (text)
                        snprintf(state_dir, sizeof(state_dir), "%.*s", (int)strcspn(text, "\n"),
                                text);
                free(text);
        }
        if (!*state_dir)
                die(99, "standin: no state: STANDIN_STATE is not set and %s has no STATE beside it",
                        argv0);
        mkdir(state_dir, 0777);
}

int main(int argc, char **argv) {
        const char *slash = strrchr(argv[0], '/'), *name = slash ? slash + 1 : argv[0];

        for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
                if (strcmp(name, commands[i].name) != 0)
                        continue;
                find_state(argv[0]);
                db_lock();
                db->calls[i]++;
                truth_call(name, argc, argv);
                faults_load(name, argc, argv);
                db_unlock();
                return commands[i].main(argc, argv);
        }
        if (argc < 2 || strcmp(argv[1], "install") != 0)
                find_state(argv[0]);
        return main_ctl(argc, argv);
}
