/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The control socket as a client meets it: frames and calls in, the daemon's own methods, replies out.
 *
 * The Units of Work are such that no order can be carried out, so every input meets the same house. Whatever comes in, every
 * answer is a reply, there are no more of them than calls (streams apart), nothing changes, and a client that has gone leaves
 * nothing behind. Methods that look at the disk or fork are left out: History, Reload, Rescan.
 */

#include <sys/socket.h>

#include "control-internal.h"
#include "manager.h"
#include "place.h"

static struct {
        Manager *manager;
        Control *control;
        ControlMethod methods[16];
        size_t n_methods;
        char *records;
} house;

static char *records_text(void) {
        _cleanup_json_ cJSON *array = cJSON_CreateArray();

        for (size_t i = 0; i < uowset_size(house.manager->uows); i++)
                PROMISE(cJSON_AddItemToArray(
                        array, uow_to_json(uowset_at(house.manager->uows, i))));
        return json_print(array);
}

static void add_record(const char *id, const char *name, UowState state, bool quarantined) {
        Uow *u = uow_new(id);

        PROMISE(u && strdup_to(&u->name, name) == 0 && strdup_to(&u->folder, name) == 0);
        u->state = state;
        u->quarantined = quarantined;
        u->created = u->updated = UINT64_C(1795246091000000);
        u->first_seq = u->last_seq = 1;
        PROMISE(uowset_add(house.manager->uows, u) == 0);
}

static void choose_methods(void) {
        for (size_t i = 0; i < control_n_methods; i++) {
                const char *name = strrchr(control_methods[i].name, '.') + 1;

                if (!streq(name, "History") && !streq(name, "Reload") && !streq(name, "Rescan"))
                        house.methods[house.n_methods++] = control_methods[i];
        }
}

static void house_remove(void) {
        control_free(house.control);
        manager_free(house.manager);
        free(house.records);
}

static void house_build(void) {
        _cleanup_free_ char *config = NULL, *socket = NULL, *other = NULL, *yaml = NULL;
        int dir = place_empty();
        Error e = {};

        config = xasprintf("%s/test.yaml", place.path);
        socket = xasprintf("%s/run/test.sock", place.path);
        other = xasprintf("%s/run/fuzz.sock", place.path);
        yaml = xasprintf("base: %s\nscheduler: {type: local}\nwatch: {mode: poll}\n", place.path);
        put_file(dir, "test.yaml", yaml, strlen(yaml));
        PROMISE(manager_new(&(ManagerOptions){ .config_path = config, .socket_path = socket },
                        &house.manager, &e) == 0);
        PROMISE(manager_start(house.manager, &e) == 0);
        add_record("7c1d9f8e-4a2b-4c3d-8e5f-0123456789ab", "cells-07", UOW_PURGED, false);
        add_record("7c1d9f8e-4a2b-4c3d-8e5f-0123456789ac", "cells-08 \xff", UOW_PURGED, false);
        add_record("11111111-0000-4000-8000-000000000001", "odd\n\x1b[2J", UOW_FINISHED, true);
        add_record("22222222-0000-4000-8000-000000000002", "odd two", UOW_QUEUED, true);
        choose_methods();
        PROMISE(control_new(house.manager->event, other, house.methods, house.n_methods,
                        control_interface, house.manager, &house.control, &e) == 0);
        house.records = records_text();
        atexit(house_remove);
}

static void turn(void) {
        int r;

        do {
                r = sd_event_run(house.manager->event, 0);
                PROMISE(r >= 0);
        } while (r > 0);
}

/* Takes what has come; true: the other side is closed. */
static bool receive(int fd, VarlinkReader *replies, size_t *answers) {
        char buffer[65536];
        const char *frame;
        size_t size;
        ssize_t n;

        while ((n = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT)) > 0)
                PROMISE(varlink_reader_feed(replies, buffer, (size_t)n) == 0);
        while (varlink_reader_next(replies, &frame, &size) > 0) {
                _cleanup_(varlink_reply_done) VarlinkReply reply = {};
                Error e = {};

                PROMISE(varlink_reply_parse(frame, size, &reply, &e) == 0);
                *answers += !reply.continues;
        }
        return n == 0 || (n < 0 && errno == ECONNRESET);
}

static size_t count_frames(const uint8_t *data, size_t size) {
        size_t n = 0;

        for (size_t i = 0; i < size; i++)
                n += data[i] == 0;
        return n;
}

static void converse(int fd, const uint8_t *data, size_t size) {
        VarlinkReader replies = { .max = VARLINK_REPLY_MAX };
        size_t sent = 0, answers = 0;
        bool closed = false;

        while (!closed && sent < size) {
                ssize_t n = send(fd, data + sent, size - sent, MSG_DONTWAIT | MSG_NOSIGNAL);

                sent += n > 0 ? (size_t)n : 0;
                turn();
                closed = receive(fd, &replies, &answers);
        }
        (void)shutdown(fd, SHUT_WR);
        turn();
        (void)receive(fd, &replies, &answers);
        PROMISE(answers <= count_frames(data, size));
        PROMISE(!varlink_reader_pending(&replies));
        varlink_reader_done(&replies);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *after = NULL;
        int pair[2];

        if (!house.manager)
                house_build();
        PROMISE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
        PROMISE(control_connection_new(house.control, pair[1]) == 0);
        converse(pair[0], data, size);
        safe_close(pair[0]);
        turn();
        PROMISE(house.control->n_connections == 0);
        after = records_text();
        promise_same_text(house.records, after);
        return 0;
}
