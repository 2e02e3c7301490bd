# SPDX-License-Identifier: Apache-2.0
"""What one Unit of Work costs on its whole way to AnalysedFiles, when there are many and when there
are ten times as many. Processor time is split by who used it, as the stand-in is not FlowCron."""

import shutil
import time

from .backend import StandIn
from .common import count, median, say, wait_until
from .instance import Instance
from .throughput import make_all

# A third of the default, so that it does not take all day.
POLL = 10


def whole_way(folder, n):
    """Figures for n Units of Work, in milliseconds each."""
    backend = StandIn(folder / "slurm", job_ms=1000)
    instance = Instance(folder, backend, poll=f"{POLL}s")
    make_all(instance.uploaded, n)
    began = time.monotonic()
    instance.start()
    try:
        wait_until(lambda: count(instance.analysed) >= n, "all are filed", every=0.25)
        wall = time.monotonic() - began
        time.sleep(2)
        own, children = instance.cpu()
        resident = instance.memory()
    finally:
        instance.stop()
    calls = backend.calls()
    commands = sum(c.cpu for c in calls)
    polls = sum(c.name == "squeue" for c in calls)
    queries = sum(c.name in ("squeue", "sacct", "scontrol") for c in calls)
    shutil.rmtree(folder)
    figures = {"daemon": own, "workers": children - commands, "Slurm's commands": commands,
               "all": own + children, "wall": wall}
    figures = {key: value / n * 1e3 for key, value in figures.items()}
    say(f"scaling {n}: " + ", ".join(f"{k} {v:.2f}" for k, v in figures.items())
        + f" ms each; {polls} polls, {queries} queries, {resident[0]:.1f} MiB")
    return figures, queries / polls, resident


def measure(table, folder, few=1000, many=10000, rounds=2):
    small = [whole_way(folder / f"few-{i}", few) for i in range(rounds)]
    large, queries, resident = whole_way(folder / "many", many)
    base = {key: median([figures[key] for figures, *_ in small]) for key in large}
    own = {of["daemon"] + of["workers"] for of in (base,)}.pop()
    goal = "≤ 1.2"
    table.add(f"processor time for each of {many}, daemon and workers",
              f"{large['daemon'] + large['workers']:.2f} ms",
              f"{own:.2f} ms for each of {few}",
              f"× {(large['daemon'] + large['workers']) / own:.2f}", goal)
    for key, words in (("daemon", "… the daemon alone"), ("workers", "… workers alone"),
                       ("Slurm's commands", "… the stand-in's commands"),
                       ("wall", "time on the clock")):
        table.add(words, f"{large[key]:.2f} ms", f"{base[key]:.2f} ms",
                  f"× {large[key] / base[key]:.2f}", goal if key == "wall" else "")
    table.add("queries to Slurm a poll", f"{queries:.2f} with {many}",
              f"{max(q for _, q, _ in small):.2f} with {few}", "", "≤ 2")
    table.add(f"memory after {many} went through", f"{resident[0]:.1f} MiB resident, "
              f"{resident[2]:.1f} at its peak", f"{small[0][2][0]:.1f} MiB after {few}", "",
              "≤ 32 MiB")
