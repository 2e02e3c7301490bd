/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One YAML document as a small tree, in which every node knows its line and column.
 *
 * This is the part of YAML that settings need, and no more: maps, lists and scalars, whose types the
 * reader of the tree decides by what it expects (an account "0123" stays that text). What would make
 * a file mean something other than it shows is refused, with its place: keys that occur twice,
 * anchors and aliases, tags, a second document. So are files over YAMLDOC_SIZE_MAX, and trees too
 * deep or too large to be somebody's settings. The file may have CRLF line ends and a UTF-8 mark.
 *
 * Not called yaml.h, because libyaml's own header has that name.
 */

#include <stdbool.h>
#include <stddef.h>

#include "error.h"

#define YAMLDOC_SIZE_MAX (1024U * 1024)
#define YAMLDOC_DEPTH_MAX 16
#define YAMLDOC_NODES_MAX 10000

typedef enum YamlKind {
        YAML_KIND_SCALAR,
        YAML_KIND_LIST,
        YAML_KIND_MAP
} YamlKind;

typedef struct YamlNode YamlNode;
struct YamlNode {
        YamlKind kind;
        unsigned line, column; /* where it starts, from 1; columns in characters */
        char *text;            /* of a scalar: valid UTF-8 without NUL; "" for nothing at all */
        bool plain;            /* of a scalar: written without quotes */
        YamlNode *key;         /* of what a map holds: its key, a scalar */
        YamlNode *child;       /* of a map or list: the first one it holds, in the file's order */
        YamlNode *next;        /* the next one in the same map or list */
};

/**
 * yamldoc_parse() - parse @size bytes that are one document
 * @name: the file's name, for messages
 *
 * Returns 0 with the root, which is never null; UOW_E_INVALID with "NAME:LINE:COLUMN: fault" in @e;
 * -ENOMEM.
 */
int yamldoc_parse(const char *name, const char *data, size_t size, YamlNode **ret, Error *e);

YamlNode *yamldoc_free(YamlNode *n);
DEFINE_CLEANUP(YamlNode *, yamldoc_free)

/** yamldoc_fault() - put "NAME:LINE:COLUMN: …" into @e, the place being that of @at. Returns UOW_E_INVALID. */
int yamldoc_fault(const char *name, const YamlNode *at, Error *e, const char *fmt, ...)
        _printf_(4, 5);

/** yamldoc_is_null() - nothing, "~" or "null" without quotes: a key that was given no value. */
bool yamldoc_is_null(const YamlNode *n) _pure_;
