/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Setting an instance up, and taking it back: what the files of `flowcronctl setup` share.
 *
 *   cmd-setup.c       the options, and the order of things
 *   setup-questions.c the questions, in one table
 *   setup-ask.c       asks them, or takes the answers from flags; checks, and asks again
 *   setup-site.c      what Slurm offers
 *   setup-base.c      the base folder: looked at, tried out, made
 *   setup-standstill.c, setup-takeover.c  what the bash FlowCron has in it
 *   setup-service.c   which service is to be had; the crontabs
 *   setup-unit.c      the service of systemd
 *   setup-remove.c    the way back
 *   setup-report.c    what is said, and printed with --json
 *
 * Nothing is written before everything was asked and agreed to. From then on each step may be found done, so that a setup which
 * died half-way is completed by running it again.
 */

#include "cli.h"
#include "layout.h"
#include "legacy.h"
#include "run.h"
#include "strv.h"

typedef enum Question {
        ASK_BASE,
        ASK_SCHEDULER,
        ASK_ACCOUNT,
        ASK_QOS,
        ASK_PARTITION,
        ASK_RESERVATION,
        ASK_INTERVAL,
        ASK_SOFT_DELETE,
        ASK_PURGE,
        ASK_TIMESTAMP,
        ASK_SERVICE,
        _ASK_MAX,
} Question;

/* What Slurm offers this user; empty: not known, and then nothing can be called wrong. */
typedef struct Site {
        bool found; /* Slurm's commands are here */
        char **accounts, **partitions, **reservations;
        char *default_partition;
        char *associations;    /* as sacctmgr printed them */
        bool knows_accounting; /* the next is known */
        bool accounting;
        usec_t min_job_age; /* 0: not known */
        char *trouble;      /* why something is not known; NULL: all is */
} Site;

typedef struct Setup {
        Cli *cli;
        bool yes, remove, no_start, remove_old_cron;
        const char *given[_ASK_MAX]; /* by a flag */

        char instance[80];
        char *config_path;
        bool elsewhere; /* the configuration is not where programs look for it by the instance's name */
        char *home;     /* as this person's programs have it: $HOME */
        char *login_home; /* as cron and systemd have it: of the user database */
        char *flowcrond, *flowcronctl;
        Config *today;  /* as it was found, or NULL */
        Config *config; /* as it is to be */
        char *answers[_ASK_MAX];
        Site site;
        bool is_legacy; /* the base folder is the bash FlowCron's */
        LegacySettings legacy;
        Layout *layout;

        cJSON *done;     /* array: what was done, in words */
        cJSON *warnings; /* array */
        cJSON *storage;  /* what is known of the base folder's */
        cJSON *service;  /* what was installed, and why nothing better */
        cJSON *takeover; /* what was taken over; NULL: nothing was there */
} Setup;

/* ---- setup-report.c ---- */

/** setup_say_done(), setup_warn() - something for people, at once on standard error (not with --json), and into the report. */
void setup_say_done(Setup *s, const char *fmt, ...) _printf_(2, 3);
void setup_warn(Setup *s, const char *fmt, ...) _printf_(2, 3);

/** setup_summary() - what is going to be done, before anything is. */
void setup_summary(Setup *s);

/** setup_print() - the end: the report with --json, else what to do next. Returns the exit code @code. */
int setup_print(Setup *s, int code);

/* ---- setup-ask.c ---- */

/** setup_ask_name() - the first question, as everything hangs on it: s->instance is offered. 0, or -ECANCELED with @e. */
int setup_ask_name(Setup *s, Error *e);

/**
 * setup_ask_all() - find an answer to each question, and put them into s->config
 * Returns 0; UOW_E_INVALID: a flag's value is no answer; UOW_E_REJECTED: it is one that can't be had here; -ECANCELED: nobody
 * answers any more; -errno; with @e.
 */
int setup_ask_all(Setup *s, Error *e);

/** setup_agree() - ask whether to go on; yes is the default. */
bool setup_agree(const char *fmt, ...) _printf_(1, 2);

/** setup_pass_interval() - how often a pass from cron or scrontab looks. */
usec_t setup_pass_interval(const Setup *s);

/* ---- setup-site.c ---- */

/** setup_ask_site() - ask Slurm, all at once. 0 or -ENOMEM. */
int setup_ask_site(Site *ret);
void site_done(Site *site);
/** site_qos() - the QoS that go with @account; new vector, empty if not known, NULL without memory. */
char **site_qos(const Site *site, const char *account);
/** site_check_interval() - 0, or UOW_E_REJECTED: with no accounting, who looks so seldom does not learn how jobs end. */
int site_check_interval(const Site *site, usec_t interval, Error *e);

/* ---- setup-base.c ---- */

/** setup_check_base() - whether @path will do; makes nothing that it does not remove. 0; UOW_E_INVALID, UOW_E_REJECTED, -errno with @e. */
int setup_check_base(Setup *s, const char *path, Error *e);
/** setup_tell_base() - what it is, and what is to be said against it. */
void setup_tell_base(Setup *s, const char *path);
/** setup_make_base() - make it and the folders in it, for a group to work in. 0 or -errno with @e. */
int setup_make_base(Setup *s, Error *e);

/* ---- setup-standstill.c ---- */

/**
 * setup_agree_on_old_cron() - show what runs the bash FlowCron from this host's crontab, and ask whether it may go
 * 0: it may, or there is nothing; UOW_E_REJECTED with @e.
 */
int setup_agree_on_old_cron(Setup *s, Error *e);

/**
 * setup_bring_to_rest() - tie the hands of the bash FlowCron, and look at what it has then
 * 0; UOW_E_REJECTED: not now, with why in @e; -errno with @e.
 */
int setup_bring_to_rest(Setup *s, LegacySurvey *ret, Error *e);

/* ---- setup-takeover.c ---- */

/** setup_take_over() - take over what the bash FlowCron left. 0; UOW_E_REJECTED: not now, with why in @e; -errno with @e. */
int setup_take_over(Setup *s, Error *e);

/* ---- setup-service.c ---- */

typedef enum ServiceKind {
        SERVICE_SYSTEMD,
        SERVICE_SCRONTAB,
        SERVICE_CRON,
        _SERVICE_MAX,
} ServiceKind;

/** setup_service_words() - "auto", "systemd", … NULL-terminated. */
extern const char *const setup_service_words[];

/** setup_install_service() - the best that is to be had, or the one asked for. 0; UOW_E_REJECTED: none was to be had; -errno with @e. */
int setup_install_service(Setup *s, Error *e);

/** setup_drop_lines() - take our lines out of the crontab of @kind. 1 there were some, 0, -errno with @e. */
int setup_drop_lines(Setup *s, ServiceKind kind, Error *e);

/** crontab_read(), crontab_write() - of cron or scrontab. An empty one is "". 0, -errno with @e. */
int crontab_read(ServiceKind kind, char **ret, Error *e);
int crontab_write(ServiceKind kind, const char *text, Error *e);

/* ---- setup-unit.c ---- */

/** setup_install_unit() - 0; UOW_E_REJECTED with why it is not to be had in @e; -errno. */
int setup_install_unit(Setup *s, Error *e);
/** setup_drop_unit() - stop it, and take back what was installed. 1 there was something, 0, -errno with @e. */
int setup_drop_unit(Setup *s, Error *e);
/** setup_drop_linger() - switch lingering off again if setup switched it on and no instance is left that needs it. */
void setup_drop_linger(Setup *s);

/* ---- setup-remove.c ---- */

/* What a configuration was before setup changed it is kept under its name with this behind it. */
#define CONFIG_FORMER ".old"

/** setup_remove() - take it all back but the data. 0 or -errno with @e. */
int setup_remove(Setup *s, Error *e);

/* ---- instances ---- */

/** instances_list() - names of all instances that have a configuration in its usual place, sorted; new vector or NULL. */
char **instances_list(void);
