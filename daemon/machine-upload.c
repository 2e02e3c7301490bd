/* SPDX-License-Identifier: Apache-2.0 */

/* The first event of a Unit of Work: it gets its id, and a name that is its own here. */

#include "machine-internal.h"

#include <fcntl.h>
#include <string.h>
#include <uuid/uuid.h>

#include "stage.h"
#include "text.h"
#include "uow-name.h"

/* Names in use are those in the log, and whatever else lies where a move would lead. */
static bool is_taken(const char *name, void *userdata) {
        static const Place places[] = { PLACE_WORK, PLACE_ANALYSED, PLACE_FAILED,
                PLACE_BIN_ANALYSED, PLACE_BIN_FAILED };
        Machine *m = userdata;

        if (uowset_by_folder(m->parts.uows, name))
                return true;
        for (size_t i = 0; i < ELEMENTSOF(places); i++)
                if (faccessat(m->parts.layout->fd[places[i]], name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
                        return true;
        return false;
}

/* Taken up from the work area after a loss of state: it is where it is, under the name it has. */
static bool is_in_work(const Machine *m, const char *name, const char *id) {
        char found[UOW_ID_MAX];

        return stage_identify(m->parts.layout->fd[PLACE_WORK], name, found) == 0 &&
                streq(found, id);
}

static cJSON *upload_data(const char *name, const char *folder, uid_t owner) {
        _cleanup_json_ cJSON *data = cJSON_CreateObject();

        if (!data || json_set_name(data, "name", name) < 0 ||
                json_set_name(data, "folder", folder) < 0 ||
                json_set_int(data, "owner", (int64_t)owner) < 0)
                return NULL;
        return TAKE_PTR(data);
}

int machine_upload(Machine *m, const char *name, const char *id, uid_t owner) {
        Event ev = { .time = clock_now(), .type = EVENT_UPLOADED };
        _cleanup_free_ char *folder = NULL;
        Uow *u = NULL;
        uuid_t uuid;
        int r;

        if (machine_trouble(m))
                return machine_trouble(m);
        if (id && is_in_work(m, name, id))
                folder = strdup(name);
        else
                folder = uow_name_free(
                        name, m->parts.config->uow.add_timestamp, ev.time, is_taken, m);
        ev.data = folder ? upload_data(name, folder, owner) : NULL;
        if (!ev.data)
                return -ENOMEM;
        uuid_generate(uuid);
        if (id)
                snprintf(ev.id, sizeof(ev.id), "%s", id);
        else
                uuid_unparse_lower(uuid, ev.id);
        r = machine_post_event(m, &u, &ev);
        event_done(&ev);
        return r;
}
