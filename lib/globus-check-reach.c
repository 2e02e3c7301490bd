/* SPDX-License-Identifier: Apache-2.0 */

/* Which states can be reached: the service takes no definition with one that nothing leads to. */

#include "globus-check-internal.h"

static const cJSON *member(const cJSON *o, const char *key) {
        return cJSON_GetObjectItemCaseSensitive(o, key);
}

/* A set of states, as a bit for each by its number. */
typedef struct Reached {
        const cJSON *states;
        bool *seen;
        const cJSON **todo;
        size_t n;
} Reached;

static void reach(Reached *r, const cJSON *name) {
        const cJSON *state = cJSON_IsString(name) ? member(r->states, name->valuestring) : NULL, *s;
        size_t i = 0;

        if (!state)
                return;
        for (s = r->states->child; s != state; s = s->next)
                i++;
        if (r->seen[i])
                return;
        r->seen[i] = true;
        r->todo[r->n++] = state;
}

static void reach_from(Reached *r, const cJSON *state) {
        const cJSON *one;

        reach(r, member(state, "Next"));
        reach(r, member(state, "Default"));
        cJSON_ArrayForEach(one, json_array(state, "Choices"))
                reach(r, member(one, "Next"));
        cJSON_ArrayForEach(one, json_array(state, "Catch"))
                reach(r, member(one, "Next"));
}

void check_reachable(Check *c, const cJSON *definition) {
        size_t n = (size_t)cJSON_GetArraySize(c->states), i = 0;
        _cleanup_free_ bool *seen = calloc(n, sizeof(*seen));
        _cleanup_free_ const cJSON **todo = calloc(n, sizeof(*todo));
        Reached r = { c->states, seen, todo, 0 };
        const cJSON *state;

        if (!seen || !todo) {
                c->spoiled = true;
                return;
        }
        reach(&r, member(definition, "StartAt"));
        while (r.n > 0)
                reach_from(&r, r.todo[--r.n]);
        cJSON_ArrayForEach(state, c->states)
                if (!seen[i++])
                        check_fault(c, state, AT_KEY, "nothing leads to this state");
}
