/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Loads, opens, builds and tears down the house, in that order and in the reverse one. What the rooms have to tell arrives in manager-build.c.
 */

#include "manager.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "config.h"
#include "fileio.h"
#include "manager-internal.h"
#include "text.h"

/* ---- looking ---- */

/*
 * The folders were replaced under our feet. What is in them is found by looking; but event log and lease are of the
 * old .flowcron, so if that is another one now, all that we believe may be wrong.
 */
static void reopen(Manager *m) {
        ino_t ino = m->layout->ino[PLACE_STATE];
        dev_t dev = m->layout->dev[PLACE_STATE];
        Error e = {};

        if (layout_open(m->layout, &e) < 0)
                return; /* the next scan says what is wrong, and tries again */
        if (m->layout->ino[PLACE_STATE] != ino || m->layout->dev[PLACE_STATE] != dev) {
                log_error(
                        "%s is not the folder any more in which this daemon keeps its state; it stops, to begin anew with what is there now.",
                        m->layout->path[PLACE_STATE]);
                m->exit_code = EXIT_FAILURE;
                m->foreign_state = true;
                sd_event_exit(m->event, 0);
                return;
        }
        (void)log_open(m->config->instance, m->layout->fd[PLACE_LOGS]);
        log_notice("The instance's folders were opened anew.");
        watch_reopen(m->watch);
}

void manager_scan(Manager *m) {
        Error e = {};
        int r = scan_all(m->scan, &e);
        bool back = r >= 0 && m->folder_trouble;

        watch_scanned(m->watch);
        if (r < 0 && !streq(m->folder_trouble, e.text)) {
                log_error("%s. Nothing is taken up or concluded until it can be.", e.text);
                (void)strdup_to(&m->folder_trouble, e.text);
        } else if (back) {
                log_notice("The instance's folders can be listed again.");
                (void)strdup_to(&m->folder_trouble, NULL);
        }
        if (r == -ESTALE || back) /* what is open may lead to where nothing is mounted any more */
                reopen(m);
        if (m->foreign_state)
                return;
        manager_requests(m);
        orders_look(m->orders);
        if (r >= 0)
                board_scan(m->board);
}

/* ---- building and tearing down ---- */

static int load_config(Manager *m, Error *e) {
        m->config_path = m->options.config_path
                ? strdup(m->options.config_path)
                : config_default_path(m->options.instance ?: "default");
        if (!m->config_path)
                return error_set(e, -ENOMEM,
                        "Neither XDG_CONFIG_HOME nor a home folder is known; use --config FILE.");
        return config_load(m->config_path, &m->config, e);
}

int manager_new(const ManagerOptions *options, Manager **ret, Error *e) {
        _cleanup_(manager_freep) Manager *m = calloc(1, sizeof(*m));
        int r;

        if (!m)
                return -ENOMEM;
        m->options = *options;
        if (gethostname(m->hostname, sizeof(m->hostname) - 1) < 0)
                snprintf(m->hostname, sizeof(m->hostname), "localhost");
        r = load_config(m, e);
        if (r != 0)
                return r;
        r = layout_new(m->config, &m->layout, e);
        if (r < 0)
                return error_prefix(e, UOW_E_INVALID, "%s", m->config_path);
        r = sd_event_default(&m->event);
        if (r < 0)
                return error_set(e, r, "There is no event loop to be had: %s", strerror(-r));
        m->uows = uowset_new();
        if (!m->uows)
                return -ENOMEM;
        *ret = TAKE_PTR(m);
        return 0;
}

static int open_folders(Manager *m, Error *e) {
        int r = layout_make(m->layout, e);

        if (r >= 0)
                r = layout_open(m->layout, e);
        if (r >= 0)
                r = log_open(m->config->instance, m->layout->fd[PLACE_LOGS]);
        return r;
}

static int replay(Manager *m, Error *e) {
        _cleanup_(replay_done) Replay replay = {};
        int r;

        r = eventlog_replay(m->layout->fd[PLACE_STATE], m->uows, &replay, e);
        if (r < 0)
                return r;
        if (replay.warnings)
                log_warning("The event log was read with %zu damaged lines: %s", replay.damaged,
                        replay.warnings);
        return eventlog_new(m->layout->fd[PLACE_STATE], replay.next_seq, lease_fence(m->lease),
                &m->eventlog, e);
}

static int listen_for_orders(Manager *m, Error *e) {
        _cleanup_free_ char *path = NULL;

        if (m->options.once)
                return 0;
        path = m->options.socket_path ? strdup(m->options.socket_path)
                                      : config_socket_path(m->config->instance);
        if (!path)
                return -ENOMEM;
        return control_new(m->event, path, control_methods, control_n_methods, control_interface, m,
                &m->control, e);
}

/* A copy for readers who have no access to the owner's own configuration. */
void manager_publish_config(Manager *m) {
        _cleanup_free_ char *yaml = config_to_yaml(m->config);
        int r = -ENOMEM;

        if (yaml)
                r = file_replace_nosync_at(
                        m->layout->fd[PLACE_STATE], "config.yaml", yaml, strlen(yaml), 0640);
        if (r < 0)
                log_warning("The copy of the configuration for readers can't be written: %s",
                        strerror(-r));
}

static int begin(Manager *m) {
        int r;

        m->started = clock_now();
        manager_publish_config(m);
        log_rotate(m->config->retention.logs);
        r = machine_start(m->machine);
        if (r >= 0)
                r = watch_start(m->watch, NULL);
        if (r < 0)
                return r;
        retention_run(m->retention);
        machine_poll(m->machine);
        manager_show_later(m);
        return 0;
}

int manager_start(Manager *m, Error *e) {
        int r = open_folders(m, e);

        if (r >= 0)
                r = manager_signals(m);
        if (r >= 0)
                r = manager_take_lease(m, e);
        if (r != 0)
                return r;
        r = replay(m, e);
        if (r == -ESTALE) {
                /* We were asleep for so long that somebody took the lease and wrote. */
                m->exit_code = m->options.once ? EXIT_SUCCESS : EXIT_HELD;
                return UOW_E_STATE;
        }
        if (r >= 0)
                r = manager_build_machine(m, e);
        if (r >= 0)
                r = manager_build_watchers(m, e);
        if (r >= 0)
                r = manager_build_folders(m);
        if (r >= 0)
                r = listen_for_orders(m, e);
        if (r >= 0)
                r = manager_timers(m);
        if (r >= 0)
                r = begin(m);
        if (r < 0)
                return r;
        log_notice("flowcrond %s serves instance %s in %s", FLOWCRON_VERSION, m->config->instance,
                m->layout->base);
        manager_say_ready(m);
        if (m->reload_wanted)
                (void)manager_reload(m, e);
        return 0;
}

int manager_run(Manager *m) {
        int r = sd_event_loop(m->event);

        if (r < 0) {
                log_error("The event loop failed: %s", strerror(-r));
                return EXIT_FAILURE;
        }
        sd_notify(false, "STOPPING=1");
        if (manager_owns(m)) {
                manager_show(m);
                board_flush(m->board);
        }
        return m->exit_code;
}

/* What was known when the loop ended may be old by now. */
bool manager_owns(const Manager *m) {
        return m->lease && !m->lost && !m->foreign_state && lease_check(m->lease) == 0;
}

Manager *manager_free(Manager *m) {
        if (!m)
                return NULL;
        /* In the reverse order of building; the lease last, since all before may still write. */
        control_free(m->control);
        orders_free(m->orders);
        carried_free(m->requests);
        board_free(m->board);
        worker_pool_free(m->workers);
        machine_free(m->machine);
        retention_free(m->retention);
        scan_free(m->scan);
        watch_free(m->watch);
        if (m->eventlog && eventlog_pending(m->eventlog) && manager_owns(m))
                (void)eventlog_commit(m->eventlog);
        eventlog_free(m->eventlog);
        uowset_free(m->uows);
        if (m->lost)
                lease_free(m->lease);
        else
                lease_release(m->lease);
        layout_free(m->layout);
        config_free(m->config);
        manager_drop_sources(m);
        sd_event_unref(m->event);
        free(m->config_path);
        free(m->config_fault);
        free(m->folder_trouble);
        free(m);
        log_close();
        return NULL;
}
