/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Whose a folder is, and how we say that it is ours: sentinels/flowcron, see claim.h.
 *
 * Before a folder is in the work area nothing in it is looked at but sentinels/. What is read here may be forged by whoever may
 * write to the folder; it decides only which of that person's own folders an id is taken for.
 */

#include "stage-take.h"

#include <fcntl.h>
#include <string.h>

#include "claim.h"
#include "crashpoint.h"
#include "fileio.h"
#include "json.h"
#include "text.h"

/* The events of a Unit of Work that was refused by the scheduler for weeks are some MiB. */
#define RECORD_SIZE_MAX ((size_t)16 * 1024 * 1024)

/* What others put into sentinels/, up to the first: 1 there is something, 0 nothing, -errno. */
static int look_for_others(int fd, bool *ret_claimed) {
        _cleanup_closedir_ DIR *d = NULL;
        struct dirent *de;
        struct stat st;
        int copy = dir_open_at(fd, ".");

        *ret_claimed = false;
        if (copy < 0)
                return copy;
        d = fdopendir(copy);
        if (!d) {
                safe_close(copy);
                return -errno;
        }
        while ((errno = 0, de = readdir(d))) {
                if (streq(de->d_name, ".") || streq(de->d_name, ".."))
                        continue;
                if (!streq(de->d_name, CLAIM_FILE) ||
                        fstatat(fd, CLAIM_FILE, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
                        !S_ISREG(st.st_mode))
                        return 1;
                *ret_claimed = true;
        }
        return -errno;
}

static int open_sentinels(int parentdir, const char *name) {
        _cleanup_close_ int fd = dir_open_at(parentdir, name);

        return fd < 0 ? fd : dir_open_at(fd, CLAIM_FOLDER);
}

int stage_sentinel(int parentdir, const char *name, char ret_id[static UOW_ID_MAX]) {
        _cleanup_close_ int fd = open_sentinels(parentdir, name);
        bool claimed;
        int r, attempt;

        ret_id[0] = 0;
        if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP)
                return SENTINEL_NONE;
        if (fd < 0)
                return fd;
        r = look_for_others(fd, &claimed);
        if (r != 0)
                return r < 0 ? r : SENTINEL_BUSY;
        if (!claimed)
                return SENTINEL_EMPTY;
        r = claim_read(fd, CLAIM_FILE, CLAIM_SIZE_MAX, ret_id, &attempt);
        return r < 0 && r != -EACCES ? r : SENTINEL_OURS;
}

/* Not there, or not to be looked into by whoever's jobs run here: no mark. Everything else says nothing about it. */
static bool is_no_mark(int r) {
        return r == -ENOENT || r == -ENOTDIR || r == -ELOOP || r == -EACCES;
}

static int read_mark(int uowdir, const char *folder, const char *name, size_t max,
        char ret_id[static UOW_ID_MAX], int *ret_attempt) {
        _cleanup_close_ int fd = dir_open_at(uowdir, folder);

        ret_id[0] = 0;
        if (fd < 0)
                return is_no_mark(fd) ? 0 : fd;
        return claim_read(fd, name, max, ret_id, ret_attempt);
}

/* The id that sentinels/flowcron or else the record has, and the attempt that the record tells of. */
static int identify(int parentdir, const char *name, char ret_id[static UOW_ID_MAX],
        bool *ret_claimed, int *ret_attempt) {
        _cleanup_close_ int fd = dir_open_at(parentdir, name);
        int r;

        ret_id[0] = 0;
        *ret_claimed = false;
        if (fd < 0)
                return fd;
        r = read_mark(fd, CLAIM_FOLDER, CLAIM_FILE, CLAIM_SIZE_MAX, ret_id, ret_attempt);
        *ret_claimed = ret_id[0];
        if (r < 0 || ret_id[0])
                return r;
        return read_mark(fd, "flowcron", "record.json", RECORD_SIZE_MAX, ret_id, ret_attempt);
}

int stage_identify(int parentdir, const char *name, char ret_id[static UOW_ID_MAX]) {
        bool claimed;
        int attempt;

        return identify(parentdir, name, ret_id, &claimed, &attempt);
}

int take_record_id(int dir, char ret_id[static UOW_ID_MAX]) {
        int attempt;

        return claim_read(dir, "record.json", RECORD_SIZE_MAX, ret_id, &attempt);
}

int take_whose(int parentdir, const char *name, const char *id) {
        char found[UOW_ID_MAX];
        int r, attempt;
        bool claimed;

        r = identify(parentdir, name, found, &claimed, &attempt);
        if (r == -ENOENT)
                return WHOSE_ABSENT;
        if (r == -ENOTDIR || r == -ELOOP)
                return WHOSE_OTHER;
        if (r < 0)
                return r;
        if (!found[0])
                return WHOSE_UNMARKED;
        return streq(found, id) ? WHOSE_OURS : claimed ? WHOSE_OTHER : WHOSE_STALE;
}

int take_is_filed(int parentdir, const char *name, const char *id, int attempt) {
        char found[UOW_ID_MAX];
        int r, of = 0;
        bool claimed;

        r = identify(parentdir, name, found, &claimed, &of);
        if (r == -ENOENT || r == -ENOTDIR || r == -ELOOP)
                return 0;
        if (r < 0)
                return r;
        return !claimed && streq(found, id) && of == attempt;
}

static int make_sentinels(int uowdir) {
        if (mkdirat(uowdir, CLAIM_FOLDER, 0770) < 0 && errno != EEXIST)
                return -errno;
        return dir_open_at(uowdir, CLAIM_FOLDER);
}

/* An old claim of ours is removed first: in between sentinels/ is empty, and the upload is as complete as it was. */
static int write_claim(int fd, const Take *t) {
        _cleanup_free_ char *text = claim_text(t->id, t->instance);
        char found[UOW_ID_MAX];
        int r, attempt;

        if (!text)
                return -ENOMEM;
        r = claim_read(fd, CLAIM_FILE, CLAIM_SIZE_MAX, found, &attempt);
        if (r == 0 && streq(found, t->id))
                return 0;
        if (unlinkat(fd, CLAIM_FILE, 0) < 0 && errno != ENOENT)
                return -errno;
        return file_create_at(fd, CLAIM_FILE, text, strlen(text), CLAIM_MODE);
}

int take_claim(int uowdir, const Take *t, bool patient, Error *e) {
        _cleanup_close_ int fd =
                patient ? dir_open_at(uowdir, CLAIM_FOLDER) : make_sentinels(uowdir);
        bool claimed;
        int r;

        if (fd < 0)
                return error_set(e, fd, "its sentinels/ folder can't be opened: %s", strerror(-fd));
        r = write_claim(fd, t);
        if (r < 0)
                return error_set(
                        e, r, "it can't be claimed in its sentinels/ folder: %s", strerror(-r));
        CRASH_POINT("stage-claimed");
        if (!patient)
                return 0;
        r = look_for_others(fd, &claimed);
        if (r == 0 && claimed)
                return 0;
        if (unlinkat(fd, CLAIM_FILE, 0) < 0 && errno != ENOENT)
                return error_set(
                        e, -errno, "the claim in its sentinels/ folder can't be withdrawn: %m");
        return error_set(e, r < 0 ? r : -EAGAIN,
                "somebody is working on it: its sentinels/ folder is not empty");
}
