/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The manager's inside, shared by its files only:
 *
 *   manager.c          from the configuration to the running house, and back
 *   manager-build.c    the rooms that tell something, and what comes up from them
 *   manager-life.c     signals, lease, timers, readiness, reload: living under systemd or cron
 *   manager-orders.c   orders from people, by name; requests left on disk
 *   manager-status.c   the status object, and its copy on disk
 */

#include "manager.h"

/* See flowcrond(8): exit codes. */
#define EXIT_USAGE 2
#define EXIT_HELD 3
#define EXIT_CONFIG 78

int manager_build_machine(Manager *m, Error *e);
int manager_build_watchers(Manager *m, Error *e);
int manager_build_folders(Manager *m);

int manager_signals(Manager *m);
int manager_timers(Manager *m);
int manager_take_lease(Manager *m, Error *e);
void manager_say_ready(Manager *m);
void manager_drop_sources(Manager *m);

/** manager_lease_lost() - another owner was seen: stop, and write nothing more. */
void manager_lease_lost(Manager *m);
/** manager_owns() - whether anything may still be written. */
bool manager_owns(const Manager *m);

void manager_publish_config(Manager *m);
void manager_scan(Manager *m);
void manager_requests(Manager *m);
int manager_orders_new(Manager *m);

/** manager_show_later() - status line and the copy on disk follow soon; many changes, one write. */
void manager_show_later(Manager *m);
void manager_show(Manager *m);
