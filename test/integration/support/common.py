# SPDX-License-Identifier: Apache-2.0
"""Paths, waiting, users: what every other module here needs."""

import functools
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile
import time
import traceback

SOURCE = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("FLOWCRON_TEST_BUILD", SOURCE / "build-test")).resolve()
# The programs as they are installed: optimized, without sanitizers.
PLAIN = BUILD.with_name(f"{BUILD.name}-plain")
TOOLS = SOURCE / "test/tools"

# A busy machine may need long for what usually takes a moment; a deadline is there to end a test
# that can't succeed, never to judge speed.
DEADLINE = float(os.environ.get("FLOWCRON_TEST_DEADLINE", "60"))


def wait_until(condition, what, timeout=None):
    """Returns the first true value of condition(). `what`: text, or a function that makes one."""
    end = time.monotonic() + (DEADLINE if timeout is None else timeout)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited in vain: {what() if callable(what) else what}")
        time.sleep(0.05)


def program(name, build=BUILD):
    """The path of a built program. As root it is a copy that other users can reach: the build may
    lie in a folder that is closed to them."""
    return copy_of(name, build)


@functools.lru_cache(None)
def copy_of(name, build):
    """Once: one that runs can't be copied over."""
    built = build / name  # may hold folders: standin/standin-slurm
    assert built.exists(), f"{built} is not built"
    if not is_root():
        return built
    folder = copies() / build.name
    folder.mkdir(exist_ok=True)
    return pathlib.Path(shutil.copy(built, folder))


@functools.lru_cache(None)
def copies():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="fct-bin-"))
    folder.chmod(0o755)
    return folder


def remove_copies():
    """At the session's end; not by atexit, as the workers of xdist leave without it."""
    if copies.cache_info().currsize:
        shutil.rmtree(copies(), ignore_errors=True)


def is_root():
    return os.geteuid() == 0


def current_user():
    return pwd.getpwuid(os.geteuid()).pw_name


def as_user(user, argv):
    """argv, run as `user` with the groups it has at a login; only root can change users."""
    if user == current_user():
        return list(argv)
    account = pwd.getpwnam(user)
    return ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--init-groups",
            "--inh-caps=-all", "--", *argv]


def make_test_users():
    """fcuser1 and fcuser2 of the group fcgroup, fcuser3 of none of ours."""
    subprocess.run([TOOLS / "test-users"], check=True, capture_output=True)


def do_as(user, function, umask=None):
    """Calls function() in a child process as `user`; what it raises fails the caller."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            if umask is not None:
                os.umask(umask)
            if user and user != current_user():
                account = pwd.getpwnam(user)
                os.initgroups(user, account.pw_gid)
                os.setgid(account.pw_gid)
                os.setuid(account.pw_uid)
            function()
            status = 0
        except BaseException:  # pylint: disable=broad-except
            traceback.print_exc()
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0, f"failed as {user}, see the captured stderr"


def owned_folder(path, user, mode=0o755):
    """Makes the folder if need be, with this mode and owner (None: as it is)."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)
    if user and user != current_user():
        account = pwd.getpwnam(user)
        os.chown(path, account.pw_uid, account.pw_gid)
    return path


def tail(path, lines=40):
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except OSError as error:
        return f"({error.strerror})"
