# SPDX-License-Identifier: Apache-2.0
"""What may befall the service: it freezes, its user logs out, its log is read by somebody in need."""

import pathlib
import pwd
import re
import subprocess

import pytest

from support.common import SOURCE, do_as, wait_until
from support.service import is_active, lives, running_job

pytestmark = pytest.mark.systemd


@pytest.fixture(name="fc", scope="module")
def fixture_fc(service):
    return service


@pytest.fixture
def drop_in(fc, installed_home):
    """drop_in(LINE…) sets them for the service, until the test is over."""
    folder = installed_home / f".config/systemd/user/{fc.unit}.d"

    def put(*lines):
        def write():
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "test.conf").write_text("\n".join(["[Service]", *lines, ""]))
        do_as(fc.user, write)
        fc.systemd.systemctl("daemon-reload")
        fc.systemd.systemctl("restart", fc.unit)

    yield put
    (folder / "test.conf").unlink(missing_ok=True)
    fc.systemd.systemctl("daemon-reload")
    fc.systemd.systemctl("restart", fc.unit)


def test_frozen_is_started_again(fc, drop_in):
    """The watchdog ends a daemon that gives no sign of life; the job goes on, and is found again."""
    drop_in("WatchdogSec=4s", "RestartSec=100ms")
    job = running_job(fc, "thawed")
    main, restarts = fc.property("MainPID"), int(fc.property("NRestarts"))
    fc.systemd.systemctl("kill", "--kill-who=main", "--signal=STOP", fc.unit)
    wait_until(lambda: is_active(fc, pid_other_than=main), fc.trouble)
    assert int(fc.property("NRestarts")) == restarts + 1
    assert any("Watchdog timeout" in e["MESSAGE"] for e in fc.journal("-u", fc.unit))
    assert lives(fc, job)
    (fc.work / "thawed/go").touch()
    assert fc.wait_finished("thawed")["attempt"] == 1
    assert fc.read("thawed", "data/out") == "done\n"


def sessions(systemd):
    return systemd.root("loginctl", "list-sessions", "--no-legend").stdout.split()


def is_there(systemd):
    uid = pwd.getpwnam(systemd.user).pw_uid
    return systemd.root("systemctl", "is-active", f"user@{uid}.service",
                        check=False).stdout.strip() == "active"


def test_lingering(fc):
    """With lingering the service outlives its user's logout; without, it ends with the last session. A service that
    is enabled comes back with its user."""
    systemd = fc.systemd
    pid = fc.property("MainPID")
    systemd.systemctl("enable", fc.unit)
    try:
        assert "Linger=yes" in systemd.root("loginctl", "show-user", systemd.user).stdout
        assert systemd.login("loginctl show-user $USER -p Sessions").strip() != "Sessions="
        wait_until(lambda: not sessions(systemd), "the session to be over")
        assert fc.property("MainPID") == pid and is_active(fc)
        linger = [f for f in fc.ctl("doctor").data["findings"] if f["check"] == "linger"]
        assert [f["result"] for f in linger] == ["ok"]

        # From here on only the session keeps the user's services alive.
        told = systemd.login("loginctl disable-linger && ~/.local/bin/flowcronctl doctor; true")
        assert re.search("^warning +linger .*ends when", told, re.MULTILINE), told
        assert "loginctl enable-linger" in told
        wait_until(lambda: not is_there(systemd), "the user's services to end with the logout")
        wait_until(lambda: not fc.show_from_disk()["daemon"]["running"], "flowcrond to end with them")

        # The command that was advised, in another session.
        systemd.login("loginctl enable-linger")
        wait_until(lambda: not sessions(systemd), "that session to be over")
        assert is_there(systemd)
        wait_until(lambda: is_active(fc, pid_other_than=pid), fc.trouble)
    finally:
        systemd.root("loginctl", "enable-linger", systemd.user)
        wait_until(lambda: is_there(systemd), "the user manager")
        systemd.systemctl("disable", fc.unit)
        systemd.systemctl("start", fc.unit)


def findings(fc, check):
    return [f for f in fc.ctl("doctor").data["findings"] if f["check"] == check]


def test_doctor_sees_what_is_wrong_with_the_service(fc, installed_home):
    """Not started by itself; another version; a program that is gone; failed. Mended by what it advises, it is well."""
    folder = installed_home / f".config/systemd/user/{fc.unit}.d"
    other = fc.root / "flowcrond"

    def start_line(program):
        do_as(fc.user, lambda: folder.mkdir(parents=True, exist_ok=True))
        (folder / "test.conf").write_text(f"[Service]\nExecStart=\nExecStart={program} --version\n")

    warning, = findings(fc, "service")
    assert "not started by itself" in warning["what"]
    fc.systemd.run("bash", "-c", warning["advice"])
    try:
        assert [f["result"] for f in findings(fc, "service")] == ["ok"]

        other.write_text("#!/bin/sh\necho flowcrond 99.0\n")
        other.chmod(0o755)
        start_line(other)
        fc.systemd.systemctl("daemon-reload")
        warning, = findings(fc, "service")
        assert "99.0" in warning["what"] and str(other) in warning["why"]
        start_line(other)
        assert "was changed" in findings(fc, "service")[-1]["what"]
        fc.systemd.run("bash", "-c", findings(fc, "service")[-1]["advice"])
        assert [f["what"] for f in findings(fc, "service")] == [warning["what"]]

        other.unlink()
        fault, = findings(fc, "service")
        assert fault["result"] == "fault" and str(other) in fault["what"]

        (folder / "test.conf").unlink()
        fc.systemd.systemctl("daemon-reload")
        good = fc.config_file.read_text()
        fc.config_file.write_text(good + "nonsense: 1\n")
        fc.systemd.systemctl("restart", fc.unit, check=False)
        fault = [f for f in findings(fc, "service") if f["result"] == "fault"][0]
        assert "78" in fault["what"]
        assert "nonsense" in fc.systemd.run("bash", "-c", fault["advice"]).stdout
        assert [f["result"] for f in findings(fc, "daemon")] == ["fault"]
        fc.config_file.write_text(good)
        fc.systemd.run("bash", "-c", findings(fc, "daemon")[0]["advice"])
        assert fc.ctl("doctor").code == 0
    finally:
        (folder / "test.conf").unlink(missing_ok=True)
        fc.configure()
        fc.systemd.systemctl("daemon-reload")
        fc.systemd.systemctl("disable", fc.unit)
        fc.systemd.systemctl("start", fc.unit)


def test_without_the_runtime_folder(fc):
    """A shell that came through su or cron has no XDG_RUNTIME_DIR: the daemon is found all the same."""
    done = fc.systemd.run("env", "-u", "XDG_RUNTIME_DIR", "-u", "DBUS_SESSION_BUS_ADDRESS",
                          fc.programs / "flowcronctl", "status")
    assert "running" in done.stdout and done.stderr == ""
    assert fc.property("MainPID") in done.stdout


def message_ids():
    header = (SOURCE / "daemon/log.h").read_text()
    return set(re.findall(r'#define MESSAGE_ID_\w+ "([0-9a-f]{32})"', header))


def catalog_ids():
    return set(re.findall(r"^-- ([0-9a-f]{32})$", (SOURCE / "units/flowcron.catalog").read_text(),
                          re.MULTILINE))


@pytest.fixture(name="catalog", scope="module")
def fixture_catalog(user_systemd, installed_home):
    """The journal's catalog, with ours in it, as root would install it; in systemd's namespace alone."""
    installed = installed_home / ".local/lib/systemd/catalog/flowcron.catalog"
    user_systemd.root("sh", "-ec", f"""
        mount -t tmpfs tmpfs /var/lib/systemd/catalog
        cp -r /usr/lib/systemd/catalog /run/catalog
        cp {installed} /run/catalog/
        mount --bind /run/catalog /usr/lib/systemd/catalog
        journalctl --update-catalog""")
    yield
    user_systemd.root("umount", "/usr/lib/systemd/catalog", "/var/lib/systemd/catalog")


def test_catalog_has_every_message(catalog, user_systemd):
    # pylint: disable=unused-argument
    assert message_ids() and message_ids() == catalog_ids()
    known = user_systemd.run("journalctl", "--dump-catalog", *sorted(message_ids())).stdout
    for message in message_ids():
        text = re.search(rf"^-- {message}\n(.*?)(?=^-- |\Z)", known, re.DOTALL | re.MULTILINE)
        assert text and "Subject: " in text[1] and "flowcron" in text[1], message


def explained(fc, *matches):
    return fc.systemd.run("journalctl", "--user", "-x", "--no-pager", "-o", "short", *matches).stdout


def test_catalog_explains_what_happened(fc, catalog):
    """`journalctl -x`: what it is about, in the words of the message, and the command to go on with."""
    # pylint: disable=unused-argument
    fc.upload("puzzle", commands="exit 3")
    uow = fc.wait_finished("puzzle", "failed")
    wait_until(lambda: fc.journal("FLOWCRON_UOW=puzzle", "FLOWCRON_EVENT=finished"), "the journal")
    told = explained(fc, "FLOWCRON_UOW=puzzle", "FLOWCRON_EVENT=finished")
    assert "Subject: Unit of Work puzzle: finished" in told
    command = f"flowcronctl -i default show {uow['id']}"
    assert command in told
    assert fc.systemd.run(*(fc.programs / "flowcronctl", *command.split()[1:])).returncode == 0

    good = fc.config_file.read_text()
    fc.config_file.write_text(good + "nonsense: 1\n")
    try:
        assert fc.ctl("reload").code == 1
        told = wait_until(lambda: explained(fc, "-u", fc.unit, "-p", "err"), "the message")
        assert "Subject: The configuration is refused" in told
    finally:
        fc.config_file.write_text(good)
    assert fc.ctl("reload").code == 0


def test_installed_catalog_is_the_sources(installed_home):
    installed = pathlib.Path(installed_home) / ".local/lib/systemd/catalog/flowcron.catalog"
    subprocess.run(["cmp", installed, SOURCE / "units/flowcron.catalog"], check=True)
