/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The methods that answer in parts: List and Watch.
 *
 * Nothing is sent ahead of the client: the next part is made when the one before has left the queue. So a hundred thousand Units of Work
 * cost the memory of a few hundred. What is known of a Unit of Work is looked up when it is sent; records are never
 * removed from the set, which makes a place in it a good bookmark.
 */

#include "control-methods.h"

#include <string.h>

#include "text.h"
#include "varlink.h"

#define PART_MAX 200

/* ---- List ---- */

typedef struct Listing {
        Manager *manager;
        UowState state; /* UOW_NEW: any */
        UowOutcome outcome;
        bool all;
        cJSON *arriving; /* those that are still to be sent */
        size_t next;     /* so many of the set are still to be looked at, the newest first */
} Listing;

static Listing *listing_free(Listing *l) {
        if (!l)
                return NULL;
        cJSON_Delete(l->arriving);
        free(l);
        return NULL;
}
DEFINE_CLEANUP(Listing *, listing_free)

static bool is_wanted(const Listing *l, const Uow *u) {
        if (l->state != UOW_NEW && u->state != l->state)
                return false;
        if (l->outcome != OUTCOME_NONE && u->outcome != l->outcome)
                return false;
        return l->all || l->state == UOW_PURGED || u->state != UOW_PURGED;
}

static int take_arriving(Listing *l) {
        bool wanted =
                (l->state == UOW_NEW || l->state == UOW_ARRIVING) && l->outcome == OUTCOME_NONE;

        l->arriving = wanted ? manager_arriving(l->manager) : cJSON_CreateArray();
        return l->arriving ? 0 : -ENOMEM;
}

/* Moves on to the next that is wanted. */
static bool has_more(Listing *l) {
        if (l->arriving->child)
                return true;
        while (l->next > 0 && !is_wanted(l, uowset_at(l->manager->uows, l->next - 1)))
                l->next--;
        return l->next > 0;
}

static cJSON *take_next(Listing *l) {
        if (l->arriving->child)
                return cJSON_DetachItemFromArray(l->arriving, 0);
        return machine_uow_json(l->manager->machine, uowset_at(l->manager->uows, --l->next));
}

static int make_part(Listing *l, cJSON **ret) {
        _cleanup_json_ cJSON *o = cJSON_CreateObject();
        cJSON *array = o ? cJSON_AddArrayToObject(o, "uows") : NULL;

        if (!array)
                return -ENOMEM;
        for (int n = 0; n < PART_MAX && has_more(l); n++) {
                cJSON *item = take_next(l);

                if (!item || !cJSON_AddItemToArray(array, item)) {
                        cJSON_Delete(item);
                        return -ENOMEM;
                }
        }
        *ret = TAKE_PTR(o);
        return 0;
}

static void listing_cancel(ControlCall *call _unused_, void *userdata) {
        listing_free(userdata);
}

/* Ends the listing with the last part. */
static void listing_send(ControlCall *call, void *userdata) {
        Listing *l = userdata;
        cJSON *part = NULL;

        if (make_part(l, &part) >= 0 && has_more(l)) {
                (void)control_reply_more(call, part);
                return;
        }
        control_on_cancel(call, NULL, NULL);
        listing_free(l);
        if (part)
                control_reply(call, part);
        else
                control_say(call, CONTROL_INTERFACE ".NotDurable", strerror(ENOMEM));
}

/* Without "more" the client gets all at once, or is told to ask for parts. */
static int list_at_once(ControlCall *call, Listing *l) {
        cJSON *part = NULL;
        int r = make_part(l, &part);

        if (r < 0)
                return r;
        if (has_more(l)) {
                cJSON_Delete(part);
                return control_error(call, VARLINK_E_EXPECTED_MORE, NULL);
        }
        return control_reply(call, part);
}

static bool parse_words(ControlCall *call, const cJSON *parameters, Listing *l) {
        const char *state, *outcome;
        int s, o;

        if (!control_string(call, parameters, "state", true, &state) ||
                !control_string(call, parameters, "outcome", true, &outcome))
                return false;
        s = state ? state_from_string(state) : UOW_NEW;
        o = outcome ? outcome_from_string(outcome) : OUTCOME_NONE;
        if (s < 0 || o < 0) {
                control_invalid(call, s < 0 ? "state" : "outcome");
                return false;
        }
        l->state = (UowState)s;
        l->outcome = (UowOutcome)o;
        return true;
}

static bool parse_listing(ControlCall *call, const cJSON *parameters, Listing *l) {
        static const char *const known[] = { "state", "outcome", "all", NULL };
        const cJSON *all = cJSON_GetObjectItemCaseSensitive(parameters, "all");

        if (!control_check_parameters(call, parameters, known) || !parse_words(call, parameters, l))
                return false;
        if (all && !cJSON_IsBool(all) && !cJSON_IsNull(all)) {
                control_invalid(call, "all");
                return false;
        }
        l->all = cJSON_IsTrue(all);
        return true;
}

int control_list(ControlCall *call, const cJSON *parameters, void *userdata) {
        _cleanup_(listing_freep) Listing *l = calloc(1, sizeof(*l));
        int r;

        if (!l)
                return -ENOMEM;
        l->manager = userdata;
        l->next = uowset_size(l->manager->uows);
        if (!parse_listing(call, parameters, l))
                return 0;
        r = take_arriving(l);
        if (r < 0)
                return r;
        if (!control_wants_more(call))
                return list_at_once(call, l);
        control_on_cancel(call, listing_cancel, l);
        control_on_drain(call, listing_send, TAKE_PTR(l));
        return 0;
}

/* ---- Watch ---- */

typedef struct Watcher {
        Manager *manager;
        size_t next; /* of the set: this is to be sent next, while the snapshot lasts */
} Watcher;

static void watcher_cancel(ControlCall *call _unused_, void *userdata) {
        free(userdata);
}

static void watcher_drop(ControlCall *call, Watcher *w) {
        control_on_cancel(call, NULL, NULL);
        control_on_drain(call, NULL, NULL);
        free(w);
        control_error(call, CONTROL_INTERFACE ".TooSlow", NULL);
}

/* @ev NULL: part of the snapshot. */
static int send_uow(ControlCall *call, const Manager *m, const Uow *u, const Event *ev) {
        _cleanup_json_ cJSON *o = cJSON_CreateObject();
        int r;

        if (!o)
                return -ENOMEM;
        r = json_set_item(o, "uow", machine_uow_json(m->machine, u));
        if (r >= 0 && ev)
                r = json_set_item(o, "event", event_to_json(ev));
        return r < 0 ? r : control_reply_more(call, TAKE_PTR(o));
}

static int send_caught_up(ControlCall *call) {
        cJSON *o = cJSON_CreateObject();

        if (!o || json_set_bool(o, "caught_up", true) < 0) {
                cJSON_Delete(o);
                return -ENOMEM;
        }
        return control_reply_more(call, o);
}

static void watcher_send(ControlCall *call, void *userdata) {
        Watcher *w = userdata;
        const UowSet *uows = w->manager->uows;
        int r = 0;

        for (int n = 0; r >= 0 && n < PART_MAX && w->next < uowset_size(uows); w->next++) {
                const Uow *u = uowset_at(uows, w->next);

                if (u->state == UOW_PURGED)
                        continue;
                r = send_uow(call, w->manager, u, NULL);
                n++;
        }
        if (r >= 0 && w->next >= uowset_size(uows)) {
                control_on_drain(call, NULL, NULL);
                r = send_caught_up(call);
        }
        /* A client that has gone is cleared away by control.c. */
        if (r < 0 && r != -EPIPE && r != -ECONNRESET)
                watcher_drop(call, w);
}

int control_watch(ControlCall *call, const cJSON *parameters, void *userdata) {
        static const char *const none[] = { NULL };
        Watcher *w;

        if (!control_check_parameters(call, parameters, none))
                return 0;
        if (!control_wants_more(call))
                return control_error(call, VARLINK_E_EXPECTED_MORE, NULL);
        w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        w->manager = userdata;
        control_on_cancel(call, watcher_cancel, w);
        control_on_drain(call, watcher_send, w);
        return 0;
}

typedef struct News {
        const Uow *uow;
        const Event *event;
} News;

static void tell(ControlCall *call, void *userdata, void *arg) {
        Watcher *w = userdata;
        const News *news = arg;
        int r = send_uow(call, w->manager, news->uow, news->event);

        if (r < 0 && r != -EPIPE && r != -ECONNRESET)
                watcher_drop(call, w);
}

void control_publish(Manager *m, const Uow *u, const Event *ev) {
        News news = { u, ev };

        if (m->control)
                control_each_call(m->control, CONTROL_INTERFACE ".Watch", tell, &news);
}
