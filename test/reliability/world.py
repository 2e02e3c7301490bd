# SPDX-License-Identifier: Apache-2.0
"""A world to die in: one instance, one stand-in for Slurm, and `flowcrond --once`, pass by pass.

What is compared afterwards is not what FlowCron says: it is the stand-in's own log of submissions
and starts, and what lies in the folders.
"""

import collections
import datetime
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

import yaml

from support.common import program
from support.home import Home
from support.instance import merge
from support.leftovers import end_leftovers
from support.standin import Standin
from support.units import make_uow

# In memory where there is such a place: fsync is what costs time elsewhere, and is judged elsewhere.
PLACE = "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir()

CONFIG = {
    "scheduler": {"type": "slurm", "poll_interval": "1s", "command_timeout": "1s"},
    "watch": {"rescan_interval": "1s"},
}
# Where a Unit of Work may be; it is under way in the first two.
FOLDERS = ("UploadedFiles", "CodeToRun/slurm", "AnalysedFiles", "FailedJobs",
           "SoftDelete/AnalysedFiles", "SoftDelete/FailedJobs")
KILLED = -signal.SIGKILL
UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
PATIENCE = 180


class Crash:
    """One death: at the n-th pass of a point, or, n=None, at the next; of the whole group of
    processes, unless how="kill", which is that process alone."""

    def __init__(self, point, n=None, how="all"):
        self.point = point
        self.n = n
        self.how = how

    def prepare(self, world):
        """Before anything happens there."""

    def env(self, world):
        n = self.n or (sum(world.passed().values()) if self.point == "*"
                       else world.passed()[self.point]) + 1
        return {"FLOWCRON_CRASH_AT": f"{self.point}:{n}", "FLOWCRON_CRASH_HOW": self.how}

    def after(self, world):
        """What else happens at that instant."""

    def __repr__(self):
        return f"{self.point}:{self.n or 'next'}"


class Ratchet(Crash):
    """A death that comes later each time: at the first point of one life, the second of the next …"""

    def __init__(self):
        super().__init__("*")
        self.deaths = 0

    def env(self, world):
        n = sum(world.passed().values()) + self.deaths + 1
        return {"FLOWCRON_CRASH_AT": f"*:{n}", "FLOWCRON_CRASH_HOW": "all"}

    def __repr__(self):
        return f"ratchet({self.deaths})"


class World:
    def __init__(self, config=None, env=None, slurm=None):
        """slurm: a real one (support/cluster.py); without it a stand-in is made."""
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="fcw-", dir=PLACE))
        self.dir.chmod(0o755)
        self.base = self.dir / "base"
        self.base.mkdir(mode=0o2775)
        self.home = Home(self.dir)
        self.standin = None if slurm else Standin(self.dir / "standin")
        (slurm or self.standin).prepare(self.home)
        self.config_file = self.dir / "test.yaml"
        # An owner of whom nothing is known is waited for as long; that is a minute and a half in earnest.
        self.env = {"FLOWCRON_LEASE_TERM": "300000", **(env or {})}
        self.points = self.dir / "points"
        self.lives = 0
        self.configure(config)
        for name in ("UploadedFiles", "Logs"):
            (self.base / name).mkdir()

    def configure(self, config=None):
        self.config = merge(merge(CONFIG, {"base": str(self.base)}), config)
        self.config_file.write_text(yaml.safe_dump(self.config))

    def note(self, text):
        """Into the diary, where there is one."""

    def close(self):
        if self.standin:
            self.standin.ctl("stop")
        end_leftovers(self.dir)
        shutil.rmtree(self.dir, ignore_errors=True)

    # ---- acts ----

    def run(self, argv, crash=None, **env):
        """A process with a group of its own; its exit code, negative for a signal."""
        env = {**self.home.env(), "FLOWCRON_CRASH_LOG": str(self.points), **self.env, **env,
               **(crash.env(self) if crash else {})}
        with open(self.dir / "stderr", "ab") as err:
            return subprocess.run([str(a) for a in argv], cwd="/", env=env, check=False,
                                  stdin=subprocess.DEVNULL, stdout=err, stderr=err, timeout=120,
                                  start_new_session=True).returncode

    def flowcrond(self, crash=None):
        self.lives += 1
        return self.run([program("flowcrond"), "--config", self.config_file, "--once"], crash)

    def order(self, order, name, crash=None):
        """Leaves an order on disk, as a person does where no daemon answers."""
        sure = [] if order in ("restore", "cancel") else ["--yes"]
        argv = [program("flowcronctl"), "--config", self.config_file, order, *sure, "--", name]
        code = self.run(argv, crash)
        # Who was not told that it was taken down gives it again, unless it can be seen to be there.
        if code == KILLED and not self.requests():
            code = self.run(argv)
        assert code in (0, KILLED), f"{order} {name}: {code}\n{self.said()}"
        return code

    def requests(self):
        folder = self.base / ".flowcron/requests"
        return list(folder.glob("*.json")) if folder.exists() else []

    def upload(self, name, files=None, **how):
        make_uow(self.base / "UploadedFiles", name, files, **how)

    # ---- what is there ----

    def noted(self):
        return self.points.read_text().split() if self.points.exists() else []

    def passed(self):
        """How often each point was passed until now."""
        return collections.Counter(line for line in self.noted() if line[0] != "!")

    def died(self):
        """The points at which something died, in order."""
        return [line[1:] for line in self.noted() if line[0] == "!"]

    def has(self, path):
        return os.path.lexists(self.base / path)

    def where(self, name):
        return [folder for folder in FOLDERS if self.has(f"{folder}/{name}")]

    def said(self):
        path = self.dir / "stderr"
        return path.read_text(errors="replace")[-6000:] if path.exists() else ""

    def history(self, name):
        argv = [program("flowcronctl"), "--config", self.config_file, "--json", "history", "--",
                name]
        done = subprocess.run([str(a) for a in argv], cwd="/", env=self.home.env(), check=False,
                              capture_output=True, timeout=120)
        return json.loads(done.stdout) if done.returncode == 0 else []

    def tree(self, **roots):
        """All files but FlowCron's own state, its log and hidden things on their way:
        path → content. Ids are the same in all worlds here; what FlowCron writes about a run, with
        times in it, is only named."""
        found = {}
        for label, root in {"base": self.base, **roots}.items():
            for folder, folders, files in os.walk(os.fsencode(root)):
                inside = os.path.relpath(folder, os.fsencode(root))
                if inside.split(b"/")[0] in (b".flowcron", b"Logs"):
                    continue
                for name in folders + files:
                    path = os.path.join(folder, name)
                    key = UUID.sub(b"ID", os.path.normpath(os.path.join(inside, name)))
                    found[label + ":" + key.decode(errors="replace")] = describe(path)
        return found


def describe(path):
    if os.path.islink(path):
        return "link to " + os.readlink(path).decode(errors="replace")
    if os.path.isdir(path):
        return f"folder {os.stat(path).st_mode & 0o7070:o}"
    if os.path.basename(path) in (b"record.json", b"report.txt"):
        return "written" if os.path.getsize(path) else "empty"
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()[:16]


def today_minus(days):
    return (datetime.date.today() - datetime.timedelta(days=days)).isoformat()


def until(condition, act, what):
    """Acts until it is so, ever more rarely: what takes time takes it by design."""
    pause, end = 0.02, time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"in vain: {what()}"
        time.sleep(pause)
        pause = min(0.5, pause * 1.5)
        act()
