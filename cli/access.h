/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Where an order gets its answer from: the daemon if it can be reached, else the state on disk, which is said once on standard error.
 *
 * All return 0, or an exit code with the refusal filled in and not yet said.
 */

#include "cli.h"
#include "client.h"
#include "offline.h"

/** access_instance() - its name: -i, or from --config's file name, or "default"; copied into @buf. */
#define INSTANCE_MAX 80
const char *access_instance(const Cli *cli, char buf[static INSTANCE_MAX]);

/**
 * access_client() - the connection, or NULL if there is none to be had (cli->unreachable says why)
 * Never with --base: that folder may be somebody else's, and the daemon that answers here another one's. A daemon
 * that serves another base folder than the configuration names is not talked to.
 */
Client *access_client(Cli *cli);

/** access_drop() - the connection broke, or is to be tried anew: the next access_client() does. */
void access_drop(Cli *cli);

/** access_lose() - the connection broke: for this order there is no daemon any more. */
void access_lose(Cli *cli, const Error *why);

/** access_refresh() - what follows is to be asked anew: of the daemon, be it one that was not there before, or of the disk. */
void access_refresh(Cli *cli);

/** access_config() - the configuration, into cli->config. Does not need the owner's own file if the daemon or --base leads to the copy. */
int access_config(Cli *cli, Refusal *f);

/** access_offline() - the state from disk, into cli->offline, and say so. */
int access_offline(Cli *cli, Refusal *f);

int access_status(Cli *cli, cJSON **ret, Refusal *f);

/* What `list` shows. */
typedef struct ListFilter {
        UowState state;     /* UOW_NEW: any */
        UowOutcome outcome; /* OUTCOME_NONE: any */
        bool all;
} ListFilter;

int access_list(Cli *cli, const ListFilter *filter, cJSON **ret, Refusal *f);
int access_show(Cli *cli, const char *what, cJSON **ret, Refusal *f);
int access_history(Cli *cli, const char *what, cJSON **ret, Refusal *f);

/** access_order() - "retry", "cancel", "restore", "purge"; the UoW in @ret has "deferred": true if it was left as a request. */
int access_order(Cli *cli, const char *order, const char *what, cJSON **ret, Refusal *f);

/** access_done() - free what the order used. */
void access_done(Cli *cli);
