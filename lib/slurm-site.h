/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a site offers its users: which questions tell, and what the answers say. Pure, like slurm-args.h and slurm-text.h.
 *
 * The argument vectors are new (strv_free()), NULL only without memory. What is parsed is appended to vectors, each word once; 0 or -ENOMEM.
 */

#include "strv.h"

char **slurm_args_partitions(void);
/** slurm_partitions_parse() - names; @ret_default: the default's, new string, NULL if there is none; @ret_closed: those that are down. */
int slurm_partitions_parse(const char *out, char ***ret, char **ret_default, char ***ret_closed);

/** slurm_args_associations() - what accounting lets @user charge. */
char **slurm_args_associations(const char *user);
/** slurm_associations_parse() - @account: only what goes with it; NULL or "": with any. */
int slurm_associations_parse(
        const char *out, const char *account, char ***ret_accounts, char ***ret_qos);

char **slurm_args_reservations(void);
int slurm_reservations_parse(const char *out, char ***ret);

char **slurm_args_config(void);
/** slurm_config_value() - "300 sec" of "MinJobAge = 300 sec"; new string, NULL if it is not there. */
char *slurm_config_value(const char *out, const char *name);

/** slurm_args_ping() - "scontrol ping"; slurm_ping_is_up() - some controller is there. */
char **slurm_args_ping(void);
bool slurm_ping_is_up(const char *out) _pure_;
