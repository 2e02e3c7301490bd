/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One timer for the next thing that is due. All records are looked at when it fires, which is at most
 * once a minute; in between nothing is done, however many results are kept.
 */

#include "retention.h"

#include "clock.h"

/* Handed down per run; the rest follows in the next, so that the loop stays free. */
#define RETENTION_BATCH 100

/* The wall clock may be set while we sleep: never sleep longer than this without looking at it. */
#define RETENTION_LOOK USEC_PER_HOUR

struct Retention {
        const Config *config;
        const UowSet *uows;
        RetentionEvents events;
        sd_event_source *timer;
        bool more; /* is due, and was not handed down in the last run */
};

usec_t retention_due(const Config *c, const Uow *u) {
        if (u->quarantined || u->purging || u->moved_to)
                return USEC_INFINITY;
        /* A clock that was never started does not run out. */
        if (u->state == UOW_FINISHED && c->retention.soft_delete_after && u->filed)
                return u->filed + c->retention.soft_delete_after;
        if (u->state == UOW_SOFT_DELETED && c->retention.purge_after && u->soft_deleted)
                return u->soft_deleted + c->retention.purge_after;
        return USEC_INFINITY;
}

static void hand_down(Retention *r, Uow *u) {
        if (u->state == UOW_FINISHED)
                r->events.soft_delete(u, r->events.userdata);
        else
                r->events.purge(u, r->events.userdata);
}

static void sleep_until(Retention *r, usec_t next, usec_t now) {
        usec_t pause = next > now ? next - now : 0;

        if (pause < USEC_PER_SEC)
                pause = USEC_PER_SEC;
        if (pause > RETENTION_LOOK)
                pause = RETENTION_LOOK;
        sd_event_source_set_time(r->timer, clock_boottime() + pause);
        sd_event_source_set_enabled(
                r->timer, next == USEC_INFINITY ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

void retention_run(Retention *r) {
        size_t n = uowset_size(r->uows), handed = 0;
        usec_t now = clock_now(), next = USEC_INFINITY;

        r->more = false;
        if (!r->config->retention.soft_delete_after && !r->config->retention.purge_after) {
                sleep_until(r, USEC_INFINITY, now);
                return;
        }
        for (size_t i = 0; i < n; i++) {
                Uow *u = uowset_at(r->uows, i);
                usec_t due = retention_due(r->config, u);

                if (due <= now && handed < RETENTION_BATCH) {
                        hand_down(r, u);
                        handed++;
                        due = retention_due(r->config, u);
                } else if (due <= now)
                        r->more = true;
                if (due < next)
                        next = due;
        }
        sleep_until(r, next, now);
}

bool retention_has_more(const Retention *r) {
        return r->more;
}

static int on_timer(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata) {
        retention_run(userdata);
        return 0;
}

int retention_new(sd_event *event, const Config *c, const UowSet *uows,
        const RetentionEvents *events, Retention **ret) {
        _cleanup_(retention_freep) Retention *r = calloc(1, sizeof(*r));
        int k;

        if (!r)
                return -ENOMEM;
        *r = (Retention){ .config = c, .uows = uows, .events = *events };
        k = sd_event_add_time(event, &r->timer, CLOCK_BOOTTIME, 0, USEC_PER_SEC, on_timer, r);
        if (k >= 0)
                k = sd_event_source_set_enabled(r->timer, SD_EVENT_OFF);
        if (k < 0)
                return k;
        *ret = TAKE_PTR(r);
        return 0;
}

Retention *retention_free(Retention *r) {
        if (!r)
                return NULL;
        sd_event_source_unref(r->timer);
        free(r);
        return NULL;
}

void retention_reload(Retention *r, const Config *c) {
        r->config = c;
        retention_run(r);
}
