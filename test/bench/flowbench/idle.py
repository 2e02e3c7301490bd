# SPDX-License-Identifier: Apache-2.0
"""What a daemon costs that has nothing to do: processor time an hour and memory."""

import os
import time

from . import history
from .instance import Instance

# What the daemon does for itself: scan every 60 s where inotify sees all.
SCANS_AN_HOUR = 60


def listing_an_hour(instance):
    """Processor seconds an hour for nothing but listing what a scan must list."""
    began = time.process_time()
    for _ in range(200):
        with os.scandir(instance.uploaded) as entries:
            list(entries)
        for place in ("AnalysedFiles", "FailedJobs", "SoftDelete/AnalysedFiles",
                      "SoftDelete/FailedJobs", "CodeToRun/slurm"):
            os.stat(instance.base / place)
    return (time.process_time() - began) / 200 * SCANS_AN_HOUR


def watch(instances, seconds):
    """For each, all at once: processor seconds an hour, of the daemon and its children; memory."""
    for instance in instances:
        instance.start()
    try:
        time.sleep(15)  # what a start brings with it is over
        before = [sum(i.cpu()) for i in instances]
        began = time.monotonic()
        time.sleep(seconds)
        hours = (time.monotonic() - began) / 3600
        return [((sum(i.cpu()) - b) / hours, i.memory()) for i, b in zip(instances, before)]
    finally:
        for instance in instances:
            instance.stop()


def add(table, what, instance, seen, goals):
    used, resident = seen
    listing = listing_an_hour(instance)
    table.add(f"idle, {what}: processor time", f"{used:.2f} s an hour",
              f"listing alone {listing:.2f} s", f"{used - listing:+.2f} s", goals[0])
    table.add(f"idle, {what}: memory",
              f"{resident[0]:.1f} MiB resident, {resident[1]:.1f} in proportion", "", "", goals[1])


def measure(table, folder, n=10000, seconds=120):
    empty, kept = Instance(folder / "empty"), Instance(folder / "kept")
    history.make(kept, n)
    seen = watch((empty, kept), seconds)
    add(table, "empty", empty, seen[0], ("", "≤ 10 MiB"))
    add(table, f"{n} kept", kept, seen[1], ("≤ +1 s", "≤ 32 MiB"))
