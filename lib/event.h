/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One event of a Unit of Work, and its line in the event log.
 *
 * A line is one JSON object on one line, members in this order:
 *
 *   {"seq":17,"time":"2026-11-21T07:28:11.123456Z","event":"queued","id":"…","attempt":1, …,"sum":"9ab3c01f"}
 *
 * What follows `attempt` belongs to the kind of event (see EventType). `sum` is the CRC-32 (as in zlib and PNG) of all bytes
 * before `,"sum"`, so that a torn or damaged line is known without trusting its JSON. Facts only: sentences
 * are made where they are shown.
 */

#include <stdint.h>

#include "clock.h"
#include "json.h"
#include "state.h"

/* A UUID as text, and the NUL. */
#define UOW_ID_MAX 37

/* Longer lines are refused on writing and counted as damaged on reading. */
#define EVENT_LINE_MAX (256 * 1024)

typedef struct Event {
        uint64_t seq; /* 1, 2, 3 … over the life of the base folder; 0: not yet numbered */
        usec_t time;
        EventType type;
        char id[UOW_ID_MAX]; /* of the Unit of Work */
        int attempt;         /* 1, 2, …; 0 for events before the first attempt */
        cJSON *data;         /* object with the further members, owned; NULL for none */
} Event;

/** event_done() - free what @e owns. */
void event_done(Event *e);

/** event_id_valid() - letters, digits and '-', one at least, and short enough for UOW_ID_MAX. */
bool event_id_valid(const char *id) _pure_;

/**
 * event_to_line() - the line with its newline, new string
 * Returns 0, -ENOMEM, -EMSGSIZE beyond EVENT_LINE_MAX, or -EINVAL for an event without number, time, valid kind or id.
 */
int event_to_line(const Event *e, char **ret);

/**
 * event_from_line() - parse a line (without its newline); checks the sum first
 * Returns 0 with @ret to be released by event_done(); -EBADMSG if sum or form is wrong (@err says how); -ENOMEM.
 * Costs about as much as its data; this is what a start spends its time with.
 * @ret->id is filled as far as it can be made out even on -EBADMSG, so that the damage can be laid at one door.
 */
int event_from_line(const char *line, size_t size, Event *ret, Error *err);

/** event_to_json() - as people and programs see it (`history`): time, event, attempt, and the further members. New value or NULL. */
cJSON *event_to_json(const Event *e);

/**
 * line_seal() / line_check() - the checksum of any JSON line of ours (the checkpoint has the same form)
 * line_seal() takes the text "{…}" of an object that is not empty, and returns "{…,"sum":"…"}\n", new string or NULL.
 * line_check() takes a line without its newline; returns 0, or -EBADMSG.
 */
char *line_seal(const char *object);
int line_check(const char *line, size_t size);
