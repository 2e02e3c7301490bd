/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Whose a folder is, and how we say that it is ours: sentinels/flowcron, one line of JSON that the group may read,
 *
 *   {"id":"…","instance":"default","since":"2026-11-21T07:28:11+00:00"}
 *
 * Before a folder is in the work area nothing in it is looked at but sentinels/. What is read here may be forged by whoever may
 * write to the folder; it decides only which of that person's own folders an id is taken for.
 */

#include "stage-take.h"

#include <fcntl.h>
#include <string.h>

#include "crashpoint.h"
#include "fileio.h"
#include "json.h"
#include "text.h"

#define SENTINELS "sentinels"
#define CLAIM "flowcron"

/* The group may read whose it is; nobody needs to write. */
#define CLAIM_MODE 0640

#define CLAIM_SIZE_MAX 4096

/* The events of a Unit of Work that was refused by the scheduler for weeks are some MiB. */
#define RECORD_SIZE_MAX ((size_t)16 * 1024 * 1024)

/* Ids are used in names of folders: nothing but what an id is made of may pass. */
static bool id_valid(const char *id) {
        return id && strlen(id) == UOW_ID_MAX - 1 &&
                strspn(id, "0123456789abcdef-") == UOW_ID_MAX - 1;
}

/* The ids that @name holds, parsed; "" and 0 if there is none to be made out. */
static int read_id(
        int dirfd, const char *name, size_t max, char ret_id[static UOW_ID_MAX], int *ret_attempt) {
        _cleanup_json_ cJSON *j = NULL;
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        ret_id[0] = 0;
        *ret_attempt = 0;
        r = file_read_at(dirfd, name, max, &text, &size);
        if (r == -ENOENT || r == -EINVAL || r == -ELOOP || r == -EFBIG)
                return 0;
        if (r < 0)
                return r;
        if (json_parse(text, size, &j, NULL) < 0 || !id_valid(json_str(j, "id")))
                return 0;
        memcpy(ret_id, json_str(j, "id"), UOW_ID_MAX);
        *ret_attempt = (int)json_int(j, "attempt", 0);
        return 0;
}

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
                if (!streq(de->d_name, CLAIM) || fstatat(fd, CLAIM, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
                        !S_ISREG(st.st_mode))
                        return 1;
                *ret_claimed = true;
        }
        return -errno;
}

static int open_sentinels(int parentdir, const char *name) {
        _cleanup_close_ int fd = dir_open_at(parentdir, name);

        return fd < 0 ? fd : dir_open_at(fd, SENTINELS);
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
        r = read_id(fd, CLAIM, CLAIM_SIZE_MAX, ret_id, &attempt);
        return r < 0 && r != -EACCES ? r : SENTINEL_OURS;
}

/* The id that sentinels/flowcron or else the record has, and the attempt that the record tells of. */
static int identify(int parentdir, const char *name, char ret_id[static UOW_ID_MAX],
        bool *ret_claimed, int *ret_attempt) {
        _cleanup_close_ int fd = -1, sentinels = -1, record = -1;
        int r = 0;

        ret_id[0] = 0;
        *ret_claimed = false;
        fd = dir_open_at(parentdir, name);
        if (fd < 0)
                return fd;
        sentinels = dir_open_at(fd, SENTINELS);
        if (sentinels >= 0) {
                r = read_id(sentinels, CLAIM, CLAIM_SIZE_MAX, ret_id, ret_attempt);
                *ret_claimed = ret_id[0];
        }
        if (r < 0 || ret_id[0])
                return r;
        record = dir_open_at(fd, "flowcron");
        return record < 0 ? 0
                          : read_id(record, "record.json", RECORD_SIZE_MAX, ret_id, ret_attempt);
}

int stage_identify(int parentdir, const char *name, char ret_id[static UOW_ID_MAX]) {
        bool claimed;
        int attempt;

        return identify(parentdir, name, ret_id, &claimed, &attempt);
}

int take_record_id(int dir, char ret_id[static UOW_ID_MAX]) {
        int attempt;

        return read_id(dir, "record.json", RECORD_SIZE_MAX, ret_id, &attempt);
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
        if (mkdirat(uowdir, SENTINELS, 0770) < 0 && errno != EEXIST)
                return -errno;
        return dir_open_at(uowdir, SENTINELS);
}

static char *claim_text(const Take *t) {
        _cleanup_json_ cJSON *j = cJSON_CreateObject();
        _cleanup_free_ char *line = NULL;

        if (!j || json_set_str(j, "id", t->id) < 0 ||
                json_set_str(j, "instance", t->instance) < 0 ||
                json_set_time(j, "since", clock_now()) < 0)
                return NULL;
        line = json_print(j);
        return line ? xasprintf("%s\n", line) : NULL;
}

/* An old claim of ours is removed first: in between sentinels/ is empty, and the upload is as complete as it was. */
static int write_claim(int fd, const Take *t) {
        _cleanup_free_ char *text = claim_text(t);
        char found[UOW_ID_MAX];
        int r, attempt;

        if (!text)
                return -ENOMEM;
        r = read_id(fd, CLAIM, CLAIM_SIZE_MAX, found, &attempt);
        if (r == 0 && streq(found, t->id))
                return 0;
        if (unlinkat(fd, CLAIM, 0) < 0 && errno != ENOENT)
                return -errno;
        return file_create_at(fd, CLAIM, text, strlen(text), CLAIM_MODE);
}

int take_claim(int uowdir, const Take *t, bool patient, Error *e) {
        _cleanup_close_ int fd = patient ? dir_open_at(uowdir, SENTINELS) : make_sentinels(uowdir);
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
        if (unlinkat(fd, CLAIM, 0) < 0 && errno != ENOENT)
                return error_set(
                        e, -errno, "the claim in its sentinels/ folder can't be withdrawn: %m");
        return error_set(e, r < 0 ? r : -EAGAIN,
                "somebody is working on it: its sentinels/ folder is not empty");
}
