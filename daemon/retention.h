/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What is due to go to the recycling bin, and out of it for good, and when next.
 *
 * Times come from the event log. The work is done by the machine, a bounded number at a time.
 */

#include <systemd/sd-event.h>

#include "config.h"
#include "uowset.h"

typedef struct Retention Retention;

typedef struct RetentionEvents {
        void (*soft_delete)(Uow *u, void *userdata);
        void (*purge)(Uow *u, void *userdata);
        void *userdata;
} RetentionEvents;

int retention_new(sd_event *event, const Config *c, const UowSet *uows,
        const RetentionEvents *events, Retention **ret);
Retention *retention_free(Retention *r);
DEFINE_CLEANUP(Retention *, retention_free)
void retention_reload(Retention *r, const Config *c);

/** retention_run() - hand down what is due now and set the timer for what comes next. Also called after events that start a clock. */
void retention_run(Retention *r);

/** retention_has_more() - the last run left something that is due to the next one, in a second. */
bool retention_has_more(const Retention *r);

/** retention_due() - when @u is due for its next step, USEC_INFINITY: never. */
usec_t retention_due(const Config *c, const Uow *u);
