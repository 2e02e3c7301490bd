/* SPDX-License-Identifier: Apache-2.0 */

#include "settle-write.h"

#include <string.h>

#include "crashpoint.h"
#include "eventlog.h"
#include "fileio.h"
#include "record.h"
#include "text.h"

#define RECORD_SIZE_MAX ((size_t)16 * 1024 * 1024)

static int collect_event(const Event *ev, void *userdata) {
        cJSON *events = userdata, *item = event_to_json(ev);

        if (!item || !cJSON_AddItemToArray(events, item)) {
                cJSON_Delete(item);
                return -ENOMEM;
        }
        return 0;
}

static int history(const SettleTexts *t, cJSON **ret) {
        _cleanup_json_ cJSON *events = cJSON_CreateArray();
        const Uow *u = t->uow;
        int r;

        if (!events)
                return -ENOMEM;
        r = t->n_seqs > 0 ? eventlog_history_of(t->statedir, u->id, u->first_seq, t->seqs,
                                    t->n_seqs, collect_event, events)
                          : eventlog_history(t->statedir, u->id, u->first_seq, u->last_seq,
                                    collect_event, events);
        if (r == 0)
                *ret = TAKE_PTR(events);
        return r;
}

static int make_report(const SettleTexts *t, const cJSON *record, char **ret) {
        _cleanup_free_ char *tail = NULL, *name = NULL;
        int r = 0;

        if (t->uow->outcome != OUTCOME_SUCCEEDED)
                r = report_output(t->uowdir, record, &tail, &name);
        return r < 0 ? r : report_build(record, tail, name, ret);
}

static int make_record(const SettleTexts *t, cJSON **ret) {
        _cleanup_json_ cJSON *events = NULL;
        RecordInput in = {
                .uow = t->uow,
                .config = t->config,
                .path = t->path,
                .folder = t->folder,
                .filing = t->filing,
                .finished = clock_now(),
        };
        int r = history(t, &events);

        in.events = events;
        return r < 0 ? r : record_build(&in, ret);
}

int settle_write(const SettleTexts *t, Error *e) {
        mode_t mode = t->config->results.group_writable ? 0660 : 0640;
        _cleanup_free_ char *text = NULL, *report = NULL;
        _cleanup_json_ cJSON *record = NULL;
        int r;

        r = make_record(t, &record);
        if (r < 0)
                return error_set(e, r, "its history can't be read: %s", strerror(-r));
        text = json_print_pretty(record);
        if (!text)
                return -ENOMEM;
        r = make_report(t, record, &report);
        if (r == 0)
                r = file_replace_at(t->ours, "record.json", text, strlen(text), mode);
        CRASH_POINT("settle-record");
        if (r == 0)
                r = file_replace_at(t->ours, "report.txt", report, strlen(report), mode);
        return r < 0 ? error_set(e, r, "its record can't be written: %s", strerror(-r)) : 0;
}

int settle_resume(int ours, const Uow *u, Filing *f) {
        _cleanup_json_ cJSON *record = NULL;
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r = file_read_at(ours, "record.json", RECORD_SIZE_MAX, &text, &size);

        if (r == -ENOENT || r == -EINVAL || r == -ELOOP || r == -EFBIG || r == -EACCES)
                return 0;
        if (r == 0)
                r = json_parse(text, size, &record, NULL);
        if (r < 0)
                return r == -EINVAL ? 0 : r;
        if (!streq(json_str(record, "id"), u->id) ||
                json_int(record, "attempt", -1) != u->attempt || !json_object(record, "filing"))
                return 0;
        return filing_resume(f, json_object(record, "filing"));
}
