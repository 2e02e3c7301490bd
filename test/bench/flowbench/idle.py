# SPDX-License-Identifier: Apache-2.0
"""What a daemon costs that has nothing to do: processor time an hour and memory."""

import os
import time

from . import history
from .common import median
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


def watch(instance, seconds):
    """Processor seconds an hour, of the daemon and its children; memory."""
    instance.start()
    try:
        time.sleep(15)
        before = sum(instance.cpu())
        began = time.monotonic()
        time.sleep(seconds)
        used = (sum(instance.cpu()) - before) / (time.monotonic() - began) * 3600
        return used, instance.memory()
    finally:
        instance.stop()


def measure(table, folder, n=10000, seconds=120, rounds=1):
    empty = Instance(folder / "empty")
    used, resident = watch(empty, seconds)
    table.add("idle, empty: processor time", f"{used:.2f} s an hour",
              f"listing alone {listing_an_hour(empty):.2f} s", "", "")
    table.add("idle, empty: memory", f"{resident[0]:.1f} MiB resident, {resident[1]:.1f} PSS", "",
              "", "≤ 10 MiB")
    kept = Instance(folder / "kept")
    history.make(kept, n)
    runs = [watch(kept, seconds) for _ in range(rounds)]
    used, resident = median([u for u, _ in runs]), runs[-1][1]
    listing = listing_an_hour(kept)
    table.add(f"idle, {n} kept: processor time", f"{used:.2f} s an hour",
              f"listing alone {listing:.2f} s", f"+{used - listing:.2f} s", "")
    table.add(f"idle, {n} kept: memory", f"{resident[0]:.1f} MiB resident, {resident[1]:.1f} PSS",
              "", "", "≤ 32 MiB")
