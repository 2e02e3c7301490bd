# SPDX-License-Identifier: Apache-2.0
"""Real Slurm for the tests: test/tools/slurm-cluster as an object."""

import os
import re
import subprocess
import time

from .common import TOOLS, wait_until


class Slurm:
    """Scheduler for instances: instance(backend=slurm). Made once a session."""

    name = "slurm"

    def __init__(self, folder):
        self.dir = folder

    def tool(self, command, *args):
        done = subprocess.run([TOOLS / "slurm-cluster", command, self.dir, *args], check=False,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def prepare(self, home):
        """Makes a home whose login shell finds this cluster."""
        home.export(SLURM_CONF=self.dir / "etc/slurm.conf")

    def config(self):
        return {"scheduler": {"type": "slurm"}}

    def up(self):
        self.tool("up")

    def down(self):
        self.tool("down")

    def stop_controller(self):
        self.tool("stop-ctld")

    def start_controller(self):
        self.tool("start-ctld")

    def stop_accounting(self):
        self.tool("stop-dbd")

    def start_accounting(self):
        self.tool("start-dbd")

    def wait_ready(self):
        self.tool("wait-ready")

    def run(self, *argv, check=True):
        """A Slurm command as root; returns what it printed."""
        env = dict(os.environ, SLURM_CONF=str(self.dir / "etc/slurm.conf"))
        done = subprocess.run([str(a) for a in argv], env=env, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, f"{argv}: {done.stderr}"
        return done.stdout

    def hold_jobs(self):
        """Jobs wait from here on …"""
        self.run("scontrol", "update", "partitionname=debug", "state=down")

    def release_jobs(self):
        """… to here."""
        self.run("scontrol", "update", "partitionname=debug", "state=up")

    def expire(self, job_id):
        """Makes the time limit of a running job be reached now. The controller looks every 30 s,
        and limits count in minutes, so waiting for a real one takes up to a minute more."""
        # A second later, as a time that has passed when the order arrives is refused.
        self.run("scontrol", "update", f"jobid={job_id}", "endtime=now+2seconds")

    def jobs(self, *states):
        """Ids in the queue, all or those in these states."""
        only = ["-t", ",".join(states)] if states else []
        return self.run("squeue", "-h", "-o", "%A", *only).split()

    def job_count(self, token, since=None):
        """How many jobs accounting knows whose submit line holds this: at most 1 a token."""
        since = since or time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(time.time() - 3600))
        out = self.run("sacct", "-a", "-X", "-P", "-n", "-D", "-S", since, "-o",
                       "JobID,SubmitLine")
        # Tasks of an array and parts of a heterogeneous job came with one submission.
        return len({re.match("[0-9]+", line)[0] for line in out.splitlines()
                    if token in line and line[0].isdigit()})

    def clear(self):
        """Between tests: everything up, no jobs left. Cheap when it is so already."""
        self.start_accounting()
        self.start_controller()
        self.wait_ready()
        self.release_jobs()
        if self.jobs():
            self.run("scancel", "--signal=KILL", "--full", *self.jobs(), check=False)
            self.run("scancel", *self.jobs(), check=False)
            wait_until(lambda: not self.jobs(), "the queue to be empty")
