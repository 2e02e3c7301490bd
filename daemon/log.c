/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One message, up to three places: the journal (when systemd started us) or standard error, and the
 * daily file. Writing to the file is best effort by design; its first failure is said on the other channel.
 */

#define SD_JOURNAL_SUPPRESS_LOCATION

#include "log.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <time.h>

#include "crashpoint.h"
#include "fileio.h"
#include "text.h"

#define LOG_SUFFIX "_flowcron.log"
#define LOG_NAME_MAX sizeof("YYYY-MM-DD" LOG_SUFFIX)

static struct {
        char instance[65];
        bool journal;
        int dir, file;
        char name[LOG_NAME_MAX]; /* of the file that is open */
        int file_error;          /* why the last line did not get into the file: -errno */
        usec_t file_failed_since;
} logger = { .dir = -1, .file = -1 };

/* JOURNAL_STREAM holds device and inode of the stream that systemd connected us to: systemd.exec(5). */
static bool stderr_is_journal(void) {
        const char *stream = getenv("JOURNAL_STREAM");
        unsigned long long dev, ino;
        struct stat st;

        return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
                fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

int log_open(const char *instance, int logs) {
        log_close();
        snprintf(logger.instance, sizeof(logger.instance), "%s", instance);
        logger.journal = stderr_is_journal();
        if (logs >= 0) {
                logger.dir = fcntl(logs, F_DUPFD_CLOEXEC, 3);
                if (logger.dir < 0)
                        return -errno;
        }
        return 0;
}

void log_close(void) {
        logger.file = safe_close(logger.file);
        logger.dir = safe_close(logger.dir);
        logger.name[0] = 0;
        logger.file_error = 0;
}

static void file_name(char name[static LOG_NAME_MAX], usec_t now) {
        time_t t = (time_t)(now / USEC_PER_SEC);
        struct tm tm;

        localtime_r(&t, &tm);
        if (strftime(name, LOG_NAME_MAX, "%Y-%m-%d" LOG_SUFFIX, &tm) == 0)
                name[0] = 0;
}

/* Somebody may have cleared the folder. */
static bool is_gone(int fd) {
        struct stat st;

        return fstat(fd, &st) == 0 && st.st_nlink == 0;
}

static int file_open(usec_t now) {
        char name[LOG_NAME_MAX];
        struct stat st;

        if (logger.dir < 0)
                return -EBADF;
        file_name(name, now);
        if (logger.file >= 0 && streq(name, logger.name) && !is_gone(logger.file))
                return 0;
        safe_close(logger.file);
        logger.file = openat(logger.dir, name,
                O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0640);
        if (logger.file < 0)
                return -errno;
        /* The group may write to the folder: what it put there is not what we write to. */
        if (fstat(logger.file, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink > 1) {
                logger.file = safe_close(logger.file);
                return -EPERM;
        }
        memcpy(logger.name, name, sizeof(name));
        return 0;
}

static const char *priority_word(int priority) {
        static const char *const words[] = { "emergency", "alert", "critical", "error", "warning",
                "notice", "info", "debug" };

        return words[priority & 7];
}

static void to_stderr(int priority, const char *text) {
        dprintf(STDERR_FILENO, "flowcrond[%s]: %s: %s\n", logger.instance, priority_word(priority),
                text);
}

static void to_file(int priority, const char *text) {
        _cleanup_free_ char *line = NULL;
        usec_t now = clock_now();
        char when[CLOCK_TEXT_MAX];
        int r;

        r = file_open(now);
        if (r == -EBADF)
                return;
        line = xasprintf("%s %s: %s\n", clock_format(when, now), priority_word(priority), text);
        if (r == 0 && line)
                r = fd_write_all(logger.file, line, strlen(line));
        if (r < 0 && !logger.file_error) {
                logger.file_failed_since = now;
                if (!logger.journal)
                        dprintf(STDERR_FILENO,
                                "flowcrond[%s]: warning: the daily log can't be written: %s\n",
                                logger.instance, strerror(-r));
        }
        logger.file_error = r;
}

int log_trouble(usec_t *ret_since) {
        if (logger.file_error)
                *ret_since = logger.file_failed_since;
        return logger.file_error;
}

/* A field "NAME=value" for sd_journal_sendv(); values of unknown make are allowed there, newlines included. */
static size_t add_field(struct iovec *iov, size_t n, const char *name, const char *value) {
        char *text;

        if (isempty(value))
                return n;
        text = xasprintf("%s=%s", name, value);
        if (!text)
                return n;
        iov[n] = (struct iovec){ .iov_base = text, .iov_len = strlen(text) };
        return n + 1;
}

static size_t add_uow_fields(struct iovec *iov, size_t n, const Uow *u, const Event *ev) {
        _cleanup_free_ char *name = text_escape(u->folder);
        char attempt[16];

        n = add_field(iov, n, "FLOWCRON_UOW", name);
        n = add_field(iov, n, "FLOWCRON_ID", u->id);
        n = add_field(iov, n, "FLOWCRON_STATE", state_to_string(u->state));
        n = add_field(iov, n, "FLOWCRON_JOB", u->job_id);
        snprintf(attempt, sizeof(attempt), "%d", u->attempt);
        n = add_field(iov, n, "FLOWCRON_ATTEMPT", attempt);
        return ev ? add_field(iov, n, "FLOWCRON_EVENT", event_type_to_string(ev->type)) : n;
}

static void to_journal(
        int priority, const char *message_id, const Uow *u, const Event *ev, const char *text) {
        struct iovec iov[12];
        char number[16];
        size_t n = 0;

        snprintf(number, sizeof(number), "%d", priority & 7);
        n = add_field(iov, n, "MESSAGE", text);
        n = add_field(iov, n, "PRIORITY", number);
        n = add_field(iov, n, "SYSLOG_IDENTIFIER", "flowcrond");
        n = add_field(iov, n, "MESSAGE_ID", message_id);
        n = add_field(iov, n, "FLOWCRON_INSTANCE", logger.instance);
        if (u)
                n = add_uow_fields(iov, n, u, ev);
        if (sd_journal_sendv(iov, (int)n) < 0)
                to_stderr(priority, text);
        while (n > 0)
                free(iov[--n].iov_base);
}

static void emit(
        int priority, const char *message_id, const Uow *u, const Event *ev, const char *raw) {
        _cleanup_free_ char *text = text_printable(raw, 0);
        int saved = errno;

        if (!text)
                return;
        if (logger.journal)
                to_journal(priority, message_id, u, ev, text);
        else if ((priority & 7) < LOG_DEBUG || getenv("FLOWCRON_DEBUG"))
                to_stderr(priority, text);
        if ((priority & 7) < LOG_DEBUG)
                to_file(priority, text);
        errno = saved;
}

void log_message(int priority, const char *message_id, const char *fmt, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;
        int r;

        va_start(ap, fmt);
        r = vasprintf(&text, fmt, ap);
        va_end(ap);
        if (r < 0)
                text = NULL;
        else
                emit(priority, message_id, NULL, NULL, text);
}

static void emit_uow(
        int priority, const char *message_id, const Uow *u, const Event *ev, const char *text) {
        _cleanup_free_ char *name = text_printable(u->folder, 0), *line = NULL;

        line = xasprintf("%s: %s", name ?: u->id, text);
        if (line)
                emit(priority, message_id, u, ev, line);
}

void log_uow(int priority, const Uow *u, const Event *ev, const char *fmt, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;
        int r;

        va_start(ap, fmt);
        r = vasprintf(&text, fmt, ap);
        va_end(ap);
        if (r < 0)
                text = NULL;
        else
                emit_uow(priority, NULL, u, ev, text);
}

void log_stuck(const Uow *u, const char *reason) {
        _cleanup_free_ char *text = xasprintf(
                "its job waits for something that does not lift by itself: %s", reason ?: "?");

        if (text)
                emit_uow(LOG_WARNING, MESSAGE_ID_STUCK, u, NULL, text);
}

static char *ended_words(const Event *ev) {
        const char *reason = json_str(ev->data, "reason");

        return xasprintf("ended: %s%s%s", json_str(ev->data, "outcome") ?: "?", reason ? ": " : "",
                reason ?: "");
}

static char *job_words(const Event *ev) {
        const char *reason = json_str(ev->data, "reason"), *nodes = json_str(ev->data, "nodes");

        return xasprintf("job is %s%s%s%s%s", json_str(ev->data, "phase") ?: "known",
                nodes ? " on " : "", nodes ?: "", reason ? ": " : "", reason ?: "");
}

/* What happened, in the words of the log. */
static char *event_words(const Event *ev) {
        const cJSON *d = ev->data;

        switch (ev->type) {
        case EVENT_UPLOADED:
                return xasprintf("%s as %s",
                        json_bool(d, "imported", false) ? "taken over" : "uploaded",
                        json_str(d, "name") ?: "?");
        case EVENT_STAGED:
                return xasprintf("staged, script %s", json_str(d, "script") ?: "?");
        case EVENT_SUBMITTING:
                return xasprintf("submitting attempt %d", ev->attempt);
        case EVENT_DEFERRED:
                return xasprintf("not submitted for now: %s", json_str(d, "reason") ?: "?");
        case EVENT_QUEUED:
                return xasprintf("queued as job %s%s", json_str(d, "job_id") ?: "?",
                        json_bool(d, "imported", false)          ? " (by another program)"
                                : json_bool(d, "adopted", false) ? " (found again)"
                                                                 : "");
        case EVENT_JOB:
                return job_words(ev);
        case EVENT_ENDED:
                return ended_words(ev);
        case EVENT_REQUEUED:
                return xasprintf("is tried again by itself: %s", json_str(d, "reason") ?: "?");
        case EVENT_MOVED_ON:
                return xasprintf("moved on to %s", json_str(d, "moved_to") ?: "?");
        case EVENT_PURGED:
                return xasprintf("purged (by %s)", json_str(d, "by") ?: "?");
        case EVENT_FOLDER:
                return xasprintf("its folder is now %s", json_str(d, "folder") ?: "?");
        default:
                return xasprintf("%s%s%s", event_type_to_string(ev->type),
                        json_str(d, "by") ? " by " : "", json_str(d, "by") ?: "");
        }
}

void log_event(const Uow *u, const Event *ev) {
        _cleanup_free_ char *words = event_words(ev);

        if (words)
                emit_uow(LOG_INFO, MESSAGE_ID_UOW_EVENT, u, ev, words);
}

static bool is_daily_log(const char *name) {
        struct tm tm = {};
        const char *rest = strptime(name, "%Y-%m-%d", &tm);

        return rest && rest == name + strlen("YYYY-MM-DD") && streq(rest, LOG_SUFFIX);
}

void log_rotate(usec_t keep) {
        char oldest[LOG_NAME_MAX];
        _cleanup_closedir_ DIR *d = NULL;
        struct dirent *de;
        int fd;

        if (logger.dir < 0 || keep == 0)
                return;
        fd = openat(logger.dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || !(d = fdopendir(fd))) {
                safe_close(fd);
                return;
        }
        file_name(oldest, clock_now() - keep);
        while ((de = readdir(d)))
                if (is_daily_log(de->d_name) && strcmp(de->d_name, oldest) < 0) {
                        CRASH_POINT("log-before-remove");
                        unlinkat(logger.dir, de->d_name, 0);
                }
}
