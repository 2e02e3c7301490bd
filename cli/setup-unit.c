/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The service of systemd's user manager, and lingering, without which it would end at the last logout.
 *
 * Where flowcrond was installed with its units, those are used. Else (a build folder, another prefix, a configuration elsewhere) a unit is
 * written for this instance alone, marked as ours, since only what is marked is ever removed.
 */

#include "setup.h"

#include <fcntl.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

#include "environment.h"
#include "fileio.h"
#include "text.h"
#include "unit-template.h" /* made from units/flowcron.service.in */

#define COMMAND_TIMEOUT (30 * USEC_PER_SEC)
#define START_TIMEOUT (3 * USEC_PER_MINUTE)
#define OUTPUT_MAX ((size_t)256 * 1024)
#define UNIT_DIR "/systemd/user"
#define UNIT_MAX ((size_t)64 * 1024)

/* A manager that was just asked for by lingering takes a moment to come up. */
#define MANAGER_PATIENCE (10 * USEC_PER_SEC)

#define UNIT_MARK "# Made by flowcronctl setup, and removed by flowcronctl setup --remove.\n"
#define LINGER_MARK ".lingering-by-setup"

/* ---- running systemd's programs ---- */

/* Over ssh, or from cron, the session's variables may be missing although the manager is there. */
static char **manager_environment(void) {
        _cleanup_(strv_freep) char **env = strv_copy(environ);
        _cleanup_free_ char *dir = xasprintf("/run/user/%u", (unsigned)getuid()), *bus = NULL;

        if (!env || !dir)
                return NULL;
        bus = xasprintf("unix:path=%s/bus", dir);
        if (!bus)
                return NULL;
        if (access(dir, F_OK) == 0 &&
                (environment_default(&env, "XDG_RUNTIME_DIR", dir) < 0 ||
                        environment_default(&env, "DBUS_SESSION_BUS_ADDRESS", bus) < 0))
                return NULL;
        return TAKE_PTR(env);
}

static int call(char *const *argv, usec_t timeout, char **ret_out, Error *e) {
        _cleanup_(strv_freep) char **env = manager_environment();
        _cleanup_(run_done) Run run = {};
        _cleanup_free_ char *why = NULL;

        if (!env)
                return -ENOMEM;
        if (run_program(argv, env, timeout, OUTPUT_MAX, &run) == 0) {
                if (ret_out && !(*ret_out = strdup(run_out(&run))))
                        return -ENOMEM;
                return 0;
        }
        why = run.error == -ENOENT ? strdup("there is no such program here") : run_describe(&run);
        return error_set(e, UOW_E_REJECTED, "%s: %s", argv[0], why ?: "?");
}

#define SYSTEMCTL(timeout, ret_out, e, verb, ...)                                    \
        call((char *const[]){ (char *)"systemctl", (char *)"--user", (char *)(verb), \
                     __VA_ARGS__ },                                                  \
                timeout, ret_out, e)

static char *unit_name(const Setup *s) {
        return streq(s->instance, "default") ? strdup("flowcron.service")
                                             : xasprintf("flowcron@%s.service", s->instance);
}

/* ---- lingering ---- */

static char *linger_mark_path(void) {
        _cleanup_free_ char *config = config_default_path("x");

        if (!config)
                return NULL;
        *strrchr(config, '/') = 0;
        return xasprintf("%s/" LINGER_MARK, config);
}

/* As logind says; where it does not answer, as it has noted it down. */
static bool lingers(void) {
        _cleanup_free_ char *uid = xasprintf("%u", (unsigned)getuid()), *out = NULL, *path = NULL;
        char *argv[] = { (char *)"loginctl", (char *)"show-user", (char *)"--property=Linger",
                (char *)"--value", uid, NULL };
        const struct passwd *pw = getpwuid(getuid());

        if (uid && call(argv, COMMAND_TIMEOUT, &out, NULL) == 0)
                return startswith(out, "yes") != NULL;
        path = pw ? xasprintf("/var/lib/systemd/linger/%s", pw->pw_name) : NULL;
        return path && access(path, F_OK) == 0;
}

static int set_linger(const char *verb, Error *e) {
        return call((char *const[]){ (char *)"loginctl", (char *)"--no-ask-password", (char *)verb,
                            NULL },
                COMMAND_TIMEOUT, NULL, e);
}

static void note_linger(const char *mark) {
        _cleanup_free_ char *dir = strdup(mark);
        _cleanup_close_ int fd = -1;

        if (!dir)
                return;
        *strrchr(dir, '/') = 0;
        (void)dir_make_path(dir, 0755);
        fd = open(mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
}

/* Noted before it is done: what setup switched on it can switch off again. */
static int linger(Setup *s, Error *e) {
        _cleanup_free_ char *mark = linger_mark_path();
        int r;

        if (lingers())
                return 0;
        if (!mark)
                return -ENOMEM;
        note_linger(mark);
        r = set_linger("enable-linger", e);
        if (r == 0 && lingers()) {
                setup_say_done(s, "Switched lingering on, so that services go on after logout.");
                return 0;
        }
        (void)unlink(mark);
        if (r == 0)
                error_set(e, 0, "loginctl enable-linger has no effect");
        return r < 0 ? r
                     : error_prefix(e, UOW_E_REJECTED,
                               "services end at logout, and lingering is not allowed");
}

void setup_drop_linger(Setup *s) {
        _cleanup_(strv_freep) char **instances = instances_list();
        _cleanup_free_ char *mark = linger_mark_path();
        Error e = {};

        if (!mark || access(mark, F_OK) < 0 || strv_length(instances) > 0)
                return;
        if (set_linger("disable-linger", &e) == 0)
                setup_say_done(s, "Switched lingering off again.");
        else
                setup_warn(s, "Lingering, which setup switched on, could not be switched off: %s",
                        e.text);
        (void)unlink(mark);
}

/* ---- the unit ---- */

static int wait_for_manager(Error *e) {
        usec_t end = clock_boottime() + MANAGER_PATIENCE;
        int r;

        while ((r = SYSTEMCTL(COMMAND_TIMEOUT, NULL, e, "show", (char *)"--property=Version",
                        NULL)) == UOW_E_REJECTED &&
                lingers() && clock_boottime() < end)
                usleep(200 * 1000);
        return r == UOW_E_REJECTED ? error_prefix(e, r, "no user manager answers") : r;
}

/* Where the manager looks for this user's own units: below its idea of the home folder, which need not be ours. */
static char *unit_dir(const Setup *s) {
        _cleanup_(strv_freep) char **dirs = NULL;
        _cleanup_free_ char *out = NULL;

        if (SYSTEMCTL(COMMAND_TIMEOUT, &out, NULL, "show", (char *)"--property=UnitPath",
                    (char *)"--value", NULL) == 0 &&
                strv_split(&dirs, out, " \n") == 0)
                for (char **dir = dirs; dir && *dir; dir++) {
                        size_t n = strlen(*dir), m = strlen(UNIT_DIR);

                        if (n > m && streq(*dir + n - m, UNIT_DIR))
                                return strdup(*dir);
                }
        return xasprintf("%s/.config" UNIT_DIR, s->login_home);
}

static char *unit_path(const Setup *s) {
        _cleanup_free_ char *name = unit_name(s), *dir = unit_dir(s);

        return name && dir ? xasprintf("%s/%s", dir, name) : NULL;
}

/* What systemd would read as more than a character. */
static char *unit_quote(const char *word) {
        char *quoted = malloc(2 * strlen(word) + 3), *p = quoted;

        if (!quoted)
                return NULL;
        *p++ = '"';
        for (; *word; word++) {
                if (*word == '\\' || *word == '"')
                        *p++ = '\\';
                else if (*word == '%' || *word == '$')
                        *p++ = *word;
                *p++ = *word;
        }
        *p++ = '"';
        *p = 0;
        return quoted;
}

static int replace_all(char **text, const char *what, const char *with) {
        _cleanup_free_ char *out = NULL;
        size_t size;
        FILE *f = open_memstream(&out, &size);
        const char *p = *text, *hit;

        if (!f)
                return -ENOMEM;
        for (; (hit = strstr(p, what)); p = hit + strlen(what))
                fprintf(f, "%.*s%s", (int)(hit - p), p, with);
        fputs(p, f);
        if (fclose(f) != 0)
                return -ENOMEM;
        free(*text);
        *text = TAKE_PTR(out);
        return 0;
}

static char *unit_text(const Setup *s) {
        _cleanup_free_ char *text = xasprintf(UNIT_MARK "%s", unit_template);
        _cleanup_free_ char *program = unit_quote(s->flowcrond), *file = unit_quote(s->config_path),
                            *ctl = unit_quote(s->flowcronctl);
        _cleanup_free_ char *choice = s->elsewhere && file
                ? xasprintf("--config %s", file)
                : xasprintf("--instance %s", s->instance);

        if (!text || !program || !ctl || !file || !choice ||
                replace_all(&text, "--instance @INSTANCE_WORD@", choice) < 0 ||
                replace_all(&text, "@INSTANCE_WORD@", s->instance) < 0 ||
                replace_all(&text, "\"@FLOWCRONCTL@\"", ctl) < 0 ||
                replace_all(&text, "\"@FLOWCROND@\"", program) < 0)
                return NULL;
        return TAKE_PTR(text);
}

/* A unit that runs this flowcrond for this instance is there, from an installation. */
static bool is_installed(const Setup *s, const char *name) {
        _cleanup_free_ char *text = NULL, *program = unit_quote(s->flowcrond), *line = NULL;

        if (s->elsewhere || !program ||
                SYSTEMCTL(COMMAND_TIMEOUT, &text, NULL, "cat", (char *)name, NULL) != 0)
                return false;
        line = xasprintf("ExecStart=%s --instance ", program);
        return line && strstr(text, line) && !strstr(text, UNIT_MARK);
}

static int write_unit(const Setup *s, Error *e) {
        _cleanup_free_ char *path = unit_path(s), *text = unit_text(s), *old = NULL;
        _cleanup_close_ int dir = -1;
        char *slash;
        int r;

        if (!path || !text)
                return -ENOMEM;
        slash = strrchr(path, '/');
        *slash = 0;
        r = dir_make_path(path, 0755);
        dir = r < 0 ? r : dir_open_path(path);
        if (dir < 0)
                return error_set(e, dir, "%s: %s", path, strerror(-dir));
        if (file_read_at(dir, slash + 1, UNIT_MAX, &old, NULL) == 0 && !startswith(old, UNIT_MARK))
                return error_set(e, UOW_E_REJECTED,
                        "%s/%s is there, and not by setup: remove it, or start it yourself", path,
                        slash + 1);
        if (streq(old, text))
                return 0;
        r = file_replace_at(dir, slash + 1, text, strlen(text), 0644);
        return r < 0 ? error_set(e, r, "%s/%s: %s", path, slash + 1, strerror(-r)) : 0;
}

static bool is_active(const char *name) {
        return SYSTEMCTL(COMMAND_TIMEOUT, NULL, NULL, "is-active", (char *)"--quiet", (char *)name,
                       NULL) == 0;
}

/* A reload takes most changes; what it can't take, and another program, need a new start. */
static int start_unit(Setup *s, const char *name, Error *e) {
        const char *verb = "start";
        Error why = {};

        if (s->no_start)
                return 0;
        if (is_active(name)) {
                if (s->today && !config_needs_restart(s->today, s->config))
                        verb = "reload";
                else
                        verb = "restart";
        }
        if (SYSTEMCTL(START_TIMEOUT, NULL, &why, verb, (char *)name, NULL) != 0)
                return error_set(e, -EIO,
                        "%s of %s failed (%s); see: journalctl --user -u %s, and run setup again",
                        verb, name, why.text, name);
        return 0;
}

int setup_install_unit(Setup *s, Error *e) {
        _cleanup_free_ char *name = unit_name(s);
        int r = name ? linger(s, e) : -ENOMEM;

        if (r == 0)
                r = wait_for_manager(e);
        if (r == 0)
                r = SYSTEMCTL(COMMAND_TIMEOUT, NULL, e, "daemon-reload", NULL);
        if (r == 0 && !is_installed(s, name)) {
                r = write_unit(s, e);
                if (r == 0)
                        r = SYSTEMCTL(COMMAND_TIMEOUT, NULL, e, "daemon-reload", NULL);
        }
        if (r == 0)
                r = SYSTEMCTL(COMMAND_TIMEOUT, NULL, e, "enable", (char *)name, NULL);
        if (r == 0)
                r = start_unit(s, name, e);
        if (r != 0)
                return r;
        if (json_set_str(s->service, "unit", name) < 0)
                return -ENOMEM;
        setup_say_done(s,
                s->no_start ? "%s is enabled; start it with systemctl --user start."
                            : "%s is enabled and runs.",
                name);
        return 0;
}

static bool is_enabled(const char *name) {
        return SYSTEMCTL(COMMAND_TIMEOUT, NULL, NULL, "is-enabled", (char *)"--quiet", (char *)name,
                       NULL) == 0;
}

/* Only what setup wrote. 1 it was there, 0, -errno. */
static int remove_unit_file(const Setup *s, Error *e) {
        _cleanup_free_ char *path = unit_path(s), *text = NULL;

        if (!path)
                return -ENOMEM;
        if (file_read_at(AT_FDCWD, path, UNIT_MAX, &text, NULL) < 0 || !startswith(text, UNIT_MARK))
                return 0;
        return unlink(path) < 0 ? error_set(e, -errno, "%s: %m", path) : 1;
}

int setup_drop_unit(Setup *s, Error *e) {
        _cleanup_free_ char *name = unit_name(s);
        bool there;
        int r;

        if (!name)
                return -ENOMEM;
        there = is_enabled(name) || is_active(name);
        if (there &&
                SYSTEMCTL(START_TIMEOUT, NULL, e, "disable", (char *)"--now", (char *)name, NULL) !=
                        0)
                return error_prefix(e, -EIO, "%s", name);
        r = remove_unit_file(s, e);
        if (r > 0)
                (void)SYSTEMCTL(COMMAND_TIMEOUT, NULL, NULL, "daemon-reload", NULL);
        if (r < 0 || (!there && r == 0))
                return r;
        setup_say_done(s, "Stopped and disabled %s; jobs go on.", name);
        return 1;
}
