/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Rule 7 of flowcron-uow(7): scripts that come from Windows get Unix line endings.
 *
 * A file with a NUL byte is no text (a self-extracting archive may be called *.sh) and is left
 * alone, like one too large to be a script. A file is replaced as a whole, so that a second name of
 * it elsewhere (hard link) keeps what it had.
 */

#include "script.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "fileio.h"
#include "json.h"
#include "script-file.h"
#include "script-find.h"
#include "text.h"

#define CONVERT_SIZE_MAX (64U * 1024 * 1024)
/* Names that are listed; the record should stay readable. */
#define NAMES_MAX 1000

typedef struct Conversion {
        cJSON *names;
        size_t n;
} Conversion;

static int list_name(Conversion *c, const char *path) {
        _cleanup_free_ char *text = NULL;

        if (++c->n > NAMES_MAX)
                return 0;
        text = text_escape(path);
        return text ? json_add_str(c->names, text) : -ENOMEM;
}

/* Gone, or no regular file any more; or we may not read it, which admit_check() says better if it
 * matters. */
static bool can_wait(int error) {
        return error == ENOENT || error == ELOOP || error == ENXIO || error == EACCES;
}

/* Reads a regular file that needs converting; *ret stays NULL for every other. */
static int read_convertible(
        int dirfd, const char *name, char **ret, size_t *ret_size, mode_t *ret_mode) {
        _cleanup_close_ int fd =
                openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        _cleanup_free_ char *text = NULL;
        struct stat st;
        size_t size;
        int k;

        if (fd < 0)
                return can_wait(errno) ? 0 : -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || st.st_size > CONVERT_SIZE_MAX)
                return 0;
        k = fd_read_all(fd, CONVERT_SIZE_MAX, &text, &size);
        if (k < 0)
                return k == -EFBIG ? 0 : k;
        if (memchr(text, 0, size) || !script_unix_needed(text, size))
                return 0;
        *ret = TAKE_PTR(text);
        *ret_size = size;
        *ret_mode = st.st_mode & 0777;
        return 0;
}

static int convert(Conversion *c, int dirfd, const char *name, const char *path) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        mode_t mode;
        int k = read_convertible(dirfd, name, &text, &size, &mode);

        if (k < 0 || !text)
                return k;
        size = script_unix(text, size);
        k = file_replace_at(dirfd, name, text, size, mode);
        return k < 0 ? k : list_name(c, path);
}

static int convert_slurm_script(Conversion *c, int uowdir, const ScriptRules *rules) {
        ScriptFile file = { 0 };
        _cleanup_close_ int dirfd = -1;
        const char *name;
        int k;

        k = script_locate(uowdir, rules, &file, NULL);
        if (k > 0 || k == -EACCES)
                return 0; /* none, or none that may be read: whoever judges says why */
        if (k < 0)
                return k;
        k = script_file_parent(uowdir, file.target, &dirfd, &name);
        if (k == 0)
                k = convert(c, dirfd, name, file.target);
        script_file_done(&file);
        return k;
}

static int convert_helper(Conversion *c, int scripts, const struct dirent *entry) {
        const char *name = entry->d_name;
        size_t n = strlen(name);
        _cleanup_free_ char *path = NULL;
        struct stat st;

        if (n <= 3 || strcmp(name + n - 3, ".sh") != 0)
                return 0;
        if (fstatat(scripts, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (!S_ISREG(st.st_mode))
                return 0;
        path = xasprintf("scripts/%s", name);
        return path ? convert(c, scripts, name, path) : -ENOMEM;
}

static int convert_helpers(Conversion *c, int uowdir) {
        _cleanup_close_ int scripts = dir_open_at(uowdir, "scripts"), fd = -1;
        _cleanup_closedir_ DIR *d = NULL;
        struct dirent *entry;
        int k = 0;

        if (scripts < 0)
                return can_wait(-scripts) || scripts == -ENOTDIR ? 0 : scripts;
        fd = openat(scripts, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        d = fd < 0 ? NULL : fdopendir(fd);
        if (!d)
                return -errno;
        TAKE_FD(fd);
        while (k == 0 && (errno = 0, entry = readdir(d)))
                k = convert_helper(c, scripts, entry);
        return k != 0 ? k : -errno;
}

int script_convert(int uowdir, const ScriptRules *rules, cJSON **ret_names, Error *e) {
        _cleanup_json_ cJSON *names = cJSON_CreateArray();
        Conversion c = { .names = names };
        int k = 0;

        if (!names)
                return -ENOMEM;
        if (rules->convert)
                k = convert_slurm_script(&c, uowdir, rules);
        if (rules->convert && k == 0)
                k = convert_helpers(&c, uowdir);
        if (k < 0) {
                errno = -k;
                return error_set(e, k, "can't take the DOS line endings off the scripts: %m");
        }
        *ret_names = TAKE_PTR(names);
        return 0;
}
