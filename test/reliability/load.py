# SPDX-License-Identifier: Apache-2.0
"""The load under which things are killed: Units of Work of every fate, and the orders that people
give about them."""

import json
import os
import subprocess
import threading
import time

from support.common import program
from support.units import make_uow

RAN = "echo $SLURM_JOB_ID >> data/ran"

# kind → how often of 20, script, outcome, orders: (state in which it is given, order)
KINDS = {
    "good": (7, [RAN], "succeeded", []),
    "links": (2, ["ln -s /etc/passwd data/out", "ln -s $PWD/data/input data/in", RAN],
              "succeeded", []),
    "bad": (3, [RAN, "exit 3"], "failed", []),
    "rejected": (1, ["cd $HOME"], "rejected", []),
    "retried": (2, [RAN, "exit 3"], "failed", [("finished", "retry")]),
    "cancelled": (2, [RAN, "sleep 600"], "cancelled", [("queued", "cancel")]),
    "purged": (2, [RAN], "succeeded", [("finished", "purge")]),
    "restored": (1, [RAN], "succeeded", [("soft-deleted", "restore")]),
}
# So long after an order without an answer it is seen what became of it.
SETTLED = 2


class Unit:
    def __init__(self, number, kind):
        self.name = f"{kind}-{number:05d}"
        self.kind = kind
        _, self.commands, self.outcome, orders = KINDS[kind]
        self.orders = list(orders)
        self.input = f"input of {self.name}\n"
        self.attempts = 2 if kind == "retried" else 1

    def upload(self, folder):
        make_uow(folder, self.name, {"data/input": self.input, "data/deep/er/file": "1\n"},
                 commands=self.commands)


def choose(rng, number):
    kinds = [kind for kind, (often, *_) in KINDS.items() for _ in range(often)]
    return Unit(number, rng.choice(kinds))


class People(threading.Thread):
    """Gives each unit's orders when its state allows it, until they are taken."""

    def __init__(self, world):
        super().__init__(daemon=True)
        self.world = world
        self.units = []
        self.given = 0
        self.ends = threading.Event()
        self.failure = None

    def ctl(self, *args):
        argv = [program("flowcronctl"), "--config", self.world.config_file, *args]
        return subprocess.run([str(a) for a in argv], cwd="/", env=self.world.home.env(),
                              stdin=subprocess.DEVNULL, capture_output=True, check=False,
                              timeout=120)

    def list(self):
        """name → what FlowCron says of it; None when it does not answer, as it may have died."""
        done = self.ctl("--json", "list", "--all")
        if done.returncode != 0:
            return None
        return {uow["name"]: uow for uow in json.loads(done.stdout)}

    def run(self):
        try:
            while not self.ends.is_set():
                self.look()
                time.sleep(0.3)
        except Exception as error:  # pylint: disable=broad-except
            self.failure = repr(error)

    def look(self):
        waiting = [unit for unit in list(self.units) if unit.orders]
        known = self.list() if waiting else None
        for unit in waiting if known else []:
            uow = known.get(unit.name)
            if uow and not self.ends.is_set():
                self.consider(unit, uow)

    def consider(self, unit, uow):
        state, order = unit.orders[0]
        if self.has_happened(order, uow):
            unit.orders.pop(0)
        elif uow["state"] == state or (order in ("purge", "retry")
                                       and uow["state"] == "soft-deleted"):
            self.give(unit, order)

    @staticmethod
    def has_happened(order, uow):
        """An order whose answer got lost with the daemon may have been taken."""
        return {"retry": uow.get("attempt", 0) > 1, "cancel": uow.get("outcome") == "cancelled",
                "purge": uow["state"] == "purged", "restore": False}[order]

    def give(self, unit, order):
        sure = ["--yes"] if order in ("retry", "purge") else []
        done = self.ctl(order, *sure, "--", unit.name)
        self.world.note(f"order {order} {unit.name}: {done.returncode} "
                        f"{done.stderr.decode(errors='replace')[:200]!r}")
        if done.returncode == 0:
            self.given += 1
            unit.orders.pop(0)
        else:
            time.sleep(SETTLED / 10)

    def end(self):
        self.ends.set()
        self.join()


def remains(units):
    return sum(bool(unit.orders) for unit in units)


def exists(*path):
    return os.path.lexists(os.path.join(*path))
