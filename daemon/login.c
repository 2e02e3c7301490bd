/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One login shell at start, at reload, and again after a while when it failed. Called by the
 * scheduler's backends.
 */

#include "login.h"

#include <string.h>

#include "clock.h"
#include "command.h"
#include "slurm-text.h"
#include "text.h"

/*
 * Start-up files that load a module tree from a cold file system take their time; more than this is
 * a hang.
 */
#define LOGIN_TIMEOUT (60 * USEC_PER_SEC)

#define LOGIN_AGAIN (5 * USEC_PER_MINUTE)

struct Login {
        sd_event *event;
        LoginReady ready;
        void *userdata;
        Command *command;
        sd_event_source *again;
        LoginUser user;
        char marker[SLURM_MARKER_MAX];
        char **environment;
        char *trouble;
};

static void on_shell(const CommandResult *r, void *userdata);

static void try_again_later(Login *l) {
        if (sd_event_source_set_time(l->again, clock_boottime() + LOGIN_AGAIN) >= 0)
                (void)sd_event_source_set_enabled(l->again, SD_EVENT_ONESHOT);
}

static int on_again(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata) {
        Login *l = userdata;

        if (login_refresh(l) < 0)
                try_again_later(l);
        return 0;
}

int login_new(sd_event *event, LoginReady ready, void *userdata, Login **ret) {
        _cleanup_(login_freep) Login *l = calloc(1, sizeof(*l));
        int r;

        if (!l)
                return -ENOMEM;
        l->event = sd_event_ref(event);
        l->ready = ready;
        l->userdata = userdata;
        r = login_user_get(&l->user);
        if (r >= 0)
                r = sd_event_add_time(event, &l->again, CLOCK_BOOTTIME, 0, 0, on_again, l);
        if (r >= 0)
                r = sd_event_source_set_enabled(l->again, SD_EVENT_OFF);
        if (r >= 0)
                r = login_refresh(l);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(l);
        return 0;
}

Login *login_free(Login *l) {
        if (!l)
                return NULL;
        command_free(l->command);
        sd_event_source_unref(l->again);
        sd_event_unref(l->event);
        login_user_done(&l->user);
        strv_free(l->environment);
        free(l->trouble);
        free(l);
        return NULL;
}

char *const *login_environment(const Login *l) {
        return l->environment;
}

const char *login_trouble(const Login *l) {
        return l->trouble;
}

int login_refresh(Login *l) {
        _cleanup_(strv_freep) char **argv = NULL, **start = NULL;
        CommandSpec spec = { .cwd = -1,
                .umask = 022,
                .timeout = LOGIN_TIMEOUT,
                .output_max = ENVIRONMENT_SIZE_MAX };
        int r;

        if (l->command)
                return 0;
        r = slurm_marker(l->marker);
        if (r < 0)
                return r;
        argv = environment_login_argv(&l->user, l->marker);
        start = environment_login_start(&l->user);
        if (!argv || !start)
                return -ENOMEM;
        spec.argv = argv;
        spec.envp = start;
        return command_start(l->event, &spec, on_shell, l, &l->command);
}

static int read_answer(Login *l, const CommandResult *r, char ***ret, Error *e) {
        char text[256];

        if (!command_ok(r))
                return error_set(e, UOW_E_INVALID, "%s",
                        command_describe(text, sizeof(text), l->user.shell, r));
        if (r->truncated)
                return error_set(e, UOW_E_INVALID, "%s: it printed too much", l->user.shell);
        return environment_parse(r->out, r->out_size, l->marker, ret, e);
}

/*
 * What can be had without a shell; PATH as we were started with, since that is where Slurm may be.
 */
static char **minimal(const Login *l) {
        _cleanup_(strv_freep) char **env = environment_login_start(&l->user);
        const char *path = getenv("PATH");

        if (!env || (path && environment_set(&env, "PATH", path) < 0) ||
                environment_add_own(&env) < 0)
                return NULL;
        return TAKE_PTR(env);
}

static void on_shell(const CommandResult *result, void *userdata) {
        Login *l = userdata;
        _cleanup_(strv_freep) char **env = NULL;
        Error e = { "" };
        int r;

        l->command = NULL;
        r = read_answer(l, result, &env, &e);
        if (r == 0)
                r = environment_add_own(&env);
        free(l->trouble);
        l->trouble = NULL;
        if (r != 0) {
                l->trouble = xasprintf("the login environment can't be taken (%s)",
                        e.text[0] ? e.text : strerror(-r));
                try_again_later(l);
                if (!l->environment) /* an older one is better than none */
                        l->environment = minimal(l);
        } else {
                strv_free(l->environment);
                l->environment = TAKE_PTR(env);
        }
        l->ready(l->userdata);
}
