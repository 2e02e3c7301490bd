/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From a file to a struct Config and back, along the table in config-key.c.
 *
 * The first fault ends it: it is told with its place, and no half-read configuration gets out.
 */

#include "config-key.h"

#include <fcntl.h>
#include <string.h>

#include "fileio.h"
#include "text.h"
#include "yamldoc.h"

#define INSTANCE_COMMENT "# instance: "
#define COMMENT_COLUMN 36

_Static_assert(sizeof(WatchMode) == sizeof(unsigned), "words are stored as unsigned");

typedef struct Parse {
        const char *file;
        Config *c;
        Error *e;
} Parse;

static void *slot_of(const ConfigKey *k, const Config *c) {
        return config_key_slot(k, (Config *)c);
}

Config *config_ref(const Config *c) {
        Config *shared = (Config *)c;

        shared->further_owners++;
        return shared;
}

Config *config_free(Config *c) {
        size_t n;
        const ConfigKey *keys = config_keys(&n);

        if (!c)
                return NULL;
        if (c->further_owners > 0) {
                c->further_owners--;
                return NULL;
        }
        for (size_t i = 0; i < n; i++)
                config_value_clear(&keys[i], slot_of(&keys[i], c));
        free(c->instance);
        free(c->file);
        free(c);
        return NULL;
}

int config_new(const char *instance, Config **ret) {
        _cleanup_(config_freep) Config *c = NULL;
        size_t n;
        const ConfigKey *keys = config_keys(&n);
        int r;

        if (!config_instance_valid(instance))
                return -EINVAL;
        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                r = config_value_reset(&keys[i], slot_of(&keys[i], c));
                if (r != 0)
                        return r;
        }
        r = strdup_to(&c->instance, instance);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

int config_set(Config *c, const char *key, const char *value, Error *e) {
        size_t n;
        const ConfigKey *keys = config_keys(&n);

        for (size_t i = 0; i < n; i++)
                if (streq(keys[i].name, key)) {
                        int r = config_value_set(&keys[i], slot_of(&keys[i], c), value, e);

                        return r > 0 ? error_prefix(e, r, "%s", key) : r;
                }
        return error_set(e, UOW_E_NOT_FOUND, "there is no key \"%s\"", key);
}

static const char *kind_name(const YamlNode *n) {
        return n->kind == YAML_KIND_LIST   ? "a list"
                : n->kind == YAML_KIND_MAP ? "keys with values"
                                           : "a value";
}

/* A value's fault, with its key in front. */
static int value_fault(const Parse *p, const YamlNode *at, const ConfigKey *k, const Error *fault) {
        return yamldoc_fault(p->file, at, p->e, "%s: %s", k->name, fault->text);
}

static int apply_list(const Parse *p, const ConfigKey *k, const YamlNode *n) {
        void *slot = slot_of(k, p->c);
        int r;

        if (n->kind != YAML_KIND_LIST)
                return yamldoc_fault(p->file, n, p->e,
                        "%s: %s where a list was expected, e.g. [a, b]", k->name, kind_name(n));
        r = config_value_begin_list(k, slot);
        if (r < 0)
                return r;
        for (const YamlNode *item = n->child; item; item = item->next) {
                Error fault = { "" };

                if (item->kind != YAML_KIND_SCALAR || yamldoc_is_null(item))
                        return yamldoc_fault(p->file, item, p->e,
                                "%s: %s where a list's item was expected", k->name,
                                yamldoc_is_null(item) ? "nothing" : kind_name(item));
                r = config_value_append(k, slot, item->text, &fault);
                if (r > 0)
                        return value_fault(p, item, k, &fault);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int apply_value(const Parse *p, const ConfigKey *k, const YamlNode *n) {
        Error fault = { "" };
        int r;

        if (yamldoc_is_null(n))
                return yamldoc_fault(p->file, n, p->e,
                        "%s: no value; give it one%s, or remove the line", k->name,
                        k->type == CONFIG_TEXT ? " (\"\" for none)" : "");
        if (k->type == CONFIG_LIST)
                return apply_list(p, k, n);
        if (n->kind != YAML_KIND_SCALAR)
                return yamldoc_fault(p->file, n, p->e, "%s: %s where a single value was expected",
                        k->name, kind_name(n));
        r = config_value_set(k, slot_of(k, p->c), n->text, &fault);
        return r > 0 ? value_fault(p, n, k, &fault) : r;
}

static int unknown_key(const Parse *p, const char *section, const YamlNode *key) {
        _cleanup_free_ char *shown = text_printable(key->text, 80), *meant = NULL;
        const char *dot = section ? "." : "";

        meant = config_key_suggest(section, key->text);
        if (meant)
                return yamldoc_fault(p->file, key, p->e,
                        "unknown key \"%s%s%s\"; did you mean \"%s\"?", section ? section : "", dot,
                        shown ? shown : "?", meant);
        return yamldoc_fault(p->file, key, p->e, "unknown key \"%s%s%s\"", section ? section : "",
                dot, shown ? shown : "?");
}

static int apply_section(const Parse *p, const YamlNode *n) {
        const char *section = n->key->text;

        if (yamldoc_is_null(n))
                return yamldoc_fault(p->file, n, p->e,
                        "%s: nothing below it; give it keys, or remove the line", section);
        if (n->kind != YAML_KIND_MAP)
                return yamldoc_fault(p->file, n, p->e,
                        "%s: %s where keys indented below it were expected", section, kind_name(n));
        for (const YamlNode *value = n->child; value; value = value->next) {
                const ConfigKey *k = config_key_find(section, value->key->text);
                int r;

                r = k ? apply_value(p, k, value) : unknown_key(p, section, value->key);
                if (r != 0)
                        return r;
        }
        return 0;
}

static int apply_root(const Parse *p, const YamlNode *root) {
        if (root->kind != YAML_KIND_MAP)
                return yamldoc_fault(p->file, root, p->e,
                        "%s where keys were expected, e.g. \"base: /projects/NAME/flowcron\"",
                        kind_name(root));
        for (const YamlNode *n = root->child; n; n = n->next) {
                const ConfigKey *k = config_key_find(NULL, n->key->text);
                int r;

                if (k)
                        r = apply_value(p, k, n);
                else if (config_section_known(n->key->text))
                        r = apply_section(p, n);
                else
                        r = unknown_key(p, NULL, n->key);
                if (r != 0)
                        return r;
        }
        if (isempty(p->c->base))
                return yamldoc_fault(p->file, root, p->e,
                        "base is missing; it is the one key without a default, an absolute path");
        return 0;
}

static int absolute_path(const char *path, char **ret) {
        _cleanup_free_ char *cwd = NULL;

        if (*path == '/')
                return strdup_to(ret, path);
        cwd = getcwd(NULL, 0);
        if (!cwd)
                return -errno;
        *ret = xasprintf("%s/%s", streq(cwd, "/") ? "" : cwd, path);
        return *ret ? 0 : -ENOMEM;
}

int config_parse_named(const char *instance, const char *path, const char *data, size_t size,
        Config **ret, Error *e) {
        _cleanup_(yamldoc_freep) YamlNode *root = NULL;
        _cleanup_(config_freep) Config *c = NULL;
        Parse p = { .file = path, .e = e };
        int r;

        r = config_new(instance, &c);
        if (r == -EINVAL)
                return error_set(e, UOW_E_INVALID,
                        "%s: \"%s\" can't be an instance's name; expected letters, digits, \".\", \"_\" and \"-\", "
                        "at most 64",
                        path, instance);
        if (r < 0)
                return r;
        r = absolute_path(path, &c->file);
        if (r < 0)
                return error_set(e, r, "%s: %s", path, strerror(-r));
        r = yamldoc_parse(path, data, size, &root, e);
        if (r != 0)
                return r;
        p.c = c;
        r = apply_root(&p, root);
        if (r != 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

/* "/x/cryo.yaml" -> "cryo". New string or NULL. */
static char *instance_of_path(const char *path) {
        const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
        size_t n = strlen(name);

        if (n > 5 && streq(name + n - 5, ".yaml"))
                n -= 5;
        return strndup(name, n);
}

int config_parse(const char *path, const char *data, size_t size, Config **ret, Error *e) {
        _cleanup_free_ char *instance = instance_of_path(path);

        if (!instance)
                return -ENOMEM;
        return config_parse_named(instance, path, data, size, ret, e);
}

static int read_fault(Error *e, int r, const char *path) {
        if (r == -ENOENT)
                return error_set(
                        e, r, "%s: there is no such file; \"flowcronctl setup\" makes one", path);
        if (r == -EINVAL)
                return error_set(e, r, "%s: this is no regular file", path);
        if (r == -EFBIG)
                return error_set(e, r, "%s: larger than %u MiB; these are no settings", path,
                        YAMLDOC_SIZE_MAX >> 20);
        return error_set(e, r, "%s: can't be read: %s", path, strerror(-r));
}

/* Unlike what lies in a Unit of Work, this file may be a link: people keep their settings elsewhere. */
static int read_file(const char *path, char **ret, size_t *ret_size, Error *e) {
        _cleanup_close_ int fd = -1;
        struct stat st;
        int r;

        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0 || fstat(fd, &st) < 0)
                return read_fault(e, -errno, path);
        if (!S_ISREG(st.st_mode))
                return read_fault(e, -EINVAL, path);
        r = fd_read_all(fd, YAMLDOC_SIZE_MAX, ret, ret_size);
        return r < 0 ? read_fault(e, r, path) : 0;
}

int config_load_named(const char *instance, const char *path, Config **ret, Error *e) {
        _cleanup_free_ char *data = NULL;
        size_t size;
        int r;

        r = read_file(path, &data, &size, e);
        return r < 0 ? r : config_parse_named(instance, path, data, size, ret, e);
}

int config_load(const char *path, Config **ret, Error *e) {
        _cleanup_free_ char *instance = instance_of_path(path);

        if (!instance)
                return -ENOMEM;
        return config_load_named(instance, path, ret, e);
}

/* The name in the first line of a copy, new string; UOW_E_INVALID if it has none. */
static int instance_of_copy(const char *path, const char *data, char **ret, Error *e) {
        const char *name = startswith(data, INSTANCE_COMMENT);

        if (!name)
                return error_set(e, UOW_E_INVALID,
                        "%s:1:1: no \"" INSTANCE_COMMENT
                        "NAME\" in the first line; the daemon writes it anew when "
                        "it starts",
                        path);
        *ret = strndup(name, strcspn(name, "\r\n"));
        return *ret ? 0 : -ENOMEM;
}

int config_load_copy(const char *base, Config **ret, Error *e) {
        _cleanup_free_ char *path = NULL, *data = NULL, *instance = NULL, *absolute = NULL;
        _cleanup_(config_freep) Config *c = NULL;
        size_t size;
        int r;

        absolute = realpath(base, NULL);
        if (!absolute)
                return error_set(e, -errno, "%s: %m", base);
        path = xasprintf("%s/.flowcron/" CONFIG_COPY, base);
        if (!path)
                return -ENOMEM;
        r = read_file(path, &data, &size, e);
        if (r == 0)
                r = instance_of_copy(path, data, &instance, e);
        if (r == 0)
                r = config_parse_named(instance, path, data, size, &c, e);
        if (r == 0)
                r = config_set(c, "base", absolute, e);
        if (r != 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

static void print_key(const ConfigKey *k, const Config *c, const char **section, FILE *f) {
        const char *dot = strchr(k->name, '.');
        size_t n = dot ? (size_t)(dot - k->name) : 0;
        long start, width;

        if (dot && (!*section || strncmp(*section, k->name, n + 1) != 0)) {
                fprintf(f, "\n%.*s:\n", (int)n, k->name);
                *section = k->name;
        }
        start = ftell(f);
        fprintf(f, "%s%s: ", dot ? "  " : "", dot ? dot + 1 : k->name);
        config_value_print(k, slot_of(k, c), f);
        width = ftell(f) - start;
        fprintf(f, "%*s  # ", width < COMMENT_COLUMN ? (int)(COMMENT_COLUMN - width) : 0, "");
        for (size_t i = 0; k->words && k->words[i]; i++)
                fprintf(f, "%s%s", k->words[i], k->words[i + 1] ? " | " : "; ");
        fprintf(f, "%s\n", k->doc);
}

char *config_to_yaml(const Config *c) {
        _cleanup_free_ char *text = NULL;
        const char *section = NULL;
        size_t size, n;
        const ConfigKey *keys = config_keys(&n);
        FILE *f = open_memstream(&text, &size);
        bool failed;

        if (!f)
                return NULL;
        fprintf(f, INSTANCE_COMMENT "%s\n", c->instance);
        for (size_t i = 0; i < n; i++)
                print_key(&keys[i], c, &section, f);
        failed = ferror(f);
        if (fclose(f) != 0 || failed)
                return NULL;
        return TAKE_PTR(text);
}

const char *config_needs_restart(const Config *a, const Config *b) {
        size_t n;
        const ConfigKey *keys = config_keys(&n);

        for (size_t i = 0; i < n; i++)
                if ((keys[i].flags & CONFIG_RESTART) &&
                        !config_value_equal(&keys[i], slot_of(&keys[i], a), slot_of(&keys[i], b)))
                        return keys[i].name;
        return NULL;
}
