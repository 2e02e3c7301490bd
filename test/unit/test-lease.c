/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "event.h"
#include "eventlog.h"
#include "fileio.h"
#include "lease.h"
#include "text.h"

typedef struct Place {
        char path[64];
        int dir;
} Place;

static int setup(void **state) {
        Place *p = calloc(1, sizeof(*p));

        strcpy(p->path, "/tmp/test-lease-XXXXXX");
        assert_non_null(mkdtemp(p->path));
        p->dir = dir_open_path(p->path);
        assert_true(p->dir >= 0);
        *state = p;
        return 0;
}

static int teardown(void **state) {
        Place *p = *state;

        close(p->dir);
        assert_int_equal(tree_remove(AT_FDCWD, p->path), 0);
        free(p);
        return 0;
}

static int dir_of(void **state) {
        return ((Place *)*state)->dir;
}

static int acquire(int dir, LeaseWatch *watch, Lease **ret, LeaseOwner *owner, usec_t *retry) {
        LeaseWatch none = { 0 };
        LeaseOwner o;
        usec_t t;
        Error e = { "" };
        int r = lease_acquire(
                dir, watch ? watch : &none, ret, owner ? owner : &o, retry ? retry : &t, &e);

        if (r < 0)
                print_error("%s\n", e.text);
        return r;
}

static void check_free(int dir, uint64_t fence) {
        Lease *l = NULL;

        assert_int_equal(acquire(dir, NULL, &l, NULL, NULL), 0);
        assert_int_equal(lease_fence(l), fence);
        assert_null(lease_release(l));
}

static bool exists(int dir, const char *name) {
        return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A lease file of somebody, as another process would have written it. */
typedef struct Somebody {
        uint64_t fence;
        const char *boot_id, *pid_space;
        int pid;
        uint64_t start;
        unsigned counter;
        const char *state;
} Somebody;

static void plant(int dir, const Somebody *s) {
        _cleanup_free_ char *object = NULL, *line = NULL,
                            *name = xasprintf("lease-%" PRIu64, s->fence);

        object = xasprintf(
                "{\"fence\":%" PRIu64
                ",\"host\":\"login2\",\"boot_id\":\"%s\",\"pid_space\":\"%s\",\"pid\":%d,"
                "\"start\":%" PRIu64
                ",\"since\":\"2026-11-21T07:28:11Z\",\"counter\":\"%020u\",\"state\":\"%s\"}",
                s->fence, s->boot_id, s->pid_space, s->pid, s->start, s->counter, s->state);
        line = line_seal(object);
        assert_int_equal(file_replace_nosync_at(dir, name, line, strlen(line), 0640), 0);
}

/* As this host and namespace would have it. */
static Somebody somebody_here(int dir, uint64_t fence) {
        static char boot_id[64], space[64];
        _cleanup_free_ char *text = NULL, *name = NULL;
        _cleanup_json_ cJSON *j = NULL;
        Lease *l = NULL;

        assert_int_equal(acquire(dir, NULL, &l, NULL, NULL), 0);
        name = xasprintf("lease-%" PRIu64, lease_fence(l));
        assert_int_equal(file_read_at(dir, name, 4096, &text, NULL), 0);
        j = cJSON_Parse(text);
        snprintf(boot_id, sizeof(boot_id), "%s", json_str(j, "boot_id"));
        snprintf(space, sizeof(space), "%s", json_str(j, "pid_space"));
        lease_release(l);
        assert_int_equal(strlen(boot_id), 32);
        return (Somebody){ fence, boot_id, space, getpid(), (uint64_t)json_int(j, "start", 0), 1,
                "held" };
}

static const Somebody elsewhere = { 5, "0123456789abcdef0123456789abcdef", "pid:[1]", 1, 1, 7,
        "held" };

static void test_take_and_give(void **state) {
        int dir = dir_of(state);
        LeaseOwner owner;
        Lease *l = NULL, *other = NULL;
        usec_t retry = 1;
        struct stat st;

        assert_int_equal(lease_read(dir, &owner), -ENOENT);
        assert_int_equal(acquire(dir, NULL, &l, NULL, NULL), 0);
        assert_int_equal(lease_fence(l), 1);
        assert_int_equal(lease_check(l), 0);
        assert_int_equal(lease_renew(l), 0);
        assert_int_equal(fstatat(dir, "lease-1", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0640);
        assert_int_equal(acquire(dir, NULL, &other, &owner, &retry), LEASE_E_HELD);
        assert_null(other);
        assert_int_equal(retry, 0);
        assert_int_equal(owner.fence, 1);
        assert_int_equal(owner.pid, getpid());
        assert_true(owner.alive && owner.here && !owner.released);
        lease_release(l);
        assert_int_equal(lease_read(dir, &owner), 0);
        assert_true(owner.released && !owner.alive);
        check_free(dir, 2);
        assert_false(exists(dir, "lease-1"));
        assert_true(exists(dir, "lease-2"));
        assert_null(lease_release(NULL));
        assert_null(lease_free(NULL));
}

static void test_free_keeps_it(void **state) {
        int dir = dir_of(state);
        LeaseOwner owner;
        Lease *l = NULL, *other = NULL;

        assert_int_equal(acquire(dir, NULL, &l, NULL, NULL), 0);
        lease_free(l);
        assert_int_equal(lease_read(dir, &owner), 0);
        assert_true(owner.alive);
        assert_int_equal(acquire(dir, NULL, &other, NULL, NULL), LEASE_E_HELD);
}

static void test_loss_is_seen(void **state) {
        int dir = dir_of(state);
        Somebody next = elsewhere;
        Lease *l = NULL;
        LeaseOwner owner;

        assert_int_equal(acquire(dir, NULL, &l, NULL, NULL), 0);
        next.fence = 2;
        plant(dir, &next);
        assert_int_equal(lease_check(l), LEASE_E_HELD);
        assert_int_equal(lease_renew(l), LEASE_E_HELD);
        /* The successor has already cleared our file away, and has been succeeded. */
        assert_int_equal(unlinkat(dir, "lease-1", 0), 0);
        assert_int_equal(renameat(dir, "lease-2", dir, "lease-3"), 0);
        assert_int_equal(lease_check(l), LEASE_E_HELD);
        lease_release(l);
        assert_false(exists(dir, "lease-1"));
        assert_int_equal(lease_read(dir, &owner), 0);
        assert_false(owner.released);
}

static void test_replaced_file_is_a_loss(void **state) {
        int dir = dir_of(state);
        Somebody same = elsewhere;
        Lease *l = NULL;

        assert_int_equal(acquire(dir, NULL, &l, NULL, NULL), 0);
        same.fence = 1;
        plant(dir, &same);
        assert_int_equal(lease_check(l), LEASE_E_HELD);
        lease_free(l);
}

/* Looked at by somebody who may not look; the child is another user if need be, for root may always. */
static void test_unreachable_is_not_a_loss(void **state) {
        int dir = dir_of(state), status;
        Lease *l = NULL;
        pid_t pid;

        assert_int_equal(acquire(dir, NULL, &l, NULL, NULL), 0);
        assert_int_equal(fchmod(dir, 0), 0);
        pid = fork();
        if (pid == 0)
                _exit(geteuid() == 0 && setuid(65534) < 0 ? 2 : lease_check(l) == -EACCES ? 0 : 1);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(fchmod(dir, 0700), 0);
        assert_int_equal(status, 0);
        assert_int_equal(lease_check(l), 0);
        lease_release(l);
}

static pid_t dead_child(void) {
        pid_t pid = fork();

        if (pid == 0)
                _exit(0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        return pid;
}

static void test_dead_here_is_known_at_once(void **state) {
        int dir = dir_of(state);
        Somebody s = somebody_here(dir, 7);
        Lease *l = NULL;
        LeaseOwner owner;

        /* Lives. */
        plant(dir, &s);
        assert_int_equal(acquire(dir, NULL, &l, NULL, NULL), LEASE_E_HELD);
        /* Its pid belongs to another process now. */
        s.start++;
        plant(dir, &s);
        assert_int_equal(lease_read(dir, &owner), 0);
        assert_true(owner.here && !owner.alive);
        check_free(dir, 8);
        /* No such process. */
        s.fence = 9;
        s.pid = dead_child();
        plant(dir, &s);
        check_free(dir, 10);
}

static void test_unreaped_is_dead(void **state) {
        int dir = dir_of(state);
        Somebody s = somebody_here(dir, 7);
        siginfo_t info;
        LeaseOwner owner;
        pid_t pid = fork();

        if (pid == 0)
                _exit(0);
        assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
        s.pid = pid;
        s.start = 1;
        plant(dir, &s);
        assert_int_equal(lease_read(dir, &owner), 0);
        assert_false(owner.alive);
        waitpid(pid, NULL, 0);
}

/* The same kernel, but another container: its pids are not ours, so that nobody has this one proves nothing. */
static void test_other_pid_space_is_elsewhere(void **state) {
        int dir = dir_of(state);
        Somebody s = somebody_here(dir, 7);
        LeaseOwner owner;
        Lease *l = NULL;
        usec_t retry = 0;

        s.pid_space = "pid:[1]";
        s.pid = dead_child();
        plant(dir, &s);
        assert_int_equal(acquire(dir, NULL, &l, &owner, &retry), LEASE_E_HELD);
        assert_false(owner.here);
        assert_true(owner.alive);
        assert_true(retry > clock_boottime());
}

/* As where /proc is mounted with hidepid, or was not there: a pid that exists, and no start time to compare. */
static void test_without_proof_it_is_watched(void **state) {
        int dir = dir_of(state);
        Somebody s = somebody_here(dir, 7);
        LeaseWatch watch = { 0 };
        Lease *l = NULL;
        usec_t retry = 0;

        s.start = 0;
        plant(dir, &s);
        assert_int_equal(acquire(dir, &watch, &l, NULL, &retry), LEASE_E_HELD);
        assert_true(retry > clock_boottime());
        watch.since -= LEASE_TERM;
        assert_int_equal(acquire(dir, &watch, &l, NULL, NULL), 0);
        assert_int_equal(lease_fence(l), 8);
        lease_release(l);
}

static void test_elsewhere_is_watched_for_a_term(void **state) {
        int dir = dir_of(state);
        Somebody s = elsewhere;
        LeaseWatch watch = { 0 };
        LeaseOwner owner;
        Lease *l = NULL;
        usec_t before = clock_boottime(), retry = 0;

        plant(dir, &s);
        assert_int_equal(acquire(dir, &watch, &l, &owner, &retry), LEASE_E_HELD);
        assert_string_equal(owner.host, "login2");
        assert_true(owner.alive && !owner.here);
        assert_true(retry >= before + LEASE_TERM && retry <= clock_boottime() + LEASE_TERM);
        /* A look too early changes nothing. */
        watch.since -= LEASE_TERM / 2;
        before = watch.since;
        assert_int_equal(acquire(dir, &watch, &l, NULL, &retry), LEASE_E_HELD);
        assert_int_equal(watch.since, before);
        assert_int_equal(retry, before + LEASE_TERM);
        /* It lives: the term begins anew. */
        s.counter++;
        plant(dir, &s);
        watch.since -= LEASE_TERM;
        assert_int_equal(acquire(dir, &watch, &l, NULL, &retry), LEASE_E_HELD);
        assert_true(retry > clock_boottime());
        /* Another owner with the same counter is another owner. */
        s.fence++;
        plant(dir, &s);
        watch.since -= LEASE_TERM;
        assert_int_equal(acquire(dir, &watch, &l, NULL, &retry), LEASE_E_HELD);
        watch.since -= LEASE_TERM;
        assert_int_equal(acquire(dir, &watch, &l, NULL, NULL), 0);
        assert_int_equal(lease_fence(l), 7);
        lease_release(l);
}

static void test_released_elsewhere_is_free(void **state) {
        Somebody s = elsewhere;

        s.state = "free";
        plant(dir_of(state), &s);
        check_free(dir_of(state), 6);
}

static char *watch_file(int dir) {
        _cleanup_closedir_ DIR *d = fdopendir(openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        const struct dirent *de;

        while ((de = readdir(d)))
                if (startswith(de->d_name, "lease-watch-"))
                        return strdup(de->d_name);
        return NULL;
}

/* Put what was noted so far into the past. */
static void age_watch(int dir, const char *name, int64_t usec) {
        _cleanup_free_ char *text = NULL, *object = NULL, *line = NULL;
        _cleanup_json_ cJSON *j = NULL;

        assert_int_equal(file_read_at(dir, name, 4096, &text, NULL), 0);
        j = cJSON_Parse(text);
        cJSON_DeleteItemFromObject(j, "sum");
        json_set_int(j, "since", json_int(j, "since", 0) - usec);
        object = json_print(j);
        line = line_seal(object);
        assert_int_equal(file_replace_nosync_at(dir, name, line, strlen(line), 0640), 0);
}

/* Passes from cron: each knows only what the ones before it left. */
static void test_term_over_several_processes(void **state) {
        int dir = dir_of(state);
        _cleanup_free_ char *name = NULL, *left = NULL;
        Somebody s = elsewhere;
        LeaseOwner owner;
        Lease *l = NULL;

        plant(dir, &s);
        assert_int_equal(acquire(dir, NULL, &l, NULL, NULL), LEASE_E_HELD);
        name = watch_file(dir);
        assert_non_null(name);
        assert_int_equal(acquire(dir, NULL, &l, NULL, NULL), LEASE_E_HELD);
        age_watch(dir, name, LEASE_TERM);
        s.counter++;
        plant(dir, &s);
        assert_int_equal(acquire(dir, NULL, &l, NULL, NULL), LEASE_E_HELD);
        assert_int_equal(acquire(dir, NULL, &l, NULL, NULL), LEASE_E_HELD);
        assert_int_equal(lease_read(dir, &owner), 0);
        assert_true(owner.alive);
        age_watch(dir, name, LEASE_TERM);
        assert_int_equal(lease_read(dir, &owner), 0);
        assert_false(owner.alive);
        check_free(dir, 6);
        left = watch_file(dir);
        assert_null(left);
}

static void test_nonsense_in_the_watch_file(void **state) {
        int dir = dir_of(state);
        _cleanup_free_ char *name = NULL;
        Lease *l = NULL;

        plant(dir, &elsewhere);
        assert_int_equal(acquire(dir, NULL, &l, NULL, NULL), LEASE_E_HELD);
        name = watch_file(dir);
        /* Of the future, torn, unsealed. */
        age_watch(dir, name, -(int64_t)LEASE_TERM * 100);
        assert_int_equal(acquire(dir, NULL, &l, NULL, NULL), LEASE_E_HELD);
        assert_int_equal(file_replace_nosync_at(dir, name, "{\"fence\":5", 10, 0640), 0);
        assert_int_equal(acquire(dir, NULL, &l, NULL, NULL), LEASE_E_HELD);
        assert_int_equal(file_replace_nosync_at(dir, name,
                                 "{\"fence\":5,\"counter\":\"7\",\"since\":1}\n", 37, 0640),
                0);
        assert_int_equal(acquire(dir, NULL, &l, NULL, NULL), LEASE_E_HELD);
}

/* Killed between creating the file and writing it, or overwritten by accident: there is an owner, and it is given its term. */
static void test_unreadable_owner(void **state) {
        static const char *const contents[] = { "", "{}", "\xff\xff\n", "{\"state\":\"free\"}\n" };
        int dir = dir_of(state);

        for (size_t i = 0; i < ELEMENTSOF(contents); i++) {
                LeaseWatch watch = { 0 };
                LeaseOwner owner;
                Lease *l = NULL;
                usec_t retry = 0;

                assert_int_equal(file_replace_nosync_at(
                                         dir, "lease-70", contents[i], strlen(contents[i]), 0640),
                        0);
                assert_int_equal(acquire(dir, &watch, &l, &owner, &retry), LEASE_E_HELD);
                assert_int_equal(owner.fence, 70);
                assert_true(retry > clock_boottime());
                watch.since -= LEASE_TERM;
                assert_int_equal(acquire(dir, &watch, &l, NULL, NULL), 0);
                assert_int_equal(lease_fence(l), 71);
                lease_release(l);
                assert_int_equal(unlinkat(dir, "lease-71", 0), 0);
        }
}

static void test_link_is_no_lease(void **state) {
        Lease *l = NULL;

        assert_int_equal(symlinkat("/etc/passwd", dir_of(state), "lease-3"), 0);
        assert_int_equal(acquire(dir_of(state), NULL, &l, NULL, NULL), -ELOOP);
        assert_null(l);
}

static void test_only_numbers_are_names(void **state) {
        int dir = dir_of(state);

        assert_int_equal(file_create_at(dir, "lease-0099", "", 0, 0640), 0);
        assert_int_equal(file_create_at(dir, "lease-99x", "", 0, 0640), 0);
        assert_int_equal(file_create_at(dir, "lease--1", "", 0, 0640), 0);
        assert_int_equal(file_create_at(dir, "lease-99999999999999999999999", "", 0, 0640), 0);
        check_free(dir, 1);
        assert_true(exists(dir, "lease-0099"));
}

/* All lease files are gone, but the log remembers who wrote: the numbers go on. */
static void test_numbers_never_go_back(void **state) {
        int dir = dir_of(state);
        _cleanup_(eventlog_freep) EventLog *log = NULL;
        Event ev = { .time = 1, .type = EVENT_UPLOADED, .id = "a" };

        assert_int_equal(eventlog_new(dir, 1, 41, &log, NULL), 0);
        assert_int_equal(eventlog_append(log, &ev), 0);
        assert_int_equal(eventlog_commit(log), 0);
        check_free(dir, 42);
        assert_int_equal(unlinkat(dir, "lease-42", 0), 0);
        check_free(dir, 42);
        check_free(dir, 43);
}

/* All start at once; exactly one may win each round, and the number goes up. */
static void test_race(void **state) {
        enum {
                CHILDREN = 8,
                ROUNDS = 50
        };
        int dir = dir_of(state);
        uint64_t last = 0;

        for (int round = 0; round < ROUNDS; round++) {
                int start[2], result[2], finish[2];
                unsigned won = 0, held = 0;
                uint64_t fence = 0;

                assert_int_equal(pipe(start), 0);
                assert_int_equal(pipe(result), 0);
                assert_int_equal(pipe(finish), 0);
                for (int i = 0; i < CHILDREN; i++) {
                        pid_t pid = fork();
                        Lease *l = NULL;
                        int64_t answer;
                        char c;

                        assert_true(pid >= 0);
                        if (pid > 0)
                                continue;
                        close(start[1]);
                        close(finish[1]);
                        if (read(start[0], &c, 1) < 0)
                                _exit(1);
                        answer = acquire(dir, NULL, &l, NULL, NULL);
                        answer = answer == 0 ? (int64_t)lease_fence(l) : -answer;
                        if (write(result[1], &answer, sizeof(answer)) != sizeof(answer) ||
                                read(finish[0], &c, 1) < 0)
                                _exit(1);
                        lease_release(l);
                        _exit(0);
                }
                close(start[1]);
                for (int i = 0; i < CHILDREN; i++) {
                        int64_t answer;

                        assert_int_equal(read(result[0], &answer, sizeof(answer)), sizeof(answer));
                        if (answer > 0) {
                                won++;
                                fence = (uint64_t)answer;
                        } else if (answer == -LEASE_E_HELD)
                                held++;
                }
                close(finish[1]);
                for (int i = 0; i < CHILDREN; i++) {
                        int status;

                        assert_true(wait(&status) > 0);
                        assert_int_equal(status, 0);
                }
                assert_int_equal(won, 1);
                assert_int_equal(held, CHILDREN - 1);
                assert_true(fence > last);
                last = fence;
                close(start[0]);
                close(result[0]);
                close(result[1]);
                close(finish[0]);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_take_and_give, setup, teardown),
                cmocka_unit_test_setup_teardown(test_free_keeps_it, setup, teardown),
                cmocka_unit_test_setup_teardown(test_loss_is_seen, setup, teardown),
                cmocka_unit_test_setup_teardown(test_replaced_file_is_a_loss, setup, teardown),
                cmocka_unit_test_setup_teardown(test_unreachable_is_not_a_loss, setup, teardown),
                cmocka_unit_test_setup_teardown(test_dead_here_is_known_at_once, setup, teardown),
                cmocka_unit_test_setup_teardown(test_unreaped_is_dead, setup, teardown),
                cmocka_unit_test_setup_teardown(test_other_pid_space_is_elsewhere, setup, teardown),
                cmocka_unit_test_setup_teardown(test_without_proof_it_is_watched, setup, teardown),
                cmocka_unit_test_setup_teardown(
                        test_elsewhere_is_watched_for_a_term, setup, teardown),
                cmocka_unit_test_setup_teardown(test_released_elsewhere_is_free, setup, teardown),
                cmocka_unit_test_setup_teardown(test_term_over_several_processes, setup, teardown),
                cmocka_unit_test_setup_teardown(test_nonsense_in_the_watch_file, setup, teardown),
                cmocka_unit_test_setup_teardown(test_unreadable_owner, setup, teardown),
                cmocka_unit_test_setup_teardown(test_link_is_no_lease, setup, teardown),
                cmocka_unit_test_setup_teardown(test_only_numbers_are_names, setup, teardown),
                cmocka_unit_test_setup_teardown(test_numbers_never_go_back, setup, teardown),
                cmocka_unit_test_setup_teardown(test_race, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
