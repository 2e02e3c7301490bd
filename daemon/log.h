/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the daemon tells the people who run it: journal with fields, the instance's daily log file, standard error.
 *
 * Under systemd (JOURNAL_STREAM names our stderr) a message goes to the journal with its fields; else one line goes to standard error.
 * In both cases a line goes to Logs/YYYY-MM-DD_flowcron.log. A log that can't be written never stops the daemon; it is said once on the other channel.
 * Nothing from inside a Unit of Work reaches a line unescaped (text_printable()).
 */

#include <syslog.h>

#include "state.h"
#include "uow.h"

/* Message ids of operators' events; the catalog in units/flowcron.catalog says what to do about each. */
#define MESSAGE_ID_UOW_EVENT "1f3d2c7b9a5e4c8f8d6b0e1a2c3d4e5f"
#define MESSAGE_ID_SCHEDULER_DOWN "2a4e6c8d0b1f43a5b7c9d1e3f5a70912"
#define MESSAGE_ID_STATE_UNWRITABLE "3b5f7d9e1c2a44b6a8dae2f406b81a23"
#define MESSAGE_ID_LEASE_LOST "4c608ea02d3b45c7b9ebf30517c92b34"
#define MESSAGE_ID_STUCK "5d719fb13e4c46d8cafc041628da3c45"
#define MESSAGE_ID_CONFIG_REFUSED "6e82a0c24f5d47e9bd0d152739eb4d56"

/** log_open() - start logging for @instance; @logs is the folder's descriptor (duplicated) or -1: no file yet. May be called again. */
int log_open(const char *instance, int logs);
void log_close(void);

/** log_trouble() - why the daily file can't be written since @ret_since: -errno, or 0 if the last line got there. */
int log_trouble(usec_t *ret_since);

/** log_rotate() - remove daily files older than @keep (0: never). Called once a day and at start. */
void log_rotate(usec_t keep);

/** log_message() - one line about the daemon itself; @message_id may be NULL. Keeps errno. */
void log_message(int priority, const char *message_id, const char *fmt, ...) _printf_(3, 4);
#define log_error(...) log_message(LOG_ERR, NULL, __VA_ARGS__)
#define log_warning(...) log_message(LOG_WARNING, NULL, __VA_ARGS__)
#define log_notice(...) log_message(LOG_NOTICE, NULL, __VA_ARGS__)
#define log_info(...) log_message(LOG_INFO, NULL, __VA_ARGS__)
#define log_debug(...) log_message(LOG_DEBUG, NULL, __VA_ARGS__)

/**
 * log_uow() - one line about a Unit of Work, with the fields FLOWCRON_UOW (name), FLOWCRON_ID, FLOWCRON_STATE, FLOWCRON_JOB, FLOWCRON_ATTEMPT,
 * FLOWCRON_INSTANCE and, with @ev, FLOWCRON_EVENT.
 */
void log_uow(int priority, const Uow *u, const Event *ev, const char *fmt, ...) _printf_(4, 5);

/** log_stuck() - its job waits for @reason, which does not lift by itself. */
void log_stuck(const Uow *u, const char *reason);

/** log_event() - the readable line that every durable event leaves: "cells-07: queued as job 4711". */
void log_event(const Uow *u, const Event *ev);
