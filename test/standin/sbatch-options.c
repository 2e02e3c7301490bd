/* SPDX-License-Identifier: Apache-2.0 */

/*
 * All of sbatch 22.05's options, so that a test fails where the real one would; those that change
 * nothing here are read and forgotten. Precedence is the caller's: script, environment, command
 * line, each laid over the one before.
 */
#include "sbatch.h"

#include <ctype.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define SHORTS "+A:a:b:B:c:C:d:D:e:F:G:hHi:J:kL:m:M:n:N:o:Op:q:QsS:t:uvVw:Wx:"
/* getopt's value of a long option is its key and this, to keep clear of the short ones' letters */
#define LONG_BASE 0x1000

#define NO no_argument
#define RQ required_argument
#define OP optional_argument
#define KEY(k) NULL, LONG_BASE + (k)

static const struct option longs[] = {
        { "account", RQ, KEY(SB_ACCOUNT) },
        { "acctg-freq", RQ, KEY(SB_IGNORED) },
        { "array", RQ, KEY(SB_ARRAY) },
        { "batch", RQ, KEY(SB_IGNORED) },
        { "bb", RQ, KEY(SB_IGNORED) },
        { "bbf", RQ, KEY(SB_IGNORED) },
        { "begin", RQ, KEY(SB_BEGIN) },
        { "chdir", RQ, KEY(SB_CHDIR) },
        { "cluster-constraint", RQ, KEY(SB_IGNORED) },
        { "clusters", RQ, KEY(SB_CLUSTERS) },
        { "comment", RQ, KEY(SB_COMMENT) },
        { "constraint", RQ, KEY(SB_IGNORED) },
        { "container", RQ, KEY(SB_IGNORED) },
        { "contiguous", NO, KEY(SB_IGNORED) },
        { "core-spec", RQ, KEY(SB_IGNORED) },
        { "cores-per-socket", RQ, KEY(SB_IGNORED) },
        { "cpu-freq", RQ, KEY(SB_IGNORED) },
        { "cpus-per-gpu", RQ, KEY(SB_IGNORED) },
        { "cpus-per-task", RQ, KEY(SB_CPUS) },
        { "deadline", RQ, KEY(SB_IGNORED) },
        { "delay-boot", RQ, KEY(SB_IGNORED) },
        { "dependency", RQ, KEY(SB_DEPENDENCY) },
        { "distribution", RQ, KEY(SB_IGNORED) },
        { "error", RQ, KEY(SB_ERROR) },
        { "exclude", RQ, KEY(SB_IGNORED) },
        { "exclusive", OP, KEY(SB_IGNORED) },
        { "export", RQ, KEY(SB_EXPORT) },
        { "export-file", RQ, KEY(SB_IGNORED) },
        { "extra-node-info", RQ, KEY(SB_IGNORED) },
        { "get-user-env", OP, KEY(SB_IGNORED) },
        { "gid", RQ, KEY(SB_IGNORED) },
        { "gpu-bind", RQ, KEY(SB_IGNORED) },
        { "gpu-freq", RQ, KEY(SB_IGNORED) },
        { "gpus", RQ, KEY(SB_IGNORED) },
        { "gpus-per-node", RQ, KEY(SB_IGNORED) },
        { "gpus-per-socket", RQ, KEY(SB_IGNORED) },
        { "gpus-per-task", RQ, KEY(SB_IGNORED) },
        { "gres", RQ, KEY(SB_IGNORED) },
        { "gres-flags", RQ, KEY(SB_IGNORED) },
        { "help", NO, KEY(SB_HELP) },
        { "hint", RQ, KEY(SB_IGNORED) },
        { "hold", NO, KEY(SB_HOLD) },
        { "ignore-pbs", NO, KEY(SB_IGNORED) },
        { "input", RQ, KEY(SB_INPUT) },
        { "job-name", RQ, KEY(SB_NAME) },
        { "kill-on-invalid-dep", RQ, KEY(SB_IGNORED) },
        { "licenses", RQ, KEY(SB_IGNORED) },
        { "mail-type", RQ, KEY(SB_IGNORED) },
        { "mail-user", RQ, KEY(SB_IGNORED) },
        { "mcs-label", RQ, KEY(SB_IGNORED) },
        { "mem", RQ, KEY(SB_MEM) },
        { "mem-bind", RQ, KEY(SB_IGNORED) },
        { "mem-per-cpu", RQ, KEY(SB_IGNORED) },
        { "mem-per-gpu", RQ, KEY(SB_IGNORED) },
        { "mincpus", RQ, KEY(SB_IGNORED) },
        { "network", RQ, KEY(SB_IGNORED) },
        { "nice", OP, KEY(SB_IGNORED) },
        { "no-kill", OP, KEY(SB_IGNORED) },
        { "no-requeue", NO, KEY(SB_IGNORED) },
        { "nodefile", RQ, KEY(SB_IGNORED) },
        { "nodelist", RQ, KEY(SB_IGNORED) },
        { "nodes", RQ, KEY(SB_NODES) },
        { "ntasks", RQ, KEY(SB_NTASKS) },
        { "ntasks-per-core", RQ, KEY(SB_IGNORED) },
        { "ntasks-per-gpu", RQ, KEY(SB_IGNORED) },
        { "ntasks-per-node", RQ, KEY(SB_IGNORED) },
        { "ntasks-per-socket", RQ, KEY(SB_IGNORED) },
        { "open-mode", RQ, KEY(SB_OPEN_MODE) },
        { "output", RQ, KEY(SB_OUTPUT) },
        { "overcommit", NO, KEY(SB_IGNORED) },
        { "oversubscribe", NO, KEY(SB_IGNORED) },
        { "parsable", NO, KEY(SB_PARSABLE) },
        { "partition", RQ, KEY(SB_PARTITION) },
        { "power", RQ, KEY(SB_IGNORED) },
        { "prefer", RQ, KEY(SB_IGNORED) },
        { "priority", RQ, KEY(SB_IGNORED) },
        { "profile", RQ, KEY(SB_IGNORED) },
        { "propagate", OP, KEY(SB_IGNORED) },
        { "qos", RQ, KEY(SB_QOS) },
        { "quiet", NO, KEY(SB_QUIET) },
        { "reboot", NO, KEY(SB_IGNORED) },
        { "requeue", NO, KEY(SB_IGNORED) },
        { "reservation", RQ, KEY(SB_RESERVATION) },
        { "signal", RQ, KEY(SB_SIGNAL) },
        { "sockets-per-node", RQ, KEY(SB_IGNORED) },
        { "spread-job", NO, KEY(SB_IGNORED) },
        { "switches", RQ, KEY(SB_IGNORED) },
        { "test-only", NO, KEY(SB_TEST_ONLY) },
        { "thread-spec", RQ, KEY(SB_IGNORED) },
        { "threads-per-core", RQ, KEY(SB_IGNORED) },
        { "time", RQ, KEY(SB_TIME) },
        { "time-min", RQ, KEY(SB_IGNORED) },
        { "tmp", RQ, KEY(SB_IGNORED) },
        { "uid", RQ, KEY(SB_IGNORED) },
        { "usage", NO, KEY(SB_HELP) },
        { "use-min-nodes", NO, KEY(SB_IGNORED) },
        { "verbose", NO, KEY(SB_IGNORED) },
        { "version", NO, KEY(SB_VERSION) },
        { "wait", NO, KEY(SB_WAIT) },
        { "wait-all-nodes", RQ, KEY(SB_IGNORED) },
        { "wckey", RQ, KEY(SB_IGNORED) },
        { "wrap", RQ, KEY(SB_WRAP) },
        {},
};

static const struct {
        char letter;
        SbatchKey key;
} shorts[] = {
        { 'A', SB_ACCOUNT },
        { 'a', SB_ARRAY },
        { 'b', SB_BEGIN },
        { 'c', SB_CPUS },
        { 'd', SB_DEPENDENCY },
        { 'D', SB_CHDIR },
        { 'e', SB_ERROR },
        { 'h', SB_HELP },
        { 'H', SB_HOLD },
        { 'i', SB_INPUT },
        { 'J', SB_NAME },
        { 'M', SB_CLUSTERS },
        { 'n', SB_NTASKS },
        { 'N', SB_NODES },
        { 'o', SB_OUTPUT },
        { 'p', SB_PARTITION },
        { 'q', SB_QOS },
        { 'Q', SB_QUIET },
        { 't', SB_TIME },
        { 'u', SB_HELP },
        { 'V', SB_VERSION },
        { 'W', SB_WAIT },
};

static void refuse(const char *option) {
        die(255, "sbatch: error: Invalid --%s specification", option);
}

static bool memory_ok(const char *s) {
        size_t n = strspn(s, "0123456789");

        return n &&
                (!s[n] || (strchr("KMGTkmgt", s[n]) && (!s[n + 1] || !strcasecmp(s + n + 1, "B"))));
}

static bool signal_ok(const char *s) {
        static const char *const names[] = { "INT", "HUP", "TERM", "QUIT", "KILL", "USR1", "USR2",
                "CONT", "STOP", "ALRM", "ABRT", "URG" };
        const char *colon = strchr(s, ':');
        size_t n;

        s = colon ? colon + 1 : s;
        n = strcspn(s, "@");
        for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
                if (strlen(names[i]) == n && !strncasecmp(names[i], s, n))
                        return true;
        return n && strspn(s, "0123456789") == n;
}

static void check_value(SbatchKey key, const char *v) {
        if (key == SB_TIME && parse_limit(v) < 0)
                refuse("time");
        if (key == SB_MEM && !memory_ok(v))
                refuse("mem");
        if (key == SB_SIGNAL && !signal_ok(v))
                refuse("signal");
        if (key == SB_BEGIN && parse_when(v) < 0) {
                fprintf(stderr, "Invalid time specification (pos=0): %s\n", v);
                refuse("begin");
        }
}

static void set_key(SbatchOptions *o, SbatchKey key, const char *v) {
        if (key == SB_VERSION) {
                puts(SLURM_VERSION_TEXT);
                exit(0);
        }
        if (key == SB_HELP) {
                puts("Usage: sbatch [OPTIONS(0)...] [ : [OPTIONS(N)...]] script(0) [args(0)...]");
                exit(0);
        }
        if (v)
                check_value(key, v);
        o->v[key] = v ? v : "";
}

int sbatch_parse(int argc, char **argv, SbatchOptions *o) {
        int c;

        optind = 0; /* glibc: start anew */
        while ((c = getopt_long(argc, argv, SHORTS, longs, NULL)) != -1) {
                if (c == '?')
                        die(255, "Try \"sbatch --help\" for more information");
                if (c >= LONG_BASE) {
                        set_key(o, (SbatchKey)(c - LONG_BASE), optarg);
                        continue;
                }
                for (size_t i = 0; i < sizeof(shorts) / sizeof(*shorts); i++)
                        if (shorts[i].letter == c)
                                set_key(o, shorts[i].key, optarg);
        }
        return optind;
}

void sbatch_environment(SbatchOptions *o) {
        static const struct {
                const char *name;
                SbatchKey key;
        } vars[] = {
                { "SBATCH_ACCOUNT", SB_ACCOUNT },
                { "SBATCH_ARRAY_INX", SB_ARRAY },
                { "SBATCH_CLUSTERS", SB_CLUSTERS },
                { "SLURM_CLUSTERS", SB_CLUSTERS },
                { "SBATCH_ERROR", SB_ERROR },
                { "SBATCH_EXPORT", SB_EXPORT },
                { "SBATCH_INPUT", SB_INPUT },
                { "SBATCH_JOB_NAME", SB_NAME },
                { "SBATCH_OPEN_MODE", SB_OPEN_MODE },
                { "SBATCH_OUTPUT", SB_OUTPUT },
                { "SBATCH_PARTITION", SB_PARTITION },
                { "SBATCH_QOS", SB_QOS },
                { "SBATCH_RESERVATION", SB_RESERVATION },
                { "SBATCH_TIMELIMIT", SB_TIME },
                { "SBATCH_MEM_PER_NODE", SB_MEM },
                { "SBATCH_WAIT", SB_WAIT },
        };

        for (size_t i = 0; i < sizeof(vars) / sizeof(*vars); i++) {
                const char *v = getenv(vars[i].name);

                if (v)
                        set_key(o, vars[i].key, v);
        }
}

/* ---- directives ---- */

/* The next word of a directive, with quotes and backslashes taken out; NULL at the end. */
static char *next_word(const char **line) {
        const char *p = *line;
        char quote = 0;
        Text t = {};

        while (*p == ' ' || *p == '\t')
                p++;
        if (!*p || *p == '\n' || *p == '#')
                return NULL;
        text_add(&t, "");
        for (; *p && *p != '\n' && (quote || !isspace((unsigned char)*p)); p++) {
                if (*p == '\\' && p[1] && p[1] != '\n' && quote != '\'')
                        text_add_bytes(&t, ++p, 1);
                else if (quote ? *p == quote : *p == '"' || *p == '\'')
                        quote = quote ? 0 : *p;
                else
                        text_add_bytes(&t, p, 1);
        }
        *line = p;
        return t.s;
}

static bool is_command(const char *line) {
        while (*line == ' ' || *line == '\t' || *line == '\r')
                line++;
        return *line && *line != '\n' && *line != '#';
}

static void take_directive(const char *line, unsigned *part, SbatchOptions o[HET_MAX]) {
        char *argv[256] = { xstrdup("sbatch") }, *word;
        int argc = 1;

        while (argc < 255 && (word = next_word(&line)))
                argv[argc++] = word;
        if (argc > 1 && (!strcmp(argv[1], "hetjob") || !strcmp(argv[1], "packjob"))) {
                if (*part + 1 < HET_MAX)
                        ++*part;
                return;
        }
        sbatch_parse(argc, argv, &o[*part]);
}

unsigned sbatch_directives(const char *script, SbatchOptions o[HET_MAX]) {
        unsigned part = 0;

        for (const char *p = script; *p;) {
                if (!strncmp(p, "#SBATCH", 7))
                        take_directive(p + 7, &part, o);
                else if (is_command(p))
                        break;
                p += strcspn(p, "\n");
                p += *p == '\n';
        }
        return part + 1;
}

void sbatch_overlay(SbatchOptions *o, const SbatchOptions *over) {
        for (int i = 0; i < SB_KEYS; i++)
                if (over->v[i])
                        o->v[i] = over->v[i];
}
