/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a scan sees in real folders, and what it concludes from it: nothing that is not certain.
 */

#include "instance-fixture.h"

#include "scan.h"
#include "uowset.h"

#define THIRD_ID "11111111-2222-3333-4444-555555555555"

typedef struct Fixture {
        Instance *instance;
        UowSet *uows;
        Scan *scan;
        char said[4096]; /* "arriving a;complete b 7c1d…;" in order */
        usec_t changed;  /* as told with the last known() */
        uint64_t seq;
} Fixture;

static _printf_(2, 3) void say(Fixture *f, const char *fmt, ...) {
        size_t at = strlen(f->said);
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(f->said + at, sizeof(f->said) - at, fmt, ap);
        va_end(ap);
}

static void on_arriving(const char *name, void *userdata) {
        say(userdata, "arriving %s;", name);
}

static void on_settled(const char *name, void *userdata) {
        say(userdata, "settled %s;", name);
}

static void on_complete(const char *name, const char *id, uid_t owner, void *userdata) {
        assert_int_equal(owner, getuid());
        say(userdata, "complete %s%s%s;", name, id ? " " : "", id ? id : "");
}

static void on_known(Uow *u, usec_t changed, void *userdata) {
        ((Fixture *)userdata)->changed = changed;
        say(userdata, "known %s;", u->name);
}

static void on_gone(Uow *u, void *userdata) {
        say(userdata, "gone %s;", u->folder);
}

static int setup(void **state) {
        const ScanEvents events = {
                .arriving = on_arriving,
                .settled = on_settled,
                .complete = on_complete,
                .known = on_known,
                .gone = on_gone,
        };
        Fixture *f = calloc(1, sizeof(*f));
        ScanEvents e = events;

        f->instance = instance_new(NULL);
        f->uows = uowset_new();
        e.userdata = f;
        assert_int_equal(scan_new(f->instance->layout, f->uows, &e, &f->scan), 0);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        scan_free(f->scan);
        uowset_free(f->uows);
        instance_free(f->instance);
        free(f);
        return 0;
}

/* What one full scan said. */
static const char *scan(Fixture *f) {
        Error e = {};

        f->said[0] = 0;
        if (scan_all(f->scan, &e) != 0)
                fail_msg("%s", e.text);
        return f->said;
}

static const char *look_at(Fixture *f, const char *name) {
        f->said[0] = 0;
        assert_int_equal(scan_one(f->scan, name, NULL), 0);
        return f->said;
}

static Uow *event(Fixture *f, const char *id, EventType type, const char *data) {
        Event ev = { .seq = ++f->seq, .time = clock_now(), .type = type };
        Uow *u = uowset_get(f->uows, id);

        strcpy(ev.id, id);
        ev.attempt = u ? u->attempt : 0;
        ev.data = data ? cJSON_Parse(data) : NULL;
        assert_int_equal(uowset_apply(f->uows, &ev, &u), 0);
        event_done(&ev);
        return u;
}

static void arrived(Fixture *f, const char *id, const char *name, const char *folder) {
        _cleanup_free_ char *data =
                xasprintf("{\"name\":\"%s\",\"folder\":\"%s\",\"owner\":0}", name, folder);

        event(f, id, EVENT_UPLOADED, data);
}

static void queued(Fixture *f, const char *id, const char *name) {
        arrived(f, id, name, name);
        event(f, id, EVENT_STAGED, "{\"script\":\"s\",\"sha256\":\"ab\"}");
        event(f, id, EVENT_SUBMITTING, NULL);
        event(f, id, EVENT_QUEUED, "{\"job_id\":\"1\"}");
}

static void filed(Fixture *f, const char *id, const char *name) {
        queued(f, id, name);
        event(f, id, EVENT_ENDED, "{\"outcome\":\"succeeded\"}");
        event(f, id, EVENT_FINISHED, NULL);
}

static int uploads(const Fixture *f) {
        return place(f->instance, PLACE_UPLOADED);
}

static void claim(int dir, const char *name, const char *id) {
        _cleanup_free_ char *path = xasprintf("%s/sentinels/flowcron", name),
                            *text = xasprintf("{\"id\":\"%s\"}\n", id);

        put_file(dir, path, text);
}

/* ---- arrivals ---- */

static void test_arriving(void **state) {
        Fixture *f = *state;
        _cleanup_json_ cJSON *list = NULL;

        put_folder(uploads(f), ".hidden");
        put_folder(uploads(f), ".hidden/sentinels");
        put_file(uploads(f), "file", "");
        assert_int_equal(symlinkat("/tmp", uploads(f), "link"), 0);
        make_uow(f->instance, PLACE_UPLOADED, "u");
        assert_string_equal(scan(f), "arriving u;");
        /* Each time, for whoever watches it. */
        assert_string_equal(scan(f), "arriving u;");
        assert_int_equal(scan_n_arriving(f->scan), 1);
        list = scan_arriving(f->scan);
        assert_int_equal(cJSON_GetArraySize(list), 1);
        assert_string_equal(json_str(list->child, "name"), "u");
        assert_string_equal(json_str(list->child, "state"), "arriving");
        assert_null(json_str(list->child, "reason"));
        assert_non_null(json_str(list->child, "created"));
}

static void test_complete(void **state) {
        Fixture *f = *state;

        make_uow(f->instance, PLACE_UPLOADED, "u");
        scan(f);
        put_folder(uploads(f), "u/sentinels");
        assert_string_equal(look_at(f, "u"), "settled u;complete u;");
        assert_int_equal(scan_n_arriving(f->scan), 0);
}

static void test_sentinels_that_are_none(void **state) {
        Fixture *f = *state;

        make_uow(f->instance, PLACE_UPLOADED, "a");
        put_file(uploads(f), "a/sentinels", "");
        make_uow(f->instance, PLACE_UPLOADED, "b");
        assert_int_equal(symlinkat("data", uploads(f), "b/sentinels"), 0);
        scan(f);
        assert_null(strstr(f->said, "complete"));
        assert_int_equal(scan_n_arriving(f->scan), 2);
}

static void test_busy(void **state) {
        Fixture *f = *state;
        _cleanup_json_ cJSON *list = NULL;

        upload(f->instance, "u");
        put_file(uploads(f), "u/sentinels/somebody", "");
        assert_string_equal(scan(f), "arriving u;");
        list = scan_arriving(f->scan);
        assert_non_null(json_str(list->child, "reason"));
        assert_int_equal(unlinkat(uploads(f), "u/sentinels/somebody", 0), 0);
        assert_string_equal(scan(f), "settled u;complete u;");
}

static void test_vanished(void **state) {
        Fixture *f = *state;
        char name[16];

        for (int i = 0; i < 600; i++) {
                snprintf(name, sizeof(name), "u%d", i);
                put_folder(uploads(f), name);
        }
        scan(f);
        assert_int_equal(scan_n_arriving(f->scan), 600);
        for (int i = 0; i < 599; i++) {
                snprintf(name, sizeof(name), "u%d", i);
                assert_int_equal(unlinkat(uploads(f), name, AT_REMOVEDIR), 0);
        }
        scan(f);
        assert_int_equal(scan_n_arriving(f->scan), 1);
        assert_int_equal(unlinkat(uploads(f), "u599", AT_REMOVEDIR), 0);
        assert_string_equal(look_at(f, "u599"), "settled u599;");
}

/* Whoever made it may keep us out: that is said where it is seen. */
static void test_unreadable(void **state) {
        Fixture *f = *state;
        _cleanup_json_ cJSON *list = NULL;

        if (geteuid() == 0)
                skip();
        upload(f->instance, "u");
        assert_int_equal(fchmodat(uploads(f), "u", 0, 0), 0);
        assert_string_equal(scan(f), "arriving u;");
        list = scan_arriving(f->scan);
        assert_non_null(json_str(list->child, "reason"));
        assert_int_equal(fchmodat(uploads(f), "u", 0755, 0), 0);
}

/* ---- what the log knows ---- */

static void test_known(void **state) {
        Fixture *f = *state;
        usec_t before;

        upload(f->instance, "u");
        arrived(f, ID, "u", "u");
        assert_string_equal(scan(f), "known u;known u;");
        before = f->changed;
        assert_true(before > 0);
        assert_string_equal(look_at(f, "u"), "known u;");
        assert_int_equal(f->changed, before);
        /* Mending leaves a trace, below as well. */
        do
                assert_int_equal(fchmodat(uploads(f), "u/sentinels", 0775, 0), 0);
        while (look_at(f, "u"), f->changed == before);
        assert_true(f->changed > before);
}

static void test_known_under_another_name(void **state) {
        Fixture *f = *state;

        upload(f->instance, "u");
        filed(f, OTHER_ID, "u");
        make_uow(f->instance, PLACE_ANALYSED, "u");
        arrived(f, ID, "u", "u-2");
        assert_string_equal(look_at(f, "u"), "known u;");
}

static void test_known_is_gone(void **state) {
        Fixture *f = *state;

        arrived(f, ID, "u", "u");
        assert_string_equal(scan(f), "known u;");
        assert_int_equal(f->changed, 0);
}

/* A claim of ours of which the log knows nothing. */
static void test_claimed(void **state) {
        Fixture *f = *state;

        upload(f->instance, "u");
        claim(uploads(f), "u", ID);
        assert_string_equal(scan(f), "complete u " ID ";");
        queued(f, ID, "other");
        make_uow(f->instance, PLACE_WORK, "other");
        assert_string_equal(scan(f), "arriving u;"); /* a copy with its claim: hands off */
}

static void test_unreadable_claim(void **state) {
        Fixture *f = *state;

        upload(f->instance, "u");
        put_file(uploads(f), "u/sentinels/flowcron", "nonsense");
        assert_string_equal(scan(f), "complete u;");
}

static void test_orphans(void **state) {
        Fixture *f = *state;
        int work = place(f->instance, PLACE_WORK);

        make_uow(f->instance, PLACE_WORK, "lost");
        put_folder(work, "lost/sentinels");
        claim(work, "lost", ID);
        make_uow(f->instance, PLACE_WORK, "foreign");
        put_folder(work, "foreign/sentinels");
        make_uow(f->instance, PLACE_WORK, "ours");
        put_folder(work, "ours/sentinels");
        claim(work, "ours", OTHER_ID);
        queued(f, OTHER_ID, "ours");
        /* One that waits in UploadedFiles under a name that an orphan has. */
        arrived(f, THIRD_ID, "lost", "lost");
        assert_string_equal(scan(f), "complete lost " ID ";known lost;");
        assert_string_equal(scan(f), "known lost;"); /* once in a life */
}

/* ---- what others took away ---- */

static void test_missing_from_work(void **state) {
        Fixture *f = *state;

        queued(f, ID, "u");
        make_uow(f->instance, PLACE_WORK, "u");
        assert_string_equal(scan(f), "");
        assert_int_equal(tree_remove(place(f->instance, PLACE_WORK), "u"), 0);
        assert_string_equal(scan(f), "gone u;");
        assert_string_equal(scan(f), "gone u;"); /* until somebody sees to it */
        assert_string_equal(scan(f), "gone u;");
        event(f, ID, EVENT_PURGED, NULL);
        assert_string_equal(scan(f), "");
}

/* It vanished before its record said that it should be there. */
static void test_missing_before_it_belonged(void **state) {
        Fixture *f = *state;

        upload(f->instance, "u");
        arrived(f, ID, "u", "u");
        for (int i = 0; i < 3; i++)
                scan(f);
        assert_int_equal(tree_remove(uploads(f), "u"), 0);
        event(f, ID, EVENT_STAGED, "{\"script\":\"s\",\"sha256\":\"ab\"}");
        assert_string_equal(scan(f), "gone u;");
}

static void test_not_missing_while_moved(void **state) {
        Fixture *f = *state;

        queued(f, ID, "u");
        event(f, ID, EVENT_ENDED, "{\"outcome\":\"failed\"}");
        assert_string_equal(scan(f), ""); /* being filed: the worker knows where it is */
        event(f, ID, EVENT_FINISHED, NULL);
        event(f, ID, EVENT_RETRY, NULL);
        assert_string_equal(scan(f), ""); /* being fetched back */
}

static void test_missing_results(void **state) {
        Fixture *f = *state;

        filed(f, ID, "u");
        make_uow(f->instance, PLACE_ANALYSED, "u");
        filed(f, OTHER_ID, "v");
        make_uow(f->instance, PLACE_ANALYSED, "v");
        event(f, OTHER_ID, EVENT_SOFT_DELETED, NULL);
        assert_string_equal(scan(f), "gone v;");
        assert_int_equal(renameat(place(f->instance, PLACE_ANALYSED), "v",
                                 place(f->instance, PLACE_BIN_ANALYSED), "v"),
                0);
        assert_string_equal(scan(f), "");
        assert_string_equal(scan(f), "");
        assert_int_equal(tree_remove(place(f->instance, PLACE_ANALYSED), "u"), 0);
        assert_string_equal(scan(f), "gone u;");
        event(f, ID, EVENT_PURGING, NULL);
        assert_string_equal(scan(f), "");
}

/* A folder that was unmounted looks empty: nothing is concluded. */
static void test_folder_replaced(void **state) {
        Fixture *f = *state;
        _cleanup_free_ char *aside = NULL;
        const Layout *l = f->instance->layout;
        Error e = {};

        filed(f, ID, "u");
        make_uow(f->instance, PLACE_ANALYSED, "u");
        put_folder(uploads(f), "arrival");
        scan(f);
        aside = xasprintf("%s.aside", l->path[PLACE_ANALYSED]);
        assert_int_equal(rename(l->path[PLACE_ANALYSED], aside), 0);
        put_folder(AT_FDCWD, l->path[PLACE_ANALYSED]);
        f->said[0] = 0;
        assert_int_equal(scan_all(f->scan, &e), -ESTALE);
        assert_string_equal(f->said, "");
        assert_int_equal(scan_n_arriving(f->scan), 1);
        assert_true(e.text[0]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_arriving),
                TEST(test_complete),
                TEST(test_sentinels_that_are_none),
                TEST(test_busy),
                TEST(test_vanished),
                TEST(test_unreadable),
                TEST(test_known),
                TEST(test_known_under_another_name),
                TEST(test_known_is_gone),
                TEST(test_claimed),
                TEST(test_unreadable_claim),
                TEST(test_orphans),
                TEST(test_missing_from_work),
                TEST(test_missing_before_it_belonged),
                TEST(test_not_missing_while_moved),
                TEST(test_missing_results),
                TEST(test_folder_replaced),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
