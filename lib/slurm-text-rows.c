/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Rows cut out of the output of squeue, sacct and scontrol.
 *
 * The text is copied once and cut in place: a row's members point into it. squeue prints MARKER":"
 * before each row and MARKER"," between its fields; sacct prints MARKER behind each field. scontrol
 * has nothing of the kind, which is why its rows are taken with care (see slurm_scontrol_parse()).
 */

#include "slurm-text-internal.h"

#include <string.h>

/* One field: where it goes, by kind. */
typedef enum FieldKind {
        FIELD_TEXT,
        FIELD_TIME,
        FIELD_DURATION,
        FIELD_MINUTES,
        FIELD_NUMBER,
        FIELD_SIZE,
        FIELD_SPECIAL
} FieldKind;

typedef struct Field {
        const char *name; /* squeue: the letter of its format; sacct: the field's name */
        FieldKind kind;
        size_t offset; /* of the member of SlurmRow */
        void (*special)(SlurmRow *row, char *value);
} Field;

/* "(null)", "N/A", "None assigned" are Slurm's ways to say nothing. */
static const char *text_value(const char *value) {
        static const char *const nothing[] = { "(null)", "N/A", "None assigned", "Unknown" };

        for (size_t i = 0; i < ELEMENTSOF(nothing); i++)
                if (streq(value, nothing[i]))
                        return "";
        return value;
}

static int64_t number_value(const char *value) {
        char *end;
        long long n = strtoll(value, &end, 10);

        return end == value || *end || n < 0 ? -1 : n;
}

static void set_field(SlurmRow *row, const Field *f, char *value) {
        void *member = (char *)row + f->offset;
        int64_t n;

        switch (f->kind) {
        case FIELD_TEXT:
                *(const char **)member = text_value(value);
                break;
        case FIELD_TIME:
                *(usec_t *)member = slurm_time_parse(value);
                break;
        case FIELD_DURATION:
                *(int64_t *)member = slurm_duration_parse(value);
                break;
        case FIELD_MINUTES:
                n = number_value(value);
                *(int64_t *)member = n < 0 ? -1 : n * 60;
                break;
        case FIELD_NUMBER:
                *(int64_t *)member = number_value(value);
                break;
        case FIELD_SIZE:
                *(int64_t *)member = slurm_size_parse(value);
                break;
        case FIELD_SPECIAL:
                f->special(row, value);
                break;
        }
}

/* "CANCELLED by 1000" */
static void set_state(SlurmRow *row, char *value) {
        char *space = strchr(value, ' ');

        if (space) {
                const char *by = startswith(space, " by ");

                *space = 0;
                row->cancelled_by = by ? by : "";
        }
        row->state = value;
        row->life = slurm_state_life(value);
}

static void set_exit(SlurmRow *row, char *value) {
        (void)slurm_exit_parse(value, &row->exit_code, &row->signal);
}

static void set_derived_exit(SlurmRow *row, char *value) {
        int signo;

        (void)slurm_exit_parse(value, &row->derived_exit_code, &signo);
}

/*
 * "16Gn", "4000Mc": per node, per processor, as sacct wrote it before 21.08; now for the whole job.
 */
static void set_requested(SlurmRow *row, char *value) {
        size_t n = strlen(value);
        int64_t size = slurm_size_parse(value), times = 1;

        if (size <= 0)
                return;
        if (value[n - 1] == 'c')
                times = row->cpus;
        else if (value[n - 1] == 'n')
                times = row->node_count;
        row->memory_requested = times > 0 && size < INT64_MAX / times ? size * times : size;
}

static void more_memory(SlurmRow *row, int64_t size) {
        if (size > row->memory_used)
                row->memory_used = size;
}

static void set_max_rss(SlurmRow *row, char *value) {
        more_memory(row, slurm_size_parse(value));
}

/*
 * "cpu=00:00:01,energy=0,fs/disk=1693938,mem=426204K,…": mem is the sum over the tasks of a step.
 */
static void set_usage(SlurmRow *row, char *value) {
        char *p = value;

        while (p) {
                char *comma = strchr(p, ',');
                const char *mem = startswith(p, "mem=");

                if (comma)
                        *comma++ = 0;
                if (mem)
                        more_memory(row, slurm_size_parse(mem));
                p = comma;
        }
}

static void set_id(SlurmRow *row, char *value) {
        if (slurm_id_parse(value, &row->id) < 0)
                row->id.job = 0;
        row->id_text = value;
}

#define TEXT(name, member) \
        { name, FIELD_TEXT, offsetof(SlurmRow, member), NULL }
#define TIME(name, member) \
        { name, FIELD_TIME, offsetof(SlurmRow, member), NULL }
#define NUMBER(name, member) \
        { name, FIELD_NUMBER, offsetof(SlurmRow, member), NULL }
#define OF_KIND(name, kind, member) \
        { name, kind, offsetof(SlurmRow, member), NULL }
#define SPECIAL(name, func) \
        { name, FIELD_SPECIAL, 0, func }

/* The folder last: it is the longest. */
static const Field squeue_fields[] = {
        SPECIAL("i", set_id),
        SPECIAL("T", set_state),
        TEXT("r", reason),
        TIME("V", submit),
        TIME("S", start),
        TIME("e", end),
        OF_KIND("l", FIELD_DURATION, limit_s),
        NUMBER("D", node_count),
        NUMBER("C", cpus),
        TEXT("P", partition),
        TEXT("a", account),
        TEXT("q", qos),
        TEXT("N", nodes),
        TEXT("k", comment),
        TEXT("Z", workdir),
};

/* SubmitLine, the one that old versions lack, is the first so that it can be left out. */
static const Field sacct_fields[] = {
        TEXT("SubmitLine", submit_line),
        SPECIAL("JobID", set_id),
        SPECIAL("State", set_state),
        SPECIAL("ExitCode", set_exit),
        SPECIAL("DerivedExitCode", set_derived_exit),
        TIME("Submit", submit),
        TIME("Start", start),
        TIME("End", end),
        NUMBER("ElapsedRaw", elapsed_s),
        NUMBER("NNodes", node_count),
        NUMBER("AllocCPUS", cpus),
        OF_KIND("TotalCPU", FIELD_DURATION, cpu_s),
        SPECIAL("MaxRSS", set_max_rss),
        SPECIAL("TRESUsageInTot", set_usage),
        SPECIAL("ReqMem", set_requested),
        OF_KIND("TimelimitRaw", FIELD_MINUTES, limit_s),
        TEXT("Account", account),
        TEXT("Partition", partition),
        TEXT("QOS", qos),
        TEXT("NodeList", nodes),
        TEXT("Reason", reason),
        TEXT("Comment", comment),
        TEXT("WorkDir", workdir),
};

/* ---- squeue ---- */

char *slurm_squeue_format(const char *marker) {
        char *format = NULL;
        size_t size;
        FILE *f = open_memstream(&format, &size);

        if (!f)
                return NULL;
        for (size_t i = 0; i < ELEMENTSOF(squeue_fields); i++)
                fprintf(f, "%s%c%%%s", marker, i ? ',' : ':', squeue_fields[i].name);
        if (fclose(f) != 0) {
                free(format);
                return NULL;
        }
        return format;
}

/* Cut @text at the next @separator; returns what follows, or NULL if there is none. */
static char *cut(char *text, char *end, const char *separator) {
        size_t n = strlen(separator);
        char *p = memmem(text, (size_t)(end - text), separator, n);

        if (!p)
                return NULL;
        *p = 0;
        return p + n;
}

/* One row of squeue without its beginning; NUL-terminated. */
static int squeue_row(SlurmTable *t, char *text, char *end, const char *between) {
        SlurmRow *row;
        int r = slurm_table_add(t, &row);

        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(squeue_fields); i++) {
                char *next;

                ASSUME(text); /* only the last field has nothing behind it */
                next = cut(text, end, between);
                if (!next != (i + 1 == ELEMENTSOF(squeue_fields))) {
                        row->id.job = 0; /* too few or too many */
                        break;
                }
                set_field(row, &squeue_fields[i], text);
                text = next;
        }
        if (row->id.job == 0) {
                t->n--;
                t->incomplete = true;
        }
        return 0;
}

static int copy_text(SlurmTable *t, const char *out, size_t size) {
        t->text = malloc(size + 1);
        if (!t->text)
                return -ENOMEM;
        memcpy(t->text, out, size);
        t->text[size] = 0;
        return 0;
}

int slurm_squeue_parse(const char *out, size_t size, const char *marker, SlurmTable *ret) {
        _cleanup_(slurm_table_done) SlurmTable t = { .raw = true };
        char before[SLURM_MARKER_MAX + 1], between[SLURM_MARKER_MAX + 1], *p, *end;
        int r = copy_text(&t, out, size);

        if (r < 0)
                return r;
        snprintf(before, sizeof(before), "%s:", marker);
        snprintf(between, sizeof(between), "%s,", marker);
        end = t.text + size;
        t.incomplete = size > 0 && end[-1] != '\n';
        p = cut(t.text, end,
                before); /* warnings that a site's wrapper prints come before the first */
        while (p && r >= 0) {
                char *next = cut(p, end, before), *last = next ? next - strlen(before) : end;

                if (last > p && last[-1] == '\n')
                        *--last = 0;
                r = squeue_row(&t, p, last, between);
                p = next;
        }
        if (r < 0)
                return r;
        slurm_table_sort(&t);
        *ret = t;
        memset(&t, 0, sizeof(t));
        return 0;
}

/* ---- sacct ---- */

char *slurm_sacct_fields(bool submit_line) {
        char *fields = NULL;
        size_t size;
        FILE *f = open_memstream(&fields, &size);

        if (!f)
                return NULL;
        for (size_t i = submit_line ? 0 : 1, first = i; i < ELEMENTSOF(sacct_fields); i++)
                fprintf(f, "%s%s", i > first ? "," : "", sacct_fields[i].name);
        if (fclose(f) != 0) {
                free(fields);
                return NULL;
        }
        return fields;
}

static bool step_failed(const SlurmRow *step) {
        return step->life == SLURM_LIFE_ENDED &&
                (!streq(step->state, "COMPLETED") || step->exit_code > 0 || step->signal > 0);
}

/* sacct prints a job, then its steps; with duplicates: each life with its own. */
static int fold_step(SlurmTable *t, const SlurmRow *step) {
        SlurmRow *job = t->n > 0 ? &t->rows[t->n - 1] : NULL;
        SlurmStep failed = { step->id.step, step->state, step->exit_code, step->signal };

        if (!job || job->id.job != step->id.job || job->id.part != step->id.part ||
                job->id.index != step->id.index)
                return 0;
        more_memory(job, step->memory_used);
        if (streq(step->state, "OUT_OF_MEMORY"))
                job->step_out_of_memory = true;
        /* These two are the job itself, and its end says the same. */
        if (!step_failed(step) || streq(step->id.step, "batch") || streq(step->id.step, "extern"))
                return 0;
        failed.name = strrchr(step->id_text, '.') + 1;
        if (job->steps == 0)
                job->first_step = t->n_steps;
        job->steps++;
        return slurm_table_add_step(t, &failed);
}

static int keep_sacct_row(SlurmTable *t, const SlurmRow *values) {
        SlurmRow *row;
        int r;

        if (values->id.job == 0) {
                t->incomplete = true;
                return 0;
        }
        if (values->id.step[0])
                return fold_step(t, values);
        r = slurm_table_add(t, &row);
        if (r < 0)
                return r;
        *row = *values;
        row->position = t->n - 1;
        return 0;
}

int slurm_sacct_parse(
        const char *out, size_t size, const char *marker, bool submit_line, SlurmTable *ret) {
        _cleanup_(slurm_table_done) SlurmTable t = { 0 };
        size_t first = submit_line ? 0 : 1;
        char *p, *end;
        int r = copy_text(&t, out, size);

        if (r < 0)
                return r;
        p = t.text;
        end = p + size;
        while (p < end && r >= 0) {
                SlurmRow values = slurm_row_blank;
                size_t i;

                for (i = first; i < ELEMENTSOF(sacct_fields); i++) {
                        char *next = cut(p, end, marker);

                        if (!next)
                                break;
                        set_field(&values, &sacct_fields[i], p);
                        p = next;
                }
                if (i < ELEMENTSOF(sacct_fields) || *p != '\n') {
                        t.incomplete = true;
                        break;
                }
                p++;
                r = keep_sacct_row(&t, &values);
        }
        if (r < 0)
                return r;
        slurm_table_sort(&t);
        *ret = t;
        memset(&t, 0, sizeof(t));
        return 0;
}
