# SPDX-License-Identifier: Apache-2.0
"""Reference paths into the state of a run: `$`, `$.a.b`, `$.list[0].name`. Nothing else of JSONPath."""

import re

_FORM = re.compile(r"\$(\.[A-Za-z_][A-Za-z0-9_-]*(\[[0-9]+\])*)*")
_STEP = re.compile(r"\.([A-Za-z_][A-Za-z0-9_-]*)|\[([0-9]+)\]")


class PathError(Exception):
    """The path is not there (or leads through something that has no members)."""


def is_path(text):
    return isinstance(text, str) and _FORM.fullmatch(text) is not None


def steps(path):
    """'$.a[0].b' → ['a', 0, 'b']"""
    assert is_path(path), path
    return [name or int(index) for name, index in _STEP.findall(path[1:])]


def get(data, path):
    value = data
    for step in steps(path):
        if isinstance(step, int):
            if not isinstance(value, list) or step >= len(value):
                raise PathError(f"{path}: there is no [{step}]")
        elif not isinstance(value, dict) or step not in value:
            raise PathError(f"{path}: there is no \"{step}\"")
        value = value[step]
    return value


def has(data, path):
    try:
        get(data, path)
    except PathError:
        return False
    return True


def put(data, path, value):
    """The data with @value at @path; objects on the way are made. `$` replaces everything."""
    way = steps(path)
    if not way:
        return value
    place = data
    for step in way[:-1]:
        if isinstance(step, int) or not isinstance(place, dict):
            raise PathError(f"{path}: a result can't be put there")
        place = place.setdefault(step, {})
    if isinstance(way[-1], int) or not isinstance(place, dict):
        raise PathError(f"{path}: a result can't be put there")
    place[way[-1]] = value
    return data
