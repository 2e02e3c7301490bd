/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The event log: what happened, durably, in .flowcron/events/.
 *
 *   log-SEQ.jsonl          a segment; SEQ (20 digits) is the number of its first event. One life of a writer opens a new one
 *                          with O_EXCL and never appends to an old one.
 *   checkpoint-SEQ.jsonl   all records after event SEQ; the newest and one predecessor are kept
 *   history/log-SEQ.jsonl  segments that both kept checkpoints cover: no longer needed to start, kept for `history`
 *
 * Two writers that fight over a base folder (a fenced one and its successor) can't harm each other: each segment's name and first line
 * carry the lease's fencing number, and replay drops events of a lower number behind the first event of a higher one.
 * A torn last line of a segment is dropped with a warning; a bad line elsewhere quarantines its Unit of Work and nothing else.
 */

#include "uowset.h"

typedef struct EventLog EventLog;

/* What a replay saw. Texts are for the daemon's log, one line each, newline-separated; NULL for none. */
typedef struct Replay {
        uint64_t next_seq;     /* the number for the next event */
        uint64_t checkpoint;   /* the checkpoint it started from, 0: none */
        size_t events;         /* folded after it */
        size_t damaged;        /* bad lines that were passed over */
        size_t quarantined;    /* Units of Work concerned */
        char *warnings;
} Replay;

void replay_done(Replay *r);

/**
 * eventlog_replay() - read checkpoint and segments into @set, which must be empty
 * @statedir: descriptor of .flowcron; reading only, may run beside a writer and without write permission
 * A damaged newest checkpoint is passed over for its predecessor (and the segments since). A state folder without any log is an empty history.
 * Returns 0, or -errno with @e where nothing sensible can be said about the state.
 */
int eventlog_replay(int statedir, UowSet *set, Replay *ret, Error *e);

/**
 * eventlog_new() - prepare to write; makes the folders; opens no segment yet (the first append does)
 * @next_seq: from Replay; @fence: the lease's fencing number
 */
int eventlog_new(int statedir, uint64_t next_seq, uint64_t fence, EventLog **ret, Error *e);
EventLog *eventlog_free(EventLog *l);
DEFINE_CLEANUP(EventLog *, eventlog_free)

/** eventlog_append() - number the event (sets @ev->seq) and put its line into the buffer. Nothing is on disk yet. 0, -EMSGSIZE, -ENOMEM. */
int eventlog_append(EventLog *l, Event *ev);

/**
 * eventlog_commit() - write and fdatasync all that was appended since the last commit
 * 0 when it is durable. A failure (-ENOSPC, -EDQUOT, -EIO …) keeps the buffer: after a failed write or sync the old segment is given up
 * and the next commit writes the whole buffer into a new one, since what a failed fsync left behind can't be known.
 */
int eventlog_commit(EventLog *l);

/** eventlog_pending() - whether something appended waits for a commit. */
bool eventlog_pending(const EventLog *l);

/** eventlog_since_checkpoint() - events since the last checkpoint, to decide on the next. */
size_t eventlog_since_checkpoint(const EventLog *l);

/**
 * eventlog_rotate() - close the segment, so that a checkpoint can cover it: returns the number of the last committed event
 * eventlog_checkpoint_write() - write @set as checkpoint-@seq: temporary file, fsync, rename, fsync of the folder; then retire what the two
 * newest checkpoints cover. Meant for a forked child, whose memory is the snapshot; it uses no EventLog.
 * eventlog_checkpoint_done() - the child has done it.
 */
uint64_t eventlog_rotate(EventLog *l);
int eventlog_checkpoint_write(int statedir, const UowSet *set, uint64_t seq, Error *e);
void eventlog_checkpoint_done(EventLog *l, uint64_t seq);

/**
 * eventlog_history() - the events of one Unit of Work, oldest first, archived segments included
 * @first_seq, @last_seq: its range as in the record; only segments that overlap it are read
 * @func returns 0 to go on. Returns 0, what @func returned, or -errno.
 */
typedef int (*EventFunc)(const Event *ev, void *userdata);
int eventlog_history(int statedir, const char *id, uint64_t first_seq, uint64_t last_seq, EventFunc func, void *userdata);
