# SPDX-License-Identifier: Apache-2.0
"""Ready Units of Work until all are accepted, from the start of the daemon; beside a shell's loop."""

import os
import subprocess
import time

from .common import median, say, wait_until
from .instance import Instance, make_uow

LOOP = """for d in "$1"/*; do
    sbatch --parsable --chdir="$d" --output="$d/slurm-%j.out" --error="$d/slurm-%j.err" \\
        "$d/scripts/submission_script.sh" "$d"
done"""


def make_all(folder, n):
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(n):
        make_uow(f"{folder}/uow-{i:05}")
    os.sync()  # whose writing out must not fall into the measurement


def by_loop(folder, backend, n):
    make_all(folder, n)
    mark, began = backend.mark(), time.time()
    subprocess.run(["bash", "-c", LOOP, "loop", folder], env=dict(os.environ, **backend.env),
                   check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return max(c.ended for c in backend.calls("sbatch", mark)) - began


def by_flowcron(folder, backend, n):
    instance = Instance(folder, backend)
    make_all(instance.uploaded, n)
    mark, began = backend.mark(), time.time()
    try:
        instance.start()
        wait_until(lambda: backend.accepted(mark) >= n, "all are accepted", every=0.25)
    finally:
        instance.stop()
    return max(c.ended for c in backend.calls("sbatch", mark) if c.ok) - began


def measure(table, folder, backend, n=1000, rounds=3):
    loop, flowcron = [], []
    backend.hold()
    for i in range(rounds):
        for took, way in ((loop, by_loop), (flowcron, by_flowcron)):
            took.append(way(folder / f"{way.__name__}-{i}", backend, n))
            say(f"throughput {backend.name} {way.__name__} {took[-1]:.2f} s")
            backend.clear()
    table.add(f"throughput on {backend.name}, {n} ready, median of {rounds}",
              f"{median(flowcron):.2f} s, {n / median(flowcron):.0f} a second",
              f"loop of sbatch {median(loop):.2f} s",
              f"× {median(flowcron) / median(loop):.2f}", "≤ 1")
