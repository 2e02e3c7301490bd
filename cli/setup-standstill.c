/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Before anything is taken over from the bash FlowCron, its hands are tied: its line in the crontab goes, a pass that is at work is waited
 * for, clean-up jobs that wait are cancelled, and one that runs is waited for. From then on nothing but us moves a folder.
 */

#include "setup.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "crontab.h"
#include "fileio.h"
#include "output.h"
#include "slurm-text.h"
#include "text.h"

#define COMMAND_TIMEOUT (60 * USEC_PER_SEC)
#define QUEUE_MAX ((size_t)64 * 1024 * 1024)

/* A pass moves folders by rename and calls sbatch for each; a clean-up walks through one result. */
#define PATIENCE (3 * USEC_PER_MINUTE)
#define LOOK_AGAIN (500 * USEC_PER_MSEC)

/* ---- its line in the crontab ---- */

static bool runs(const Setup *s, const char *command, const char *base) {
        return legacy_runs(command, base, s->login_home) || legacy_runs(command, base, s->home);
}

static int find_lines(const Setup *s, const char *text, char ***ret) {
        _cleanup_free_ char *real = realpath(s->config->base, NULL);
        _cleanup_(strv_freep) char **lines = NULL;
        int r = strv_split(&lines, text, "\n");

        for (char **line = lines; r >= 0 && line && *line; line++) {
                const char *command = crontab_command(*line);

                if (command &&
                        (runs(s, command, s->config->base) || (real && runs(s, command, real))))
                        r = strv_add(ret, *line);
        }
        return r < 0 ? r : 0;
}

static int find_old_cron(const Setup *s, char ***ret, Error *e) {
        _cleanup_free_ char *text = NULL;

        *ret = NULL;
        /* Where there is no crontab to be had, there is no line in it either. */
        if (crontab_read(SERVICE_CRON, &text, NULL) < 0)
                return 0;
        return find_lines(s, text, ret) < 0 ? error_set(e, -ENOMEM, "out of memory") : 0;
}

int setup_agree_on_old_cron(Setup *s, Error *e) {
        _cleanup_(strv_freep) char **lines = NULL;
        int r = find_old_cron(s, &lines, e);

        if (r < 0 || !lines)
                return r;
        if (!s->cli->json) {
                out_note("The bash FlowCron is run by your crontab on this host. To be removed:");
                for (char **line = lines; *line; line++)
                        out_note("  %s", *line);
        }
        if (s->remove_old_cron ||
                (!s->yes && setup_agree("Remove it, when all else is agreed to?")))
                return 0;
        return error_set(e, UOW_E_REJECTED,
                "The bash FlowCron is still run by your crontab (%s), and two can't serve one folder: agree to its removal, or give "
                "--remove-old-cron",
                lines[0]);
}

static int remove_lines(Setup *s, Error *e) {
        _cleanup_(strv_freep) char **lines = NULL;
        _cleanup_free_ char *text = NULL;
        int r = find_old_cron(s, &lines, e);

        if (r < 0 || !lines)
                return r;
        r = crontab_read(SERVICE_CRON, &text, e);
        for (char **line = lines; r == 0 && *line; line++) {
                char *less = crontab_without_line(text, *line, legacy_is_comment);

                free(text);
                text = less;
                r = text ? 0 : -ENOMEM;
        }
        if (r == 0)
                r = crontab_write(SERVICE_CRON, text, e);
        for (char **line = lines; r == 0 && *line; line++)
                setup_say_done(s, "Removed from the crontab: %s", *line);
        return r;
}

/* ---- a pass that is at work ---- */

static bool runs_script(const char *pid, const char *script) {
        _cleanup_free_ char *path = xasprintf("/proc/%s/cmdline", pid), *text = NULL;
        _cleanup_close_ int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        size_t size = 0;

        if (fd < 0 || fd_read_all(fd, 64 * 1024, &text, &size) < 0)
                return false;
        for (const char *p = text; p < text + size; p += strlen(p) + 1)
                if (streq(p, script))
                        return true;
        return false;
}

static bool pass_is_at_work(const Setup *s) {
        _cleanup_free_ char *script =
                xasprintf("%s/" LEGACY_CODE "/" LEGACY_SCRIPT, s->config->base);
        _cleanup_closedir_ DIR *d = opendir("/proc");
        struct dirent *de;

        while (script && d && (de = readdir(d)))
                if (isdigit((unsigned char)de->d_name[0]) && runs_script(de->d_name, script))
                        return true;
        return false;
}

static int wait_for_pass(const Setup *s, Error *e) {
        usec_t end = clock_boottime() + PATIENCE;

        while (pass_is_at_work(s)) {
                if (clock_boottime() > end)
                        return error_set(e, UOW_E_REJECTED,
                                "A pass of the bash FlowCron has been at work for minutes; run setup again when it is over");
                usleep((useconds_t)LOOK_AGAIN);
        }
        return 0;
}

/* ---- its jobs ---- */

static int ask_queue(const Setup *s, LegacySurvey *survey, Error *e) {
        _cleanup_free_ char *code = xasprintf("%s/" LEGACY_CODE, s->config->base), *real = NULL,
                            *why = NULL;
        char *codes[3] = { code };
        char marker[SLURM_MARKER_MAX];
        _cleanup_(strv_freep) char **argv = NULL;
        _cleanup_(run_done) Run run = {};
        int r = code ? slurm_marker(marker) : -ENOMEM;

        if (r < 0 || !(argv = legacy_queue_args(marker)))
                return r < 0 ? r : -ENOMEM;
        codes[1] = real = realpath(code, NULL);
        if (run_program(argv, NULL, COMMAND_TIMEOUT, QUEUE_MAX, &run) == 0 && !run.truncated)
                return legacy_read_queue(survey, run_out(&run), marker, codes);
        why = run_describe(&run);
        return error_set(e, UOW_E_REJECTED,
                "Slurm does not say which jobs the bash FlowCron has (squeue: %s); run setup again when it answers",
                why ?: "?");
}

static int cancel_job(const char *job, Error *e) {
        char *argv[] = { (char *)"scancel", (char *)job, NULL };
        _cleanup_(run_done) Run run = {};
        _cleanup_free_ char *why = NULL;

        if (run_program(argv, NULL, COMMAND_TIMEOUT, 64 * 1024, &run) == 0)
                return 0;
        why = run_describe(&run);
        return error_set(e, UOW_E_REJECTED,
                "Clean-up job %s can't be cancelled (scancel: %s); run setup again", job,
                why ?: "?");
}

/* Cancels those that wait. 1: there are some left, which run or have just been cancelled. */
static int stop_cleanups(Setup *s, const LegacySurvey *survey, Error *e) {
        int left = 0;

        for (size_t i = 0; i < survey->n; i++) {
                const LegacyUow *u = &survey->uows[i];
                int r;

                if (!u->cleanup)
                        continue;
                left = 1;
                if (u->cleaning)
                        continue;
                r = cancel_job(u->cleanup, e);
                if (r != 0)
                        return r;
                setup_say_done(s, "Cancelled the clean-up job %s of %s; FlowCron files it.",
                        u->cleanup, u->folder);
        }
        return left;
}

static int look(const Setup *s, LegacySurvey *ret, Error *e) {
        int r;

        legacy_survey_done(ret);
        r = legacy_survey(s->layout, ret, e);
        return r == 0 && s->config->scheduler.type == SCHEDULER_SLURM ? ask_queue(s, ret, e) : r;
}

/* Until nobody but us moves anything. */
static int survey_at_rest(Setup *s, LegacySurvey *ret, Error *e) {
        usec_t end = clock_boottime() + PATIENCE;
        int r;

        for (;;) {
                r = look(s, ret, e);
                if (r == 0)
                        r = stop_cleanups(s, ret, e);
                if (r <= 0 || r == UOW_E_REJECTED)
                        return r;
                if (clock_boottime() > end)
                        return error_set(e, UOW_E_REJECTED,
                                "A clean-up job of the bash FlowCron does not come to its end; run setup again when it has");
                usleep((useconds_t)LOOK_AGAIN);
        }
}

int setup_bring_to_rest(Setup *s, LegacySurvey *ret, Error *e) {
        int r = remove_lines(s, e);

        if (r == 0)
                r = wait_for_pass(s, e);
        return r == 0 ? survey_at_rest(s, ret, e) : r;
}
