# SPDX-License-Identifier: Apache-2.0
"""A kept state folder, put into a base folder of its own and looked at.

    VERSION/CASE/flowcron/       what is in .flowcron; config.yaml names no base folder
    VERSION/CASE/expected.json   what it is, and what comes of it
"""

import contextlib
import json
import pathlib
import shutil
import tempfile

import yaml

from support.home import Home
from support.instance import Instance
from support.standin import Standin

HERE = pathlib.Path(__file__).resolve().parent

# What is the same whenever, wherever and by whom it is read.
KEPT = ("id", "name", "arrived_as", "state", "phase", "outcome", "cause", "reason", "attempt", "job_id", "job_ids",
        "script", "moved_to", "cancelling", "quarantined")

PASSES = 6


def cases():
    return sorted(path.parent for path in HERE.glob("*/*/expected.json"))


def facts(uow):
    return {key: uow[key] for key in KEPT if key in uow}


class Place:
    """A base folder with that state, and a cluster that knows none of its jobs."""

    def __init__(self, root, state):
        self.standin = Standin(root / "standin")
        home = Home(root)
        self.standin.prepare(home)
        self.fc = Instance(root, home=home)
        shutil.copytree(state, self.fc.state, symlinks=True)
        text = (state / "config.yaml").read_text()
        self.fc.defaults = {"scheduler": {"type": "slurm"}}
        self.fc.configure(yaml.safe_load(text))
        (self.fc.state / "config.yaml").write_text(f"# instance: {self.fc.name}\n{self.fc.config_file.read_text()}")
        self.fc.make_folders()

    def read(self):
        """What a reader without a daemon says: exit code, the Units of Work by id, words."""
        answer = self.fc.ctl("--base", self.fc.base, "list", "--all", config=False)
        found = answer.data if isinstance(answer.data, list) else []
        return {"exit": answer.code, "uows": sorted(map(facts, found), key=lambda uow: uow["id"]),
                "words": answer.out + answer.err if answer.code else ""}

    def start(self):
        """One pass of flowcrond: exit code and words."""
        self.fc.stderr_file.write_text("")
        code = self.fc.once()
        return {"exit": code, "words": self.fc.stderr_text()}

    def come_to_rest(self, wanted=None):
        """Passes, as cron has them, until the Units of Work are as wanted (or two more): a pass need not see all answers."""
        for _ in range(PASSES if wanted else 2):
            found = self.read()["uows"]
            if found == wanted:
                break
            self.start()
        return self.read()["uows"]

    def events(self):
        """Names and bytes of what lies in events/, links and folders included."""
        folder = self.fc.state / "events"
        return {str(path.relative_to(folder)): path.readlink() if path.is_symlink() else path.read_bytes()
                for path in sorted(folder.rglob("*")) if path.is_symlink() or path.is_file()}


@contextlib.contextmanager
def placed(state):
    root = pathlib.Path(tempfile.mkdtemp(prefix="fct-"))
    root.chmod(0o755)
    place = Place(root, state)
    try:
        yield place
    finally:
        try:
            place.standin.close()
            place.fc.close()
        finally:
            shutil.rmtree(root, ignore_errors=True)


def expected(case):
    return json.loads((case / "expected.json").read_text())
