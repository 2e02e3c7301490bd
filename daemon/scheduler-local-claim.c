/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Who has begun a job, and who wants it stopped. A claim comes into being whole, and for one claimant only, on every file system
 * that has links, NFS included.
 *
 * Called by both sides of the local backend.
 */

#include "scheduler-local-internal.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "fileio.h"
#include "json.h"

/* ---- claim ---- */

static char *claim_text(bool cancel) {
        _cleanup_json_ cJSON *o = cJSON_CreateObject();
        LocalProcess p;
        char start[24];

        local_process_self(&p);
        snprintf(start, sizeof(start), "%" PRIu64, p.start);
        if (!o || json_set_name(o, "host", p.host) < 0 ||
                json_set_str(o, "boot_id", p.boot_id) < 0 ||
                json_set_str(o, "pid_space", p.pid_space) < 0 ||
                json_set_int(o, "pid", p.pid) < 0 || json_set_str(o, "start", start) < 0 ||
                (cancel && json_set_bool(o, "cancel", true) < 0))
                return NULL;
        return json_print(o);
}

/* link() is what makes it ours or another's; it may report failure after having worked (NFS), so the count of links decides. */
static int link_claim(int dir, const char *own, const char *claim) {
        struct stat st;
        int r;

        if (linkat(dir, own, dir, claim, 0) == 0)
                return 0;
        r = -errno;
        if (fstatat(dir, own, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_nlink == 2)
                return 0;
        if (r == -EPERM || r == -EOPNOTSUPP || r == -ENOSYS)
                r = move_at(dir, own, dir, claim); /* a file system without links */
        return r;
}

int local_claim_take(int dir, uint64_t id, bool cancel) {
        _cleanup_free_ char *text = claim_text(cancel);
        char own[LOCAL_NAME_MAX], claim[LOCAL_NAME_MAX];
        int r;

        if (!text)
                return -ENOMEM;
        snprintf(own, sizeof(own), ".%" PRIu64 ".%d.claim", id, getpid());
        (void)unlinkat(dir, own, 0); /* of one who had this number before and died here */
        r = file_create_at(dir, own, text, strlen(text), 0600);
        if (r < 0)
                return r;
        r = link_claim(dir, own, local_file_name(claim, id, ".claim"));
        (void)unlinkat(dir, own, 0);
        return r < 0 ? r : dir_sync(dir);
}

static int read_process(const cJSON *o, LocalProcess *ret) {
        const char *start = json_str(o, "start");
        int r = local_copy_text(ret->host, sizeof(ret->host), o, "host");

        if (r == 0 && json_str(o, "boot_id"))
                r = local_copy_text(ret->boot_id, sizeof(ret->boot_id), o, "boot_id");
        if (r == 0 && json_str(o, "pid_space"))
                r = local_copy_text(ret->pid_space, sizeof(ret->pid_space), o, "pid_space");
        ret->pid = (int)json_int(o, "pid", 0);
        ret->start = start ? strtoull(start, NULL, 10) : 0;
        return r;
}

int local_claim_load(int dir, uint64_t id, LocalClaim *ret) {
        _cleanup_json_ cJSON *o = NULL;
        LocalClaim c = { .cancel = false };
        char name[LOCAL_NAME_MAX];
        struct stat st;
        int r;

        if (fstatat(dir, local_file_name(name, id, ".claim"), &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        r = local_read_json(dir, name, &o);
        if (r == 0)
                r = read_process(o, &c.process);
        if (r == -EBADMSG)
                c.process = (LocalProcess){ .pid = 0 }; /* damaged: only its silence can tell */
        else if (r < 0)
                return r;
        c.cancel = o && json_bool(o, "cancel", false);
        c.signs = (usec_t)st.st_mtim.tv_sec * USEC_PER_SEC;
        *ret = c;
        return 0;
}

void local_claim_drop(int dir, uint64_t id) {
        char name[LOCAL_NAME_MAX];

        (void)unlinkat(dir, local_file_name(name, id, ".claim"), 0);
}

void local_claim_sign(int dir, uint64_t id) {
        char name[LOCAL_NAME_MAX];

        (void)utimensat(dir, local_file_name(name, id, ".claim"), NULL, AT_SYMLINK_NOFOLLOW);
}

/* ---- cancel ---- */

int local_cancel_note(int dir, uint64_t id) {
        char name[LOCAL_NAME_MAX];
        int r = file_create_at(dir, local_file_name(name, id, ".cancel"), "", 0, 0600);

        return r == -EEXIST ? 0 : r;
}

bool local_cancel_is_noted(int dir, uint64_t id) {
        char name[LOCAL_NAME_MAX];

        return faccessat(dir, local_file_name(name, id, ".cancel"), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}
