# SPDX-License-Identifier: Apache-2.0
"""A stand-in for Slurm's commands: test/standin as an object. Its README says what it can do."""

import json
import os
import time

from .common import owned_folder, program, wait_until

PROGRAM = "test/standin/standin-slurm"
COMMANDS = ("sbatch", "squeue", "sacct", "scancel", "scontrol", "sinfo", "sacctmgr", "standin-ctl")
STATE_VARIABLE = "STANDIN_STATE"


class Standin:
    """Scheduler for instances: instance(backend=standin). One per test, with a state of its own."""

    name = "standin"

    def __init__(self, folder):
        self.bin = owned_folder(folder / "bin", None)
        self.state = owned_folder(folder / "state", None)
        self.knobs = {}
        self.linked = False

    def prepare(self, home):
        """Makes a home whose login shell finds these commands first."""
        if not self.linked:
            for name in COMMANDS:
                (self.bin / name).symlink_to(program(PROGRAM))
            self.linked = True
        owned_folder(self.state, home.user)
        home.prepend_path(self.bin)
        home.export(**{STATE_VARIABLE: self.state})

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
        owned_folder(self.state / "faults", None)
        # The stand-in counts down in this file and must be able to replace it.
        owner = os.stat(self.state)
        os.chown(self.state / "faults", owner.st_uid, owner.st_gid)
        self.replace(f"faults/{command}", "".join(f"{line}\n" for line in lines))

    def replace(self, name, text):
        path = self.state / name
        new = path.with_name(f".{path.name}.new")
        new.write_text(text)
        owner = os.stat(self.state)
        os.chown(new, owner.st_uid, owner.st_gid)
        new.rename(path)

    def hold_jobs(self):
        """Jobs wait from here on …"""
        self.set(partition_state="down")

    def release_jobs(self):
        """… to here."""
        self.set(partition_state=None)

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
        """The runners of its jobs end with the test's other leftovers."""
        if self.calls():
            last = self.calls()[-5:]
            print(f"--- stand-in, at {time.time():.3f}: last calls {last}")
