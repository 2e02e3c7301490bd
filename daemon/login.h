/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The login environment, taken from a shell in the background and kept.
 *
 * Until the shell has answered once there is none, and whoever needs it waits for ready(). A shell
 * that fails or hangs (a profile that asks a question, a home folder that is away) gives way to a
 * minimal environment, and is tried again later.
 */

#include <systemd/sd-event.h>

#include "environment.h"

typedef struct Login Login;

/* Called from the loop each time an answer, good or bad, has come. */
typedef void (*LoginReady)(void *userdata);

int login_new(sd_event *event, LoginReady ready, void *userdata, Login **ret);
Login *login_free(Login *l);
DEFINE_CLEANUP(Login *, login_free)

/**
 * login_refresh() - take it (anew); nothing if that is under way. The one there is stays until
 * then. 0 or -errno.
 */
int login_refresh(Login *l);

/** login_environment() - NULL until the first answer; owned by @l, good until the next ready() */
char *const *login_environment(const Login *l);

/** login_trouble() - what is wrong with it, for people; NULL: nothing */
const char *login_trouble(const Login *l);
