/* SPDX-License-Identifier: Apache-2.0 */

/* The middle part of the report on the terminal: see evidence.h. */

#include "evidence.h"

#include <string.h>

#include "fileio.h"
#include "output.h"
#include "record.h"
#include "state.h"
#include "text.h"

#define RECORD_SIZE_MAX ((size_t)16 * 1024 * 1024)

static bool has_evidence(const cJSON *uow) {
        int s = state_from_string(json_str(uow, "state"));

        return (s == UOW_FINISHED || s == UOW_SOFT_DELETED) && json_str(uow, "outcome") &&
                !streq(json_str(uow, "outcome"), outcome_to_string(OUTCOME_SUCCEEDED)) &&
                !json_str(uow, "moved_to");
}

/* NULL if there is none, or it is another one's. */
static cJSON *read_record(int uowdir, const cJSON *uow) {
        _cleanup_close_ int dir = dir_open_at(uowdir, "flowcron");
        _cleanup_json_ cJSON *record = NULL;
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        Error e = {};

        if (dir < 0 || file_read_at(dir, "record.json", RECORD_SIZE_MAX, &text, &size) < 0 ||
                json_parse(text, size, &record, &e) < 0)
                return NULL;
        return streq(json_str(record, "id"), json_str(uow, "id")) ? TAKE_PTR(record) : NULL;
}

/* Printable already, but for characters that this terminal does not have. */
static void print_lines(char *page) {
        char *line;

        while ((line = strsep(&page, "\n"))) {
                _cleanup_free_ char *shown = out_text(line, SIZE_MAX);

                if (page)
                        puts(shown ?: "");
        }
}

void evidence_print(const cJSON *uow) {
        _cleanup_free_ char *path = NULL, *tail = NULL, *tail_file = NULL, *page = NULL;
        _cleanup_json_ cJSON *record = NULL;
        _cleanup_close_ int dir = -1;

        if (!has_evidence(uow) || json_get_name(uow, "path", &path) < 0)
                return;
        dir = dir_open_path(path);
        record = dir < 0 ? NULL : read_record(dir, uow);
        if (!record || report_output(dir, record, &tail, &tail_file) < 0 ||
                report_explanation(record, tail, tail_file, &page) < 0)
                return;
        print_lines(page);
}
