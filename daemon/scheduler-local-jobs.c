/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The jobs as the daemon sees them: read once from .flowcron/local, and looked at again whenever something may have changed.
 *
 * What has happened is told by three things, in this order: the record, if it says that the job has ended; the claim, whether
 * anybody has begun it; the claimant's process, whether it still lives. A job is called dead only when its supervisor is, when the
 * record was read once more after that, and when nothing of it is running.
 *
 * Called by scheduler-local.c.
 */

#include "scheduler-local-internal.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "fileio.h"
#include "text.h"

#define FOLDER "local"

/* How long the files of a job that has ended are kept, and of how many jobs at most. */
#define KEEP_FOR USEC_PER_DAY
#define KEEP_MAX 1000

/* Left by somebody who died while writing. */
#define SCRAP_AGE (60 * 60)

/* ---- the list ---- */

LocalJob *local_jobs_find(Local *l, uint64_t id) {
        LocalJob *j;

        TAILQ_FOREACH_REVERSE(j, &l->jobs, LocalJobList, entry)
                if (j->record.id <= id)
                        return j->record.id == id ? j : NULL;
        return NULL;
}

LocalJob *local_jobs_by_token(Local *l, const char *token) {
        LocalJob *j;

        TAILQ_FOREACH_REVERSE(j, &l->jobs, LocalJobList, entry)
                if (streq(j->record.token, token))
                        return j;
        return NULL;
}

/* A Unit of Work's own job: the number alone is not enough, should the folder have been lost and numbers begun anew. */
LocalJob *local_job_of(Local *l, const Uow *u) {
        char token[SCHEDULER_TOKEN_MAX];
        LocalJob *j;

        scheduler_token(token, u);
        if (!u->job_id)
                return local_jobs_by_token(l, token);
        j = local_jobs_find(l, strtoull(u->job_id, NULL, 10));
        return j && streq(j->record.token, token) ? j : NULL;
}

LocalJob *local_jobs_add(Local *l, LocalRecord *r) {
        LocalJob *j = calloc(1, sizeof(*j)), *before;

        if (!j)
                return NULL;
        j->local = l;
        j->record = *r;
        *r = (LocalRecord){ .id = 0 };
        TAILQ_FOREACH_REVERSE(before, &l->jobs, LocalJobList, entry)
                if (before->record.id < j->record.id)
                        break;
        if (before)
                TAILQ_INSERT_AFTER(&l->jobs, before, j, entry);
        else
                TAILQ_INSERT_HEAD(&l->jobs, j, entry);
        if (j->record.id > l->highest)
                l->highest = j->record.id;
        return j;
}

/* A supervisor of ours goes on. */
static void job_free(LocalJob *j) {
        TAILQ_REMOVE(&j->local->jobs, j, entry);
        sd_event_source_unref(j->ended);
        local_record_done(&j->record);
        free(j);
}

void local_jobs_free(Local *l) {
        LocalJob *j;

        while ((j = TAILQ_FIRST(&l->jobs)))
                job_free(j);
}

/* ---- reading the folder ---- */

static int open_folder(Local *l) {
        int state = l->scheduler->layout->fd[PLACE_STATE], r;

        if (mkdirat(state, FOLDER, 0700) == 0)
                r = dir_sync(state);
        else
                r = errno == EEXIST ? 0 : -errno;
        if (r == 0)
                r = dir_open_at(state, FOLDER);
        if (r < 0)
                return r;
        l->dir = r;
        return 0;
}

static void remove_scrap(int dir, const char *name) {
        struct stat st;

        if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
                st.st_mtim.tv_sec + SCRAP_AGE < time(NULL))
                (void)unlinkat(dir, name, 0);
}

/* A record that is not whole is of a submission that was never answered; it is not touched, and its number is not given again. */
static int load_job(Local *l, uint64_t id) {
        LocalRecord r;
        int k = local_record_load(l->dir, id, &r);

        if (k == -ENOENT || k == -EBADMSG)
                return 0;
        if (k < 0)
                return k;
        if (local_jobs_add(l, &r))
                return 0;
        local_record_done(&r);
        return -ENOMEM;
}

static int read_folder(Local *l) {
        int fd = dir_open_at(l->dir, "."), r = 0;
        _cleanup_closedir_ DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
        const struct dirent *de;

        if (!d) {
                safe_close(fd);
                return fd < 0 ? fd : -errno;
        }
        errno = 0;
        while (r >= 0 && (de = readdir(d))) {
                uint64_t id = local_file_id(de->d_name, ".json"),
                         claim = local_file_id(de->d_name, ".claim");

                if (de->d_name[0] == '.')
                        remove_scrap(l->dir, de->d_name);
                if (id > l->highest || claim > l->highest)
                        l->highest = id > claim ? id : claim;
                if (id)
                        r = load_job(l, id);
                errno = 0;
        }
        return r < 0 ? r : -errno;
}

int local_jobs_load(Local *l) {
        int r = 0;

        if (l->loaded)
                return 0;
        if (l->dir < 0)
                r = open_folder(l);
        if (r == 0)
                r = read_folder(l);
        if (r < 0) {
                local_jobs_free(l);
                return r;
        }
        l->loaded = true;
        return 0;
}

/* ---- one job ---- */

static int reload(LocalJob *j) {
        LocalRecord r;
        int k = local_record_load(j->local->dir, j->record.id, &r);

        if (k < 0)
                return k;
        local_record_done(&j->record);
        j->record = r;
        return 0;
}

static int write_end(LocalJob *j, LocalState state) {
        LocalState before = j->record.state;
        int r;

        j->record.state = state;
        j->record.ended = clock_now();
        r = local_record_save(j->local->dir, &j->record);
        if (r < 0) {
                j->record.state = before;
                j->record.ended = 0;
        }
        return r;
}

static LocalLife life_of(const LocalClaim *c) {
        LocalLife life = local_process_life(&c->process);

        if (life != LOCAL_LIFE_UNKNOWN)
                return life;
        return c->signs + LOCAL_SILENCE_MAX < clock_now() ? LOCAL_LIFE_DEAD : LOCAL_LIFE_ALIVE;
}

/* The supervisor is dead, and may have written the end just before. */
static int bury(LocalJob *j) {
        int r = reload(j);

        if (r < 0 || local_state_ended(j->record.state))
                return r;
        r = local_process_kill_orphans(&j->supervisor);
        if (r != 0)
                return r < 0 ? r : -EAGAIN;
        return write_end(j, LOCAL_NODE_FAIL);
}

static int look_at_claim(LocalJob *j) {
        LocalClaim c;
        int r = local_claim_load(j->local->dir, j->record.id, &c);

        if (r == -ENOENT) {
                j->claimed = false;
                j->record.state = LOCAL_PENDING; /* whatever the record says: nobody has it */
                return 0;
        }
        if (r < 0)
                return r;
        j->claimed = true;
        j->supervisor = c.process;
        if (c.cancel)
                return write_end(j, LOCAL_CANCELLED);
        if (life_of(&c) == LOCAL_LIFE_DEAD)
                return bury(j);
        j->record.state = LOCAL_RUNNING;
        return 0;
}

int local_job_refresh(LocalJob *j) {
        LocalState before = j->record.state;
        usec_t started = j->record.started;
        int r;

        if (local_state_ended(before))
                return 0;
        r = reload(j);
        if (r == 0 && !local_state_ended(j->record.state))
                r = look_at_claim(j);
        if (r < 0) {
                j->record.state = before;
                return r;
        }
        return j->record.state != before || j->record.started != started;
}

int local_job_drop(LocalJob *j) {
        int r = local_claim_take(j->local->dir, j->record.id, true);

        if (r < 0)
                return r;
        j->claimed = true;
        return write_end(j, LOCAL_CANCELLED);
}

bool local_job_uses_slot(const LocalJob *j) {
        return j->child > 0 || (j->claimed && !local_state_ended(j->record.state));
}

/* ---- tidying up ---- */

static bool is_wanted(const LocalJob *j) {
        const Uow *u = j->uow;

        return local_job_uses_slot(j) || j->asked ||
                (u && u->state == UOW_QUEUED && u->attempt == j->record.attempt);
}

void local_jobs_tidy(Local *l) {
        usec_t now = clock_now();
        LocalJob *j, *next;
        size_t ended = 0;

        TAILQ_FOREACH(j, &l->jobs, entry)
                ended += local_state_ended(j->record.state);
        /* The last one stays, so that its number is not given again. */
        for (j = TAILQ_FIRST(&l->jobs); j && (next = TAILQ_NEXT(j, entry)); j = next) {
                bool over = local_state_ended(j->record.state);
                usec_t since = over ? j->record.ended : j->record.submitted;

                if (is_wanted(j) || (since + KEEP_FOR > now && (!over || ended <= KEEP_MAX)))
                        continue;
                if (!over) {
                        (void)local_job_drop(j); /* nobody will ever ask for it */
                        continue;
                }
                local_record_remove(l->dir, j->record.id);
                job_free(j);
                ended--;
        }
}
