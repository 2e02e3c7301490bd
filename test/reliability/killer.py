# SPDX-License-Identifier: Apache-2.0
"""kill -9 at any instant: of the daemon, of its workers, of its sbatch."""

import collections
import os
import pathlib
import signal
import subprocess
import time

from support.common import program

# A life is as long as this at the most, mostly shorter: much happens in its first moments.
LIFE_MAX = 0.5
LIFE_MIN = 0.002
# Who is to die, of 20; if there is none, the daemon.
VICTIMS = ["daemon"] * 12 + ["worker"] * 4 + ["sbatch"] * 4


def children(pid):
    """pid → program's name."""
    found = {}
    for path in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            for child in path.read_text().split():
                found[int(child)] = pathlib.Path(f"/proc/{child}/comm").read_text().strip()
        except OSError:
            pass
    return found


class Daemon:
    """flowcrond, and its violent ends."""

    def __init__(self, world):
        self.world = world
        self.process = None
        self.lives = 0
        self.kills = collections.Counter()

    def start(self):
        self.lives += 1
        with open(self.world.dir / "stderr", "ab") as err:
            # pylint: disable-next=consider-using-with
            self.process = subprocess.Popen(
                [str(program("flowcrond")), "--config", str(self.world.config_file)], cwd="/",
                stdin=subprocess.DEVNULL, stdout=err, stderr=err, start_new_session=True,
                env={**self.world.home.env(), **self.world.env})

    def ensure(self):
        """Alive. One that ended by itself is a finding."""
        if self.process is None:
            self.start()
        code = self.process.poll()
        assert code is None, f"flowcrond ended with {code}\n{self.world.said()}"

    def kill_one(self, rng):
        self.ensure()
        # Evenly in the logarithm, so that starts are hit as often as the rest.
        patience = LIFE_MIN * (LIFE_MAX / LIFE_MIN) ** rng.random()
        victim = rng.choice(VICTIMS)
        if victim == "daemon":
            time.sleep(patience)
            self.kill_daemon()
            return
        pid = self.wait_for(victim, LIFE_MAX, rng)
        time.sleep(patience / 50)
        if pid:
            self.kill(victim, pid)
        else:
            self.kill_daemon()

    def wait_for(self, victim, patience, rng):
        name, end = {"worker": "flowcrond", "sbatch": "sbatch"}[victim], time.monotonic() + patience
        while time.monotonic() < end:
            pids = [pid for pid, comm in children(self.process.pid).items() if comm == name]
            if pids:
                return rng.choice(pids)
            time.sleep(0.001)
        return None

    def kill_daemon(self):
        self.kill("daemon", self.process.pid)
        self.process.wait()
        self.process = None

    def kill(self, victim, pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self.kills[victim] += 1
        self.world.note(f"kill {victim} {pid} of life {self.lives}")

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)
            self.process = None
