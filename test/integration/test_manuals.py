# SPDX-License-Identifier: Apache-2.0
"""The manual pages name every order, option and cause that the programs have, and no other order.
(What can be compared with the library's tables is in test/unit/test-manuals.c.)"""

import re
import subprocess

import pytest

from support.common import SOURCE, program


def page(name):
    return (SOURCE / f"docs/{name}.scd").read_text().replace("\\", "")


def help_of(*words):
    done = subprocess.run([program(words[0]), *words[1:], "--help"], capture_output=True, text=True,
                          check=True)
    return done.stdout


def orders():
    return re.findall(r"^  ([a-z][a-z-]*) +\S", help_of("flowcronctl"), re.MULTILINE)


def flow_orders():
    return re.findall(r"^  ([a-z][a-z-]*) +\S", help_of("flowcronctl", "flow"), re.MULTILINE)


def options(text):
    return set(re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", text, re.MULTILINE))


def section(text, order):
    """The paragraphs that begin with *ORDER*, up to the next entry or heading."""
    found = re.search(rf"^\*{order}\*(?:.|\n)*?(?=^\*[a-z]|^#)", text, re.MULTILINE)
    assert found, f"flowcronctl(1) has no entry for {order}"
    return found.group()


def test_orders():
    text = page("flowcronctl.1")
    assert len(orders()) > 10
    for order in orders():
        entry = section(text, order)
        for option in options(help_of("flowcronctl", order)) - {"--json"}:
            assert option in entry, f"flowcronctl(1): {order} has {option}"


def test_flow_orders():
    text = page("flowcronctl.1")
    assert len(flow_orders()) > 1
    for order in flow_orders():
        entry = section(text, f"flow {order}")
        for option in options(help_of("flowcronctl", "flow", order)) - {"--json"}:
            assert option in entry, f"flowcronctl(1): flow {order} has {option}"
    assert set(re.findall(r"^\*flow ([a-z]+)\*", text, re.MULTILINE)) == set(flow_orders())


def test_no_order_that_is_none():
    text = page("flowcronctl.1")
    entries = text[text.index("\n# ORDERS"):text.index("\n# EXIT STATUS")]
    assert set(re.findall(r"^\*([a-z][a-z-]+)\*", entries, re.MULTILINE)) == set(orders())


@pytest.mark.parametrize("name,section_number", [("flowcronctl", 1), ("flowcrond", 8)])
def test_options(name, section_number):
    text = page(f"{name}.{section_number}")
    found = options(help_of(name))
    assert found
    for option in found:
        assert f"*{option}*" in text, f"{name}({section_number}) lacks {option}"


def test_causes():
    header = (SOURCE / "lib/outcome.h").read_text()
    causes = re.findall(r'#define CAUSE_\w+ "([a-z-]+)"', header)
    assert len(causes) > 10
    part = re.search(r"^## Causes$(.*?)^#", page("flowcron-uow.7"), re.MULTILINE | re.DOTALL)[1]
    listed = re.findall(r"^\|  ([a-z-]+)$", part, re.MULTILINE)
    assert sorted(causes) == sorted(listed)


def test_see_also_leads_somewhere():
    ours = {path.name[:-4] for path in (SOURCE / "docs").glob("*.scd")}
    for path in (SOURCE / "docs").glob("*.scd"):
        for name, number in re.findall(r"\*(flowcron[a-z.-]*)\*\((\d)\)", path.read_text()):
            assert f"{name}.{number}" in ours, f"{path.name} names {name}({number})"
