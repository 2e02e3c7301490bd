# SPDX-License-Identifier: Apache-2.0
"""Slurm that is down, slow, silent, talks nonsense or forgets: nothing is filed early, nothing is
lost, nothing is submitted twice. What really happened, the stand-in's log of truth says."""

import os
import pathlib
import random
import signal

import pytest

from support.common import wait_until
from support.instance import listing
from support.jobs import SCRIPT, sbatch_script, slurm, wait_job, wait_polls
from support.record import check_record

# How long an answer may take decides how long a missing one is waited for.
HASTY = {"scheduler": {"command_timeout": "1s"}}


def hasty(**scheduler):
    return {"scheduler": {**HASTY["scheduler"], **scheduler}}


def token(fc, name, attempt=1):
    return f"flowcron={fc.show(name)['id']}.{attempt}"


def assert_once(fc, standin, *names):
    """Each was submitted once, and ran once."""
    for name in names:
        assert fc.show(name)["attempt"] == 1
        assert len(standin.submissions(token(fc, name))) == 1, standin.submissions()
        assert len(standin.starts(token(fc, name))) <= 1
    standin.assert_never_twice()


def health(fc):
    return fc.ctl("status").data["scheduler"]


# ---- sbatch ----

# What becomes of the first call of sbatch for a UoW of this name.
ABSENT = {
    "timeout": "timeout ms=20",
    "hang": "hang",
    "kill": "kill",
    "garbage": "garbage bytes=300",
    "garbage-failing": "garbage bytes=300 rc=1",
    "silent": "silent",
    "silent-failing": "silent rc=1",
    "strange-words": "exit rc=3 text=sbatch: error: the dog ate it",
}
PRESENT = {
    "timeout": "timeout-done ms=20",
    "hang": "hang-done",
    "kill": "kill-done",
    "sigterm": "kill-done sig=15",
    "garbage": "garbage-done bytes=300",
    "silent": "silent-done",
    "silent-failing": "silent-done rc=1",
    "exit": "exit-done rc=1 text=sbatch: error: Batch job submission failed: Zero Bytes were "
            "transmitted or received",
    "slow": "delay-done ms=1800",
    "late-killed": "late ms=700 how=kill",
    "late-timeout": "late ms=700 how=timeout",
    "late-hanging": "late ms=700 how=hang",
}


def one_each(faults):
    """Each fault for the first submission of the UoW that is called so."""
    lines = []
    for name, fault in faults.items():
        kind, text, words = fault.partition(" text=")
        lines.append(f"{kind} n=1 match=/slurm/{name}/scripts{text}{words}")
    return lines


def run_each(instance, standin, faults):
    standin.fault("sbatch", *one_each(faults))
    fc = instance(backend=standin, config=HASTY)
    for name in faults:
        fc.upload(name)
    fc.start()
    for name in faults:
        fc.wait_finished(name, timeout=90)
        check_record(fc, name)
    assert_once(fc, standin, *faults)
    return fc


def calls_for(standin, name):
    return [c for c in standin.calls("sbatch") if c["argv"][-1].endswith(f"/{name}")]


# Few together: after each trouble FlowCron leaves Slurm in peace for longer.
@pytest.mark.parametrize("names", [list(ABSENT)[i::3] for i in range(3)], ids=" ".join)
def test_no_answer_and_no_job(instance, standin, names):
    """It is submitted again, when it is certain that there is no job."""
    run_each(instance, standin, {name: ABSENT[name] for name in names})
    for name in names:
        assert len(calls_for(standin, name)) == 2, name


@pytest.mark.parametrize("names", [list(PRESENT)[i::3] for i in range(3)], ids=" ".join)
def test_no_answer_but_a_job(instance, standin, names):
    """It is found, and adopted."""
    fc = run_each(instance, standin, {name: PRESENT[name] for name in names})
    for name in names:
        uow = fc.show(name)
        assert uow["job_id"] == str(standin.submissions(token(fc, name))[0]["id"])
        assert len(calls_for(standin, name)) == 1, name
        queued = next(e for e in fc.events(name) if e["event"] == "queued")
        assert queued["adopted"] is True, name
        assert fc.record(name)["attempts"][0]["adopted"] is True


@pytest.mark.parametrize("where", ["stderr", "stdout"])
def test_warnings_before_the_id(instance, standin, where):
    standin.fault("sbatch", f"warn-{where} text=sbatch: info: 4711 credits are left")
    fc = instance(backend=standin).start()
    fc.upload("uow")
    uow = fc.wait_finished("uow")
    assert uow["job_id"] == str(standin.submissions()[0]["id"])
    assert_once(fc, standin, "uow")


def test_adopted_while_accounting_lags_and_the_queue_forgets(instance, standin):
    """The job is over and forgotten by the controller before accounting has heard of it."""
    standin.set(min_job_age_ms=0, sacct_lag_ms=2500)
    standin.fault("sbatch", "timeout-done ms=20 n=1")
    fc = instance(backend=standin, config=hasty(command_timeout="2s")).start()
    fc.upload("uow")
    fc.wait_finished("uow", timeout=60)
    assert_once(fc, standin, "uow")


def test_an_unanswered_submission_waits_for_both_sources(instance, standin):
    """As long as one of them is silent, it is not submitted anew."""
    standin.fault("sbatch", "kill n=1")
    standin.fault("sacct", "down ms=10")
    fc = instance(backend=standin, config=HASTY).start()
    fc.upload("uow")
    wait_until(lambda: len(standin.calls("sbatch")) == 1, "the submission")
    wait_polls(standin, 4)
    uow = fc.show("uow")
    assert (uow["state"], uow["phase"]) == ("queued", "submitting")
    assert len(standin.calls("sbatch")) == 1
    standin.fault("sacct")
    standin.fault("squeue", "empty", "timeout ms=5")
    wait_polls(standin, 2)
    assert len(standin.calls("sbatch")) == 1
    standin.fault("squeue")
    fc.wait_finished("uow")
    assert_once(fc, standin, "uow")


def test_controller_down_while_uows_arrive(instance, standin):
    standin.fault("all", "down ms=20")
    fc = instance(backend=standin).start()
    names = [f"uow{i}" for i in range(6)]
    for name in names:
        fc.upload(name)
    for name in names:
        fc.wait_state(name, "staged")
    wait_until(lambda: health(fc)["availability"] == "down", lambda: health(fc))
    shown = fc.ctl("status").data
    assert "not answering" in shown["scheduler"]["trouble"] or shown["scheduler"]["trouble"]
    assert shown["attention"]
    wait_until(lambda: all(fc.show(n).get("reason") for n in names), lambda: fc.list())
    # From here on one asks for all, and ever more rarely.
    more = [f"more{i}" for i in range(6)]
    calls = len(standin.calls("sbatch"))
    for name in more:
        fc.upload(name)
        fc.wait_state(name, "staged")
    wait_until(lambda: len(standin.calls("sbatch")) > calls, "another try")
    assert len(standin.calls("sbatch")) < calls + len(more)
    names += more
    assert fc.folders()["failed"] == []
    standin.fault("all")
    for name in names:
        fc.wait_finished(name, timeout=90)
    assert_once(fc, standin, *names)
    wait_until(lambda: health(fc)["availability"] == "up", lambda: health(fc))
    for event in fc.events("uow0"):
        assert event["event"] != "queued" or event["time"]


def test_controller_goes_down_while_jobs_run(instance, standin):
    standin.set(mode="norun")
    fc = instance(backend=standin).start()
    names = ["good", "bad"]
    for name in names:
        fc.upload(name)
    jobs = {name: wait_job(fc, name) for name in names}
    standin.fault("all", "down ms=5")
    standin.end(jobs["good"])
    standin.end(jobs["bad"], "FAILED", exit=2)
    wait_polls(standin, 3)
    for name in names:
        assert fc.show(name)["state"] == "queued"
        assert fc.where(name) == ["work"]
    standin.fault("all")
    fc.wait_finished("good")
    assert fc.wait_finished("bad", "failed")["reason"] == "exit code 2"
    assert_once(fc, standin, *names)


@pytest.mark.parametrize("how", ["fault", "knob"])
def test_limits_are_waited_out(instance, standin, how):
    standin.set(mode="norun")
    fc = instance(backend=standin).start()
    if how == "fault":
        standin.fault("sbatch", "limit n=2")
    else:
        standin.set(max_submit=1)
    names = ["first", "second"]
    for name in names:
        fc.upload(name)

    def waits():
        return [u for u in fc.list("--state", "staged") if "Limit" in u.get("reason", "")]
    shown = wait_until(waits, lambda: fc.list())
    assert "AssocMaxSubmitJobLimit" in shown[0]["reason"]
    if how == "knob":
        wait_until(lambda: len(standin.submissions()) == 1, "the first")
        standin.ctl("set-all", "COMPLETED")
    wait_until(lambda: len(standin.submissions()) == 2, fc.trouble)
    standin.ctl("set-all", "COMPLETED")
    for name in names:
        fc.wait_finished(name)
    assert_once(fc, standin, *names)
    assert any(e["event"] == "deferred" and "Limit" in e["reason"]
               for name in names for e in fc.events(name))


def test_no_slurm_at_all(instance, standin):
    """Commands that are not there yet, say a module that is mended later: it waits."""
    fc = instance(backend=standin)
    tools = fc.root / "tools"  # all but Slurm's, which may be installed here
    tools.mkdir()
    for path in pathlib.Path("/usr/bin").iterdir():
        if path.name not in ("sbatch", "squeue", "sacct", "scancel", "scontrol", "sinfo"):
            (tools / path.name).symlink_to(path)
    fc.home.add_profile(f"export PATH={standin.bin}:{tools}")
    away = {path: os.readlink(path) for path in standin.bin.glob("s[qcbai]*")}
    for path in away:
        path.unlink()
    fc.start()
    fc.upload("uow")
    uow = wait_until(lambda: (lambda u: u and u["state"] == "staged" and u.get("reason") and u)(
        fc.show("uow")), fc.trouble)
    assert "sbatch" in uow["reason"]
    for path, target in away.items():
        path.symlink_to(target)
    fc.wait_finished("uow")
    assert_once(fc, standin, "uow")


# ---- squeue and sacct ----

NOT_YET = {
    "squeue is empty, sacct too": (["empty"], ["empty"]),
    "squeue fails": (["exit rc=1 text=slurm_load_jobs error: Unexpected message received"], []),
    "squeue talks nonsense": (["garbage bytes=2000"], []),
    "squeue breaks off": (["cut bytes=40"], ["cut bytes=40"]),
    "squeue says nothing": (["silent"], ["silent"]),
    "both hang": (["hang"], ["hang"]),
    "both are killed": (["kill"], ["kill"]),
    "sacct talks nonsense, squeue is empty": (["empty"], ["garbage bytes=2000"]),
    "sacct has part of it, squeue is empty": (["empty"], ["partial rows=1"]),
}


def test_what_is_not_known_is_not_filed(instance, standin):
    """While the answers are bad nothing is concluded from them, about an array least of all."""
    standin.set(mode="norun")
    fc = instance(backend=standin, config=HASTY).start()
    fc.upload("array", {SCRIPT: sbatch_script(["--array=1-3"], "true")})
    fc.upload("plain")
    array, plain = wait_job(fc, "array"), wait_job(fc, "plain")
    for task in (1, 2):
        standin.ctl("set", f"{array}_{task}", "COMPLETED")
    for what, (squeue, sacct) in NOT_YET.items():
        standin.fault("squeue", *squeue)
        standin.fault("sacct", *sacct)
        wait_polls(standin, 1)
        for name in ("array", "plain"):
            assert fc.show(name)["state"] == "queued", f"{what}\n{fc.trouble()}"
            assert fc.where(name) == ["work"], what
    standin.ctl("set", f"{array}_3", "FAILED", "exit=7")
    standin.end(plain)
    standin.fault("squeue")
    standin.fault("sacct")
    fc.wait_finished("plain")
    assert fc.wait_finished("array", "failed")["reason"] == "task 3 of 3: exit code 7"
    check_record(fc, "array")
    assert_once(fc, standin, "plain", "array")


def test_accounting_lags(instance, standin):
    """The controller has forgotten the job, accounting has not heard of its end: it waits."""
    standin.set(min_job_age_ms=0, sacct_lag_ms=3000)
    fc = instance(backend=standin).start()
    fc.upload("good", commands="echo done")
    fc.upload("bad", commands="exit 6")
    fc.wait_finished("good", timeout=60)
    assert fc.wait_finished("bad", "failed", timeout=60)["reason"] == "exit code 6"
    assert_once(fc, standin, "good", "bad")


def test_accounting_is_away_for_a_while(instance, standin):
    fc = instance(backend=standin).start()
    standin.fault("sacct", "down ms=5")
    fc.upload("uow", commands="exit 3")
    wait_until(lambda: standin.truth("end"), "the job to end")
    wait_polls(standin, 2)
    assert fc.show("uow")["state"] == "queued"
    wait_until(lambda: health(fc)["availability"] == "degraded", lambda: health(fc))
    standin.fault("sacct")
    uow = fc.wait_finished("uow", "failed")
    assert uow["reason"] == "exit code 3"


def test_accounting_is_away_for_too_long(instance, standin):
    """Then the controller's word must do."""
    fc = instance(backend=standin, config={"scheduler": {"lost_after": "2s"}}).start()
    standin.fault("sacct", "down ms=5")
    fc.upload("good")
    fc.upload("bad", commands="exit 3")
    fc.wait_finished("good")
    # It tells that, but not with which code.
    assert fc.wait_finished("bad", "failed")["cause"] == "exit-code"
    for name in ("good", "bad"):
        check_record(fc, name)


def test_a_site_without_accounting(instance, standin):
    standin.set(accounting=0)
    fc = instance(backend=standin).start()
    fc.upload("good", commands="echo out")
    fc.upload("bad", commands="exit 3")
    fc.upload("array", {SCRIPT: sbatch_script(["--array=1-3"], "[[ $SLURM_ARRAY_TASK_ID != 2 ]]")})
    fc.wait_finished("good")
    assert fc.wait_finished("bad", "failed")["reason"] == "exit code 3"
    assert fc.wait_finished("array", "failed")["reason"] == "task 2 of 3: exit code 1"
    assert health(fc)["accounting"] is False
    for name in ("good", "bad", "array"):
        check_record(fc, name)
    # Nor does it ask for what is not there with each poll.
    assert len(standin.calls("sacct")) <= 2


def test_without_accounting_an_unanswered_submission(instance, standin):
    standin.set(accounting=0)
    standin.fault("sbatch", "kill n=1", "kill-done n=1")
    fc = instance(backend=standin, config=HASTY).start()
    fc.upload("uow")
    fc.wait_finished("uow")
    assert_once(fc, standin, "uow")


def test_lost(instance, standin):
    """Nobody knows the job any more, and nothing tells how it ended: that is said, not guessed."""
    standin.set(mode="norun")
    fc = instance(backend=standin, config={"scheduler": {"lost_after": "3s"}}).start()
    fc.upload("lost")
    fc.upload("other")
    job = wait_job(fc, "lost")
    wait_job(fc, "other")
    standin.fault("squeue", "empty")
    standin.fault("sacct", "empty")
    uow = fc.wait_finished("lost", "lost")
    assert uow["cause"] == "lost" and fc.where("lost") == ["failed"]
    assert "LOST" in fc.report("lost") or "lost" in fc.report("lost")
    assert check_record(fc, "lost")["attempts"][0]["job_id"] == job
    assert_once(fc, standin, "lost")


def test_ids_that_are_used_again(instance, standin):
    """After a reset of the cluster the job's id belongs to somebody else's job."""
    standin.set(mode="norun", min_job_age_ms=0)
    fc = instance(backend=standin, config={"scheduler": {"poll_interval": "2s"}}).start()
    fc.upload("mine")
    job = wait_job(fc, "mine")
    standin.end(job, "FAILED", exit=9)
    standin.ctl("next-id", job)
    other = slurm(standin, "sbatch", "--parsable", "--wrap", "true").strip()
    assert other == job
    assert fc.wait_finished("mine", "failed")["reason"] == "exit code 9"
    fc.upload("next")
    standin.end(wait_job(fc, "next"))
    fc.wait_finished("next")


def test_a_crowded_queue(instance, standin):
    standin.fault("squeue", "flood rows=2000 text=not ours")
    standin.fault("sacct", "flood rows=2000")
    fc = instance(backend=standin).start()
    fc.upload("good")
    fc.upload("bad", commands="exit 2")
    fc.wait_finished("good")
    fc.wait_finished("bad", "failed")


def test_jobs_of_others_with_odd_comments(instance, standin):
    """Neither somebody else's word for our token, nor one of ours in another form, is ours."""
    standin.set(mode="norun")
    fc = instance(backend=standin).start()
    fc.upload("uow")
    wait_job(fc, "uow")
    uow = fc.show("uow")
    standin.fault("squeue", f"others rows=2 text=flowcron={uow['id']}.1x",
                  f"others rows=1 text=see flowcron={uow['id']}.1")
    wait_polls(standin, 2)
    standin.end(uow["job_id"])
    assert fc.wait_finished("uow")["job_id"] == uow["job_id"]
    assert standin.truth("cancel") == []


def test_held_and_unanswered(instance, standin):
    """Adopted held, released once; and a release that fails is tried again."""
    standin.fault("sbatch", "timeout-done ms=20 n=1")
    standin.fault("scontrol", "timeout ms=5 n=1 match=release")
    fc = instance(backend=standin, config=hasty(submit="held")).start()
    fc.upload("uow")
    fc.wait_finished("uow")
    assert_once(fc, standin, "uow")
    assert standin.submissions()[0]["held"]
    assert [e["event"] for e in standin.truth()].count("release") == 1


def test_a_second_job_of_a_token_is_cancelled(instance, standin):
    """What an owner that was frozen between its look and its act submits on waking."""
    standin.set(mode="norun", partition_state="down")
    fc = instance(backend=standin).start()
    fc.upload("uow")
    first = wait_job(fc, "uow")
    slurm(standin, "sbatch", "--parsable", f"--comment={token(fc, 'uow')}", "--wrap", "true")
    wait_until(lambda: standin.truth("cancel"), fc.trouble)
    assert str(standin.truth("cancel")[0]["id"]) != first
    standin.end(first)
    assert fc.wait_finished("uow")["job_id"] == first


# ---- the daemon is killed ----

KILLED = {
    # what sbatch is at when the daemon dies → whether the job is there
    "before the request": ("delay ms=60000 n=1", False),
    "after the request": ("delay-done ms=60000 n=1", True),
}


@pytest.mark.parametrize("submit", ["direct", "held"])
@pytest.mark.parametrize("when", KILLED)
def test_killed_while_submitting(instance, standin, when, submit):
    fault, there = KILLED[when]
    standin.fault("sbatch", fault)
    fc = instance(backend=standin, config=hasty(submit=submit, command_timeout="60s")).start()
    fc.upload("uow")
    wait_until(lambda: standin.submissions() if there else standin.calls("sbatch"), fc.trouble)
    fc.kill()
    # sbatch dies with its parent: nothing is on its way any more.
    fc.configure(hasty(submit=submit))
    fc.start()
    fc.wait_finished("uow")
    assert_once(fc, standin, "uow")
    assert len(standin.calls("sbatch")) == (1 if there else 2)
    check_record(fc, "uow")


def test_stopped_in_order_while_submitting(instance, standin):
    """SIGTERM waits for the answer: nothing to be looked for afterwards."""
    standin.fault("sbatch", "delay-done ms=700 n=1")
    fc = instance(backend=standin).start()
    fc.upload("uow")
    wait_until(lambda: standin.calls("sbatch"), fc.trouble)
    fc.stop()
    assert "queued" in fc.event_names("uow")
    fc.start()
    fc.wait_finished("uow")
    assert_once(fc, standin, "uow")


@pytest.mark.parametrize("submit", ["direct", "held"])
def test_killed_again_and_again(instance, standin, submit):
    """Wherever it dies: every UoW is submitted once and filed once."""
    rng = random.Random(4711)
    standin.set(mode="norun", autocomplete_ms=300)
    standin.fault("sbatch", "delay p=0.3 seed=1 ms=100", "delay-done p=0.3 seed=2 ms=100")
    fc = instance(backend=standin, config=hasty(submit=submit))
    names = [f"uow{i}" for i in range(8)]
    for name in names:
        fc.upload(name)
        calls = len(standin.calls()) + rng.randrange(1, 5)
        fc.start(wait=False)
        wait_until(lambda n=calls: len(standin.calls()) >= n, fc.trouble)
        fc.kill()
    fc.start()
    for name in names:
        fc.wait_finished(name, timeout=90)
    assert listing(fc.analysed) == sorted(name.encode() for name in names)
    assert_once(fc, standin, *names)
    assert len(standin.submissions()) == len(names)
    for name in names[:3]:
        check_record(fc, name)


def test_everything_is_unreliable(instance, standin):
    standin.set(mode="norun", autocomplete_ms=500)
    standin.fault("sbatch", "timeout p=0.15 seed=3 ms=10 n=2", "timeout-done p=0.15 seed=4 ms=10 n=2",
                  "warn-stdout p=0.2 seed=5 text=noise")
    standin.fault("squeue", "timeout p=0.2 seed=6 ms=10", "garbage p=0.1 seed=7 bytes=500",
                  "empty p=0.2 seed=8")
    standin.fault("sacct", "down p=0.2 seed=9 ms=10", "cut p=0.2 seed=10 bytes=150",
                  "empty p=0.2 seed=11")
    fc = instance(backend=standin, config=HASTY).start()
    names = [f"uow{i}" for i in range(12)]
    for name in names:
        fc.upload(name)
    for name in names:
        fc.wait_finished(name, timeout=120)
    assert_once(fc, standin, *names)


def test_a_frozen_daemon_goes_on(instance, standin):
    standin.set(mode="norun")
    fc = instance(backend=standin).start()
    fc.upload("uow")
    job = wait_job(fc, "uow")
    fc.signal(signal.SIGSTOP)
    standin.end(job)
    fc.signal(signal.SIGCONT)
    fc.wait_finished("uow")
    assert_once(fc, standin, "uow")
