/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The events of one Unit of Work whose numbers are known, each found by bisection: the lines of a segment are in the
 * order of their numbers. While ten thousand others are under way, reading all that was written meanwhile for each of them
 * would make the cost of one grow with their number.
 *
 * Whatever is not as it should be (damage, a file put away meanwhile, a line of uncommon length) leaves the rest to
 * eventlog_history(), which bears with all of it. Reads only, and may run beside a writer.
 */

#include "eventlog.h"

#include <string.h>
#include <sys/stat.h>

#include "eventlog-files.h"

/* A line of ours rarely has more than a thousand bytes. */
#define PROBE_SIZE ((size_t)4096)

/* When the place is known to this, the lines are gone through. */
#define WINDOW_SIZE (4 * PROBE_SIZE)

typedef struct Lookup {
        const LogListing *listing;
        const LogSegment *segment; /* open as fd; NULL: none */
        int fd;
        off_t size, at; /* at: the beginning of a line that is not behind the next one wanted */
        char buf[WINDOW_SIZE + PROBE_SIZE];
} Lookup;

/* The number of an event's line; 0 for any other line. */
static uint64_t line_seq(const char *line, size_t size) {
        static const char key[] = "{\"seq\":";
        uint64_t seq = 0;

        if (size < sizeof(key) - 1 || memcmp(line, key, sizeof(key) - 1) != 0)
                return 0;
        for (size_t i = sizeof(key) - 1; i < size && line[i] >= '0' && line[i] <= '9'; i++)
                seq = seq * 10 + (uint64_t)(line[i] - '0');
        return seq;
}

static ssize_t read_at(const Lookup *l, char *buf, size_t size, off_t from) {
        ssize_t n;

        do
                n = pread(l->fd, buf, size, from);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : n;
}

static int probe_within(
        Lookup *l, size_t size, off_t from, off_t end, off_t *ret_at, uint64_t *ret_seq) {
        ssize_t n = read_at(l, l->buf, size, from);
        const char *nl = n > 0 ? memchr(l->buf, '\n', (size_t)n) : NULL;

        while (nl) {
                const char *line = nl + 1;

                if (from + (line - l->buf) >= end)
                        return 0;
                nl = memchr(line, '\n', (size_t)(l->buf + n - line));
                *ret_seq = nl ? line_seq(line, (size_t)(nl - line)) : 0;
                *ret_at = from + (line - l->buf);
                if (*ret_seq > 0)
                        return 1;
        }
        return from + (off_t)size >= end ? 0 : -ENOENT;
}

/* The first event's line that begins behind @from and before @end. 1, 0: there is none, -ENOENT: it can't be told. */
static int probe(Lookup *l, off_t from, off_t end, off_t *ret_at, uint64_t *ret_seq) {
        int r = probe_within(l, PROBE_SIZE, from, end, ret_at, ret_seq);

        return r == -ENOENT ? probe_within(l, sizeof(l->buf), from, end, ret_at, ret_seq) : r;
}

/* Brings l->at to no more than a window before the line of event @seq. */
static int approach(Lookup *l, uint64_t seq) {
        off_t end = l->size;

        while (end - l->at > (off_t)WINDOW_SIZE) {
                off_t middle = l->at + (end - l->at) / 2, at;
                uint64_t found;
                int r = probe(l, middle, end, &at, &found);

                if (r < 0)
                        return r;
                if (r > 0 && found <= seq)
                        l->at = at;
                else
                        end = middle + 1;
        }
        return 0;
}

/* The line of event @seq, without its newline; valid until the next call. */
static int find_line(Lookup *l, uint64_t seq, const char **ret_line, size_t *ret_size) {
        const char *line = l->buf, *nl;
        ssize_t n;
        int r = approach(l, seq);

        if (r < 0)
                return r;
        n = read_at(l, l->buf, sizeof(l->buf), l->at);
        if (n < 0)
                return (int)n;
        while ((nl = memchr(line, '\n', (size_t)(l->buf + n - line)))) {
                if (line_seq(line, (size_t)(nl - line)) == seq) {
                        l->at += line - l->buf;
                        *ret_line = line;
                        *ret_size = (size_t)(nl - line);
                        return 0;
                }
                line = nl + 1;
        }
        return -ENOENT;
}

/* Opens the segment in which event @seq counts. */
static int open_segment(Lookup *l, uint64_t seq) {
        struct stat st;

        if (l->segment && l->segment->first <= seq && seq < l->segment->limit)
                return 0;
        l->fd = safe_close(l->fd);
        l->segment = NULL;
        for (size_t i = 0; i < l->listing->n_segments; i++)
                if (l->listing->segments[i].first <= seq && seq < l->listing->segments[i].limit)
                        l->segment = &l->listing->segments[i];
        if (!l->segment)
                return -ENOENT;
        l->fd = log_segment_open(l->listing, l->segment);
        if (l->fd < 0 || fstat(l->fd, &st) < 0)
                return l->fd < 0 ? l->fd : -errno;
        l->size = st.st_size;
        l->at = 0;
        return 0;
}

/* -ENOENT: not found, or not the one that was expected. */
static int find_event(Lookup *l, const char *id, uint64_t seq, Event *ret) {
        const char *line = NULL;
        size_t size = 0;
        int r = open_segment(l, seq);

        if (r == 0)
                r = find_line(l, seq, &line, &size);
        if (r == 0)
                r = event_from_line(line, size, ret, NULL);
        if (r < 0)
                return r == -ENOMEM ? r : -ENOENT;
        if (strcmp(ret->id, id) == 0 && ret->seq == seq)
                return 0;
        event_done(ret);
        return -ENOENT;
}

/* Hands out events from @seqs as far as they are found; @ret_done: how many. */
static int hand_out(const LogListing *listing, const char *id, const uint64_t *seqs, size_t n,
        EventFunc func, void *userdata, size_t *ret_done) {
        Lookup l = { .listing = listing, .fd = -1 };
        int r = 0;

        for (*ret_done = 0; *ret_done < n && r == 0; ++*ret_done) {
                Event ev = { 0 };

                r = find_event(&l, id, seqs[*ret_done], &ev);
                if (r == -ENOENT) {
                        r = 0;
                        break;
                }
                if (r == 0)
                        r = func(&ev, userdata);
                event_done(&ev);
        }
        safe_close(l.fd);
        return r;
}

int eventlog_history_of(int statedir, const char *id, uint64_t first_seq, const uint64_t *seqs,
        size_t n, EventFunc func, void *userdata) {
        _cleanup_(log_listing_done) LogListing l = { .events = -1, .history = -1 };
        size_t done = 0;
        int r = 0;

        if (n == 0)
                return eventlog_history(statedir, id, first_seq, 0, func, userdata);
        if (first_seq < seqs[0])
                r = eventlog_history(statedir, id, first_seq, seqs[0] - 1, func, userdata);
        if (r == 0)
                r = log_listing_read(statedir, &l, NULL);
        if (r == 0)
                r = hand_out(&l, id, seqs, n, func, userdata, &done);
        if (r != 0 || done == n)
                return r;
        return eventlog_history(statedir, id, seqs[done], seqs[n - 1], func, userdata);
}
