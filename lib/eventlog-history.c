/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What happened to one Unit of Work, from the segments, archived ones included.
 *
 * Nearly every line belongs to somebody else; so lines are looked through for the id first, and only those that
 * hold it are parsed. Reads only, and may run beside a writer.
 */

#include "eventlog.h"

#include <string.h>

#include "eventlog-files.h"

/* A writer puts files away so seldom that to be overtaken this often is no accident. */
#define TRIES_MAX 10

typedef struct Search {
        const char *id;
        uint64_t last; /* the last event handed out, so that none comes twice */
        uint64_t to;
        EventFunc func;
        void *userdata;
} Search;

static int try_line(Search *h, const LogSegment *s, const char *line, size_t size) {
        Event ev = { 0 };
        int r;

        if (!memmem(line, size, h->id, strlen(h->id)))
                return 0;
        r = event_from_line(line, size, &ev, NULL);
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        if (strcmp(ev.id, h->id) == 0 && ev.seq > h->last && ev.seq <= h->to && ev.seq < s->limit) {
                h->last = ev.seq;
                r = h->func(&ev, h->userdata);
        }
        event_done(&ev);
        return r;
}

static int search_segment(Search *h, const LogListing *l, const LogSegment *s) {
        _cleanup_(line_reader_done) LineReader lines = { .fd = -1 };
        const char *line;
        size_t size;
        int r;

        r = log_segment_open(l, s);
        if (r < 0)
                return r;
        r = line_reader_init(&lines, r);
        if (r < 0)
                return r;
        while ((r = line_reader_next(&lines, &line, &size)) > LINE_END) {
                r = r == LINE_GOOD ? try_line(h, s, line, size) : 0;
                if (r != 0)
                        return r;
        }
        return r;
}

/* -ENOENT: a segment was put away or given up since the listing. */
static int search_all(Search *h, int statedir) {
        _cleanup_(log_listing_done) LogListing l = { .events = -1, .history = -1 };
        int r;

        r = log_listing_read(statedir, &l, NULL);
        for (size_t i = 0; r == 0 && i < l.n_segments; i++) {
                const LogSegment *s = &l.segments[i];

                if (s->first <= h->to && s->limit > h->last + 1)
                        r = search_segment(h, &l, s);
        }
        return r;
}

int eventlog_history(int statedir, const char *id, uint64_t first_seq, uint64_t last_seq,
        EventFunc func, void *userdata) {
        Search h = { .id = id, .func = func, .userdata = userdata };
        int r = -ENOENT;

        h.last = first_seq > 0 ? first_seq - 1 : 0;
        h.to = last_seq > 0 ? last_seq : UINT64_MAX;
        for (int tries = 0; r == -ENOENT && tries < TRIES_MAX; tries++)
                r = search_all(&h, statedir);
        return r;
}
