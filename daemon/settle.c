/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The order of filing. Each step may be found done; what is done twice comes out the same.
 *
 *   find it, take it to the work area     (it is there already, but for what ended before it was staged)
 *   what others left under our names      is kept in flowcron/, where its links are judged
 *   first walk: permissions, what to do about links
 *   record and report                     on disk before anything is removed
 *   second walk: links
 *   sentinels/ goes
 *   one rename into the result folder
 */

#include "settle.h"

#include <fcntl.h>
#include <string.h>

#include "crashpoint.h"
#include "earlier.h"
#include "filing.h"
#include "fileio.h"
#include "haul.h"
#include "settle-write.h"
#include "stage-take.h"
#include "strv.h"
#include "text.h"

struct SettleJob {
        const Layout *layout;
        Config *config;
        const Uow *uow;
        uint64_t *seqs;
        size_t n_seqs;
};

/* What is found out on the way. */
typedef struct Settle {
        const SettleJob *job;
        Place final;
        char *at;     /* its name in the work area */
        char *name;   /* and in the result folder */
        int fd, ours; /* the folder, flowcron/ in it */
        char **prefixes;
} Settle;

static void settle_done(Settle *s) {
        free(s->at);
        free(s->name);
        safe_close(s->fd);
        safe_close(s->ours);
        strv_free(s->prefixes);
}

SettleJob *settle_job_new(const Layout *l, const Config *c, const Uow *u) {
        SettleJob *j = calloc(1, sizeof(*j));

        if (j)
                *j = (SettleJob){ .layout = l, .config = config_ref(c), .uow = u };
        return j;
}

SettleJob *settle_job_free(SettleJob *j) {
        if (!j)
                return NULL;
        config_free(j->config);
        free(j->seqs);
        free(j);
        return NULL;
}

void settle_job_know_events(SettleJob *j, const uint64_t *seqs, size_t n) {
        free(j->seqs);
        j->seqs = n > 0 ? malloc(n * sizeof(*seqs)) : NULL;
        j->n_seqs = j->seqs ? n : 0;
        if (j->seqs)
                memcpy(j->seqs, seqs, n * sizeof(*seqs));
}

/* The name for it in the result folder; 1 if it is there already, filed for this attempt. */
static int find_name(Settle *s, Error *e) {
        const Layout *l = s->job->layout;
        const Uow *u = s->job->uow;
        int dir = l->fd[s->final], r;

        free(s->name);
        s->name = NULL;
        r = take_free_name(dir, u->folder, u->updated, u->id, &s->name);
        if (r == WHOSE_OURS)
                r = take_is_filed(dir, s->name, u->id, u->attempt);
        else if (r > 0)
                r = 0;
        return r < 0
                ? error_set(e, r, "%s can't be looked into: %s", l->path[s->final], strerror(-r))
                : r;
}

/* It is filed; across file systems the original may still be here. */
static int clear_work(const Settle *s, Error *e) {
        const Uow *u = s->job->uow;
        int work = s->job->layout->fd[PLACE_WORK], r;

        r = take_is_filed(work, u->folder, u->id, u->attempt);
        return r < 0 ? r : haul_discard(work, r ? u->folder : NULL, u->id, e);
}

static int take(Settle *s, Error *e) {
        const SettleJob *j = s->job;
        Take t = {
                .layout = j->layout,
                .instance = j->config->instance,
                .id = j->uow->id,
                .name = j->uow->name,
                .folder = j->uow->folder,
                .staged = j->uow->state != UOW_UPLOADED,
                .rename = true,
                .stamp = j->uow->updated,
        };
        int r = take_to_work(&t, &s->at, e);

        /* For the caller both mean: later. */
        return r == UOW_E_BLOCKED ? -EACCES : r;
}

static int add_prefix(Settle *s, Place p, const char *name) {
        const Layout *l = s->job->layout;
        _cleanup_free_ char *real = realpath(l->path[p], NULL);
        int r = strv_take(&s->prefixes, layout_uow_path(l, p, name));

        /* The job may have found its way by another path: `pwd -P`. */
        if (r < 0 || !real || streq(real, l->path[p]))
                return r;
        return strv_take(&s->prefixes, xasprintf("%s/%s", real, name));
}

/* The absolute paths that meant this folder, or will. */
static int find_prefixes(Settle *s) {
        const Uow *u = s->job->uow;
        int r = add_prefix(s, PLACE_WORK, s->at);

        if (r == 0)
                r = add_prefix(s, PLACE_WORK, u->folder);
        if (r == 0)
                r = add_prefix(s, PLACE_UPLOADED, u->name);
        if (r == 0)
                r = add_prefix(s, s->final, s->name);
        for (size_t i = 0; r == 0 && i < ELEMENTSOF(take_result_places); i++)
                r = add_prefix(s, take_result_places[i], u->folder);
        return r;
}

static int write_texts(const Settle *s, const Filing *f, Error *e) {
        const SettleJob *j = s->job;
        _cleanup_free_ char *path = layout_uow_path(j->layout, s->final, s->name);
        _cleanup_json_ cJSON *filing = filing_to_json(f);
        SettleTexts t = {
                .uow = j->uow,
                .config = j->config,
                .seqs = j->seqs,
                .n_seqs = j->n_seqs,
                .statedir = j->layout->fd[PLACE_STATE],
                .uowdir = s->fd,
                .ours = s->ours,
                .path = path,
                .folder = s->name,
                .filing = filing,
        };

        return path && filing ? settle_write(&t, e) : -ENOMEM;
}

static int go_through(Settle *s, Error *e) {
        const SettleJob *j = s->job;
        FilingPlan plan = {
                .parentdir = j->layout->fd[PLACE_WORK],
                .folder = s->at,
                .scope = { s->fd, s->prefixes },
                .symlinks = j->config->results.symlinks,
                .group_writable = j->config->results.group_writable,
        };
        _cleanup_(filing_freep) Filing *f = NULL;
        bool changed;
        int r;

        r = filing_survey(&plan, &f, e);
        if (r == 0)
                r = settle_resume(s->ours, j->uow, f);
        if (r == 0)
                r = write_texts(s, f, e);
        CRASH_POINT("settle-recorded");
        if (r == 0)
                r = filing_apply(&plan, f, &changed, e);
        if (r == 0 && changed)
                r = write_texts(s, f, e);
        CRASH_POINT("settle-links");
        return r;
}

/* What others have put there since the links were judged, or whatever else bears the name, is kept in flowcron/, too. */
int settle_remove_sentinels(int uowdir, int ours) {
        _cleanup_close_ int fd = dir_open_at(uowdir, "sentinels");

        if (fd < 0 && fd != -ENOENT && fd != -ENOTDIR && fd != -ELOOP && fd != -EACCES)
                return fd; /* it may hold our mark */
        if (fd >= 0 && unlinkat(fd, "flowcron", 0) < 0 && errno != ENOENT && errno != EISDIR &&
                errno != EPERM)
                return -errno;
        CRASH_POINT("settle-claim-removed");
        if (unlinkat(uowdir, "sentinels", AT_REMOVEDIR) == 0 || errno == ENOENT)
                return 0;
        if (errno != ENOTEMPTY && errno != EEXIST && errno != ENOTDIR)
                return -errno;
        return earlier_take_in(uowdir, "sentinels", ours, NULL);
}

static int open_folder(Settle *s, Error *e) {
        const SettleJob *j = s->job;
        int r;

        s->fd = dir_open_at(j->layout->fd[PLACE_WORK], s->at);
        if (s->fd < 0)
                return error_set(e, s->fd, "its folder in the work area can't be opened: %s",
                        strerror(-s->fd));
        r = earlier_keep(s->fd, j->uow->id, false, &s->ours, e);
        if (r == 0)
                r = earlier_keep_strangers(s->fd, s->ours);
        return r < 0 && !e->text[0]
                ? error_set(e, r, "what its sentinels/ holds can't be kept: %s", strerror(-r))
                : r;
}

static int show(Settle *s, Error *e) {
        const Layout *l = s->job->layout;
        int r;

        r = settle_remove_sentinels(s->fd, s->ours);
        if (r < 0)
                return error_set(e, r, "its sentinels/ folder can't be removed: %s", strerror(-r));
        CRASH_POINT("settle-sentinels");
        /* Nobody looks again once it is shown: links, modes and what is removed must have come to stay, here and wherever in it. */
        if (syncfs(s->fd) < 0)
                return error_set(e, -errno, "it can't be made durable: %m");
        r = haul_move(l->fd[PLACE_WORK], s->at, l->fd[s->final], s->name, s->job->uow->id, e);
        return r == -EEXIST ? -EAGAIN
                            : r; /* somebody took the name just now: the next try finds another */
}

static int file_it(Settle *s, Error *e) {
        int r = take(s, e);

        if (r != 0)
                return r;
        /* Again: the folder may have been where it is to go, as the result of an earlier attempt. */
        r = find_name(s, e);
        if (r == 0)
                r = find_prefixes(s);
        if (r == 0)
                r = open_folder(s, e);
        if (r == 0)
                r = go_through(s, e);
        return r == 0 ? show(s, e) : r > 0 ? -EAGAIN : r;
}

int settle_work(void *arg, cJSON *result, Error *e) {
        const SettleJob *j = arg;
        _cleanup_(settle_done) Settle s = { .job = j, .fd = -1, .ours = -1 };
        int r;

        s.final = place_for_outcome(j->uow->outcome);
        r = find_name(&s, e);
        if (r == 1)
                r = clear_work(&s, e);
        else if (r == 0)
                r = file_it(&s, e);
        if (r == 0 && !streq(s.name, j->uow->folder))
                r = json_set_name(result, "folder", s.name);
        return r;
}
