/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The single values in Slurm's output, and the tables of rows. How rows are cut out of an output is
 * in slurm-text-rows.c, what they mean together in slurm-text-job.c, the words for states and
 * reasons in slurm-text-state.c, answers to orders in slurm-text-answer.c.
 *
 * Called by scheduler-slurm*.c. Nothing here trusts its input: a value that is none becomes "not
 * known".
 */

#include "slurm-text-internal.h"

#include <limits.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

int slurm_marker(char ret[static SLURM_MARKER_MAX]) {
        unsigned char bytes[(SLURM_MARKER_MAX - 1) / 2];

        if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
                return -EIO;
        for (size_t i = 0; i < sizeof(bytes); i++)
                sprintf(ret + 2 * i, "%02x", bytes[i]);
        return 0;
}

/* Digits only, at most UINT32_MAX. */
static bool read_uint32(const char **s, uint32_t *ret) {
        uint64_t value = 0;
        const char *p = *s;

        for (; *p >= '0' && *p <= '9'; p++) {
                value = value * 10 + (uint64_t)(*p - '0');
                if (value > UINT32_MAX)
                        return false;
        }
        if (p == *s)
                return false;
        *s = p;
        *ret = (uint32_t)value;
        return true;
}

/* "3-5:2" or "3": how many that is; @ret_first the first of them. 0 if it is no range. */
static uint32_t read_range(const char **s, uint32_t *ret_first) {
        uint32_t first, last, step = 1;

        if (!read_uint32(s, &first))
                return 0;
        last = first;
        if (**s == '-') {
                (*s)++;
                if (!read_uint32(s, &last) || last < first)
                        return 0;
                if (**s == ':') {
                        (*s)++;
                        if (!read_uint32(s, &step) || step == 0)
                                return 0;
                }
        }
        *ret_first = first;
        return (last - first) / step + 1;
}

/* The ranges up to ']', '%' or the end; 0 if one of them is none ("3-5,..."). */
static uint32_t count_tasks(const char *s, uint32_t *ret_first) {
        uint64_t count = 0;
        uint32_t first;

        for (;;) {
                uint32_t n = read_range(&s, &first);

                if (n == 0)
                        return 0;
                if (count == 0)
                        *ret_first = first;
                count += n;
                if (*s != ',')
                        break;
                s++;
        }
        return (*s == 0 || *s == ']' || *s == '%') && count <= UINT32_MAX ? (uint32_t)count : 0;
}

uint32_t slurm_array_count(const char *spec) {
        uint32_t first;

        return count_tasks(spec, &first);
}

static int parse_part(const char **s, SlurmId *id) {
        const char *p = *s;

        id->part = *p++;
        if (*p != '[') {
                if (!read_uint32(&p, &id->index))
                        return -EINVAL;
                *s = p;
                return 0;
        }
        id->several = true;
        id->count = count_tasks(p + 1, &id->index);
        p = strchr(p, ']');
        if (!p)
                return -EINVAL;
        *s = p + 1;
        return 0;
}

int slurm_id_parse(const char *s, SlurmId *ret) {
        SlurmId id = { .count = 1 };

        if (!read_uint32(&s, &id.job) || id.job == 0)
                return -EINVAL;
        if ((*s == '_' || *s == '+') && parse_part(&s, &id) < 0)
                return -EINVAL;
        if (*s == '.') {
                size_t n = strlen(++s);

                if (n == 0 || n >= sizeof(id.step))
                        return -EINVAL;
                memcpy(id.step, s, n + 1);
        } else if (*s)
                return -EINVAL;
        *ret = id;
        return 0;
}

static bool all_digits(const char *s) {
        return *s && s[strspn(s, "0123456789")] == 0;
}

usec_t slurm_time_parse(const char *s) {
        struct tm tm = { .tm_isdst = -1 };
        const char *end;
        time_t t;

        /* 13 digits are more than any calendar needs, and can't overflow. */
        if (all_digits(s) && strlen(s) <= 13)
                return (usec_t)strtoull(s, NULL, 10) * USEC_PER_SEC;
        end = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);
        if (!end || *end)
                return 0;
        t = mktime(&tm);
        return t > 0 ? (usec_t)t * USEC_PER_SEC : 0;
}

int64_t slurm_duration_parse(const char *s) {
        uint32_t days = 0, part[3] = { 0, 0, 0 }, value;
        size_t n = 0;

        if (!read_uint32(&s, &value))
                return -1;
        if (*s == '-') {
                days = value;
                s++;
                if (!read_uint32(&s, &value))
                        return -1;
        }
        part[n++] = value;
        while (*s == ':' && n < 3) {
                s++;
                if (!read_uint32(&s, &part[n++]))
                        return -1;
        }
        if (n < 2 || (*s && *s != '.'))
                return -1;
        if (n == 2 && days == 0) /* minutes and seconds */
                return (int64_t)part[0] * 60 + part[1];
        return (((int64_t)days * 24 + part[0]) * 60 + part[1]) * 60 + part[2];
}

int64_t slurm_size_parse(const char *s) {
        static const char units[] = "KMGTPE";
        char *end;
        const char *unit;
        double value;

        if (*s < '0' || *s > '9')
                return -1;
        value = strtod(s, &end);
        unit = *end ? strchr(units, *end) : NULL;
        if (unit) {
                for (const char *u = units; u <= unit; u++)
                        value *= 1024;
                end++;
        }
        if (*end == 'c' || *end == 'n')
                end++;
        if (*end || value < 0 || value >= 9.2e18)
                return -1;
        return (int64_t)value;
}

int slurm_exit_parse(const char *s, int *ret_code, int *ret_signal) {
        uint32_t code, signo;

        if (!read_uint32(&s, &code) || *s++ != ':' || !read_uint32(&s, &signo) || *s ||
                code > INT_MAX || signo > INT_MAX)
                return -EINVAL;
        *ret_code = (int)code;
        *ret_signal = (int)signo;
        return 0;
}

/* ---- tables ---- */

void slurm_table_done(SlurmTable *t) {
        free(t->text);
        free(t->rows);
        free(t->steps);
        memset(t, 0, sizeof(*t));
}

const SlurmRow slurm_row_blank = {
        .id_text = "",
        .state = "",
        .cancelled_by = "",
        .reason = "",
        .partition = "",
        .account = "",
        .qos = "",
        .nodes = "",
        .comment = "",
        .submit_line = "",
        .workdir = "",
        .exit_code = -1,
        .signal = -1,
        .derived_exit_code = -1,
        .elapsed_s = -1,
        .limit_s = -1,
        .node_count = -1,
        .cpus = -1,
        .cpu_s = -1,
        .memory_used = -1,
        .memory_requested = -1,
};

int slurm_table_add(SlurmTable *t, SlurmRow **ret) {
        /* Room for a power of two at a time. */
        if ((t->n & (t->n - 1)) == 0) {
                SlurmRow *rows = reallocarray(t->rows, t->n ? 2 * t->n : 1, sizeof(*rows));

                if (!rows)
                        return -ENOMEM;
                t->rows = rows;
        }
        t->rows[t->n] = slurm_row_blank;
        t->rows[t->n].position = t->n;
        *ret = &t->rows[t->n++];
        return 0;
}

int slurm_table_add_step(SlurmTable *t, const SlurmStep *step) {
        if ((t->n_steps & (t->n_steps - 1)) == 0) {
                SlurmStep *steps =
                        reallocarray(t->steps, t->n_steps ? 2 * t->n_steps : 1, sizeof(*steps));

                if (!steps)
                        return -ENOMEM;
                t->steps = steps;
        }
        t->steps[t->n_steps++] = *step;
        return 0;
}

#define COMPARE(a, b) ((a) < (b) ? -1 : (a) > (b) ? 1 : 0)

static int compare_rows(const void *a, const void *b) {
        const SlurmRow *x = a, *y = b;
        int c = COMPARE(x->id.job, y->id.job);

        if (c == 0)
                c = COMPARE(x->id.part, y->id.part);
        if (c == 0)
                c = COMPARE(x->id.several, y->id.several);
        if (c == 0)
                c = COMPARE(x->id.index, y->id.index);
        if (c == 0)
                c = COMPARE(x->submit, y->submit);
        return c ? c : COMPARE(x->position, y->position);
}

void slurm_table_sort(SlurmTable *t) {
        if (t->n > 1)
                qsort(t->rows, t->n, sizeof(*t->rows), compare_rows);
}

/* The first row whose base id is not below @job. */
static size_t lower_bound(const SlurmTable *t, uint64_t job) {
        size_t low = 0, high = t->n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (t->rows[middle].id.job < job)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

const SlurmRow *slurm_table_find(const SlurmTable *t, uint32_t job, size_t *ret_n) {
        size_t first = lower_bound(t, job), end = lower_bound(t, (uint64_t)job + 1);

        *ret_n = end - first;
        return end > first ? &t->rows[first] : NULL;
}

/* What follows must not make it a longer one: attempt 1 is not attempt 12. */
static bool is_token(const char *s, const char *token) {
        const char *rest = startswith(s, token);

        return rest && (*rest < '0' || *rest > '9');
}

bool slurm_row_has_token(const SlurmRow *row, const char *token) {
        static const char option[] = "--comment=";
        /*
         * The first one is ours (see slurm_args_sbatch()); the rest of the line is what a user
         * chose.
         */
        const char *comment = strstr(row->submit_line, option);

        return is_token(row->comment, token) ||
                (comment && is_token(comment + sizeof(option) - 1, token));
}
