/* SPDX-License-Identifier: Apache-2.0 */

/* The state from disk: see offline.h. */

#include "offline.h"

#include <string.h>

#include "arriving.h"
#include "fileio.h"
#include "lease.h"
#include "text.h"
#include "uow-view.h"

#define STATUS_MAX ((size_t)4 * 1024 * 1024)

Offline *offline_free(Offline *o) {
        if (!o)
                return NULL;
        layout_free(o->layout);
        uowset_free(o->uows);
        replay_done(&o->replay);
        cJSON_Delete(o->arriving);
        free(o);
        return NULL;
}

/* A folder in UploadedFiles that is recorded already is not arriving any more. */
static bool is_taken(const char *name, void *userdata) {
        const UowSet *uows = userdata;

        for (size_t i = uowset_size(uows); i > 0; i--) {
                const Uow *u = uowset_at(uows, i - 1);

                if (u->state == UOW_UPLOADED && streq(u->name, name))
                        return true;
        }
        return false;
}

static int read_arriving(Offline *o) {
        int fd = o->layout->fd[PLACE_UPLOADED], r = -EBADF;

        if (fd >= 0)
                r = arriving_read(fd, is_taken, o->uows, &o->arriving);
        if (r < 0)
                o->arriving = cJSON_CreateArray();
        return o->arriving ? 0 : -ENOMEM;
}

int offline_open(const Config *config, Offline **ret, Error *e) {
        _cleanup_(offline_freep) Offline *o = calloc(1, sizeof(*o));
        int r;

        if (!o || !(o->uows = uowset_new()))
                return -ENOMEM;
        o->config = config;
        r = layout_new(config, &o->layout, e);
        if (r >= 0)
                r = layout_open_reading(o->layout, e);
        if (r >= 0)
                r = eventlog_replay(o->layout->fd[PLACE_STATE], o->uows, &o->replay, e);
        if (r >= 0)
                r = read_arriving(o);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(o);
        return 0;
}

int offline_find(
        const Offline *o, const char *what, Uow **ret, const cJSON **ret_arriving, Error *e) {
        const cJSON *found = arriving_exact(o->arriving, what);
        Error other = {};
        int r;

        if (!found) {
                r = uowset_find(o->uows, what, ret, e);
                if (r != UOW_E_NOT_FOUND)
                        return r;
                r = arriving_find(o->arriving, what, &found, &other);
                if (r == UOW_E_AMBIGUOUS)
                        *e = other;
                if (r != 0)
                        return r;
        }
        *ret_arriving = found;
        return 0;
}

/* ---- history ---- */

static int collect(const Event *ev, void *userdata) {
        cJSON *array = userdata, *item = event_to_json(ev);

        if (!item || !cJSON_AddItemToArray(array, item)) {
                cJSON_Delete(item);
                return -ENOMEM;
        }
        return 0;
}

cJSON *offline_history(const Offline *o, const Uow *u, Error *e) {
        _cleanup_json_ cJSON *array = cJSON_CreateArray();
        int r = -ENOMEM;

        if (array)
                r = eventlog_history(o->layout->fd[PLACE_STATE], u->id, u->first_seq, u->last_seq,
                        collect, array);
        if (r < 0) {
                error_set(e, r, "the history can't be read: %s", strerror(-r));
                return NULL;
        }
        return TAKE_PTR(array);
}

/* ---- status ---- */

/* The daemon's last words; an empty object if there are none. */
static cJSON *last_words(const Offline *o) {
        _cleanup_free_ char *text = NULL;
        cJSON *status = NULL;
        size_t size;

        if (file_read_at(o->layout->fd[PLACE_STATE], "status.json", STATUS_MAX, &text, &size) < 0 ||
                json_parse(text, size, &status, NULL) < 0 || !cJSON_IsObject(status)) {
                cJSON_Delete(status);
                return cJSON_CreateObject();
        }
        return status;
}

static int replace(cJSON *o, const char *key, cJSON *item) {
        cJSON_DeleteItemFromObjectCaseSensitive(o, key);
        return json_set_item(o, key, item);
}

static cJSON *count_states(const Offline *o) {
        size_t counts[_UOW_STATE_MAX] = {};
        cJSON *c = cJSON_CreateObject();

        for (size_t i = 0; i < uowset_size(o->uows); i++)
                counts[uowset_at(o->uows, i)->state]++;
        counts[UOW_ARRIVING] = (size_t)cJSON_GetArraySize(o->arriving);
        for (int s = UOW_ARRIVING; c && s < _UOW_STATE_MAX; s++)
                if (json_set_int(c, state_to_string((UowState)s), (int64_t)counts[s]) < 0) {
                        cJSON_Delete(c);
                        return NULL;
                }
        return c;
}

/* Who owns the folder by its lease: may well be a daemon on another node. */
static int set_owner(const Offline *o, cJSON *daemon) {
        LeaseOwner owner;
        cJSON *j;
        int r;

        if (lease_read(o->layout->fd[PLACE_STATE], &owner) < 0)
                return 0;
        j = cJSON_CreateObject();
        if (!j)
                return -ENOMEM;
        r = json_set_str(j, "host", owner.host);
        if (r >= 0)
                r = json_set_int(j, "pid", owner.pid);
        if (r >= 0)
                r = json_set_time(j, "since", owner.since);
        if (r >= 0)
                r = json_set_int(j, "fence", (int64_t)owner.fence);
        if (r >= 0)
                r = json_set_bool(j, "here", owner.here);
        if (r >= 0)
                r = json_set_bool(j, "alive", owner.alive && !owner.released);
        cJSON_DeleteItemFromObjectCaseSensitive(daemon, "owner");
        return json_set_item(daemon, "owner", j) < 0 || r < 0 ? -ENOMEM : 0;
}

/* What was true of the daemon when it wrote, less what can't be any more. */
static int set_daemon(const Offline *o, cJSON *status) {
        cJSON *old = cJSON_DetachItemFromObjectCaseSensitive(status, "daemon");
        cJSON *d = cJSON_IsObject(old) ? old : cJSON_CreateObject();
        int r;

        if (d != old)
                cJSON_Delete(old);
        if (!d)
                return -ENOMEM;
        cJSON_DeleteItemFromObjectCaseSensitive(d, "running");
        cJSON_DeleteItemFromObjectCaseSensitive(d, "socket");
        r = json_set_item(status, "daemon", d);
        if (r >= 0)
                r = json_set_bool(d, "running", false);
        return r < 0 ? r : set_owner(o, d);
}

static int set_missing(const Offline *o, cJSON *status) {
        int r = 0;

        if (!json_object(status, "watch"))
                r = replace(status, "watch", cJSON_CreateObject());
        if (r >= 0 && !json_object(status, "scheduler")) {
                cJSON *s = cJSON_CreateObject();

                if (s && json_set_str(s, "type",
                                 o->config->scheduler.type == SCHEDULER_SLURM ? "slurm"
                                                                              : "local") < 0) {
                        cJSON_Delete(s);
                        s = NULL;
                }
                r = replace(status, "scheduler", s);
        }
        if (r >= 0 && !json_array(status, "attention"))
                r = replace(status, "attention", cJSON_CreateArray());
        return r;
}

cJSON *offline_status(const Offline *o) {
        _cleanup_json_ cJSON *status = last_words(o);
        _cleanup_free_ char *base = text_escape(o->layout->base);
        int r;

        if (!status || !base)
                return NULL;
        r = replace(status, "instance", cJSON_CreateString(o->config->instance));
        if (r >= 0)
                r = replace(status, "base", cJSON_CreateString(base));
        if (r >= 0)
                r = set_daemon(o, status);
        if (r >= 0)
                r = set_missing(o, status);
        if (r >= 0)
                r = replace(status, "counts", count_states(o));
        return r < 0 ? NULL : TAKE_PTR(status);
}

/* ---- what an order needs ---- */

static bool is_kept(const Uow *u) {
        return u->state == UOW_FINISHED || u->state == UOW_SOFT_DELETED;
}

static const char *state_words(const Uow *u) {
        if (u->quarantined)
                return "in quarantine, because a line of its history is damaged";
        if (u->purging && u->state != UOW_PURGED)
                return "being removed for good";
        if (u->phase == PHASE_SETTLING)
                return "being filed, its outcome is decided";
        return u->moved_to ? "with the next instance of the chain" : state_to_string(u->state);
}

/* The same as the daemon would say, since it will say it when the request reaches it. */
int offline_allows(const Uow *u, const char *order, Error *e) {
        bool whole = !u->quarantined && !u->purging && !u->moved_to;
        const char *done, *rule;
        bool fits;

        if (streq(order, "cancel")) {
                fits = !u->quarantined && uow_is_active(u) && u->phase != PHASE_SETTLING;
                done = "cancelled";
                rule = "Only what is not finished can be.";
        } else if (streq(order, "restore")) {
                fits = whole && u->state == UOW_SOFT_DELETED;
                done = "restored";
                rule = "Only what is in the recycling bin can be.";
        } else {
                fits = whole && is_kept(u);
                done = streq(order, "retry") ? "retried" : "purged";
                rule = "Only what is finished or in the recycling bin can be.";
        }
        if (fits)
                return 0;
        return error_set(e, UOW_E_STATE, "%s can't be %s: it is %s. %s", u->folder, done,
                state_words(u), rule);
}
