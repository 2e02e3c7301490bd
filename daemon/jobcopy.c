/* SPDX-License-Identifier: Apache-2.0 */

/* By way of the written form, which exists for other reasons and has every field; a second list of fields would be forgotten one day. */

#include "jobcopy.h"

Uow *jobcopy_uow(const Uow *u) {
        _cleanup_json_ cJSON *j = uow_to_json(u);
        Uow *copy = NULL;

        if (!j || uow_from_json(j, &copy, NULL) != 0)
                return NULL;
        return copy;
}
