/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What is due when, and that a run does a bounded part of it.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "retention.h"
#include "text.h"

typedef struct Fixture {
        sd_event *event;
        Config *config;
        UowSet *uows;
        Retention *retention;
        unsigned soft_deleted, purged;
        bool refuse;
        uint64_t seq;
} Fixture;

static void happens(Fixture *f, Uow *u, EventType type, usec_t when, const char *data) {
        Event ev = { .seq = ++f->seq, .time = when, .type = type, .attempt = u->attempt };

        strcpy(ev.id, u->id);
        ev.data = data ? cJSON_Parse(data) : NULL;
        assert_int_equal(uowset_apply(f->uows, &ev, NULL), 0);
        event_done(&ev);
}

static void on_soft_delete(Uow *u, void *userdata) {
        Fixture *f = userdata;

        f->soft_deleted++;
        if (!f->refuse)
                happens(f, u, EVENT_SOFT_DELETED, clock_now(), NULL);
}

static void on_purge(Uow *u, void *userdata) {
        Fixture *f = userdata;

        f->purged++;
        if (!f->refuse)
                happens(f, u, EVENT_PURGING, clock_now(), NULL);
}

static Fixture *fixture_new(const char *yaml) {
        Fixture *f = calloc(1, sizeof(*f));
        const RetentionEvents events = { on_soft_delete, on_purge, f };
        Error e = {};

        if (config_parse_named("test", "/etc/test.yaml", yaml, strlen(yaml), &f->config, &e) != 0)
                fail_msg("%s", e.text);
        assert_true(sd_event_new(&f->event) >= 0);
        f->uows = uowset_new();
        assert_int_equal(retention_new(f->event, f->config, f->uows, &events, &f->retention), 0);
        return f;
}

static void fixture_free(Fixture *f) {
        retention_free(f->retention);
        uowset_free(f->uows);
        config_free(f->config);
        sd_event_unref(f->event);
        free(f);
}

/* A result that was filed at @when. */
static Uow *filed(Fixture *f, usec_t when) {
        Event ev = { .seq = ++f->seq, .time = when, .type = EVENT_UPLOADED };
        Uow *u = NULL;

        snprintf(ev.id, sizeof(ev.id), "%08" PRIu64 "-0000-0000-0000-000000000000", f->seq);
        ev.data = cJSON_Parse("{\"name\":\"u\",\"folder\":\"u\",\"owner\":0}");
        assert_int_equal(uowset_apply(f->uows, &ev, &u), 0);
        event_done(&ev);
        happens(f, u, EVENT_ENDED, when, "{\"outcome\":\"rejected\"}");
        happens(f, u, EVENT_FINISHED, when, NULL);
        return u;
}

#define BOTH "base: /b\nretention: {soft_delete_after: 14d, purge_after: 30d}\n"

static void test_due(void **state) {
        Fixture *f = fixture_new(BOTH);
        usec_t now = clock_now();
        Uow *u = filed(f, now);

        (void)state;
        assert_int_equal(retention_due(f->config, u), now + 14 * USEC_PER_DAY);
        happens(f, u, EVENT_SOFT_DELETED, now + USEC_PER_DAY, NULL);
        assert_int_equal(retention_due(f->config, u), now + 31 * USEC_PER_DAY);
        happens(f, u, EVENT_RESTORED, now + 2 * USEC_PER_DAY, NULL);
        assert_int_equal(retention_due(f->config, u), now + 16 * USEC_PER_DAY); /* begins anew */
        happens(f, u, EVENT_PURGING, now, NULL);
        assert_int_equal(retention_due(f->config, u), USEC_INFINITY);
        fixture_free(f);
}

static void test_never_due(void **state) {
        Fixture *f = fixture_new("base: /b\nretention: {soft_delete_after: 0, purge_after: 1s}\n");
        Uow *u = filed(f, USEC_PER_SEC), *moved = filed(f, USEC_PER_SEC),
            *odd = filed(f, USEC_PER_SEC);

        (void)state;
        assert_int_equal(retention_due(f->config, u), USEC_INFINITY);
        happens(f, odd, EVENT_SOFT_DELETED, USEC_PER_SEC, NULL);
        assert_int_equal(retention_due(f->config, odd), 2 * USEC_PER_SEC);
        odd->quarantined = true;
        assert_int_equal(retention_due(f->config, odd), USEC_INFINITY);
        /* A clock of which nobody knows when it was started. */
        odd->quarantined = false;
        odd->soft_deleted = 0;
        assert_int_equal(retention_due(f->config, odd), USEC_INFINITY);
        happens(f, moved, EVENT_MOVED_ON, USEC_PER_SEC, "{\"moved_to\":\"/next/u\"}");
        assert_int_equal(retention_due(f->config, moved), USEC_INFINITY);
        retention_run(f->retention);
        assert_int_equal(f->soft_deleted + f->purged, 0);
        fixture_free(f);
}

static void test_batches(void **state) {
        Fixture *f = fixture_new(BOTH);

        (void)state;
        for (int i = 0; i < 250; i++)
                filed(f, USEC_PER_SEC);
        filed(f, clock_now());
        retention_run(f->retention);
        assert_int_equal(f->soft_deleted, 100);
        assert_true(retention_has_more(f->retention));
        retention_run(f->retention);
        retention_run(f->retention);
        assert_int_equal(f->soft_deleted, 250);
        assert_false(retention_has_more(f->retention));
        assert_int_equal(f->purged, 0);
        fixture_free(f);
}

/* What can't be done now is not given up, nor tried again without a pause. */
static void test_refused(void **state) {
        Fixture *f = fixture_new(BOTH);

        (void)state;
        filed(f, USEC_PER_SEC);
        f->refuse = true;
        retention_run(f->retention);
        assert_int_equal(sd_event_run(f->event, 0), 0);
        assert_int_equal(f->soft_deleted, 1);
        f->refuse = false;
        retention_run(f->retention);
        assert_int_equal(f->soft_deleted, 2);
        fixture_free(f);
}

/* The timer comes by itself, and the next step follows from the one before. */
static void test_timer(void **state) {
        Fixture *f = fixture_new("base: /b\nretention: {soft_delete_after: 1s, purge_after: 1s}\n");

        (void)state;
        filed(f, clock_now());
        retention_run(f->retention);
        assert_int_equal(f->soft_deleted, 0);
        while (f->purged == 0)
                assert_true(sd_event_run(f->event, UINT64_MAX) > 0);
        assert_int_equal(f->soft_deleted, 1);
        fixture_free(f);
}

static void test_reload(void **state) {
        Fixture *f = fixture_new("base: /b\n");
        Config *other = NULL;
        Error e = {};

        (void)state;
        filed(f, USEC_PER_SEC);
        retention_run(f->retention);
        assert_int_equal(f->soft_deleted, 0);
        assert_int_equal(
                config_parse_named("test", "/etc/test.yaml", BOTH, strlen(BOTH), &other, &e), 0);
        retention_reload(f->retention, other);
        assert_int_equal(f->soft_deleted, 1);
        config_free(f->config);
        f->config = other;
        fixture_free(f);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_due),
                cmocka_unit_test(test_never_due),
                cmocka_unit_test(test_batches),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_timer),
                cmocka_unit_test(test_reload),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
