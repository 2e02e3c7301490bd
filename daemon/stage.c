/* SPDX-License-Identifier: Apache-2.0 */

#include "stage.h"

#include <fcntl.h>
#include <string.h>

#include "admit.h"
#include "crashpoint.h"
#include "earlier.h"
#include "fileio.h"
#include "stage-take.h"
#include "uow-name.h"

struct StageJob {
        const Layout *layout;
        Config *config;
        const Uow *uow;
};

StageJob *stage_job_new(const Layout *l, const Config *c, const Uow *u) {
        StageJob *j = calloc(1, sizeof(*j));

        if (j)
                *j = (StageJob){ .layout = l, .config = config_ref(c), .uow = u };
        return j;
}

StageJob *stage_job_free(StageJob *j) {
        if (!j)
                return NULL;
        config_free(j->config);
        free(j);
        return NULL;
}

static bool is_taken(const char *name, void *userdata) {
        static const Place places[] = { PLACE_UPLOADED, PLACE_WORK, PLACE_ANALYSED, PLACE_FAILED,
                PLACE_BIN_ANALYSED, PLACE_BIN_FAILED };
        const Layout *l = userdata;

        for (size_t i = 0; i < ELEMENTSOF(places); i++)
                if (faccessat(l->fd[places[i]], name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
                        return true;
        return false;
}

/* A name that no folder of the instance has. */
static int propose(const StageJob *j, cJSON *result) {
        _cleanup_free_ char *name =
                uow_name_free(j->uow->name, true, clock_now(), is_taken, (void *)j->layout);

        return name ? json_set_name(result, "folder", name) : -ENOMEM;
}

/* A result that is to be retried can't get another name here: the machine looks for it under its own. */
static int name_taken(const StageJob *j, cJSON *result, Error *e) {
        int r;

        error_set(e, 0,
                "%s has a folder of that name that belongs to no Unit of Work; move it away",
                j->layout->path[PLACE_WORK]);
        if (j->uow->state != UOW_UPLOADED)
                return -EBUSY;
        r = propose(j, result);
        return r < 0 ? r : -EEXIST;
}

static int take(const StageJob *j, cJSON *result, Error *e) {
        _cleanup_free_ char *folder = NULL;
        Take t = {
                .layout = j->layout,
                .instance = j->config->instance,
                .id = j->uow->id,
                .name = j->uow->name,
                .folder = j->uow->folder,
                .staged = j->uow->state != UOW_UPLOADED,
                .claim = true,
        };
        int r = take_to_work(&t, &folder, e);

        return r == -EEXIST ? name_taken(j, result, e) : r;
}

static int set_script(cJSON *result, const Script *s) {
        int r = json_set_name(result, "script", s->name);

        if (r >= 0)
                r = json_set_str(result, "sha256", s->sha256);
        if (r >= 0 && s->comment)
                r = json_set_name(result, "comment", s->comment);
        if (r >= 0 && s->array)
                r = json_set_name(result, "array", s->array);
        if (r >= 0 && s->set)
                r = json_set_int(result, "sets", s->set);
        if (r >= 0 && s->hetjob)
                r = json_set_bool(result, "hetjob", true);
        return r;
}

static int convert(int uowdir, const ScriptRules *rules, cJSON *result, Error *e) {
        _cleanup_json_ cJSON *names = NULL;
        int r;

        if (!rules->convert)
                return 0;
        r = script_convert(uowdir, rules, &names, e);
        if (r != 0 || !names || !names->child)
                return r;
        return json_set_item(result, "converted", TAKE_PTR(names));
}

static int check(const StageJob *j, const ScriptRules *rules, cJSON *result, Error *e) {
        _cleanup_(script_done) Script script = { 0 };
        int r = admit_check(j->layout->fd[PLACE_WORK], j->uow->folder, rules, &script, e);

        return r == 0 ? set_script(result, &script) : r;
}

int stage_work(void *arg, cJSON *result, Error *e) {
        _cleanup_close_ int fd = -1, ours = -1;
        const StageJob *j = arg;
        const ScriptRules rules = {
                .fixed_name = j->config->uow.script,
                .forbidden_variables = j->config->uow.forbidden_variables,
                .convert = j->config->uow.convert_line_endings,
        };
        int r = take(j, result, e);

        if (r != 0)
                return r;
        fd = dir_open_at(j->layout->fd[PLACE_WORK], j->uow->folder);
        if (fd < 0)
                return error_set(
                        e, fd, "its folder in the work area can't be opened: %s", strerror(-fd));
        r = earlier_keep(fd, j->uow->id, true, &ours, e);
        if (r == 0)
                r = convert(fd, &rules, result, e);
        CRASH_POINT("stage-converted");
        return r == 0 ? check(j, &rules, result, e) : r;
}
