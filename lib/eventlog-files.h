/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The files of the event log: their names, which of them count and how far, and their lines.
 * Shared by eventlog*.c only.
 */

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

#define LOG_FOLDER "events"
#define LOG_HISTORY "history"

/* The form of files that this version writes, and the highest that it reads. */
#define LOG_FORMAT 1

/* "checkpoint-", 20 and 10 digits, and what surrounds them; numbers may be longer than their usual width. */
#define LOG_NAME_MAX 96

typedef struct LogSegment {
        uint64_t first, fence, part;
        uint64_t limit;  /* only events below it count: a segment opened later begins there */
        uint64_t fenced; /* the same, as far as writers with a higher number are concerned */
        bool archived;
} LogSegment;

typedef struct LogCheckpoint {
        uint64_t seq, fence;
        bool superseded; /* its writer had lost the lease */
} LogCheckpoint;

typedef struct LogListing {
        int events, history; /* folders; -1 where there is none (yet) */
        LogSegment *segments;
        size_t n_segments; /* in the order in which they were opened */
        LogCheckpoint *checkpoints;
        size_t n_checkpoints; /* newest first */
        uint64_t fence;       /* the highest of all, 0: none */
} LogListing;

/** log_listing_read() - what there is; no folder at all is an empty listing. 0 or -errno with @e. */
int log_listing_read(int statedir, LogListing *ret, Error *e);
void log_listing_done(LogListing *l);

const char *log_segment_name(char buf[static LOG_NAME_MAX], const LogSegment *s);
const char *log_checkpoint_name(char buf[static LOG_NAME_MAX], const LogCheckpoint *c);

/** log_segment_open() - for reading, also if it was archived since the listing. Descriptor or -errno. */
int log_segment_open(const LogListing *l, const LogSegment *s);

/** log_header() - the sealed first line of a file: @kind "segment" or "checkpoint", new string or NULL. */
char *log_header(const char *kind, uint64_t seq, uint64_t fence, size_t count);

/**
 * log_header_check() - whether @line is a first line that we can read what follows
 * Returns 0 with @ret_count (may be NULL); -EBADMSG if it is damaged; -EPROTONOSUPPORT with @e for a newer format.
 */
int log_header_check(const char *line, size_t size, const char *kind, size_t *ret_count, Error *e);

/* Lines of a file, with bounded memory. */
typedef struct LineReader {
        int fd;
        char *buf;
        size_t start, end;
        bool eof;
        char beginning[256]; /* of a line that is too long */
} LineReader;

typedef enum LineKind {
        LINE_END,  /* no more */
        LINE_GOOD, /* a line; its newline is not counted */
        LINE_TORN, /* bytes behind the last newline */
        LINE_LONG, /* no line of ours is that long; what is shown is its beginning */
} LineKind;

/** line_reader_init() - takes over @fd (also on failure). 0 or -ENOMEM. */
int line_reader_init(LineReader *r, int fd);
void line_reader_done(LineReader *r);

/** line_reader_next() - LINE_… or -errno; @ret_line is valid until the next call. */
int line_reader_next(LineReader *r, const char **ret_line, size_t *ret_size);
