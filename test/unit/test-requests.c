/* SPDX-License-Identifier: Apache-2.0 */

/* Orders left on disk: what was written is read in order; what others put there is set aside once and for all. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "fileio.h"
#include "requests.h"
#include "text.h"

typedef struct Fixture {
        char path[64];
        int dir;
} Fixture;

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        strcpy(f->path, "/tmp/flowcron-test-XXXXXX");
        assert_non_null(mkdtemp(f->path));
        f->dir = dir_open_path(f->path);
        assert_true(f->dir >= 0);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        close(f->dir);
        tree_remove(AT_FDCWD, f->path);
        free(f);
        return 0;
}

static void put(const Fixture *f, const char *name, const char *text) {
        assert_int_equal(file_create_at(f->dir, name, text, strlen(text), 0600), 0);
}

static Requests read_all(const Fixture *f, int expected_bad) {
        _cleanup_json_ cJSON *bad = NULL;
        Requests q = {};
        Error e = {};

        assert_int_equal(requests_read(f->dir, &q, &bad, &e), 0);
        assert_int_equal(cJSON_GetArraySize(bad), expected_bad);
        return q;
}

static void test_round_trip(void **state) {
        const Fixture *f = *state;
        Requests q;
        Error e = {};

        assert_int_equal(requests_write(f->dir, "retry", "a\n\xff/b", &e), 0);
        assert_int_equal(requests_write(f->dir, "reload", NULL, &e), 0);
        q = read_all(f, 0);
        assert_int_equal(q.n, 2);
        assert_string_equal(q.items[0].order, "retry");
        assert_string_equal(q.items[0].uow, "a\n\xff/b");
        assert_true(q.items[0].time > 0 && q.items[0].time <= q.items[1].time);
        assert_string_equal(q.items[1].order, "reload");
        assert_null(q.items[1].uow);
        assert_int_equal(requests_remove(f->dir, q.items[0].file), 0);
        assert_int_equal(requests_remove(f->dir, q.items[0].file), 0); /* gone is done */
        requests_done(&q);
        q = read_all(f, 0);
        assert_int_equal(q.n, 1);
        assert_string_equal(q.items[0].order, "reload");
        requests_done(&q);
}

static void test_unknown_order_is_not_written(void **state) {
        const Fixture *f = *state;
        Requests q;
        Error e = {};

        assert_int_equal(requests_write(f->dir, "rm -rf", "x", &e), -EINVAL);
        q = read_all(f, 0);
        assert_int_equal(q.n, 0);
        requests_done(&q);
}

static void test_odd_files_are_set_aside_once(void **state) {
        const Fixture *f = *state;
        char big[70000];
        Requests q;
        Error e = {};

        memset(big, ' ', sizeof(big));
        big[sizeof(big) - 1] = 0;
        put(f, "1.json", "not json");
        put(f, "2.json", "[]");
        put(f, "3.json", "{\"order\":\"explode\",\"uow\":\"x\"}");
        put(f, "4.json", "{\"uow\":\"x\"}");
        put(f, "5.json", big);
        put(f, "6.json", "{\"order\":\"retry\",\"uow\":7}");
        assert_int_equal(symlinkat("/etc/passwd", f->dir, "7.json"), 0);
        assert_int_equal(mkfifoat(f->dir, "8.json", 0600), 0);
        assert_int_equal(mkdirat(f->dir, "9.json", 0700), 0);
        assert_int_equal(requests_write(f->dir, "cancel", "x", &e), 0);
        q = read_all(f, 9);
        assert_int_equal(q.n, 1);
        requests_done(&q);
        q = read_all(f, 0);
        assert_int_equal(q.n, 1);
        requests_done(&q);
        assert_int_equal(faccessat(f->dir, "3.json.bad", F_OK, 0), 0);
}

/* A second link lets somebody else write what the owner seems to have written. */
static void test_hard_linked_file_is_no_request(void **state) {
        const Fixture *f = *state;
        Requests q;

        put(f, "elsewhere", "{\"order\":\"purge\",\"uow\":\"x\"}");
        assert_int_equal(linkat(f->dir, "elsewhere", f->dir, "1.json", 0), 0);
        q = read_all(f, 1);
        assert_int_equal(q.n, 0);
        requests_done(&q);
}

static void test_file_of_another_owner_is_no_request(void **state) {
        const Fixture *f = *state;
        Requests q;

        if (geteuid() != 0)
                skip();
        put(f, "1.json", "{\"order\":\"purge\",\"uow\":\"x\"}");
        assert_int_equal(fchownat(f->dir, "1.json", 65534, (gid_t)-1, 0), 0);
        q = read_all(f, 1);
        assert_int_equal(q.n, 0);
        requests_done(&q);
}

/* Hidden, temporary and set-aside files are nobody's business. */
static void test_other_names_are_left_alone(void **state) {
        const Fixture *f = *state;
        Requests q;

        put(f, ".x.json", "{\"order\":\"purge\",\"uow\":\"x\"}");
        put(f, "x.json.bad", "{\"order\":\"purge\",\"uow\":\"x\"}");
        put(f, ".json", "{}");
        put(f, "README", "hello");
        q = read_all(f, 0);
        assert_int_equal(q.n, 0);
        requests_done(&q);
        assert_int_equal(faccessat(f->dir, "README", F_OK, 0), 0);
}

static void test_many_are_read_in_parts(void **state) {
        const Fixture *f = *state;
        char name[32];
        Requests q;

        for (int i = 0; i < REQUESTS_MAX + 5; i++) {
                int fd;

                snprintf(name, sizeof(name), "%05d.json", i);
                fd = openat(f->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
                assert_true(fd >= 0);
                assert_int_equal(fd_write_all(fd, "{\"order\":\"rescan\"}", 18), 0);
                close(fd);
        }
        q = read_all(f, 0);
        assert_int_equal(q.n, REQUESTS_MAX);
        assert_string_equal(q.items[0].file, "00000.json");
        for (size_t i = 0; i < q.n; i++)
                assert_int_equal(unlinkat(f->dir, q.items[i].file, 0), 0);
        requests_done(&q);
        q = read_all(f, 0);
        assert_int_equal(q.n, 5);
        requests_done(&q);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
                cmocka_unit_test_setup_teardown(test_unknown_order_is_not_written, setup, teardown),
                cmocka_unit_test_setup_teardown(test_odd_files_are_set_aside_once, setup, teardown),
                cmocka_unit_test_setup_teardown(
                        test_hard_linked_file_is_no_request, setup, teardown),
                cmocka_unit_test_setup_teardown(
                        test_file_of_another_owner_is_no_request, setup, teardown),
                cmocka_unit_test_setup_teardown(test_other_names_are_left_alone, setup, teardown),
                cmocka_unit_test_setup_teardown(test_many_are_read_in_parts, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
