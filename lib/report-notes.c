/* SPDX-License-Identifier: Apache-2.0 */

/* What else there is to know: what FlowCron changed in the folder, what it could not do, what the run could do with less. */

#include "report-internal.h"

#include <string.h>

#include "outcome.h"
#include "text.h"

/* Of a list so many are named on the page; the record has more. */
#define NAMES_SHOWN 4
#define NAME_SHOWN_MAX 200

/* Asking for much more than is used makes a job wait longer; below these it is not worth a word. */
#define MEMORY_WORTH_A_WORD (INT64_C(8) * 1024 * 1024 * 1024)
#define TIME_WORTH_A_WORD (10 * 60)
#define USED_LITTLE_PERCENT 25

/* Where the points of the section go; the heading comes with the first. */
typedef struct Notes {
        Page *page;
        bool begun;
} Notes;

static Page *note(Notes *n) {
        if (!n->begun)
                page_heading(n->page, "Please note");
        n->begun = true;
        return n->page;
}

/* Paths may be as long as the tree is deep: of such a one its beginning and its end are shown. New string or NULL. */
static char *shown_name(const char *name) {
        size_t n = strlen(name);
        const char *end;

        if (n <= NAME_SHOWN_MAX)
                return strdup(name);
        end = name + n - NAME_SHOWN_MAX / 3;
        while ((*end & 0xc0) == 0x80)
                end++; /* not in the middle of a character */
        return xasprintf("%.*s…%s", (int)utf8_cut(name, NAME_SHOWN_MAX / 2), name, end);
}

/* "a, b, c, d and 17 more" from an array of strings or of objects with a path; new string or NULL. */
static char *join_names(const cJSON *array, int64_t count, const char *detail) {
        _cleanup_free_ char *all = strdup("");
        const cJSON *item;
        int shown = 0;

        cJSON_ArrayForEach(item, array) {
                const char *name =
                        cJSON_IsString(item) ? item->valuestring : json_str(item, "path");
                const char *more = cJSON_IsString(item) || !detail ? NULL : json_str(item, detail);
                _cleanup_free_ char *path =
                        name ? shown_name(*name ? name : "the folder itself") : NULL;
                _cleanup_free_ char *target = more ? shown_name(more) : NULL;
                char *longer;

                if (!path || !all || shown == NAMES_SHOWN)
                        break;
                longer = xasprintf("%s%s%s%s%s", all, shown > 0 ? ", " : "", path,
                        target ? " -> " : "", target ?: "");
                free(all);
                all = longer;
                shown++;
        }
        if (all && count > shown)
                return xasprintf("%s and %d more", all, (int)(count - shown));
        return TAKE_PTR(all);
}

static int note_rename(Notes *n, const cJSON *record) {
        const char *name = json_str(record, "name"), *folder = json_str(record, "folder");

        if (name && folder && !streq(name, folder))
                page_point(note(n),
                        "On the cluster the folder is called %s, since the name %s was in use there.",
                        folder, name);
        return 0;
}

static int note_converted(Notes *n, const cJSON *record) {
        const cJSON *names =
                json_array(json_object(report_last_attempt(record), "script"), "converted");
        _cleanup_free_ char *list = NULL;
        int count = cJSON_GetArraySize(names);

        if (count == 0)
                return 0;
        list = join_names(names, count, NULL);
        if (!list)
                return -ENOMEM;
        page_point(note(n),
                "Files in scripts/ had the line endings of Windows, with which they can't run; these were changed: %s.",
                list);
        return 0;
}

static int note_links(Notes *n, const cJSON *record) {
        const cJSON *removed = json_object(json_object(record, "filing"), "removed_links");
        int64_t count = json_int(removed, "count", 0);
        _cleanup_free_ char *list = NULL;

        if (count == 0)
                return 0;
        list = join_names(json_array(removed, "list"), count, "target");
        if (!list)
                return -ENOMEM;
        page_point(note(n),
                "%d symbolic link%s removed, because %s to nothing or out of this folder, and could not have been sent to you: %s.",
                (int)count, count == 1 ? " was" : "s were", count == 1 ? "it led" : "they led",
                list);
        return 0;
}

static int note_left_alone(Notes *n, const cJSON *record) {
        const cJSON *filing = json_object(record, "filing"),
                    *left = json_object(filing, "left_alone");
        int64_t count = json_int(left, "count", 0), unreadable = json_int(filing, "unreadable", 0);
        _cleanup_free_ char *list = NULL;

        if (count == 0)
                return 0;
        list = join_names(json_array(left, "list"), count, NULL);
        if (!list)
                return -ENOMEM;
        if (unreadable > 0)
                page_point(note(n),
                        "%d entr%s in this folder may be missing from what is sent to you, because FlowCron was not allowed to make %s "
                        "readable: %s.",
                        (int)unreadable, unreadable == 1 ? "y" : "ies",
                        unreadable == 1 ? "it" : "them", list);
        else
                page_point(note(n),
                        "%d entr%s kept the permissions %s had, since FlowCron does not change what is not its own alone: %s.",
                        (int)count, count == 1 ? "y" : "ies", count == 1 ? "it" : "they", list);
        return 0;
}

static int note_failed_steps(Notes *n, const cJSON *record) {
        const cJSON *job = json_object(report_last_attempt(record), "job"),
                    *steps = json_array(job, "failed_steps"), *step;
        _cleanup_free_ char *likely = NULL, *advice = NULL;
        int r;

        if (!streq(json_str(record, "outcome"), outcome_to_string(OUTCOME_SUCCEEDED)) ||
                cJSON_GetArraySize(steps) == 0)
                return 0;
        r = outcome_explain(NULL, job, &likely, &advice);
        if (r < 0)
                return r;
        page_point(note(n), "%s %s", likely, advice);
        cJSON_ArrayForEach(step, steps) {
                char words[REPORT_PART_MAX];

                page_point(note(n), "Step %s: %s", json_str(step, "step") ?: "?",
                        report_part_words(words, step));
        }
        return 0;
}

/* Only of a success: what a job that broke off had used says little. */
static int note_thrift(Notes *n, const cJSON *record) {
        const cJSON *job = json_object(report_last_attempt(record), "job");
        int64_t used = json_int(job, "memory_used_bytes", -1),
                asked = json_int(job, "memory_requested_bytes", -1);
        int64_t cpus = json_int(job, "cpus", 0), cpu = json_int(job, "cpu_s", -1),
                elapsed = json_int(job, "elapsed_s", 0);
        char words[OUTCOME_SIZE_MAX];

        if (!streq(json_str(record, "outcome"), outcome_to_string(OUTCOME_SUCCEEDED)))
                return 0;
        if (used > 0 && asked >= MEMORY_WORTH_A_WORD && used < asked / 100 * USED_LITTLE_PERCENT)
                page_point(note(n),
                        "It used at most %s of memory: asking for less (#SBATCH --mem) lets the next run start sooner.",
                        outcome_size(words, (uint64_t)used));
        if (cpu >= 0 && cpus > 1 && elapsed >= TIME_WORTH_A_WORD &&
                cpu * 100 < cpus * elapsed * USED_LITTLE_PERCENT)
                page_point(note(n),
                        "Most of the %d processors had little to do: asking for fewer lets the next run start sooner.",
                        (int)cpus);
        return 0;
}

int report_put_notes(Page *p, const cJSON *record) {
        static int (*const notes[])(Notes *, const cJSON *) = { note_failed_steps, note_links,
                note_left_alone, note_converted, note_rename, note_thrift };
        Notes n = { .page = p };
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(notes) && r == 0; i++)
                r = notes[i](&n, record);
        return r;
}
