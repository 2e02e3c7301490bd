/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The rows of `scontrol --oneliner show job`, for sites without accounting.
 *
 * "KEY=VALUE KEY=VALUE …", where values may hold spaces and line breaks and nothing is quoted.
 * Only values from before the first that a user can choose freely (Command, WorkDir, Comment, …)
 * are read; JobName is the one among them, and a row whose name imitates keys yields what the name
 * says: hence the warning in the header.
 */

#include "slurm-text-internal.h"

#include <string.h>

/* A row begins at the start of a line with "JobId=NUMBER ". */
static char *next_row(char *p, const char *text) {
        while ((p = strstr(p, "JobId="))) {
                size_t digits = strspn(p + 6, "0123456789");

                if ((p == text || p[-1] == '\n') && digits > 0 && p[6 + digits] == ' ')
                        return p;
                p += 6;
        }
        return NULL;
}

/*
 * The word after the last " KEY=": what a name imitates comes before the real one. Copied, since
 * values overlap.
 */
static bool value_of(const char *row, const char *key, char *buf, size_t size) {
        size_t n = strlen(key), length;
        const char *found = NULL;

        for (const char *p = row; (p = strstr(p, key)); p += n)
                if (p[n] == '=' && (p == row || p[-1] == ' '))
                        found = p + n + 1;
        if (!found)
                return false;
        length = strcspn(found, " \n");
        if (length >= size)
                return false;
        memcpy(buf, found, length);
        buf[length] = 0;
        return true;
}

/* Values end where freely chosen text begins. */
static void end_at_free_text(char *row) {
        static const char *const free_text[] = { " Command=", " WorkDir=", " Comment=" };

        for (size_t i = 0; i < ELEMENTSOF(free_text); i++) {
                char *p = strstr(row, free_text[i]);

                if (p)
                        *p = 0;
        }
}

static void read_id(SlurmRow *row, const char *text) {
        char value[64];

        row->id = (SlurmId){ .count = 1 };
        if (value_of(text, "JobId", value, sizeof(value)))
                row->id.job = (uint32_t)strtoul(value, NULL, 10);
        if (value_of(text, "ArrayJobId", value, sizeof(value))) {
                row->id.job = (uint32_t)strtoul(value, NULL, 10);
                row->id.part = '_';
                row->id.count = value_of(text, "ArrayTaskId", value, sizeof(value))
                        ? slurm_array_count(value)
                        : 0;
                row->id.several = strpbrk(value, "-,%") != NULL;
                row->id.index = (uint32_t)strtoul(value, NULL, 10);
        } else if (value_of(text, "HetJobId", value, sizeof(value))) {
                row->id.job = (uint32_t)strtoul(value, NULL, 10);
                row->id.part = '+';
                if (value_of(text, "HetJobOffset", value, sizeof(value)))
                        row->id.index = (uint32_t)strtoul(value, NULL, 10);
        }
}

static void read_figures(SlurmRow *row, const char *text) {
        char value[256];

        if (value_of(text, "ExitCode", value, sizeof(value)))
                (void)slurm_exit_parse(value, &row->exit_code, &row->signal);
        if (value_of(text, "RunTime", value, sizeof(value)))
                row->elapsed_s = slurm_duration_parse(value);
        if (value_of(text, "TimeLimit", value, sizeof(value)))
                row->limit_s = slurm_duration_parse(value);
        if (value_of(text, "SubmitTime", value, sizeof(value)))
                row->submit = slurm_time_parse(value);
        if (value_of(text, "StartTime", value, sizeof(value)))
                row->start = slurm_time_parse(value);
        if (value_of(text, "EndTime", value, sizeof(value)))
                row->end = slurm_time_parse(value);
        if (value_of(text, "NumCPUs", value, sizeof(value)))
                row->cpus = strtoll(value, NULL, 10);
        if (value_of(text, "NumNodes", value, sizeof(value)))
                row->node_count = strtoll(value, NULL, 10);
        if (value_of(text, "TRES", value, sizeof(value))) {
                char *mem = strstr(value, "mem=");

                if (mem) {
                        mem[strcspn(mem, ",")] = 0;
                        row->memory_requested = slurm_size_parse(mem + 4);
                }
        }
}

/* The state outlives the text, so it is one of the words that we know. */
static const char *known_state(const char *text) {
        char value[64];

        return value_of(text, "JobState", value, sizeof(value)) ? slurm_state_word(value) : "";
}

int slurm_scontrol_parse(const char *out, size_t size, SlurmTable *ret) {
        _cleanup_(slurm_table_done) SlurmTable t = { 0 };
        char *p, *next;

        t.text = strndup(out, size);
        if (!t.text)
                return -ENOMEM;
        for (p = next_row(t.text, t.text); p; p = next) {
                SlurmRow *row;
                int r = slurm_table_add(&t, &row);

                if (r < 0)
                        return r;
                next = next_row(p + 1, t.text);
                if (next)
                        next[-1] = 0;
                end_at_free_text(p);
                read_id(row, p);
                row->state = known_state(p);
                row->life = slurm_state_life(row->state);
                read_figures(row, p);
                if (row->id.job == 0)
                        t.n--;
        }
        slurm_table_sort(&t);
        *ret = t;
        memset(&t, 0, sizeof(t));
        return 0;
}
