# SPDX-License-Identifier: Apache-2.0
"""contrib/quickstart, but for the building: whoever runs it, wherever, it shows the main job and leaves
nothing behind that runs."""

import os
import pathlib
import shutil
import signal
import subprocess

import pytest

from support.common import SOURCE, as_user, current_user, is_root, owned_folder, program, wait_until

USER = "fcuser1" if is_root() else current_user()


class Place:
    """A home folder, a tree that belongs to somebody else, and a `cmake` that has all built already."""

    def __init__(self, root, home="home"):
        self.home = owned_folder(root / home, USER)
        self.tree = root / "tree"
        self.bin = root / "bin"
        self.bin.mkdir()
        (self.bin / "cmake").write_text(
            f'#!/bin/sh\nwhile [ $# -gt 0 ]; do [ "$1" = -B ] && cp {program("flowcrond")} '
            f'{program("flowcronctl")} "$2"; shift; done; exit 0\n')
        (self.bin / "cmake").chmod(0o755)
        shutil.copytree(SOURCE / "contrib", self.tree / "contrib")

    def start(self, *args, **env):
        env = {"HOME": str(self.home), "PATH": f"{self.bin}:/usr/bin:/bin", "LANG": "C.UTF-8", **env}
        return subprocess.Popen(as_user(USER, [self.tree / "contrib/quickstart", *args]), env=env, cwd="/",
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, start_new_session=True)

    def run(self, *args, code=0, **env):
        process = self.start(*args, **env)
        out, err = process.communicate(timeout=120)
        assert process.returncode == code, out + err
        return out, err

    def runs(self):
        return sorted((self.home / "flowcron-quickstart").glob("run-*"))


def daemons_of(folder):
    """Processes whose command line names the folder."""
    found = []
    for proc in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = proc.read_bytes().split(b"\0")
        except OSError:
            continue
        if any(os.fsencode(folder) in word for word in words) and b"flowcrond" in words[0]:
            found.append(words)
    return found


@pytest.mark.usefixtures("users")
@pytest.mark.parametrize("home", ["home", "it's a: #home"])
def test_shows_the_main_job_each_time(root_dir, home):
    place = Place(root_dir, home)
    for n in (1, 2):
        out, err = place.run()
        assert "minimal: succeeded" in out and "SUCCEEDED" in out and err == ""
        assert len(place.runs()) == n
    assert not daemons_of(place.home)
    assert (place.runs()[0] / "base/AnalysedFiles/minimal/results/voyage.count").exists()
    # What it offers to paste works.
    show, remove = [line for line in out.splitlines() if "flowcronctl --config" in line or "rm -r" in line]
    shown = subprocess.run(["bash", "-ec", show], capture_output=True, text=True, check=False,
                           env={"HOME": str(place.home), "PATH": "/usr/bin:/bin"})
    assert shown.returncode == 0 and "finished: succeeded" in shown.stdout, shown.stderr
    subprocess.run(["bash", "-ec", remove], check=True)
    assert len(place.runs()) == 1


@pytest.mark.usefixtures("users")
@pytest.mark.skipif(not is_root(), reason="needs root")
def test_builds_where_it_may(root_dir):
    place = Place(root_dir)
    out, _ = place.run()
    assert f"Building in {place.home}/flowcron-quickstart/build" in out
    owned_folder(place.tree / "build", USER)
    assert f"Building in {place.tree}/build" in place.run()[0]
    cache = owned_folder(place.home / "else where", USER) / "CMakeCache.txt"
    cache.write_text("CMAKE_HOME_DIRECTORY:INTERNAL=/another/copy\n")
    out, _ = place.run(FLOWCRON_BUILD=f"{place.home}/else where")
    assert not cache.exists()
    assert f"Building in {place.home}/else where" in out
    _, err = place.run(FLOWCRON_BUILD="/proc/nowhere", code=1)
    assert "FLOWCRON_BUILD" in err


@pytest.mark.usefixtures("users")
def test_interrupted_it_takes_job_and_daemon_along(root_dir):
    place = Place(root_dir)
    script = place.tree / "contrib/examples/minimal/scripts/submission_script.sh"
    script.write_text(script.read_text() + "\nsleep 600\n")
    process = place.start()
    wait_until(lambda: any(place.home.glob("flowcron-quickstart/run-*/base/CodeToRun/slurm/minimal/slurm-*.out")),
               "the job to start")
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Interrupted" in out, out + err
    # A job's own runner has flowcrond's name, too.
    assert not daemons_of(place.home)


def test_help(tmp_path):
    script = SOURCE / "contrib/quickstart"
    done = subprocess.run([script, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.startswith("contrib/quickstart [DIR]")
    assert not list(tmp_path.iterdir())
