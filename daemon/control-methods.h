/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What control-methods.c and control-streams.c share: parameters in, errors out. */

#include "manager.h"

#define CONTROL_INTERFACE "org.flowcron.Control"

/** control_check_parameters() - whether there are no others than @known (NULL-terminated); else the call is refused and false returned. */
bool control_check_parameters(ControlCall *call, const cJSON *parameters, const char *const *known);

/** control_string() - a text parameter; NULL in @ret if absent and @optional. False: the call is refused. */
bool control_string(ControlCall *call, const cJSON *parameters, const char *key, bool optional,
        const char **ret);

/** control_invalid() - refuse the call for parameter @key. */
int control_invalid(ControlCall *call, const char *key);

/** control_say() - end the call with one of our errors, which has a message. */
int control_say(ControlCall *call, const char *error, const char *message);

/** control_reply_item() - the last answer, with one member. Takes @item in any case; NULL: -ENOMEM. */
int control_reply_item(ControlCall *call, const char *key, cJSON *item);

int control_list(ControlCall *call, const cJSON *parameters, void *userdata);
int control_watch(ControlCall *call, const cJSON *parameters, void *userdata);
