/* SPDX-License-Identifier: Apache-2.0 */

/*
 * How long a start takes: replay of N Units of Work, from the log alone and from a checkpoint.
 *
 *   bench-replay FOLDER N
 *
 * FOLDER must be empty; it gets events/ as a state folder has it. Prints one JSON object. The program `replay` beside
 * this file runs it, and lets Python's json.loads read the same lines for comparison.
 */

#include <fcntl.h>
#include <malloc.h>
#include <string.h>

#include "eventlog.h"
#include "fileio.h"

/* So many are under way at once: their events lie mixed in the log. */
#define AT_ONCE 64
#define COMMIT_EVERY 64

typedef struct Step {
        EventType type;
        int attempt;
        const char *data; /* %zu: the number of the Unit of Work */
} Step;

static const Step life[] = {
        { EVENT_UPLOADED, 0,
                "{\"name\":\"tomogram_%zu\",\"folder\":\"tomogram_%zu\",\"owner\":20071}" },
        { EVENT_STAGED, 0,
                "{\"script\":\"submission_script.sh\",\"sha256\":\"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\",\"sets\":5}" },
        { EVENT_SUBMITTING, 1,
                "{\"args\":[\"--parsable\",\"--propagate=NONE\",\"--chdir=/projects/cryoem/CodeToRun/slurm/tomogram_%zu\",\"--output=slurm-%%j.out\"]}" },
        { EVENT_QUEUED, 1, "{\"job_id\":\"%zu\"}" },
        { EVENT_JOB, 1, "{\"phase\":\"pending\",\"reason\":\"Priority\"}" },
        { EVENT_JOB, 1,
                "{\"phase\":\"running\",\"nodes\":\"node[17-18]\",\"started\":\"2026-11-21T07:28:11+00:00\"}" },
        { EVENT_ENDED, 1,
                "{\"outcome\":\"succeeded\",\"job\":{\"job_id\":\"%zu\",\"state\":\"COMPLETED\",\"exit_code\":\"0:0\",\"elapsed\":3721,\"nodes\":\"node[17-18]\"}}" },
        { EVENT_FINISHED, 1, NULL },
};

static void die(const char *what, int r) {
        fprintf(stderr, "bench-replay: %s: %s\n", what, strerror(r < 0 ? -r : EINVAL));
        exit(1);
}

static void append(EventLog *l, size_t i, const Step *s, usec_t time) {
        Event ev = { .time = time, .type = s->type, .attempt = s->attempt };
        char data[512], id[64];
        int r;

        snprintf(id, sizeof(id), "%08x-52c2-4c0b-8f5b-%012x", (unsigned)i * 2654435761U,
                (unsigned)i);
        memcpy(ev.id, id, UOW_ID_MAX);
        if (s->data) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
                snprintf(data, sizeof(data), s->data, i, i);
#pragma GCC diagnostic pop
                ev.data = cJSON_Parse(data);
        }
        r = eventlog_append(l, &ev);
        if (r < 0)
                die("append", r);
        event_done(&ev);
        if (ev.seq % COMMIT_EVERY == 0 && (r = eventlog_commit(l)) < 0)
                die("commit", r);
}

static void write_log(int dir, size_t n) {
        _cleanup_(eventlog_freep) EventLog *l = NULL;
        usec_t time = UINT64_C(1795246091123456);
        int r = eventlog_new(dir, 1, 1, &l, NULL);

        if (r < 0)
                die("new", r);
        for (size_t from = 0; from < n; from += AT_ONCE)
                for (size_t s = 0; s < ELEMENTSOF(life); s++)
                        for (size_t i = from; i < n && i < from + AT_ONCE; i++)
                                append(l, i, &life[s], time += 1234567);
        r = eventlog_commit(l);
        if (r < 0)
                die("commit", r);
}

/* Seconds for one replay; the records stay with the caller. */
static double replay(int dir, size_t n, UowSet **ret) {
        UowSet *set = uowset_new();
        Replay result = { 0 };
        Error e = { "" };
        usec_t start = clock_boottime();
        int r = eventlog_replay(dir, set, &result, &e);
        double seconds = (double)(clock_boottime() - start) / USEC_PER_SEC;

        if (r < 0 || result.warnings || uowset_size(set) != n) {
                fprintf(stderr, "%s %s\n", e.text, result.warnings ? result.warnings : "");
                die("replay", r);
        }
        replay_done(&result);
        *ret = set;
        return seconds;
}

int main(int argc, char **argv) {
        size_t n = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
        UowSet *set;
        double log, checkpoint, writing;
        size_t before, after;
        usec_t start;
        Error e;
        int dir, r;

        if (n == 0)
                return fprintf(stderr, "usage: bench-replay FOLDER N\n"), 2;
        dir = dir_open_path(argv[1]);
        if (dir < 0)
                die(argv[1], dir);
        write_log(dir, n);
        before = mallinfo2().uordblks;
        log = replay(dir, n, &set);
        after = mallinfo2().uordblks;
        start = clock_boottime();
        r = eventlog_checkpoint_write(dir, set, n * ELEMENTSOF(life), 1, &e);
        if (r < 0)
                die(e.text, r);
        writing = (double)(clock_boottime() - start) / USEC_PER_SEC;
        uowset_free(set);
        checkpoint = replay(dir, n, &set);
        uowset_free(set);
        printf("{\"uows\":%zu,\"log_seconds\":%.3f,\"checkpoint_seconds\":%.3f,\"checkpoint_write_seconds\":%.3f,\"bytes_per_record\":%zu}\n",
                n, log, checkpoint, writing, (after - before) / n);
        return 0;
}
