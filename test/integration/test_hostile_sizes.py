# SPDX-License-Identifier: Apache-2.0
"""More of everything than anybody needs: files, depth, sizes, lines. FlowCron goes on answering, takes
no more memory for it than for an empty Unit of Work, and says in a page what was wrong.

Memory is measured in the build that is installed (no sanitizers), as the high-water mark of the daemon
and of the children that walk for it."""

import contextlib
import itertools
import os
import pathlib
import shutil
import subprocess
import threading

import pytest

from support.common import PLAIN
from support.jobs import SCRIPT
from support.outside import HEAD
from support.record import check_record
from support.units import as_bytes

MIB = 1024  # in the kB of /proc

# What a walk may need over what it needs for an empty folder, for names and lists that are bounded.
WALK_MAX = 16 * MIB

pytestmark = pytest.mark.skipif(not PLAIN.exists(), reason="the build without sanitizers is not there")


def high_water(pid):
    try:
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


def children(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []


class Memory(threading.Thread):
    """The high-water marks of the daemon and, seen often enough, of its flowcrond children, in kB."""

    def __init__(self, fc):
        super().__init__(daemon=True)
        self.pid = fc.process.pid
        self.walks = 0
        self.ended = threading.Event()
        self.start()

    def run(self):
        while not self.ended.wait(0.005):
            for child in children(self.pid):
                with contextlib.suppress(OSError):
                    if os.readlink(f"/proc/{child}/exe") == os.readlink(f"/proc/{self.pid}/exe"):
                        self.walks = max(self.walks, high_water(child))

    def end(self):
        self.ended.set()
        self.join()
        return {"daemon": high_water(self.pid), "walks": self.walks}


def remove(path):
    """Python's own way ends at a depth of a thousand."""
    subprocess.run(["rm", "-rf", "--", path], check=True)


# ---- what is made ----

def many_files(top):
    folder = os.open(os.path.join(top, b"data"), os.O_DIRECTORY)
    for i in range(100_000):
        os.mknod(f"file number {i}", 0o600, dir_fd=folder)
    os.close(folder)


def deep_folders(top):
    """1,000 levels, a path of 200,000 bytes: fifty times PATH_MAX."""
    folder = os.open(os.path.join(top, b"data"), os.O_DIRECTORY)
    for _ in range(1000):
        os.mkdir("d" * 199, dir_fd=folder)
        below = os.open("d" * 199, os.O_DIRECTORY, dir_fd=folder)
        os.symlink("/nowhere", "broken", dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(os.open("bottom", os.O_CREAT, 0o600, dir_fd=folder))
    os.close(folder)


def sparse_file(top):
    """A petabyte, or as much of one as the file system takes: 16 TiB on ext4."""
    with open(os.path.join(top, b"data/sparse"), "wb") as file:
        for size in (2**50, 2**46, 2**44 - 4096, 2**40):
            with contextlib.suppress(OSError):
                file.truncate(size)
                return
    raise AssertionError("no large file can be made here")


def many_links(top):
    for i in range(5_000):
        os.symlink(f"/nowhere/{i}", os.path.join(top, b"data/link %d" % i))


LARGE = {"files": many_files, "depth": deep_folders, "sparse": sparse_file, "links": many_links}


@pytest.fixture
def plain(instance):
    return instance(plain=True, config={"scheduler": {"slots": 1}})


def live(fc, name):
    """From the sentinel until it is purged; returns its record."""
    fc.complete(name)
    fc.wait_finished(name, timeout=120)
    record = check_record(fc, name)
    assert len(fc.read(name, "flowcron/record.json")) < 2_000_000
    assert len(fc.report(name)) < 10_000
    assert fc.ctl("purge", name, "--yes").code == 0
    uow = fc.wait_state(record["id"], "purged", timeout=120)
    assert uow and not os.path.lexists(fc.analysed / name)
    return record


def test_large_folders(plain, outside):
    fc = plain.start()
    marks = {}
    try:
        for name, make in {"empty": lambda top: None, **LARGE}.items():
            make(fc.upload(name, sentinel=False))
            memory = Memory(fc)
            record = live(fc, name)
            marks[name] = memory.end()
            removed = record.get("filing", {}).get("removed_links", {}).get("count", 0)
            assert removed == {"depth": 1000, "links": 5_000}.get(name, 0)
    finally:
        for folder in (fc.uploaded, fc.work, fc.analysed, fc.failed):
            remove(folder)
    print(marks)
    for name, who in itertools.product(LARGE, ("daemon", "walks")):
        assert marks[name][who] < marks["empty"][who] + WALK_MAX, (name, who, marks)


# ---- scripts ----

LONG = "x" * (3 * 2**20)


def sparse_script(path):
    with open(path, "wb") as file:
        file.write(HEAD.encode())
        file.truncate(2**30)


def long_line(path):
    with open(path, "wb") as file:
        file.write(HEAD.encode() + b": " + b"x" * 100_000_000 + b"\n")


def text(body):
    def make(path):
        with open(path, "wb") as file:
            file.write(as_bytes(body))
    return make


# name: (how it is made, the outcome, words of the reason)
SCRIPTS = {
    "of 1 GiB": (sparse_script, "rejected", "4 MiB"),
    "one line of 100 MB": (long_line, "rejected", "4 MiB"),
    "one line of 3 MiB": (text(HEAD + f": {LONG}\n"), "succeeded", ""),
    "one comment of 3 MiB": (text(HEAD + f"# {LONG}\n"), "succeeded", ""),
    "one directive of 3 MiB": (text(HEAD + f"#SBATCH --job-name={LONG}\n"), None, ""),
    "directive after directive": (text(HEAD + "#SBATCH -n1\n" * 300_000), "succeeded", ""),
    "HOME behind 3 MiB": (text(HEAD + f": {LONG} $HOME {LONG[:100000]}\n"), "rejected", "$HOME"),
    "deeply nested": (text(HEAD + ": " + "$(" * 1_000_000), None, ""),
    "here-documents": (text(HEAD + "cat " + "<<A " * 500_000 + "\n"), None, ""),
    "a program": (lambda path: shutil.copy("/bin/true", path), "rejected", "submission_script.sh"),
    "random": (text(HEAD.encode() + os.urandom(1_000_000)), "rejected", "NUL"),
    "NULs": (text(HEAD + "true\0\n"), "rejected", "NUL"),
    "NULs before": (text("\0" + HEAD), "rejected", "submission_script.sh"),
    "DOS and large": (text((HEAD + "true\n" * 300_000).replace("\n", "\r\n")), "succeeded", ""),
}


def test_large_scripts(plain):
    fc = plain.start()
    memory = Memory(fc)
    fc.upload("empty")
    fc.wait_finished("empty")
    empty = memory.end()
    memory = Memory(fc)
    for name, (make, _, _) in SCRIPTS.items():
        make(os.path.join(fc.upload(name, sentinel=False), SCRIPT.encode()))
        fc.complete(name)
    for name, (_, outcome, words) in SCRIPTS.items():
        uow = fc.wait_state(name, "finished")
        assert outcome in (None, uow["outcome"]), (name, uow)
        assert words in (uow.get("reason") or ""), (name, uow)
        assert len(uow.get("reason") or "") < 2000, name
        assert len(fc.report(name)) < 10_000, name
        check_record(fc, name)
    large = memory.end()
    print(empty, large)
    # A script of up to 4 MiB is read whole, and once more where it is converted.
    for who in ("daemon", "walks"):
        assert large[who] < empty[who] + WALK_MAX, (who, empty, large)
