# SPDX-License-Identifier: Apache-2.0
"""System calls of flowcrond and its workers that fail, when and where a test wants it, while they
live: the other side of test/faults/faults.c."""

import errno
import mmap
import os
import struct

from .common import program

# As in faults.c.
CREATE, WRITE, SYNC, RENAME, MKDIR, REMOVE, CHANGE, LOOK, FORK, MEMORY, INOTIFY, ASK = (
    1 << bit for bit in range(12))

# Whatever changes something on a disk.
CHANGES = CREATE | WRITE | SYNC | RENAME | MKDIR | REMOVE | CHANGE

RULE = struct.Struct("64s I i I I I I")
HEADER = struct.Struct("I I")
RULES_MAX = 1024
ALWAYS = 0xFFFFFFFF


class Faults:
    """fc.start(**faults.env(fc)); then rules may come and go."""

    def __init__(self, folder):
        self.path = folder / "faults"
        self.path.write_bytes(bytes(HEADER.size + RULES_MAX * RULE.size))
        self.path.chmod(0o666)
        with open(self.path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 0)
        self.n = 0

    def env(self, fc):
        options = fc.env().get("ASAN_OPTIONS", "")
        return {"LD_PRELOAD": program("test/faults/libfaults.so"), "FAULTS": self.path,
                "ASAN_OPTIONS": f"{options}:verify_asan_link_order=0"}

    def at(self, index):
        return HEADER.size + index * RULE.size

    def add(self, text, kinds, error=errno.EIO, skip=0, count=ALWAYS):
        """From now on `count` calls of these kinds about a path with `text` in it fail, after
        `skip` that don't. Returns the rule's number."""
        assert self.n < RULES_MAX
        RULE.pack_into(self.map, self.at(self.n), os.fsencode(text), kinds, error, skip, count, 0, 0)
        self.n += 1
        HEADER.pack_into(self.map, 0, self.n, 0)
        return self.n - 1

    def count(self, text, kinds):
        """Only counts them: see seen()."""
        return self.add(text, kinds, count=0)

    def clear(self):
        self.n = 0
        HEADER.pack_into(self.map, 0, 0, 0)

    def seen(self, rule):
        return RULE.unpack_from(self.map, self.at(rule))[5]

    def hits(self, rule):
        return RULE.unpack_from(self.map, self.at(rule))[6]
