/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The settings, one row each, and the checks that only one setting needs.
 *
 * A row's `doc` is shown to people: in the file that setup writes, and in the schema.
 */

#include "config-key.h"

#include <ctype.h>
#include <string.h>

#include "text.h"

static const char *const watch_words[] = { "auto", "inotify", "poll", NULL };
static const char *const scheduler_words[] = { "slurm", "local", NULL };
static const char *const submit_words[] = { "direct", "held", NULL };
static const char *const symlink_words[] = { "safe", "delete", "keep", NULL };

static const char *check_script(const char *text, size_t i _unused_) {
        if (!*text || strchr(text, '/') || streq(text, ".") || streq(text, "..") ||
                strlen(text) > 255)
                return "the plain name of a file, without \"/\"";
        return NULL;
}

static const char *check_variable(const char *text, size_t i _unused_) {
        const char *expected = "names of variables, e.g. HOME";

        if (!isalpha((unsigned char)*text) && *text != '_')
                return expected;
        for (; *text; text++)
                if (!isalnum((unsigned char)*text) && *text != '_')
                        return expected;
        return NULL;
}

/* What stands first and is no option would be taken for the script. */
static const char *check_argument(const char *text, size_t i) {
        if (!*text)
                return "arguments that are not empty";
        if (i == 0 && *text != '-')
                return "options, e.g. \"--mem=4G\"";
        return NULL;
}

static const char *check_job_state(const char *text, size_t i _unused_) {
        const char *expected = "job states in capitals, e.g. NODE_FAIL";

        if (!isupper((unsigned char)*text))
                return expected;
        for (; *text; text++)
                if (!isupper((unsigned char)*text) && *text != '_')
                        return expected;
        return NULL;
}

/* clang-format off */
#define AT(field) .offset = offsetof(Config, field)
#define ROW(key, kind, def, text) \
        .name = #key, .type = (kind), AT(key), .fallback = (def), .doc = (text)
#define FOLDER(key, def, text) { ROW(key, CONFIG_PATH, def, text), .flags = CONFIG_RESTART }
#define TEXT(key, def, func, text) { ROW(key, CONFIG_TEXT, def, text), .check = (func) }
#define SWITCH(key, def, text) { ROW(key, CONFIG_BOOL, def, text) }
#define WORD(key, def, list, how, text) \
        { ROW(key, CONFIG_WORD, def, text), .words = (list), .flags = (how) }
#define NUMBER(key, def, low, high, text) \
        { ROW(key, CONFIG_UNSIGNED, def, text), .min = (low), .max = (high) }
#define DURATION(key, def, how, text) \
        { ROW(key, CONFIG_DURATION, def, text), .flags = (how), .min = USEC_PER_SEC }
#define LIST(key, def, func, text) { ROW(key, CONFIG_LIST, def, text), .check = (func) }

static const ConfigKey keys[] = {
        { ROW(base, CONFIG_PATH, NULL, "the instance's base folder, an absolute path; it must exist"),
                .flags = CONFIG_ABSOLUTE | CONFIG_RESTART },

        FOLDER(paths.uploaded, "UploadedFiles", "arrivals, and uploads still under way"),
        FOLDER(paths.work, "CodeToRun/slurm", "UoWs that are staged, queued or running"),
        FOLDER(paths.analysed, "AnalysedFiles", "UoWs that succeeded, ready to be fetched"),
        FOLDER(paths.failed, "FailedJobs", "UoWs that failed, were rejected or were cancelled"),
        FOLDER(paths.bin, "SoftDelete", "the recycling bin"),
        FOLDER(paths.status, "Status", "the status board, which flows read"),
        FOLDER(paths.orders, "Orders", "orders given by making a folder"),
        FOLDER(paths.logs, "Logs", "a readable log a day"),

        TEXT(uow.script, "submission_script.sh", check_script,
                "the Slurm script's name in scripts/; if it is not there, the only file that is one"),
        SWITCH(uow.add_timestamp, "false", "always append the time to a UoW's name"),
        LIST(uow.forbidden_variables, "HOME USER", check_variable,
                "a script that uses one of these is rejected"),
        SWITCH(uow.convert_line_endings, "true", "mend scripts with DOS line endings"),

        WORD(watch.mode, "auto", watch_words, 0, "how arrivals are noticed"),
        DURATION(watch.rescan_interval, "auto", CONFIG_AUTO,
                "time between two looks at all folders; auto: 60s where inotify sees all, else 15s"),

        WORD(scheduler.type, "slurm", scheduler_words, CONFIG_RESTART,
                "who runs the jobs; local: this machine, without Slurm"),
        TEXT(scheduler.account, "", NULL, "passed to sbatch unless the script sets its own"),
        TEXT(scheduler.qos, "", NULL, "passed to sbatch unless the script sets its own"),
        TEXT(scheduler.partition, "", NULL, "passed to sbatch unless the script sets its own"),
        TEXT(scheduler.reservation, "", NULL, "passed to sbatch unless the script sets its own"),
        SWITCH(scheduler.enforce, "false", "pass these four even if the script sets its own"),
        LIST(scheduler.extra_args, "", check_argument, "further arguments of sbatch, always passed"),
        WORD(scheduler.submit, "direct", submit_words, 0,
                "held: submit held, then release; surely never a job twice, at a second call"),
        DURATION(scheduler.poll_interval, "30s", 0, "time between two questions to the scheduler"),
        DURATION(scheduler.command_timeout, "60s", 0, "how long one of its commands may take"),
        DURATION(scheduler.lost_after, "1h", 0, "a job that nobody knows for so long is lost"),
        NUMBER(scheduler.max_queued, "0", 0, 1000000, "most UoWs in the scheduler at once; 0: no bound"),
        NUMBER(scheduler.slots, "2", 1, 4096, "most jobs at once, type local only"),

        SWITCH(results.group_writable, "true", "let the group read and write results"),
        WORD(results.symlinks, "safe", symlink_words, 0,
                "links in results; safe: those that are broken or lead out are removed"),

        NUMBER(retry.max_attempts, "3", 1, 1000,
                "attempts in all, those ordered by a person not counted"),
        LIST(retry.on, "NODE_FAIL BOOT_FAIL", check_job_state,
                "job states that are tried again without being asked"),

        DURATION(retention.soft_delete_after, "0", CONFIG_ZERO,
                "results go to the bin so long after the UoW finished; 0: never"),
        DURATION(retention.purge_after, "0", CONFIG_ZERO,
                "what is in the bin for so long is removed for good; 0: never"),
        DURATION(retention.logs, "7d", CONFIG_ZERO, "how long log files are kept; 0: for ever"),

        { ROW(chain.to, CONFIG_PATH, "",
                "UploadedFiles of the next instance, an absolute path; a success moves on there"),
                .flags = CONFIG_ABSOLUTE | CONFIG_OPTIONAL },

        TEXT(globus.hpc_name, "", NULL, "the cluster's name, as the flow shows it"),
        TEXT(globus.collection_id, "", NULL, "UUID of the cluster's collection"),
        TEXT(globus.collection_path, "", NULL, "the base folder as that collection shows it; empty: by its own path"),
        DURATION(globus.check_interval, "2m", 0, "time between a flow's looks at the status"),
};
/* clang-format on */

const ConfigKey *config_keys(size_t *ret_n) {
        *ret_n = ELEMENTSOF(keys);
        return keys;
}

/* Whether @name is @section and @key, joined by a dot. */
static bool name_is(const char *name, const char *section, const char *key) {
        if (section) {
                name = startswith(name, section);
                if (!name || *name != '.')
                        return false;
                name++;
        }
        return !strchr(key, '.') && streq(name, key);
}

const ConfigKey *config_key_find(const char *section, const char *key) {
        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                if (name_is(keys[i].name, section, key))
                        return &keys[i];
        return NULL;
}

bool config_section_known(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                const char *rest = startswith(keys[i].name, name);

                if (rest && *rest == '.')
                        return true;
        }
        return false;
}

#define WORD_MAX 32

/* Levenshtein's distance, with case and "-" for "_" counting nothing. Words over WORD_MAX are far from all. */
static size_t distance(const char *a, const char *b) {
        size_t row[WORD_MAX + 1], la = strlen(a), lb = strlen(b);

        if (la > WORD_MAX || lb > WORD_MAX)
                return SIZE_MAX;
        for (size_t j = 0; j <= lb; j++)
                row[j] = j;
        for (size_t i = 1; i <= la; i++) {
                char ca = a[i - 1] == '-' ? '_' : (char)tolower((unsigned char)a[i - 1]);
                size_t diagonal = row[0];

                row[0] = i;
                for (size_t j = 1; j <= lb; j++) {
                        size_t change = diagonal + (ca != b[j - 1]);
                        size_t gap = 1 + (row[j] < row[j - 1] ? row[j] : row[j - 1]);

                        diagonal = row[j];
                        row[j] = change < gap ? change : gap;
                }
        }
        return row[lb];
}

typedef struct Candidate {
        char name[2 * WORD_MAX];
        size_t distance;
} Candidate;

/* A typing error changes at most a third of a word; a tie goes to the one that came first. */
static void consider(Candidate *best, const char *key, const char *word, size_t penalty,
        const char *name, size_t name_length) {
        size_t d = distance(key, word);

        if (d > strlen(word) / 3 || d + penalty >= best->distance ||
                name_length >= sizeof(best->name))
                return;
        best->distance = d + penalty;
        memcpy(best->name, name, name_length);
        best->name[name_length] = 0;
}

char *config_key_suggest(const char *section, const char *key) {
        Candidate best = { .distance = SIZE_MAX };

        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                const char *name = keys[i].name, *dot = strchr(name, '.');
                char word[WORD_MAX];
                size_t n = dot ? (size_t)(dot - name) : 0;
                bool same = dot ? section && strlen(section) == n && strncmp(name, section, n) == 0
                                : !section;

                /* The same word in another section is less likely meant than a slip in this one. */
                consider(&best, key, dot ? dot + 1 : name, same ? 0 : 1, name, strlen(name));
                if (dot && !section && n < sizeof(word)) {
                        memcpy(word, name, n);
                        word[n] = 0;
                        consider(&best, key, word, 0, name, n);
                }
        }
        return best.distance == SIZE_MAX ? NULL : strdup(best.name);
}
