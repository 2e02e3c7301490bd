# SPDX-License-Identifier: Apache-2.0
"""Somebody sets the clock, by a day and in both directions, while things are under way."""

import collections
import random

import pytest

from killer import Daemon
from preload import library
from support.common import wait_until
from world import World

DAY = 24 * 3600


class Clock:
    def __init__(self, world):
        self.path = world.dir / "clock"
        self.set(0)
        world.env.update(LD_PRELOAD=library("shiftclock"), SHIFTCLOCK=str(self.path))

    def set(self, seconds):
        new = self.path.with_suffix(".new")
        new.write_text(str(seconds))
        new.rename(self.path)


@pytest.fixture
def scene():
    world = World({"scheduler": {"command_timeout": "3s"}})
    daemon = Daemon(world)
    yield world, Clock(world), daemon
    if daemon.process:
        daemon.process.kill()
        daemon.process.wait()
    world.close()


def wait_results(world, names):
    wait_until(lambda: all(world.has(f"AnalysedFiles/{name}") for name in names), world.said)


def tokens(world):
    return collections.Counter(s["token"] for s in world.standin.submissions())


def test_forward_while_a_submission_is_in_doubt(scene):
    """sbatch has died, its request is on its way. That a day has passed does not prove that it
    will not arrive."""
    world, clock, daemon = scene
    world.standin.fault("sbatch", "late ms=5000 how=kill n=1")
    daemon.start()
    world.upload("uow")
    wait_until(lambda: "not known yet" in world.said(), world.said)
    clock.set(DAY)
    wait_results(world, ["uow"])
    assert list(tokens(world).values()) == [1]
    assert len(world.standin.calls("sbatch")) == 1, "it did not wait for the request"


@pytest.mark.parametrize("killed", [False, True])
def test_back_while_a_submission_is_in_doubt(scene, killed):
    """What was submitted tomorrow is looked for no longer than anything else."""
    world, clock, daemon = scene
    clock.set(DAY)
    world.standin.fault("sbatch", "kill n=1")
    daemon.start()
    world.upload("uow")
    wait_until(lambda: "not known yet" in world.said(), world.said)
    if killed:
        daemon.kill_daemon()
    clock.set(0)
    daemon.ensure()
    wait_results(world, ["uow"])
    assert list(tokens(world).values()) == [1]


def test_to_and_fro_under_load(scene):
    world, clock, daemon = scene
    rng = random.Random(3)
    names = [f"uow{i}" for i in range(24)]
    for i, name in enumerate(names):
        world.upload(name, commands="echo ran >> data/ran")
        if i % 8 == 2:
            clock.set(rng.choice((-DAY, 0, DAY)))
        if i % 6 == 5:
            daemon.kill_one(rng)
        daemon.ensure()
    wait_results(world, names)
    assert sorted(tokens(world).values()) == [1] * len(names)
    for name in names:
        assert (world.base / f"AnalysedFiles/{name}/data/ran").read_text() == "ran\n"
