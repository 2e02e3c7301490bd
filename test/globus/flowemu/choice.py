# SPDX-License-Identifier: Apache-2.0
"""The rules of Choice states."""

import operator
import re

from . import paths
from .definition import is_number, is_timestamp, parse_timestamp

_ORDERS = {"Equals": operator.eq, "LessThan": operator.lt, "GreaterThan": operator.gt,
           "LessThanEquals": operator.le, "GreaterThanEquals": operator.ge}


_KINDS = {"Null": lambda v: v is None, "Boolean": lambda v: isinstance(v, bool),
          "Numeric": is_number, "String": lambda v: isinstance(v, str),
          "Timestamp": is_timestamp}


def _matches(text, pattern):
    """`*` stands for anything; a backslash takes that from it."""
    parts = re.findall(r"\\.|\*|[^*\\]+|\\", pattern, re.DOTALL)
    return re.fullmatch("".join(".*" if part == "*" else re.escape(re.sub(r"^\\(.)", r"\1", part))
                                for part in parts), text, re.DOTALL) is not None


def holds(rule, data):
    """Whether a rule is true; PathError for a Variable that is not there, but for IsPresent."""
    if "And" in rule:
        return all(holds(part, data) for part in rule["And"])
    if "Or" in rule:
        return any(holds(part, data) for part in rule["Or"])
    if "Not" in rule:
        return not holds(rule["Not"], data)
    (name, operand), = ((key, value) for key, value in rule.items()
                        if key not in ("Variable", "Comment", "Next"))
    if name == "IsPresent":
        return paths.has(data, rule["Variable"]) is operand
    value = paths.get(data, rule["Variable"])
    if name.startswith("Is"):
        return _KINDS[name[2:]](value) is operand
    if name.endswith("Path"):
        name, operand = name[:-4], paths.get(data, operand)
    return _compare(name, value, operand)


def _compare(name, value, operand):
    """Values of another kind than the comparison's are never equal, less or greater."""
    if name == "StringMatches":
        return isinstance(value, str) and _matches(value, operand)
    kind = next(kind for kind in _KINDS if name.startswith(kind))
    if not _KINDS[kind](value) or not _KINDS[kind](operand):
        return False
    if kind == "Timestamp":
        value, operand = parse_timestamp(value), parse_timestamp(operand)
    return _ORDERS[name[len(kind):]](value, operand)
