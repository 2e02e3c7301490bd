# SPDX-License-Identifier: Apache-2.0
"""Generated flows against a running FlowCron: what the researcher gets, and is told, on the web page."""

import os

import pytest

from support.common import wait_until
from support.flowruns import World, check_returned, globus, uow_name, wait_purged
from support.flows import GROUP, HPC, INDEX, REPOSITORY, Collection
from support.instance import listing
from support.jobs import wait_job
from flowemu import Pause, Retry, Slow, Unable  # found by support.flows

DAY = 86400


def make_site(instance, backend, root_dir, config=None):
    fc = instance(backend=backend, config={**globus(), **(config or {})}).start()
    world = World(root_dir)
    world.fc = fc
    return world


@pytest.fixture(params=["standin", pytest.param("slurm", marks=pytest.mark.slurm)])
def site(request, instance, root_dir):
    """An instance, on the stand-in and on real Slurm, and the world around it."""
    return make_site(instance, request.getfixturevalue(request.param), root_dir)


@pytest.fixture
def norun(instance, standin, root_dir):
    """The same with jobs that end when the test says so."""
    standin.set(mode="norun")
    world = make_site(instance, standin, root_dir)
    world.standin = standin
    return world


def start_waiting(world, name, flow=None, **more):
    """A run that has its job in Slurm; returns it with the job's id."""
    run = world.start(flow or world.generate(world.fc), name, **more)
    world.run(run, until=lambda: run.at.startswith("Wait"))
    return run, wait_job(world.fc, uow_name(run, name))


def order(world, text):
    (world.fc.orders / text).mkdir()
    return wait_until(lambda: [a for a in map(os.fsdecode, listing(world.fc.orders))
                               if a.startswith(("done", "refused")) and text in a],
                      lambda: listing(world.fc.orders))[-1]


# ---- ends ----

def test_success_and_keep(site, sampler):
    folder = site.folder("cells 7", {"data/in": "42\n"}, commands='cp "$1/data/in" data/out')
    run = site.start(site.generate(site.fc), "cells 7", delete=False)
    name = uow_name(run, "cells 7")
    with sampler(site.fc, name) as seen:
        site.run_to_the_end(run)
    seen[name].check("analysed")
    check_returned(folder, "SUCCEEDED")
    assert (folder / "data/out").read_text() == "42\n"
    assert site.fc.board(name) == "done - succeeded"


def test_success_and_delete(site):
    folder = site.folder("cells", commands="echo done > result")
    run = site.start(site.generate(site.fc), "cells", path="/cells", delete=True)
    name = uow_name(run, "cells")
    site.run(run, until=lambda: run.at == "BringBackEverything")
    uow = site.fc.show(name)
    site.run_to_the_end(run)
    check_returned(folder, "SUCCEEDED")
    assert (folder / "result").read_text() == "done\n"
    wait_purged(site.fc, uow["id"])
    wait_until(lambda: not (site.fc.status / name).exists(), "the board to go with it")


def test_failure_and_rejection(site):
    bad = site.folder("bad", commands=["echo 'no such grid: 17' >&2", "exit 3"])
    wrong = site.folder("wrong", commands='ls "$HOME"')
    flow = site.generate(site.fc)
    runs = [site.start(flow, name, delete=True) for name in ("bad", "wrong")]
    site.run(*runs)
    for run, folder, words in ((runs[0], bad, "failed - exit code 3"),
                               (runs[1], wrong, "rejected - scripts∕submission_script.sh line 3")):
        assert (run.status, run.error) == ("FAILED", "JobDidNotSucceed"), run.story()
        assert words in run.cause and "flowcron/report.txt" in run.cause
        check_returned(folder, words.split(" - ")[1].replace("∕", "/"))
        # What failed is kept, whatever was chosen: it can be tried again.
        assert site.fc.where(uow_name(run, folder.name)) == ["failed"]


ENDS = {
    # how the job ends: what the run says
    "TIMEOUT": ({}, "failed - over its time limit"),
    "OUT_OF_MEMORY": ({}, "failed - out of memory"),
    "FAILED": ({"exit": 5}, "failed - exit code 5"),
    "DEADLINE": ({}, "failed - its deadline passed"),
    "BOOT_FAIL": ({}, "failed - a compute node failed"),
    "CANCELLED": ({}, "cancelled outside FlowCron"),
}


def test_every_kind_of_failure_is_told_in_words(norun):
    flow = norun.generate(norun.fc)
    norun.fc.configure({**globus(), "retry": {"max_attempts": 1}})
    norun.fc.reload()
    runs = {}
    for state in ENDS:
        norun.folder(state)
        runs[state] = norun.start(flow, state)
    norun.run(*runs.values(), until=lambda: all(run.at.startswith("Wait")
                                                for run in runs.values()))
    for state, run in runs.items():
        norun.standin.end(wait_job(norun.fc, uow_name(run, state)), state, **ENDS[state][0])
    norun.run(*runs.values())
    for state, run in runs.items():
        assert (run.status, run.error) == ("FAILED", "JobDidNotSucceed"), run.story()
        assert ENDS[state][1] in run.cause, (state, run.cause)
        assert "Slurm" not in run.cause and "∕base" not in run.cause
        assert (norun.lab / state / "flowcron/report.txt").exists()


# ---- orders by folder ----

def test_cancel_retry_and_fetch(norun):
    fc = norun.fc
    folder = norun.folder("cells")
    run, _ = start_waiting(norun, "cells")
    name = uow_name(run, "cells")
    assert order(norun, "cancel cells") == "done - cancel cells"
    norun.run_to_the_end(run, "FAILED", "JobDidNotSucceed")
    assert "cancelled" in run.cause and name in run.cause
    check_returned(folder, "CANCELLED")
    assert order(norun, f"retry {name}") == f"done - retry {name}"
    fetch = norun.start(norun.generate(fc, "--fetch"), "cells", name=name, delete=True)
    job = wait_job(fc, name)
    norun.run(fetch, until=lambda: fetch.at.startswith("Wait")
              and fetch.data["progress"]["round"] > 2)
    assert not fetch.used("transfer")
    uow = fc.show(name)
    assert uow["attempt"] == 2
    norun.standin.end(job)
    norun.run_to_the_end(fetch)
    check_returned(folder, "SUCCEEDED")
    wait_purged(fc, uow["id"])


def test_a_lost_run_is_fetched(norun):
    folder = norun.folder("cells")
    run, job = start_waiting(norun, "cells")
    name = uow_name(run, "cells")
    run.cancel()
    norun.standin.end(job)
    norun.fc.wait_finished(name)
    fetch = norun.start(norun.generate(norun.fc, "--fetch"), "cells", name=name)
    norun.run_to_the_end(fetch)
    check_returned(folder, "SUCCEEDED")


# ---- what is chosen in the form ----

def spoil_nothing(_folder):
    pass


def without_scripts(folder):
    (folder / "scripts/submission_script.sh").unlink()
    (folder / "scripts").rmdir()


def with_sentinels(folder):
    (folder / "sentinels").mkdir()


@pytest.mark.parametrize("path,spoil,error", [
    ("/nowhere/", spoil_nothing, "FolderNotFound"),
    ("/cells/data/in", spoil_nothing, "NotAFolder"),
    ("/cells/", with_sentinels, "SentinelsInTheWay"),
    ("/cells", without_scripts, "NotAUnitOfWork"),
])
def test_a_wrong_choice_is_told_before_anything_moves(norun, path, spoil, error):
    spoil(norun.folder("cells", {"data/in": "42"}))
    run = norun.start(norun.generate(norun.fc), "cells", path=path)
    norun.run_to_the_end(run, "FAILED", error)
    assert len(run.cause) > 40 and "Nothing was moved" in run.cause
    assert listing(norun.fc.uploaded) == listing(norun.fc.status) == []


# ---- time ----

def test_a_week(norun):
    norun.folder("cells")
    run, job = start_waiting(norun, "cells")
    norun.standin.ctl("set", job, "RUNNING")
    norun.emulator.speed = 300_000
    norun.until(run, lambda: norun.emulator.now > run.started + 7 * DAY, "a week")
    looks, rounds = run.used("ls"), run.data["progress"]["round"]
    assert run.at.startswith("Wait") and len(looks) == rounds
    pauses = [b.started - a.started for a, b in zip(looks, looks[1:])]
    assert pauses == sorted(pauses) and pauses[-1] > 20 * pauses[0]
    assert all(action.provider == "ls" for action in run.actions[-rounds:])
    norun.emulator.speed = 2000
    norun.standin.end(job)
    norun.run_to_the_end(run)
    assert run.events < 2000
    assert norun.emulator.now - run.started < 8 * DAY


def test_slow_retried_paused_and_unreachable(norun):
    """What goes wrong at Globus's side: a transfer of days, one that meets faults, a lost consent, and a cluster that does
    not answer for a while."""
    world = norun
    world.emulator.speed = 50_000
    folder = world.folder("cells", {f"data/{i}": str(i) for i in range(20)})
    world.emulator.inject(Slow(3 * DAY), provider="transfer")
    world.emulator.inject(Unable(), provider="ls", times=3)
    run = world.start(world.generate(world.fc), "cells")
    name = uow_name(run, "cells")
    world.run(run, until=lambda: run.at == "UploadYourFolder" and
              world.emulator.now > run.started + DAY)
    # Half of it is there: it is shown as arriving, and left alone.
    wait_until(lambda: world.fc.board(name) == "arriving", lambda: world.fc.board(name))
    assert world.fc.where(name) == ["uploaded"]
    world.run(run, until=lambda: run.at.startswith("Wait"))
    world.emulator.inject(Pause(), provider="transfer")
    world.emulator.inject(Retry(faults=40, seconds=2 * DAY), provider="transfer")
    world.standin.end(wait_job(world.fc, name))
    world.emulator.speed = 2000
    world.run(run)
    assert run.status == "INACTIVE" and run.at == "BringBackEverything"
    run.resume()
    world.emulator.speed = 100_000
    world.run_to_the_end(run)
    check_returned(folder, "SUCCEEDED")


# ---- further steps ----

def test_renamed_shared_indexed_and_published(instance, standin, root_dir):
    world = make_site(instance, standin, root_dir, {"uow": {"add_timestamp": True}})
    (root_dir / "repository").mkdir()
    world.emulator.add(Collection(REPOSITORY, root_dir / "repository", name="repository"))
    flow = world.generate(world.fc, "--share", GROUP, "--index", INDEX, "--publish",
                          f"{REPOSITORY}:/", "--delete", "never")
    folder = world.folder("cells", commands="echo density > map")
    run = world.start(flow, "cells", title="Ten frames", keywords=["cryo"], description="first")
    world.run_to_the_end(run)
    check_returned(folder, "SUCCEEDED")
    name = os.fsdecode(listing(world.fc.analysed)[0])
    assert name.startswith(uow_name(run, "cells") + "-")
    assert world.fc.board(uow_name(run, "cells")) == f"done - succeeded - as {name}"
    assert (root_dir / "repository" / name / "map").read_text() == "density\n"
    permission, = world.emulator.collections[HPC].permissions
    assert permission["path"] == f"/base/AnalysedFiles/{name}/"
    entry, = world.emulator.index[INDEX].values()
    assert entry["content"]["outcome"] == "succeeded"
