/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Slurm's commands and their arguments; the why of each stands where it is added. Called by
 * scheduler-slurm.c and tests.
 */

#include "slurm-args.h"

#include <string.h>
#include <time.h>

#include "environment.h"
#include "text.h"

/* Well below what execve(2) takes as one argument (32 pages). */
#define ID_LIST_MAX 60000

/* "%" in a path stands for itself only when it is doubled: sbatch(1), "filename pattern". */
static char *double_percent(const char *path) {
        char *out = malloc(2 * strlen(path) + 1), *o = out;

        if (!out)
                return NULL;
        for (; *path; path++) {
                if (*path == '%')
                        *o++ = '%';
                *o++ = *path;
        }
        *o = 0;
        return out;
}

static int add_outputs(char ***argv, const Uow *u, const char *path) {
        _cleanup_free_ char *folder = double_percent(path);
        const char *pattern = u->array ? "%A_%a" : "%j";
        int r;

        if (!folder)
                return -ENOMEM;
        r = strv_take(argv, xasprintf("--output=%s/slurm-%s.out", folder, pattern));
        return r < 0 ? r : strv_take(argv, xasprintf("--error=%s/slurm-%s.err", folder, pattern));
}

static int add_setting(
        char ***argv, const char *name, const char *value, bool script_sets, bool enforce) {
        if (isempty(value) || (script_sets && !enforce))
                return 0;
        return strv_take(argv, xasprintf("--%s=%s", name, value));
}

static int add_settings(char ***argv, const Uow *u, const Config *c) {
        bool enforce = c->scheduler.enforce;
        int r = add_setting(
                argv, "account", c->scheduler.account, u->sets & SCRIPT_SETS_ACCOUNT, enforce);

        if (r >= 0)
                r = add_setting(argv, "qos", c->scheduler.qos, u->sets & SCRIPT_SETS_QOS, enforce);
        if (r >= 0)
                r = add_setting(argv, "partition", c->scheduler.partition,
                        u->sets & SCRIPT_SETS_PARTITION, enforce);
        if (r >= 0)
                r = add_setting(argv, "reservation", c->scheduler.reservation,
                        u->sets & SCRIPT_SETS_RESERVATION, enforce);
        for (char **arg = c->scheduler.extra_args; r >= 0 && arg && *arg; arg++)
                r = strv_add(argv, *arg);
        return r;
}

char **slurm_args_sbatch(const Uow *u, const Config *c, const char *token, const char *path) {
        _cleanup_(strv_freep) char **argv = NULL;
        /* --propagate: limits of the login node are not those of the job. */
        int r = strv_add_all(&argv, "sbatch", "--parsable", "--propagate=NONE", NULL);

        if (r >= 0)
                r = strv_take(&argv,
                        isempty(u->comment) ? xasprintf("--comment=%s", token)
                                            : xasprintf("--comment=%s %s", token, u->comment));
        if (r >= 0)
                r = strv_take(&argv, xasprintf("--chdir=%s", path));
        if (r >= 0)
                r = add_outputs(&argv, u, path);
        if (r >= 0 && c->scheduler.submit == SUBMIT_HELD)
                r = strv_add(&argv, "--hold");
        if (r >= 0)
                r = add_settings(&argv, u, c);
        if (r >= 0)
                r = strv_take(&argv, xasprintf("%s/scripts/%s", path, u->script));
        if (r >= 0)
                r = strv_add(&argv, path);
        return r < 0 ? NULL : TAKE_PTR(argv);
}

char **slurm_args_squeue(uid_t uid, const char *marker) {
        _cleanup_(strv_freep) char **argv = NULL;
        _cleanup_free_ char *format = slurm_squeue_format(marker);
        /*
         * --all: partitions that are hidden, too. --states: how a job ended shows there before it
         * does in accounting.
         */
        int r = format ? strv_add_all(&argv, "squeue", "--noheader", "--all", "--states=all", NULL)
                       : -ENOMEM;

        if (r >= 0)
                r = strv_take(&argv, xasprintf("--user=%u", (unsigned)uid));
        if (r >= 0)
                r = strv_take(&argv, xasprintf("--format=%s", format));
        return r < 0 ? NULL : TAKE_PTR(argv);
}

/* Not held back by what a Unit of Work asks for itself: all of the settings count. */
char **slurm_args_trial(const Config *c) {
        _cleanup_(strv_freep) char **argv = NULL;
        const Uow none = {};
        int r = strv_add_all(&argv, "sbatch", "--test-only", "--propagate=NONE", NULL);

        if (r >= 0)
                r = add_settings(&argv, &none, c);
        if (r >= 0)
                r = strv_add(&argv, "--wrap=true");
        return r < 0 ? NULL : TAKE_PTR(argv);
}

/* As many of the ids as fit into one argument. */
static char *id_list(const uint32_t *ids, size_t n, size_t *ret_used) {
        char *list = malloc(ID_LIST_MAX + sizeof("--jobs=4294967295,")), *end = list;
        size_t i;

        if (!list)
                return NULL;
        end += sprintf(end, "--jobs=");
        for (i = 0; i < n && end - list < ID_LIST_MAX; i++)
                end += sprintf(end, "%s%u", i ? "," : "", ids[i]);
        *ret_used = i;
        return list;
}

static int add_who(char ***argv, uid_t uid, const uint32_t *ids, size_t n) {
        size_t used;
        int r = 0;

        if (!ids)
                return strv_take(argv, xasprintf("--user=%u", (unsigned)uid));
        for (; r >= 0 && n > 0; ids += used, n -= used) {
                used = 0;
                r = strv_take(argv, id_list(ids, n, &used));
        }
        return r;
}

/*
 * sacct(1) takes local time. Whose zone that is (the login shell may set one) does not matter:
 * callers leave a day's room.
 */
static char *start_time(usec_t since) {
        time_t t = (time_t)(since / USEC_PER_SEC);
        char text[32];
        struct tm tm;

        if (!localtime_r(&t, &tm) || !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm))
                return NULL;
        return xasprintf("--starttime=%s", text);
}

char **slurm_args_sacct(uid_t uid, const uint32_t *ids, size_t n, usec_t since, const char *marker,
        bool submit_line) {
        _cleanup_(strv_freep) char **argv = NULL;
        _cleanup_free_ char *fields = slurm_sacct_fields(submit_line);
        /*
         * --parsable, not --parsable2: a delimiter behind the last field, too, shows where a row
         * ends.
         */
        int r = fields
                ? strv_add_all(&argv, "sacct", "--noheader", "--parsable", "--duplicates", NULL)
                : -ENOMEM;

        if (r >= 0)
                r = strv_take(&argv, xasprintf("--delimiter=%s", marker));
        if (r >= 0)
                r = strv_take(&argv, xasprintf("--format=%s", fields));
        if (r >= 0)
                r = strv_take(&argv, start_time(since));
        if (r >= 0)
                r = add_who(&argv, uid, ids, n);
        return r < 0 ? NULL : TAKE_PTR(argv);
}

char **slurm_args_scontrol_show(void) {
        _cleanup_(strv_freep) char **argv = NULL;

        return strv_add_all(&argv, "scontrol", "--oneliner", "--all", "show", "job", NULL) < 0
                ? NULL
                : TAKE_PTR(argv);
}

char **slurm_args_release(const char *job_id) {
        _cleanup_(strv_freep) char **argv = NULL;

        return strv_add_all(&argv, "scontrol", "release", job_id, NULL) < 0 ? NULL : TAKE_PTR(argv);
}

char **slurm_args_scancel(const char *job_id, const char *further) {
        _cleanup_(strv_freep) char **argv = NULL;
        _cleanup_free_ char *ids = further ? strdup(further) : NULL;
        char *saved = NULL, *id = ids ? strtok_r(ids, ",", &saved) : NULL;
        int r = further && !ids ? -ENOMEM : strv_add_all(&argv, "scancel", job_id, NULL);

        for (; r >= 0 && id; id = strtok_r(NULL, ",", &saved))
                r = strv_add(&argv, id);
        return r < 0 ? NULL : TAKE_PTR(argv);
}

int slurm_environment(char ***env) {
        /* Seconds since the epoch: no time zone, no hour that comes twice a year. */
        int r = environment_set(env, "SLURM_TIME_FORMAT", "%s");

        /* Lists of array tasks are otherwise cut after 64 bytes. */
        if (r >= 0)
                r = environment_set(env, "SLURM_BITSTR_LEN", "0");
        return r;
}
