# SPDX-License-Identifier: Apache-2.0
"""Flows that are published already: no wait without end, no early fetch, and nothing to be changed."""

import pytest

from support.flowruns import World, check_returned, uow_name, wait_purged


@pytest.fixture(params=["standin", pytest.param("slurm", marks=pytest.mark.slurm)])
def site(request, instance, root_dir):
    """An instance, on the stand-in and on real Slurm, and the world around it."""
    fc = instance(backend=request.getfixturevalue(request.param))
    fc.start()
    world = World(root_dir)
    world.fc = fc
    return world


@pytest.mark.parametrize("delete", [False, True])
def test_success(site, sampler, delete):
    folder = site.folder("cells", {"data/in": "42\n"}, commands='cp "$1/data/in" data/out')
    run = site.start_published("cells", delete)
    name = uow_name(run, "cells")
    with sampler(site.fc, name) as seen:
        site.run_to_the_end(run)
        uow = site.fc.show(name)
        if delete:
            wait_purged(site.fc, uow["id"])
    check_returned(folder, "SUCCEEDED")
    assert (folder / "data/out").read_text() == "42\n"
    assert site.fc.where(name) == ([] if delete else ["analysed"])
    if not delete:
        seen[name].check("analysed")


def test_failure(site, sampler):
    folder = site.folder("cells", commands=["echo 'no such grid' >&2", "exit 3"])
    run = site.start_published("cells", delete=True)
    name = uow_name(run, "cells")
    with sampler(site.fc, name) as seen:
        site.run_to_the_end(run, "FAILED", "JobFailed")
    seen[name].check("failed")
    assert run.cause == f"/base/FailedJobs/{name}/"
    check_returned(folder, "exit code 3")
    assert "no such grid" in (folder / "flowcron/report.txt").read_text()


def test_rejection(site, sampler):
    folder = site.folder("cells", commands="cd $HOME")
    run = site.start_published("cells")
    name = uow_name(run, "cells")
    with sampler(site.fc, name) as seen:
        site.run_to_the_end(run, "FAILED", "JobFailed")
    seen[name].check("failed")
    check_returned(folder, "HOME")
    # The folder is ready for the next upload: no sentinels/, and the record moves to earlier/.
    (folder / "scripts/submission_script.sh").write_text("#!/bin/bash\n#SBATCH --time=5\ntrue\n")
    again = site.run_to_the_end(site.start_published("cells"))
    check_returned(folder, "SUCCEEDED")
    assert site.fc.where(uow_name(again, "cells")) == ["analysed"]
    assert len(list((folder / "flowcron/earlier").iterdir())) == 1
