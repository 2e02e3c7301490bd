# SPDX-License-Identifier: Apache-2.0
"""One FlowCron instance: folders, Units of Work, the daemon."""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

from .common import PATIENCE, cpu, memory, program

SCRIPT = """#!/bin/bash
#SBATCH --job-name=bench
#SBATCH --ntasks=1
#SBATCH --time=00:05:00
wc -c data/input.txt
"""


def make_uow(folder, complete=True):
    """A small Unit of Work, uploaded but for its sentinels/ unless `complete`."""
    for sub in ("data", "scripts"):
        os.makedirs(f"{folder}/{sub}")
    pathlib.Path(f"{folder}/data/input.txt").write_text("some data\n")
    pathlib.Path(f"{folder}/scripts/submission_script.sh").write_text(SCRIPT)
    if complete:
        os.mkdir(f"{folder}/sentinels")


def sbatch_argv(folder):
    """What a person would type for it."""
    return ["sbatch", "--parsable", f"--chdir={folder}", f"--output={folder}/slurm-%j.out",
            f"--error={folder}/slurm-%j.err", f"{folder}/scripts/submission_script.sh", folder]


class Instance:
    """Base folder, configuration and daemon in `folder`."""

    def __init__(self, folder, backend=None, poll="30s"):
        self.folder = pathlib.Path(folder)
        self.base = self.folder / "base"
        self.uploaded = self.base / "UploadedFiles"
        self.analysed = self.base / "AnalysedFiles"
        self.backend = backend
        self.process = None
        self.ready_after = None
        home = self.folder / "home"
        for path in (home, self.uploaded, self.analysed, self.base / ".flowcron"):
            path.mkdir(parents=True)
        exports = backend.env if backend else {"PATH": "/usr/bin:/bin"}
        (home / ".bash_profile").write_text(
            "".join(f"export {key}='{value}'\n" for key, value in exports.items()))
        kind = "slurm" if backend else "local"
        (self.folder / "bench.yaml").write_text(
            f"base: {self.base}\nscheduler: {{type: {kind}, poll_interval: {poll}}}\n")
        self.env = dict(os.environ, HOME=str(home), FLOWCRON_SOCKET=str(self.folder / "s"),
                        NOTIFY_SOCKET=str(self.folder / "n"))

    def start(self):
        """Starts the daemon and waits for READY=1; self.ready_after: seconds from its exec."""
        (self.folder / "n").unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(str(self.folder / "n"))
            began = time.monotonic()
            with open(self.folder / "daemon.log", "ab") as log:
                # pylint: disable-next=consider-using-with
                self.process = subprocess.Popen(
                    [program("flowcrond"), "--config", self.folder / "bench.yaml"], cwd="/",
                    env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            self.await_ready(notify)
            self.ready_after = time.monotonic() - began
        return self

    def await_ready(self, notify):
        notify.settimeout(1)
        while True:
            try:
                if b"READY=1" in notify.recv(65536):
                    return
            except socket.timeout:
                if self.process.poll() is not None:
                    sys.exit(f"flowcrond ended with {self.process.returncode}:\n"
                             + (self.folder / "daemon.log").read_text(errors="replace")[-2000:])

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(PATIENCE)

    def cpu(self):
        return cpu(self.pid)

    def memory(self):
        return memory(self.pid)
