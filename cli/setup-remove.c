/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The way back: service, crontab lines, configuration. The base folder stays with everything in it, the event log included, so that setting the
 * instance up again goes on where it was.
 */

#include "setup.h"

#include <string.h>

#include "client.h"
#include "text.h"

static int remove_config(Setup *s, Error *e) {
        _cleanup_free_ char *former = xasprintf("%s" CONFIG_FORMER, s->config_path);

        if (former)
                (void)unlink(former);
        if (unlink(s->config_path) < 0)
                return errno == ENOENT ? 0 : error_set(e, -errno, "%s: %m", s->config_path);
        setup_say_done(s, "Removed the configuration %s.", s->config_path);
        return 1;
}

/* One that was started by hand is its starter's to end. */
static void look_for_daemon(Setup *s) {
        _cleanup_free_ char *path = config_socket_path(s->instance);
        _cleanup_(client_freep) Client *c = NULL;

        if (path && client_open(path, &c, NULL) == 0)
                setup_warn(s,
                        "A flowcrond of instance %s still runs, started by somebody else than its service; end it if it is not wanted.",
                        s->instance);
}

int setup_remove(Setup *s, Error *e) {
        int r, any = 0;

        r = setup_drop_unit(s, e);
        for (ServiceKind k = SERVICE_SCRONTAB; r >= 0 && k < _SERVICE_MAX; k++) {
                any |= r;
                r = setup_drop_lines(s, k, e);
        }
        any |= r > 0;
        /* Last: a removal that died is gone on with as long as it is there. */
        if (r >= 0)
                r = remove_config(s, e);
        if (r < 0)
                return r;
        any |= r;
        setup_drop_linger(s);
        look_for_daemon(s);
        if (!any)
                setup_say_done(s, "Nothing of instance %s is installed.", s->instance);
        else if (s->config && !isempty(s->config->base))
                setup_say_done(s,
                        "The base folder %s stays, with all that is in it; remove it yourself if you don't want it any more.",
                        s->config->base);
        return 0;
}
