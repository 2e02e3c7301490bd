# SPDX-License-Identifier: Apache-2.0
"""Whether a run's input fits the flow's input schema: draft 7, as the service checks it."""

import json
import re

import jsonschema

KEYWORDS = {
    "$schema", "$id", "$ref", "$comment", "definitions", "title", "description", "default",
    "examples", "type", "enum", "const", "properties", "patternProperties", "additionalProperties",
    "required", "minProperties", "maxProperties", "propertyNames", "dependencies", "items",
    "additionalItems", "minItems", "maxItems", "uniqueItems", "contains", "minLength", "maxLength",
    "pattern", "format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
    "multipleOf", "allOf", "anyOf", "oneOf", "not", "if", "then", "else", "readOnly", "writeOnly",
    "propertyOrder"}
FORMATS = {"globus-collection", "globus-principal", "uuid", "email", "date-time", "uri"}
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class InputError(Exception):
    """400 FLOW_INPUT_ERROR, or a schema that the service would not take."""


def _schemas(schema, where="$"):
    """Every schema within a schema, with its place."""
    yield where, schema
    for key in ("properties", "definitions", "patternProperties"):
        for name, inner in schema.get(key, {}).items():
            yield from _schemas(inner, f"{where}.{key}.{name}")
    for key in ("items", "additionalProperties", "contains", "not", "if", "then", "else"):
        if isinstance(schema.get(key), dict):
            yield from _schemas(schema[key], f"{where}.{key}")
    for key in ("allOf", "anyOf", "oneOf"):
        for i, inner in enumerate(schema.get(key, [])):
            yield from _schemas(inner, f"{where}.{key}[{i}]")


def check_schema(schema):
    """Raises InputError for what no draft 7 schema with Globus's additions is."""
    try:
        jsonschema.Draft7Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise InputError(f"no valid schema: {error.message}") from error
    for where, inner in _schemas(schema):
        unknown = set(inner) - KEYWORDS
        if unknown:
            raise InputError(f"{where}: unknown keywords {sorted(unknown)}")
        order = inner.get("propertyOrder", [])
        if set(order) - set(inner.get("properties", {})) or len(set(order)) != len(order):
            raise InputError(f"{where}.propertyOrder names what is no property: {order}")
        if inner.get("format", "uuid") not in FORMATS:
            raise InputError(f"{where}.format: {inner['format']} is not known")
        if inner.get("format") == "globus-collection":
            _check_collection(where, inner)


def _check_collection(where, schema):
    properties = schema.get("properties", {})
    if schema.get("type") != "object" or set(properties) - {"id", "path"} or "id" not in properties:
        raise InputError(f"{where}: a globus-collection is an object with id and path")


def check_input(schema, data):
    """Raises InputError; `{}` lets everything through."""
    check_schema(schema)
    checker = jsonschema.FormatChecker(())
    checker.checks("uuid")(lambda v: not isinstance(v, str) or _UUID.fullmatch(v) is not None)
    for error in jsonschema.Draft7Validator(schema, format_checker=checker).iter_errors(data):
        place = "$" + "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in error.path)
        raise InputError(f"{place}: {error.message}")
    if len(json.dumps(data)) > 200 * 1024:
        raise InputError("the input is larger than 200 KB")
