/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The instance at a glance: for the socket, for systemd's status line, and as .flowcron/status.json for readers
 * who can't reach the socket.
 */

#include <string.h>
#include <systemd/sd-daemon.h>

#include "fileio.h"
#include "manager-internal.h"
#include "text.h"

/* Changes come in bursts; readers of the copy can bear this delay. */
#define SHOW_DELAY (2 * USEC_PER_SEC)

/* So many of those that can't be taken are named; `list` has the others. */
#define ARRIVALS_MAX 100

static const char *availability_word(SchedulerAvailability a) {
        static const char *const words[] = { "untried", "up", "degraded", "down" };

        return words[a];
}

static cJSON *daemon_json(const Manager *m) {
        _cleanup_json_ cJSON *o = cJSON_CreateObject();
        int r;

        if (!o)
                return NULL;
        r = json_set_bool(o, "running", true);
        if (r >= 0)
                r = json_set_int(o, "pid", getpid());
        if (r >= 0)
                r = json_set_str(o, "version", FLOWCRON_VERSION);
        if (r >= 0)
                r = json_set_time(o, "since", m->started);
        if (r >= 0)
                r = json_set_int(o, "fence", (int64_t)lease_fence(m->lease));
        if (r >= 0 && m->control)
                r = json_set_str(o, "socket", control_path(m->control));
        if (r >= 0 && m->options.once)
                r = json_set_bool(o, "once", true);
        return r < 0 ? NULL : TAKE_PTR(o);
}

static cJSON *scheduler_json(const Manager *m) {
        const SchedulerHealth *h = scheduler_health(machine_scheduler(m->machine));
        _cleanup_json_ cJSON *o = cJSON_CreateObject();
        int r;

        if (!o)
                return NULL;
        r = json_set_str(
                o, "type", m->config->scheduler.type == SCHEDULER_SLURM ? "slurm" : "local");
        if (r >= 0)
                r = json_set_str(o, "availability", availability_word(h->availability));
        if (r >= 0)
                r = json_set_time(o, "since", h->since);
        if (r >= 0)
                r = json_set_time(o, "last_answer", h->last_answer);
        if (r >= 0)
                r = json_set_str(o, "trouble", h->text);
        if (r >= 0)
                r = json_set_str(o, "version", h->version);
        if (r >= 0)
                r = json_set_bool(o, "accounting", h->accounting);
        return r < 0 ? NULL : TAKE_PTR(o);
}

static cJSON *counts_json(const Manager *m) {
        size_t counts[_UOW_STATE_MAX] = {};
        cJSON *o = cJSON_CreateObject();
        int r = 0;

        if (!o)
                return NULL;
        for (size_t i = 0; i < uowset_size(m->uows); i++)
                counts[uowset_at(m->uows, i)->state]++;
        counts[UOW_ARRIVING] = scan_n_arriving(m->scan);
        for (int s = UOW_ARRIVING; r >= 0 && s < _UOW_STATE_MAX; s++)
                r = json_set_int(o, state_to_string((UowState)s), (int64_t)counts[s]);
        if (r < 0) {
                cJSON_Delete(o);
                return NULL;
        }
        return o;
}

static int add_attention(cJSON *array, const char *what, const char *advice) {
        cJSON *o = cJSON_CreateObject();

        if (!o)
                return -ENOMEM;
        if (json_set_str(o, "what", what) < 0 || json_set_str(o, "advice", advice) < 0 ||
                !cJSON_AddItemToArray(array, o)) {
                cJSON_Delete(o);
                return -ENOMEM;
        }
        return 0;
}

/* What keeps failing, and goes on being tried: "The lease can't be renewed since 12:03: No space left on device." */
static int add_failure(cJSON *array, const char *what, usec_t since, int r, const char *advice) {
        char text[256], when[CLOCK_TEXT_MAX];

        snprintf(text, sizeof(text), "%s since %s: %s.", what,
                clock_format_short(when, since, clock_now()), strerror(-r));
        return add_attention(array, text, advice);
}

static int add_failures(const Manager *m, cJSON *array) {
        usec_t since;
        int r = 0;

        if (m->lease_trouble)
                r = add_failure(array, "The lease of the base folder can't be renewed",
                        m->lease_trouble_since, m->lease_trouble,
                        "Make room on, or mend, the file system of .flowcron: if it lasts, a flowcrond on another host may take over.");
        if (r >= 0 && log_trouble(&since) < 0)
                r = add_failure(array, "The daily log can't be written", since, log_trouble(&since),
                        "Nothing is lost by it: `flowcronctl history` has every event. Make room in, or mend, the folder Logs.");
        return r;
}

/* Arrivals that can't be taken, beside those that are just under way. */
static int add_arrivals(const Manager *m, cJSON *array) {
        _cleanup_json_ cJSON *arriving = scan_arriving(m->scan);
        const cJSON *a;
        size_t n = 0;

        cJSON_ArrayForEach(a, arriving) {
                const char *reason = json_str(a, "reason");
                cJSON *o;

                if (!reason || n++ >= ARRIVALS_MAX)
                        continue;
                o = cJSON_CreateObject();
                if (!o || json_set_str(o, "uow", json_str(a, "name")) < 0 ||
                        json_set_str(o, "what", reason) < 0 || !cJSON_AddItemToArray(array, o)) {
                        cJSON_Delete(o);
                        return -ENOMEM;
                }
        }
        return 0;
}

static cJSON *attention_json(const Manager *m) {
        _cleanup_json_ cJSON *array = machine_attention(m->machine);
        int r = 0;

        if (!array)
                return NULL;
        if (m->config_fault)
                r = add_attention(array, m->config_fault,
                        "Mend the file, then `flowcronctl reload`; the former configuration is in force.");
        if (r >= 0 && m->folder_trouble)
                r = add_attention(array, m->folder_trouble,
                        "Nothing is taken up or concluded until the folder can be listed again.");
        if (r >= 0)
                r = add_failures(m, array);
        if (r >= 0)
                r = add_arrivals(m, array);
        return r < 0 ? NULL : TAKE_PTR(array);
}

cJSON *manager_status(const Manager *m) {
        _cleanup_json_ cJSON *o = cJSON_CreateObject();
        int r;

        if (!o)
                return NULL;
        r = json_set_str(o, "instance", m->config->instance);
        if (r >= 0)
                r = json_set_name(o, "base", m->layout->base);
        if (r >= 0)
                r = json_set_item(o, "daemon", daemon_json(m));
        if (r >= 0)
                r = json_set_str(o, "host", m->hostname);
        if (r >= 0)
                r = json_set_item(o, "watch", watch_json(m->watch));
        if (r >= 0)
                r = json_set_item(o, "scheduler", scheduler_json(m));
        if (r >= 0)
                r = json_set_item(o, "counts", counts_json(m));
        if (r >= 0)
                r = json_set_item(o, "attention", attention_json(m));
        return r < 0 ? NULL : TAKE_PTR(o);
}

cJSON *manager_arriving(const Manager *m) {
        return scan_arriving(m->scan);
}

/* What `systemctl --user status` shows: counts, and what is in the way. */
static void say_status(const Manager *m, const cJSON *status) {
        const cJSON *counts = json_object(status, "counts");
        const SchedulerHealth *h = scheduler_health(machine_scheduler(m->machine));
        const char *fault = m->config_fault;

        sd_notifyf(false,
                "STATUS=%" PRId64 " arriving, %" PRId64 " staged, %" PRId64 " queued%s%s%s%s",
                json_int(counts, "arriving", 0),
                json_int(counts, "uploaded", 0) + json_int(counts, "staged", 0),
                json_int(counts, "queued", 0), h->text[0] ? "; " : "", h->text,
                fault ? "; the configuration was refused: " : "", fault ?: "");
}

void manager_show(Manager *m) {
        _cleanup_json_ cJSON *status = manager_status(m);
        _cleanup_free_ char *text = NULL;

        if (!status || json_set_time(status, "time", clock_now()) < 0)
                return;
        say_status(m, status);
        text = json_print_pretty(status);
        if (text && lease_check(m->lease) == 0)
                (void)file_replace_nosync_at(
                        m->layout->fd[PLACE_STATE], "status.json", text, strlen(text), 0640);
}

void manager_show_later(Manager *m) {
        int enabled = SD_EVENT_OFF;

        sd_event_source_get_enabled(m->show_timer, &enabled);
        if (enabled != SD_EVENT_OFF)
                return;
        sd_event_source_set_time(m->show_timer, clock_boottime() + SHOW_DELAY);
        sd_event_source_set_enabled(m->show_timer, SD_EVENT_ONESHOT);
}
