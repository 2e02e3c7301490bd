# SPDX-License-Identifier: Apache-2.0
"""A flow looks at any moment, and takes what it sees: a UoW is always in one of the four folders,
and what appears as a result is complete."""

import os
import stat
import threading

import pytest

from support.common import wait_until
from support.jobs import SCRIPT
from support.units import as_bytes, script


class FirstSight(threading.Thread):
    """Waits without pause for a result, and notes what it is like the moment it is there."""

    def __init__(self, fc, name, look):
        super().__init__(daemon=True)
        self.paths = [os.path.join(as_bytes(folder), as_bytes(name))
                      for folder in (fc.analysed, fc.failed)]
        self.look = look
        self.seen = None
        self.over = False
        self.start()

    def run(self):
        while self.seen is None and not self.over:
            for path in self.paths:
                if os.path.lexists(path):
                    self.seen = self.look(path)

    def result(self):
        wait_until(lambda: self.seen is not None, "the result to be seen")
        return self.seen


def modes(path):
    """Path in the result → its mode, links as "link"; "sentinels" and others if they are there."""
    found = {}
    for folder, folders, files in os.walk(path):
        for name in folders + files:
            full = os.path.join(folder, name)
            mode = os.lstat(full).st_mode
            found[os.path.relpath(full, path).decode()] = (
                "link" if stat.S_ISLNK(mode) else stat.S_IMODE(mode))
    return found


BODIES = {
    "succeeds": ("true", "succeeded", "analysed"),
    "fails": ("exit 1", "failed", "failed"),
    "is rejected": ("echo $HOME", "rejected", "failed"),
    "is refused": (None, "rejected", "failed"),
}


@pytest.mark.parametrize("backend", ["standin", "local"])
def test_always_in_one_of_the_four_folders(instance, standin, sampler, backend):
    fc = instance(backend=standin if backend == "standin" else None)
    fc.make_folders()
    bodies = {k: v for k, v in BODIES.items() if backend == "standin" or v[0]}
    names = [f"{name} {i}" for name in bodies for i in range(3)]
    # Made before the sampler looks: until then they are nowhere.
    for name in names:
        body = bodies[name[:-2]][0]
        files = {} if body else {SCRIPT: script("true", shebang="#!/bin/bash\n#SBATCH -p no\n")}
        fc.upload(name, files, commands=body or "true", sentinel=False)
    with sampler(fc, *names) as seen:
        fc.start()
        for name in names:
            fc.complete(name)
        for name in names:
            fc.wait_finished(name, bodies[name[:-2]][1])
    for name in names:
        seen[name].check(bodies[name[:-2]][2])
    # Fast changes may fall between two looks, but not all of them.
    assert any(seen[name].trail == ["uploaded", "work", bodies[name[:-2]][2]] for name in names)


def test_cancelled_ones_too(instance, standin, sampler):
    standin.set(mode="norun", partition_state="down")
    fc = instance(backend=standin, config={"scheduler": {"max_queued": 1}})
    fc.make_folders()
    names = ["pending", "staged"]
    for name in names:
        fc.upload(name, sentinel=False)
    with sampler(fc, *names) as seen:
        fc.start()
        fc.complete("pending")
        fc.wait_state("pending", "queued")
        fc.complete("staged")
        fc.wait_state("staged", "staged")
        for name in reversed(names):
            assert fc.ctl("cancel", name).code == 0
        for name in names:
            fc.wait_finished(name, "cancelled")
    for name in names:
        seen[name].check("failed")


def test_everything_is_done_before_it_appears(instance, sampler):
    fc = instance()
    fc.make_folders()
    body = ["umask 077", "mkdir -p data/deep/er", "echo > data/deep/er/file", "echo > data/prog",
            "chmod 700 data/prog", "ln -s /nowhere data/broken", "ln -s /etc data/out",
            "ln -s deep data/good", "exit %d"]
    looks = {}
    for name, code in (("good", 0), ("bad", 1)):
        fc.upload(name, commands=[*body[:-1], body[-1] % code])
        looks[name] = FirstSight(fc, name, modes)
    fc.start()
    for name, look in looks.items():
        seen = look.result()
        wanted = {"data": 0o2770, "data/deep": 0o2770, "data/deep/er": 0o2770,
                  "data/deep/er/file": 0o660, "data/prog": 0o770, "data/good": "link",
                  "flowcron/report.txt": 0o660, "flowcron/record.json": 0o660}
        # "Others" is for the uploader and the job's umask to say.
        found = {path: mode & ~0o7 if isinstance(mode, int) else mode
                 for path, mode in seen.items() if path in wanted}
        assert found == wanted, name
        assert not {"sentinels", "data/broken", "data/out"} & set(seen), name
    fc.wait_finished("good")
    fc.wait_finished("bad", "failed")


def test_group_may_not_write_if_so_configured(instance):
    fc = instance(config={"results": {"group_writable": False}}).start()
    fc.upload("mine", commands=["umask 077", "echo > data/file", "mkdir data/folder"])
    fc.wait_finished("mine")
    seen = modes(fc.result("mine"))
    assert seen["data/file"] == 0o600 and seen["data/folder"] & 0o777 == 0o700
    assert not seen["flowcron/report.txt"] & 0o020


def test_retry_moves_only_between_results_and_work(instance, sampler):
    """A retry goes back to the work area by one rename, too, and comes out as complete as before."""
    fc = instance()
    fc.upload("again", commands="exit $([[ -e data/second ]]; echo $?; touch data/second)")
    fc.start()
    fc.wait_finished("again", "failed")
    with sampler(fc, "again") as seen:
        assert fc.ctl("retry", "again", "--yes").code == 0
        wait_until(lambda: fc.show("again")["attempt"] == 2, "the second attempt")
        fc.wait_finished("again")
    watched = seen["again"]
    assert watched.nowhere == watched.no_report == watched.sentinels == 0, vars(watched)
    assert watched.trail[0] == "failed" and watched.trail[-1] == "analysed"
