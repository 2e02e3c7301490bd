/* SPDX-License-Identifier: Apache-2.0 */

/*
 * sacct's options.
 */
#include "sacct.h"

#include <getopt.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_FORMAT "JobID,JobName,Partition,Account,AllocCPUS,State,ExitCode"

static void take_jobs(SacctQuery *q, const char *list) {
        size_t n = 0;
        const char *bad = job_names_add(&q->names, list, &n);

        if (bad)
                die(1, "sacct: fatal: Bad job/step specified: %.*s", (int)n, bad);
}

static void take_users(SacctQuery *q, const char *list) {
        char *copy = xstrdup(list), *save = NULL;

        for (char *u = strtok_r(copy, ",", &save); u; u = strtok_r(NULL, ",", &save)) {
                const struct passwd *pw = getpwnam(u);
                bool number = strspn(u, "0123456789") == strlen(u);

                if (!pw && !number)
                        die(1, "sacct: error: Invalid user id: %s", u);
                q->users = one_more(q->users, q->n_users, sizeof(*q->users));
                q->users[q->n_users++] = pw ? pw->pw_uid : (uint32_t)strtoul(u, NULL, 10);
        }
        free(copy);
}

static void take_states(SacctQuery *q, const char *list) {
        q->have_states = true;
        for (const char *p = list; *p; p += strcspn(p, ","), p += *p == ',') {
                int s = state_parse(p, strcspn(p, ","));

                if (s < 0)
                        die(1, "sacct: fatal: unrecognized job state value %.*s",
                                (int)strcspn(p, ","), p);
                q->states[s] = true;
        }
}

static void take_format(SacctQuery *q, const char *list) {
        q->n_columns = 0;
        for (const char *p = list; *p; p += strcspn(p, ","), p += *p == ',') {
                size_t n = strcspn(p, ",%");
                const Column *c = sacct_column(p, n);

                if (!c || q->n_columns == COLUMNS_MAX)
                        die(1, "sacct: error: Invalid field requested: \"%.*s\"", (int)n, p);
                q->widths[q->n_columns] = c->left ? -c->width : c->width;
                if (p[n] == '%' && strtol(p + n + 1, NULL, 10))
                        q->widths[q->n_columns] = (int)strtol(p + n + 1, NULL, 10);
                q->columns[q->n_columns++] = c;
        }
}

static int64_t take_time(const char *s) {
        int64_t ms = parse_when(s);

        if (ms < 0)
                die(1, "Invalid time specification (pos=0): %s", s);
        return ms;
}

enum {
        O_DELIMITER = 0x1000,
        O_IGNORE,
        O_IGNORE_ARG,
        O_HELP
};

static void take_option(SacctQuery *q, int c) {
        switch (c) {
        case 'n':
                q->no_header = true;
                break;
        case 'p':
        case 'P':
                q->parsable = true;
                q->trailing = c == 'p';
                break;
        case O_DELIMITER:
                q->delimiter = optarg;
                break;
        case 'j':
                take_jobs(q, optarg);
                break;
        case 'u':
                take_users(q, optarg);
                break;
        case 'a':
                q->all_users = true;
                break;
        case 'S':
                q->start_ms = take_time(optarg);
                break;
        case 'E':
                q->end_ms = take_time(optarg);
                break;
        case 's':
                take_states(q, optarg);
                break;
        case 'D':
                q->duplicates = true;
                break;
        case 'X':
                q->allocations = true;
                break;
        case 'o':
                take_format(q, optarg);
                break;
        case 'V':
                puts(SLURM_VERSION_TEXT);
                exit(0);
        case O_HELP:
                puts("sacct [<OPTION>]");
                exit(0);
        default:
                break;
        }
}

static const struct option longs[] = {
        { "noheader", no_argument, NULL, 'n' },
        { "parsable", no_argument, NULL, 'p' },
        { "parsable2", no_argument, NULL, 'P' },
        { "delimiter", required_argument, NULL, O_DELIMITER },
        { "jobs", required_argument, NULL, 'j' },
        { "user", required_argument, NULL, 'u' },
        { "uid", required_argument, NULL, 'u' },
        { "allusers", no_argument, NULL, 'a' },
        { "starttime", required_argument, NULL, 'S' },
        { "endtime", required_argument, NULL, 'E' },
        { "state", required_argument, NULL, 's' },
        { "duplicates", no_argument, NULL, 'D' },
        { "allocations", no_argument, NULL, 'X' },
        { "format", required_argument, NULL, 'o' },
        { "accounts", required_argument, NULL, 'A' },
        { "partition", required_argument, NULL, 'r' },
        { "qos", required_argument, NULL, 'q' },
        { "clusters", required_argument, NULL, 'M' },
        { "name", required_argument, NULL, O_IGNORE_ARG },
        { "units", required_argument, NULL, O_IGNORE_ARG },
        { "noconvert", no_argument, NULL, O_IGNORE },
        { "array", no_argument, NULL, O_IGNORE },
        { "truncate", no_argument, NULL, 'T' },
        { "allclusters", no_argument, NULL, 'L' },
        { "verbose", no_argument, NULL, 'v' },
        { "long", no_argument, NULL, 'l' },
        { "helpformat", no_argument, NULL, O_HELP },
        { "help", no_argument, NULL, O_HELP },
        { "usage", no_argument, NULL, O_HELP },
        { "version", no_argument, NULL, 'V' },
        {},
};

void sacct_parse(SacctQuery *q, int argc, char **argv) {
        int c;

        q->start_ms = q->end_ms = -1;
        q->delimiter = "|";
        take_format(q, getenv("SACCT_FORMAT") ? getenv("SACCT_FORMAT") : DEFAULT_FORMAT);
        while ((c = getopt_long(argc, argv,
                        "aA:bcC:DeE:g:hi:I:j:k:K:lLM:nN:o:OpPq:r:Rs:S:Ttu:vVW:xX", longs, NULL)) !=
                -1) {
                if (c == '?')
                        exit(1);
                take_option(q, c);
        }
        if (!q->n_users && !q->all_users && !job_names_count(&q->names)) {
                q->users = one_more(q->users, 0, sizeof(*q->users));
                q->users[q->n_users++] = getuid();
        }
        if (q->start_ms < 0)
                q->start_ms = job_names_count(&q->names) ? 0 : parse_when("midnight");
}
