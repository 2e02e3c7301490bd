/* SPDX-License-Identifier: Apache-2.0 */

/*
 * "Look again": what inotify and the timer say, and what happens when there is no inotify to be had.
 */

#include "instance-fixture.h"

#include <sys/inotify.h>
#include <sys/resource.h>

#include "filesystem.h"
#include "json.h"
#include "watch.h"

typedef struct Fixture {
        Instance *instance;
        sd_event *event;
        Watch *watch;
        unsigned everywhere, requests, looks, boards, orders;
        char last[256]; /* the name looked at last */
} Fixture;

static void on_look(const char *name, void *userdata) {
        Fixture *f = userdata;

        f->looks++;
        snprintf(f->last, sizeof(f->last), "%s", name);
}

static void on_everywhere(void *userdata) {
        Fixture *f = userdata;

        f->everywhere++;
        watch_scanned(f->watch);
}

static void on_requests(void *userdata) {
        ((Fixture *)userdata)->requests++;
}

static void on_board(const char *name, void *userdata) {
        Fixture *f = userdata;

        f->boards++;
        snprintf(f->last, sizeof(f->last), "%s", name);
}

static void on_order(const char *name, void *userdata) {
        Fixture *f = userdata;

        f->orders++;
        snprintf(f->last, sizeof(f->last), "%s", name);
}

static Fixture *fixture_new(const char *more) {
        Fixture *f = calloc(1, sizeof(*f));
        const WatchEvents events = { .look = on_look,
                .look_everywhere = on_everywhere,
                .look_requests = on_requests,
                .look_board = on_board,
                .look_order = on_order,
                .userdata = f };
        Error e = {};

        f->instance = instance_new(more);
        assert_true(sd_event_new(&f->event) >= 0);
        if (watch_new(f->event, f->instance->config, f->instance->layout, &events, &f->watch, &e) !=
                0)
                fail_msg("%s", e.text);
        assert_int_equal(watch_start(f->watch, &e), 0);
        assert_int_equal(f->everywhere, 1);
        return f;
}

static void fixture_free(Fixture *f) {
        watch_free(f->watch);
        sd_event_unref(f->event);
        instance_free(f->instance);
        free(f);
}

static void turn(Fixture *f) {
        int r;

        while ((r = sd_event_run(f->event, 0)) != 0)
                assert_true(r > 0);
}

static void expect_json(const Fixture *f, const char *key, const char *wanted) {
        _cleanup_json_ cJSON *o = watch_json(f->watch);

        assert_string_equal(json_str(o, key), wanted);
}

static bool has_trouble(const Fixture *f) {
        _cleanup_json_ cJSON *o = watch_json(f->watch);

        return json_str(o, "trouble") != NULL;
}

static int uploads(const Fixture *f) {
        return place(f->instance, PLACE_UPLOADED);
}

static void reconfigure(Fixture *f, const char *more) {
        _cleanup_free_ char *yaml = xasprintf("base: %s\n%s", f->instance->base, more);
        Config *c = NULL, *old = f->instance->config;
        Error e = {};

        if (config_parse_named("test", "/etc/test.yaml", yaml, strlen(yaml), &c, &e) != 0)
                fail_msg("%s", e.text);
        f->instance->config = c;
        assert_int_equal(watch_reload(f->watch, c, &e), 0);
        config_free(old);
}

#define LONG "rescan_interval: 60m"

static void test_arrivals(void **state) {
        Fixture *f = fixture_new("watch: {mode: inotify, " LONG "}\n");

        (void)state;
        make_uow(f->instance, PLACE_UPLOADED, "u");
        turn(f);
        assert_string_equal(f->last, "u");
        watch_arrival(f->watch, "u");
        f->looks = 0;
        watch_arrival(f->watch, "u"); /* known */
        assert_int_equal(f->looks, 0);
        put_folder(uploads(f), "u/sentinels");
        turn(f);
        assert_int_equal(f->looks, 1);
        assert_string_equal(f->last, "u");
        /* What happens deeper is nobody's business. */
        put_file(uploads(f), "u/data/more", "");
        turn(f);
        assert_int_equal(f->looks, 1);
        watch_forget(f->watch, "u");
        put_folder(uploads(f), "u/other");
        turn(f);
        assert_int_equal(f->looks, 1);
        fixture_free(f);
}

/* What came between the look and the watch would be missed. */
static void test_looks_after_watching(void **state) {
        Fixture *f = fixture_new("watch: {mode: inotify, " LONG "}\n");

        (void)state;
        make_uow(f->instance, PLACE_UPLOADED, "u");
        turn(f);
        f->looks = 0;
        watch_arrival(f->watch, "u");
        assert_int_equal(f->looks, 1);
        watch_arrival(f->watch, "not there");
        assert_false(has_trouble(f));
        fixture_free(f);
}

static void test_renamed_and_removed(void **state) {
        Fixture *f = fixture_new("watch: {mode: inotify, " LONG "}\n");

        (void)state;
        put_folder(uploads(f), "a");
        watch_arrival(f->watch, "a");
        assert_int_equal(renameat(uploads(f), "a", uploads(f), "b"), 0);
        turn(f);
        assert_string_equal(f->last, "b");
        watch_arrival(f->watch, "b"); /* the same watch under another name */
        put_folder(uploads(f), "b/sentinels");
        turn(f);
        assert_string_equal(f->last, "b");
        assert_int_equal(tree_remove(uploads(f), "b"), 0);
        turn(f);
        assert_string_equal(f->last, "b");
        put_folder(uploads(f), "b");
        turn(f);
        watch_arrival(f->watch, "b");
        f->looks = 0;
        put_folder(uploads(f), "b/sentinels");
        turn(f);
        assert_int_equal(f->looks, 1);
        fixture_free(f);
}

static void test_requests(void **state) {
        Fixture *f = fixture_new("watch: {mode: inotify, " LONG "}\n");
        int dir = place(f->instance, PLACE_REQUESTS);

        (void)state;
        put_file(dir, ".half", "");
        turn(f);
        assert_int_equal(f->requests, 0);
        assert_int_equal(renameat(dir, ".half", dir, "whole.json"), 0);
        turn(f);
        assert_int_equal(f->requests, 1);
        fixture_free(f);
}

static void test_boards_and_orders(void **state) {
        Fixture *f = fixture_new("watch: {mode: inotify, " LONG "}\n");

        (void)state;
        put_folder(place(f->instance, PLACE_STATUS), "u");
        turn(f);
        assert_int_equal(f->boards, 1);
        assert_string_equal(f->last, "u");
        put_folder(place(f->instance, PLACE_ORDERS), "retry u");
        turn(f);
        assert_int_equal(f->orders, 1);
        assert_string_equal(f->last, "retry u");
        /* What a board shows is ours to write; that something went is nothing to look at. */
        put_folder(place(f->instance, PLACE_STATUS), "u/waiting");
        assert_int_equal(tree_remove(place(f->instance, PLACE_STATUS), "u"), 0);
        turn(f);
        assert_int_equal(f->boards, 1);
        fixture_free(f);
}

/* More than the queue holds: one look everywhere makes up for all of it. */
static void test_overflow(void **state) {
        Fixture *f = fixture_new("watch: {mode: inotify, " LONG "}\n");
        char path[64];
        int max = 0, r;
        FILE *file = fopen("/proc/sys/fs/inotify/max_queued_events", "re");

        (void)state;
        assert_non_null(file);
        assert_int_equal(fscanf(file, "%d", &max), 1);
        fclose(file);
        if (max > 100000) {
                fixture_free(f);
                skip();
        }
        put_folder(uploads(f), "a");
        for (int i = 0; i <= max; i += 2) { /* two events each; equal ones in a row would be one */
                snprintf(path, sizeof(path), "%s", i % 4 ? "b" : "a");
                r = renameat(uploads(f), path, uploads(f), i % 4 ? "a" : "b");
                assert_int_equal(r, 0);
        }
        turn(f);
        assert_int_equal(f->everywhere, 2);
        fixture_free(f);
}

static void test_poll(void **state) {
        Fixture *f = fixture_new("watch: {mode: poll, rescan_interval: 1s}\n");

        (void)state;
        expect_json(f, "mode", "poll");
        watch_arrival(f->watch, "u");
        watch_forget(f->watch, "u");
        put_folder(uploads(f), "u");
        while (f->everywhere < 3)
                assert_true(sd_event_run(f->event, UINT64_MAX) > 0);
        assert_int_equal(f->looks, 0);
        fixture_free(f);
}

static void test_reload(void **state) {
        Fixture *f = fixture_new("watch: {mode: poll, " LONG "}\n");

        (void)state;
        put_folder(uploads(f), "u");
        reconfigure(f, "watch: {mode: inotify, " LONG "}\n");
        turn(f);
        assert_int_equal(f->everywhere, 2); /* what came before the watch */
        watch_arrival(f->watch, "u");
        f->looks = 0;
        put_folder(uploads(f), "u/sentinels");
        turn(f);
        assert_int_equal(f->looks, 1);
        reconfigure(f, "watch: {mode: poll, " LONG "}\n");
        turn(f);
        expect_json(f, "mode", "poll");
        reconfigure(f, "watch: {mode: poll, rescan_interval: 2s}\n");
        expect_json(f, "rescan_interval", "2s");
        fixture_free(f);
}

/* The folder was replaced: what is watched is the new one. */
static void test_reopen(void **state) {
        Fixture *f = fixture_new("watch: {mode: inotify, " LONG "}\n");
        _cleanup_free_ char *aside = NULL, *old = NULL;
        const Layout *l = f->instance->layout;
        Error e = {};

        (void)state;
        put_folder(uploads(f), "u");
        watch_arrival(f->watch, "u");
        aside = xasprintf("%s.aside", l->path[PLACE_UPLOADED]);
        assert_int_equal(rename(l->path[PLACE_UPLOADED], aside), 0);
        assert_int_equal(layout_make(f->instance->layout, &e), 0);
        assert_int_equal(layout_open(f->instance->layout, &e), 0);
        watch_reopen(f->watch);
        turn(f);
        assert_int_equal(f->everywhere, 2);
        f->looks = 0;
        old = xasprintf("%s/old", aside);
        put_folder(AT_FDCWD, old);
        turn(f);
        assert_int_equal(f->looks, 0);
        put_folder(uploads(f), "new");
        turn(f);
        assert_string_equal(f->last, "new");
        fixture_free(f);
}

/* No descriptor, no inotify: scanning alone, said so, and tried again with each scan. */
static void test_no_inotify(void **state) {
        struct rlimit old, none;
        Fixture *f = fixture_new("watch: {mode: poll, " LONG "}\n");
        int next = dup(0);

        (void)state;
        close(next);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
        none = old;
        none.rlim_cur = (rlim_t)next;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        reconfigure(f, "watch: {mode: inotify}\n");
        turn(f);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
        assert_true(has_trouble(f));
        expect_json(f, "mode", "poll");
        expect_json(f, "rescan_interval", "15s");
        watch_scanned(f->watch);
        assert_false(has_trouble(f));
        put_folder(uploads(f), "u");
        turn(f);
        assert_string_equal(f->last, "u");
        fixture_free(f);
}

static void test_file_systems(void **state) {
        const char *name;

        (void)state;
        assert_true(file_system_sees_all(0xef53, &name));
        assert_string_equal(name, "ext4");
        assert_false(file_system_sees_all(0x6969, &name));
        assert_string_equal(name, "nfs");
        assert_false(file_system_sees_all(0x0bd00bd0, &name));
        /* Where f_type is signed, high numbers are negative. */
        assert_false(file_system_sees_all((long)(int)0xff534d42, &name));
        assert_string_equal(name, "cifs");
        assert_true(file_system_sees_all((long)(int)0x9123683e, &name));
        assert_false(file_system_sees_all(0x12345678, &name));
        assert_string_equal(name, "unknown (0x12345678)");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_arrivals),
                cmocka_unit_test(test_looks_after_watching),
                cmocka_unit_test(test_renamed_and_removed),
                cmocka_unit_test(test_requests),
                cmocka_unit_test(test_boards_and_orders),
                cmocka_unit_test(test_overflow),
                cmocka_unit_test(test_poll),
                cmocka_unit_test(test_reload),
                cmocka_unit_test(test_reopen),
                cmocka_unit_test(test_no_inotify),
                cmocka_unit_test(test_file_systems),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
