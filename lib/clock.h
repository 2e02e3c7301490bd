/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Times and durations.
 *
 * usec_t is microseconds: since the epoch for a point in time, plain for a duration; 0 means "not
 * known". On disk and in JSON a point in time is RFC 3339 with offset. Retention is counted in the
 * event log's times; whatever must not jump with the clock (deadlines) uses CLOCK_BOOTTIME.
 */

#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t usec_t;

#define USEC_PER_MSEC UINT64_C(1000)
#define USEC_PER_SEC UINT64_C(1000000)
#define USEC_PER_MINUTE (60 * USEC_PER_SEC)
#define USEC_PER_HOUR (60 * USEC_PER_MINUTE)
#define USEC_PER_DAY (24 * USEC_PER_HOUR)
#define USEC_INFINITY UINT64_MAX

/* "2026-11-21T07:28:11.123456+00:00" and the NUL */
#define CLOCK_TEXT_MAX 40

/** clock_now() - the wall clock. */
usec_t clock_now(void);

/** clock_monotonic() - CLOCK_MONOTONIC, as systemd wants it with RELOADING=1. */
usec_t clock_monotonic(void);

/** clock_boottime() - never goes back, counts sleep too; for deadlines within one boot. */
usec_t clock_boottime(void);

/**
 * clock_format() - RFC 3339 in local time with offset, whole seconds ("2026-11-21T08:28:11+01:00")
 * Returns @buf, which holds "" for 0.
 */
const char *clock_format(char buf[static CLOCK_TEXT_MAX], usec_t t);

/** clock_format_usec() - RFC 3339 in UTC with microseconds; what the event log holds. */
const char *clock_format_usec(char buf[static CLOCK_TEXT_MAX], usec_t t);

/** clock_format_short() - "12:03" today, "Nov 21 12:03" this year, "2025-11-21" before; local time. */
const char *clock_format_short(char buf[static CLOCK_TEXT_MAX], usec_t t, usec_t now);

/**
 * clock_parse() - RFC 3339 with offset or "Z", fraction of any length (digits beyond microseconds are dropped)
 * Returns 0 or -EINVAL. Written for speed: a history is full of times.
 */
int clock_parse(const char *s, usec_t *ret);

/**
 * duration_parse() - "90s", "15m", "6h", "14d", or "0"
 * Returns 0, -EINVAL (not of that form), -ERANGE (over 100 years).
 */
int duration_parse(const char *s, usec_t *ret);

/** duration_format() - exact, in the largest fitting unit: "90s", "15m", "0". */
const char *duration_format(char buf[static CLOCK_TEXT_MAX], usec_t d);

/** duration_words() - for people, two units at most: "2 h 5 min", "14 days", "less than a second". */
const char *duration_words(char buf[static CLOCK_TEXT_MAX], usec_t d);
