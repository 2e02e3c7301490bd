# SPDX-License-Identifier: Apache-2.0
"""File systems of a test's own: small ones, other ones, and such that come and go. They are seen
by the tests of this process and what they start, and by nobody else; needs root."""

import ctypes
import functools
import os
import subprocess

CLONE_NEWNS = 0x00020000


@functools.lru_cache(None)
def own_namespace():
    """From here on what this process mounts is its own. Returns why not, or None."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        return os.strerror(ctypes.get_errno())
    done = subprocess.run(["mount", "--make-rprivate", "/"], capture_output=True, text=True,
                          check=False)
    return done.stderr.strip() or None


class Mounts:
    """Undone in the reverse order by close()."""

    def __init__(self):
        self.made = []

    def mount(self, where, *argv):
        where.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", *map(str, argv), where], check=True, capture_output=True)
        self.made.append(where)
        return where

    def tmpfs(self, where, size="64m"):
        return self.mount(where, "-t", "tmpfs", "-o", f"size={size}", "tmpfs")

    def bind(self, what, where):
        return self.mount(where, "--bind", what)

    def umount(self, where):
        """As an administrator has to where programs still have files open."""
        subprocess.run(["umount", "--lazy", where], check=True, capture_output=True)
        self.made.remove(where)

    def close(self):
        for where in reversed(list(self.made)):
            self.umount(where)
