/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the bash FlowCron has in its folders and in the queue: see legacy.h.
 *
 * Which job belongs to which folder is told, in this order of trust, by squeue (the job's script lies in the folder), by the clean-up job's arguments, and by
 * the logs. A folder's output file alone proves nothing: it may be of an earlier run.
 */

#include "legacy.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "claim.h"
#include "fileio.h"
#include "slurm-text.h"
#include "text.h"

#define LOG_SUFFIX "_cron_target.log"
#define LOG_MAX ((size_t)64 * 1024 * 1024)

#define MARK_RUNNING "SlurmRunning"

/* What it puts into sentinels/; a time or a job's number may follow. */
static const char *const marks[] = { MARK_RUNNING, "transfer_to_slurm-",
        "COPY-FOR-GLOBUS-DOWNLOAD-" };

static void uow_done(LegacyUow *u) {
        free(u->folder);
        free(u->job_id);
        free(u->cleanup);
}

void legacy_survey_done(LegacySurvey *s) {
        for (size_t i = 0; i < s->n; i++)
                uow_done(&s->uows[i]);
        free(s->uows);
        strv_free(s->left);
        *s = (LegacySurvey){};
}

/* ---- folders ---- */

static bool is_mark(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(marks); i++)
                if (startswith(name, marks[i]))
                        return true;
        return false;
}

/* What is in sentinels/ of a folder. */
typedef struct Sentinels {
        bool there, running, marked, ours, others;
} Sentinels;

static int look_at_sentinels(int dirfd, const char *folder, Sentinels *ret) {
        _cleanup_close_ int fd = dir_open_at(dirfd, folder);
        _cleanup_closedir_ DIR *d = NULL;
        struct dirent *de;
        int sentinels;

        *ret = (Sentinels){};
        if (fd < 0)
                return fd;
        sentinels = dir_open_at(fd, "sentinels");
        if (sentinels == -ENOENT || sentinels == -ENOTDIR || sentinels == -ELOOP)
                return 0;
        if (sentinels < 0 || !(d = fdopendir(sentinels)))
                return sentinels < 0 ? sentinels : -errno;
        ret->there = true;
        while ((errno = 0, de = readdir(d))) {
                if (streq(de->d_name, ".") || streq(de->d_name, ".."))
                        continue;
                if (startswith(de->d_name, MARK_RUNNING))
                        ret->running = true;
                if (is_mark(de->d_name))
                        ret->marked = true;
                else if (streq(de->d_name, CLAIM_FILE))
                        ret->ours = true;
                else
                        ret->others = true;
        }
        return -errno;
}

static LegacyFinding judge(Place place, const Sentinels *s) {
        if (place == PLACE_UPLOADED)
                return LEGACY_STUCK;
        if (place != PLACE_WORK)
                return s->there ? LEGACY_UNFINISHED : LEGACY_KEPT;
        if (!s->there || s->others)
                return LEGACY_FOREIGN;
        if (s->running)
                return LEGACY_SUBMITTED;
        return s->ours ? LEGACY_OURS : LEGACY_WAITING;
}

/* The latest output of a job in a result: which job, and when it wrote last. */
static void note_output(LegacyUow *u, int fd) {
        int copy = openat(fd, u->folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        _cleanup_closedir_ DIR *d = copy < 0 ? NULL : fdopendir(copy);
        struct dirent *de;

        if (!d) {
                safe_close(copy);
                return;
        }
        while ((de = readdir(d))) {
                const char *digits = startswith(de->d_name, "slurm-");
                size_t n = digits ? strspn(digits, "0123456789") : 0;
                struct stat st;
                usec_t changed;

                if (n == 0 || n > 10 || !streq(digits + n, ".out") ||
                        fstatat(dirfd(d), de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        continue;
                changed = (usec_t)st.st_mtim.tv_sec * USEC_PER_SEC;
                if (changed < u->ended)
                        continue;
                u->ended = changed;
                free(u->job_id);
                u->job_id = strndup(digits, n);
        }
}

static int add_uow(LegacySurvey *s, int fd, Place place, const char *folder) {
        Sentinels sentinels;
        LegacyUow *more, u = { .place = place };
        int r = look_at_sentinels(fd, folder, &sentinels);

        if (r == -ENOENT || r == -ENOTDIR || r == -ELOOP)
                return 0; /* it is gone, or no folder */
        if (r < 0 && strv_take(&s->left, xasprintf("%s: %s", folder, strerror(-r))) < 0)
                return -ENOMEM;
        if (r < 0 || (place == PLACE_UPLOADED && (!sentinels.marked || sentinels.others)))
                return 0;
        u.finding = judge(place, &sentinels);
        u.folder = strdup(folder);
        more = u.folder ? reallocarray(s->uows, s->n + 1, sizeof(*more)) : NULL;
        if (!more) {
                free(u.folder);
                return -ENOMEM;
        }
        if (u.finding == LEGACY_KEPT || u.finding == LEGACY_UNFINISHED)
                note_output(&u, fd);
        s->uows = more;
        more[s->n++] = u;
        return 0;
}

static int survey_place(LegacySurvey *s, const Layout *l, Place place, Error *e) {
        int fd = dir_open_path(l->path[place]), r = 0;
        _cleanup_closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *de;

        if (fd == -ENOENT)
                return 0;
        if (!d) {
                r = fd < 0 ? fd : -errno;
                return error_set(e, r, "%s can't be listed: %s", l->path[place], strerror(-r));
        }
        while (r >= 0 && (errno = 0, de = readdir(d)))
                if (de->d_name[0] != '.')
                        r = add_uow(s, fd, place, de->d_name);
        return r < 0 ? r : -errno;
}

/* ---- logs ---- */

/* The Unit of Work in the work area whose folder's path ends at @end. */
static LegacyUow *find_before(LegacySurvey *s, const char *line, const char *end) {
        for (size_t i = 0; i < s->n; i++) {
                LegacyUow *u = &s->uows[i];
                size_t n = strlen(u->folder);

                if (u->place == PLACE_WORK && (size_t)(end - line) > n &&
                        end[-(ptrdiff_t)n - 1] == '/' && strncmp(end - n, u->folder, n) == 0)
                        return u;
        }
        return NULL;
}

int legacy_read_log(LegacySurvey *s, const char *text) {
        static const char words[] = " with JobID ";

        for (const char *p = text, *hit; (hit = strstr(p, words)); p = hit + 1) {
                const char *id = hit + strlen(words), *line = hit;
                size_t n = strspn(id, "0123456789");
                LegacyUow *u;

                while (line > text && line[-1] != '\n')
                        line--;
                u = find_before(s, line, hit);
                if (!u || n == 0 || n > 10)
                        continue;
                free(u->job_id);
                u->job_id = strndup(id, n);
                if (!u->job_id)
                        return -ENOMEM;
        }
        return 0;
}

static int is_log(const struct dirent *de) {
        size_t n = strlen(de->d_name), m = strlen(LOG_SUFFIX);

        return n > m && streq(de->d_name + n - m, LOG_SUFFIX);
}

/* Oldest first, as their names begin with the date: the last word on a folder counts. */
static int read_logs(LegacySurvey *s, const Layout *l) {
        struct dirent **names = NULL;
        int fd = dir_open_path(l->path[PLACE_LOGS]),
            n = fd < 0 ? 0 : scandirat(fd, ".", &names, is_log, alphasort), r = 0;

        for (int i = 0; i < n; i++) {
                _cleanup_free_ char *text = NULL;

                if (r >= 0 && file_read_at(fd, names[i]->d_name, LOG_MAX, &text, NULL) == 0)
                        r = legacy_read_log(s, text);
                free(names[i]);
        }
        free(names);
        safe_close(fd);
        return r;
}

int legacy_survey(const Layout *l, LegacySurvey *ret, Error *e) {
        static const Place places[] = { PLACE_UPLOADED, PLACE_WORK, PLACE_ANALYSED, PLACE_FAILED,
                PLACE_BIN_ANALYSED, PLACE_BIN_FAILED };
        _cleanup_(legacy_survey_done) LegacySurvey s = {};
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(places); i++)
                r = survey_place(&s, l, places[i], e);
        if (r >= 0)
                r = read_logs(&s, l);
        if (r < 0)
                return r;
        *ret = s;
        s = (LegacySurvey){};
        return 0;
}

/* ---- the queue ---- */

char **legacy_queue_args(const char *marker) {
        _cleanup_(strv_freep) char **argv = NULL;

        if (strv_add_all(&argv, "squeue", "--noheader", NULL) < 0 ||
                strv_take(&argv, xasprintf("--user=%u", (unsigned)getuid())) < 0 ||
                strv_take(&argv,
                        xasprintf("--format=%%F%s%%T%s%%V%s%%o%s", marker, marker, marker,
                                marker)) < 0)
                return NULL;
        return TAKE_PTR(argv);
}

/* "/a/./b//c" as "/a/b/c": how sbatch was called leaves its traces. In place. */
static void squeeze(char *path) {
        char *out = path;

        for (const char *p = path; *p; p++) {
                if (p[0] == '/' && p[1] == '.' && p[2] == '/')
                        p++;
                else if (p[0] != '/' || p[1] != '/')
                        *out++ = *p;
        }
        *out = 0;
}

/* The Unit of Work that @path, seen from the scripts' folder, names: "slurm/NAME", with @rest directly behind it. */
static LegacyUow *find_path(LegacySurvey *s, const char *path, const char *rest) {
        const char *name = startswith(path, "./") ? path + 2 : path;

        name = startswith(name, "slurm/");
        for (size_t i = 0; name && i < s->n; i++) {
                size_t n = strlen(s->uows[i].folder);

                if (s->uows[i].place == PLACE_WORK && strncmp(name, s->uows[i].folder, n) == 0 &&
                        startswith(name + n, rest))
                        return &s->uows[i];
        }
        return NULL;
}

typedef struct QueueRow {
        char *id, *state, *submitted, *command;
} QueueRow;

static int note_job(LegacyUow *u, const QueueRow *row) {
        u->submitted = slurm_time_parse(row->submitted);
        return strdup_to(&u->job_id, row->id);
}

/* "cleanup.sh slurm/NAME 17" */
static int note_cleanup(LegacySurvey *s, const char *args, const QueueRow *row) {
        const char *job = strrchr(args, ' ');
        _cleanup_free_ char *folder = job ? strndup(args, (size_t)(job - args)) : NULL;
        LegacyUow *u = folder ? find_path(s, folder, "") : NULL;
        int r;

        /* A name that is the beginning of another's. */
        if (!u || !streq(strrchr(folder, '/') + 1, u->folder))
                return 0;
        u->cleaning = slurm_state_life(row->state) == SLURM_LIFE_RUNNING;
        r = strdup_to(&u->cleanup, row->id);
        if (r == 0 && !u->job_id && job[1] && !job[1 + strspn(job + 1, "0123456789")])
                r = strdup_to(&u->job_id, job + 1);
        return r;
}

static int note_row(LegacySurvey *s, QueueRow *row, char *const *code) {
        squeeze(row->command);
        if (!*row->id || row->id[strspn(row->id, "0123456789")] ||
                slurm_state_life(row->state) == SLURM_LIFE_ENDED)
                return 0;
        for (; *code; code++) {
                const char *rest = startswith(row->command, *code), *args;
                LegacyUow *u;

                if (!rest || *rest != '/')
                        continue;
                args = startswith(rest, "/cleanup.sh ");
                if (args)
                        return note_cleanup(s, args, row);
                u = find_path(s, rest + 1, "/scripts/");
                if (u)
                        return note_job(u, row);
        }
        return 0;
}

/* The field at *@p, which ends at the marker; NULL: there is none. */
static char *take_field(char **p, const char *marker) {
        char *field = *p, *end = strstr(field, marker);

        if (!end)
                return NULL;
        *end = 0;
        *p = end + strlen(marker);
        return field + strspn(field, "\n");
}

int legacy_read_queue(LegacySurvey *s, const char *out, const char *marker, char *const *code) {
        _cleanup_free_ char *copy = strdup(out);
        char *p = copy;
        int r = copy ? 0 : -ENOMEM;

        while (r >= 0) {
                QueueRow row;

                if (!(row.id = take_field(&p, marker)) || !(row.state = take_field(&p, marker)) ||
                        !(row.submitted = take_field(&p, marker)) ||
                        !(row.command = take_field(&p, marker)))
                        break;
                r = note_row(s, &row, code);
        }
        return r;
}

/* ---- putting right ---- */

int legacy_clear_marks(int dirfd_, const char *folder) {
        _cleanup_close_ int fd = dir_open_at(dirfd_, folder);
        _cleanup_closedir_ DIR *d = NULL;
        struct dirent *de;
        int sentinels, others = 0, r = 0;

        if (fd < 0)
                return fd;
        sentinels = dir_open_at(fd, "sentinels");
        if (sentinels == -ENOENT)
                return 0;
        if (sentinels < 0 || !(d = fdopendir(sentinels)))
                return sentinels < 0 ? sentinels : -errno;
        while ((errno = 0, de = readdir(d))) {
                if (streq(de->d_name, ".") || streq(de->d_name, ".."))
                        continue;
                if (streq(de->d_name, CLAIM_FILE))
                        continue;
                if (!is_mark(de->d_name))
                        others = 1;
                else if (unlinkat(sentinels, de->d_name, 0) < 0 && errno != ENOENT && r == 0)
                        r = -errno;
        }
        if (errno)
                return -errno;
        return r < 0 ? r : others;
}
