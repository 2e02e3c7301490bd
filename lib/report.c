/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The report: one page for somebody who never saw a cluster, made from the record alone. What went
 * wrong comes first, then what to change, then the rest in falling order of use.
 *
 * No word of it is read by a program; whoever needs facts takes the record.
 */

#include "record.h"

#include <string.h>

#include "outcome.h"
#include "report-internal.h"
#include "report-tail.h"
#include "text.h"

const cJSON *report_last_attempt(const cJSON *record) {
        const cJSON *attempts = json_array(record, "attempts");

        return cJSON_GetArrayItem(attempts, cJSON_GetArraySize(attempts) - 1);
}

bool report_ran(const cJSON *record) {
        return json_str(report_last_attempt(record), "job_id");
}

static bool has_outcome(const cJSON *record, UowOutcome o) {
        return streq(json_str(record, "outcome"), outcome_to_string(o));
}

static void put_outcome(Page *p, const cJSON *record) {
        static const char *const words[_UOW_OUTCOME_MAX] = {
                [OUTCOME_SUCCEEDED] = "SUCCEEDED",
                [OUTCOME_FAILED] = "FAILED",
                [OUTCOME_REJECTED] = "NOT RUN",
                [OUTCOME_CANCELLED] = "CANCELLED",
                [OUTCOME_LOST] = "ENDING NOT KNOWN",
        };
        int outcome = outcome_from_string(json_str(record, "outcome"));
        const char *reason = json_str(record, "reason"),
                   *word = outcome > 0 ? words[outcome] : "ENDED";

        if (reason && outcome != OUTCOME_SUCCEEDED)
                page_paragraph(p, "%s: %s", word, reason);
        else
                page_paragraph(p, "%s", word);
}

static int put_head(Page *p, const cJSON *record) {
        _cleanup_free_ char *title =
                xasprintf("FlowCron report on %s", json_str(record, "name") ?: "?");

        if (!title)
                return -ENOMEM;
        page_title(p, title);
        page_gap(p);
        put_outcome(p, record);
        return 0;
}

static int put_tail(Page *p, const char *tail, const char *file) {
        _cleanup_free_ char *heading = xasprintf("The last lines of %s", file);
        int r;

        if (!heading)
                return -ENOMEM;
        page_heading(p, heading);
        r = report_put_tail(p, tail);
        page_gap(p);
        page_paragraph(p, "The whole file is in the folder.");
        return r;
}

static int put_explanation(Page *p, const cJSON *record, const char *tail, const char *tail_file) {
        const char *cause = json_str(record, "cause");
        _cleanup_free_ char *likely = NULL, *advice = NULL;
        int r;

        r = outcome_explain(cause ? cause : CAUSE_OTHER,
                json_object(report_last_attempt(record), "job"), &likely, &advice);
        if (r < 0)
                return r;
        if (!isempty(likely)) {
                page_heading(p, "What happened");
                page_paragraph(p, "%s", likely);
        }
        report_put_tasks(p, record);
        if (tail && tail_file)
                r = put_tail(p, tail, tail_file);
        if (!isempty(advice)) {
                page_heading(p, "What to change");
                page_paragraph(p, "%s", advice);
        }
        return r;
}

static void put_success(Page *p) {
        page_heading(p, "What happened");
        page_paragraph(p,
                "The script ran to its end and reported no error. Its results are in this folder.");
}

static void put_places(Page *p, const cJSON *record) {
        const cJSON *attempt = report_last_attempt(record);
        const char *job = json_str(attempt, "job_id");
        bool many = json_int(json_object(attempt, "job"), "task_count", 0) > 1;
        char label[64];

        page_heading(p, "Where things are in this folder");
        if (job) {
                snprintf(label, sizeof(label), "slurm-%.32s%s.out", job, many ? "_*" : "");
                page_row(p, 24, label, many ? "what each task printed" : "what the job printed");
                snprintf(label, sizeof(label), "slurm-%.32s%s.err", job, many ? "_*" : "");
                page_row(p, 24, label, many ? "the error messages of each" : "its error messages");
        }
        page_row(p, 24, "data/, scripts/", "%s",
                job ? "your files, and what the job wrote there" : "your files");
        page_row(p, 24, "flowcron/record.json", "all about this run, for programs");
}

/* On a line of its own, to be copied; a name that can't be shown as it is gives way to the id. */
static void put_order(Page *p, const cJSON *record) {
        const char *name = json_str(record, "folder"), *id = json_str(record, "id");
        _cleanup_free_ char *shown = name ? text_printable(name, 0) : NULL;
        bool plain =
                shown && streq(shown, name) && !strpbrk(name, "'\\\"$`!") && strlen(name) <= 48;

        page_row(p, 4, "", "flowcronctl retry '%s'", plain ? name : id ?: "NAME");
}

static void put_again(Page *p, const cJSON *record) {
        if (has_outcome(record, OUTCOME_SUCCEEDED))
                return;
        page_heading(p, "How to try again");
        page_paragraph(p,
                "Change what has to be changed in your own copy of the folder, and upload it the way you did before. What this "
                "run left in it (flowcron/, slurm-*.out, slurm-*.err) may stay: it is kept and does no harm.");
        if (has_outcome(record, OUTCOME_REJECTED))
                return;
        page_gap(p);
        page_paragraph(p,
                "If nothing has to be changed, it can be run again where it is, without another upload. Ask the person who "
                "looks after FlowCron for your project to give this order:");
        page_gap(p);
        put_order(p, record);
}

static void put_foot(Page *p, const cJSON *record) {
        page_gap(p);
        page_gap(p);
        page_paragraph(p, "Unit of Work %s", json_str(record, "id") ?: "?");
        page_paragraph(p, "FlowCron %s, instance %s, on %s, as user %s",
                json_str(record, "flowcron") ?: "?", json_str(record, "instance") ?: "?",
                json_str(record, "host") ?: "?", json_str(record, "user") ?: "?");
}

static int put_all(Page *p, const cJSON *record, const char *tail, const char *tail_file) {
        int r = put_head(p, record);

        if (r < 0)
                return r;
        if (has_outcome(record, OUTCOME_SUCCEEDED))
                put_success(p);
        else
                r = put_explanation(p, record, tail, tail_file);
        if (r == 0)
                r = report_put_notes(p, record);
        report_put_times(p, record);
        report_put_use(p, record);
        put_places(p, record);
        put_again(p, record);
        put_foot(p, record);
        return r;
}

int report_build(const cJSON *record, const char *tail, const char *tail_file, char **ret) {
        _cleanup_(page_done) Page p;
        int r = page_open(&p);

        if (r < 0)
                return r;
        r = put_all(&p, record, tail, tail_file);
        return r < 0 ? r : page_close(&p, ret);
}

int report_explanation(const cJSON *record, const char *tail, const char *tail_file, char **ret) {
        _cleanup_(page_done) Page p;
        int r = page_open(&p);

        if (r < 0)
                return r;
        r = put_explanation(&p, record, tail, tail_file);
        return r < 0 ? r : page_close(&p, ret);
}
