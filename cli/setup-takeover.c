/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Taking over what the bash FlowCron has in a base folder, once nothing but us moves anything there (setup-standstill.c).
 *
 * Folders that wait are marked as ours; everything that needs a history is left in .flowcron/requests, where the daemon takes it up. Who dies in
 * between leaves a base folder in which nobody moves anything; the next run of setup finds the same, and goes on.
 */

#include "setup.h"

#include <fcntl.h>
#include <string.h>
#include <uuid/uuid.h>

#include "claim.h"
#include "fileio.h"
#include "offline.h"
#include "requests.h"
#include "text.h"

/* ---- what becomes of each ---- */

typedef struct Takeover {
        Setup *setup;
        const UowSet *known;
        cJSON *items;
        cJSON *running, *left;
        int kept, waiting, lost;
} Takeover;

static int leave(Takeover *t, const LegacyUow *u, const char *why) {
        _cleanup_free_ char *shown = text_printable(u->folder, 0);

        setup_warn(t->setup, "%s/%s is left as it is: %s.", t->setup->layout->path[u->place],
                shown ?: "?", why);
        return json_add_str(t->left, shown ?: "?");
}

/* An item as the survey has it; strings are borrowed. */
static int add_item(Takeover *t, const ImportItem *item) {
        cJSON *j = import_item_to_json(item);

        if (!j || !cJSON_AddItemToArray(t->items, j)) {
                cJSON_Delete(j);
                return -ENOMEM;
        }
        return 0;
}

/* The id in our mark in sentinels/; a new one if there is none yet. */
static int claim(const Setup *s, const char *folder, char ret_id[static UOW_ID_MAX]) {
        _cleanup_close_ int fd = dir_open_at(s->layout->fd[PLACE_WORK], folder), sentinels = -1;
        _cleanup_free_ char *text = NULL;
        uuid_t uuid;
        int r;

        sentinels = fd < 0 ? fd : dir_open_at(fd, CLAIM_FOLDER);
        r = sentinels < 0 ? sentinels
                          : claim_read(sentinels, CLAIM_FILE, CLAIM_SIZE_MAX, ret_id, NULL);
        if (r < 0 || ret_id[0])
                return r;
        uuid_generate(uuid);
        uuid_unparse_lower(uuid, ret_id);
        text = claim_text(ret_id, s->instance);
        return text ? file_replace_at(sentinels, CLAIM_FILE, text, strlen(text), CLAIM_MODE)
                    : -ENOMEM;
}

static int take_marked(Takeover *t, const LegacyUow *u, ImportKind kind) {
        const Setup *s = t->setup;
        char id[UOW_ID_MAX] = "";
        ImportItem item = { .kind = kind, .folder = u->folder, .id = id };
        int r = 0;

        /* A mark of a submission stays: with it nobody takes the folder for one that waits. */
        if (kind == IMPORT_WAITING)
                r = legacy_clear_marks(s->layout->fd[PLACE_WORK], u->folder);
        if (r == 0)
                r = claim(s, u->folder, id);
        if (r != 0)
                return leave(t, u, r < 0 ? strerror(-r) : "somebody else is working on it");
        return add_item(t, &item);
}

static int take_waiting(Takeover *t, const LegacyUow *u) {
        if (faccessat(t->setup->layout->fd[PLACE_UPLOADED], u->folder, F_OK, AT_SYMLINK_NOFOLLOW) ==
                0)
                return leave(t, u,
                        "it is also in UploadedFiles, so its move may not have come to its end");
        t->waiting++;
        return take_marked(t, u, IMPORT_WAITING);
}

static int take_submitted(Takeover *t, const LegacyUow *u) {
        const ImportItem item = { .kind = IMPORT_RUNNING,
                .folder = u->folder,
                .job_id = u->job_id,
                .submitted = u->submitted };
        _cleanup_free_ char *shown = text_printable(u->folder, 0);

        if (!u->job_id) {
                t->lost++;
                setup_warn(t->setup,
                        "%s was submitted by the bash FlowCron, or nearly so, and no job of it is known. It is filed in FailedJobs; "
                        "flowcronctl retry runs it again.",
                        shown ?: "?");
                return take_marked(t, u, IMPORT_LOST);
        }
        if (json_add_str(t->running, shown ?: "?") < 0)
                return -ENOMEM;
        return add_item(t, &item);
}

/* Its clean-up died before its last step: what it wanted to do is done. */
static int finish_cleanup(Takeover *t, const LegacyUow *u) {
        int place = t->setup->layout->fd[u->place], r = legacy_clear_marks(place, u->folder);
        _cleanup_close_ int fd = r < 0 ? -1 : dir_open_at(place, u->folder);

        if (r > 0)
                return leave(t, u, "somebody has put something else into its sentinels/");
        if (r == 0 && fd < 0)
                r = fd;
        if (r == 0 && unlinkat(fd, CLAIM_FOLDER, AT_REMOVEDIR) < 0 && errno != ENOENT)
                r = -errno;
        return r < 0 ? leave(t, u, strerror(-r)) : 0;
}

static int take_kept(Takeover *t, const LegacyUow *u) {
        bool analysed = u->place == PLACE_ANALYSED || u->place == PLACE_BIN_ANALYSED;
        const ImportItem item = { .kind = IMPORT_KEPT,
                .folder = u->folder,
                .outcome = analysed ? OUTCOME_SUCCEEDED : OUTCOME_FAILED,
                .binned = u->place == PLACE_BIN_ANALYSED || u->place == PLACE_BIN_FAILED,
                .job_id = u->job_id,
                .ended = u->ended };

        t->kept++;
        return add_item(t, &item);
}

static int free_stuck(Takeover *t, const LegacyUow *u) {
        int r = legacy_clear_marks(t->setup->layout->fd[PLACE_UPLOADED], u->folder);

        if (r < 0)
                return leave(t, u, strerror(-r));
        t->waiting++;
        return 0;
}

static bool is_known(const Takeover *t, const LegacyUow *u) {
        return t->known && u->place != PLACE_UPLOADED && uowset_by_folder(t->known, u->folder);
}

/* Of two with one name the first that is taken over has it. */
static bool is_second(const LegacySurvey *survey, size_t i) {
        for (size_t k = 0; k < i; k++)
                if (survey->uows[k].place != PLACE_UPLOADED &&
                        survey->uows[i].place != PLACE_UPLOADED &&
                        streq(survey->uows[k].folder, survey->uows[i].folder))
                        return true;
        return false;
}

static int take_one(Takeover *t, const LegacySurvey *survey, size_t i) {
        const LegacyUow *u = &survey->uows[i];
        int r;

        if (is_known(t, u))
                return 0;
        if (is_second(survey, i))
                return leave(t, u,
                        "another of the same name is taken over; give it another name and run setup again");
        switch (u->finding) {
        case LEGACY_UNFINISHED:
                r = finish_cleanup(t, u);
                return r < 0 ? r : take_kept(t, u);
        case LEGACY_KEPT:
                return take_kept(t, u);
        case LEGACY_WAITING:
                return take_waiting(t, u);
        case LEGACY_SUBMITTED:
                return take_submitted(t, u);
        case LEGACY_STUCK:
                return free_stuck(t, u);
        case LEGACY_FOREIGN:
                return leave(t, u, "it is no Unit of Work that waits or runs");
        default:
                return 0;
        }
}

/* ---- handing it to the daemon ---- */

static int leave_requests(Takeover *t, Error *e) {
        int dir = t->setup->layout->fd[PLACE_REQUESTS], r = 0;

        while (r == 0 && cJSON_GetArraySize(t->items) > 0) {
                _cleanup_json_ cJSON *some = cJSON_CreateArray();

                if (!some)
                        return -ENOMEM;
                for (int n = 0; n < REQUESTS_ITEMS_MAX && t->items->child; n++)
                        cJSON_AddItemToArray(some, cJSON_DetachItemFromArray(t->items, 0));
                r = requests_write_import(dir, some, e);
        }
        return r;
}

static int report(Takeover *t) {
        _cleanup_json_ cJSON *o = cJSON_CreateObject();
        int running = cJSON_GetArraySize(t->running);

        if (t->kept + t->waiting + t->lost + running > 0)
                setup_say_done(t->setup,
                        "Took over from the bash FlowCron: %d results, %d with a job, %d that wait, %d without a trace of their job. "
                        "flowcrond takes them into its history when it starts.",
                        t->kept, running, t->waiting, t->lost);
        if (!o || json_set_int(o, "results", t->kept) < 0 ||
                json_set_int(o, "waiting", t->waiting) < 0 ||
                json_set_int(o, "lost", t->lost) < 0 ||
                json_set_item(o, "running", TAKE_PTR(t->running)) < 0 ||
                json_set_item(o, "left", TAKE_PTR(t->left)) < 0)
                return -ENOMEM;
        t->setup->takeover = TAKE_PTR(o);
        return 0;
}

static int take_all(Takeover *t, const LegacySurvey *survey, Error *e) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < survey->n; i++)
                r = take_one(t, survey, i);
        for (char **left = survey->left; left && *left; left++)
                setup_warn(t->setup, "%s", *left);
        if (r >= 0)
                r = leave_requests(t, e);
        return r < 0 ? r : report(t);
}

int setup_take_over(Setup *s, Error *e) {
        _cleanup_(legacy_survey_done) LegacySurvey survey = {};
        _cleanup_(offline_freep) Offline *offline = NULL;
        Takeover t = { .setup = s,
                .items = cJSON_CreateArray(),
                .running = cJSON_CreateArray(),
                .left = cJSON_CreateArray() };
        int r = t.items && t.running && t.left ? 0 : -ENOMEM;

        if (r == 0)
                r = setup_bring_to_rest(s, &survey, e);
        /* What an earlier run has taken over. */
        if (r == 0)
                r = offline_open(s->config, &offline, e);
        if (r == 0) {
                t.known = offline->uows;
                r = take_all(&t, &survey, e);
        }
        cJSON_Delete(t.items);
        cJSON_Delete(t.running);
        cJSON_Delete(t.left);
        return r;
}
