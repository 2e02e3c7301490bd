/* SPDX-License-Identifier: Apache-2.0 */

/* Who starts the daemon: the user's service manager, and whether it outlives a logout; or cron, or Slurm's scrontab. */

#include <string.h>

#include "crontab.h"
#include "doctor.h"
#include "environment.h"
#include "text.h"

/* Where systemd-logind keeps who may linger: a file of the user's name. */
#define LINGER_DIR "/var/lib/systemd/linger"

/* ---- the unit ---- */

/* The value of a property; new string, "" if it is not there. */
static char *property(const Run *r, const char *name) {
        _cleanup_(strv_freep) char **lines = NULL;

        if (strv_split(&lines, run_out(r), "\n") < 0)
                return NULL;
        for (char **l = lines; l && *l; l++) {
                const char *rest = startswith(*l, name);

                if (rest && *rest == '=')
                        return strdup(rest + 1);
        }
        return strdup("");
}

static bool property_is(const Run *r, const char *name, const char *value) {
        _cleanup_free_ char *found = property(r, name);

        return streq(found, value);
}

static void check_program(Doctor *d, const char *file) {
        const Run *r = doctor_answer(d, PROBE_UNIT_VERSION);
        _cleanup_free_ char *words = NULL;
        const char *version;

        if (!r)
                return;
        version = run_ok(r) ? startswith(run_out(r), "flowcrond ") : NULL;
        if (!version) {
                words = run_describe(r);
                doctor_find(d, "service", FINDING_FAULT, "%s starts %s, which can't be run", file,
                        d->unit_program);
                doctor_why(d, "%s. Was FlowCron moved, or removed there?", words ?: "?");
                doctor_advise(d, "%s setup", d->ctl);
        } else if (strcspn(version, "\n") != strlen(FLOWCRON_VERSION) ||
                !startswith(version, FLOWCRON_VERSION)) {
                doctor_find(d, "service", FINDING_WARNING,
                        "%s starts flowcrond %.*s; this is flowcronctl %s", file,
                        (int)strcspn(version, "\n"), version, FLOWCRON_VERSION);
                doctor_why(
                        d, "Two versions are installed. The service starts %s.", d->unit_program);
                doctor_advise(d, "systemctl --user cat %s", d->unit);
        }
}

static void check_state(Doctor *d, const Run *r) {
        _cleanup_free_ char *result = property(r, "Result"),
                            *status = property(r, "ExecMainStatus");

        if (!property_is(r, "ActiveState", "failed"))
                return;
        doctor_find(d, "service", FINDING_FAULT, "%s failed: %s, exit status %s", d->unit,
                result ?: "?", status ?: "?");
        doctor_why(d, "%s",
                streq(status, "78") ? "Its configuration is at fault."
                                    : "Its log says why. It was started too often in vain.");
        doctor_advise(d, "journalctl --user -u %s -n 20", d->unit);
}

static bool is_enabled(const Run *r) {
        return property_is(r, "UnitFileState", "enabled");
}

static bool is_active(const Run *r) {
        return property_is(r, "ActiveState", "active") ||
                property_is(r, "ActiveState", "reloading") ||
                property_is(r, "ActiveState", "activating");
}

static void check_enabled(Doctor *d, const Run *r) {
        if (!is_active(r) || is_enabled(r))
                return;
        doctor_find(d, "service", FINDING_WARNING, "%s is not started by itself", d->unit);
        doctor_why(d, "It runs now, and will not be there after a restart of this host.");
        doctor_advise(d, "systemctl --user enable %s", d->unit);
}

static void check_linger(Doctor *d) {
        _cleanup_free_ char *path = xasprintf(LINGER_DIR "/%s", d->owner_name);

        if (path && access(path, F_OK) == 0) {
                doctor_find(d, "linger", FINDING_OK, "the service stays after logout");
                return;
        }
        doctor_find(
                d, "linger", FINDING_WARNING, "the service ends when %s logs out", d->owner_name);
        doctor_why(d,
                "Without lingering the user's services live as long as a session does. If the site "
                "does not allow it: cron, or scrontab.");
        doctor_advise(d, "loginctl enable-linger");
}

static void check_unit(Doctor *d, const Run *r) {
        _cleanup_free_ char *file = property(r, "FragmentPath");
        int before = cJSON_GetArraySize(d->findings);

        check_program(d, isempty(file) ? d->unit : file);
        check_state(d, r);
        check_enabled(d, r);
        if (property_is(r, "NeedDaemonReload", "yes")) {
                doctor_find(d, "service", FINDING_WARNING, "%s was changed since it was read",
                        isempty(file) ? d->unit : file);
                doctor_advise(d, "systemctl --user daemon-reload");
        }
        if (cJSON_GetArraySize(d->findings) == before)
                doctor_find(d, "service", FINDING_OK, "%s is %s%s, and starts %s", d->unit,
                        is_active(r) ? "active" : "not active", is_enabled(r) ? ", enabled" : "",
                        d->unit_program ?: "?");
        if (is_active(r) || is_enabled(r))
                check_linger(d);
}

/* ---- cron ---- */

static char *resolved(char *path) {
        char *real = path ? realpath(path, NULL) : NULL;

        if (!real)
                return path;
        free(path);
        return real;
}

/* The configuration that these options of either program lead to; new string or NULL. */
static char *configuration(const char *file, const char *instance) {
        return resolved(file ? strdup(file) : config_default_path(instance));
}

/* Whether a command of a crontab makes passes of this instance. */
static bool is_ours(const Doctor *d, char *const *argv) {
        _cleanup_free_ char *ours = configuration(d->cli->config_path, d->instance), *theirs = NULL;
        const char *name = "default", *file = NULL;
        bool once = false;

        for (size_t i = 1; argv[i]; i++) {
                const char *value = argv[i + 1];

                if (streq(argv[i], "--once"))
                        once = true;
                else if (value && (streq(argv[i], "-i") || streq(argv[i], "--instance")))
                        name = argv[++i];
                else if (value && streq(argv[i], "--config"))
                        file = argv[++i];
        }
        theirs = configuration(file, name);
        return once && ours && streq(ours, theirs);
}

/* "$HOME/.local/bin/flowcrond" and the like, as the shell would have it; new string or NULL. */
static char *expand_home(const char *word) {
        const char *rest = startswith(word, "$HOME/"), *home = getenv("HOME");

        rest = rest ?: startswith(word, "${HOME}/") ?: startswith(word, "~/");
        return rest && home ? xasprintf("%s/%s", home, rest) : strdup(word);
}

static void check_entry(Doctor *d, const char *table, const char *word) {
        _cleanup_free_ char *path = expand_home(word), *found = NULL;
        static char *const cron_env[] = { (char *)"PATH=/usr/bin:/bin", NULL };

        if (path && environment_find_program(cron_env, path, &found) == 0 &&
                access(found, X_OK) == 0) {
                doctor_find(d, "cron", FINDING_OK, "%s starts %s for its passes", table, word);
                return;
        }
        doctor_find(d, "cron", FINDING_FAULT, "%s names %s, which can't be run", table, word);
        doctor_why(d,
                "Cron looks in /usr/bin and /bin only; anywhere else a program needs its full path.");
        doctor_advise(d, "%s -e", table);
}

/* The flowcrond that an entry runs for this instance; new string, NULL if it is another's. */
static char *program_of_entry(const Doctor *d, const char *line) {
        const char *command = crontab_command(line), *slash;
        _cleanup_free_ char *program = command ? crontab_first_word(command) : NULL;
        _cleanup_(strv_freep) char **words = NULL;

        slash = program ? strrchr(program, '/') : NULL;
        if (!program || !streq(slash ? slash + 1 : program, "flowcrond"))
                return NULL;
        if (strv_split(&words, command, " \t'\"") < 0 || !is_ours(d, words))
                return NULL;
        return TAKE_PTR(program);
}

/* The first entry of ours in a table: whether there is one. */
static bool check_table(Doctor *d, Probe p, const char *table) {
        const Run *r = doctor_answer_ok(d, p);
        _cleanup_(strv_freep) char **lines = NULL;

        if (!r || strv_split(&lines, run_out(r), "\n") < 0)
                return false;
        for (char **l = lines; l && *l; l++) {
                _cleanup_free_ char *program = program_of_entry(d, *l);

                if (!program)
                        continue;
                check_entry(d, table, program);
                return true;
        }
        return false;
}

/* ---- together ---- */

static void say_nobody(Doctor *d, const Run *unit) {
        _cleanup_free_ char *words = unit ? run_describe(unit) : NULL;

        doctor_find(d, "service", FINDING_WARNING,
                "nothing starts flowcrond by itself: no unit of this name, no line in crontab or scrontab");
        if (unit && !run_ok(unit))
                doctor_why(d, "There is no service manager to be asked: %s.", words ?: "?");
        doctor_advise(d, "%s setup", d->ctl);
}

void doctor_check_service(Doctor *d) {
        const Run *unit = doctor_answer(d, PROBE_UNIT),
                  *loaded = d->unit_program ? doctor_answer_ok(d, PROBE_UNIT) : NULL;
        bool in_cron, in_scron, used;

        if (!d->is_owner) {
                doctor_find(d, "service", FINDING_NOTE,
                        "what starts flowcrond only %s can see, without --base", d->owner_name);
                return;
        }
        used = loaded &&
                (is_active(loaded) || is_enabled(loaded) ||
                        property_is(loaded, "ActiveState", "failed"));
        in_cron = check_table(d, PROBE_CRONTAB, "crontab");
        in_scron = check_table(d, PROBE_SCRONTAB, "scrontab");
        if (used || (loaded && !in_cron && !in_scron))
                check_unit(d, loaded);
        else if (!in_cron && !in_scron)
                say_nobody(d, unit);
}
