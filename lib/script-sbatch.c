/* SPDX-License-Identifier: Apache-2.0 */

#include "script-sbatch.h"

#include <string.h>

#include "script-option.h"
#include "text.h"

/* Words of one component that are looked at. Nobody writes so many; it bounds the memory that a
 * script can make us take. */
#define WORDS_MAX 100000

/* One word of the vector, and the line it stands on. */
typedef struct Word {
        char *text;
        const char *line;
        size_t line_size, number;
} Word;

typedef struct Vector {
        Word *words;
        size_t n, allocated;
} Vector;

/* What is being read, and where to. */
typedef struct Reader {
        const char *name;
        Script *script;
        Error *error;
        Vector vector;
} Reader;

static void vector_clear(Vector *v) {
        for (size_t i = 0; i < v->n; i++)
                free(v->words[i].text);
        v->n = 0;
}

static void vector_done(Vector *v) {
        vector_clear(v);
        free(v->words);
}

/* Takes word->text in any case. */
static int vector_add(Vector *v, const Word *word) {
        if (v->n >= WORDS_MAX) {
                free(word->text);
                return 0;
        }
        if (v->n == v->allocated) {
                size_t n = v->allocated ? 2 * v->allocated : 16;
                Word *words = reallocarray(v->words, n, sizeof(*words));

                if (!words) {
                        free(word->text);
                        return -ENOMEM;
                }
                v->words = words;
                v->allocated = n;
        }
        v->words[v->n++] = *word;
        return 0;
}

static bool is_space(char c) {
        return c == ' ' || (c >= '\t' && c <= '\r');
}

/*
 * The next word of a line, after the rules of sbatch, which are not the shell's: a backslash is
 * taken off inside both kinds of quotes too and can't protect a blank, '#' begins a comment
 * anywhere, and an empty word ends the line. Returns its size in @buffer, 0 at the end.
 */
static size_t sbatch_word(const char **p, const char *end, char *buffer) {
        size_t n = 0;
        char quote = 0;

        while (*p < end && is_space(**p))
                (*p)++;
        for (; *p < end && (quote || !is_space(**p)); (*p)++) {
                char c = **p;

                if (quote && c == quote) {
                        quote = 0;
                } else if (!quote && (c == '"' || c == '\'')) {
                        quote = c;
                } else if (!quote && c == '#') {
                        *p = end;
                        break;
                } else if (c != '\\') {
                        buffer[n++] = c;
                } else if (*p + 1 < end && (quote || !is_space((*p)[1]))) {
                        buffer[n++] = *++*p;
                }
        }
        return n;
}

static int vector_add_line(Vector *v, const Word *line, const char *rest) {
        const char *end = line->line + line->line_size;
        _cleanup_free_ char *buffer = malloc(line->line_size + 1);
        size_t n;

        if (!buffer)
                return -ENOMEM;
        while ((n = sbatch_word(&rest, end, buffer)) > 0) {
                Word word = *line;
                int r;

                buffer[n] = 0;
                word.text = strdup(buffer);
                r = word.text ? vector_add(v, &word) : -ENOMEM;
                if (r < 0)
                        return r;
        }
        return 0;
}

static int reject(const Reader *r, const Word *word, SbatchMeaning meaning) {
        _cleanup_free_ char *line = strndup(word->line, word->line_size);
        _cleanup_free_ char *shown = line ? text_printable(line, 120) : NULL;
        _cleanup_free_ char *name = text_printable(r->name, 80);

        if (!shown || !name)
                return -ENOMEM;
        return error_set(r->error, UOW_E_REJECTED,
                "scripts/%s line %zu asks Slurm for %s (\"%s\"): with it the job can't be followed, since %s. "
                "Take the option out.",
                name, word->number, sbatch_forbidden_name(meaning), shown,
                sbatch_forbidden_reason(meaning));
}

static int apply(const Reader *r, SbatchMeaning meaning, const char *value) {
        static const unsigned bits[] = {
                [SBATCH_ACCOUNT] = SCRIPT_SETS_ACCOUNT,
                [SBATCH_QOS] = SCRIPT_SETS_QOS,
                [SBATCH_PARTITION] = SCRIPT_SETS_PARTITION,
                [SBATCH_RESERVATION] = SCRIPT_SETS_RESERVATION,
                [SBATCH_TIME] = SCRIPT_SETS_TIME,
        };

        if (isempty(value))
                return 0;
        if (meaning < ELEMENTSOF(bits))
                r->script->set |= bits[meaning];
        switch (meaning) {
        case SBATCH_COMMENT:
                return strdup_to(&r->script->comment, value);
        case SBATCH_ARRAY:
                return strdup_to(&r->script->array, value);
        case SBATCH_TIME:
                return strdup_to(&r->script->time, value);
        case SBATCH_CPUS_PER_TASK:
                return strdup_to(&r->script->cpus_per_task, value);
        case SBATCH_NTASKS:
                return strdup_to(&r->script->ntasks, value);
        default:
                return 0;
        }
}

/* The word at *@i and, if it takes one, its value in the next; *@i is left behind them. */
static int read_long(const Reader *r, size_t *i) {
        const Word *word = &r->vector.words[(*i)++];
        const char *name = word->text + 2, *equals = strchr(name, '='),
                   *value = equals ? equals + 1 : NULL;
        const SbatchOption *o =
                sbatch_option_long(name, equals ? (size_t)(equals - name) : strlen(name));

        if (!o)
                return 0;
        if (o->meaning >= _SBATCH_FORBIDDEN)
                return reject(r, word, o->meaning);
        if (!value && o->argument == SBATCH_REQUIRED && *i < r->vector.n)
                value = r->vector.words[(*i)++].text;
        return apply(r, o->meaning, value);
}

/* The same for "-vA name", "-Aname". */
static int read_short(const Reader *r, size_t *i) {
        const Word *word = &r->vector.words[(*i)++];

        for (const char *p = word->text + 1; *p; p++) {
                SbatchOption o = sbatch_option_short(*p);

                if (o.meaning >= _SBATCH_FORBIDDEN)
                        return reject(r, word, o.meaning);
                if (o.argument == SBATCH_NONE)
                        continue;
                if (p[1])
                        return apply(r, o.meaning, p + 1);
                if (o.argument == SBATCH_REQUIRED && *i < r->vector.n)
                        return apply(r, o.meaning, r->vector.words[(*i)++].text);
        }
        return 0;
}

/*
 * One component's vector. sbatch refuses a script with a word that is no option; here it is passed
 * over, since it may be the value of an option that only a newer Slurm knows.
 */
static int read_vector(Reader *r) {
        size_t i = 0;
        int k = 0;

        while (k == 0 && i < r->vector.n) {
                const char *text = r->vector.words[i].text;

                if (text[0] != '-' || !text[1])
                        i++;
                else if (strcmp(text, "--") == 0)
                        break;
                else if (text[1] == '-')
                        k = read_long(r, &i);
                else
                        k = read_short(r, &i);
        }
        vector_clear(&r->vector);
        return k;
}

static const char *after_magic(const Word *line) {
        static const char *const magic[] = { "#SBATCH", "#SLURM" };

        for (size_t i = 0; i < ELEMENTSOF(magic); i++)
                if (line->line_size >= strlen(magic[i]) &&
                        memcmp(line->line, magic[i], strlen(magic[i])) == 0)
                        return line->line + strlen(magic[i]);
        return NULL;
}

/* "#SBATCH hetjob" ends a component; what else stands on the line is not looked at. */
static bool is_separator(const char *p, const char *end) {
        static const char *const words[] = { "hetjob", "packjob" };

        while (p < end && is_space(*p))
                p++;
        for (size_t i = 0; i < ELEMENTSOF(words); i++) {
                size_t n = strlen(words[i]);

                if ((size_t)(end - p) >= n && memcmp(p, words[i], n) == 0 &&
                        (p + n == end || is_space(p[n])))
                        return true;
        }
        return false;
}

static bool is_command(const Word *line) {
        for (size_t i = 0; i < line->line_size; i++)
                if (!is_space(line->line[i]))
                        return line->line[i] != '#';
        return false;
}

static int read_line(Reader *r, const Word *line) {
        const char *rest = after_magic(line);

        if (!rest)
                return 0;
        if (!is_separator(rest, line->line + line->line_size))
                return vector_add_line(&r->vector, line, rest);
        r->script->hetjob = true;
        return read_vector(r);
}

int script_sbatch(const char *name, const char *text, size_t size, Script *s, Error *e) {
        Reader r = { .name = name, .script = s, .error = e };
        const char *p = text, *end = text + size;
        Word line = { 0 };
        int k = 0;

        while (k == 0 && p < end) {
                const char *newline = memchr(p, '\n', (size_t)(end - p));

                line.line = p;
                line.line_size = (size_t)((newline ? newline : end) - p);
                line.number++;
                if (is_command(&line))
                        break;
                k = read_line(&r, &line);
                p = newline ? newline + 1 : end;
        }
        if (k == 0)
                k = read_vector(&r);
        vector_done(&r.vector);
        return k;
}
