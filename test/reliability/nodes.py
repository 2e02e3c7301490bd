# SPDX-License-Identifier: Apache-2.0
"""Login nodes: namespaces of their own for processes, mounts, host name and network, and a boot id
of their own. What they share is the base folder."""

import os
import pathlib
import signal
import subprocess
import uuid

from support.common import is_root, program, wait_until
from world import World

# Short enough to wait for, long enough that a busy machine renews in time.
TERM_USEC = 3_000_000
RENEW_USEC = 300_000

ENTER = """
hostname "$1" && mount -t proc proc /proc &&
    mount --bind "$2" /proc/sys/kernel/random/boot_id || exit 99
shift 2
setsid "$@"
exit $?
"""


class Cluster(World):
    """A world with several login nodes. Jobs are records only, so that they outlive any node."""

    def __init__(self, config=None, env=None):
        super().__init__(config, {"FLOWCRON_LEASE_TERM": str(TERM_USEC),
                                  "FLOWCRON_LEASE_RENEW": str(RENEW_USEC), **(env or {})})
        self.standin.set(mode="norun")
        self.nodes = []

    def node(self, name):
        self.nodes.append(Node(self, name))
        return self.nodes[-1]

    def close(self):
        for node in self.nodes:
            node.die()
        super().close()


class Node:
    """At most one flowcrond at a time, and the ways in which it or its node goes away."""

    def __init__(self, cluster, name):
        assert is_root(), "namespaces need root"
        self.cluster = cluster
        self.name = name
        self.runtime = cluster.dir / f"run-{name}"
        self.runtime.mkdir(mode=0o700)
        self.stderr = cluster.dir / f"stderr-{name}"
        self.stderr.touch()
        self.boot_id = cluster.dir / f"boot-{name}"
        self.boot()
        self.process = None

    def boot(self):
        self.boot_id.write_text(f"{uuid.uuid4()}\n")

    def start(self, crash=None, *args, **env):
        # A log of its own: one that freezes may hold the lock of the first node's.
        first = self is self.cluster.nodes[0]
        points = self.cluster.points if first else self.cluster.dir / f"points-{self.name}"
        env = {**self.cluster.home.env(), **self.cluster.env, **env,
               "XDG_RUNTIME_DIR": str(self.runtime),
               "FLOWCRON_CRASH_LOG": str(points),
               **(crash.env(self.cluster) if crash else {})}
        argv = ["unshare", "--mount", "--pid", "--uts", "--net", "--fork", "--kill-child", "sh",
                "-c", ENTER, "sh", self.name, self.boot_id, program("flowcrond"), "--config",
                self.cluster.config_file, *args]
        with open(self.stderr, "ab") as err:
            # pylint: disable-next=consider-using-with
            self.process = subprocess.Popen([str(a) for a in argv], env=env, cwd="/", stdout=err,
                                            stderr=err, stdin=subprocess.DEVNULL)
        return self

    def said(self):
        return self.stderr.read_text(errors="replace")

    def wait_said(self, text):
        wait_until(lambda: text in self.said(),
                   lambda: f"{self.name} to say {text!r}\n{self.said()}")

    def pids(self):
        """All processes on the node, as this side of the wall counts them."""
        found, todo = [], [self.process.pid]
        while todo:
            pid = todo.pop()
            for path in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
                try:
                    todo += [int(child) for child in path.read_text().split()]
                except OSError:
                    pass
            found.append(pid)
        return found[1:]  # unshare is none of them

    def signal(self, number, name=None):
        for pid in self.pids():
            try:
                comm = pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
                if name in (None, comm):
                    os.kill(pid, number)
            except (FileNotFoundError, ProcessLookupError):
                pass

    def freeze(self):
        """flowcrond and its workers; what else runs on the node goes on."""
        self.signal(signal.SIGSTOP, "flowcrond")

    def wake(self):
        self.signal(signal.SIGCONT)

    def wait_exit(self):
        """The exit code of flowcrond, when it has ended by itself."""
        wait_until(lambda: self.process.poll() is not None,
                   lambda: f"{self.name} to end\n{self.said()}")
        return self.process.returncode

    def die(self):
        """The power goes: everything on the node is gone at once."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
