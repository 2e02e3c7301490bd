# SPDX-License-Identifier: Apache-2.0
"""From the upload to the filed result: what ends how, and what is said about it."""

import json
import os
import pathlib
import shutil
import subprocess
from datetime import datetime

import pytest

from support.common import owned_folder, wait_until
from support.instance import listing
from support.jobs import SCRIPT, sbatch_script, slurm, wait_job, wait_polls
from support.record import check_record, submit_args
from support.units import as_bytes, script


def job_of(fc, name, phase=None):
    """Waits until Slurm has it; returns the job's id."""
    return fc.wait_state(name, "queued", phase=phase or "pending")["job_id"]


# ---- ends ----

def test_success(instance, standin):
    fc = instance(backend=standin).start()
    fc.upload("good", {"data/in": "42\n"},
              commands=['cp "$1/data/in" data/out', 'pwd', 'echo "on $SLURM_JOB_ID"', "echo e >&2"])
    uow = fc.wait_finished("good")
    assert fc.where("good") == ["analysed"]
    assert uow["path"] == str(fc.analysed / "good")
    assert uow["attempt"] == 1 and uow["job_id"] == str(standin.submissions()[0]["id"])
    assert fc.read("good", "data/out") == "42\n"
    assert fc.job_output("good") == f"{fc.work}/good\non {uow['job_id']}\n"
    assert fc.job_output("good", ".err") == "e\n"
    assert sorted(os.listdir(fc.result("good"))) == sorted(
        [b"data", b"scripts", b"flowcron", b"slurm-%s.out" % uow["job_id"].encode(),
         b"slurm-%s.err" % uow["job_id"].encode()])

    record = check_record(fc, "good")
    assert "cause" not in record and "reason" not in record
    attempt, = record["attempts"]
    assert attempt["job_id"] == uow["job_id"] and attempt["exit_code"] == 0
    assert attempt["nodes"] == "node1"
    times = [int(datetime.fromisoformat(attempt[key]).timestamp())  # Slurm counts in seconds
             for key in ("submitted", "queued", "ended")]
    assert times == sorted(times)
    sha = subprocess.run(["sha256sum", fc.result("good") + b"/" + SCRIPT.encode()], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    assert sha.lstrip("\\").startswith(attempt["script"]["sha256"])
    assert attempt["args"][:3] == ["sbatch", "--parsable", "--propagate=NONE"]
    assert fc.report("good").splitlines()[3].strip() == "SUCCEEDED"

    names = fc.event_names("good")
    assert names[:4] == ["uploaded", "staged", "submitting", "queued"]
    assert names[-2:] == ["ended", "finished"]
    assert set(names[4:-2]) <= {"job"}
    standin.assert_never_twice()


def test_failure_tells_why(instance, standin):
    fc = instance(backend=standin).start()
    fc.upload("bad", commands=["echo fine", "echo 'no such grid: 17' >&2", "exit 3"])
    uow = fc.wait_finished("bad", "failed")
    assert (uow["cause"], uow["reason"]) == ("exit-code", "exit code 3")
    assert fc.where("bad") == ["failed"]
    record = check_record(fc, "bad")
    assert record["attempts"][0]["exit_code"] == 3
    report = fc.report("bad")
    assert "FAILED: exit code 3" in report
    assert "  | no such grid: 17\n" in report
    assert "flowcronctl retry" in report
    assert len(standin.submissions()) == 1


ENDS = {
    # state: (details, outcome, cause, words of the reason)
    "TIMEOUT": ({}, "failed", "timeout", "over its time limit"),
    "OUT_OF_MEMORY": ({"exit": 0, "signal": 125}, "failed", "out-of-memory", "out of memory"),
    "CANCELLED": ({}, "failed", "cancelled-outside", "cancelled outside FlowCron"),
    "DEADLINE": ({}, "failed", "deadline", "deadline"),
    "PREEMPTED": ({}, "failed", "preempted", "preempted"),
    "FAILED": ({"exit": 0, "signal": 11}, "failed", "signal", "killed by signal 11"),
    "COMPLETED": ({}, "succeeded", None, ""),
}


def test_every_end_is_named(instance, standin):
    standin.set(mode="norun")
    fc = instance(backend=standin).start()
    for state in ENDS:
        fc.upload(state)
    jobs = {state: wait_job(fc, state) for state in ENDS}
    for state, (details, *_) in ENDS.items():
        standin.end(jobs[state], state, **details)
    for state, (_, outcome, cause, words) in ENDS.items():
        uow = fc.wait_finished(state, outcome)
        assert uow.get("cause") == cause
        assert words in uow.get("reason", "")
        record = check_record(fc, state)
        assert record["attempts"][0]["job"]["state"].startswith(state)
        assert len(record["attempts"]) == 1
        if cause:
            assert uow["reason"] in " ".join(fc.report(state).split())
    assert len(standin.submissions()) == len(ENDS)


def test_real_timeout(instance, standin):
    standin.set(minute_ms=300, kill_wait_ms=100)
    fc = instance(backend=standin).start()
    fc.upload("long", {SCRIPT: sbatch_script(["--time=1"], "echo begun", "exec sleep 600")})
    uow = fc.wait_finished("long", "failed")
    assert uow["cause"] == "timeout" and "time limit of 1 min" in uow["reason"]
    assert "--time=" in fc.report("long")
    assert fc.job_output("long") == "begun\n"


def test_memory_figures_are_shown(instance, standin):
    standin.set(mode="norun")
    fc = instance(backend=standin).start()
    fc.upload("big", {SCRIPT: sbatch_script(["--mem=47G"], "true")})
    standin.end(wait_job(fc, "big"), "OUT_OF_MEMORY", signal=125, rss=46 * 1024 * 1024)
    uow = fc.wait_finished("big", "failed")
    assert uow["reason"] == "out of memory, used 46 of 47 GB"
    job = check_record(fc, "big")["attempts"][0]["job"]
    assert job["memory_used_bytes"] == 46 * 1024**3
    assert job["memory_requested_bytes"] == 47 * 1024**3


def test_failed_step_of_a_success_is_a_warning(instance, standin):
    standin.set(mode="norun")
    fc = instance(backend=standin).start()
    fc.upload("steps")
    standin.end(wait_job(fc, "steps"), "COMPLETED", derived=1, steps="0:0,1:1")
    fc.wait_finished("steps")
    steps = check_record(fc, "steps")["attempts"][0]["job"]["failed_steps"]
    assert [step["exit_code"] for step in steps] == [1]
    assert "step" in fc.report("steps")


# ---- nodes that fail, requeues ----

def test_node_failure_is_tried_again_until_it_is_enough(instance, standin):
    standin.set(mode="norun")
    fc = instance(backend=standin, config={"retry": {"max_attempts": 3}}).start()
    fc.upload("unlucky")
    ids = []
    for attempt in (1, 2, 3):
        uow = wait_until(lambda n=attempt: (lambda u: u.get("attempt") == n and "job_id" in u
                                            and u)(fc.show("unlucky") or {}),
                         lambda: f"another attempt\n{fc.trouble()}")
        ids.append(uow["job_id"])
        assert fc.where("unlucky") == ["work"]
        standin.end(uow["job_id"], "NODE_FAIL")
    uow = fc.wait_finished("unlucky", "failed")
    assert uow["attempt"] == 3 and uow["cause"] == "node-fail"
    record = check_record(fc, "unlucky")
    assert [a["job_id"] for a in record["attempts"]] == ids
    assert [a["cause"] for a in record["attempts"]] == ["node-fail"] * 3
    assert [a.get("outcome") for a in record["attempts"]] == [None, None, "failed"]
    assert fc.event_names("unlucky").count("requeued") == 2
    tokens = [s["token"] for s in standin.submissions()]
    assert tokens == [f"flowcron={uow['id']}.{n}" for n in (1, 2, 3)]


def test_node_failure_then_success_keeps_earlier_output(instance, standin):
    fc = instance(backend=standin).start()
    fc.upload("retried", commands=["echo try >> data/tries", "[[ -e data/second ]] && exit 0",
                                   "touch data/second", "echo waiting", "exec sleep 600"])
    first = fc.wait_state("retried", "queued", phase="running")["job_id"]
    wait_until(lambda: os.path.exists(fc.work / "retried/data/second"), "the first try to begin")
    standin.end(first, "NODE_FAIL")
    uow = fc.wait_finished("retried")
    assert uow["attempt"] == 2 and uow["job_id"] != first
    assert fc.read("retried", "data/tries") == "try\ntry\n"
    assert fc.read("retried", f"slurm-{first}.out") == "waiting\n"
    check_record(fc, "retried")


def test_what_retry_on_does_not_list_is_final(instance, standin):
    standin.set(mode="norun")
    fc = instance(backend=standin, config={"retry": {"on": ["TIMEOUT"], "max_attempts": 2}}).start()
    for name in ("node", "time"):
        fc.upload(name)
    standin.end(wait_job(fc, "node"), "NODE_FAIL")
    assert fc.wait_finished("node", "failed")["attempt"] == 1
    first = wait_job(fc, "time")
    standin.end(first, "TIMEOUT")
    second = wait_until(lambda: fc.show("time").get("attempt") == 2 and fc.show("time").get("job_id"),
                        "the second attempt")
    assert second != first
    standin.end(second, "COMPLETED")
    fc.wait_finished("time")


def test_requeue_is_not_an_end(instance, standin):
    fc = instance(backend=standin).start()
    fc.upload("requeued", commands=["echo run >> data/runs", "[[ $(wc -l < data/runs) -gt 1 ]] && exit",
                                    "exec sleep 600"])
    job = fc.wait_state("requeued", "queued", phase="running")["job_id"]
    wait_until(lambda: (fc.work / "requeued/data/runs").exists(), "the first run to begin")
    standin.set(requeue_delay_ms=2500)
    slurm(standin, "scontrol", "requeue", job)
    wait_polls(standin)
    assert fc.show("requeued")["state"] == "queued"
    uow = fc.wait_finished("requeued")
    assert (uow["job_id"], uow["attempt"]) == (job, 1)
    assert fc.read("requeued", "data/runs") == "run\nrun\n"
    assert len(standin.submissions()) == 1


# ---- arrays, heterogeneous jobs, jobs that submit ----

def test_array_with_one_failing_task(instance, standin):
    fc = instance(backend=standin).start()
    fc.upload("array", {SCRIPT: sbatch_script(
        ["--array=1-5"], 'echo "task $SLURM_ARRAY_TASK_ID"', "[[ $SLURM_ARRAY_TASK_ID != 3 ]]")})
    uow = fc.wait_finished("array", "failed")
    assert uow["reason"] == "task 3 of 5: exit code 1"
    job = check_record(fc, "array")["attempts"][0]["job"]
    assert (job["task_count"], job["tasks_failed"]) == (5, 1)
    assert [t["index"] for t in job["tasks"]] == [3]
    for task in range(1, 6):
        assert fc.read("array", f"slurm-{uow['job_id']}_{task}.out") == f"task {task}\n"
    assert "task 3" in fc.report("array")


def test_array_is_not_over_before_its_last_task(instance, standin):
    standin.set(mode="norun")
    fc = instance(backend=standin).start()
    fc.upload("array", {SCRIPT: sbatch_script(["--array=0-2%2"], "true")})
    job = wait_job(fc, "array")
    standin.end(f"{job}_0")
    standin.end(f"{job}_1", "FAILED", exit=1)
    wait_polls(standin)
    assert fc.show("array")["state"] == "queued"
    assert fc.where("array") == ["work"]
    standin.end(f"{job}_2")
    assert fc.wait_finished("array", "failed")["reason"] == "task 1 of 3: exit code 1"


def test_array_of_successes(instance, standin):
    fc = instance(backend=standin).start()
    fc.upload("array", {SCRIPT: sbatch_script(["--array=1,3,5-6"], "true")})
    fc.wait_finished("array")
    assert check_record(fc, "array")["attempts"][0]["job"]["task_count"] == 4


def test_heterogeneous_job(instance, standin):
    standin.set(mode="norun")
    fc = instance(backend=standin).start()
    het = ["--ntasks=1", "hetjob", "--ntasks=2"]
    for name in ("het-good", "het-bad"):
        fc.upload(name, {SCRIPT: sbatch_script(het, "true")})
    good, bad = int(wait_job(fc, "het-good")), int(wait_job(fc, "het-bad"))
    standin.end(good)  # its parts end as one
    standin.end(bad, "FAILED", exit=5)
    fc.wait_finished("het-good")
    assert check_record(fc, "het-good")["attempts"][0]["job"]["task_count"] == 2
    uow = fc.wait_finished("het-bad", "failed")
    assert uow["reason"] == "2 of 2 parts failed, part 0: exit code 5"
    parts = check_record(fc, "het-bad")["attempts"][0]["job"]["tasks"]
    assert [part["index"] for part in parts] == [0, 1]


def test_jobs_that_the_job_submits_are_waited_for(instance, standin):
    fc = instance(backend=standin).start()
    later = "sbatch --wrap 'until [ -e go ]; do sleep 0.1; done; echo late > data/late; exit %d'"
    fc.upload("nested", commands=[later % 0])
    fc.upload("nested-bad", commands=[later % 5])
    for name in ("nested", "nested-bad"):
        job = wait_job(fc, name)
        wait_until(lambda: any(str(e["id"]) == job for e in standin.truth("end")), "the job to end")
    wait_polls(standin)
    for name in ("nested", "nested-bad"):
        assert fc.show(name)["state"] == "queued", fc.trouble()
        (fc.work / name / "go").touch()
    fc.wait_finished("nested")
    assert fc.read("nested", "data/late") == "late\n"
    check_record(fc, "nested")
    uow = fc.wait_finished("nested-bad", "failed")
    assert "it submitted: exit code 5" in uow["reason"]
    check_record(fc, "nested-bad")


# ---- what is not an end ----

def test_what_is_not_over_is_not_filed(instance, standin):
    """Pending, running, suspended, pending again: each over several looks."""
    standin.set(mode="norun", partition_state="down")
    fc = instance(backend=standin).start()
    fc.upload("patient")
    job = job_of(fc, "patient")
    uow = wait_until(lambda: (lambda u: u.get("reason") and u)(fc.show("patient")), "a reason")
    assert "PartitionDown" in uow["reason"] or "partition" in uow["reason"].lower()
    attention = fc.ctl("status").data["attention"]
    assert any(a.get("uow") == "patient" for a in attention), attention

    for state, phase in (("RUNNING", "running"), ("SUSPENDED", "running"),
                         ("PENDING", "pending")):
        standin.ctl("set", job, state)
        fc.wait_state("patient", "queued", phase=phase)
        wait_polls(standin)
        assert fc.show("patient")["state"] == "queued", state
        assert fc.where("patient") == ["work"]
    standin.end(job)
    fc.wait_finished("patient")


def test_completing_is_waited_for(instance, standin):
    """Accounting may say COMPLETED while the epilogue still runs."""
    standin.set(completing_ms=3_000_000)
    fc = instance(backend=standin).start()
    fc.upload("slow")
    job = wait_job(fc, "slow")
    wait_until(lambda: standin.jobs()[0]["completing"], "the job to complete")
    wait_polls(standin)
    assert fc.show("slow")["state"] == "queued"
    standin.set(completing_ms=0)
    standin.end(job)
    fc.wait_finished("slow")


# ---- chains ----

def test_chain_hands_a_success_on(instance, standin):
    first = instance("first", backend=standin)
    second = instance("second", backend=standin, home=first.home, base="base2",
                      config={"uow": {"script": "second.sh"}})
    second.start()
    first.configure({"chain": {"to": str(second.uploaded)}})
    first.start()
    files = {"scripts/second.sh": script("echo two >> data/stages")}
    first.upload("chained", files, commands="echo one >> data/stages")
    second.wait_finished("chained")
    assert second.read("chained", "data/stages") == "one\ntwo\n"
    uow = first.wait_state("chained", "finished")
    assert uow["outcome"] == "succeeded"
    assert uow["moved_to"] == str(second.uploaded / "chained")
    assert first.where("chained") == []
    assert first.event_names("chained")[-1] == "moved-on"
    # The record of the first stage is kept in what the second made of it.
    assert os.path.exists(second.result("chained") + f"/flowcron/earlier/{uow['id']}/record.json"
                          .encode())
    assert first.ctl("retry", "chained", "--yes").code == 5

    first.upload("stays", files, commands="false")
    first.wait_finished("stays", "failed")
    assert first.where("stays") == ["failed"]
    assert second.show("stays") is None


def test_chain_to_a_folder_that_is_not_there_waits(instance, root_dir):
    fc = instance(config={"chain": {"to": str(root_dir / "later")}}).start()
    fc.upload("early")
    fc.wait_finished("early")
    wait_until(lambda: any(a.get("uow") == "early" for a in fc.ctl("status").data["attention"]),
               "somebody to be told")
    assert fc.where("early") == ["analysed"]
    owned_folder(root_dir / "later", None)
    wait_until(lambda: (root_dir / "later/early/sentinels").exists(), fc.trouble)


# ---- submission ----

def test_held_submission(instance, standin):
    fc = instance(backend=standin, config={"scheduler": {"submit": "held"}}).start()
    fc.upload("held")
    uow = fc.wait_finished("held")
    submit, = standin.submissions()
    assert submit["held"]
    truth = [e["event"] for e in standin.truth() if str(e.get("id")) == uow["job_id"]]
    assert truth.index("submit") < truth.index("release") < truth.index("start")
    names = fc.event_names("held")
    assert names.index("queued") < names.index("released")
    queued = next(e for e in fc.events("held") if e["event"] == "queued")
    assert queued["held"] is True
    # Its id was on disk before it was let go.
    release = standin.calls("scontrol")[-1]
    assert release["argv"][1:] == ["release", uow["job_id"]]
    check_record(fc, "held")


def test_max_queued_is_first_come_first_served(instance, standin):
    standin.set(mode="norun")
    fc = instance(backend=standin, config={"scheduler": {"max_queued": 2}}).start()
    names = [f"uow{i}" for i in range(5)]
    for name in names:
        fc.upload(name)
        fc.wait_state(name, "queued" if name in names[:2] else "staged")
    wait_polls(standin)
    assert len(standin.submissions()) == 2
    waiting = fc.wait_state("uow2", "staged")
    assert "max_queued" in waiting["reason"]
    for i in range(len(names)):
        standin.end(standin.submissions()[i]["id"])
        fc.wait_finished(names[i])
        wanted = min(i + 3, len(names))
        wait_until(lambda n=wanted: len(standin.submissions()) == n, fc.trouble)
    order = [s["token"] for s in standin.submissions()]
    assert order == [f"flowcron={fc.show(name)['id']}.1" for name in names]


def options_of(args):
    return [a for a in args if a.startswith("--")]


def test_configured_options_are_passed_where_the_script_is_silent(instance, standin):
    standin.set(accounts="proj,other", qos="normal,fast", partitions="debug,gpu",
                reservations="workshop")
    scheduler = {"account": "proj", "qos": "fast", "partition": "gpu", "reservation": "workshop",
                 "extra_args": ["--nice=7", "--mail-type=NONE"]}
    fc = instance(backend=standin, config={"scheduler": scheduler}).start()
    fc.upload("silent")
    fc.upload("own", {SCRIPT: sbatch_script(["-A other", "--partition=debug", "-q normal"], "true")})
    fc.wait_finished("silent")
    fc.wait_finished("own")
    given = {"--account=proj", "--qos=fast", "--partition=gpu", "--reservation=workshop"}
    args = options_of(submit_args(fc, "silent"))
    assert given <= set(args) and {"--nice=7", "--mail-type=NONE"} <= set(args)
    args = options_of(submit_args(fc, "own"))
    assert given & set(args) == {"--reservation=workshop"}
    assert {"--nice=7", "--mail-type=NONE"} <= set(args)
    # What is recorded is what was called.
    called = [c["argv"][1:] for c in standin.calls("sbatch")]
    for name in ("silent", "own"):
        assert submit_args(fc, name)[1:] in called

    fc.configure({"scheduler": dict(scheduler, enforce=True)})
    fc.reload()
    fc.upload("forced", {SCRIPT: sbatch_script(["-A other", "--partition=debug"], "true")})
    fc.wait_finished("forced")
    assert given <= set(submit_args(fc, "forced"))


def test_comment_and_output_of_the_script(instance, standin):
    fc = instance(backend=standin).start()
    fc.upload("spoken", {SCRIPT: sbatch_script(
        ['--comment="for the paper, 50%"', "--output=/dev/null", "-e elsewhere.err",
         "--chdir=/tmp"], "echo heard", "pwd")})
    uow = fc.wait_finished("spoken")
    submit, = standin.submissions()
    assert submit["comment"] == f"flowcron={uow['id']}.1 for the paper, 50%"
    assert fc.job_output("spoken") == f"heard\n{fc.work}/spoken\n"
    assert fc.read("spoken", f"slurm-{uow['job_id']}.err") == ""
    assert "--output=/dev/null" in fc.read("spoken", SCRIPT)


def test_refusal_by_slurm_rejects_in_its_own_words(instance, standin):
    fc = instance(backend=standin).start()
    fc.upload("nowhere", {SCRIPT: sbatch_script(["--partition=nowhere"], "true")})
    fc.upload("unheard", {SCRIPT: sbatch_script(["--no-such-option=1"], "true")})
    uow = fc.wait_finished("nowhere", "rejected")
    assert uow["cause"] == "refused" and "invalid partition specified" in uow["reason"].lower()
    assert "invalid partition specified" in fc.report("nowhere").lower()
    assert fc.where("nowhere") == ["failed"]
    uow = fc.wait_finished("unheard", "rejected")
    assert "no-such-option" in uow["reason"]
    for name in ("nowhere", "unheard"):
        check_record(fc, name)
    assert standin.submissions() == []


# ---- the environment of the job ----

PROFILE = """
export FROM_PROFILE='it is'
export SLURM_JOB_ID=4711 SLURM_SUBMIT_DIR=/nowhere SBATCH_PARTITION=nowhere
export NOTIFY_SOCKET=/nowhere INVOCATION_ID=abc JOURNAL_STREAM=1:2
module() { echo "module $*"; }
export -f module
echo noise from the profile
"""

LOOK = ["env -0 > data/env", "umask > data/umask", "ulimit -Sn > data/nofile",
        "ulimit -Sc > data/core", "module load cryosparc", "trap -p > data/traps",
        "ls /proc/self/fd > data/fds"]


@pytest.mark.parametrize("backend", ["standin", "local"])
def test_environment_of_the_job(instance, standin, backend):
    fc = instance(backend=standin if backend == "standin" else None)
    fc.home.add_profile(PROFILE)
    old = os.umask(0o077)
    try:
        fc.start(FROM_DAEMON="1", INVOCATION_ID="1", JOURNAL_STREAM="8:1", SLURM_JOB_ID="4712",
                 LD_PRELOAD_CANARY="1")
    finally:
        os.umask(old)
    fc.upload("env", commands=LOOK)
    fc.wait_finished("env")
    env = dict(line.split("=", 1) for line in fc.read("env", "data/env").split("\0") if line)
    assert env["FROM_PROFILE"] == "it is"
    assert env["HOME"] == str(fc.home.dir)
    for name in ("FROM_DAEMON", "INVOCATION_ID", "JOURNAL_STREAM", "NOTIFY_SOCKET",
                 "LD_PRELOAD_CANARY", "SBATCH_PARTITION"):
        assert name not in env, name
    assert env.get("SLURM_JOB_ID") not in ("4711", "4712")
    assert env.get("SLURM_SUBMIT_DIR") != "/nowhere"
    assert "module load cryosparc\n" in fc.job_output("env")
    assert fc.read("env", "data/umask").strip() in ("0022", "0002")
    assert fc.read("env", "data/traps") == ""
    if backend == "local":
        soft = subprocess.run(["bash", "-c", "ulimit -Sn"], check=True, stdout=subprocess.PIPE,
                              text=True).stdout
        assert fc.read("env", "data/nofile") == soft


def test_environment_is_taken_anew_at_reload(instance, standin):
    fc = instance(backend=standin)
    fc.home.add_profile("export STAGE=before")
    fc.start()
    fc.upload("one", commands='echo "$STAGE"')
    fc.wait_finished("one")
    assert fc.job_output("one") == "before\n"
    fc.home.add_profile("export STAGE=after")
    fc.reload()

    def is_new():
        name = f"two{len(fc.folders()['analysed'])}"
        fc.upload(name, commands='echo "$STAGE"')
        fc.wait_finished(name)
        return fc.job_output(name) == "after\n"
    wait_until(is_new, "the new environment")


# ---- without Slurm ----

def test_local_scheduler(instance):
    fc = instance().start()
    fc.upload("good", {"data/in": "x\n"}, commands=['cat "$1/data/in"', "pwd"])
    fc.upload("bad", commands=["echo told >&2", "exit 9"])
    fc.upload("killed", commands=["kill -SEGV $$"])
    fc.wait_finished("good")
    assert fc.job_output("good") == f"x\n{fc.work}/good\n"
    check_record(fc, "good")
    uow = fc.wait_finished("bad", "failed")
    assert (uow["cause"], uow["reason"]) == ("exit-code", "exit code 9")
    assert "| told" in fc.report("bad")
    check_record(fc, "bad")
    assert fc.wait_finished("killed", "failed")["cause"] in ("signal", "exit-code")
    check_record(fc, "killed")


def test_local_slots(instance, root_dir):
    """No more at once than there are slots, and the others get their turn."""
    gate = root_dir / "gate"
    gate.mkdir()
    fc = instance(config={"scheduler": {"slots": 2}}).start()
    names = [f"uow{i}" for i in range(5)]
    for name in names:
        fc.upload(name, commands=[f"touch {gate}/begun-{name}",
                                  f"until [[ -e {gate}/open ]]; do sleep 0.05; done"])
    wait_until(lambda: len(list(gate.glob("begun-*"))) == 2, fc.trouble)
    for name in names:
        fc.wait_state(name, "queued")
    assert len(list(gate.glob("begun-*"))) == 2
    (gate / "open").touch()
    for name in names:
        fc.wait_finished(name)


def test_local_jobs_outlive_the_daemon(instance):
    fc = instance().start()
    fc.upload("long", commands=["echo $$ > data/pid", "until [[ -e go ]]; do sleep 0.05; done",
                                "echo done > data/out"])
    fc.wait_state("long", "queued", phase="running")
    pid = wait_until(lambda: (fc.work / "long/data/pid").exists()
                     and (fc.work / "long/data/pid").read_text().strip(), "the job's pid")
    fc.kill()
    fc.start()
    fc.stop()
    assert pathlib.Path(f"/proc/{pid}").exists()
    (fc.work / "long/go").touch()
    fc.start()
    uow = fc.wait_finished("long")
    assert uow["attempt"] == 1
    assert fc.read("long", "data/out") == "done\n"


def test_a_burst_of_uows(instance, standin):
    """Thirty at once: all through, each submitted once, one squeue and one sacct a poll."""
    standin.set(mode="norun", autocomplete_ms=200)
    fc = instance(backend=standin)
    names = [f"burst {i:02}" for i in range(30)]
    for name in names:
        fc.upload(name)
    fc.start()
    wait_until(lambda: len(listing(fc.analysed)) == len(names), fc.trouble)
    standin.assert_never_twice()
    assert len(standin.submissions()) == len(names)
    finished = fc.list("--state", "finished")
    assert len(finished) == len(names)
    polls = len(standin.calls("squeue"))
    assert len(standin.calls("sacct")) <= polls + 1 < len(names)


def test_queries_do_not_grow_with_the_jobs(instance, standin):
    """Forty jobs, half of them over and not in accounting yet: one squeue and one sacct a poll."""
    standin.set(mode="norun", sacct_lag_ms=3600_000, min_job_age_ms=0)
    fc = instance(backend=standin).start()
    for number in range(40):
        fc.upload(f"job {number:02}")
    wait_until(lambda: sum("job_id" in u for u in fc.list()) == 40, fc.trouble)
    for submission in standin.submissions()[::2]:
        standin.end(submission["id"])

    def queries():
        return [c for c in standin.calls() if c["command"] in ("squeue", "sacct", "scontrol")]

    def span():
        return queries()[-1]["time"] - queries()[known]["time"] if len(queries()) > known else 0

    known = len(queries())
    wait_until(lambda: span() >= 6, fc.trouble)
    # It polls once a second; the first and the last may be seen in part.
    assert len(queries()) - known <= 2 * (span() + 2)
    assert {c["command"] for c in queries()[known:]} == {"squeue", "sacct"}
    assert fc.list("--state", "finished") == []


def test_what_comes_back_is_welcome(instance, standin):
    """The result, uploaded again for another run: the old record is kept, nothing is removed."""
    fc = instance(backend=standin).start()
    fc.upload("again", commands="echo first")
    first = fc.wait_finished("again")
    result = fc.result("again")
    back = as_bytes(fc.uploaded) + b"/.back"
    shutil.copytree(result, back, symlinks=True)
    os.rename(back, as_bytes(fc.uploaded) + b"/again-2nd")
    fc.complete("again-2nd")
    second = fc.wait_finished("again-2nd")
    assert second["id"] != first["id"] and second["attempt"] == 1
    kept = json.loads(fc.read("again-2nd", f"flowcron/earlier/{first['id']}/record.json"))
    assert kept["id"] == first["id"]
    assert fc.read("again-2nd", f"slurm-{first['job_id']}.out") == "first\n"
    assert check_record(fc, "again-2nd")["id"] == second["id"]
