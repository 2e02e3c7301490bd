# SPDX-License-Identifier: Apache-2.0
"""A mapped collection: files belong to who uploaded them. What can be taken over is; what can't is
never silently stuck: whose it is, what is missing and the command that mends it are said."""

import os
import pwd
import re
import shutil
import stat
import subprocess

import pytest

from support.common import as_user, do_as, wait_until
from support.record import check_record

pytestmark = pytest.mark.usefixtures("users")

INSTALLER, UPLOADER, STRANGER = "fcuser1", "fcuser2", "fcuser3"


@pytest.fixture
def mapped(instance):
    """An instance of fcuser1 whose UploadedFiles fcuser2 may write to; with acl=True as set up on a
    file system with access control lists."""
    def make(acl=False, **how):
        fc = instance(user=INSTALLER, **how)
        fc.make_folders()
        if acl:
            done = subprocess.run(["setfacl", "-m", "d:u::rwx,d:g::rwx,d:m::rwx,d:o::rx",
                                   fc.uploaded], check=False, capture_output=True, text=True)
            if done.returncode:
                pytest.skip(f"no access control lists here: {done.stderr}")
        return fc
    return make


def owner(path):
    return pwd.getpwuid(os.lstat(path).st_uid).pw_name


def attention(fc, name):
    """What `status` says about it, None if nothing."""
    found = [a for a in fc.ctl("status").data["attention"] if a.get("uow") == name]
    return found[0]["what"] if found else None


def command_in(text):
    """The command that a person would copy out of the message."""
    return re.search(r"mend that with: (.*?)\s*$", text).group(1)


def at_prompt(user, command):
    return subprocess.run(as_user(user, ["bash", "-c", command]), check=True, capture_output=True)


@pytest.mark.parametrize("acl", [False, True], ids=["plain", "acl"])
@pytest.mark.parametrize("umask", [0o002, 0o022, 0o077], ids=["002", "022", "077"])
def test_taken_over_or_said(mapped, umask, acl):
    fc = mapped(acl).start()
    fc.upload("theirs", {"data/deep/er/file": "1\n"}, user=UPLOADER, umask=umask,
              commands=['cat "$1/data/deep/er/file"', "id -un > data/who"])
    if umask != 0o002 and not acl:
        text = wait_until(lambda: attention(fc, "theirs"), fc.trouble)
        assert UPLOADER in text and INSTALLER in text, text
        assert fc.where("theirs") == ["uploaded"]
        shown = fc.ctl("show", "theirs").data
        assert shown["state"] in ("uploaded", "arriving")
        assert "chmod" in shown["reason"]
        if shown["state"] == "uploaded":
            assert UPLOADER in fc.log_text() and "chmod" in fc.log_text()
        command = command_in(text)
        assert command.startswith("chmod -R g+rwX ") and str(fc.uploaded / "theirs") in command
        # Nothing is undone or half done meanwhile.
        assert sorted(os.listdir(fc.uploaded / "theirs")) == ["data", "scripts", "sentinels"]
        assert os.listdir(fc.uploaded / "theirs/sentinels") == []
        at_prompt(UPLOADER, command)
    fc.wait_finished("theirs")
    assert fc.job_output("theirs") == "1\n"
    assert fc.read("theirs", "data/who") == f"{INSTALLER}\n"
    record = check_record(fc, "theirs")
    assert record["uploaded_by"] == UPLOADER and record["user"] == INSTALLER
    assert attention(fc, "theirs") is None
    # What is theirs stays theirs, as it was; what is ours can be fetched by the group.
    result = fc.analysed / "theirs"
    assert owner(result / "data/deep/er/file") == UPLOADER
    for path in ("flowcron/report.txt", "data/who"):
        assert owner(result / path) == INSTALLER
        assert (result / path).stat().st_mode & stat.S_IRGRP
    do_as(UPLOADER, lambda: open(result / "flowcron/report.txt", encoding="utf-8").close())
    left = {e["path"]: e["why"] for e in record["filing"].get("left_alone", {}).get("list", [])}
    assert not [path for path, why in left.items() if why != "owner"]


@pytest.mark.parametrize("what, spoil", [
    ("data/deep", lambda top: os.chmod(top / "data/deep", 0o755)),
    ("data", lambda top: os.chmod(top / "data", 0o755)),
    ("scripts", lambda top: os.chmod(top / "scripts", 0o700)),
    ("scripts/submission_script.sh",
     lambda top: os.chmod(top / "scripts/submission_script.sh", 0o600)),
    ("sentinels", lambda top: os.chmod(top / "sentinels", 0o755)),
    ("the folder", lambda top: os.chmod(top, 0o755)),
    ("a sticky bit", lambda top: os.chmod(top, 0o3775)),
    ("another group", lambda top: shutil.chown(top / "data", group="root")),
], ids=lambda value: value if isinstance(value, str) else "")
def test_one_thing_is_missing(mapped, what, spoil):
    """Each by itself is seen before the folder is moved, named, and mended by the command."""
    fc = mapped()
    fc.upload("theirs", {"data/deep/file": "1\n"}, user=UPLOADER, umask=0o002, sentinel=False)
    do_as(UPLOADER, lambda: os.mkdir(fc.uploaded / "theirs/sentinels"), 0o002)
    if what == "another group":
        spoil(fc.uploaded / "theirs")  # as root, who may give it any group
        os.chmod(fc.uploaded / "theirs/data", 0o755)
    else:
        do_as(UPLOADER, lambda: spoil(fc.uploaded / "theirs"))
    fc.start()
    text = wait_until(lambda: attention(fc, "theirs"), fc.trouble)
    assert UPLOADER in text, text
    if what not in ("a sticky bit", "another group", "sentinels"):
        assert what in text, text
    assert fc.where("theirs") == ["uploaded"]
    at_prompt(UPLOADER, command_in(text))
    fc.wait_finished("theirs")
    assert attention(fc, "theirs") is None


def test_blocked_ones_hold_up_nobody(mapped):
    fc = mapped().start()
    for i in range(5):
        fc.upload(f"blocked{i}", user=UPLOADER, umask=0o022)
    fc.upload("free", user=UPLOADER, umask=0o002)
    fc.upload("own")
    fc.wait_finished("free")
    fc.wait_finished("own")
    for i in range(5):
        assert wait_until(lambda n=f"blocked{i}": attention(fc, n), fc.trouble)
    # The owner gives up on one, and takes another back.
    do_as(UPLOADER, lambda: shutil.rmtree(fc.uploaded / "blocked0"))
    do_as(UPLOADER, lambda: os.rmdir(fc.uploaded / "blocked1/sentinels"))
    wait_until(lambda: not attention(fc, "blocked0"), fc.trouble)
    assert fc.ctl("cancel", "blocked2").code == 0
    for i in (1, 3, 4):
        at_prompt(UPLOADER, f"chmod -R g+rwX {fc.uploaded}/blocked{i}")
    for i in (3, 4):
        fc.wait_finished(f"blocked{i}")
    assert fc.where("blocked1") == ["uploaded"]
    do_as(UPLOADER, lambda: os.mkdir(fc.uploaded / "blocked1/sentinels"), 0o002)
    fc.wait_finished("blocked1")


def test_stays_said_after_a_restart(mapped):
    fc = mapped().start()
    fc.upload("theirs", user=UPLOADER, umask=0o022)
    text = wait_until(lambda: attention(fc, "theirs"), fc.trouble)
    # A board that is as closed to FlowCron as the upload still says it.
    do_as(UPLOADER, lambda: os.mkdir(fc.status / "theirs"), 0o022)
    wait_until(lambda: UPLOADER in (fc.board("theirs") or ""), lambda: fc.board("theirs"))
    fc.restart()
    assert wait_until(lambda: attention(fc, "theirs"), fc.trouble) == text
    at_prompt(UPLOADER, command_in(text))
    fc.wait_finished("theirs")
    wait_until(lambda: fc.board("theirs") == "done - succeeded", lambda: fc.board("theirs"))
    fc.stop()
    assert len(fc.list()) == 1
    do_as(UPLOADER, lambda: os.listdir(fc.status / "theirs"))


def test_of_another_group(mapped):
    """UploadedFiles may be open to all; its set-gid bit gives what arrives the project's group."""
    fc = mapped()
    os.chmod(fc.uploaded, 0o2777)
    fc.start()
    fc.upload("guest", user=STRANGER, umask=0o022)
    text = wait_until(lambda: attention(fc, "guest"), fc.trouble)
    assert STRANGER in text
    at_prompt(STRANGER, command_in(text))
    fc.wait_finished("guest")


def test_members_of_the_group_read_without_a_daemon(mapped):
    """`--base`: anyone in the group, without the owner's configuration and without his socket."""
    fc = mapped().start()
    fc.upload("mine")
    fc.wait_finished("mine")
    for running in (True, False):
        if not running:
            fc.stop()
        for args in (("list",), ("show", "mine"), ("status",), ("history", "mine")):
            answer = fc.ctl("--base", str(fc.base), *args, config=False, user=UPLOADER)
            assert answer.code == 0, f"{args} {answer}"
        assert fc.ctl("--base", str(fc.base), "show", "mine", config=False,
                      user=UPLOADER).data["outcome"] == "succeeded"
    # They can't give orders: only the owner's are carried out.
    answer = fc.ctl("--base", str(fc.base), "retry", "--yes", "mine", config=False, user=UPLOADER)
    assert answer.code == 2, answer
    fc.start()
    assert fc.show("mine")["attempt"] == 1


def test_state_is_the_owners_alone(mapped):
    fc = mapped().start()
    fc.upload("mine")
    fc.wait_finished("mine")
    for path in [fc.state, *fc.state.rglob("*")]:
        mode = path.stat().st_mode
        assert owner(path) == INSTALLER
        assert not mode & 0o022, f"{path}: {mode:o}"
