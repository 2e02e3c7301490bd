/* SPDX-License-Identifier: Apache-2.0 */

/* Units of Work that are still arriving, see arriving.h. Names are compared as text, which is what the array holds. */

#include "arriving.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "fileio.h"
#include "text.h"

const cJSON *arriving_exact(const cJSON *array, const char *what) {
        _cleanup_free_ char *escaped = text_escape(what);
        const cJSON *a;

        cJSON_ArrayForEach(a, array) {
                const char *name = json_str(a, "name");

                if (name && (streq(name, what) || streq(name, escaped)))
                        return a;
        }
        return NULL;
}

int arriving_find(const cJSON *array, const char *what, const cJSON **ret, Error *e) {
        _cleanup_free_ char *escaped = text_escape(what);
        const cJSON *a, *found = arriving_exact(array, what);

        if (found) {
                *ret = found;
                return 0;
        }
        if (isempty(what) || !escaped)
                return UOW_E_NOT_FOUND;
        cJSON_ArrayForEach(a, array) {
                const char *name = json_str(a, "name");

                if (!name || (!startswith(name, what) && !startswith(name, escaped)))
                        continue;
                if (found) {
                        _cleanup_free_ char *one = text_printable(json_str(found, "name"), 80);
                        _cleanup_free_ char *two = text_printable(name, 80);

                        return error_set(e, UOW_E_AMBIGUOUS,
                                "several begin so: %s, %s, all still arriving", one ?: "",
                                two ?: "");
                }
                found = a;
        }
        *ret = found;
        return found ? 0 : UOW_E_NOT_FOUND;
}

/* Why it is not taken up, from what a reader may see of its sentinels/. NULL: it is just under way. */
static const char *reason_of(int uploaded, const char *name) {
        _cleanup_close_ int dir = dir_open_at(uploaded, name);
        int r;

        if (dir < 0)
                return dir == -EACCES ? "it can't be looked into: permission denied" : NULL;
        r = dir_is_empty(dir, "sentinels");
        if (r == 0)
                return "its sentinels/ is not empty: somebody is working on it";
        return r > 0 ? "complete; waits to be taken up" : NULL;
}

static int add_folder(int uploaded, const char *name, const struct stat *st, cJSON *array) {
        cJSON *o = cJSON_CreateObject();
        int r;

        if (!o)
                return -ENOMEM;
        r = json_set_name(o, "name", name);
        if (r >= 0)
                r = json_set_str(o, "state", "arriving");
        if (r >= 0)
                r = json_set_str(o, "reason", reason_of(uploaded, name));
        if (r >= 0)
                r = json_set_time(o, "created", (usec_t)st->st_ctim.tv_sec * USEC_PER_SEC);
        if (r < 0 || !cJSON_AddItemToArray(array, o)) {
                cJSON_Delete(o);
                return -ENOMEM;
        }
        return 0;
}

int arriving_read(int uploaded, bool (*taken)(const char *name, void *userdata), void *userdata,
        cJSON **ret) {
        _cleanup_json_ cJSON *array = cJSON_CreateArray();
        _cleanup_closedir_ DIR *d = NULL;
        struct dirent *de;
        struct stat st;
        int fd, r;

        fd = openat(uploaded, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        d = fdopendir(fd);
        if (!d || !array) {
                safe_close(d ? -1 : fd);
                return -ENOMEM;
        }
        while ((errno = 0, de = readdir(d))) {
                if (de->d_name[0] == '.' || (taken && taken(de->d_name, userdata)))
                        continue;
                if (fstatat(uploaded, de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
                        !S_ISDIR(st.st_mode))
                        continue;
                r = add_folder(uploaded, de->d_name, &st, array);
                if (r < 0)
                        return r;
        }
        if (errno)
                return -errno;
        *ret = TAKE_PTR(array);
        return 0;
}
