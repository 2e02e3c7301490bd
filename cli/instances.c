/* SPDX-License-Identifier: Apache-2.0 */

/* Which instances this user has: those with a configuration in its usual place. */

#include "setup.h"

#include <dirent.h>
#include <string.h>

#include "text.h"

static int is_config(const struct dirent *de) {
        size_t n = strlen(de->d_name), m = strlen(".yaml");
        _cleanup_free_ char *name = n > m ? strndup(de->d_name, n - m) : NULL;

        return name && streq(de->d_name + n - m, ".yaml") && config_instance_valid(name);
}

char **instances_list(void) {
        _cleanup_(strv_freep) char **names = strv_copy(NULL);
        _cleanup_free_ char *path = config_default_path("x");
        struct dirent **entries = NULL;
        int n, r = 0;

        if (!names || !path)
                return NULL;
        *strrchr(path, '/') = 0;
        n = scandir(path, &entries, is_config, alphasort);
        for (int i = 0; i < n; i++) {
                char *name = entries[i]->d_name;

                name[strlen(name) - strlen(".yaml")] = 0;
                if (r >= 0)
                        r = strv_add(&names, name);
                free(entries[i]);
        }
        free(entries);
        return r < 0 ? NULL : TAKE_PTR(names);
}
