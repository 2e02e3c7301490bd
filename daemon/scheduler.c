/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The scheduler as the machine sees it: a thin front that picks the backend and keeps its health.
 *
 * Called by the machine only. What a backend must do is told in scheduler.h.
 */

#include "scheduler.h"

#include <stdarg.h>
#include <stdio.h>

#include "text.h"

int scheduler_new_with(const SchedulerVTable *backend, sd_event *event, const Config *c,
        const Layout *l, const SchedulerEvents *events, void *userdata, Scheduler **ret, Error *e) {
        _cleanup_(scheduler_freep) Scheduler *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        s->event = sd_event_ref(event);
        s->config = c;
        s->layout = l;
        s->events = *events;
        s->userdata = userdata;
        s->health.since = clock_now();
        s->vtable = backend;
        r = s->vtable->new (s, e);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

int scheduler_new(sd_event *event, const Config *c, const Layout *l, const SchedulerEvents *events,
        void *userdata, Scheduler **ret, Error *e) {
        return scheduler_new_with(
                c->scheduler.type == SCHEDULER_LOCAL ? &scheduler_local : &scheduler_slurm, event,
                c, l, events, userdata, ret, e);
}

Scheduler *scheduler_free(Scheduler *s) {
        if (!s)
                return NULL;
        if (s->backend)
                s->vtable->free(s);
        sd_event_unref(s->event);
        free(s);
        return NULL;
}

int scheduler_submit(Scheduler *s, Uow *u) {
        return s->vtable->submit(s, u);
}

void scheduler_withdraw(Scheduler *s) {
        if (s->vtable->withdraw)
                s->vtable->withdraw(s);
}

int scheduler_release(Scheduler *s, Uow *u) {
        return s->vtable->release(s, u);
}

int scheduler_cancel(Scheduler *s, Uow *u) {
        return s->vtable->cancel(s, u);
}

int scheduler_poll(Scheduler *s, Uow **uows, size_t n) {
        int r;

        if (s->polling)
                return -EBUSY;
        s->polling = true;
        r = s->vtable->poll(s, uows, n);
        if (r < 0)
                s->polling = false;
        return r;
}

void scheduler_polled(Scheduler *s) {
        s->polling = false;
        s->events.polled(s->userdata);
}

int scheduler_reload(Scheduler *s, const Config *c) {
        s->config = c;
        return s->vtable->reload(s);
}

char **scheduler_args(Scheduler *s, const Uow *u) {
        return s->vtable->args ? s->vtable->args(s, u) : NULL;
}

const SchedulerHealth *scheduler_health(const Scheduler *s) {
        return &s->health;
}

void scheduler_set_health(Scheduler *s, SchedulerAvailability a, const char *fmt, ...) {
        SchedulerHealth *h = &s->health;
        usec_t now = clock_now();
        va_list ap;

        if (h->availability != a) {
                h->availability = a;
                h->since = now;
        }
        if (a == SCHEDULER_UP || a == SCHEDULER_DEGRADED)
                h->last_answer = now;
        va_start(ap, fmt);
        vsnprintf(h->text, sizeof(h->text), fmt, ap);
        va_end(ap);
        h->text[utf8_cut(h->text, sizeof(h->text) - 1)] = 0;
}

const char *scheduler_token(char buf[static SCHEDULER_TOKEN_MAX], const Uow *u) {
        snprintf(buf, SCHEDULER_TOKEN_MAX, "flowcron=%s.%d", u->id, u->attempt);
        return buf;
}
