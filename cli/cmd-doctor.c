/* SPDX-License-Identifier: Apache-2.0 */

#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

#include "doctor.h"
#include "environment.h"
#include "output.h"
#include "shell-quote.h"
#include "text.h"

static const char usage[] =
        "usage: flowcronctl doctor\n"
        "\n"
        "Checks the whole installation: configuration, daemon, service or cron, Slurm and its accounting, the\n"
        "settings that jobs are submitted with, folders, space and logs, and what is stuck. Each finding is ok, a\n"
        "note, a warning or a fault; with those that want something done comes a command that does it, or shows\n"
        "more. Ends with 0 if there is neither a warning nor a fault, else with 1. It changes nothing.\n"
        "\n"
        "      --json  print an object\n";

/* ---- who and what ---- */

static void set_unit(Doctor *d) {
        if (streq(d->instance, "default"))
                strcpy(d->unit, "flowcron.service");
        else
                snprintf(d->unit, sizeof(d->unit), "flowcron@%s.service", d->instance);
}

/* The program that runs now, or its neighbour of that name: by its bare name if that is what a shell would find. */
static char *program_path(const char *name) {
        _cleanup_free_ char *self = realpath("/proc/self/exe", NULL), *found = NULL, *real = NULL,
                            *path = NULL;
        char *slash = self ? strrchr(self, '/') : NULL;

        if (!slash)
                return strdup(name);
        slash[1] = 0;
        path = xasprintf("%s%s", self, name);
        if (!path || access(path, X_OK) < 0)
                return strdup(name);
        if (environment_find_program(environ, name, &found) == 0)
                real = realpath(found, NULL);
        return streq(real, path) ? strdup(name) : shell_quote(path);
}

/* " -i NAME", " --config FILE", " --base DIR", or "": what was given leads to the instance again. */
static char *selection(const Cli *cli) {
        _cleanup_free_ char *quoted = NULL;
        const char *option = cli->base ? "--base" : cli->config_path ? "--config" : "-i",
                   *value = cli->base ?: cli->config_path ?: cli->instance;

        if (!value)
                return strdup("");
        quoted = shell_quote(value);
        return quoted ? xasprintf(" %s %s", option, quoted) : NULL;
}

static int name_programs(Doctor *d) {
        _cleanup_free_ char *ctl = program_path("flowcronctl"), *daemon = program_path("flowcrond"),
                            *which = selection(d->cli);

        if (!ctl || !daemon || !which)
                return -ENOMEM;
        d->ctl = xasprintf("%s%s", ctl, which);
        d->flowcrond = xasprintf("%s%s --once", daemon, d->cli->base ? "" : which);
        return d->ctl && d->flowcrond ? 0 : -ENOMEM;
}

/* Whoever owns the state owns the instance; before there is any, whoever owns the base folder. */
static int find_owner(Doctor *d) {
        const struct passwd *pw;
        struct stat st;

        d->owner = geteuid();
        if (d->layout && fstat(d->layout->fd[PLACE_STATE], &st) == 0)
                d->owner = st.st_uid;
        d->is_owner = d->owner == geteuid() && !d->cli->base;
        pw = getpwuid(d->owner);
        d->owner_name = pw ? strdup(pw->pw_name) : xasprintf("%u", (unsigned)d->owner);
        return d->owner_name ? 0 : -ENOMEM;
}

static int open_layout(Doctor *d) {
        Error e = {};
        int r;

        if (!d->config)
                return 0;
        r = layout_new(d->config, &d->layout, &e);
        if (r >= 0)
                r = layout_open_reading(d->layout, &e);
        if (r < 0)
                d->layout = layout_free(d->layout);
        return r == -ENOMEM ? r : 0;
}

static int begin(Doctor *d) {
        Refusal f = {};
        int r;

        access_instance(d->cli, d->instance);
        set_unit(d);
        d->findings = cJSON_CreateArray();
        r = d->findings ? name_programs(d) : -ENOMEM;
        if (r < 0)
                return r;
        /* Said in the report. */
        d->cli->said_offline = true;
        if (access_config(d->cli, &f) == 0) {
                d->config = d->cli->config;
                snprintf(d->instance, sizeof(d->instance), "%s", d->config->instance);
                set_unit(d);
        }
        r = open_layout(d);
        if (r >= 0)
                r = find_owner(d);
        if (r < 0)
                return r;
        d->running = access_client(d->cli) != NULL;
        if (d->config && access_status(d->cli, &d->status, &f) == 0)
                d->running = json_bool(json_object(d->status, "daemon"), "running", false);
        return 0;
}

static void doctor_done(Doctor *d) {
        free(d->ctl);
        free(d->flowcrond);
        free(d->owner_name);
        free(d->marker_squeue);
        free(d->marker_sacct);
        free(d->unit_program);
        layout_free(d->layout);
        cJSON_Delete(d->status);
        cJSON_Delete(d->findings);
        strv_free(d->env);
        for (int i = 0; i < _PROBE_MAX; i++) {
                strv_free(d->argv[i]);
                run_done(&d->answers[i]);
        }
}

/* ---- the round ---- */

static void examine(Doctor *d) {
        doctor_check_configuration(d);
        doctor_check_daemon(d);
        doctor_check_lease(d);
        doctor_check_service(d);
        doctor_check_slurm(d);
        doctor_check_accounting(d);
        doctor_check_settings(d);
        doctor_check_folders(d);
        doctor_check_space(d);
        doctor_check_work(d);
        doctor_check_globus(d);
}

static int print_json(Doctor *d) {
        _cleanup_json_ cJSON *o = cJSON_CreateObject();

        if (!o || json_set_str(o, "instance", d->instance) < 0 ||
                (d->config && json_set_name(o, "base", d->config->base) < 0) ||
                json_set_bool(o, "well", doctor_worst(d) < FINDING_WARNING) < 0 ||
                json_set_item(o, "findings", TAKE_PTR(d->findings)) < 0)
                return cli_fail(d->cli, "%s", strerror(ENOMEM));
        out_json(o);
        return EXIT_DONE;
}

static int doctor(Cli *cli) {
        _cleanup_(doctor_done) Doctor d = { .cli = cli };
        bool well;

        if (begin(&d) < 0 || doctor_ask(&d) < 0)
                return cli_fail(cli, "%s", strerror(ENOMEM));
        examine(&d);
        if (d.failed)
                return cli_fail(cli, "%s", strerror(ENOMEM));
        well = doctor_worst(&d) < FINDING_WARNING;
        if (!cli->json)
                doctor_print(&d);
        else if (print_json(&d) != EXIT_DONE)
                return EXIT_FAILED;
        return well ? EXIT_DONE : EXIT_FAILED;
}

static int run(Cli *cli, char **args) {
        size_t n;
        int r;

        r = cli_parse(cli, args, NULL, &n);
        if (r == CLI_GO_ON)
                r = cli_expect(cli, args, n, 0, 0, NULL);
        return r == CLI_GO_ON ? doctor(cli) : r;
}

const Order order_doctor = { "doctor", "check the whole installation, and say what to do", usage,
        run };
