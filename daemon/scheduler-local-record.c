/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A job's record: written whole or not at all.
 *
 * Called by both sides of the local backend: until a job is claimed the daemon alone writes its record, afterwards the claimant.
 */

#include "scheduler-local-internal.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "fileio.h"
#include "json.h"
#include "text.h"

#define FILE_MAX (1024U * 1024)

static const char *const state_names[_LOCAL_STATE_MAX] = {
        [LOCAL_PENDING] = "PENDING",
        [LOCAL_RUNNING] = "RUNNING",
        [LOCAL_COMPLETED] = "COMPLETED",
        [LOCAL_FAILED] = "FAILED",
        [LOCAL_TIMEOUT] = "TIMEOUT",
        [LOCAL_CANCELLED] = "CANCELLED",
        [LOCAL_NODE_FAIL] = "NODE_FAIL",
};

const char *local_state_to_string(LocalState s) {
        return state_names[s];
}

static int local_state_from_string(const char *s) {
        for (int i = 0; i < _LOCAL_STATE_MAX; i++)
                if (streq(s, state_names[i]))
                        return i;
        return -EBADMSG;
}

const char *local_file_name(char buf[static LOCAL_NAME_MAX], uint64_t id, const char *suffix) {
        snprintf(buf, LOCAL_NAME_MAX, "%" PRIu64 "%s", id, suffix);
        return buf;
}

uint64_t local_file_id(const char *name, const char *suffix) {
        char buf[LOCAL_NAME_MAX];
        uint64_t id;

        if (sscanf(name, "%" SCNu64, &id) != 1 || !streq(name, local_file_name(buf, id, suffix)))
                return 0;
        return id;
}

/* ---- record ---- */

void local_record_done(LocalRecord *r) {
        free(r->folder);
        free(r->path);
        free(r->script);
        free(r->interpreter);
        free(r->argument);
        free(r->array);
        free(r->cpus_per_task);
        free(r->ntasks);
        free(r->host);
        free(r->note);
        free(r->tasks);
        *r = (LocalRecord){ .id = 0 };
}

static int set_known(cJSON *o, const char *key, int64_t value) {
        return value >= 0 ? json_set_int(o, key, value) : 0;
}

static cJSON *task_to_json(const LocalTask *t) {
        _cleanup_json_ cJSON *o = cJSON_CreateObject();

        if (!o || json_set_int(o, "index", t->index) < 0 ||
                json_set_str(o, "state", state_names[t->state]) < 0 ||
                set_known(o, "exit_code", t->exit_code) < 0 ||
                set_known(o, "signal", t->signal) < 0 ||
                set_known(o, "elapsed_s", t->elapsed_s) < 0 ||
                set_known(o, "memory_used_bytes", t->memory) < 0)
                return NULL;
        return TAKE_PTR(o);
}

static cJSON *tasks_to_json(const LocalRecord *r) {
        _cleanup_json_ cJSON *a = cJSON_CreateArray();

        for (size_t i = 0; a && i < r->n_tasks; i++) {
                cJSON *o = task_to_json(&r->tasks[i]);

                if (!o)
                        return NULL;
                cJSON_AddItemToArray(a, o);
        }
        return TAKE_PTR(a);
}

static int set_request(cJSON *o, const LocalRecord *r) {
        int k = json_set_int(o, "id", (int64_t)r->id);

        if (k >= 0)
                k = json_set_str(o, "token", r->token);
        if (k >= 0)
                k = json_set_str(o, "uow", r->uow);
        if (k >= 0)
                k = json_set_int(o, "attempt", r->attempt);
        if (k >= 0)
                k = json_set_name(o, "folder", r->folder);
        if (k >= 0)
                k = json_set_name(o, "path", r->path);
        if (k >= 0)
                k = json_set_name(o, "script", r->script);
        if (k >= 0)
                k = json_set_name(o, "interpreter", r->interpreter);
        if (k >= 0 && r->argument)
                k = json_set_name(o, "argument", r->argument);
        if (k >= 0 && r->array)
                k = json_set_name(o, "array", r->array);
        if (k >= 0 && r->cpus_per_task)
                k = json_set_name(o, "cpus_per_task", r->cpus_per_task);
        if (k >= 0 && r->ntasks)
                k = json_set_name(o, "ntasks", r->ntasks);
        if (k >= 0 && r->time_limit_s)
                k = json_set_int(o, "time_limit_s", r->time_limit_s);
        return k >= 0 ? json_set_time_usec(o, "submitted", r->submitted) : k;
}

static int set_course(cJSON *o, const LocalRecord *r) {
        int k = json_set_str(o, "state", state_names[r->state]);

        if (k >= 0)
                k = json_set_time_usec(o, "started", r->started);
        if (k >= 0)
                k = json_set_time_usec(o, "ended", r->ended);
        if (k >= 0 && r->host)
                k = json_set_name(o, "host", r->host);
        if (k >= 0 && r->note)
                k = json_set_name(o, "note", r->note);
        if (k >= 0)
                k = set_known(o, "exit_code", r->exit_code);
        if (k >= 0)
                k = set_known(o, "signal", r->signal);
        if (k >= 0)
                k = set_known(o, "memory_used_bytes", r->memory);
        if (k >= 0)
                k = set_known(o, "cpu_s", r->cpu_s);
        if (k >= 0 && r->cpus)
                k = json_set_int(o, "cpus", r->cpus);
        if (k >= 0 && r->task_count) {
                k = json_set_int(o, "task_count", (int64_t)r->task_count);
                if (k >= 0)
                        k = json_set_int(o, "tasks_failed", (int64_t)r->tasks_failed);
                if (k >= 0)
                        k = json_set_item(o, "tasks", tasks_to_json(r));
        }
        return k;
}

static char *record_text(const LocalRecord *r) {
        _cleanup_json_ cJSON *o = cJSON_CreateObject();

        return o && set_request(o, r) >= 0 && set_course(o, r) >= 0 ? json_print(o) : NULL;
}

int local_record_create(int dir, const LocalRecord *r) {
        _cleanup_free_ char *text = record_text(r);
        char name[LOCAL_NAME_MAX];

        if (!text)
                return -ENOMEM;
        return file_create_at(dir, local_file_name(name, r->id, ".json"), text, strlen(text), 0600);
}

int local_record_save(int dir, const LocalRecord *r) {
        _cleanup_free_ char *text = record_text(r);
        char name[LOCAL_NAME_MAX];

        if (!text)
                return -ENOMEM;
        return file_replace_at(
                dir, local_file_name(name, r->id, ".json"), text, strlen(text), 0600);
}

static int get_name(const cJSON *o, const char *key, char **ret) {
        int r = json_get_name(o, key, ret);

        return r == -ENOENT ? 0 : r == -ENOMEM ? r : r < 0 ? -EBADMSG : 0;
}

int local_copy_text(char *buf, size_t size, const cJSON *o, const char *key) {
        const char *s = json_str(o, key);

        if (!s || strlen(s) >= size)
                return -EBADMSG;
        strcpy(buf, s);
        return 0;
}

static int get_request(const cJSON *o, LocalRecord *r) {
        int k = local_copy_text(r->token, sizeof(r->token), o, "token");

        if (k >= 0)
                k = local_copy_text(r->uow, sizeof(r->uow), o, "uow");
        if (k >= 0)
                k = get_name(o, "folder", &r->folder);
        if (k >= 0)
                k = get_name(o, "path", &r->path);
        if (k >= 0)
                k = get_name(o, "script", &r->script);
        if (k >= 0)
                k = get_name(o, "interpreter", &r->interpreter);
        if (k >= 0)
                k = get_name(o, "argument", &r->argument);
        if (k >= 0)
                k = get_name(o, "array", &r->array);
        if (k >= 0)
                k = get_name(o, "cpus_per_task", &r->cpus_per_task);
        if (k >= 0)
                k = get_name(o, "ntasks", &r->ntasks);
        if (k >= 0 && (!r->folder || !r->path || !r->script || !r->interpreter))
                k = -EBADMSG;
        r->attempt = (int)json_int(o, "attempt", 0);
        r->time_limit_s = json_int(o, "time_limit_s", 0);
        r->submitted = json_time(o, "submitted");
        return k;
}

static int get_tasks(const cJSON *o, LocalRecord *r) {
        const cJSON *a = json_array(o, "tasks"), *item;

        if (!a || !a->child)
                return 0;
        r->tasks = calloc(OUTCOME_TASKS_MAX, sizeof(*r->tasks));
        if (!r->tasks)
                return -ENOMEM;
        cJSON_ArrayForEach(item, a) {
                int state = local_state_from_string(json_str(item, "state"));

                if (state < 0 || r->n_tasks == OUTCOME_TASKS_MAX)
                        return -EBADMSG;
                r->tasks[r->n_tasks++] = (LocalTask){
                        .index = (uint32_t)json_int(item, "index", 0),
                        .state = (LocalState)state,
                        .exit_code = (int)json_int(item, "exit_code", -1),
                        .signal = (int)json_int(item, "signal", -1),
                        .elapsed_s = json_int(item, "elapsed_s", -1),
                        .memory = json_int(item, "memory_used_bytes", -1),
                };
        }
        return 0;
}

static int get_course(const cJSON *o, LocalRecord *r) {
        int state = local_state_from_string(json_str(o, "state")), k;

        if (state < 0)
                return state;
        r->state = (LocalState)state;
        r->started = json_time(o, "started");
        r->ended = json_time(o, "ended");
        r->exit_code = (int)json_int(o, "exit_code", -1);
        r->signal = (int)json_int(o, "signal", -1);
        r->memory = json_int(o, "memory_used_bytes", -1);
        r->cpu_s = json_int(o, "cpu_s", -1);
        r->cpus = (int)json_int(o, "cpus", 0);
        r->task_count = (size_t)json_int(o, "task_count", 0);
        r->tasks_failed = (size_t)json_int(o, "tasks_failed", 0);
        k = get_name(o, "host", &r->host);
        if (k >= 0)
                k = get_name(o, "note", &r->note);
        return k >= 0 ? get_tasks(o, r) : k;
}

int local_read_json(int dir, const char *name, cJSON **ret) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r = file_read_at(dir, name, FILE_MAX, &text, &size);

        if (r == 0)
                r = json_parse(text, size, ret, NULL);
        return r == -EINVAL ? -EBADMSG : r;
}

int local_record_load(int dir, uint64_t id, LocalRecord *ret) {
        _cleanup_json_ cJSON *o = NULL;
        LocalRecord r = { .id = id };
        char name[LOCAL_NAME_MAX];
        int k = local_read_json(dir, local_file_name(name, id, ".json"), &o);

        if (k < 0)
                return k;
        k = get_request(o, &r);
        if (k >= 0)
                k = get_course(o, &r);
        if (k < 0) {
                local_record_done(&r);
                return k;
        }
        *ret = r;
        return 0;
}

void local_record_remove(int dir, uint64_t id) {
        static const char *const suffixes[] = { ".json", ".cancel", ".claim" };
        char name[LOCAL_NAME_MAX];

        /* The claim last: a record without one could be started. */
        for (size_t i = 0; i < ELEMENTSOF(suffixes); i++)
                if (unlinkat(dir, local_file_name(name, id, suffixes[i]), 0) < 0 && errno != ENOENT)
                        return;
}
