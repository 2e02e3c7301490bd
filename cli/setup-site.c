/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What Slurm offers, asked from its own commands, side by side. A question without an answer makes nothing wrong: the site is
 * then unknown in that point, and setup says so.
 */

#include "setup.h"

#include <string.h>

#include "environment.h"
#include "slurm-site.h"
#include "text.h"

#define ANSWER_TIMEOUT (20 * USEC_PER_SEC)
#define ANSWER_MAX ((size_t)4 * 1024 * 1024)

void site_done(Site *site) {
        strv_free(site->accounts);
        strv_free(site->partitions);
        strv_free(site->reservations);
        free(site->default_partition);
        free(site->associations);
        free(site->trouble);
        *site = (Site){};
}

static int read_partitions(Site *site, const char *out) {
        _cleanup_(strv_freep) char **closed = NULL;

        return slurm_partitions_parse(out, &site->partitions, &site->default_partition, &closed);
}

static int read_associations(Site *site, const char *out) {
        _cleanup_(strv_freep) char **qos = NULL;
        int r = slurm_associations_parse(out, NULL, &site->accounts, &qos);

        return r < 0 ? r : strdup_to(&site->associations, out);
}

static int read_reservations(Site *site, const char *out) {
        return slurm_reservations_parse(out, &site->reservations);
}

static int read_config(Site *site, const char *out) {
        _cleanup_free_ char *kind = slurm_config_value(out, "AccountingStorageType");
        _cleanup_free_ char *age = slurm_config_value(out, "MinJobAge");

        site->knows_accounting = kind != NULL;
        site->accounting = kind && !streq(kind, "(null)") && !strstr(kind, "/none");
        site->min_job_age = age ? strtoull(age, NULL, 10) * USEC_PER_SEC : 0;
        return 0;
}

typedef int (*AnswerFunc)(Site *site, const char *out);

static const struct {
        const char *what;
        char **(*args)(void); /* NULL: the associations, which are a user's */
        AnswerFunc read;
} asked[] = {
        { "partitions", slurm_args_partitions, read_partitions },
        { "controller", slurm_args_config, read_config },
        { "reservations", slurm_args_reservations, read_reservations },
        { "accounts", NULL, read_associations },
};

static int note_trouble(Site *site, const char *what, const Run *run) {
        _cleanup_free_ char *why = run_describe(run), *before = TAKE_PTR(site->trouble);

        /* A site without accounting has neither accounts nor anything else to ask sacctmgr about. */
        if (streq(what, "accounts") && site->knows_accounting && !site->accounting) {
                site->trouble = TAKE_PTR(before);
                return 0;
        }
        site->trouble = xasprintf(
                "%s%s%s: %s: %s", before ?: "", before ? "; " : "", what, run->argv[0], why ?: "?");
        return site->trouble ? 0 : -ENOMEM;
}

static int read_answers(Site *site, const Run *runs) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(asked); i++)
                r = run_ok(&runs[i]) ? asked[i].read(site, run_out(&runs[i]))
                                     : note_trouble(site, asked[i].what, &runs[i]);
        return r;
}

int setup_ask_site(Site *ret) {
        char **argvs[ELEMENTSOF(asked)] = {};
        Run runs[ELEMENTSOF(asked)] = {};
        LoginUser user = {};
        Site site = {};
        int r;

        r = login_user_get(&user);
        for (size_t i = 0; i < ELEMENTSOF(asked); i++) {
                argvs[i] = asked[i].args    ? asked[i].args()
                        : user.name != NULL ? slurm_args_associations(user.name)
                                            : NULL;
                if (!argvs[i])
                        r = -ENOMEM;
                runs[i] = (Run){
                        .argv = argvs[i], .timeout = ANSWER_TIMEOUT, .output_max = ANSWER_MAX
                };
        }
        if (r >= 0) {
                run_all(runs, ELEMENTSOF(asked));
                site.found = runs[0].error != -ENOENT;
                r = site.found ? read_answers(&site, runs) : 0;
        }
        for (size_t i = 0; i < ELEMENTSOF(asked); i++) {
                run_done(&runs[i]);
                strv_free(argvs[i]);
        }
        login_user_done(&user);
        if (r < 0) {
                site_done(&site);
                return r;
        }
        *ret = site;
        return 0;
}

char **site_qos(const Site *site, const char *account) {
        _cleanup_(strv_freep) char **accounts = NULL, **qos = strv_copy(NULL);

        if (!qos ||
                (site->associations &&
                        slurm_associations_parse(site->associations, account, &accounts, &qos) < 0))
                return NULL;
        return TAKE_PTR(qos);
}

int site_check_interval(const Site *site, usec_t interval, Error *e) {
        char asked_for[CLOCK_TEXT_MAX], age[CLOCK_TEXT_MAX];

        if (!site->knows_accounting || site->accounting || !site->min_job_age ||
                interval < site->min_job_age)
                return 0;
        return error_set(e, UOW_E_REJECTED,
                "this site keeps no accounting, and its controller forgets a job %s after its end (MinJobAge): who looks "
                "only every %s does not learn how jobs end. Choose less",
                duration_words(age, site->min_job_age), duration_words(asked_for, interval));
}
