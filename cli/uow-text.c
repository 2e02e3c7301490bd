/* SPDX-License-Identifier: Apache-2.0 */

/* A Unit of Work in words: see uow-text.h. */

#include "uow-text.h"

#include <string.h>

#include "state.h"
#include "text.h"

/* "2026-11-21 08:28:11" */
#define TIME_SIZE 19

static Style outcome_style(const char *outcome) {
        switch (outcome_from_string(outcome)) {
        case OUTCOME_SUCCEEDED:
                return STYLE_GOOD;
        case OUTCOME_CANCELLED:
                return STYLE_WARN;
        case OUTCOME_FAILED:
        case OUTCOME_REJECTED:
        case OUTCOME_LOST:
                return STYLE_BAD;
        default:
                return STYLE_NONE;
        }
}

const char *uow_state_text(
        const cJSON *uow, char buf[static UOW_STATE_TEXT_MAX], Style *ret_style) {
        const char *state = json_str(uow, "state") ?: "?", *outcome = json_str(uow, "outcome"),
                   *phase = json_str(uow, "phase"), *detail = phase;
        Style style = STYLE_NONE;

        if (json_bool(uow, "quarantined", false))
                detail = "quarantined";
        else if (json_bool(uow, "cancelling", false))
                detail = "cancelling";
        else if (outcome && !phase)
                detail = outcome;
        if (streq(state, "purged") || streq(state, "soft-deleted") || streq(state, "arriving"))
                style = STYLE_DIM;
        else if (outcome && !phase)
                style = outcome_style(outcome);
        else if (streq(phase, "running"))
                style = STYLE_BUSY;
        snprintf(buf, UOW_STATE_TEXT_MAX, "%s%s%s", state, detail ? ": " : "", detail ?: "");
        if (ret_style)
                *ret_style = json_bool(uow, "quarantined", false) ? STYLE_BAD : style;
        return buf;
}

usec_t uow_since(const cJSON *uow) {
        const char *state = json_str(uow, "state"), *phase = json_str(uow, "phase");
        const char *key = "updated";
        usec_t t;

        /* One that is tried again and again changes all the time, but has waited since it came. */
        if (streq(state, "arriving") || streq(state, "uploaded") ||
                (streq(state, "staged") && json_int(uow, "attempt", 0) <= 1))
                key = "created";
        else if (streq(phase, "running"))
                key = "started";
        else if (streq(phase, "pending"))
                key = "queued";
        else if (streq(state, "finished"))
                key = "finished";
        else if (streq(state, "soft-deleted"))
                key = "soft_deleted";
        t = json_time(uow, key);
        return t ? t : json_time(uow, "updated");
}

bool uow_runs(const cJSON *uow) {
        int s = state_from_string(json_str(uow, "state"));

        return s == UOW_ARRIVING || s == UOW_UPLOADED || s == UOW_STAGED || s == UOW_QUEUED;
}

char *uow_label(const cJSON *uow) {
        return out_text(json_str(uow, "name") ?: json_str(uow, "id"), SIZE_MAX);
}

/* ---- tables ---- */

enum {
        COLUMN_NAME,
        COLUMN_STATE,
        COLUMN_JOB,
        COLUMN_SINCE,
        COLUMN_FOR,
        COLUMN_REASON,
        _COLUMN_MAX,
};

static const Column list_columns[_COLUMN_MAX] = {
        [COLUMN_NAME] = { .title = "NAME", .min = 14, .shrinks = true },
        [COLUMN_STATE] = { .title = "STATE", .min = 8 },
        [COLUMN_JOB] = { .title = "JOB", .min = 6, .shrinks = true, .spare = 2 },
        [COLUMN_SINCE] = { .title = "SINCE", .min = 5, .spare = 1 },
        [COLUMN_FOR] = { .title = "FOR", .min = 5, .spare = 3 },
        [COLUMN_REASON] = { .title = "REASON", .min = 8, .shrinks = true },
};

Table *uow_table(void) {
        return table_new(list_columns, ELEMENTSOF(list_columns));
}

static int add_times(Table *t, const cJSON *uow, usec_t now) {
        char since[CLOCK_TEXT_MAX], elapsed[CLOCK_TEXT_MAX] = "";
        usec_t when = uow_since(uow);
        int r;

        clock_format_short(since, when, now);
        if (when && now >= when + USEC_PER_SEC && uow_runs(uow))
                duration_words(elapsed, (now - when) / USEC_PER_SEC * USEC_PER_SEC);
        r = table_set(t, COLUMN_SINCE, STYLE_NONE, when ? since : "");
        return r < 0 ? r : table_set(t, COLUMN_FOR, STYLE_NONE, elapsed);
}

int uow_table_add(Table *t, const cJSON *uow, usec_t now) {
        char state[UOW_STATE_TEXT_MAX];
        Style style;
        int r;

        uow_state_text(uow, state, &style);
        r = table_set(t, COLUMN_NAME, STYLE_NONE, json_str(uow, "name") ?: json_str(uow, "id"));
        if (r >= 0)
                r = table_set(t, COLUMN_STATE, style, state);
        if (r >= 0)
                r = table_set(t, COLUMN_JOB, STYLE_NONE, json_str(uow, "job_id"));
        if (r >= 0)
                r = add_times(t, uow, now);
        if (r >= 0)
                r = table_set(t, COLUMN_REASON, STYLE_NONE, json_str(uow, "reason"));
        return r < 0 ? r : table_end_row(t);
}

/* ---- one ---- */

static void print_field(const char *label, const char *value) {
        _cleanup_free_ char *text = out_text(value, SIZE_MAX);

        if (!isempty(value) && text)
                printf("  %-12s %s\n", label, text);
}

const char *uow_time_text(char buf[static CLOCK_TEXT_MAX], usec_t t) {
        clock_format(buf, t);
        if (strlen(buf) > TIME_SIZE) {
                buf[strcspn(buf, "T")] = ' ';
                buf[TIME_SIZE] = 0;
        }
        return buf;
}

static void print_time(const char *label, usec_t t) {
        char when[CLOCK_TEXT_MAX];

        if (t)
                printf("  %-12s %s\n", label, uow_time_text(when, t));
}

static void print_duration(const char *label, usec_t from, usec_t to) {
        char text[CLOCK_TEXT_MAX];

        if (from && to > from)
                printf("  %-12s %s\n", label,
                        duration_words(text, (to - from) / USEC_PER_SEC * USEC_PER_SEC));
}

static void print_head(const cJSON *uow) {
        _cleanup_free_ char *label = uow_label(uow);
        char state[UOW_STATE_TEXT_MAX];
        Style style;

        uow_state_text(uow, state, &style);
        printf("%s%s%s: %s%s%s\n", out_on(STYLE_BOLD), label ?: "?", out_off(STYLE_BOLD),
                out_on(style), state, out_off(style));
        if (json_str(uow, "reason"))
                out_paragraph(2, json_str(uow, "reason"));
}

static void print_times(const cJSON *uow) {
        usec_t now = clock_now(), queued = json_time(uow, "queued"),
               started = json_time(uow, "started"), finished = json_time(uow, "finished");

        print_time("arrived", json_time(uow, "created"));
        print_time("queued", queued);
        print_time("started", started);
        print_time("finished", finished);
        print_time("binned", json_time(uow, "soft_deleted"));
        /* One that was over before it was ever seen to run waited, and ran, for a time that only its record knows. */
        if (started)
                print_duration("waited", queued, started);
        else if (!finished)
                print_duration("waits for", queued, now);
        print_duration(finished ? "ran" : "runs for", started, finished ? finished : now);
}

static bool is_kept(const cJSON *uow) {
        int s = state_from_string(json_str(uow, "state"));

        return s == UOW_FINISHED || s == UOW_SOFT_DELETED;
}

static void print_report(const cJSON *uow) {
        _cleanup_free_ char *path = out_text(json_str(uow, "path"), SIZE_MAX);

        if (is_kept(uow) && path && *path)
                printf("  %-12s %s/flowcron/report.txt\n", "report", path);
}

/* How to name it in an order that is to be pasted into a shell: by its id if its name would need quotes. */
static const char *handle(const cJSON *uow) {
        static const char plain[] =
                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+=@:,";
        const char *name = json_str(uow, "name"), *id = json_str(uow, "id");

        if (id && (!name || name[0] == '-' || name[strspn(name, plain)]))
                return id;
        return name ?: "NAME";
}

static char *advice_on_result(const cJSON *uow) {
        const char *outcome = json_str(uow, "outcome");

        if (json_str(uow, "moved_to"))
                return strdup("It went on to the next instance of the chain; ask there.");
        if (streq(outcome, "succeeded"))
                return NULL;
        if (streq(outcome, "rejected"))
                return xasprintf(
                        "It is mended in the uploader's copy, and uploaded again; or in the folder here, and then: "
                        "flowcronctl retry %s",
                        handle(uow));
        return xasprintf(
                "More about it: flowcronctl show %s. Once more as it is: flowcronctl retry %s",
                handle(uow), handle(uow));
}

/* What whoever asks after it may want to know or do next; new string or NULL. */
static char *advice(const cJSON *uow) {
        switch (state_from_string(json_str(uow, "state"))) {
        case UOW_ARRIVING:
                return strdup(
                        "It is taken up as soon as its upload is complete: when it holds an empty folder sentinels/.");
        case UOW_STAGED:
                return strdup(json_str(uow, "reason")
                                ? "Nothing has to be done here: it is tried again by itself."
                                : "It waits for its turn. Whether the scheduler answers: flowcronctl status");
        case UOW_FINISHED:
                return advice_on_result(uow);
        case UOW_SOFT_DELETED:
                return xasprintf("Out of the recycling bin: flowcronctl restore %s", handle(uow));
        case UOW_PURGED:
                return xasprintf("It is gone from disk; its history stays: flowcronctl history %s",
                        handle(uow));
        default:
                return NULL;
        }
}

void uow_print(const cJSON *uow, bool brief) {
        _cleanup_free_ char *next = brief ? advice(uow) : NULL;
        char attempt[24] = "";

        print_head(uow);
        if (json_int(uow, "attempt", 0) > (brief ? 1 : 0))
                snprintf(attempt, sizeof(attempt), "%d", (int)json_int(uow, "attempt", 0));
        print_field("id", json_str(uow, "id"));
        print_field("arrived as", json_str(uow, "arrived_as"));
        print_field("job", json_str(uow, "job_id"));
        print_field("more jobs", json_str(uow, "job_ids"));
        print_field("attempt", attempt);
        if (!brief) {
                print_field("cause", json_str(uow, "cause"));
                print_field("script", json_str(uow, "script"));
        }
        print_times(uow);
        print_field("moved to", json_str(uow, "moved_to"));
        print_field("path", json_str(uow, "path"));
        print_report(uow);
        if (next) {
                putchar('\n');
                out_paragraph(2, next);
        }
}

/* ---- events ---- */

static char *by_text(const char *what, const cJSON *e) {
        const char *by = json_str(e, "by");

        if (!by)
                return strdup(what);
        if (streq(by, "outside"))
                return xasprintf("%s by somebody else, outside FlowCron", what);
        if (streq(by, "control") || streq(by, "request") || streq(by, "folder") ||
                streq(by, "order"))
                return xasprintf("%s by order%s", what,
                        streq(by, "folder")            ? " (a folder in Orders/)"
                                : streq(by, "request") ? " (left on disk)"
                                                       : "");
        return xasprintf("%s by %s", what, by);
}

static char *job_text(const cJSON *e) {
        const char *phase = json_str(e, "phase"), *nodes = json_str(e, "nodes"),
                   *reason = json_str(e, "reason");

        return xasprintf("job is %s%s%s%s%s", phase ?: "known", nodes ? " on " : "", nodes ?: "",
                reason ? ": " : "", reason ?: "");
}

static char *ended_text(const cJSON *e) {
        const char *reason = json_str(e, "reason");

        return xasprintf(
                "%s%s%s", json_str(e, "outcome") ?: "ended", reason ? ": " : "", reason ?: "");
}

static char *queued_text(const cJSON *e) {
        return xasprintf("queued as job %s%s%s", json_str(e, "job_id") ?: "?",
                json_bool(e, "held", false) ? ", held" : "",
                json_bool(e, "imported", false)          ? " (by another program)"
                        : json_bool(e, "adopted", false) ? " (found again)"
                                                         : "");
}

char *event_text(const cJSON *e) {
        const char *reason = json_str(e, "reason");

        switch (event_type_from_string(json_str(e, "event"))) {
        case EVENT_UPLOADED:
                return strdup(json_bool(e, "imported", false) ? "taken over from another program"
                                                              : "its upload is complete");
        case EVENT_STAGED:
                return xasprintf("staged; its script is %s", json_str(e, "script") ?: "?");
        case EVENT_SUBMITTING:
                return strdup("is being submitted");
        case EVENT_DEFERRED:
                return xasprintf("not submitted for now: %s", reason ?: "no reason was given");
        case EVENT_QUEUED:
                return queued_text(e);
        case EVENT_RELEASED:
                return strdup("the job may start");
        case EVENT_JOB:
                return job_text(e);
        case EVENT_CANCELLING:
                return by_text("cancelled", e);
        case EVENT_ENDED:
                return ended_text(e);
        case EVENT_REQUEUED:
                return xasprintf("tried again by itself: %s", reason ?: json_str(e, "cause") ?: "?");
        case EVENT_FINISHED:
                return xasprintf("filed%s%s", json_str(e, "folder") ? " as " : "",
                        json_str(e, "folder") ?: "");
        case EVENT_RETRY:
                return by_text("retried", e);
        case EVENT_MOVED_ON:
                return xasprintf("moved on to %s", json_str(e, "moved_to") ?: "?");
        case EVENT_SOFT_DELETED:
                return by_text("put into the recycling bin", e);
        case EVENT_RESTORED:
                return by_text("taken out of the recycling bin", e);
        case EVENT_PURGING:
                return by_text("is being removed for good", e);
        case EVENT_PURGED:
                return by_text("removed for good", e);
        case EVENT_FOLDER:
                return xasprintf("its folder is called %s now", json_str(e, "folder") ?: "?");
        default:
                return strdup(json_str(e, "event") ?: "?");
        }
}
