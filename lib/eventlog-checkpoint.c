/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Checkpoints: all records at one point of the log, so that a start need not read all that ever happened.
 *
 * Written beside, synced, renamed, and the folder synced; only after that is anything put away, and never what the
 * predecessor needs: should the new one turn out to be damaged, the old one and the segments since are still there. Segments are
 * not removed but archived, for history.
 *
 * Runs in a forked child that shares nothing with the writer but the names. A step that was cut off is made good by the next checkpoint.
 */

#include "eventlog.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "crashpoint.h"
#include "eventlog-archive.h"
#include "eventlog-files.h"
#include "fileio.h"
#include "text.h"

#define TEMPORARY_PREFIX ".checkpoint-"
#define FILE_MODE 0640

static int write_line(FILE *f, char *owned_line) {
        _cleanup_free_ char *line = owned_line;

        if (!line)
                return -ENOMEM;
        return fputs(line, f) < 0 ? -EIO : 0;
}

static int write_record(FILE *f, const Uow *u) {
        _cleanup_json_ cJSON *j = uow_to_json(u);
        _cleanup_free_ char *text = j ? json_print(j) : NULL;

        return text ? write_line(f, line_seal(text)) : -ENOMEM;
}

static int write_records(FILE *f, const UowSet *set, const LogCheckpoint *c) {
        size_t n = uowset_size(set);
        int r;

        r = write_line(f, log_header("checkpoint", c->seq, c->fence, n));
        for (size_t i = 0; r == 0 && i < n; i++)
                r = write_record(f, uowset_at(set, i));
        if (r == 0)
                r = write_line(f, log_header("end", c->seq, c->fence, n));
        return r;
}

static int write_temporary(int dir, const char *name, const UowSet *set, const LogCheckpoint *c) {
        _cleanup_fclose_ FILE *f = NULL;
        int fd, r;

        fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
        if (fd < 0)
                return -errno;
        f = fdopen(fd, "w");
        if (!f) {
                safe_close(fd);
                return -ENOMEM;
        }
        if (fchmod(fd, FILE_MODE) < 0)
                return -errno;
        errno = 0;
        r = write_records(f, set, c);
        if (r == 0 && fflush(f) != 0)
                r = -EIO;
        if (r == -EIO && errno > 0)
                r = -errno;
        CRASH_POINT("eventlog-checkpoint-before-sync");
        if (r == 0 && fsync(fd) < 0)
                r = -errno;
        return r;
}

static int write_checkpoint(int dir, const UowSet *set, const LogCheckpoint *c) {
        char name[LOG_NAME_MAX], temporary[LOG_NAME_MAX + 8];
        int r;

        log_checkpoint_name(name, c);
        snprintf(temporary, sizeof(temporary), ".%s.tmp", name);
        r = write_temporary(dir, temporary, set, c);
        CRASH_POINT("eventlog-checkpoint-before-rename");
        if (r == 0 && renameat(dir, temporary, dir, name) < 0)
                r = -errno;
        if (r < 0) {
                unlinkat(dir, temporary, 0);
                return r;
        }
        CRASH_POINT("eventlog-checkpoint-before-folder-sync");
        return dir_sync(dir);
}

/* The second newest checkpoint that counts; NULL if there is none. */
static const LogCheckpoint *predecessor(const LogListing *l) {
        size_t n = 0;

        for (size_t i = 0; i < l->n_checkpoints; i++)
                if (!l->checkpoints[i].superseded && n++ == 1)
                        return &l->checkpoints[i];
        return NULL;
}

static int remove_checkpoints(const LogListing *l, uint64_t kept) {
        for (size_t i = 0; i < l->n_checkpoints; i++) {
                const LogCheckpoint *c = &l->checkpoints[i];
                char name[LOG_NAME_MAX];

                if (c->seq >= kept)
                        continue;
                log_checkpoint_name(name, c);
                CRASH_POINT("eventlog-checkpoint-before-remove");
                if (unlinkat(l->events, name, 0) < 0 && errno != ENOENT)
                        return -errno;
        }
        return dir_sync(l->events);
}

/* What a child that died has left. There is one child at a time, and a fenced writer's is worth nothing. */
static void remove_temporaries(int dir) {
        _cleanup_closedir_ DIR *d = NULL;
        const struct dirent *de;
        int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (copy < 0)
                return;
        d = fdopendir(copy);
        if (!d) {
                safe_close(copy);
                return;
        }
        while ((de = readdir(d)))
                if (startswith(de->d_name, TEMPORARY_PREFIX))
                        unlinkat(dir, de->d_name, 0);
}

/* List, and see that nobody has taken over. */
static int list_as_owner(int statedir, uint64_t fence, LogListing *ret, Error *e) {
        LogListing l;
        int r;

        r = log_listing_read(statedir, &l, e);
        if (r < 0)
                return r;
        if (l.fence > fence) {
                r = error_set(e, -ESTALE,
                        "the event log has a writer with fencing number %" PRIu64
                        ", after ours (%" PRIu64 ")",
                        l.fence, fence);
                log_listing_done(&l);
                return r;
        }
        *ret = l;
        return 0;
}

static int retire(int statedir, uint64_t fence, Error *e) {
        _cleanup_(log_listing_done) LogListing l = { .events = -1, .history = -1 };
        const LogCheckpoint *kept;
        int r;

        r = list_as_owner(statedir, fence, &l, e);
        if (r < 0)
                return r;
        remove_temporaries(l.events);
        kept = predecessor(&l);
        if (!kept)
                return 0;
        r = log_archive(&l, kept->seq);
        if (r == 0)
                r = remove_checkpoints(&l, kept->seq);
        return r < 0
                ? error_set(e, r, "old files of the event log can't be put away: %s", strerror(-r))
                : 0;
}

static bool is_of(const UowSet *set, uint64_t seq) {
        for (size_t i = 0; i < uowset_size(set); i++)
                if (uowset_at(set, i)->last_seq > seq)
                        return false;
        return true;
}

int eventlog_checkpoint_write(
        int statedir, const UowSet *set, uint64_t seq, uint64_t fence, Error *e) {
        _cleanup_(log_listing_done) LogListing l = { .events = -1, .history = -1 };
        const LogCheckpoint c = { .seq = seq, .fence = fence };
        int r;

        if (seq == 0)
                return 0; /* before the first event there is nothing to keep */
        if (!is_of(set, seq))
                return error_set(e, -EAGAIN, "the records are ahead of event %" PRIu64, seq);
        r = list_as_owner(statedir, fence, &l, e);
        if (r < 0)
                return r;
        r = l.history < 0 ? -ENOENT : write_checkpoint(l.events, set, &c);
        if (r < 0)
                return error_set(e, r, "the checkpoint can't be written: %s", strerror(-r));
        CRASH_POINT("eventlog-checkpoint-before-retire");
        return retire(statedir, fence, e);
}
