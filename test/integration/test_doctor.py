# SPDX-License-Identifier: Apache-2.0
"""flowcronctl doctor: each thing that can be wrong is made wrong, found, and mended by the command it advises."""

import json
import os
import re
import shutil
import subprocess
import time

import jsonschema
import pytest

from support.common import SOURCE, as_user, is_root, program, wait_until

SCHEMA = json.loads((SOURCE / "schema/doctor.schema.json").read_text())
BAD = ("warning", "fault")


class Checkup:
    """One run of the doctor; check["daemon"] is the list of its findings."""

    def __init__(self, answer):
        jsonschema.Draft202012Validator(SCHEMA).validate(answer.data)
        self.all = answer.data["findings"]
        self.well = answer.data["well"]
        assert answer.code == (0 if self.well else 1), answer
        assert self.well == (not any(f["result"] in BAD for f in self.all))

    def __getitem__(self, check):
        return [f for f in self.all if f["check"] == check]

    def bad(self):
        return {f["check"] for f in self.all if f["result"] in BAD}

    def one(self, check, result):
        found = [f for f in self[check] if f["result"] == result]
        assert len(found) == 1, self.all
        return found[0]


def doctor(fc, **how):
    return Checkup(fc.ctl("doctor", **how))


def with_cron(fc, line=None):
    """What stands in for the machine's crontab(1): the doctor asks it as a person would."""
    line = line or f"*/5 * * * * {program('flowcrond')} --config {fc.config_file} --once"
    folder = fc.root / "cron-bin"
    folder.mkdir(exist_ok=True)
    (folder / "table").write_text(line + "\n")
    (folder / "crontab").write_text(f"#!/bin/sh\n[ \"$1\" = -l ] && exec cat {folder}/table\n")
    (folder / "crontab").chmod(0o755)
    fc.home.extra["PATH"] = f"{folder}:{fc.home.extra.get('PATH', os.environ['PATH'])}"


def paste(fc, command, **env):
    """Runs what the doctor advises as a person would, at the prompt."""
    return subprocess.run(as_user(fc.user, ["bash", "-c", command]), env=fc.env(**env), cwd="/",
                          capture_output=True, text=True, check=False, timeout=60)


# ---- an instance that is well, and what may happen to it ----

def test_well(instance):
    fc = instance()
    with_cron(fc)
    fc.start()
    found = doctor(fc)
    assert found.well, found.all
    for check in ("configuration", "daemon", "version", "lease", "cron", "scheduler", "watch", "clock",
                  "folders", "space", "logs", "work"):
        assert found[check] and found[check][0]["result"] == "ok", (check, found.all)
    assert str(fc.process.pid) in found["daemon"][0]["what"]


def test_no_daemon(instance):
    """Found, and started by the command that is advised."""
    fc = instance()
    with_cron(fc)
    fault = doctor(fc).one("daemon", "fault")
    assert "never" in fault["what"]
    done = paste(fc, fault["advice"])
    assert done.returncode == 0, done.stderr
    found = doctor(fc)
    assert found.well, found.all
    assert "passes" in found["daemon"][0]["what"]


def test_passes_that_stopped(instance):
    fc = instance()
    with_cron(fc)
    assert fc.once() == 0
    words = json.loads((fc.state / "status.json").read_text())
    words["time"] = "2026-01-01T00:00:00+00:00"
    (fc.state / "status.json").write_text(json.dumps(words))
    fault = doctor(fc).one("daemon", "fault")
    assert "passes" in fault["what"] and fault["advice"].endswith("--once")


def test_nobody_starts_it(instance):
    fc = instance()
    with_cron(fc, "0 3 * * * /usr/bin/flowcrond -i other --once")
    fc.start()
    found = doctor(fc)
    assert found.bad() == {"service"}, found.all
    assert "setup" in found.one("service", "warning")["advice"]


def test_cron_names_a_program_that_is_not_there(instance):
    fc = instance()
    with_cron(fc, f"*/5 * * * * flowcrond-is-not-here/flowcrond --config {fc.config_file} --once")
    fc.start()
    assert doctor(fc).bad() == {"cron"}


def test_configuration(instance):
    """Not there; at fault, by line; good, but not what is in force."""
    fc = instance()
    with_cron(fc)
    fc.start()
    good = fc.config_file.read_text()
    fc.config_file.write_text(good + "nonsense: 1\n")
    fault = doctor(fc).one("configuration", "fault")
    assert f"{fc.config_file}:{len(good.splitlines()) + 1}:" in fault["why"]
    fc.configure({"retry": {"max_attempts": 7}})
    late = doctor(fc).one("configuration", "warning")
    assert "retry.max_attempts" in late["why"]
    done = paste(fc, late["advice"])
    assert done.returncode == 0, done.stderr
    assert doctor(fc).well
    fc.config_file.unlink()
    missing = doctor(fc).one("configuration", "fault")
    assert str(fc.config_file) in missing["why"] and "setup" in missing["advice"]


def test_watch_mode(instance):
    fc = instance(config={"watch": {"mode": "poll"}})
    with_cron(fc)
    fc.start()
    found = doctor(fc)
    assert found.well and "scanning" in found["watch"][0]["what"]


def test_permissions(instance):
    """Each of them is mended by the command that comes with it."""
    fc = instance()
    with_cron(fc)
    fc.start()
    fc.uploaded.chmod(0o777)
    fc.analysed.chmod(0o770)
    fc.state.chmod(0o770)
    found = doctor(fc)
    assert found.bad() == {"folders"}
    warnings = [f for f in found["folders"] if f["result"] in BAD]
    assert len(warnings) == 3, warnings  # without set-gid bit: both, in one
    for finding in warnings:
        assert paste(fc, finding["advice"]).returncode == 0, finding
    assert doctor(fc).well, found.all


@pytest.mark.skipif(not shutil.which("setfacl"), reason="no setfacl")
def test_default_acl(instance):
    fc = instance()
    with_cron(fc)
    fc.start()
    note = [f for f in doctor(fc)["folders"] if f["result"] == "note"]
    assert len(note) == 1 and "default ACL" in note[0]["what"]
    # One that keeps the group out is as good as none.
    subprocess.run(["setfacl", "-d", "-m", "u::rwx,g::rx,o::-", fc.uploaded], check=True)
    assert [f for f in doctor(fc)["folders"] if f["result"] == "note"] == note
    assert paste(fc, note[0]["advice"]).returncode == 0
    assert not [f for f in doctor(fc)["folders"] if f["result"] == "note"]


def test_a_missing_base_folder(instance):
    fc = instance()
    with_cron(fc)
    fc.base.rmdir()
    found = doctor(fc)
    assert {"daemon", "folders"} <= found.bad()
    assert str(fc.base) in found.one("folders", "fault")["what"]


def test_what_is_stuck(instance, standin):
    """Those in the same trouble are one finding, with the reason and a command that shows more."""
    fc = instance(backend=standin)
    with_cron(fc)
    standin.fault("sbatch", "limit")
    fc.start()
    names = ["first", "second"]
    for name in names:
        fc.upload(name)
    wait_until(lambda: len(fc.ctl("status").data["attention"]) == 2, fc.trouble)
    found = doctor(fc)
    stuck = found.one("work", "warning")
    assert all(name in stuck["what"] for name in names)
    assert "AssocMaxSubmitJobLimit" in stuck["what"]
    done = paste(fc, stuck["advice"])
    assert done.returncode == 0 and "AssocMaxSubmitJobLimit" in done.stdout


def test_chain_that_leads_nowhere(instance):
    fc = instance(config={"chain": {"to": "/proc/1"}})
    with_cron(fc)
    fc.start()
    found = doctor(fc)
    assert found.bad() == {"chain"} and "/proc/1" in found["chain"][0]["what"]


def test_an_owner_that_is_frozen(instance):
    """Its lease is as old as it looks."""
    fc = instance()
    with_cron(fc)
    fc.start()
    lease = next(fc.state.glob("lease-[0-9]*"))
    old = time.time() - 3600
    os.utime(lease, (old, old))
    finding = doctor(fc).one("lease", "warning")
    assert "no sign of life" in finding["what"] and "1 h" in finding["what"]


def test_logs_and_clock_leave_nothing(instance):
    fc = instance()
    with_cron(fc)
    fc.start()
    before = sorted(os.listdir(fc.state / "requests"))
    assert doctor(fc)["clock"][0]["result"] == "ok"
    assert sorted(os.listdir(fc.state / "requests")) == before


def test_quota(instance):
    fc = instance()
    with_cron(fc)
    fc.start()
    tool = fc.root / "cron-bin/quota"
    tool.write_text("#!/bin/sh\necho 'Disk quotas for user x: Block limit reached on /projects'\n")
    tool.chmod(0o755)
    finding = doctor(fc).one("quota", "warning")
    assert "Block limit reached on /projects" in finding["why"]
    tool.write_text("#!/bin/sh\nexit 0\n")
    assert [f["result"] for f in doctor(fc)["quota"]] == ["ok"]
    tool.write_text("#!/bin/sh\necho 'quota: the server does not answer' >&2\nexit 1\n")
    assert not doctor(fc)["quota"]


# ---- as somebody else ----

@pytest.mark.skipif(not is_root(), reason="needs root, to act as other users")
def test_another_member_of_the_group(instance, users):
    fc = instance(user=users[0])
    fc.start()
    shutil.chown(fc.base, group="fcgroup")
    for path in (fc.state, fc.uploaded):
        shutil.chown(path, group="fcgroup")
    answer = fc.ctl("--base", fc.base, "doctor", user=users[1], config=False)
    found = Checkup(answer)
    assert "daemon" not in found.bad(), found.all
    assert users[0] in found.one("service", "note")["what"]
    assert not found["clock"] and not found["cron"]
    assert not list((fc.state / "requests").iterdir())


# ---- Slurm ----

def test_slurm_is_well(instance, standin):
    fc = instance(backend=standin, config={"scheduler": {
        "account": "proj", "qos": "normal", "partition": "debug", "extra_args": ["--mem=1G"]}})
    with_cron(fc)
    fc.start()
    fc.upload("one")
    fc.wait_finished("one")
    found = doctor(fc)
    assert found.well, found.all
    for check in ("commands", "controller", "accounting", "account", "qos", "partition", "submission"):
        assert [f["result"] for f in found[check]] == ["ok"], found.all
    assert "22.05" in found["controller"][0]["what"]
    assert "1 recent job" in found["accounting"][0]["what"]
    assert len(standin.submissions()) == 1


def test_wrong_settings(instance, standin):
    """Each by its name, with what there is instead; and sbatch's own word on all together."""
    standin.set(accounts="proj,tiny", qos="normal,long", partitions="debug,short")
    fc = instance(backend=standin, config={"scheduler": {
        "account": "nope", "qos": "bad", "partition": "wrong", "reservation": "none"}})
    with_cron(fc)
    fc.start()
    found = doctor(fc)
    assert found.bad() >= {"account", "qos", "partition", "reservation", "submission"}, found.all
    assert "proj, tiny" in found.one("account", "fault")["why"]
    assert "debug, short" in found.one("partition", "fault")["why"]
    assert str(fc.config_file) in found.one("qos", "fault")["advice"]
    assert not standin.submissions()


def test_partition_down(instance, standin):
    standin.set(partition_state="down")
    fc = instance(backend=standin)
    with_cron(fc)
    fc.start()
    assert "debug" in doctor(fc).one("partition", "warning")["what"]


def test_commands_that_are_missing(instance, standin):
    """They are looked for where flowcrond looks: in the PATH of a login shell."""
    fc = instance(backend=standin)
    fc.home.add_profile(f"PATH={standin.bin}")
    with_cron(fc)
    fc.start()
    assert not doctor(fc)["commands"][0]["result"] in BAD
    (standin.bin / "sacct").unlink()
    fault = doctor(fc).one("commands", "fault")
    assert "sacct" in fault["what"] and str(standin.bin) in fault["why"]
    assert paste(fc, fault["advice"]).returncode != 0


def test_controller_down(instance, standin):
    fc = instance(backend=standin)
    with_cron(fc)
    fc.start()
    standin.fault("all", "down")
    found = doctor(fc)
    fault = found.one("controller", "fault")
    assert "Unable to contact slurm controller" in fault["why"]
    assert found["account"] == [] and found["submission"] == []
    assert paste(fc, fault["advice"]).returncode != 127


def alive(pid):
    return os.path.exists(f"/proc/{pid}")


def test_slurm_that_hangs_costs_one_deadline(instance, standin):
    """All are asked side by side: none waits until another has run out of time."""
    fc = instance(backend=standin, config={"scheduler": {"command_timeout": "4s"}})
    with_cron(fc)
    standin.fault("all", "hang")
    argv = as_user(fc.user, [program("flowcronctl"), "--config", fc.config_file, "--json", "doctor"])
    with subprocess.Popen(argv, env=fc.env(), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        wait_until(lambda: sum(alive(c["pid"]) for c in standin.calls()) >= 7,
                   "seven of Slurm's commands to hang at the same time")
        out = run.communicate()[0]
    faults = [f for f in json.loads(out)["findings"] if f["check"] == "controller"]
    assert run.returncode == 1 and "no answer within 4s" in faults[0]["why"]
    assert not any(alive(c["pid"]) for c in standin.calls())


def test_accounting_lags(instance, standin):
    fc = instance(backend=standin)
    with_cron(fc)
    standin.set(mode="norun")
    fc.start()
    fc.upload("one")
    job = wait_until(lambda: (fc.show("one") or {}).get("job_id"), fc.trouble)
    standin.end(job)
    standin.set(sacct_lag_ms=3600000)
    found = wait_until(lambda: (lambda c: re.search("lags behind by", c["accounting"][0]["what"]) and c)(
        doctor(fc)), "the lag to be seen")
    assert found["accounting"][0]["result"] in ("ok", "warning")


def test_accounting_down_or_none(instance, standin):
    fc = instance(backend=standin)
    with_cron(fc)
    fc.start()
    standin.fault("sacct", "down")
    assert "database" in doctor(fc).one("accounting", "warning")["why"]
    standin.fault("sacct")
    standin.set(accounting=0, min_job_age_ms=300000)
    found = doctor(fc)
    assert "300 sec" in found.one("accounting", "note")["why"]
    assert found.well, found.all


# ---- how it looks ----

@pytest.mark.parametrize("columns", [80, 200])
def test_on_a_terminal(instance, columns):
    """Nothing is wider than the terminal but commands, which must not be broken."""
    fc = instance()
    argv = [program("flowcronctl"), "--config", fc.config_file, "doctor"]
    command = f"stty cols {columns}; {' '.join(map(str, argv))}"
    done = subprocess.run(["script", "-qec", command, "/dev/null"], env=fc.env(TERM="dumb"), check=False,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 1
    lines = done.stdout.replace("\r", "").splitlines()
    commands = {f["advice"] for f in doctor(fc).all if "advice" in f}
    assert commands <= {line.strip() for line in lines}
    for line in lines:
        assert len(line) <= columns or line.strip() in commands, line
    assert re.search(r"^fault +daemon +\S", "\n".join(lines), re.MULTILINE)
