# SPDX-License-Identifier: Apache-2.0
"""A base folder of the bash FlowCron is taken over while it is at work. (On real Slurm: test_setup_slurm.py.)"""

import os
import shutil
import subprocess

import pytest
import yaml

from support.common import program, wait_until
from support.home import Home
from support.legacy import LegacyBase
from support.installer import Person, dumps

# The bash FlowCron starts jobs in CodeToRun, and gives them their folder as an argument.
UNTIL_GO = ['cd "$1"', "until [ -e go ]; do sleep 0.1; done", "echo done > data/out"]


@pytest.fixture
def person(root_dir, standin):
    home = Home(root_dir)
    standin.prepare(home)
    return Person(root_dir, home)


@pytest.fixture
def legacy(root_dir, person):
    return LegacyBase(root_dir / "project", person.home)


def passes(person, condition, what, most=200):
    """Passes of flowcrond until it is so."""
    for _ in range(most):
        done = subprocess.run([program("flowcrond"), "--once"], env=person.env(), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        if condition():
            return
    raise AssertionError(f"{what}; the last pass said:\n{done.stderr}")


def take_over(person, legacy, *flags):
    done = person.setup("--base", legacy.base, "--service", "none", *flags)
    assert done.code == 0, done
    return done.data


def listed(person):
    answer = person.ctl("list", parse=True)
    assert answer.code == 0, answer
    return {u["name"]: u for u in answer.data}


def test_settings_are_offered(person, legacy, standin):
    standin.set(accounts="other,proj", qos="normal,long")
    legacy.write("CodeToRun/cleanup.sh", "#!/bin/bash\n#SBATCH --account proj\n#SBATCH --qos long\n")
    data = take_over(person, legacy)
    config = yaml.safe_load(person.config().read_text())
    assert config["scheduler"]["account"] == "proj" and config["scheduler"]["qos"] == "long"
    assert config["retention"]["soft_delete_after"] == "14d" and config["retention"]["purge_after"] == "60d"
    assert config["uow"]["add_timestamp"] is False
    assert data["takeover"]["results"] == 0 and not data["takeover"]["left"]
    # In its folder, that one is offered as the base folder.
    shutil.rmtree(person.config().parent)
    assert person.setup("--service", "none", cwd=legacy.base).data["base"] == str(legacy.base)


def test_results_get_a_history(person, legacy):
    legacy.uow("AnalysedFiles", "good", files={"slurm-7.out": "fine\n", "data/result": "42\n"})
    legacy.uow("FailedJobs", "bad one", files={"slurm-8.err": "oh\n", "slurm-8.out": ""})
    legacy.uow("SoftDelete/AnalysedFiles", "old")
    before = legacy.contents()
    assert take_over(person, legacy)["takeover"]["results"] == 3
    passes(person, lambda: len(listed(person)) == 3, "three results")
    found = listed(person)
    assert (found["good"]["state"], found["good"]["outcome"], found["good"]["job_id"]) == ("finished", "succeeded", "7")
    assert (found["bad one"]["outcome"], found["old"]["state"]) == ("failed", "soft-deleted")
    events = person.ctl("history", "good", parse=True).data
    assert [e["event"] for e in events] == ["uploaded", "queued", "ended", "finished"]
    assert all(e["imported"] for e in events)
    assert legacy.contents() == before  # not a byte was changed
    # Setup, run again, finds nothing new; and orders work on what was taken over.
    assert take_over(person, legacy)["takeover"]["results"] == 0
    passes(person, lambda: True, "")
    assert len(listed(person)) == 3
    assert person.ctl("restore", "old").code == 0 and person.ctl("retry", "--yes", "bad one").code == 0
    passes(person, lambda: (legacy.base / "AnalysedFiles/bad one").exists()
           and (legacy.base / "AnalysedFiles/old").exists(), "both in AnalysedFiles")


def test_retention_counts_from_the_take_over(person, legacy):
    """Years of results do not go into the bin, and out of it, because somebody changed the software."""
    legacy.uow("AnalysedFiles", "ancient")
    for path in (legacy.base / "AnalysedFiles/ancient", legacy.base / "AnalysedFiles/ancient/data"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    take_over(person, legacy)
    passes(person, lambda: "ancient" in listed(person), "it is known")
    passes(person, lambda: True, "")
    assert listed(person)["ancient"]["state"] == "finished"
    text = person.config().read_text().replace("soft_delete_after: 14d", "soft_delete_after: 1s")
    person.config().write_text(text)
    passes(person, lambda: (legacy.base / "SoftDelete/AnalysedFiles/ancient").exists(), "it is in the bin")


def test_waiting_are_taken_up(person, legacy):
    """Wherever the bash FlowCron, or the crash of one of its passes, left them."""
    legacy.uow("UploadedFiles", "complete", mark="")
    legacy.uow("UploadedFiles", "arriving")
    legacy.uow("UploadedFiles", "stuck", mark="transfer_to_slurm-20240101-100000")
    legacy.uow("CodeToRun/slurm", "moved", mark="transfer_to_slurm-20240101-100000")
    legacy.uow("CodeToRun/slurm", "waits", mark="")
    legacy.uow("CodeToRun/slurm", "busy", mark="somebody")
    data = take_over(person, legacy)
    assert data["takeover"]["waiting"] == 3 and data["takeover"]["left"] == ["busy"]
    ready = ("complete", "stuck", "moved", "waits")
    passes(person, lambda: all((legacy.base / "AnalysedFiles" / n).exists() for n in ready), "all done")
    for name in ready:
        assert listed(person)[name]["outcome"] == "succeeded"
    assert (legacy.base / "UploadedFiles/arriving").exists()
    assert (legacy.base / "CodeToRun/slurm/busy/sentinels/somebody").exists()


def test_running_job_is_adopted(person, legacy, standin):
    job, cleanup = legacy.submit("runs", commands=UNTIL_GO)
    data = take_over(person, legacy)
    assert data["takeover"]["running"] == ["runs"]
    states = {str(j["id"]): j["state"] for j in standin.jobs() if j["current"]}
    assert states[job] == "RUNNING" and states[cleanup] == "CANCELLED"
    passes(person, lambda: listed(person).get("runs", {}).get("phase") == "running", "it is known")
    assert listed(person)["runs"]["job_id"] == job
    (legacy.base / "CodeToRun/slurm/runs/go").touch()
    passes(person, lambda: (legacy.base / "AnalysedFiles/runs").exists(), "it is filed")
    assert (legacy.base / "AnalysedFiles/runs/data/out").read_text() == "done\n"
    assert not (legacy.base / "AnalysedFiles/runs/sentinels").exists()
    assert "SUCCEEDED" in (legacy.base / "AnalysedFiles/runs/flowcron/report.txt").read_text()
    assert len(standin.submissions()) == 2  # nothing was submitted beside the two of the bash FlowCron


def test_adopted_job_can_be_cancelled(person, legacy):
    legacy.submit("runs", commands=UNTIL_GO)
    take_over(person, legacy)
    passes(person, lambda: "runs" in listed(person), "it is known")
    assert person.ctl("cancel", "runs").code == 0
    passes(person, lambda: (legacy.base / "FailedJobs/runs").exists(), "it is filed")
    assert listed(person)["runs"]["outcome"] == "cancelled"


def test_ended_before_anybody_looked(person, legacy, standin):
    """The job is over, its clean-up still waits in the queue: accounting tells how it ended."""
    job, cleanup = legacy.submit("ended", "--hold", commands="exit 3")
    wait_until(lambda: any(str(j["id"]) == job and j["state"] == "FAILED" for j in standin.jobs()), "the job's end")
    assert take_over(person, legacy)["takeover"]["running"] == ["ended"]
    assert {str(j["id"]): j["state"] for j in standin.jobs() if j["current"]}[cleanup] == "CANCELLED"
    passes(person, lambda: (legacy.base / "FailedJobs/ended").exists(), "it is filed")
    found = listed(person)["ended"]
    assert found["outcome"] == "failed" and found["job_id"] == job and "exit" in found["reason"]


def test_without_a_trace_of_its_job(person, legacy, standin):
    """Marked as submitted, and no job of it is known: never run a second time by itself, never lost either."""
    legacy.uow("CodeToRun/slurm", "gone", mark="SlurmRunning")
    data = take_over(person, legacy)
    assert data["takeover"]["lost"] == 1 and any("retry" in w for w in data["warnings"])
    passes(person, lambda: (legacy.base / "FailedJobs/gone").exists(), "it is filed")
    assert listed(person)["gone"]["outcome"] == "lost" and not standin.submissions()
    assert person.ctl("retry", "--yes", "gone").code == 0
    passes(person, lambda: (legacy.base / "AnalysedFiles/gone").exists(), "it is run again")


def test_cleanup_that_died(person, legacy):
    """Its last step is done for it: a flow that waits for the end of sentinels/ goes on."""
    legacy.uow("AnalysedFiles", "cut", mark="COPY-FOR-GLOBUS-DOWNLOAD-5")
    take_over(person, legacy)
    assert not (legacy.base / "AnalysedFiles/cut/sentinels").exists()
    passes(person, lambda: listed(person).get("cut", {}).get("state") == "finished", "it is known")


def test_same_name_twice(person, legacy):
    legacy.uow("AnalysedFiles", "twin", files={"data/a": "1"})
    legacy.uow("FailedJobs", "twin", files={"data/b": "2"})
    data = take_over(person, legacy)
    assert data["takeover"]["results"] == 1 and data["takeover"]["left"] == ["twin"]
    passes(person, lambda: "twin" in listed(person), "one is known")
    assert (legacy.base / "AnalysedFiles/twin/data/a").exists() and (legacy.base / "FailedJobs/twin/data/b").exists()


# ---- what may be in the way ----

def test_crontab_line_goes_after_consent_only(person, legacy):
    mine = "# mine\n0 1 * * * ./mine.sh\n"
    person.crontab.text = mine + legacy.crontab_lines()
    done = person.setup("--base", legacy.base, "--service", "none")
    assert done.code == 1 and "./cryo.sh" in done.data["message"] and "--remove-old-cron" in done.data["message"]
    assert not person.config().exists() and "./cryo.sh" in person.crontab.text
    flags = ["-i", "default", "--base", legacy.base, "--account=proj", "--qos=normal", "--partition=", "--reservation=",
             "--interval=auto", "--soft-delete-days=0", "--purge-days=0", "--no-timestamp", "--service=none"]
    code, seen = person.talk(*flags, answers=[("Remove it, when all else", "n")])
    assert code == 1 and "*/5 * * * * ./cryo.sh" in seen and "./cryo.sh" in person.crontab.text
    code, seen = person.talk(*flags, answers=[("Remove it, when all else", "y"), ("Set it up so", "n")])
    assert code == 1 and "./cryo.sh" in person.crontab.text  # nothing before the last question
    data = take_over(person, legacy, "--remove-old-cron")
    assert person.crontab.text == mine and any("./cryo.sh" in d for d in data["done"])


def test_a_pass_at_work_is_waited_for(person, legacy):
    legacy.write("CodeToRun/cron.target.sh", "#!/bin/bash\nuntil [[ -e $1/go ]]; do sleep 0.1; done\n"
                 "mkdir -p $1/slurm/late/{data,scripts,sentinels}\n"
                 "printf '#!/bin/bash\\n#SBATCH -n 1\\n' >$1/slurm/late/scripts/x.sh\n")
    with subprocess.Popen(["bash", legacy.code / "cron.target.sh", legacy.code], stdin=subprocess.DEVNULL) as tick:
        with subprocess.Popen(person.argv("--json", "setup", "--yes", "--base", str(legacy.base), "--service", "none"),
                              env=person.env(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as setup:
            wait_until(person.config().exists, "setup to have come to the take-over")
            assert setup.poll() is None
            (legacy.code / "go").touch()
            out, _ = setup.communicate(timeout=60)
            assert setup.returncode == 0, out
        assert tick.wait(60) == 0
    # What the pass left is among what was taken over.
    passes(person, lambda: (legacy.base / "AnalysedFiles/late").exists(), "it is run")


@pytest.mark.parametrize("command", ["squeue", "scancel"])
def test_slurm_does_not_answer(person, legacy, standin, command):
    """Nothing is taken over by halves: said, and completed by another run."""
    job, _ = legacy.submit("runs", commands=UNTIL_GO)
    standin.fault(command, "down ms=1")
    done = person.setup("--base", legacy.base, "--service", "none")
    assert done.code == 1 and command in done.data["message"] and "again" in done.data["message"], dumps(done.data)
    assert not list((legacy.base / ".flowcron/requests").glob("*.json"))
    standin.fault(command)
    assert take_over(person, legacy)["takeover"]["running"] == ["runs"]
    (legacy.base / "CodeToRun/slurm/runs/go").touch()
    passes(person, lambda: (legacy.base / "AnalysedFiles/runs").exists(), "it is filed")
    assert listed(person)["runs"]["job_id"] == job


@pytest.mark.parametrize("program_name, when", [("crontab", "after"), ("squeue", "before"), ("scancel", "before"),
                                                ("scancel", "after")])
def test_killed_half_way(person, legacy, standin, program_name, when):
    """Setup dies while one of the programs that it calls is at work, which has done its work or not. Nobody moves a
    folder then; another run completes it, with nothing lost and nothing run twice."""
    job, _ = legacy.submit("runs", commands=UNTIL_GO)
    legacy.uow("UploadedFiles", "waits", mark="")
    legacy.uow("CodeToRun/slurm", "moved", mark="")
    legacy.uow("AnalysedFiles", "good")
    person.crontab.text = legacy.crontab_lines()
    real = shutil.which(program_name, path=person.home.extra["PATH"])
    deadly = person.fakes / "deadly"
    deadly.mkdir()
    # crontab: only where it writes.
    lines = ["#!/bin/bash", f'[[ {program_name} == crontab && $1 == -l ]] && exec {real} "$@"']
    lines += ["kill -KILL $PPID"] if when == "before" else [f'{real} "$@"', "kill -KILL $PPID"]
    (deadly / program_name).write_text("\n".join(lines) + "\n")
    (deadly / program_name).chmod(0o755)
    flags = ["--base", legacy.base, "--service", "none", "--remove-old-cron"]
    done = person.setup(*flags, parse=False, PATH=f"{deadly}:{person.home.extra['PATH']}")
    assert done.code == -9, done
    take_over(person, legacy, "--remove-old-cron")
    assert "cryo.sh" not in person.crontab.text
    (legacy.base / "CodeToRun/slurm/runs/go").touch()
    names = ("runs", "waits", "moved", "good")
    passes(person, lambda: all(listed(person).get(n, {}).get("state") == "finished" for n in names), "all are done")
    assert all((legacy.base / "AnalysedFiles" / n).exists() for n in names)
    assert listed(person)["runs"]["job_id"] == job
    assert len(standin.submissions()) == 4  # runs and its clean-up, waits, moved


def test_many_results(person, legacy):
    """More than go into one request."""
    template = legacy.uow("AnalysedFiles", "r0")
    for n in range(1, 502):
        shutil.copytree(template, os.fsencode(legacy.base / f"AnalysedFiles/r{n}"))
    assert take_over(person, legacy)["takeover"]["results"] == 502
    assert len(list((legacy.base / ".flowcron/requests").glob("*.json"))) == 2
    passes(person, lambda: len(listed(person)) == 502, "all are known")
    assert not list((legacy.base / ".flowcron/requests").glob("*"))
