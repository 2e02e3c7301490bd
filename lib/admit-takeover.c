/* SPDX-License-Identifier: Apache-2.0 */

/*
 * May we take a folder over that somebody else uploaded?
 *
 * What is needed, and why:
 *   - write and search on the folder that holds it, and no sticky bit there: to rename it;
 *   - read, write and search on the folder itself: the kernel asks for write permission when a
 *     folder gets another parent, since its ".." changes; and the report is written there;
 *   - the same on sentinels/, where our own file is put and taken away, and on data/, scripts/ and
 *     the folders in them, which jobs write to and which are removed when their time has come;
 *   - read on the files there.
 * The first level is looked at, as what is below it was made by the same transfer with the same
 * umask. The kernel is asked, with the effective ids, so that ACLs and root are what they are.
 */

#include "admit.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

#include "fileio.h"
#include "shell-quote.h"
#include "text.h"

/* Entries of a folder that are looked at: all in any Unit of Work made by hand; enough to see the
 * umask in others. */
#define ENTRIES_MAX 1000
#define GROUPS_MAX 65536 /* NGROUPS_MAX of Linux */

/* What is looked at: the UoW, and how to call it. */
typedef struct Takeover {
        const char *path; /* absolute */
        struct stat uow;
        gid_t group; /* of ours, that the instance's folders have if possible */
        Error *error;
} Takeover;

static char *user_name(uid_t uid) {
        char buffer[4096];
        struct passwd pw, *found = NULL;

        if (getpwuid_r(uid, &pw, buffer, sizeof(buffer), &found) == 0 && found)
                return text_printable(found->pw_name, 64);
        return xasprintf("user %lu", (unsigned long)uid);
}

static char *group_name(gid_t gid) {
        char buffer[16384];
        struct group gr, *found = NULL;

        if (getgrgid_r(gid, &gr, buffer, sizeof(buffer), &found) == 0 && found)
                return shell_quote(found->gr_name);
        return xasprintf("%lu", (unsigned long)gid);
}

static bool in_group(gid_t gid) {
        _cleanup_free_ gid_t *groups = NULL;
        int n = getgroups(0, NULL);

        if (gid == getegid())
                return true;
        if (n <= 0 || n > GROUPS_MAX || !(groups = calloc((size_t)n, sizeof(*groups))))
                return false;
        n = getgroups(n, groups);
        for (int i = 0; i < n; i++)
                if (groups[i] == gid)
                        return true;
        return false;
}

/* The command that gives us what is missing at an entry with @st: as its owner would type it. */
static char *mending_command(const Takeover *t, const char *path, const struct stat *st) {
        _cleanup_free_ char *quoted = shell_quote(path), *group = NULL, *us = NULL;
        const mode_t wanted = S_ISDIR(st->st_mode) ? 0070 : 0060;

        if (!quoted)
                return NULL;
        if (st->st_uid == geteuid())
                return xasprintf("chmod -R u+rwX,g+rwX %s", quoted);
        if (!in_group(st->st_gid)) {
                group = group_name(t->group);
                return group
                        ? xasprintf("chgrp -R %s %s && chmod -R g+rwX %s", group, quoted, quoted)
                        : NULL;
        }
        if ((st->st_mode & wanted) != wanted)
                return xasprintf("chmod -R g+rwX %s", quoted);
        /* The mode says yes and the kernel no: an access control list. */
        us = user_name(geteuid());
        return us ? xasprintf("setfacl -R -m u:%s:rwX %s", us, quoted) : NULL;
}

static int block(const Takeover *t, const char *what, const char *path, const struct stat *st,
        const char *command) {
        _cleanup_free_ char *owner = user_name(t->uow.st_uid), *us = user_name(geteuid());
        _cleanup_free_ char *holder = user_name(st->st_uid), *group = group_name(st->st_gid);
        _cleanup_free_ char *shown = text_printable(path, 150);

        if (!owner || !us || !holder || !group || !shown || !command)
                return -ENOMEM;
        return error_set(t->error, UOW_E_BLOCKED,
                "it belongs to %s, and FlowCron, which runs as %s, %s %s (owner %s, group %s, mode %04o). %s can mend that "
                "with: %s",
                owner, us, what, shown, holder, group, st->st_mode & 07777, holder, command);
}

/* "may not read, write to or enter": 1 if something of @mode is missing, 0 if not or if the entry
 * is gone. */
static int missing(int dirfd, const char *name, int mode, char what[static 64]) {
        static const struct {
                int mode;
                const char *word;
        } words[] = { { R_OK, "read" }, { W_OK, "write to" }, { X_OK, "enter" } };
        const char *lack[ELEMENTSOF(words)];
        size_t n = 0, used;

        for (size_t i = 0; i < ELEMENTSOF(words); i++) {
                if (!(mode & words[i].mode) ||
                        faccessat(dirfd, name, words[i].mode, AT_EACCESS) == 0)
                        continue;
                if (errno != EACCES && errno != EPERM)
                        return errno == ENOENT ? 0 : -errno;
                lack[n++] = words[i].word;
        }
        used = (size_t)snprintf(what, 64, "may not ");
        for (size_t i = 0; i < n; i++)
                used += (size_t)snprintf(what + used, 64 - used, "%s%s",
                        i == 0               ? ""
                                : i + 1 == n ? " or "
                                             : ", ",
                        lack[i]);
        return n > 0;
}

static int check(const Takeover *t, int dirfd, const char *name, const char *shown, int mode) {
        _cleanup_free_ char *command = NULL;
        char what[64];
        struct stat st;
        int k;

        if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
                return 0;
        k = missing(dirfd, name, S_ISDIR(st.st_mode) ? mode : mode & R_OK, what);
        if (k <= 0)
                return k;
        command = mending_command(t, t->path, &st);
        return block(t, what, shown, &st, command);
}

/* In a folder with the sticky bit, only the owner of an entry or of the folder may rename or remove
 * it (unlink(2)). */
static int check_sticky(const Takeover *t, const struct stat *folder, const char *path, uid_t entry,
        const char *entry_name) {
        _cleanup_free_ char *quoted = shell_quote(path), *command = NULL, *what = NULL;
        uid_t us = geteuid();

        if (!(folder->st_mode & S_ISVTX) || us == 0 || us == folder->st_uid || us == entry)
                return 0;
        command = quoted ? xasprintf("chmod -t %s", quoted) : NULL;
        what = xasprintf("may not move %s out of a folder with the sticky bit:", entry_name);
        return what ? block(t, what, path, folder, command) : -ENOMEM;
}

static int check_parent(Takeover *t, int parentdir) {
        const char *slash = strrchr(t->path, '/');
        _cleanup_free_ char *parent =
                slash > t->path ? strndup(t->path, (size_t)(slash - t->path)) : strdup("/");
        _cleanup_free_ char *command = NULL;
        char what[64];
        struct stat st;
        int k;

        if (!parent)
                return -ENOMEM;
        if (fstat(parentdir, &st) < 0)
                return -errno;
        if (in_group(st.st_gid))
                t->group = st.st_gid;
        k = missing(parentdir, ".", W_OK | X_OK, what);
        if (k < 0)
                return k;
        if (k > 0) {
                command = mending_command(t, parent, &st);
                return block(t, what, parent, &st, command);
        }
        return check_sticky(t, &st, parent, t->uow.st_uid, "it");
}

/* The entries of data/ or scripts/. */
static int check_entries(const Takeover *t, int uowdir, const char *folder) {
        _cleanup_close_ int fd = dir_open_at(uowdir, folder);
        _cleanup_closedir_ DIR *d = NULL;
        struct dirent *entry;
        int k = 0;

        if (fd < 0)
                return fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP ? 0 : fd;
        d = fdopendir(fd);
        if (!d)
                return -errno;
        TAKE_FD(fd);
        for (int n = 0; k == 0 && n < ENTRIES_MAX && (errno = 0, entry = readdir(d)); n++) {
                _cleanup_free_ char *shown = NULL;

                if (streq(entry->d_name, ".") || streq(entry->d_name, ".."))
                        continue;
                shown = xasprintf("%s/%s", folder, entry->d_name);
                k = shown ? check(t, dirfd(d), entry->d_name, shown, R_OK | W_OK | X_OK) : -ENOMEM;
        }
        return k;
}

static int check_inside(const Takeover *t, int uowdir) {
        static const char *const folders[] = { "sentinels", "data", "scripts" };
        struct stat sentinels;
        int k = 0;

        for (size_t i = 0; k == 0 && i < ELEMENTSOF(folders); i++)
                k = check(t, uowdir, folders[i], folders[i], R_OK | W_OK | X_OK);
        if (k == 0 && fstatat(uowdir, "sentinels", &sentinels, AT_SYMLINK_NOFOLLOW) == 0)
                k = check_sticky(t, &t->uow, t->path, sentinels.st_uid, "sentinels/");
        if (k == 0)
                k = check_entries(t, uowdir, "data");
        if (k == 0)
                k = check_entries(t, uowdir, "scripts");
        return k;
}

int admit_takeover(int parentdir, const char *name, const char *path, Error *e) {
        Takeover t = { .path = path, .group = getegid(), .error = e };
        _cleanup_close_ int fd = -1;
        int k;

        if (fstatat(parentdir, name, &t.uow, AT_SYMLINK_NOFOLLOW) < 0)
                return error_set(e, -errno, "can't look at the folder: %m");
        if (!S_ISDIR(t.uow.st_mode))
                return 0;
        k = check_parent(&t, parentdir);
        if (k == 0)
                k = check(&t, parentdir, name, "the folder", R_OK | W_OK | X_OK);
        if (k != 0)
                return k;
        fd = dir_open_at(parentdir, name);
        return fd < 0 ? error_set(e, fd, "can't open the folder: %s", strerror(-fd))
                      : check_inside(&t, fd);
}
