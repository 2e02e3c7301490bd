/* SPDX-License-Identifier: Apache-2.0 */

/*
 * flowcrond: the part between Globus, which moves the data, and Slurm, which runs the jobs.
 *
 *   watch ──► scan ──► machine_upload
 *                           │
 *                           ▼
 *        machine: event ──► fold ──► event log (durable) ──► act ──┬─► stage    (a worker: claim, move, check)
 *              ▲                                                   ├─► scheduler (a command: sbatch, squeue, sacct, scancel)
 *              │                                                   ├─► settle   (a worker: links, permissions, report, one rename)
 *              ╰────────── answers ◄───────────────────────────────┴─► relocate, chain, purge (workers)
 *
 *   control socket ◄─ flowcronctl          retention ─► machine          lease: looked at before every act
 *
 * Things are started in this order (manager.c): configuration, folders, signals, lease, replay of the event log, machine, watch and
 * scan, control socket, timers; only then is systemd told READY. They are torn down in the reverse order, the lease
 * last. There is no shutdown that anything depends on: the process may die at any instant, and the next start goes on from the event log and the disk.
 */

#include <getopt.h>
#include <string.h>

#include "manager-internal.h"
#include "text.h"

static const char usage_text[] =
        "usage: flowcrond [-i INSTANCE | --config FILE] [--once] [--check-config] [--socket PATH]\n"
        "       flowcrond --version\n"
        "\n"
        "Watches a base folder for Units of Work, hands them to the scheduler, and files their results.\n"
        "\n"
        "  -i, --instance INSTANCE  serve this instance (default: default)\n"
        "      --config FILE        use this configuration; the instance's name is the file's, without .yaml\n"
        "      --once               do one full pass and exit: for cron and scrontab\n"
        "      --check-config       only check the configuration\n"
        "      --socket PATH        listen here for flowcronctl\n"
        "      --version            print the version\n"
        "  -h, --help               print this text\n"
        "\n"
        "See flowcrond(8), flowcron.yaml(5).\n";

enum {
        OPT_CONFIG = 256,
        OPT_ONCE,
        OPT_CHECK,
        OPT_SOCKET,
        OPT_VERSION
};

static const struct option options[] = {
        { "instance", required_argument, NULL, 'i' },
        { "config", required_argument, NULL, OPT_CONFIG },
        { "once", no_argument, NULL, OPT_ONCE },
        { "check-config", no_argument, NULL, OPT_CHECK },
        { "socket", required_argument, NULL, OPT_SOCKET },
        { "version", no_argument, NULL, OPT_VERSION },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
};

typedef struct Arguments {
        ManagerOptions manager;
        bool check;
} Arguments;

static int usage_error(const char *text) {
        fprintf(stderr, "flowcrond: %s\nTry 'flowcrond --help'.\n", text);
        return EXIT_USAGE;
}

/* Returns -1 to go on, else the exit code. */
static int parse_arguments(int argc, char **argv, Arguments *a) {
        int c;

        while ((c = getopt_long(argc, argv, "i:h", options, NULL)) >= 0)
                switch (c) {
                case 'i':
                        a->manager.instance = optarg;
                        break;
                case OPT_CONFIG:
                        a->manager.config_path = optarg;
                        break;
                case OPT_ONCE:
                        a->manager.once = true;
                        break;
                case OPT_CHECK:
                        a->check = true;
                        break;
                case OPT_SOCKET:
                        a->manager.socket_path = optarg;
                        break;
                case OPT_VERSION:
                        printf("flowcrond %s\n", FLOWCRON_VERSION);
                        return EXIT_SUCCESS;
                case 'h':
                        fputs(usage_text, stdout);
                        return EXIT_SUCCESS;
                default:
                        fputs("Try 'flowcrond --help'.\n", stderr);
                        return EXIT_USAGE;
                }
        if (optind < argc)
                return usage_error("it takes no arguments but options");
        if (a->manager.instance && a->manager.config_path)
                return usage_error("--instance and --config exclude each other");
        if (a->manager.instance && !config_instance_valid(a->manager.instance))
                return usage_error("an instance's name has letters, digits, '.', '_' and '-' only");
        return -1;
}

/* The configuration can't tell the name: it is what is at fault. */
static int fail(const ManagerOptions *o, int code, const Error *e, int r) {
        const char *path = o->config_path, *slash = path ? strrchr(path, '/') : NULL,
                   *name = slash ? slash + 1 : path;
        _cleanup_free_ char *file = name ? strndup(name, strcspn(name, ".")) : NULL;

        (void)log_open(o->instance ?: file ?: "default", -1);
        log_message(LOG_ERR, code == EXIT_CONFIG ? MESSAGE_ID_CONFIG_REFUSED : NULL, "%s",
                e->text[0] ? e->text : strerror(r < 0 ? -r : EINVAL));
        log_close();
        return code;
}

/* What another start would meet again, until somebody mends the file or gives another: no use in trying. */
static bool is_config_fault(int r) {
        return r == UOW_E_INVALID || r == -ENOENT || r == -ENOTDIR || r == -EACCES ||
                r == -EINVAL || r == -EFBIG;
}

static int check_config(const Manager *m) {
        bool there = access(m->config->base, F_OK) == 0;

        printf("%s: good; instance %s in %s%s\n", m->config_path, m->config->instance,
                m->config->base,
                there ? "" : ", which does not exist yet: make it before the start");
        return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
        _cleanup_(manager_freep) Manager *m = NULL;
        Arguments a = {};
        Error e = {};
        int r;

        r = parse_arguments(argc, argv, &a);
        if (r >= 0)
                return r;
        r = manager_new(&a.manager, &m, &e);
        if (r != 0)
                return fail(&a.manager, is_config_fault(r) ? EXIT_CONFIG : EXIT_FAILURE, &e, r);
        if (a.check)
                return check_config(m);
        (void)log_open(m->config->instance, -1);
        r = manager_start(m, &e);
        if (r == UOW_E_STATE) {
                /* Another owner holds the folder: no fault for a pass of cron, which leaves quietly. Without words: asked to stop. */
                if (!a.manager.once && e.text[0])
                        log_error("%s", e.text);
                return m->exit_code;
        }
        if (r != 0) {
                log_error("%s", e.text[0] ? e.text : strerror(r < 0 ? -r : EINVAL));
                return EXIT_FAILURE;
        }
        return manager_run(m);
}
