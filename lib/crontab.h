/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A crontab's text with lines of ours in it: pure text in, text out.
 *
 * What is ours stands between two marked lines that name the instance. Nothing outside of them is ever changed, and
 * what was put in can be taken out again to the byte. The same text serves cron and Slurm's scrontab, which prefixes lines of
 * a cancelled entry with "#DISABLED: "; such lines within our marks are ours as well.
 */

#include <stdbool.h>

#include "clock.h"

/** crontab_has() - whether @text has lines of instance @instance. */
bool crontab_has(const char *text, const char *instance);

/** crontab_with() - @text with @lines (each with its newline) as those of @instance, in the place of earlier ones or at the end. New string or NULL. */
char *crontab_with(const char *text, const char *instance, const char *lines);

/** crontab_without() - @text without the lines of @instance. New string or NULL. */
char *crontab_without(const char *text, const char *instance);

/** crontab_without_line() - @text without the lines that are exactly @line, and without the comments of its maker just above them that @is_theirs knows. New string or NULL. */
char *crontab_without_line(
        const char *text, const char *line, bool (*is_theirs)(const char *comment));

/**
 * crontab_schedule() - when to run something each @interval, as the five fields
 * Cron counts in whole minutes and within an hour or a day: "every fifth minute". Returns 0, or -EINVAL for an interval that can't be had
 * so: it must be some minutes that divide an hour, some hours that divide a day, or a day.
 */
#define CRONTAB_SCHEDULE_MAX 32
int crontab_schedule(usec_t interval, char buf[static CRONTAB_SCHEDULE_MAX]);

/**
 * crontab_quote() - @word as one word of the shell that runs a line
 * @percent: escape "%", which cron (not scrontab) would take for a line break
 * New string; NULL without memory. A line break can't be had in a crontab: -EINVAL.
 */
int crontab_quote(const char *word, bool percent, char **ret);

/**
 * crontab_command() - what a line runs: the text behind the five fields or the @word
 * NULL for what is no entry (blank, a comment, a variable). Points into @line.
 */
const char *crontab_command(const char *line);

/** crontab_first_word() - the first word of a command, its quotes removed; new string or NULL. */
char *crontab_first_word(const char *command);
