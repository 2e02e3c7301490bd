/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Where an instance's configuration and socket are, for both programs alike.
 */

#include "config.h"

#include <pwd.h>
#include <string.h>

#include "text.h"

#define INSTANCE_MAX 64

bool config_instance_valid(const char *name) {
        if (isempty(name) || *name == '.' || *name == '-' || strlen(name) > INSTANCE_MAX)
                return false;
        for (; *name; name++)
                if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-",
                            *name))
                        return false;
        return true;
}

/* The XDG base directory specification has relative values ignored. */
static const char *absolute_env(const char *name) {
        const char *value = getenv(name);

        return value && *value == '/' ? value : NULL;
}

static const char *home(void) {
        const char *value = absolute_env("HOME");
        const struct passwd *pw;

        if (value)
                return value;
        pw = getpwuid(getuid());
        return pw && pw->pw_dir && *pw->pw_dir == '/' ? pw->pw_dir : NULL;
}

char *config_default_path(const char *instance) {
        const char *config = absolute_env("XDG_CONFIG_HOME");

        if (config)
                return xasprintf("%s/flowcron/%s.yaml", config, instance);
        config = home();
        return config ? xasprintf("%s/.config/flowcron/%s.yaml", config, instance) : NULL;
}

char *config_socket_path(const char *instance) {
        const char *given = getenv("FLOWCRON_SOCKET"), *run;

        if (!isempty(given))
                return strdup(given);
        run = absolute_env("XDG_RUNTIME_DIR");
        if (run)
                return xasprintf("%s/flowcron/%s.sock", run, instance);
        return xasprintf("/tmp/flowcron-%u/%s.sock", (unsigned)getuid(), instance);
}

char *config_socket_path_else(const char *instance) {
        if (!isempty(getenv("FLOWCRON_SOCKET")))
                return NULL;
        if (absolute_env("XDG_RUNTIME_DIR"))
                return xasprintf("/tmp/flowcron-%u/%s.sock", (unsigned)getuid(), instance);
        return xasprintf("/run/user/%u/flowcron/%s.sock", (unsigned)getuid(), instance);
}
