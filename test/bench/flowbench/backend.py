# SPDX-License-Identifier: Apache-2.0
"""A Slurm to measure on, its commands seen through the wrapper `stamp`."""

import os
import pathlib
import shutil
import subprocess
import time

from .common import SOURCE, program, which

COMMANDS = ("sbatch", "squeue", "sacct", "scancel", "scontrol", "sinfo", "sacctmgr")


class Call:
    """One call of a command: seconds since the epoch, seconds of processor time."""

    def __init__(self, line):
        self.name, began, ended, used, status = line.split()
        self.began, self.ended, self.cpu = int(began) / 1e9, int(ended) / 1e9, int(used) / 1e9
        self.ok = status == "0"


class Backend:
    """`folder`/wrap goes first on PATH; calls() is what went through it."""

    def __init__(self, folder, commands):
        self.folder = pathlib.Path(folder)
        self.wrap = self.folder / "wrap"
        self.wrap.mkdir(parents=True)
        for name in COMMANDS:
            shutil.copy(program("stamp"), self.wrap / name)
        (self.wrap / "TARGET").write_text(f"{commands}\n")
        self.log = self.wrap / "CALLS"
        self.env = {"PATH": f"{self.wrap}:/usr/local/bin:/usr/bin:/bin"}

    def calls(self, name=None, since=0):
        """Calls noted after the first `since` bytes of the log."""
        try:
            with open(self.log, encoding="ascii") as f:
                f.seek(since)
                found = [Call(line) for line in f]
        except FileNotFoundError:
            return []
        return [c for c in found if name in (None, c.name)]

    def mark(self):
        return self.log.stat().st_size if self.log.exists() else 0

    def next_accepted(self, since):
        """Waits for the next sbatch that ends well."""
        while True:
            if self.mark() > since:
                done = [c for c in self.calls("sbatch", since) if c.ok]
                if done:
                    return done[0]
            time.sleep(0.002)

    def accepted(self, since):
        return sum(c.ok for c in self.calls("sbatch", since))


class StandIn(Backend):
    """The stand-in: jobs are records, over after `job_ms`."""

    name = "stand-in"
    breath = 0.07

    def __init__(self, folder, job_ms=50):
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True)
        subprocess.run([program("standin-slurm"), "install", folder / "bin", folder / "state"],
                       check=True)
        (folder / "state/knobs").write_text(f"mode=norun\nautocomplete_ms={job_ms}\n")
        super().__init__(folder, folder / "bin")

    def hold(self):
        (self.folder / "state/knobs").write_text("mode=norun\n")

    def clear(self):
        subprocess.run([self.folder / "bin/standin-slurm", "set-all", "CANCELLED"], check=True,
                       stdout=subprocess.DEVNULL)

    def close(self):
        pass

    def version(self):
        return "stand-in"


class RealSlurm(Backend):
    """A private cluster with accounting on this machine."""

    name = "Slurm"
    breath = 0.2

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True)
        self.cluster = folder / "cluster"
        self.tool("up")
        super().__init__(folder, os.path.dirname(which("sbatch")))
        self.env["SLURM_CONF"] = str(self.cluster / "etc/slurm.conf")

    @staticmethod
    def possible():
        return os.geteuid() == 0 and all(map(which, ("sbatch", "slurmctld", "slurmdbd", "munged")))

    def tool(self, order):
        subprocess.run([SOURCE / "test/tools/slurm-cluster", order, self.cluster], check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def run(self, *argv):
        return subprocess.run(argv, env=dict(os.environ, **self.env), stdin=subprocess.DEVNULL,
                              check=False, stdout=subprocess.PIPE, text=True).stdout

    def hold(self):
        """Jobs are accepted and wait, so that launching them does not disturb."""
        self.run("scontrol", "update", "partitionname=debug", "state=down")

    def clear(self):
        self.run("scancel", "--user=root")
        while self.run("squeue", "-h"):
            time.sleep(0.5)

    def close(self):
        self.tool("down")

    def version(self):
        return "Slurm " + self.run("sbatch", "--version").split()[-1]
