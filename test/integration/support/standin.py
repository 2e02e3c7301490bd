# SPDX-License-Identifier: Apache-2.0
"""A stand-in for Slurm's commands: test/standin as an object. Its README says what it can do."""

import json
import os
import shutil
import subprocess
import time

from .common import as_user, current_user, owned_folder, program, wait_until


class Standin:
    """Scheduler for instances: instance(backend=standin). One per test, with a state of its own."""

    name = "standin"

    def __init__(self, folder):
        self.bin = folder / "bin"
        self.state = folder / "state"
        self.knobs = {}
        self.user = current_user()
        owned_folder(folder, None)
        self.program = program("standin/standin-slurm")
        subprocess.run([self.program, "install", self.bin, self.state], check=True)
        self.set()

    def prepare(self, home):
        """Makes a home whose login shell finds these commands first. All homes that share a
        stand-in must be one user's: the state is as private as a cluster's."""
        self.user = home.user
        for folder, _, files in os.walk(self.state):
            for path in (folder, *(os.path.join(folder, name) for name in files)):
                self.give(path)
        home.prepend_path(self.bin)

    def give(self, path):
        if self.user != current_user():
            shutil.chown(path, self.user)

    def config(self):
        return {"scheduler": {"type": "slurm"}}

    # ---- how it behaves ----

    def set(self, **knobs):
        """Knobs, as in set(mode="norun", partition_state="down"); None takes one back."""
        self.knobs.update(knobs)
        lines = [f"{name}={value}\n" for name, value in self.knobs.items() if value is not None]
        self.replace("knobs", "".join(lines))

    def fault(self, command, *lines):
        """What goes wrong from now on with `command` ("all": any), as fault("sbatch", "down n=2");
        no line at all takes all of its faults back."""
        (self.state / "faults").mkdir(exist_ok=True)
        # The stand-in counts down in this file, so it must be able to replace it.
        self.give(self.state / "faults")
        self.replace(f"faults/{command}", "".join(f"{line}\n" for line in lines))

    def replace(self, name, text):
        path = self.state / name
        new = path.with_name(f".{path.name}.new")
        new.write_text(text)
        self.give(new)
        new.rename(path)

    def ctl(self, *args):
        """The stand-in's own orders, as ctl("set", id, "NODE_FAIL"); returns what it printed."""
        argv = as_user(self.user, [self.bin / "standin-slurm", *map(str, args)])
        return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True,
                              errors="surrogateescape").stdout

    def jobs(self):
        """All records of jobs, of every life: {"id", "state", "held", "current", …}."""
        return [json.loads(line) for line in self.ctl("list").splitlines()]

    def end(self, job_id, state="COMPLETED", **details):
        """Ends a job: end(7, "FAILED", exit=3), end(7, "OUT_OF_MEMORY", rss=48000000)."""
        self.ctl("set", job_id, state, *(f"{key}={value}" for key, value in details.items()))

    def hold_jobs(self):
        """Jobs wait from here on …"""
        self.set(partition_state="down")

    def release_jobs(self):
        """… to here."""
        self.set(partition_state=None)
        self.ctl("list")  # each call also starts what may start

    # ---- what really happened ----

    def log(self, name):
        try:
            # The last line may be on its way.
            lines = (self.state / name).read_text(errors="surrogateescape").split("\n")[:-1]
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in lines]

    def calls(self, command=None):
        """Every call of a command, oldest first: {"time", "command", "argv", …}."""
        return [c for c in self.log("calls.log") if command in (None, c["command"])]

    def truth(self, event=None):
        """What happened, whatever was answered: {"time", "event", "id", "token", …}."""
        return [t for t in self.log("truth.log") if event in (None, t["event"])]

    def submissions(self, token=None):
        return [t for t in self.truth("submit") if token in (None, t["token"])]

    def starts(self, token=None):
        return [t for t in self.truth("start") if token in (None, t["token"])]

    def wait_calls(self, command, more=1):
        """Waits until the command was called so many times more."""
        before = len(self.calls(command))
        wait_until(lambda: len(self.calls(command)) >= before + more, f"{more} more {command}")

    def assert_never_twice(self):
        """No token was accepted twice, nor did any job start twice in one life."""
        tokens = [t["token"] for t in self.submissions()]
        assert len(tokens) == len(set(tokens)), f"submitted twice: {sorted(tokens)}"

    def close(self):
        self.ctl("stop")
        if self.calls():
            last = self.calls()[-5:]
            print(f"--- stand-in, at {time.time():.3f}: last calls {last}")
