/* SPDX-License-Identifier: Apache-2.0 */

/* Orders from people: by name over the socket, or left on disk for the next owner. */

#include <string.h>

#include "manager-internal.h"
#include "requests.h"
#include "text.h"

static const struct {
        const char *word;
        int (*give)(Machine *m, Uow *u, const char *by, Error *e);
} orders[] = {
        { "retry", machine_order_retry },
        { "cancel", machine_order_cancel },
        { "restore", machine_order_restore },
        { "purge", machine_order_purge },
};

int manager_order(
        Manager *m, const char *order, const char *what, const char *by, Uow **ret, Error *e) {
        Uow *u = NULL;
        int r;

        r = uowset_find(m->uows, what, &u, e);
        if (r != 0)
                return r;
        if (ret)
                *ret = u;
        for (size_t i = 0; i < ELEMENTSOF(orders); i++)
                if (streq(orders[i].word, order))
                        return orders[i].give(m->machine, u, by, e);
        return error_set(e, UOW_E_INVALID, "there is no order \"%s\"", order);
}

/*
 * A request is removed only when what it caused is durable: a crash before that has it carried out once more, which its state
 * then refuses or bears. Until then it lies in the folder, and another look passes it over.
 */
struct Carried {
        Manager *manager;
        char *file;
        struct Carried *next;
};

static struct Carried *carried_free(struct Carried *c) {
        if (!c)
                return NULL;
        free(c->file);
        free(c);
        return NULL;
}

static bool is_carried(const Manager *m, const char *file) {
        for (const struct Carried *c = m->carried; c; c = c->next)
                if (streq(c->file, file))
                        return true;
        return false;
}

static void carried_drop(struct Carried *gone) {
        struct Carried **c = &gone->manager->carried;

        while (*c != gone)
                c = &(*c)->next;
        *c = gone->next;
        carried_free(gone);
}

static void on_durable(int r, void *userdata) {
        struct Carried *c = userdata;

        if (r == 0)
                r = requests_remove(c->manager->layout->fd[PLACE_REQUESTS], c->file);
        if (r < 0)
                log_warning("Request %s could not be closed: %s", c->file, strerror(-r));
        carried_drop(c);
}

static int close_request(Manager *m, const Request *request) {
        struct Carried *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        c->manager = m;
        c->file = strdup(request->file);
        r = c->file ? machine_after_commit(m->machine, on_durable, c) : -ENOMEM;
        if (r < 0) {
                carried_free(c);
                return r;
        }
        c->next = m->carried;
        m->carried = c;
        return 0;
}

void manager_requests_done(Manager *m) {
        struct Carried *c;

        while ((c = m->carried)) {
                m->carried = c->next;
                carried_free(c);
        }
}

static int carry_out(Manager *m, const Request *request) {
        _cleanup_free_ char *name = text_printable(request->uow ?: "", 0);
        Error e = {};
        int r;

        if (streq(request->order, "reload"))
                r = manager_reload(m, &e) == 0 ? 0 : UOW_E_INVALID;
        else if (streq(request->order, "rescan"))
                r = scan_all(m->scan, &e);
        else
                r = manager_order(m, request->order, request->uow ?: "", "request", NULL, &e);
        if (r < 0) {
                log_warning("The order to %s %s left on disk can't be carried out now: %s",
                        request->order, name ?: "?", e.text[0] ? e.text : strerror(-r));
                return 0; /* it stays for the next look */
        }
        if (r > 0)
                log_warning("The order to %s %s left on disk is refused: %s", request->order,
                        name ?: "?", e.text);
        return close_request(m, request);
}

void manager_requests(Manager *m) {
        _cleanup_json_ cJSON *bad = NULL;
        Requests requests = {};
        const cJSON *name;
        Error e = {};
        int r;

        if (machine_trouble(m->machine))
                return; /* no order can be noted now */
        r = requests_read(m->layout->fd[PLACE_REQUESTS], &requests, &bad, &e);
        if (r < 0) {
                log_warning("Orders left on disk can't be read: %s", e.text);
                return;
        }
        cJSON_ArrayForEach(name, bad)
                log_warning("Request %s is no order of this folder's owner; it was set aside.",
                        cJSON_GetStringValue(name));
        for (size_t i = 0; r >= 0 && i < requests.n; i++)
                if (!is_carried(m, requests.items[i].file))
                        r = carry_out(m, &requests.items[i]);
        requests_done(&requests);
}
