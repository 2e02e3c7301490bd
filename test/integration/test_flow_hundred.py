# SPDX-License-Identifier: Apache-2.0
"""A hundred runs at once, and `kill -9` of the daemon now and then: every run has the right end."""

import pytest

from support.common import wait_until
from support.flowruns import World, check_returned, globus, uow_name
from support.instance import listing
from support.slurmjobs import token_of

RUNS = 100
KILLS = 6


def kind_of(i):
    return "rejected" if i % 10 == 3 else "failed" if i % 5 == 1 else "succeeded"


COMMANDS = {"succeeded": 'cp "$1/data/in" data/out', "failed": "exit 7", "rejected": "cd $HOME"}


class Killer:
    """Kills the daemon where it has work in hand, each time some more results were filed."""

    def __init__(self, fc):
        self.fc, self.kills = fc, 0

    def __call__(self):
        """For World.run(until=…): never the end."""
        filed = len(listing(self.fc.analysed)) + len(listing(self.fc.failed))
        if self.kills < KILLS and filed >= self.kills * RUNS // 8 and listing(self.fc.work):
            self.kills += 1
            self.fc.kill()
            self.fc.start()
        return False


def check_submissions_standin(standin, _fc, expected):
    standin.assert_never_twice()
    assert len(standin.starts()) == expected


def check_submissions_slurm(slurm, fc, expected):
    submitted = [uow for uow in fc.list() if uow["outcome"] != "rejected"]
    assert len(submitted) == expected
    for uow in submitted:
        # Accounting hears late of how a job was submitted, even after its end.
        wait_until(lambda u=uow: slurm.job_count(token_of(u)), "accounting to know it")
        assert slurm.job_count(token_of(uow)) == 1, uow


@pytest.mark.parametrize("site, check_submissions", [
    ("standin", check_submissions_standin),
    pytest.param("slurm", check_submissions_slurm, marks=pytest.mark.slurm),
], ids=["standin", "slurm"])
def test_a_hundred_runs(request, instance, root_dir, site, check_submissions):
    backend = request.getfixturevalue(site)
    fc = instance(backend=backend, config=globus()).start()
    world = World(root_dir, speed=60)
    generated = world.generate(fc, "--first", "30s", "--factor", "1.1", "--longest", "2m")
    runs = {}
    for i in range(RUNS):
        name = f"u{i}"
        world.folder(name, {"data/in": f"{i}\n"}, commands=COMMANDS[kind_of(i)])
        runs[i] = world.start_published(name, seconds=30) if i % 2 \
            else world.start(generated, name)
    killer = Killer(fc)
    world.run(*runs.values(), until=killer, seconds=200)
    assert killer.kills == KILLS

    words = {"succeeded": "SUCCEEDED", "failed": "exit code 7", "rejected": "HOME"}
    for i, run in runs.items():
        kind = kind_of(i)
        assert run.status == ("SUCCEEDED" if kind == "succeeded" else "FAILED"), run.story()
        assert run.error == (None if kind == "succeeded" else "JobFailed" if i % 2
                             else "JobDidNotSucceed"), run.story()
        check_returned(world.lab / f"u{i}", words[kind])
        if kind == "succeeded":
            assert (world.lab / f"u{i}/data/out").read_text() == f"{i}\n"
        name = uow_name(run, f"u{i}")
        assert fc.where(name) == ["analysed" if kind == "succeeded" else "failed"]
        board = fc.board(name)
        assert (board is None) == bool(i % 2) and (i % 2 or board.startswith(f"done - {kind}"))
    check_submissions(backend, fc, sum(kind_of(i) != "rejected" for i in runs))
    wait_until(lambda: not listing(fc.work) and not listing(fc.uploaded), "nothing to be left")
