# SPDX-License-Identifier: Apache-2.0
"""Runs of Globus flows against instances under test: the emulator's collections are their folders."""

import json
import pathlib

from .common import wait_until
from .flows import HPC, LAB, Collection, Emulator, flowcronctl
from .instance import merge
from .units import make_uow

from published import published_flow  # found by .flows in test/globus

HPC_NAME = "Baskerville"


def globus(base="base"):
    """The configuration of an instance whose base folder lies in the cluster's collection."""
    return {"globus": {"hpc_name": HPC_NAME, "collection_id": HPC, "collection_path": f"/{base}"}}


class World:
    """The cluster's collection is the folder that holds the instances, the lab's one beside them."""

    def __init__(self, root, speed=600):
        self.root = pathlib.Path(root)
        self.lab = self.root / "lab"
        self.lab.mkdir()
        self.emulator = Emulator(speed=speed)
        self.emulator.add(Collection(HPC, self.root, name="hpc"),
                          Collection(LAB, self.lab, name="lab"))

    def folder(self, name, files=None, **how):
        """A Unit of Work in the lab, as the researcher has it."""
        make_uow(self.lab, name, files, sentinel=False, **how)
        return self.lab / name

    def generate(self, fc, *options):
        """(definition, schema) of the flow for an instance."""
        done = flowcronctl("--config", fc.config_file, "flow", "generate", "--json", *options,
                           cwd=self.root)
        told = json.loads(done.stdout)
        return [json.loads((self.root / told[key]).read_text())
                for key in ("definition", "input_schema")]

    def start(self, flow, folder, /, path=None, **more):
        """A run for this folder of the lab. flow: (definition, schema)."""
        given = {"input": {"source": {"id": LAB, "path": f"/{folder}/" if path is None else path},
                           **more}}
        return self.emulator.start(flow[0], given, flow[1])

    def start_published(self, name, delete=False, seconds=60):
        return self.start((published_flow(HPC, "/base", seconds), None), name, delete=delete)

    def run(self, *runs, until=None, seconds=90):
        done = self.emulator.run(*runs, until=until, seconds=seconds)
        for run in runs:
            assert run.fault is None, run.story()
        return done

    def run_to_the_end(self, run, status="SUCCEEDED", error=None):
        self.run(run)
        assert (run.status, run.error) == (status, error), run.story()
        return run

    def until(self, run, condition, what, seconds=90):
        """Lets the run go on until something in the world is so."""
        self.run(run, until=condition, seconds=seconds)
        assert condition(), f"{what}\n{run.story()}"


def uow_name(run, name):
    return f"{name}_{run.run_id}"


def check_returned(folder, words):
    """A result came back whole: with its report, which holds these words, and without sentinels/."""
    report = (folder / "flowcron/report.txt").read_text()
    assert words in report, report
    assert json.loads((folder / "flowcron/record.json").read_text())["outcome"]
    assert not (folder / "sentinels").exists()


def wait_purged(fc, uow_id):
    return wait_until(lambda: fc.show(uow_id)["state"] == "purged", f"{uow_id} to be purged")


__all__ = ["HPC_NAME", "World", "check_returned", "globus", "merge", "uow_name", "wait_purged"]
