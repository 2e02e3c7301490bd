/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Connections and calls.
 *
 *   recv ──► reader ──► one call at a time ──► queue ──► send
 *
 * A connection has one call under way; while it lasts, and while the peer has not read the answers to what it asked before, nothing more is
 * read. So a peer can make us keep a frame and a queue, both bounded, and no more. What ends a connection only marks it: it is freed
 * from its own deferred source, so that no method ever loses the ground under its feet.
 */

#include "control-internal.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "clock.h"
#include "log.h"
#include "text.h"

#define READ_AT_ONCE 65536

/*
 * A deferred source that enables itself again keeps its turn among those of equal priority, and so would starve them:
 * what comes in from outside, and the answers of children, go before.
 */
#define WORK_PRIORITY (SD_EVENT_PRIORITY_NORMAL + 10)

/* ---- connections ---- */

static void call_free(ControlCall *call) {
        call->connection->call = NULL;
        free(call->method);
        free(call);
}

void control_connection_free(Connection *k) {
        ControlCall *call = k->call;

        if (call) {
                if (call->cancel)
                        call->cancel(call, call->cancel_userdata);
                call_free(call);
        }
        TAILQ_REMOVE(&k->control->connections, k, entry);
        k->control->n_connections--;
        sd_event_source_unref(k->io);
        sd_event_source_unref(k->work);
        sd_event_source_unref(k->timer);
        /* Says good-bye even if a forked child should still hold the descriptor. */
        (void)shutdown(k->fd, SHUT_RDWR);
        safe_close(k->fd);
        control_reserve(k->control);
        varlink_reader_done(&k->reader);
        free(k->out);
        free(k);
}

static bool queue_is_empty(const Connection *k) {
        return k->out_start == k->out_end;
}

bool control_connection_is_idle(const Connection *k) {
        return !k->call && !k->look && queue_is_empty(k) && !varlink_reader_pending(&k->reader);
}

static void work_soon(Connection *k) {
        sd_event_source_set_enabled(k->work, SD_EVENT_ONESHOT);
}

static void set_dead(Connection *k) {
        k->dead = true;
        sd_event_source_set_enabled(k->io, SD_EVENT_OFF);
        sd_event_source_set_enabled(k->timer, SD_EVENT_OFF);
        work_soon(k);
}

static void set_deadline(Connection *k, Deadline d) {
        usec_t after =
                d == DEADLINE_FRAME ? k->control->frame_deadline : k->control->stall_deadline;

        if (k->deadline == d)
                return;
        k->deadline = d;
        if (d != DEADLINE_NONE)
                sd_event_source_set_time(k->timer, clock_boottime() + after);
        sd_event_source_set_enabled(k->timer, d == DEADLINE_NONE ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

/* Whether on_work() would do something now. */
static bool has_work(const Connection *k) {
        if (!queue_is_empty(k))
                return false;
        return k->call ? k->call->drain && k->call->drain_due : k->look || k->eof;
}

/* What the connection waits for now follows from its fields; called after each change of them. */
static void update(Connection *k) {
        uint32_t events = 0;

        if (k->dead)
                return;
        if (!queue_is_empty(k))
                events = EPOLLOUT;
        else if (!k->call && !k->look && !k->eof)
                events = EPOLLIN;
        sd_event_source_set_io_events(k->io, events);
        sd_event_source_set_enabled(k->io, SD_EVENT_ON);
        if (!queue_is_empty(k))
                set_deadline(k, DEADLINE_STALL);
        else if (!k->call && !k->look && varlink_reader_pending(&k->reader))
                set_deadline(k, DEADLINE_FRAME);
        else
                set_deadline(k, DEADLINE_NONE);
        if (has_work(k))
                work_soon(k);
}

static int on_deadline(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata) {
        set_dead(userdata);
        return 0;
}

/* ---- sending ---- */

static int flush(Connection *k) {
        while (!queue_is_empty(k)) {
                ssize_t n = send(k->fd, k->out + k->out_start, k->out_end - k->out_start,
                        MSG_NOSIGNAL | MSG_DONTWAIT);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno == EAGAIN)
                        return 0;
                if (n < 0)
                        return -errno;
                k->out_start += (size_t)n;
                set_deadline(k, DEADLINE_NONE); /* it moves: the term begins anew */
        }
        k->out_start = k->out_end = 0;
        if (k->out_allocated > READ_AT_ONCE) {
                free(k->out);
                k->out = NULL;
                k->out_allocated = 0;
        }
        return 0;
}

static int append(Connection *k, const char *data, size_t size) {
        /* Not at every turn: a queue of megabytes that moves slowly would be copied for each event. */
        if (k->out_start > k->out_end - k->out_start) {
                memmove(k->out, k->out + k->out_start, k->out_end - k->out_start);
                k->out_end -= k->out_start;
                k->out_start = 0;
        }
        if (k->out_end + size > k->out_allocated) {
                size_t wanted = (k->out_end + size) * 2;
                char *bigger = realloc(k->out, wanted);

                if (!bigger)
                        return -ENOMEM;
                k->out = bigger;
                k->out_allocated = wanted;
        }
        memcpy(k->out + k->out_end, data, size);
        k->out_end += size;
        return 0;
}

static int send_frame(Connection *k, const char *data, size_t size) {
        int r = k->dead ? -EPIPE : append(k, data, size);

        if (r >= 0)
                r = flush(k);
        if (r < 0)
                set_dead(k);
        return r;
}

/* ---- answers ---- */

static int answer(ControlCall *call, const char *error, cJSON *parameters, bool continues) {
        _cleanup_free_ char *frame = NULL;
        Connection *k = call->connection;
        size_t size = 0;
        int r;

        if (call->oneway) {
                cJSON_Delete(parameters);
                return 0;
        }
        r = varlink_reply_format(error, parameters, continues, &frame, &size);
        if (r < 0) {
                set_dead(k);
                return r;
        }
        r = send_frame(k, frame, size);
        update(k);
        return r;
}

static int answer_last(ControlCall *call, const char *error, cJSON *parameters) {
        Connection *k = call->connection;
        int r = answer(call, error, parameters, false);

        call_free(call);
        k->look = true;
        update(k);
        return r;
}

int control_reply(ControlCall *call, cJSON *parameters) {
        return answer_last(call, NULL, parameters);
}

int control_error(ControlCall *call, const char *error, cJSON *parameters) {
        return answer_last(call, error, parameters);
}

int control_reply_more(ControlCall *call, cJSON *parameters) {
        const Connection *k = call->connection;

        call->drain_due = true;
        if (k->out_end - k->out_start > CONTROL_QUEUE_MAX) {
                cJSON_Delete(parameters);
                return -ENOBUFS;
        }
        return answer(call, NULL, parameters, true);
}

bool control_wants_more(const ControlCall *call) {
        return call->more && !call->oneway;
}

void control_on_cancel(
        ControlCall *call, void (*func)(ControlCall *call, void *userdata), void *userdata) {
        call->cancel = func;
        call->cancel_userdata = userdata;
}

void control_on_drain(
        ControlCall *call, void (*func)(ControlCall *call, void *userdata), void *userdata) {
        call->drain = func;
        call->drain_userdata = userdata;
        call->drain_due = true;
        update(call->connection);
}

void control_each_call(Control *c, const char *method,
        void (*func)(ControlCall *call, void *userdata, void *arg), void *arg) {
        Connection *k;

        TAILQ_FOREACH(k, &c->connections, entry)
                if (k->call && !k->dead && streq(k->call->method, method))
                        func(k->call, k->call->cancel_userdata, arg);
}

/* ---- calls ---- */

static int begin_call(Connection *k, VarlinkCall *what) {
        ControlCall *call = calloc(1, sizeof(*call));
        int r;

        if (!call)
                return -ENOMEM;
        *call = (ControlCall){ .connection = k, .more = what->more, .oneway = what->oneway };
        call->method = TAKE_PTR(what->method);
        k->call = call;
        r = control_service_dispatch(call, what);
        /* A method that failed without an answer has no words for it. */
        return r < 0 && k->call == call ? r : 0;
}

/* Takes the next frame, if there is a whole one. What is no call ends the connection: nothing after it can be trusted. */
static int next_call(Connection *k) {
        _cleanup_(varlink_call_done) VarlinkCall what = {};
        const char *frame;
        size_t size;
        Error e = {};
        int r;

        r = varlink_reader_next(&k->reader, &frame, &size);
        k->look = r > 0;
        if (r <= 0)
                return r;
        r = varlink_call_parse(frame, size, &what, &e);
        if (r < 0) {
                log_debug("A client of the control socket sent what is no call: %s", e.text);
                return r;
        }
        return begin_call(k, &what);
}

static int on_work(sd_event_source *s _unused_, void *userdata) {
        Connection *k = userdata;
        int r = 0;

        if (!k->dead && has_work(k)) {
                if (k->call) {
                        k->call->drain_due = false;
                        k->call->drain(k->call, k->call->drain_userdata);
                } else if (k->look)
                        r = next_call(k);
                else
                        k->dead = true; /* the peer sends no more, and has all its answers */
        }
        if (k->dead || r < 0)
                control_connection_free(k);
        else
                update(k);
        return 0;
}

/* ---- what the socket says ---- */

static int receive(Connection *k) {
        char buffer[READ_AT_ONCE];
        ssize_t n = recv(k->fd, buffer, sizeof(buffer), MSG_DONTWAIT);

        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        if (n == 0) {
                k->eof = true;
                return 0;
        }
        k->look = true;
        return varlink_reader_feed(&k->reader, buffer, (size_t)n);
}

/*
 * The peer is gone for good. Whatever it asked for without wanting an answer is still done; the socket
 * is not listened to meanwhile, since it would not stop saying so.
 */
static void hang_up(Connection *k) {
        if ((k->call && !k->call->oneway) || !queue_is_empty(k))
                set_dead(k);
        else
                sd_event_source_set_enabled(k->io, SD_EVENT_OFF);
}

static int on_io(sd_event_source *s _unused_, int fd _unused_, uint32_t revents, void *userdata) {
        Connection *k = userdata;
        int r = 0;

        TAILQ_REMOVE(&k->control->connections, k, entry);
        TAILQ_INSERT_TAIL(&k->control->connections, k, entry);
        if (revents & EPOLLOUT)
                r = flush(k);
        else if (revents & EPOLLIN)
                r = receive(k);
        else if (revents & (EPOLLHUP | EPOLLERR)) {
                hang_up(k);
                return 0;
        }
        if (r < 0)
                set_dead(k);
        update(k);
        return 0;
}

int control_connection_new(Control *c, int fd) {
        Connection *k = calloc(1, sizeof(*k));
        int r;

        if (!k) {
                safe_close(fd);
                return -ENOMEM;
        }
        *k = (Connection){ .control = c, .fd = fd, .reader.max = VARLINK_FRAME_MAX };
        TAILQ_INSERT_TAIL(&c->connections, k, entry);
        c->n_connections++;
        r = sd_event_add_io(c->event, &k->io, fd, EPOLLIN, on_io, k);
        if (r >= 0)
                r = sd_event_add_defer(c->event, &k->work, on_work, k);
        if (r >= 0)
                r = sd_event_source_set_enabled(k->work, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_source_set_priority(k->work, WORK_PRIORITY);
        if (r >= 0)
                r = sd_event_add_time(c->event, &k->timer, CLOCK_BOOTTIME, 0, 0, on_deadline, k);
        if (r >= 0)
                r = sd_event_source_set_enabled(k->timer, SD_EVENT_OFF);
        if (r < 0)
                control_connection_free(k);
        return r;
}

/* ---- life ---- */

int control_new(sd_event *event, const char *path, const ControlMethod *methods, size_t n_methods,
        const char *interface_description, void *userdata, Control **ret, Error *e) {
        _cleanup_(control_freep) Control *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        *c = (Control){ .event = sd_event_ref(event),
                .fd = -1,
                .reserve = -1,
                .methods = methods,
                .n_methods = n_methods,
                .interface_description = interface_description,
                .userdata = userdata,
                .frame_deadline = CONTROL_FRAME_DEADLINE,
                .stall_deadline = CONTROL_STALL_DEADLINE };
        TAILQ_INIT(&c->connections);
        control_reserve(c);
        r = control_socket_open(c, path, e);
        if (r >= 0)
                r = sd_event_add_io(event, &c->listening, c->fd, EPOLLIN, control_accept, c);
        if (r >= 0)
                r = sd_event_add_time(
                        event, &c->resume, CLOCK_BOOTTIME, 0, 0, control_accept_again, c);
        if (r >= 0)
                r = sd_event_source_set_enabled(c->resume, SD_EVENT_OFF);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

Control *control_free(Control *c) {
        Connection *k;

        if (!c)
                return NULL;
        while ((k = TAILQ_FIRST(&c->connections)))
                control_connection_free(k);
        sd_event_source_unref(c->listening);
        sd_event_source_unref(c->resume);
        control_socket_close(c);
        safe_close(c->reserve);
        sd_event_unref(c->event);
        free(c->path);
        free(c);
        return NULL;
}

const char *control_path(const Control *c) {
        return c->path;
}
