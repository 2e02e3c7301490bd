# SPDX-License-Identifier: Apache-2.0
"""The tools that judge must be able to say no."""

import os
import subprocess
import types

import pytest

from support.common import as_user, wait_until
from support.home import Home
from support.sampler import Sampler
from support.units import make_uow


@pytest.fixture
def board(root_dir):
    """Four folders, and nobody at work in them but the test."""
    folders = {}
    for key in ("uploaded", "work", "analysed", "failed"):
        folders[key] = root_dir / key
        folders[key].mkdir()
    return types.SimpleNamespace(root=root_dir, **folders)


def settled(board, name=b"uow"):
    """Makes the UoW in the work area what it must be before it appears as a result."""
    top = os.path.join(os.fsencode(board.work), name)
    os.rmdir(top + b"/sentinels")
    os.mkdir(top + b"/flowcron")
    with open(top + b"/flowcron/report.txt", "wb"):
        pass


def move(name, *folders):
    for old, new in zip(folders, folders[1:]):
        os.rename(old / name, new / name)


def test_sampler_is_content_with_good_lives(board):
    names = [f"uow{i}" for i in range(50)]
    for name in names:
        make_uow(board.uploaded, name)
    with Sampler(board, *names) as sampler:
        for name in names:
            move(name, board.uploaded, board.work)
            settled(board, name.encode())
            move(name, board.work, board.analysed)
    for name in names:
        sampler[name].check("analysed")


def test_sampler_sees_a_gap(board):
    make_uow(board.uploaded, "uow")

    with Sampler(board, "uow") as sampler:
        move("uow", board.uploaded, board.root)
    seen = sampler["uow"]
    assert seen.trail == ["uploaded", "nowhere"] and seen.nowhere > 0
    with pytest.raises(AssertionError):
        seen.check()


@pytest.mark.parametrize("fault", ["sentinels", "no_report"])
def test_sampler_sees_an_unfinished_result(board, fault):
    make_uow(board.work, "uow")
    settled(board)
    if fault == "sentinels":
        (board.work / "uow/sentinels").mkdir()
    else:
        (board.work / "uow/flowcron/report.txt").unlink()
    with Sampler(board, "uow") as sampler:
        move("uow", board.work, board.analysed)
    seen = sampler["uow"]
    assert getattr(seen, fault) > 0
    with pytest.raises(AssertionError):
        seen.check("analysed")


def test_uow_names_are_raw_bytes(root_dir):
    for name in (b"caf\xc3\xa9 'q' \"%j\"", b"not\xffutf8", b"-leading", b"two\nlines"):
        make_uow(root_dir, name, {"data/x": "1"})
        assert os.path.isdir(os.path.join(os.fsencode(root_dir), name, b"sentinels"))


def test_uow_of_another_user_belongs_to_them(root_dir, users):
    root_dir.chmod(0o777)
    path = make_uow(root_dir, "theirs", user=users[1], umask=0o027)
    script = os.stat(path + b"/scripts/submission_script.sh")
    assert script.st_uid == os.stat(path).st_uid != os.getuid()
    assert script.st_mode & 0o777 == 0o640


def test_standin_runs_a_job_of_another_user(standin, root_dir, users):
    home = Home(root_dir, users[0])
    standin.prepare(home)
    login = as_user(users[0], ["bash", "-l", "-c", "cd ~ && sbatch --parsable --wrap 'id -un'"])
    job = subprocess.run(login, env=home.env(), check=True, stdout=subprocess.PIPE, text=True)
    output = home.dir / f"slurm-{job.stdout.strip()}.out"
    wait_until(lambda: standin.jobs()[0]["state"] == "COMPLETED", "the job to end")
    assert output.read_text() == f"{users[0]}\n"
    assert len(standin.submissions()) == len(standin.calls("sbatch")) == 1
    standin.fault("sbatch", "down n=1")
    assert subprocess.run(login, env=home.env(), check=False).returncode == 1
    assert subprocess.run(login, env=home.env(), check=False).returncode == 0
    assert len(standin.submissions()) == 2


def test_real_slurm_runs_a_job(slurm, root_dir):
    root_dir.chmod(0o777)
    out = root_dir / "out"
    job = slurm.run("sbatch", "--parsable", "--wait", f"--output={out}", "--wrap=echo ran").strip()
    assert out.read_text() == "ran\n"
    slurm.wait_ready()
    assert job not in slurm.jobs("PENDING", "RUNNING")


def test_user_systemd_runs_a_service(user_systemd):
    user_systemd.run("systemd-run", "--user", "--wait", "--unit=trial", "true")
    assert "trial" not in user_systemd.systemctl("--failed", "--plain", "--no-legend")
