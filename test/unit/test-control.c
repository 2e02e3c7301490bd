/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The control socket against clients of every kind: orderly, slow, vanished, garbled, too many, somebody else. Both sides live in this
 * process; the loop is turned by hand between what the clients do, until nothing moves any more.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "control-internal.h"
#include "fileio.h"
#include "text.h"

#define IFACE "org.example.Test"

typedef struct Fixture {
        sd_event *event;
        Control *control;
        char folder[64], path[128];
        ControlCall *kept; /* by Keep */
        int cancelled, echoes, drained;
        int parts; /* Stream sends so many */
} Fixture;

/* ---- methods ---- */

static int echo(ControlCall *call, const cJSON *parameters, void *userdata) {
        Fixture *f = userdata;

        f->echoes++;
        return control_reply(call, cJSON_Duplicate(parameters, true));
}

static void on_cancel(ControlCall *call, void *userdata) {
        Fixture *f = userdata;

        assert_ptr_equal(call, f->kept);
        f->kept = NULL;
        f->cancelled++;
}

static int keep(ControlCall *call, const cJSON *parameters, void *userdata) {
        Fixture *f = userdata;

        (void)parameters;
        f->kept = call;
        control_on_cancel(call, on_cancel, f);
        return 0;
}

static int refuse(ControlCall *call, const cJSON *parameters, void *userdata) {
        (void)parameters;
        (void)userdata;
        return control_error(call, IFACE ".No", NULL);
}

static int fail_silently(ControlCall *call, const cJSON *parameters, void *userdata) {
        (void)call;
        (void)parameters;
        (void)userdata;
        return -ENOMEM;
}

static void send_part(ControlCall *call, void *userdata) {
        Fixture *f = userdata;
        cJSON *o = cJSON_CreateObject();

        f->drained++;
        json_set_int(o, "left", --f->parts);
        if (f->parts > 0)
                control_reply_more(call, o);
        else
                control_reply(call, o);
}

static int stream(ControlCall *call, const cJSON *parameters, void *userdata) {
        (void)parameters;
        assert_true(control_wants_more(call));
        control_on_drain(call, send_part, userdata);
        return 0;
}

static const ControlMethod methods[] = {
        { IFACE ".Echo", echo },
        { IFACE ".Keep", keep },
        { IFACE ".Refuse", refuse },
        { IFACE ".Fail", fail_silently },
        { IFACE ".Stream", stream },
};

static const char description[] = "# A test.\ninterface " IFACE "\nmethod Echo() -> ()\n";

/* ---- fixture ---- */

static void listen_at(Fixture *f) {
        Error e = {};
        int r = control_new(
                f->event, f->path, methods, ELEMENTSOF(methods), description, f, &f->control, &e);

        if (r < 0)
                fail_msg("%s", e.text);
}

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        assert_true(sd_event_new(&f->event) >= 0);
        strcpy(f->folder, "/tmp/flowcron-test-XXXXXX");
        assert_non_null(mkdtemp(f->folder));
        snprintf(f->path, sizeof(f->path), "%s/run/x.sock", f->folder);
        listen_at(f);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        control_free(f->control);
        sd_event_unref(f->event);
        tree_remove(AT_FDCWD, f->folder);
        free(f);
        return 0;
}

/* Until the loop has nothing to do at once. */
static void turn(Fixture *f) {
        int r;

        do {
                r = sd_event_run(f->event, 0);
                assert_true(r >= 0);
        } while (r > 0);
}

/* Until a deadline has passed; the test's own time limit ends a wait for nothing. */
static void turn_until_gone(Fixture *f) {
        while (f->control->n_connections > 0)
                assert_true(sd_event_run(f->event, UINT64_MAX) >= 0);
}

/* ---- a client ---- */

typedef struct Peer {
        int fd;
        VarlinkReader reader;
} Peer;

static int connect_to(const char *path) {
        struct sockaddr_un sun = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        assert_true(fd >= 0);
        assert_true(strlen(path) < sizeof(sun.sun_path));
        strcpy(sun.sun_path, path);
        if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0) {
                close(fd);
                return -errno;
        }
        return fd;
}

static Peer peer_new(Fixture *f) {
        Peer p = { .fd = connect_to(f->path), .reader.max = VARLINK_REPLY_MAX };

        assert_true(p.fd >= 0);
        turn(f);
        return p;
}

static void peer_done(Peer *p) {
        p->fd = safe_close(p->fd);
        varlink_reader_done(&p->reader);
}

static void say(const Peer *p, const void *data, size_t size) {
        assert_int_equal(send(p->fd, data, size, MSG_NOSIGNAL), (ssize_t)size);
}

/* A text with its NUL is a frame. */
static void say_frame(const Peer *p, const char *text) {
        say(p, text, strlen(text) + 1);
}

/* Everything that has come; true if the other side has closed. */
static bool hear(Peer *p) {
        char buffer[65536];

        for (;;) {
                ssize_t n = recv(p->fd, buffer, sizeof(buffer), 0);

                if (n > 0)
                        assert_int_equal(varlink_reader_feed(&p->reader, buffer, (size_t)n), 0);
                else
                        return n == 0 || errno != EAGAIN;
        }
}

static VarlinkReply next_reply(Fixture *f, Peer *p) {
        VarlinkReply reply = {};
        const char *frame;
        size_t size;
        Error e = {};

        turn(f);
        hear(p);
        assert_int_equal(varlink_reader_next(&p->reader, &frame, &size), 1);
        assert_int_equal(varlink_reply_parse(frame, size, &reply, &e), 0);
        return reply;
}

static void expect_error(
        Fixture *f, Peer *p, const char *error, const char *key, const char *value) {
        VarlinkReply reply = next_reply(f, p);

        assert_non_null(reply.error);
        assert_string_equal(reply.error, error);
        if (key)
                assert_string_equal(json_str(reply.parameters, key), value);
        varlink_reply_done(&reply);
}

static void expect_echo(Fixture *f, Peer *p, int n) {
        VarlinkReply reply = next_reply(f, p);

        assert_null(reply.error);
        assert_int_equal(json_int(reply.parameters, "n", -1), n);
        varlink_reply_done(&reply);
}

static void expect_silence(Fixture *f, Peer *p) {
        turn(f);
        assert_false(hear(p));
        assert_false(varlink_reader_pending(&p->reader));
}

static void expect_closed(Fixture *f, Peer *p) {
        turn(f);
        assert_true(hear(p));
        assert_int_equal(f->control->n_connections, 0);
}

/* ---- orderly clients ---- */

static void test_service(void **state) {
        Fixture *f = *state;
        Peer p = peer_new(f);
        VarlinkReply reply;

        say_frame(&p, "{\"method\":\"org.varlink.service.GetInfo\"}");
        reply = next_reply(f, &p);
        assert_string_equal(json_str(reply.parameters, "product"), "flowcrond");
        assert_string_equal(cJSON_GetStringValue(cJSON_GetArrayItem(
                                    json_array(reply.parameters, "interfaces"), 1)),
                IFACE);
        varlink_reply_done(&reply);
        say_frame(&p,
                "{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":{\"interface\":\"" IFACE
                "\"}}");
        reply = next_reply(f, &p);
        assert_string_equal(json_str(reply.parameters, "description"), description);
        varlink_reply_done(&reply);
        peer_done(&p);
}

static void test_errors_of_the_specification(void **state) {
        Fixture *f = *state;
        Peer p = peer_new(f);

        say_frame(&p, "{\"method\":\"" IFACE ".Nothing\"}");
        expect_error(f, &p, VARLINK_E_METHOD_NOT_FOUND, "method", IFACE ".Nothing");
        say_frame(&p, "{\"method\":\"org.example.Tes.Echo\"}");
        expect_error(f, &p, VARLINK_E_INTERFACE_NOT_FOUND, "interface", "org.example.Tes");
        say_frame(&p, "{\"method\":\"nonsense\"}");
        expect_error(f, &p, VARLINK_E_METHOD_NOT_FOUND, "method", "nonsense");
        say_frame(&p, "{\"method\":\"org.varlink.service.GetInterfaceDescription\"}");
        expect_error(f, &p, VARLINK_E_INVALID_PARAMETER, "parameter", "interface");
        say_frame(&p, "{\"method\":\"" IFACE ".Echo\",\"upgrade\":true}");
        expect_error(f, &p, VARLINK_E_METHOD_NOT_IMPLEMENTED, "method", IFACE ".Echo");
        say_frame(&p, "{\"method\":\"" IFACE ".Refuse\"}");
        expect_error(f, &p, IFACE ".No", NULL, NULL);
        peer_done(&p);
}

/* Answers come in the order of the calls, and the second waits for the first. */
static void test_pipelined_calls(void **state) {
        Fixture *f = *state;
        Peer p = peer_new(f);

        say_frame(&p, "{\"method\":\"" IFACE ".Keep\"}");
        say_frame(&p, "{\"method\":\"" IFACE ".Echo\",\"parameters\":{\"n\":1}}");
        say_frame(&p, "{\"method\":\"" IFACE ".Echo\",\"oneway\":true,\"parameters\":{\"n\":2}}");
        say_frame(&p, "{\"method\":\"" IFACE ".Echo\",\"parameters\":{\"n\":3}}");
        expect_silence(f, &p);
        assert_int_equal(f->echoes, 0);
        control_reply(f->kept, NULL);
        expect_echo(f, &p, -1);
        expect_echo(f, &p, 1);
        expect_echo(f, &p, 3);
        assert_int_equal(f->echoes, 3);
        assert_int_equal(f->cancelled, 0);
        peer_done(&p);
}

static void test_byte_by_byte(void **state) {
        static const char call[] = "{\"method\":\"" IFACE ".Echo\",\"parameters\":{\"n\":1}}";
        Fixture *f = *state;
        Peer p = peer_new(f);

        for (size_t i = 0; i < sizeof(call); i++) {
                expect_silence(f, &p);
                say(&p, call + i, 1);
        }
        expect_echo(f, &p, 1);
        peer_done(&p);
}

static void test_half_closed_client_gets_its_answers(void **state) {
        Fixture *f = *state;
        Peer p = peer_new(f);

        say_frame(&p, "{\"method\":\"" IFACE ".Keep\"}");
        say_frame(&p, "{\"method\":\"" IFACE ".Echo\",\"parameters\":{\"n\":1}}");
        shutdown(p.fd, SHUT_WR);
        expect_silence(f, &p);
        control_reply(f->kept, NULL);
        expect_echo(f, &p, -1);
        expect_echo(f, &p, 1);
        expect_closed(f, &p);
        peer_done(&p);
}

static void test_stream(void **state) {
        Fixture *f = *state;
        Peer p = peer_new(f);

        f->parts = 1000;
        say_frame(&p, "{\"method\":\"" IFACE ".Stream\",\"more\":true}");
        for (int left = 999; left >= 0; left--) {
                VarlinkReply reply = next_reply(f, &p);

                assert_int_equal(json_int(reply.parameters, "left", -1), left);
                assert_int_equal(reply.continues, left > 0);
                varlink_reply_done(&reply);
        }
        assert_int_equal(f->drained, 1000);
        peer_done(&p);
}

/* ---- odd clients ---- */

static void test_garbage_ends_the_connection(void **state) {
        static const char *const garbage[] = { "GET / HTTP/1.1\r\n\r\n", "[]", "{}",
                "{\"method\":7}", "", "\xff\xfe" };
        Fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(garbage); i++) {
                Peer p = peer_new(f);

                say_frame(&p, garbage[i]);
                expect_closed(f, &p);
                assert_false(varlink_reader_pending(&p.reader));
                peer_done(&p);
        }
}

static void test_frame_without_end(void **state) {
        Fixture *f = *state;
        Peer p = peer_new(f);
        char block[65536];
        size_t sent = 0;

        memset(block, ' ', sizeof(block));
        while (f->control->n_connections > 0) {
                ssize_t n = send(p.fd, block, sizeof(block), MSG_NOSIGNAL);

                sent += n > 0 ? (size_t)n : 0;
                assert_true(sent < 4 * VARLINK_FRAME_MAX);
                turn(f);
        }
        assert_true(sent > VARLINK_FRAME_MAX);
        expect_closed(f, &p);
        peer_done(&p);
}

static void test_half_a_frame_has_a_deadline(void **state) {
        Fixture *f = *state;
        Peer p, other;

        f->control->frame_deadline = USEC_PER_MSEC;
        p = peer_new(f);
        other = peer_new(f);
        say(&p, "{\"meth", 7);
        say_frame(&other, "{\"method\":\"" IFACE ".Keep\"}");
        while (f->control->n_connections > 1)
                assert_true(sd_event_run(f->event, UINT64_MAX) >= 0);
        turn(f);
        assert_true(hear(&p));
        /* Neither silence nor a call under way is half a frame. */
        assert_non_null(f->kept);
        control_reply(f->kept, NULL);
        expect_echo(f, &other, -1);
        peer_done(&p);
        peer_done(&other);
}

static void test_reader_that_reads_nothing(void **state) {
        Fixture *f = *state;
        Peer p = peer_new(f);
        int sent = 0, r = 0;
        char text[2000];

        memset(text, 'x', sizeof(text));
        text[sizeof(text) - 1] = 0;
        say_frame(&p, "{\"method\":\"" IFACE ".Keep\",\"more\":true}");
        turn(f);
        while (r == 0) {
                cJSON *o = cJSON_CreateObject();

                json_set_str(o, "text", text);
                r = control_reply_more(f->kept, o);
                sent++;
        }
        assert_int_equal(r, -ENOBUFS);
        assert_true((size_t)sent * sizeof(text) < 2 * CONTROL_QUEUE_MAX);
        /* The call still stands, and can say why it ends. */
        control_error(f->kept, IFACE ".TooSlow", NULL);
        for (int i = 0; i < sent - 1; i++) {
                VarlinkReply reply = next_reply(f, &p);

                assert_true(reply.continues);
                varlink_reply_done(&reply);
        }
        expect_error(f, &p, IFACE ".TooSlow", NULL, NULL);
        peer_done(&p);
}

static void test_stalled_queue_has_a_deadline(void **state) {
        Fixture *f = *state;
        Peer p;
        int r = 0;

        f->control->stall_deadline = USEC_PER_MSEC;
        p = peer_new(f);
        say_frame(&p, "{\"method\":\"" IFACE ".Keep\",\"more\":true}");
        turn(f);
        while (r == 0)
                r = control_reply_more(f->kept, cJSON_CreateObject());
        turn_until_gone(f);
        assert_int_equal(f->cancelled, 1);
        peer_done(&p);
}

static void test_vanished_client_is_told_to_the_method(void **state) {
        Fixture *f = *state;
        Peer p = peer_new(f);

        say_frame(&p, "{\"method\":\"" IFACE ".Keep\"}");
        turn(f);
        assert_non_null(f->kept);
        peer_done(&p);
        turn(f);
        assert_int_equal(f->cancelled, 1);
        assert_int_equal(f->control->n_connections, 0);
}

/* Who wants no answer may leave. */
static void test_oneway_outlives_its_client(void **state) {
        Fixture *f = *state;
        Peer p = peer_new(f);

        say_frame(&p, "{\"method\":\"" IFACE ".Keep\",\"oneway\":true}");
        say_frame(&p, "{\"method\":\"" IFACE ".Echo\",\"oneway\":true}");
        peer_done(&p);
        turn(f);
        assert_non_null(f->kept);
        assert_int_equal(f->cancelled, 0);
        control_reply(f->kept, NULL);
        turn(f);
        assert_int_equal(f->echoes, 1);
        assert_int_equal(f->control->n_connections, 0);
}

static void test_answer_to_a_client_just_gone(void **state) {
        Fixture *f = *state;
        Peer p = peer_new(f);

        say_frame(&p, "{\"method\":\"" IFACE ".Keep\"}");
        turn(f);
        peer_done(&p);
        assert_true(control_reply(f->kept, NULL) < 0);
        turn(f);
        assert_int_equal(f->cancelled, 0); /* it had ended before */
        assert_int_equal(f->control->n_connections, 0);
}

static void test_method_that_fails(void **state) {
        Fixture *f = *state;
        Peer p = peer_new(f);

        say_frame(&p, "{\"method\":\"" IFACE ".Fail\"}");
        expect_closed(f, &p);
        peer_done(&p);
}

static void test_calls_end_with_the_socket(void **state) {
        Fixture *f = *state;
        Peer p = peer_new(f);

        say_frame(&p, "{\"method\":\"" IFACE ".Keep\"}");
        turn(f);
        f->control = control_free(f->control);
        assert_int_equal(f->cancelled, 1);
        assert_true(hear(&p));
        assert_int_equal(connect_to(f->path), -ENOENT);
        peer_done(&p);
}

/* ---- many, and others ---- */

static void test_a_thousand_connections(void **state) {
        Fixture *f = *state;
        static int fds[1000];
        Peer busy = peer_new(f), late;

        say_frame(&busy, "{\"method\":\"" IFACE ".Keep\"}");
        turn(f);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++) {
                fds[i] = connect_to(f->path);
                assert_true(fds[i] >= 0);
                turn(f);
                assert_true(f->control->n_connections <= CONTROL_CONNECTIONS_MAX);
        }
        /* A newcomer is still served, and who was at work was not the one to go. */
        late = peer_new(f);
        say_frame(&late, "{\"method\":\"" IFACE ".Echo\",\"parameters\":{\"n\":5}}");
        expect_echo(f, &late, 5);
        control_reply(f->kept, NULL);
        expect_echo(f, &busy, -1);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                close(fds[i]);
        peer_done(&late);
        peer_done(&busy);
        turn(f);
        assert_int_equal(f->control->n_connections, 0);
}

static void test_another_user_is_turned_away(void **state) {
        Fixture *f = *state;
        int status = 0;
        pid_t pid;

        if (geteuid() != 0)
                skip();
        assert_int_equal(chmod(f->folder, 0711), 0);
        snprintf(f->path, sizeof(f->path), "%s/run", f->folder);
        assert_int_equal(chmod(f->path, 0711), 0);
        snprintf(f->path, sizeof(f->path), "%s/run/x.sock", f->folder);
        assert_int_equal(chmod(f->path, 0666), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                struct sockaddr_un sun = { .sun_family = AF_UNIX };
                int fd = socket(AF_UNIX, SOCK_STREAM, 0);
                char text[256] = "";
                size_t got = 0;
                ssize_t n;

                strcpy(sun.sun_path, f->path);
                if (setgid(65534) < 0 || setuid(65534) < 0 ||
                        connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0)
                        _exit(2);
                while (got < sizeof(text) - 1 &&
                        (n = read(fd, text + got, sizeof(text) - 1 - got)) > 0)
                        got += (size_t)n;
                _exit(strstr(text, VARLINK_E_PERMISSION_DENIED) ? 0 : 3);
        }
        while (waitpid(pid, &status, WNOHANG) == 0)
                assert_true(sd_event_run(f->event, 10 * USEC_PER_MSEC) >= 0);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- the place ---- */

static int try_at(Fixture *f, const char *path) {
        Control *c = NULL;
        Error e = {};
        int r = control_new(f->event, path, methods, ELEMENTSOF(methods), description, f, &c, &e);

        if (r < 0)
                assert_true(e.text[0]);
        control_free(c);
        return r;
}

static void test_modes(void **state) {
        Fixture *f = *state;
        struct stat st;

        assert_int_equal(stat(f->path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        snprintf(f->path, sizeof(f->path), "%s/run", f->folder);
        assert_int_equal(stat(f->path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0700);
}

static void test_living_socket_is_not_taken(void **state) {
        Fixture *f = *state;
        Peer p;

        assert_int_equal(try_at(f, f->path), -EADDRINUSE);
        p = peer_new(f);
        say_frame(&p, "{\"method\":\"" IFACE ".Echo\",\"parameters\":{\"n\":1}}");
        expect_echo(f, &p, 1);
        peer_done(&p);
}

static void test_dead_socket_is_replaced(void **state) {
        Fixture *f = *state;
        char old[160];
        Peer p;

        /* As after a crash: the file is there, and nobody listens. */
        snprintf(old, sizeof(old), "%s/old", f->folder);
        assert_int_equal(link(f->path, old), 0);
        f->control = control_free(f->control);
        assert_int_equal(rename(old, f->path), 0);
        listen_at(f);
        p = peer_new(f);
        say_frame(&p, "{\"method\":\"" IFACE ".Echo\",\"parameters\":{\"n\":1}}");
        expect_echo(f, &p, 1);
        peer_done(&p);
}

/* What was forked by one that was killed has its socket until it is gone itself, a moment later. */
static void test_socket_of_the_dying(void **state) {
        Fixture *f = *state;
        const struct timespec moment = { .tv_nsec = 100 * 1000 * 1000 };
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                nanosleep(&moment, NULL);
                _exit(0);
        }
        /* Without the order that an end in peace gives it: the file stays. */
        close(f->control->fd);
        f->control->fd = -1;
        assert_int_equal(try_at(f, f->path), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_other_files_are_left_alone(void **state) {
        Fixture *f = *state;
        char path[160];

        snprintf(path, sizeof(path), "%s/file", f->folder);
        assert_int_equal(close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
        assert_int_equal(try_at(f, path), -EADDRINUSE);
        assert_int_equal(access(path, F_OK), 0);
        assert_int_equal(try_at(f, "relative"), -EINVAL);
        assert_int_equal(try_at(f, "/tmp/"), -EINVAL);
}

static void test_folder_of_somebody_else(void **state) {
        Fixture *f = *state;
        char path[160];

        if (geteuid() != 0)
                skip();
        assert_int_equal(chown(f->folder, 65534, (gid_t)-1), 0);
        snprintf(path, sizeof(path), "%s/y.sock", f->folder);
        assert_int_equal(try_at(f, path), -EPERM);
        assert_int_equal(chown(f->folder, 0, (gid_t)-1), 0);
}

static void test_path_longer_than_an_address(void **state) {
        Fixture *f = *state;
        char folder[180], path[200];

        memset(folder, 0, sizeof(folder));
        snprintf(folder, sizeof(folder), "%s/", f->folder);
        memset(folder + strlen(folder), 'd', 120);
        snprintf(path, sizeof(path), "%s/z.sock", folder);
        assert_int_equal(try_at(f, path), 0);
        assert_int_equal(access(folder, F_OK), 0);
        assert_int_equal(access(path, F_OK), -1);
}

/* ---- our own interface ---- */

static void test_interface_is_the_schema(void **state) {
        _cleanup_close_ int dir = dir_open_path(SOURCE_DIR "/schema");
        _cleanup_free_ char *text = NULL;
        size_t size;

        (void)state;
        assert_true(dir >= 0);
        assert_int_equal(
                file_read_at(dir, "org.flowcron.Control.varlink", 1024 * 1024, &text, &size), 0);
        assert_string_equal(control_interface, text);
        for (size_t i = 0; i < control_n_methods; i++) {
                _cleanup_free_ char *line =
                        xasprintf("\nmethod %s(", strrchr(control_methods[i].name, '.') + 1);

                assert_non_null(strstr(text, line));
        }
}

#define WITH_SOCKET(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                WITH_SOCKET(test_service),
                WITH_SOCKET(test_errors_of_the_specification),
                WITH_SOCKET(test_pipelined_calls),
                WITH_SOCKET(test_byte_by_byte),
                WITH_SOCKET(test_half_closed_client_gets_its_answers),
                WITH_SOCKET(test_stream),
                WITH_SOCKET(test_garbage_ends_the_connection),
                WITH_SOCKET(test_frame_without_end),
                WITH_SOCKET(test_half_a_frame_has_a_deadline),
                WITH_SOCKET(test_reader_that_reads_nothing),
                WITH_SOCKET(test_stalled_queue_has_a_deadline),
                WITH_SOCKET(test_vanished_client_is_told_to_the_method),
                WITH_SOCKET(test_oneway_outlives_its_client),
                WITH_SOCKET(test_answer_to_a_client_just_gone),
                WITH_SOCKET(test_method_that_fails),
                WITH_SOCKET(test_calls_end_with_the_socket),
                WITH_SOCKET(test_a_thousand_connections),
                WITH_SOCKET(test_another_user_is_turned_away),
                WITH_SOCKET(test_modes),
                WITH_SOCKET(test_living_socket_is_not_taken),
                WITH_SOCKET(test_socket_of_the_dying),
                WITH_SOCKET(test_dead_socket_is_replaced),
                WITH_SOCKET(test_other_files_are_left_alone),
                WITH_SOCKET(test_folder_of_somebody_else),
                WITH_SOCKET(test_path_longer_than_an_address),
                cmocka_unit_test(test_interface_is_the_schema),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
