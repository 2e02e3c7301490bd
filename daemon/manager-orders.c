/* SPDX-License-Identifier: Apache-2.0 */

/* Orders from people: by name over the socket, or left on disk: as folders in Orders/, or as requests for the next owner. */

#include <string.h>

#include "arriving.h"
#include "crashpoint.h"
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

static bool may_act(void *userdata) {
        return manager_owns(userdata);
}

static int order_by_folder(const char *order, const char *what, Error *e, void *userdata) {
        Manager *m = userdata;
        _cleanup_json_ cJSON *arriving = NULL;
        Uow *u = NULL;
        int r = manager_order(m, order, what, "folder", &u, e);

        if (r != UOW_E_NOT_FOUND)
                return r;
        arriving = manager_arriving(m);
        if (arriving_exact(arriving, what))
                error_set(e, r,
                        "it is still arriving: there is nothing to %s before its upload is complete",
                        order);
        return r;
}

static int close_request(const char *file, const char *answer _unused_, void *userdata) {
        Manager *m = userdata;
        int r = requests_remove(m->layout->fd[PLACE_REQUESTS], file);

        if (r < 0)
                log_warning("Request %s could not be closed: %s", file, strerror(-r));
        return r;
}

int manager_orders_new(Manager *m) {
        const OrdersEvents events = { may_act, order_by_folder, m };
        int r = carried_new(m->machine, close_request, m, &m->requests);

        return r < 0 ? r : orders_new(m->event, m->layout, m->machine, &events, &m->orders);
}

static int import_one(Manager *m, const cJSON *j) {
        _cleanup_(import_item_done) ImportItem item = {};
        _cleanup_free_ char *name = NULL;
        Error e = {};
        int r;

        r = import_item_from_json(j, &item);
        if (r == UOW_E_INVALID) {
                log_warning(
                        "A request to import holds something that can't be imported; it is passed over.");
                return 0;
        }
        if (r < 0)
                return r;
        r = machine_import(m->machine, &item, &e);
        if (r <= 0)
                return r;
        name = text_printable(item.folder, 0);
        log_warning("%s is not imported: %s.", name ?: "?", e.text);
        return 0;
}

/* What was taken up before something failed is passed over the next time. */
static int import_all(Manager *m, const cJSON *items, Error *e) {
        const cJSON *item;

        cJSON_ArrayForEach(item, items) {
                int r = import_one(m, item);

                if (r < 0)
                        return error_set(e, r, "%s", strerror(-r));
        }
        return 0;
}

static int carry_out(Manager *m, const Request *request) {
        _cleanup_free_ char *name = text_printable(request->uow ?: "", 0);
        Error e = {};
        int r;

        if (streq(request->order, "reload"))
                r = manager_reload(m, &e) == 0 ? 0 : UOW_E_INVALID;
        else if (streq(request->order, "rescan"))
                r = scan_all(m->scan, &e);
        else if (streq(request->order, "import"))
                r = import_all(m, request->items, &e);
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
        CRASH_POINT("request-carried-out");
        return carried_add(m->requests, request->file, NULL);
}

void manager_requests(Manager *m) {
        _cleanup_json_ cJSON *bad = NULL;
        Requests requests = {};
        const cJSON *name;
        Error e = {};
        int r;

        if (machine_trouble(m->machine))
                return; /* no order can be noted now */
        carried_close(m->requests);
        r = requests_read(m->layout->fd[PLACE_REQUESTS], &requests, &bad, &e);
        if (r < 0) {
                log_warning("Orders left on disk can't be read: %s", e.text);
                return;
        }
        cJSON_ArrayForEach(name, bad)
                log_warning("Request %s is no order of this folder's owner; it was set aside.",
                        cJSON_GetStringValue(name));
        for (size_t i = 0; r >= 0 && i < requests.n; i++)
                if (!carried_has(m->requests, requests.items[i].file))
                        r = carry_out(m, &requests.items[i]);
        requests_done(&requests);
}
