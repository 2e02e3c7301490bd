# SPDX-License-Identifier: Apache-2.0
"""A power cut: what no sync has confirmed may be gone, all of it or any part.

test/tools/powerlog.c has written down what flowcrond did to files and folders. A change counts as safe
when a sync came after it: of the file for its content and mode, of the folder for a name that came
or went (for a move, of the folder it went to). Of the others a choice is undone, in the reverse
order; what was built on something undone is undone with it. What the jobs and the people did is
safe.
"""

import itertools
import os
import random
import shutil
import urllib.parse

from preload import library
from world import Crash


class Change:
    """One line of the trace. paths: the names that it is about."""

    def __init__(self, fields):
        self.what = fields[0]
        self.paths = [unescape(fields[1])] if len(fields) > 1 else []
        self.inode = self.value = self.kept = None
        if self.what == "move":
            self.paths.append(unescape(fields[2]))
            self.kept = fields[3]
        elif self.what == "drop":
            self.kept = fields[2]
        elif self.what != "all":
            self.inode = fields[2]
            self.value = fields[3] if len(fields) > 3 else None
            self.kept = fields[4] if len(fields) > 4 else None
        self.safe = False

    def folder(self):
        """Whose sync makes the name safe."""
        return os.path.dirname(self.paths[-1])


def unescape(text):
    return os.fsencode(urllib.parse.unquote(text, errors="surrogateescape"))


def read_trace(folder, base):
    base = os.fsencode(base)
    changes = [Change(line.split("\t"))
               for line in (folder / "trace").read_text().splitlines()]
    return [change for change in changes
            if change.what == "all" or (change.paths[-1] + b"/").startswith(base + b"/")]


def mark_safe(changes):
    """Content by a sync of the file; a name by one of the folder it is in. That the names of the
    folders above are safe as well, choose() sees to."""
    for at, sync in enumerate(changes):
        if sync.what == "sync":
            bury(changes[:at], sync.paths[0])
        for change in itertools.islice(changes, at) if sync.what in ("sync", "all") else ():
            if sync.what == "all":
                change.safe = True
            elif change.what in ("data", "mode"):
                change.safe = change.safe or change.inode == sync.inode
            elif change.what in ("make", "move", "drop"):
                change.safe = change.safe or change.folder() == sync.paths[0]


def bury(changes, folder):
    """A sync of the folder that held a folder: with it all that was in it is gone for good."""
    gone = {change.paths[0] for change in changes
            if change.what == "drop" and change.folder() == folder}
    for change in changes:
        change.safe = change.safe or (len(change.paths) == 1 and inside(change.paths[0], gone)
                                      and change.what == "drop")


def inside(path, folders):
    return any((path + b"/").startswith(folder + b"/") for folder in folders)


def moved(path, move):
    old, new = move.paths
    return new + path[len(old):] if inside(path, [old]) else path


def choose(changes, lose):
    """The changes to undo. lose(change): whether this one, which is not safe, is lost by itself."""
    lost, gone, content = [], set(), set()
    for change in changes:
        if change.what in ("sync", "all"):
            continue
        depends = any(inside(path, gone) for path in change.paths)
        if change.what in ("data", "mode"):
            depends = depends or change.inode in content
        if change.what == "drop":
            # A folder goes only when what it held has gone.
            depends = depends or any(inside(path, change.paths) for path in gone)
        if not depends and (change.safe or not lose(change)):
            if change.what == "move":
                gone = {moved(path, change) for path in gone}
            continue
        lost.append(change)
        if change.what in ("data", "mode"):
            content.add(change.inode)
        else:
            gone |= set(change.paths)
    return lost


def now_at(path, change, changes, lost):
    """Where it is after all moves that were not undone."""
    for later in changes[changes.index(change) + 1:]:
        if later.what == "move" and later not in lost:
            path = moved(path, later)
    return path


def undo(change, path, keep, zeros):
    if change.what == "make":
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)
    elif change.what == "move":
        os.rename(path, change.from_path)
        if change.kept:
            os.rename(keep / change.kept, path)
    elif change.what == "drop" and os.path.lexists(keep / change.kept):
        os.rename(keep / change.kept, path)
    elif change.what == "drop":
        os.mkdir(path)
        os.chmod(path, int(change.kept, 8))
    elif change.what == "mode":
        os.chmod(path, int(change.value, 8))
    elif change.kept:
        shutil.copyfile(keep / change.kept, path)
    else:
        size = os.path.getsize(path)
        os.truncate(path, int(change.value))
        if zeros:
            os.truncate(path, size)


def cut(folder, base, lose, zeros=False):
    """Takes back what the power cut costs; returns how many changes that is. zeros: a file that lost
    its content has kept its size."""
    changes = read_trace(folder, base)
    mark_safe(changes)
    lost = set(choose(changes, lose))
    for change in reversed(changes):
        if change not in lost:
            continue
        path = now_at(change.paths[-1], change, changes, lost)
        if change.what == "move":
            change.from_path = now_at(change.paths[0], change, changes, lost)
        # Gone by a later change that is safe: then there is nothing to take back.
        if change.what == "drop" or os.path.lexists(path):
            undo(change, path, folder / "keep", zeros)
    return len(lost)


# What is lost by itself (a choice, given a source of chance), and whether files keep their size.
VARIANTS = {
    "nothing survives": (lambda rng: lambda change: True, False),
    "names without content": (lambda rng: lambda change: change.what == "data", False),
    "names with zeros": (lambda rng: lambda change: change.what == "data", True),
    "content without names": (lambda rng: lambda change: change.what != "data", False),
    "any half": (lambda rng: lambda change: rng.random() < 0.5, False),
    "a few": (lambda rng: lambda change: rng.random() < 0.1, True),
}


class PowerCut(Crash):
    """Death of everything at once, and of what no sync had confirmed. lost: how many changes."""

    def __init__(self, point, n, variant, seed):
        super().__init__(point, n)
        self.variant = variant
        self.seed = seed
        self.lost = 0

    @staticmethod
    def prepare(world):
        """Has the world's flowcrond write down what it does."""
        (world.dir / "power/keep").mkdir(parents=True)
        world.env.update(POWERLOG=str(world.dir / "power"), LD_PRELOAD=library("powerlog"))

    def after(self, world):
        world.env.pop("LD_PRELOAD")
        lose, zeros = VARIANTS[self.variant]
        self.lost = cut(world.dir / "power", world.base, lose(random.Random(self.seed)), zeros)

    def __repr__(self):
        return f"{super().__repr__()}, {self.variant}, seed {self.seed}, {self.lost} changes lost"

