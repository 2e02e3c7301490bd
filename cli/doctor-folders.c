/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The folders: how uploads in them are noticed, whether several people can work in them, and the clock of the server that they lie on.
 */

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

#include "doctor.h"
#include "fileio.h"
#include "shell-quote.h"
#include "storage.h"
#include "text.h"

/* File servers tell the time in whole seconds at worst, and a second may pass between question and answer. */
#define CLOCK_TOLERATED (5 * USEC_PER_SEC)
#define CLOCK_FILE ".clock.tmp"

/* Those that people and flows reach into. */
static const Place shared[] = { PLACE_UPLOADED, PLACE_ANALYSED, PLACE_FAILED, PLACE_STATUS,
        PLACE_ORDERS };

/* ---- watching ---- */

static void check_watch(Doctor *d) {
        const cJSON *watch = json_object(d->status, "watch");
        const char *trouble = json_str(watch, "trouble");
        WatchMode mode = d->config->watch.mode;
        Storage s;

        if (storage_look(d->layout->fd[PLACE_UPLOADED], &s) < 0)
                return;
        if (mode == WATCH_INOTIFY && s.shared) {
                doctor_find(d, "watch", FINDING_WARNING,
                        "watch.mode is inotify, on a file system of type %s", s.type);
                doctor_why(d,
                        "inotify does not see there what other hosts write; uploads are found by the scan alone. "
                        "With \"auto\" it scans more often.");
                doctor_advise_edit(d);
        } else if (trouble) {
                doctor_find(d, "watch", FINDING_WARNING, "%s", trouble);
                doctor_why(d, "Uploads are found by the scan alone, every %s.",
                        json_str(watch, "rescan_interval") ?: "?");
                doctor_advise(d, "sysctl fs.inotify");
        } else
                doctor_find(d, "watch", FINDING_OK, "%s: %s", s.type,
                        mode == WATCH_POLL || s.shared
                                ? "uploads are found by scanning"
                                : "uploads are seen by inotify as they come, and by scanning");
}

/* ---- the clock ---- */

/* What time the file server gives to a file that is made now. 0 or -errno. */
static int server_time(int dir, usec_t *ret) {
        _cleanup_close_ int fd = -1;
        struct stat st;
        int r;

        (void)unlinkat(dir, CLOCK_FILE, 0);
        fd = openat(dir, CLOCK_FILE, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        /* Written, so that it is the server that says when. */
        r = fd_write_all(fd, "\n", 1);
        if (r >= 0 && (fsync(fd) < 0 || fstat(fd, &st) < 0))
                r = -errno;
        (void)unlinkat(dir, CLOCK_FILE, 0);
        if (r < 0)
                return r;
        *ret = (usec_t)st.st_mtim.tv_sec * USEC_PER_SEC + (usec_t)st.st_mtim.tv_nsec / 1000;
        return 0;
}

static void check_clock(Doctor *d) {
        int dir = d->layout->fd[PLACE_REQUESTS];
        usec_t before = clock_now(), server = 0, after, off = 0;
        char words[CLOCK_TEXT_MAX];
        int r;

        if (!d->is_owner || dir < 0)
                return;
        r = server_time(dir, &server);
        after = clock_now();
        if (r < 0) {
                doctor_find(d, "clock", FINDING_FAULT, "no file can be written in %s",
                        d->layout->path[PLACE_REQUESTS]);
                doctor_why(d, "%s. Without that nothing goes on.", strerror(-r));
                doctor_advise_path(d, "df -h", d->layout->path[PLACE_REQUESTS]);
                return;
        }
        if (server > after)
                off = server - after;
        else if (server < before)
                off = before - server;
        duration_words(words, off);
        if (off <= CLOCK_TOLERATED) {
                doctor_find(
                        d, "clock", FINDING_OK, "this host and the file server agree on the time");
                return;
        }
        doctor_find(d, "clock", FINDING_WARNING, "the file server's clock is %s %s this host's",
                words, server > after ? "ahead of" : "behind");
        doctor_why(d,
                "FlowCron's own decisions do not compare them, but people, make and rsync do. Tell the site.");
        doctor_advise(d, "timedatectl");
}

/* ---- permissions ---- */

typedef struct Look {
        Place place;
        struct stat st;
} Look;

static const char *group_name(gid_t gid, char buf[static 32]) {
        const struct group *gr = getgrgid(gid);

        if (gr)
                return gr->gr_name;
        snprintf(buf, 32, "%u", (unsigned)gid);
        return buf;
}

/* A finding about those of @looks that @is_bad, with one command that mends them all. */
static bool check_all(Doctor *d, const Look *looks, size_t n,
        bool (*is_bad)(const Doctor *, const Look *), FindingResult result, const char *what,
        const char *why, const char *command) {
        _cleanup_(strv_freep) char **names = NULL, **paths = NULL;
        _cleanup_free_ char *list = NULL, *arguments = NULL;

        for (size_t i = 0; i < n; i++) {
                if (!is_bad(d, &looks[i]))
                        continue;
                if (strv_add(&names, layout_place_name(looks[i].place)) < 0 ||
                        strv_take(&paths, shell_quote(d->layout->path[looks[i].place])) < 0)
                        d->failed = true;
        }
        if (!names)
                return false;
        list = strv_join(names, ", ");
        arguments = strv_join(paths, " ");
        doctor_find(d, "folders", result, "%s: %s", what, list ?: "?");
        doctor_why(d, "%s", why);
        doctor_advise(d, "%s %s", command, arguments ?: "");
        return true;
}

static bool is_anothers(const Doctor *d, const Look *l) {
        return l->st.st_uid != d->owner;
}

static bool is_open_to_all(const Doctor *d _unused_, const Look *l) {
        return (l->st.st_mode & S_IWOTH) && !(l->st.st_mode & S_ISVTX);
}

static bool lacks_group(const Doctor *d _unused_, const Look *l) {
        return (l->st.st_mode & 070) != 070;
}

static bool lacks_setgid(const Doctor *d _unused_, const Look *l) {
        return !(l->st.st_mode & S_ISGID);
}

static bool lacks_acl(const Doctor *d, const Look *l) {
        Storage s;

        return storage_look(d->layout->fd[l->place], &s) == 0 && s.knows_acl && !s.acl_shared;
}

static bool has_another_group(const Doctor *d, const Look *l) {
        struct stat st;

        return fstat(d->layout->fd[PLACE_UPLOADED], &st) == 0 && l->st.st_gid != st.st_gid;
}

static void check_permissions(Doctor *d, const Look *l, size_t n) {
        char buf[32];
        bool bad;

        bad = check_all(d, l, n, is_anothers, FINDING_WARNING, "owned by somebody else",
                "flowcrond can't change their permissions, and files by the rules of another's folder.",
                "ls -ld");
        bad |= check_all(d, l, n, is_open_to_all, FINDING_WARNING, "anybody may write there",
                "Whoever can log in here can take a Unit of Work away, or put one there that runs as the owner.",
                "chmod o-w");
        bad |= check_all(d, l, n, lacks_group, FINDING_NOTE, "only the owner can work there",
                "That is right for a guest collection; with a mapped one the uploaders' group must be able to.",
                "chmod g+rwxs");
        bad |= check_all(d, l, n, lacks_setgid, FINDING_WARNING, "without the set-gid bit",
                "What arrives there has the uploader's own group, which FlowCron's owner may not be in.",
                "chmod g+s");
        bad |= check_all(d, l, n, has_another_group, FINDING_WARNING,
                "of another group than UploadedFiles",
                "What is filed there can't be read by those who uploaded it.", "ls -ld");
        if (!bad)
                doctor_find(d, "folders", FINDING_OK, "group %s, and what arrives gets it",
                        group_name(l[0].st.st_gid, buf));
        (void)check_all(d, l, n, lacks_acl, FINDING_NOTE, "without a default ACL",
                "What others than the owner upload (with a mapped collection) is group writable only if their umask says so.",
                "setfacl -d -m u::rwx,g::rwx,m::rwx");
}

/* Who can write the state can have the owner run anything. */
static void check_state(Doctor *d) {
        _cleanup_free_ char *path = shell_quote(d->layout->path[PLACE_STATE]);
        struct stat st;

        if (fstat(d->layout->fd[PLACE_STATE], &st) < 0 || !(st.st_mode & 022))
                return;
        doctor_find(
                d, "folders", FINDING_FAULT, ".flowcron can be written by others than its owner");
        doctor_why(d, "Whoever writes there gives orders in the owner's name.");
        doctor_advise(d, "chmod go-w %s", path ?: "");
}

static void check_shared(Doctor *d) {
        Look looks[ELEMENTSOF(shared)];
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTSOF(shared); i++) {
                int fd = d->layout->fd[shared[i]];

                looks[n].place = shared[i];
                if (fd >= 0 && fstat(fd, &looks[n].st) == 0) {
                        n++;
                        continue;
                }
                doctor_find(d, "folders", FINDING_FAULT, "%s is not there, or can't be entered",
                        d->layout->path[shared[i]]);
                doctor_why(d, "flowcrond makes its folders when it starts.");
                doctor_advise_path(d, "ls -ld", d->layout->path[shared[i]]);
        }
        if (n == ELEMENTSOF(shared))
                check_permissions(d, looks, n);
}

/* Where a chain hands its successes to. */
static void check_chain(Doctor *d) {
        const char *to = d->config->chain.to;

        if (isempty(to) || !d->is_owner)
                return;
        if (access(to, W_OK | X_OK) == 0) {
                doctor_find(d, "chain", FINDING_OK, "successes move on to %s", to);
                return;
        }
        doctor_find(d, "chain", FINDING_FAULT, "nothing can be put into %s", to);
        doctor_why(d, "%s. What succeeds stays here until it can move on.", strerror(errno));
        doctor_advise_path(d, "ls -ld", to);
}

void doctor_check_folders(Doctor *d) {
        if (!d->layout) {
                if (d->config && access(d->config->base, F_OK) < 0) {
                        doctor_find(d, "folders", FINDING_FAULT, "%s: %s", d->config->base,
                                strerror(errno));
                        doctor_why(d,
                                "The base folder is never made by FlowCron: one that is missing may be not mounted.");
                        doctor_advise_path(d, "mkdir -p", d->config->base);
                }
                return;
        }
        if (d->layout->fd[PLACE_UPLOADED] >= 0)
                check_watch(d);
        check_clock(d);
        check_shared(d);
        check_state(d);
        check_chain(d);
}
