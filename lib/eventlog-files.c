/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the folder of the event log holds, and which of it counts.
 *
 * Names alone decide, so that the order in which a file system lists them does not matter, and a
 * damaged file can't make another one count. Live segments are listed before archived ones: one that is archived
 * just then is seen in either place or in both, never in none.
 */

#include "eventlog.h"

#include <fcntl.h>
#include <string.h>

#include "clock.h"
#include "eventlog-files.h"
#include "fileio.h"
#include "text.h"

/* Twice the longest line, so that moving what is left of the buffer to its beginning is rare. */
#define BUFFER_SIZE (2 * EVENT_LINE_MAX)

const char *log_segment_name(char buf[static LOG_NAME_MAX], const LogSegment *s) {
        snprintf(buf, LOG_NAME_MAX, "log-%020" PRIu64 "-%010" PRIu64 "-%06" PRIu64 ".jsonl",
                s->first, s->fence, s->part);
        return buf;
}

const char *log_checkpoint_name(char buf[static LOG_NAME_MAX], const LogCheckpoint *c) {
        snprintf(buf, LOG_NAME_MAX, "checkpoint-%020" PRIu64 "-%010" PRIu64 ".jsonl", c->seq,
                c->fence);
        return buf;
}

/* Names are what we would call it, or not ours. */
static bool parse_segment(const char *name, LogSegment *ret) {
        LogSegment s = { 0 };
        char buf[LOG_NAME_MAX];

        if (sscanf(name, "log-%" SCNu64 "-%" SCNu64 "-%" SCNu64, &s.first, &s.fence, &s.part) !=
                        3 ||
                !streq(name, log_segment_name(buf, &s)))
                return false;
        *ret = s;
        return true;
}

static bool parse_checkpoint(const char *name, LogCheckpoint *ret) {
        LogCheckpoint c = { 0 };
        char buf[LOG_NAME_MAX];

        if (sscanf(name, "checkpoint-%" SCNu64 "-%" SCNu64, &c.seq, &c.fence) != 2 ||
                !streq(name, log_checkpoint_name(buf, &c)))
                return false;
        *ret = c;
        return true;
}

static int add_segment(LogListing *l, const LogSegment *s) {
        LogSegment *more = reallocarray(l->segments, l->n_segments + 1, sizeof(*more));

        if (!more)
                return -ENOMEM;
        l->segments = more;
        l->segments[l->n_segments++] = *s;
        if (s->fence > l->fence)
                l->fence = s->fence;
        return 0;
}

static int add_checkpoint(LogListing *l, const LogCheckpoint *c) {
        LogCheckpoint *more = reallocarray(l->checkpoints, l->n_checkpoints + 1, sizeof(*more));

        if (!more)
                return -ENOMEM;
        l->checkpoints = more;
        l->checkpoints[l->n_checkpoints++] = *c;
        if (c->fence > l->fence)
                l->fence = c->fence;
        return 0;
}

static int add_entry(LogListing *l, const char *name, bool archived) {
        LogSegment s;
        LogCheckpoint c;

        if (parse_segment(name, &s)) {
                s.archived = archived;
                return add_segment(l, &s);
        }
        return !archived && parse_checkpoint(name, &c) ? add_checkpoint(l, &c) : 0;
}

static int list(LogListing *l, int fd, bool archived) {
        _cleanup_closedir_ DIR *d = NULL;
        const struct dirent *de;
        int copy, r;

        /* By a descriptor of its own: a file offset shared with @fd would hide entries from the next listing. */
        copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (copy < 0)
                return -errno;
        d = fdopendir(copy);
        if (!d) {
                safe_close(copy);
                return -ENOMEM;
        }
        while ((errno = 0, de = readdir(d))) {
                r = add_entry(l, de->d_name, archived);
                if (r < 0)
                        return r;
        }
        return -errno;
}

static int compare(uint64_t a, uint64_t b) {
        return (a > b) - (a < b);
}

/* In the order in which they were opened; one that is listed live and archived comes archived first. */
static int compare_segments(const void *a, const void *b) {
        const LogSegment *x = a, *y = b;
        int r = compare(x->fence, y->fence);

        r = r ? r : compare(x->part, y->part);
        r = r ? r : compare(x->first, y->first);
        return r ? r : (int)y->archived - (int)x->archived;
}

static int compare_checkpoints(const void *a, const void *b) {
        const LogCheckpoint *x = a, *y = b;
        int r = compare(y->seq, x->seq);

        return r ? r : compare(y->fence, x->fence);
}

static bool is_same(const LogSegment *a, const LogSegment *b) {
        return a->fence == b->fence && a->part == b->part && a->first == b->first;
}

/* From the last one opened to the first: the lowest beginning of all that were opened later. */
static void set_limits(LogListing *l) {
        uint64_t limit = UINT64_MAX, fenced = UINT64_MAX;

        for (size_t i = l->n_segments; i > 0; i--) {
                LogSegment *s = &l->segments[i - 1];

                if (i < l->n_segments && s[1].fence > s->fence)
                        fenced = limit;
                s->limit = limit;
                s->fenced = fenced;
                if (s->first < limit)
                        limit = s->first;
        }
}

static void order_segments(LogListing *l) {
        size_t n = 0;

        if (l->n_segments > 0)
                qsort(l->segments, l->n_segments, sizeof(*l->segments), compare_segments);
        for (size_t i = 0; i < l->n_segments; i++)
                if (n == 0 || !is_same(&l->segments[n - 1], &l->segments[i]))
                        l->segments[n++] = l->segments[i];
        l->n_segments = n;
        set_limits(l);
}

static void order_checkpoints(LogListing *l) {
        if (l->n_checkpoints > 0)
                qsort(l->checkpoints, l->n_checkpoints, sizeof(*l->checkpoints),
                        compare_checkpoints);
        for (size_t i = 0; i < l->n_checkpoints; i++) {
                LogCheckpoint *c = &l->checkpoints[i];

                for (size_t k = 0; k < l->n_segments; k++)
                        if (l->segments[k].fence > c->fence && l->segments[k].first <= c->seq)
                                c->superseded = true;
        }
}

static int read_folders(LogListing *l, int statedir) {
        int r;

        l->events = dir_open_at(statedir, LOG_FOLDER);
        if (l->events < 0)
                return l->events;
        r = list(l, l->events, false);
        if (r < 0)
                return r;
        l->history = dir_open_at(l->events, LOG_HISTORY);
        if (l->history < 0)
                return l->history;
        return list(l, l->history, true);
}

int log_listing_read(int statedir, LogListing *ret, Error *e) {
        LogListing l = { .events = -1, .history = -1 };
        int r;

        r = read_folders(&l, statedir);
        if (r < 0 && r != -ENOENT) {
                log_listing_done(&l);
                return error_set(
                        e, r, "the folder of the event log can't be read: %s", strerror(-r));
        }
        order_segments(&l);
        order_checkpoints(&l);
        *ret = l;
        return 0;
}

void log_listing_done(LogListing *l) {
        l->events = safe_close(l->events);
        l->history = safe_close(l->history);
        free(l->segments);
        free(l->checkpoints);
        l->segments = NULL;
        l->checkpoints = NULL;
        l->n_segments = l->n_checkpoints = 0;
}

int eventlog_fence(int statedir, uint64_t *ret) {
        _cleanup_(log_listing_done) LogListing l = { .events = -1, .history = -1 };
        int r = log_listing_read(statedir, &l, NULL);

        if (r == 0)
                *ret = l.fence;
        return r;
}

int log_segment_open(const LogListing *l, const LogSegment *s) {
        char name[LOG_NAME_MAX];
        int fd = -1;

        log_segment_name(name, s);
        if (!s->archived)
                fd = openat(l->events, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 && (s->archived || errno == ENOENT))
                fd = openat(l->history, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

char *log_header(const char *kind, uint64_t seq, uint64_t fence, size_t count) {
        _cleanup_free_ char *object = NULL;
        char time[CLOCK_TEXT_MAX];

        object = xasprintf("{\"%s\":%" PRIu64 ",\"format\":%d,\"fence\":%" PRIu64
                           ",\"count\":%zu,\"time\":\"%s\",\"version\":\"" FLOWCRON_VERSION "\"}",
                kind, seq, LOG_FORMAT, fence, count, clock_format_usec(time, clock_now()));
        return object ? line_seal(object) : NULL;
}

int log_header_check(const char *line, size_t size, const char *kind, size_t *ret_count, Error *e) {
        _cleanup_json_ cJSON *j = NULL;
        int64_t format, count;
        int r;

        if (line_check(line, size) < 0)
                return error_set(e, -EBADMSG, "its first line is damaged");
        r = json_parse(line, size, &j, e);
        if (r < 0)
                return r == -ENOMEM ? r : -EBADMSG;
        format = json_int(j, "format", 0);
        count = json_int(j, "count", -1);
        if (format > LOG_FORMAT) {
                const char *version = json_str(j, "version");

                return error_set(e, -EPROTONOSUPPORT,
                        "it was written by a newer FlowCron (%s, format %" PRId64
                        "), which this version (" FLOWCRON_VERSION ") can't read",
                        version ? version : "version not known", format);
        }
        if (format < 1 || count < 0 || json_int(j, kind, -1) < 0)
                return error_set(e, -EBADMSG, "its first line is no header of a %s", kind);
        if (ret_count)
                *ret_count = (size_t)count;
        return 0;
}

int line_reader_init(LineReader *r, int fd) {
        *r = (LineReader){ .fd = fd, .buf = malloc(BUFFER_SIZE) };
        if (r->buf)
                return 0;
        r->fd = safe_close(fd);
        return -ENOMEM;
}

void line_reader_done(LineReader *r) {
        r->fd = safe_close(r->fd);
        free(r->buf);
        r->buf = NULL;
}

/* Read more behind what is there; the buffer's end is where the file's end will be found. */
static int fill(LineReader *r) {
        ssize_t n;

        memmove(r->buf, r->buf + r->start, r->end - r->start);
        r->end -= r->start;
        r->start = 0;
        do
                n = read(r->fd, r->buf + r->end, BUFFER_SIZE - r->end);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        r->end += (size_t)n;
        r->eof = n == 0;
        return 0;
}

/* Drop bytes until behind the next newline. */
static int skip_line(LineReader *r) {
        for (;;) {
                const char *nl = memchr(r->buf + r->start, '\n', r->end - r->start);
                int k;

                if (nl) {
                        r->start = (size_t)(nl - r->buf) + 1;
                        return 0;
                }
                r->start = r->end;
                if (r->eof)
                        return 0;
                k = fill(r);
                if (k < 0)
                        return k;
        }
}

/* A line beyond all measure. */
static int long_line(LineReader *r, const char **ret_line, size_t *ret_size) {
        int k;

        memcpy(r->beginning, r->buf + r->start, sizeof(r->beginning));
        k = skip_line(r);
        *ret_line = r->beginning;
        *ret_size = sizeof(r->beginning);
        return k < 0 ? k : LINE_LONG;
}

int line_reader_next(LineReader *r, const char **ret_line, size_t *ret_size) {
        size_t seen = 0;

        for (;;) {
                const char *from = r->buf + r->start, *nl;
                size_t size = r->end - r->start;
                int k;

                nl = memchr(from + seen, '\n', size - seen);
                if (nl) {
                        *ret_line = from;
                        *ret_size = (size_t)(nl - from);
                        r->start += *ret_size + 1;
                        return LINE_GOOD;
                }
                if (r->eof) {
                        *ret_line = from;
                        *ret_size = size;
                        r->start = r->end;
                        return size > 0 ? LINE_TORN : LINE_END;
                }
                if (size > EVENT_LINE_MAX)
                        return long_line(r, ret_line, ret_size);
                seen = size;
                k = fill(r);
                if (k < 0)
                        return k;
        }
}
