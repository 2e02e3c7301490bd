/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Reading who holds a lease, and judging whether it lives.
 *
 * On the same kernel and in the same pid namespace the process table has the answer, exactly. Everywhere else, and where
 * /proc does not tell (hidepid), the only evidence of death is a counter that stands still for a whole term of our own clock, and that
 * is never hurried. When in doubt, it lives.
 */

#include "lease-owner.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "crashpoint.h"
#include "event.h"
#include "fileio.h"
#include "json.h"
#include "process.h"
#include "text.h"

#define FILE_MAX 4096
#define WATCH_PREFIX "lease-watch-"

/* A file that is being written is whole a moment later. */
#define READ_TRIES 10
#define READ_PAUSE_NSEC (5 * 1000 * 1000)

typedef enum Life {
        LIFE_UNKNOWN,
        LIFE_ALIVE,
        LIFE_DEAD,
} Life;

const char *lease_file_name(char buf[static LEASE_NAME_MAX], uint64_t fence) {
        snprintf(buf, LEASE_NAME_MAX, "lease-%" PRIu64, fence);
        return buf;
}

/* The number of lease-N, 0 for any other name. */
static uint64_t name_fence(const char *name) {
        char buf[LEASE_NAME_MAX];
        uint64_t fence;

        if (sscanf(name, "lease-%" SCNu64, &fence) != 1 ||
                !streq(name, lease_file_name(buf, fence)))
                return 0;
        return fence;
}

void lease_record_self(LeaseRecord *r, uint64_t fence) {
        ProcessStat self;

        *r = (LeaseRecord){ .fence = fence, .pid = getpid(), .since = clock_now(), .counter = 1 };
        if (gethostname(r->host, sizeof(r->host)) < 0)
                strcpy(r->host, "localhost");
        r->host[sizeof(r->host) - 1] = 0;
        process_boot_id(r->boot_id);
        process_pid_space(r->pid_space);
        r->start = process_stat(r->pid, &self) == 0 ? self.start : 0;
}

char *lease_record_line(const LeaseRecord *r) {
        _cleanup_json_ cJSON *j = cJSON_CreateObject();
        _cleanup_free_ char *text = NULL;
        char number[24];

        snprintf(number, sizeof(number), "%020" PRIu64, r->counter);
        if (!j || json_set_int(j, "fence", (int64_t)r->fence) < 0 ||
                json_set_name(j, "host", r->host) < 0 ||
                json_set_str(j, "boot_id", r->boot_id) < 0 ||
                json_set_str(j, "pid_space", r->pid_space) < 0 ||
                json_set_int(j, "pid", r->pid) < 0 ||
                json_set_int(j, "start", (int64_t)r->start) < 0 ||
                json_set_time_usec(j, "since", r->since) < 0 ||
                json_set_str(j, "counter", number) < 0 ||
                json_set_str(j, "state", r->released ? "free" : "held") < 0)
                return NULL;
        text = json_print(j);
        return text ? line_seal(text) : NULL;
}

/* A sealed line of ours as JSON. 0, -ENOENT, -EBADMSG, other -errno. */
static int read_sealed(int dirfd, const char *name, cJSON **ret) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        r = file_read_at(dirfd, name, FILE_MAX, &text, &size);
        if (r < 0)
                return r;
        if (size == 0 || text[size - 1] != '\n' || line_check(text, size - 1) < 0)
                return -EBADMSG;
        r = json_parse(text, size - 1, ret, NULL);
        return r == -ENOMEM || r == 0 ? r : -EBADMSG;
}

static uint64_t text_number(const cJSON *j, const char *key) {
        const char *s = json_str(j, key);

        return s ? strtoull(s, NULL, 10) : 0;
}

static void copy_text(char *buf, size_t size, const cJSON *j, const char *key) {
        const char *s = json_str(j, key);

        snprintf(buf, size, "%s", s ? s : "");
}

/* A file that stays unreadable has an owner of which nothing is known but that it was there. */
static int read_record(int statedir, uint64_t fence, LeaseRecord *ret) {
        _cleanup_json_ cJSON *j = NULL;
        const struct timespec pause = { .tv_nsec = READ_PAUSE_NSEC };
        char name[LEASE_NAME_MAX];
        int r = -EBADMSG;

        lease_file_name(name, fence);
        for (int tries = 0; r == -EBADMSG && tries < READ_TRIES; tries++) {
                if (tries > 0)
                        nanosleep(&pause, NULL);
                r = read_sealed(statedir, name, &j);
        }
        *ret = (LeaseRecord){ .fence = fence };
        if (r < 0)
                return r == -EBADMSG ? 0 : r;
        copy_text(ret->host, sizeof(ret->host), j, "host");
        copy_text(ret->boot_id, sizeof(ret->boot_id), j, "boot_id");
        copy_text(ret->pid_space, sizeof(ret->pid_space), j, "pid_space");
        ret->pid = (int)json_int(j, "pid", 0);
        ret->start = (uint64_t)json_int(j, "start", 0);
        ret->since = json_time(j, "since");
        ret->counter = text_number(j, "counter");
        ret->released = streq(json_str(j, "state"), "free");
        return 0;
}

static bool is_here(const LeaseRecord *r, const LeaseRecord *self) {
        return r->boot_id[0] && streq(r->boot_id, self->boot_id) &&
                streq(r->pid_space, self->pid_space);
}

/* By the process table of this kernel. kill() comes first: that /proc does not show a process proves nothing (hidepid). */
static Life process_life(const LeaseRecord *r) {
        ProcessStat st;

        if (r->pid <= 0)
                return LIFE_UNKNOWN;
        if (kill(r->pid, 0) < 0 && errno == ESRCH)
                return LIFE_DEAD;
        if (r->start == 0 || process_stat(r->pid, &st) < 0)
                return LIFE_UNKNOWN;
        return st.start == r->start && st.state != 'Z' && st.state != 'X' ? LIFE_ALIVE : LIFE_DEAD;
}

static void watch_name(char *buf, size_t size, const LeaseRecord *self) {
        snprintf(buf, size, WATCH_PREFIX "%s-%s", self->host, self->boot_id);
        for (char *p = buf; *p; p++)
                if (*p == '/')
                        *p = '_';
}

/* What an earlier process on this boot has noted; nothing if nothing usable. */
static void read_watch(int statedir, const LeaseRecord *self, LeaseWatch *ret) {
        _cleanup_json_ cJSON *j = NULL;
        char name[128];
        LeaseWatch w;

        watch_name(name, sizeof(name), self);
        if (!self->boot_id[0] || read_sealed(statedir, name, &j) < 0)
                return;
        w = (LeaseWatch){ (uint64_t)json_int(j, "fence", 0), text_number(j, "counter"),
                (usec_t)json_int(j, "since", 0) };
        if (w.since > 0 && w.since <= clock_boottime())
                *ret = w;
}

/* For processes that come after us; without it (no room, no permission) this one's own memory must do. */
static void write_watch(int statedir, const LeaseRecord *self, const LeaseWatch *w) {
        _cleanup_free_ char *object = NULL, *line = NULL;
        char name[128];

        if (!self->boot_id[0])
                return;
        watch_name(name, sizeof(name), self);
        object = xasprintf("{\"fence\":%" PRIu64 ",\"counter\":\"%" PRIu64 "\",\"since\":%" PRIu64
                           "}",
                w->fence, w->counter, w->since);
        line = object ? line_seal(object) : NULL;
        if (line)
                (void)file_replace_nosync_at(statedir, name, line, strlen(line), 0640);
}

static bool is_seen(const LeaseWatch *w, const LeaseRecord *r) {
        return w->since > 0 && w->fence == r->fence && w->counter == r->counter;
}

static usec_t term(void) {
        return TEST_TUNABLE("FLOWCRON_LEASE_TERM", LEASE_TERM);
}

static bool is_over(const LeaseWatch *w) {
        return clock_boottime() >= w->since + term();
}

static Life life(int statedir, const LeaseRecord *r, const LeaseRecord *self, LeaseWatch *watch) {
        Life l = is_here(r, self) ? process_life(r) : LIFE_UNKNOWN;

        if (r->released)
                return LIFE_DEAD;
        if (l != LIFE_UNKNOWN)
                return l;
        if (!is_seen(watch, r))
                read_watch(statedir, self, watch);
        return is_seen(watch, r) && is_over(watch) ? LIFE_DEAD : LIFE_UNKNOWN;
}

static void describe(const LeaseRecord *r, const LeaseRecord *self, Life l, LeaseOwner *ret) {
        *ret = (LeaseOwner){
                .pid = r->pid, .fence = r->fence, .since = r->since, .released = r->released
        };
        memcpy(ret->host, r->host, sizeof(ret->host));
        memcpy(ret->boot_id, r->boot_id, sizeof(ret->boot_id));
        ret->here = is_here(r, self);
        ret->alive = l != LIFE_DEAD;
}

int lease_judge(
        int statedir, uint64_t fence, LeaseWatch *watch, LeaseOwner *owner, usec_t *ret_retry) {
        LeaseRecord r, self;
        Life l;
        int k;

        k = read_record(statedir, fence, &r);
        if (k < 0)
                return k == -ENOENT ? -EEXIST : k;
        lease_record_self(&self, 0);
        l = life(statedir, &r, &self, watch);
        if (l == LIFE_DEAD)
                return 0;
        describe(&r, &self, l, owner);
        if (l == LIFE_ALIVE) {
                *ret_retry = 0;
                return LEASE_E_HELD;
        }
        if (!is_seen(watch, &r)) {
                *watch = (LeaseWatch){ r.fence, r.counter, clock_boottime() };
                write_watch(statedir, &self, watch);
        }
        *ret_retry = watch->since + term();
        return LEASE_E_HELD;
}

int lease_read(int statedir, LeaseOwner *ret) {
        LeaseWatch watch = { 0 };
        LeaseRecord r, self;
        uint64_t fence;
        int k;

        k = lease_highest(statedir, &fence);
        if (k == 0 && fence == 0)
                return -ENOENT;
        if (k == 0)
                k = read_record(statedir, fence, &r);
        if (k != 0)
                return k;
        lease_record_self(&self, 0);
        describe(&r, &self, life(statedir, &r, &self, &watch), ret);
        return 0;
}

/* Call @func for every name in the folder. */
static int each_name(
        int statedir, void (*func)(int dirfd, const char *name, uint64_t *value), uint64_t *value) {
        _cleanup_closedir_ DIR *d = NULL;
        const struct dirent *de;
        int fd = openat(statedir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        d = fdopendir(fd);
        if (!d) {
                safe_close(fd);
                return -ENOMEM;
        }
        while ((errno = 0, de = readdir(d)))
                func(statedir, de->d_name, value);
        return -errno;
}

static void note_highest(int dirfd _unused_, const char *name, uint64_t *value) {
        uint64_t fence = name_fence(name);

        if (fence > *value)
                *value = fence;
}

int lease_highest(int statedir, uint64_t *ret) {
        *ret = 0;
        return each_name(statedir, note_highest, ret);
}

/* What was noted concerns owners before us, all of it. */
static void remove_older(int dirfd, const char *name, uint64_t *value) {
        uint64_t fence = name_fence(name);

        if ((fence > 0 && fence < *value) || startswith(name, WATCH_PREFIX))
                unlinkat(dirfd, name, 0);
}

void lease_clean_up(int statedir, uint64_t fence) {
        (void)each_name(statedir, remove_older, &fence);
}
