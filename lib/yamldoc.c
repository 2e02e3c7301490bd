/* SPDX-License-Identifier: Apache-2.0 */

/*
 * libyaml's event stream becomes a tree. Events rather than libyaml's own document, since that
 * resolves aliases silently, keeps keys that occur twice, and nests a thousand levels deep.
 *
 * The recursion is bounded by YAMLDOC_DEPTH_MAX; lists are followed by loops.
 */

#include "yamldoc.h"

#include <stdarg.h>
#include <string.h>
#include <yaml.h>

#include "text.h"

DEFINE_CLEANUP(yaml_parser_t *, yaml_parser_delete)

/* An event must be deleted on every way out; deleting a zeroed one is allowed. */
#define _cleanup_event_ _cleanup_(yaml_event_delete)

typedef struct Reader {
        yaml_parser_t parser;
        const char *name;
        const char *data;
        size_t size;
        unsigned nodes;
        Error *e;
} Reader;

static int read_node(Reader *r, const yaml_event_t *event, unsigned depth, YamlNode **ret);

YamlNode *yamldoc_free(YamlNode *n) {
        while (n) {
                YamlNode *next = n->next;

                yamldoc_free(n->key);
                yamldoc_free(n->child);
                free(n->text);
                free(n);
                n = next;
        }
        return NULL;
}

static int _printf_(5, 0) fault_at(
        const char *name, size_t line, size_t column, Error *e, const char *fmt, va_list ap) {
        _cleanup_free_ char *shown = text_printable(name, 0);
        char text[sizeof(e->text)];

        vsnprintf(text, sizeof(text), fmt, ap);
        return error_set(
                e, UOW_E_INVALID, "%s:%zu:%zu: %s", shown ? shown : "?", line, column, text);
}

int yamldoc_fault(const char *name, const YamlNode *at, Error *e, const char *fmt, ...) {
        va_list ap;
        int r;

        va_start(ap, fmt);
        r = fault_at(name, at->line, at->column, e, fmt, ap);
        va_end(ap);
        return r;
}

static int _printf_(3, 4) mark_fault(const Reader *r, yaml_mark_t mark, const char *fmt, ...) {
        va_list ap;
        int ret;

        va_start(ap, fmt);
        ret = fault_at(r->name, mark.line + 1, mark.column + 1, r->e, fmt, ap);
        va_end(ap);
        return ret;
}

/* The reader below libyaml's scanner counts bytes only. */
static yaml_mark_t mark_of_offset(const Reader *r, size_t offset) {
        yaml_mark_t mark = { .index = offset };

        for (size_t i = 0; i < offset && i < r->size; i++) {
                if (r->data[i] == '\n') {
                        mark.line++;
                        mark.column = 0;
                } else if (((unsigned char)r->data[i] & 0xC0) != 0x80)
                        mark.column++;
        }
        return mark;
}

/* Whether a tab stands among the white space that begins line @line (from 0); its column then. */
static bool tab_in_indentation(const Reader *r, size_t line, size_t *ret_column) {
        const char *p = r->data, *end = r->data + r->size;

        for (; line > 0; line--) {
                p = memchr(p, '\n', (size_t)(end - p));
                if (!p)
                        return false;
                p++;
        }
        for (const char *start = p; p < end && (*p == ' ' || *p == '\t'); p++)
                if (*p == '\t') {
                        *ret_column = (size_t)(p - start);
                        return true;
                }
        return false;
}

static int syntax_fault(const Reader *r) {
        const yaml_parser_t *p = &r->parser;
        yaml_mark_t mark = p->problem_mark;
        size_t column;

        if (p->error == YAML_MEMORY_ERROR)
                return -ENOMEM;
        if (p->error == YAML_READER_ERROR) {
                bool control =
                        p->problem && strcmp(p->problem, "control characters are not allowed") == 0;

                return mark_fault(r, mark_of_offset(r, p->problem_offset),
                        control ? "a control character; only text is expected here"
                                : "no valid UTF-8; save the file as UTF-8");
        }
        if (tab_in_indentation(r, mark.line, &column)) {
                mark.column = column;
                return mark_fault(r, mark, "a tab; YAML is indented with spaces only");
        }
        if (p->context)
                return mark_fault(r, mark, "no valid YAML: %s (%s that began in line %zu)",
                        p->problem, p->context, p->context_mark.line + 1);
        return mark_fault(r, mark, "no valid YAML: %s", p->problem ? p->problem : "unknown fault");
}

static int next_event(Reader *r, yaml_event_t *ret) {
        if (!yaml_parser_parse(&r->parser, ret))
                return syntax_fault(r);
        return 0;
}

static int node_new(Reader *r, YamlKind kind, yaml_mark_t mark, YamlNode **ret) {
        YamlNode *n;

        if (++r->nodes > YAMLDOC_NODES_MAX)
                return mark_fault(
                        r, mark, "more than %d values; these are no settings", YAMLDOC_NODES_MAX);
        n = calloc(1, sizeof(*n));
        if (!n)
                return -ENOMEM;
        n->kind = kind;
        n->line = (unsigned)mark.line + 1;
        n->column = (unsigned)mark.column + 1;
        *ret = n;
        return 0;
}

static int refuse_extras(const Reader *r, yaml_mark_t mark, const void *anchor, const void *tag) {
        if (anchor)
                return mark_fault(
                        r, mark, "an anchor (\"&…\") is not supported; write the value out");
        if (tag)
                return mark_fault(r, mark, "a tag (\"!…\") is not supported; remove it");
        return 0;
}

static int read_scalar(Reader *r, const yaml_event_t *event, YamlNode **ret) {
        const char *value = (const char *)event->data.scalar.value;
        size_t length = event->data.scalar.length;
        _cleanup_(yamldoc_freep) YamlNode *n = NULL;
        int k;

        k = refuse_extras(r, event->start_mark, event->data.scalar.anchor, event->data.scalar.tag);
        if (k != 0)
                return k;
        if (memchr(value, 0, length))
                return mark_fault(r, event->start_mark, "a NUL character; no setting can hold one");
        k = node_new(r, YAML_KIND_SCALAR, event->start_mark, &n);
        if (k != 0)
                return k;
        ASSUME(n); /* made */
        n->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
        n->text = strndup(value, length);
        if (!n->text)
                return -ENOMEM;
        *ret = TAKE_PTR(n);
        return 0;
}

static int read_list(Reader *r, const yaml_event_t *event, unsigned depth, YamlNode **ret) {
        _cleanup_(yamldoc_freep) YamlNode *list = NULL;
        YamlNode **tail;
        int k;

        k = refuse_extras(r, event->start_mark, event->data.sequence_start.anchor,
                event->data.sequence_start.tag);
        if (k == 0)
                k = node_new(r, YAML_KIND_LIST, event->start_mark, &list);
        if (k != 0)
                return k;
        for (tail = &list->child;; tail = &(*tail)->next) {
                _cleanup_event_ yaml_event_t item = { 0 };

                k = next_event(r, &item);
                if (k != 0)
                        return k;
                if (item.type == YAML_SEQUENCE_END_EVENT)
                        break;
                k = read_node(r, &item, depth + 1, tail);
                if (k != 0)
                        return k;
        }
        *ret = TAKE_PTR(list);
        return 0;
}

static int check_key(const Reader *r, const YamlNode *map, const YamlNode *key, yaml_mark_t mark) {
        _cleanup_free_ char *shown = NULL;

        if (key->kind != YAML_KIND_SCALAR)
                return mark_fault(r, mark, "a key must be a word, not a list or map");
        for (const YamlNode *n = map->child; n; n = n->next)
                if (streq(n->key->text, key->text)) {
                        shown = text_printable(key->text, 80);
                        return mark_fault(r, mark,
                                "key \"%s\" is here for the second time, after line %u",
                                shown ? shown : "?", n->key->line);
                }
        return 0;
}

/* Reads the value that belongs to @key, which it takes over. */
static int read_value(Reader *r, unsigned depth, YamlNode *key, YamlNode **ret) {
        _cleanup_(yamldoc_freep) YamlNode *owned = key, *value = NULL;
        _cleanup_event_ yaml_event_t event = { 0 };
        int k;

        k = next_event(r, &event);
        if (k == 0)
                k = read_node(r, &event, depth, &value);
        if (k != 0)
                return k;
        value->key = TAKE_PTR(owned);
        *ret = TAKE_PTR(value);
        return 0;
}

static int read_map(Reader *r, const yaml_event_t *event, unsigned depth, YamlNode **ret) {
        _cleanup_(yamldoc_freep) YamlNode *map = NULL;
        YamlNode **tail;
        int k;

        k = refuse_extras(r, event->start_mark, event->data.mapping_start.anchor,
                event->data.mapping_start.tag);
        if (k == 0)
                k = node_new(r, YAML_KIND_MAP, event->start_mark, &map);
        if (k != 0)
                return k;
        for (tail = &map->child;; tail = &(*tail)->next) {
                _cleanup_event_ yaml_event_t event_of_key = { 0 };
                _cleanup_(yamldoc_freep) YamlNode *key = NULL;

                k = next_event(r, &event_of_key);
                if (k != 0)
                        return k;
                if (event_of_key.type == YAML_MAPPING_END_EVENT)
                        break;
                k = read_node(r, &event_of_key, depth + 1, &key);
                if (k == 0)
                        k = check_key(r, map, key, event_of_key.start_mark);
                if (k == 0)
                        k = read_value(r, depth + 1, TAKE_PTR(key), tail);
                if (k != 0)
                        return k;
        }
        *ret = TAKE_PTR(map);
        return 0;
}

static int read_node(Reader *r, const yaml_event_t *event, unsigned depth, YamlNode **ret) {
        if (depth > YAMLDOC_DEPTH_MAX)
                return mark_fault(r, event->start_mark,
                        "nested more than %d deep; these are no settings", YAMLDOC_DEPTH_MAX);
        switch (event->type) {
        case YAML_SCALAR_EVENT:
                return read_scalar(r, event, ret);
        case YAML_SEQUENCE_START_EVENT:
                return read_list(r, event, depth, ret);
        case YAML_MAPPING_START_EVENT:
                return read_map(r, event, depth, ret);
        case YAML_ALIAS_EVENT:
                return mark_fault(r, event->start_mark,
                        "an alias (\"*…\") is not supported; write the value out");
        default:
                return mark_fault(r, event->start_mark, "no valid YAML: a value was expected");
        }
}

/* The start of stream and document; UOW_E_INVALID if there is no document at all. */
static int read_start(Reader *r) {
        for (;;) {
                _cleanup_event_ yaml_event_t event = { 0 };
                int k;

                k = next_event(r, &event);
                if (k != 0)
                        return k;
                if (event.type == YAML_DOCUMENT_START_EVENT)
                        return 0;
                if (event.type == YAML_STREAM_END_EVENT)
                        return mark_fault(
                                r, (yaml_mark_t){ 0 }, "there are no settings in this file");
        }
}

static int read_end(Reader *r) {
        for (;;) {
                _cleanup_event_ yaml_event_t event = { 0 };
                int k;

                k = next_event(r, &event);
                if (k != 0)
                        return k;
                if (event.type == YAML_STREAM_END_EVENT)
                        return 0;
                if (event.type == YAML_DOCUMENT_START_EVENT)
                        return mark_fault(r, event.start_mark,
                                "a second document (\"---\") begins here; one file holds one");
        }
}

static int read_document(Reader *r, YamlNode **ret) {
        _cleanup_(yamldoc_freep) YamlNode *root = NULL;
        _cleanup_event_ yaml_event_t event = { 0 };
        int k;

        k = read_start(r);
        if (k == 0)
                k = next_event(r, &event);
        if (k == 0)
                k = read_node(r, &event, 1, &root);
        if (k == 0 && yamldoc_is_null(root))
                k = mark_fault(r, (yaml_mark_t){ 0 }, "there are no settings in this file");
        if (k == 0)
                k = read_end(r);
        if (k != 0)
                return k;
        *ret = TAKE_PTR(root);
        return 0;
}

static int check_encoding(Reader *r) {
        if (r->size >= 2 &&
                (memcmp(r->data, "\xff\xfe", 2) == 0 || memcmp(r->data, "\xfe\xff", 2) == 0))
                return mark_fault(r, (yaml_mark_t){ 0 }, "this is UTF-16; save the file as UTF-8");
        if (r->size >= 3 && memcmp(r->data, "\xef\xbb\xbf", 3) == 0) {
                r->data += 3;
                r->size -= 3;
        }
        return 0;
}

int yamldoc_parse(const char *name, const char *data, size_t size, YamlNode **ret, Error *e) {
        Reader r = { .name = name, .data = data, .size = size, .e = e };
        _cleanup_(yaml_parser_deletep) yaml_parser_t *parser = NULL;
        int k;

        if (size > YAMLDOC_SIZE_MAX)
                return mark_fault(&r, (yaml_mark_t){ 0 },
                        "larger than %u MiB; these are no settings", YAMLDOC_SIZE_MAX >> 20);
        k = check_encoding(&r);
        if (k != 0)
                return k;
        if (!yaml_parser_initialize(&r.parser))
                return -ENOMEM;
        parser = &r.parser;
        /* Told, not guessed: a guess would take some broken files for UTF-16. */
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING);
        yaml_parser_set_input_string(parser, (const unsigned char *)r.data, r.size);
        return read_document(&r, ret);
}

bool yamldoc_is_null(const YamlNode *n) {
        if (n->kind != YAML_KIND_SCALAR || !n->plain)
                return false;
        return !*n->text || streq(n->text, "~") || strcasecmp(n->text, "null") == 0;
}
