/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What people may ask for, by whatever way the order came. A refusal changes nothing and says why; an order that
 * is being carried out already is taken once more without effect.
 */

#include "machine-internal.h"

#include <string.h>

#include "text.h"

/* It may be on its way for hours, and is not ours any more from some instant in them. */
static bool is_moving_on(const Uow *u) {
        const UowRun *run = u->run;

        return u->moved_to || (run && run->errand == ERRAND_CHAIN);
}

static const char *state_words(const Uow *u) {
        if (u->quarantined)
                return "in quarantine, because a line of its history is damaged";
        if (u->purging && u->state != UOW_PURGED)
                return "being removed for good";
        if (u->phase == PHASE_SETTLING)
                return "being filed, its outcome is decided";
        if (u->moved_to)
                return "with the next instance of the chain";
        if (is_moving_on(u))
                return "on its way to the next instance of the chain";
        return state_to_string(u->state);
}

static int refuse(const Uow *u, const char *order, const char *allowed, Error *e) {
        _cleanup_free_ char *name = text_printable(u->folder, 0);

        return error_set(e, UOW_E_STATE, "%s can't be %s: it is %s. %s", name ?: "It", order,
                state_words(u), allowed);
}

static int give(Machine *m, Uow *u, EventType type, const char *by, Error *e) {
        _cleanup_json_ cJSON *data = NULL;
        int r = machine_trouble(m);

        if (r < 0)
                return error_set(e, r,
                        "Nothing was changed, since no order can be noted: the event log can't be written (%s).",
                        strerror(-r));
        data = cJSON_CreateObject();
        if (!data || json_set_str(data, "by", by) < 0)
                return -ENOMEM;
        r = machine_post(m, u, type, TAKE_PTR(data));
        if (r != 0)
                return error_set(e, r, "The order could not be noted.");
        machine_kick(m, u);
        return 0;
}

int machine_order_retry(Machine *m, Uow *u, const char *by, Error *e) {
        if (u->quarantined || u->purging || is_moving_on(u) ||
                (u->state != UOW_FINISHED && u->state != UOW_SOFT_DELETED))
                return refuse(
                        u, "retried", "Only what is finished or in the recycling bin can be.", e);
        return give(m, u, EVENT_RETRY, by, e);
}

int machine_order_cancel(Machine *m, Uow *u, const char *by, Error *e) {
        if (u->quarantined || !uow_is_active(u) || u->phase == PHASE_SETTLING)
                return refuse(u, "cancelled", "Only what is not finished can be.", e);
        if (u->cancelling)
                return 0;
        return give(m, u, EVENT_CANCELLING, by, e);
}

int machine_order_restore(Machine *m, Uow *u, const char *by, Error *e) {
        int r;

        if (u->quarantined || u->purging || u->state != UOW_SOFT_DELETED)
                return refuse(u, "restored", "Only what is in the recycling bin can be.", e);
        r = give(m, u, EVENT_RESTORED, by, e);
        if (r == 0 && u->run)
                ((UowRun *)u->run)->misplaced = true;
        return r;
}

int machine_order_purge(Machine *m, Uow *u, const char *by, Error *e) {
        UowRun *run;

        if (u->quarantined || is_moving_on(u) ||
                (u->state != UOW_FINISHED && u->state != UOW_SOFT_DELETED))
                return refuse(u, "purged",
                        "Only what is finished or in the recycling bin can be; cancel it first.",
                        e);
        if (u->purging)
                return 0;
        run = machine_run(m, u);
        if (!run)
                return -ENOMEM;
        run->purge_by = streq(by, "retention") ? "retention" : "order";
        return give(m, u, EVENT_PURGING, by, e);
}

int machine_soft_delete(Machine *m, Uow *u, const char *by) {
        int r;

        if (u->quarantined || u->purging || is_moving_on(u) || u->state != UOW_FINISHED)
                return UOW_E_STATE;
        r = give(m, u, EVENT_SOFT_DELETED, by, NULL);
        if (r == 0 && u->run)
                ((UowRun *)u->run)->misplaced = true;
        return r;
}
