# SPDX-License-Identifier: Apache-2.0
"""FlowCron as people run it: installed into the home folder, started by `systemctl --user`."""

import json
import os
import pathlib
import pwd
import shutil
import subprocess
import types

from .common import BUILD, do_as, wait_until
from .instance import Answer, Instance, assert_no_report

UNTIL_GO = ["echo $$ > data/pid", "until [[ -e go ]]; do sleep 0.1; done", "echo done > data/out"]


class Service(Instance):
    """An instance that a user's systemd runs, with the user's own home and configuration."""

    def __init__(self, root, systemd, home, name="default"):
        super().__init__(root, name, user=systemd.user, base=f"base-{name}")
        self.systemd = systemd
        self.unit = "flowcron.service" if name == "default" else f"flowcron@{name}.service"
        self.programs = home / ".local/bin"
        self.config_file = home / f".config/flowcron/{name}.yaml"
        self.configure()

    def ctl(self, *args, parse=True, **_):
        argv = [self.programs / "flowcronctl", "-i", self.name, *(["--json"] if parse else []),
                *(os.fsdecode(a) for a in args)]
        done = self.systemd.run(*argv, check=False)
        return Answer(types.SimpleNamespace(args=argv, returncode=done.returncode,
                                            stdout=done.stdout.encode(),
                                            stderr=done.stderr.encode()), parse)

    def property(self, name):
        return self.systemd.systemctl("show", "--value", "-p", name, self.unit).strip()

    def start(self, *_, **__):
        self.systemd.systemctl("start", self.unit)
        return self

    def stop(self):
        self.systemd.systemctl("stop", self.unit)

    def journal(self, *matches):
        out = self.systemd.run("journalctl", "--user", "-o", "json", "--no-pager", *matches).stdout
        return [json.loads(line) for line in out.splitlines()]

    def show_from_disk(self):
        """`status` for when the user's services are gone, and systemctl --user with them."""
        done = self.systemd.root("su", self.user, "-s", "/bin/bash", "-c",
                                 f"{self.programs}/flowcronctl -i {self.name} --json status")
        return json.loads(done.stdout)

    def trouble(self):
        return "\n".join(str(e.get("MESSAGE")) for e in self.journal("-u", self.unit)[-40:])

    def close(self):
        try:
            self.systemd.systemctl("stop", self.unit)
            assert_no_report("\n".join(str(e.get("MESSAGE"))
                                       for e in self.journal("-u", self.unit)), self.unit)
        finally:
            self.notifications.end()


def wipe(home):
    for path in (".local/bin/flowcrond", ".local/bin/flowcronctl", ".config/flowcron",
                 ".local/share/systemd/user", ".config/systemd/user", ".local/lib/systemd"):
        path = home / path
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def install_home(systemd):
    """The user's home, with FlowCron installed in it the way the README says."""
    folder = pathlib.Path(pwd.getpwnam(systemd.user).pw_dir)
    wipe(folder)
    do_as(systemd.user, lambda: (folder / ".config/flowcron").mkdir(parents=True))
    subprocess.run(["cmake", "--install", BUILD, "--prefix", folder / ".local"], check=True,
                   env=dict(os.environ, HOME=str(folder)), stdout=subprocess.DEVNULL)
    systemd.systemctl("daemon-reload")
    return folder


def is_active(fc, pid_other_than=None):
    return (fc.property("ActiveState") == "active"
            and fc.property("MainPID") not in ("0", pid_other_than))


def running_job(fc, name):
    """Uploads a job that waits; returns its process."""
    fc.upload(name, commands=UNTIL_GO)
    fc.wait_state(name, "queued", phase="running")
    file = fc.work / name / "data/pid"
    pid = wait_until(lambda: file.exists() and file.read_text().strip(), "the job to begin")
    return pid


def lives(fc, pid):
    """In systemd's world, whose process numbers are others."""
    return fc.systemd.run("test", "-d", f"/proc/{pid}", check=False).returncode == 0
