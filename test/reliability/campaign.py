# SPDX-License-Identifier: Apache-2.0
"""Many worlds that die, side by side, and what they must have in common with one that did not."""

import collections
import concurrent.futures
import os
import re
import traceback

from support.common import SOURCE, program
from ways import WAYS, walk
from world import Crash, Ratchet

# Most of the time a world waits: for a job, for an interval, for accounting.
SIDE_BY_SIDE = 24 * os.cpu_count()

POINT = re.compile(r'CRASH_POINT\("([^"]+)"\)')


def points_in_source():
    """Every crash point that there is."""
    return {name for folder in ("lib", "daemon", "cli")
            for path in (SOURCE / folder).glob("*.c")
            for name in POINT.findall(path.read_text())}


class Reference:
    """A way on which nothing dies."""

    def __init__(self, name):
        self.way = WAYS[name]
        way = self.way()
        try:
            walk(way)
            self.passed = way.world.passed()
            self.tree = way.tree()
            assert self.passed, "a build without crash points"
            assert faults(way, self) == [], faults(way, self)
        finally:
            way.close()

    def ran(self):
        """What a script leaves that ran once."""
        return next(text for key, text in self.tree.items() if key.endswith("/data/ran"))

    def first_deaths(self):
        return [Crash(point, 1) for point in sorted(self.passed)]

    def all_deaths(self):
        return [Crash(point, n + 1) for point in sorted(self.passed)
                for n in range(self.passed[point])]

    def chains(self, points):
        """Each of these, and then at the first point that is passed, the second, the third …"""
        return [(Crash(point, 1), Ratchet()) for point in sorted(points)]

    def pairs(self):
        """Each point, and then the next pass of each."""
        return [(Crash(first, 1), Crash(second)) for first in sorted(self.passed)
                for second in sorted(self.passed)]


def faults(way, reference):
    """What differs from the ground truth: lost, run twice, filed wrongly."""
    found = []
    tokens = collections.Counter(s["token"] for s in way.world.standin.submissions())
    starts = collections.Counter(s["token"] for s in way.world.standin.starts())
    found += [f"submitted {n} times: {t}" for t, n in tokens.items() if n > 1]
    found += [f"run {n} times: {t}" for t, n in starts.items() if n > 1]
    if len(tokens) != way.submissions:
        found.append(f"{len(tokens)} submissions, not {way.submissions}")
    if len(starts) != way.starts:
        found.append(f"{len(starts)} runs, not {way.starts}")
    tree = way.tree()
    if way.job_died():
        results = [key for key in tree if re.fullmatch("base:(AnalysedFiles|FailedJobs)/uow", key)]
        ran = [key for key in tree if key.endswith("/data/ran")]
        if len(results) != 1 or any(tree[key] != reference.ran() for key in ran):
            found.append(f"folders: {tree}")
    elif tree != reference.tree:
        found += [f"folders: {key}: {reference.tree.get(key)} is "
                  f"{tree.get(key)}" for key in sorted(set(tree) | set(reference.tree))
                  if tree.get(key) != reference.tree.get(key)]
    return found


class Outcome:
    def __init__(self, deaths, fault):
        self.deaths = deaths
        self.fault = fault


def die(reference, crashes):
    crashes = crashes if isinstance(crashes, tuple) else (crashes,)
    way = reference.way()
    try:
        walk(way, *crashes)
        wrong = faults(way, reference)
    except Exception:  # pylint: disable=broad-except
        wrong = [traceback.format_exc()]
    deaths = way.world.died()
    if not wrong:
        way.close()
        return Outcome(deaths, None)
    # The evidence stays.
    end = f"{way.world.dir}\n{way.world.said()}"
    return Outcome(deaths, f"{reference.way.__name__}: died at {crashes}: {wrong}\n{end}")


def campaign(cases):
    """Outcomes of all these deaths, (reference, crashes), each in a world of its own."""
    with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        return list(pool.map(lambda case: die(*case), cases))


def references():
    """name → Reference, of all ways."""
    # Copied once, before there are threads.
    for name in ("flowcrond", "flowcronctl", "standin/standin-slurm"):
        program(name)
    with concurrent.futures.ThreadPoolExecutor(len(WAYS)) as pool:
        return dict(zip(WAYS, pool.map(Reference, WAYS)))
