/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The event log: what happened, durably, in .flowcron/events/.
 *
 *   log-SEQ-FENCE-PART.jsonl     a segment; SEQ (20 digits) is the number of its first event, FENCE (10) its writer's fencing number,
 *                                PART (6) counts the segments of one writer. One life of a writer opens its own with O_EXCL and
 *                                never appends to an older one.
 *   checkpoint-SEQ-FENCE.jsonl   all records after event SEQ; the newest and one predecessor are kept
 *   history/log-….jsonl          segments that both kept checkpoints cover, small ones written together: not needed to start, kept for `history`
 *
 * Each file begins with a line that names its format; every line is sealed, see event.h.
 *
 * One rule settles every quarrel: the events of a segment count as far as the first event of any segment that was opened after it, in order
 * of (FENCE, PART). So a fenced writer that writes on harms nobody, and what is written again after a failed sync counts once. A checkpoint
 * that reaches past the first event of a writer with a higher number does not count either.
 *
 * A torn last line of a segment is dropped with a warning; a bad line elsewhere quarantines its Unit of Work and nothing else. Numbers that are
 * missing without a trace are a warning. Files of a format newer than ours are refused.
 */

#include "uowset.h"

typedef struct EventLog EventLog;

/* A segment that has grown to this is closed: a damaged file then costs a bounded part of the history. */
#define EVENTLOG_SEGMENT_MAX (8U * 1024 * 1024)

/* What a replay saw. Texts are for the daemon's log, one line each, newline-separated; NULL for none. */
typedef struct Replay {
        uint64_t next_seq;   /* the number for the next event */
        uint64_t fence;      /* the highest fencing number in use, 0: none */
        uint64_t checkpoint; /* the checkpoint it started from, 0: none */
        size_t segments;     /* read after it; many of them are a reason for a new checkpoint */
        size_t events;       /* folded after it */
        size_t damaged;      /* bad lines that were passed over */
        size_t quarantined;  /* Units of Work that are shown but not acted upon */
        char *warnings;
} Replay;

void replay_done(Replay *r);

/**
 * eventlog_replay() - read checkpoint and segments into @set, which must be empty
 * @statedir: descriptor of .flowcron; reading only, may run beside a writer and without write permission
 * A damaged newest checkpoint is passed over for its predecessor (and the segments since), and without any the whole history is
 * read. A state folder without any log is an empty history.
 * Returns 0, or -errno with @e where nothing sensible can be said about the state: -EPROTONOSUPPORT for a newer format, -EBADMSG when the beginning
 * is missing, -EIO, -EACCES and the like when a file can't be read. @set and @ret are then empty.
 */
int eventlog_replay(int statedir, UowSet *set, Replay *ret, Error *e);

/** eventlog_fence() - the highest fencing number in the names of live segments and checkpoints, 0: none. 0 or -errno. */
int eventlog_fence(int statedir, uint64_t *ret);

/**
 * eventlog_new() - prepare to write; makes the folders; opens no segment yet (the first commit does)
 * @next_seq: from Replay; @fence: the lease's fencing number, 1 at least
 * Returns 0; -ESTALE with @e if there are files of a higher fencing number: somebody else owns the base folder; -errno.
 */
int eventlog_new(int statedir, uint64_t next_seq, uint64_t fence, EventLog **ret, Error *e);
EventLog *eventlog_free(EventLog *l);
DEFINE_CLEANUP(EventLog *, eventlog_free)

/** eventlog_append() - number the event (sets @ev->seq) and put its line into the buffer. Nothing is on disk yet. 0, -EMSGSIZE, -EINVAL, -ENOMEM; no number is used up then. */
int eventlog_append(EventLog *l, Event *ev);

/** eventlog_retract() - take back the event that was appended last, before any commit: its number is free again. */
void eventlog_retract(EventLog *l, Event *ev);

/** eventlog_next_seq() - the number that the next event will get, for folding it before it is appended. */
uint64_t eventlog_next_seq(const EventLog *l);

/**
 * eventlog_commit() - write and fdatasync all that was appended since the last commit
 * 0 when it is durable. A failure (-ENOSPC, -EDQUOT, -EIO …) keeps the buffer: after a failed write or sync the old segment is given up
 * and the next commit writes the whole buffer into a new one, since what a failed fsync left behind can't be known.
 */
int eventlog_commit(EventLog *l);

/** eventlog_pending() - whether something appended waits for a commit. */
bool eventlog_pending(const EventLog *l);

/** eventlog_since_checkpoint() - committed events since the newest checkpoint, those of earlier lives included. */
size_t eventlog_since_checkpoint(const EventLog *l);

/**
 * eventlog_checkpoint_due() - whether it is time for a checkpoint of @records Units of Work: a start would read many events, or many small
 * segments (a pass from cron opens one each time)
 */
bool eventlog_checkpoint_due(const EventLog *l, size_t records);

/**
 * eventlog_rotate() - close the segment, so that a checkpoint can cover it: returns the number of the last committed event
 * eventlog_checkpoint_write() - write @set as checkpoint-@seq: temporary file, fsync, rename, fsync of the folder; then retire what the two
 * newest checkpoints cover. Meant for a forked child, whose memory is the snapshot; it uses no EventLog. The set must be what the events up to
 * @seq made: fork with nothing appended since eventlog_rotate(), else -EAGAIN. @fence as for eventlog_new(); -ESTALE if there is a higher one.
 * eventlog_checkpoint_done() - the child has done it.
 */
uint64_t eventlog_rotate(EventLog *l);
int eventlog_checkpoint_write(
        int statedir, const UowSet *set, uint64_t seq, uint64_t fence, Error *e);
void eventlog_checkpoint_done(EventLog *l, uint64_t seq);

/**
 * eventlog_history() - the events of one Unit of Work, oldest first, archived segments included
 * @first_seq, @last_seq: its range as in the record; only segments that overlap it are read. @last_seq 0: to the end
 * @func returns 0 to go on. Returns 0, what @func returned, or -errno. Damaged lines are passed over.
 */
typedef int (*EventFunc)(const Event *ev, void *userdata);
int eventlog_history(int statedir, const char *id, uint64_t first_seq, uint64_t last_seq,
        EventFunc func, void *userdata);

/**
 * eventlog_history_of() - the same up to its last event, where the numbers of its latest events are known: all @n from @seqs[0] on,
 * rising. What is before them is looked for from @first_seq. Costs the same however much else was written between them.
 */
int eventlog_history_of(int statedir, const char *id, uint64_t first_seq, const uint64_t *seqs,
        size_t n, EventFunc func, void *userdata);
