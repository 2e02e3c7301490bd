# SPDX-License-Identifier: Apache-2.0
"""From the creation of sentinels/ to the job's acceptance, beside a bare sbatch and the peer that a
user would write in five lines. All three are interleaved, and go through the same wrapper."""

import os
import signal
import subprocess
import time

from .common import median, quantile, which
from .instance import Instance, make_uow, sbatch_argv

PEER = """inotifywait -mrq -e create --format %w%f "$1" | while IFS= read -r f; do
    [[ $f == */sentinels ]] || continue
    d=${f%/sentinels}
    sbatch --parsable --chdir="$d" --output="$d/slurm-%j.out" --error="$d/slurm-%j.err" \\
        "$d/scripts/submission_script.sh" "$d"
done"""


class Contest:
    """The three ways to submit on one backend."""

    def __init__(self, folder, backend):
        self.backend = backend
        self.env = dict(os.environ, **backend.env)
        self.instance = Instance(folder / "flowcron", backend).start()
        self.spot = {"sbatch": folder / "bare", "FlowCron": self.instance.uploaded}
        self.peer = None
        if which("inotifywait"):
            self.spot["inotifywait"] = folder / "peer"
        for path in self.spot.values():
            path.mkdir(exist_ok=True)
        if "inotifywait" in self.spot:
            # pylint: disable-next=consider-using-with
            self.peer = subprocess.Popen(["bash", "-c", PEER, "peer", self.spot["inotifywait"]],
                                         env=self.env, stdin=subprocess.DEVNULL,
                                         stdout=subprocess.DEVNULL, start_new_session=True)

    def one(self, way, number):
        """Seconds until accepted, and of them until sbatch was begun."""
        folder = f"{self.spot[way]}/uow-{number}"
        make_uow(folder, complete=False)
        time.sleep(self.backend.breath)
        mark = self.backend.mark()
        if way == "sbatch":
            subprocess.run(sbatch_argv(folder), env=self.env, check=True,
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            call = self.backend.next_accepted(mark)
            began = call.began
        else:
            began = time.time()
            os.mkdir(f"{folder}/sentinels")
            call = self.backend.next_accepted(mark)
        time.sleep(self.backend.breath)
        return call.ended - began, call.began - began

    def close(self):
        self.instance.stop()
        if self.peer:
            os.killpg(self.peer.pid, signal.SIGTERM)
            self.peer.wait()


def measure(table, folder, backend, n=200):
    contest = Contest(folder, backend)
    took = {way: [] for way in contest.spot}
    try:
        for number in range(-3, n):  # the first few warm up
            for way in took:
                seconds = contest.one(way, number + 3)
                if number >= 0:
                    took[way].append(seconds)
    finally:
        contest.close()
    report(table, backend, took, n)


def report(table, backend, took, n):
    bare = [total for total, _ in took["sbatch"]]
    for word, of, goal in (("median", median, "≤ +5 ms"),
                           ("p99", lambda v: quantile(v, 0.99), "≤ +50 ms")):
        for way in took:
            if way == "sbatch":
                continue
            figure = of([total for total, _ in took[way]])
            before = of([start for _, start in took[way]])
            table.add(f"latency on {backend.name}, {word} of {n}"
                      + ("" if way == "FlowCron" else f", by {way} instead"),
                      f"{figure * 1e3:.1f} ms ({before * 1e3:.1f} before sbatch begins)",
                      f"bare sbatch {of(bare) * 1e3:.1f} ms",
                      f"{(figure - of(bare)) * 1e3:+.1f} ms", goal if way == "FlowCron" else "")
