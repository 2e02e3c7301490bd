/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Names as a person can paste them into a shell, in commands that a message suggests. Nothing here
 * is ever given to a shell by us.
 */

/**
 * shell_quote() - @name as one word of bash
 *
 * As it is if harmless, else in '…', or in $'…' if it has control characters or invalid UTF-8. A
 * leading "-" gets "./" in front. Can be shown on a terminal. New string, NULL without memory.
 */
char *shell_quote(const char *name);
