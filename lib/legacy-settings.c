/* SPDX-License-Identifier: Apache-2.0 */

/* What the setup of the bash FlowCron was told, out of its files: see legacy.h. Nothing is run, and what only a shell could know is not known. */

#include "legacy.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "crontab.h"
#include "fileio.h"
#include "text.h"

#define FILE_MAX ((size_t)256 * 1024)

void legacy_settings_done(LegacySettings *s) {
        free(s->account);
        free(s->qos);
        free(s->partition);
        free(s->reservation);
        *s = (LegacySettings){};
}

bool legacy_is_base(int basefd) {
        struct stat st;

        return fstatat(basefd, LEGACY_CODE "/" LEGACY_SCRIPT, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                S_ISREG(st.st_mode);
}

/* ---- assignments ---- */

/* The value of an assignment, quotes removed, at most to the end of the line; new string, "" for one that a shell would have to work out. */
static int plain_value(const char *p, size_t n, char **ret) {
        char quote = *p == '"' || *p == '\'' ? *p : 0;
        size_t m = 0;

        if (quote) {
                p++;
                n--;
        }
        while (m < n && (quote ? p[m] != quote : !isspace((unsigned char)p[m]) && p[m] != '#'))
                m++;
        *ret = strndup(p, m);
        if (!*ret)
                return -ENOMEM;
        if (quote != '\'' && strpbrk(*ret, "$`\\"))
                **ret = 0;
        return 0;
}

static int days_of(const char *value) {
        char *end;
        long days = strtol(value, &end, 10);

        return end == value || *end || days < 0 || days > 36500 ? -1 : (int)days;
}

static int take_variable(LegacySettings *s, const char *name, size_t n, const char *value) {
        static const char *const soft = "SOFTDELETE_DAYS", *const hard = "HARDDELETE_DAYS",
                                 *const stamp = "ADD_TIMESTAMP";

        if (strlen(soft) == n && strncmp(name, soft, n) == 0)
                s->soft_delete_days = days_of(value);
        else if (strlen(hard) == n && strncmp(name, hard, n) == 0)
                s->purge_days = days_of(value);
        else if (strlen(stamp) == n && strncmp(name, stamp, n) == 0)
                s->add_timestamp = 1; /* it asks whether the variable is there, not what it says */
        else if (n == strlen("account") && strncmp(name, "account", n) == 0 && *value)
                return strdup_to(&s->account, value);
        else if (n == strlen("qos") && strncmp(name, "qos", n) == 0 && *value)
                return strdup_to(&s->qos, value);
        return 0;
}

static int read_assignment(LegacySettings *s, const char *line, size_t size) {
        _cleanup_free_ char *value = NULL;
        size_t n = 0;
        int r;

        while (n < size && (isalnum((unsigned char)line[n]) || line[n] == '_'))
                n++;
        if (n == 0 || n >= size || line[n] != '=')
                return 0;
        r = plain_value(line + n + 1, size - n - 1, &value);
        return r < 0 ? r : take_variable(s, line, n, value);
}

int legacy_parse_variables(const char *text, LegacySettings *s) {
        int r = 0;

        for (const char *p = text; *p && r >= 0;) {
                size_t n = strcspn(p, "\r\n"), blank = strspn(p, " \t");

                if (strncmp(p + blank, "export ", 7) == 0)
                        blank += 7;
                if (blank < n)
                        r = read_assignment(s, p + blank, n - blank);
                p += n + (p[n] != 0);
        }
        return r;
}

/* ---- #SBATCH lines ---- */

static const struct {
        const char *name;
        char letter;
        size_t offset;
} options[] = {
        { "--account", 'A', offsetof(LegacySettings, account) },
        { "--qos", 'q', offsetof(LegacySettings, qos) },
        { "--partition", 'p', offsetof(LegacySettings, partition) },
        { "--reservation", 0, offsetof(LegacySettings, reservation) },
};

/* The value behind @name at @p, or NULL. */
static const char *value_behind(const char *p, const char *name, char letter) {
        const char *rest = startswith(p, name);

        if (!rest && letter && p[0] == '-' && p[1] == letter)
                rest = p + 2;
        if (!rest || (*rest != '=' && *rest != ' ' && *rest != '\t'))
                return NULL;
        return rest + strspn(rest, *rest == '=' ? "=" : " \t");
}

static int read_option(LegacySettings *s, const char *p) {
        for (size_t i = 0; i < ELEMENTSOF(options); i++) {
                const char *value = value_behind(p, options[i].name, options[i].letter);
                char **field = (char **)((char *)s + options[i].offset);
                _cleanup_free_ char *plain = NULL;

                if (!value)
                        continue;
                if (plain_value(value, strcspn(value, "\r\n"), &plain) < 0)
                        return -ENOMEM;
                return *plain ? strdup_to(field, plain) : 0;
        }
        return 0;
}

int legacy_parse_cleanup(const char *text, LegacySettings *s) {
        int r = 0;

        for (const char *p = text; *p && r >= 0;) {
                const char *rest = startswith(p, "#SBATCH");
                size_t n = strcspn(p, "\n");

                if (rest)
                        r = read_option(s, rest + strspn(rest, " \t"));
                p += n + (p[n] == '\n');
        }
        return r;
}

static int read_with(int codefd, const char *name, int (*parse)(const char *, LegacySettings *),
        LegacySettings *s) {
        _cleanup_free_ char *text = NULL;
        int r = file_read_at(codefd, name, FILE_MAX, &text, NULL);

        if (r == -ENOENT)
                return 0;
        return r < 0 ? r : parse(text, s);
}

int legacy_read_settings(int basefd, LegacySettings *ret) {
        _cleanup_close_ int fd = dir_open_at(basefd, LEGACY_CODE);
        _cleanup_(legacy_settings_done) LegacySettings s = {
                .soft_delete_days = -1,
                .purge_days = -1,
                .add_timestamp = -1,
        };
        int r;

        if (fd < 0)
                return fd;
        /* Its setup writes account and QoS into cleanup.sh; that one goes before the variables of the same name. */
        r = read_with(fd, "environment_variables.sh", legacy_parse_variables, &s);
        if (r == 0)
                r = read_with(fd, "cleanup.sh", legacy_parse_cleanup, &s);
        if (r < 0)
                return r;
        *ret = s;
        s = (LegacySettings){};
        return 0;
}

/* ---- its crontab ---- */

bool legacy_is_comment(const char *comment) {
        return startswith(comment, "# Added by Flowcron on ") != NULL;
}

/* The little script is a few lines; anything larger is something else. */
#define LAUNCHER_MAX 4096

static bool launcher_runs(const char *path, const char *needle) {
        _cleanup_free_ char *text = NULL;

        return file_read_at(AT_FDCWD, path, LAUNCHER_MAX, &text, NULL) == 0 &&
                strstr(text, needle) != NULL;
}

bool legacy_runs(const char *command, const char *base, const char *home) {
        _cleanup_free_ char *needle = xasprintf("%s/" LEGACY_CODE "/" LEGACY_SCRIPT, base);
        _cleanup_free_ char *word = NULL, *path = NULL;

        if (!needle)
                return false;
        if (strstr(command, needle))
                return true;
        word = crontab_first_word(command);
        path = !word ? NULL : *word == '/' ? strdup(word) : xasprintf("%s/%s", home, word);
        return path && launcher_runs(path, needle);
}
