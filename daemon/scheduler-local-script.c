/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a script asks for, as far as it can be had on one machine: its interpreter, the tasks of its array, its time limit. Memory
 * and processors are neither reserved nor enforced; what was asked for is told to the script, which often counts on it.
 *
 * Faults are refused in the words that sbatch has for them. Called at submission.
 */

#include "scheduler-local-internal.h"

#include <string.h>

#include "fileio.h"
#include "script-file.h"
#include "script-sbatch.h"
#include "text.h"

/* Of a first line that the kernel takes, see execve(2). */
#define FIRST_LINE_MAX 255

/* Of days, hours, minutes or seconds: more than anybody asks for, and no sum of them overflows. */
#define TIME_PART_MAX 10000000

/* ---- numbers ---- */

static bool read_number(const char **p, uint32_t max, uint32_t *ret) {
        uint64_t n = 0;
        const char *s = *p;

        if (*s < '0' || *s > '9')
                return false;
        for (; *s >= '0' && *s <= '9'; s++) {
                n = n * 10 + (uint64_t)(*s - '0');
                if (n > max)
                        return false;
        }
        *p = s;
        *ret = (uint32_t)n;
        return true;
}

/* One of "3", "1-9", "1-9:2", marked in @wanted. */
static bool read_range(const char **p, bool wanted[static LOCAL_ARRAY_MAX], uint32_t *ret_step) {
        uint32_t first, last, step = 1;

        if (!read_number(p, LOCAL_ARRAY_MAX - 1, &first))
                return false;
        last = first;
        if (**p == '-') {
                ++*p;
                if (!read_number(p, LOCAL_ARRAY_MAX - 1, &last) || last < first)
                        return false;
                if (**p == ':') {
                        ++*p;
                        if (!read_number(p, LOCAL_ARRAY_MAX, &step) || step == 0)
                                return false;
                }
        }
        for (uint32_t i = first; i <= last; i += step)
                wanted[i] = true;
        *ret_step = step;
        return true;
}

int local_array_parse(const char *text, LocalArray *ret) {
        bool wanted[LOCAL_ARRAY_MAX] = { false };
        const char *p = text;
        uint32_t at_once;

        ret->n = 0;
        ret->step = 1;
        do {
                if (!read_range(&p, wanted, &ret->step))
                        return UOW_E_INVALID;
        } while (*p == ',' && p++);
        /* How many at once is of no interest: they run one after the other. */
        if (*p == '%' && p++ && (!read_number(&p, UINT32_MAX, &at_once) || at_once == 0))
                return UOW_E_INVALID;
        if (*p)
                return UOW_E_INVALID;
        for (uint32_t i = 0; i < LOCAL_ARRAY_MAX; i++)
                if (wanted[i])
                        ret->index[ret->n++] = i;
        return 0;
}

int local_time_parse(const char *text, int64_t *ret) {
        bool with_days = strchr(text, '-') && text[0] != '-';
        uint32_t days = 0, part[3] = { 0, 0, 0 };
        size_t n = 0;

        if (strcasecmp(text, "UNLIMITED") == 0 || strcasecmp(text, "INFINITE") == 0 ||
                streq(text, "-1")) {
                *ret = 0;
                return 0;
        }
        if (with_days && (!read_number(&text, TIME_PART_MAX, &days) || *text++ != '-'))
                return -EINVAL;
        do {
                if (n == ELEMENTSOF(part) || !read_number(&text, TIME_PART_MAX, &part[n++]))
                        return -EINVAL;
        } while (*text == ':' && text++);
        if (*text)
                return -EINVAL;
        if (with_days || n == 3)
                *ret = (((int64_t)days * 24 + part[0]) * 60 + part[1]) * 60 + part[2];
        else
                *ret = (int64_t)part[0] * 60 + part[1];
        return 0;
}

/* ---- the script ---- */

static int refuse(Error *e, const char *what, const char *text) {
        _cleanup_free_ char *shown = text_printable(text, 80);

        return shown ? error_set(e, UOW_E_REJECTED, "%s: %s", what, shown) : -ENOMEM;
}

/* As the kernel reads it: a path, and all the rest, if there is any, as one argument. */
static int read_first_line(const char *text, LocalRecord *r, Error *e) {
        static const char blank[] = " \t";
        _cleanup_free_ char *line = strndup(text, strcspn(text, "\n"));
        size_t n;
        char *p, *end;

        if (!line)
                return -ENOMEM;
        if (!startswith(line, "#!"))
                return error_set(e, UOW_E_REJECTED,
                        "This does not look like a batch script. The first line must start with #! followed by the path to an interpreter. For instance: #!/bin/sh");
        if (strlen(line) > FIRST_LINE_MAX)
                return error_set(e, UOW_E_REJECTED, "The script's first line is too long");
        p = line + 2 + strspn(line + 2, blank);
        for (end = p + strlen(p); end > p && strchr(blank, end[-1]); end--)
                end[-1] = 0;
        if (*p != '/')
                return refuse(
                        e, "The script's first line names no interpreter by its full path", line);
        n = strcspn(p, blank);
        r->interpreter = strndup(p, n);
        p += n + strspn(p + n, blank);
        if (!r->interpreter || (*p && strdup_to(&r->argument, p) < 0))
                return -ENOMEM;
        return 0;
}

static int read_options(const char *name, const char *text, size_t size, LocalRecord *r, Error *e) {
        Script s = { 0 };
        LocalArray array;
        int k = script_sbatch(name, text, size, &s, e);

        if (k == 0 && s.array && local_array_parse(s.array, &array) != 0)
                k = refuse(e, "Invalid job array specification", s.array);
        if (k == 0 && s.time && local_time_parse(s.time, &r->time_limit_s) < 0)
                k = refuse(e, "Invalid --time specification", s.time);
        if (k == 0) {
                r->array = TAKE_PTR(s.array);
                r->cpus_per_task = TAKE_PTR(s.cpus_per_task);
                r->ntasks = TAKE_PTR(s.ntasks);
        }
        script_done(&s);
        return k;
}

int local_script_read(int uowdir, const char *name, LocalRecord *r, Error *e) {
        _cleanup_free_ char *path = xasprintf("scripts/%s", name), *text = NULL;
        _cleanup_close_ int fd = -1;
        size_t size;
        int k;

        if (!path)
                return -ENOMEM;
        k = script_file_open(uowdir, path, &r->script, &fd);
        if (k > 0)
                return refuse(
                        e, "The script is not there any more, or is no file of its own", path);
        if (k == 0)
                k = fd_read_all(fd, SCRIPT_SIZE_MAX, &text, &size);
        if (k == -EFBIG)
                return refuse(e, "The script is too large", path);
        if (k == 0)
                k = read_first_line(text, r, e);
        return k == 0 ? read_options(name, text, size, r, e) : k;
}
