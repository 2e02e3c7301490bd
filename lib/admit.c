/* SPDX-License-Identifier: Apache-2.0 */

#include "admit.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "fileio.h"
#include "shell-quote.h"
#include "text.h"

static const struct {
        const char *name, *hint;
} folders[] = {
        { "data", "put the data there; it may be empty" },
        { "scripts", "put the Slurm script and its helpers there" },
};

static int check_name(const char *name, Error *e) {
        _cleanup_free_ char *shown = NULL;

        if (!strchr(name, ADMIT_FORBIDDEN_CHARACTER))
                return 0;
        shown = text_printable(name, 200);
        if (!shown)
                return -ENOMEM;
        return error_set(e, UOW_E_REJECTED,
                "the folder's name \"%s\" has a backslash in it, which Slurm can't take. Rename the folder and upload "
                "it again.",
                shown);
}

/* Appends what is wrong with one of the folders that have to be there. */
static int fault_of_folder(int uowdir, const char *name, const char *hint, char **faults) {
        struct stat st;
        char *fault, *all;

        if (fstatat(uowdir, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
                if (S_ISDIR(st.st_mode))
                        return 0;
                fault = xasprintf("%s is %s, but has to be a real folder: upload it as one.", name,
                        S_ISLNK(st.st_mode) ? "a link" : "no folder");
        } else {
                if (errno != ENOENT)
                        return -errno;
                fault = xasprintf("there is no folder %s/: make it and %s.", name, hint);
        }
        if (!fault)
                return -ENOMEM;
        all = *faults ? xasprintf("%s Also, %s", *faults, fault) : strdup(fault);
        free(fault);
        if (!all)
                return -ENOMEM;
        free(*faults);
        *faults = all;
        return 0;
}

static int check_folders(int uowdir, Error *e) {
        _cleanup_free_ char *faults = NULL;

        for (size_t i = 0; i < ELEMENTSOF(folders); i++) {
                int k = fault_of_folder(uowdir, folders[i].name, folders[i].hint, &faults);

                if (k < 0) {
                        errno = -k;
                        return error_set(e, k, "can't look at %s/: %m", folders[i].name);
                }
        }
        return faults ? error_set(e, UOW_E_REJECTED, "%s", faults) : 0;
}

/* What mends missing permissions. The folder's path is asked of the kernel, as only its parent's
 * descriptor is at hand. */
static int block(int parentdir, const char *name, Error *e) {
        _cleanup_free_ char *path = NULL, *quoted = NULL, *missing = strdup(e->text);
        char link[64], parent[PATH_MAX];
        ssize_t n;

        snprintf(link, sizeof(link), "/proc/self/fd/%d", parentdir);
        n = readlink(link, parent, sizeof(parent) - 1);
        parent[n < 0 ? 0 : n] = 0;
        path = n > 0 ? xasprintf("%s/%s", parent, name) : strdup(name);
        quoted = path ? shell_quote(path) : NULL;
        if (!quoted || !missing)
                return -ENOMEM;
        return error_set(e, UOW_E_BLOCKED,
                "%s. Its owner can mend that with: chmod -R u+rwX,g+rwX %s", missing, quoted);
}

static int open_uow(int parentdir, const char *name, int *ret_fd, Error *e) {
        int fd = dir_open_at(parentdir, name);

        if (fd == -ENOTDIR || fd == -ELOOP)
                return error_set(e, UOW_E_REJECTED,
                        "it is no real folder. Upload a folder with data/ and scripts/ in it.");
        if (fd < 0) {
                errno = -fd;
                return error_set(e, fd, "can't open the folder: %m");
        }
        *ret_fd = fd;
        return 0;
}

int admit_check(int parentdir, const char *name, const ScriptRules *rules, Script *ret, Error *e) {
        _cleanup_close_ int fd = -1;
        Error local = { "" };
        int k;

        e = e ? e : &local;
        k = check_name(name, e);
        if (k == 0)
                k = open_uow(parentdir, name, &fd, e);
        if (k == 0)
                k = check_folders(fd, e);
        if (k == 0)
                k = script_find(fd, rules, ret, e);
        return k == -EACCES || k == -EPERM ? block(parentdir, name, e) : k;
}
