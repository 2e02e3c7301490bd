/* SPDX-License-Identifier: Apache-2.0 */

/* One item of an import, to JSON and back: see import.h. */

#include "import.h"

#include <limits.h>
#include <string.h>

#include "text.h"

static const char *const kinds[_IMPORT_KIND_MAX] = {
        [IMPORT_KEPT] = "kept",
        [IMPORT_RUNNING] = "running",
        [IMPORT_WAITING] = "waiting",
        [IMPORT_LOST] = "lost",
};

void import_item_done(ImportItem *item) {
        free(item->folder);
        free(item->id);
        free(item->job_id);
        *item = (ImportItem){};
}

cJSON *import_item_to_json(const ImportItem *item) {
        _cleanup_json_ cJSON *j = cJSON_CreateObject();

        if (!j || json_set_str(j, "kind", kinds[item->kind]) < 0 ||
                json_set_name(j, "folder", item->folder) < 0 ||
                json_set_str(j, "id", item->id) < 0 ||
                json_set_str(j, "job_id", item->job_id) < 0 ||
                json_set_time(j, "submitted", item->submitted) < 0 ||
                json_set_time(j, "ended", item->ended) < 0 ||
                (item->binned && json_set_bool(j, "binned", true) < 0) ||
                json_set_str(j, "outcome",
                        item->outcome == OUTCOME_NONE ? NULL : outcome_to_string(item->outcome)) <
                        0)
                return NULL;
        return TAKE_PTR(j);
}

static int kind_from(const char *word) {
        for (int i = 0; i < _IMPORT_KIND_MAX; i++)
                if (streq(word, kinds[i]))
                        return i;
        return -EINVAL;
}

static bool is_id(const char *s) {
        return !s || (strlen(s) == 36 && strspn(s, "0123456789abcdef-") == 36);
}

static bool is_job(const char *s) {
        return !s || (*s && strlen(s) < 11 && !s[strspn(s, "0123456789")]);
}

static bool is_folder(const char *s) {
        return !isempty(s) && *s != '.' && strlen(s) <= NAME_MAX && !strchr(s, '/');
}

/* What each kind can't do without. */
static bool is_whole(const ImportItem *item) {
        if (!is_folder(item->folder) || !is_id(item->id) || !is_job(item->job_id))
                return false;
        switch (item->kind) {
        case IMPORT_KEPT:
                return item->outcome == OUTCOME_SUCCEEDED || item->outcome == OUTCOME_FAILED;
        case IMPORT_RUNNING:
                return item->job_id != NULL;
        default:
                return item->id != NULL;
        }
}

int import_item_from_json(const cJSON *j, ImportItem *ret) {
        _cleanup_(import_item_done) ImportItem item = {};
        int kind = kind_from(json_str(j, "kind")),
            outcome = outcome_from_string(json_str(j, "outcome")), r;

        if (kind < 0)
                return UOW_E_INVALID;
        r = json_get_name(j, "folder", &item.folder);
        if (r < 0)
                return r == -ENOMEM ? r : UOW_E_INVALID;
        item.kind = (ImportKind)kind;
        item.outcome = outcome < 0 ? OUTCOME_NONE : (UowOutcome)outcome;
        item.binned = json_bool(j, "binned", false);
        item.submitted = json_time(j, "submitted");
        item.ended = json_time(j, "ended");
        if (strdup_to(&item.id, json_str(j, "id")) < 0 ||
                strdup_to(&item.job_id, json_str(j, "job_id")) < 0)
                return -ENOMEM;
        if (!is_whole(&item))
                return UOW_E_INVALID;
        *ret = item;
        item = (ImportItem){};
        return 0;
}
