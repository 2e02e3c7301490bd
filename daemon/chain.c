/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From a success here to an upload there.
 *
 * The folder goes to the next instance's UploadedFiles without sentinels/, under its name or another, and only when it is whole there and gone here
 * it gets sentinels/. From that instant on the next instance may take it away at any time, so where it went is noted in .flowcron/chain/ID before
 * the first step: a repetition that finds it nowhere reads it there. Notes are of use until our event is on disk; they are
 * swept away days later.
 */

#include "relocate.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "crashpoint.h"
#include "earlier.h"
#include "fileio.h"
#include "haul.h"
#include "settle-write.h"
#include "stage-take.h"
#include "text.h"

#define NOTES "chain"
#define NOTES_KEPT (7 * USEC_PER_DAY)

typedef struct Chain {
        const RelocateJob *job;
        int to;     /* the next instance's UploadedFiles */
        int notes;  /* .flowcron/chain */
        char *name; /* its name there */
        char *path;
} Chain;

static void chain_done(Chain *c) {
        safe_close(c->to);
        safe_close(c->notes);
        free(c->name);
        free(c->path);
}

/* Notes of others that are long done; whatever goes wrong here harms nobody. */
static void sweep_notes(const Chain *c) {
        usec_t now = clock_now();
        _cleanup_closedir_ DIR *d = NULL;
        int copy = dir_open_at(c->notes, ".");
        struct dirent *de;
        struct stat st;

        d = copy < 0 ? NULL : fdopendir(copy);
        if (!d) {
                safe_close(copy);
                return;
        }
        while ((de = readdir(d)))
                if (fstatat(c->notes, de->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                        S_ISREG(st.st_mode) && !streq(de->d_name, c->job->uow->id) &&
                        (usec_t)st.st_mtime * USEC_PER_SEC + NOTES_KEPT < now) {
                        CRASH_POINT("chain-before-sweep");
                        (void)unlinkat(c->notes, de->d_name, 0);
                }
}

static int open_chain(Chain *c, Error *e) {
        const RelocateJob *j = c->job;
        int state = j->layout->fd[PLACE_STATE];

        c->to = dir_open_path(j->config->chain.to);
        if (c->to < 0)
                return error_set(
                        e, c->to, "chain.to: %s: %s", j->config->chain.to, strerror(-c->to));
        if (mkdirat(state, NOTES, 0700) < 0 && errno != EEXIST)
                return error_set(e, -errno, "%s/" NOTES ": %m", j->layout->path[PLACE_STATE]);
        c->notes = dir_open_at(state, NOTES);
        return c->notes < 0 ? c->notes : dir_sync(state);
}

static int note_path(const Chain *c, Error *e) {
        int r = file_replace_at(c->notes, c->job->uow->id, c->path, strlen(c->path), 0600);

        CRASH_POINT("chain-noted");
        return r < 0 ? error_set(e, r, "where it goes can't be noted: %s", strerror(-r)) : 0;
}

/* Nowhere: if it was on its way, the next instance has it. */
static int read_note(Chain *c) {
        int r;

        free(c->path);
        c->path = NULL;
        r = file_read_at(c->notes, c->job->uow->id, 64 * 1024, &c->path, NULL);
        return r == -ENOENT ? UOW_E_GONE : r;
}

/* A sentinels/ that somebody made in the result would start the next instance too early. */
static int strip_sentinels(const Chain *c, Error *e) {
        const RelocateJob *j = c->job;
        _cleanup_close_ int fd = dir_open_at(j->layout->fd[PLACE_ANALYSED], j->uow->folder),
                            ours = -1;
        int r;

        if (fd < 0)
                return fd;
        r = earlier_keep(fd, j->uow->id, false, &ours, e);
        return r < 0 ? r : settle_remove_sentinels(fd, ours);
}

static int make_sentinels(const Chain *c, Error *e) {
        _cleanup_close_ int fd = dir_open_at(c->to, c->name), sentinels = -1;
        int r;

        CRASH_POINT("chain-moved");
        if (fd == -ENOENT) /* taken up meanwhile, so it had them */
                return 0;
        if (fd < 0)
                return error_set(e, fd, "%s can't be opened: %s", c->path, strerror(-fd));
        if (mkdirat(fd, "sentinels", 0770) == 0) {
                sentinels = dir_open_at(fd, "sentinels");
                if (sentinels >=
                        0) /* whatever our umask: the next instance may be somebody else's */
                        (void)fchmod(sentinels, 02770);
        } else if (errno != EEXIST)
                return error_set(e, -errno, "sentinels/ can't be made in %s: %m", c->path);
        r = dir_sync(fd);
        CRASH_POINT("chain-sentinels");
        return r;
}

static int hand_over(Chain *c, Error *e) {
        const RelocateJob *j = c->job;
        int dir = j->layout->fd[PLACE_ANALYSED], r;

        r = relocate_is_its_own(dir, j->uow);
        if (r < 0)
                return r;
        if (r == 0)
                return read_note(c);
        r = note_path(c, e);
        if (r == 0)
                r = strip_sentinels(c, e);
        if (r == 0)
                r = haul_move(dir, j->uow->folder, c->to, c->name, j->uow->id, e);
        if (r == 0)
                r = make_sentinels(c, e);
        return r == -EEXIST ? -EAGAIN : r;
}

/* It is there; the original may still be here, and must be gone before it can start there. */
static int finish(Chain *c, Error *e) {
        const RelocateJob *j = c->job;
        int dir = j->layout->fd[PLACE_ANALYSED], r;

        r = take_whose(dir, j->uow->folder, j->uow->id);
        if (r >= 0)
                r = haul_discard(dir, r == WHOSE_OURS ? j->uow->folder : NULL, j->uow->id, e);
        return r < 0 ? r : make_sentinels(c, e);
}

int chain_work(void *arg, cJSON *result, Error *e) {
        const RelocateJob *j = arg;
        _cleanup_(chain_done) Chain c = { .job = j, .to = -1, .notes = -1 };
        int r = open_chain(&c, e);

        if (r < 0)
                return r;
        sweep_notes(&c);
        r = take_free_name(c.to, j->uow->folder, j->uow->finished, j->uow->id, &c.name);
        if (r < 0)
                return error_set(
                        e, r, "%s can't be looked at: %s", j->config->chain.to, strerror(-r));
        c.path = xasprintf("%s/%s", j->config->chain.to, c.name);
        if (!c.path)
                return -ENOMEM;
        r = r == WHOSE_OURS ? finish(&c, e) : hand_over(&c, e);
        return r == 0 ? json_set_name(result, "moved_to", c.path) : r;
}
