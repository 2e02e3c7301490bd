# SPDX-License-Identifier: Apache-2.0
"""How long a start takes with a long history, beside Python's json.loads over the same lines."""

from . import history
from .common import median, say
from .instance import Instance


def until_ready(instance, rounds, pattern=None):
    """Seconds of a start, and of json.loads over the lines that match, in turn; medians."""
    took, loads = [], []
    for _ in range(rounds):
        if pattern:
            loads.append(history.json_loads(instance, pattern)[0])
        instance.start()
        instance.stop()
        took.append(instance.ready_after)
    say(f"start: {', '.join(f'{t:.3f}' for t in took)} s")
    return median(took), median(loads or [0])


def add(table, what, seconds, loads):
    table.add(what, f"{seconds:.2f} s", f"json.loads {loads:.2f} s", f"× {seconds / loads:.2f}",
              "≤ 1")


def measure(table, folder, n=100000, rounds=3):
    instance = Instance(folder / "start")
    ours = history.make(instance, n)
    empty, _ = until_ready(Instance(folder / "empty"), rounds)
    table.add("start, no history, until READY", f"{empty * 1e3:.0f} ms", "", "", "")
    for what, pattern in (("log", "log-*.jsonl"), ("checkpoint", "checkpoint-*.jsonl")):
        runs = [history.json_loads(instance, pattern) for _ in range(rounds)]
        add(table, f"replay of {n} from the {what} ({runs[0][1]} lines)", ours[f"{what}_seconds"],
            median([seconds for seconds, _ in runs]))
    add(table, f"start until READY with {n}, from the checkpoint",
        *until_ready(instance, rounds, "checkpoint-*.jsonl"))
    fresh = Instance(folder / "log")
    history.make(fresh, n)
    for path in (fresh.base / ".flowcron/events").glob("checkpoint-*"):
        path.unlink()
    # Once: it writes a checkpoint of its own.
    add(table, f"start until READY with {n}, from the log", *until_ready(fresh, 1, "log-*.jsonl"))
