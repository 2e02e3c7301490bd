/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What is remembered of a job from one poll to the next: further jobs, what the controller last
 * said of its end, since when nobody knows it.
 *
 * Nothing here has to survive: a new life asks again. The one exception is *since when*, because
 * with `flowcrond --once` every poll is a life of its own and a job would never be unknown for long
 * enough; it goes into a small file, whose loss only means that the wait begins anew.
 */

#include "scheduler-slurm-internal.h"

#include <string.h>

#include "fileio.h"
#include "text.h"

#define MEMORY_FILE "slurm-unresolved.json"
#define MEMORY_MAX (4U * 1024 * 1024)

static void item_done(Item *item) {
        free(item->path);
        free(item->further);
        free(item->done);
        job_report_done(&item->evidence);
}

static void items_free(Item *items, size_t n) {
        for (size_t i = 0; i < n; i++)
                item_done(&items[i]);
        free(items);
}

void slurm_items_free(Slurm *s) {
        items_free(s->items, s->n_items);
        s->items = NULL;
        s->n_items = 0;
}

static int compare_numbers(const void *a, const void *b) {
        const uint32_t *x = a, *y = b;

        return *x < *y ? -1 : *x > *y;
}

/* Into the sorted set @numbers, unless it is there. 0 or -ENOMEM. */
static int add_number(uint32_t **numbers, size_t *n, uint32_t number) {
        uint32_t *more;
        size_t at = *n;

        if (*n > 0 && bsearch(&number, *numbers, *n, sizeof(number), compare_numbers))
                return 0;
        more = reallocarray(*numbers, *n + 1, sizeof(*more));
        if (!more)
                return -ENOMEM;
        for (; at > 0 && more[at - 1] > number; at--)
                more[at] = more[at - 1];
        more[at] = number;
        *numbers = more;
        (*n)++;
        return 0;
}

int slurm_item_add_further(Item *item, uint32_t job) {
        return item->n_further < FURTHER_MAX ? add_number(&item->further, &item->n_further, job)
                                             : 0;
}

int slurm_item_add_done(Item *item, uint32_t task) {
        return add_number(&item->done, &item->n_done, task);
}

/* "18,19", as the record has them */
static int add_recorded(Item *item, const char *job_ids) {
        const char *p = job_ids;
        int r = 0;

        while (p && *p && r >= 0) {
                char *end;
                unsigned long job = strtoul(p, &end, 10);

                if (end == p)
                        break;
                if (job > 0 && job <= UINT32_MAX)
                        r = slurm_item_add_further(item, (uint32_t)job);
                p = *end == ',' ? end + 1 : end;
        }
        return r;
}

static int item_fill(Item *item, const Scheduler *scheduler, Uow *u) {
        SlurmId id;

        memset(item, 0, sizeof(*item));
        item->uow = u;
        memcpy(item->id, u->id, sizeof(item->id));
        item->attempt = u->attempt;
        item->cancelling = u->cancelling;
        item->held = u->held;
        item->imported = u->imported;
        item->submitted = u->submitted;
        item->asked_since = clock_boottime();
        item->tasks = u->array ? slurm_array_count(u->array) : 0;
        scheduler_token(item->token, u);
        if (u->job_id && slurm_id_parse(u->job_id, &id) == 0) {
                item->job = id.job;
                snprintf(item->job_id, sizeof(item->job_id), "%u", id.job);
        }
        item->path = layout_uow_path(scheduler->layout, PLACE_WORK, u->folder);
        return item->path ? add_recorded(item, u->job_ids) : -ENOMEM;
}

static int compare_items(const void *a, const void *b) {
        return strcmp(((const Item *)a)->id, ((const Item *)b)->id);
}

static Item *find_item(Item *items, size_t n, const char *id) {
        Item key;

        snprintf(key.id, sizeof(key.id), "%s", id);
        return items && n > 0 ? bsearch(&key, items, n, sizeof(*items), compare_items) : NULL;
}

Item *slurm_item_find(Slurm *s, const char *id) {
        return find_item(s->items, s->n_items, id);
}

/* @old goes on as @item if it is about the same job, or the same search for one. */
static int item_remember(Item *item, Item *old) {
        int r = 0;

        if (old->attempt != item->attempt || old->job != item->job)
                return 0;
        for (size_t i = 0; i < old->n_further && r >= 0; i++)
                r = slurm_item_add_further(item, old->further[i]);
        item->done = TAKE_PTR(old->done);
        item->n_done = old->n_done;
        item->unresolved_since = old->unresolved_since;
        item->unresolved_noted = old->unresolved_noted;
        item->asked_since = old->asked_since;
        item->fingerprint = old->fingerprint;
        item->same = old->same;
        item->absent = old->absent;
        item->evidence_since = old->evidence_since;
        item->evidence = old->evidence;
        memset(&old->evidence, 0, sizeof(old->evidence));
        return r;
}

int slurm_items_take(Slurm *s, Uow **uows, size_t n) {
        bool first = !s->items;
        Item *items = calloc(n ? n : 1, sizeof(*items));
        int r = items ? 0 : -ENOMEM;
        size_t filled = 0;

        for (; filled < n && r >= 0; filled++)
                r = item_fill(&items[filled], s->scheduler, uows[filled]);
        if (r >= 0 && n > 1)
                qsort(items, n, sizeof(*items), compare_items);
        for (size_t i = 0; i < n && r >= 0; i++) {
                Item *old = slurm_item_find(s, items[i].id);

                if (old)
                        r = item_remember(&items[i], old);
        }
        if (r < 0) {
                items_free(items, items ? filled : 0);
                return r;
        }
        if (first)
                slurm_memory_load(s, items, n);
        slurm_items_free(s);
        s->items = items;
        s->n_items = n;
        return 0;
}

/* ---- the file ---- */

static void key_of(const Item *item, char *buf, size_t size) {
        snprintf(buf, size, "%s.%d", item->id, item->attempt);
}

void slurm_memory_load(Slurm *s, Item *items, size_t n) {
        _cleanup_free_ char *text = NULL;
        _cleanup_json_ cJSON *all = NULL;
        usec_t now = clock_now(), boottime = clock_boottime();
        size_t size;

        if (file_read_at(s->scheduler->layout->fd[PLACE_STATE], MEMORY_FILE, MEMORY_MAX, &text,
                    &size) < 0 ||
                json_parse(text, size, &all, NULL) != 0 || !cJSON_IsObject(all))
                return;
        for (size_t i = 0; i < n; i++) {
                char key[SCHEDULER_TOKEN_MAX];
                usec_t since;

                key_of(&items[i], key, sizeof(key));
                since = json_time(all, key);
                if (!since || since > now)
                        continue;
                items[i].unresolved_noted = since;
                items[i].unresolved_since = boottime > now - since ? boottime - (now - since) : 1;
        }
        s->memory_written = TAKE_PTR(text);
}

static char *memory_text(const Slurm *s) {
        _cleanup_json_ cJSON *all = cJSON_CreateObject();

        for (size_t i = 0; all && i < s->n_items; i++) {
                char key[SCHEDULER_TOKEN_MAX];

                if (!s->items[i].unresolved_since)
                        continue;
                key_of(&s->items[i], key, sizeof(key));
                if (json_set_time_usec(all, key, s->items[i].unresolved_noted) < 0)
                        return NULL;
        }
        return all ? json_print(all) : NULL;
}

void slurm_memory_save(Slurm *s) {
        _cleanup_free_ char *text = memory_text(s);

        /* Mostly there is nothing to remember, and nothing was. */
        if (!text || streq(text, s->memory_written) || (!s->memory_written && streq(text, "{}")))
                return;
        if (file_replace_nosync_at(s->scheduler->layout->fd[PLACE_STATE], MEMORY_FILE, text,
                    strlen(text), 0640) < 0)
                return; /* tried again after the next poll; without it only the wait is longer */
        free(s->memory_written);
        s->memory_written = TAKE_PTR(text);
}
