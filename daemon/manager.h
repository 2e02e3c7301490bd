/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The map of the daemon: one struct that names every subsystem, in the order in which a Unit of Work meets them.
 *
 * manager_new() loads the configuration and allocates; manager_start() takes the lease, replays the log, attaches
 * the sources and says READY; manager_free() tears down in the reverse order.
 */

#include "board.h"
#include "carried.h"
#include "control.h"
#include "log.h"
#include "machine.h"
#include "orders.h"
#include "retention.h"
#include "scan.h"
#include "watch.h"

typedef struct ManagerOptions {
        const char *instance;    /* or */
        const char *config_path; /* --config */
        const char *socket_path; /* NULL: the default */
        bool once;
} ManagerOptions;

typedef struct Manager {
        ManagerOptions options;
        sd_event *event;
        char *config_path;
        Config *config;
        Layout *layout;
        Lease *lease;
        UowSet *uows;
        EventLog *eventlog;
        WorkerPool *workers;
        Watch *watch;
        Scan *scan;
        Machine *machine;
        Retention *retention;
        Board *board;
        Orders *orders;
        Control *control;

        usec_t started;
        char hostname[65];
        char *config_fault;   /* why the last reload was refused; NULL: it was not */
        char *folder_trouble; /* why the last scan failed; NULL: it did not */
        bool retention_stale; /* a clock of retention was started: look when idle */
        sd_event_source *lease_timer, *housekeeping_timer, *show_timer;
        sd_event_source *signals[3];
        LeaseWatch lease_watch;
        Carried *requests; /* whose effect is not durable yet */
        int lease_trouble; /* why the lease could not be renewed the last time: -errno */
        usec_t lease_trouble_since;
        bool reload_wanted; /* before there was anything to reload */
        bool woken;         /* the wait for an absent owner's term is over */
        bool stopping;
        bool lost;          /* another owner has the base folder: nothing is written any more */
        bool foreign_state; /* .flowcron is not the folder any more that we opened */
        int exit_code;
} Manager;

int manager_new(const ManagerOptions *options, Manager **ret, Error *e);
int manager_start(Manager *m, Error *e);
int manager_run(Manager *m);
Manager *manager_free(Manager *m);
DEFINE_CLEANUP(Manager *, manager_free)

/** manager_reload() - read the configuration again; UOW_E_INVALID with the fault in @e keeps the one in force. */
int manager_reload(Manager *m, Error *e);

/** manager_status() - the `status` object of the contract: instance, base, daemon, host, watch, scheduler, counts, attention. New value or NULL. */
cJSON *manager_status(const Manager *m);

/** manager_arriving() - array of UoWs in state arriving, as scan sees them. New value or NULL. */
cJSON *manager_arriving(const Manager *m);

/** manager_order() - carry out an order by its word ("retry", "cancel", "restore", "purge") for what a person named. As machine_order_…(); also UOW_E_NOT_FOUND, UOW_E_AMBIGUOUS. */
int manager_order(
        Manager *m, const char *order, const char *what, const char *by, Uow **ret, Error *e);
