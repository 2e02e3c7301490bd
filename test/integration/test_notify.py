# SPDX-License-Identifier: Apache-2.0
"""What flowcrond tells whoever started it, message by message, as sd_notify(3) and systemd.service(5) have it; and
where it listens when nobody has made a runtime folder."""

import os
import shutil
import subprocess
import time

import pytest

from support.common import as_user, program, wait_until
from support.instance import assert_no_report


def lines(fc):
    return [line for message in fc.notifications.messages for line in message.splitlines()]


def monotonic_usec():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


def test_a_life(instance):
    fc = instance().start()
    wait_until(lambda: any(line.startswith("STATUS=0 arriving") for line in lines(fc)), lambda: lines(fc))
    assert lines(fc).count("READY=1") == 1 and "RELOADING=1" not in lines(fc)
    fc.stop()
    wait_until(lambda: "STOPPING=1" in lines(fc), lambda: lines(fc))
    extended = [line for line in lines(fc) if line.startswith("EXTEND_TIMEOUT_USEC=")]
    # A submission in mid-call is waited for, as long as it may take.
    assert len(extended) == 1 and int(extended[0].split("=")[1]) >= 20 * 1000000


@pytest.mark.parametrize("good", [True, False])
def test_reload(instance, good):
    """RELOADING with the time it began, in one message; then READY, whether the configuration was taken or not."""
    fc = instance().start()
    if good:
        fc.configure({"retry": {"max_attempts": 5}})
    else:
        fc.config_file.write_text("nonsense: 1\n")
    before = monotonic_usec()
    fc.reload()
    after = monotonic_usec()
    found = [m.splitlines() for m in fc.notifications.messages if "RELOADING=1" in m]
    assert len(found) == 1
    began = [int(line.split("=")[1]) for line in found[0] if line.startswith("MONOTONIC_USEC=")]
    assert len(began) == 1 and before <= began[0] <= after
    said = lines(fc)
    assert "READY=1" in said[said.index("RELOADING=1"):]
    if not good:
        wait_until(lambda: any("refused" in line and "test.yaml:1:1" in line for line in lines(fc)
                               if line.startswith("STATUS=")), lambda: lines(fc))


def test_watchdog(instance):
    """It is patted as often as it asks for, and not at all if it does not ask."""
    fc = instance()
    fc.start(WATCHDOG_USEC=1000000)
    wait_until(lambda: lines(fc).count("WATCHDOG=1") >= 2, lambda: lines(fc))
    fc.stop()
    count = lines(fc).count("WATCHDOG=1")
    fc.start()
    fc.upload("one")
    fc.wait_finished("one")
    assert lines(fc).count("WATCHDOG=1") == count


def without_runtime_folder(fc):
    env = fc.env(NOTIFY_SOCKET=fc.notifications.path)
    del env["XDG_RUNTIME_DIR"]
    return env


def test_without_a_runtime_folder(instance):
    """It makes one that is closed to others, and is found there from every kind of shell."""
    fc = instance(name=f"without-{os.getpid()}-{time.monotonic_ns()}")
    folder = f"/tmp/flowcron-{os.geteuid()}"
    env = without_runtime_folder(fc)
    with open(fc.stderr_file, "ab") as err:
        # pylint: disable-next=consider-using-with
        fc.process = subprocess.Popen(fc.daemon_argv(), cwd="/", env=env, stderr=err, stdout=err,
                                      stdin=subprocess.DEVNULL, start_new_session=True)
    wait_until(lambda: fc.notifications.count("READY=1"), fc.trouble)
    assert os.stat(folder).st_mode & 0o7777 == 0o700
    assert os.path.exists(f"{folder}/{fc.name}.sock")
    argv = as_user(fc.user, [program("flowcronctl"), "--config", fc.config_file, "status"])
    for shell in (env, fc.env()):
        done = subprocess.run(argv, env=shell, capture_output=True, text=True, check=True)
        assert "running" in done.stdout and done.stderr == "", done
        assert_no_report(done.stderr, argv)
    fc.stop()
    assert not os.path.exists(f"{folder}/{fc.name}.sock")
    if not os.listdir(folder):
        shutil.rmtree(folder)
