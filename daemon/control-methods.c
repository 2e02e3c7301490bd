/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The methods of org.flowcron.Control, but for those that stream (control-streams.c).
 *
 * An order is answered when it is durable, not before. A history is read by a worker, since it may be scattered over
 * many files. Called by control.c only, with the manager as userdata.
 */

#include "control-methods.h"

#include <string.h>

#include "manager-internal.h"
#include "arriving.h"
#include "text.h"
#include "varlink.h"

/* A worker's answer is bounded by 4 MiB; older events than fit are left out. */
#define HISTORY_MAX ((size_t)3 * 1024 * 1024)

#define CANDIDATES_MAX 20

/* ---- parameters and errors ---- */

static cJSON *one_text(const char *key, const char *value) {
        cJSON *o = cJSON_CreateObject();

        if (o && json_set_str(o, key, value) < 0) {
                cJSON_Delete(o);
                return NULL;
        }
        return o;
}

int control_invalid(ControlCall *call, const char *key) {
        return control_error(call, VARLINK_E_INVALID_PARAMETER, one_text("parameter", key));
}

int control_say(ControlCall *call, const char *error, const char *message) {
        return control_error(call, error, one_text("message", message));
}

bool control_check_parameters(
        ControlCall *call, const cJSON *parameters, const char *const *known) {
        const cJSON *p;

        cJSON_ArrayForEach(p, parameters) {
                size_t i = 0;

                while (known[i] && !streq(known[i], p->string))
                        i++;
                if (!known[i]) {
                        control_invalid(call, p->string);
                        return false;
                }
        }
        return true;
}

bool control_string(ControlCall *call, const cJSON *parameters, const char *key, bool optional,
        const char **ret) {
        const cJSON *p = cJSON_GetObjectItemCaseSensitive(parameters, key);

        if (cJSON_IsString(p) || (optional && (!p || cJSON_IsNull(p)))) {
                *ret = cJSON_GetStringValue(p);
                return true;
        }
        control_invalid(call, key);
        return false;
}

int control_reply_item(ControlCall *call, const char *key, cJSON *item) {
        cJSON *o = cJSON_CreateObject();

        if (!o) {
                cJSON_Delete(item);
                return -ENOMEM;
        }
        if (json_set_item(o, key, item) < 0) {
                cJSON_Delete(o);
                return -ENOMEM;
        }
        return control_reply(call, o);
}

/* Most methods take the one parameter "uow". False: the call is refused. */
static bool get_uow_parameter(ControlCall *call, const cJSON *parameters, const char **ret) {
        static const char *const known[] = { "uow", NULL };

        return control_check_parameters(call, parameters, known) &&
                control_string(call, parameters, "uow", false, ret);
}

static bool has_no_parameters(ControlCall *call, const cJSON *parameters) {
        static const char *const none[] = { NULL };

        return control_check_parameters(call, parameters, none);
}

/* ---- who is meant ---- */

static int add_candidates(const Manager *m, const char *what, cJSON *array) {
        int r = 0;

        for (size_t i = uowset_size(m->uows); r >= 0 && i > 0; i--) {
                const Uow *u = uowset_at(m->uows, i - 1);
                _cleanup_free_ char *name = text_escape(u->folder);

                if (cJSON_GetArraySize(array) >= CANDIDATES_MAX)
                        break;
                if (!name)
                        return -ENOMEM;
                if (u->state == UOW_PURGED ? startswith(u->id, what) != NULL
                                           : startswith(u->id, what) || startswith(name, what))
                        r = json_add_str(array, u->state == UOW_PURGED ? u->id : name);
        }
        return r;
}

static int say_ambiguous(ControlCall *call, const Manager *m, const char *what, const char *text) {
        _cleanup_json_ cJSON *o = one_text("message", text);
        cJSON *array = cJSON_CreateArray();

        if (!o || !array || add_candidates(m, what, array) < 0) {
                cJSON_Delete(array);
                return -ENOMEM;
        }
        if (json_set_item(o, "candidates", array) < 0)
                return -ENOMEM;
        return control_error(call, CONTROL_INTERFACE ".Ambiguous", TAKE_PTR(o));
}

/* The answer for whatever else than 0 a look-up or an order came to. */
static int say_outcome(ControlCall *call, const Manager *m, const char *what, int r, Error *e) {
        if (!e->text[0])
                error_set(e, r, "%s", r < 0 ? strerror(-r) : "it can't be done");
        switch (r) {
        case UOW_E_NOT_FOUND:
                return control_say(call, CONTROL_INTERFACE ".NotFound", e->text);
        case UOW_E_AMBIGUOUS:
                return say_ambiguous(call, m, what, e->text);
        case UOW_E_STATE:
                return control_say(call, CONTROL_INTERFACE ".WrongState", e->text);
        default:
                return control_say(call, CONTROL_INTERFACE ".NotDurable", e->text);
        }
}

/*
 * The newest of that name, and that is the one that is still arriving, if there is one. Sets either *ret or
 * *ret_arriving, which is a new value.
 */
static int find(const Manager *m, const char *what, Uow **ret, cJSON **ret_arriving, Error *e) {
        _cleanup_json_ cJSON *arriving = manager_arriving(m);
        const cJSON *found;
        Error unused = {};
        int r;

        if (!arriving)
                return -ENOMEM;
        found = arriving_exact(arriving, what);
        if (!found) {
                r = uowset_find(m->uows, what, ret, e);
                if (r != UOW_E_NOT_FOUND)
                        return r;
                r = arriving_find(arriving, what, &found, &unused);
                if (r == UOW_E_AMBIGUOUS)
                        *e = unused;
                if (r != 0)
                        return r;
        }
        *ret_arriving = cJSON_Duplicate(found, true);
        return *ret_arriving ? 0 : -ENOMEM;
}

/* ---- looking ---- */

static int get_status(ControlCall *call, const cJSON *parameters, void *userdata) {
        if (!has_no_parameters(call, parameters))
                return 0;
        return control_reply_item(call, "status", manager_status(userdata));
}

static int show(ControlCall *call, const cJSON *parameters, void *userdata) {
        Manager *m = userdata;
        cJSON *arriving = NULL;
        const char *what;
        Uow *u = NULL;
        Error e = {};
        int r;

        if (!get_uow_parameter(call, parameters, &what))
                return 0;
        r = find(m, what, &u, &arriving, &e);
        if (r != 0)
                return say_outcome(call, m, what, r, &e);
        return control_reply_item(call, "uow", arriving ?: machine_uow_json(m->machine, u));
}

/* ---- history ---- */

typedef struct HistoryJob {
        ControlCall *call; /* NULL: its client is gone */
        int statedir;
        char id[UOW_ID_MAX];
        uint64_t first, last;
} HistoryJob;

typedef struct History {
        cJSON *events;
        size_t size;
        bool truncated;
} History;

static int collect(const Event *ev, void *userdata) {
        History *h = userdata;
        cJSON *o = event_to_json(ev);
        _cleanup_free_ char *text = o ? json_print(o) : NULL;

        if (!text || !cJSON_AddItemToArray(h->events, o)) {
                cJSON_Delete(o);
                return -ENOMEM;
        }
        h->size += strlen(text) + 1;
        while (h->size > HISTORY_MAX) {
                _cleanup_json_ cJSON *oldest = cJSON_DetachItemFromArray(h->events, 0);
                _cleanup_free_ char *gone = oldest ? json_print(oldest) : NULL;

                if (!gone)
                        return -ENOMEM;
                h->size -= strlen(gone) + 1;
                h->truncated = true;
        }
        return 0;
}

static int history_work(void *arg, cJSON *result, Error *e) {
        const HistoryJob *j = arg;
        History h = { .events = cJSON_CreateArray() };
        int r = -ENOMEM;

        if (h.events)
                r = eventlog_history(j->statedir, j->id, j->first, j->last, collect, &h);
        if (r < 0) {
                cJSON_Delete(h.events);
                return error_set(e, r, "The history can't be read: %s", strerror(-r));
        }
        r = json_set_item(result, "events", h.events);
        if (r >= 0 && h.truncated)
                r = json_set_bool(result, "truncated", true);
        return r;
}

static void history_done(int r, const cJSON *result, const Error *e, void *userdata) {
        HistoryJob *j = userdata;
        cJSON *answer;

        if (!j->call)
                return;
        if (r == 0 && (answer = cJSON_Duplicate(result, true))) {
                control_reply(j->call, answer);
                return;
        }
        control_say(j->call, CONTROL_INTERFACE ".NotDurable",
                e->text[0] ? e->text : "The history can't be read.");
}

static void history_cancel(ControlCall *call _unused_, void *userdata) {
        HistoryJob *j = userdata;

        j->call = NULL;
}

static int history_begin(ControlCall *call, Manager *m, const Uow *u) {
        HistoryJob *j = malloc(sizeof(*j));
        int r;

        if (!j)
                return -ENOMEM;
        *j = (HistoryJob){ .call = call,
                .statedir = m->layout->fd[PLACE_STATE],
                .first = u->first_seq,
                .last = u->last_seq };
        memcpy(j->id, u->id, sizeof(j->id));
        r = worker_run(m->workers, LANE_STAGE, history_work, j, free, history_done, j);
        if (r < 0) {
                free(j);
                return r;
        }
        control_on_cancel(call, history_cancel, j);
        return 0;
}

static int history(ControlCall *call, const cJSON *parameters, void *userdata) {
        Manager *m = userdata;
        _cleanup_json_ cJSON *arriving = NULL;
        const char *what;
        Uow *u = NULL;
        Error e = {};
        int r;

        if (!get_uow_parameter(call, parameters, &what))
                return 0;
        /* One that is still arriving has none; so an older one of that name is meant. */
        r = uowset_find(m->uows, what, &u, &e);
        if (r == UOW_E_NOT_FOUND && find(m, what, &u, &arriving, &e) == 0)
                return control_reply_item(call, "events", cJSON_CreateArray());
        return r == 0 ? history_begin(call, m, u) : say_outcome(call, m, what, r, &e);
}

/* ---- orders ---- */

typedef struct Pending {
        Manager *manager;
        ControlCall *call;
        char id[UOW_ID_MAX];
} Pending;

static void on_durable(int r, void *userdata) {
        _cleanup_free_ Pending *p = userdata;
        Manager *m = p->manager;
        const Uow *u = uowset_get(m->uows, p->id);

        control_on_cancel(p->call, NULL, NULL);
        if (r < 0)
                control_say(p->call, CONTROL_INTERFACE ".NotDurable", strerror(-r));
        else if (u)
                control_reply_item(p->call, "uow", machine_uow_json(m->machine, u));
        else
                control_say(p->call, CONTROL_INTERFACE ".NotFound", "it is gone");
}

static void order_cancel(ControlCall *call _unused_, void *userdata) {
        Pending *p = userdata;

        machine_forget(p->manager->machine, p);
        free(p);
}

static int answer_when_durable(ControlCall *call, Manager *m, const Uow *u) {
        Pending *p = malloc(sizeof(*p));
        int r;

        if (!p)
                return -ENOMEM;
        *p = (Pending){ .manager = m, .call = call };
        memcpy(p->id, u->id, sizeof(p->id));
        control_on_cancel(call, order_cancel, p);
        r = machine_after_commit(m->machine, on_durable, p);
        if (r < 0) {
                control_on_cancel(call, NULL, NULL);
                free(p);
        }
        return r;
}

static int order(ControlCall *call, const cJSON *parameters, Manager *m, const char *word) {
        _cleanup_json_ cJSON *arriving = NULL;
        const char *what;
        Uow *u = NULL;
        Error e = {};
        int r;

        if (!get_uow_parameter(call, parameters, &what))
                return 0;
        r = manager_order(m, word, what, "control", &u, &e);
        if (r == 0)
                return answer_when_durable(call, m, u);
        if (r == UOW_E_NOT_FOUND && find(m, what, &u, &arriving, &e) == 0)
                r = error_set(&e, UOW_E_STATE,
                        "It is still arriving: there is nothing to %s before its upload is complete.",
                        word);
        return say_outcome(call, m, what, r, &e);
}

static int retry(ControlCall *call, const cJSON *parameters, void *userdata) {
        return order(call, parameters, userdata, "retry");
}

static int cancel(ControlCall *call, const cJSON *parameters, void *userdata) {
        return order(call, parameters, userdata, "cancel");
}

static int restore(ControlCall *call, const cJSON *parameters, void *userdata) {
        return order(call, parameters, userdata, "restore");
}

static int purge(ControlCall *call, const cJSON *parameters, void *userdata) {
        return order(call, parameters, userdata, "purge");
}

/* ---- the daemon itself ---- */

static int reload(ControlCall *call, const cJSON *parameters, void *userdata) {
        Error e = {};
        int r;

        if (!has_no_parameters(call, parameters))
                return 0;
        r = manager_reload(userdata, &e);
        if (r == 0)
                return control_reply(call, NULL);
        return control_say(call, CONTROL_INTERFACE ".ConfigInvalid",
                e.text[0] ? e.text : "The configuration can't be read.");
}

static int rescan(ControlCall *call, const cJSON *parameters, void *userdata) {
        if (!has_no_parameters(call, parameters))
                return 0;
        manager_scan(userdata);
        return control_reply(call, NULL);
}

const ControlMethod control_methods[] = {
        { CONTROL_INTERFACE ".GetStatus", get_status },
        { CONTROL_INTERFACE ".List", control_list },
        { CONTROL_INTERFACE ".Show", show },
        { CONTROL_INTERFACE ".History", history },
        { CONTROL_INTERFACE ".Retry", retry },
        { CONTROL_INTERFACE ".Cancel", cancel },
        { CONTROL_INTERFACE ".Restore", restore },
        { CONTROL_INTERFACE ".Purge", purge },
        { CONTROL_INTERFACE ".Watch", control_watch },
        { CONTROL_INTERFACE ".Reload", reload },
        { CONTROL_INTERFACE ".Rescan", rescan },
};

const size_t control_n_methods = ELEMENTSOF(control_methods);
