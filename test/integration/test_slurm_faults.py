# SPDX-License-Identifier: Apache-2.0
"""Real Slurm with parts of it gone, nodes that fail, people who interfere, and a daemon that is
killed: what must wait waits, nothing is filed early, nothing is submitted twice."""

import contextlib
import os
import signal

import pytest

from support.common import owned_folder, wait_until
from support.instance import listing
from support.jobs import SCRIPT, sbatch_script, wait_job
from support.record import check_record, submit_args
from support.slurmjobs import UNTIL_GO, go, scheduler_of, token_of, wait_polls


@pytest.fixture
def new(instance, slurm, users):
    """new(config) → an instance of an ordinary user on real Slurm, not started."""
    return lambda config=None, **how: instance(backend=slurm, user=users[0], config=config, **how)


def assert_token_once(slurm, token):
    # Accounting hears late of how a job was submitted, even after its end.
    wait_until(lambda: slurm.job_count(token), f"accounting to know {token}")
    assert slurm.job_count(token) == 1


def assert_once(fc, slurm, *names):
    """One attempt each, and one job."""
    for name in names:
        uow = fc.show(name)
        assert uow["attempt"] == 1, uow
        assert_token_once(slurm, token_of(uow))


def assert_waits(fc, *names):
    """Still in Slurm, as far as FlowCron knows, and where work is done."""
    for name in names:
        assert fc.show(name)["state"] == "queued", fc.trouble()
        assert fc.where(name) == ["work"]


def wrap(fc, name, text):
    """Puts a script before the program of this name."""
    folder = owned_folder(fc.root / "wrappers", fc.user)
    (folder / name).write_text(f"#!/bin/bash\n{text}\n")
    (folder / name).chmod(0o755)
    fc.home.prepend_path(folder)
    return folder


# ---- parts of Slurm are gone ----

def test_controller_stopped_while_uows_arrive(new, slurm):
    fc = new().start()
    fc.upload("running", commands=UNTIL_GO)
    fc.wait_state("running", "queued", phase="running")
    slurm.stop_controller()
    names = [f"uow{i}" for i in range(4)]
    for name in names:
        fc.upload(name, commands='echo "$SLURM_JOB_ID"')
    go(fc, "running")
    wait_until(lambda: scheduler_of(fc)["availability"] == "down", fc.trouble)
    for name in names:
        fc.wait_state(name, "staged")
    waiting = wait_until(lambda: [n for n in names if fc.show(n).get("reason")], fc.trouble)
    reason = fc.show(waiting[0])["reason"]
    assert "contact slurm controller" in reason or "not answering" in reason, reason
    assert "not answering since" in scheduler_of(fc)["trouble"]
    assert_waits(fc, "running")
    slurm.start_controller()
    for name in ("running", *names):
        fc.wait_finished(name)
    assert scheduler_of(fc)["availability"] == "up"
    assert_once(fc, slurm, "running", *names)


def test_accounting_stopped(new, slurm):
    """Jobs start and end, and the daemon is killed, while only the controller answers."""
    fc = new().start()
    fc.upload("long", commands=UNTIL_GO)
    fc.wait_state("long", "queued", phase="running")
    slurm.stop_accounting()
    fc.upload("quick", commands="echo fine")
    fc.upload("bad", commands="exit 7")
    for name in ("quick", "bad"):
        job = wait_job(fc, name)
        wait_until(lambda j=job: j not in slurm.jobs(), "the end of the job")
    wait_until(lambda: scheduler_of(fc)["availability"] == "degraded", fc.trouble)
    assert "accounting is not answering" in scheduler_of(fc)["trouble"]
    wait_polls(fc)
    assert_waits(fc, "quick", "bad", "long")
    fc.kill()
    go(fc, "long")
    fc.start()
    wait_until(lambda: slurm.jobs() == [], "the end of the last job")
    wait_polls(fc)
    assert_waits(fc, "quick", "bad", "long")
    slurm.start_accounting()
    fc.wait_finished("quick")
    fc.wait_finished("long")
    assert fc.wait_finished("bad", "failed")["reason"] == "exit code 7"
    assert_once(fc, slurm, "quick", "bad", "long")
    for name in ("quick", "bad", "long"):
        check_record(fc, name)


PARTS = {"controller": ("down", "Slurm is not answering since"),
         "accounting": ("degraded", "accounting is not answering since")}


@pytest.mark.parametrize("part", PARTS)
def test_stopped_while_there_is_one_in_each_phase(new, slurm, part):
    """Pending, running, completing, and ordered to be cancelled: what happens meanwhile is found."""
    availability, words = PARTS[part]
    fc = new().start()
    for name in ("running", "completing"):
        fc.upload(name, commands=UNTIL_GO)
        fc.wait_state(name, "queued", phase="running")
    slurm.hold_jobs()
    for name in ("pending", "unwanted"):
        fc.upload(name)
        fc.wait_state(name, "queued", phase="pending")
    pid = fc.process.pid
    with stopped_slurmds(slurm):
        go(fc, "completing")
        wait_until(lambda: slurm.jobs("COMPLETING"), "the job to be completing")
        getattr(slurm, f"stop_{part}")()
    go(fc, "running")
    wait_until(lambda: scheduler_of(fc)["availability"] == availability, fc.trouble)
    told = [a for a in fc.ctl("status").data["attention"] if words in a["what"]]
    assert told and told[0]["advice"], fc.ctl("status").data["attention"]
    assert fc.ctl("cancel", "unwanted").code == 0
    if part == "controller":
        assert_waits(fc, "running", "completing", "pending", "unwanted")
    getattr(slurm, f"start_{part}")()
    slurm.wait_ready()
    # The order is given again in its own time; until it has arrived the job may not start.
    fc.wait_finished("unwanted", "cancelled", timeout=120)
    # For the rest it does not matter which part was away.
    slurm.release_jobs()
    for name in ("running", "completing", "pending"):
        fc.wait_finished(name, timeout=120)
        check_record(fc, name)
    wait_until(lambda: fc.ctl("status").data["attention"] == [], fc.trouble)
    assert fc.process.pid == pid and fc.running()
    assert_once(fc, slurm, "running", "completing", "pending", "unwanted")


def test_killed_in_the_middle_of_submissions(new, slurm, root_dir):
    """Of one, Slurm had taken the job; the other's had not left. Both answers are missing."""
    fc = new({"scheduler": {"command_timeout": "3s"}})
    gate = owned_folder(root_dir / "gate", fc.user)
    wrap(fc, "sbatch", f"""
if [[ $* == */taken && ! -e {gate}/taken ]]; then
    /usr/bin/sbatch "$@" >{gate}/answer
    touch {gate}/taken
    exec sleep 600
elif [[ $* == */kept && ! -e {gate}/kept ]]; then
    touch {gate}/kept
    exec sleep 600
fi
exec /usr/bin/sbatch "$@" """)
    fc.start()
    slurm.stop_accounting()
    fc.upload("kept")
    wait_until((gate / "kept").exists, fc.trouble)
    fc.kill()
    fc.upload("taken", commands=UNTIL_GO)
    fc.start()
    wait_until((gate / "taken").exists, fc.trouble)
    fc.kill()
    fc.start()
    # The controller shows the one by its token; that it does not show the other proves nothing.
    uow = fc.wait_state("taken", "queued", phase="running")
    assert uow["job_id"] == (gate / "answer").read_text().strip()
    assert [e["adopted"] for e in fc.events("taken") if e["event"] == "queued"] == [True]
    wait_until(lambda: scheduler_of(fc)["availability"] == "degraded", fc.trouble)
    wait_polls(fc, 6)
    assert_waits_to_be_found(fc, "kept")
    slurm.start_accounting()
    go(fc, "taken")
    for name in ("kept", "taken"):
        fc.wait_finished(name)
    assert_once(fc, slurm, "kept", "taken")


def assert_waits_to_be_found(fc, name):
    uow = fc.show(name)
    assert uow["phase"] == "submitting" and not uow.get("job_id"), uow
    assert fc.where(name) == ["work"]


@pytest.mark.parametrize("how", ["disabled", "not installed"])
def test_site_without_accounting(new, how):
    fc = new()
    if how == "disabled":
        wrap(fc, "sacct", "echo 'Slurm accounting storage is disabled' >&2; exit 1")
    else:
        folder = owned_folder(fc.root / "programs", fc.user)
        for program in os.listdir("/usr/bin"):
            if program != "sacct":
                (folder / program).symlink_to(f"/usr/bin/{program}")
        fc.home.export(PATH=folder)
    fc.start()
    fc.upload("good", commands="echo fine")
    fc.upload("bad", commands=["echo told >&2", "exit 6"])
    fc.upload("array", {SCRIPT: sbatch_script(["--array=0-2"], "exit $SLURM_ARRAY_TASK_ID")})
    fc.upload("stopped", commands=UNTIL_GO)
    fc.wait_finished("good")
    assert fc.job_output("good") == "fine\n"
    assert fc.wait_finished("bad", "failed")["reason"] == "exit code 6"
    assert "| told" in fc.report("bad")
    assert "task 1" in fc.wait_finished("array", "failed")["reason"]
    assert scheduler_of(fc)["accounting"] is False
    assert scheduler_of(fc)["availability"] == "up"
    assert fc.ctl("cancel", "stopped").code == 0
    assert fc.wait_finished("stopped", "cancelled")["cause"] == "cancelled"
    for name in ("good", "bad", "array", "stopped"):
        check_record(fc, name)


# ---- not over, whatever it looks like ----

@contextlib.contextmanager
def stopped_slurmds(slurm):
    """Nodes that don't answer for a while: jobs that end there are completing until they do."""
    pids = [int((slurm.dir / f"run/slurmd-{node}.pid").read_text().split()[0])
            for node in ("n1", "n2")]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_what_is_not_over_is_not_filed(new, slurm):
    fc = new().start()
    slurm.hold_jobs()
    fc.upload("patient", commands="until [ -e go ]; do sleep 0.1; echo >> data/ticks; done")
    job = fc.wait_state("patient", "queued", phase="pending")["job_id"]
    wait_polls(fc)
    assert_waits(fc, "patient")

    slurm.release_jobs()
    fc.wait_state("patient", "queued", phase="running")
    wait_until((fc.work / "patient/data/ticks").exists, "the job to begin")
    slurm.run("scontrol", "suspend", job)
    wait_until(lambda: slurm.jobs("SUSPENDED") == [job], "the job to be suspended")
    wait_polls(fc)
    assert_waits(fc, "patient")
    ticks = fc.work / "patient/data/ticks"
    before = ticks.stat().st_size
    slurm.run("scontrol", "resume", job)
    # The controller believes it before the node does it.
    wait_until(lambda: ticks.stat().st_size > before, "the job to go on")

    with stopped_slurmds(slurm):
        go(fc, "patient")
        wait_until(lambda: slurm.jobs("COMPLETING") == [job], "the job to be completing")
        wait_until(lambda: "COMPLETED" in slurm.run("sacct", "-nXP", "-j", job, "-o", "state"),
                   "accounting to say that it is over")
        wait_polls(fc)
        assert_waits(fc, "patient")
    fc.wait_finished("patient")
    assert_once(fc, slurm, "patient")


def test_preempted_and_requeued(new, slurm):
    fc = new().start()
    fc.upload("yielding", {SCRIPT: sbatch_script(
        ["--exclusive", "--nodelist=n1"], "echo run >> data/runs",
        "[[ $(wc -l < data/runs) -gt 1 ]] && exit 0", "exec sleep 600")})
    job = fc.wait_state("yielding", "queued", phase="running")["job_id"]
    wait_until((fc.work / "yielding/data/runs").exists, "the first run to begin")
    urgent = slurm.run("sbatch", "--parsable", "--partition=urgent", "--exclusive",
                       "--nodelist=n1", "--output=/dev/null", "--wrap=sleep 600").strip()
    wait_until(lambda: urgent in slurm.jobs("RUNNING"), "the urgent job to run")
    fc.wait_state("yielding", "queued", phase="pending")
    wait_polls(fc)
    assert_waits(fc, "yielding")
    slurm.run("scancel", urgent)
    slurm.run("scontrol", "update", f"jobid={job}", "starttime=now")
    uow = fc.wait_finished("yielding")
    assert (uow["job_id"], uow["attempt"]) == (job, 1)
    assert fc.read("yielding", "data/runs") == "run\nrun\n"
    check_record(fc, "yielding")


def test_failed_node_is_no_fault_of_the_user(new, slurm):
    """A job that Slurm may not requeue: FlowCron tries again, in the work area."""
    fc = new().start()
    fc.upload("unlucky", {SCRIPT: sbatch_script(
        ["--no-requeue"], "echo try >> data/tries", "[[ $(wc -l < data/tries) -gt 1 ]] && exit 0",
        "exec sleep 600")})
    first = fc.wait_state("unlucky", "queued", phase="running")["job_id"]
    wait_until((fc.work / "unlucky/data/tries").exists, "the first try to begin")
    node = slurm.run("squeue", "-h", "-j", first, "-o", "%N").strip()
    slurm.run("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
    try:
        uow = fc.wait_finished("unlucky")
    finally:
        # It may have come back by itself: ReturnToService.
        slurm.run("scontrol", "update", f"nodename={node}", "state=resume", check=False)
    assert uow["attempt"] == 2 and uow["job_id"] != first
    assert fc.read("unlucky", "data/tries") == "try\ntry\n"
    attempts = check_record(fc, "unlucky")["attempts"]
    assert [a.get("cause") for a in attempts] == ["node-fail", None]
    for attempt in (1, 2):
        assert_token_once(slurm, token_of(dict(uow, attempt=attempt)))


# ---- orders ----

def test_cancel_and_retry(new, slurm):
    fc = new().start()
    fc.upload("stopped", commands=["echo begun", UNTIL_GO])
    fc.upload("mended", commands=["[[ -e data/mended ]] || exit 2", "echo fine"])
    job = fc.wait_state("stopped", "queued", phase="running")["job_id"]
    assert fc.ctl("cancel", "stopped").code == 0
    uow = fc.wait_finished("stopped", "cancelled")
    assert uow["cause"] == "cancelled" and fc.where("stopped") == ["failed"]
    assert job not in slurm.jobs()
    assert "CANCELLED" in fc.report("stopped")

    first = fc.wait_finished("mended", "failed")
    os.close(os.open(fc.result("mended") + b"/data/mended", os.O_CREAT))
    assert fc.ctl("retry", "--yes", "mended").code == 0
    uow = fc.wait_finished("mended")
    assert (uow["id"], uow["attempt"]) == (first["id"], 2)
    assert fc.where("mended") == ["analysed"]
    attempts = check_record(fc, "mended")["attempts"]
    assert [a["job_id"] for a in attempts] == [first["job_id"], uow["job_id"]]
    assert fc.read("mended", f"slurm-{first['job_id']}.out") == ""
    for one in (first, uow):
        assert_token_once(slurm, token_of(one))


def test_held_submission(new, slurm):
    fc = new({"scheduler": {"submit": "held"}}).start()
    fc.upload("good")
    fc.upload("bad", commands="exit 1")
    fc.wait_finished("good")
    fc.wait_finished("bad", "failed")
    for name in ("good", "bad"):
        assert "--hold" in submit_args(fc, name)
        events = fc.event_names(name)
        assert events.index("queued") < events.index("released") < events.index("ended")
        queued = next(e for e in fc.events(name) if e["event"] == "queued")
        assert queued["held"] is True
    assert_once(fc, slurm, "good", "bad")


# ---- the daemon comes and goes ----

def test_killed_while_jobs_run(new, slurm):
    fc = new().start()
    names = ["a", "b", "c"]
    for name in names:
        fc.upload(name, commands=["echo run >> data/runs", UNTIL_GO, "[[ $1 != */b ]]"])
    jobs = {name: fc.wait_state(name, "queued", phase="running")["job_id"] for name in names}
    fc.kill()
    go(fc, "a")  # ends while nobody looks
    wait_until(lambda: jobs["a"] not in slurm.jobs(), "the end of the first")
    fc.upload("d")
    fc.start()
    for name in ("b", "c"):
        assert fc.show(name)["job_id"] == jobs[name]
        go(fc, name)
    for name in ("a", "c", "d"):
        fc.wait_finished(name)
    fc.wait_finished("b", "failed")
    for name in names:
        assert fc.show(name)["job_id"] == jobs[name]
        assert fc.read(name, "data/runs") == "run\n"
    assert_once(fc, slurm, *names, "d")


def test_passes_of_cron(new, slurm):
    """No daemon, a pass now and then: all that a daemon does."""
    fc = new()
    fc.upload("good", {"data/in": "x\n"}, commands='cat "$1/data/in"')
    fc.upload("bad", commands="exit 5")
    fc.upload("array", {SCRIPT: sbatch_script(["--array=1-3"], "true")})
    fc.upload("refused", {SCRIPT: sbatch_script(["--partition=nowhere"], "true")})

    def over():
        assert fc.once() == 0, fc.trouble()
        return len(listing(fc.analysed)) == 2 and len(listing(fc.failed)) == 2

    wait_until(over, fc.trouble)
    assert fc.job_output("good") == "x\n"
    for name, outcome in (("good", "succeeded"), ("array", "succeeded"), ("bad", "failed"),
                          ("refused", "rejected")):
        assert fc.show(name)["outcome"] == outcome
        check_record(fc, name)
    assert_once(fc, slurm, "good", "bad", "array")

    # Beside a daemon a pass leaves at once, and quietly; an order goes through either.
    fc.upload("later", commands=UNTIL_GO)
    fc.start()
    fc.wait_state("later", "queued", phase="running")
    said = len(fc.stderr_text())
    assert fc.once() == 0
    assert "owned by" not in fc.stderr_text()[said:]
    fc.stop()
    answer = fc.ctl("cancel", "later")
    assert answer.code == 0 and answer.data["deferred"] is True, answer
    wait_until(lambda: fc.once() == 0 and fc.where("later") == ["failed"], fc.trouble)
    assert fc.show("later")["outcome"] == "cancelled"
