# SPDX-License-Identifier: Apache-2.0
"""The stand-in itself: what the tests of FlowCron rely on. pytest test/standin"""

import concurrent.futures
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from standin import StandIn  # noqa: E402

OK = "#!/bin/bash\necho out $*\necho err >&2\n"


@pytest.fixture(scope="session")
def binary(tmp_path_factory):
    """The program that the build made, or one compiled here."""
    given = os.environ.get("STANDIN_SLURM")
    if given:
        return given
    path = tmp_path_factory.mktemp("build") / "standin-slurm"
    subprocess.run([os.environ.get("CC", "cc"), "-D_GNU_SOURCE", "-std=c11", "-Wall", "-Wextra",
                    "-Werror", "-O1", "-g", "-o", path, *sorted(HERE.glob("*.c"))], check=True)
    return path


class Site(StandIn):
    """A stand-in with a folder for scripts."""

    def __init__(self, folder, binary, **knobs):
        super().__init__(folder / "slurm", binary, **knobs)
        self.work = folder / "work"
        self.work.mkdir()

    def script(self, text=OK, name="job.sh"):
        path = self.work / name
        path.write_bytes(os.fsencode(text))
        return path

    def sbatch(self, *options, text=OK, args=(), **kwargs):
        kwargs.setdefault("cwd", self.work)
        return self.run("sbatch", "--parsable", *options, self.script(text), *args, **kwargs)

    def submit(self, *options, **kwargs):
        done = self.sbatch(*options, **kwargs)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return int(done.stdout)

    def squeue(self, fmt="%i|%T", *options):
        done = self.run("squeue", "-h", "-o", fmt, *options)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def sacct(self, fmt, *options):
        done = self.run("sacct", "-n", "-P", "-o", fmt, *options)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()


@pytest.fixture
def slurm(tmp_path, binary):
    site = Site(tmp_path, binary, kill_wait_ms=200)
    yield site
    site.stop()


@pytest.fixture
def quiet(tmp_path, binary):
    return Site(tmp_path, binary, mode="norun")


# sbatch and jobs that run


def test_a_job_runs_with_its_files_folder_arguments_and_environment(slurm):
    uow = slurm.work / "a b|c%d"
    uow.mkdir()
    pattern = str(uow).replace("%", "%%")
    job = slurm.submit(f"--chdir={uow}", f"--output={pattern}/slurm-%j.out",
                       f"--error={pattern}/slurm-%j.err", "--comment=flowcron=U.1 mine",
                       text="#!/bin/bash\npwd; env\nprintf '<%s>' \"$@\"; echo err >&2\n",
                       args=("x y", "", "z"))
    assert slurm.wait_state(job, "COMPLETED")["exit"] == 0
    out = (uow / f"slurm-{job}.out").read_text()
    assert out.startswith(f"{uow}\n") and out.endswith("<x y><><z>")
    assert f"SLURM_JOB_ID={job}\n" in out and f"SLURM_SUBMIT_DIR={slurm.work}\n" in out
    assert (uow / f"slurm-{job}.err").read_text() == "err\n"
    assert [e["token"] for e in slurm.submissions()] == ["flowcron=U.1"]
    assert [e["event"] for e in slurm.truth()] == ["submit", "start", "end"]


def test_state_is_found_beside_the_link_without_any_environment(slurm):
    slurm.script()
    done = subprocess.run([slurm.bin / "sbatch", "--parsable", slurm.work / "job.sh"], env={},
                          cwd=slurm.work, capture_output=True, check=False)
    assert done.stdout == b"1\n"


@pytest.mark.parametrize("text, state, code", [
    ("exit 7", "FAILED", "7:0"), ("kill -9 $$", "FAILED", "0:9"), ("true", "COMPLETED", "0:0")])
def test_the_end_of_a_script_is_recorded(slurm, text, state, code):
    job = slurm.submit(text=f"#!/bin/sh\n{text}\n")
    slurm.wait_state(job, state)
    assert slurm.sacct("JobID,State,ExitCode", "-X") == [f"{job}|{state}|{code}"]


def test_time_limit(slurm):
    slurm.knob(minute_ms=200)
    job = slurm.submit("--time=1", text="#!/bin/sh\nsleep 600\n")
    slurm.wait_state(job, "TIMEOUT")
    assert slurm.squeue("%i|%T|%R", "-t", "all") == [f"{job}|TIMEOUT|(TimeLimit)"]
    assert slurm.sacct("JobID,State,ExitCode") == [f"{job}|TIMEOUT|0:0",
                                                   f"{job}.batch|CANCELLED|0:15"]
    assert "DUE TO TIME LIMIT" in (slurm.work / f"slurm-{job}.out").read_text()


def test_precedence_is_command_line_environment_script(quiet):
    text = '#!/bin/sh\n#SBATCH --comment="of script" -J one # no more\n#SBATCH --time=1\ntrue\n' \
           "#SBATCH --time=9\n"
    first = quiet.submit(text=text)
    second = quiet.submit(text=text, env=quiet.env(SBATCH_TIMELIMIT="2"))
    third = quiet.submit("-t", "3", "--comment", "mine", text=text,
                         env=quiet.env(SBATCH_TIMELIMIT="2"))
    jobs = [quiet.job(j) for j in (first, second, third)]
    assert [j["limit"] for j in jobs] == [1, 2, 3]
    assert [j["comment"] for j in jobs] == ["of script", "of script", "mine"]
    assert jobs[0]["name"] == "one"


@pytest.mark.parametrize("options, text, code, words", [
    (("--foo",), OK, 255, "sbatch: unrecognized option '--foo'\nTry \"sbatch --help\""),
    (("--time=x",), OK, 255, "sbatch: error: Invalid --time specification"),
    (("-p", "nope"), OK, 1, "sbatch: error: invalid partition specified: nope\nsbatch: error: "
     "Batch job submission failed: Invalid partition name specified\n"),
    (("-A", "nope"), OK, 1, "failed: Invalid account or account/partition combination specified"),
    (("-q", "nope"), OK, 1, "failed: Invalid qos specification"),
    (("--array=x",), OK, 1, "failed: Invalid job array specification"),
    ((), "true\n", 1, "sbatch: error: This does not look like a batch script."),
    ((), "", 1, "sbatch: error: Batch script is empty!"),
    ((), "#!/bin/sh\r\ntrue\r\n", 1, "DOS line breaks (\\r\\n)"),
    ((), "#!/bin/sh\n#SBATCH --bogus=1\n", 255, "sbatch: unrecognized option '--bogus=1'"),
])
def test_refusals(quiet, options, text, code, words):
    done = quiet.sbatch(*options, text=text)
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr
    assert quiet.submissions() == [] and quiet.jobs() == []


def test_backslash_in_the_path_fails_the_job(slurm):
    uow = slurm.work / "a\\b"
    uow.mkdir()
    job = slurm.submit(f"--output={uow}/x.out")
    slurm.wait_state(job, "FAILED")
    assert slurm.sacct("ExitCode", "-X") == ["0:53"]
    assert slurm.runs() == []


def test_held_until_released(slurm):
    job = slurm.submit("-H", "--comment=t")
    assert slurm.squeue("%i|%T|%r") == [f"{job}|PENDING|JobHeldUser"]
    assert slurm.run("scontrol", "release", str(job)).returncode == 0
    slurm.wait_state(job, "COMPLETED")
    assert len(slurm.runs("t")) == 1


def test_dependency(slurm):
    first = slurm.submit("-H")
    good, bad = slurm.submit(f"-dafterok:{first}"), slurm.submit(f"-dafternotok:{first}")
    assert slurm.squeue("%r", "-j", str(good)) == ["Dependency"]
    slurm.run("scontrol", "release", str(first))
    slurm.wait_state(good, "COMPLETED")
    assert slurm.squeue("%r", "-j", str(bad)) == ["DependencyNeverSatisfied"]


def test_only_so_many_run_at_once(slurm):
    slurm.knob(max_running=1)
    text = "#!/bin/sh\nwhile ! [ -e go ]; do sleep 0.01; done\n"
    first, second = slurm.submit(text=text), slurm.submit(text=text)
    slurm.wait_state(first, "RUNNING")
    assert slurm.squeue("%i|%T|%r", f"-j{second}") == [f"{second}|PENDING|Resources"]
    (slurm.work / "go").touch()
    slurm.wait_state(second, "COMPLETED")


# Arrays and heterogeneous jobs


def test_array(slurm):
    text = "#!/bin/sh\n#SBATCH --array=0-4%2\necho $SLURM_ARRAY_TASK_ID\n" \
           "while ! [ -e go ]; do sleep 0.01; done\nexit $((SLURM_ARRAY_TASK_ID == 3))\n"
    job = slurm.submit(text=text)
    slurm.wait(lambda: len(slurm.runs()) == 2)
    assert slurm.squeue("%i|%K|%T|%r")[0] == f"{job}_[2-4%2]|2-4%2|PENDING|JobArrayTaskLimit"
    assert len(slurm.squeue("%i", "-r")) == 5
    assert slurm.squeue("%i", "-j", f"{job}_3") == [f"{job}_3"]
    (slurm.work / "go").touch()
    slurm.wait(lambda: len(slurm.truth("end")) == 5)
    rows = slurm.sacct("JobID,JobIDRaw,State", "-X", "-j", str(job))
    assert [r.split("|")[0] for r in rows] == [f"{job}_{t}" for t in range(5)]
    assert rows[4] == f"{job}_4|{job}|COMPLETED"
    assert [r for r in rows if "FAILED" in r] == [rows[3]]
    assert (slurm.work / f"slurm-{job}_2.out").read_text() == "2\n"


def test_cancelled_waiting_tasks_vanish(quiet):
    job = quiet.submit("--array=0-3")
    quiet.run("scancel", f"{job}_1")
    quiet.run("scancel", f"{job}_[2-3]")
    assert quiet.squeue("%i|%T", "-t", "all") == [f"{job}_[0]|PENDING"]
    quiet.run("scancel", str(job))
    assert quiet.squeue("%i|%T", "-t", "all") == [f"{job}_[0]|CANCELLED"]


def test_tasks_can_be_set_singly(quiet):
    job = quiet.submit("--array=0-2")
    quiet.set_state(f"{job}_1", "OUT_OF_MEMORY")
    quiet.set_state(f"{job}_0", "COMPLETED")
    rows = quiet.sacct("JobID,State,ExitCode", "-X")
    assert rows == [f"{job}_0|COMPLETED|0:0", f"{job}_1|OUT_OF_MEMORY|0:125",
                    f"{job}_[2]|PENDING|0:0"]


def test_heterogeneous(slurm):
    text = "#!/bin/sh\n#SBATCH --comment=h\n#SBATCH hetjob\n#SBATCH -n2\n" \
           "while ! [ -e go ]; do sleep 0.01; done\n"
    job = slurm.submit(text=text)
    slurm.wait_state(job, "RUNNING")
    assert slurm.squeue("%i|%A|%k|%T") == [f"{job}+0|{job}|h|RUNNING", f"{job}+1|{job + 1}|h|RUNNING"]
    assert slurm.run("scancel", str(job + 1)).returncode == 1
    (slurm.work / "go").touch()
    slurm.wait_state(job, "COMPLETED")
    assert slurm.sacct("JobID,JobIDRaw,State", "-X") == [f"{job}+0|{job}|COMPLETED",
                                                         f"{job}+1|{job + 1}|COMPLETED"]
    assert len(slurm.runs()) == 1


# squeue


def test_squeue_columns_and_widths(quiet):
    quiet.submit("--comment=a|b", "-J", "long name here", "--time=1-1")
    fmt = "%.6i<%4j>%k;%l;%S;%U;%D %C"
    done = quiet.run("squeue", "-o", fmt)
    assert done.stdout == (" JOBID<NAME>COMMENT;TIME_LIMIT;START_TIME;UID;NODES CPUS\n"
                           f"     1<long>a|b;1-01:00:00;N/A;{os.getuid()};1 1\n")


def test_squeue_of_unknown_jobs(quiet):
    job = quiet.submit()
    done = quiet.run("squeue", "-h", "-j", "999")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "slurm_load_jobs error: Invalid job id specified\n"
    assert quiet.squeue("%i", "-j", f"998,{job},999") == [str(job)]
    assert quiet.squeue("%i", "-j", "998,999") == []
    assert quiet.run("squeue", "-t", "foo").returncode == 1
    assert "Invalid user: nosuchuser" in quiet.run("squeue", "-u", "nosuchuser").stderr


def test_finished_jobs_are_seen_for_a_while(quiet):
    job = quiet.submit()
    quiet.set_state(job, "FAILED", exit=3)
    assert quiet.squeue() == []
    assert quiet.squeue("%i|%T|%R", "-t", "all") == [f"{job}|FAILED|(NonZeroExitCode)"]
    assert quiet.squeue("%i", "-t", "F,CD", "--me") == [str(job)]
    quiet.forget(job)
    assert quiet.squeue("%i", "-t", "all") == []
    assert quiet.run("squeue", "-j", str(job)).returncode == 1
    assert quiet.run("scontrol", "show", "job", str(job)).returncode == 1
    assert quiet.sacct("JobID,ExitCode", "-X", "-j", str(job)) == [f"{job}|3:0"]


def test_raw_bytes_in_squeue_and_mangled_ones_in_sacct(quiet):
    uow = os.fsdecode(os.fsencode(quiet.work) + b'/q"\xff\nx')
    os.mkdir(uow)
    job = quiet.submit(f"--chdir={uow}")
    assert quiet.run("squeue", "-h", "-o", "%Z").stdout == uow + "\n"
    assert quiet.run("sacct", "-nP", "-o", "WorkDir").stdout.endswith("/q`?\nx\n")
    assert quiet.job(job)["workdir"] == uow


# sacct


def test_sacct_lags(quiet):
    quiet.knob(sacct_lag_ms=3600000)
    job = quiet.submit("--comment=t")
    assert quiet.squeue("%k") == ["t"]
    assert quiet.sacct("JobID", "-j", str(job)) == [] == quiet.sacct("JobID")
    quiet.knob(sacct_lag_ms=0)
    assert quiet.sacct("JobID,State,Comment,SubmitLine")[0].startswith(f"{job}|PENDING||sbatch ")
    quiet.set_state(job, "RUNNING")
    quiet.set_state(job, "COMPLETED")
    assert quiet.sacct("State,Comment", "-X") == ["COMPLETED|t"]


def test_sacct_by_time_leaves_out_what_is_not_eligible(quiet):
    plain, held = quiet.submit(), quiet.submit("-H")
    dep, late = quiet.submit(f"-dafterok:{plain}"), quiet.submit("--begin=now+1hour")
    assert quiet.sacct("JobID", "-S", "now-1hour") == [str(plain)]
    asked = ",".join(map(str, (held, dep, late)))
    assert len(quiet.sacct("JobID", "-S", "now-1hour", "-j", asked)) == 3
    quiet.run("scancel", str(held))
    assert quiet.sacct("JobID", "-S", "now-1hour") == [str(plain)]


def test_sacct_formats(quiet):
    job = quiet.submit("--mem=4096")
    other = quiet.submit()
    quiet.set_state(job, "COMPLETED", derived=1, rss=2048, steps="true:0,false:1")
    assert quiet.run("sacct", "-P", "--delimiter=@@", "-o", "jobid,State,ReqMem", "-j", str(job),
                     "-j", str(other)).stdout == (
        f"JobID@@State@@ReqMem\n{job}@@COMPLETED@@4G\n{job}.batch@@COMPLETED@@\n"
        f"{job}.0@@COMPLETED@@\n{job}.1@@FAILED@@\n{other}@@PENDING@@1M\n")
    assert quiet.sacct("DerivedExitCode", "-X", "-j", str(job)) == ["1:0"]
    assert quiet.sacct("MaxRSS", "-j", f"{job}.batch") == ["2048K"]
    assert quiet.sacct("Timelimit,NodeList,End", f"-j{other}") == ["Partition_Limit|None assigned|Unknown"]
    assert quiet.run("sacct", "-o", "JobID%6,State%5", "-j", str(job), "-X").stdout == (
        f" JobID State \n------ ----- \n{job:6} COMP+ \n")
    done = quiet.run("sacct", "-o", "JobID,Restarts")
    assert (done.returncode, done.stderr) == (1, 'sacct: error: Invalid field requested: "Restarts"\n')


def test_no_accounting(quiet):
    quiet.knob(accounting=0)
    done = quiet.run("sacct")
    assert (done.returncode, done.stderr) == (1, "Slurm accounting storage is disabled\n")


def test_ids_used_again(quiet):
    quiet.next_id(41)
    assert quiet.submit("--comment=old") == 41
    quiet.set_state(41, "FAILED")
    quiet.next_id(41)
    assert quiet.submit("--comment=new") == 41
    assert quiet.squeue("%i|%k|%T", "-t", "all") == ["41|new|PENDING"]
    assert quiet.sacct("State", "-X", "-j", "41") == ["PENDING"]
    assert quiet.sacct("State", "-X", "-j", "41", "-D") == ["FAILED", "PENDING"]


# scancel, scontrol, the rest


def test_scancel_ends_what_runs(slurm):
    job = slurm.submit(text="#!/bin/sh\ntrap '' TERM\nsleep 600 & wait; sleep 600\n")
    slurm.wait_state(job, "RUNNING")
    done = slurm.run("scancel", str(job))
    assert (done.returncode, done.stderr) == (0, "")
    slurm.wait(lambda: slurm.truth("end"))
    slurm.wait_state(job, "CANCELLED")
    assert slurm.sacct("JobID,State,ExitCode") == [f"{job}|CANCELLED by {os.getuid()}|0:0",
                                                   f"{job}.batch|CANCELLED|0:15"]
    assert slurm.run("scancel", str(job), "999").returncode == 0
    assert "already completing or completed" in slurm.run("scancel", "-v", str(job)).stderr
    assert slurm.run("scancel", "x").stderr == "scancel: error: Invalid job id x\n"


def test_requeue_makes_a_new_life(slurm):
    job = slurm.submit("--comment=t",
                       text="#!/bin/sh\n[ -e go ] || sleep 600\necho $SLURM_RESTART_COUNT\n")
    slurm.wait_state(job, "RUNNING")
    (slurm.work / "go").touch()
    assert slurm.run("scontrol", "requeue", str(job)).returncode == 0
    slurm.wait_state(job, "COMPLETED")
    assert slurm.sacct("State", "-X", "-D") == ["REQUEUED", "COMPLETED"]
    assert slurm.sacct("State", "-X") == ["COMPLETED"]
    assert len(slurm.submissions()) == 1 and len(slurm.runs("t")) == 2
    assert (slurm.work / f"slurm-{job}.out").read_text() == "1\n"
    events = [e["event"] for e in slurm.truth() if e["event"] in ("start", "end")]
    assert events == ["start", "end", "start", "end"]


def test_scontrol_show(quiet):
    job = quiet.submit("--comment=x y", "--output=/o/%j", f"--chdir={quiet.work}")
    long = quiet.run("scontrol", "show", "job", str(job)).stdout
    short = quiet.run("scontrol", "-o", "show", "job", str(job)).stdout
    assert long.startswith(f"JobId={job} JobName=job.sh\n   UserId=")
    assert short.count("\n") == 1
    for part in (f"WorkDir={quiet.work}", "Comment=x y ", f"StdOut=/o/{job}", "JobState=PENDING"):
        assert f"   {part}" in long or f" {part}" in long
        assert f" {part} " in short
    quiet.set_state(job, "NODE_FAIL", reason="NodeDown", exit=1)
    shown = quiet.run("scontrol", "show", "jobs").stdout
    assert "JobState=NODE_FAIL Reason=NodeDown" in shown and "ExitCode=1:0" in shown
    assert "MinJobAge               = 300 sec\n" in quiet.run("scontrol", "show", "config").stdout
    assert quiet.run("scontrol", "ping").returncode == 0
    done = quiet.run("scontrol", "release", "999")
    assert (done.returncode, done.stderr) == (
        1, "Invalid job id specified for job 999\nslurm_suspend error: Invalid job id specified\n")


def test_partition_down(slurm):
    slurm.run("scontrol", "update", "partitionname=debug", "state=down")
    job = slurm.submit()
    assert slurm.squeue("%T|%r") == ["PENDING|PartitionDown"]
    assert slurm.run("sinfo", "-h", "-o", "%P|%a").stdout == "debug*|down\n"
    slurm.run("scontrol", "update", "partitionname=debug", "state=up")
    slurm.wait_state(job, "COMPLETED")


def test_site(quiet):
    quiet.knob(partitions="debug,long", accounts="proj,other", qos="normal,high")
    assert quiet.run("sinfo", "-h", "-o", "%R %a").stdout == "debug up\nlong up\n"
    for entity, expected in (("assoc", "proj\nother\n"), ("account", "proj\nother\n")):
        assert quiet.run("sacctmgr", "-nP", "show", entity, "format=account").stdout == expected
    assert quiet.run("sacctmgr", "-n", "-P", "show", "qos", "format=name").stdout == "normal\nhigh\n"
    assert quiet.submit("-p", "long", "-A", "other", "-q", "high")
    for command in ("sbatch", "squeue", "sacct", "scancel", "scontrol", "sinfo", "sacctmgr"):
        assert quiet.run(command, "--version").stdout == "slurm-wlm 22.05.8\n"
        assert quiet.run(command, "-V").stdout == "slurm-wlm 22.05.8\n"


# Faults

TIMEOUT = "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation\n"
DOWN = "Unable to contact slurm controller (connect failure)"


@pytest.mark.parametrize("kind, jobs", [("timeout", 0), ("timeout-done", 1)])
def test_socket_timeout(quiet, kind, jobs):
    quiet.fault("sbatch", kind, n=1)
    done = quiet.sbatch()
    assert (done.returncode, done.stdout, done.stderr) == (1, "", TIMEOUT)
    assert len(quiet.submissions()) == jobs == len(quiet.squeue())
    quiet.submit()


def test_controller_down(quiet):
    job = quiet.submit()
    quiet.fault("all", "down")
    assert quiet.sbatch().stderr == f"sbatch: error: Batch job submission failed: {DOWN}\n"
    assert quiet.run("squeue").stderr == f"slurm_load_jobs error: {DOWN}\n"
    assert quiet.run("scontrol", "ping").returncode == 1
    assert quiet.run("scontrol", "show", "config").stderr == f"slurm_load_ctl_conf error: {DOWN}\n"
    assert quiet.run("scontrol", "release", str(job)).stderr == (
        f"Unexpected message received for job {job}\n"
        "slurm_suspend error: Unexpected message received\n")
    done = quiet.run("scancel", str(job))
    assert (done.returncode, done.stderr) == (
        8, f"scancel: error: Kill job error on job id {job}: {DOWN}\n")
    assert "Connection refused" in quiet.run("sacct").stderr
    quiet.clear_faults()
    assert quiet.job(job)["state"] == "PENDING" and len(quiet.submissions()) == 1


@pytest.mark.parametrize("kind, jobs", [("hang", 0), ("hang-done", 1)])
def test_hang_and_be_killed(quiet, kind, jobs):
    quiet.fault("sbatch", kind)
    sbatch = subprocess.Popen([quiet.bin / "sbatch", quiet.script()], env=quiet.env(),
                              cwd=quiet.work, stdout=subprocess.PIPE, start_new_session=True)
    quiet.wait(lambda: quiet.calls("sbatch") and len(quiet.submissions()) == jobs)
    assert sbatch.poll() is None
    os.killpg(sbatch.pid, signal.SIGKILL)
    assert sbatch.communicate()[0] == b""
    assert len(quiet.submissions()) == jobs == len(quiet.jobs())


@pytest.mark.parametrize("kind, jobs", [("kill", 0), ("kill-done", 1)])
def test_killed(quiet, kind, jobs):
    quiet.fault("sbatch", kind, sig=15)
    done = quiet.sbatch()
    assert (done.returncode, done.stdout) == (-15, "")
    assert len(quiet.submissions()) == jobs


@pytest.mark.parametrize("how, code", [("kill", -9), ("timeout", 1)])
def test_request_arrives_after_sbatch_is_gone(quiet, how, code):
    quiet.fault("sbatch", "late", ms=300, how=how, n=1)
    gone = time.time()
    done = quiet.sbatch("--comment=t")
    assert (done.returncode, done.stdout) == (code, "")
    quiet.wait(lambda: quiet.submissions("t"))
    assert quiet.submissions("t")[0]["time"] >= gone + 0.3
    assert quiet.squeue("%k") == ["t"]


def test_odd_answers_of_sbatch(quiet):
    quiet.fault("sbatch", "warn-stderr", n=1, text="sbatch: lua: be kind")
    quiet.fault("sbatch", "warn-stdout", n=1, text="Welcome = 7")
    done = quiet.sbatch()
    assert (done.stdout, done.stderr) == ("Welcome = 7\n1\n", "sbatch: lua: be kind\n")
    quiet.clear_faults()
    quiet.fault("sbatch", "silent-done", n=1)
    done = quiet.sbatch()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    quiet.fault("sbatch", "garbage-done", n=1, bytes=10000000)
    assert len(os.fsencode(quiet.sbatch().stdout)) >= 9000000
    assert len(quiet.submissions()) == 3
    quiet.fault("sbatch", "limit", n=1)
    done = quiet.sbatch()
    assert done.returncode == 1
    assert done.stderr.startswith("sbatch: error: AssocMaxSubmitJobLimit\nsbatch: error: Batch job "
                                  "submission failed: Job violates accounting/QOS policy (job ")
    assert len(quiet.submissions()) == 3


def test_a_real_limit(quiet):
    quiet.knob(max_submit=3)
    quiet.submit("--array=0-1")
    quiet.submit()
    assert "AssocMaxSubmitJobLimit" in quiet.sbatch().stderr
    quiet.set_all("COMPLETED")
    quiet.submit()


def test_odd_answers_of_queries(quiet):
    jobs = [quiet.submit() for _ in range(4)]
    for command, ask in (("squeue", quiet.squeue), ("sacct", lambda: quiet.sacct("JobID,User"))):
        quiet.fault(command, "empty", n=1)
        assert ask() == []
        quiet.fault(command, "partial", n=1, rows=2)
        assert len(ask()) == 2
        quiet.fault(command, "cut", n=1, bytes=5)
        done = quiet.run(command, *(("-h",) if command == "squeue" else ("-n",)))
        assert (done.returncode, len(done.stdout)) == (0, 5)
        quiet.fault(command, "others", n=1, rows=3, text="flowcron=X.1")
        assert len(ask()) == len(jobs) + 3
        quiet.fault(command, "flood", n=1, rows=100000)
        assert len(ask()) == len(jobs) + 100000
        assert len(ask()) == len(jobs)


def test_limits_of_faults(quiet):
    quiet.fault("squeue", "exit", skip=1, n=2, match="-h", rc=4, text="no = way")
    codes = [quiet.run("squeue", *o).returncode for o in ((), ("-h",), ("-h",), ("-h",), ("-h",))]
    assert codes == [0, 0, 4, 4, 0]
    quiet.clear_faults()
    quiet.fault("squeue", "exit", p=0.5, seed=3)
    codes = [quiet.run("squeue").returncode for _ in range(60)]
    assert 10 < sum(codes) < 50


# Under load


def test_many_at_once(quiet):
    """Every id is given once, every submission is in the truth, whoever is killed."""
    script = quiet.script()

    def one(i):
        p = subprocess.Popen([quiet.bin / "sbatch", "--parsable", f"--comment=t{i}", script],
                             env=quiet.env(), cwd=quiet.work, stdout=subprocess.PIPE)
        if i % 5 == 0:
            time.sleep(i % 7 / 2000)
            p.kill()
        return p.communicate()[0]

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(one, range(400)))
    ids = [int(a) for a in answers if a]
    assert len(ids) == len(set(ids)) >= 320
    # A killed sbatch's request may still be on its way; its writer holds the lock while it writes.
    truth, jobs = quiet.submissions(), quiet.jobs()
    tokens = {e["id"]: e["token"] for e in truth}
    assert len(tokens) == len(truth) and len(set(tokens.values())) == len(truth)
    assert set(ids) <= set(tokens) and {j["id"]: j["comment"] for j in jobs}.items() >= tokens.items()
    assert all(tokens[int(a)] == f"t{i}" for i, a in enumerate(answers) if a)


def test_many_that_run(slurm):
    for i in range(60):
        slurm.submit(f"--comment=t{i}", "-o", "/dev/null")
    slurm.wait(lambda: len(slurm.truth("end")) == 60)
    assert sorted(e["token"] for e in slurm.runs()) == sorted(f"t{i}" for i in range(60))
    assert slurm.squeue() == []


def test_autocomplete(quiet):
    quiet.knob(autocomplete_ms=0)
    job = quiet.submit("--array=0-2")
    assert slurm_states(quiet, job) == {"COMPLETED"}
    quiet.knob(autocomplete_ms=3600000)
    assert slurm_states(quiet, quiet.submit()) == {"RUNNING"}


def slurm_states(site, job):
    return set(site.squeue("%T", "-t", "all", "-j", str(job)))


def test_calls_are_counted(quiet):
    quiet.squeue()
    quiet.sacct("JobID")
    quiet.sacct("JobID")
    assert [len(quiet.calls(c)) for c in ("squeue", "sacct", "sbatch")] == [1, 2, 0]
    assert quiet.calls("sacct")[0]["argv"] == ["sacct", "-n", "-P", "-o", "JobID"]


def test_a_runner_that_dies_is_a_node_that_fails(slurm):
    job = slurm.submit("--comment=t", text="#!/bin/sh\nsleep 600\n")
    slurm.wait_state(job, "RUNNING")
    os.kill(slurm.job(job)["runner"], signal.SIGKILL)
    slurm.wait_state(job, "NODE_FAIL")
    assert slurm.run("scontrol", "requeue", str(job)).returncode == 0
    slurm.wait_state(job, "RUNNING")
    slurm.set_state(job, "NODE_FAIL")
    assert slurm.job(job)["runner"] == 0
    assert slurm.sacct("State", "-X", "-D") == ["REQUEUED", "NODE_FAIL"]


def test_thousands_of_ids_at_once(quiet):
    jobs = [quiet.submit() for _ in range(300)]
    asked = ",".join(map(str, [*range(20000, 26000), *jobs]))
    assert len(quiet.squeue("%i", "-j", asked)) == 300
    assert len(quiet.sacct("JobID", "-D", "-j", asked, "-S", "now-1day")) == 300
