# SPDX-License-Identifier: Apache-2.0
"""test/tools/swapper as an object: a second process that swaps paths for links while FlowCron looks."""

import os
import subprocess

from .common import program
from .units import as_bytes


class Swapper:
    """with Swapper(folder, target, paths): each path is, again and again, a link to target."""

    number = 0

    def __init__(self, folder, target, paths):
        Swapper.number += 1
        self.link = folder / f"swapped-{Swapper.number}"
        self.paths = [as_bytes(path) for path in paths]
        self.exchanges = None
        os.symlink(as_bytes(target), self.link)

    def __enter__(self):
        # pylint: disable-next=consider-using-with
        self.process = subprocess.Popen([program("swapper"), self.link, *self.paths],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == b"ready\n"
        return self

    def __exit__(self, *_):
        if self.exchanges is None:
            self.stop()

    def stop(self):
        """Returns how often it exchanged; a test that never met it proves nothing."""
        out, _ = self.process.communicate(timeout=60)
        self.exchanges = int(out)
        return self.exchanges
