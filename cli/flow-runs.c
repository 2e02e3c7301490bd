/* SPDX-License-Identifier: Apache-2.0 */

#include "flow-runs.h"

#include <string.h>

#include "text.h"

/* An endless list of pages would be the service's mistake, but our hanging. */
#define PAGES_MAX 200

cJSON *flow_run_short(const cJSON *run) {
        static const char *const keys[] = { "run_id", "label", "status", "display_status",
                "start_time", "completion_time" };
        _cleanup_json_ cJSON *o = cJSON_CreateObject();

        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                if (!o || json_set_str(o, keys[i], json_str(run, keys[i])) < 0)
                        return NULL;
        return TAKE_PTR(o);
}

static int get_page(Globus *g, const char *id, const char *marker, cJSON **ret, Error *e) {
        _cleanup_free_ char *escaped = marker ? globus_escape(marker) : strdup(""), *path = NULL;

        path = escaped
                ? xasprintf("/runs?filter_flow_id=%s%s%s", id, marker ? "&marker=" : "", escaped)
                : NULL;
        if (!path)
                return -ENOMEM;
        return globus_call(g, &(GlobusRequest){ .method = "GET", .path = path }, ret, e);
}

static int add_page(cJSON *all, const cJSON *page) {
        const cJSON *run;

        cJSON_ArrayForEach(run, json_array(page, "runs")) {
                cJSON *one = flow_run_short(run);

                if (!one || !cJSON_AddItemToArray(all, one)) {
                        cJSON_Delete(one);
                        return -ENOMEM;
                }
        }
        return 0;
}

typedef struct ByTime {
        cJSON *run;
        usec_t started;
} ByTime;

static int newest_first(const void *a, const void *b) {
        const ByTime *x = a, *y = b;

        return (x->started < y->started) - (x->started > y->started);
}

/* Takes all runs out of @all and puts the newest back. */
static int keep_newest(cJSON *all, size_t max) {
        size_t n = (size_t)cJSON_GetArraySize(all);
        _cleanup_free_ ByTime *list = calloc(n + 1, sizeof(*list));

        if (!list)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                list[i].run = cJSON_DetachItemFromArray(all, 0);
                list[i].started = json_time(list[i].run, "start_time");
        }
        qsort(list, n, sizeof(*list), newest_first);
        for (size_t i = 0; i < n; i++)
                if (i >= max || !cJSON_AddItemToArray(all, list[i].run))
                        cJSON_Delete(list[i].run);
        return 0;
}

/* No source says in which order they come, so all are looked at. */
int flow_runs(Globus *g, const char *id, size_t max, cJSON **ret, Error *e) {
        _cleanup_json_ cJSON *all = cJSON_CreateArray(), *page = NULL;
        _cleanup_free_ char *marker = NULL;
        int r = all ? 0 : -ENOMEM;

        for (unsigned i = 0; r == 0 && i < PAGES_MAX; i++) {
                cJSON_Delete(TAKE_PTR(page));
                r = get_page(g, id, marker, &page, e);
                if (r == 0)
                        r = add_page(all, page);
                if (r == 0)
                        r = strdup_to(&marker, json_str(page, "marker"));
                if (r != 0 || !marker || !json_bool(page, "has_next_page", false))
                        break;
        }
        if (r == 0)
                r = keep_newest(all, max);
        if (r == 0)
                *ret = TAKE_PTR(all);
        return r;
}
