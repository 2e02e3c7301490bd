/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The configuration of an instance: one YAML file, one struct.
 *
 * config_load() either returns a configuration in which every value is present and in range, or says
 * "FILE:LINE:COLUMN: what was wrong, and what was expected"; there is no half-way. The
 * table in config-key.c is the single source of keys, types, ranges and defaults;
 * schema/config.schema.json is checked against it by a test.
 *
 * An instance is named after its file. A copy of the configuration in force lies in the instance's
 * own .flowcron/ for readers who don't have that file; there the name is in the first line, a comment
 * "# instance: NAME", which config_to_yaml() writes and config_load_copy() reads.
 */

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "error.h"
#include "state.h"

typedef enum WatchMode {
        WATCH_AUTO,
        WATCH_INOTIFY,
        WATCH_POLL
} WatchMode;
typedef enum SchedulerType {
        SCHEDULER_SLURM,
        SCHEDULER_LOCAL
} SchedulerType;
typedef enum SubmitMode {
        SUBMIT_DIRECT,
        SUBMIT_HELD
} SubmitMode;
typedef enum SymlinkMode {
        SYMLINKS_SAFE,
        SYMLINKS_DELETE,
        SYMLINKS_KEEP
} SymlinkMode;

typedef struct Config {
        char *instance; /* name: the file's name without ".yaml" */
        char *file;     /* absolute path it was read from */
        char *base;     /* absolute, no trailing slash */
        struct {
                char *uploaded, *work, *analysed, *failed, *bin, *status, *orders, *logs;
        } paths; /* as given: relative to base, or absolute */
        struct {
                char *script;
                bool add_timestamp;
                char **forbidden_variables; /* NULL-terminated */
                bool convert_line_endings;
        } uow;
        struct {
                WatchMode mode;
                usec_t rescan_interval; /* 0: auto */
        } watch;
        struct {
                SchedulerType type;
                char *account, *qos, *partition, *reservation; /* "" for none */
                bool enforce;
                char **extra_args; /* NULL-terminated */
                SubmitMode submit;
                usec_t poll_interval, command_timeout, lost_after;
                unsigned max_queued; /* 0: no bound */
                unsigned slots;
        } scheduler;
        struct {
                bool group_writable;
                SymlinkMode symlinks;
        } results;
        struct {
                unsigned
                        max_attempts; /* all attempts together, those ordered by a person not counted */
                char **on;            /* job states of the scheduler, NULL-terminated */
        } retry;
        struct {
                usec_t soft_delete_after, purge_after, logs; /* 0: never */
        } retention;
        struct {
                char *to; /* absolute, or "" */
        } chain;
        struct {
                char *hpc_name, *collection_id, *collection_path;
                usec_t check_interval;
        } globus;
        unsigned further_owners;
} Config;

/* The copy's name in .flowcron/. */
#define CONFIG_COPY "config.yaml"

/**
 * config_load() - read and check @path; the instance is named after the file
 * Follows links: a configuration may well be one. Returns 0; UOW_E_INVALID with the fault in @e
 * ("FILE:LINE:COLUMN: …", or "FILE: …" for what has no place); -errno if it can't be read (@e says so).
 */
int config_load(const char *path, Config **ret, Error *e);

/** config_load_named() - the same for an instance whose name is known: `-i NAME --config FILE`. */
int config_load_named(const char *instance, const char *path, Config **ret, Error *e);

/**
 * config_load_copy() - read the copy in @base/.flowcron/, for readers who have no more than the folder
 * The folder may have another path for this reader than for the owner: config->base is @base, with
 * links resolved. Returns as config_load(); a copy without its instance's name is UOW_E_INVALID.
 */
int config_load_copy(const char *base, Config **ret, Error *e);

/** config_parse() - config_load() from memory; @path is for messages and the instance's name. */
int config_parse(const char *path, const char *data, size_t size, Config **ret, Error *e);

/** config_parse_named() - config_load_named() from memory; @path is for messages. */
int config_parse_named(const char *instance, const char *path, const char *data, size_t size,
        Config **ret, Error *e);

/**
 * config_new() - all defaults, for setup to fill in; base is "" and must be set, file is NULL
 * Returns 0, -EINVAL (no valid name of an instance), -ENOMEM.
 */
int config_new(const char *instance, Config **ret);

/**
 * config_set() - set one key by its full name ("scheduler.account"), by the same rules as in the file
 * Not for lists. Returns 0; UOW_E_INVALID with "KEY: fault" in @e; UOW_E_NOT_FOUND for no such key; -ENOMEM.
 */
int config_set(Config *c, const char *key, const char *value, Error *e);

/**
 * config_ref() - one more owner, who lets go with config_free(); returns @c
 * A configuration is not changed any more once it is shared.
 */
Config *config_ref(const Config *c);

Config *config_free(Config *c);
DEFINE_CLEANUP(Config *, config_free)

/**
 * config_to_yaml() - every key with its value and a word on what it is for, in the order of the
 * documentation; parses to the same. Begins with the instance's name (see above). New string or NULL.
 */
char *config_to_yaml(const Config *c);

/** config_default_path() - $XDG_CONFIG_HOME/flowcron/INSTANCE.yaml, or ~/.config/…; new string; NULL without memory or home. */
char *config_default_path(const char *instance);

/** config_instance_valid() - letters, digits, '.', '_', '-', not first '.' or '-', at most 64: it becomes a file and unit name. */
bool config_instance_valid(const char *name);

/**
 * config_socket_path() - where the daemon of @instance listens: $FLOWCRON_SOCKET, else $XDG_RUNTIME_DIR/flowcron/INSTANCE.sock, else
 * /tmp/flowcron-UID/INSTANCE.sock. New string or NULL.
 */
char *config_socket_path(const char *instance);

/**
 * config_socket_path_else() - where it listens if it was started with XDG_RUNTIME_DIR and we were not, or the other way round
 * A service has that variable; a shell that came through su, cron or a batch job may not. New string, or NULL: nowhere else.
 */
char *config_socket_path_else(const char *instance);

/** config_needs_restart() - the first key in which @a and @b differ that a reload can't change (base, paths, scheduler.type), or NULL. */
const char *config_needs_restart(const Config *a, const Config *b);
