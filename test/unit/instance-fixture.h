/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * An instance in a temporary folder, with an event log, and Units of Work to try staging and settling on.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "eventlog.h"
#include "fileio.h"
#include "layout.h"
#include "settle.h"
#include "stage.h"
#include "text.h"
#include "worker.h"

#define ID "7c1d9f8e-4a2b-4c3d-8e5f-0123456789ab"
#define OTHER_ID "00000000-1111-2222-3333-444444444444"
#define SCRIPT "#!/bin/bash\n#SBATCH --time=5\necho done\n"

typedef struct Instance {
        char base[64];
        Config *config;
        Layout *layout;
        EventLog *log;
        Uow *uow;
        cJSON *result; /* of the last piece of work */
        Error error;
} Instance;

static inline void put_file(int dir, const char *path, const char *text) {
        int fd = openat(dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        if (fd < 0)
                fail_msg("%s: %s", path, strerror(errno));
        assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
        close(fd);
}

static inline void put_folder(int dir, const char *path) {
        if (mkdirat(dir, path, 0755) < 0)
                fail_msg("%s: %s", path, strerror(errno));
}

static inline bool is_there(int dir, const char *path) {
        struct stat st;

        return fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static inline mode_t mode_at(int dir, const char *path) {
        struct stat st;

        if (fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
                fail_msg("%s: %s", path, strerror(errno));
        return st.st_mode & 07777;
}

/* Follows links on the way: for looking at what a test made itself. */
static inline char *text_at(int dir, const char *path) {
        int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
        char *text = NULL;

        if (fd < 0)
                fail_msg("%s: %s", path, strerror(errno));
        assert_int_equal(fd_read_all(fd, 1 << 24, &text, NULL), 0);
        close(fd);
        return text;
}

static inline cJSON *json_at(int dir, const char *path) {
        _cleanup_free_ char *text = text_at(dir, path);
        cJSON *j = NULL;

        assert_int_equal(json_parse(text, strlen(text), &j, NULL), 0);
        return j;
}

static inline int place(const Instance *i, Place p) {
        return i->layout->fd[p];
}

/* @more: further lines of the configuration. */
static inline Instance *instance_new(const char *more) {
        Instance *i = calloc(1, sizeof(*i));
        _cleanup_free_ char *yaml = NULL;
        UowSet *empty = uowset_new();
        Replay replay = { 0 };
        Error e = { 0 };

        strcpy(i->base, "/tmp/flowcron-instance-XXXXXX");
        assert_non_null(mkdtemp(i->base));
        assert_int_equal(chmod(i->base, 0755), 0);
        yaml = xasprintf("base: %s\n%s", i->base, more ? more : "");
        if (config_parse_named("test", "/etc/test.yaml", yaml, strlen(yaml), &i->config, &e) != 0)
                fail_msg("%s", e.text);
        if (layout_new(i->config, &i->layout, &e) != 0 || layout_make(i->layout, &e) != 0 ||
                layout_open(i->layout, &e) != 0)
                fail_msg("%s", e.text);
        assert_int_equal(eventlog_replay(place(i, PLACE_STATE), empty, &replay, &e), 0);
        assert_int_equal(eventlog_new(place(i, PLACE_STATE), replay.next_seq, 1, &i->log, &e), 0);
        replay_done(&replay);
        uowset_free(empty);
        i->uow = uow_new(ID);
        return i;
}

static inline void instance_free(Instance *i) {
        eventlog_free(i->log);
        uow_free(i->uow);
        layout_free(i->layout);
        config_free(i->config);
        cJSON_Delete(i->result);
        assert_int_equal(tree_remove(AT_FDCWD, i->base), 0);
        free(i);
}

/* An event, on disk and in the record. @data: a JSON object, or NULL. */
static inline void happens(Instance *i, EventType type, const char *data) {
        Event e = { .time = clock_now(), .type = type, .attempt = i->uow->attempt };

        strcpy(e.id, ID);
        if (data && json_parse(data, strlen(data), &e.data, NULL) != 0)
                fail_msg("bad data: %s", data);
        assert_int_equal(eventlog_append(i->log, &e), 0);
        assert_int_equal(eventlog_commit(i->log), 0);
        assert_int_equal(uow_apply(i->uow, &e), 0);
        event_done(&e);
}

/* A complete upload under @name in @place; no sentinels/ yet. */
static inline void make_uow(Instance *i, Place p, const char *name) {
        _cleanup_close_ int fd = -1;

        put_folder(place(i, p), name);
        fd = dir_open_at(place(i, p), name);
        put_folder(fd, "data");
        put_folder(fd, "scripts");
        put_file(fd, "data/input", "1 2 3\n");
        put_file(fd, "scripts/submission_script.sh", SCRIPT);
}

static inline void upload(Instance *i, const char *name) {
        _cleanup_free_ char *sentinels = xasprintf("%s/sentinels", name);

        make_uow(i, PLACE_UPLOADED, name);
        put_folder(place(i, PLACE_UPLOADED), sentinels);
}

static inline void uploaded(Instance *i) {
        upload(i, "u");
        happens(i, EVENT_UPLOADED, "{\"name\":\"u\",\"folder\":\"u\",\"owner\":0}");
}

/* Does the work in this process. */
static inline int run_work(Instance *i, WorkFunc work, void *job) {
        cJSON_Delete(i->result);
        i->result = cJSON_CreateObject();
        i->error.text[0] = 0;
        assert_non_null(job);
        return work(job, i->result, &i->error);
}

static inline int stage(Instance *i) {
        StageJob *j = stage_job_new(i->layout, i->config, i->uow);
        int r = run_work(i, stage_work, j);

        stage_job_free(j);
        return r;
}

static inline int settle(Instance *i) {
        SettleJob *j = settle_job_new(i->layout, i->config, i->uow);
        int r = run_work(i, settle_work, j);

        settle_job_free(j);
        return r;
}

static inline int relocate(Instance *i, WorkFunc work) {
        RelocateJob *j = relocate_job_new(i->layout, i->config, i->uow);
        int r = run_work(i, work, j);

        relocate_job_free(j);
        return r;
}

static inline void staged(Instance *i) {
        _cleanup_free_ char *data = NULL;

        if (stage(i) != 0)
                fail_msg("stage: %s", i->error.text);
        data = json_print(i->result);
        happens(i, EVENT_STAGED, data);
}

static inline void ended(Instance *i, const char *outcome) {
        _cleanup_free_ char *data = xasprintf("{\"outcome\":\"%s\"%s}", outcome,
                streq(outcome, "succeeded")
                        ? ",\"job\":{\"elapsed_s\":3}"
                        : ",\"cause\":\"exit-code\",\"reason\":\"exit code 1\"");

        happens(i, EVENT_SUBMITTING, "{\"args\":[\"--parsable\"]}");
        happens(i, EVENT_QUEUED, "{\"job_id\":\"17\"}");
        happens(i, EVENT_ENDED, data);
}

static inline void finished(Instance *i) {
        _cleanup_free_ char *data = NULL;

        if (settle(i) != 0)
                fail_msg("settle: %s", i->error.text);
        data = json_print(i->result);
        happens(i, EVENT_FINISHED, data);
}
