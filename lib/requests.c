/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Orders left on disk, see requests.h.
 *
 * The folder is its owner's alone (0700), but it lies where a group may read and on file systems that forget about modes; so what is in it
 * is believed only if it is a small regular file of that owner, with one link. The rest is set aside under a name that is never read again.
 */

#include "requests.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <uuid.h>

#include "crashpoint.h"
#include "fileio.h"
#include "text.h"

/* An import of so many items, whose names may be all escapes, is the largest. */
#define REQUEST_SIZE_MAX ((size_t)1024 * 1024)
#define SUFFIX ".json"
#define SUFFIX_BAD ".bad"

static const char *const known_orders[] = { "retry", "cancel", "restore", "purge", "reload",
        "rescan", "import" };

static bool is_known(const char *order) {
        for (size_t i = 0; order && i < ELEMENTSOF(known_orders); i++)
                if (streq(known_orders[i], order))
                        return true;
        return false;
}

/* ---- writing ---- */

static char *request_text(const char *order, const char *uow, const cJSON *items, usec_t now) {
        _cleanup_json_ cJSON *o = cJSON_CreateObject();
        int r;

        if (!o)
                return NULL;
        r = json_set_str(o, "order", order);
        if (r >= 0)
                r = json_set_time_usec(o, "time", now);
        if (r >= 0 && uow)
                r = json_set_name(o, "uow", uow);
        if (r >= 0 && items)
                r = json_set_item(o, "items", cJSON_Duplicate(items, true));
        return r < 0 ? NULL : json_print_pretty(o);
}

static int write_request(
        int dir, const char *order, const char *uow, const cJSON *items, Error *e) {
        _cleanup_free_ char *text = NULL, *name = NULL;
        usec_t now = clock_now();
        char id[37];
        uuid_t uuid;
        int r;

        if (!is_known(order))
                return error_set(e, -EINVAL, "there is no order \"%s\"", order);
        uuid_generate(uuid);
        uuid_unparse_lower(uuid, id);
        /* Twenty digits, so that names sort as times do. */
        name = xasprintf("%020" PRIu64 "-%s" SUFFIX, now, id);
        text = request_text(order, uow, items, now);
        if (!name || !text)
                return -ENOMEM;
        r = file_replace_at(dir, name, text, strlen(text), 0600);
        if (r < 0)
                return error_set(
                        e, r, "The order can't be left in .flowcron/requests: %s", strerror(-r));
        return 0;
}

int requests_write(int dir, const char *order, const char *uow, Error *e) {
        return write_request(dir, order, uow, NULL, e);
}

int requests_write_import(int dir, const cJSON *items, Error *e) {
        return write_request(dir, "import", NULL, items, e);
}

/* ---- reading ---- */

static void request_done(Request *r) {
        free(r->file);
        free(r->order);
        free(r->uow);
        cJSON_Delete(r->items);
}

void requests_done(Requests *r) {
        for (size_t i = 0; i < r->n; i++)
                request_done(&r->items[i]);
        free(r->items);
        *r = (Requests){};
}

static bool ends_with(const char *s, const char *suffix) {
        size_t n = strlen(s), m = strlen(suffix);

        return n > m && streq(s + n - m, suffix);
}

static int is_request(const struct dirent *de) {
        return de->d_name[0] != '.' && ends_with(de->d_name, SUFFIX);
}

static int list_names(int dir, struct dirent ***ret, Error *e) {
        int n = scandirat(dir, ".", ret, is_request, NULL);

        if (n < 0)
                return error_set(e, -errno, ".flowcron/requests can't be listed: %m");
        return n;
}

static int compare_names(const void *a, const void *b) {
        return strcmp((*(struct dirent *const *)a)->d_name, (*(struct dirent *const *)b)->d_name);
}

/* Whoever owns the folder gives the orders. */
static int check_file(int dir, const char *name) {
        struct stat st, folder;

        if (fstat(dir, &folder) < 0 || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || st.st_nlink != 1 || st.st_uid != folder.st_uid)
                return UOW_E_INVALID;
        return 0;
}

static int parse_request(const char *text, size_t size, Request *ret) {
        _cleanup_json_ cJSON *o = NULL;
        const char *order;
        int r;

        r = json_parse(text, size, &o, NULL);
        if (r < 0)
                return r == -ENOMEM ? r : UOW_E_INVALID;
        order = json_str(o, "order");
        if (!is_known(order))
                return UOW_E_INVALID;
        r = json_get_name(o, "uow", &ret->uow);
        if (r < 0 && r != -ENOENT)
                return r == -ENOMEM ? r : UOW_E_INVALID;
        ret->time = json_time(o, "time");
        if (json_array(o, "items") &&
                !(ret->items = cJSON_DetachItemFromObjectCaseSensitive(o, "items")))
                return -ENOMEM;
        return strdup_to(&ret->order, order);
}

/* 0; UOW_E_INVALID for what is no request; -ENOENT if it is gone; other -errno if that can't be told now. */
static int read_request(int dir, const char *name, Request *ret) {
        _cleanup_free_ char *text = NULL;
        Request q = {};
        size_t size;
        int r;

        r = check_file(dir, name);
        if (r != 0)
                return r;
        r = file_read_at(dir, name, REQUEST_SIZE_MAX, &text, &size);
        if (r < 0)
                return r == -EFBIG || r == -EINVAL || r == -ELOOP || r == -EACCES ? UOW_E_INVALID
                                                                                  : r;
        r = parse_request(text, size, &q);
        if (r == 0)
                r = strdup_to(&q.file, name);
        if (r != 0) {
                request_done(&q);
                return r;
        }
        *ret = q;
        return 0;
}

static int set_aside(int dir, const char *name, cJSON **bad) {
        _cleanup_free_ char *other = NULL, *shown = text_printable(name, 200);

        /* A name near NAME_MAX has no room for the suffix. */
        other = xasprintf("%.*s" SUFFIX_BAD, (int)utf8_cut(name, 255 - strlen(SUFFIX_BAD)), name);
        if (!other || !shown)
                return -ENOMEM;
        if (renameat(dir, name, dir, other) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (!*bad)
                *bad = cJSON_CreateArray();
        return *bad ? json_add_str(*bad, shown) : -ENOMEM;
}

static int take(int dir, const char *name, Requests *q, cJSON **bad) {
        int r = read_request(dir, name, &q->items[q->n]);

        if (r == 0)
                q->n++;
        if (r == UOW_E_INVALID)
                return set_aside(dir, name, bad);
        /* What can't be read now stays for the next look. */
        return r == -ENOMEM ? r : 0;
}

static void free_names(struct dirent **names, int n) {
        for (int i = 0; i < n; i++)
                free(names[i]);
        free(names);
}

int requests_read(int dir, Requests *ret, cJSON **ret_bad, Error *e) {
        struct dirent **names = NULL;
        _cleanup_(requests_done) Requests q = {};
        _cleanup_json_ cJSON *bad = NULL;
        int n, r = 0;

        n = list_names(dir, &names, e);
        if (n < 0)
                return n;
        if (n > 0)
                qsort(names, (size_t)n, sizeof(*names), compare_names);
        q.items = calloc(n > 0 && n < REQUESTS_MAX ? (size_t)n : REQUESTS_MAX, sizeof(*q.items));
        if (!q.items)
                r = -ENOMEM;
        for (int i = 0; r >= 0 && i < n && q.n < REQUESTS_MAX; i++)
                r = take(dir, names[i]->d_name, &q, &bad);
        free_names(names, n);
        if (r < 0)
                return error_set(
                        e, r, "Orders in .flowcron/requests can't be read: %s", strerror(-r));
        *ret = q;
        *ret_bad = TAKE_PTR(bad);
        q = (Requests){};
        return 0;
}

int requests_remove(int dir, const char *file) {
        CRASH_POINT("request-before-remove");
        if (unlinkat(dir, file, 0) < 0 && errno != ENOENT)
                return -errno;
        CRASH_POINT("request-before-folder-sync");
        return dir_sync(dir);
}
