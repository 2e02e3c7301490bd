/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * "Look again": inotify where it works, a timer always.
 *
 * Nothing is concluded from an event but where to look. An overflow, a lost watch or a file system that other nodes write to cost
 * time until the next scan, never a Unit of Work.
 */

#include <systemd/sd-event.h>

#include "config.h"
#include "layout.h"

typedef struct Watch Watch;

/* Handed down by the manager. */
typedef struct WatchEvents {
        void (*look)(
                const char *name, void *userdata); /* at this folder in UploadedFiles; raw bytes */
        void (*look_everywhere)(void *userdata);   /* a full scan: timer, overflow, start */
        void (*look_requests)(void *userdata);     /* something in .flowcron/requests */
        void (*look_board)(
                const char *name, void *userdata); /* a folder of this name came into Status */
        void (*look_order)(const char *name, void *userdata); /* and into Orders */
        void *userdata;
} WatchEvents;

int watch_new(sd_event *event, const Config *c, const Layout *l, const WatchEvents *events,
        Watch **ret, Error *e);
int watch_start(Watch *w, Error *e);
Watch *watch_free(Watch *w);
DEFINE_CLEANUP(Watch *, watch_free)

/** watch_reload() - mode and interval may have changed. */
int watch_reload(Watch *w, const Config *c, Error *e);

/** watch_reopen() - the layout's folders were opened anew: watch these, and look everywhere soon. */
void watch_reopen(Watch *w);

/** watch_arrival() - also watch the folder @name in UploadedFiles, for its sentinels/; known ones are left as they are. */
void watch_arrival(Watch *w, const char *name);
/** watch_forget() - @name is not arriving any more. */
void watch_forget(Watch *w, const char *name);

/** watch_scanned() - a full scan has just been done: the timer starts anew. */
void watch_scanned(Watch *w);

/** watch_json() - {"mode", "file_system", "rescan_interval", "why", "trouble"?} for `status`. New value or NULL. */
cJSON *watch_json(const Watch *w);
