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

/* A request is removed only when what it caused is durable: a crash before that has it carried out once more, which its state then refuses or bears. */
typedef struct Carried {
        Manager *manager;
        char *file;
} Carried;

static void on_durable(int r, void *userdata) {
        Carried *c = userdata;

        if (r == 0)
                r = requests_remove(c->manager->layout->fd[PLACE_REQUESTS], c->file);
        if (r < 0)
                log_warning("Request %s could not be closed: %s", c->file, strerror(-r));
        free(c->file);
        free(c);
}

static int close_request(Manager *m, const Request *request) {
        Carried *c = malloc(sizeof(*c));
        int r = -ENOMEM;

        if (c) {
                *c = (Carried){ m, strdup(request->file) };
                if (c->file)
                        r = machine_after_commit(m->machine, on_durable, c);
        }
        if (r < 0 && c) {
                free(c->file);
                free(c);
        }
        return r;
}

static int carry_out(Manager *m, const Request *request) {
        Error e = {};
        int r;

        if (streq(request->order, "reload"))
                r = manager_reload(m, &e);
        else if (streq(request->order, "rescan"))
                r = 0; /* whoever reads requests has just scanned */
        else
                r = manager_order(m, request->order, request->uow ?: "", "request", NULL, &e);
        if (r != 0)
                log_warning("The order to %s %s left on disk is refused: %s", request->order,
                        request->uow ?: "", e.text);
        return close_request(m, request);
}

void manager_requests(Manager *m) {
        _cleanup_json_ cJSON *bad = NULL;
        Requests requests = {};
        const cJSON *name;
        Error e = {};
        int r;

        r = requests_read(m->layout->fd[PLACE_REQUESTS], &requests, &bad, &e);
        if (r < 0) {
                log_warning("Orders left on disk can't be read: %s", e.text);
                return;
        }
        cJSON_ArrayForEach(name, bad)
                log_warning("Request %s is no order of this folder's owner; it was set aside.",
                        cJSON_GetStringValue(name));
        for (size_t i = 0; r >= 0 && i < requests.n; i++)
                r = carry_out(m, &requests.items[i]);
        requests_done(&requests);
}
