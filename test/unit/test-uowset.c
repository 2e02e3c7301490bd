/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "uowset.h"

#define SET _cleanup_(uowset_freep) UowSet *

static uint64_t seq;

static int post(UowSet *s, const char *id, EventType type, cJSON *data) {
        uint64_t n = ++seq;
        Event e = { .seq = n, .time = n * USEC_PER_SEC, .type = type, .data = data };
        const Uow *u = uowset_get(s, id);
        int r;

        snprintf(e.id, sizeof(e.id), "%s", id);
        e.attempt = u ? u->attempt : 0;
        r = uowset_apply(s, &e, NULL);
        event_done(&e);
        return r;
}

static cJSON *with(const char *key, const char *name) {
        cJSON *j = cJSON_CreateObject();

        json_set_name(j, key, name);
        return j;
}

static void upload(UowSet *s, const char *id, const char *name, const char *folder) {
        cJSON *j = with("name", name);

        json_set_name(j, "folder", folder);
        assert_int_equal(post(s, id, EVENT_UPLOADED, j), 0);
}

static void finish(UowSet *s, const char *id, const char *folder) {
        assert_int_equal(post(s, id, EVENT_ENDED, with("outcome", "succeeded")), 0);
        assert_int_equal(post(s, id, EVENT_FINISHED, folder ? with("folder", folder) : NULL), 0);
}

static void check_folder(UowSet *s, const char *folder, const char *id) {
        const Uow *u = uowset_by_folder(s, folder);

        if (!id) {
                assert_null(u);
                return;
        }
        assert_non_null(u);
        assert_string_equal(u->id, id);
}

static void check_find(UowSet *s, const char *what, int expected, const char *id) {
        Uow *u = NULL;
        Error e = { "" };

        assert_int_equal(uowset_find(s, what, &u, &e), expected);
        if (expected == 0)
                assert_string_equal(u->id, id);
        else
                assert_int_not_equal(e.text[0], 0);
}

static void test_empty(void **unused _unused_) {
        SET s = uowset_new();

        assert_int_equal(uowset_size(s), 0);
        assert_null(uowset_get(s, "a"));
        assert_null(uowset_by_folder(s, "a"));
        check_find(s, "a", UOW_E_NOT_FOUND, NULL);
        check_find(s, "", UOW_E_NOT_FOUND, NULL);
        assert_int_equal(post(s, "a", EVENT_STAGED, NULL), UOW_E_NOT_FOUND);
}

static void test_folder_follows_events(void **unused _unused_) {
        SET s = uowset_new();

        upload(s, "a", "run", "run");
        upload(s, "b", "run", "run-2");
        check_folder(s, "run", "a");
        check_folder(s, "run-2", "b");
        assert_int_equal(post(s, "a", EVENT_FOLDER, with("folder", "other")), 0);
        check_folder(s, "run", NULL);
        check_folder(s, "other", "a");
        finish(s, "a", "filed");
        check_folder(s, "other", NULL);
        check_folder(s, "filed", "a");
        assert_int_equal(post(s, "a", EVENT_SOFT_DELETED, NULL), 0);
        check_folder(s, "filed", "a");
        assert_int_equal(post(s, "a", EVENT_PURGED, NULL), 0);
        check_folder(s, "filed", NULL);
        finish(s, "b", NULL);
        assert_int_equal(post(s, "b", EVENT_MOVED_ON, with("moved_to", "/next/run-2")), 0);
        check_folder(s, "run-2", NULL);
        assert_int_equal(uowset_size(s), 2);
}

static void test_refused_event_keeps_folder(void **unused _unused_) {
        SET s = uowset_new();

        upload(s, "a", "run", "run");
        assert_int_equal(post(s, "a", EVENT_FOLDER, with("folder", "x/y")), -EBADMSG);
        assert_int_equal(post(s, "a", EVENT_FINISHED, NULL), UOW_E_STATE);
        assert_int_equal(post(s, "a", EVENT_UPLOADED, with("name", "x")), UOW_E_STATE);
        check_folder(s, "run", "a");
        assert_int_equal(post(s, "b", EVENT_UPLOADED, with("name", "x")), -EBADMSG);
        assert_int_equal(uowset_size(s), 1);
        assert_null(uowset_get(s, "b"));
}

/* A damaged log can leave two with one folder; the older must not take it from the newer when it goes. */
static void test_two_with_one_folder(void **unused _unused_) {
        SET s = uowset_new();

        upload(s, "a", "run", "run");
        upload(s, "b", "run", "run");
        check_folder(s, "run", "b");
        assert_int_equal(post(s, "a", EVENT_PURGED, NULL), 0);
        check_folder(s, "run", "b");
        assert_int_equal(post(s, "b", EVENT_PURGED, NULL), 0);
        check_folder(s, "run", NULL);
}

static void test_add(void **unused _unused_) {
        SET s = uowset_new();
        _cleanup_json_ cJSON *j = NULL;
        Uow *u;

        upload(s, "a", "run", "run");
        j = uow_to_json(uowset_at(s, 0));
        assert_int_equal(uow_from_json(j, &u, NULL), 0);
        assert_int_equal(uowset_add(s, u), -EEXIST);
        assert_int_equal(uowset_size(s), 1);
        strcpy(cJSON_GetObjectItem(j, "id")->valuestring, "b");
        json_set_name(j, "folder", "elsewhere");
        assert_int_equal(uow_from_json(j, &u, NULL), 0);
        assert_int_equal(uowset_add(s, u), 0);
        assert_ptr_equal(uowset_get(s, "b"), u);
        assert_ptr_equal(uowset_by_folder(s, "elsewhere"), u);
        assert_ptr_equal(uowset_at(s, 1), u);
}

static void test_find(void **unused _unused_) {
        SET s = uowset_new();

        upload(s, "aaaa-1", "run", "run");
        upload(s, "aaab-2", "run", "run-20261121");
        upload(s, "cccc-3", "\xff bytes", "\xff bytes");
        upload(s, "dddd-4", "tomogram", "tomogram");
        check_find(s, "aaaa-1", 0, "aaaa-1");
        check_find(s, "aaab", 0, "aaab-2");
        check_find(s, "aaa", UOW_E_AMBIGUOUS, NULL);
        /* Its folder has that name now: before the newest that arrived under it. */
        check_find(s, "run", 0, "aaaa-1");
        check_find(s, "run-", 0, "aaab-2");
        check_find(s, "ru", UOW_E_AMBIGUOUS, NULL);
        check_find(s, "\xff bytes", 0, "cccc-3");
        check_find(s, "\\xff bytes", 0, "cccc-3");
        check_find(s, "\\xff b", 0, "cccc-3");
        check_find(s, "tomo", 0, "dddd-4");
        check_find(s, "tomograms", UOW_E_NOT_FOUND, NULL);
        /* The one that has the folder is purged: the name means the one that arrived under it. */
        assert_int_equal(post(s, "aaaa-1", EVENT_PURGED, NULL), 0);
        check_find(s, "run", 0, "aaab-2");
        check_find(s, "aaaa", 0, "aaaa-1");
        check_find(s, "aaa", UOW_E_AMBIGUOUS, NULL);
}

static void test_find_purged(void **unused _unused_) {
        SET s = uowset_new();

        upload(s, "a-1", "run", "run");
        assert_int_equal(post(s, "a-1", EVENT_PURGED, NULL), 0);
        upload(s, "b-2", "run", "run");
        assert_int_equal(post(s, "b-2", EVENT_PURGED, NULL), 0);
        check_find(s, "run", 0, "b-2");
        check_find(s, "ru", UOW_E_NOT_FOUND, NULL);
        upload(s, "c-3", "runner", "runner");
        /* What was typed in full is not taken for the beginning of something else. */
        check_find(s, "run", 0, "b-2");
        check_find(s, "runn", 0, "c-3");
}

static void test_candidates_are_named(void **unused _unused_) {
        SET s = uowset_new();
        Uow *u = NULL;
        Error e;

        for (int i = 0; i < 200; i++) {
                char id[UOW_ID_MAX], name[256];

                snprintf(id, sizeof(id), "id-%03d", i);
                snprintf(name, sizeof(name), "run\n%0200d", i);
                upload(s, id, name, name);
        }
        assert_int_equal(uowset_find(s, "run", &u, &e), UOW_E_AMBIGUOUS);
        assert_null(u);
        assert_non_null(strstr(e.text, "200 "));
        assert_non_null(strstr(e.text, "id-199"));
        assert_null(strchr(e.text, '\n'));
        assert_non_null(strstr(e.text, "…"));
}

static void test_many(void **unused _unused_) {
        SET s = uowset_new();
        enum {
                N = 3000
        };
        char id[UOW_ID_MAX], name[32];

        for (int i = 0; i < N; i++) {
                snprintf(id, sizeof(id), "%08x", (unsigned)i * 2654435761U);
                snprintf(name, sizeof(name), "run-%d", i);
                upload(s, id, name, name);
        }
        for (int i = 0; i < N; i += 2) {
                snprintf(id, sizeof(id), "%08x", (unsigned)i * 2654435761U);
                assert_int_equal(post(s, id, EVENT_PURGED, NULL), 0);
        }
        assert_int_equal(uowset_size(s), N);
        for (int i = 0; i < N; i++) {
                snprintf(id, sizeof(id), "%08x", (unsigned)i * 2654435761U);
                snprintf(name, sizeof(name), "run-%d", i);
                assert_string_equal(uowset_at(s, (size_t)i)->id, id);
                assert_ptr_equal(uowset_get(s, id), uowset_at(s, (size_t)i));
                check_folder(s, name, i % 2 ? id : NULL);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_empty),
                cmocka_unit_test(test_folder_follows_events),
                cmocka_unit_test(test_refused_event_keeps_folder),
                cmocka_unit_test(test_two_with_one_folder),
                cmocka_unit_test(test_add),
                cmocka_unit_test(test_find),
                cmocka_unit_test(test_find_purged),
                cmocka_unit_test(test_candidates_are_named),
                cmocka_unit_test(test_many),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
