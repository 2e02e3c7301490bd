/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Reading the state: the newest good checkpoint, and the events since.
 *
 * Damage is contained, and said: what is bad is passed over, the Unit of Work it concerns is shown but
 * no longer acted upon, and everything else goes on. Only where the beginning itself is missing, or a file
 * can't be read at all, is there no answer: to go on with half a state could submit jobs twice.
 *
 * Reads only, so it may run beside a writer. What moves or goes meanwhile makes it start over.
 */

#include "eventlog.h"

#include <fcntl.h>
#include <stdarg.h>
#include <string.h>

#include "eventlog-files.h"
#include "text.h"

/* A writer retires files at most once in a thousand events or so; to be overtaken this often is no accident. */
#define TRIES_MAX 10

typedef struct Reading {
        const LogListing *files;
        UowSet *set;
        Replay result;
        FILE *warnings;
        uint64_t last; /* the last event that is folded or accounted for */
        bool holes;    /* lost events whose Unit of Work is not known */

        /* The segment at hand. */
        const LogSegment *segment;
        char name[LOG_NAME_MAX];
        uint64_t at;   /* the number of the last line in it, as far as can be told */
        size_t fenced; /* events in it of a writer that had lost the lease */
} Reading;

static _printf_(2, 3) void warn(Reading *r, const char *fmt, ...) {
        va_list ap;

        va_start(ap, fmt);
        vfprintf(r->warnings, fmt, ap);
        va_end(ap);
        fputc('\n', r->warnings);
}

static void quarantine(Uow *u) {
        u->quarantined = true;
}

/* A line whose checksum is right, of which the record wants nothing. */
static void not_applicable(Reading *r, const Event *ev, Uow *u) {
        if (!u || u->quarantined)
                return;
        warn(r, "%s: event %" PRIu64 " (%s) does not fit what came before it and is ignored",
                r->name, ev->seq, event_type_to_string(ev->type));
        /* A daemon that posts nonsense refuses it at once, as we do now. If events are lost, they may be the reason. */
        if (r->holes)
                quarantine(u);
}

static int add_orphan(Reading *r, const Event *ev) {
        Uow *u = uow_orphan(ev);

        warn(r, "%s: the first events of %s are lost; it is shown, and not acted upon", r->name,
                ev->id);
        return u ? uowset_add(r->set, u) : -ENOMEM;
}

static int fold(Reading *r, const Event *ev) {
        int k = uowset_apply(r->set, ev, NULL);

        r->result.events++;
        if (k == UOW_E_NOT_FOUND)
                return add_orphan(r, ev);
        if (k == -ENOMEM)
                return k;
        if (k != 0)
                not_applicable(r, ev, uowset_get(r->set, ev->id));
        return 0;
}

static int take_event(Reading *r, const Event *ev) {
        r->at = ev->seq;
        if (ev->seq >= r->segment->limit) {
                r->fenced += ev->seq >= r->segment->fenced;
                return 0;
        }
        if (ev->seq <= r->last)
                return 0;
        if (ev->seq != r->last + 1) {
                warn(r, "%s: events %" PRIu64 " to %" PRIu64 " are missing", r->name, r->last + 1,
                        ev->seq - 1);
                r->holes = true;
        }
        r->last = ev->seq;
        return fold(r, ev);
}

static void take_damage(Reading *r, const char *id, const char *why) {
        Uow *u = id[0] ? uowset_get(r->set, id) : NULL;

        r->at++;
        if (r->at >= r->segment->limit || r->at <= r->last)
                return;
        r->last = r->at;
        r->result.damaged++;
        if (u) {
                warn(r,
                        "%s: line of event %" PRIu64
                        " is damaged (%s); %s is shown, and not acted upon",
                        r->name, r->at, why, id);
                quarantine(u);
                return;
        }
        warn(r, "%s: line of event %" PRIu64 " is damaged (%s), and can't be laid at any door",
                r->name, r->at, why);
        r->holes = true;
}

static int take_line(Reading *r, LineKind kind, const char *line, size_t size) {
        Error why = { "" };
        Event ev = { 0 };
        int k = event_from_line(line, size, &ev, &why);

        if (kind == LINE_LONG && k == 0)
                k = -EBADMSG;
        if (k == 0)
                k = take_event(r, &ev);
        else if (k == -EBADMSG) {
                take_damage(r, ev.id, why.text);
                k = 0;
        }
        event_done(&ev);
        return k;
}

static int take_header(Reading *r, const char *line, size_t size) {
        Error why = { "" };
        int k = log_header_check(line, size, "segment", NULL, &why);

        if (k == -EBADMSG) {
                r->result.damaged++;
                warn(r, "%s: %s; its name is believed", r->name, why.text);
                k = 0;
        }
        return k;
}

static int read_lines(Reading *r, LineReader *lines) {
        const char *line;
        size_t size, n = 0;
        int k;

        while ((k = line_reader_next(lines, &line, &size)) > LINE_END) {
                if (k == LINE_TORN) {
                        /* Never acknowledged: the writer was cut off, or is writing just now. Old news once there is a successor. */
                        if (r->at + 1 < r->segment->limit)
                                warn(r, "%s: its last line is torn, and dropped", r->name);
                        return 0;
                }
                k = n++ == 0 ? take_header(r, line, size) : take_line(r, (LineKind)k, line, size);
                if (k < 0)
                        return k;
        }
        return k;
}

static int read_segment(Reading *r, const LogSegment *s, Error *e) {
        _cleanup_(line_reader_done) LineReader lines = { .fd = -1 };
        int k;

        r->segment = s;
        r->at = s->first - 1;
        r->fenced = 0;
        log_segment_name(r->name, s);
        k = log_segment_open(r->files, s);
        if (k == -ENOENT)
                return -EAGAIN;
        if (k >= 0)
                k = line_reader_init(&lines, k);
        if (k >= 0)
                k = read_lines(r, &lines);
        if (k == -EPROTONOSUPPORT)
                return error_set(e, k,
                        "event log %s was written by a newer FlowCron; install that version again",
                        r->name);
        if (k < 0)
                return error_set(e, k, "event log %s can't be read: %s", r->name, strerror(-k));
        /* Said while it was live; and a part that was written together with others looks the same. */
        if (r->fenced > 0 && !s->archived)
                warn(r, "%s: %zu events of a writer that had lost the lease are ignored", r->name,
                        r->fenced);
        r->result.segments++;
        return 0;
}

static int read_segments(Reading *r, Error *e) {
        for (size_t i = 0; i < r->files->n_segments; i++) {
                const LogSegment *s = &r->files->segments[i];
                int k;

                if (s->limit <= r->last + 1)
                        continue;
                k = read_segment(r, s, e);
                if (k < 0)
                        return k;
        }
        return 0;
}

static int add_record(UowSet *set, const char *line, size_t size, Error *e) {
        Uow *u;
        int k;

        if (line_check(line, size) < 0)
                return error_set(e, -EBADMSG, "the checksum is wrong");
        /* Sealed: what we wrote, so json_parse()'s look at every byte would only cost time. */
        k = uow_from_line(line, size, &u, e);
        if (k == 0 && (k = uowset_add(set, u)) == -EEXIST)
                k = error_set(e, -EBADMSG, "the same Unit of Work twice");
        return k == -ENOMEM || k == 0 ? k : -EBADMSG;
}

/* Header, records, end: all of it good, or -EBADMSG. */
static int read_records(UowSet *set, LineReader *lines, Error *e) {
        const char *line;
        size_t size, count, n;
        int k;

        k = line_reader_next(lines, &line, &size);
        if (k < 0)
                return k;
        if (k != LINE_GOOD)
                return error_set(e, -EBADMSG, "it has no first line");
        k = log_header_check(line, size, "checkpoint", &count, e);
        for (n = 0; k == 0 && n < count; n++) {
                k = line_reader_next(lines, &line, &size);
                if (k < 0)
                        return k;
                if (k != LINE_GOOD)
                        return error_set(e, -EBADMSG, "it ends after %zu of %zu records", n, count);
                k = add_record(set, line, size, e);
        }
        if (k < 0)
                return k;
        k = line_reader_next(lines, &line, &size);
        if (k < 0)
                return k;
        if (k != LINE_GOOD || log_header_check(line, size, "end", NULL, NULL) < 0)
                return error_set(e, -EBADMSG, "its end is missing");
        return 0;
}

/* -EBADMSG: another one is to be tried. */
static int read_checkpoint(Reading *r, const LogCheckpoint *c, Error *e) {
        _cleanup_(line_reader_done) LineReader lines = { .fd = -1 };
        Error why = { "" };
        int fd, k;

        log_checkpoint_name(r->name, c);
        fd = openat(r->files->events, r->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? -EAGAIN
                                       : error_set(e, -errno, "%s can't be opened: %m", r->name);
        k = line_reader_init(&lines, fd);
        if (k == 0)
                k = read_records(r->set, &lines, &why);
        if (k == 0) {
                r->last = r->result.checkpoint = c->seq;
                return 0;
        }
        uowset_clear(r->set);
        if (k != -EBADMSG)
                return error_set(e, k, "%s: %s", r->name, why.text[0] ? why.text : strerror(-k));
        warn(r, "%s is damaged (%s); an older one is used", r->name, why.text);
        return k;
}

static int read_newest_checkpoint(Reading *r, Error *e) {
        for (size_t i = 0; i < r->files->n_checkpoints; i++) {
                const LogCheckpoint *c = &r->files->checkpoints[i];
                int k;

                if (c->superseded)
                        continue;
                k = read_checkpoint(r, c, e);
                if (k != -EBADMSG)
                        return k;
        }
        return 0;
}

/* Without the beginning, what is left would be taken for the whole. */
static int check_beginning(const Reading *r, Error *e) {
        const LogListing *l = r->files;
        uint64_t first = UINT64_MAX;

        for (size_t i = 0; i < l->n_segments; i++)
                if (l->segments[i].first < first)
                        first = l->segments[i].first;
        if (r->result.checkpoint > 0 ||
                (first == 1 || (first == UINT64_MAX && l->n_checkpoints == 0)))
                return 0;
        return error_set(e, -EBADMSG,
                "no checkpoint of the event log can be read, and the segments do not go back to the "
                "beginning; put .flowcron/" LOG_FOLDER " back from a backup");
}

static void count_quarantined(Reading *r) {
        for (size_t i = 0; i < uowset_size(r->set); i++)
                r->result.quarantined += uowset_at(r->set, i)->quarantined;
}

static int read_all(Reading *r, Error *e) {
        int k;

        k = read_newest_checkpoint(r, e);
        if (k == 0)
                k = check_beginning(r, e);
        if (k == 0)
                k = read_segments(r, e);
        if (k < 0)
                return k;
        count_quarantined(r);
        r->result.next_seq = r->last + 1;
        r->result.fence = r->files->fence;
        return 0;
}

static int replay_once(int statedir, UowSet *set, Replay *ret, Error *e) {
        _cleanup_(log_listing_done) LogListing files = { .events = -1, .history = -1 };
        _cleanup_free_ char *warnings = NULL;
        Reading r = { .files = &files, .set = set };
        size_t size;
        int k;

        k = log_listing_read(statedir, &files, e);
        if (k < 0)
                return k;
        r.warnings = open_memstream(&warnings, &size);
        if (!r.warnings)
                return -ENOMEM;
        k = read_all(&r, e);
        if (fclose(r.warnings) != 0 && k == 0)
                k = -ENOMEM;
        if (k < 0)
                return k;
        if (size > 0)
                r.result.warnings = TAKE_PTR(warnings);
        *ret = r.result;
        return 0;
}

int eventlog_replay(int statedir, UowSet *set, Replay *ret, Error *e) {
        int k = -EAGAIN;

        for (int tries = 0; k == -EAGAIN && tries < TRIES_MAX; tries++) {
                k = replay_once(statedir, set, ret, e);
                if (k < 0)
                        uowset_clear(set);
        }
        if (k == -EAGAIN)
                return error_set(e, -EIO, "files of the event log vanish while they are read");
        return k;
}

void replay_done(Replay *r) {
        free(r->warnings);
        r->warnings = NULL;
}
