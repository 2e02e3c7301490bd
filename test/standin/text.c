/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Strings that grow, times as Slurm writes them, small files. Nothing here fails softly: a test
 * tool that is out of memory ends.
 */
#include "standin.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void die(int code, const char *fmt, ...) {
        va_list ap;

        va_start(ap, fmt);
        vfprintf(stderr, fmt, ap);
        va_end(ap);
        fputc('\n', stderr);
        exit(code);
}

void *xcalloc(size_t n, size_t size) {
        void *p = calloc(n ? n : 1, size ? size : 1);

        if (!p)
                die(99, "standin: out of memory");
        return p;
}

char *xstrdup(const char *s) {
        char *p = strdup(s);

        if (!p)
                die(99, "standin: out of memory");
        return p;
}

void *one_more(void *array, size_t n, size_t size) {
        /* By doubling: the array was grown when n reached a power of two. */
        if (n && (n & (n - 1)))
                return array;
        array = realloc(array, (n ? n * 2 : 1) * size);
        if (!array)
                die(99, "standin: out of memory");
        return array;
}

void text_add_bytes(Text *t, const void *s, size_t n) {
        if (t->n + n + 1 > t->cap) {
                t->cap = (t->n + n + 1) * 2;
                t->s = realloc(t->s, t->cap);
                if (!t->s)
                        die(99, "standin: out of memory");
        }
        memcpy(t->s + t->n, s, n);
        t->n += n;
        t->s[t->n] = 0;
}

void text_add(Text *t, const char *s) {
        text_add_bytes(t, s, strlen(s));
}

void text_addf(Text *t, const char *fmt, ...) {
        char buf[512], *big = NULL;
        va_list ap;
        int n;

        va_start(ap, fmt);
        n = vsnprintf(buf, sizeof(buf), fmt, ap);
        va_end(ap);
        if ((size_t)n < sizeof(buf)) {
                text_add_bytes(t, buf, (size_t)n);
                return;
        }
        va_start(ap, fmt);
        if (vasprintf(&big, fmt, ap) < 0)
                die(99, "standin: out of memory");
        va_end(ap);
        text_add(t, big);
        free(big);
}

void text_add_padded(Text *t, const char *s, size_t width, bool right) {
        size_t n = strlen(s);

        if (width && n > width)
                n = width;
        for (size_t i = n; right && i < width; i++)
                text_add_bytes(t, " ", 1);
        text_add_bytes(t, s, n);
        for (size_t i = n; !right && i < width; i++)
                text_add_bytes(t, " ", 1);
}

void text_add_json(Text *t, const char *s) {
        text_add_bytes(t, "\"", 1);
        for (; *s; s++) {
                unsigned char c = (unsigned char)*s;

                if (c == '"' || c == '\\')
                        text_addf(t, "\\%c", c);
                else if (c < 0x20 || c == 0x7f)
                        text_addf(t, "\\u%04x", c);
                else
                        text_add_bytes(t, s, 1);
        }
        text_add_bytes(t, "\"", 1);
}

const char *text_str(const Text *t) {
        return t->s ? t->s : "";
}

void text_free(Text *t) {
        free(t->s);
        *t = (Text){};
}

int64_t now_ms(void) {
        struct timespec ts;

        clock_gettime(CLOCK_REALTIME, &ts);
        return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void sleep_ms(int64_t ms) {
        struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000 };

        if (ms <= 0)
                return;
        while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
                ;
}

static char *rotating(void) {
        static char bufs[8][48];
        static unsigned at;

        return bufs[at++ % 8];
}

const char *time_iso(int64_t ms, const char *unset) {
        char *buf = rotating();
        time_t t = (time_t)(ms / 1000);
        struct tm tm;

        if (ms <= 0)
                return unset;
        localtime_r(&t, &tm);
        strftime(buf, 48, "%Y-%m-%dT%H:%M:%S", &tm);
        return buf;
}

const char *span_long(int64_t s) {
        char *buf = rotating();
        int n = 0;

        if (s < 0)
                s = 0;
        if (s >= 86400)
                n = snprintf(buf, 48, "%lld-", (long long)(s / 86400));
        snprintf(buf + n, 48 - (size_t)n, "%02d:%02d:%02d", (int)(s / 3600 % 24),
                (int)(s / 60 % 60), (int)(s % 60));
        return buf;
}

const char *span_short(int64_t s) {
        char *buf = rotating();

        if (s < 0)
                s = 0;
        if (s >= 86400)
                return span_long(s);
        if (s >= 3600)
                snprintf(buf, 48, "%d:%02d:%02d", (int)(s / 3600), (int)(s / 60 % 60),
                        (int)(s % 60));
        else
                snprintf(buf, 48, "%d:%02d", (int)(s / 60), (int)(s % 60));
        return buf;
}

int64_t parse_limit(const char *s) {
        long long f[4] = {};
        int n = 0, dash = -1;
        const char *p = s;

        if (!strcasecmp(s, "UNLIMITED") || !strcasecmp(s, "INFINITE") || !strcmp(s, "-1"))
                return NO_LIMIT;
        for (;;) {
                char *end;

                if (!isdigit((unsigned char)*p) || n == 4)
                        return -1;
                f[n++] = strtoll(p, &end, 10);
                if (*end == '-' && dash < 0 && n == 1)
                        dash = 1;
                else if (*end == 0)
                        break;
                else if (*end != ':')
                        return -1;
                p = end + 1;
        }
        if (dash > 0) /* D-H[:M[:S]] */
                return f[0] * 1440 + f[1] * 60 + f[2] + (f[3] > 0);
        if (n == 1)
                return f[0];
        if (n == 2) /* M:S */
                return f[0] + (f[1] > 0);
        return n == 3 ? f[0] * 60 + f[1] + (f[2] > 0) : -1;
}

static int64_t relative_when(const char *s) {
        static const struct {
                const char *unit;
                int64_t seconds;
        } units[] = { { "", 1 }, { "second", 1 }, { "seconds", 1 }, { "minute", 60 },
                { "minutes", 60 }, { "hour", 3600 }, { "hours", 3600 }, { "day", 86400 },
                { "days", 86400 }, { "week", 604800 }, { "weeks", 604800 } };
        int64_t now = now_ms(), sign;
        char *end;
        long long n;

        if (!*s)
                return now;
        if (*s != '+' && *s != '-')
                return -1;
        sign = *s == '-' ? -1 : 1;
        n = strtoll(s + 1, &end, 10);
        for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
                if (end != s + 1 && !strcasecmp(end, units[i].unit))
                        return now + sign * n * units[i].seconds * 1000;
        return -1;
}

int64_t parse_when(const char *s) {
        static const char *const forms[] = { "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d",
                "%H:%M:%S", "%H:%M", "%m/%d/%y-%H:%M:%S", "%m/%d/%y" };
        time_t now = (time_t)(now_ms() / 1000);
        struct tm base;

        if (!strncasecmp(s, "now", 3))
                return relative_when(s + 3);
        localtime_r(&now, &base);
        base.tm_hour = base.tm_min = base.tm_sec = 0;
        if (!strcasecmp(s, "today") || !strcasecmp(s, "midnight"))
                return (int64_t)mktime(&base) * 1000;
        for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
                struct tm tm = base;
                const char *end = strptime(s, forms[i], &tm);

                tm.tm_isdst = -1;
                if (end && !*end)
                        return (int64_t)mktime(&tm) * 1000;
        }
        if (*s && strspn(s, "0123456789") == strlen(s) && strlen(s) > 8)
                return strtoll(s, NULL, 10) * 1000;
        return -1;
}

char *read_whole(const char *path, size_t *ret_size) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        Text t = {};
        char buf[65536];
        ssize_t n;

        if (fd < 0)
                return NULL;
        while ((n = read(fd, buf, sizeof(buf))) > 0)
                text_add_bytes(&t, buf, (size_t)n);
        close(fd);
        if (n < 0) {
                text_free(&t);
                return NULL;
        }
        if (!t.s)
                text_add(&t, "");
        if (ret_size)
                *ret_size = t.n;
        return t.s;
}

void write_whole(const char *path, const void *data, size_t n, mode_t mode) {
        char tmp[4200];
        int fd;

        snprintf(tmp, sizeof(tmp), "%s.%d", path, (int)getpid());
        fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
        if (fd < 0 || write(fd, data, n) != (ssize_t)n || fchmod(fd, mode) < 0 || close(fd) < 0 ||
                rename(tmp, path) < 0)
                die(99, "standin: cannot write %s: %s", path, strerror(errno));
}

bool list_has(const char *list, const char *word, size_t len) {
        for (const char *p = list; *p;) {
                size_t n = strcspn(p, ",");

                if (n == len && !memcmp(p, word, n))
                        return true;
                p += n + (p[n] == ',');
        }
        return false;
}
