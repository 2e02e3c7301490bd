/* SPDX-License-Identifier: Apache-2.0 */

/*
 * inotify on UploadedFiles and on each folder that is arriving in it, and a timer. A watch is only ever
 * a reason to look sooner, so every fault here ends in "the timer will do".
 */

#include "watch.h"

#include <limits.h>
#include <search.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/vfs.h>

#include "filesystem.h"
#include "json.h"
#include "log.h"
#include "text.h"

#define INTERVAL_SEES_ALL (60 * USEC_PER_SEC)
#define INTERVAL_BLIND (15 * USEC_PER_SEC)

/* Behind the machine's turn: however many entries come and go, what was found before is dealt with first. */
#define IO_PRIORITY (SD_EVENT_PRIORITY_NORMAL + 60)

#define PARENT_MASK \
        (IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR | IN_DONT_FOLLOW)
#define ARRIVAL_MASK (IN_CREATE | IN_MOVED_TO | IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK)
#define REQUESTS_MASK (IN_MOVED_TO | IN_ONLYDIR)
#define FOLDERS_MASK (IN_CREATE | IN_MOVED_TO | IN_ONLYDIR)

typedef struct Arriving {
        int wd;
        char *name;
} Arriving;

struct Watch {
        sd_event *event;
        const Config *config;
        const Layout *layout;
        WatchEvents events;
        int fd; /* inotify, or -1 */
        int uploaded_wd, requests_wd, status_wd, orders_wd;
        void *by_wd, *by_name; /* tsearch() trees of Arriving */
        sd_event_source *io, *timer;
        bool sees_all;
        const char *file_system;
        char trouble[256];
        bool failed; /* since the last full scan an arrival could not be watched */
};

static usec_t interval(const Watch *w) {
        if (w->config->watch.rescan_interval)
                return w->config->watch.rescan_interval;
        return w->fd >= 0 && w->sees_all && !w->trouble[0] ? INTERVAL_SEES_ALL : INTERVAL_BLIND;
}

static void try_inotify(Watch *w);
static void stop_inotify(Watch *w);

/* A scan asks for a watch on every arrival, and so says whether what was in the way still is. */
static void see_whether_mended(Watch *w) {
        if (w->fd < 0 && w->config->watch.mode != WATCH_POLL)
                try_inotify(w);
        if (!w->failed && w->trouble[0]) {
                w->trouble[0] = 0;
                log_notice("inotify is to be had again.");
        }
}

void watch_scanned(Watch *w) {
        if (w->trouble[0])
                see_whether_mended(w);
        w->failed = false;
        sd_event_source_set_time(w->timer, clock_boottime() + interval(w));
        sd_event_source_set_enabled(w->timer, SD_EVENT_ONESHOT);
}

static int compare_wd(const void *a, const void *b) {
        int x = ((const Arriving *)a)->wd, y = ((const Arriving *)b)->wd;

        return x < y ? -1 : x > y;
}

static int compare_name(const void *a, const void *b) {
        return strcmp(((const Arriving *)a)->name, ((const Arriving *)b)->name);
}

static Arriving *find(
        void *const *tree, const Arriving *key, int (*compare)(const void *, const void *)) {
        Arriving **found = tfind(key, tree, compare);

        return found ? *found : NULL;
}

static void arriving_free(void *p) {
        Arriving *a = p;

        free(a->name);
        free(a);
}

static void forget(Watch *w, Arriving *a) {
        tdelete(a, &w->by_wd, compare_wd);
        tdelete(a, &w->by_name, compare_name);
        arriving_free(a);
}

static int add_watch(Watch *w, Place place, const char *name, uint32_t mask) {
        _cleanup_free_ char *path = xasprintf("/proc/self/fd/%d/%s", w->layout->fd[place], name);

        if (!path)
                return -ENOMEM;
        int wd = inotify_add_watch(w->fd, path, mask);

        return wd < 0 ? -errno : wd;
}

static const char *trouble_words(int r) {
        switch (r) {
        case -ENOSPC:
                return "this user's limit of watches is reached (fs.inotify.max_user_watches)";
        case -EMFILE:
                return "this user's limit of inotify instances is reached (fs.inotify.max_user_instances)";
        default:
                return strerror(-r);
        }
}

static void say_trouble(Watch *w, int r) {
        char text[sizeof(w->trouble)];

        w->failed = true;
        snprintf(text, sizeof(text),
                "inotify: %s; arrivals that it does not see are found by scanning",
                trouble_words(r));
        if (streq(text, w->trouble))
                return;
        strcpy(w->trouble, text);
        log_warning("%s.", w->trouble);
}

void watch_arrival(Watch *w, const char *name) {
        Arriving key = { .name = (char *)name }, *a;
        int wd;

        if (w->fd < 0 || find(&w->by_name, &key, compare_name))
                return;
        wd = add_watch(w, PLACE_UPLOADED, name, ARRIVAL_MASK);
        if (wd < 0) {
                if (wd != -ENOENT && wd != -ENOTDIR && wd != -EACCES)
                        say_trouble(w, wd);
                return;
        }
        key.wd = wd;
        a = find(&w->by_wd, &key, compare_wd);
        if (a) /* renamed while arriving: the same folder under another name */
                forget(w, a);
        a = calloc(1, sizeof(*a));
        if (!a || !(a->name = strdup(name)) || !(a->wd = wd, tsearch(a, &w->by_wd, compare_wd))) {
                if (a)
                        arriving_free(a);
                return;
        }
        if (!tsearch(a, &w->by_name, compare_name)) {
                forget(w, a);
                return;
        }
        /* What came between the look and the watch would be missed. */
        w->events.look(name, w->events.userdata);
}

void watch_forget(Watch *w, const char *name) {
        Arriving key = { .name = (char *)name }, *a = find(&w->by_name, &key, compare_name);

        if (!a)
                return;
        inotify_rm_watch(w->fd, a->wd);
        forget(w, a);
}

static void on_event(Watch *w, const struct inotify_event *ev) {
        Arriving key = { .wd = ev->wd }, *a;

        if (ev->mask & IN_Q_OVERFLOW)
                w->events.look_everywhere(w->events.userdata);
        else if (ev->wd == w->requests_wd)
                w->events.look_requests(w->events.userdata);
        else if (ev->wd == w->status_wd && ev->len > 0)
                w->events.look_board(ev->name, w->events.userdata);
        else if (ev->wd == w->orders_wd && ev->len > 0)
                w->events.look_order(ev->name, w->events.userdata);
        else if (ev->wd == w->uploaded_wd && ev->len > 0)
                w->events.look(ev->name, w->events.userdata);
        else if (ev->wd == w->uploaded_wd)
                w->events.look_everywhere(
                        w->events.userdata); /* the folder itself went: the scan says so */
        else if ((a = find(&w->by_wd, &key, compare_wd))) {
                _cleanup_free_ char *name = strdup(a->name); /* the look may forget it */

                if (ev->mask & IN_IGNORED)
                        forget(w, a);
                if (name)
                        w->events.look(name, w->events.userdata);
        }
}

static int on_io(sd_event_source *s _unused_, int fd, uint32_t revents _unused_, void *userdata) {
        char buffer[64 * 1024] __attribute__((aligned(__alignof__(struct inotify_event))));
        Watch *w = userdata;
        ssize_t n = read(fd, buffer, sizeof(buffer));

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n < 0) {
                int r = -errno;

                stop_inotify(w);
                say_trouble(w, r);
                return 0;
        }
        for (char *p = buffer; p < buffer + n;) {
                const struct inotify_event *ev = (const struct inotify_event *)p;

                p += sizeof(*ev) + ev->len;
                on_event(w, ev);
        }
        return 0;
}

static int on_timer(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata) {
        Watch *w = userdata;

        w->events.look_everywhere(w->events.userdata);
        return 0;
}

int watch_new(sd_event *event, const Config *c, const Layout *l, const WatchEvents *events,
        Watch **ret, Error *e) {
        _cleanup_(watch_freep) Watch *w = calloc(1, sizeof(*w));
        int r;

        if (!w)
                return -ENOMEM;
        *w = (Watch){ .event = event,
                .config = c,
                .layout = l,
                .events = *events,
                .fd = -1,
                .uploaded_wd = -1,
                .requests_wd = -1,
                .status_wd = -1,
                .orders_wd = -1 };
        w->file_system = "not looked at yet";
        r = sd_event_add_time(event, &w->timer, CLOCK_BOOTTIME, 0, USEC_PER_SEC, on_timer, w);
        if (r >= 0)
                r = sd_event_source_set_enabled(w->timer, SD_EVENT_OFF);
        if (r < 0)
                return error_set(e, r, "The event loop refused a timer: %s", strerror(-r));
        *ret = TAKE_PTR(w);
        return 0;
}

static void leave(void *p _unused_) {
}

static void stop_inotify(Watch *w) {
        sd_event_source_unref(w->io);
        w->io = NULL;
        w->fd = safe_close(w->fd);
        w->uploaded_wd = w->requests_wd = w->status_wd = w->orders_wd = -1;
        /* Both trees hold the same nodes' contents: the one forgets them, the other frees them. */
        tdestroy(w->by_wd, leave);
        tdestroy(w->by_name, arriving_free);
        w->by_wd = w->by_name = NULL;
}

static int start_inotify(Watch *w) {
        int r;

        w->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        if (w->fd < 0)
                return -errno;
        r = w->uploaded_wd =
                add_watch(w, PLACE_UPLOADED, ".", PARENT_MASK & ~(uint32_t)IN_DONT_FOLLOW);
        if (r < 0)
                return r;
        r = w->requests_wd = add_watch(w, PLACE_REQUESTS, ".", REQUESTS_MASK);
        if (r >= 0)
                r = w->status_wd = add_watch(w, PLACE_STATUS, ".", FOLDERS_MASK);
        if (r >= 0)
                r = w->orders_wd = add_watch(w, PLACE_ORDERS, ".", FOLDERS_MASK);
        if (r < 0)
                return r;
        r = sd_event_add_io(w->event, &w->io, w->fd, EPOLLIN, on_io, w);
        if (r >= 0)
                r = sd_event_source_set_priority(w->io, IO_PRIORITY);
        return r < 0 ? r : 0;
}

static void try_inotify(Watch *w) {
        int r = start_inotify(w);

        if (r == 0)
                return;
        stop_inotify(w);
        say_trouble(w, r);
}

static void begin(Watch *w) {
        struct statfs fs;

        w->trouble[0] = 0;
        w->failed = false;
        if (fstatfs(w->layout->fd[PLACE_UPLOADED], &fs) == 0)
                w->sees_all = file_system_sees_all((long)fs.f_type, &w->file_system);
        if (w->config->watch.mode != WATCH_POLL)
                try_inotify(w);
}

int watch_start(Watch *w, Error *e _unused_) {
        begin(w);
        w->events.look_everywhere(w->events.userdata);
        return 0;
}

void watch_reopen(Watch *w) {
        stop_inotify(w);
        begin(w);
        /* From the loop, for this may have been called from within a look. */
        sd_event_source_set_time(w->timer, 0);
        sd_event_source_set_enabled(w->timer, SD_EVENT_ONESHOT);
}

int watch_reload(Watch *w, const Config *c, Error *e _unused_) {
        bool other = c->watch.mode != w->config->watch.mode;

        w->config = c;
        if (other)
                watch_reopen(w);
        else
                watch_scanned(w);
        return 0;
}

Watch *watch_free(Watch *w) {
        if (!w)
                return NULL;
        stop_inotify(w);
        sd_event_source_unref(w->timer);
        free(w);
        return NULL;
}

static const char *mode_word(const Watch *w) {
        if (w->fd < 0)
                return "poll";
        return w->sees_all ? "inotify" : "inotify+poll";
}

static const char *why(const Watch *w) {
        if (w->config->watch.mode == WATCH_POLL)
                return "asked for in the configuration";
        if (w->fd < 0)
                return "inotify is not to be had";
        return w->sees_all
                ? "inotify sees all that is written here"
                : "other nodes may write here unseen by inotify, so the folder is scanned often";
}

cJSON *watch_json(const Watch *w) {
        _cleanup_json_ cJSON *o = cJSON_CreateObject();
        char text[CLOCK_TEXT_MAX];
        int r;

        if (!o)
                return NULL;
        r = json_set_str(o, "mode", mode_word(w));
        if (r >= 0)
                r = json_set_str(o, "file_system", w->file_system);
        if (r >= 0)
                r = json_set_str(o, "rescan_interval", duration_format(text, interval(w)));
        if (r >= 0)
                r = json_set_str(o, "why", why(w));
        if (r >= 0)
                r = json_set_str(o, "trouble", w->trouble);
        return r < 0 ? NULL : TAKE_PTR(o);
}
