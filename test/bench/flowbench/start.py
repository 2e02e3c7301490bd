# SPDX-License-Identifier: Apache-2.0
"""How long a start takes with a long history, beside Python's json.loads over the same lines."""

from . import history
from .common import median, say
from .instance import Instance


def until_ready(instance, rounds):
    took = []
    for _ in range(rounds):
        instance.start()
        instance.stop()
        took.append(instance.ready_after)
    say(f"start: {', '.join(f'{t:.3f}' for t in took)} s")
    return median(took)


def measure(table, folder, n=100000, rounds=3):
    instance = Instance(folder / "start")
    ours = history.make(instance, n)
    empty = until_ready(Instance(folder / "empty"), rounds)
    table.add("start, no history, until READY", f"{empty * 1e3:.0f} ms", "", "", "")
    for what, pattern in (("log", "log-*.jsonl"), ("checkpoint", "checkpoint-*.jsonl")):
        seconds = median([history.json_loads(instance, pattern)[0] for _ in range(rounds)])
        lines = history.json_loads(instance, pattern)[1]
        replay = ours[f"{what}_seconds"]
        table.add(f"replay of {n} from the {what} ({lines} lines)", f"{replay:.2f} s",
                  f"json.loads {seconds:.2f} s", f"× {replay / seconds:.2f}", "≤ 1")
    # From the checkpoint first: a start may write one of its own.
    events = instance.base / ".flowcron/events"
    ready = until_ready(instance, rounds)
    seconds = history.json_loads(instance, "checkpoint-*.jsonl")[0]
    table.add(f"start until READY with {n}, from the checkpoint", f"{ready:.2f} s",
              f"json.loads {seconds:.2f} s", f"× {ready / seconds:.2f}", "")
    fresh = Instance(folder / "log")
    history.make(fresh, n)
    events = fresh.base / ".flowcron/events"
    for path in events.glob("checkpoint-*"):
        path.unlink()
    ready = until_ready(fresh, 1)
    seconds = history.json_loads(instance, "log-*.jsonl")[0]
    table.add(f"start until READY with {n}, from the log", f"{ready:.2f} s",
              f"json.loads {seconds:.2f} s", f"× {ready / seconds:.2f}", "")
