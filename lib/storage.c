/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The storage under a base folder, see storage.h.
 *
 * ACLs are written as the kernel takes them, since that costs three lines and libacl would be one more library: the attribute's form is part of
 * the kernel's interface (linux/posix_acl_xattr.h).
 */

#include "storage.h"

#include <endian.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/quota.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#include "filesystem.h"
#include "fileio.h"
#include "text.h"

#define ACL_ATTRIBUTE "system.posix_acl_default"
#define ACL_VERSION 2
#define ACL_SIZE_MAX 4096

/* linux/posix_acl.h */
enum {
        TAG_USER_OBJ = 0x01,
        TAG_GROUP_OBJ = 0x04,
        TAG_MASK = 0x10,
        TAG_OTHER = 0x20
};

typedef struct AclEntry {
        uint16_t tag, permissions;
        uint32_t id;
} AclEntry;

/* ---- quota ---- */

static uint64_t left(uint64_t limit, uint64_t used) {
        return limit > used ? limit - used : 0;
}

static void note_quota(Storage *s, int fd, int type, unsigned id) {
#ifdef SYS_quotactl_fd
        struct dqblk q = {};

        /* As QCMD() has it, without shifting into the sign. */
        if (syscall(SYS_quotactl_fd, fd, (unsigned)Q_GETQUOTA << 8 | (unsigned)type, id, &q) < 0)
                return;
        if (q.dqb_bhardlimit) {
                uint64_t bytes = left(q.dqb_bhardlimit * 1024, q.dqb_curspace);

                s->quota_left = bytes < s->quota_left ? bytes : s->quota_left;
        }
        if (q.dqb_ihardlimit) {
                uint64_t files = left(q.dqb_ihardlimit, q.dqb_curinodes);

                s->quota_files_left = files < s->quota_files_left ? files : s->quota_files_left;
        }
#else
        (void)s, (void)fd, (void)type, (void)id;
#endif
}

/* ---- ACLs ---- */

/* A descriptor may be one that only names the folder (O_PATH), of which attributes can't be had. */
static ssize_t read_acl(int dirfd, char *buf, size_t size) {
        return fgetxattr(dirfd, ACL_ATTRIBUTE, buf, size);
}

static bool is_shared_acl(const AclEntry *entries, size_t n) {
        bool group = false, mask = true;

        for (size_t i = 0; i < n; i++) {
                bool all = (le16toh(entries[i].permissions) & 7) == 7;

                if (le16toh(entries[i].tag) == TAG_GROUP_OBJ)
                        group = all;
                if (le16toh(entries[i].tag) == TAG_MASK)
                        mask = all;
        }
        return group && mask;
}

static size_t count_entries(ssize_t size) {
        return size < (ssize_t)sizeof(uint32_t)
                ? 0
                : ((size_t)size - sizeof(uint32_t)) / sizeof(AclEntry);
}

static void note_acl(Storage *s, int dirfd) {
        _Alignas(4) char buf[ACL_SIZE_MAX];
        const AclEntry *entries = (const AclEntry *)(const void *)(buf + sizeof(uint32_t));
        ssize_t size = read_acl(dirfd, buf, sizeof(buf));

        s->knows_acl = size >= 0 || errno == ENODATA;
        s->acl_shared = is_shared_acl(entries, count_entries(size));
}

/* ---- looking ---- */

int storage_look(int dirfd, Storage *ret) {
        Storage s = { .quota_left = STORAGE_UNKNOWN, .quota_files_left = STORAGE_UNKNOWN };
        struct statvfs vfs;
        struct statfs fs;
        struct stat st;

        if (fstat(dirfd, &st) < 0 || fstatfs(dirfd, &fs) < 0 || fstatvfs(dirfd, &vfs) < 0)
                return -errno;
        s.shared = !file_system_sees_all((long)fs.f_type, &s.type);
        s.free = (uint64_t)vfs.f_bavail * vfs.f_frsize;
        s.total = (uint64_t)vfs.f_blocks * vfs.f_frsize;
        s.free_files = vfs.f_files ? vfs.f_favail : STORAGE_UNKNOWN;
        s.group = st.st_gid;
        s.mode = st.st_mode & 07777;
        s.setgid = st.st_mode & S_ISGID;
        note_acl(&s, dirfd);
        note_quota(&s, dirfd, USRQUOTA, getuid());
        note_quota(&s, dirfd, GRPQUOTA, st.st_gid);
        *ret = s;
        return 0;
}

/* ---- sharing ---- */

static void open_acl(AclEntry *entries, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (le16toh(entries[i].tag) == TAG_GROUP_OBJ || le16toh(entries[i].tag) == TAG_MASK)
                        entries[i].permissions = htole16(7);
}

static size_t make_acl(char *buf, mode_t mode) {
        const AclEntry entries[] = {
                { htole16(TAG_USER_OBJ), htole16(7), htole32(UINT32_MAX) },
                { htole16(TAG_GROUP_OBJ), htole16(7), htole32(UINT32_MAX) },
                { htole16(TAG_OTHER), htole16(mode & 7), htole32(UINT32_MAX) },
        };
        uint32_t version = htole32(ACL_VERSION);

        memcpy(buf, &version, sizeof(version));
        memcpy(buf + sizeof(version), entries, sizeof(entries));
        return sizeof(version) + sizeof(entries);
}

static int share_acl(int dirfd, mode_t mode) {
        _Alignas(4) char buf[ACL_SIZE_MAX];
        AclEntry *entries = (AclEntry *)(void *)(buf + sizeof(uint32_t));
        ssize_t size = read_acl(dirfd, buf, sizeof(buf));
        size_t n;

        if (size < 0 && errno != ENODATA)
                return -errno;
        n = count_entries(size);
        if (n > 0 && is_shared_acl(entries, n))
                return 0;
        if (n > 0)
                open_acl(entries, n);
        else
                size = (ssize_t)make_acl(buf, mode);
        return fsetxattr(dirfd, ACL_ATTRIBUTE, buf, (size_t)size, 0) < 0 ? -errno : 0;
}

int storage_share(int dirfd) {
        struct stat st;

        if (fstat(dirfd, &st) < 0)
                return -errno;
        if (!(st.st_mode & S_ISGID) && fchmod(dirfd, (st.st_mode & 07777) | S_ISGID) < 0)
                return -errno;
        return share_acl(dirfd, st.st_mode);
}

/* ---- trying ---- */

#define TRIAL_FILE "file"

/* A file as the strictest uploader would make it. */
static int try_file(int folder, gid_t group, StorageTrial *ret) {
        mode_t mask = umask(077);
        _cleanup_close_ int fd =
                openat(folder, TRIAL_FILE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        int r = fd < 0 ? -errno : 0;
        struct stat st;

        umask(mask);
        if (r == 0)
                r = fd_write_all(fd, "flowcron\n", 9);
        if (r == 0 && (fsync(fd) < 0 || fstat(fd, &st) < 0))
                r = -errno;
        if (r < 0)
                return r;
        ret->keeps_group = st.st_gid == group;
        ret->group_writable = (st.st_mode & 060) == 060;
        return 0;
}

static int try_folder(int folder, StorageTrial *ret) {
        struct stat st;
        int r;

        /* The set-gid bit is inherited, but for whoever is not in the group it can't be set. */
        r = storage_share(folder);
        ret->has_acl = r == 0;
        return fstat(folder, &st) < 0 ? -errno : try_file(folder, st.st_gid, ret);
}

int storage_try(int dirfd, StorageTrial *ret, Error *e) {
        _cleanup_free_ char *name = xasprintf(".flowcron-trial-%d", (int)getpid());
        _cleanup_close_ int folder = -1;
        StorageTrial trial = {};
        int r = 0;

        if (!name)
                return -ENOMEM;
        (void)tree_remove(dirfd, name);
        if (mkdirat(dirfd, name, 0770) < 0)
                return error_set(e, -errno, "no folder can be made there: %m");
        folder = dir_open_at(dirfd, name);
        r = folder < 0 ? folder : try_folder(folder, &trial);
        if (tree_remove(dirfd, name) < 0 && r == 0)
                r = -EIO;
        if (r < 0)
                return error_set(e, r, "no file can be written there: %s", strerror(-r));
        *ret = trial;
        return 0;
}

/* ---- paths ---- */

/* The longest part of @path that exists, without links, and the rest behind it; new string or NULL. */
static char *resolve(const char *path) {
        _cleanup_free_ char *head = strdup(path), *real = NULL;

        while (head && !(real = realpath(head, NULL))) {
                char *slash = strrchr(head, '/');

                if (!slash || slash == head)
                        return strdup(path);
                *slash = 0;
        }
        if (!head || !real)
                return NULL;
        return xasprintf("%s%s", streq(real, "/") ? "" : real, path + strlen(head));
}

bool storage_is_below(const char *path, const char *folder) {
        _cleanup_free_ char *p = resolve(path), *f = resolve(folder);
        const char *rest = p && f ? startswith(p, streq(f, "/") ? "" : f) : NULL;

        return rest && (*rest == 0 || *rest == '/');
}
