/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The status board: Status/NAME/, where that folder exists, shows where the Unit of Work is that arrived as NAME.
 *
 * All of it is derived from the records, and is derived again at each start; no event tells of it, and nothing is believed of what
 * lies there. A board is changed at most every BOARD_INTERVAL, but at once when "done" begins or ends to be true, which is only said
 * of what is durable and in its place. Several that arrived under one name share its board: it shows the newest. Boards of which
 * nothing is known are left alone; that of a purged Unit of Work is removed.
 *
 * Without boards it costs one listing of Status/ a scan; with them, a few looks at what they hold besides.
 */

#include "clock.h"
#include "layout.h"
#include "machine.h"
#include "scan.h"

#define BOARD_INTERVAL (10 * USEC_PER_SEC)

typedef struct Board Board;

typedef struct BoardParts {
        sd_event *event;
        const Layout *layout;
        const UowSet *uows;
        const Scan *scan;
        const Machine *machine;
        bool once;                         /* nothing is written before board_flush() */
        bool (*may_write)(void *userdata); /* the base folder is ours, as far as can be seen */
        void *userdata;
} BoardParts;

int board_new(const BoardParts *parts, Board **ret);
Board *board_free(Board *b);
DEFINE_CLEANUP(Board *, board_free)

/** board_scan() - look which boards there are; after each scan. */
void board_scan(Board *b);

/** board_seen() - a folder @name (raw bytes) appeared in Status/. */
void board_seen(Board *b, const char *name);

/** board_uow() - something about @u is durable now. */
void board_uow(Board *b, const Uow *u);

/** board_arrival() - @name has begun or ceased to arrive, or what keeps it from being taken has changed. */
void board_arrival(Board *b, const char *name);

/** board_flush() - write what may be written now: before the end. */
void board_flush(Board *b);
