/* SPDX-License-Identifier: Apache-2.0 */

#include "filing.h"

#include <string.h>

#include "crashpoint.h"
#include "fileio.h"
#include "permissions.h"
#include "text.h"

/* Of the entries of a kind so many are listed; all are counted. */
#define LINKS_LISTED_MAX 1000
#define LEFT_LISTED_MAX 100

/* And so many bytes of paths and targets, which may be as long as the tree is deep: the record should stay one that is read whole. */
#define LISTED_BYTES_MAX ((size_t)512 * 1024)

/* A list in the record: {"count": …, "list": […]}. */
typedef struct Entries {
        int64_t count;
        int64_t max;
        size_t size;
        cJSON *list;
} Entries;

struct Filing {
        Entries removed, rewritten, left;
        int64_t unreadable; /* of the left ones: without permission for the group to read */
};

/* What a walk works on. */
typedef struct Visit {
        const FilingPlan *plan;
        Filing *filing;
        Error *error;
        bool act;
        bool failed; /* acting: something could not be done */
} Visit;

/* What is to become of a link. */
typedef struct Decision {
        enum {
                KEEP,
                REMOVE,
                REWRITE
        } what;
        const char *why;
        char *target, *relative;
} Decision;

static void decision_done(Decision *d) {
        free(d->target);
        free(d->relative);
}

static size_t entry_size(const cJSON *entry) {
        const cJSON *item;
        size_t size = 0;

        cJSON_ArrayForEach(item, entry)
                size += cJSON_IsString(item) ? strlen(item->valuestring) : 0;
        return size;
}

/* Takes @item in any case. What comes after the first that finds no room is counted only. */
static int entries_add(Entries *l, cJSON *item) {
        l->count++;
        l->size += entry_size(item);
        if (l->count > l->max || l->size > LISTED_BYTES_MAX) {
                cJSON_Delete(item);
                return 0;
        }
        if (!l->list)
                l->list = cJSON_CreateArray();
        if (!l->list || !item || !cJSON_AddItemToArray(l->list, item)) {
                cJSON_Delete(item);
                return -ENOMEM;
        }
        return 0;
}

/* NULL without memory. A NULL member is left out. */
static cJSON *entry_new(const char *path, const char *target, const char *now, const char *why) {
        _cleanup_json_ cJSON *o = cJSON_CreateObject();

        /* "" is the folder itself. */
        if (!o || json_set_name(o, "path", *path ? path : ".") < 0 ||
                (target && json_set_name(o, "target", target) < 0) ||
                (now && json_set_name(o, "now", now) < 0) || json_set_str(o, "why", why) < 0)
                return NULL;
        return TAKE_PTR(o);
}

static bool lists(const Entries *l, const char *path) {
        const cJSON *item;

        cJSON_ArrayForEach(item, l->list)
                if (streq(json_str(item, "path"), path))
                        return true;
        return false;
}

/* What was listed before comes first; what is in both lists counts once. A list that was cut can't tell: then the larger count stands. */
static int entries_resume(Entries *l, const cJSON *earlier) {
        _cleanup_json_ cJSON *mine = TAKE_PTR(l->list);
        int64_t count = l->count, before = json_int(earlier, "count", 0);
        cJSON *item, *next;
        int r = 0;

        l->count = 0;
        l->size = 0;
        cJSON_ArrayForEach(item, json_array(earlier, "list"))
                if (r == 0)
                        r = entries_add(l, cJSON_Duplicate(item, true));
        for (item = mine ? mine->child : NULL; item && r == 0; item = next) {
                next = item->next;
                if (!lists(l, json_str(item, "path")))
                        r = entries_add(l, cJSON_DetachItemViaPointer(mine, item));
        }
        if (l->count < before || l->count < count)
                l->count = before > count ? before : count;
        return r;
}

static int leave(Visit *v, const WalkEntry *entry, const char *why) {
        bool file = S_ISREG(entry->st.st_mode), folder = S_ISDIR(entry->st.st_mode);

        if ((file && !(entry->st.st_mode & S_IRGRP)) ||
                (folder && !(entry->st.st_mode & S_IXGRP)) || entry->error < 0)
                v->filing->unreadable++;
        return entries_add(&v->filing->left, entry_new(entry->path, NULL, NULL, why));
}

static int judge_safely(Visit *v, const WalkEntry *entry, Decision *d) {
        static const char *const words[] = {
                [LINK_BROKEN] = "broken",
                [LINK_OUTSIDE] = "outside",
                [LINK_UNKNOWABLE] = "unknowable",
        };
        LinkVerdict verdict;
        int r = link_judge(&v->plan->scope, entry->path, d->target, &verdict, &d->relative);

        if (r < 0)
                return r;
        d->what = verdict == LINK_INSIDE ? KEEP : verdict == LINK_ABSOLUTE ? REWRITE : REMOVE;
        d->why = d->what == REMOVE ? words[verdict] : NULL;
        return 0;
}

static int decide(Visit *v, const WalkEntry *entry, Decision *d) {
        int r;

        if (v->plan->symlinks == SYMLINKS_KEEP)
                return 0;
        r = link_read(entry->dirfd, entry->name, &d->target);
        if (r == -ENOENT || r == -EINVAL) /* gone or no link any more */
                return 0;
        if (r < 0)
                return r;
        if (v->plan->symlinks == SYMLINKS_SAFE)
                return judge_safely(v, entry, d);
        d->what = REMOVE;
        d->why = "by-configuration";
        return 0;
}

static int note_link(Visit *v, const WalkEntry *entry, const Decision *d) {
        Filing *f = v->filing;

        if (d->what == REMOVE)
                return entries_add(&f->removed, entry_new(entry->path, d->target, NULL, d->why));
        if (d->what == REWRITE)
                return entries_add(
                        &f->rewritten, entry_new(entry->path, d->target, d->relative, NULL));
        return 0;
}

static int act_on_link(Visit *v, const WalkEntry *entry, const Decision *d) {
        int r = 0;

        if (d->what == KEEP)
                return 0;
        if (d->what == REMOVE && unlinkat(entry->dirfd, entry->name, 0) < 0 && errno != ENOENT)
                r = -errno;
        else if (d->what == REWRITE)
                r = link_rewrite(entry->dirfd, entry->name, d->relative);
        CRASH_POINT("settle-link");
        if (r == 0)
                return 0;
        if (r != -EACCES && r != -EPERM)
                return r;
        v->failed = true;
        return leave(v, entry, d->what == REMOVE ? "link-not-removed" : "link-not-rewritten");
}

static int visit_link(Visit *v, const WalkEntry *entry) {
        _cleanup_(decision_done) Decision d = { .what = KEEP };
        int r;

        if (streq(entry->name, LINK_TEMPORARY)) {
                if (v->act)
                        (void)unlinkat(entry->dirfd, entry->name, 0);
                return 0;
        }
        r = decide(v, entry, &d);
        if (r < 0)
                return r;
        return v->act ? act_on_link(v, entry, &d) : note_link(v, entry, &d);
}

static int share(Visit *v, const WalkEntry *entry) {
        int left;

        if (!v->plan->group_writable)
                return 0;
        left = permissions_share(entry->dirfd, entry->name, &entry->st);
        if (left <= 0)
                return left;
        return left == PERMISSIONS_CHANGED ? 0 : leave(v, entry, permissions_word(left));
}

/* What an entry can't be looked at for, if that is how it is: NULL for trouble of the machine or its disks. */
static const char *error_word(int r) {
        switch (r) {
        case -EXDEV:
                return "other-file-system";
        case -EACCES:
        case -EPERM:
        case -ELOOP:
        case -ENOTDIR:
        case -ESTALE:
                return "unreadable";
        default:
                return NULL;
        }
}

static int visit_unreadable(Visit *v, const WalkEntry *entry) {
        const char *word = error_word(entry->error);
        _cleanup_free_ char *path = NULL;

        if (word)
                return v->act ? 0 : leave(v, entry, word);
        path = text_printable(*entry->path ? entry->path : ".", sizeof(v->error->text) / 2);
        return error_set(v->error, entry->error, "the result can't be gone through: %s: %s",
                path ?: "?", strerror(-entry->error));
}

static int visit(const WalkEntry *entry, void *userdata) {
        Visit *v = userdata;

        if (entry->error < 0)
                return visit_unreadable(v, entry);
        if (entry->post)
                return 0;
        if (S_ISLNK(entry->st.st_mode))
                return visit_link(v, entry);
        return v->act ? 0 : share(v, entry);
}

static int walk(Visit *v, Error *e) {
        const FilingPlan *p = v->plan;
        int r = v->act ? tree_walk_names(p->parentdir, p->folder, visit, v)
                       : tree_walk(p->parentdir, p->folder, visit, v);

        if (r < 0 && !e->text[0])
                error_set(e, r, "the result can't be gone through: %s", strerror(-r));
        return r;
}

int filing_survey(const FilingPlan *p, Filing **ret, Error *e) {
        _cleanup_(filing_freep) Filing *f = calloc(1, sizeof(*f));
        Visit v = { .plan = p, .filing = f, .error = e };
        int r;

        if (!f)
                return -ENOMEM;
        f->removed.max = f->rewritten.max = LINKS_LISTED_MAX;
        f->left.max = LEFT_LISTED_MAX;
        r = walk(&v, e);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(f);
        return 0;
}

int filing_apply(const FilingPlan *p, Filing *f, bool *ret_changed, Error *e) {
        Visit v = { .plan = p, .filing = f, .error = e, .act = true };
        int r = 0;

        if (f->removed.count > 0 || f->rewritten.count > 0)
                r = walk(&v, e);
        *ret_changed = v.failed;
        return r;
}

int filing_resume(Filing *f, const cJSON *earlier) {
        int r = entries_resume(&f->removed, json_object(earlier, "removed_links"));

        return r < 0 ? r : entries_resume(&f->rewritten, json_object(earlier, "rewritten_links"));
}

static int entries_to_json(const Entries *l, cJSON *o, const char *key) {
        _cleanup_json_ cJSON *j = NULL;

        if (l->count == 0)
                return 0;
        j = cJSON_CreateObject();
        if (!j || json_set_int(j, "count", l->count) < 0 ||
                json_set_item(j, "list", cJSON_Duplicate(l->list, true)) < 0)
                return -ENOMEM;
        return json_set_item(o, key, TAKE_PTR(j));
}

cJSON *filing_to_json(const Filing *f) {
        _cleanup_json_ cJSON *o = cJSON_CreateObject();

        if (!o || entries_to_json(&f->removed, o, "removed_links") < 0 ||
                entries_to_json(&f->rewritten, o, "rewritten_links") < 0 ||
                entries_to_json(&f->left, o, "left_alone") < 0 ||
                (f->unreadable > 0 && json_set_int(o, "unreadable", f->unreadable) < 0))
                return NULL;
        return TAKE_PTR(o);
}

Filing *filing_free(Filing *f) {
        if (!f)
                return NULL;
        cJSON_Delete(f->removed.list);
        cJSON_Delete(f->rewritten.list);
        cJSON_Delete(f->left.list);
        free(f);
        return NULL;
}
