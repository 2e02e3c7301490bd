/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The programs that the doctor asks: all at once, so that however many of them hang, it takes as long as one deadline; and a second
 * round for those whose question comes out of the first.
 */

#include <stdarg.h>
#include <string.h>

#include "doctor.h"
#include "environment.h"
#include "slurm-args.h"
#include "slurm-site.h"
#include "text.h"

/* Slurm's commands give up on a controller that is away after 9 to 11 s; whoever says nothing by then is hanging. */
#define PATIENCE (15 * USEC_PER_SEC)
#define LOGIN_PATIENCE (20 * USEC_PER_SEC)
#define OUTPUT_MAX ((size_t)4 * 1024 * 1024)

/* Ids of recent jobs that accounting is asked about. */
#define IDS_MAX 200

const Run *doctor_answer(const Doctor *d, Probe p) {
        return d->asked[p] ? &d->answers[p] : NULL;
}

const Run *doctor_answer_ok(const Doctor *d, Probe p) {
        const Run *r = doctor_answer(d, p);

        return r && run_ok(r) ? r : NULL;
}

char *doctor_slurm_words(const Run *r) {
        _cleanup_free_ char *text = r->error == 0 ? slurm_error_text(run_err(r)) : NULL;

        return !isempty(text) ? TAKE_PTR(text) : run_describe(r);
}

/* ---- what is asked ---- */

static char **words(const char *first, ...) __attribute__((sentinel));
static char **words(const char *first, ...) {
        _cleanup_(strv_freep) char **argv = NULL;
        const char *word;
        va_list ap;
        int r = strv_add(&argv, first);

        va_start(ap, first);
        while (r >= 0 && (word = va_arg(ap, const char *)))
                r = strv_add(&argv, word);
        va_end(ap);
        return r < 0 ? NULL : TAKE_PTR(argv);
}

static char *new_marker(void) {
        char marker[SLURM_MARKER_MAX];

        return slurm_marker(marker) < 0 ? NULL : strdup(marker);
}

static int plan_slurm(Doctor *d) {
        if (!d->config || d->config->scheduler.type != SCHEDULER_SLURM)
                return 0;
        d->marker_squeue = new_marker();
        if (!d->marker_squeue)
                return -ENOMEM;
        d->argv[PROBE_SLURM_VERSION] = words("sbatch", "--version", NULL);
        d->argv[PROBE_PING] = slurm_args_ping();
        d->argv[PROBE_SLURM_CONFIG] = slurm_args_config();
        d->argv[PROBE_PARTITIONS] = slurm_args_partitions();
        d->argv[PROBE_ASSOCIATIONS] = slurm_args_associations(d->owner_name);
        d->argv[PROBE_RESERVATIONS] = slurm_args_reservations();
        d->argv[PROBE_SQUEUE] = slurm_args_squeue(d->owner, d->marker_squeue);
        if (d->is_owner)
                d->argv[PROBE_TRIAL] = slurm_args_trial(d->config);
        return d->argv[PROBE_SQUEUE] ? 0 : -ENOMEM;
}

/* Another user's service manager and crontab can't be asked. */
static int plan_service(Doctor *d) {
        if (!d->is_owner)
                return 0;
        d->argv[PROBE_UNIT] = words("systemctl", "--user", "show", "--property",
                "LoadState,ActiveState,UnitFileState,FragmentPath,ExecStart,NeedDaemonReload,"
                "Result,ExecMainStatus,NRestarts",
                d->unit, NULL);
        d->argv[PROBE_CRONTAB] = words("crontab", "-l", NULL);
        d->argv[PROBE_SCRONTAB] = words("scrontab", "-l", NULL);
        d->argv[PROBE_QUOTA] = words("quota", "--quiet", NULL);
        return d->argv[PROBE_UNIT] ? 0 : -ENOMEM;
}

/* ---- asking ---- */

static bool is_slurms(Probe p) {
        return p <= PROBE_SACCT || p == PROBE_SCRONTAB;
}

/* Where the site's Slurm is known to be slow or quick, the configuration says so. */
static usec_t patience(const Doctor *d) {
        usec_t own = d->config ? d->config->scheduler.command_timeout : PATIENCE;

        return own < PATIENCE ? own : PATIENCE;
}

/* All that is planned and was not asked yet. */
static void ask_all(Doctor *d, char **slurm_env, char **own_env) {
        Run runs[_PROBE_MAX];
        int which[_PROBE_MAX];
        size_t n = 0;

        for (int p = 0; p < _PROBE_MAX; p++) {
                if (!d->argv[p] || d->asked[p])
                        continue;
                d->asked[p] = true;
                which[n] = p;
                runs[n++] = (Run){ .argv = d->argv[p],
                        .env = is_slurms((Probe)p) ? slurm_env : own_env,
                        .timeout = patience(d),
                        .output_max = OUTPUT_MAX };
        }
        run_all(runs, n);
        for (size_t i = 0; i < n; i++)
                d->answers[which[i]] = runs[i];
}

/* Where a login through cron or su has left out the way to the service manager, it is where it always is. */
static int own_environment(char ***ret) {
        _cleanup_(strv_freep) char **env = strv_copy(environ);
        _cleanup_free_ char *runtime = xasprintf("/run/user/%u", (unsigned)getuid());

        if (!env || !runtime)
                return -ENOMEM;
        if (access(runtime, X_OK) == 0 && environment_default(&env, "XDG_RUNTIME_DIR", runtime) < 0)
                return -ENOMEM;
        if (environment_set(&env, "LC_ALL", "C") < 0 ||
                environment_set(&env, "SYSTEMD_PAGER", "") < 0)
                return -ENOMEM;
        *ret = TAKE_PTR(env);
        return 0;
}

static int slurm_env(Doctor *d, char ***ret) {
        _cleanup_(strv_freep) char **env = NULL;
        int r = run_login(LOGIN_PATIENCE, &d->env, &d->env_trouble);

        if (r == -ENOMEM)
                return r;
        env = strv_copy(r == 0 ? d->env : environ);
        if (!env || slurm_environment(&env) < 0)
                return -ENOMEM;
        *ret = TAKE_PTR(env);
        return 0;
}

/* ---- the second round ---- */

/* The newest jobs that the controller knows; without any, all the same, to see whether accounting answers. */
static int plan_sacct(Doctor *d) {
        _cleanup_(slurm_table_done) SlurmTable t = {};
        const Run *r = doctor_answer_ok(d, PROBE_SQUEUE);
        uint32_t ids[IDS_MAX];
        size_t n = 0;

        if (!doctor_answer(d, PROBE_SQUEUE))
                return 0;
        d->marker_sacct = new_marker();
        if (!d->marker_sacct)
                return -ENOMEM;
        if (r && slurm_squeue_parse(run_out(r), r->out_size, d->marker_squeue, &t) < 0)
                return -ENOMEM;
        for (size_t i = t.n; i > 0 && n < IDS_MAX; i--)
                if (n == 0 || ids[n - 1] != t.rows[i - 1].id.job)
                        ids[n++] = t.rows[i - 1].id.job;
        d->argv[PROBE_SACCT] = slurm_args_sacct(d->owner, n ? ids : NULL, n,
                clock_now() - (n ? 30 * USEC_PER_DAY : USEC_PER_MINUTE), d->marker_sacct, false);
        return d->argv[PROBE_SACCT] ? 0 : -ENOMEM;
}

/* "{ path=/home/x/.local/bin/flowcrond ; argv[]=… }" */
static char *program_of_unit(const char *out) {
        const char *path = strstr(out, "ExecStart={ path=/"), *end;

        path = path ? strchr(path, '/') : NULL;
        end = path ? strstr(path, " ; ") : NULL;
        return end ? strndup(path, (size_t)(end - path)) : NULL;
}

static int plan_unit_version(Doctor *d) {
        const Run *r = doctor_answer_ok(d, PROBE_UNIT);

        if (!r || !strstr(run_out(r), "LoadState=loaded"))
                return 0;
        d->unit_program = program_of_unit(run_out(r));
        if (!d->unit_program)
                return 0;
        d->argv[PROBE_UNIT_VERSION] = words(d->unit_program, "--version", NULL);
        return d->argv[PROBE_UNIT_VERSION] ? 0 : -ENOMEM;
}

int doctor_ask(Doctor *d) {
        _cleanup_(strv_freep) char **slurm = NULL, **own = NULL;
        int r;

        r = own_environment(&own);
        if (r >= 0)
                r = slurm_env(d, &slurm);
        if (r >= 0)
                r = plan_slurm(d);
        if (r >= 0)
                r = plan_service(d);
        if (r < 0)
                return r;
        ask_all(d, slurm, own);
        r = plan_sacct(d);
        if (r >= 0)
                r = plan_unit_version(d);
        if (r >= 0)
                ask_all(d, slurm, own);
        return r;
}
