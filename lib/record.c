/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The record: the events of a Unit of Work as they are, and the same told attempt by attempt.
 *
 * Made from the event log alone, so it comes out the same however often a filing is begun; only host, user and
 * the time of filing are of the moment. Called by the settle worker, where a slow name service harms nobody.
 */

#include "record.h"

#include <limits.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "text.h"

#define RECORD_VERSION 1

/* Members that an attempt has by the same name as the event that tells of them. */
static int copy_members(cJSON *to, const cJSON *event, const char *const *keys) {
        for (; *keys; keys++) {
                const cJSON *item = cJSON_GetObjectItemCaseSensitive(event, *keys);

                if (!item)
                        continue;
                cJSON_DeleteItemFromObjectCaseSensitive(to, *keys);
                if (json_set_item(to, *keys, cJSON_Duplicate(item, true)) < 0)
                        return -ENOMEM;
        }
        return 0;
}

#define COPY(to, event, ...) copy_members(to, event, (const char *const[]){ __VA_ARGS__, NULL })

/* The time of the event as member @key. */
static int copy_time(cJSON *to, const char *key, const cJSON *event) {
        cJSON_DeleteItemFromObjectCaseSensitive(to, key);
        return json_set_str(to, key, json_str(event, "time"));
}

static int note_staged(cJSON *attempt, const cJSON *event) {
        _cleanup_json_ cJSON *script = cJSON_CreateObject();

        cJSON_DeleteItemFromObjectCaseSensitive(attempt, "script");
        if (!script || json_set_str(script, "name", json_str(event, "script")) < 0 ||
                COPY(script, event, "sha256", "converted") < 0)
                return -ENOMEM;
        return json_set_item(attempt, "script", TAKE_PTR(script));
}

static int note_submitting(cJSON *attempt, const cJSON *event) {
        int r = copy_time(attempt, "submitted", event);

        return r < 0 ? r : COPY(attempt, event, "args");
}

static int note_deferred(cJSON *attempt, const cJSON *event _unused_) {
        int64_t n = json_int(attempt, "deferrals", 0);

        cJSON_DeleteItemFromObjectCaseSensitive(attempt, "deferrals");
        return json_set_int(attempt, "deferrals", n + 1);
}

static int note_queued(cJSON *attempt, const cJSON *event) {
        int r = copy_time(attempt, "queued", event);

        return r < 0 ? r : COPY(attempt, event, "job_id", "adopted");
}

static int note_job(cJSON *attempt, const cJSON *event) {
        return COPY(attempt, event, "job_ids", "nodes", "started");
}

/* `ended` and `requeued`: the figures of the scheduler know better than what was seen on the way. */
static int note_ended(cJSON *attempt, const cJSON *event) {
        const cJSON *job = json_object(event, "job");
        int r = COPY(attempt, event, "outcome", "cause", "reason", "job");

        if (r < 0 || !job)
                return r;
        return COPY(attempt, job, "nodes", "started", "ended", "exit_code", "signal");
}

static int note_retry(cJSON *attempt, const cJSON *event) {
        return json_set_str(attempt, "ordered_by", json_str(event, "by"));
}

static const struct {
        const char *event;
        int (*note)(cJSON *attempt, const cJSON *event);
        int offset; /* the attempt that it is about, seen from the one that the event bears */
} notes[] = {
        { "staged", note_staged, 0 },
        { "submitting", note_submitting, 0 },
        { "deferred", note_deferred, 0 },
        { "queued", note_queued, 0 },
        { "job", note_job, 0 },
        { "ended", note_ended, 0 },
        { "requeued", note_ended, 0 },
        { "retry", note_retry, 1 },
};

/* The attempt of number @n, made if need be; they come in order. */
static cJSON *get_attempt(cJSON *attempts, int64_t n) {
        cJSON *last = cJSON_GetArrayItem(attempts, cJSON_GetArraySize(attempts) - 1);

        if (last && json_int(last, "attempt", 0) >= n)
                return last;
        last = cJSON_CreateObject();
        if (!last || json_set_int(last, "attempt", n) < 0 ||
                !cJSON_AddItemToArray(attempts, last)) {
                cJSON_Delete(last);
                return NULL;
        }
        return last;
}

static int64_t attempt_of(const cJSON *event, int offset) {
        int64_t n = json_int(event, "attempt", 0) + offset;

        /* The first attempt begins with its staging. */
        return n == 0 && streq(json_str(event, "event"), "staged") ? 1 : n;
}

static int note_event(cJSON *attempts, const cJSON *event) {
        for (size_t i = 0; i < ELEMENTSOF(notes); i++) {
                cJSON *attempt;
                int64_t n;

                if (!streq(notes[i].event, json_str(event, "event")))
                        continue;
                n = attempt_of(event, notes[i].offset);
                if (n < 1)
                        return 0; /* ended before the first attempt */
                attempt = get_attempt(attempts, n);
                return attempt ? notes[i].note(attempt, event) : -ENOMEM;
        }
        return 0;
}

static int set_attempts(cJSON *record, const cJSON *events) {
        cJSON *attempts = cJSON_AddArrayToObject(record, "attempts");
        const cJSON *event;
        int r = attempts ? 0 : -ENOMEM;

        cJSON_ArrayForEach(event, events)
                if (r == 0)
                        r = note_event(attempts, event);
        return r;
}

static int set_user(cJSON *record, const char *key, uid_t uid) {
        char buffer[16 * 1024];
        struct passwd pw, *found = NULL;

        if (getpwuid_r(uid, &pw, buffer, sizeof(buffer), &found) == 0 && found)
                return json_set_name(record, key, found->pw_name);
        snprintf(buffer, sizeof(buffer), "%u", (unsigned)uid);
        return json_set_str(record, key, buffer);
}

static int set_host(cJSON *record) {
        char host[HOST_NAME_MAX + 1];

        if (gethostname(host, sizeof(host)) < 0)
                return -errno;
        host[HOST_NAME_MAX] = 0;
        return json_set_name(record, "host", host);
}

static int set_identity(cJSON *record, const RecordInput *in) {
        const Uow *u = in->uow;
        int r;

        if ((r = json_set_int(record, "record", RECORD_VERSION)) < 0 ||
                (r = json_set_str(record, "flowcron", FLOWCRON_VERSION)) < 0 ||
                (r = json_set_str(record, "id", u->id)) < 0 ||
                (r = json_set_name(record, "name", u->name)) < 0 ||
                (r = json_set_name(record, "folder", in->folder ? in->folder : u->folder)) < 0 ||
                (r = in->path ? json_set_name(record, "path", in->path) : 0) < 0 ||
                (r = json_set_str(record, "instance", in->config->instance)) < 0 ||
                (r = set_host(record)) < 0 || (r = set_user(record, "user", geteuid())) < 0 ||
                (r = set_user(record, "uploaded_by", u->owner)) < 0)
                return r;
        return json_set_str(record, "scheduler",
                in->config->scheduler.type == SCHEDULER_LOCAL ? "local" : "slurm");
}

static int set_outcome(cJSON *record, const RecordInput *in) {
        const Uow *u = in->uow;
        int r;

        if ((r = json_set_str(record, "outcome", outcome_to_string(u->outcome))) < 0 ||
                (r = json_set_str(record, "cause", u->cause)) < 0 ||
                (r = json_set_str(record, "reason", u->reason)) < 0 ||
                (r = json_set_int(record, "attempt", u->attempt)) < 0 ||
                (r = json_set_time(record, "created", u->created)) < 0)
                return r;
        return json_set_time(record, "finished", in->finished);
}

int record_build(const RecordInput *in, cJSON **ret) {
        _cleanup_json_ cJSON *record = cJSON_CreateObject();
        int r;

        if (!record)
                return -ENOMEM;
        r = set_identity(record, in);
        if (r >= 0)
                r = set_outcome(record, in);
        if (r >= 0)
                r = set_attempts(record, in->events);
        if (r >= 0 && in->filing && in->filing->child)
                r = json_set_item(record, "filing", cJSON_Duplicate(in->filing, true));
        if (r >= 0)
                r = json_set_item(record, "events", cJSON_Duplicate(in->events, true));
        if (r < 0)
                return r;
        *ret = TAKE_PTR(record);
        return 0;
}
