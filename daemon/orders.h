/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Orders without a login: folders made in Orders/, see lib/order-folder.h for their names.
 *
 * An order is carried out in the order of their making, and its folder renamed to the answer once the effect is durable; a crash
 * before that has it carried out once more, as with every order left on disk. Only real folders count; who may make one there may
 * order. One whose folder can't be renamed is not carried out again while the daemon runs. An answer goes a day after it was given, by the change time of its folder, which the rename sets and nobody can set back;
 * a clock that jumps by more than a day makes answers go early, and nothing else.
 */

#include "layout.h"
#include "machine.h"

typedef struct Orders Orders;

/* Handed down by the manager. */
typedef struct OrdersEvents {
        bool (*may_act)(void *userdata); /* the base folder is ours, as far as can be seen */
        /* As manager_order(): 0, a positive outcome with why in @e, or -errno: not now. */
        int (*order)(const char *order, const char *what, Error *e, void *userdata);
        void *userdata;
} OrdersEvents;

int orders_new(
        sd_event *event, const Layout *l, Machine *m, const OrdersEvents *events, Orders **ret);
Orders *orders_free(Orders *o);
DEFINE_CLEANUP(Orders *, orders_free)

/** orders_look() - carry out what lies there; of many the first now, the others in later turns of the loop. */
void orders_look(Orders *o);

/** orders_seen() - @name (raw bytes) appeared there: look soon, if it may be an order. */
void orders_seen(Orders *o, const char *name);

/** orders_has_more() - the last look left some for the next. */
bool orders_has_more(const Orders *o);
