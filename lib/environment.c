/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a login shell gives, and what of it may reach a job.
 *
 * We begin with next to nothing, as sshd does, so that what the daemon got from systemd, cron or
 * the job it was itself started in can't leak; the shell's start-up files add the rest. Called by
 * daemon/login.c.
 */

#include "environment.h"

#include <limits.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

#include "text.h"

#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"

/*
 * Shells that take `-l -c COMMAND` and read POSIX syntax; others (csh, fish) have bash stand in for
 * them.
 */
static const char *const bourne_shells[] = { "bash", "sh", "zsh", "ksh", "ksh93", "mksh", "dash" };

static bool is_bourne(const char *shell) {
        const char *name = strrchr(shell, '/');

        for (size_t i = 0; name && i < ELEMENTSOF(bourne_shells); i++)
                if (streq(name + 1, bourne_shells[i]))
                        return true;
        return false;
}

static const char *first_of(const char *a, const char *b, const char *c) {
        return !isempty(a) ? a : !isempty(b) ? b : c;
}

int login_user_get(LoginUser *ret) {
        LoginUser u = { NULL, NULL, NULL };
        const struct passwd *pw = getpwuid(getuid());

        u.name = strdup(first_of(pw ? pw->pw_name : NULL, getenv("USER"), "nobody"));
        u.home = strdup(first_of(getenv("HOME"), pw ? pw->pw_dir : NULL, "/"));
        u.shell = strdup(first_of(pw ? pw->pw_shell : NULL, NULL, "/bin/bash"));
        if (!u.name || !u.home || !u.shell) {
                login_user_done(&u);
                return -ENOMEM;
        }
        *ret = u;
        return 0;
}

void login_user_done(LoginUser *u) {
        free(u->name);
        free(u->home);
        free(u->shell);
        *u = (LoginUser){ NULL, NULL, NULL };
}

char **environment_login_argv(const LoginUser *u, const char *marker) {
        _cleanup_(strv_freep) char **argv = NULL;
        /*
         * By its full path, and in place of the shell: no alias, no PATH, no ~/.bash_logout comes
         * in between.
         */
        char *script = xasprintf("\\printf '%%s\\0' %s; \\exec /usr/bin/env -0", marker);
        int r = strv_add_all(&argv, is_bourne(u->shell) ? u->shell : "/bin/bash", "-l", "-c", NULL);

        if (r < 0)
                free(script);
        else
                r = strv_take(&argv, script);
        return r < 0 ? NULL : TAKE_PTR(argv);
}

char **environment_login_start(const LoginUser *u) {
        _cleanup_(strv_freep) char **env = NULL;
        int r = environment_set(&env, "HOME", u->home);

        if (r >= 0)
                r = environment_set(&env, "USER", u->name);
        if (r >= 0)
                r = environment_set(&env, "LOGNAME", u->name);
        if (r >= 0)
                r = environment_set(&env, "SHELL", u->shell);
        if (r >= 0)
                r = environment_set(&env, "PATH", DEFAULT_PATH);
        if (r >= 0)
                r = environment_default(&env, "LANG", getenv("LANG"));
        return r < 0 ? NULL : TAKE_PTR(env);
}

/* The prefix, or with "=" the whole name. */
static const char *const foreign[] = {
        "SLURM_",
        "SLURMD_",
        "SLURMCTLD_",
        "SLURMSTEPD_",
        "SBATCH_",
        "SRUN_",
        "SALLOC_",
        "SQUEUE_",
        "SACCT_",
        "SCANCEL_",
        "SCONTROL_",
        "SINFO_",
        "SPRIO_",
        "SSTAT_",
        "SATTACH_",
        "SCRONTAB_",
        "SBCAST_",
        "SHOW_PARAM_",
        "NOTIFY_SOCKET=",
        "LISTEN_FDS=",
        "LISTEN_PID=",
        "LISTEN_FDNAMES=",
        "LISTEN_PIDFDID=",
        "JOURNAL_STREAM=",
        "INVOCATION_ID=",
        "SYSTEMD_",
        "WATCHDOG_PID=",
        "WATCHDOG_USEC=",
        "MANAGERPID=",
        "MANAGERPIDFDID=",
        "MAINPID=",
        "CREDENTIALS_DIRECTORY=",
        "ENCRYPTED_CREDENTIALS_DIRECTORY=",
        "MEMORY_PRESSURE_WATCH=",
        "MEMORY_PRESSURE_WRITE=",
        "RUNTIME_DIRECTORY=",
        "STATE_DIRECTORY=",
        "CACHE_DIRECTORY=",
        "LOGS_DIRECTORY=",
        "CONFIGURATION_DIRECTORY=",
        "FDSTORE=",
        "REMOTE_ADDR=",
        "REMOTE_PORT=",
        "SERVICE_RESULT=",
        "EXIT_CODE=",
        "EXIT_STATUS=",
        "PIDFILE=",
        "XDG_SESSION_",
        "_=",
        "SHLVL=",
        "PWD=",
        "OLDPWD=",
};

bool environment_is_foreign(const char *entry) {
        if (startswith(entry, "SLURM_CONF=") || startswith(entry, "SLURM_JWT="))
                return false;
        for (size_t i = 0; i < ELEMENTSOF(foreign); i++)
                if (startswith(entry, foreign[i]))
                        return true;
        return false;
}

const char *environment_get(char *const *env, const char *name) {
        size_t n = strlen(name);

        for (; env && *env; env++)
                if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
                        return *env + n + 1;
        return NULL;
}

int environment_set(char ***env, const char *name, const char *value) {
        char *entry = xasprintf("%s=%s", name, value);
        size_t n = strlen(name);

        for (char **e = *env; entry && e && *e; e++)
                if (strncmp(*e, name, n) == 0 && (*e)[n] == '=') {
                        free(*e);
                        *e = entry;
                        return 0;
                }
        return strv_take(env, entry);
}

int environment_default(char ***env, const char *name, const char *value) {
        return value && !environment_get(*env, name) ? environment_set(env, name, value) : 0;
}

/* Sites and tests whose login shell says nothing of Slurm, though we were told. */
int environment_add_own(char ***env) {
        int r = environment_default(env, "SLURM_CONF", getenv("SLURM_CONF"));

        return r < 0 ? r : environment_default(env, "PATH", getenv("PATH"));
}

int environment_find_program(char *const *env, const char *name, char **ret) {
        const char *p = environment_get(env, "PATH") ?: DEFAULT_PATH;
        int r = -ENOENT;

        if (strlen(name) >= PATH_MAX)
                return -ENAMETOOLONG;
        if (strchr(name, '/'))
                return (*ret = strdup(name)) ? 0 : -ENOMEM;
        for (; *p; p += *p == ':') {
                size_t n = strcspn(p, ":");
                _cleanup_free_ char *path = xasprintf("%.*s/%s", (int)n, p, name);
                struct stat st;

                if (!path)
                        return -ENOMEM;
                if (*p == '/' && stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
                        if (access(path, X_OK) == 0) {
                                *ret = TAKE_PTR(path);
                                return 0;
                        }
                        r = -errno;
                }
                p += n;
        }
        return r;
}

/*
 * Behind the marker and its NUL, or NULL. The last one counts: a start-up file with `set -x` shows
 * our command, too.
 */
static const char *behind_marker(const char *data, size_t size, const char *marker) {
        const char *found = NULL, *end = data + size, *p = data;
        size_t n = strlen(marker) + 1; /* with its NUL */

        while ((p = memmem(p, (size_t)(end - p), marker, n)))
                found = p += n;
        return found;
}

int environment_parse(const char *data, size_t size, const char *marker, char ***ret, Error *e) {
        _cleanup_(strv_freep) char **env = NULL;
        const char *p = behind_marker(data, size, marker), *end = data + size;

        if (!p)
                return error_set(e, UOW_E_INVALID, "the login shell did not print its environment");
        while (p < end) {
                const char *nul = memchr(p, 0, (size_t)(end - p));

                if (!nul)
                        return error_set(
                                e, UOW_E_INVALID, "the login shell's environment is cut off");
                /* exec takes entries without a name; nobody can use them. */
                if (strchr(p, '=') > p && !environment_is_foreign(p) && strv_add(&env, p) < 0)
                        return -ENOMEM;
                p = nul + 1;
        }
        if (isempty(environment_get(env, "PATH")))
                return error_set(e, UOW_E_INVALID, "the login shell's environment has no PATH");
        *ret = TAKE_PTR(env);
        return 0;
}
