/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * An instance's folders, a stand-in Slurm of its own, a scheduler on top, and what it answered.
 *
 * The login shell finds the stand-in because HOME is a folder of the test with a .profile that puts
 * it into PATH.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "fileio.h"
#include "scheduler.h"
#include "strv.h"
#include "text.h"

#define UOWS_MAX 64

typedef struct Seen {
        int submitted, released, looked_up, jobs, cancelled;
        SubmitVerdict submit;
        LookupVerdict lookup;
        bool held;
        int order;
        char job_id[32], text[512];
        JobReport report; /* the last; strings owned */
} Seen;

typedef struct Fixture {
        char dir[64];
        sd_event *event;
        Config *config;
        Layout *layout;
        Scheduler *scheduler;
        int polls;
        Uow *uows[UOWS_MAX];
        Seen seen[UOWS_MAX];
        size_t n;
} Fixture;

static inline Seen *seen_of(Fixture *f, const Uow *u) {
        for (size_t i = 0; i < f->n; i++)
                if (f->uows[i] == u)
                        return &f->seen[i];
        fail_msg("an answer about an unknown Unit of Work");
        return NULL;
}

/* ---- answers ---- */

static inline void on_submitted(Uow *u, int attempt, SubmitVerdict v, const char *job_id,
        const char *text, void *userdata) {
        Seen *s = seen_of(userdata, u);

        assert_int_equal(attempt, u->attempt);
        assert_non_null(text);
        s->submitted++;
        s->submit = v;
        snprintf(s->job_id, sizeof(s->job_id), "%s", job_id ? job_id : "");
        snprintf(s->text, sizeof(s->text), "%s", text);
        assert_true((v == SUBMIT_ACCEPTED) == (job_id != NULL));
        if (v == SUBMIT_ACCEPTED)
                assert_int_equal(strdup_to(&u->job_id, job_id), 0);
}

static inline void on_released(
        Uow *u, int attempt _unused_, int r, const char *text, void *userdata) {
        Seen *s = seen_of(userdata, u);

        s->released++;
        s->order = r;
        snprintf(s->text, sizeof(s->text), "%s", text);
}

static inline void on_looked_up(Uow *u, int attempt _unused_, LookupVerdict v, const char *job_id,
        bool held, void *userdata) {
        Seen *s = seen_of(userdata, u);

        s->looked_up++;
        s->lookup = v;
        s->held = held;
        if (v == LOOKUP_FOUND)
                assert_int_equal(strdup_to(&u->job_id, job_id), 0);
}

static inline char *copy_or_null(const char *s) {
        return s ? strdup(s) : NULL;
}

static inline void on_job(Uow *u, int attempt, const JobReport *r, void *userdata) {
        Seen *s = seen_of(userdata, u);

        assert_int_equal(attempt, u->attempt);
        assert_false(s->report.ended && !r->ended);
        job_report_done(&s->report);
        s->jobs++;
        s->report = *r;
        s->report.cause = copy_or_null(r->cause);
        s->report.reason = copy_or_null(r->reason);
        s->report.state = copy_or_null(r->state);
        s->report.nodes = copy_or_null(r->nodes);
        s->report.job_ids = copy_or_null(r->job_ids);
        s->report.facts = r->facts ? cJSON_Duplicate(r->facts, true) : NULL;
}

static inline void on_cancelled(
        Uow *u, int attempt _unused_, int r, const char *text, void *userdata) {
        Seen *s = seen_of(userdata, u);

        s->cancelled++;
        s->order = r;
        snprintf(s->text, sizeof(s->text), "%s", text);
}

static inline void on_polled(void *userdata) {
        ((Fixture *)userdata)->polls++;
}

/* ---- files and programs ---- */

static inline char *path_in(const Fixture *f, const char *rest) {
        char *path = xasprintf("%s/%s", f->dir, rest);

        assert_non_null(path);
        return path;
}

static inline void put_file(const Fixture *f, const char *rest, const char *text) {
        _cleanup_free_ char *path = path_in(f, rest);
        FILE *file = fopen(path, "we");

        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
        assert_int_equal(fclose(file), 0);
}

static inline char *get_file(const Fixture *f, const char *rest) {
        _cleanup_free_ char *path = path_in(f, rest);
        char *text = calloc(1, 1 << 20);
        FILE *file = fopen(path, "re");

        assert_non_null(text);
        if (file) {
                assert_true(fread(text, 1, (1 << 20) - 1, file) < (1 << 20) - 1);
                fclose(file);
        }
        return text;
}

static inline void make_folder(const Fixture *f, const char *rest) {
        _cleanup_free_ char *path = path_in(f, rest);

        assert_int_equal(mkdir(path, 0755), 0);
}

/* Runs BINARY_DIR/standin/standin-slurm or, with @link, one of its links. */
static inline void run_standin(const Fixture *f, const char *link, ...) {
        _cleanup_(strv_freep) char **argv = NULL;
        const char *arg;
        int status;
        va_list ap;
        pid_t pid;

        assert_int_equal(strv_take(&argv,
                                 link ? xasprintf("%s/bin/%s", f->dir, link)
                                      : strdup(BINARY_DIR "/standin/standin-slurm")),
                0);
        va_start(ap, link);
        while ((arg = va_arg(ap, const char *)))
                assert_int_equal(strv_add(&argv, arg), 0);
        va_end(ap);
        pid = fork();
        assert_return_code(pid, errno);
        if (pid == 0) {
                _cleanup_free_ char *state = xasprintf("%s/slurm", f->dir);
                sigset_t none;

                sigemptyset(&none);
                sigprocmask(SIG_SETMASK, &none, NULL);
                setenv("STANDIN_STATE", state, 1);
                execv(argv[0], argv);
                _exit(127);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (status != 0)
                fail_msg("%s %s: status %d", argv[0], argv[1], status);
}

/* "name=value" lines */
static inline void set_knobs(const Fixture *f, const char *text) {
        put_file(f, "slurm/knobs", text);
}

static inline void set_fault(const Fixture *f, const char *command, const char *line) {
        _cleanup_free_ char *rest = xasprintf("slurm/faults/%s", command);

        put_file(f, rest, line);
}

/* ---- set up and tear down ---- */

static const SchedulerEvents fixture_events = {
        .submitted = on_submitted,
        .released = on_released,
        .looked_up = on_looked_up,
        .job = on_job,
        .cancelled = on_cancelled,
        .polled = on_polled,
};

static inline void open_scheduler(Fixture *f) {
        Error e = { "" };

        if (scheduler_new(f->event, f->config, f->layout, &fixture_events, f, &f->scheduler, &e) !=
                0)
                fail_msg("%s", e.text);
}

/* As if the daemon had died and come back; the scheduler's memory is gone. */
static inline void reopen_scheduler(Fixture *f) {
        f->scheduler = scheduler_free(f->scheduler);
        open_scheduler(f);
}

static inline void configure(Fixture *f, const char *scheduler) {
        _cleanup_free_ char *yaml =
                xasprintf("base: %s/base\nscheduler: {%s}\n", f->dir, scheduler);
        Error e = { "" };

        f->config = config_free(f->config);
        if (config_parse("/c/test.yaml", yaml, strlen(yaml), &f->config, &e) != 0)
                fail_msg("%s", e.text);
}

static inline Fixture *fixture_new(const char *scheduler, const char *knobs) {
        Fixture *f = calloc(1, sizeof(*f));
        _cleanup_free_ char *profile = NULL, *home = NULL, *bin = NULL, *state = NULL;
        Error e = { "" };

        assert_non_null(f);
        strcpy(f->dir, "/tmp/flowcron-test-XXXXXX");
        assert_non_null(mkdtemp(f->dir));
        make_folder(f, "base");
        make_folder(f, "home");
        bin = path_in(f, "bin");
        state = path_in(f, "slurm");
        run_standin(f, NULL, "install", bin, state, NULL);
        if (mkdir(state, 0755) < 0)
                assert_int_equal(errno, EEXIST);
        set_knobs(f, knobs);
        _cleanup_free_ char *faults = path_in(f, "slurm/faults");
        if (mkdir(faults, 0755) < 0)
                assert_int_equal(errno, EEXIST);
        profile = xasprintf("echo Welcome\nexport PATH=%s:$PATH\nmodule() { echo \"mod $1\"; }\n"
                            "[ -z \"$BASH\" ] || export -f module\n",
                bin);
        put_file(f, "home/.profile", profile);
        home = path_in(f, "home");
        assert_int_equal(setenv("HOME", home, 1), 0);
        configure(f, scheduler);
        assert_int_equal(layout_new(f->config, &f->layout, &e), 0);
        if (layout_make(f->layout, &e) != 0 || layout_open(f->layout, &e) != 0)
                fail_msg("%s", e.text);
        assert_return_code(sd_event_new(&f->event), 0);
        open_scheduler(f);
        return f;
}

static inline void fixture_free(Fixture *f) {
        scheduler_free(f->scheduler);
        run_standin(f, NULL, "stop", NULL);
        for (size_t i = 0; i < f->n; i++) {
                uow_free(f->uows[i]);
                job_report_done(&f->seen[i].report);
        }
        layout_free(f->layout);
        config_free(f->config);
        sd_event_unref(f->event);
        assert_int_equal(tree_remove(AT_FDCWD, f->dir), 0);
        free(f);
}

/* ---- Units of Work ---- */

/* In the work area, with that script, about to be submitted for the first time. */
static inline Uow *add_uow(Fixture *f, const char *folder, const char *script) {
        char id[UOW_ID_MAX];
        _cleanup_free_ char *path = layout_uow_path(f->layout, PLACE_WORK, folder), *scripts = NULL,
                            *file = NULL;
        FILE *out;
        Uow *u;

        assert_true(f->n < UOWS_MAX);
        snprintf(id, sizeof(id), "11111111-0000-0000-0000-%012zu", f->n);
        u = uow_new(id);
        assert_non_null(u);
        assert_int_equal(strdup_to(&u->name, folder), 0);
        assert_int_equal(strdup_to(&u->folder, folder), 0);
        assert_int_equal(strdup_to(&u->script, "submission_script.sh"), 0);
        u->state = UOW_QUEUED;
        u->phase = PHASE_SUBMITTING;
        u->attempt = 1;
        u->submitted = clock_now();
        assert_int_equal(mkdir(path, 0755), 0);
        scripts = xasprintf("%s/scripts", path);
        assert_int_equal(mkdir(scripts, 0755), 0);
        file = xasprintf("%s/submission_script.sh", scripts);
        out = fopen(file, "we");
        assert_non_null(out);
        fprintf(out, "#!/bin/bash\n#SBATCH --time=10\n%s\n", script);
        assert_int_equal(fclose(out), 0);
        f->uows[f->n++] = u;
        return u;
}

/* ---- the loop ---- */

#define PATIENCE (60 * USEC_PER_SEC)

static inline void run_until(Fixture *f, const int *counter, int wanted) {
        usec_t deadline = clock_boottime() + PATIENCE;

        while (*counter < wanted) {
                assert_return_code(sd_event_run(f->event, USEC_PER_SEC), 0);
                assert_true(clock_boottime() < deadline);
        }
}

static inline void submit(Fixture *f, Uow *u) {
        Seen *s = seen_of(f, u);

        u->submitted = clock_now();
        assert_int_equal(scheduler_submit(f->scheduler, u), 0);
        assert_int_equal(s->submitted, 0);
        run_until(f, &s->submitted, 1);
        s->submitted = 0;
}

static inline void submit_accepted(Fixture *f, Uow *u) {
        Seen *s = seen_of(f, u);

        submit(f, u);
        if (s->submit != SUBMIT_ACCEPTED)
                fail_msg("%d: %s", s->submit, s->text);
}

static inline void poll_now(Fixture *f) {
        int before = f->polls;

        assert_int_equal(scheduler_poll(f->scheduler, f->uows, f->n), 0);
        assert_int_equal(f->polls, before);
        assert_int_equal(scheduler_poll(f->scheduler, f->uows, f->n), -EBUSY);
        run_until(f, &f->polls, before + 1);
}

static inline void nap(void) {
        struct timespec ts = { 0, 100 * 1000 * 1000 };

        nanosleep(&ts, NULL);
}

/* Polls until the job has ended; the report is in seen. */
static inline const JobReport *poll_to_end(Fixture *f, const Uow *u) {
        Seen *s = seen_of(f, u);
        usec_t deadline = clock_boottime() + PATIENCE;

        while (!s->report.ended) {
                poll_now(f);
                nap();
                assert_true(clock_boottime() < deadline);
        }
        return &s->report;
}

/* Polls until a look-up says something else than UNKNOWN. */
static inline LookupVerdict look_up(Fixture *f, const Uow *u) {
        Seen *s = seen_of(f, u);
        usec_t deadline = clock_boottime() + PATIENCE;

        s->looked_up = 0;
        s->lookup = LOOKUP_UNKNOWN;
        while (s->lookup == LOOKUP_UNKNOWN) {
                poll_now(f);
                nap();
                assert_true(clock_boottime() < deadline);
        }
        return s->lookup;
}

static inline int block_sigchld(void **state) {
        sigset_t set;

        (void)state;
        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        return sigprocmask(SIG_BLOCK, &set, NULL);
}
