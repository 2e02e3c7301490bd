/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The table of settings, and what can be done with a single one.
 *
 * Each row says where a setting stands in the YAML, where in the struct Config, what it may be and
 * what it is when nobody says anything. Defaults, parsing, printing, freeing and comparing all follow
 * from it. For config.c, its test and the documentation's generator; everybody else uses config.h.
 */

#include "config.h"

typedef enum ConfigType {
        CONFIG_TEXT,     /* char * */
        CONFIG_PATH,     /* char *, without "..", "." and superfluous slashes */
        CONFIG_BOOL,     /* bool */
        CONFIG_UNSIGNED, /* unsigned */
        CONFIG_DURATION, /* usec_t */
        CONFIG_WORD,     /* an enum: the word's index in @words */
        CONFIG_LIST,     /* char **, NULL-terminated */
} ConfigType;

enum {
        CONFIG_ABSOLUTE = 1 << 0, /* path: begins with '/' */
        CONFIG_OPTIONAL = 1 << 1, /* path: "" means none */
        CONFIG_ZERO = 1 << 2,     /* duration: 0 is allowed although below @min, and turns off */
        CONFIG_AUTO = 1 << 3,     /* duration: "auto" is allowed and stored as 0 */
        CONFIG_RESTART = 1 << 4,  /* a reload can't change it */
};

typedef struct ConfigKey {
        const char *name; /* "scheduler.poll_interval"; without a dot: not in a section */
        ConfigType type;
        unsigned flags;
        size_t offset; /* in struct Config */
        const char *
                fallback; /* as in YAML; a list's items separated by a space; NULL: must be given */
        uint64_t min, max;        /* of a number or duration; max 0: no bound */
        const char *const *words; /* NULL-terminated */
        /* Text and list items: NULL if @text is fine at position @i, else what was expected. */
        const char *(*check)(const char *text, size_t i);
        const char *doc; /* one line */
} ConfigKey;

/** config_keys() - the table, in the order of the documentation; keys of a section stand together. */
const ConfigKey *config_keys(size_t *ret_n);

/** config_key_find() - the row of @key in @section (NULL: none), or NULL. */
const ConfigKey *config_key_find(const char *section, const char *key);

/** config_section_known() - whether there is a section of that name. */
bool config_section_known(const char *name);

/**
 * config_key_suggest() - the name that was probably meant by an unknown @key in @section (NULL: none)
 * Returns a full name ("scheduler.account") or a section's, new string; NULL if nothing is near.
 */
char *config_key_suggest(const char *section, const char *key);

/** config_key_slot() - where the value is in @c. */
static inline void *config_key_slot(const ConfigKey *k, Config *c) {
        return (char *)c + k->offset;
}

/**
 * config_value_set() - understand @text and put it into the slot, in place of what was there
 * Not for lists. Returns 0; UOW_E_INVALID with "\"TEXT\" is …; expected …" in @e; -ENOMEM.
 */
int config_value_set(const ConfigKey *k, void *slot, const char *text, Error *e);

/** config_value_begin_list() - make the list empty. 0 or -ENOMEM. */
int config_value_begin_list(const ConfigKey *k, void *slot);

/** config_value_append() - config_value_set() for the next item of a list. */
int config_value_append(const ConfigKey *k, void *slot, const char *text, Error *e);

/** config_value_reset() - put in the default; a setting without one becomes empty. 0 or -ENOMEM. */
int config_value_reset(const ConfigKey *k, void *slot);

/** config_value_clear() - free what the slot owns. */
void config_value_clear(const ConfigKey *k, void *slot);

bool config_value_equal(const ConfigKey *k, const void *a, const void *b);

/** config_value_print() - write it as YAML, on one line. */
void config_value_print(const ConfigKey *k, const void *slot, FILE *f);
