/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Knobs are lines `name=value` in the state's file `knobs`. Faults are lines in `faults/COMMAND`
 * (and `faults/all`): a kind, perhaps with `-done`, and `key=value` limits and details:
 *
 *     timeout-done n=2                 the next two calls
 *     down p=0.2 seed=7                a fifth of the calls, the same ones each time
 *     hang skip=3 n=1 match=UoW-17     the fourth call that has this in its arguments
 *
 * All lines that strike count, so a warning and a delay can come together.
 */
#include "standin.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Fault faults[F_KINDS];

static const char *const fault_names[F_KINDS] = {
        [F_DOWN] = "down",
        [F_TIMEOUT] = "timeout",
        [F_HANG] = "hang",
        [F_KILL] = "kill",
        [F_DELAY] = "delay",
        [F_LATE] = "late",
        [F_WARN_STDERR] = "warn-stderr",
        [F_WARN_STDOUT] = "warn-stdout",
        [F_SILENT] = "silent",
        [F_GARBAGE] = "garbage",
        [F_LIMIT] = "limit",
        [F_EXIT] = "exit",
        [F_EMPTY] = "empty",
        [F_PARTIAL] = "partial",
        [F_CUT] = "cut",
        [F_FLOOD] = "flood",
        [F_OTHERS] = "others",
};

/* ---- knobs ---- */

static char *knob_data;

void knobs_reload(void) {
        free(knob_data);
        knob_data = NULL;
}

static const char *knob_file(void) {
        if (!knob_data)
                knob_data = read_whole(state_path("knobs"), NULL);
        if (!knob_data)
                knob_data = xstrdup("");
        return knob_data;
}

const char *knob(const char *name, const char *dflt) {
        static char values[8][512];
        static unsigned at;
        size_t n = strlen(name);

        for (const char *p = knob_file(); *p;) {
                size_t len = strcspn(p, "\n");

                if (len > n && !strncmp(p, name, n) && p[n] == '=') {
                        char *v = values[at++ % 8];

                        snprintf(v, sizeof(values[0]), "%.*s", (int)(len - n - 1), p + n + 1);
                        return v;
                }
                p += len + (p[len] == '\n');
        }
        return dflt;
}

int64_t knob_int(const char *name, int64_t dflt) {
        const char *v = knob(name, NULL);

        return v && *v ? strtoll(v, NULL, 10) : dflt;
}

/* ---- faults ---- */

typedef struct Limits {
        long long n, skip;
        double p;
        unsigned long long seed;
        char match[256];
} Limits;

/* Even in [0, 1), the same for the same seed and call. */
static double roll(unsigned long long seed, uint64_t call, unsigned line) {
        uint64_t z = seed * 0x9e3779b97f4a7c15u + call * 0xbf58476d1ce4e5b9u + line;

        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        z ^= z >> 31;
        return (double)(z >> 11) / 9007199254740992.0;
}

static void take_key(Fault *f, Limits *l, const char *key, const char *value) {
        if (!strcmp(key, "n"))
                l->n = strtoll(value, NULL, 10);
        else if (!strcmp(key, "skip"))
                l->skip = strtoll(value, NULL, 10);
        else if (!strcmp(key, "p"))
                l->p = strtod(value, NULL);
        else if (!strcmp(key, "seed"))
                l->seed = strtoull(value, NULL, 10);
        else if (!strcmp(key, "match"))
                snprintf(l->match, sizeof(l->match), "%s", value);
        else if (!strcmp(key, "ms"))
                f->ms = strtoll(value, NULL, 10);
        else if (!strcmp(key, "rows"))
                f->rows = strtoll(value, NULL, 10);
        else if (!strcmp(key, "bytes"))
                f->bytes = strtoll(value, NULL, 10);
        else if (!strcmp(key, "sig"))
                f->sig = (int)strtol(value, NULL, 10);
        else if (!strcmp(key, "how"))
                snprintf(f->how, sizeof(f->how), "%s", value);
        else if (!strcmp(key, "rc")) {
                f->rc = (int)strtol(value, NULL, 10);
                f->has_rc = true;
        } else
                die(99, "standin: no such fault key: %s", key);
}

/* Takes a line apart; -1 for an empty line. The text, if any, is the rest of the line. */
static int parse_fault(char *line, Fault *f, Limits *l) {
        char *save = NULL, *text = strstr(line, " text="), *word;
        size_t n;

        if (text) {
                snprintf(f->text, sizeof(f->text), "%s", text + 6);
                *text = 0;
        }
        word = strtok_r(line, " ", &save);
        if (!word || *word == '#')
                return -1;
        n = strlen(word);
        if (n > 5 && !strcmp(word + n - 5, "-done")) {
                f->done = true;
                word[n - 5] = 0;
        }
        for (char *key; (key = strtok_r(NULL, " ", &save));) {
                char *eq = strchr(key, '=');

                if (!eq)
                        die(99, "standin: fault key without value: %s", key);
                *eq = 0;
                take_key(f, l, key, eq + 1);
        }
        for (int i = 0; i < F_KINDS; i++)
                if (!strcmp(word, fault_names[i]))
                        return i;
        die(99, "standin: no such fault: %s", word);
}

static bool argv_matches(const char *text, int argc, char **argv) {
        for (int i = 0; i < argc; i++)
                if (strstr(argv[i], text))
                        return true;
        return !*text;
}

/* The line as it is to stand in the file from now on: n or skip one less. */
static void keep_line(Text *out, const char *line, const Limits *l) {
        const char *text = strstr(line, " text=");
        size_t head = text ? (size_t)(text - line) : strlen(line);
        char *copy = strndup(line, head), *save = NULL;
        bool first = true;

        for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
                text_add(out, first ? "" : " ");
                first = false;
                if (!strncmp(w, "n=", 2))
                        text_addf(out, "n=%lld", l->n);
                else if (!strncmp(w, "skip=", 5))
                        text_addf(out, "skip=%lld", l->skip);
                else
                        text_add(out, w);
        }
        text_addf(out, "%s\n", text ? text : "");
        free(copy);
}

/* Returns whether the file's content changes. */
static bool judge_line(
        Text *out, const char *line, unsigned number, uint64_t call, int argc, char **argv) {
        Limits l = { .n = -1, .p = 1 };
        Fault f = { .set = true };
        char *copy = xstrdup(line);
        int kind = parse_fault(copy, &f, &l);
        bool changed = false;

        free(copy);
        if (kind >= 0 && argv_matches(l.match, argc, argv) && l.n != 0) {
                if (l.skip > 0) {
                        l.skip--;
                        changed = true;
                } else if (roll(l.seed, call, number) < l.p) {
                        faults[kind] = f;
                        changed = l.n > 0;
                        l.n -= l.n > 0;
                }
        }
        keep_line(out, line, &l);
        return changed;
}

static void load_file(const char *name, uint64_t call, int argc, char **argv) {
        char *data = read_whole(state_path("faults/%s", name), NULL), *save = NULL;
        unsigned number = 0;
        bool changed = false;
        Text out = {};

        if (!data)
                return;
        for (char *line = strtok_r(data, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
                changed |= judge_line(&out, line, ++number, call, argc, argv);
        if (changed)
                write_whole(state_path("faults/%s", name), text_str(&out), out.n, 0644);
        text_free(&out);
        free(data);
}

void faults_load(const char *command, int argc, char **argv) {
        uint64_t call = db->fault_rolls++;

        if (access(state_path("faults"), F_OK) < 0)
                return;
        load_file("all", call, argc, argv);
        load_file(command, call, argc, argv);
}
