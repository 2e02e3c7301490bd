# SPDX-License-Identifier: Apache-2.0
"""The ways of Units of Work on which crashes are tried: what is done, in which order, and what it
leads to. A way is repeated in one world after the other, each dying elsewhere."""

import os
import pathlib
import shutil
import tempfile

from world import KILLED, Ratchet, World, today_minus, until

RAN = "echo $SLURM_JOB_ID >> data/ran"
DOS = "#!/bin/bash\r\n#SBATCH --time=5\r\n" + RAN + "\r\n"
OLD_ID = "0190d3c2-5b1c-7cc0-8f8e-0123456789ab"


class Way:
    """config, env: of its world. steps(): pairs of an act and the condition that ends the passes
    after it; an act gets the crash that is planned, for it may be what dies."""

    config = {}
    env = {}
    submissions = 1  # that the scheduler is to have seen at the end
    starts = 1

    def __init__(self):
        self.world = World(self.config, self.env)
        self.elsewhere = None
        self.prepare()

    def prepare(self):
        pass

    def steps(self):
        raise NotImplementedError

    def is_over(self, name, attempt, last="finished"):
        """The folder is there a moment before the event is durable that lets an order be taken."""
        events = self.world.history(name)
        return bool(events) and (events[-1]["event"], events[-1]["attempt"]) == (last, attempt)

    def job_died(self):
        """Whether what runs the job was among the dead: then it has failed, and rightly so."""
        return False

    def tree(self):
        return self.world.tree(**({"elsewhere": self.elsewhere} if self.elsewhere else {}))

    def close(self):
        self.world.close()
        if self.elsewhere:
            shutil.rmtree(self.elsewhere, ignore_errors=True)

    def other_file_system(self):
        self.elsewhere = pathlib.Path(tempfile.mkdtemp(prefix="fcw-"))
        assert os.stat(self.elsewhere).st_dev != os.stat(self.world.base).st_dev
        return self.elsewhere


class Main(Way):
    """From upload to result, with all there is to do on the way."""

    def prepare(self):
        (self.world.base / f"Logs/{today_minus(30)}_flowcron.log").write_text("old\n")

    def upload(self, _crash=None):
        self.world.upload("uow", {
            "scripts/submission_script.sh": DOS,
            "flowcron/record.json": '{"id": "%s"}' % OLD_ID,
            "flowcron/report.txt": "as it was\n",
            "data/input": "1\n",
        }, sentinel=False)
        top = self.world.base / "UploadedFiles/uow"
        os.symlink("nowhere", top / "data/broken")
        os.symlink("/etc/passwd", top / "data/outside")
        os.symlink(f"{top}/data/input", top / "data/absolute")
        os.mkdir(top / "sentinels")

    def steps(self):
        yield self.upload, lambda: self.world.has("AnalysedFiles/uow")


class Held(Main):
    """The same with jobs that are submitted held; slowly, so that the lease is renewed meanwhile."""

    config = {"scheduler": {"submit": "held"}}
    env = {"FLOWCRON_LEASE_RENEW": "30000"}

    def prepare(self):
        self.world.standin.fault("sbatch", "delay ms=120")

    def upload(self, _crash=None):
        self.world.upload("uow", commands=RAN)


class Later(Way):
    """Failed, retried, into the bin, out of it, purged; and one that is cancelled."""

    submissions = 3
    starts = 2

    def retention(self, **what):
        self.world.configure({"retention": what})

    def steps(self):
        w = self.world
        yield (lambda _: w.upload("bad", commands=[RAN, "exit 3"]),
               lambda: w.has("FailedJobs/bad") and self.is_over("bad", 1))
        yield (lambda crash: w.order("retry", "bad", crash),
               lambda: w.has("FailedJobs/bad") and self.is_over("bad", 2))
        yield (lambda _: self.retention(soft_delete_after="1s"),
               lambda: w.has("SoftDelete/FailedJobs/bad"))
        self.retention()
        yield (lambda crash: w.order("restore", "bad", crash), lambda: w.has("FailedJobs/bad"))
        self.retention(soft_delete_after="1s")
        yield lambda _: None, lambda: w.has("SoftDelete/FailedJobs/bad")
        yield (lambda crash: w.order("purge", "bad", crash),
               lambda: not w.has("SoftDelete/FailedJobs/bad") and self.is_over("bad", 2, "purged"))
        self.retention()
        w.standin.hold_jobs()
        yield (lambda _: w.upload("stopped", commands=RAN),
               lambda: len(w.standin.submissions()) == 3)
        yield (lambda crash: w.order("cancel", "stopped", crash),
               lambda: w.has("FailedJobs/stopped"))


class Board(Way):
    """Shown on the status board, retried by a folder in Orders/, purged."""

    submissions = starts = 2

    def prepare(self):
        for path in ("Status/uow", "Orders"):
            (self.world.base / path).mkdir(parents=True)

    def order(self, _crash=None):
        (self.world.base / "Orders/retry uow").mkdir()

    def steps(self):
        w = self.world
        yield (lambda _: w.upload("uow", commands=[RAN, "exit 3"]),
               lambda: self.is_over("uow", 1) and self.shows("done - failed - exit code 3"))
        yield (self.order,
               lambda: self.is_over("uow", 2) and self.shows("done - failed - exit code 3"))
        yield (lambda crash: w.order("purge", "uow", crash),
               lambda: self.is_over("uow", 2, "purged") and not w.has("Status/uow"))

    def tree(self):
        """Who was not told that an order was carried out may be told that it is no longer possible."""
        return {key: what for key, what in super().tree().items()
                if not key.startswith("base:Orders/")}

    def shows(self, entry):
        return os.listdir(self.world.base / "Status/uow") == [entry]


class Elsewhere(Way):
    """Results on another file system, the bin on the first one again."""

    def prepare(self):
        folder = self.other_file_system()
        self.config = {"paths": {"analysed": str(folder)}}
        self.world.configure(self.config)
        self.result = folder

    def steps(self):
        w = self.world
        yield (lambda _: w.upload("uow", {"data/deep/er/input": "1\n"}, commands=RAN),
               lambda: os.path.lexists(self.result / "uow"))
        yield (lambda _: w.configure({**self.config, "retention": {"soft_delete_after": "1s"}}),
               lambda: w.has("SoftDelete/AnalysedFiles/uow")
               and not os.path.lexists(self.result / "uow"))


class Chain(Way):
    """A success that moves on to the next instance, on another file system; a note of long ago."""

    def prepare(self):
        self.next = self.other_file_system()
        self.world.configure({"chain": {"to": str(self.next)}})

    def upload(self, _crash=None):
        notes = self.world.base / ".flowcron/chain"
        notes.mkdir(parents=True, exist_ok=True)
        (notes / OLD_ID).write_text("/somewhere")
        os.utime(notes / OLD_ID, (1, 1))
        self.world.upload("uow", commands=RAN)

    def steps(self):
        yield self.upload, lambda: os.path.isdir(self.next / "uow/sentinels")


class Local(Way):
    """Jobs that FlowCron runs itself. What supervises a job is no part of the daemon; with it the job
    dies, as with its node, and is not tried again here."""

    config = {"scheduler": {"type": "local"}, "retry": {"on": []}}
    submissions = starts = 0
    supervisor = ("local-before-claim", "local-claimed", "local-running", "local-before-end",
                  "file-replace-before-rename", "file-replace-before-folder-sync",
                  "file-create-before-write", "file-create-before-folder-sync")

    def steps(self):
        w = self.world
        yield (lambda _: w.upload("uow", commands="echo ran >> data/ran"),
               lambda: w.has("AnalysedFiles/uow") or w.has("FailedJobs/uow"))

    def job_died(self):
        return bool(set(self.supervisor) & set(self.world.died()))


class Log(Way):
    """A checkpoint after each pass: old ones are removed and segments put away."""

    env = {"FLOWCRON_CHECKPOINT_SEGMENTS": "2"}
    submissions = starts = 3

    def steps(self):
        for i in range(3):
            name = f"uow{i}"
            yield (lambda _, n=name: self.world.upload(n, commands=RAN),
                   lambda n=name: self.world.has(f"AnalysedFiles/{n}"))


WAYS = {way.__name__.lower(): way
        for way in (Main, Held, Later, Board, Elsewhere, Chain, Local, Log)}


def walk(way, *crashes):
    """Goes the way, dying of the crashes in turn."""
    world, pending = way.world, list(crashes)
    for crash in crashes:
        crash.prepare(world)

    def act(function):
        crash, before = pending[0] if pending else None, len(world.died())
        code = function(crash)
        died = len(world.died()) > before
        assert code in (0, None) or (died and code == KILLED), f"{code}\n{world.said()}"
        if died and isinstance(crash, Ratchet):
            crash.deaths += 1
        elif died:
            pending.pop(0).after(world)

    for function, over in way.steps():
        act(function)
        act(world.flowcrond)
        until(over, lambda: act(world.flowcrond), world.said)
    # What is not done by now is done, and nothing more may come of it.
    pending.clear()
    for _ in range(2):
        act(world.flowcrond)
