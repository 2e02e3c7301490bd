/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The house as a whole, in this process: a pass of cron, requests left on disk, the lease, a full disk, folders that are replaced.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "eventlog.h"
#include "fileio.h"
#include "lease-owner.h"
#include "manager-internal.h"
#include "requests.h"
#include "text.h"

typedef struct Fixture {
        char path[64];
        char *base, *config, *socket;
        Manager *manager;
} Fixture;

static void configure(Fixture *f, const char *more) {
        _cleanup_free_ char *yaml =
                xasprintf("base: %s\nscheduler: {type: local}\n%s", f->base, more);
        _cleanup_close_ int dir = dir_open_path(f->path);

        assert_int_equal(file_replace_at(dir, "test.yaml", yaml, strlen(yaml), 0600), 0);
}

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        strcpy(f->path, "/tmp/flowcron-manager-XXXXXX");
        assert_non_null(mkdtemp(f->path));
        f->base = xasprintf("%s/base", f->path);
        f->config = xasprintf("%s/test.yaml", f->path);
        f->socket = xasprintf("%s/run/test.sock", f->path);
        assert_int_equal(mkdir(f->base, 0755), 0);
        configure(f, "");
        *state = f;
        return 0;
}

static void set_full(bool full) {
        struct rlimit limit;

        signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
        limit.rlim_cur = full ? 0 : limit.rlim_max;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static int teardown(void **state) {
        Fixture *f = *state;

        set_full(false);
        manager_free(f->manager);
        assert_int_equal(tree_remove(AT_FDCWD, f->path), 0);
        free(f->base);
        free(f->config);
        free(f->socket);
        free(f);
        return 0;
}

static void build(Fixture *f, bool once) {
        const ManagerOptions options = {
                .config_path = f->config, .socket_path = f->socket, .once = once
        };
        Error e = {};

        if (manager_new(&options, &f->manager, &e) != 0)
                fail_msg("%s", e.text);
}

static int start(Fixture *f, bool once) {
        Error e = {};
        int r;

        build(f, once);
        r = manager_start(f->manager, &e);
        if (r < 0)
                fail_msg("%s", e.text);
        return r;
}

/* One pass, to its end. */
static int pass(Fixture *f) {
        int code;

        assert_int_equal(start(f, true), 0);
        code = manager_run(f->manager);
        f->manager = manager_free(f->manager);
        return code;
}

static char *path_of(const Fixture *f, const char *what) {
        return xasprintf("%s/%s", f->base, what);
}

static bool is_there(const Fixture *f, const char *what) {
        _cleanup_free_ char *path = path_of(f, what);
        struct stat st;

        return lstat(path, &st) == 0;
}

static void put_folder(const Fixture *f, const char *what) {
        _cleanup_free_ char *path = path_of(f, what);

        assert_int_equal(mkdir(path, 0755), 0);
}

/* One that breaks a rule, and so needs no scheduler. */
static void upload(const Fixture *f, const char *name) {
        _cleanup_free_ char *folder = xasprintf("UploadedFiles/%s", name),
                            *sentinels = xasprintf("%s/sentinels", folder);

        put_folder(f, folder);
        put_folder(f, sentinels);
}

static void turn(Fixture *f) {
        int r;

        do {
                r = sd_event_run(f->manager->event,
                        worker_busy(f->manager->workers, _LANE_MAX) ? UINT64_MAX : 0);
                assert_true(r >= 0);
        } while (r > 0 && sd_event_get_state(f->manager->event) != SD_EVENT_FINISHED);
}

static int count(const Event *ev, void *userdata) {
        unsigned *n = userdata;

        n[ev->type]++;
        return 0;
}

static void history(const Fixture *f, unsigned n[static _EVENT_TYPE_MAX]) {
        _cleanup_free_ char *state = path_of(f, ".flowcron");
        _cleanup_close_ int dir = dir_open_path(state);
        UowSet *set = uowset_new();
        Replay replay = {};
        Error e = {};
        const Uow *u;

        memset(n, 0, _EVENT_TYPE_MAX * sizeof(*n));
        assert_int_equal(eventlog_replay(dir, set, &replay, &e), 0);
        u = uowset_at(set, 0);
        assert_int_equal(eventlog_history(dir, u->id, u->first_seq, u->last_seq, count, n), 0);
        replay_done(&replay);
        uowset_free(set);
}

static size_t requests_left(const Fixture *f) {
        _cleanup_free_ char *path = path_of(f, ".flowcron/requests");
        _cleanup_close_ int dir = dir_open_path(path);
        _cleanup_json_ cJSON *bad = NULL;
        Requests q = {};
        Error e = {};
        size_t n;

        assert_int_equal(requests_read(dir, &q, &bad, &e), 0);
        n = q.n;
        requests_done(&q);
        return n;
}

static void leave_request(const Fixture *f, const char *order, const char *uow) {
        _cleanup_free_ char *path = path_of(f, ".flowcron/requests");
        _cleanup_close_ int dir = dir_open_path(path);
        Error e = {};

        assert_int_equal(requests_write(dir, order, uow, &e), 0);
}

/* ---- passes ---- */

static void test_pass(void **state) {
        Fixture *f = *state;

        assert_int_equal(pass(f), 0);
        upload(f, "u");
        assert_int_equal(pass(f), 0);
        assert_true(is_there(f, "FailedJobs/u/flowcron/report.txt"));
        assert_false(is_there(f, "FailedJobs/u/sentinels"));
        assert_true(is_there(f, ".flowcron/config.yaml"));
        assert_int_equal(pass(f), 0);
}

/* More than one batch of what is due. */
static void test_pass_with_much_to_remove(void **state) {
        Fixture *f = *state;
        usec_t since;

        assert_int_equal(pass(f), 0); /* makes the folders */
        for (int i = 0; i < 120; i++) {
                char name[16];

                snprintf(name, sizeof(name), "u%d", i);
                upload(f, name);
        }
        assert_int_equal(pass(f), 0);
        since = clock_now();
        configure(f, "retention: {soft_delete_after: 1s}\n");
        while (clock_now() <= since + USEC_PER_SEC)
                usleep(10000);
        assert_int_equal(pass(f), 0);
        for (int i = 0; i < 120; i++) {
                _cleanup_free_ char *name = xasprintf("SoftDelete/FailedJobs/u%d", i);

                assert_true(is_there(f, name));
        }
}

static void test_request_is_carried_out_once(void **state) {
        Fixture *f = *state;
        unsigned n[_EVENT_TYPE_MAX];

        assert_int_equal(pass(f), 0);
        upload(f, "u");
        assert_int_equal(pass(f), 0);
        leave_request(f, "retry", "u");
        leave_request(f, "purge", "nobody");
        assert_int_equal(start(f, true), 0);
        manager_requests(f->manager); /* a notice of the same, before it could be closed */
        assert_int_equal(requests_left(f), 2);
        assert_int_equal(manager_run(f->manager), 0);
        f->manager = manager_free(f->manager);
        assert_int_equal(requests_left(f), 0);
        history(f, n);
        assert_int_equal(n[EVENT_RETRY], 1);
        assert_int_equal(n[EVENT_FINISHED], 2);
}

/* An order that can't be noted is not lost. */
static void test_request_on_a_full_disk(void **state) {
        Fixture *f = *state;
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int dir = -1;
        char name[LEASE_NAME_MAX];
        unsigned n[_EVENT_TYPE_MAX];

        assert_int_equal(pass(f), 0);
        upload(f, "u");
        assert_int_equal(pass(f), 0);
        leave_request(f, "retry", "u");
        assert_int_equal(start(f, true), 0);
        set_full(true);
        assert_int_equal(manager_run(f->manager), EXIT_FAILURE); /* and ends: cron tries again */
        lease_file_name(name, lease_fence(f->manager->lease));
        f->manager = manager_free(f->manager);
        set_full(false);
        /* It could not be given up, and its process lives on. */
        path = path_of(f, ".flowcron");
        dir = dir_open_path(path);
        assert_int_equal(unlinkat(dir, name, 0), 0);
        assert_int_equal(requests_left(f), 1);
        assert_int_equal(pass(f), 0);
        assert_int_equal(requests_left(f), 0);
        history(f, n);
        assert_int_equal(n[EVENT_RETRY], 1);
}

/* ---- the lease ---- */

static void test_held(void **state) {
        Fixture *f = *state;
        _cleanup_free_ char *path = path_of(f, ".flowcron");
        _cleanup_close_ int dir = -1;
        LeaseWatch watch = {};
        LeaseOwner owner;
        Lease *lease = NULL;
        usec_t retry;
        Error e = {};

        assert_int_equal(pass(f), 0);
        dir = dir_open_path(path);
        assert_int_equal(lease_acquire(dir, &watch, &lease, &owner, &retry, &e), 0);
        build(f, true);
        assert_int_equal(manager_start(f->manager, &e), UOW_E_STATE);
        assert_int_equal(f->manager->exit_code, 0); /* a pass leaves quietly */
        f->manager = manager_free(f->manager);
        build(f, false);
        assert_int_equal(manager_start(f->manager, &e), UOW_E_STATE);
        assert_int_equal(f->manager->exit_code, EXIT_HELD);
        assert_true(e.text[0]);
        assert_int_equal(lease_check(lease), 0);
        lease_release(lease);
}

/* An owner elsewhere, whose term has a second left for all that @m has seen of it. */
static void make_absent_owner(Fixture *f) {
        _cleanup_free_ char *path = path_of(f, ".flowcron"), *line = NULL;
        _cleanup_close_ int dir = dir_open_path(path);
        LeaseRecord r;

        lease_record_self(&r, 90);
        strcpy(r.host, "elsewhere");
        memset(r.boot_id, 'a', sizeof(r.boot_id) - 1);
        line = lease_record_line(&r);
        assert_int_equal(file_replace_at(dir, "lease-90", line, strlen(line), 0600), 0);
        f->manager->lease_watch = (LeaseWatch){ .fence = 90,
                .counter = r.counter,
                .since = clock_boottime() - LEASE_TERM + USEC_PER_SEC };
}

/* It waits, takes over, and stays. */
static void test_absent_owner(void **state) {
        Fixture *f = *state;
        Error e = {};

        assert_int_equal(pass(f), 0);
        build(f, false);
        make_absent_owner(f);
        assert_int_equal(manager_start(f->manager, &e), 0);
        assert_int_equal(lease_fence(f->manager->lease), 91);
        turn(f);
        assert_int_not_equal(sd_event_get_state(f->manager->event), SD_EVENT_FINISHED);
}

static void test_stopped_while_it_waits(void **state) {
        Fixture *f = *state;
        sigset_t both;
        Error e = {};

        assert_int_equal(pass(f), 0);
        build(f, false);
        make_absent_owner(f);
        f->manager->lease_watch.since = clock_boottime();
        sigemptyset(&both);
        sigaddset(&both, SIGHUP);
        sigaddset(&both, SIGTERM);
        assert_int_equal(sigprocmask(SIG_BLOCK, &both, NULL), 0);
        kill(getpid(), SIGHUP); /* there is nothing to reload yet */
        kill(getpid(), SIGTERM);
        assert_int_equal(manager_start(f->manager, &e), UOW_E_STATE);
        assert_int_equal(f->manager->exit_code, 0);
        assert_string_equal(e.text, "");
}

static void test_lost(void **state) {
        Fixture *f = *state;
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int dir = -1;
        char name[LEASE_NAME_MAX];
        unsigned n[_EVENT_TYPE_MAX];

        assert_int_equal(pass(f), 0);
        upload(f, "u");
        assert_int_equal(pass(f), 0);
        assert_int_equal(start(f, false), 0);
        turn(f);
        path = path_of(f, ".flowcron");
        dir = dir_open_path(path);
        assert_int_equal(
                file_create_at(dir, lease_file_name(name, lease_fence(f->manager->lease) + 1), "x",
                        1, 0600),
                0);
        assert_int_equal(manager_order(f->manager, "retry", "u", "control", NULL, NULL), 0);
        assert_int_equal(manager_run(f->manager), EXIT_HELD);
        f->manager = manager_free(f->manager);
        assert_true(is_there(f, "FailedJobs/u"));
        history(f, n);
        assert_int_equal(n[EVENT_RETRY], 0);
}

/* ---- folders that are replaced ---- */

static void replace(const Fixture *f, const char *what) {
        _cleanup_free_ char *path = path_of(f, what), *aside = xasprintf("%s.aside", path);

        assert_int_equal(rename(path, aside), 0);
}

static void test_uploads_replaced(void **state) {
        Fixture *f = *state;

        assert_int_equal(start(f, false), 0);
        turn(f);
        replace(f, "UploadedFiles");
        manager_scan(f->manager);
        assert_non_null(f->manager->folder_trouble);
        put_folder(f, "UploadedFiles");
        upload(f, "u");
        manager_scan(f->manager);
        turn(f);
        assert_null(f->manager->folder_trouble);
        assert_true(is_there(f, "FailedJobs/u"));
}

/* Event log and lease are of the old one: to go on would be to act on what somebody else may own. */
static void test_state_replaced(void **state) {
        Fixture *f = *state;

        assert_int_equal(start(f, false), 0);
        turn(f);
        replace(f, ".flowcron");
        put_folder(f, ".flowcron");
        put_folder(f, ".flowcron/requests");
        manager_scan(f->manager);
        assert_int_equal(manager_run(f->manager), EXIT_FAILURE);
        f->manager = manager_free(f->manager);
        assert_false(is_there(f, ".flowcron/status.json"));
        assert_false(is_there(f, ".flowcron/events"));
}

/* ---- reload ---- */

static void test_reload(void **state) {
        Fixture *f = *state;
        _cleanup_free_ char *chain = NULL;
        _cleanup_json_ cJSON *status = NULL;
        Error e = {};

        assert_int_equal(start(f, false), 0);
        turn(f);
        configure(f, "retention: {purge_after: soon}\n");
        assert_int_equal(manager_reload(f->manager, &e), UOW_E_INVALID);
        assert_int_equal(f->manager->config->retention.purge_after, 0);
        status = manager_status(f->manager);
        assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(status, "attention")), 1);
        /* A success would come round for ever. */
        chain = xasprintf("chain: {to: %s/UploadedFiles}\n", f->base);
        configure(f, chain);
        assert_int_equal(manager_reload(f->manager, &e), UOW_E_INVALID);
        assert_string_equal(f->manager->config->chain.to, "");
        configure(f, "retention: {purge_after: 3d}\nwatch: {mode: poll}\n");
        assert_int_equal(manager_reload(f->manager, &e), 0);
        assert_int_equal(f->manager->config->retention.purge_after, 3 * USEC_PER_DAY);
        assert_null(f->manager->config_fault);
        upload(f, "u");
        manager_scan(f->manager);
        turn(f);
        assert_true(is_there(f, "FailedJobs/u"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_pass),
                TEST(test_pass_with_much_to_remove),
                TEST(test_request_is_carried_out_once),
                TEST(test_request_on_a_full_disk),
                TEST(test_held),
                TEST(test_absent_owner),
                TEST(test_stopped_while_it_waits),
                TEST(test_lost),
                TEST(test_uploads_replaced),
                TEST(test_state_replaced),
                TEST(test_reload),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
