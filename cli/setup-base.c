/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The base folder, looked at and tried out before it is chosen, then made.
 *
 * Whose files arrive depends on how they come. With a Globus guest collection all are ours; with a mapped one they are their
 * uploaders', and can be taken over only if the group may write to them. That is what the set-gid bit and the default ACLs are for.
 */

#include "setup.h"

#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "fileio.h"
#include "output.h"
#include "storage.h"
#include "text.h"

#define FREE_LOW (UINT64_C(10) << 30)

/* The nearest folder above @path, or it itself, that exists: an open descriptor, or -errno. @ret_depth: so many parts are missing. */
static int open_nearest(const char *path, unsigned *ret_depth) {
        _cleanup_free_ char *p = strdup(path);

        *ret_depth = 0;
        for (;;) {
                int fd = p ? dir_open_path(p) : -ENOMEM;
                char *slash;

                if (fd != -ENOENT)
                        return fd;
                slash = strrchr(p, '/');
                if (slash == p)
                        slash++;
                *slash = 0;
                ++*ret_depth;
        }
}

static int check_others(const Setup *s, const char *path, Error *e) {
        _cleanup_(strv_freep) char **names = instances_list();

        for (char **name = names; name && *name; name++) {
                _cleanup_free_ char *file = config_default_path(*name);
                _cleanup_(config_freep) Config *other = NULL;

                if (streq(*name, s->instance) || !file || config_load(file, &other, NULL) != 0)
                        continue;
                if (storage_is_below(path, other->base) || storage_is_below(other->base, path))
                        return error_set(e, UOW_E_REJECTED,
                                "instance %s has its base folder at %s; each instance needs one of its own",
                                *name, other->base);
        }
        return 0;
}

static int try_out(int fd, unsigned depth, const char *path, Error *e) {
        StorageTrial trial;
        int r = storage_try(fd, &trial, e);

        if (r == 0)
                return 0;
        return error_prefix(e, UOW_E_REJECTED, depth ? "%s can't be made" : "%s", path);
}

int setup_check_base(Setup *s, const char *path, Error *e) {
        _cleanup_(layout_freep) Layout *layout = NULL;
        _cleanup_close_ int fd = -1;
        unsigned depth;
        int r;

        fd = open_nearest(path, &depth);
        if (fd < 0)
                return error_set(e, UOW_E_REJECTED, "%s: %s", path, strerror(-fd));
        r = layout_new(s->config, &layout, e);
        if (r < 0)
                return r == -EINVAL ? UOW_E_REJECTED : r;
        r = check_others(s, path, e);
        return r == 0 ? try_out(fd, depth, path, e) : r;
}

/* ---- telling ---- */

static const char *size_words(char buf[static 32], uint64_t bytes) {
        static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
        double value = (double)bytes;
        size_t unit = 0;

        while (value >= 1024 && unit + 1 < ELEMENTSOF(units)) {
                value /= 1024;
                unit++;
        }
        snprintf(buf, 32, value < 10 && unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
        return buf;
}

static const char *group_name(char buf[static 64], gid_t gid) {
        const struct group *gr = getgrgid(gid);

        if (gr)
                snprintf(buf, 64, "%s", gr->gr_name);
        else
                snprintf(buf, 64, "%u", (unsigned)gid);
        return buf;
}

static int report_facts(Setup *s, const Storage *st, const StorageTrial *trial) {
        _cleanup_json_ cJSON *o = cJSON_CreateObject();
        char group[64];

        if (!o || json_set_str(o, "file_system", st->type) < 0 ||
                json_set_bool(o, "shared", st->shared) < 0 ||
                json_set_int(o, "free_bytes", (int64_t)st->free) < 0 ||
                (st->quota_left != STORAGE_UNKNOWN &&
                        json_set_int(o, "quota_left_bytes", (int64_t)st->quota_left) < 0) ||
                json_set_str(o, "group", group_name(group, st->group)) < 0 ||
                json_set_bool(o, "keeps_group", trial->keeps_group) < 0 ||
                json_set_bool(o, "default_acls", trial->has_acl) < 0 ||
                json_set_bool(o, "arrivals_group_writable", trial->group_writable) < 0)
                return -ENOMEM;
        cJSON_Delete(s->storage);
        s->storage = TAKE_PTR(o);
        return 0;
}

static void warn_about(Setup *s, const char *path, const Storage *st, const StorageTrial *trial) {
        char size[32], group[64];
        uint64_t room = st->quota_left < st->free ? st->quota_left : st->free;

        if (storage_is_below(path, s->home))
                setup_warn(s,
                        "%s lies in your home folder. Those are often small, backed up and closed to others; a folder of your project is better.",
                        path);
        if (room < FREE_LOW)
                setup_warn(s, "Only %s are free there%s.", size_words(size, room),
                        st->quota_left < st->free ? " before your quota is reached" : "");
        if (!trial->keeps_group)
                setup_warn(s,
                        "The set-gid bit can't be had there: what is made in it does not get the group %s by itself.",
                        group_name(group, st->group));
        if (!trial->group_writable)
                setup_warn(s,
                        "%s: an upload can be taken over only if its owner lets the group %s write to it (umask 002). With a "
                        "Globus guest collection, where all files are yours, that is no trouble.",
                        trial->has_acl ? "Default ACLs do not make arrivals group writable there"
                                       : "There are no default ACLs there",
                        group_name(group, st->group));
}

void setup_tell_base(Setup *s, const char *path) {
        unsigned depth;
        _cleanup_close_ int fd = open_nearest(path, &depth);
        StorageTrial trial;
        Storage st;
        char size[32], quota[32], group[64];

        if (fd < 0 || storage_look(fd, &st) < 0 || storage_try(fd, &trial, NULL) < 0)
                return; /* it was possible a moment ago; making it will tell */
        if (!s->cli->json)
                out_note("  %s: file system %s%s, %s free, %s, group %s.",
                        depth ? "will be made" : "is there", st.type,
                        st.shared ? " (shared; it is looked at often)" : "",
                        size_words(size, st.free),
                        st.quota_left == STORAGE_UNKNOWN ? "no quota is told"
                                                         : size_words(quota, st.quota_left),
                        group_name(group, st.group));
        warn_about(s, path, &st, &trial);
        (void)report_facts(s, &st, &trial);
}

/* ---- making ---- */

/* Folders in which others make things. */
static const Place shared_places[] = { PLACE_UPLOADED, PLACE_STATUS, PLACE_ORDERS };

static int share_place(Setup *s, Place p, Error *e) {
        _cleanup_close_ int fd = dir_open_path(s->layout->path[p]);
        struct stat st;
        int r = fd < 0 ? fd : 0;

        if (r == 0 && fstat(fd, &st) < 0)
                r = -errno;
        if (r < 0)
                return error_set(e, r, "%s: %s", s->layout->path[p], strerror(-r));
        if (st.st_uid != geteuid() && geteuid() != 0) {
                setup_warn(
                        s, "%s belongs to somebody else and is left as it is.", s->layout->path[p]);
                return 0;
        }
        r = storage_share(fd);
        if (r < 0 && r != -EOPNOTSUPP)
                setup_warn(s, "%s could not be opened for the group: %s", s->layout->path[p],
                        strerror(-r));
        return 0;
}

int setup_make_base(Setup *s, Error *e) {
        bool is_new = access(s->config->base, F_OK) < 0;
        int r = 0;

        /* As the folders in it: for the group, and what is made in it has its group. */
        if (is_new) {
                mode_t mask = umask(0);

                r = dir_make_path(s->config->base, 02770);
                umask(mask);
        }
        if (r < 0)
                return error_set(e, r, "%s can't be made: %s", s->config->base, strerror(-r));
        r = layout_new(s->config, &s->layout, e);
        if (r == 0)
                r = layout_make(s->layout, e);
        for (size_t i = 0; r == 0 && i < ELEMENTSOF(shared_places); i++)
                r = share_place(s, shared_places[i], e);
        if (r == 0)
                r = layout_open(s->layout, e);
        if (r == 0)
                setup_say_done(s, "%s %s, with its folders.", is_new ? "Made" : "Looked over",
                        s->config->base);
        return r;
}
