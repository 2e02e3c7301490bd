# SPDX-License-Identifier: Apache-2.0
"""What became of each Unit of Work, by the scheduler's own log and the folders, not by what
FlowCron says: lost, run twice, wrongly filed."""

import collections
import json
import os

from world import FOLDERS

RESULTS = {"succeeded": "AnalysedFiles", "failed": "FailedJobs", "rejected": "FailedJobs",
           "cancelled": "FailedJobs"}


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return None


class Verdict:
    """submissions, starts: token → how often, by the scheduler. starts=None: not known there."""

    def __init__(self, world, units, known, submissions, starts):
        self.world = world
        self.findings = collections.defaultdict(list)
        ids = {}
        for unit in units:
            uow = known.get(unit.name)
            if not uow:
                self.find("lost", unit, "FlowCron knows nothing of it")
                continue
            ids[uow["id"]] = unit
            self.judge_runs(unit, uow, submissions, starts)
            self.judge_place(unit, uow)
        for name in set(known) - {unit.name for unit in units}:
            self.findings["wrongly filed"].append(f"{name}: nobody uploaded it")
        for token in submissions:
            if token.removeprefix("flowcron=").rpartition(".")[0] not in ids:
                self.findings["wrongly filed"].append(f"{token}: submitted for nobody")
        self.judge_leftovers()

    def find(self, kind, unit, text):
        self.findings[kind].append(f"{unit.name}: {text}")

    def judge_runs(self, unit, uow, submissions, starts):
        expected = 0 if unit.kind == "rejected" else unit.attempts
        tokens = [f"flowcron={uow['id']}.{n + 1}" for n in range(max(uow.get("attempt", 0), expected))]
        counts = [submissions.get(token, 0) for token in tokens]
        runs = [starts.get(token, 0) for token in tokens] if starts is not None else []
        if max(counts + runs, default=0) > 1 or uow.get("attempt", 0) > max(expected, 1):
            self.find("run twice", unit, f"submitted {counts}, run {runs}, "
                                         f"attempt {uow.get('attempt')}")
        # What was cancelled early need not have been submitted.
        if unit.kind != "cancelled" and sum(counts) < expected:
            self.find("lost", unit, f"submitted {counts}, not {expected} times")

    def judge_place(self, unit, uow):
        found = self.world.where(unit.name)
        if unit.kind == "purged":
            if found or uow["state"] != "purged":
                self.find("wrongly filed", unit, f"{found} {uow['state']}, though purged")
            return
        result = RESULTS[unit.outcome]
        wanted = {"finished": result, "soft-deleted": f"SoftDelete/{result}"}.get(uow["state"])
        if not found:
            self.find("lost", unit, f"in no folder; {uow['state']}")
        elif uow.get("outcome") != unit.outcome or found != [wanted]:
            self.find("wrongly filed", unit,
                      f"{found} {uow['state']} {uow.get('outcome')}, not {wanted} {unit.outcome}")
        else:
            self.judge_content(unit, uow, self.world.base / wanted / unit.name)

    def judge_content(self, unit, uow, folder):
        if read(folder / "data/input") != unit.input or read(folder / "data/deep/er/file") != "1\n":
            self.find("lost", unit, "its data are not what they were")
        ran = (read(folder / "data/ran") or "").split()
        expected = {"rejected": 0, "cancelled": min(len(ran), 1)}.get(unit.kind, unit.attempts)
        if len(ran) > expected:
            self.find("run twice", unit, f"its script ran {len(ran)} times: {ran}")
        elif len(ran) < expected:
            self.find("lost", unit, f"its script ran {len(ran)} times, not {expected}")
        record = read(folder / "flowcron/record.json")
        if not record or json.loads(record)["id"] != uow["id"] or not read(
                folder / "flowcron/report.txt"):
            self.find("wrongly filed", unit, "its record is not its own, or not there")
        if os.path.lexists(folder / "sentinels"):
            self.find("wrongly filed", unit, "with sentinels/")
        if unit.kind == "links" and (os.path.lexists(folder / "data/out")
                                     or os.readlink(folder / "data/in") != "input"):
            self.find("wrongly filed", unit, "its links are as they were")

    def judge_leftovers(self):
        """Nothing half done stays behind: no hidden copy, no temporary file in a folder of users."""
        for folder in FOLDERS:
            for name in os.listdir(self.world.base / folder):
                if name.startswith(".") or folder in FOLDERS[:2]:
                    self.findings["wrongly filed"].append(f"left behind: {folder}/{name}")

    def numbers(self):
        return [len(self.findings[kind]) for kind in ("lost", "run twice", "wrongly filed")]
