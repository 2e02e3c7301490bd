# SPDX-License-Identifier: Apache-2.0
"""Completion: what a person gets offered at the prompt after Tab."""

import os
import pathlib
import shutil
import subprocess

import pytest

from support.common import SOURCE, program
from support.home import Home
from support.installer import Person
from support.units import make_uow

BASH = SOURCE / "contrib/completions/flowcronctl.bash"
ZSH = SOURCE / "contrib/completions/_flowcronctl"

# Calls the function as bash does after Tab, with the words typed so far; prints what it offers.
ASK = r"""
source "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_flowcronctl
printf '%s\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def person(root_dir):
    one = Person(root_dir, Home(root_dir))
    path = pathlib.Path(program("flowcronctl")).parent
    one.home.extra["PATH"] = f"{path}:{one.home.extra['PATH']}"
    return one


def offered(person, *typed):
    done = subprocess.run(["bash", "-c", ASK, "bash", BASH, "flowcronctl", *typed], env=person.env(), check=True,
                          capture_output=True, text=True, cwd="/")
    assert done.stderr == ""
    return done.stdout.split("\n")[:-1] if done.stdout.strip() else []


def test_orders_and_options(person):
    orders = offered(person, "")
    assert {"setup", "status", "list-instances", "retry"} <= set(orders) and len(orders) > 15
    assert offered(person, "list-") == ["list-instances"]
    assert offered(person, "--ins") == ["--instance"]
    assert {"--yes", "--account", "--soft-delete-days"} <= set(offered(person, "setup", "--"))
    assert offered(person, "list", "--state", "soft") == ["soft-deleted"]
    assert offered(person, "setup", "--service", "s") == ["systemd", "scrontab"]
    assert {"generate", "deploy", "runs"} <= set(offered(person, "flow", ""))
    assert offered(person, "flow", "gen") == ["generate"]
    assert offered(person, "flow", "generate", "--run-") == ["--run-as-flow"]


def test_instances(person, root_dir):
    """Each of a user's several instances, and of each its own Units of Work."""
    for name in ("cryo", "default", "tomo"):
        base = root_dir / f"base-{name}"
        assert person.setup("-i", name, "--base", base, "--scheduler", "local", "--service", "none").code == 0
        make_uow(base / "UploadedFiles", f"of {name}", sentinel=False)
    assert offered(person, "-i", "") == ["cryo", "default", "tomo"]
    assert offered(person, "show", "--instance", "t") == ["tomo"]
    assert offered(person, "-i", "tomo", "show", "") == [r"of\ tomo"]
    assert offered(person, "cancel", "of") == [r"of\ default"]


def test_names_are_never_run(person, root_dir):
    base = root_dir / "base"
    assert person.setup("--base", base, "--scheduler", "local", "--service", "none").code == 0
    mark = root_dir / "mark"
    make_uow(base / "UploadedFiles", "$(touch mark)`touch mark`;touch mark", sentinel=False)
    found = offered(person, "show", "")
    assert len(found) == 1 and not mark.exists() and not os.path.exists("/mark")
    echoed = subprocess.run(["bash", "-c", f"printf %s {found[0]}"], capture_output=True, text=True, check=True)
    assert echoed.stdout == "$(touch mark)`touch mark`;touch mark"


@pytest.mark.skipif(not shutil.which("zsh"), reason="no zsh")
def test_zsh_accepts_its_file():
    assert subprocess.run(["zsh", "-n", ZSH], check=False).returncode == 0
