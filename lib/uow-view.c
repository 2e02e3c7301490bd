/* SPDX-License-Identifier: Apache-2.0 */

#include "uow-view.h"

#include "text.h"

Place uow_place(const Uow *u) {
        switch (u->state) {
        case UOW_STAGED:
        case UOW_QUEUED:
                return PLACE_WORK;
        case UOW_FINISHED:
                return place_for_outcome(u->outcome);
        case UOW_SOFT_DELETED:
                return place_bin(place_for_outcome(u->outcome));
        default:
                return PLACE_UPLOADED;
        }
}

static int set_path(cJSON *o, const Uow *u, const Layout *l) {
        _cleanup_free_ char *path = NULL;

        if (u->state == UOW_PURGED)
                return 0;
        if (u->moved_to)
                return json_set_name(o, "path", u->moved_to);
        path = layout_uow_path(l, uow_place(u), u->state == UOW_UPLOADED ? u->name : u->folder);
        return path ? json_set_name(o, "path", path) : -ENOMEM;
}

static int set_state(cJSON *o, const Uow *u) {
        int r = json_set_str(o, "state", state_to_string(u->state));

        if (r >= 0)
                r = json_set_str(o, "phase", phase_to_string(u->phase));
        if (r >= 0)
                r = json_set_str(o, "outcome", outcome_to_string(u->outcome));
        if (r >= 0)
                r = json_set_str(o, "cause", u->cause);
        if (r >= 0)
                r = json_set_str(o, "reason", u->reason);
        if (r >= 0 && u->attempt > 0)
                r = json_set_int(o, "attempt", u->attempt);
        if (r >= 0)
                r = json_set_str(o, "job_id", u->job_id);
        if (r >= 0)
                r = json_set_str(o, "job_ids", u->job_ids);
        return r;
}

static int set_times(cJSON *o, const Uow *u) {
        int r = json_set_time(o, "created", u->created);

        if (r >= 0)
                r = json_set_time(o, "updated", u->updated);
        if (r >= 0)
                r = json_set_time(o, "queued", u->queued);
        if (r >= 0)
                r = json_set_time(o, "started", u->started);
        if (r >= 0)
                r = json_set_time(o, "finished", u->finished);
        if (r >= 0)
                r = json_set_time(o, "soft_deleted", u->soft_deleted);
        return r;
}

cJSON *uow_view(const Uow *u, const Layout *l) {
        _cleanup_json_ cJSON *o = cJSON_CreateObject();
        int r;

        if (!o)
                return NULL;
        r = json_set_str(o, "id", u->id);
        if (r >= 0)
                r = json_set_name(o, "name", u->folder);
        if (r >= 0 && !streq(u->name, u->folder))
                r = json_set_name(o, "arrived_as", u->name);
        if (r >= 0)
                r = set_state(o, u);
        if (r >= 0)
                r = set_path(o, u, l);
        if (r >= 0)
                r = set_times(o, u);
        if (r >= 0 && u->script)
                r = json_set_name(o, "script", u->script);
        if (r >= 0 && u->moved_to)
                r = json_set_name(o, "moved_to", u->moved_to);
        if (r >= 0 && u->cancelling)
                r = json_set_bool(o, "cancelling", true);
        if (r >= 0 && u->quarantined)
                r = json_set_bool(o, "quarantined", true);
        return r < 0 ? NULL : TAKE_PTR(o);
}
