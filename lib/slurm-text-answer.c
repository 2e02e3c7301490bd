/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What Slurm's commands say to an order: taken, refused, not now, or nobody knows.
 *
 * The messages are those of Slurm's table of errors (slurm_strerror()) and of sbatch's own checks
 * of its options. They are matched as parts of what was printed, because sites add lines of their
 * own. The rule for what is not in these lists: not submitted, and tried again, in plain sight.
 */

#include "slurm-text-internal.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* The request may have reached the controller and the answer not us. */
static const char *const uncertain[] = {
        "Socket timed out",
        "timed out reading",
        "Zero Bytes were transmitted",
        "(receive failure)",
        "(send failure)",
        "(shutdown failure)",
        "Message receive failure",
        "Message send failure",
        "Communication shutdown failure",
        "Unexpected message received",
        "Connection reset by peer",
        "Broken pipe",
        "Header lengths are longer",
        "Insane message length",
};

/* The request certainly did not reach it. */
static const char *const unreachable[] = {
        "(connect failure)",
        "Connection refused",
        "Connection timed out establishing",
        "Unable to contact slurm controller",
        "Could not establish a configuration source",
        "Unable to process configuration file",
        "standby mode",
        "Communication connection failure",
        "Unable to connect to",
        "Unable to establish controller machine",
        "DNS SRV lookup failed",
        "slurmdbd: Sending",
        "Problem talking to the database",
        "Rate limit exceeded",
        "Failed to connect to authentication agent",
        "Munge encode failed",
        "Protocol authentication error",
};

/* Waiting does not help, and the user or the configuration must change something. */
static const char *const refusals[] = {
        "unrecognized option",
        "invalid option",
        "requires an argument",
        "option requires",
        "is ambiguous",
        "Invalid --",
        "invalid --",
        "Invalid time specification",
        "Invalid numeric value",
        "Invalid directive",
        "does not look like a batch script",
        "DOS line breaks",
        "Batch script is empty",
        "Batch script contains",
        "Invalid partition name",
        "invalid partition specified",
        "No partition specified",
        "Invalid account",
        "Invalid qos",
        "Invalid wckey",
        "Invalid feature",
        "Invalid preferred feature",
        "Invalid generic resource",
        "Duplicate generic resource",
        "Invalid Trackable RESource",
        "Invalid GRES",
        "Requested GRES option unsupported",
        "Insufficient GRES available",
        "Invalid license specification",
        "Invalid node name",
        "Invalid job array",
        "Invalid time-min",
        "Invalid cluster feature",
        "Invalid user id",
        "Invalid job name",
        "Invalid dependency",
        "Job dependency problem",
        "Circular job dependency",
        "Requested node configuration is not available",
        "Requested nodes not in this partition",
        "More processors requested than permitted",
        "Requested more tasks than available",
        "Node count specification invalid",
        "CPU count specification invalid",
        "Task count specification invalid",
        "Task distribution specification invalid",
        "Job size specification needs",
        "Memory specification can not be satisfied",
        "can not be satisfied",
        "Memory required by task is not available",
        "Requested time limit is invalid",
        "Time limit specification required",
        "Access/permission denied",
        "group not permitted to use this partition",
        "Requested reservation is invalid",
        "Access denied to requested reservation",
        "Pathname of a file, directory or other parameter too long",
        "Requested operation not supported on this system",
        "Burst Buffer request invalid",
        "Burst Buffer permission denied",
        "Job --batch option is invalid",
        "Multiple partition job request not supported",
        "more threads per core than",
        "Invalid burst buffer",
        "Only batch jobs are accepted",
};

/* "Job violates accounting/QOS policy": the word for the limit stands in a line of its own. */
#define POLICY "Job violates accounting/QOS policy"

static bool says_one_of(const char *text, const char *const *words, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (strcasestr(text, words[i]))
                        return true;
        return false;
}
#define SAYS(text, words) says_one_of(text, words, ELEMENTSOF(words))

bool slurm_is_unreachable(const char *err) {
        return SAYS(err, unreachable) || SAYS(err, uncertain);
}

bool slurm_job_is_gone(const char *err) {
        static const char *const gone[] = { "Invalid job id", "already completing or completed",
                "already finished", "Job is no longer pending", "not pending nor running",
                "Job has already started" };

        return SAYS(err, gone);
}

bool slurm_accounting_is_off(const char *err) {
        return strcasestr(err, "accounting storage is disabled") != NULL;
}

bool slurm_field_is_unknown(const char *err, const char *name) {
        return strcasestr(err, "Invalid field requested") && strstr(err, name);
}

/* ---- sbatch's own words ---- */

/* "sbatch: error: ", "sbatch: fatal: " and the like say nothing to people. */
static const char *without_prefix(const char *line) {
        static const char *const prefixes[] = { "sbatch: ", "squeue: ", "sacct: ", "scontrol: ",
                "scancel: ", "error: ", "fatal: ", "warning: ", "Batch job submission failed: ",
                "slurm_load_jobs error: ", "slurm_suspend error: " };

        for (size_t i = 0; i < ELEMENTSOF(prefixes); i++) {
                const char *rest = startswith(line, prefixes[i]);

                if (rest) {
                        line = rest;
                        i = (size_t)-1; /* once more from the first */
                }
        }
        return line;
}

static bool is_chatter(const char *line) {
        return !*line || startswith(line, "Try \"") || startswith(line, "Submitted batch job");
}

char *slurm_error_text(const char *err) {
        _cleanup_free_ char *lines = strdup(err), *joined = NULL;
        char *saved = NULL, *line = lines ? strtok_r(lines, "\n", &saved) : NULL;
        size_t size, n = 0;
        FILE *f = lines ? open_memstream(&joined, &size) : NULL;

        if (!f)
                return NULL;
        for (; line; line = strtok_r(NULL, "\n", &saved)) {
                const char *words = without_prefix(line);

                if (!is_chatter(words))
                        fprintf(f, "%s%s", n++ ? "; " : "", words);
        }
        if (fclose(f) != 0)
                return NULL;
        return text_printable(joined, 600);
}

/*
 * A line of digits alone, with ";cluster" behind them on federated sites; the last one, after
 * whatever warnings.
 */
static const char *find_id(const char *out, size_t *ret_digits) {
        const char *found = NULL, *line = out;

        while (*line) {
                size_t length = strcspn(line, "\n"), digits = strspn(line, "0123456789");
                bool ends = digits == length || line[digits] == ';' ||
                        (line[digits] == '\r' && digits + 1 == length);

                if (digits > 0 && digits <= 10 && line[0] != '0' && ends) {
                        found = line;
                        *ret_digits = digits;
                }
                line += length;
                line += *line == '\n';
        }
        return found;
}

/* The limits that are named: a single one that never lifts decides. */
static SlurmAnswer judge_limits(const char *err) {
        const char *p = err;

        while (*p) {
                size_t n = 0;
                char word[64];

                while (isalnum((unsigned char)p[n]))
                        n++;
                if (n > 6 && n < sizeof(word)) {
                        memcpy(word, p, n);
                        word[n] = 0;
                        if ((startswith(word, "Assoc") || startswith(word, "QOS") ||
                                    startswith(word, "Max")) &&
                                strpbrk(word + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") &&
                                !slurm_limit_lifts(word))
                                return SLURM_REFUSED;
                }
                p += n > 0 ? n : 1;
        }
        return SLURM_DEFERRED;
}

static SlurmAnswer judge_failure(int exit_code, const char *err) {
        if (SAYS(err, uncertain))
                return SLURM_UNCERTAIN;
        if (SAYS(err, unreachable))
                return SLURM_DEFERRED;
        if (strcasestr(err, POLICY))
                return judge_limits(err);
        /* 255: sbatch did not like its options, and asked nobody. */
        if (exit_code == 255 || SAYS(err, refusals))
                return SLURM_REFUSED;
        return SLURM_DEFERRED;
}

static SlurmAnswer judge(
        int exit_code, const char *out, const char *err, const char **ret_id, size_t *ret_digits) {
        *ret_id = find_id(out, ret_digits);
        if (exit_code == 0)
                return *ret_id ? SLURM_ACCEPTED : SLURM_UNCERTAIN;
        /*
         * An id and a failure (a site's wrapper?): whoever looks will find it. A failure without a
         * word is no answer: sbatch says what it was refused for.
         */
        if (exit_code < 0 || *ret_id || err[strspn(err, " \t\r\n")] == 0)
                return SLURM_UNCERTAIN;
        return judge_failure(exit_code, err);
}

int slurm_sbatch_judge(int exit_code, const char *out, const char *err, SlurmAnswer *ret,
        char **ret_id, char **ret_text) {
        _cleanup_free_ char *text = slurm_error_text(err), *id = NULL;
        const char *found;
        size_t digits = 0;
        SlurmAnswer answer = judge(exit_code, out, err, &found, &digits);

        if (!text)
                return -ENOMEM;
        if (answer == SLURM_ACCEPTED && !(id = strndup(found, digits)))
                return -ENOMEM;
        if (!*text && answer != SLURM_ACCEPTED) {
                free(text);
                text = strdup("sbatch gave no answer that could be understood");
                if (!text)
                        return -ENOMEM;
        }
        *ret = answer;
        *ret_id = TAKE_PTR(id);
        *ret_text = TAKE_PTR(text);
        return 0;
}
