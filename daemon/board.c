/* SPDX-License-Identifier: Apache-2.0 */

/* Which boards there are, what they show, and when they are changed, see board.h. */

#include "board.h"

#include <fcntl.h>
#include <search.h>
#include <string.h>
#include <sys/stat.h>

#include "board-entry.h"
#include "board-folder.h"
#include "log.h"
#include "text.h"

/* So many boards a scan are looked into for what others did there. */
#define LOOKS_PER_SCAN 20

/* Behind the machine's turn: what is shown has been made durable in it. */
#define BOARD_PRIORITY (SD_EVENT_PRIORITY_NORMAL + 55)

typedef struct Slot {
        char *name;
        char id[UOW_ID_MAX]; /* the newest that arrived under this name and is not purged; "": none */
        bool had;            /* there was one, which is purged */
        char *shown;         /* the entry, as far as we know; NULL: not known */
        usec_t changed;      /* CLOCK_BOOTTIME, by us; 0: not in this life */
        usec_t due;          /* CLOCK_BOOTTIME: to be looked at then */
        bool doubted;        /* others may have changed it: look */
        unsigned generation;
        int trouble; /* the last that was said */
        TAILQ_ENTRY(Slot) entry;
} Slot;

struct Board {
        BoardParts parts;
        TAILQ_HEAD(, Slot) slots; /* the one looked into longest ago first */
        size_t n_slots;
        void *by_name; /* tsearch() tree of Slot */
        unsigned generation;
        bool relink; /* which Unit of Work a slot is about has to be worked out anew */
        sd_event_source *timer;
        int trouble;
};

static int compare_slots(const void *a, const void *b) {
        return strcmp(((const Slot *)a)->name, ((const Slot *)b)->name);
}

static Slot *slot_find(const Board *b, const char *name) {
        const Slot key = { .name = (char *)name };
        Slot **found = tfind(&key, &b->by_name, compare_slots);

        return found ? *found : NULL;
}

static void slot_free(Slot *s) {
        free(s->name);
        free(s->shown);
        free(s);
}

static void slot_drop(Board *b, Slot *s) {
        tdelete(s, &b->by_name, compare_slots);
        TAILQ_REMOVE(&b->slots, s, entry);
        b->n_slots--;
        slot_free(s);
}

static Slot *slot_add(Board *b, const char *name) {
        Slot *s = calloc(1, sizeof(*s));

        if (s)
                s->name = strdup(name);
        if (!s || !s->name || !tsearch(s, &b->by_name, compare_slots)) {
                if (s)
                        slot_free(s);
                return NULL;
        }
        s->doubted = true;
        TAILQ_INSERT_HEAD(&b->slots, s, entry);
        b->n_slots++;
        b->relink = true;
        return s;
}

static void arm(Board *b, usec_t when) {
        if (b->parts.once || when == USEC_INFINITY)
                return;
        sd_event_source_set_time(b->timer, when);
        sd_event_source_set_enabled(b->timer, SD_EVENT_ONESHOT);
}

static void touch(Board *b, Slot *s) {
        s->due = 0;
        arm(b, 0);
}

/* ---- which one a board is about ---- */

static bool is_newer(const Board *b, const Slot *s, const Uow *u) {
        const Uow *known = s->id[0] ? uowset_get(b->parts.uows, s->id) : NULL;

        return !known || u->first_seq >= known->first_seq;
}

static void link_uow(Slot *s, const Uow *u) {
        memcpy(s->id, u->id, sizeof(s->id));
}

/* In order of arrival, so that the last one stays. */
static void link_all(Board *b) {
        Slot *s;

        TAILQ_FOREACH(s, &b->slots, entry) {
                s->id[0] = 0;
                s->had = false;
                s->due = 0;
        }
        for (size_t i = 0; i < uowset_size(b->parts.uows); i++) {
                const Uow *u = uowset_at(b->parts.uows, i);

                s = slot_find(b, u->name);
                if (s && u->state == UOW_PURGED)
                        s->had = true;
                else if (s)
                        link_uow(s, u);
        }
        b->relink = false;
}

/* ---- what a board shows ---- */

static void say_trouble(Slot *s, int r) {
        if (r < 0 && r != s->trouble) {
                _cleanup_free_ char *name = text_printable(s->name, 0);

                log_warning(
                        "The status board of %s can't be written: %s", name ?: "", strerror(-r));
        }
        s->trouble = r;
}

static bool says_done(const char *entry) {
        return entry && startswith(entry, "done - ");
}

static bool may_change(const Slot *s, const char *entry, usec_t now) {
        return !s->changed || now - s->changed >= BOARD_INTERVAL || says_done(entry) ||
                says_done(s->shown);
}

static void show(Board *b, Slot *s, const char *entry, usec_t now) {
        int r = board_folder_show(b->parts.layout->fd[PLACE_STATUS], s->name, entry);

        if (r == -ENOENT)
                r = 0; /* the next scan drops it */
        else if (r == 0 || r == -EAGAIN) {
                if (!streq(s->shown, entry))
                        s->changed = now;
                s->doubted = r == -EAGAIN;
                (void)strdup_to(&s->shown, entry);
        }
        say_trouble(s, r == -EAGAIN ? 0 : r);
        s->due = r < 0 ? now + BOARD_INTERVAL : USEC_INFINITY;
}

/* Nothing is known of it (any more). */
static void show_nothing(Board *b, Slot *s) {
        int status = b->parts.layout->fd[PLACE_STATUS];

        s->due = USEC_INFINITY;
        if (s->had)
                say_trouble(s, board_folder_remove(status, s->name));
        else if (s->doubted || (s->shown && startswith(s->shown, "arriving")))
                say_trouble(s, board_folder_clear_arriving(status, s->name));
        s->doubted = false;
        (void)strdup_to(&s->shown, NULL);
}

static bool changes_by_itself(const Uow *u, const BoardFacts *f) {
        return u &&
                (uow_is_active(u) || u->purging ||
                        (u->state == UOW_FINISHED && !u->moved_to && !f->ready));
}

/* What the slot is about: 0; -EAGAIN if that can't be said just now; -ENOENT: of nothing. */
static int facts_of(const Board *b, const Slot *s, BoardFacts *ret) {
        *ret = (BoardFacts){};
        if (scan_is_arriving(b->parts.scan, s->name, &ret->waits_for))
                return 0;
        ret->uow = s->id[0] ? uowset_get(b->parts.uows, s->id) : NULL;
        if (!ret->uow || ret->uow->state == UOW_PURGED)
                return -ENOENT;
        return machine_board_facts(b->parts.machine, ret->uow, ret);
}

static void update(Board *b, Slot *s, usec_t now) {
        _cleanup_free_ char *entry = NULL;
        BoardFacts facts;
        int r = facts_of(b, s, &facts);

        if (r == -ENOENT) {
                show_nothing(b, s);
                return;
        }
        s->due = now + BOARD_INTERVAL;
        entry = r == 0 ? board_entry(&facts, clock_now()) : NULL;
        if (!entry)
                return;
        if (streq(entry, s->shown) && !s->doubted)
                s->due = USEC_INFINITY;
        else if (streq(entry, s->shown) || may_change(s, entry, now))
                show(b, s, entry, now);
        else
                s->due = s->changed + BOARD_INTERVAL;
        if (s->due == USEC_INFINITY && changes_by_itself(facts.uow, &facts))
                s->due = now + BOARD_INTERVAL;
}

/* All that is due now; returns when the next will be. */
static usec_t update_due(Board *b) {
        usec_t now = clock_boottime(), next = USEC_INFINITY;
        Slot *s;

        if (!b->parts.may_write(b->parts.userdata))
                return now + BOARD_INTERVAL;
        if (b->relink)
                link_all(b);
        TAILQ_FOREACH(s, &b->slots, entry) {
                if (s->due <= now)
                        update(b, s, now);
                if (s->due < next)
                        next = s->due;
        }
        return next;
}

static int on_timer(sd_event_source *t _unused_, uint64_t usec _unused_, void *userdata) {
        Board *b = userdata;

        arm(b, update_due(b));
        return 0;
}

/* ---- what is told ---- */

void board_uow(Board *b, const Uow *u) {
        Slot *s = slot_find(b, u->name);

        if (!s)
                return;
        if (u->state == UOW_PURGED)
                b->relink = true; /* an older one may have the board again */
        else if (is_newer(b, s, u))
                link_uow(s, u);
        touch(b, s);
}

void board_arrival(Board *b, const char *name) {
        Slot *s = slot_find(b, name);

        if (s)
                touch(b, s);
}

static void seen(Board *b, const char *name) {
        Slot *s = slot_find(b, name);

        if (!s)
                s = slot_add(b, name);
        if (s)
                s->generation = b->generation;
}

static bool is_board(const Board *b, const char *name, unsigned char type) {
        struct stat st;

        if (name[0] == '.' || (type != DT_UNKNOWN && type != DT_DIR))
                return false;
        return type == DT_DIR ||
                (fstatat(b->parts.layout->fd[PLACE_STATUS], name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                        S_ISDIR(st.st_mode));
}

void board_seen(Board *b, const char *name) {
        if (!is_board(b, name, DT_UNKNOWN))
                return;
        seen(b, name);
        arm(b, 0);
}

static int list(Board *b) {
        _cleanup_closedir_ DIR *d = NULL;
        struct dirent *de;
        int fd = openat(b->parts.layout->fd[PLACE_STATUS], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0 || !(d = fdopendir(fd))) {
                int r = -errno;

                safe_close(fd);
                return r;
        }
        while ((errno = 0, de = readdir(d)))
                if (is_board(b, de->d_name, de->d_type))
                        seen(b, de->d_name);
                else if (board_folder_is_gone(de->d_name) && b->parts.may_write(b->parts.userdata))
                        (void)board_folder_finish(b->parts.layout->fd[PLACE_STATUS], de->d_name);
        return -errno;
}

static void drop_vanished(Board *b) {
        Slot *s, *next;

        for (s = TAILQ_FIRST(&b->slots); s; s = next) {
                next = TAILQ_NEXT(s, entry);
                if (s->generation != b->generation)
                        slot_drop(b, s);
        }
}

/* What others did to an entry is put right, of a few boards each time. */
static void doubt_some(Board *b) {
        Slot *s;

        for (size_t i = 0; i < LOOKS_PER_SCAN && i < b->n_slots; i++) {
                s = TAILQ_FIRST(&b->slots);
                TAILQ_REMOVE(&b->slots, s, entry);
                TAILQ_INSERT_TAIL(&b->slots, s, entry);
                s->doubted = true;
                s->due = 0;
        }
}

void board_scan(Board *b) {
        int r;

        b->generation++;
        r = list(b);
        if (r < 0 && r != b->trouble)
                log_warning("The status board can't be looked at: %s; tried again.", strerror(-r));
        b->trouble = r;
        if (r < 0)
                return;
        drop_vanished(b);
        doubt_some(b);
        if (b->n_slots > 0)
                arm(b, 0);
}

void board_flush(Board *b) {
        (void)update_due(b);
}

int board_new(const BoardParts *parts, Board **ret) {
        _cleanup_(board_freep) Board *b = calloc(1, sizeof(*b));
        int r;

        if (!b)
                return -ENOMEM;
        b->parts = *parts;
        TAILQ_INIT(&b->slots);
        r = sd_event_add_time(
                parts->event, &b->timer, CLOCK_BOOTTIME, 0, USEC_PER_SEC / 10, on_timer, b);
        if (r >= 0)
                r = sd_event_source_set_priority(b->timer, BOARD_PRIORITY);
        if (r >= 0)
                r = sd_event_source_set_enabled(b->timer, SD_EVENT_OFF);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(b);
        return 0;
}

static void leave(void *p _unused_) {
}

Board *board_free(Board *b) {
        Slot *s;

        if (!b)
                return NULL;
        sd_event_source_unref(b->timer);
        tdestroy(b->by_name, leave);
        while ((s = TAILQ_FIRST(&b->slots))) {
                TAILQ_REMOVE(&b->slots, s, entry);
                slot_free(s);
        }
        free(b);
        return NULL;
}
