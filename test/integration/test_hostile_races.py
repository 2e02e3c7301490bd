# SPDX-License-Identifier: Apache-2.0
"""A second process swaps parts of Units of Work for links to the outside, all the time and atomically,
while FlowCron looks, files and removes. Nothing outside is read, changed, moved or removed; whatever
the Unit of Work comes to is said; everybody else's goes on.

The fixture `outside` compares before and after. Its scripts have DOS line endings and its folders hold
what FlowCron writes, so that whatever is followed there leaves a trace."""

import itertools
import os
import pathlib

import pytest

from support.common import wait_until
from support.jobs import SCRIPT
from support.swapper import Swapper
from support.units import as_bytes

# What FlowCron looks for, step by step.
PLACES = ("data", "data/in", "data/in/deep", "scripts", SCRIPT, "scripts/helper.sh", "sentinels",
          "sentinels/flowcron", "flowcron", "flowcron/record.json", "flowcron/report.txt",
          "flowcron/earlier")
FILES = {"data/in/deep/x": "x", "data/in/y": "y", "scripts/helper.sh": "echo\r\n",
         "flowcron/record.json": "{}"}
TARGETS = (".", "run.sh", "data", "scripts")


def paths(tops, names, places):
    return [os.path.join(as_bytes(top), name.encode(), place.encode()).rstrip(b"/")
            for name, top, place in itertools.product(names, tops, places)]


def is_told(uow):
    """It came to an end, or what is in the way is plainly said."""
    return uow and (uow["state"] in ("finished", "purged") or uow.get("reason"))


def assert_no_secret(fc):
    for place in (fc.analysed, fc.failed):
        for top, _, names in os.walk(place):
            for path in (pathlib.Path(top, name) for name in names):
                if path.is_file() and not path.is_symlink() and not path.name.startswith("slurm-"):
                    text = path.read_text(errors="replace")
                    assert "SECRET" not in text and "ran outside" not in text, path


@pytest.mark.parametrize("target", TARGETS)
def test_swapped_while_it_is_staged_and_filed(instance, outside, root_dir, target):
    fc = instance().start()
    rounds = [[f"swapped{r}-{i}" for i in range(4)] for r in range(3)]
    exchanges = 0
    for names in rounds:
        places = paths((fc.uploaded, fc.work), names, PLACES)
        with Swapper(root_dir, outside / target, places) as swapper:
            for name in names:
                fc.upload(name, {**FILES}, commands="echo out")
            fc.upload(f"calm {names[0]}")
            fc.wait_finished(f"calm {names[0]}")
            exchanges += swapper.stop()
        for name in names:
            wait_until(lambda name=name: is_told(fc.show(name)), fc.trouble)
    assert exchanges > 1000
    assert_no_secret(fc)


def test_swapped_before_it_is_taken(instance, outside, root_dir):
    """The whole folder, in the place where its uploader may do so: a link is no Unit of Work."""
    fc = instance().start()
    names = [f"whole{i}" for i in range(6)]
    with Swapper(root_dir, outside, paths((fc.uploaded,), names, ("",))) as swapper:
        for name in names:
            # Complete before it is there, as nothing can be put into it once it is swapped.
            fc.upload(name, {**FILES, "sentinels": None}, sentinel=False)
        fc.upload("calm")
        fc.wait_finished("calm")
        assert swapper.stop() > 1000
    for name in names:
        if fc.show(name):
            wait_until(lambda name=name: is_told(fc.show(name)), fc.trouble)
    assert_no_secret(fc)


def test_swapped_while_it_is_filed_and_removed(instance, outside, root_dir):
    """Jobs end, results are filed, moved to the bin and purged."""
    fc = instance(config={"retention": {"soft_delete_after": "1s"}}).start()
    names = [f"removed{i}" for i in range(4)]
    for name in names:
        wide = {f"data/in/{i}/x": "x" for i in range(150)}
        fc.upload(name, {**FILES, **wide}, commands="sleep 1")
    tops = (fc.work, fc.analysed, fc.failed, fc.bin / "AnalysedFiles", fc.bin / "FailedJobs")
    places = PLACES + tuple(f"data/in/{i}" for i in range(0, 150, 5))
    with Swapper(root_dir, outside / "data", paths(tops, names, places)) as swapper:
        for name in names:
            wait_until(lambda name=name: is_told(fc.show(name)), fc.trouble)
            fc.ctl("purge", name, "--yes")
        fc.upload("calm")
        fc.wait_finished("calm")
        assert swapper.stop() > 1000
    # With nobody in the way any more, what was ordered is carried out.
    def purged():
        return all(fc.show(name)["state"] == "purged" or
                   fc.ctl("purge", name, "--yes").code not in (0, 5) for name in names)
    wait_until(purged, lambda: f"{[fc.show(name) for name in names]}\n{fc.trouble()}")
    for name in names:
        assert fc.where(name) == [], name
