/* SPDX-License-Identifier: Apache-2.0 */

#include "script-find.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "fileio.h"
#include "script-file.h"
#include "text.h"

#define SHEBANG "#!/bin/bash"
#define DIRECTIVE "#SBATCH"

/* Files named in a reason; more would fill it up. */
#define NOTES_MAX 10
/* Links that are tried when no regular file qualifies. */
#define LINKS_MAX 16
/* Of each file, before it is read whole: room for a long first line. */
#define HEAD_SIZE 512
/* Read whole in one search; whoever puts more scripts than that into scripts/ can name the one that
 * is meant. */
#define SEARCH_SIZE_MAX ((size_t)256 * 1024 * 1024)

static const char qualifies[] = "begins with " SHEBANG " and has an " DIRECTIVE " line";

typedef struct Note {
        char *name; /* printable */
        char *why;
} Note;

typedef struct Notes {
        Note notes[NOTES_MAX];
        size_t n;     /* of them in use */
        size_t total; /* files that one could have been made of */
} Notes;

typedef struct Search {
        int uowdir, scripts;
        const ScriptRules *rules;
        Error *error;
        Notes fit, others;
        char *links[LINKS_MAX];
        size_t n_links, total_links;
        size_t size; /* read so far */
        ScriptFile found;
} Search;

void script_file_done(ScriptFile *f) {
        free(f->name);
        free(f->target);
        free(f->text);
        *f = (ScriptFile){ 0 };
}

static void notes_done(Notes *notes) {
        for (size_t i = 0; i < notes->n; i++) {
                free(notes->notes[i].name);
                free(notes->notes[i].why);
        }
}

static void search_done(Search *s) {
        notes_done(&s->fit);
        notes_done(&s->others);
        for (size_t i = 0; i < s->n_links; i++)
                free(s->links[i]);
        safe_close(s->scripts);
        script_file_done(&s->found);
}

static int notes_add(Notes *notes, const char *name, const char *why) {
        Note note;

        notes->total++;
        if (notes->n == NOTES_MAX)
                return 0;
        note = (Note){ text_printable(name, 40), strdup(why) };
        if (!note.name || !note.why) {
                free(note.name);
                free(note.why);
                return -ENOMEM;
        }
        notes->notes[notes->n++] = note;
        return 0;
}

static int note_compare(const void *a, const void *b) {
        return strcmp(((const Note *)a)->name, ((const Note *)b)->name);
}

/* "a.sh (…); b.py (…); and 3 more" */
static void notes_print(Notes *notes, FILE *f) {
        qsort(notes->notes, notes->n, sizeof(*notes->notes), note_compare);
        for (size_t i = 0; i < notes->n; i++)
                fprintf(f, "%s%s (%s)", i > 0 ? "; " : "", notes->notes[i].name,
                        notes->notes[i].why);
        if (notes->total > notes->n)
                fprintf(f, "; and %zu more", notes->total - notes->n);
}

/* Whether the first line is the wanted one; else the reason in @why. Cuts @line, the beginning of a
 * file of @size bytes or more, to it. */
static bool head_fits(const Search *s, char *line, size_t size, char why[static 128]) {
        _cleanup_free_ char *shown = NULL;

        if (startswith(line, "\xff\xfe") || startswith(line, "\xfe\xff")) {
                strcpy(why, "is saved as UTF-16; save it as UTF-8");
                return false;
        }
        if (startswith(line, "\xef\xbb\xbf") && s->rules->convert)
                line += 3;
        line[strcspn(line, "\r\n")] = 0;
        if (startswith(line, SHEBANG) && strchr(" \t", line[strlen(SHEBANG)]))
                return true;
        line[strnlen(line, 30)] = 0;
        shown = text_printable(line, 60);
        if (size == 0)
                strcpy(why, "is empty");
        else if (startswith(line, "#!") && shown)
                snprintf(why, 128, "begins with \"%s\"", shown);
        else
                strcpy(why, "does not begin with " SHEBANG);
        return false;
}

static bool has_directive(const char *text, size_t size) {
        const char *p = text, *end = text + size;

        if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
                p += 3;
        while (p && p < end) {
                if ((size_t)(end - p) >= strlen(DIRECTIVE) &&
                        memcmp(p, DIRECTIVE, strlen(DIRECTIVE)) == 0)
                        return true;
                p = memchr(p, '\n', (size_t)(end - p));
                p = p ? p + 1 : NULL;
        }
        return false;
}

/* pread() to the end or until @max, so that a file's offset stays where fd_read_all() needs it. */
static ssize_t read_head(int fd, char *buffer, size_t max) {
        size_t n = 0;

        while (n < max) {
                ssize_t k = pread(fd, buffer + n, max - n, (off_t)n);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        return -errno;
                if (k == 0)
                        break;
                n += (size_t)k;
        }
        return (ssize_t)n;
}

static int keep_found(Search *s, const char *name, const char *target, char *text, size_t size) {
        script_file_done(&s->found);
        s->found = (ScriptFile){ strdup(name), strdup(target), text, size };
        return s->found.name && s->found.target ? 0 : -ENOMEM;
}

/* Looks at one open file: keeps it if it qualifies, or notes why not. */
static int weigh(Search *s, const char *name, const char *target, int fd) {
        char head[HEAD_SIZE + 1], why[128];
        _cleanup_free_ char *text = NULL;
        ssize_t n = read_head(fd, head, HEAD_SIZE);
        size_t size;
        int k;

        if (n < 0)
                return (int)n;
        head[n] = 0;
        if (!head_fits(s, head, (size_t)n, why))
                return notes_add(&s->others, name, why);
        k = fd_read_all(fd, SCRIPT_SIZE_MAX, &text, &size);
        if (k == -EFBIG)
                return notes_add(&s->others, name, "is larger than the 4 MiB that Slurm takes");
        if (k < 0)
                return k;
        s->size += size;
        if (!has_directive(text, size))
                return notes_add(&s->others, name, "has no " DIRECTIVE " line");
        k = notes_add(&s->fit, name, qualifies);
        return k < 0 ? k : keep_found(s, name, target, TAKE_PTR(text), size);
}

static const char *link_fault(int outcome) {
        switch (outcome) {
        case SCRIPT_FILE_OUTSIDE:
                return "is a link that leads out of the Unit of Work";
        case SCRIPT_FILE_NOWHERE:
                return "is a link that leads nowhere";
        default:
                return "leads to something that is no regular file";
        }
}

/* A failure that is not the user's, with the file's name. */
static int trouble(Search *s, const char *name, int k) {
        _cleanup_free_ char *shown = text_printable(name, 80);

        errno = -k;
        return error_set(s->error, k, "can't read scripts/%s: %m", shown ? shown : "");
}

static int open_script(Search *s, const char *name, char **ret_target, int *ret_fd) {
        _cleanup_free_ char *path = xasprintf("scripts/%s", name);

        return path ? script_file_open(s->uowdir, path, ret_target, ret_fd) : -ENOMEM;
}

static int weigh_named(Search *s, const char *name) {
        _cleanup_free_ char *target = NULL;
        _cleanup_close_ int fd = -1;
        int k = open_script(s, name, &target, &fd);

        if (k > 0)
                return notes_add(&s->others, name, link_fault(k));
        if (k == 0)
                k = weigh(s, name, target, fd);
        return k < 0 ? trouble(s, name, k) : k;
}

static int consider_entry(Search *s, const char *name) {
        struct stat st;

        if (fstatat(s->scripts, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : trouble(s, name, -errno);
        if (S_ISREG(st.st_mode))
                return weigh_named(s, name);
        if (S_ISDIR(st.st_mode))
                return notes_add(&s->others, name, "is a folder");
        if (!S_ISLNK(st.st_mode))
                return notes_add(&s->others, name, "is no regular file");
        s->total_links++;
        if (s->n_links == LINKS_MAX)
                return 0;
        s->links[s->n_links] = strdup(name);
        return s->links[s->n_links++] ? 0 : -ENOMEM;
}

static int reject_too_much(Search *s) {
        return error_set(s->error, UOW_E_REJECTED,
                "scripts/ holds too many large scripts to look through. Name the one that is to be submitted %s.",
                s->rules->fixed_name);
}

static int consider_all(Search *s) {
        _cleanup_close_ int fd = openat(s->scripts, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *entry;
        int k = 0;

        if (!d)
                return error_set(s->error, -errno, "can't list scripts/: %m");
        TAKE_FD(fd);
        while (k == 0 && (errno = 0, entry = readdir(d))) {
                if (streq(entry->d_name, ".") || streq(entry->d_name, ".."))
                        continue;
                k = consider_entry(s, entry->d_name);
                if (k == 0 && s->size > SEARCH_SIZE_MAX)
                        return reject_too_much(s);
        }
        return k != 0 ? k : -errno;
}

/* Links are the second choice: beside a script there may well be a link to it. */
static int consider_links(Search *s) {
        int k = 0;

        for (size_t i = 0; k == 0 && i < s->n_links && s->fit.total == 0; i++)
                k = weigh_named(s, s->links[i]);
        return k;
}

static int reject_with_notes(Search *s, const char *fault) {
        char *list = NULL;
        size_t size;
        FILE *f = open_memstream(&list, &size);
        _cleanup_free_ char *owned = NULL;

        if (!f)
                return -ENOMEM;
        notes_print(&s->fit, f);
        if (s->fit.n > 0 && s->others.n > 0)
                fputs("; ", f);
        notes_print(&s->others, f);
        if (fclose(f) != 0)
                return -ENOMEM;
        owned = list;
        return error_set(s->error, UOW_E_REJECTED, "%s The files are: %s.", fault, list);
}

static int reject_none(Search *s) {
        _cleanup_free_ char *fault = NULL;

        s->others.total += s->total_links - s->n_links;
        if (s->others.total == 0)
                return error_set(s->error, UOW_E_REJECTED,
                        "scripts/ is empty: put the Slurm script there, as %s.",
                        s->rules->fixed_name);
        fault = xasprintf(
                "there is no Slurm script in scripts/: name it %s, or let it begin with " SHEBANG
                " and have an " DIRECTIVE " line.",
                s->rules->fixed_name);
        return fault ? reject_with_notes(s, fault) : -ENOMEM;
}

static int reject_several(Search *s) {
        _cleanup_free_ char *fault = xasprintf(
                "%zu files in scripts/ could be the Slurm script: name the one that is to be "
                "submitted %s.",
                s->fit.total, s->rules->fixed_name);

        return fault ? reject_with_notes(s, fault) : -ENOMEM;
}

/* uow.script, which is taken whatever it begins with. */
static int take_fixed(Search *s, const char *name) {
        _cleanup_free_ char *target = NULL, *text = NULL, *shown = text_printable(name, 80);
        _cleanup_close_ int fd = -1;
        size_t size;
        int k = open_script(s, name, &target, &fd);

        if (!shown)
                return -ENOMEM;
        if (k > 0)
                return error_set(s->error, UOW_E_REJECTED,
                        "the Slurm script scripts/%s %s. Upload the script itself under that name.",
                        shown, link_fault(k));
        if (k == 0)
                k = fd_read_all(fd, SCRIPT_SIZE_MAX, &text, &size);
        if (k == -EFBIG)
                return error_set(s->error, UOW_E_REJECTED,
                        "the Slurm script scripts/%s is larger than the 4 MiB that Slurm takes. Move what is not "
                        "script out of it.",
                        shown);
        return k < 0 ? trouble(s, name, k) : keep_found(s, name, target, TAKE_PTR(text), size);
}

static bool fixed_exists(const Search *s) {
        const char *name = s->rules->fixed_name;
        struct stat st;

        return !isempty(name) && !strchr(name, '/') &&
                fstatat(s->scripts, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int search(Search *s) {
        int k;

        if (fixed_exists(s))
                return take_fixed(s, s->rules->fixed_name);
        k = consider_all(s);
        if (k == 0 && s->fit.total == 0)
                k = consider_links(s);
        if (k != 0)
                return k;
        if (s->fit.total == 0)
                return reject_none(s);
        return s->fit.total > 1 ? reject_several(s) : 0;
}

int script_locate(int uowdir, const ScriptRules *rules, ScriptFile *ret, Error *e) {
        Search s = { .uowdir = uowdir, .rules = rules, .error = e };
        int k;

        s.scripts = dir_open_at(uowdir, "scripts");
        if (s.scripts == -ENOENT || s.scripts == -ENOTDIR || s.scripts == -ELOOP)
                return error_set(
                        e, UOW_E_REJECTED, "there is no folder scripts/ with the Slurm script.");
        if (s.scripts < 0) {
                errno = -s.scripts;
                return error_set(e, s.scripts, "can't open scripts/: %m");
        }
        k = search(&s);
        if (k == 0) {
                *ret = s.found;
                s.found = (ScriptFile){ 0 };
        }
        search_done(&s);
        return k;
}
