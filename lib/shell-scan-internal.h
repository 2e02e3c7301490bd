/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What shell-scan.c (lists of commands, here-documents) and shell-scan-word.c (words, quotes,
 * substitutions) share. The two call each other, as the shell's grammar does. For these two files
 * only.
 *
 * Every function here starts at `p`, leaves `p` behind what it read, and never passes `end`. Once
 * there is nothing more to learn, `p` is put at `end` and `over` is set, so that all loops end by
 * themselves.
 */

#include <string.h>

#include "shell-scan.h"

/* Here-documents whose bodies begin at the next newline: one line opens that many at most. */
#define SHELL_HEREDOCS_MAX 16
#define SHELL_DELIMITER_MAX 128

typedef struct ShellHeredoc {
        char delimiter[SHELL_DELIMITER_MAX];
        size_t size;
        bool quoted; /* nothing is expanded in it */
        bool strip;  /* "<<-": leading tabs don't count */
} ShellHeredoc;

typedef struct ShellScan {
        const char *text, *p, *end;
        const char *variable;
        size_t variable_size;
        bool home;   /* '~' stands for it */
        bool set;    /* the script gave it a value */
        bool prefix; /* an assignment in front, in the same run, gave it one: A=1 B=$A */
        bool over, found;
        ShellUse use;
        unsigned depth;
        ShellHeredoc heredocs[SHELL_HEREDOCS_MAX];
        size_t n_heredocs;
} ShellScan;

typedef struct ShellWord {
        const char *start;
        size_t size;
        bool plain;        /* no quotes, no expansions: it is what it looks like */
        bool assigns;      /* NAME=…, NAME+=…, NAME[…]=… */
        bool assigns_ours; /* NAME is the variable that is looked for, and gets a new value */
} ShellWord;

typedef enum ShellListKind {
        SHELL_COMMANDS,
        SHELL_WORDS, /* values of an array, alternatives of a pattern: words only */
} ShellListKind;

/* A list of commands up to @closer (')' or 0 for the end of the text), in a shell of its own if
 * closed by ')'. */
void shell_scan_list(ShellScan *s, char closer, ShellListKind kind);

/* One word; @list: of an array, where NAME= has no meaning. */
void shell_scan_word(ShellScan *s, ShellListKind list, ShellWord *ret);

/* "((" has been read: is this arithmetic, and not a subshell in a subshell? */
bool shell_is_arithmetic(const ShellScan *s);
/* To the end of an arithmetic expression that @open brackets are open of: "((" 2, "$[" 1. */
void shell_scan_arithmetic(ShellScan *s, char open, char close, unsigned level);

/* Text in which only '$', '`' and '\' mean something (here-document), from s->p to @end. */
void shell_scan_expanded(ShellScan *s, const char *end);

/* Length of "NAME=", "NAME+=" or "NAME[…]=" at s->p, or 0; @ret_name: length of NAME. */
size_t shell_assignment(const ShellScan *s, size_t *ret_name);

static inline void shell_scan_stop(ShellScan *s) {
        s->over = true;
        s->p = s->end;
}

/* Whether one may go a level deeper; each call that says yes is paired with shell_scan_leave(). */
static inline bool shell_scan_enter(ShellScan *s) {
        if (s->depth >= SHELL_DEPTH_MAX) {
                shell_scan_stop(s);
                return false;
        }
        s->depth++;
        return true;
}

static inline void shell_scan_leave(ShellScan *s) {
        s->depth--;
}

static inline char shell_peek(const ShellScan *s, size_t ahead) {
        return (size_t)(s->end - s->p) > ahead ? s->p[ahead] : 0;
}

static inline void shell_skip(ShellScan *s, size_t n) {
        s->p = (size_t)(s->end - s->p) > n ? s->p + n : s->end;
}

static inline bool shell_is_blank(char c) {
        return c == ' ' || c == '\t';
}

/* Ends a word unless quoted. */
static inline bool shell_is_meta(char c) {
        return c && strchr(" \t\n;&|()<>", c);
}

static inline bool shell_is_name_start(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static inline bool shell_is_name(char c) {
        return shell_is_name_start(c) || (c >= '0' && c <= '9');
}
