/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Does a shell script use this variable? Rule 8 of flowcron-uow(7).
 *
 * A lexer for the shell language (bash's, which covers sh, ksh and zsh as far as quoting goes), not
 * a search for "$HOME": it knows comments, quotes, here-documents, nested substitutions, and the
 * commands that give a variable a value. Nothing is run and nothing is expanded. It is there to
 * help people who did not know better, not to stop those who hide: `eval` and the like go unseen.
 *
 * Where the language leaves open what will happen, the lenient reading is taken:
 *   - a value given in a function, loop or conditional counts for all the text after it;
 *   - a value given in a subshell or `$(…)` counts to its end only, since it really is gone then;
 *   - a value given to one command (`HOME=/x cmd $HOME`) does not count: the shell expands the
 *     words first;
 *   - `unset` gives no value (and `~` would still be the account's home folder).
 */

#include <stdbool.h>
#include <stddef.h>

typedef struct ShellUse {
        size_t offset; /* of the '$', or of the '~' */
        bool tilde;
} ShellUse;

/**
 * shell_scan() - find the first use of @variable in @text
 * @variable: name without '$'; for "HOME" a '~' that stands for it counts as well
 *
 * Takes time linear in @size, whatever the text; text nested deeper than SHELL_DEPTH_MAX is not
 * looked into.
 * Returns whether there is a use; @ret is written only then.
 */
bool shell_scan(const char *text, size_t size, const char *variable, ShellUse *ret);

/* Nobody nests substitutions deeper by hand; it bounds the stack. */
#define SHELL_DEPTH_MAX 200

/**
 * shell_interpreter() - whether a script whose first line is @line ("#!/usr/bin/env bash -l") is
 * read by a shell
 * @size: of the line; only then does it make sense to look for the shell's variables.
 */
bool shell_interpreter(const char *line, size_t size);
