# SPDX-License-Identifier: Apache-2.0
"""FlowCron as people run it: installed into the home folder, started by `systemctl --user`."""

import json
import pwd
import re

import pytest

from support.common import SOURCE, do_as, wait_until
from support.record import check_record
from support.service import Service, is_active, lives, running_job

pytestmark = pytest.mark.systemd


@pytest.fixture(name="fc", scope="module")
def fixture_fc(service):
    return service


def test_installed_units_are_found(user_systemd, installed_home):
    folder = installed_home / ".local/share/systemd/user"
    for unit, file in (("flowcron.service", "flowcron.service"),
                       ("flowcron@other.service", "flowcron@.service")):
        path = user_systemd.systemctl("show", "--value", "-p", "FragmentPath", unit).strip()
        assert path == str(folder / file)
        done = user_systemd.run("systemd-analyze", "--user", "--man=no", "verify", path,
                                check=False)
        assert done.returncode == 0 and "flowcron" not in done.stderr, done.stderr
    user_systemd.systemctl("enable", "flowcron.service")
    assert user_systemd.systemctl("is-enabled", "flowcron.service").strip() == "enabled"
    user_systemd.systemctl("disable", "flowcron.service")


def test_started_is_ready(fc):
    """Type=notify: `systemctl start` returns when the daemon has said READY, and not before."""
    assert fc.property("ActiveState") == "active" and fc.property("Type") == "notify"
    answer = fc.ctl("status")
    assert answer.code == 0 and answer.data["daemon"]["running"] is True
    assert str(answer.data["daemon"]["pid"]) == fc.property("MainPID")
    uid = pwd.getpwnam(fc.user).pw_uid
    assert answer.data["daemon"]["socket"] == f"/run/user/{uid}/flowcron/default.sock"
    wait_until(lambda: "queued" in fc.property("StatusText"), "a status line")
    assert fc.property("WatchdogUSec") == "10min"


def test_a_uow_in_and_out(fc):
    fc.upload("first", commands=["env -0 > data/env", "umask > data/umask", "echo out"])
    fc.wait_finished("first")
    assert fc.where("first") == ["analysed"] and fc.job_output("first") == "out\n"
    check_record(fc, "first")
    env = dict(line.split("=", 1) for line in fc.read("first", "data/env").split("\0") if line)
    for name in ("NOTIFY_SOCKET", "INVOCATION_ID", "JOURNAL_STREAM", "WATCHDOG_USEC",
                 "WATCHDOG_PID", "LISTEN_FDS", "MANAGERPID", "SYSTEMD_EXEC_PID"):
        assert name not in env, name
    assert fc.read("first", "data/umask").strip() in ("0022", "0002")


def test_journal_fields(fc):
    fc.upload("told")
    uow = fc.wait_finished("told")
    found = wait_until(
        lambda: (lambda es: any(e["FLOWCRON_EVENT"] == "finished" for e in es) and es)(
            fc.journal("FLOWCRON_UOW=told")), "the journal to have it")
    for entry in found:
        assert entry["FLOWCRON_INSTANCE"] == "default" and entry["FLOWCRON_ID"] == uow["id"]
        assert entry["SYSLOG_IDENTIFIER"] == "flowcrond" and "told" in entry["MESSAGE"]
        assert entry["_SYSTEMD_USER_UNIT"] == fc.unit and "MESSAGE_ID" in entry
    events = [e["FLOWCRON_EVENT"] for e in found]
    assert events[0] == "uploaded" and events[-1] == "finished"
    assert found[-1]["FLOWCRON_STATE"] == "finished" and found[-1]["FLOWCRON_ATTEMPT"] == "1"
    assert len(fc.journal(f"FLOWCRON_ID={uow['id']}", "FLOWCRON_EVENT=finished")) == 1


def attention(fc):
    return json.dumps(fc.ctl("status").data["attention"])


def test_reload(fc):
    """A good configuration comes into force; a broken one does not, and is named by line."""
    pid = fc.property("MainPID")
    fc.configure({"uow": {"script": "other.sh"}})
    fc.systemd.systemctl("reload", fc.unit)

    def taken():
        name = f"reload{len(fc.folders()['analysed'])}"
        fc.upload(name, {"scripts/other.sh": "#!/bin/bash\n#SBATCH -n 1\necho other\n"})
        fc.wait_finished(name)
        return fc.job_output(name) == "other\n"
    wait_until(taken, "the new configuration")

    good = fc.config_file.read_text()
    fc.config_file.write_text(good + "nonsense: 1\n")
    done = fc.systemd.run("systemctl", "--user", "reload", fc.unit, check=False)
    assert done.returncode != 0
    place = f"{fc.config_file}:{len(good.splitlines()) + 1}:"
    assert place in attention(fc)
    wait_until(lambda: "refused" in fc.property("StatusText"), "the status line to say so")
    assert place in fc.property("StatusText") and is_active(fc)
    assert fc.ctl("reload").code == 1
    assert taken()
    fc.configure()
    fc.systemd.systemctl("reload", fc.unit)
    wait_until(lambda: "nonsense" not in attention(fc), lambda: attention(fc))
    assert is_active(fc) and fc.property("MainPID") == pid


def test_stopped_while_a_job_runs(fc):
    """The job goes on, and is found again."""
    pid = running_job(fc, "long")
    fc.stop()
    assert fc.property("ActiveState") == "inactive" and fc.property("Result") == "success"
    assert lives(fc, pid)
    assert fc.show("long")["phase"] == "running"  # read from disk
    fc.start()
    assert fc.show("long")["state"] == "queued" and lives(fc, pid)
    (fc.work / "long/go").touch()
    assert fc.wait_finished("long")["attempt"] == 1
    assert fc.read("long", "data/out") == "done\n"


def test_job_that_ends_while_stopped(fc):
    running_job(fc, "unseen")
    fc.stop()
    (fc.work / "unseen/go").touch()
    wait_until(lambda: (fc.work / "unseen/data/out").exists(), "the job to end")
    fc.start()
    fc.wait_finished("unseen")
    check_record(fc, "unseen")


def test_killed_is_started_again(fc):
    pid = running_job(fc, "survivor")
    main, restarts = fc.property("MainPID"), int(fc.property("NRestarts"))
    fc.systemd.systemctl("kill", "--kill-who=main", "--signal=KILL", fc.unit)
    wait_until(lambda: is_active(fc, pid_other_than=main), fc.trouble)
    assert int(fc.property("NRestarts")) == restarts + 1
    assert lives(fc, pid)
    (fc.work / "survivor/go").touch()
    assert fc.wait_finished("survivor")["attempt"] == 1
    assert fc.read("survivor", "data/out") == "done\n"


def test_further_instance_and_broken_configuration(service_root, user_systemd, installed_home):
    """flowcron@NAME has its own folder and socket; a fault in its configuration is final."""
    other = Service(service_root, user_systemd, installed_home, "other")
    good = other.config_file.read_text()
    other.config_file.write_text(good + "scheduler: {type: abacus}\n")
    try:
        done = user_systemd.run("systemctl", "--user", "start", other.unit, check=False)
        assert done.returncode != 0
        assert other.property("ActiveState") == "failed"
        assert other.property("ExecMainStatus") == "78" and other.property("NRestarts") == "0"
        told = [e["MESSAGE"] for e in other.journal("-u", other.unit)]
        assert any(f"{other.config_file}:" in m for m in told), told
        other.config_file.write_text(good)
        other.start()
        other.upload("theirs")
        other.wait_finished("theirs")
        assert other.journal("FLOWCRON_UOW=theirs", "FLOWCRON_INSTANCE=other")
    finally:
        other.close()


def test_hardened_as_the_guide_says(user_systemd, fc):
    """The drop-in of docs/security.md: it is in force, and all goes on as before."""
    guide = (SOURCE / "docs/security.md").read_text()
    dropin = re.search(r"```ini\n(.*?)```", guide, re.S).group(1)
    folder = fc.config_file.parents[1] / f"systemd/user/{fc.unit}.d"
    file = folder / "hardened.conf"

    def put():
        folder.mkdir(parents=True)
        file.write_text(dropin)
    do_as(fc.user, put)
    try:
        user_systemd.systemctl("daemon-reload")
        user_systemd.systemctl("restart", fc.unit)
        assert fc.property("NoNewPrivileges") == "yes" and fc.property("LockPersonality") == "yes"
        status = (f"/proc/{fc.property('MainPID')}/status")
        said = user_systemd.run("cat", status).stdout
        assert "NoNewPrivs:\t1" in said and "Seccomp:\t2" in said
        fc.upload("hardened", commands=["echo out", "grep NoNewPrivs /proc/self/status"])
        fc.wait_finished("hardened")
        assert fc.job_output("hardened") == "out\nNoNewPrivs:\t1\n"
        path = user_systemd.systemctl("show", "--value", "-p", "FragmentPath", fc.unit).strip()
        done = user_systemd.run("systemd-analyze", "--user", "--man=no", "verify", path, check=False)
        assert done.returncode == 0 and "flowcron" not in done.stderr, done.stderr
    finally:
        file.unlink()
        folder.rmdir()
        user_systemd.systemctl("daemon-reload")
        user_systemd.systemctl("restart", fc.unit)


def test_keys_of_the_login_stay_there(user_systemd, fc):
    """An agent that the user's manager knows of is nothing for what others upload."""
    user_systemd.systemctl("set-environment", "SSH_AUTH_SOCK=/run/agent", "DISPLAY=:0", "KEPT=1")
    try:
        user_systemd.systemctl("restart", fc.unit)
        environ = user_systemd.run("cat", f"/proc/{fc.property('MainPID')}/environ").stdout
        assert "KEPT=1" in environ
        assert "SSH_AUTH_SOCK" not in environ and "DISPLAY" not in environ
    finally:
        user_systemd.systemctl("unset-environment", "SSH_AUTH_SOCK", "DISPLAY", "KEPT")
        user_systemd.systemctl("restart", fc.unit)
