# SPDX-License-Identifier: Apache-2.0
"""Two login nodes want the same base folder: one dies, one is cut off, one freezes at any point and
wakes up when another has taken over."""

import collections
import concurrent.futures
import os

import pytest

from campaign import SIDE_BY_SIDE
from nodes import Cluster
from support.common import is_root, wait_until
from world import Crash

pytestmark = pytest.mark.skipif(not is_root(), reason="namespaces need root")

HELD_EXIT = 3
SERVES = "serves instance"
TAKING = "taking over if it gives no sign of life"


@pytest.fixture
def cluster():
    made = []

    def make(*args, **kwargs):
        made.append(Cluster(*args, **kwargs))
        return made[-1]

    yield make
    for one in made:
        one.close()


def tokens(world):
    return collections.Counter(s["token"] for s in world.standin.submissions())


def wait_submitted(world, n=1):
    wait_until(lambda: len(world.standin.submissions()) >= n, world.said)


def config_of(submit):
    return {"scheduler": {"submit": submit}}


def alive(world):
    return [job for job in world.standin.jobs() if job["state"] in ("PENDING", "RUNNING")]


def end_jobs(world):
    """All jobs that may run are over; held and cancelled ones are not touched."""
    for job in alive(world):
        if not job["held"]:
            world.standin.end(job["id"])


def wait_result(world, name="uow"):
    def done():
        end_jobs(world)
        return world.has(f"AnalysedFiles/{name}")
    wait_until(done, lambda: "\n".join(n.said() for n in world.nodes))


def test_a_dead_owner_is_succeeded_after_its_term(cluster):
    world = cluster()
    first = world.node("login1").start()
    first.wait_said(SERVES)
    world.upload("uow")
    wait_submitted(world)
    second = world.node("login2").start()
    second.wait_said(TAKING)
    # As long as the first lives it keeps the folder: many renewals later it still does its work.
    world.upload("another")
    wait_submitted(world, 2)
    end_jobs(world)
    wait_until(lambda: world.has("AnalysedFiles/uow"), first.said)
    assert SERVES not in second.said()
    world.upload("third")
    wait_submitted(world, 3)
    first.die()
    second.wait_said(SERVES)
    wait_result(world, "third")
    assert set(tokens(world).values()) == {1} and len(tokens(world)) == 3


def test_an_owner_cut_off_notices_before_its_next_act(cluster):
    """It is frozen while idle, loses the folder, and is woken with work before its eyes."""
    world = cluster()
    first = world.node("login1").start()
    first.wait_said(SERVES)
    first.freeze()
    second = world.node("login2").start()
    second.wait_said(SERVES)
    second.freeze()
    world.upload("uow")
    first.wake()
    assert first.wait_exit() == HELD_EXIT
    assert "Another owner has taken over" in first.said()
    assert world.has("UploadedFiles/uow") and not world.standin.calls("sbatch")
    assert os.listdir(world.base / "UploadedFiles/uow/sentinels") == []
    second.wake()
    wait_submitted(world)
    wait_result(world)
    assert list(tokens(world).values()) == [1]


def test_a_reboot_under_another_boot_id(cluster):
    world = cluster()
    node = world.node("login1").start()
    node.wait_said(SERVES)
    world.upload("uow")
    wait_submitted(world)
    node.die()
    node.boot()
    node.stderr.write_text("")
    node.start()
    node.wait_said(SERVES)
    wait_result(world)
    assert list(tokens(world).values()) == [1]


def test_passes_on_two_nodes(cluster):
    """--once on each of them in turn, none of which lives long enough to see a term end."""
    world = cluster()
    first, second = world.node("login1"), world.node("login2")
    world.upload("uow")
    first.start(None, "--once")
    assert first.wait_exit() == 0
    wait_submitted(world)
    end_jobs(world)

    def one_pass():
        second.start(None, "--once")
        assert second.wait_exit() == 0
        return world.has("AnalysedFiles/uow")

    wait_until(one_pass, second.said)
    # And an owner that died in mid-pass, so that its lease was not given back.
    world.upload("late")
    first.start(Crash("order-before-start"), "--once")
    first.wait_exit()

    def other_pass():
        one_pass()
        end_jobs(world)
        return world.has("AnalysedFiles/late")

    wait_until(other_pass, second.said)
    assert sorted(tokens(world).values()) == [1, 1]


@pytest.mark.parametrize("how", ["kill", "hang"])
def test_a_request_that_is_still_on_its_way(cluster, how):
    """The owner is gone and so is its sbatch, whose request arrives when the next owner has looked
    already: that job is adopted."""
    world = cluster({"scheduler": {"command_timeout": "5s"}})
    world.standin.fault("sbatch", f"late ms=9000 how={how} n=1")
    first = world.node("login1").start()
    first.wait_said(SERVES)
    second = world.node("login2").start()
    second.wait_said(TAKING)
    world.upload("uow")
    wait_until(lambda: world.standin.calls("sbatch"), first.said)
    first.freeze()
    second.wait_said(SERVES)
    second.wait_said("found again")
    wait_result(world)
    assert list(tokens(world).values()) == [1]
    assert len(world.standin.calls("sbatch")) == 1


@pytest.mark.parametrize("submit", ["direct", "held"])
def test_a_request_later_than_any_should_be(cluster, submit):
    """It arrives when the next owner has waited long enough and submitted: a second job, which is
    cancelled; if held, it never could run."""
    world = cluster(config_of(submit))
    world.standin.fault("sbatch", "late ms=20000 how=kill n=1")
    first = world.node("login1").start()
    first.wait_said(SERVES)
    world.upload("uow")
    wait_until(lambda: world.standin.calls("sbatch"), first.said)
    first.freeze()
    second = world.node("login2").start()
    wait_submitted(world, 2)
    wait_until(lambda: len(alive(world)) == 1, second.said)
    wait_result(world)
    jobs = sorted(world.standin.jobs(), key=lambda job: job["id"])
    assert [job["state"] for job in jobs] == ["COMPLETED", "CANCELLED"]
    if submit == "held":
        assert [t["id"] for t in world.standin.truth("release")] == [jobs[0]["id"]]


# ---- frozen at every point, and woken ----

def upload(world):
    world.upload("uow", {"data/input": "1\n", "scripts/submission_script.sh":
                         "#!/bin/bash\r\n#SBATCH --time=5\r\ntrue\r\n"}, sentinel=False)
    top = world.base / "UploadedFiles/uow"
    os.symlink("nowhere", top / "data/broken")
    os.symlink(f"{top}/data/input", top / "data/absolute")
    os.mkdir(top / "sentinels")


def points_of(submit):
    """What a daemon passes on the way of one Unit of Work."""
    world = Cluster(config_of(submit))
    try:
        world.node("login1").start().wait_said(SERVES)
        upload(world)
        wait_result(world)
        return sorted(world.passed())
    finally:
        world.close()


def freeze_at(point, submit, late):
    """What went wrong when the owner froze there, another took over, and it woke, or None; and how
    all jobs ended. late: when the result was filed already; else while the new owner is at work on it."""
    world = Cluster(config_of(submit))
    first, second = world.node("login1"), world.node("login2")
    try:
        first.start(Crash(point, 1, "freeze"))
        upload(world)

        def frozen():
            end_jobs(world)
            return world.died()

        wait_until(frozen, first.said)
        second.start()
        second.wait_said(SERVES)
        if late:
            wait_result(world)
        else:
            wait_until(lambda: alive(world) or world.where("uow")[-1] == "AnalysedFiles",
                       second.said)
        first.wake()
        # One that had not become the owner yet waits for its turn.
        wait_until(lambda: first.process.poll() == HELD_EXIT or TAKING in first.said(),
                   lambda: f"the woken owner to stop: {first.process.poll()}")
        wait_until(lambda: len(alive(world)) <= 1, lambda: f"one job to be left: {alive(world)}")
        wait_result(world)
        return None, put_right(world, submit)
    except AssertionError as error:
        said = f"{first.said()}\n---\n{second.said()}"
        return f"{point}, {submit}, {late=}: {error}\n{said}", None
    finally:
        world.close()


def put_right(world, submit):
    """At most one job more than there should be, which is cancelled; held, it never could run."""
    jobs = world.standin.jobs
    wait_until(lambda: all(job["state"] in ("COMPLETED", "CANCELLED") for job in jobs()),
               lambda: f"all jobs to be over: {jobs()}")
    states = sorted(job["state"] for job in jobs())
    assert states in (["COMPLETED"], ["CANCELLED", "COMPLETED"]), states
    if submit == "held":
        assert len(world.standin.truth("release")) == 1, world.standin.truth("release")
    wait_until(lambda: world.where("uow") == ["AnalysedFiles"], lambda: world.where("uow"))
    top = world.base / "AnalysedFiles/uow"
    assert sorted(os.listdir(top)) == ["data", "flowcron", "scripts"], os.listdir(top)
    assert sorted(os.listdir(top / "data")) == ["absolute", "input"]
    assert os.readlink(top / "data/absolute") == "input"
    assert (top / "data/input").read_text() == "1\n"

    def events():
        return [event["event"] for event in world.history("uow")]

    wait_until(lambda: events()[-1] == "finished", events)
    assert events().count("finished") == 1, events()
    return states


@pytest.mark.timeout(600)
@pytest.mark.parametrize("submit", ["direct", "held"])
def test_an_owner_that_froze_anywhere_does_little_on_waking(submit):
    cases = [(point, submit, late) for point in points_of(submit) for late in (False, True)]
    with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        results = list(pool.map(lambda case: freeze_at(*case), cases))
    wrong = [text for text, _ in results if text]
    assert not wrong, f"{len(wrong)} of {len(cases)}\n" + "\n\n".join(wrong[:4])
    second = sum("CANCELLED" in states for _, states in results)
    print(f"{submit}: {len(cases)} times frozen, {second} second jobs, all cancelled")
