# SPDX-License-Identifier: Apache-2.0
"""How Units of Work end on real Slurm with accounting. One daemon, run by an ordinary user, serves
the whole file, and everything is uploaded at the beginning, so that the waiting is shared."""

import datetime
import os
import pathlib
import re
import resource
import shutil
import subprocess
import tempfile

import pytest

from support.common import as_user, wait_until
from support.home import Home
from support.instance import Instance, listing
from support.jobs import SCRIPT, sbatch_script, wait_job
from support.leftovers import end_leftovers
from support.record import check_record, submit_args
from support.slurmjobs import UNTIL_GO, go, token_of, wait_polls
from support.units import as_bytes

pytestmark = pytest.mark.slurm

# None of it may reach a job, but the function and what the person has set.
PROFILE = """
export FROM_PROFILE='it is'
export SLURM_JOB_ID=4711 SLURM_SUBMIT_DIR=/nowhere SBATCH_PARTITION=nowhere
export NOTIFY_SOCKET=/nowhere INVOCATION_ID=abc JOURNAL_STREAM=1:2
module() { echo "module $*"; }
export -f module
echo noise from the profile
"""
STACK = 7 << 20  # a limit that no job has by itself

NAMES = [
    b"two words  and   more",
    b" leading and trailing ",
    b"it's \"quoted\" `so`",
    b"100% %j %A_%a %% %",
    b"two\nlines\n",
    b"-rf",
    b"--wrap=echo",
    b"pipe|pipe;semi&amp$(touch x)",
    b"*?[a]{b}~!#,=:@",
    b"not\xff\xfeutf8",
    "žluťoučký 🧬".encode(),
    b"x" * 255,
]

UNITS = {  # name → (#SBATCH lines, commands)
    "good": ([], ['cp "$1/data/in" data/out', "pwd", 'echo "on $SLURM_JOB_ID"', "echo e >&2"]),
    "exit": ([], ["echo fine", "echo 'no such grid: 17' >&2", "exit 3"]),
    "signal": ([], ["kill -SEGV $$"]),
    "long": (["--time=2"], ["echo begun", "exec sleep 600"]),
    "hungry": (["--mem=40M"],
               ["exec python3 -c 'import time; x = b\"x\" * (200 << 20); time.sleep(600)'"]),
    "stopped": ([], ["exec sleep 600"]),
    "array": (["--array=1-5"], ['echo "task $SLURM_ARRAY_TASK_ID"',
                                "[[ $SLURM_ARRAY_TASK_ID != 3 ]]"]),
    "array-good": (["--array=1,3,5-6%2"], ["true"]),
    "het": (["--ntasks=1", "hetjob", "--ntasks=2"], ['echo "size $SLURM_HET_SIZE"']),
    "het-bad": (["--ntasks=1", "hetjob", "--ntasks=2"], ["srun --het-group=1 true", "exit 4"]),
    "steps": ([], ["srun -n1 false", "srun -n1 true"]),
    "requeued": ([], ["echo run >> data/runs", "[[ $(wc -l < data/runs) -gt 1 ]] && exit 0",
                      "exec sleep 600"]),
    "nested": ([], [f"sbatch --wrap '{UNTIL_GO}; echo late > data/late'"]),
    "nested-bad": ([], [f"sbatch --wrap '{UNTIL_GO}; exit 5'"]),
    "spoken": (['--comment="for the paper, 50%"', "--output=/dev/null", "-e elsewhere.err",
                "--chdir=/tmp"], ["echo heard", "pwd", UNTIL_GO]),
    "env": ([], ["env -0 > data/env", "umask > data/umask", "ulimit -Sa > data/limits",
                 "module load cryosparc", "trap -p > data/traps"]),
    "no-partition": (["--partition=nowhere"], ["true"]),
    "no-option": (["--no-such-option=1"], ["true"]),
    "no-account": (["--account=nobody"], ["true"]),
    "too-big": (["--nodes=17"], ["true"]),
    "down": (["--partition=closed"], ["true"]),
    "over-limit": (["--partition=short", "--time=10"], ["true"]),
    "tiny-1": (["--account=tiny"], [UNTIL_GO]),
    "tiny-2": (["--account=tiny"], [UNTIL_GO]),
}


def upload_all(fc):
    for name, (directives, commands) in UNITS.items():
        fc.upload(name, {SCRIPT: sbatch_script(directives, *commands), "data/in": "42\n"})
    for name in NAMES:
        fc.upload(name, commands=['printf %s "$1" > data/path', "pwd > data/pwd", "echo out"])


def start_strangely(fc):
    """As a careless person or another program would: with umask, limit and environment of its own."""
    umask, limit = os.umask(0o077), resource.getrlimit(resource.RLIMIT_STACK)
    resource.setrlimit(resource.RLIMIT_STACK, (STACK, limit[1]))
    try:
        fc.start(FROM_DAEMON="1", INVOCATION_ID="1", JOURNAL_STREAM="8:1", SLURM_JOB_ID="1",
                 SBATCH_PARTITION="nowhere")
    finally:
        os.umask(umask)
        resource.setrlimit(resource.RLIMIT_STACK, limit)


@pytest.fixture(scope="module")
def fc(slurm_cluster, users):
    slurm_cluster.clear()
    root = pathlib.Path(tempfile.mkdtemp(prefix="fct-"))
    root.chmod(0o755)
    home = Home(root, users[0])
    slurm_cluster.prepare(home)
    home.add_profile(PROFILE)
    one = Instance(root, "ends", user=users[0], home=home)
    one.defaults = slurm_cluster.config()
    one.configure()
    try:
        upload_all(one)
        start_strangely(one)
        # The controller looks after time limits every half minute only; that passes meanwhile.
        slurm_cluster.expire(one.wait_state("long", "queued", phase="running")["job_id"])
        yield one
    finally:
        slurm_cluster.clear()
        try:
            one.close()
        finally:
            end_leftovers(root)
            shutil.rmtree(root, ignore_errors=True)


def seconds(time):
    """Of a time in RFC 3339, without its fraction: some are kept more exactly than others."""
    return int(datetime.datetime.fromisoformat(time).timestamp())


def attempt_of(fc, name):
    """The only attempt, of a record that holds together."""
    attempt, = check_record(fc, name)["attempts"]
    return attempt


# ---- successes ----

def test_success(fc):
    uow = fc.wait_finished("good")
    assert fc.where("good") == ["analysed"]
    assert fc.read("good", "data/out") == "42\n"
    assert fc.job_output("good") == f"{fc.work}/good\non {uow['job_id']}\n"
    assert fc.job_output("good", ".err") == "e\n"
    job = uow["job_id"].encode()
    assert listing(fc.result("good")) == sorted(
        [b"data", b"scripts", b"flowcron", b"slurm-%s.out" % job, b"slurm-%s.err" % job])
    attempt = attempt_of(fc, "good")
    assert attempt["job_id"] == uow["job_id"] and attempt["exit_code"] == 0
    assert attempt["nodes"] in ("n1", "n2")
    submitted, queued, ended = (seconds(attempt[key]) for key in ("submitted", "queued", "ended"))
    assert submitted <= queued <= ended
    job = attempt["job"]
    assert (job["account"], job["partition"], job["qos"]) == ("science", "debug", "normal")
    assert job["state"] == "COMPLETED" and job["time_limit_s"] == 600
    report = fc.report("good")
    assert report.splitlines()[3].strip() == "SUCCEEDED" and uow["job_id"] in report


def test_array_of_successes(fc):
    fc.wait_finished("array-good")
    job = attempt_of(fc, "array-good")["job"]
    assert job["task_count"] == 4 and job.get("tasks_failed", 0) == 0


def test_heterogeneous_success(fc):
    fc.wait_finished("het")
    assert fc.job_output("het") == "size 2\n"
    assert attempt_of(fc, "het")["job"]["task_count"] == 2


def test_failed_step_of_a_success_is_a_warning(fc):
    fc.wait_finished("steps")
    steps = attempt_of(fc, "steps")["job"]["failed_steps"]
    assert [(step["step"], step["exit_code"]) for step in steps] == [("0", 1)]
    assert "step" in fc.report("steps")


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_any_name(fc, name):
    fc.wait_finished(name)
    path = os.path.join(as_bytes(fc.work), name)
    for file, end in (("data/path", b""), ("data/pwd", b"\n")):
        with open(os.path.join(fc.result(name), as_bytes(file)), "rb") as found:
            assert found.read() == path + end
    assert fc.job_output(name) == "out\n"
    check_record(fc, name)


def test_comment_output_and_folder_of_the_script(fc, slurm_cluster):
    job = fc.wait_state("spoken", "queued", phase="running")["job_id"]
    uow = fc.show("spoken")
    comment = slurm_cluster.run("squeue", "-h", "-j", job, "-o", "%k").rstrip("\n")
    assert comment == f"flowcron={uow['id']}.1 for the paper, 50%"
    go(fc, "spoken")
    fc.wait_finished("spoken")
    assert fc.job_output("spoken") == f"heard\n{fc.work}/spoken\n"
    assert fc.read("spoken", f"slurm-{job}.err") == ""
    assert "--output=/dev/null" in fc.read("spoken", SCRIPT)


def test_environment_of_the_job(fc, slurm_cluster):
    fc.wait_finished("env")
    env = dict(line.split("=", 1) for line in fc.read("env", "data/env").split("\0") if line)
    assert env["FROM_PROFILE"] == "it is"
    assert env["HOME"] == str(fc.home.dir) and env["USER"] == fc.user
    for name in ("FROM_DAEMON", "INVOCATION_ID", "JOURNAL_STREAM", "NOTIFY_SOCKET",
                 "SBATCH_PARTITION", "LISTEN_FDS", "WATCHDOG_USEC"):
        assert name not in env, name
    assert env["SLURM_JOB_ID"] == fc.show("env")["job_id"]
    assert env["SLURM_SUBMIT_DIR"] == f"{fc.work}/env"
    assert fc.job_output("env") == "module load cryosparc\n"
    assert fc.read("env", "data/umask").strip() in ("0022", "0002")
    assert fc.read("env", "data/traps") == ""
    # The limits are those that any job has.
    (fc.root / "limits.sh").write_text("#!/bin/bash\nulimit -Sa\n")
    with tempfile.TemporaryDirectory(dir=fc.root) as folder:
        slurm_cluster.run("sbatch", "--wait", "--propagate=NONE", f"--output={folder}/limits",
                          fc.root / "limits.sh")
        usual = pathlib.Path(folder, "limits").read_text()
    found = fc.read("env", "data/limits")
    assert found == usual and str(STACK >> 10) not in found


# ---- failures ----

def check_failure(fc, name, cause, words, outcome="failed"):
    """In the right folder, with reason and report; returns the only attempt."""
    uow = fc.wait_finished(name, outcome)
    assert uow["cause"] == cause, uow
    assert re.search(words, uow["reason"]), uow
    assert fc.where(name) == ["failed"]
    assert uow["reason"] in " ".join(fc.report(name).split())
    return attempt_of(fc, name)


def test_exit_code(fc):
    assert check_failure(fc, "exit", "exit-code", "^exit code 3$")["exit_code"] == 3
    report = fc.report("exit")
    assert "FAILED: exit code 3" in report
    assert "  | no such grid: 17\n" in report


def test_signal(fc):
    check_failure(fc, "signal", "signal", "signal 11|SIGSEGV")


def test_out_of_memory(fc):
    attempt = check_failure(fc, "hungry", "out-of-memory", "out of memory, used .* of 40 MB")
    assert attempt["job"]["memory_requested_bytes"] == 40 << 20
    assert "--mem=" in fc.report("hungry")


def test_cancelled_outside(fc, slurm_cluster):
    job = fc.wait_state("stopped", "queued", phase="running")["job_id"]
    slurm_cluster.run("scancel", job)
    check_failure(fc, "stopped", "cancelled-outside", "cancelled outside FlowCron")


def test_array_with_one_failing_task(fc):
    job = check_failure(fc, "array", "exit-code", "^task 3 of 5: exit code 1$")["job"]
    assert (job["task_count"], job["tasks_failed"]) == (5, 1)
    assert [t["index"] for t in job["tasks"]] == [3]
    for task in range(1, 6):
        out = fc.read("array", f"slurm-{fc.show('array')['job_id']}_{task}.out")
        assert out == f"task {task}\n"


def test_heterogeneous_failure(fc):
    check_failure(fc, "het-bad", "exit-code", "exit code 4")


REFUSALS = {
    "no-partition": "invalid partition specified",
    "no-option": "unrecognized option '--no-such-option=1'",
    "no-account": "invalid account or account/partition combination",
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusal_rejects_in_slurms_own_words(fc, slurm_cluster, name):
    uow = fc.wait_finished(name, "rejected")
    assert uow["cause"] == "refused" and REFUSALS[name] in uow["reason"].lower(), uow
    assert fc.where(name) == ["failed"]
    assert REFUSALS[name] in " ".join(fc.report(name).lower().split())
    assert not uow.get("job_id")
    check_record(fc, name)
    assert token_of(uow) not in slurm_cluster.run("squeue", "-h", "-t", "all", "-o", "%k")


# ---- what is not an end ----

def test_requeue_is_not_an_end(fc, slurm_cluster):
    job = fc.wait_state("requeued", "queued", phase="running")["job_id"]
    wait_until(lambda: (fc.work / "requeued/data/runs").exists(), "the first run to begin")
    slurm_cluster.run("scontrol", "requeue", job)
    wait_polls(fc)
    uow = fc.show("requeued")
    assert (uow["state"], uow["phase"]) == ("queued", "pending"), uow
    # Slurm lets a requeued job wait until its old credential is no longer valid.
    slurm_cluster.run("scontrol", "update", f"jobid={job}", "starttime=now")
    uow = fc.wait_finished("requeued")
    assert (uow["job_id"], uow["attempt"]) == (job, 1)
    assert fc.read("requeued", "data/runs") == "run\nrun\n"
    attempt_of(fc, "requeued")


def test_jobs_that_the_job_submits_are_waited_for(fc, slurm_cluster):
    for name in ("nested", "nested-bad"):
        job = wait_job(fc, name)
        wait_until(lambda j=job: j not in slurm_cluster.jobs("PENDING", "RUNNING", "COMPLETING"),
                   "the first job to end")
    wait_polls(fc)
    for name in ("nested", "nested-bad"):
        assert fc.show(name)["state"] == "queued", fc.trouble()
        go(fc, name)
    fc.wait_finished("nested")
    assert fc.read("nested", "data/late") == "late\n"
    assert len(attempt_of(fc, "nested")["job"]["further_jobs"]) == 1
    check_failure(fc, "nested-bad", "exit-code", "it submitted: exit code 5")


@pytest.mark.parametrize("name, words", [("down", "PartitionDown"),
                                         ("over-limit", "PartitionTimeLimit"),
                                         ("too-big", "PartitionNodeLimit")])
def test_what_does_not_lift_by_itself_is_shown_and_can_be_cancelled(fc, slurm_cluster, name, words):
    job = fc.wait_state(name, "queued", phase="pending")["job_id"]
    uow = wait_until(lambda: (lambda u: u.get("reason") and u)(fc.show(name)), "a reason")
    assert words in uow["reason"]
    assert name in [a.get("uow") for a in fc.ctl("status").data["attention"]]
    assert fc.ctl("cancel", name).code == 0
    check_failure(fc, name, "cancelled", "cancelled by order", "cancelled")
    assert job not in slurm_cluster.jobs()


def test_a_limit_that_lifts_is_waited_for(fc):
    """Account `tiny` takes one job at a time; the other UoW waits its turn, in plain sight."""
    names = ["tiny-1", "tiny-2"]
    while names:
        first = wait_until(lambda: next((n for n in names if fc.show(n)["state"] == "queued"), None),
                           fc.trouble)
        names.remove(first)
        for name in names:
            waiting = fc.wait_state(name, "staged")
            assert "violates accounting/QOS policy" in waiting["reason"], waiting
            assert fc.where(name) == ["work"]
        go(fc, first)
        fc.wait_finished(first)


def test_timeout(fc):
    attempt = check_failure(fc, "long", "timeout", "^over its time limit of ")
    assert attempt["job"]["state"] == "TIMEOUT"
    assert re.search("--time=[0-9:]+", fc.report("long"))
    assert fc.job_output("long") == "begun\n"


# ---- as a flow sees it, and all in all ----

def test_order_of_effects(fc, sampler):
    with sampler(fc, "seen good", "seen bad") as seen:
        fc.upload("seen good", commands="true")
        fc.upload("seen bad", commands="false")
        fc.wait_finished("seen good")
        fc.wait_finished("seen bad", "failed")
    seen["seen good"].check("analysed")
    seen["seen bad"].check("failed")


def test_nothing_was_submitted_twice(fc, slurm_cluster):
    for uow in fc.list():
        assert uow["state"] == "finished"
        if uow["outcome"] != "rejected":
            # Accounting hears late of how a job was submitted, even after its end.
            wait_until(lambda u=uow: slurm_cluster.job_count(token_of(u)), "accounting to know it")
            assert slurm_cluster.job_count(token_of(uow)) == 1, uow
    assert slurm_cluster.jobs() == []


def test_what_is_recorded_is_what_was_called(fc, slurm_cluster):
    """sbatch's own arguments, told by accounting."""
    job = fc.wait_finished("good")["job_id"]
    line = slurm_cluster.run("sacct", "-X", "-n", "-P", "-j", job, "-o", "SubmitLine").strip()
    assert line == " ".join(submit_args(fc, "good"))
    listed = subprocess.run(as_user(fc.user, ["ls", fc.result("good")]), check=True,
                            stdout=subprocess.PIPE)
    assert b"flowcron" in listed.stdout
