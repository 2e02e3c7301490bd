/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What workers answer, turned into events. An answer that is missing or unclear becomes a pause and another look,
 * never a conclusion.
 */

#include "machine-internal.h"

#include <string.h>

#include "log.h"
#include "text.h"

static void settle_text(Error *ret, int r, const Error *e, const char *what) {
        if (e && e->text[0])
                error_set(ret, r, "%s", e->text);
        else
                error_set(ret, r, "%s: %s", what, r < 0 ? strerror(-r) : "unexpected answer");
}

/* Something is in the way that may pass: say it once, try again. */
static void trouble(UowRun *run, int r, const Error *e, const char *what) {
        bool news;
        Error text;

        if (r == -EOWNERDEAD)
                (void)machine_look(run->machine); /* a worker saw it first: stop at once */
        settle_text(&text, r, e, what);
        news = !streq(run->trouble, text.text);
        run->blocked = r == UOW_E_BLOCKED;
        machine_pause(run, text.text);
        if (news)
                log_uow(LOG_WARNING, run->uow, NULL, "%s", text.text);
}

/* Posting fails only without memory or for an event the table has no room for; both are said, and the errand is done again. */
void machine_answer(UowRun *run, EventType type, cJSON *data) {
        int r = machine_post(run->machine, run->uow, type, data);

        if (r != 0) {
                log_uow(LOG_ERR, run->uow, NULL,
                        "event %s could not be noted (%d); it is tried again",
                        event_type_to_string(type), r);
                machine_pause(run, NULL);
        }
}

cJSON *machine_object(const char *key, const char *value) {
        cJSON *o = cJSON_CreateObject();

        if (o && json_set_str(o, key, value) < 0) {
                cJSON_Delete(o);
                return NULL;
        }
        return o;
}

static cJSON *copy_of(const cJSON *result) {
        return result && result->child ? cJSON_Duplicate(result, true) : NULL;
}

cJSON *machine_ended_data(
        UowOutcome outcome, const char *cause, const char *reason, const cJSON *job) {
        cJSON *o = machine_object(
                "outcome", outcome == OUTCOME_NONE ? NULL : outcome_to_string(outcome));

        if (o &&
                (json_set_str(o, "cause", cause) < 0 || json_set_str(o, "reason", reason) < 0 ||
                        (job && json_set_item(o, "job", cJSON_Duplicate(job, true)) < 0))) {
                cJSON_Delete(o);
                return NULL;
        }
        return o;
}

void machine_end(Machine *m, Uow *u, UowOutcome outcome, const char *cause, const char *reason,
        const cJSON *job) {
        UowRun *run = machine_run(m, u);
        cJSON *data = machine_ended_data(outcome, cause, reason, job);

        if (!run || !data) {
                cJSON_Delete(data);
                return; /* out of memory: the next poll or kick comes here again */
        }
        machine_untroubled(run);
        machine_answer(run, EVENT_ENDED, data);
}

void machine_gone(Machine *m, Uow *u) {
        UowRun *run = machine_run(m, u);
        bool live = u->state == UOW_QUEUED && u->phase != PHASE_SETTLING && !run->fresh;
        Error e = {};
        int r;

        if (!run || u->state == UOW_PURGED)
                return;
        if (live && u->cancelling)
                return; /* its job is being ended */
        /* An unmounted file system takes no Unit of Work away. */
        r = layout_check(m->parts.layout, &e);
        if (r < 0) {
                trouble(run, r, &e, "The instance's folders can't be looked at");
                return;
        }
        machine_untroubled(run);
        run->misplaced = false;
        machine_set_fresh(run, false);
        if (live)
                machine_answer(run, EVENT_CANCELLING, machine_object("by", "outside"));
        else
                machine_answer(run, EVENT_PURGED,
                        machine_object(
                                "by", u->purging && run->purge_by ? run->purge_by : "outside"));
}

void machine_missing(Machine *m, Uow *u) {
        UowRun *run = machine_run(m, u);

        if (!run || run->errand != ERRAND_NONE || run->dirty)
                return;
        if (uow_is_active(u)) {
                machine_gone(m, u);
                return;
        }
        /* On its way to the next instance: that finds out where it is by itself. */
        run->misplaced = !machine_wants_chain(m, u);
        machine_kick(m, u);
}

void machine_staged(int r, const cJSON *result, const Error *e, void *userdata) {
        UowRun *run = userdata;
        Machine *m = run->machine;

        machine_errand_end(run);
        machine_dirty(m, run->uow);
        if (r == 0) {
                machine_untroubled(run);
                machine_answer(run, EVENT_STAGED, cJSON_Duplicate(result, true));
        } else if (r == UOW_E_REJECTED)
                machine_end(m, run->uow, OUTCOME_REJECTED, CAUSE_RULE, e->text, NULL);
        else if (r == UOW_E_GONE)
                machine_gone(m, run->uow);
        else if (r == -EEXIST && json_str(result, "folder"))
                machine_answer(run, EVENT_FOLDER, copy_of(result));
        else {
                trouble(run, r, e, "It could not be taken over");
                if (run->uow->cancelling)
                        run->not_before = 0; /* what was in the way of is not wanted any more */
        }
}

/* That it is to move on is decided now, once: results of before a chain was configured stay where they are. */
static cJSON *finished_data(const UowRun *run, const cJSON *result) {
        cJSON *o = copy_of(result);

        if (run->uow->outcome != OUTCOME_SUCCEEDED || isempty(run->machine->parts.config->chain.to))
                return o;
        if (!o)
                o = cJSON_CreateObject();
        if (o)
                (void)json_set_bool(o, "chain", true);
        return o;
}

void machine_settled(int r, const cJSON *result, const Error *e, void *userdata) {
        UowRun *run = userdata;

        machine_errand_end(run);
        machine_dirty(run->machine, run->uow);
        if (r == 0) {
                machine_untroubled(run);
                machine_answer(run, EVENT_FINISHED, finished_data(run, result));
        } else if (r == UOW_E_GONE)
                machine_gone(run->machine, run->uow);
        else
                trouble(run, r, e, "The result could not be filed");
}

void machine_relocated(int r, const cJSON *result, const Error *e, void *userdata) {
        UowRun *run = userdata;

        machine_errand_end(run);
        machine_dirty(run->machine, run->uow);
        if (r == 0) {
                machine_untroubled(run);
                if (json_str(result, "folder"))
                        machine_answer(run, EVENT_FOLDER, copy_of(result));
                if (run->machine->events.placed)
                        run->machine->events.placed(run->uow, run->machine->events.userdata);
        } else if (r == UOW_E_GONE)
                machine_gone(run->machine, run->uow);
        else {
                trouble(run, r, e, "The folder could not be moved");
                run->misplaced = true;
        }
}

void machine_chained(int r, const cJSON *result, const Error *e, void *userdata) {
        UowRun *run = userdata;

        machine_errand_end(run);
        machine_dirty(run->machine, run->uow);
        if (r == 0) {
                machine_untroubled(run);
                machine_answer(run, EVENT_MOVED_ON, cJSON_Duplicate(result, true));
        } else if (r == UOW_E_GONE)
                machine_gone(run->machine, run->uow);
        else
                trouble(run, r, e, "It could not be handed to the next instance");
}

void machine_purged(int r, const cJSON *result _unused_, const Error *e, void *userdata) {
        UowRun *run = userdata;

        machine_errand_end(run);
        machine_dirty(run->machine, run->uow);
        if (r == 0 || r == UOW_E_GONE) {
                machine_untroubled(run);
                machine_answer(run, EVENT_PURGED,
                        machine_object("by", run->purge_by ? run->purge_by : "order"));
        } else
                trouble(run, r, e, "It could not be removed");
}
