# SPDX-License-Identifier: Apache-2.0
"""From a bare machine as an ordinary user, on real Slurm: by cron alone, with a real cron daemon; by systemd; and the
take-over of a base folder that the bash FlowCron is at work in.

Cron ticks once a minute. What it is to do is prepared first, and looked at last."""

import json
import os
import pathlib
import pwd
import shutil
import tempfile
import types

import pytest

from support.common import BUILD, do_as, owned_folder, program, wait_until
from support.cron import Cron
from support.home import Home
from support.instance import Answer
from support.leftovers import end_leftovers
from support.legacy import LegacyBase
from support.installer import Person
from support.units import make_uow

pytestmark = pytest.mark.slurm

USER = "fcuser1"
UNTIL_GO = "until [ -e go ]; do sleep 0.1; done"


@pytest.fixture(scope="module")
def root(users):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="fct-"))
    folder.chmod(0o755)
    yield folder
    end_leftovers(folder)
    shutil.rmtree(folder, ignore_errors=True)


class ByCron:
    """An instance that nothing but cron's ticks drives."""

    def __init__(self, root, slurm, cron):
        self.cron = cron
        self.slurm = slurm
        self.home = Home(root, USER)
        slurm.prepare(self.home)
        program("flowcrond")
        self.base = owned_folder(root / "project", USER, 0o2775) / "flowcron"

    def ctl(self, *args, check=True):
        done = self.cron.run(USER, [program("flowcronctl"), "--json", *args], self.home.env(), check=False)
        assert not check or done.returncode == 0, done
        return json.loads(done.stdout)

    def upload(self, name, **how):
        make_uow(self.base / "UploadedFiles", name, user=USER, **how)

    def show(self, name):
        return self.ctl("show", name)


@pytest.fixture(scope="module")
def by_cron(root, slurm_cluster):
    """`setup --yes`, and a Unit of Work that the next tick finds: nobody starts anything."""
    if not shutil.which("cron"):
        pytest.skip("no cron")
    slurm_cluster.clear()
    cron = Cron(root / "cron")
    cron.up()
    try:
        one = ByCron(root, slurm_cluster, cron)
        one.report = one.ctl("setup", "--yes", "--base", one.base, "--interval", "1m", "--account", "science",
                             "--qos", "long")
        table = cron.table(USER)
        line = next(entry for entry in table.splitlines() if entry.startswith("* "))
        # The same twice more: ticks that overlap, as those of a slow pass do. And cron's HOME is the user's own, not
        # the one that the test made.
        table = f"HOME={one.home.dir}\n{table}{line}\n{line}\n"
        cron.run(USER, ["sh", "-c", 'printf %s "$1" | crontab -', "sh", table], one.home.env())
        one.upload("ticked", commands=["env -0 > data/env", "echo out"])
        yield one
        cron.run(USER, ["crontab", "-r"], one.home.env(), check=False)
    finally:
        cron.down()


# ---- the take-over, while cron waits for its minute ----

def test_take_over(by_cron, root, slurm_cluster):
    """Results, waiting ones and a running job with its clean-up: all taken over, nothing lost, nothing run twice."""
    slurm = slurm_cluster
    home = Home(owned_folder(root / "second", None), USER)
    slurm.prepare(home)
    person = Person(root / "second", home)
    legacy = LegacyBase(root / "legacy", home, account="science", qos="long")
    legacy.uow("AnalysedFiles", "good", files={"slurm-1.out": "fine\n", "data/result": "42\n"})
    legacy.uow("FailedJobs", "bad")
    legacy.uow("SoftDelete/FailedJobs", "older")
    legacy.uow("UploadedFiles", "waits", mark="")
    legacy.uow("CodeToRun/slurm", "moved", mark="")
    legacy.uow("UploadedFiles", "arriving")
    # Without a log squeue alone tells which job is whose.
    job, cleanup = legacy.submit("runs", log=False, commands=['cd "$1"', UNTIL_GO, "echo done > data/out"])
    ended, late = legacy.submit("ended", "--hold", commands="exit 3")
    person.crontab.text = legacy.crontab_lines()
    wait_until(lambda: job in slurm.jobs("RUNNING") and ended not in slurm.jobs(), "one runs, one has ended")
    before = legacy.contents()

    done = person.setup("--base", legacy.base, "--service", "none", "--remove-old-cron")
    assert done.code == 0, done
    found = done.data["takeover"]
    assert sorted(found["running"]) == ["ended", "runs"] and found["results"] == 3 and found["waiting"] == 1
    assert person.crontab.text == ""
    alive = slurm.jobs()
    assert job in alive and cleanup not in alive and late not in alive
    assert {k: v for k, v in legacy.contents().items() if k in before} == before

    def tick():
        argv = f"{program('flowcrond')} -i default --once"
        assert person.cron_tick(argv).returncode == 0
        return {u["name"]: u for u in person.ctl("list", parse=True).data}
    wait_until(lambda: tick().get("ended", {}).get("state") == "finished", lambda: tick())
    now = tick()
    assert (now["runs"]["state"], now["runs"]["phase"], now["runs"]["job_id"]) == ("queued", "running", job)
    do_as(USER, lambda: (legacy.base / "CodeToRun/slurm/runs/go").touch())
    wait_until(lambda: all(tick()[n]["state"] == "finished" for n in ("runs", "waits", "moved")), lambda: tick())
    now = tick()
    outcomes = {name: u.get("outcome") for name, u in now.items()}
    assert outcomes == {"good": "succeeded", "bad": "failed", "older": "failed", "waits": "succeeded",
                        "moved": "succeeded", "runs": "succeeded", "ended": "failed", "arriving": None}
    assert now["older"]["state"] == "soft-deleted" and now["ended"]["job_id"] == ended
    after = legacy.contents()
    assert {k: after.get(k) for k in before} == before and after["runs", "data/out"] == b"done\n"
    assert slurm.job_count("slurm/runs/scripts") == 1 and slurm.job_count("CodeToRun/slurm/moved") == 1


# ---- what cron did meanwhile ----

def test_setup_by_cron(by_cron):
    service = by_cron.report["service"]
    assert service["kind"] == "cron"
    assert {t["kind"] for t in service["tried"]} == {"systemd", "scrontab"}
    assert not any("cron daemon" in w for w in by_cron.report["warnings"])
    done = by_cron.ctl("setup", "--yes", "--account", "nobodys", check=False)
    assert "science" in done["message"] and "tiny" in done["message"]


def test_ticks_of_cron(by_cron, slurm_cluster):
    """The tick has found the upload, three processes at once; one has submitted it, once, and what the job sees is
    a login's environment, not cron's."""
    def state():
        return by_cron.ctl("show", "ticked", check=False).get("state")
    wait_until(lambda: state() in ("queued", "finished"), state, timeout=130)
    wait_until(lambda: not slurm_cluster.jobs(), "the job to end")
    # The rest is one more pass: the next tick's, or this one, whose environment is the same.
    _, command = next((line.split(None, 5)[:5], line.split(None, 5)[5])
                      for line in by_cron.cron.table(USER).splitlines() if line.startswith("* "))
    env = {"HOME": str(by_cron.home.dir), "LOGNAME": USER, "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"}

    def filed():
        by_cron.cron.run(USER, ["sh", "-c", command], env)
        return (by_cron.base / "AnalysedFiles/ticked").exists()
    wait_until(filed, "it is filed")
    uow = by_cron.show("ticked")
    assert uow["outcome"] == "succeeded" and uow["attempt"] == 1
    assert slurm_cluster.job_count(f"flowcron={uow['id']}.1") == 1
    seen = dict(v.split("=", 1) for v in
                (by_cron.base / "AnalysedFiles/ticked/data/env").read_text().split("\0") if v)
    assert seen["SLURM_JOB_ACCOUNT"] == "science" and seen["SLURM_JOB_QOS"] == "long"
    assert seen["HOME"] == str(by_cron.home.dir) and seen["SLURM_CONF"]
    log = "".join(p.read_text() for p in (by_cron.base / "Logs").glob("*.log"))
    assert "error:" not in log, log
    found = by_cron.ctl("doctor", check=False)
    assert found["well"], found
    assert {"cron", "accounting"} <= {f["check"] for f in found["findings"]}


def test_remove_by_cron(by_cron):
    before = by_cron.cron.table(USER)
    by_cron.ctl("setup", "--yes", "--remove")
    after = by_cron.cron.table(USER)
    assert "flowcron default" in before and "flowcron default" not in after
    assert after.count("--once") == 2  # the lines beside ours are not ours
    assert (by_cron.base / "AnalysedFiles/ticked").exists()


# ---- by systemd ----

@pytest.fixture
def bare_home(user_systemd):
    """The user's own home folder, with the programs in it and nothing else."""
    folder = pathlib.Path(pwd.getpwnam(user_systemd.user).pw_dir)

    def wipe():
        for path in (folder / ".config", folder / ".local", folder / ".bash_profile"):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    wipe()
    binaries = folder / ".local/bin"
    do_as(user_systemd.user, lambda: binaries.mkdir(parents=True))
    for name in ("flowcrond", "flowcronctl"):
        shutil.copy(BUILD / name, binaries)
    yield folder
    user_systemd.systemctl("stop", "flowcron.service", check=False)
    wipe()
    user_systemd.systemctl("daemon-reload")


def test_by_systemd(user_systemd, slurm, bare_home, root):
    """Setup finds that services may linger, writes a unit, starts it; and takes it all back."""
    conf = slurm.dir / "etc/slurm.conf"
    do_as(USER, lambda: (bare_home / ".bash_profile").write_text(f"export SLURM_CONF={conf}\n"))
    base = owned_folder(root / "service", USER, 0o2775) / "flowcron"

    def ctl(*args, check=True):
        argv = [bare_home / ".local/bin/flowcronctl", "--json", *args]
        if args[0] == "setup":  # as over ssh on hosts where no session is made
            argv = ["env", "-u", "XDG_RUNTIME_DIR", "-u", "DBUS_SESSION_BUS_ADDRESS", *argv]
        done = user_systemd.run(*argv, check=False, SLURM_CONF=conf)
        answer = Answer(types.SimpleNamespace(args=argv, returncode=done.returncode, stdout=done.stdout.encode(),
                                              stderr=done.stderr.encode()), True)
        assert not check or answer.code == 0, answer.out + user_systemd.run("journalctl", "--user", "-n30").stdout
        return answer.data

    report = ctl("setup", "--yes", "--base", base, "--account", "science", "--interval", "5s")
    assert report["service"] == {"tried": [], "unit": "flowcron.service", "kind": "systemd"}
    unit = bare_home / ".config/systemd/user/flowcron.service"
    assert str(bare_home / ".local/bin/flowcrond") in unit.read_text()
    # A person's own edit, which only saves time here; another setup keeps it.
    config = bare_home / ".config/flowcron/default.yaml"
    do_as(USER, lambda: config.write_text(config.read_text().replace("poll_interval: 30s", "poll_interval: 1s")))
    user_systemd.systemctl("reload", "flowcron")
    user_systemd.systemctl("start", "flowcron")
    assert user_systemd.systemctl("is-enabled", "flowcron").strip() == "enabled"
    make_uow(base / "UploadedFiles", "first", commands="echo out", user=USER)
    wait_until(lambda: ctl("list")[:1] and ctl("list")[0]["state"] == "finished", lambda: ctl("list"))
    uow = ctl("show", "first")
    assert uow["outcome"] == "succeeded" and slurm.job_count(f"flowcron={uow['id']}.1") == 1
    found = ctl("doctor", check=False)
    assert found["well"], found
    # A change is taken without a new start; another base folder needs one.
    pid = user_systemd.systemctl("show", "--value", "-p", "MainPID", "flowcron").strip()
    ctl("setup", "--yes", "--soft-delete-days", "3")
    assert "poll_interval: 1s" in config.read_text() and "soft_delete_after: 3d" in config.read_text()
    assert user_systemd.systemctl("show", "--value", "-p", "MainPID", "flowcron").strip() == pid
    done = ctl("setup", "--yes", "--remove")
    assert user_systemd.systemctl("is-active", "flowcron", check=False).strip() == "inactive"
    assert not unit.exists() and not config.exists(), done
    assert os.path.exists(base / "AnalysedFiles/first")
