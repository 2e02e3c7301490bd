/* SPDX-License-Identifier: Apache-2.0 */

/* How the machine looks from outside: a Unit of Work with what it waits for, and what needs a person's eye. */

#include "machine-internal.h"

#include <string.h>

#include "text.h"
#include "uow-view.h"

/* A list that nobody reads to its end; and an answer over the socket has to fit into a frame. */
#define ATTENTION_MAX 100

static const char *live_reason(const UowRun *run) {
        const Uow *u = run->uow;

        if (run->trouble)
                return run->trouble;
        if (u->phase == PHASE_SETTLING)
                return NULL; /* why it ended the way it did stands in the record */
        if (u->state == UOW_QUEUED && u->phase == PHASE_PENDING)
                return run->waiting;
        return NULL;
}

static const char *line_reason(const Machine *m, const UowRun *run) {
        if (run->uow->state != UOW_STAGED || !run->queued_up)
                return NULL;
        if (m->submit_not_before > clock_boottime())
                return m->scheduler->health.text;
        if (m->parts.config->scheduler.max_queued)
                return "waits for its turn: scheduler.max_queued bounds how many are queued at once";
        return NULL;
}

cJSON *machine_uow_json(const Machine *m, const Uow *u) {
        _cleanup_json_ cJSON *o = uow_view(u, m->parts.layout);
        const UowRun *run = u->run;
        const char *reason;

        if (!o || !run)
                return TAKE_PTR(o);
        reason = live_reason(run);
        if (isempty(reason))
                reason = line_reason(m, run);
        if (!isempty(reason)) {
                cJSON_DeleteItemFromObjectCaseSensitive(o, "reason");
                if (json_set_str(o, "reason", reason) < 0)
                        return NULL;
        }
        return TAKE_PTR(o);
}

/* Its folder is where it is fetched from, and nobody is about to take it away. */
static bool is_ready(const Machine *m, const Uow *u) {
        const UowRun *run = u->run;

        return u->state == UOW_FINISHED && !u->purging && !machine_wants_chain(m, u) &&
                !(run && (run->misplaced || run->errand != ERRAND_NONE));
}

int machine_board_facts(const Machine *m, const Uow *u, BoardFacts *ret) {
        const SchedulerHealth *h = scheduler_health(m->scheduler);
        const UowRun *run = u->run;

        *ret = (BoardFacts){ .uow = u, .ready = is_ready(m, u) };
        if (h->availability == SCHEDULER_DOWN)
                ret->scheduler = h->text;
        if (!run)
                return 0;
        if (run->dirty)
                return -EAGAIN;
        ret->nodes = run->nodes;
        ret->waits_for = run->trouble;
        if (u->state == UOW_QUEUED && u->phase != PHASE_SETTLING && !ret->waits_for)
                ret->waits_for = run->waiting;
        if (!ret->waits_for)
                ret->waits_for = line_reason(m, run);
        return 0;
}

static int add(cJSON *array, const Uow *u, const char *what, const char *advice) {
        cJSON *o = cJSON_CreateObject();
        int r;

        if (!o)
                return -ENOMEM;
        if (!cJSON_AddItemToArray(array, o)) {
                cJSON_Delete(o);
                return -ENOMEM;
        }
        r = u ? json_set_name(o, "uow", u->folder) : 0;
        if (r >= 0 && u)
                r = json_set_str(o, "id", u->id);
        if (r >= 0)
                r = json_set_str(o, "what", what);
        return r < 0 ? r : json_set_str(o, "advice", advice);
}

static int add_machine(const Machine *m, cJSON *array) {
        const SchedulerHealth *h = scheduler_health(m->scheduler);
        char text[256], since[CLOCK_TEXT_MAX];
        int r = 0;

        if (m->broken) {
                snprintf(text, sizeof(text),
                        "The event log can't be written since %s: %s. Nothing is submitted or filed meanwhile.",
                        clock_format_short(since, m->broken_since, clock_now()),
                        strerror(-m->broken));
                r = add(array, NULL, text,
                        "Make room on, or mend, the file system of .flowcron; work then goes on by itself.");
        }
        if (r >= 0 && (h->availability == SCHEDULER_DOWN || h->availability == SCHEDULER_DEGRADED))
                r = add(array, NULL, h->text,
                        "What is staged waits, what runs goes on; nothing has to be done here. Ask the site if it lasts.");
        return r;
}

static const char *advice_on(const UowRun *run) {
        const Uow *u = run->uow;

        if (run->blocked)
                return NULL;
        if (u->phase == PHASE_SUBMITTING)
                return "Nothing has to be done: it is adopted if it is found, and submitted again once that is safe.";
        switch (u->state) {
        case UOW_STAGED:
                return "It is tried again by itself; if it is not wanted any more: `flowcronctl cancel NAME`.";
        default:
                return "It is tried again by itself; if it lasts, what is in the way has to be mended by hand.";
        }
}

/* Those that wait for a scheduler that is down are spoken for by the one line about that. */
static bool is_spoken_for(const Machine *m, const UowRun *run) {
        return run->uow->state == UOW_STAGED && run->uow->phase != PHASE_SETTLING &&
                m->scheduler->health.availability == SCHEDULER_DOWN;
}

static int add_run(const Machine *m, cJSON *array, const UowRun *run) {
        const Uow *u = run->uow;

        if (run->trouble && !is_spoken_for(m, run))
                return add(array, u, run->trouble, advice_on(run));
        if (run->stuck && machine_is_queued(run))
                return add(array, u,
                        run->waiting ?: "Its job waits for something that does not lift by itself.",
                        "Cancel it, or mend what it waits for: `flowcronctl cancel NAME`.");
        return 0;
}

static bool is_full(const cJSON *array) {
        return cJSON_GetArraySize(array) >= ATTENTION_MAX;
}

/* UoWs whose history is damaged have no run; everything else that needs an eye has one. */
static int add_quarantined(const Machine *m, cJSON *array) {
        size_t n = uowset_size(m->parts.uows);
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n && !is_full(array); i++) {
                const Uow *u = uowset_at(m->parts.uows, i);

                if (u->quarantined)
                        r = add(array, u, "A line of its history is damaged; it is left alone.",
                                "See `flowcronctl history`; move its folder out by hand, then upload it again.");
        }
        return r;
}

cJSON *machine_attention(const Machine *m) {
        _cleanup_json_ cJSON *array = cJSON_CreateArray();
        const UowRun *run;
        int r;

        if (!array)
                return NULL;
        r = add_machine(m, array);
        TAILQ_FOREACH(run, &m->active, active_entry) {
                if (r < 0 || is_full(array))
                        break;
                r = add_run(m, array, run);
        }
        if (r >= 0)
                r = add_quarantined(m, array);
        if (r >= 0 && is_full(array))
                r = add(array, NULL, "There are more like these.",
                        "`flowcronctl list` shows what each one waits for.");
        return r < 0 ? NULL : TAKE_PTR(array);
}
