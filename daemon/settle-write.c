/* SPDX-License-Identifier: Apache-2.0 */

#include "settle-write.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "crashpoint.h"
#include "eventlog.h"
#include "fileio.h"
#include "record.h"
#include "text.h"

/* Fifteen lines are shown; more than this of them nobody needs. */
#define TAIL_SIZE ((size_t)64 * 1024)

#define RECORD_SIZE_MAX ((size_t)16 * 1024 * 1024)

static int collect_event(const Event *ev, void *userdata) {
        cJSON *events = userdata, *item = event_to_json(ev);

        if (!item || !cJSON_AddItemToArray(events, item)) {
                cJSON_Delete(item);
                return -ENOMEM;
        }
        return 0;
}

static int history(const SettleTexts *t, cJSON **ret) {
        _cleanup_json_ cJSON *events = cJSON_CreateArray();
        const Uow *u = t->uow;
        int r;

        if (!events)
                return -ENOMEM;
        r = t->n_seqs > 0 ? eventlog_history_of(t->statedir, u->id, u->first_seq, t->seqs,
                                    t->n_seqs, collect_event, events)
                          : eventlog_history(t->statedir, u->id, u->first_seq, u->last_seq,
                                    collect_event, events);
        if (r == 0)
                *ret = TAKE_PTR(events);
        return r;
}

/* The end of a regular file, or -errno; "" if it has nothing but white space. */
static int read_end(int dirfd, const char *name, char **ret) {
        _cleanup_close_ int fd =
                openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        _cleanup_free_ char *text = NULL;
        struct stat st;
        size_t size = 0;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        text = malloc(TAIL_SIZE + 1);
        if (!text)
                return -ENOMEM;
        if (st.st_size > (off_t)TAIL_SIZE && lseek(fd, -(off_t)TAIL_SIZE, SEEK_END) < 0)
                return -errno;
        while (size < TAIL_SIZE) {
                ssize_t n = read(fd, text + size, TAIL_SIZE - size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        break;
                size += (size_t)n;
        }
        for (size_t i = 0; i < size; i++)
                if (!text[i])
                        text[i] = ' ';
        text[size] = 0;
        if (text[strspn(text, " \t\r\n")] == 0)
                text[0] = 0;
        *ret = TAKE_PTR(text);
        return 0;
}

/* 1 taken, 0 nothing there, -ENOMEM. */
static int try_output(
        int uowdir, const char *job, const char *suffix, char **ret_tail, char **ret_name) {
        _cleanup_free_ char *name = xasprintf("slurm-%s.%s", job, suffix), *text = NULL;
        int r;

        if (!name)
                return -ENOMEM;
        if (strchr(name, '/'))
                return 0;
        r = read_end(uowdir, name, &text);
        if (!text || !text[0])
                return r == -ENOMEM ? r : 0;
        *ret_tail = TAKE_PTR(text);
        *ret_name = TAKE_PTR(name);
        return 1;
}

/* The job whose output tells most: the further job or the task that failed, else the job itself. */
static const char *telling_job(const Uow *u, const cJSON *job) {
        const char *further = json_str(job, "failed_job");
        const cJSON *tasks = json_array(job, "tasks");
        const char *task = tasks ? json_str(tasks->child, "job_id") : NULL;

        if (further)
                return further;
        return task && strchr(task, '_') ? task : u->job_id;
}

int settle_tail(int uowdir, const Uow *u, const cJSON *job, char **ret_tail, char **ret_name) {
        const char *jobs[] = { telling_job(u, job), u->job_id };
        int r = 0;

        *ret_tail = *ret_name = NULL;
        for (size_t i = 0; i < ELEMENTSOF(jobs) && r == 0; i++) {
                if (!jobs[i])
                        continue;
                r = try_output(uowdir, jobs[i], "err", ret_tail, ret_name);
                if (r == 0)
                        r = try_output(uowdir, jobs[i], "out", ret_tail, ret_name);
        }
        return r < 0 ? r : 0;
}

static const cJSON *last_job(const cJSON *record) {
        const cJSON *attempts = json_array(record, "attempts");

        return json_object(cJSON_GetArrayItem(attempts, cJSON_GetArraySize(attempts) - 1), "job");
}

static int make_report(const SettleTexts *t, const cJSON *record, char **ret) {
        _cleanup_free_ char *tail = NULL, *name = NULL;
        int r = 0;

        if (t->uow->outcome != OUTCOME_SUCCEEDED)
                r = settle_tail(t->uowdir, t->uow, last_job(record), &tail, &name);
        return r < 0 ? r : report_build(record, tail, name, ret);
}

static int make_record(const SettleTexts *t, cJSON **ret) {
        _cleanup_json_ cJSON *events = NULL;
        RecordInput in = {
                .uow = t->uow,
                .config = t->config,
                .path = t->path,
                .folder = t->folder,
                .filing = t->filing,
                .finished = clock_now(),
        };
        int r = history(t, &events);

        in.events = events;
        return r < 0 ? r : record_build(&in, ret);
}

int settle_write(const SettleTexts *t, Error *e) {
        mode_t mode = t->config->results.group_writable ? 0660 : 0640;
        _cleanup_free_ char *text = NULL, *report = NULL;
        _cleanup_json_ cJSON *record = NULL;
        int r;

        r = make_record(t, &record);
        if (r < 0)
                return error_set(e, r, "its history can't be read: %s", strerror(-r));
        text = json_print_pretty(record);
        if (!text)
                return -ENOMEM;
        r = make_report(t, record, &report);
        if (r == 0)
                r = file_replace_at(t->ours, "record.json", text, strlen(text), mode);
        CRASH_POINT("settle-record");
        if (r == 0)
                r = file_replace_at(t->ours, "report.txt", report, strlen(report), mode);
        return r < 0 ? error_set(e, r, "its record can't be written: %s", strerror(-r)) : 0;
}

int settle_resume(int ours, const Uow *u, Filing *f) {
        _cleanup_json_ cJSON *record = NULL;
        _cleanup_free_ char *text = NULL;
        size_t size;

        if (file_read_at(ours, "record.json", RECORD_SIZE_MAX, &text, &size) < 0 ||
                json_parse(text, size, &record, NULL) < 0)
                return 0;
        if (!streq(json_str(record, "id"), u->id) ||
                json_int(record, "attempt", -1) != u->attempt || !json_object(record, "filing"))
                return 0;
        return filing_resume(f, json_object(record, "filing"));
}
