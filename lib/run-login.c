/* SPDX-License-Identifier: Apache-2.0 */

/* A login shell's environment for programs without an event loop: what daemon/login.c does for the daemon. */

#include <string.h>

#include "environment.h"
#include "run.h"
#include "slurm-text.h"

static int take(const LoginUser *user, usec_t timeout, char ***ret, Error *e) {
        _cleanup_(strv_freep) char **argv = NULL, **start = NULL, **env = NULL;
        _cleanup_(run_done) Run shell = {};
        _cleanup_free_ char *words = NULL;
        char marker[SLURM_MARKER_MAX];
        int r;

        r = slurm_marker(marker);
        if (r < 0)
                return r;
        argv = environment_login_argv(user, marker);
        start = environment_login_start(user);
        if (!argv || !start)
                return -ENOMEM;
        r = run_program(argv, start, timeout, ENVIRONMENT_SIZE_MAX, &shell);
        if (r != 0) {
                words = run_describe(&shell);
                return error_set(e, r, "%s: %s", user->shell, words ?: strerror(ENOMEM));
        }
        r = environment_parse(run_out(&shell), shell.out_size, marker, &env, e);
        if (r == 0)
                r = environment_add_own(&env);
        if (r != 0)
                return r;
        *ret = TAKE_PTR(env);
        return 0;
}

int run_login(usec_t timeout, char ***ret, Error *e) {
        LoginUser user;
        int r = login_user_get(&user);

        if (r < 0)
                return r;
        r = take(&user, timeout, ret, e);
        login_user_done(&user);
        return r;
}
