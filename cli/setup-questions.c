/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The questions of setup, in one table: how each is asked, by which flag it is answered, what is offered, and how an answer is checked.
 */

#include "setup-questions.h"

#include <fcntl.h>
#include <string.h>

#include "text.h"

/* ---- what is offered ---- */

static char *today_or(
        const Setup *s, const char *today, const char *legacy, const char *otherwise) {
        return strdup(s->today ? today : legacy ? legacy : otherwise);
}

static char *offer_base(const Setup *s) {
        _cleanup_free_ char *cwd = getcwd(NULL, 0);
        _cleanup_close_ int fd = cwd ? open(cwd, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

        if (s->today)
                return strdup(s->today->base);
        if (fd >= 0 && legacy_is_base(fd))
                return TAKE_PTR(cwd);
        if (streq(s->instance, "default"))
                return xasprintf("%s/flowcron", s->home);
        return xasprintf("%s/flowcron-%s", s->home, s->instance);
}

static char *offer_scheduler(const Setup *s) {
        if (s->today)
                return strdup(s->today->scheduler.type == SCHEDULER_LOCAL ? "local" : "slurm");
        return strdup(s->site.found ? "slurm" : "");
}

static char *offer_account(const Setup *s) {
        return today_or(s, s->today ? s->today->scheduler.account : NULL, s->legacy.account, "");
}

static char *offer_qos(const Setup *s) {
        return today_or(s, s->today ? s->today->scheduler.qos : NULL, s->legacy.qos, "");
}

/* Where no partition is the default, one must be named. */
static char *offer_partition(const Setup *s) {
        const char *first =
                s->site.partitions && !s->site.default_partition ? s->site.partitions[0] : NULL;

        return today_or(s, s->today ? s->today->scheduler.partition : NULL, s->legacy.partition,
                first ?: "");
}

static char *offer_reservation(const Setup *s) {
        return today_or(
                s, s->today ? s->today->scheduler.reservation : NULL, s->legacy.reservation, "");
}

static char *offer_interval(const Setup *s) {
        char buf[CLOCK_TEXT_MAX];

        if (!s->today || !s->today->watch.rescan_interval)
                return strdup("auto");
        return strdup(duration_format(buf, s->today->watch.rescan_interval));
}

static char *offer_days(const Setup *s, usec_t today, int legacy) {
        char buf[CLOCK_TEXT_MAX];

        if (!s->today)
                return xasprintf("%d", legacy < 0 ? 0 : legacy);
        if (today % USEC_PER_DAY == 0)
                return xasprintf("%u", (unsigned)(today / USEC_PER_DAY));
        return strdup(duration_format(buf, today));
}

static char *offer_soft_delete(const Setup *s) {
        return offer_days(s, s->today ? s->today->retention.soft_delete_after : 0,
                s->legacy.soft_delete_days);
}

static char *offer_purge(const Setup *s) {
        return offer_days(s, s->today ? s->today->retention.purge_after : 0, s->legacy.purge_days);
}

static char *offer_timestamp(const Setup *s) {
        bool today = s->today ? s->today->uow.add_timestamp : s->legacy.add_timestamp > 0;

        return strdup(today ? "yes" : "no");
}

static char *offer_service(const Setup *s _unused_) {
        return strdup("auto");
}

/* ---- checking ---- */

static int check_words(const char *const *words, const char *answer, Error *e) {
        _cleanup_free_ char *shown = text_printable(answer, 60), *list = NULL;

        for (size_t i = 0; words[i]; i++)
                if (streq(words[i], answer))
                        return 0;
        list = strv_join((char *const *)words, ", ");
        if (!shown || !list)
                return -ENOMEM;
        return error_set(e, UOW_E_INVALID, "\"%s\" is none of: %s", shown, list);
}

/* ~ is not for us to know in general, but everybody types it. */
static int absolute(const Setup *s, char **answer) {
        _cleanup_free_ char *cwd = NULL, *path = NULL;

        if (**answer == '/' || !**answer)
                return 0;
        if (streq(*answer, "~") || startswith(*answer, "~/"))
                path = xasprintf("%s%s", s->home, *answer + 1);
        else if ((cwd = getcwd(NULL, 0)))
                path = xasprintf("%s/%s", cwd, *answer);
        if (!path)
                return -ENOMEM;
        free(*answer);
        *answer = TAKE_PTR(path);
        return 0;
}

static int check_base(Setup *s, char **answer, Error *e) {
        int r = absolute(s, answer);

        /* By the rules of the configuration, which also takes superfluous slashes away. */
        if (r == 0)
                r = config_set(s->config, "base", *answer, e);
        if (r == 0)
                r = strdup_to(answer, s->config->base);
        return r == 0 ? setup_check_base(s, *answer, e) : r;
}

static int check_scheduler(Setup *s _unused_, char **answer, Error *e) {
        static const char *const words[] = { "slurm", "local", NULL };

        if (isempty(*answer))
                return error_set(e, UOW_E_REJECTED,
                        "Slurm's commands (sinfo, sbatch) are not in the PATH. Where they are to be had, load the module or "
                        "mend the PATH; to run jobs on this machine, without Slurm, answer \"local\"");
        return check_words(words, *answer, e);
}

static int check_known(char *const *known, const char *what, const char *answer, Error *e) {
        _cleanup_free_ char *shown = text_printable(answer, 60), *list = NULL;

        if (isempty(answer) || !known || !*known || strv_contains(known, answer))
                return 0;
        list = strv_join(known, ", ");
        if (!shown || !list)
                return -ENOMEM;
        return error_set(e, UOW_E_REJECTED, "there is no %s \"%s\" for you here; there is: %s",
                what, shown, list);
}

static int check_account(Setup *s, char **answer, Error *e) {
        return check_known(s->site.accounts, "account", *answer, e);
}

static int check_qos(Setup *s, char **answer, Error *e) {
        _cleanup_(strv_freep) char **known = site_qos(&s->site, s->answers[ASK_ACCOUNT]);

        return known ? check_known(known, "QoS", *answer, e) : -ENOMEM;
}

static int check_partition(Setup *s, char **answer, Error *e) {
        if (isempty(*answer) && s->site.partitions && !s->site.default_partition)
                return error_set(e, UOW_E_REJECTED,
                        "no partition is the default here, so one must be named");
        return check_known(s->site.partitions, "partition", *answer, e);
}

static int check_reservation(Setup *s, char **answer, Error *e) {
        return check_known(s->site.reservations, "reservation", *answer, e);
}

static int check_interval(Setup *s, char **answer, Error *e) {
        usec_t interval;

        if (streq(*answer, "auto"))
                return 0;
        if (duration_parse(*answer, &interval) < 0 || interval < USEC_PER_SEC)
                return error_set(e, UOW_E_INVALID,
                        "an interval is \"auto\", or a number with its unit: 30s, 5m, 1h");
        if (streq(s->answers[ASK_SCHEDULER], "slurm"))
                return site_check_interval(&s->site, interval, e);
        return 0;
}

/* "14" is days; a duration may be given as well. */
static int check_days(Setup *s _unused_, char **answer, Error *e) {
        const char *digits = *answer;
        usec_t duration;

        if (*digits && !digits[strspn(digits, "0123456789")] && !streq(digits, "0")) {
                char *days = xasprintf("%sd", digits);

                if (!days)
                        return -ENOMEM;
                free(*answer);
                *answer = days;
        }
        if (duration_parse(*answer, &duration) < 0)
                return error_set(
                        e, UOW_E_INVALID, "a number of days is wanted, as in 14; 0 for never");
        return 0;
}

static int check_timestamp(Setup *s _unused_, char **answer, Error *e) {
        bool yes = streq(*answer, "yes") || streq(*answer, "y");

        if (!yes && !streq(*answer, "no") && !streq(*answer, "n"))
                return error_set(e, UOW_E_INVALID, "answer yes or no");
        return strdup_to(answer, yes ? "yes" : "no");
}

static int check_service(Setup *s _unused_, char **answer, Error *e) {
        return check_words(setup_service_words, *answer, e);
}

/* ---- the table ---- */

const QuestionSpec questions[_ASK_MAX] = {
        [ASK_BASE] = { "base", "Base folder",
                "Everything of this instance is kept in it. Best is a folder of your project.",
                false, NULL, offer_base, check_base, "base" },
        [ASK_SCHEDULER] = { "scheduler", "Run jobs with (slurm, local)", NULL, false, NULL,
                offer_scheduler, check_scheduler, "scheduler.type" },
        [ASK_ACCOUNT] = { "account", "Account to charge", NULL, true, "Slurm's default for you",
                offer_account, check_account, "scheduler.account" },
        [ASK_QOS] = { "qos", "QoS", NULL, true, "Slurm's default for you", offer_qos, check_qos,
                "scheduler.qos" },
        [ASK_PARTITION] = { "partition", "Partition", NULL, true, "Slurm's default",
                offer_partition, check_partition, "scheduler.partition" },
        [ASK_RESERVATION] = { "reservation", "Reservation", NULL, true, "none", offer_reservation,
                check_reservation, "scheduler.reservation" },
        [ASK_INTERVAL] = { "interval", "How often to look for uploads",
                "A service notices most at once; auto adds a look every 15 or 60 seconds. From cron, auto is every "
                "5 minutes at most.",
                false, NULL, offer_interval, check_interval, "watch.rescan_interval" },
        [ASK_SOFT_DELETE] = { "soft-delete-days", "Days until a result goes to the recycling bin",
                "0: never.", false, NULL, offer_soft_delete, check_days,
                "retention.soft_delete_after" },
        [ASK_PURGE] = { "purge-days", "Days until it is removed from there for good", "0: never.",
                false, NULL, offer_purge, check_days, "retention.purge_after" },
        [ASK_TIMESTAMP] = { "timestamp", "Add a timestamp to the name of each upload (yes, no)",
                "Only names that are in use already get one otherwise. With yes, a Globus flow that looks for the name "
                "it uploaded does not find it again.",
                false, NULL, offer_timestamp, check_timestamp, NULL },
        [ASK_SERVICE] = { "service", "Kept running by (auto, systemd, scrontab, cron, none)",
                "auto takes the first of them that is to be had.", false, NULL, offer_service,
                check_service, NULL },
};
