/* SPDX-License-Identifier: Apache-2.0 */

#include "haul.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "crashpoint.h"
#include "fileio.h"
#include "naming.h"
#include "text.h"

/* What two equal trees have in common. */
typedef struct Tally {
        uint64_t files, folders, links, bytes;
} Tally;

static int count_entry(const WalkEntry *entry, void *userdata) {
        Tally *t = userdata;

        if (entry->error < 0)
                return entry->error;
        if (entry->post)
                return 0;
        if (S_ISDIR(entry->st.st_mode))
                t->folders++;
        else if (S_ISLNK(entry->st.st_mode))
                t->links++;
        else if (S_ISREG(entry->st.st_mode)) {
                t->files++;
                t->bytes += (uint64_t)entry->st.st_size;
        }
        return 0;
}

/* Before the original is removed. */
static int check_copy(int olddir, const char *oldname, int newdir, const char *newname, Error *e) {
        Tally old = { 0 }, new = { 0 };
        int r;

        r = tree_walk(olddir, oldname, count_entry, &old);
        if (r == 0)
                r = tree_walk(newdir, newname, count_entry, &new);
        if (r < 0)
                return error_set(e, r, "the copy can't be checked: %s", strerror(-r));
        if (old.files != new.files || old.folders != new.folders || old.links != new.links ||
                old.bytes != new.bytes)
                return error_set(e, -EAGAIN,
                        "the copy differs from the original (%" PRIu64 " of %" PRIu64
                        " files, %" PRIu64 " of %" PRIu64 " bytes)",
                        new.files, old.files, new.bytes, old.bytes);
        return 0;
}

static bool exists_at(int dirfd, const char *name) {
        struct stat st;

        return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int sync_both(int olddir, int newdir) {
        int r = dir_sync(newdir);

        return r < 0 ? r : dir_sync(olddir);
}

static int copy_over(int olddir, const char *oldname, int newdir, const char *newname,
        const char *id, Error *e) {
        _cleanup_free_ char *hidden = naming_unfinished(newname, id);
        int r;

        if (!hidden)
                return -ENOMEM;
        if (exists_at(newdir, newname))
                return -EEXIST;
        r = tree_copy(olddir, oldname, newdir, hidden, e);
        if (r < 0)
                return r;
        CRASH_POINT("haul-copied");
        r = check_copy(olddir, oldname, newdir, hidden, e);
        if (r == -EAGAIN) /* something is there that the original has no more: start over */
                (void)tree_remove(newdir, hidden);
        if (r < 0)
                return r;
        r = move_at(newdir, hidden, newdir, newname);
        if (r < 0)
                return r;
        CRASH_POINT("haul-shown");
        r = dir_sync(newdir);
        return r < 0 ? r : haul_discard(olddir, oldname, id, e);
}

int haul_move(int olddir, const char *oldname, int newdir, const char *newname, const char *id,
        Error *e) {
        int r = move_at(olddir, oldname, newdir, newname);

        if (r == -EXDEV)
                return copy_over(olddir, oldname, newdir, newname, id, e);
        if (r < 0)
                return error_set(e, r, "the folder can't be moved: %s", strerror(-r));
        CRASH_POINT("haul-moved");
        return sync_both(olddir, newdir);
}

static int remove_hidden(int dirfd, const char *hidden, Error *e) {
        int r = tree_remove(dirfd, hidden);

        return r < 0 ? error_set(e, r, "not everything can be removed: %s", strerror(-r)) : 0;
}

int haul_discard(int dirfd, const char *name, const char *id, Error *e) {
        char hidden[NAMING_DISCARDED_MAX];
        int r;

        r = remove_hidden(dirfd, naming_discarded(hidden, id), e);
        if (r < 0 || !name)
                return r;
        r = move_at(dirfd, name, dirfd, hidden);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return error_set(
                        e, r, "the folder can't be renamed for its removal: %s", strerror(-r));
        CRASH_POINT("haul-hidden");
        r = remove_hidden(dirfd, hidden, e);
        return r < 0 ? r : dir_sync(dirfd);
}
