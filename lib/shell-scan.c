/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Commands of the shell: where one ends, which of them give a variable a value, and where
 * here-documents are. See shell-scan.h.
 */

#include "shell-scan-internal.h"

#include "cleanup.h"

typedef enum CommandKind {
        COMMAND_NONE,     /* no command word yet */
        COMMAND_OTHER,    /* of no interest */
        COMMAND_DECLARE,  /* NAME=VALUE as arguments */
        COMMAND_READ,     /* names as arguments */
        COMMAND_PRINTF,   /* -v NAME */
        COMMAND_FOR,      /* the first argument is a name */
        COMMAND_FUNCTION, /* its name comes next */
        COMMAND_CASE,     /* until "in" */
        COMMAND_RESERVED, /* a reserved word: a command follows */
        COMMAND_ESAC,
} CommandKind;

static const struct {
        const char *word;
        CommandKind kind;
} command_kinds[] = {
        { "export", COMMAND_DECLARE },
        { "declare", COMMAND_DECLARE },
        { "typeset", COMMAND_DECLARE },
        { "local", COMMAND_DECLARE },
        { "readonly", COMMAND_DECLARE },
        { "read", COMMAND_READ },
        { "readarray", COMMAND_READ },
        { "mapfile", COMMAND_READ },
        { "getopts", COMMAND_READ },
        { "setenv", COMMAND_READ }, /* csh */
        { "printf", COMMAND_PRINTF },
        { "for", COMMAND_FOR },
        { "foreach", COMMAND_FOR }, /* csh */
        { "select", COMMAND_FOR },
        { "function", COMMAND_FUNCTION },
        { "case", COMMAND_CASE },
        { "esac", COMMAND_ESAC },
        { "if", COMMAND_RESERVED },
        { "then", COMMAND_RESERVED },
        { "elif", COMMAND_RESERVED },
        { "else", COMMAND_RESERVED },
        { "fi", COMMAND_RESERVED },
        { "while", COMMAND_RESERVED },
        { "until", COMMAND_RESERVED },
        { "do", COMMAND_RESERVED },
        { "done", COMMAND_RESERVED },
        { "time", COMMAND_RESERVED },
        { "coproc", COMMAND_RESERVED },
        { "{", COMMAND_RESERVED },
        { "}", COMMAND_RESERVED },
        { "!", COMMAND_RESERVED },
        { "builtin", COMMAND_RESERVED },
        { "command", COMMAND_RESERVED },
};

/* The simple command that is being read, and the case constructs around it. */
typedef struct Command {
        CommandKind kind;
        unsigned words;    /* since the command word */
        bool assigned;     /* an assignment in front gave our variable a value */
        bool gives;        /* the command gives it one */
        bool redirect;     /* the next word is a redirection's target */
        bool option_v;     /* the last word was "-v" */
        unsigned cases;    /* open "case … in" */
        bool pattern;      /* in a case's pattern, up to its ')' */
        bool pattern_word; /* and the pattern has begun */
} Command;

static bool bytes_are(const char *bytes, size_t size, const char *text) {
        return strlen(text) == size && memcmp(bytes, text, size) == 0;
}

static bool word_is(const ShellWord *w, const char *text) {
        return w->plain && bytes_are(w->start, w->size, text);
}

/* "2>": a descriptor's number, no word. */
static bool word_is_descriptor(const ShellScan *s, const ShellWord *w) {
        char next = shell_peek(s, 0);

        for (size_t i = 0; i < w->size; i++)
                if (w->start[i] < '0' || w->start[i] > '9')
                        return false;
        return next == '<' || next == '>';
}

static CommandKind command_kind(const ShellWord *w) {
        for (size_t i = 0; i < ELEMENTSOF(command_kinds); i++)
                if (word_is(w, command_kinds[i].word))
                        return command_kinds[i].kind;
        return COMMAND_OTHER;
}

/* What the command does to our variable is done when it has ended. */
static void end_command(ShellScan *s, Command *c) {
        if (c->gives || (c->kind == COMMAND_NONE && c->assigned))
                s->set = true;
        s->prefix = false;
        *c = (Command){ .cases = c->cases, .pattern = c->pattern };
}

static void end_pattern_list(Command *c, bool esac) {
        if (esac && c->cases > 0)
                c->cases--;
        c->pattern = false;
}

static void note_command_word(ShellScan *s, Command *c, const ShellWord *w) {
        if (w->assigns) {
                c->assigned |= w->assigns_ours;
                return;
        }
        c->kind = command_kind(w);
        if (c->kind == COMMAND_ESAC)
                end_pattern_list(c, true);
        if (c->kind == COMMAND_RESERVED || c->kind == COMMAND_ESAC) {
                c->kind = COMMAND_NONE;
                c->assigned = false;
        }
        s->prefix = false;
}

static void note_argument(ShellScan *s, Command *c, const ShellWord *w) {
        bool ours = word_is(w, s->variable);

        c->words++;
        switch (c->kind) {
        case COMMAND_DECLARE:
                c->gives |= w->assigns_ours;
                break;
        case COMMAND_READ:
                c->gives |= ours;
                break;
        case COMMAND_PRINTF:
                c->gives |= ours && c->option_v;
                c->option_v = word_is(w, "-v");
                break;
        case COMMAND_FOR:
                c->gives |= ours && c->words == 1;
                break;
        case COMMAND_FUNCTION:
                end_command(s, c);
                break;
        case COMMAND_CASE:
                if (c->words > 1 && word_is(w, "in")) {
                        c->cases++;
                        c->pattern = true;
                        end_command(s, c);
                }
                break;
        default:
                break;
        }
}

static void scan_command_word(ShellScan *s, Command *c) {
        size_t name;
        ShellWord w;

        /* A=1 B=$A: the second assignment sees the first; a command's arguments don't. */
        s->prefix = c->kind == COMMAND_NONE && c->assigned && shell_assignment(s, &name) > 0;
        shell_scan_word(s, SHELL_COMMANDS, &w);
        if (word_is_descriptor(s, &w))
                return;
        if (c->pattern) {
                if (!c->pattern_word && word_is(&w, "esac"))
                        end_pattern_list(c, true);
                c->pattern_word = true;
        } else if (c->redirect) {
                c->redirect = false;
        } else if (c->kind == COMMAND_NONE) {
                note_command_word(s, c, &w);
        } else {
                note_argument(s, c, &w);
        }
}

/* The delimiter's text without its quotes. */
static void read_delimiter(ShellScan *s, ShellHeredoc *h) {
        char quote = 0;

        while (s->p < s->end && (quote || !shell_is_meta(*s->p))) {
                char c = *s->p++;

                if (quote ? c == quote : c == '\'' || c == '"') {
                        quote = quote ? 0 : c;
                        h->quoted = true;
                        continue;
                }
                if (c == '\\' && !quote && s->p < s->end) {
                        h->quoted = true;
                        c = *s->p++;
                }
                if (h->size < sizeof(h->delimiter))
                        h->delimiter[h->size++] = c;
        }
}

static void scan_heredoc_operator(ShellScan *s) {
        ShellHeredoc h = { 0 };

        shell_skip(s, 2);
        if (shell_peek(s, 0) == '-') {
                h.strip = true;
                s->p++;
        }
        while (shell_is_blank(shell_peek(s, 0)))
                s->p++;
        read_delimiter(s, &h);
        if (s->n_heredocs < SHELL_HEREDOCS_MAX)
                s->heredocs[s->n_heredocs++] = h;
}

/* The line that ends the here-document; @ret_next: what follows it. */
static const char *heredoc_end(const ShellScan *s, const ShellHeredoc *h, const char **ret_next) {
        const char *line = s->p;

        while (line < s->end) {
                const char *newline = memchr(line, '\n', (size_t)(s->end - line));
                const char *stop = newline ? newline : s->end, *start = line;

                while (h->strip && start < stop && *start == '\t')
                        start++;
                *ret_next = newline ? newline + 1 : s->end;
                if ((size_t)(stop - start) == h->size && memcmp(start, h->delimiter, h->size) == 0)
                        return line;
                line = *ret_next;
        }
        *ret_next = s->end;
        return s->end;
}

static void scan_heredocs(ShellScan *s) {
        while (s->n_heredocs > 0 && !s->over) {
                ShellHeredoc h = s->heredocs[0];
                const char *stop, *next;

                memmove(s->heredocs, s->heredocs + 1, --s->n_heredocs * sizeof(h));
                stop = heredoc_end(s, &h, &next);
                if (!h.quoted)
                        shell_scan_expanded(s, stop);
                if (!s->over)
                        s->p = next;
        }
}

static void scan_redirection(ShellScan *s, Command *c) {
        if (s->p[0] == '<' && shell_peek(s, 1) == '<') {
                if (shell_peek(s, 2) != '<') {
                        scan_heredoc_operator(s);
                        return;
                }
                shell_skip(s, 3);
        } else if (shell_peek(s, 1) == '(') {
                shell_skip(s, 2);
                shell_scan_list(s, ')', SHELL_COMMANDS);
                c->redirect = false;
                return;
        } else {
                while (shell_peek(s, 0) && strchr("<>&|", shell_peek(s, 0)))
                        s->p++;
        }
        c->redirect = true;
}

static void scan_open(ShellScan *s, Command *c, ShellListKind kind) {
        s->p++;
        if (c->pattern)
                return;
        if (kind == SHELL_COMMANDS && shell_peek(s, 0) == '(' &&
                (c->kind == COMMAND_NONE || c->kind == COMMAND_FOR)) {
                s->p++;
                if (shell_is_arithmetic(s)) {
                        shell_scan_arithmetic(s, '(', ')', 2);
                        return;
                }
                s->p--;
        }
        /* "name ()": what follows is the function's body. */
        shell_scan_list(s, ')', kind);
        end_command(s, c);
}

static void scan_operator(ShellScan *s, Command *c) {
        char op = *s->p, next = shell_peek(s, 1);

        if (op == '&' && next == '>') {
                scan_redirection(s, c);
                return;
        }
        if (c->pattern) {
                s->p++;
                return;
        }
        end_command(s, c);
        if (op == ';' && (next == ';' || next == '&')) {
                shell_skip(s, shell_peek(s, 2) == '&' ? 3 : 2);
                c->pattern = c->cases > 0;
                return;
        }
        s->p++;
}

/* One token of a list of commands. Returns false at the list's end. */
static bool scan_token(ShellScan *s, Command *c, char closer, ShellListKind kind) {
        switch (*s->p) {
        case '\n':
                s->p++;
                if (!c->pattern)
                        end_command(s, c);
                scan_heredocs(s);
                return true;
        case '#':
                while (s->p < s->end && *s->p != '\n')
                        s->p++;
                return true;
        case ';':
        case '&':
        case '|':
                scan_operator(s, c);
                return true;
        case '(':
                scan_open(s, c, kind);
                return true;
        case ')':
                s->p++;
                if (c->pattern)
                        c->pattern = c->pattern_word = false;
                else if (closer == ')')
                        return false;
                return true;
        case '<':
        case '>':
                scan_redirection(s, c);
                return true;
        default:
                if (kind == SHELL_COMMANDS)
                        scan_command_word(s, c);
                else
                        shell_scan_word(s, SHELL_WORDS, &(ShellWord){ 0 });
                return true;
        }
}

/* Blanks, and line ends that a backslash hides. */
static void skip_blanks(ShellScan *s) {
        for (;;) {
                if (shell_is_blank(shell_peek(s, 0)))
                        s->p++;
                else if (shell_peek(s, 0) == '\\' && shell_peek(s, 1) == '\n')
                        s->p += 2;
                else
                        return;
        }
}

void shell_scan_list(ShellScan *s, char closer, ShellListKind kind) {
        bool set = s->set, prefix = s->prefix;
        Command c = { 0 };

        if (!shell_scan_enter(s))
                return;
        s->set |= prefix;
        for (;;) {
                skip_blanks(s);
                if (s->p >= s->end || !scan_token(s, &c, closer, kind))
                        break;
        }
        s->set = set;
        s->prefix = prefix;
        shell_scan_leave(s);
}

bool shell_scan(const char *text, size_t size, const char *variable, ShellUse *ret) {
        ShellScan s = {
                .text = text,
                .p = text,
                .end = text + size,
                .variable = variable,
                .variable_size = strlen(variable),
                .home = strcmp(variable, "HOME") == 0,
        };

        shell_scan_list(&s, 0, SHELL_COMMANDS);
        if (s.found)
                *ret = s.use;
        return s.found;
}

/* The next word of the "#!" line: its size; @p is left behind it. */
static size_t next_word(const char **p, const char *end) {
        const char *start;

        while (*p < end && shell_is_blank(**p))
                (*p)++;
        start = *p;
        while (*p < end && !strchr(" \t\r\n", **p))
                (*p)++;
        return (size_t)(*p - start);
}

bool shell_interpreter(const char *line, size_t size) {
        static const char *const shells[] = { "sh", "bash", "dash", "ash", "ksh", "mksh", "zsh",
                "csh", "tcsh" };
        const char *p = line, *end = line + size, *word, *base;
        size_t n;

        if (size < 2 || memcmp(line, "#!", 2) != 0)
                return false;
        p += 2;
        do {
                n = next_word(&p, end);
                word = p - n;
                base = memrchr(word, '/', n);
                base = base ? base + 1 : word;
                /* "#!/usr/bin/env -S A=1 bash": what env is to run. */
        } while (n > 0 &&
                (bytes_are(base, (size_t)(p - base), "env") || *word == '-' ||
                        memchr(word, '=', n)));
        for (size_t i = 0; i < ELEMENTSOF(shells); i++)
                if (bytes_are(base, (size_t)(p - base), shells[i]))
                        return true;
        return false;
}
