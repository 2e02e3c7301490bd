# SPDX-License-Identifier: Apache-2.0
"""The life from which state folders are kept: FlowCron at work on the stand-in, until every state and phase has been."""

import shutil

from support.common import wait_until
from support.installer import Person
from support.jobs import wait_job
from support.legacy import LegacyBase
from support.zoo import gone

# A name that would turn a terminal red, and is no UTF-8; and how it is shown.
ODD, ODD_SHOWN = "odd \x1b[31mname\udcff", "odd \x1b[31mname\\xff"

# Where each is in the end: state, phase, outcome, attempt. Checked when the fixtures are made.
ENDS = {
    "finished": ("finished", None, "succeeded", 1),
    "failed": ("finished", None, "failed", 1),
    "rejected": ("finished", None, "rejected", 0),
    "cancelled": ("finished", None, "cancelled", 1),
    "binned": ("soft-deleted", None, "succeeded", 1),
    "restored": ("finished", None, "succeeded", 1),
    "purged": ("purged", None, "succeeded", 1),
    "retried": ("finished", None, "succeeded", 2),
    "requeued": ("queued", "pending", None, 2),
    "moved": ("finished", None, "succeeded", 1),
    "running": ("queued", "running", None, 1),
    "pending": ("queued", "pending", None, 1),
    "staged": ("staged", None, None, 1),
    ODD_SHOWN: ("finished", None, "succeeded", 1),
}


def end(fc, standin, name, how="COMPLETED", **details):
    standin.end(wait_job(fc, name), how, **details)


def bin_it(fc, *names):
    """By the rule; it is taken back at once, so that it gets no others."""
    fc.configure({"retention": {"soft_delete_after": "1s"}})
    fc.reload()
    for name in names:
        fc.wait_state(name, "soft-deleted")
    fc.configure()
    fc.reload()


def first_life(fc, standin):
    fc.start()
    for name in ("binned", "restored", "purged"):
        fc.upload(name)
        end(fc, standin, name)
        fc.wait_finished(name)
    bin_it(fc, "binned", "restored", "purged")
    assert fc.ctl("restore", "restored").code == 0
    fc.wait_finished("restored")
    assert fc.ctl("purge", "purged", "--yes").code == 0
    gone(fc, fc.show("purged")["id"])
    fc.stop()


def second_life(fc, standin):
    fc.start()
    for name, how, outcome in (("finished", "COMPLETED", "succeeded"), ("failed", "FAILED", "failed"),
                               ("retried", "FAILED", "failed"), (ODD, "COMPLETED", "succeeded")):
        fc.upload(name)
        job = wait_until(lambda n=name: next((u["job_id"] for u in fc.list() if u.get("job_id")
                                              and u["state"] == "queued"), None), f"a job for {name!r}")
        standin.end(job, how)
        wait_until(lambda j=job, o=outcome: any(u.get("job_id") == j and u.get("outcome") == o
                                                and u["state"] == "finished" for u in fc.list()), name)
    fc.upload("rejected", commands="cd $HOME")
    fc.wait_finished("rejected", "rejected")
    assert fc.ctl("retry", "retried", "--yes").code == 0
    fc.wait_state("retried", "queued", phase="pending")
    end(fc, standin, "retried")
    fc.wait_finished("retried")
    fc.upload("cancelled")
    wait_job(fc, "cancelled")
    assert fc.ctl("cancel", "cancelled").code == 0
    fc.wait_finished("cancelled", "cancelled")
    fc.stop()


def third_life(fc, standin, chain):
    fc.configure({"chain": {"to": str(chain)}})
    fc.start()
    fc.upload("moved")
    end(fc, standin, "moved")
    wait_until(lambda: fc.show("moved").get("moved_to"), "it to move on")
    fc.configure({"scheduler": {"submit": "held"}})
    fc.reload()
    fc.upload("requeued")
    end(fc, standin, "requeued", "NODE_FAIL")
    wait_until(lambda: fc.show("requeued")["attempt"] == 2 and fc.show("requeued").get("phase") == "pending", "retry")
    fc.stop()


def fourth_life(fc, standin):
    fc.configure({"scheduler": {"max_queued": 3}})
    fc.start()
    for name, phase in (("running", "running"), ("pending", "pending")):
        fc.upload(name)
        job = wait_job(fc, name)
        if phase == "running":
            standin.ctl("set", job, "RUNNING")
        fc.wait_state(name, "queued", phase=phase)
    fc.upload("staged")
    fc.wait_state("staged", "staged")
    fc.stop()


def whole_life(fc, standin, chain):
    standin.set(mode="norun", partition_state="down")
    first_life(fc, standin)
    second_life(fc, standin)
    third_life(fc, standin, chain)
    fourth_life(fc, standin)


def with_checkpoints(fc):
    """More lives, each of which is followed by a checkpoint; needs a build with crash points, which can have them early."""
    for i in range(4):
        fc.start(FLOWCRON_CHECKPOINT_SEGMENTS="1")
        fc.upload(f"later{i}", commands="cd $HOME")
        fc.wait_finished(f"later{i}", "rejected")
        fc.stop()
    names = [path.name for path in (fc.state / "events").iterdir()]
    assert sum(name.startswith("checkpoint-") for name in names) == 2, f"{names}: no build with crash points?"


def taken_over(root, home):
    """A base folder of another program, taken over by setup. Returns its state folder."""
    person = Person(root, home)
    legacy = LegacyBase(root / "project", home)
    legacy.uow("AnalysedFiles", "good", files={"slurm-7.out": "fine\n"})
    legacy.uow("FailedJobs", "bad", files={"slurm-8.err": "oh\n", "slurm-8.out": ""})
    legacy.uow("SoftDelete/AnalysedFiles", "old")
    assert person.setup("--base", legacy.base, "--service", "cron").code == 0
    ((_, command),) = person.crontab.commands()
    wait_until(lambda: person.cron_tick(command).returncode == 0 and len(person.ctl("list", parse=True).data) == 3,
               "three results")
    return legacy.base / ".flowcron"


def keep(state, target):
    """What is worth to be kept of a state folder: neither owners nor what the daemon last said."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    shutil.copytree(state / "events", target / "events")
    (target / "config.yaml").write_text("scheduler: {type: slurm}\n")
