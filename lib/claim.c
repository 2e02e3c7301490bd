/* SPDX-License-Identifier: Apache-2.0 */

/* The mark that says whose a Unit of Work is: see claim.h. */

#include "claim.h"

#include <string.h>

#include "fileio.h"
#include "text.h"

bool claim_id_valid(const char *id) {
        return id && strlen(id) == UOW_ID_MAX - 1 &&
                strspn(id, "0123456789abcdef-") == UOW_ID_MAX - 1;
}

char *claim_text(const char *id, const char *instance) {
        _cleanup_json_ cJSON *j = cJSON_CreateObject();
        _cleanup_free_ char *line = NULL;

        if (!j || json_set_str(j, "id", id) < 0 || json_set_str(j, "instance", instance) < 0 ||
                json_set_time(j, "since", clock_now()) < 0)
                return NULL;
        line = json_print(j);
        return line ? xasprintf("%s\n", line) : NULL;
}

int claim_read(
        int dirfd, const char *name, size_t max, char ret_id[static UOW_ID_MAX], int *ret_attempt) {
        _cleanup_json_ cJSON *j = NULL;
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        ret_id[0] = 0;
        if (ret_attempt)
                *ret_attempt = 0;
        r = file_read_at(dirfd, name, max, &text, &size);
        if (r == -ENOENT || r == -EINVAL || r == -ELOOP || r == -EFBIG)
                return 0;
        if (r < 0)
                return r;
        r = json_parse(text, size, &j, NULL);
        if (r == -ENOMEM)
                return r;
        if (r < 0 || !claim_id_valid(json_str(j, "id")))
                return 0;
        memcpy(ret_id, json_str(j, "id"), UOW_ID_MAX);
        if (ret_attempt)
                *ret_attempt = (int)json_int(j, "attempt", 0);
        return 0;
}
