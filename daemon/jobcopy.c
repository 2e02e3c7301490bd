/* SPDX-License-Identifier: Apache-2.0 */

/* Both copies take the way over the written form, which exists for other reasons and has every field; a second list of fields would be forgotten one day. */

#include "jobcopy.h"

#include <string.h>

Config *jobcopy_config(const Config *c) {
        _cleanup_free_ char *yaml = config_to_yaml(c);
        Config *copy = NULL;

        if (!yaml ||
                config_parse_named(
                        c->instance, c->file ?: "copy", yaml, strlen(yaml), &copy, NULL) != 0)
                return NULL;
        return copy;
}

Uow *jobcopy_uow(const Uow *u) {
        _cleanup_json_ cJSON *j = uow_to_json(u);
        Uow *copy = NULL;

        if (!j || uow_from_json(j, &copy, NULL) != 0)
                return NULL;
        return copy;
}
