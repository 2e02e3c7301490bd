/* SPDX-License-Identifier: Apache-2.0 */

/* The site's offers: see slurm-site.h. Formats as tried on Slurm 22.05. */

#include "slurm-site.h"

#include <string.h>

#include "text.h"

static char **args(const char *const *words) {
        _cleanup_(strv_freep) char **argv = NULL;

        for (; *words; words++)
                if (strv_add(&argv, *words) < 0)
                        return NULL;
        return TAKE_PTR(argv);
}

static int add_once(char ***v, const char *s) {
        return !v || isempty(s) || strv_contains(*v, s) ? 0 : strv_add(v, s);
}

static int add_list_once(char ***v, const char *list) {
        _cleanup_(strv_freep) char **items = NULL;
        int r = strv_split(&items, list, ",");

        for (char **i = items; r >= 0 && i && *i; i++)
                r = add_once(v, *i);
        return r;
}

/* ---- partitions ---- */

char **slurm_args_partitions(void) {
        return args((const char *[]){ "sinfo", "--noheader", "--all", "--format=%P|%a", NULL });
}

/* "debug*|up": the star marks the default. */
static int parse_partition(char *line, char ***ret, char **ret_default, char ***ret_closed) {
        char *bar = strchr(line, '|');
        size_t n;
        int r = 0;

        if (!bar || bar == line)
                return 0;
        *bar = 0;
        n = strlen(line);
        if (line[n - 1] == '*') {
                line[n - 1] = 0;
                r = strdup_to(ret_default, line);
        }
        if (r >= 0)
                r = add_once(ret, line);
        return r >= 0 && !streq(bar + 1, "up") ? add_once(ret_closed, line) : r;
}

int slurm_partitions_parse(const char *out, char ***ret, char **ret_default, char ***ret_closed) {
        _cleanup_(strv_freep) char **lines = NULL;
        int r = strv_split(&lines, out, "\r\n");

        for (char **l = lines; r >= 0 && l && *l; l++)
                r = parse_partition(*l, ret, ret_default, ret_closed);
        return r;
}

/* ---- accounts and QoS ---- */

char **slurm_args_associations(const char *user) {
        _cleanup_(strv_freep) char **argv = args((const char *[]){ "sacctmgr", "--noheader",
                "--parsable2", "show", "associations", "format=Account,QOS", NULL });

        if (!argv || strv_take(&argv, xasprintf("user=%s", user)) < 0)
                return NULL;
        return TAKE_PTR(argv);
}

/* "science|long,normal"; one line for each partition that an association is bound to. */
int slurm_associations_parse(
        const char *out, const char *account, char ***ret_accounts, char ***ret_qos) {
        _cleanup_(strv_freep) char **lines = NULL;
        int r = strv_split(&lines, out, "\r\n");

        for (char **l = lines; r >= 0 && l && *l; l++) {
                char *bar = strchr(*l, '|');

                if (!bar)
                        continue;
                *bar = 0;
                r = add_once(ret_accounts, *l);
                if (r >= 0 && (isempty(account) || strcasecmp(*l, account) == 0))
                        r = add_list_once(ret_qos, bar + 1);
        }
        return r;
}

/* ---- reservations ---- */

char **slurm_args_reservations(void) {
        return args((const char *[]){ "scontrol", "--oneliner", "show", "reservations", NULL });
}

int slurm_reservations_parse(const char *out, char ***ret) {
        _cleanup_(strv_freep) char **words = NULL;
        int r = strv_split(&words, out, " \r\n");

        for (char **w = words; r >= 0 && w && *w; w++)
                r = add_once(ret, startswith(*w, "ReservationName="));
        return r;
}

/* ---- the controller ---- */

char **slurm_args_config(void) {
        return args((const char *[]){ "scontrol", "show", "config", NULL });
}

char *slurm_config_value(const char *out, const char *name) {
        _cleanup_(strv_freep) char **lines = NULL;

        if (strv_split(&lines, out, "\r\n") < 0)
                return NULL;
        for (char **l = lines; l && *l; l++) {
                const char *rest = startswith(*l, name);

                if (!rest || (*rest != ' ' && *rest != '='))
                        continue;
                rest += strspn(rest, " ");
                if (*rest == '=')
                        return strdup(rest + 1 + strspn(rest + 1, " "));
        }
        return NULL;
}

char **slurm_args_ping(void) {
        return args((const char *[]){ "scontrol", "ping", NULL });
}

bool slurm_ping_is_up(const char *out) {
        return strstr(out, " is UP") != NULL;
}
