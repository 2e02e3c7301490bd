/* SPDX-License-Identifier: Apache-2.0 */

/* Orders by folder, see orders.h. */

#include "orders.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "carried.h"
#include "crashpoint.h"
#include "fileio.h"
#include "log.h"
#include "order-folder.h"
#include "text.h"

/* So many are carried out in one turn of the loop: they share one sync, and the rest of the house waits no longer. */
#define AT_ONCE 100

/* Beyond that the folder is somebody's mistake; it is worked off from the front. */
#define LISTED_MAX 10000

/* Names for an answer that are tried when others are taken by something that can't be replaced. */
#define NAMES_TRIED 9

#define TIDY_EVERY USEC_PER_HOUR

/* Behind the machine's turn, as all that comes from outside. */
#define LOOK_PRIORITY (SD_EVENT_PRIORITY_NORMAL + 60)

/* A folder without an order's name may be one that is just getting it. */
#define UNKNOWN_LEFT USEC_PER_MINUTE

#define HOW_TO "an order is a folder called \"retry NAME\" or \"cancel NAME\""

typedef struct Found {
        char *name;
        struct timespec made;
} Found;

typedef struct Listing {
        Found *items;
        size_t n, room;
} Listing;

struct Orders {
        const Layout *layout;
        Machine *machine;
        OrdersEvents events;
        Carried *carried;
        sd_event_source *look;
        bool more, unsynced;
        usec_t tidied;               /* CLOCK_BOOTTIME; 0: not yet */
        int trouble, answer_trouble; /* the last that were said */
};

static void listing_done(Listing *l) {
        for (size_t i = 0; i < l->n; i++)
                free(l->items[i].name);
        free(l->items);
}

static int listing_add(Listing *l, const char *name, const struct stat *st) {
        if (l->n == l->room) {
                size_t room = l->room ? l->room * 2 : 16;
                Found *bigger = reallocarray(l->items, room, sizeof(*bigger));

                if (!bigger)
                        return -ENOMEM;
                l->items = bigger;
                l->room = room;
        }
        l->items[l->n] = (Found){ .name = strdup(name), .made = st->st_mtim };
        return l->items[l->n].name ? (l->n++, 0) : -ENOMEM;
}

static int compare_found(const void *a, const void *b) {
        const Found *x = a, *y = b;

        if (x->made.tv_sec != y->made.tv_sec)
                return x->made.tv_sec < y->made.tv_sec ? -1 : 1;
        if (x->made.tv_nsec != y->made.tv_nsec)
                return x->made.tv_nsec < y->made.tv_nsec ? -1 : 1;
        return strcmp(x->name, y->name);
}

/* ---- answering ---- */

/* An answer of the same name from before is replaced: only an empty folder can be. */
static int rename_to_answer(int dir, const char *name, const char *refused) {
        for (unsigned nth = 1; nth <= NAMES_TRIED; nth++) {
                _cleanup_free_ char *answer = order_folder_answer(name, refused, nth);

                if (!answer)
                        return -ENOMEM;
                if (renameat(dir, name, dir, answer) == 0) {
                        /* Not every file system marks a rename on the folder itself. */
                        (void)utimensat(dir, answer, NULL, AT_SYMLINK_NOFOLLOW);
                        return 0;
                }
                if (errno != ENOTEMPTY && errno != EEXIST && errno != ENOTDIR)
                        return -errno;
        }
        return -EEXIST;
}

static void look_later(Orders *o) {
        sd_event_source_set_enabled(o->look, SD_EVENT_ONESHOT);
}

/* An answer that is lost with the power would have its order carried out once more. */
static void sync_answers(Orders *o) {
        if (o->unsynced)
                (void)dir_sync(o->layout->fd[PLACE_ORDERS]);
        o->unsynced = false;
}

static int answer(const char *name, const char *refused, void *userdata) {
        Orders *o = userdata;
        int r = rename_to_answer(o->layout->fd[PLACE_ORDERS], name, refused);

        if (r == -ENOENT)
                return 0; /* whoever made it took it away */
        if (r < 0 && r != o->answer_trouble) {
                _cleanup_free_ char *shown = text_printable(name, 0);

                log_warning(
                        "The order \"%s\" in Orders/ was seen to, but its folder can't be renamed: %s; tried again.",
                        shown ?: "", strerror(-r));
        }
        o->answer_trouble = r;
        if (r == 0) {
                o->unsynced = true;
                look_later(o);
        }
        return r;
}

/* ---- carrying out ---- */

static void log_refusal(const char *name, const char *why) {
        _cleanup_free_ char *shown = text_printable(name, 0);

        log_notice("The order \"%s\" in Orders/ is refused: %s", shown ?: "", why);
}

/* Left alone if it holds anything: then it was not meant as an order. */
static void refuse_unknown(Orders *o, const char *name) {
        if (dir_is_empty(o->layout->fd[PLACE_ORDERS], name) != 1)
                return;
        log_refusal(name, HOW_TO);
        (void)answer(name, HOW_TO, o);
}

static int carry_out(Orders *o, const char *name) {
        const char *order, *what;
        Error e = {};
        int r;

        if (order_folder_parse(name, &order, &what) == ORDER_FOLDER_UNKNOWN) {
                refuse_unknown(o, name);
                return 0;
        }
        r = o->events.order(order, what, &e, o->events.userdata);
        if (r < 0)
                return r; /* not now: it stays */
        if (r > 0)
                log_refusal(name, e.text);
        CRASH_POINT("order-folder-carried-out");
        return carried_add(o->carried, name, r > 0 ? e.text : NULL);
}

/* ---- looking ---- */

static bool is_just_made(const struct stat *st, usec_t now) {
        usec_t at = (usec_t)st->st_mtim.tv_sec * USEC_PER_SEC;

        return now < at + UNKNOWN_LEFT && at < now + UNKNOWN_LEFT;
}

static int look_at(Orders *o, const char *name, bool tidy, Listing *asked) {
        int dir = o->layout->fd[PLACE_ORDERS];
        const char *order, *what;
        OrderFolder kind = order_folder_parse(name, &order, &what);
        struct stat st;

        if (kind == ORDER_FOLDER_NONE || (kind == ORDER_FOLDER_ANSWERED && !tidy) ||
                carried_has(o->carried, name) || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
                !S_ISDIR(st.st_mode))
                return 0;
        if (kind == ORDER_FOLDER_UNKNOWN && is_just_made(&st, clock_now()))
                return 0;
        if (kind != ORDER_FOLDER_ANSWERED)
                return listing_add(asked, name, &st);
        if (order_folder_is_over(st.st_ctim.tv_sec, clock_now()))
                (void)unlinkat(
                        dir, name, AT_REMOVEDIR); /* what holds something is not ours to remove */
        return 0;
}

static int list(Orders *o, bool tidy, Listing *ret) {
        _cleanup_closedir_ DIR *d = NULL;
        struct dirent *de;
        int fd = openat(o->layout->fd[PLACE_ORDERS], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
            r = 0;

        if (fd < 0 || !(d = fdopendir(fd))) {
                r = -errno;
                safe_close(fd);
                return r;
        }
        while (r >= 0 && ret->n < LISTED_MAX && (errno = 0, de = readdir(d)))
                r = look_at(o, de->d_name, tidy, ret);
        if (ret->n > 1)
                qsort(ret->items, ret->n, sizeof(*ret->items), compare_found);
        return r;
}

static void say_trouble(Orders *o, int r) {
        if (r < 0 && r != o->trouble)
                log_warning("Orders/ can't be looked at: %s; tried again.", strerror(-r));
        o->trouble = r;
}

void orders_look(Orders *o) {
        _cleanup_(listing_done) Listing asked = {};
        usec_t now = clock_boottime();
        bool tidy = !o->tidied || now - o->tidied > TIDY_EVERY;
        size_t n;
        int r;

        o->more = false;
        if (machine_trouble(o->machine) || !o->events.may_act(o->events.userdata))
                return; /* no order can be noted now */
        carried_close(o->carried);
        r = list(o, tidy, &asked);
        say_trouble(o, r);
        if (tidy)
                o->tidied = now;
        n = asked.n < AT_ONCE ? asked.n : AT_ONCE;
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = carry_out(o, asked.items[i].name);
        o->more = r >= 0 && asked.n > n;
        if (o->more)
                look_later(o);
}

void orders_seen(Orders *o, const char *name) {
        const char *order, *what;

        /* Our own renames are seen as well. */
        if (order_folder_parse(name, &order, &what) == ORDER_FOLDER_ASKS)
                look_later(o);
}

bool orders_has_more(const Orders *o) {
        return o->more;
}

static int on_look(sd_event_source *s _unused_, void *userdata) {
        Orders *o = userdata;

        sync_answers(o);
        orders_look(o);
        return 0;
}

/* ---- building and tearing down ---- */

int orders_new(
        sd_event *event, const Layout *l, Machine *m, const OrdersEvents *events, Orders **ret) {
        _cleanup_(orders_freep) Orders *o = calloc(1, sizeof(*o));
        int r;

        if (!o)
                return -ENOMEM;
        *o = (Orders){ .layout = l, .machine = m, .events = *events };
        r = carried_new(m, answer, o, &o->carried);
        if (r >= 0)
                r = sd_event_add_defer(event, &o->look, on_look, o);
        if (r >= 0)
                r = sd_event_source_set_priority(o->look, LOOK_PRIORITY);
        if (r >= 0)
                r = sd_event_source_set_enabled(o->look, SD_EVENT_OFF);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(o);
        return 0;
}

Orders *orders_free(Orders *o) {
        if (!o)
                return NULL;
        sync_answers(o);
        carried_free(o->carried);
        sd_event_source_unref(o->look);
        free(o);
        return NULL;
}
