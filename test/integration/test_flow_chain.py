# SPDX-License-Identifier: Apache-2.0
"""A chain of two instances, each with its own script and resources: one flow to start, and the result of the last comes back."""

import pytest

from support.common import wait_until
from support.flowruns import World, check_returned, globus, merge, uow_name
from support.units import script


class Chain(World):
    """Two instances side by side, `first` and `second`, and the flow that begins with the first."""

    def __init__(self, root, instance, backend):
        super().__init__(root)
        config = {"uow": {"script": "second.sh"}, "scheduler": {"extra_args": ["--nice=20"]}}
        self.second = instance("second", backend=backend, base="base2",
                               config=merge(globus("base2"), config)).start()
        config = {"uow": {"script": "first.sh"}, "scheduler": {"extra_args": ["--nice=10"]},
                  "chain": {"to": str(self.second.uploaded)}}
        self.first = instance("first", backend=backend, home=self.second.home,
                              config=merge(globus(), config)).start()
        self.flow = self.generate(self.first, "--then", str(self.second.config_file),
                                  "--longest", "4m")

    def upload(self, name, first, second):
        return self.folder(name, {"scripts/first.sh": script(*first),
                                  "scripts/second.sh": script(*second)}, commands=None)


@pytest.fixture
def chain(instance, standin, root_dir):
    return Chain(root_dir, instance, standin)


def args_of(fc, name):
    return fc.record(name)["attempts"][0]["args"]


@pytest.mark.parametrize("backend", ["standin", pytest.param("slurm", marks=pytest.mark.slurm)])
def test_the_result_of_the_last_comes_back(instance, root_dir, request, backend):
    chain = Chain(root_dir, instance, request.getfixturevalue(backend))
    folder = chain.upload("cells", ["echo one >> data/stages"], ["echo two >> data/stages"])
    run = chain.start(chain.flow, "cells", delete=False)
    name = uow_name(run, "cells")
    chain.run_to_the_end(run)
    check_returned(folder, "SUCCEEDED")
    assert (folder / "data/stages").read_text() == "one\ntwo\n"
    assert (folder / "flowcron/earlier").is_dir()  # what the first made of it
    assert chain.first.where(name) == [] and chain.second.where(name) == ["analysed"]
    assert chain.first.board(name) == "gone - moved on to the next instance"
    assert chain.second.board(name) == "done - succeeded"
    args = args_of(chain.second, name)
    assert "--nice=20" in args and args[-2].endswith("second.sh")
    chain.second.ctl("purge", name, "--yes")
    wait_until(lambda: not (chain.second.status / name).exists(), "the board to go")


def test_a_failure_on_the_way(chain):
    early = chain.upload("early", ["exit 5"], ["true"])
    late = chain.upload("late", ["echo one > data/stages"], ["exit 6"])
    runs = [chain.start(chain.flow, name, delete=True) for name in ("early", "late")]
    chain.run(*runs)
    for run, folder, code in ((runs[0], early, 5), (runs[1], late, 6)):
        assert (run.status, run.error) == ("FAILED", "JobDidNotSucceed"), run.story()
        assert f"failed - exit code {code}" in run.cause
        check_returned(folder, f"exit code {code}")
    assert chain.first.where(uow_name(runs[0], "early")) == ["failed"]
    assert chain.second.where(uow_name(runs[1], "late")) == ["failed"]
    assert (late / "data/stages").read_text() == "one\n"
    assert not (early / "data/stages").exists()


def test_a_name_that_is_taken_there(chain):
    """The second instance has kept a result of this name: the flow follows the new one."""
    folder = chain.upload("cells", ["echo one > data/stages"], ["echo two >> data/stages"])
    run = chain.start(chain.flow, "cells")
    name = uow_name(run, "cells")
    kept = chain.upload(name, ["true"], ["true"])
    kept.rename(chain.second.uploaded / name)
    chain.second.complete(name)
    chain.second.wait_finished(name)
    chain.run_to_the_end(run)
    check_returned(folder, "SUCCEEDED")
    assert (folder / "data/stages").read_text() == "one\ntwo\n"
