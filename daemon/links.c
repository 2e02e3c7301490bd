/* SPDX-License-Identifier: Apache-2.0 */

#include "links.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "crashpoint.h"
#include "strv.h"
#include "text.h"

/* As the kernel's (path_resolution(7)): a chain that is longer is taken for a circle. */
#define HOPS_MAX 40

typedef struct Walk {
        const LinkScope *scope;
        char **at; /* components of the folder we are in, from the root */
        size_t depth;
        int fd;     /* that folder (O_PATH), -1: to be opened */
        char *rest; /* what is still to be resolved */
        int hops;
} Walk;

static void walk_done(Walk *w) {
        strv_free(w->at);
        safe_close(w->fd);
        free(w->rest);
}

/* The next component: its length and where it begins, behind slashes; 0 at the end. */
static size_t component(const char **path) {
        *path += strspn(*path, "/");
        return strcspn(*path, "/");
}

static bool is_word(const char *s, size_t n, const char *word) {
        return n == strlen(word) && memcmp(s, word, n) == 0;
}

/* As component(), passing over ".". */
static size_t component_but_dot(const char **path) {
        size_t n = component(path);

        while (is_word(*path, n, ".")) {
                *path += n;
                n = component(path);
        }
        return n;
}

/* What is left of absolute @target behind @prefix, or NULL if it does not lead through it. */
static const char *behind_prefix(const char *target, const char *prefix) {
        size_t n, m;

        while ((n = component_but_dot(&prefix)) > 0) {
                m = component_but_dot(&target);
                if (m != n || memcmp(prefix, target, n) != 0)
                        return NULL;
                prefix += n;
                target += m;
        }
        return target;
}

static const char *inside_part(const LinkScope *s, const char *target) {
        for (char *const *p = s->prefixes; p && *p; p++) {
                const char *rest = behind_prefix(target, *p);

                if (rest)
                        return rest;
        }
        return NULL;
}

static int split(const char *path, size_t n, char ***ret) {
        const char *end = path + n;
        size_t size;

        for (; (size = component(&path)) > 0 && path < end; path += size) {
                int r = strv_take(ret, strndup(path, size));

                if (r < 0)
                        return r;
        }
        return 0;
}

static int open_folder(int dirfd, const char *name) {
        int fd = openat(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

/* Opens the folder we are in anew, from the root. */
static int walk_reopen(Walk *w) {
        _cleanup_close_ int fd = open_folder(w->scope->root, ".");

        for (size_t i = 0; fd >= 0 && i < w->depth; i++) {
                int next = open_folder(fd, w->at[i]);

                safe_close(fd);
                fd = next;
        }
        if (fd < 0)
                return TAKE_FD(fd);
        w->fd = TAKE_FD(fd);
        return 0;
}

static int walk_up(Walk *w) {
        if (w->depth == 0)
                return LINK_OUTSIDE;
        w->depth--;
        free(w->at[w->depth]);
        w->at[w->depth] = NULL;
        w->fd = safe_close(w->fd);
        return LINK_INSIDE;
}

static int walk_down(Walk *w, const char *name) {
        int fd = open_folder(w->fd, name), r;

        if (fd < 0)
                return fd;
        safe_close(w->fd);
        w->fd = fd;
        r = strv_add(&w->at, name);
        if (r == 0)
                w->depth++;
        return r;
}

static void walk_to_root(Walk *w) {
        while (w->depth > 0)
                (void)walk_up(w);
        w->fd = safe_close(w->fd);
}

/* Goes on at what another link holds, with what was still to come behind it. */
static int walk_follow(Walk *w, const char *name, const char *rest) {
        _cleanup_free_ char *target = NULL;
        const char *part;
        char *joined;
        int r;

        if (++w->hops > HOPS_MAX)
                return LINK_BROKEN;
        r = link_read(w->fd, name, &target);
        if (!target)
                return r;
        part = target;
        if (target[0] == '/') {
                part = inside_part(w->scope, target);
                if (!part)
                        return LINK_OUTSIDE;
                walk_to_root(w);
        }
        joined = xasprintf("%s/%s", part, rest);
        if (!joined)
                return -ENOMEM;
        free(w->rest);
        w->rest = joined;
        return LINK_INSIDE;
}

/* One component onwards. LINK_INSIDE: go on. */
static int walk_step(Walk *w, const char *name, const char *rest) {
        struct stat st;
        int r;

        if (streq(name, ".."))
                return walk_up(w);
        r = w->fd < 0 ? walk_reopen(w) : 0;
        if (r < 0)
                return r;
        if (fstatat(w->fd, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
                return -errno;
        if (S_ISLNK(st.st_mode))
                return walk_follow(w, name, rest);
        if (S_ISDIR(st.st_mode)) {
                r = walk_down(w, name);
                if (r == 0)
                        memmove(w->rest, rest, strlen(rest) + 1);
                return r < 0 ? r : LINK_INSIDE;
        }
        if (*rest) /* "file/more" */
                return LINK_BROKEN;
        w->rest[0] = 0;
        return LINK_INSIDE;
}

static int walk_all(Walk *w) {
        int r = LINK_INSIDE;

        while (r == LINK_INSIDE) {
                const char *p = w->rest;
                size_t n = component_but_dot(&p);
                _cleanup_free_ char *name = NULL, *rest = NULL;

                if (n == 0)
                        return LINK_INSIDE;
                name = strndup(p, n);
                rest = strdup(p + n);
                if (!name || !rest)
                        return -ENOMEM;
                if (streq(name, ".."))
                        strcpy(w->rest, rest);
                r = walk_step(w, name, rest);
        }
        return r;
}

/* What an error on the way means for the link. */
static int verdict_of(int r) {
        switch (r) {
        case -ENOENT:
        case -ENOTDIR:
        case -ELOOP:
        case -EINVAL:
        case -ENAMETOOLONG:
                return LINK_BROKEN;
        case -EACCES:
        case -EPERM:
        case -ESTALE:
                return LINK_UNKNOWABLE;
        default:
                return r; /* trouble of this machine or its disks, which says nothing of the link */
        }
}

/* "../../data/x" for data/x seen from the folder with components @dir; folders that both have in common are real ones and left out. */
static int make_relative(char *const *dir, const char *inside, char **ret) {
        size_t depth = strv_length(dir), common = 0, size = 3 * depth + strlen(inside) + 2, n;
        char *s = malloc(size), *p = s;

        if (!s)
                return -ENOMEM;
        while ((n = component_but_dot(&inside)) > 0 && dir && common < depth &&
                is_word(inside, n, dir[common])) {
                inside += n;
                common++;
        }
        for (size_t i = common; i < depth; i++)
                p = stpcpy(p, "../");
        while ((n = component_but_dot(&inside)) > 0) {
                p = mempcpy(p, inside, n);
                *p++ = '/';
                inside += n;
        }
        if (p == s)
                *p++ = '.';
        else
                p--; /* the last slash */
        *p = 0;
        *ret = s;
        return 0;
}

int link_judge(const LinkScope *s, const char *path, const char *target, LinkVerdict *ret,
        char **ret_relative) {
        _cleanup_(walk_done) Walk w = { .scope = s, .fd = -1 };
        const char *name = strrchr(path, '/'), *inside = NULL;
        _cleanup_(strv_freep) char **dir = NULL;
        _cleanup_free_ char *relative = NULL;
        int r;

        r = split(path, name ? (size_t)(name - path) : 0, &dir);
        if (r < 0)
                return r;
        if (target[0] == '/' && !(inside = inside_part(s, target))) {
                *ret = LINK_OUTSIDE;
                return 0;
        }
        w.rest = strdup(inside ? inside : target);
        if (!w.rest || (!inside && !(w.at = strv_copy(dir))))
                return -ENOMEM;
        w.depth = inside ? 0 : strv_length(dir);
        r = verdict_of(walk_all(&w));
        if (r == LINK_INSIDE && inside) {
                r = make_relative(dir, inside, &relative);
                if (r == 0)
                        r = strlen(relative) < PATH_MAX ? LINK_ABSOLUTE : LINK_BROKEN;
        }
        if (r < 0)
                return r;
        if (r == LINK_ABSOLUTE)
                *ret_relative = TAKE_PTR(relative);
        *ret = (LinkVerdict)r;
        return 0;
}

int link_read(int dirfd, const char *name, char **ret) {
        char target[PATH_MAX];
        ssize_t n = readlinkat(dirfd, name, target, sizeof(target));

        if (n < 0)
                return -errno;
        if ((size_t)n == sizeof(target))
                return -ENAMETOOLONG;
        *ret = strndup(target, (size_t)n);
        return *ret ? 0 : -ENOMEM;
}

int link_rewrite(int dirfd, const char *name, const char *target) {
        if (unlinkat(dirfd, LINK_TEMPORARY, 0) < 0 && errno != ENOENT)
                return -errno;
        if (symlinkat(target, dirfd, LINK_TEMPORARY) < 0)
                return -errno;
        CRASH_POINT("settle-link-before-rename");
        if (renameat(dirfd, LINK_TEMPORARY, dirfd, name) < 0) {
                int r = -errno;

                (void)unlinkat(dirfd, LINK_TEMPORARY, 0);
                return r;
        }
        return 0;
}
