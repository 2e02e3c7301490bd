/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a power cut may take back: a library for LD_PRELOAD that writes down each change that flowcrond makes to files and folders,
 * with what is needed to undo it, and each sync.
 *
 * POWERLOG names a folder. In it: trace, a line for each change, fields separated by tabs, paths escaped; keep/, names for what was
 * replaced or removed (hard links, copies of what was overwritten), so that it can be put back.
 *
 *   make  PATH INODE              a file, folder or link came into being; what it holds may be written unseen
 *   move  OLD NEW KEPT            KEPT: what NEW was before, if anything
 *   drop  PATH KEPT               KEPT: a link to it; for a folder its mode
 *   data  PATH INODE SIZE [KEPT]  the file was that large before it was written to; KEPT: a copy, if it was overwritten
 *   mode  PATH INODE MODE         the mode before
 *   sync  PATH INODE              file or folder, fsync and fdatasync alike
 *   all                           syncfs
 *
 * INODE is DEVICE:NUMBER. Not recorded: what the jobs do, on machines of their own; that is taken for safe.
 */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_MAX (3 * PATH_MAX)

static int trace = -1, keep = -1;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void begin(void) {
        const char *folder = getenv("POWERLOG"), *name = program_invocation_short_name;
        char path[PATH_MAX];

        if (!folder || strcmp(name, "flowcrond") != 0)
                return;
        snprintf(path, sizeof(path), "%s/trace", folder);
        trace = REAL(open)(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        snprintf(path, sizeof(path), "%s/keep", folder);
        keep = REAL(open)(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (trace < 0 || keep < 0)
                abort();
}

/* "/a/b" for @name in @dirfd; false if it can't be told. */
static bool path_of(int dirfd, const char *name, char *ret) {
        char link[64];
        ssize_t n = 0;

        if (name && name[0] == '/') {
                snprintf(ret, PATH_MAX, "%s", name);
                return true;
        }
        if (dirfd == AT_FDCWD)
                snprintf(link, sizeof(link), "/proc/self/cwd");
        else
                snprintf(link, sizeof(link), "/proc/self/fd/%d", dirfd);
        n = readlink(link, ret, PATH_MAX - 1);
        if (n < 0)
                return false;
        ret[n] = 0;
        if (name && (size_t)n + strlen(name) + 2 < PATH_MAX)
                sprintf(ret + n, "/%s", name);
        return true;
}

static void escape(char *to, const char *from) {
        for (; *from; from++)
                if ((unsigned char)*from <= ' ' || *from == '%')
                        to += sprintf(to, "%%%02x", (unsigned char)*from);
                else
                        *to++ = *from;
        *to = 0;
}

static void note(const char *fmt, ...) {
        char line[3 * TEXT_MAX];
        va_list ap;
        int n;

        va_start(ap, fmt);
        n = vsnprintf(line, sizeof(line), fmt, ap);
        va_end(ap);
        if (REAL(write)(trace, line, (size_t)n) != n)
                abort();
}

/* Under its own name nothing that was there is lost when it is replaced or removed. */
static bool keep_entry(int dirfd, const char *name, char *ret) {
        static unsigned n;
        struct stat st;

        ret[0] = 0;
        if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return false;
        if (S_ISDIR(st.st_mode)) {
                sprintf(ret, "%o", st.st_mode & 07777);
                return true;
        }
        sprintf(ret, "%d-%lx-%u", getpid(), (unsigned long)st.st_ino, n++);
        return REAL(linkat)(dirfd, name, keep, ret, 0) == 0;
}

static void note_path(const char *what, int dirfd, const char *name, const char *more) {
        char path[PATH_MAX], text[TEXT_MAX];

        if (!path_of(dirfd, name, path))
                return;
        escape(text, path);
        note("%s\t%s%s%s\n", what, text, more ? "\t" : "", more ? more : "");
}

/* ---- names ---- */

static bool is_new(int dirfd, const char *name, int flags) {
        struct stat st;

        return trace >= 0 && (flags & O_CREAT) &&
                fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0;
}

static int made(int r, int dirfd, const char *name) {
        char inode[64];
        struct stat st;

        if (r < 0 || trace < 0 || fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return r;
        sprintf(inode, "%lx:%lx", (unsigned long)st.st_dev, (unsigned long)st.st_ino);
        note_path("make", dirfd, name, inode);
        return r;
}

int openat(int dirfd, const char *name, int flags, ...) {
        bool new = is_new(dirfd, name, flags);
        mode_t mode = 0;
        va_list ap;
        int r;

        va_start(ap, flags);
        if (flags & (O_CREAT | O_TMPFILE))
                mode = va_arg(ap, mode_t);
        va_end(ap);
        r = REAL(openat)(dirfd, name, flags, mode);
        return new ? made(r, dirfd, name) : r;
}

int __openat_2(int dirfd, const char *name, int flags);
int __openat_2(int dirfd, const char *name, int flags) {
        return openat(dirfd, name, flags);
}

int mkdirat(int dirfd, const char *name, mode_t mode) {
        return made(REAL(mkdirat)(dirfd, name, mode), dirfd, name);
}

int symlinkat(const char *target, int dirfd, const char *name) {
        return made(REAL(symlinkat)(target, dirfd, name), dirfd, name);
}

int linkat(int olddir, const char *oldname, int newdir, const char *newname, int flags) {
        return made(REAL(linkat)(olddir, oldname, newdir, newname, flags), newdir, newname);
}

static int moved(
        int r, int olddir, const char *oldname, int newdir, const char *newname, const char *kept) {
        char path[PATH_MAX], old[TEXT_MAX], new[TEXT_MAX];

        if (r < 0 || trace < 0 || !path_of(olddir, oldname, path))
                return r;
        escape(old, path);
        if (!path_of(newdir, newname, path))
                return r;
        escape(new, path);
        note("move\t%s\t%s\t%s\n", old, new, kept);
        return r;
}

int renameat(int olddir, const char *oldname, int newdir, const char *newname) {
        char kept[64] = "";

        if (trace >= 0)
                keep_entry(newdir, newname, kept);
        return moved(REAL(renameat)(olddir, oldname, newdir, newname), olddir, oldname, newdir,
                newname, kept);
}

int renameat2(int olddir, const char *oldname, int newdir, const char *newname, unsigned flags) {
        return moved(REAL(renameat2)(olddir, oldname, newdir, newname, flags), olddir, oldname,
                newdir, newname, "");
}

int unlinkat(int dirfd, const char *name, int flags) {
        char kept[64] = "";
        bool known = trace >= 0 && keep_entry(dirfd, name, kept);
        int r = REAL(unlinkat)(dirfd, name, flags);
        int error = errno;

        if (r == 0 && known)
                note_path("drop", dirfd, name, kept);
        errno = error;
        return r;
}

/* ---- contents ---- */

static bool inode_of(int fd, struct stat *st, char *ret) {
        if (trace < 0 || fstat(fd, st) < 0 || !(S_ISREG(st->st_mode) || S_ISDIR(st->st_mode)))
                return false;
        sprintf(ret, "%lx:%lx", (unsigned long)st->st_dev, (unsigned long)st->st_ino);
        return true;
}

static void note_inode(const char *what, int fd, const char *inode, const char *value) {
        char path[PATH_MAX], text[TEXT_MAX];

        if (!path_of(fd, NULL, path))
                return;
        escape(text, path);
        note("%s\t%s\t%s\t%s\n", what, text, inode, value);
}

/* What is overwritten is copied first: FlowCron does so with small files only. */
static void note_write(int fd, off_t at) {
        static unsigned n;
        char inode[64], value[128], content[4096], name[64], link[64];
        struct stat st;
        ssize_t size;
        int out, in;

        if (fd == trace || !inode_of(fd, &st, inode) || !S_ISREG(st.st_mode))
                return;
        sprintf(value, "%ld", (long)st.st_size);
        if (at < st.st_size) {
                sprintf(link, "/proc/self/fd/%d", fd);
                sprintf(name, "%d-data-%u", getpid(), n++);
                in = REAL(open)(link, O_RDONLY | O_CLOEXEC);
                out = REAL(openat)(keep, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
                size = in < 0 ? -1 : pread(in, content, sizeof(content), 0);
                if (out < 0 || size != st.st_size ||
                        REAL(write)(out, content, (size_t)size) != size)
                        abort();
                close(in);
                close(out);
                sprintf(value, "%ld\t%s", (long)st.st_size, name);
        }
        note_inode("data", fd, inode, value);
}

ssize_t write(int fd, const void *data, size_t size) {
        struct stat st;

        if (trace >= 0 && fd != trace && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
                off_t at = lseek(fd, 0, SEEK_CUR);

                note_write(fd, fcntl(fd, F_GETFL) & O_APPEND ? st.st_size : at);
        }
        return REAL(write)(fd, data, size);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
        if (trace >= 0)
                note_write(fd, at);
        return REAL(pwrite)(fd, data, size, at);
}

int fchmod(int fd, mode_t mode) {
        char inode[64], value[16];
        struct stat st;

        if (inode_of(fd, &st, inode)) {
                sprintf(value, "%o", st.st_mode & 07777);
                note_inode("mode", fd, inode, value);
        }
        return REAL(fchmod)(fd, mode);
}

int fchmodat(int dirfd, const char *name, mode_t mode, int flags) {
        char value[128];
        struct stat st;

        if (trace >= 0 && fstatat(dirfd, name, &st, 0) == 0) {
                sprintf(value, "%lx:%lx\t%o", (unsigned long)st.st_dev, (unsigned long)st.st_ino,
                        st.st_mode & 07777);
                note_path("mode", dirfd, name, value);
        }
        return REAL(fchmodat)(dirfd, name, mode, flags);
}

/* Through /proc/self/fd, for what can't be opened. */
int chmod(const char *name, mode_t mode) {
        char path[PATH_MAX], value[128];
        struct stat st;
        ssize_t n;

        n = trace >= 0 && stat(name, &st) == 0 ? readlink(name, path, sizeof(path) - 1) : -1;
        if (n > 0) {
                path[n] = 0;
                sprintf(value, "%lx:%lx\t%o", (unsigned long)st.st_dev, (unsigned long)st.st_ino,
                        st.st_mode & 07777);
                note_path("mode", AT_FDCWD, path, value);
        }
        return REAL(chmod)(name, mode);
}

/* ---- syncs ---- */

static int synced(int r, int fd) {
        char inode[64];
        struct stat st;

        if (r == 0 && inode_of(fd, &st, inode))
                note_inode("sync", fd, inode, "");
        return r;
}

int fsync(int fd) {
        return synced(REAL(fsync)(fd), fd);
}

int fdatasync(int fd) {
        return synced(REAL(fdatasync)(fd), fd);
}

int syncfs(int fd) {
        int r = REAL(syncfs)(fd);

        if (r == 0 && trace >= 0)
                note("all\n");
        return r;
}
