/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Words of the shell: quotes, `$…` in all its forms, and the tilde. See shell-scan.h for what it is
 * all for.
 */

#include "shell-scan-internal.h"

/* An arithmetic expression is short; the bound keeps the look ahead from costing more than the
 * text. */
#define ARITHMETIC_MAX 4096
#define SUBSCRIPT_MAX 256

static void scan_dollar(ShellScan *s, bool dquoted);

static void note_use(ShellScan *s, const char *at, bool tilde) {
        if (s->set || s->prefix || s->over)
                return;
        s->found = true;
        s->use = (ShellUse){ .offset = (size_t)(at - s->text), .tilde = tilde };
        shell_scan_stop(s);
}

/* A tilde-prefix ends at '/', at ':' or with the word; with anything quoted in it, it is none;
 * "~name" is another's home. */
static void scan_tilde(ShellScan *s, bool in_braces) {
        char next;

        if (!s->home || shell_peek(s, 0) != '~')
                return;
        next = shell_peek(s, 1);
        if (s->p + 1 == s->end || next == '/' || next == ':' || shell_is_meta(next) ||
                (in_braces && next == '}'))
                note_use(s, s->p, true);
}

static void skip_to(ShellScan *s, char c) {
        const char *q = memchr(s->p, c, (size_t)(s->end - s->p));

        s->p = q ? q + 1 : s->end;
}

static void scan_escaped_quote(ShellScan *s) {
        while (s->p < s->end) {
                if (*s->p == '\'') {
                        s->p++;
                        return;
                }
                shell_skip(s, *s->p == '\\' ? 2 : 1);
        }
}

/*
 * Between backticks a text of its own begins. Its end is the next backtick without a backslash,
 * whatever quotes there are; to the text inside, that is the end of the file.
 */
static void scan_backtick(ShellScan *s) {
        const char *outer = s->end, *close;

        s->p++;
        for (close = s->p; close < outer && *close != '`'; close++)
                if (*close == '\\' && close + 1 < outer)
                        close++;
        s->end = close;
        shell_scan_list(s, 0, SHELL_COMMANDS);
        s->end = outer;
        if (s->over)
                s->p = outer;
        else
                s->p = close < outer ? close + 1 : outer;
}

static void scan_dquote(ShellScan *s) {
        s->p++;
        while (s->p < s->end)
                switch (*s->p) {
                case '"':
                        s->p++;
                        return;
                case '$':
                        scan_dollar(s, true);
                        break;
                case '`':
                        scan_backtick(s);
                        break;
                default:
                        shell_skip(s, *s->p == '\\' ? 2 : 1);
                }
}

void shell_scan_expanded(ShellScan *s, const char *end) {
        const char *outer = s->end;

        s->end = end;
        while (s->p < s->end)
                switch (*s->p) {
                case '$':
                        scan_dollar(s, true);
                        break;
                case '`':
                        scan_backtick(s);
                        break;
                default:
                        shell_skip(s, *s->p == '\\' ? 2 : 1);
                }
        s->end = outer;
        if (s->over)
                s->p = outer;
}

/* Reads NAME, and whether it is ours. */
static bool scan_name(ShellScan *s) {
        const char *start = s->p;

        while (s->p < s->end && shell_is_name(*s->p))
                s->p++;
        return (size_t)(s->p - start) == s->variable_size &&
                memcmp(start, s->variable, s->variable_size) == 0;
}

/* The head of "${…}": "#" or "!", the name, and the operator in front of a word that begins with a
 * tilde. */
static void scan_braces_head(ShellScan *s, const char *dollar, bool dquoted) {
        bool indirect = shell_peek(s, 0) == '!', ours;

        if ((indirect || shell_peek(s, 0) == '#') && shell_is_name_start(shell_peek(s, 1)))
                s->p++;
        /* "${1:-…}": all name characters, so that what is behind a positional parameter is seen
         * too. */
        ours = scan_name(s);
        /* "${!HOME*}" lists the names that begin with HOME. */
        if (ours && !(indirect && strchr("*@", shell_peek(s, 0)) && shell_peek(s, 1) == '}'))
                note_use(s, dollar, false);
        if (dquoted)
                return;
        if (shell_peek(s, 0) == ':')
                s->p++;
        if (shell_peek(s, 0) && strchr("-=+", shell_peek(s, 0))) {
                s->p++;
                scan_tilde(s, true);
        }
}

static void scan_braces(ShellScan *s, bool dquoted) {
        const char *dollar = s->p;

        if (!shell_scan_enter(s))
                return;
        shell_skip(s, 2);
        scan_braces_head(s, dollar, dquoted);
        while (s->p < s->end && *s->p != '}')
                switch (*s->p) {
                case '$':
                        scan_dollar(s, dquoted);
                        break;
                case '`':
                        scan_backtick(s);
                        break;
                case '"':
                        scan_dquote(s);
                        break;
                case '\'':
                        s->p++;
                        if (!dquoted)
                                skip_to(s, '\'');
                        break;
                default:
                        shell_skip(s, *s->p == '\\' ? 2 : 1);
                }
        shell_skip(s, 1);
        shell_scan_leave(s);
}

bool shell_is_arithmetic(const ShellScan *s) {
        size_t left = (size_t)(s->end - s->p), max = left < ARITHMETIC_MAX ? left : ARITHMETIC_MAX;
        unsigned level = 2;

        for (size_t i = 0; i < max; i++) {
                if (s->p[i] == '\\')
                        i++;
                else if (s->p[i] == '(')
                        level++;
                else if (s->p[i] == ')' && --level == 1)
                        return i + 1 < left && s->p[i + 1] == ')';
        }
        return false;
}

void shell_scan_arithmetic(ShellScan *s, char open, char close, unsigned level) {
        if (!shell_scan_enter(s))
                return;
        while (s->p < s->end && level > 0) {
                char c = *s->p;

                if (c == '$') {
                        scan_dollar(s, true);
                        continue;
                }
                if (c == '`') {
                        scan_backtick(s);
                        continue;
                }
                level += c == open;
                level -= c == close;
                shell_skip(s, c == '\\' ? 2 : 1);
        }
        shell_scan_leave(s);
}

static void scan_dollar_paren(ShellScan *s) {
        shell_skip(s, 2);
        if (shell_peek(s, 0) == '(') {
                s->p++;
                if (shell_is_arithmetic(s)) {
                        shell_scan_arithmetic(s, '(', ')', 2);
                        return;
                }
                s->p--;
        }
        shell_scan_list(s, ')', SHELL_COMMANDS);
}

static void scan_dollar(ShellScan *s, bool dquoted) {
        const char *dollar = s->p;
        char next = shell_peek(s, 1);

        if (next == '(') {
                scan_dollar_paren(s);
        } else if (next == '{') {
                scan_braces(s, dquoted);
        } else if (next == '[') {
                shell_skip(s, 2);
                shell_scan_arithmetic(s, '[', ']', 1);
        } else if (shell_is_name_start(next)) {
                s->p++;
                if (scan_name(s))
                        note_use(s, dollar, false);
        } else if (next == '\'' && !dquoted) {
                shell_skip(s, 2);
                scan_escaped_quote(s);
        } else {
                /* "$#", "$?", "$1": the second byte has no meaning of its own. A quote has. */
                shell_skip(s, next && strchr("#?!$*@-", next) ? 2 : 1);
        }
}

size_t shell_assignment(const ShellScan *s, size_t *ret_name) {
        size_t left = (size_t)(s->end - s->p), i = 0, name;
        unsigned level = 0;

        if (left == 0 || !shell_is_name_start(*s->p))
                return 0;
        while (i < left && shell_is_name(s->p[i]))
                i++;
        name = i;
        if (i < left && s->p[i] == '[')
                for (size_t start = i; i < left && i - start < SUBSCRIPT_MAX; i++) {
                        level += s->p[i] == '[';
                        level -= s->p[i] == ']';
                        if (level == 0 || s->p[i] == '\n')
                                break;
                }
        if (i > name)
                i++;
        if (i < left && s->p[i] == '+')
                i++;
        if (i >= left || level > 0 || s->p[i] != '=')
                return 0;
        *ret_name = name;
        return i + 1;
}

/* One piece of a word at s->p: a quoted part, an expansion, or a byte. Returns whether it is a
 * plain byte. */
static bool scan_piece(ShellScan *s) {
        switch (*s->p) {
        case '\\':
                shell_skip(s, 2);
                return false;
        case '\'':
                s->p++;
                skip_to(s, '\'');
                return false;
        case '"':
                scan_dquote(s);
                return false;
        case '$':
                scan_dollar(s, false);
                return false;
        case '`':
                scan_backtick(s);
                return false;
        default:
                s->p++;
                return true;
        }
}

/* What a bracket opens within a word: the values of an array, or a pattern like "!(a|b)". */
static bool scan_parenthesis(ShellScan *s, const char *start, const char *value) {
        bool opens = s->p == value || (s->p > start && strchr("?*+@!", s->p[-1]));

        if (*s->p != '(' || !opens)
                return false;
        s->p++;
        shell_scan_list(s, ')', SHELL_WORDS);
        return true;
}

static bool assigns_ours(const ShellScan *s, size_t name, size_t assignment) {
        return name == s->variable_size && memcmp(s->p, s->variable, name) == 0 &&
                s->p[name] == '=' && assignment == name + 1;
}

void shell_scan_word(ShellScan *s, ShellListKind list, ShellWord *ret) {
        size_t name = 0, assignment = list == SHELL_COMMANDS ? shell_assignment(s, &name) : 0;
        const char *value = assignment ? s->p + assignment : NULL;
        bool colon = false;

        *ret = (ShellWord){
                .start = s->p,
                .plain = true,
                .assigns = assignment > 0,
                .assigns_ours = assignment > 0 && assigns_ours(s, name, assignment),
        };
        scan_tilde(s, false);
        while (s->p < s->end) {
                if (shell_is_meta(*s->p)) {
                        if (!scan_parenthesis(s, ret->start, value))
                                break;
                        ret->plain = false;
                        continue;
                }
                if (value && (s->p == value || (s->p > value && colon)))
                        scan_tilde(s, false);
                if (s->p == s->end)
                        break;
                colon = *s->p == ':';
                ret->plain &= scan_piece(s);
        }
        ret->size = (size_t)(s->p - ret->start);
}
