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

/* Cron runs a pass every few minutes; after so long something keeps it from doing so. */
#define PASS_OVERDUE (30 * USEC_PER_MINUTE)

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
static cJSON *owner_json(const LeaseOwner *owner) {
        _cleanup_json_ cJSON *j = cJSON_CreateObject();
        int r;

        if (!j)
                return NULL;
        r = json_set_str(j, "host", owner->host);
        if (r >= 0)
                r = json_set_int(j, "pid", owner->pid);
        if (r >= 0)
                r = json_set_time(j, "since", owner->since);
        if (r >= 0)
                r = json_set_int(j, "fence", (int64_t)owner->fence);
        if (r >= 0)
                r = json_set_bool(j, "here", owner->here);
        if (r >= 0)
                r = json_set_bool(j, "alive", owner->alive && !owner->released);
        return r < 0 ? NULL : TAKE_PTR(j);
}

/* What was true of the daemon when it wrote, less what can't be any more. @owner NULL: there never was one. */
static cJSON *daemon_json(const cJSON *last, const LeaseOwner *owner) {
        static const char *const kept[] = { "pid", "version", "since", "fence", "once" };
        const cJSON *old = json_object(last, "daemon"), *item;
        _cleanup_json_ cJSON *d = cJSON_CreateObject();
        int r;

        if (!d)
                return NULL;
        r = json_set_bool(d, "running", false);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(kept); i++) {
                item = cJSON_GetObjectItemCaseSensitive(old, kept[i]);
                if (item)
                        r = json_set_item(d, kept[i], cJSON_Duplicate(item, true));
        }
        if (r >= 0 && owner)
                r = json_set_item(d, "owner", owner_json(owner));
        return r < 0 ? NULL : TAKE_PTR(d);
}

static cJSON *scheduler_json(const Offline *o) {
        cJSON *s = cJSON_CreateObject();

        if (s &&
                json_set_str(s, "type",
                        o->config->scheduler.type == SCHEDULER_SLURM ? "slurm" : "local") < 0) {
                cJSON_Delete(s);
                return NULL;
        }
        return s;
}

/* Whether nobody looks after the folder, though somebody should; cron's passes are far apart. */
static bool is_deserted(const cJSON *last, const LeaseOwner *owner) {
        usec_t seen = json_time(last, "time"), now = clock_now();
        bool once = json_bool(json_object(last, "daemon"), "once", false);

        if (owner && owner->alive && !owner->released)
                return false;
        return !once || !seen || now > seen + PASS_OVERDUE;
}

/* What the daemon last found in need of attention, after what only a reader can see: that there is none. */
static cJSON *attention_json(const Offline *o, const cJSON *last, const LeaseOwner *owner) {
        const cJSON *old = json_array(last, "attention");
        _cleanup_json_ cJSON *array = old ? cJSON_Duplicate(old, true) : cJSON_CreateArray();
        _cleanup_free_ char *advice = NULL;
        cJSON *item;

        if (!array || !is_deserted(last, owner))
                return TAKE_PTR(array);
        advice = streq(o->config->instance, "default")
                ? strdup("Start it: systemctl --user start flowcron; or have cron run `flowcrond --once`.")
                : xasprintf(
                          "Start it: systemctl --user start flowcron@%s; or have cron run `flowcrond -i %s --once`.",
                          o->config->instance, o->config->instance);
        item = cJSON_CreateObject();
        if (!advice || !item ||
                json_set_str(item, "what",
                        "flowcrond does not run: nothing is taken up, and no job is followed.") <
                        0 ||
                json_set_str(item, "advice", advice) < 0 ||
                !cJSON_InsertItemInArray(array, 0, item)) {
                cJSON_Delete(item);
                return NULL;
        }
        return TAKE_PTR(array);
}

static int copy_member(cJSON *to, const cJSON *from, const char *key) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(from, key);

        return item ? json_set_item(to, key, cJSON_Duplicate(item, true)) : 0;
}

static int fill_status(const Offline *o, const cJSON *last, cJSON *status) {
        LeaseOwner owner, *known = NULL;
        int r;

        if (lease_read(o->layout->fd[PLACE_STATE], &owner) == 0)
                known = &owner;
        r = json_set_str(status, "instance", o->config->instance);
        if (r >= 0)
                r = json_set_name(status, "base", o->layout->base);
        if (r >= 0)
                r = json_set_item(status, "daemon", daemon_json(last, known));
        if (r >= 0)
                r = copy_member(status, last, "host");
        if (r >= 0)
                r = json_object(last, "watch")
                        ? copy_member(status, last, "watch")
                        : json_set_item(status, "watch", cJSON_CreateObject());
        if (r >= 0)
                r = json_object(last, "scheduler")
                        ? copy_member(status, last, "scheduler")
                        : json_set_item(status, "scheduler", scheduler_json(o));
        if (r >= 0)
                r = json_set_item(status, "counts", count_states(o));
        if (r >= 0)
                r = json_set_item(status, "attention", attention_json(o, last, known));
        return r < 0 ? r : copy_member(status, last, "time");
}

cJSON *offline_status(const Offline *o) {
        _cleanup_json_ cJSON *last = last_words(o), *status = cJSON_CreateObject();

        if (!last || !status || fill_status(o, last, status) < 0)
                return NULL;
        return TAKE_PTR(status);
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
