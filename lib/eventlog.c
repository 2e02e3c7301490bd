/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Writing events.
 *
 * What is appended waits in a buffer; a commit writes all of it with one write and one fdatasync, and only then
 * counts. When either fails, the segment is given up for good: which of its pages reached the disk can't be found
 * out any more, not even by a later fsync that succeeds. The buffer is kept and goes whole into a new segment, which begins
 * with the first event that is not known to be durable; by the rule of eventlog.h this makes what the old one may hold of them void.
 *
 * The daemon's machine alone writes, and only while it owns the lease.
 */

#include "eventlog.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "crashpoint.h"
#include "eventlog-files.h"
#include "fileio.h"

/* A start reads these in milliseconds, and 64 small files even from a file system across the network in a moment. */
#define CHECKPOINT_EVENTS 5000
#define CHECKPOINT_SEGMENTS TEST_TUNABLE("FLOWCRON_CHECKPOINT_SEGMENTS", 64)

#define FILE_MODE 0640
#define FOLDER_MODE 0750

struct EventLog {
        int dir;     /* events/ */
        int segment; /* open for writing, or -1 */
        char name[LOG_NAME_MAX];
        uint64_t fence, part;         /* part: of the segment opened last */
        size_t size;                  /* of the segment, as far as it is durable */
        char *buf;                    /* lines that wait for a commit */
        size_t used, room, last;      /* last: of the line appended last */
        uint64_t next_seq, committed; /* committed: the last event that is durable */
        uint64_t checkpoint;
        size_t segments; /* since the checkpoint */
};

/* Made with exactly this mode, whatever the umask, and with the group that is inherited. */
static int make_folder(int dirfd, const char *name) {
        struct stat st;

        if (mkdirat(dirfd, name, FOLDER_MODE) < 0)
                return errno == EEXIST ? 0 : -errno;
        if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
                fchmodat(dirfd, name, FOLDER_MODE | (st.st_mode & S_ISGID), 0) < 0)
                return -errno;
        return dir_sync(dirfd);
}

static int open_folders(EventLog *l, int statedir) {
        int r;

        r = make_folder(statedir, LOG_FOLDER);
        if (r < 0)
                return r;
        l->dir = dir_open_at(statedir, LOG_FOLDER);
        return l->dir < 0 ? l->dir : make_folder(l->dir, LOG_HISTORY);
}

/* What the names say: whether we are the latest writer, and what is the newest checkpoint. */
static int look_around(EventLog *l, int statedir, Error *e) {
        _cleanup_(log_listing_done) LogListing files = { .events = -1, .history = -1 };
        int r;

        r = log_listing_read(statedir, &files, e);
        if (r < 0)
                return r;
        if (files.fence > l->fence)
                return error_set(e, -ESTALE,
                        "the event log has a writer with fencing number %" PRIu64
                        ", after ours (%" PRIu64 ")",
                        files.fence, l->fence);
        for (size_t i = files.n_checkpoints; i > 0; i--) {
                const LogCheckpoint *c = &files.checkpoints[i - 1];

                if (!c->superseded && c->seq <= l->committed)
                        l->checkpoint = c->seq;
        }
        for (size_t i = 0; i < files.n_segments; i++) {
                const LogSegment *s = &files.segments[i];

                if (s->fence == l->fence && s->part > l->part)
                        l->part = s->part;
                l->segments += s->limit > l->checkpoint + 1;
        }
        return 0;
}

int eventlog_new(int statedir, uint64_t next_seq, uint64_t fence, EventLog **ret, Error *e) {
        _cleanup_(eventlog_freep) EventLog *l = calloc(1, sizeof(*l));
        int r;

        if (!l)
                return -ENOMEM;
        *l = (EventLog){ .dir = -1,
                .segment = -1,
                .fence = fence,
                .next_seq = next_seq,
                .committed = next_seq - 1 };
        r = open_folders(l, statedir);
        if (r < 0)
                return error_set(
                        e, r, "the folder of the event log can't be made: %s", strerror(-r));
        r = look_around(l, statedir, e);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(l);
        return 0;
}

EventLog *eventlog_free(EventLog *l) {
        if (!l)
                return NULL;
        safe_close(l->segment);
        safe_close(l->dir);
        free(l->buf);
        free(l);
        return NULL;
}

static int add_to_buffer(EventLog *l, const char *line, size_t size) {
        size_t room = l->room ? l->room : 4096;
        char *buf;

        while (room < l->used + size)
                room *= 2;
        if (room > l->room) {
                buf = realloc(l->buf, room);
                if (!buf)
                        return -ENOMEM;
                l->buf = buf;
                l->room = room;
        }
        memcpy(l->buf + l->used, line, size);
        l->used += size;
        return 0;
}

int eventlog_append(EventLog *l, Event *ev) {
        _cleanup_free_ char *line = NULL;
        int r;

        ev->seq = l->next_seq;
        r = event_to_line(ev, &line);
        if (r == 0)
                r = add_to_buffer(l, line, strlen(line));
        if (r < 0) {
                ev->seq = 0;
                return r;
        }
        l->last = strlen(line);
        l->next_seq++;
        return 0;
}

void eventlog_retract(EventLog *l, Event *ev) {
        assert(ev->seq + 1 == l->next_seq && l->last > 0 && l->last <= l->used);
        l->used -= l->last;
        l->last = 0;
        l->next_seq--;
        ev->seq = 0;
}

uint64_t eventlog_next_seq(const EventLog *l) {
        return l->next_seq;
}

bool eventlog_pending(const EventLog *l) {
        return l->used > 0;
}

static void close_segment(EventLog *l) {
        l->segment = safe_close(l->segment);
        l->size = 0;
}

static int open_segment(EventLog *l) {
        LogSegment s = { .first = l->committed + 1, .fence = l->fence, .part = l->part + 1 };

        log_segment_name(l->name, &s);
        CRASH_POINT("eventlog-commit-before-open");
        l->segment = openat(l->dir, l->name,
                O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
        if (l->segment < 0)
                return -errno;
        l->part++;
        l->segments++;
        CRASH_POINT("eventlog-commit-after-open");
        return fchmod(l->segment, FILE_MODE) < 0 ? -errno : 0;
}

static int write_header(EventLog *l) {
        _cleanup_free_ char *header = log_header("segment", l->committed + 1, l->fence, 0);

        return header ? fd_write_all(l->segment, header, strlen(header)) : -ENOMEM;
}

static int write_buffer(EventLog *l) {
        bool is_new = l->segment < 0;
        int r = 0;

        if (is_new)
                r = open_segment(l);
        if (r == 0 && is_new)
                r = write_header(l);
        CRASH_POINT("eventlog-commit-before-write");
        if (r == 0)
                r = fd_write_all(l->segment, l->buf, l->used);
        CRASH_POINT("eventlog-commit-before-sync");
        if (r == 0 && fdatasync(l->segment) < 0)
                r = -errno;
        CRASH_POINT("eventlog-commit-before-folder-sync");
        if (r == 0 && is_new)
                r = dir_sync(l->dir);
        CRASH_POINT("eventlog-commit-after-sync");
        return r;
}

/* Tidies up as far as it goes: nothing in the segment beyond what is durable counts any more. */
static void give_up_segment(EventLog *l) {
        if (l->segment < 0)
                return;
        if (l->size == 0)
                unlinkat(l->dir, l->name, 0);
        else if (ftruncate(l->segment, (off_t)l->size) < 0)
                errno = 0; /* the successor's beginning makes it void all the same */
        close_segment(l);
}

int eventlog_commit(EventLog *l) {
        struct stat st;
        int r;

        if (!eventlog_pending(l))
                return 0;
        r = write_buffer(l);
        if (r < 0) {
                give_up_segment(l);
                return r;
        }
        l->committed = l->next_seq - 1;
        l->used = 0;
        if (fstat(l->segment, &st) < 0 || st.st_size >= EVENTLOG_SEGMENT_MAX)
                close_segment(l);
        else
                l->size = (size_t)st.st_size;
        return 0;
}

size_t eventlog_since_checkpoint(const EventLog *l) {
        return (size_t)(l->committed - l->checkpoint);
}

bool eventlog_checkpoint_due(const EventLog *l, size_t records) {
        size_t since = eventlog_since_checkpoint(l);

        /* Writing all records costs more the more there are: then it is done less often, in proportion. */
        return (since >= CHECKPOINT_EVENTS && since >= records) ||
                l->segments >= CHECKPOINT_SEGMENTS;
}

uint64_t eventlog_rotate(EventLog *l) {
        close_segment(l);
        return l->committed;
}

void eventlog_checkpoint_done(EventLog *l, uint64_t seq) {
        if (seq <= l->checkpoint || seq > l->committed)
                return;
        l->checkpoint = seq;
        l->segments = l->segment >= 0;
}
