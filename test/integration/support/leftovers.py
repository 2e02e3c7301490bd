# SPDX-License-Identifier: Apache-2.0
"""Ends what a test left running: jobs outlive the daemon, on purpose."""

import os
import pathlib
import signal

from .common import wait_until


def belongs(proc, folder):
    """A process of the test has its private home in the environment, or works below its folder."""
    try:
        cwd = os.readlink(proc / "cwd")
        if cwd == str(folder) or cwd.startswith(f"{folder}/"):
            return True
        prefix = os.fsencode(f"HOME={folder}/")
        return any(v.startswith(prefix) for v in (proc / "environ").read_bytes().split(b"\0"))
    except OSError:
        return False


def leftovers(folder):
    own = {os.getpid(), os.getppid()}
    found = [p for p in pathlib.Path("/proc").glob("[0-9]*") if belongs(p, folder)]
    return [int(p.name) for p in found if int(p.name) not in own]


def end_leftovers(folder):
    def none_left():
        pids = leftovers(folder)
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return not pids

    wait_until(none_left, lambda: f"the end of {leftovers(folder)}", timeout=20)
