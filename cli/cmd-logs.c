/* SPDX-License-Identifier: Apache-2.0 */

/* The daily files in Logs/, as one; a line is "TIME PRIORITY: TEXT", and about a Unit of Work TEXT is "NAME: …". */

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "access.h"
#include "fileio.h"
#include "follow.h"
#include "output.h"
#include "strv.h"
#include "text.h"

static const char usage[] =
        "usage: flowcronctl logs [--lines N] [--follow] [UOW]\n"
        "\n"
        "Prints the log of the instance as far as it is kept (retention.logs), oldest line first; with UOW only\n"
        "what is about that one.\n"
        "\n"
        "  -n, --lines N  only the last N lines\n"
        "  -f, --follow   go on with new lines as they come, until Ctrl-C\n"
        "      --json     print an array of objects; one a line with --follow\n"
        "\n"
        "What happened to one Unit of Work is also in its history, which is kept for good.\n";

#define SUFFIX "_flowcron.log"
#define DATE_SIZE (sizeof("YYYY-MM-DD") - 1)

typedef struct LogView {
        Cli *cli;
        int dir;
        char **names; /* what the lines of the UoW begin with; NULL: all lines */
        usec_t from;  /* of lines about that UoW: an earlier one may have had its name */
        size_t last;  /* so many at the end; 0: all */
        char **lines; /* kept so far, if they can't be printed at once */
        size_t n;
        cJSON *array;
        bool stream;
} LogView;

static int is_log(const struct dirent *de) {
        size_t n = strlen(de->d_name);

        return n == DATE_SIZE + strlen(SUFFIX) && streq(de->d_name + DATE_SIZE, SUFFIX) &&
                strspn(de->d_name, "0123456789-") == DATE_SIZE;
}

/* ---- one line ---- */

typedef struct Parts {
        char when[CLOCK_TEXT_MAX], level[16];
        const char *text;
} Parts;

static bool take_apart(const char *line, Parts *ret) {
        const char *space = strchr(line, ' '), *colon = space ? strstr(space + 1, ": ") : NULL;

        if (!colon || (size_t)(space - line) >= sizeof(ret->when) ||
                (size_t)(colon - space - 1) >= sizeof(ret->level))
                return false;
        snprintf(ret->when, sizeof(ret->when), "%.*s", (int)(space - line), line);
        snprintf(ret->level, sizeof(ret->level), "%.*s", (int)(colon - space - 1), space + 1);
        ret->text = colon + 2;
        return true;
}

static bool is_wanted(const LogView *v, const char *line) {
        Parts p;
        usec_t t;

        if (!v->names)
                return true;
        if (!take_apart(line, &p) || clock_parse(p.when, &t) < 0 || t + USEC_PER_SEC < v->from)
                return false;
        for (char **name = v->names; *name; name++) {
                const char *rest = startswith(p.text, *name);

                if (rest && startswith(rest, ": "))
                        return true;
        }
        return false;
}

static cJSON *line_json(const char *line) {
        _cleanup_json_ cJSON *o = cJSON_CreateObject();
        Parts p = { .text = line };

        if (!o)
                return NULL;
        if (take_apart(line, &p) &&
                (json_set_str(o, "time", p.when) < 0 || json_set_str(o, "level", p.level) < 0))
                return NULL;
        return json_set_str(o, "message", p.text) < 0 ? NULL : TAKE_PTR(o);
}

static Style level_style(const char *line) {
        Parts p;

        if (!take_apart(line, &p))
                return STYLE_NONE;
        if (streq(p.level, "warning"))
                return STYLE_WARN;
        return streq(p.level, "info") || streq(p.level, "notice") || streq(p.level, "debug")
                ? STYLE_NONE
                : STYLE_BAD;
}

static void put_line(const LogView *v, const char *line) {
        if (v->cli->json) {
                cJSON *o = line_json(line);

                if (v->stream)
                        out_json_line(o);
                else if (o && cJSON_AddItemToArray(v->array, o))
                        return;
                cJSON_Delete(o);
        } else {
                _cleanup_free_ char *text = out_text(line, SIZE_MAX);
                Style style = level_style(line);

                printf("%s%s%s\n", out_on(style), text ?: "", out_off(style));
        }
}

/* The last N can be told only at the end, so they are kept in a ring. */
static int keep_line(LogView *v, char *line) {
        if (v->last == 0) {
                put_line(v, line);
                free(line);
                return 0;
        }
        free(v->lines[v->n % v->last]);
        v->lines[v->n++ % v->last] = line;
        return 0;
}

static void put_kept(LogView *v) {
        size_t n = v->n < v->last ? v->n : v->last;

        for (size_t i = v->n - n; v->last > 0 && i < v->n; i++)
                put_line(v, v->lines[i % v->last]);
        for (size_t i = 0; i < v->last; i++)
                free(v->lines[i]);
        free(v->lines);
        v->lines = NULL;
        v->last = 0;
}

/* ---- files ---- */

/* From @offset on, whole lines only; @ret_offset is behind the last. */
static int read_file(LogView *v, const char *name, off_t offset, off_t *ret_offset) {
        _cleanup_fclose_ FILE *file = NULL;
        _cleanup_free_ char *line = NULL;
        size_t size = 0;
        ssize_t n;
        int fd;

        fd = openat(v->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0 || !(file = fdopen(fd, "r"))) {
                int r = -errno;

                safe_close(fd);
                return r == -ENOENT ? 0 : r;
        }
        if (fseeko(file, offset, SEEK_SET) < 0)
                return -errno;
        while ((n = getline(&line, &size, file)) > 0 && line[n - 1] == '\n') {
                line[n - 1] = 0;
                offset += n;
                if (is_wanted(v, line))
                        (void)keep_line(v, TAKE_PTR(line));
        }
        *ret_offset = offset;
        return ferror(file) ? -EIO : 0;
}

static int compare(const void *a, const void *b) {
        return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list_files(int dir, char ***ret) {
        _cleanup_(strv_freep) char **names = NULL;
        _cleanup_closedir_ DIR *d = NULL;
        struct dirent *de;
        int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0 || !(d = fdopendir(fd))) {
                safe_close(fd);
                return -errno;
        }
        while ((errno = 0, de = readdir(d)))
                if (is_log(de) && strv_add(&names, de->d_name) < 0)
                        return -ENOMEM;
        if (errno)
                return -errno;
        if (names)
                qsort(names, strv_length(names), sizeof(*names), compare);
        *ret = TAKE_PTR(names);
        return 0;
}

/* @ret_last: the newest file and how far it was read, to follow it. */
static int read_all(LogView *v, char **ret_last, off_t *ret_offset) {
        _cleanup_(strv_freep) char **names = NULL;
        int r = list_files(v->dir, &names);

        for (char **name = names; r >= 0 && name && *name; name++) {
                r = strdup_to(ret_last, *name);
                if (r >= 0)
                        r = read_file(v, *name, 0, ret_offset);
        }
        return r;
}

/* A new day has a new file; the old one is read to its end first. */
static int read_news(LogView *v, char **last, off_t *offset) {
        _cleanup_(strv_freep) char **names = NULL;
        int r = *last ? read_file(v, *last, *offset, offset) : 0;

        if (r >= 0)
                r = list_files(v->dir, &names);
        for (char **name = names; r >= 0 && name && *name; name++) {
                if (*last && strcmp(*name, *last) <= 0)
                        continue;
                *offset = 0;
                r = strdup_to(last, *name);
                if (r >= 0)
                        r = read_file(v, *name, 0, offset);
        }
        return r;
}

static int follow_log(LogView *v, char **last, off_t *offset) {
        const struct timespec pause = { .tv_nsec = 500000000 };
        int r = 0;

        follow_catch_interrupt();
        while (r >= 0 && !follow_interrupted()) {
                fflush(stdout);
                nanosleep(&pause, NULL);
                r = read_news(v, last, offset);
        }
        return r;
}

/* ---- the order ---- */

static int add_name(LogView *v, const cJSON *uow, const char *key) {
        _cleanup_free_ char *raw = NULL;
        int r = json_get_name(uow, key, &raw);

        if (r < 0)
                return r == -ENOENT ? 0 : r;
        return strv_take(&v->names, text_printable(raw, 0));
}

static int find_uow(LogView *v, const char *what, Refusal *f) {
        _cleanup_json_ cJSON *uow = NULL;
        int r = access_show(v->cli, what, &uow, f);

        if (r != 0)
                return r;
        v->from = json_time(uow, "created");
        if (add_name(v, uow, "name") < 0 || add_name(v, uow, "arrived_as") < 0)
                return refusal_set(f, EXIT_FAILED, NULL, "%s", strerror(ENOMEM));
        return 0;
}

static int open_logs(LogView *v, Refusal *f) {
        _cleanup_(layout_freep) Layout *l = NULL;
        int r = access_config(v->cli, f);

        if (r != 0)
                return r;
        if (layout_new(v->cli->config, &l, &f->e) < 0)
                return f->code = EXIT_FAILED;
        v->dir = dir_open_path(l->path[PLACE_LOGS]);
        if (v->dir < 0)
                return refusal_set(
                        f, EXIT_FAILED, NULL, "%s: %s", l->path[PLACE_LOGS], strerror(-v->dir));
        return 0;
}

static int print_logs(LogView *v, bool go_on, Refusal *f) {
        _cleanup_free_ char *last = NULL;
        off_t offset = 0;
        int r;

        if (v->last > 0 && !(v->lines = calloc(v->last, sizeof(*v->lines))))
                return refusal_set(f, EXIT_FAILED, NULL, "%s", strerror(ENOMEM));
        v->stream = go_on;
        v->array = v->cli->json && !go_on ? cJSON_CreateArray() : NULL;
        r = read_all(v, &last, &offset);
        put_kept(v);
        if (r >= 0 && go_on)
                r = follow_log(v, &last, &offset);
        if (v->array)
                out_json(v->array);
        cJSON_Delete(v->array);
        return r < 0 ? refusal_set(f, EXIT_FAILED, NULL, "the log can't be read: %s", strerror(-r))
                     : 0;
}

static int parse_number(Cli *cli, const char *s, size_t *ret) {
        char *end;
        unsigned long n;

        if (!s)
                return CLI_GO_ON;
        errno = 0;
        n = strtoul(s, &end, 10);
        if (errno || end == s || *end || n == 0 || n > 1000000)
                return cli_usage_error(
                        cli, "--lines needs a number from 1 to 1000000, not \"%s\"", s);
        *ret = n;
        return CLI_GO_ON;
}

static int run(Cli *cli, char **args) {
        LogView v = { .cli = cli, .dir = -1 };
        const char *lines = NULL;
        bool go_on = false;
        Refusal f = {};
        size_t n;
        int r;
        const CliOption options[] = {
                { "lines", 'n', NULL, &lines },
                { "follow", 'f', &go_on, NULL },
                {},
        };

        r = cli_parse(cli, args, options, &n);
        if (r == CLI_GO_ON)
                r = cli_expect(cli, args, n, 0, 1, NULL);
        if (r == CLI_GO_ON)
                r = parse_number(cli, lines, &v.last);
        if (r != CLI_GO_ON)
                return r;
        r = open_logs(&v, &f);
        if (r == 0 && n == 1)
                r = find_uow(&v, args[0], &f);
        if (r == 0)
                r = print_logs(&v, go_on, &f);
        strv_free(v.names);
        safe_close(v.dir);
        return r == 0 ? EXIT_DONE : cli_refuse(cli, &f);
}

const Order order_logs = { "logs", "the log, or one Unit of Work's part of it", usage, run };
