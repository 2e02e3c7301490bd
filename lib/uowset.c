/* SPDX-License-Identifier: Apache-2.0 */

/*
 * All records, three ways: an array in order of arrival, and two indexes, by id and by the folder's present name.
 *
 * The index of folders holds those alone whose folder is in this instance. It goes by a string that the
 * fold may replace, so a record is taken out before an event that can do so, and put back after it. It is
 * made when it is asked for the first time: a replay, and a reader that lists, can do without.
 * Should damage to the log leave two with one folder, the newer one has the name.
 *
 * Anyone may call this. Pointers to records stay valid as long as the set.
 */

#include "uowset.h"

#include <string.h>

#include "index.h"
#include "text.h"

/* So many candidates are named when a beginning fits several. */
#define CANDIDATES_MAX 5
#define CANDIDATE_WIDTH 80

struct UowSet {
        Uow **uows; /* in order of arrival */
        size_t n, room;
        Index by_id, by_folder;
        bool folders_known; /* by_folder is made, and kept up */
};

static const char *id_of(const void *item) {
        return ((const Uow *)item)->id;
}

static const char *folder_of(const void *item) {
        return ((const Uow *)item)->folder;
}

UowSet *uowset_new(void) {
        UowSet *s = malloc(sizeof(*s));

        if (s)
                *s = (UowSet){ .by_id.key = id_of, .by_folder.key = folder_of };
        return s;
}

void uowset_clear(UowSet *s) {
        index_done(&s->by_id);
        index_done(&s->by_folder);
        for (size_t i = 0; i < s->n; i++)
                uow_free(s->uows[i]);
        free(s->uows);
        s->uows = NULL;
        s->n = s->room = 0;
        s->folders_known = false;
}

UowSet *uowset_free(UowSet *s) {
        if (!s)
                return NULL;
        uowset_clear(s);
        free(s);
        return NULL;
}

static void folder_out(UowSet *s, Uow *u) {
        if (s->folders_known && u->folder)
                index_remove(&s->by_folder, u);
}

static int folder_in(UowSet *s, Uow *u) {
        return s->folders_known && uow_uses_folder(u) ? index_put(&s->by_folder, u) : 0;
}

static int make_room(UowSet *s) {
        size_t room = s->room ? s->room * 2 : 64;
        Uow **uows;

        if (s->n < s->room)
                return 0;
        uows = reallocarray(s->uows, room, sizeof(*uows));
        if (!uows)
                return -ENOMEM;
        s->uows = uows;
        s->room = room;
        return 0;
}

static int add(UowSet *s, Uow *u) {
        if (index_get(&s->by_id, u->id))
                return -EEXIST;
        if (make_room(s) < 0 || index_put(&s->by_id, u) < 0)
                return -ENOMEM;
        if (folder_in(s, u) < 0) {
                index_remove(&s->by_id, u);
                return -ENOMEM;
        }
        s->uows[s->n++] = u;
        return 0;
}

int uowset_add(UowSet *s, Uow *u) {
        int r = add(s, u);

        if (r < 0)
                uow_free(u);
        return r;
}

static int apply_first(UowSet *s, const Event *e, Uow **ret) {
        _cleanup_(uow_freep) Uow *u = uow_new(e->id);
        int r;

        if (!u)
                return -ENOMEM;
        r = uow_apply(u, e);
        if (r != 0)
                return r;
        r = add(s, u);
        if (r < 0)
                return r;
        if (ret)
                *ret = u;
        TAKE_PTR(u);
        return 0;
}

static bool may_change_folder(EventType type) {
        return type == EVENT_FOLDER || type == EVENT_FINISHED || type == EVENT_MOVED_ON ||
                type == EVENT_PURGED;
}

int uowset_apply(UowSet *s, const Event *e, Uow **ret) {
        Uow *u = uowset_get(s, e->id);
        bool move = may_change_folder(e->type);
        int r;

        if (!u)
                return e->type == EVENT_UPLOADED ? apply_first(s, e, ret) : UOW_E_NOT_FOUND;
        if (move)
                folder_out(s, u);
        r = uow_apply(u, e);
        if (move && folder_in(s, u) < 0 && r == 0)
                r = -ENOMEM;
        if (r == 0 && ret)
                *ret = u;
        return r;
}

Uow *uowset_get(const UowSet *s, const char *id) {
        return index_get(&s->by_id, id);
}

/* The newer of two comes later, and so has the name. */
static int know_folders(UowSet *s) {
        if (s->folders_known)
                return 0;
        s->folders_known = true;
        for (size_t i = 0; i < s->n; i++)
                if (folder_in(s, s->uows[i]) < 0) {
                        index_done(&s->by_folder);
                        s->folders_known = false;
                        return -ENOMEM;
                }
        return 0;
}

/* Without the memory for an index, the long way. */
static Uow *search_folder(const UowSet *s, const char *folder) {
        for (size_t i = s->n; i > 0; i--)
                if (uow_uses_folder(s->uows[i - 1]) && streq(s->uows[i - 1]->folder, folder))
                        return s->uows[i - 1];
        return NULL;
}

Uow *uowset_by_folder(const UowSet *s, const char *folder) {
        if (know_folders((UowSet *)s) < 0)
                return search_folder(s, folder);
        return index_get(&s->by_folder, folder);
}

/* The newest that arrived under @name, purged ones if @purged and else all others. */
static Uow *by_name(const UowSet *s, const char *name, bool purged) {
        for (size_t i = s->n; i > 0; i--) {
                Uow *u = s->uows[i - 1];

                if ((u->state == UOW_PURGED) == purged && streq(u->name, name))
                        return u;
        }
        return NULL;
}

static Uow *by_exact(const UowSet *s, const char *raw) {
        Uow *u = uowset_get(s, raw);

        if (!u)
                u = uowset_by_folder(s, raw);
        if (!u)
                u = by_name(s, raw, false);
        return u ? u : by_name(s, raw, true);
}

static bool begins(const Uow *u, const char *what, const char *raw) {
        if (startswith(u->id, raw))
                return true;
        return u->state != UOW_PURGED &&
                (startswith(u->folder, raw) || startswith(u->folder, what));
}

/* Append ", NAME" to the list of candidates, as far as there is room. */
static void name_candidate(char *list, size_t size, size_t n, const Uow *u) {
        _cleanup_free_ char *name = NULL;
        size_t at = strlen(list);

        if (n > CANDIDATES_MAX)
                return;
        if (n == CANDIDATES_MAX) {
                snprintf(list + at, size - at, ", …");
                return;
        }
        name = text_printable(u->folder, CANDIDATE_WIDTH);
        snprintf(list + at, size - at, "%s%s (%.8s)", n ? ", " : "", name ? name : "?", u->id);
}

static int by_beginning(const UowSet *s, const char *what, const char *raw, Uow **ret, Error *e) {
        char list[CANDIDATES_MAX * (CANDIDATE_WIDTH + 16) + 8] = "";
        Uow *found = NULL;
        size_t n = 0;

        for (size_t i = s->n; i > 0; i--) {
                Uow *u = s->uows[i - 1];

                if (!begins(u, what, raw))
                        continue;
                found = u;
                name_candidate(list, sizeof(list), n++, u);
        }
        if (n == 0)
                return UOW_E_NOT_FOUND;
        if (n > 1)
                return error_set(e, UOW_E_AMBIGUOUS, "%zu Units of Work begin so: %s", n, list);
        *ret = found;
        return 0;
}

int uowset_find(const UowSet *s, const char *what, Uow **ret, Error *e) {
        _cleanup_free_ char *raw = text_unescape(what);
        Uow *u;
        int r;

        if (!raw)
                return -ENOMEM;
        u = by_exact(s, what);
        if (!u && !streq(raw, what))
                u = by_exact(s, raw);
        if (u) {
                *ret = u;
                return 0;
        }
        r = *what ? by_beginning(s, what, raw, ret, e) : UOW_E_NOT_FOUND;
        if (r == UOW_E_NOT_FOUND) {
                _cleanup_free_ char *shown = text_printable(what, CANDIDATE_WIDTH * 4);

                return error_set(e, r, "no Unit of Work is called %s", shown ? shown : "so");
        }
        return r;
}

size_t uowset_size(const UowSet *s) {
        return s->n;
}

Uow *uowset_at(const UowSet *s, size_t i) {
        return s->uows[i];
}
