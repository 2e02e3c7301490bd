# SPDX-License-Identifier: Apache-2.0
"""What squeue, sacct and scontrol may answer besides the truth, late or far too much of it: nothing
is concluded from it, `status` names it, and the next good answer is believed."""

import pytest

from support.common import wait_until
from support.jobs import wait_job, wait_polls

HASTY = {"scheduler": {"command_timeout": "1s"}}


def attention(fc):
    return " ".join(a["what"] for a in fc.ctl("status").data["attention"])


def assert_waits(fc, *names):
    for name in names:
        assert fc.show(name)["state"] == "queued" and fc.where(name) == ["work"], fc.trouble()


def assert_all_well(fc, standin, *names):
    standin.assert_never_twice()
    assert len(standin.submissions()) == len(names)
    assert standin.truth("cancel") == []
    wait_until(lambda: attention(fc) == "", lambda: attention(fc))


def test_words_before_the_answer(instance, standin):
    """A site's wrapper that greets on either stream is heard, and passed over."""
    for command in ("squeue", "sacct", "scontrol"):
        standin.fault(command, "warn-stdout text=Welcome to the cluster, 17|RUNNING|42",
                      "warn-stderr text=info: maintenance on Monday")
    fc = instance(backend=standin).start()
    fc.upload("good")
    fc.upload("bad", commands="exit 4")
    fc.wait_finished("good")
    assert fc.wait_finished("bad", "failed")["reason"] == "exit code 4"
    assert_all_well(fc, standin, "good", "bad")


@pytest.mark.parametrize("command", ["squeue", "sacct"])
def test_answers_after_their_deadline(instance, standin, command):
    standin.set(mode="norun", min_job_age_ms=0 if command == "sacct" else None)
    fc = instance(backend=standin, config=HASTY).start()
    fc.upload("uow")
    job = wait_job(fc, "uow")
    standin.fault(command, "delay ms=1500")
    standin.end(job, "FAILED", exit=3)
    wait_until(lambda: f"{command}: no answer within 1s" in attention(fc), lambda: attention(fc))
    wait_polls(standin)
    assert_waits(fc, "uow")
    standin.fault(command)
    assert fc.wait_finished("uow", "failed")["reason"] == "exit code 3"
    assert_all_well(fc, standin, "uow")


BAD = ("hang", "kill", "garbage bytes=3000", "cut bytes=60", "delay ms=1500",
       "exit rc=1 text=slurm_load_jobs error: Unable to contact slurm controller",
       "warn-stdout text=JobId=1 JobState=COMPLETED ExitCode=0:0")


def test_scontrol_where_there_is_no_accounting(instance, standin):
    """It has the details; which way a job ended, squeue has said."""
    standin.set(mode="norun", accounting=0)
    fc = instance(backend=standin, config=HASTY).start()
    for i, fault in enumerate(BAD):
        standin.fault("scontrol", fault)
        asked = len(standin.calls("scontrol"))
        for name, state, details in ((f"good{i}", "COMPLETED", {}),
                                     (f"bad{i}", "FAILED", {"exit": 3})):
            fc.upload(name)
            standin.end(wait_job(fc, name), state, **details)
        fc.wait_finished(f"good{i}")
        fc.wait_finished(f"bad{i}", "failed")
        assert len(standin.calls("scontrol")) > asked
    assert_all_well(fc, standin, *(f"{how}{i}" for how in ("good", "bad") for i in range(len(BAD))))


def peak_memory(fc):
    """Of the daemon itself, in bytes."""
    with open(f"/proc/{fc.process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))


@pytest.mark.parametrize("command", ["squeue", "sacct"])
def test_a_million_lines(instance, standin, command):
    """More than is kept of any answer: it counts as none, and costs no more than its bound."""
    standin.set(mode="norun", min_job_age_ms=0 if command == "sacct" else None)
    fc = instance(backend=standin, config={"scheduler": {"command_timeout": "60s"}}).start()
    fc.upload("uow")
    job = wait_job(fc, "uow")
    before = peak_memory(fc)
    standin.fault(command, "flood rows=1000000 n=1 text=not ours")
    standin.end(job, "FAILED", exit=3)
    assert fc.wait_finished("uow", "failed", timeout=120)["reason"] == "exit code 3"
    # The answer's bound is 128 MiB; it grows by doubling, and a sanitizer keeps what was freed.
    assert peak_memory(fc) - before < 1 << 30
    assert f"{command}: its answer can't be read" in fc.stderr_text()
    assert_all_well(fc, standin, "uow")
