/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* An instance in a temporary folder with the local scheduler, and Units of Work that are queued as the machine would queue them. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "fileio.h"
#include "scheduler-local-internal.h"
#include "text.h"

/* Waits to be told; not for ever, should the test have been killed. */
#define UNTIL_GO "until [ -e go ] || [ $((++n)) -gt 6000 ]; do sleep 0.02; done\n"

/* Only a loop that is stuck takes as long. */
#define STUCK (90 * USEC_PER_SEC)

/* What the machine would have heard of a Unit of Work: uow->run. */
typedef struct Heard {
        int submitted, released, cancelled, looked_up, told;
        SubmitVerdict verdict;
        LookupVerdict found;
        int cancel_r;
        char text[512], found_id[32];
        UowPhase phase;
        bool ended;
        JobReport report; /* of the end */
        char waiting[128];
} Heard;

typedef struct Fixture {
        char base[64];
        Config *config;
        Layout *layout;
        sd_event *event;
        Scheduler *scheduler;
        int work, local; /* folders */
        int polled;
        int running, most; /* as told: now, and at most */
        char order[256];   /* names, as they began */
        Uow *uows[16];
        size_t n;
} Fixture;

static Fixture *fixture; /* for events */

static inline Heard *heard(const Uow *u) {
        return u->run;
}

static void on_submitted(Uow *u, int attempt, SubmitVerdict v, const char *job_id, const char *text,
        void *userdata) {
        Heard *h = heard(u);

        assert_ptr_equal(userdata, fixture);
        assert_int_equal(attempt, u->attempt);
        h->submitted++;
        h->verdict = v;
        snprintf(h->text, sizeof(h->text), "%s", text ? text : "");
        if (v == SUBMIT_ACCEPTED) {
                assert_int_equal(strdup_to(&u->job_id, job_id), 0);
                u->phase = PHASE_PENDING;
        }
}

static void on_released(
        Uow *u, int attempt _unused_, int r, const char *text _unused_, void *userdata _unused_) {
        assert_int_equal(r, 0);
        heard(u)->released++;
}

static void on_looked_up(Uow *u, int attempt _unused_, LookupVerdict v, const char *job_id,
        bool held, void *userdata _unused_) {
        Heard *h = heard(u);

        assert_false(held);
        h->looked_up++;
        h->found = v;
        snprintf(h->found_id, sizeof(h->found_id), "%s", job_id ? job_id : "");
        if (v == LOOKUP_FOUND)
                assert_int_equal(strdup_to(&u->job_id, job_id), 0);
}

static void on_cancelled(
        Uow *u, int attempt _unused_, int r, const char *text _unused_, void *userdata _unused_) {
        heard(u)->cancelled++;
        heard(u)->cancel_r = r;
}

static void on_job(Uow *u, int attempt, const JobReport *report, void *userdata _unused_) {
        Heard *h = heard(u);

        assert_int_equal(attempt, u->attempt);
        assert_false(h->ended);
        assert_non_null(u->job_id);
        h->told++;
        if (report->phase == PHASE_RUNNING && h->phase != PHASE_RUNNING && !report->ended) {
                strncat(fixture->order, u->name,
                        sizeof(fixture->order) - strlen(fixture->order) - 1);
                if (++fixture->running > fixture->most)
                        fixture->most = fixture->running;
        }
        if (report->ended && h->phase == PHASE_RUNNING)
                fixture->running--;
        h->phase = report->phase;
        snprintf(h->waiting, sizeof(h->waiting), "%s", report->reason ? report->reason : "");
        if (!report->ended)
                return;
        h->ended = true;
        u->state = UOW_FINISHED;
        h->report = *report;
        h->report.cause = report->cause ? strdup(report->cause) : NULL;
        h->report.reason = report->reason ? strdup(report->reason) : NULL;
        h->report.state = report->state ? strdup(report->state) : NULL;
        h->report.nodes = h->report.job_ids = NULL;
        h->report.facts = cJSON_Duplicate(report->facts, true);
}

static void on_polled(void *userdata _unused_) {
        fixture->polled++;
}

static const SchedulerEvents fixture_events = { on_submitted, on_released, on_looked_up, on_job,
        on_cancelled, on_polled };

static inline void start_scheduler(Fixture *f) {
        Error e = { "" };

        assert_true(sd_event_new(&f->event) >= 0);
        if (scheduler_new(f->event, f->config, f->layout, &fixture_events, f, &f->scheduler, &e) <
                0)
                fail_msg("%s", e.text);
        assert_string_equal(f->scheduler->vtable->name, "local");
}

static inline void stop_scheduler(Fixture *f) {
        f->scheduler = scheduler_free(f->scheduler);
        f->event = sd_event_unref(f->event);
}

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));
        _cleanup_free_ char *yaml = NULL;
        sigset_t set;
        Error e = { "" };

        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        sigprocmask(SIG_BLOCK, &set, NULL);
        strcpy(f->base, "/tmp/flowcron-local-XXXXXX");
        assert_non_null(mkdtemp(f->base));
        setenv("HOME", f->base, 1); /* nobody's profile */
        yaml = xasprintf("base: %s\nscheduler: {type: local, slots: 2}\n", f->base);
        if (config_parse("test.yaml", yaml, strlen(yaml), &f->config, &e) != 0 ||
                layout_new(f->config, &f->layout, &e) < 0 || layout_make(f->layout, &e) < 0 ||
                layout_open(f->layout, &e) < 0)
                fail_msg("%s", e.text);
        f->work = f->layout->fd[PLACE_WORK];
        assert_int_equal(mkdirat(f->layout->fd[PLACE_STATE], "local", 0700), 0);
        f->local = dir_open_at(f->layout->fd[PLACE_STATE], "local");
        fixture = *state = f;
        start_scheduler(f);
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        stop_scheduler(f);
        /* Of a test that failed: a script dies with its supervisor. */
        (void)local_process_kill_children();
        while (waitpid(-1, NULL, 0) > 0)
                ;
        for (size_t i = 0; i < f->n; i++) {
                job_report_done(&heard(f->uows[i])->report);
                free(f->uows[i]->run);
                uow_free(f->uows[i]);
        }
        close(f->local);
        layout_free(f->layout);
        config_free(f->config);
        tree_remove(AT_FDCWD, f->base);
        free(f);
        return 0;
}

/* Writes @text as the script of a new UoW, which is about to be submitted. */
static inline Uow *uow_with(Fixture *f, const char *name, const char *text) {
        char id[UOW_ID_MAX], path[128];
        int dir;
        Uow *u;

        snprintf(id, sizeof(id), "7c1d9f8e-4a2b-4c3d-8e5f-%012zu", f->n);
        u = f->uows[f->n++] = uow_new(id);
        u->name = strdup(name);
        u->folder = strdup(name);
        u->script = strdup("submission_script.sh");
        u->state = UOW_QUEUED;
        u->phase = PHASE_SUBMITTING;
        u->attempt = 1;
        u->run = calloc(1, sizeof(Heard));
        assert_int_equal(mkdirat(f->work, name, 0755), 0);
        snprintf(path, sizeof(path), "%s/scripts", name);
        assert_int_equal(mkdirat(f->work, path, 0755), 0);
        dir = openat(f->work, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(file_create_at(dir, "submission_script.sh", text, strlen(text), 0600), 0);
        close(dir);
        return u;
}

#define RUN_UNTIL(f, condition)                                                                \
        do {                                                                                   \
                usec_t stuck_at = clock_boottime() + STUCK;                                    \
                while (!(condition)) {                                                         \
                        if (clock_boottime() > stuck_at)                                       \
                                fail_msg("line %d: never happened: %s", __LINE__, #condition); \
                        assert_true(sd_event_run((f)->event, 100 * USEC_PER_MSEC) >= 0);       \
                }                                                                              \
        } while (0)

static inline Uow *submit(Fixture *f, const char *name, const char *text) {
        Uow *u = uow_with(f, name, text);

        assert_int_equal(scheduler_submit(f->scheduler, u), 0);
        return u;
}

static inline Heard *run_to_end(Fixture *f, const char *name, const char *text) {
        Uow *u = submit(f, name, text);

        RUN_UNTIL(f, heard(u)->ended);
        return heard(u);
}

static inline void poll_all(Fixture *f) {
        int before = f->polled;

        assert_int_equal(scheduler_poll(f->scheduler, f->uows, f->n), 0);
        RUN_UNTIL(f, f->polled > before);
}

static inline bool there(Fixture *f, const char *path) {
        struct stat st;

        return fstatat(f->work, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A file in the work area, "" if there is none. Good until the next call. */
static inline const char *content(Fixture *f, const char *path) {
        static char text[65536];
        int fd = openat(f->work, path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;

        safe_close(fd);
        text[n > 0 ? n : 0] = 0;
        return text;
}

#define assert_contains(text, part)                                                  \
        do {                                                                         \
                if (!strstr(text, part))                                             \
                        fail_msg("line %d: no \"%s\" in: %s", __LINE__, part, text); \
        } while (0)

static inline bool is_alive(int pid) {
        char path[64], text[512];
        int fd;
        ssize_t n;

        snprintf(path, sizeof(path), "/proc/%d/stat", pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;
        safe_close(fd);
        text[n > 0 ? n : 0] = 0;
        return n > 0 && !strstr(text, ") Z") && !strstr(text, ") X");
}

static inline int supervisor_of(Fixture *f, const Uow *u) {
        LocalClaim c;

        assert_int_equal(local_claim_load(f->local, strtoull(u->job_id, NULL, 10), &c), 0);
        return c.process.pid;
}
