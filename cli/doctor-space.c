/* SPDX-License-Identifier: Apache-2.0 */

/* Room to work in: the file system, the owner's quota, and what FlowCron itself takes with its logs. */

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "doctor.h"
#include "shell-quote.h"
#include "storage.h"
#include "text.h"

#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)

/* Below the first the event log is soon refused its next line; below the second the next upload does not fit. */
#define FREE_NONE (16 * MIB)
#define FREE_LITTLE (1 * GIB)
#define FILES_NONE 16
#define FILES_LITTLE 10000

/* A log that large is not read any more. */
#define LOGS_MUCH (1 * GIB)

static const char *size_words(char buf[static 32], uint64_t bytes) {
        static const char *const units[] = { "bytes", "kB", "MB", "GB", "TB", "PB" };
        double n = (double)bytes;
        size_t u = 0;

        while (n >= 1000 && u + 1 < ELEMENTSOF(units)) {
                n /= 1000;
                u++;
        }
        snprintf(buf, 32, u > 0 && n < 10 ? "%.1f %s" : "%.0f %s", n, units[u]);
        return buf;
}

static FindingResult judge(uint64_t left, uint64_t little, uint64_t none) {
        return left < none ? FINDING_FAULT : left < little ? FINDING_WARNING : FINDING_OK;
}

static void check_file_system(Doctor *d, const Storage *s) {
        FindingResult space = judge(s->free, FREE_LITTLE, FREE_NONE),
                      files = judge(s->free_files, FILES_LITTLE, FILES_NONE);
        _cleanup_free_ char *base = shell_quote(d->config->base);
        char left[32], all[32];

        doctor_find(d, "space", space, "%s of %s are free", size_words(left, s->free),
                size_words(all, s->total));
        if (space != FINDING_OK) {
                doctor_why(d,
                        "Uploads and jobs fail on a full file system, and FlowCron stops until there is room for its event log.");
                doctor_advise(d, "du -xsh %s/*", base ?: "");
        }
        if (files == FINDING_OK)
                return;
        doctor_find(d, "space", files, "only %" PRIu64 " more files can be made", s->free_files);
        doctor_why(d, "The file system's number of files is bounded, whatever their size.");
        doctor_advise(d, "du -x --inodes -s %s/*", base ?: "");
}

/* What the kernel itself knows of a quota: on local file systems. */
static void check_known_quota(Doctor *d, const Storage *s) {
        FindingResult bytes = judge(s->quota_left, FREE_LITTLE, FREE_NONE),
                      files = judge(s->quota_files_left, FILES_LITTLE, FILES_NONE);
        char left[32];

        if (bytes != FINDING_OK || s->quota_left != STORAGE_UNKNOWN) {
                doctor_find(d, "quota", bytes, "leaves %s", size_words(left, s->quota_left));
                if (bytes != FINDING_OK)
                        doctor_advise(d, "quota -s");
        }
        if (files != FINDING_OK) {
                doctor_find(
                        d, "quota", files, "leaves %" PRIu64 " more files", s->quota_files_left);
                doctor_advise(d, "quota -s");
        }
}

/* quota(1) --quiet prints the file systems whose quota is exceeded, and nothing else. */
static void check_quota(Doctor *d) {
        const Run *r = doctor_answer(d, PROBE_QUOTA);
        _cleanup_free_ char *first = NULL;

        if (!r || r->error != 0)
                return;
        if (r->out_size == 0 && !run_ok(r))
                return; /* it could not ask the server */
        if (r->out_size == 0) {
                doctor_find(d, "quota", FINDING_OK, "none is exceeded");
                return;
        }
        first = strndup(run_out(r), strcspn(run_out(r), "\n"));
        doctor_find(d, "quota", FINDING_WARNING, "a quota of %s is exceeded", d->owner_name);
        doctor_why(d, "%s", first ?: "?");
        doctor_advise(d, "quota");
}

/* ---- logs ---- */

typedef struct Heap {
        uint64_t bytes;
        size_t n;
} Heap;

static Heap heap_of(int dir) {
        _cleanup_closedir_ DIR *dp = NULL;
        const struct dirent *de;
        Heap heap = {};
        int fd = dir < 0 ? -1 : openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0 || !(dp = fdopendir(fd))) {
                safe_close(fd);
                return heap;
        }
        while ((de = readdir(dp))) {
                struct stat st;

                if (fstatat(dirfd(dp), de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
                        !S_ISREG(st.st_mode))
                        continue;
                heap.bytes += (uint64_t)st.st_size;
                heap.n++;
        }
        return heap;
}

static Heap events_of(int state) {
        _cleanup_close_ int events = openat(state, "events", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
                            history = -1;
        Heap now = heap_of(events), old;

        history = events < 0 ? -1 : openat(events, "history", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        old = heap_of(history);
        return (Heap){ now.bytes + old.bytes, now.n + old.n };
}

static void check_logs(Doctor *d) {
        Heap logs = heap_of(d->layout->fd[PLACE_LOGS]),
             events = events_of(d->layout->fd[PLACE_STATE]);
        char size[32], history[32];

        doctor_find(d, "logs", logs.bytes > LOGS_MUCH ? FINDING_WARNING : FINDING_OK,
                "%zu daily logs with %s; the history takes %s", logs.n,
                size_words(size, logs.bytes), size_words(history, events.bytes));
        if (logs.bytes <= LOGS_MUCH)
                return;
        doctor_why(d, "%s",
                d->config->retention.logs ? "They are kept for as long as retention.logs says."
                                          : "retention.logs is 0: they are kept for ever.");
        doctor_advise_edit(d);
}

static void check_retention(Doctor *d) {
        if (d->config->retention.soft_delete_after || d->config->retention.purge_after)
                return;
        doctor_find(d, "retention", FINDING_NOTE, "results are kept for ever");
        doctor_why(d,
                "retention.soft_delete_after and retention.purge_after are 0; the file system fills up unless somebody clears it.");
        doctor_advise_edit(d);
}

void doctor_check_space(Doctor *d) {
        Storage s;

        if (!d->layout)
                return;
        if (storage_look(d->layout->fd[PLACE_STATE], &s) == 0) {
                check_file_system(d, &s);
                check_known_quota(d, &s);
        }
        check_quota(d);
        check_logs(d);
        check_retention(d);
}
