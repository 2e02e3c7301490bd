/* SPDX-License-Identifier: Apache-2.0 */

/*
 * All that is wrong with a folder: see rules.h. The daemon stops at the first fault that keeps it from going on; a person would rather
 * hear of the script's faults at once with those of the folders.
 */

#include "rules.h"

#include <limits.h>
#include <string.h>

#include "fileio.h"
#include "text.h"

static char *const default_variables[] = { (char *)"HOME", (char *)"USER", NULL };

ScriptRules rules_of(const Config *c) {
        if (!c)
                return (ScriptRules){ "submission_script.sh", default_variables, true };
        return (ScriptRules){ c->uow.script, c->uow.forbidden_variables,
                c->uow.convert_line_endings };
}

void folder_done(Folder *folder) {
        free(folder->path);
        free(folder->name);
        folder->parent = safe_close(folder->parent);
        cJSON_Delete(folder->faults);
        script_done(&folder->script);
}

static int add_fault(Folder *folder, const char *text) {
        const cJSON *known;

        cJSON_ArrayForEach(known, folder->faults)
                if (streq(cJSON_GetStringValue(known), text))
                        return 0;
        return json_add_str(folder->faults, text);
}

static int locate(const char *dir, Folder *folder, Refusal *f) {
        _cleanup_free_ char *parent = NULL;
        char *slash;

        folder->path = realpath(dir, NULL);
        if (!folder->path)
                return refusal_set(f, EXIT_FAILED, "missing", "%s: %s", dir, strerror(errno));
        slash = strrchr(folder->path, '/');
        if (!slash[1])
                return refusal_set(f, EXIT_FAILED, NULL, "%s is the root of all folders", dir);
        parent = strndup(folder->path, slash == folder->path ? 1 : (size_t)(slash - folder->path));
        folder->name = strdup(slash + 1);
        if (!parent || !folder->name)
                return refusal_set(f, EXIT_FAILED, NULL, "%s", strerror(ENOMEM));
        folder->parent = dir_open_path(parent);
        if (folder->parent < 0)
                return refusal_set(
                        f, EXIT_FAILED, NULL, "%s: %s", parent, strerror(-folder->parent));
        return 0;
}

/* The script's own faults, which a fault of the folder would hide. */
static int check_script(const ScriptRules *rules, Folder *folder, Error *e) {
        _cleanup_close_ int fd = dir_open_at(folder->parent, folder->name), scripts = -1;
        Script script = {};
        int r;

        if (fd < 0 || (scripts = dir_open_at(fd, "scripts")) < 0)
                return 0;
        r = script_find(fd, rules, &script, e);
        script_done(&script);
        return r == UOW_E_REJECTED ? add_fault(folder, e->text) : 0;
}

static int check(const ScriptRules *rules, Folder *folder, Error *e) {
        int r = 0;

        ASSUME(folder->name); /* located */
        if (folder->name[0] == '.')
                r = add_fault(
                        folder, "its name starts with a dot, so FlowCron takes no notice of it");
        if (r < 0)
                return r;
        r = admit_check(folder->parent, folder->name, rules, &folder->script, e);
        if (r == UOW_E_REJECTED || r == UOW_E_BLOCKED) {
                r = add_fault(folder, e->text);
                return r < 0 ? r : check_script(rules, folder, e);
        }
        return r;
}

int rules_check(const ScriptRules *rules, const char *dir, Folder *ret, Refusal *f) {
        Folder folder = { .parent = -1, .faults = cJSON_CreateArray() };
        Error e = {};
        int r;

        if (!folder.faults)
                return refusal_set(f, EXIT_FAILED, NULL, "%s", strerror(ENOMEM));
        r = locate(dir, &folder, f);
        if (r == 0) {
                r = check(rules, &folder, &e);
                if (r < 0)
                        r = refusal_set(f, EXIT_FAILED, NULL, "%s: %s", dir,
                                e.text[0] ? e.text : strerror(-r));
        }
        if (r != 0) {
                folder_done(&folder);
                return r;
        }
        *ret = folder;
        return 0;
}
