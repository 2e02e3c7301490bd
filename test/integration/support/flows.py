# SPDX-License-Identifier: Apache-2.0
"""Flows that flowcronctl generates, run by the emulator of test/globus on local folders."""

import json
import subprocess
import sys

import yaml

from .common import SOURCE, program

sys.path.insert(0, str(SOURCE / "test/globus"))

# pylint: disable=wrong-import-position
from flowemu import Collection, Emulator  # noqa: E402

HPC = "11111111-1111-4111-8111-111111111111"
LAB = "22222222-2222-4222-8222-222222222222"
REPOSITORY = "33333333-3333-4333-8333-333333333333"
GROUP = "44444444-4444-4444-8444-444444444444"
INDEX = "55555555-5555-4555-8555-555555555555"


def flowcronctl(*args, cwd="/", env=None, code=0):
    done = subprocess.run([program("flowcronctl"), *args], cwd=cwd, env=env, capture_output=True,
                          text=True, check=False)
    assert done.returncode == code, f"{args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def make_folders(base):
    for folder in ("UploadedFiles", "AnalysedFiles", "FailedJobs", "Status"):
        (base / folder).mkdir(parents=True)


class Site:
    """A cluster's collection with an instance's folders, and a lab's with a Unit of Work."""

    def __init__(self, root, *, hpc_name="Baskerville", path="/projects/cryo", name="cells 07", check="2m"):
        self.root, self.name = root, name
        self.base = root / "hpc" / path.strip("/")
        self.lab, self.repository = root / "lab", root / "repository"
        make_folders(self.base)
        self.unit = self.lab / "me" / name
        for folder in ("data", "scripts"):
            (self.unit / folder).mkdir(parents=True)
        (self.unit / "data/movie").write_text("pixels")
        (self.unit / "scripts/submission_script.sh").write_text("#!/bin/bash\n#SBATCH -n1\n")
        (self.repository / "papers").mkdir(parents=True)
        self.config = root / "cryo.yaml"
        self.config.write_text(yaml.safe_dump({
            "base": str(self.base), "globus": {"hpc_name": hpc_name, "collection_id": HPC,
                                               "collection_path": path, "check_interval": check}},
            allow_unicode=True))

    def generate(self, *options):
        done = flowcronctl("--config", self.config, "flow", "generate", "--json", *options, cwd=self.root)
        told = json.loads(done.stdout)
        return tuple(json.loads((self.root / told[key]).read_text())
                     for key in ("definition", "input_schema"))

    def input(self, path=None, **more):
        return {"input": {"source": {"id": LAB, "path": path or f"/me/{self.name}/"}, **more}}

    def start(self, flow, given, *, inferred=False, **emulator):
        """A run, up to its first look at the status or its end."""
        world = Emulator(speed=1_000_000, inferred=inferred)
        for key, value in emulator.pop("knobs", {}).items():
            setattr(world, key, value)
        world.add(Collection(HPC, self.root / "hpc", name="hpc", **emulator),
                  Collection(LAB, self.lab, name="lab", home="/me/"),
                  Collection(REPOSITORY, self.repository, name="repository"))
        run = world.start(flow[0], given, flow[1])
        run.world = world
        return run

    def to_the_wait(self, run):
        run.world.run(run, until=lambda: (run.at or "").startswith("Wait"))
        return run

    def on_cluster(self):
        """The one upload's name."""
        names = [p.name for p in (self.base / "UploadedFiles").iterdir()]
        assert len(names) == 1, names
        return names[0]

    def say(self, name, entry):
        board = self.base / "Status" / name
        old = list(board.iterdir())
        if old:
            old[0].rename(board / entry)
        else:
            (board / entry).mkdir()

    def finish(self, entry, folder="AnalysedFiles", new_name=None):
        """What FlowCron does with a complete upload, in one step."""
        name = self.on_cluster()
        upload = self.base / "UploadedFiles" / name
        assert list((upload / "sentinels").iterdir()) == []
        (upload / "sentinels").rmdir()
        (upload / "flowcron").mkdir()
        (upload / "flowcron/report.txt").write_text("what happened")
        (upload / "result/data").mkdir(parents=True)
        (upload / "result/data/map").write_text("density")
        result = self.base / folder / (new_name or name)
        upload.rename(result)
        self.say(name, entry)
        return result
