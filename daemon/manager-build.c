/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The rooms that tell the manager something, and what it does then: a callback a line of their contract, handed down when they are built.
 */

#include <string.h>

#include "manager-internal.h"

/* ---- what comes up from below ---- */

static void on_look(const char *name, void *userdata) {
        Manager *m = userdata;
        Error e = {};

        (void)scan_one(m->scan, name, &e);
}

static void on_look_everywhere(void *userdata) {
        manager_scan(userdata);
}

static void on_look_requests(void *userdata) {
        manager_requests(userdata);
}

static void on_look_board(const char *name, void *userdata) {
        Manager *m = userdata;

        board_seen(m->board, name);
}

static void on_look_order(const char *name, void *userdata) {
        Manager *m = userdata;

        orders_seen(m->orders, name);
}

static void on_arriving(const char *name, void *userdata) {
        Manager *m = userdata;

        watch_arrival(m->watch, name);
        board_arrival(m->board, name);
}

static void on_not_arriving(const char *name, void *userdata) {
        Manager *m = userdata;

        watch_forget(m->watch, name);
        board_arrival(m->board, name);
}

static void on_complete(const char *name, const char *id, uid_t owner, void *userdata) {
        Manager *m = userdata;
        int r = machine_upload(m->machine, name, id, owner);

        /* Why nothing can be written was said when that began. */
        if (r < 0 && !machine_trouble(m->machine))
                log_warning("An upload could not be taken up now: %s; the next scan tries again.",
                        strerror(-r));
}

static void on_known(Uow *u, usec_t changed, void *userdata) {
        Manager *m = userdata;

        machine_nudge(m->machine, u, changed);
}

static void on_missing(Uow *u, void *userdata) {
        Manager *m = userdata;

        machine_missing(m->machine, u);
}

static void on_soft_delete(Uow *u, void *userdata) {
        Manager *m = userdata;

        (void)machine_soft_delete(m->machine, u, "retention");
}

static void on_purge(Uow *u, void *userdata) {
        Manager *m = userdata;

        (void)machine_order_purge(m->machine, u, "retention", NULL);
}

static void on_committed(const Uow *u, const Event *ev, void *userdata) {
        Manager *m = userdata;

        board_uow(m->board, u);
        if (m->control)
                control_publish(m, u, ev);
        if (ev->type == EVENT_FINISHED || ev->type == EVENT_SOFT_DELETED ||
                ev->type == EVENT_RESTORED)
                m->retention_stale = true;
        manager_show_later(m);
}

static void on_placed(const Uow *u, void *userdata) {
        Manager *m = userdata;

        board_uow(m->board, u);
}

static bool may_write(void *userdata) {
        return manager_owns(userdata);
}

static void on_lease_lost(void *userdata) {
        manager_lease_lost(userdata);
}

/* Over when nothing is under way and the jobs have been asked about; what came of that has been done too, since that was under way as well. */
static void on_idle(void *userdata) {
        Manager *m = userdata;

        if (!m->options.once || !machine_has_polled(m->machine))
                return;
        if (retention_has_more(m->retention))
                retention_run(m->retention);
        if (orders_has_more(m->orders))
                orders_look(m->orders);
        if (machine_is_idle(m->machine))
                sd_event_exit(m->event, 0);
}

/* A daemon waits until it can write again; a pass leaves that to the next one. */
static void on_broken(void *userdata) {
        Manager *m = userdata;

        if (!m->options.once)
                return;
        m->exit_code = EXIT_FAILURE;
        sd_event_exit(m->event, 0);
}

static void on_changed(void *userdata) {
        manager_show_later(userdata);
}

static void on_stopped(void *userdata) {
        Manager *m = userdata;

        sd_event_exit(m->event, 0);
}

/* ---- building ---- */

int manager_build_watchers(Manager *m, Error *e) {
        const WatchEvents watch = { .look = on_look,
                .look_everywhere = on_look_everywhere,
                .look_requests = on_look_requests,
                .look_board = on_look_board,
                .look_order = on_look_order,
                .userdata = m };
        const ScanEvents scan = { on_arriving, on_not_arriving, on_complete, on_known, on_missing,
                m };
        const RetentionEvents retention = { on_soft_delete, on_purge, m };
        int r;

        r = watch_new(m->event, m->config, m->layout, &watch, &m->watch, e);
        if (r >= 0)
                r = scan_new(m->layout, m->uows, &scan, &m->scan);
        if (r >= 0)
                r = retention_new(m->event, m->config, m->uows, &retention, &m->retention);
        return r;
}

/* What people see of it in folders, and order by folders. */
int manager_build_folders(Manager *m) {
        const BoardParts parts = { .event = m->event,
                .layout = m->layout,
                .uows = m->uows,
                .scan = m->scan,
                .machine = m->machine,
                .once = m->options.once,
                .may_write = may_write,
                .userdata = m };
        int r = board_new(&parts, &m->board);

        return r < 0 ? r : manager_orders_new(m);
}

int manager_build_machine(Manager *m, Error *e) {
        const MachineEvents events = { .committed = on_committed,
                .placed = on_placed,
                .changed = on_changed,
                .broken = on_broken,
                .lease_lost = on_lease_lost,
                .idle = on_idle,
                .stopped = on_stopped,
                .userdata = m };
        MachineParts parts;
        int r;

        r = worker_pool_new(m->event, &m->workers);
        if (r < 0)
                return r;
        parts = (MachineParts){ .event = m->event,
                .config = m->config,
                .layout = m->layout,
                .lease = m->lease,
                .uows = m->uows,
                .eventlog = m->eventlog,
                .workers = m->workers };
        return machine_new(&parts, &events, &m->machine, e);
}
