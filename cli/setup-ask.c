/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Asking. The same check serves flags, --yes and a person at a terminal, who is told what was wrong and asked again.
 */

#include "setup-questions.h"

#include <ctype.h>
#include <stdarg.h>
#include <string.h>

#include "fileio.h"
#include "output.h"
#include "text.h"

#define PASS_INTERVAL (5 * USEC_PER_MINUTE)

#define NO_ANSWER "No answer came any more"

static bool is_wanted(const Setup *s, Question q) {
        if (questions[q].slurm)
                return streq(s->answers[ASK_SCHEDULER], "slurm");
        return true;
}

/* Slurm is there, or was chosen before: then that is what is meant. */
static bool goes_without_saying(const Setup *s, Question q) {
        return q == ASK_SCHEDULER && (s->site.found || s->today);
}

/* ---- asking ---- */

/* A line from standard input without its end, new string; NULL at its end. */
static char *read_line(void) {
        _cleanup_free_ char *line = NULL;
        size_t room = 0;
        ssize_t n = getline(&line, &room, stdin);
        char *begin;

        if (n < 0)
                return NULL;
        while (n > 0 && isspace((unsigned char)line[n - 1]))
                line[--n] = 0;
        begin = line + strspn(line, " \t");
        return strdup(begin);
}

bool setup_agree(const char *fmt, ...) {
        _cleanup_free_ char *question = NULL, *answer = NULL;
        va_list ap;
        int r;

        va_start(ap, fmt);
        r = vasprintf(&question, fmt, ap);
        va_end(ap);
        if (r < 0)
                return false;
        out_ask("%s [Y/n] ", question);
        answer = read_line();
        return answer && (!*answer || *answer == 'y' || *answer == 'Y');
}

int setup_ask_name(Setup *s, Error *e) {
        for (;;) {
                _cleanup_free_ char *name = NULL;

                out_ask("Name of this instance [%s]: ", s->instance);
                name = read_line();
                if (!name)
                        return error_set(e, -ECANCELED, NO_ANSWER);
                if (!*name)
                        return 0;
                if (config_instance_valid(name)) {
                        snprintf(s->instance, sizeof(s->instance), "%s", name);
                        return 0;
                }
                out_note(
                        "  That will not do: a name has letters, digits, '.', '_' and '-' only, and begins with a letter or digit.");
        }
}

static void show_choices(const Setup *s, Question q) {
        _cleanup_(strv_freep) char **qos = NULL;
        _cleanup_free_ char *list = NULL;
        char *const *known = NULL;

        if (q == ASK_QOS)
                known = qos = site_qos(&s->site, s->answers[ASK_ACCOUNT]);
        else if (q == ASK_ACCOUNT)
                known = s->site.accounts;
        else if (q == ASK_PARTITION)
                known = s->site.partitions;
        else if (q == ASK_RESERVATION)
                known = s->site.reservations;
        list = known && *known ? strv_join(known, ", ") : NULL;
        if (questions[q].hint)
                out_note("  %s", questions[q].hint);
        if (list)
                out_note("  There is: %s%s", list,
                        questions[q].none ? ". A single \"-\" means none of them." : "");
}

/* 0, or -ECANCELED when nobody answers any more. */
static int ask(Question q, const char *offer, char **ret) {
        const QuestionSpec *spec = &questions[q];
        const char *shown = isempty(offer) && spec->none ? spec->none : offer;
        char *answer;

        if (isempty(shown))
                out_ask("%s: ", spec->text);
        else
                out_ask("%s [%s]: ", spec->text, shown);
        answer = read_line();
        if (!answer)
                return -ECANCELED;
        *ret = answer;
        if (!*answer)
                return strdup_to(ret, offer);
        if (spec->none && streq(answer, "-"))
                *answer = 0;
        return 0;
}

static int ask_until_right(Setup *s, Question q, const char *offer, Error *e) {
        show_choices(s, q);
        for (;;) {
                _cleanup_free_ char *answer = NULL;
                int r = ask(q, offer, &answer);

                if (r < 0)
                        return error_set(e, r, NO_ANSWER);
                r = questions[q].check(s, &answer, e);
                if (r <= 0) {
                        s->answers[q] = r == 0 ? TAKE_PTR(answer) : NULL;
                        return r;
                }
                out_note("  That will not do: %s.", e->text);
        }
}

/* A flag's answer, or with --yes what is offered. */
static int take(Setup *s, Question q, const char *offer, Error *e) {
        _cleanup_free_ char *answer = strdup(offer);
        int r = answer ? questions[q].check(s, &answer, e) : -ENOMEM;

        if (r == 0)
                s->answers[q] = TAKE_PTR(answer);
        return r > 0 ? error_prefix(e, r, "--%s", questions[q].flag) : r;
}

static int find_answer(Setup *s, Question q, Error *e) {
        _cleanup_free_ char *offer = questions[q].offer(s);
        int r;

        if (!offer)
                return -ENOMEM;
        if (s->given[q]) {
                r = take(s, q, s->given[q], e);
                if (r <= 0 || s->yes)
                        return r;
                out_note("%s.", e->text);
                return ask_until_right(s, q, offer, e);
        }
        if (s->yes)
                return take(s, q, offer, e);
        if (goes_without_saying(s, q) && take(s, q, offer, e) == 0)
                return 0;
        return ask_until_right(s, q, offer, e);
}

/* ---- what follows from an answer ---- */

/* The folder may know more: what the bash FlowCron was told is offered from now on. */
static int look_for_legacy(Setup *s) {
        _cleanup_close_ int fd = dir_open_path(s->answers[ASK_BASE]);
        int r;

        if (fd < 0 || !legacy_is_base(fd))
                return 0;
        s->is_legacy = true;
        r = legacy_read_settings(fd, &s->legacy);
        if (r < 0)
                setup_warn(s, "What the bash FlowCron in %s was told can't be read: %s",
                        s->answers[ASK_BASE], strerror(-r));
        else if (!s->cli->json)
                out_note(
                        "  The bash FlowCron is in this folder; what it was told is offered below.");
        return 0;
}

static int follow(Setup *s, Question q) {
        if (q == ASK_BASE) {
                if (s->today && !streq(s->today->base, s->answers[q]))
                        setup_warn(s,
                                "What is in %s stays there, and is not served any more; jobs that run there are not followed.",
                                s->today->base);
                setup_tell_base(s, s->answers[q]);
                return look_for_legacy(s);
        }
        if (q == ASK_TIMESTAMP && streq(s->answers[q], "yes"))
                setup_warn(s,
                        "Each upload gets a timestamp: a Globus flow that looks for the name it uploaded does not find it again.");
        if (q == ASK_SCHEDULER && streq(s->answers[q], "slurm") && s->site.trouble)
                setup_warn(s,
                        "Not everything about this site could be learnt, so not everything can be checked: %s",
                        s->site.trouble);
        return 0;
}

static int put_into_config(Setup *s, Error *e) {
        int r = 0;

        for (int q = 0; r == 0 && q < _ASK_MAX; q++)
                if (questions[q].key && s->answers[q])
                        r = config_set(s->config, questions[q].key, s->answers[q], e);
        if (r == 0)
                r = config_set(s->config, "uow.add_timestamp",
                        streq(s->answers[ASK_TIMESTAMP], "yes") ? "true" : "false", e);
        return r;
}

/* With a service it is not the look for uploads but the poll that learns how jobs end. */
static int check_poll(const Setup *s, Error *e) {
        int r;

        if (s->config->scheduler.type != SCHEDULER_SLURM)
                return 0;
        r = site_check_interval(&s->site, s->config->scheduler.poll_interval, e);
        return r == 0 ? 0 : error_prefix(e, r, "scheduler.poll_interval in the configuration");
}

int setup_ask_all(Setup *s, Error *e) {
        int r = 0;

        for (int q = 0; r == 0 && q < _ASK_MAX; q++) {
                if (!is_wanted(s, (Question)q))
                        continue;
                r = find_answer(s, (Question)q, e);
                if (r == 0)
                        r = follow(s, (Question)q);
        }
        if (r == 0)
                r = put_into_config(s, e);
        return r == 0 ? check_poll(s, e) : r;
}

usec_t setup_pass_interval(const Setup *s) {
        usec_t interval = s->config->watch.rescan_interval;
        bool forgets = s->site.knows_accounting && !s->site.accounting && s->site.min_job_age;

        if (!interval)
                interval = forgets && s->site.min_job_age <= PASS_INTERVAL ? USEC_PER_MINUTE
                                                                           : PASS_INTERVAL;
        /* Cron can't do better. */
        return interval < USEC_PER_MINUTE ? USEC_PER_MINUTE : interval;
}
