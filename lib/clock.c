/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Times as text, and back.
 *
 * Reading is done by hand: strptime() and timegm() are slow enough to be felt when the event log of
 * a busy year is replayed at the start. Months are English whatever the locale, because logs are
 * read by other programs too.
 */

#include "clock.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cleanup.h"

/* The last second that RFC 3339 can write, 9999-12-31T23:59:59Z. */
#define TIME_MAX_SEC INT64_C(253402300799)

/* Longer than anything that a configuration can mean. */
#define DURATION_MAX (UINT64_C(36525) * USEC_PER_DAY)

static const struct {
        char letter;
        const char *word;
        usec_t usec;
} duration_units[] = {
        { 'd', "day", USEC_PER_DAY },
        { 'h', "h", USEC_PER_HOUR },
        { 'm', "min", USEC_PER_MINUTE },
        { 's', "s", USEC_PER_SEC },
};

static usec_t clock_read(clockid_t id) {
        struct timespec ts;

        clock_gettime(id, &ts);
        return (usec_t)ts.tv_sec * USEC_PER_SEC + (usec_t)ts.tv_nsec / 1000;
}

usec_t clock_now(void) {
        return clock_read(CLOCK_REALTIME);
}

usec_t clock_monotonic(void) {
        return clock_read(CLOCK_MONOTONIC);
}

usec_t clock_boottime(void) {
        return clock_read(CLOCK_BOOTTIME);
}

/* False for a time that is not known or that RFC 3339 has no way to write. */
static bool clock_local(usec_t t, struct tm *ret) {
        time_t sec = (time_t)(t / USEC_PER_SEC);

        return t > 0 && sec < TIME_MAX_SEC && localtime_r(&sec, ret) && ret->tm_year + 1900 <= 9999;
}

const char *clock_format(char buf[static CLOCK_TEXT_MAX], usec_t t) {
        struct tm tm;
        long minutes;
        size_t n;

        buf[0] = 0;
        if (!clock_local(t, &tm))
                return buf;
        minutes = tm.tm_gmtoff / 60;
        n = strftime(buf, CLOCK_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
        snprintf(buf + n, CLOCK_TEXT_MAX - n, "%c%02ld:%02ld", minutes < 0 ? '-' : '+',
                labs(minutes) / 60, labs(minutes) % 60);
        return buf;
}

const char *clock_format_usec(char buf[static CLOCK_TEXT_MAX], usec_t t) {
        time_t sec = (time_t)(t / USEC_PER_SEC);
        struct tm tm;
        size_t n;

        buf[0] = 0;
        if (t == 0 || sec > TIME_MAX_SEC || !gmtime_r(&sec, &tm))
                return buf;
        n = strftime(buf, CLOCK_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
        snprintf(buf + n, CLOCK_TEXT_MAX - n, ".%06uZ", (unsigned)(t % USEC_PER_SEC));
        return buf;
}

const char *clock_format_short(char buf[static CLOCK_TEXT_MAX], usec_t t, usec_t now) {
        static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug",
                "Sep", "Oct", "Nov", "Dec" };
        struct tm tm, today;

        buf[0] = 0;
        if (!clock_local(t, &tm))
                return buf;
        if (!clock_local(now, &today) || tm.tm_year != today.tm_year)
                strftime(buf, CLOCK_TEXT_MAX, "%Y-%m-%d", &tm);
        else if (tm.tm_yday != today.tm_yday)
                snprintf(buf, CLOCK_TEXT_MAX, "%s %d %02d:%02d", months[tm.tm_mon], tm.tm_mday,
                        tm.tm_hour, tm.tm_min);
        else
                snprintf(buf, CLOCK_TEXT_MAX, "%02d:%02d", tm.tm_hour, tm.tm_min);
        return buf;
}

/* Days from 1970-01-01 to a date of the Gregorian calendar; years begin in March, so that the leap day comes last. */
static int64_t days_from_date(int year, int month, int day) {
        int64_t y = month > 2 ? year : year - 1;
        int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

        return y * 365 + y / 4 - y / 100 + y / 400 + day_of_year - 719468;
}

static int month_length(int year, int month) {
        static const signed char lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
        bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

        return lengths[month - 1] + (month == 2 && leap);
}

static bool is_digit(char c) {
        return c >= '0' && c <= '9';
}

/* Read exactly @n digits and the character behind them (0: none is looked for); false if they are not there. */
static bool read_number(const char **s, int n, char behind, int *ret) {
        int value = 0;

        for (; n > 0; n--, (*s)++) {
                if (!is_digit(**s))
                        return false;
                value = value * 10 + (**s - '0');
        }
        *ret = value;
        return !behind || *(*s)++ == behind;
}

static bool read_date(const char **s, int64_t *ret_days) {
        int year, month, day;

        if (!read_number(s, 4, '-', &year) || !read_number(s, 2, '-', &month) ||
                !read_number(s, 2, 0, &day))
                return false;
        if (month < 1 || month > 12 || day < 1 || day > month_length(year, month))
                return false;
        *ret_days = days_from_date(year, month, day);
        return true;
}

/* A leap second (:60) reads as the second after it: the clock of the system knows none. */
static bool read_time(const char **s, int *ret_sec, int *ret_usec) {
        int hour, minute, sec, usec = 0, digits = 0;

        if (!read_number(s, 2, ':', &hour) || !read_number(s, 2, ':', &minute) ||
                !read_number(s, 2, 0, &sec) || hour > 23 || minute > 59 || sec > 60)
                return false;
        if (**s == '.') {
                for ((*s)++; is_digit(**s); (*s)++, digits++)
                        usec = digits < 6 ? usec * 10 + (**s - '0') : usec;
                if (digits == 0)
                        return false;
                for (; digits < 6; digits++)
                        usec *= 10;
        }
        *ret_sec = (hour * 60 + minute) * 60 + sec;
        *ret_usec = usec;
        return true;
}

static bool read_offset(const char **s, int *ret_sec) {
        char sign = *(*s)++;
        int hours, minutes;

        *ret_sec = 0;
        if (sign == 'Z' || sign == 'z')
                return true;
        if ((sign != '+' && sign != '-') || !read_number(s, 2, ':', &hours) ||
                !read_number(s, 2, 0, &minutes) || hours > 23 || minutes > 59)
                return false;
        *ret_sec = (hours * 60 + minutes) * (sign == '-' ? -60 : 60);
        return true;
}

int clock_parse(const char *s, usec_t *ret) {
        int64_t days, seconds;
        int sec, usec, offset;

        if (!s || !read_date(&s, &days) || (*s != 'T' && *s != 't' && *s != ' '))
                return -EINVAL;
        s++;
        if (!read_time(&s, &sec, &usec) || !read_offset(&s, &offset) || *s)
                return -EINVAL;
        seconds = days * 86400 + sec - offset;
        if (seconds < 0)
                return -EINVAL;
        *ret = (usec_t)seconds * USEC_PER_SEC + (usec_t)usec;
        return 0;
}

int duration_parse(const char *s, usec_t *ret) {
        usec_t n = 0;

        if (!s || !is_digit(*s))
                return -EINVAL;
        for (; is_digit(*s); s++)
                n = n < DURATION_MAX ? n * 10 + (usec_t)(*s - '0') : n;
        if (n == 0 && !*s) {
                *ret = 0;
                return 0;
        }
        for (size_t i = 0; i < ELEMENTSOF(duration_units); i++) {
                if (s[0] != duration_units[i].letter || s[1])
                        continue;
                if (n > DURATION_MAX / duration_units[i].usec)
                        return -ERANGE;
                *ret = n * duration_units[i].usec;
                return 0;
        }
        return -EINVAL;
}

const char *duration_format(char buf[static CLOCK_TEXT_MAX], usec_t d) {
        usec_t seconds = d / USEC_PER_SEC * USEC_PER_SEC;
        size_t i = 0;

        while (i < ELEMENTSOF(duration_units) - 1 && seconds % duration_units[i].usec != 0)
                i++;
        if (seconds == 0)
                snprintf(buf, CLOCK_TEXT_MAX, "0");
        else
                snprintf(buf, CLOCK_TEXT_MAX, "%" PRIu64 "%c", seconds / duration_units[i].usec,
                        duration_units[i].letter);
        return buf;
}

static size_t words_add(char *buf, size_t n, usec_t count, size_t unit) {
        const char *word = duration_units[unit].word;
        const char *plural = unit == 0 && count != 1 ? "s" : "";

        return n +
                (size_t)snprintf(buf + n, CLOCK_TEXT_MAX - n, "%s%" PRIu64 " %s%s",
                        n > 0 ? " " : "", count, word, plural);
}

const char *duration_words(char buf[static CLOCK_TEXT_MAX], usec_t d) {
        size_t i = 0, n;

        while (i < ELEMENTSOF(duration_units) && d < duration_units[i].usec)
                i++;
        if (i == ELEMENTSOF(duration_units)) {
                snprintf(buf, CLOCK_TEXT_MAX, "less than a second");
                return buf;
        }
        n = words_add(buf, 0, d / duration_units[i].usec, i);
        d %= duration_units[i].usec;
        if (++i < ELEMENTSOF(duration_units) && d >= duration_units[i].usec)
                words_add(buf, n, d / duration_units[i].usec, i);
        return buf;
}
