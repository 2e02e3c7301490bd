/* SPDX-License-Identifier: Apache-2.0 */

#include "earlier.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "crashpoint.h"
#include "fileio.h"
#include "stage-take.h"
#include "text.h"

#define OURS "flowcron"
#define EARLIER "earlier"
#define UNKNOWN "unknown"

/* What bears our folder's name and is none, on its way to flowcron/earlier/unknown/. */
#define ASIDE ".flowcron-aside"

#define SENTINELS "sentinels"

#define NAMES_MAX 1000

static int make_folder(int dir, const char *name) {
        if (mkdirat(dir, name, 0770) < 0 && errno != EEXIST)
                return -errno;
        return dir_open_at(dir, name);
}

static bool is_folder(int dir, const char *name) {
        struct stat st;

        return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static bool exists(int dir, const char *name) {
        struct stat st;

        return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

int earlier_take_in(int dir, const char *name, int to, char **ret_name) {
        for (unsigned n = 1; n <= NAMES_MAX; n++) {
                _cleanup_free_ char *new = n == 1 ? strdup(name) : NULL;
                int r;

                if (n > 1) {
                        size_t size = utf8_cut(name, 240);

                        new = xasprintf("%.*s-%u", (int)size, name, n);
                }
                if (!new)
                        return -ENOMEM;
                r = move_at(dir, name, to, new);
                if (r == -EEXIST)
                        continue;
                if (r == 0 && ret_name)
                        *ret_name = TAKE_PTR(new);
                return r;
        }
        return -EEXIST;
}

/* Files and links in the way of one of our folders are put aside; what is a folder stays. */
static int make_way(int dir, const char *name, const char *aside) {
        int r = 0;

        if (exists(dir, name) && !is_folder(dir, name))
                r = move_at(dir, name, dir, aside);
        return r == -ENOENT ? 0 : r;
}

static int open_ours(int uowdir, Error *e) {
        int r = make_way(uowdir, OURS, ASIDE), fd;

        if (r < 0)
                return error_set(e, r,
                        "what it has under the name \"flowcron\" can't be put aside: %s",
                        strerror(-r));
        fd = make_folder(uowdir, OURS);
        return fd < 0 ? error_set(e, fd, "its folder flowcron/ can't be used: %s", strerror(-fd))
                      : fd;
}

/* flowcron/earlier/NAME, open. */
static int open_earlier(int ours, const char *name) {
        _cleanup_close_ int earlier = -1, fd = -1;
        int r = make_way(ours, EARLIER, ASIDE);

        if (r < 0)
                return r;
        earlier = make_folder(ours, EARLIER);
        if (earlier < 0)
                return earlier;
        fd = make_folder(earlier, name);
        if (fd < 0)
                return fd;
        /* What is moved there is gone from where it was, so the way there must not be lost with the power. */
        r = dir_sync(earlier);
        return r < 0 ? r : TAKE_FD(fd);
}

/* Everything but earlier/ goes there, the record last: it says whose the rest is if we are interrupted. */
static int move_entries(int ours, int to) {
        _cleanup_closedir_ DIR *d = NULL;
        int copy = dir_open_at(ours, "."), r = 0;
        struct dirent *de;

        if (copy < 0)
                return copy;
        d = fdopendir(copy);
        if (!d) {
                safe_close(copy);
                return -errno;
        }
        while (r == 0 && (errno = 0, de = readdir(d))) {
                if (streq(de->d_name, ".") || streq(de->d_name, "..") ||
                        streq(de->d_name, EARLIER) || streq(de->d_name, "record.json"))
                        continue;
                r = earlier_take_in(ours, de->d_name, to, NULL);
        }
        if (r == 0)
                r = -errno;
        CRASH_POINT("stage-earlier");
        if (r == 0)
                r = earlier_take_in(ours, "record.json", to, NULL);
        return r == -ENOENT ? 0 : r;
}

/* Whether there is something to keep from a run that comes; or, if not @all, from what we are about to write. */
static bool holds_anything(int ours, bool all) {
        _cleanup_closedir_ DIR *d = NULL;
        int copy = dir_open_at(ours, ".");
        struct dirent *de;

        if (!all) {
                safe_close(copy);
                return exists(ours, "record.json") || exists(ours, "report.txt");
        }
        d = copy < 0 ? NULL : fdopendir(copy);
        if (!d) {
                safe_close(copy);
                return false;
        }
        while ((de = readdir(d)))
                if (!streq(de->d_name, ".") && !streq(de->d_name, "..") &&
                        !streq(de->d_name, EARLIER))
                        return true;
        return false;
}

static int keep_aside(int uowdir, int ours) {
        _cleanup_close_ int to = open_earlier(ours, UNKNOWN);

        return to < 0 ? to : earlier_take_in(uowdir, ASIDE, to, NULL);
}

static int keep_record(int ours, const char *earlier_id) {
        _cleanup_close_ int to = open_earlier(ours, earlier_id[0] ? earlier_id : UNKNOWN);
        int r;

        if (to < 0)
                return to;
        r = move_entries(ours, to);
        return r < 0 ? r : dir_sync(to);
}

int earlier_keep(int uowdir, const char *id, bool all, int *ret_fd, Error *e) {
        _cleanup_close_ int ours = open_ours(uowdir, e);
        char earlier_id[UOW_ID_MAX];
        bool aside, record;
        int r = 0;

        if (ours < 0)
                return ours;
        aside = exists(uowdir, ASIDE);
        if (aside)
                r = keep_aside(uowdir, ours);
        if (r == 0)
                r = take_record_id(ours, earlier_id);
        record = r == 0 && !streq(earlier_id, id) && holds_anything(ours, all);
        if (record)
                r = keep_record(ours, earlier_id);
        /* A new folder that is lost with the power is made again. */
        if (r == 0 && (aside || record))
                r = dir_sync(ours);
        if (r < 0)
                return error_set(
                        e, r, "what its folder flowcron/ holds can't be kept: %s", strerror(-r));
        *ret_fd = TAKE_FD(ours);
        return 0;
}

/* A folder of that name in flowcron/, or with "-2", "-3" … if something else has it. */
static int open_kept_sentinels(int ours) {
        int fd = -ENOTDIR;

        for (unsigned n = 1; n <= NAMES_MAX && (fd == -ENOTDIR || fd == -ELOOP); n++) {
                _cleanup_free_ char *name =
                        n == 1 ? strdup(SENTINELS) : xasprintf(SENTINELS "-%u", n);

                fd = name ? make_folder(ours, name) : -ENOMEM;
        }
        return fd;
}

static bool is_claim(int fd, const char *name) {
        struct stat st;

        return streq(name, OURS) && fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                S_ISREG(st.st_mode);
}

static int move_strangers(int sentinels, int ours) {
        _cleanup_closedir_ DIR *d = NULL;
        _cleanup_close_ int to = -1;
        int copy = dir_open_at(sentinels, "."), r = 0;
        struct dirent *de;

        d = copy < 0 ? NULL : fdopendir(copy);
        if (!d) {
                safe_close(copy);
                return copy < 0 ? copy : -errno;
        }
        while (r == 0 && (errno = 0, de = readdir(d))) {
                if (streq(de->d_name, ".") || streq(de->d_name, "..") ||
                        is_claim(sentinels, de->d_name))
                        continue;
                if (to < 0)
                        to = open_kept_sentinels(ours);
                r = to < 0 ? to : earlier_take_in(sentinels, de->d_name, to, NULL);
        }
        return r == 0 ? -errno : r;
}

int earlier_keep_strangers(int uowdir, int ours) {
        _cleanup_close_ int fd = dir_open_at(uowdir, SENTINELS);
        int r = fd;

        if (fd >= 0)
                r = move_strangers(fd, ours);
        else if (fd == -ENOTDIR || fd == -ELOOP)
                r = earlier_take_in(uowdir, SENTINELS, ours, NULL);
        return r == -ENOENT ? 0 : r;
}
