# SPDX-License-Identifier: Apache-2.0
"""`cmake --install` into a home folder, without root: programs, units that name them, manual pages."""

import os
import re
import shutil
import subprocess

import pytest

from support.common import BUILD


def install(home, prefix, **environment):
    env = dict(os.environ, HOME=str(home), **environment)
    done = subprocess.run(["cmake", "--install", BUILD, "--prefix", prefix], env=env,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def program_of(unit):
    quoted = re.search(r'^ExecStart="(.*)" --instance (\S+)$', unit.read_text(), re.M)
    return quoted[1].replace("%%", "%").replace("$$", "$"), quoted[2]


@pytest.mark.parametrize("name", ["home", "a home", "50% $HOME"])
def test_units_name_the_programs_that_were_installed(tmp_path, name):
    home = tmp_path / name
    install(home, home / ".local")
    units = home / ".local/share/systemd/user"
    for unit, instance in (("flowcron.service", "default"), ("flowcron@.service", "%i")):
        program, named = program_of(units / unit)
        assert named == instance
        assert program == str(home / ".local/bin/flowcrond")
        version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
        assert version.stdout.strip()


def test_a_prefix_of_the_system_gets_the_units_of_the_system(tmp_path):
    install(tmp_path / "home", "/opt/flowcron", DESTDIR=str(tmp_path))
    assert program_of(tmp_path / "opt/flowcron/lib/systemd/user/flowcron.service")[0] == \
        "/opt/flowcron/bin/flowcrond"


def test_completions_are_where_shells_look(tmp_path):
    install(tmp_path, tmp_path / "p")
    assert "complete -F" in (tmp_path / "p/share/bash-completion/completions/flowcronctl").read_text()
    assert (tmp_path / "p/share/zsh/site-functions/_flowcronctl").read_text().startswith("#compdef flowcronctl")


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze")
def test_systemd_accepts_the_units(tmp_path):
    home = tmp_path / "a home"
    install(home, home / ".local")
    unit = home / ".local/share/systemd/user/flowcron.service"
    done = subprocess.run(["systemd-analyze", "--user", "--man=no", "verify", unit],
                          env=dict(os.environ, XDG_RUNTIME_DIR=str(tmp_path)),
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "flowcron" not in done.stderr, done.stderr
