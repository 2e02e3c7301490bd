/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Who keeps flowcrond running: a lingering service of systemd, else a line in Slurm's scrontab, else one in cron's crontab. The first
 * that is to be had is taken, and why the ones before were not is said. What an earlier setup installed in another's place goes.
 */

#include "setup.h"

#include <ctype.h>
#include <dirent.h>
#include <string.h>

#include "crontab.h"
#include "output.h"
#include "text.h"

#define COMMAND_TIMEOUT (30 * USEC_PER_SEC)
#define CRONTAB_MAX ((size_t)1024 * 1024)

/* A pass may copy a result to another file system. */
#define SCRON_TIME "01:00:00"

const char *const setup_service_words[] = { "auto", "systemd", "scrontab", "cron", "none", NULL };

static const char *const kind_words[_SERVICE_MAX] = { "systemd", "scrontab", "cron" };

/* ---- crontabs ---- */

static const char *program_of(ServiceKind kind) {
        return kind == SERVICE_SCRONTAB ? "scrontab" : "crontab";
}

/* Nobody has a crontab before the first line; both programs call that a failure. */
static bool is_empty(const Run *run) {
        return run->error == 0 &&
                (strstr(run_err(run), "no crontab for") || strstr(run_out(run), "no crontab for"));
}

int crontab_read(ServiceKind kind, char **ret, Error *e) {
        char *argv[] = { (char *)program_of(kind), (char *)"-l", NULL };
        _cleanup_(run_done) Run run = {};
        _cleanup_free_ char *why = NULL;

        if (run_program(argv, NULL, COMMAND_TIMEOUT, CRONTAB_MAX, &run) == 0 && !run.truncated)
                return (*ret = strdup(run_out(&run))) ? 0 : -ENOMEM;
        if (is_empty(&run))
                return (*ret = strdup("")) ? 0 : -ENOMEM;
        why = run.error == -ENOENT ? strdup("there is no such program here") : run_describe(&run);
        return error_set(
                e, run.error < 0 ? run.error : -EACCES, "%s: %s", program_of(kind), why ?: "?");
}

int crontab_write(ServiceKind kind, const char *text, Error *e) {
        /* scrontab reads a file, which may be its standard input. */
        char *argv[] = { (char *)program_of(kind),
                (char *)(kind == SERVICE_SCRONTAB ? "/dev/stdin" : "-"), NULL };
        _cleanup_(run_done) Run run = {
                .argv = argv, .timeout = COMMAND_TIMEOUT, .output_max = CRONTAB_MAX, .input = text
        };
        _cleanup_free_ char *why = NULL;

        run_all(&run, 1);
        if (run_ok(&run))
                return 0;
        why = run_describe(&run);
        return error_set(
                e, run.error < 0 ? run.error : -EACCES, "%s: %s", program_of(kind), why ?: "?");
}

/* ---- our line ---- */

static int add_word(char **command, const char *word, bool percent) {
        _cleanup_free_ char *quoted = NULL, *longer = NULL;
        int r = crontab_quote(word, percent, &quoted);

        if (r < 0)
                return r;
        longer = xasprintf("%s%s%s", *command ?: "", *command ? " " : "", quoted);
        return longer ? strdup_to(command, longer) : -ENOMEM;
}

static int pass_command(const Setup *s, ServiceKind kind, char **ret, Error *e) {
        bool percent = kind == SERVICE_CRON;
        _cleanup_free_ char *command = NULL;
        int r = add_word(&command, s->flowcrond, percent);

        if (r == 0)
                r = add_word(&command, s->elsewhere ? "--config" : "--instance", percent);
        if (r == 0)
                r = add_word(&command, s->elsewhere ? s->config_path : s->instance, percent);
        if (r == 0)
                r = add_word(&command, "--once", percent);
        if (r == -EINVAL)
                return error_set(
                        e, UOW_E_REJECTED, "a crontab can't hold a path with a line break");
        if (r < 0)
                return r;
        /* All of it is in Logs/ as well; cron would make a mail of each pass. */
        *ret = xasprintf("%s >/dev/null 2>&1", command);
        return *ret ? 0 : -ENOMEM;
}

static void print_option(FILE *f, const char *name, const char *value) {
        if (!isempty(value))
                fprintf(f, "#SCRON --%s=%s\n", name, value);
}

/* Options are for the single entry that follows. */
static void print_scron(FILE *f, const Setup *s) {
        fprintf(f, "#SCRON --job-name=flowcron-%s\n", s->instance);
        fprintf(f, "#SCRON --time=" SCRON_TIME "\n");
        fprintf(f, "#SCRON --output=/dev/null\n");
        print_option(f, "account", s->config->scheduler.account);
        print_option(f, "qos", s->config->scheduler.qos);
        print_option(f, "partition", s->config->scheduler.partition);
        print_option(f, "reservation", s->config->scheduler.reservation);
}

static int our_lines(const Setup *s, ServiceKind kind, char **ret, Error *e) {
        _cleanup_free_ char *command = NULL, *lines = NULL;
        char schedule[CRONTAB_SCHEDULE_MAX];
        size_t size;
        FILE *f;
        int r = 0;

        if (crontab_schedule(setup_pass_interval(s), schedule) < 0)
                return error_set(e, UOW_E_REJECTED,
                        "an interval of %s can't be had in a crontab: it takes minutes that divide an hour (1m, 2m, 5m, 10m, "
                        "15m, 30m), or hours that divide a day",
                        s->answers[ASK_INTERVAL]);
        if (s->config->scheduler.type == SCHEDULER_SLURM)
                r = site_check_interval(&s->site, setup_pass_interval(s), e);
        if (r == 0)
                r = pass_command(s, kind, &command, e);
        if (r != 0)
                return r;
        f = open_memstream(&lines, &size);
        if (!f)
                return -ENOMEM;
        if (kind == SERVICE_SCRONTAB)
                print_scron(f, s);
        fprintf(f, "%s %s\n", schedule, command);
        if (fclose(f) != 0)
                return -ENOMEM;
        *ret = TAKE_PTR(lines);
        return 0;
}

static int put_lines(Setup *s, ServiceKind kind, const char *before, const char *lines, Error *e) {
        _cleanup_free_ char *after = crontab_with(before, s->instance, lines), *found = NULL;
        int r = after ? 0 : -ENOMEM;

        if (r == 0 && streq(before, after))
                return 0;
        if (r == 0)
                r = crontab_write(kind, after, e);
        if (r == 0)
                r = crontab_read(kind, &found, e);
        if (r == 0 && !crontab_has(found, s->instance))
                r = error_set(
                        e, -EIO, "%s took the lines, and does not have them", program_of(kind));
        return r;
}

int setup_drop_lines(Setup *s, ServiceKind kind, Error *e) {
        _cleanup_free_ char *before = NULL, *after = NULL;
        int r = crontab_read(kind, &before, NULL);

        /* Where there is no crontab to be had there are no lines of ours in it. */
        if (r < 0 || !crontab_has(before, s->instance))
                return r == -ENOMEM ? r : 0;
        after = crontab_without(before, s->instance);
        if (!after)
                return -ENOMEM;
        r = crontab_write(kind, after, e);
        if (r < 0)
                return r;
        setup_say_done(
                s, "Took the lines of instance %s out of the %s.", s->instance, program_of(kind));
        return 1;
}

/* Whether some cron daemon can be seen here: without one a crontab is only a text. */
static bool cron_is_seen(void) {
        _cleanup_closedir_ DIR *d = opendir("/proc");
        struct dirent *de;

        while (d && (de = readdir(d))) {
                char path[64], comm[32] = "";
                _cleanup_fclose_ FILE *f = NULL;

                if (!isdigit((unsigned char)de->d_name[0]) || strlen(de->d_name) > 20)
                        continue;
                snprintf(path, sizeof(path), "/proc/%.20s/comm", de->d_name);
                f = fopen(path, "re");
                if (f && fgets(comm, sizeof(comm), f) &&
                        (streq(comm, "cron\n") || streq(comm, "crond\n")))
                        return true;
        }
        return d == NULL;
}

static int install_lines(Setup *s, ServiceKind kind, Error *e) {
        _cleanup_free_ char *before = NULL, *lines = NULL;
        char host[65] = "this host";
        int r = crontab_read(kind, &before, e);

        if (r < 0)
                return r == -ENOMEM ? r : UOW_E_REJECTED;
        r = our_lines(s, kind, &lines, e);
        if (r != 0)
                return r;
        r = put_lines(s, kind, before, lines, e);
        if (r < 0)
                return r == -ENOMEM ? r : UOW_E_REJECTED;
        (void)gethostname(host, sizeof(host) - 1);
        if (kind == SERVICE_CRON && !cron_is_seen())
                setup_warn(s, "No cron daemon is seen running on %s.", host);
        if (json_set_name(s->service, "lines", lines) < 0)
                return -ENOMEM;
        setup_say_done(s,
                kind == SERVICE_CRON
                        ? "A line in your crontab on %s runs flowcrond --once; other hosts have other crontabs."
                        : "An entry in your scrontab runs flowcrond --once (asked for on %s).",
                host);
        return 0;
}

/* ---- choosing ---- */

static int install(Setup *s, ServiceKind kind, Error *e) {
        if (kind == SERVICE_SYSTEMD)
                return setup_install_unit(s, e);
        if (kind == SERVICE_SCRONTAB && s->config->scheduler.type != SCHEDULER_SLURM)
                return error_set(e, UOW_E_REJECTED, "jobs do not run by Slurm here");
        return install_lines(s, kind, e);
}

/* What an earlier setup may have installed in place of @kind (_SERVICE_MAX: of none). */
static int drop_others(Setup *s, ServiceKind kind, Error *e) {
        int r = 0;

        if (kind != SERVICE_SYSTEMD)
                r = setup_drop_unit(s, e);
        for (ServiceKind k = SERVICE_SCRONTAB; r >= 0 && k < _SERVICE_MAX; k++)
                if (k != kind)
                        r = setup_drop_lines(s, k, e);
        return r < 0 ? r : 0;
}

static int note_refusal(Setup *s, cJSON *tried, ServiceKind kind, const Error *why) {
        _cleanup_json_ cJSON *o = cJSON_CreateObject();

        if (!s->cli->json)
                out_note("  %s can't be had: %s.", kind_words[kind], why->text);
        if (!o || json_set_str(o, "kind", kind_words[kind]) < 0 ||
                json_set_str(o, "why", why->text) < 0 || !cJSON_AddItemToArray(tried, o))
                return -ENOMEM;
        TAKE_PTR(o);
        return 0;
}

static int install_best(Setup *s, const char *wanted, Error *e) {
        cJSON *tried = cJSON_AddArrayToObject(s->service, "tried");
        int r = tried ? UOW_E_REJECTED : -ENOMEM;

        for (ServiceKind k = 0; r == UOW_E_REJECTED && k < _SERVICE_MAX; k++) {
                Error why = {};

                if (!streq(wanted, "auto") && !streq(wanted, kind_words[k]))
                        continue;
                r = install(s, k, &why);
                if (r == UOW_E_REJECTED && note_refusal(s, tried, k, &why) < 0)
                        return -ENOMEM;
                if (r != 0) {
                        *e = why;
                        continue;
                }
                r = json_set_str(s->service, "kind", kind_words[k]);
                return r < 0 ? r : drop_others(s, k, e);
        }
        return r;
}

int setup_install_service(Setup *s, Error *e) {
        const char *wanted = s->answers[ASK_SERVICE];
        Error why;
        int r;

        if (streq(wanted, "none")) {
                r = json_set_str(s->service, "kind", "none");
                return r < 0 ? r : drop_others(s, _SERVICE_MAX, e);
        }
        r = install_best(s, wanted, e);
        if (r != UOW_E_REJECTED)
                return r;
        why = *e;
        (void)json_set_str(s->service, "kind", "none");
        return error_set(e, r,
                "All is set up, but nothing keeps flowcrond running: there is %s%s to be had here (%s). Mend that and run setup again, or "
                "give --service none and start flowcrond yourself",
                streq(wanted, "auto") ? "" : "no ",
                streq(wanted, "auto") ? "none of systemd, scrontab and cron" : wanted, why.text);
}
