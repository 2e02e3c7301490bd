/* SPDX-License-Identifier: Apache-2.0 */

/* The pool of workers: answers, deaths, bounds, order, and what a child may not hold on to. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "worker.h"

/* What parent and children share. */
typedef struct Shared {
        int running, most, started;
        int order[32];
        int release; /* children wait until this is set */
        int others_done;
} Shared;

#define SEEN_MAX 64

typedef struct Fixture {
        sd_event *event;
        WorkerPool *pool;
        Shared *shared;
        int done, r;
        char text[sizeof(((Error *)0)->text)];
        cJSON *result;
        bool free_pool;
        int chained;
        pid_t pids[SEEN_MAX]; /* of whoever answered with one */
        int failed;
} Fixture;

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        assert_true(sd_event_new(&f->event) >= 0);
        assert_int_equal(worker_pool_new(f->event, &f->pool), 0);
        f->shared = mmap(
                NULL, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        assert_true(f->shared != MAP_FAILED);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        worker_pool_free(f->pool);
        sd_event_unref(f->event);
        munmap(f->shared, sizeof(Shared));
        cJSON_Delete(f->result);
        free(f);
        return 0;
}

static void on_done(int r, const cJSON *result, const Error *e, void *userdata) {
        Fixture *f = userdata;

        f->done++;
        f->r = r;
        if (f->done <= SEEN_MAX)
                f->pids[f->done - 1] = (pid_t)json_int(result, "pid", 0);
        f->failed += r < 0;
        snprintf(f->text, sizeof(f->text), "%s", e->text);
        cJSON_Delete(f->result);
        f->result = result ? cJSON_Duplicate(result, 1) : NULL;
        if (f->free_pool)
                f->pool = worker_pool_free(f->pool);
}

static void on_free(void *arg) {
        ++*(int *)arg;
}

/* Runs the loop until @done pieces of work were answered; a loop that is stuck fails the test. */
static void run_until(Fixture *f, int done) {
        while (f->done < done)
                assert_true(sd_event_run(f->event, 60 * USEC_PER_SEC) > 0);
}

static int work_answer(void *arg, cJSON *result, Error *e) {
        if (json_set_str(result, "folder", "a b") < 0)
                return -ENOMEM;
        return error_set(e, 7, "\xff raw %s", arg ? (char *)arg : "");
}

static void test_answer(void **state) {
        Fixture *f = *state;

        assert_int_equal(
                worker_run(f->pool, LANE_STAGE, work_answer, (char *)"bytes", NULL, on_done, f), 0);
        assert_int_equal(f->done, 0);
        assert_int_equal(worker_busy(f->pool, LANE_STAGE), 1);
        run_until(f, 1);
        assert_int_equal(f->r, 7);
        assert_string_equal(f->text, "\xff raw bytes");
        assert_string_equal(json_str(f->result, "folder"), "a b");
        assert_int_equal(worker_busy(f->pool, _LANE_MAX), 0);
}

static int work_killed(void *arg, cJSON *result _unused_, Error *e _unused_) {
        raise(*(int *)arg);
        return 0;
}

static void test_killed(void **state) {
        Fixture *f = *state;
        int sig = SIGKILL;

        assert_int_equal(worker_run(f->pool, LANE_STAGE, work_killed, &sig, NULL, on_done, f), 0);
        run_until(f, 1);
        assert_int_equal(f->r, -ECHILD);
        assert_non_null(strstr(f->text, "signal 9"));
        assert_null(f->result);
}

static int work_exits(void *arg, cJSON *result _unused_, Error *e _unused_) {
        _exit(*(int *)arg);
}

/* Exit code 0 without an answer is no success. */
static void test_exits_silently(void **state) {
        Fixture *f = *state;
        int codes[] = { 0, 3 };

        for (int i = 0; i < 2; i++) {
                assert_int_equal(
                        worker_run(f->pool, LANE_STAGE, work_exits, &codes[i], NULL, on_done, f),
                        0);
                run_until(f, i + 1);
                assert_int_equal(f->r, -ECHILD);
        }
}

static int work_big(void *arg, cJSON *result, Error *e _unused_) {
        size_t size = *(size_t *)arg;
        char *text = malloc(size + 1);

        memset(text, 'x', size);
        text[size] = 0;
        return json_set_str(result, "text", text);
}

static void test_big_answers(void **state) {
        Fixture *f = *state;
        size_t fits = 3 * 1024 * 1024, too_big = 5 * 1024 * 1024;

        assert_int_equal(worker_run(f->pool, LANE_STAGE, work_big, &fits, NULL, on_done, f), 0);
        run_until(f, 1);
        assert_int_equal(f->r, 0);
        assert_int_equal(strlen(json_str(f->result, "text")), fits);
        assert_int_equal(worker_run(f->pool, LANE_STAGE, work_big, &too_big, NULL, on_done, f), 0);
        run_until(f, 2);
        assert_int_equal(f->r, -ECHILD);
        assert_null(f->result);
}

typedef struct Turn {
        Shared *shared;
        int number;
} Turn;

/* Notes its turn, and waits until it is let go. */
static int work_turn(void *arg, cJSON *result _unused_, Error *e _unused_) {
        Turn *t = arg;
        int n = __atomic_add_fetch(&t->shared->running, 1, __ATOMIC_SEQ_CST);

        t->shared->order[__atomic_fetch_add(&t->shared->started, 1, __ATOMIC_SEQ_CST)] = t->number;
        if (n > __atomic_load_n(&t->shared->most, __ATOMIC_SEQ_CST))
                __atomic_store_n(&t->shared->most, n, __ATOMIC_SEQ_CST);
        while (!__atomic_load_n(&t->shared->release, __ATOMIC_SEQ_CST))
                usleep(1000);
        __atomic_sub_fetch(&t->shared->running, 1, __ATOMIC_SEQ_CST);
        return 0;
}

static void test_bounds(void **state) {
        static const struct {
                WorkerLane lane;
                int bound;
        } lanes[] = { { LANE_STAGE, 4 }, { LANE_SETTLE, 2 }, { LANE_BULK, 1 },
                { LANE_CHECKPOINT, 1 } };
        Fixture *f = *state;
        Turn turns[9];

        for (size_t l = 0; l < ELEMENTSOF(lanes); l++) {
                memset(f->shared, 0, sizeof(*f->shared));
                f->done = 0;
                for (int i = 0; i < 9; i++) {
                        turns[i] = (Turn){ f->shared, i };
                        assert_int_equal(worker_run(f->pool, lanes[l].lane, work_turn, &turns[i],
                                                 NULL, on_done, f),
                                0);
                }
                while (__atomic_load_n(&f->shared->started, __ATOMIC_SEQ_CST) < lanes[l].bound)
                        usleep(1000);
                assert_int_equal(worker_busy(f->pool, lanes[l].lane), 9);
                f->shared->release = 1;
                run_until(f, 9);
                assert_true(f->shared->most <= lanes[l].bound);
                assert_int_equal(f->shared->started, 9);
        }
}

/* First come, first served; visible in a lane for one. */
static void test_order(void **state) {
        Fixture *f = *state;
        Turn turns[9];

        f->shared->release = 1;
        for (int i = 0; i < 9; i++) {
                turns[i] = (Turn){ f->shared, i };
                assert_int_equal(
                        worker_run(f->pool, LANE_BULK, work_turn, &turns[i], NULL, on_done, f), 0);
        }
        run_until(f, 9);
        for (int i = 0; i < 9; i++)
                assert_int_equal(f->shared->order[i], i);
}

/* A busy lane does not keep another from starting. */
static void test_lanes_are_apart(void **state) {
        Fixture *f = *state;
        Turn turn = { f->shared, 0 };

        assert_int_equal(worker_run(f->pool, LANE_BULK, work_turn, &turn, NULL, on_done, f), 0);
        assert_int_equal(worker_run(f->pool, LANE_STAGE, work_answer, NULL, NULL, on_done, f), 0);
        run_until(f, 1);
        assert_int_equal(f->r, 7);
        f->shared->release = 1;
        run_until(f, 2);
}

static void test_argument_is_freed(void **state) {
        Fixture *f = *state;
        int freed = 0;

        assert_int_equal(
                worker_run(f->pool, LANE_STAGE, work_exits, &freed, on_free, on_done, f), 0);
        run_until(f, 1);
        assert_int_equal(freed, 1);
}

/* Freed with work running and waiting: no callback, arguments freed, children gone. */
static void test_free_with_work(void **state) {
        Fixture *f = *state;
        Turn turn = { f->shared, 0 };
        int freed = 0;

        assert_int_equal(worker_run(f->pool, LANE_BULK, work_turn, &turn, NULL, on_done, f), 0);
        for (int i = 0; i < 3; i++)
                assert_int_equal(
                        worker_run(f->pool, LANE_BULK, work_exits, &freed, on_free, on_done, f), 0);
        f->pool = worker_pool_free(f->pool);
        assert_int_equal(f->done, 0);
        assert_int_equal(freed, 3);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
        assert_int_equal(errno, ECHILD);
}

static void test_free_from_callback(void **state) {
        Fixture *f = *state;

        f->free_pool = true;
        for (int i = 0; i < 6; i++)
                assert_int_equal(
                        worker_run(f->pool, LANE_BULK, work_answer, NULL, NULL, on_done, f), 0);
        run_until(f, 1);
        assert_null(f->pool);
        assert_int_equal(f->done, 1);
}

static void on_chain(int r, const cJSON *result, const Error *e, void *userdata) {
        Fixture *f = userdata;

        if (++f->chained < 3)
                assert_int_equal(
                        worker_run(f->pool, LANE_BULK, work_answer, NULL, NULL, on_chain, f), 0);
        on_done(r, result, e, userdata);
}

static void test_queue_from_callback(void **state) {
        Fixture *f = *state;

        assert_int_equal(worker_run(f->pool, LANE_BULK, work_answer, NULL, NULL, on_chain, f), 0);
        run_until(f, 3);
        assert_int_equal(f->chained, 3);
}

/* A long purge must not keep a client's connection open. */
static void test_no_sockets(void **state) {
        Fixture *f = *state;
        Turn turn = { f->shared, 0 };
        int pair[2];
        char c;

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        assert_int_equal(worker_run(f->pool, LANE_BULK, work_turn, &turn, NULL, on_done, f), 0);
        while (!__atomic_load_n(&f->shared->started, __ATOMIC_SEQ_CST))
                usleep(1000);
        close(pair[0]);
        assert_int_equal(read(pair[1], &c, 1), 0);
        close(pair[1]);
        f->shared->release = 1;
        run_until(f, 1);
}

static int work_signals(void *arg _unused_, cJSON *result _unused_, Error *e _unused_) {
        struct sigaction sa;
        sigset_t mask;

        sigprocmask(SIG_SETMASK, NULL, &mask);
        sigaction(SIGTERM, NULL, &sa);
        return !sigismember(&mask, SIGCHLD) && !sigismember(&mask, SIGTERM) &&
                        sa.sa_handler == SIG_DFL
                ? 0
                : 1;
}

static void test_signals_are_default(void **state) {
        Fixture *f = *state;
        sigset_t mask, old;

        sigemptyset(&mask);
        sigaddset(&mask, SIGTERM);
        sigprocmask(SIG_BLOCK, &mask, &old);
        signal(SIGTERM, SIG_IGN);
        assert_int_equal(worker_run(f->pool, LANE_STAGE, work_signals, NULL, NULL, on_done, f), 0);
        signal(SIGTERM, SIG_DFL);
        sigprocmask(SIG_SETMASK, &old, NULL);
        run_until(f, 1);
        assert_int_equal(f->r, 0);
}

static int work_name(void *arg, cJSON *result, Error *e _unused_) {
        *(pid_t *)arg = getpid();
        return json_set_int(result, "pid", getpid());
}

/* A daemon with one worker at work, killed. */
static _Noreturn void die_with_worker(Fixture *f) {
        Turn turn = { f->shared, 0 };
        sd_event *event = NULL;
        WorkerPool *pool = NULL;

        if (sd_event_new(&event) < 0 || worker_pool_new(event, &pool) < 0 ||
                worker_run(pool, LANE_BULK, work_turn, &turn, NULL, on_done, f) < 0)
                _exit(1);
        while (!__atomic_load_n(&f->shared->started, __ATOMIC_SEQ_CST))
                usleep(1000);
        raise(SIGKILL);
        _exit(1);
}

/* The death of the daemon is the end of its workers; orphans come to us, so that we see how they ended. */
static void test_dies_with_parent(void **state) {
        Fixture *f = *state;
        int status;
        pid_t pid;

        assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
        pid = fork();
        if (pid == 0)
                die_with_worker(f);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        assert_true(waitpid(-1, &status, 0) > 0);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGKILL);
        assert_int_equal(f->shared->running, 1);
        assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
}

/* What the child does to memory stays with the child. */
static void test_memory_is_apart(void **state) {
        Fixture *f = *state;
        pid_t seen = 0;

        assert_int_equal(
                worker_run(f->pool, LANE_CHECKPOINT, work_name, &seen, NULL, on_done, f), 0);
        run_until(f, 1);
        assert_int_equal(seen, 0);
        assert_int_not_equal(json_int(f->result, "pid", 0), getpid());
}

/* ---- shares ---- */

/* How many different children have answered. */
static int count_children(const Fixture *f) {
        int n = 0;

        for (int i = 0; i < f->done; i++) {
                int j = 0;

                while (j < i && f->pids[j] != f->pids[i])
                        j++;
                n += j == i && f->pids[i];
        }
        return n;
}

/* Fills the lane for staging, so that what comes has to wait until begin(). */
static void block(Fixture *f, Turn turns[static 4]) {
        for (int i = 0; i < 4; i++) {
                turns[i] = (Turn){ f->shared, i };
                assert_int_equal(
                        worker_run(f->pool, LANE_STAGE, work_turn, &turns[i], NULL, on_done, f), 0);
        }
}

static void begin(Fixture *f, int done) {
        assert_int_equal(f->done, 0);
        assert_int_equal(worker_busy(f->pool, LANE_STAGE), done);
        f->shared->release = 1;
        run_until(f, done);
        assert_int_equal(worker_busy(f->pool, LANE_STAGE), 0);
}

/* Many that had to wait share a few forks. */
static void test_shares(void **state) {
        Fixture *f = *state;
        Turn turns[4];
        pid_t seen;

        block(f, turns);
        for (int i = 0; i < 40; i++)
                assert_int_equal(
                        worker_run(f->pool, LANE_STAGE, work_name, &seen, NULL, on_done, f), 0);
        begin(f, 44);
        assert_int_equal(f->failed, 0);
        assert_true(count_children(f) > 0);
        assert_true(count_children(f) < 20);
}

/* Waits until everything else is done. */
static int work_last(void *arg, cJSON *result, Error *e) {
        Shared *shared = arg;

        while (!__atomic_load_n(&shared->others_done, __ATOMIC_SEQ_CST))
                usleep(1000);
        return work_answer(NULL, result, e);
}

/* What was given to a child that does not come to it is done by another. */
static void test_taken_back_from_slow(void **state) {
        Fixture *f = *state;
        Turn turns[4];
        pid_t seen;

        block(f, turns);
        for (int i = 0; i < 32; i++)
                assert_int_equal(worker_run(f->pool, LANE_STAGE, i ? work_name : work_last,
                                         i ? (void *)&seen : f->shared, NULL, on_done, f),
                        0);
        f->shared->release = 1;
        run_until(f, 35);
        assert_int_equal(worker_busy(f->pool, LANE_STAGE), 1);
        f->shared->others_done = 1;
        run_until(f, 36);
        assert_int_equal(f->r, 7);
        assert_int_equal(f->failed, 0);
}

/* Of a share only what was under way goes down with its child; what was not begun is done by another. */
static void test_death_in_a_share(void **state) {
        Fixture *f = *state;
        int sig = SIGKILL;
        Turn turns[4];
        pid_t seen;

        block(f, turns);
        for (int i = 0; i < 32; i++)
                assert_int_equal(worker_run(f->pool, LANE_STAGE, i % 8 ? work_name : work_killed,
                                         i % 8 ? (void *)&seen : &sig, NULL, on_done, f),
                        0);
        begin(f, 36);
        assert_int_equal(f->failed, 4);
}

/* An end without an answer is a failure, once, wherever in a share it comes. */
static void test_silence_in_a_share(void **state) {
        Fixture *f = *state;
        int code = EXIT_SUCCESS;
        Turn turns[4];
        pid_t seen;

        block(f, turns);
        for (int i = 0; i < 32; i++)
                assert_int_equal(worker_run(f->pool, LANE_STAGE, i % 8 ? work_name : work_exits,
                                         i % 8 ? (void *)&seen : &code, NULL, on_done, f),
                        0);
        begin(f, 36);
        assert_int_equal(f->failed, 4);
}

/* Freed while a child has a share. */
static void test_free_with_share(void **state) {
        Fixture *f = *state;
        Turn turns[4];
        int freed = 0;

        block(f, turns);
        for (int i = 0; i < 32; i++)
                assert_int_equal(
                        worker_run(f->pool, LANE_STAGE, work_answer, &freed, on_free, on_done, f),
                        0);
        f->shared->release = 1;
        f->free_pool = true;
        while (f->pool)
                assert_true(sd_event_run(f->event, 60 * USEC_PER_SEC) > 0);
        assert_int_equal(freed, 32);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                T(test_answer),
                T(test_killed),
                T(test_exits_silently),
                T(test_big_answers),
                T(test_bounds),
                T(test_order),
                T(test_lanes_are_apart),
                T(test_argument_is_freed),
                T(test_free_with_work),
                T(test_free_from_callback),
                T(test_queue_from_callback),
                T(test_no_sockets),
                T(test_signals_are_default),
                T(test_dies_with_parent),
                T(test_memory_is_apart),
                T(test_shares),
                T(test_taken_back_from_slow),
                T(test_death_in_a_share),
                T(test_silence_in_a_share),
                T(test_free_with_share),
        };

        return cmocka_run_group_tests_name("worker", tests, NULL, NULL);
}
