/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A Unit of Work on disk: which file is the script, and the conversion of line endings.
 *
 * Lines of the input make the folder: "d NAME" a folder, "l NAME TARGET" a link, "f NAME" a file that holds the lines after
 * it up to one of these. Names may go below scripts/ and data/. Beside it lies what is nobody's business here: it stays
 * as it is, and never comes back as the script.
 */

#include "place.h"
#include "script.h"
#include "script-find.h"

#define SECRET "#!/bin/bash\n#SBATCH --comment=secret\r\n"
#define ENTRIES_MAX 16

static char *const variables[] = { "HOME", NULL };
static const ScriptRules rules = { .fixed_name = "submission_script.sh",
        .forbidden_variables = variables,
        .convert = true };

/* One step below the root, or two. */
static bool valid_name(const char *s) {
        const char *slash = strchr(s, '/');

        if (!*s || *s == '/' || streq(s, ".") || streq(s, ".."))
                return false;
        if (!slash)
                return strlen(s) < 256;
        return (strncmp(s, "scripts/", 8) == 0 || strncmp(s, "data/", 5) == 0) &&
                !strchr(slash + 1, '/') && slash[1] && !streq(slash + 1, ".") &&
                !streq(slash + 1, "..") && strlen(s) < 256;
}

/* Through no link: this maker shall not be led out either. */
static int parent_of(int uow, const char *path, const char **ret_name) {
        const char *slash = strchr(path, '/');

        *ret_name = slash ? slash + 1 : path;
        if (!slash)
                return dup(uow);
        return dir_open_at(uow, path[0] == 's' ? "scripts" : "data");
}

static void make_entry(int uow, char kind, char *name, const char *rest) {
        _cleanup_close_ int dir = -1;
        const char *base;

        if (!valid_name(name))
                return;
        dir = parent_of(uow, name, &base);
        if (dir < 0)
                return;
        if (kind == 'd')
                (void)mkdirat(dir, base, 0700);
        else if (kind == 'l' && *rest)
                PROMISE(symlinkat(rest, dir, base) == 0 || errno == EEXIST ||
                        errno == ENAMETOOLONG);
        else if (kind == 'f') {
                _cleanup_close_ int fd =
                        openat(dir, base, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

                if (fd >= 0)
                        PROMISE(fd_write_all(fd, rest, strlen(rest)) == 0);
        }
}

static bool is_order(const char *line) {
        return (line[0] == 'd' || line[0] == 'l' || line[0] == 'f') && line[1] == ' ';
}

/* The end of this entry: the next line that begins another. */
static char *next_entry(char *line) {
        char *p = line;

        while ((p = strchr(p, '\n'))) {
                p++;
                if (is_order(p))
                        return p;
        }
        return line + strlen(line);
}

static void make_unit(int uow, char *text) {
        char *line = text;

        for (int n = 0; *line && n < ENTRIES_MAX; n++) {
                char *next = next_entry(line), kind = line[0], *name = line + 2, *rest;
                char kept = *next;

                *next = 0;
                if (is_order(line)) {
                        rest = strpbrk(name, kind == 'f' ? "\n" : " \n");
                        if (rest)
                                *rest++ = 0;
                        if (kind == 'l' && rest)
                                rest[strcspn(rest, "\n")] = 0;
                        make_entry(uow, kind, name, rest ? rest : "");
                }
                *next = kept;
                line = next;
        }
}

static void promise_untouched(int dir) {
        _cleanup_free_ char *text = NULL;

        PROMISE(file_read_at(dir, "secret.sh", 4096, &text, NULL) == 0);
        promise_same_text(text, SECRET);
}

static int find(int uow, Script *ret) {
        Error e = {};
        int r = script_find(uow, &rules, ret, &e);

        PROMISE(r == 0 || r == UOW_E_REJECTED);
        if (r != 0)
                promise_told(&e);
        else {
                PROMISE(startswith(ret->target, "scripts/") || startswith(ret->target, "data/") ||
                        !strchr(ret->target, '/'));
                PROMISE(!streq(ret->comment, "secret"));
        }
        return r;
}

static void convert(int uow, bool again) {
        _cleanup_json_ cJSON *names = NULL;
        Error e = {};

        PROMISE(script_convert(uow, &rules, &names, &e) == 0);
        if (again)
                PROMISE(cJSON_GetArraySize(names) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = input_text(data, size);
        _cleanup_close_ int uow = -1;
        Script before = {}, after = {};
        int dir = place_empty(), r;

        put_file(dir, "secret.sh", SECRET, strlen(SECRET));
        PROMISE(mkdirat(dir, "unit", 0700) == 0);
        uow = dir_open_at(dir, "unit");
        make_unit(uow, text);
        r = find(uow, &before);
        convert(uow, false);
        convert(uow, true);
        PROMISE(find(uow, &after) == r);
        if (r == 0) {
                promise_same_text(before.target, after.target);
                promise_same_text(before.sha256, after.sha256);
                PROMISE(!after.needs_conversion);
        }
        script_done(&before);
        script_done(&after);
        promise_untouched(dir);
        return 0;
}
