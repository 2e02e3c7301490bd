/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Putting segments away that no start needs any more, for `history` to read.
 *
 * A daemon that runs for months opens few segments, but one that cron starts every minute opens one each time, and a
 * file system may count files more strictly than bytes. So neighbours are written together into one, as long as it stays of bounded
 * size. It is called by the first event of its first part, and by the writer and part of its last: thus it stands before its last part in the
 * order of eventlog.h and makes the others void, and whichever of them a crash has left behind, each event counts once.
 */

#include "eventlog-archive.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "crashpoint.h"
#include "event.h"
#include "eventlog.h"
#include "fileio.h"

#define TEMPORARY ".archive.tmp"
#define FILE_MODE 0640

/* Segments next to each other that go into one. */
typedef struct Run {
        const LogListing *files;
        size_t from, to; /* indexes; @to is one behind the last */
        FILE *f;
} Run;

static bool is_void(const LogSegment *s) {
        return s->limit <= s->first;
}

static bool is_due(const LogSegment *s, uint64_t covered) {
        return !s->archived && s->limit - 1 <= covered;
}

/* As it is. Gone already: an earlier attempt got as far as this. */
static int move_away(const LogListing *l, const LogSegment *s) {
        char name[LOG_NAME_MAX];

        log_segment_name(name, s);
        CRASH_POINT("eventlog-archive-before-move");
        return renameat(l->events, name, l->history, name) < 0 && errno != ENOENT ? -errno : 0;
}

/* What counts of a line, or can't be told: damage stays where it was, and is seen by whoever reads. */
static int copy_line(
        const Run *run, const LogSegment *s, uint64_t *at, const char *line, size_t size) {
        Event ev = { 0 };
        int r;

        r = event_from_line(line, size, &ev, NULL);
        if (r == -ENOMEM)
                return r;
        *at = r == 0 ? ev.seq : *at + 1;
        event_done(&ev);
        if (*at >= s->limit)
                return 0;
        return fwrite(line, 1, size, run->f) == size && fputc('\n', run->f) != EOF ? 0 : -EIO;
}

static int copy_segment(const Run *run, const LogSegment *s) {
        _cleanup_(line_reader_done) LineReader lines = { .fd = -1 };
        uint64_t at = s->first - 1;
        const char *line;
        size_t size, n = 0;
        int r;

        r = log_segment_open(run->files, s);
        if (r >= 0)
                r = line_reader_init(&lines, r);
        if (r < 0)
                return r;
        while ((r = line_reader_next(&lines, &line, &size)) > LINE_END) {
                if (r == LINE_TORN || n++ == 0)
                        continue;
                r = copy_line(run, s, &at, line, size);
                if (r < 0)
                        return r;
        }
        return r;
}

static int write_together(Run *run) {
        const LogSegment *first = &run->files->segments[run->from];
        const LogSegment *last = &run->files->segments[run->to - 1];
        _cleanup_free_ char *header = log_header("segment", first->first, last->fence, 0);
        int r = 0;

        if (!header)
                return -ENOMEM;
        errno = 0;
        if (fputs(header, run->f) < 0)
                r = -EIO;
        for (size_t i = run->from; r == 0 && i < run->to; i++)
                r = copy_segment(run, &run->files->segments[i]);
        if (r == 0 && fflush(run->f) != 0)
                r = -EIO;
        if (r == -EIO && errno > 0)
                r = -errno;
        return r == 0 && fsync(fileno(run->f)) < 0 ? -errno : r;
}

static int write_temporary(Run *run) {
        _cleanup_fclose_ FILE *f = NULL;
        int fd;

        fd = openat(run->files->history, TEMPORARY,
                O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
        if (fd < 0)
                return -errno;
        f = fdopen(fd, "w");
        if (!f) {
                safe_close(fd);
                return -ENOMEM;
        }
        run->f = f;
        return fchmod(fd, FILE_MODE) < 0 ? -errno : write_together(run);
}

static int remove_parts(const Run *run) {
        char name[LOG_NAME_MAX];

        for (size_t i = run->from; i < run->to; i++) {
                CRASH_POINT("eventlog-archive-before-unlink");
                if (unlinkat(run->files->events, log_segment_name(name, &run->files->segments[i]),
                            0) < 0 &&
                        errno != ENOENT)
                        return -errno;
        }
        return 0;
}

static int join(Run *run) {
        LogSegment whole = run->files->segments[run->to - 1];
        int history = run->files->history, r;
        char name[LOG_NAME_MAX];

        whole.first = run->files->segments[run->from].first;
        r = write_temporary(run);
        CRASH_POINT("eventlog-archive-before-rename");
        if (r == 0 && renameat(history, TEMPORARY, history, log_segment_name(name, &whole)) < 0)
                r = -errno;
        if (r == 0)
                r = dir_sync(history);
        return r == 0 ? remove_parts(run) : r;
}

static off_t size_of(const LogListing *l, const LogSegment *s) {
        char name[LOG_NAME_MAX];
        struct stat st;

        return fstatat(l->events, log_segment_name(name, s), &st, AT_SYMLINK_NOFOLLOW) < 0
                ? 0
                : st.st_size;
}

/* The run that begins at @from: due, none void, and together not too large. */
static Run find_run(const LogListing *l, size_t from, uint64_t covered) {
        Run run = { .files = l, .from = from, .to = from };
        off_t size = 0;

        while (run.to < l->n_segments) {
                const LogSegment *s = &l->segments[run.to];

                if (!is_due(s, covered) || is_void(s))
                        break;
                size += size_of(l, s);
                if (run.to > from && size > EVENTLOG_SEGMENT_MAX)
                        break;
                run.to++;
        }
        return run;
}

int log_archive(const LogListing *l, uint64_t covered) {
        size_t i = 0;
        int r = 0;

        while (r == 0 && i < l->n_segments) {
                Run run = find_run(l, i, covered);

                if (run.to > i + 1)
                        r = join(&run);
                else if (is_due(&l->segments[i], covered))
                        r = move_away(l, &l->segments[i]);
                i = run.to > i ? run.to : i + 1;
        }
        if (r < 0)
                unlinkat(l->history, TEMPORARY, 0);
        return r < 0 ? r : dir_sync(l->history);
}
