/* SPDX-License-Identifier: Apache-2.0 */

/* Orders whose effect is not durable yet, see carried.h. */

#include "carried.h"

#include <string.h>

#include "log.h"
#include "text.h"

typedef struct Order {
        Carried *carried;
        char *name, *answer;
        bool told; /* how its commit went */
        TAILQ_ENTRY(Order) entry;
} Order;

struct Carried {
        Machine *machine;
        CarriedFunc func;
        void *userdata;
        TAILQ_HEAD(, Order) orders;
};

int carried_new(Machine *m, CarriedFunc func, void *userdata, Carried **ret) {
        Carried *c = malloc(sizeof(*c));

        if (!c)
                return -ENOMEM;
        *c = (Carried){ .machine = m, .func = func, .userdata = userdata };
        TAILQ_INIT(&c->orders);
        *ret = c;
        return 0;
}

static void order_free(Order *o) {
        free(o->name);
        free(o->answer);
        free(o);
}

static void drop(Order *o) {
        TAILQ_REMOVE(&o->carried->orders, o, entry);
        order_free(o);
}

Carried *carried_free(Carried *c) {
        Order *o;

        if (!c)
                return NULL;
        while ((o = TAILQ_FIRST(&c->orders))) {
                machine_forget(c->machine, o);
                drop(o);
        }
        free(c);
        return NULL;
}

static void close_order(Order *o) {
        if (o->carried->func(o->name, o->answer, o->carried->userdata) == 0)
                drop(o);
}

static void on_durable(int r, void *userdata) {
        Order *o = userdata;

        o->told = true;
        if (r == 0)
                close_order(o);
        /* What a failed commit leaves goes with the next one: carried_close() comes after that. */
}

void carried_close(Carried *c) {
        Order *o, *next;

        for (o = TAILQ_FIRST(&c->orders); o; o = next) {
                next = TAILQ_NEXT(o, entry);
                if (o->told)
                        close_order(o);
        }
}

int carried_add(Carried *c, const char *name, const char *answer) {
        Order *o = calloc(1, sizeof(*o));
        int r = -ENOMEM;

        if (!o)
                return -ENOMEM;
        o->carried = c;
        o->name = strdup(name);
        if (o->name && strdup_to(&o->answer, answer) >= 0)
                r = machine_after_commit(c->machine, on_durable, o);
        if (r < 0) {
                order_free(o);
                return r;
        }
        TAILQ_INSERT_TAIL(&c->orders, o, entry);
        return 0;
}

bool carried_has(const Carried *c, const char *name) {
        const Order *o;

        TAILQ_FOREACH(o, &c->orders, entry)
                if (streq(o->name, name))
                        return true;
        return false;
}
