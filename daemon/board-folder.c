/* SPDX-License-Identifier: Apache-2.0 */

/* One board on disk, see board-folder.h. */

#include "board-folder.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "board-entry.h"
#include "crashpoint.h"
#include "fileio.h"
#include "text.h"

/* So much is looked at, and so many strays are removed, in one go. */
#define LISTED_MAX 1000
#define STRAYS_AT_ONCE 100

/* ".NAME" and this is what a board is called while it is being removed. */
#define GONE ".flowcron-gone"

typedef struct Look {
        bool there; /* the entry that is wanted */
        bool any;   /* it holds anything */
        char *ours; /* another one that FlowCron has made, most likely */
        char *strays[STRAYS_AT_ONCE];
        size_t n_strays;
        bool more; /* there is more than was looked at */
} Look;

static void look_done(Look *l) {
        free(l->ours);
        for (size_t i = 0; i < l->n_strays; i++)
                free(l->strays[i]);
}

static bool is_folder(int board, const struct dirent *de) {
        struct stat st;

        if (de->d_type != DT_UNKNOWN)
                return de->d_type == DT_DIR;
        return fstatat(board, de->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static int note(Look *l, int board, const struct dirent *de, const char *entry) {
        char **place = &l->strays[l->n_strays];

        if (streq(de->d_name, ".") || streq(de->d_name, ".."))
                return 0;
        l->any = true;
        if (de->d_name[0] == '.')
                return 0; /* a file system's own, as .nfs… */
        if (is_folder(board, de)) {
                if (streq(de->d_name, entry)) {
                        l->there = true;
                        return 0;
                }
                if (!l->ours && board_is_entry(de->d_name))
                        place = &l->ours;
        }
        if (place != &l->ours && l->n_strays == STRAYS_AT_ONCE) {
                l->more = true;
                return 0;
        }
        *place = strdup(de->d_name);
        if (!*place)
                return -ENOMEM;
        if (place != &l->ours)
                l->n_strays++;
        return 0;
}

static int look(int board, const char *entry, Look *ret) {
        _cleanup_closedir_ DIR *d = NULL;
        struct dirent *de;
        int fd = openat(board, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;

        if (fd < 0 || !(d = fdopendir(fd))) {
                r = -errno;
                safe_close(fd);
                return r;
        }
        for (size_t n = 0; r >= 0 && (errno = 0, de = readdir(d)); n++) {
                if (n == LISTED_MAX) {
                        ret->more = true;
                        break;
                }
                r = note(ret, board, de, entry);
        }
        return r;
}

/* Only what holds nothing. */
static void remove_stray(int board, const char *name) {
        struct stat st;

        if (fstatat(board, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return;
        if (S_ISDIR(st.st_mode))
                (void)unlinkat(board, name, AT_REMOVEDIR);
        else if (!S_ISREG(st.st_mode) || st.st_size == 0)
                (void)unlinkat(board, name, 0);
}

static int put_entry(int board, const char *ours, const char *entry) {
        /* What has the name and is no folder, or a folder that came just now. */
        CRASH_POINT("board-before-show");
        for (int tries = 0; tries < 2; tries++) {
                if ((ours ? renameat(board, ours, board, entry) : mkdirat(board, entry, 0770)) == 0)
                        return 0;
                if (errno != EEXIST && errno != ENOTDIR && errno != ENOTEMPTY)
                        break;
                remove_stray(board, entry);
        }
        return -errno;
}

/*
 * With a mapped collection the board belongs to whoever made it, most likely closed to us by their umask; but what is in Status/ is ours
 * to rename. An empty folder of ours takes its place, open to all that it was open to.
 */
static int replace_board(int status, const char *name) {
        _cleanup_close_ int new = -1;
        struct stat st, ours;

        if (fstatat(status, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        if (!S_ISDIR(st.st_mode) || st.st_uid == geteuid())
                return -EACCES;
        remove_stray(status, BOARD_FOLDER_NEW);
        if (mkdirat(status, BOARD_FOLDER_NEW, 0700) < 0)
                return -errno;
        /* Whoever may write in Status/ may have put something else there meanwhile. */
        new = dir_open_at(status, BOARD_FOLDER_NEW);
        if (new < 0)
                return new;
        if (fstat(new, &ours) < 0 || ours.st_uid != geteuid())
                return -EACCES;
        if (fchmod(new, (st.st_mode & 02777) | 0770) < 0 ||
                renameat(status, BOARD_FOLDER_NEW, status, name) < 0) {
                int r = -errno;

                (void)unlinkat(status, BOARD_FOLDER_NEW, AT_REMOVEDIR);
                return r == -ENOTEMPTY || r == -EEXIST ? -EACCES : r;
        }
        return 0;
}

static int show_entry(int status, const char *name, const char *entry) {
        _cleanup_(look_done) Look l = {};
        _cleanup_close_ int board = dir_open_at(status, name);
        int r;

        if (board < 0)
                return board;
        r = look(board, entry, &l);
        if (r < 0)
                return r;
        if (!l.there)
                r = put_entry(board, l.ours, entry);
        else if (l.ours)
                remove_stray(board, l.ours);
        for (size_t i = 0; i < l.n_strays; i++)
                if (!streq(l.strays[i], entry)) /* that one had to go first */
                        remove_stray(board, l.strays[i]);
        return r < 0 ? r : l.more ? -EAGAIN : 0;
}

int board_folder_show(int status, const char *name, const char *entry) {
        int r = show_entry(status, name, entry);

        if (r != -EACCES && r != -EPERM)
                return r;
        r = replace_board(status, name);
        return r < 0 ? r : show_entry(status, name, entry);
}

#define ARRIVING "arriving"

int board_folder_clear_arriving(int status, const char *name) {
        _cleanup_(look_done) Look l = {};
        _cleanup_close_ int board = dir_open_at(status, name);
        int r = board < 0 ? board : look(board, "", &l);

        if (r >= 0 && l.ours && startswith(l.ours, ARRIVING))
                remove_stray(board, l.ours);
        return r;
}

bool board_folder_is_gone(const char *name) {
        size_t n = strlen(name);

        return name[0] == '.' && n > strlen(GONE) + 1 && streq(name + n - strlen(GONE), GONE);
}

/* Removes our entry and then the board, as far as it holds no more. */
static int remove_board(int status, const char *name) {
        _cleanup_(look_done) Look l = {};
        _cleanup_close_ int board = dir_open_at(status, name);
        int r = board < 0 ? board : look(board, "", &l);

        if (r < 0)
                return r;
        if (l.ours)
                remove_stray(board, l.ours);
        CRASH_POINT("board-before-remove");
        return unlinkat(status, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

static bool holds_more(int r) {
        return r == -ENOTEMPTY || r == -EEXIST;
}

/* @name: its name when it was shown. Nobody looks for one that is hidden, so it may be emptied in two steps. */
static int remove_hidden(int status, const char *hidden, const char *name) {
        int r = remove_board(status, hidden);

        return holds_more(r) ? move_at(status, hidden, status, name) : r;
}

int board_folder_finish(int status, const char *hidden) {
        _cleanup_free_ char *name = strndup(hidden + 1, strlen(hidden) - strlen(GONE) - 1);

        return name ? remove_hidden(status, hidden, name) : -ENOMEM;
}

/* Too long a name to hide, or a former one is still there: at worst an empty one stays. */
static int hide_and_remove(int status, const char *name) {
        _cleanup_free_ char *hidden = xasprintf(".%s" GONE, name);
        int r;

        if (!hidden)
                return -ENOMEM;
        if (move_at(status, name, status, hidden) == 0)
                return remove_hidden(status, hidden, name);
        r = remove_board(status, name);
        return holds_more(r) ? 0 : r;
}

int board_folder_remove(int status, const char *name) {
        _cleanup_(look_done) Look l = {};
        _cleanup_close_ int board = dir_open_at(status, name);
        int r = board < 0 ? board : look(board, "", &l);

        if (r < 0)
                return r;
        if (l.ours && startswith(l.ours, ARRIVING)) {
                remove_stray(board, l.ours);
                return 0;
        }
        return l.any ? hide_and_remove(status, name) : 0;
}
