/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Units of Work that another program began: the same events as for our own, in one turn, so that what becomes of them follows from the
 * record as ever. They bear "imported", and none claims to have seen what nobody of us saw: an attempt without `submitting` is one
 * that we have not submitted, and the times are those of the take-over, from which retention counts.
 *
 * May be done again: what has a record already is passed over.
 */

#include "machine-internal.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <uuid/uuid.h>

#include "text.h"

static Place place_of(const ImportItem *item) {
        Place place = place_for_outcome(item->outcome);

        if (item->kind != IMPORT_KEPT)
                return PLACE_WORK;
        return item->binned ? place_bin(place) : place;
}

static cJSON *imported(void) {
        cJSON *o = cJSON_CreateObject();

        if (o && json_set_bool(o, "imported", true) < 0) {
                cJSON_Delete(o);
                return NULL;
        }
        return o;
}

static int post_uploaded(Machine *m, const ImportItem *item, uid_t owner, Uow **ret) {
        _cleanup_(event_done) Event ev = { .time = clock_now(), .type = EVENT_UPLOADED };
        uuid_t uuid;

        uuid_generate(uuid);
        uuid_unparse_lower(uuid, ev.id);
        if (item->id)
                snprintf(ev.id, sizeof(ev.id), "%s", item->id);
        ev.data = imported();
        if (!ev.data || json_set_name(ev.data, "name", item->folder) < 0 ||
                json_set_name(ev.data, "folder", item->folder) < 0 ||
                json_set_int(ev.data, "owner", (int64_t)owner) < 0)
                return -ENOMEM;
        return machine_post_event(m, ret, &ev);
}

/* The first attempt is the one that we find. */
static int post_queued(Machine *m, Uow *u, const ImportItem *item) {
        _cleanup_(event_done)
                Event ev = { .time = clock_now(), .type = EVENT_QUEUED, .attempt = 1 };

        memcpy(ev.id, u->id, sizeof(ev.id));
        ev.data = imported();
        if (!ev.data || json_set_str(ev.data, "job_id", item->job_id) < 0 ||
                json_set_bool(ev.data, "adopted", true) < 0 ||
                json_set_time_usec(ev.data, "submitted", item->submitted) < 0)
                return -ENOMEM;
        return machine_post_event(m, &u, &ev);
}

static cJSON *ended_data(const ImportItem *item, UowOutcome outcome) {
        _cleanup_json_ cJSON *job = cJSON_CreateObject();
        const char *reason = outcome == OUTCOME_LOST
                ? "it was begun before FlowCron took over, and no job of it can be found"
                : outcome == OUTCOME_FAILED ? "it failed before FlowCron took over"
                                            : NULL;
        cJSON *o;

        if (!job || json_set_str(job, "job_id", item->job_id) < 0 ||
                json_set_time(job, "ended", item->ended) < 0)
                return NULL;
        o = machine_ended_data(outcome, outcome == OUTCOME_LOST ? CAUSE_LOST : NULL, reason,
                job->child ? job : NULL);
        if (o && json_set_bool(o, "imported", true) < 0) {
                cJSON_Delete(o);
                return NULL;
        }
        return o;
}

static int post_lost(Machine *m, Uow *u, const ImportItem *item) {
        cJSON *data = ended_data(item, OUTCOME_LOST);

        return data ? machine_post(m, u, EVENT_ENDED, data) : -ENOMEM;
}

static int post_kept(Machine *m, Uow *u, const ImportItem *item) {
        cJSON *data = ended_data(item, item->outcome);
        int r = data ? 0 : -ENOMEM;

        if (r == 0 && item->job_id)
                r = post_queued(m, u, item);
        if (r == 0)
                r = machine_post(m, u, EVENT_ENDED, TAKE_PTR(data));
        cJSON_Delete(data);
        if (r == 0)
                r = machine_post(m, u, EVENT_FINISHED, imported());
        if (r == 0 && item->binned)
                r = machine_post(m, u, EVENT_SOFT_DELETED, imported());
        return r;
}

int machine_import(Machine *m, const ImportItem *item, Error *e) {
        const Layout *l = m->parts.layout;
        Place place = place_of(item);
        struct stat st;
        Uow *u = NULL;
        int r;

        if (machine_trouble(m))
                return machine_trouble(m);
        if (uowset_by_folder(m->parts.uows, item->folder) ||
                (item->id && uowset_get(m->parts.uows, item->id)))
                return 0;
        if (fstatat(l->fd[place], item->folder, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
                !S_ISDIR(st.st_mode))
                return error_set(e, UOW_E_GONE, "it is not in %s any more", l->path[place]);
        if (item->kind == IMPORT_WAITING)
                return machine_upload(m, item->folder, item->id, st.st_uid);
        r = post_uploaded(m, item, st.st_uid, &u);
        if (r != 0)
                return r;
        switch (item->kind) {
        case IMPORT_RUNNING:
                return post_queued(m, u, item);
        case IMPORT_LOST:
                return post_lost(m, u, item);
        default:
                return post_kept(m, u, item);
        }
}
