# SPDX-License-Identifier: Apache-2.0
"""`flowcrond --once`, as cron calls it; and that there is one owner only."""

import os
import signal
import subprocess

from support.common import wait_until
from support.instance import listing
from support.jobs import wait_job
from support.record import check_record
from support.units import script


def passes(fc, condition, what):
    """Passes one after the other, as cron has it, until the condition holds."""
    def one():
        code = fc.once()
        assert code == 0, f"{code}\n{fc.trouble()}"
        return condition()
    wait_until(one, lambda: f"{what() if callable(what) else what}\n{fc.trouble()}")


def test_the_whole_main_job(instance, standin):
    fc = instance(backend=standin)
    fc.make_folders()
    fc.upload("good", commands="echo out")
    fc.upload("bad", commands=["echo why >&2", "exit 4"])
    fc.upload("wrong", commands="cd $HOME")
    fc.upload("slow", sentinel=False)
    passes(fc, lambda: len(listing(fc.analysed)) + len(listing(fc.failed)) == 3, "three results")
    assert fc.where("slow") == ["uploaded"]
    fc.complete("slow")
    passes(fc, lambda: fc.where("slow") == ["analysed"], "slow to be through")
    for name in ("good", "slow"):
        assert fc.wait_finished(name)["attempt"] == 1
        check_record(fc, name)
    assert fc.wait_finished("bad", "failed")["reason"] == "exit code 4"
    fc.wait_finished("wrong", "rejected")
    standin.assert_never_twice()
    assert len(standin.submissions()) == 3
    # Nobody is there now, and nothing was left behind.
    assert fc.ctl("status").data["daemon"]["running"] is False
    assert not list(fc.home.runtime.rglob("*.sock"))


def test_a_pass_with_local_jobs(instance):
    fc = instance()
    fc.make_folders()
    for i in range(3):
        fc.upload(f"uow{i}", commands=["sleep 0.2", "echo done > data/out"])
    passes(fc, lambda: len(listing(fc.analysed)) == 3, "three results")
    for i in range(3):
        assert fc.read(f"uow{i}", "data/out") == "done\n"
        assert fc.show(f"uow{i}")["attempt"] == 1


def test_a_pass_with_nothing_to_do_is_quick_and_quiet(instance, standin):
    fc = instance(backend=standin)
    fc.make_folders()
    assert fc.once() == 0
    before = len(standin.calls("squeue")) + len(standin.calls("sacct"))
    fc.stderr_file.write_text("")
    assert fc.once() == 0
    assert len(standin.calls("squeue")) + len(standin.calls("sacct")) == before
    assert not [line for line in fc.stderr_text().splitlines()
                if "error" in line or "warning" in line]


def started_once(fc):
    with open(fc.stderr_file, "ab") as err:
        return subprocess.Popen(fc.daemon_argv("--once"), cwd="/", stdin=subprocess.DEVNULL,
                                stdout=err, stderr=err, env=fc.env(), start_new_session=True)


def test_two_at_once(instance, standin):
    """The second leaves at once and quietly; nothing is done twice."""
    standin.fault("sbatch", "delay ms=1500 n=1")
    fc = instance(backend=standin)
    fc.make_folders()
    fc.upload("uow", commands="echo ran >> data/ran")
    first = started_once(fc)
    wait_until(lambda: standin.calls("sbatch"), "the first to submit")
    second = subprocess.run(fc.daemon_argv("--once"), cwd="/", env=fc.env(), capture_output=True,
                            check=False, timeout=60)
    assert first.poll() is None, "the first is still at work"
    assert (second.returncode, second.stdout, second.stderr) == (0, b"", b"")
    assert first.wait(60) == 0
    passes(fc, lambda: fc.where("uow") == ["analysed"], "the result")
    assert fc.read("uow", "data/ran") == "ran\n"
    assert len(standin.submissions()) == 1


def test_many_at_once(instance, standin):
    standin.set(mode="norun", autocomplete_ms=0)
    fc = instance(backend=standin)
    fc.make_folders()
    for i in range(12):
        fc.upload(f"uow{i}")
    crowd = [started_once(fc) for _ in range(6)]
    assert [process.wait(60) for process in crowd] == [0] * 6
    passes(fc, lambda: len(listing(fc.analysed)) == 12, "all results")
    standin.assert_never_twice()
    assert len(standin.submissions()) == 12


def test_beside_a_running_daemon(instance, standin):
    standin.set(mode="norun")
    fc = instance(backend=standin).start()
    fc.upload("uow")
    job = wait_job(fc, "uow")
    done = subprocess.run(fc.daemon_argv("--once"), cwd="/", env=fc.env(), capture_output=True,
                          check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert fc.running() and fc.ctl("status").data["daemon"]["running"] is True
    standin.end(job)
    fc.wait_finished("uow")


def test_a_second_daemon(instance):
    fc = instance().start()
    pid = fc.process.pid
    done = subprocess.run(fc.daemon_argv(), cwd="/", env=fc.env(), capture_output=True, text=True,
                          check=False, timeout=60)
    assert done.returncode == 3
    assert "owned by flowcrond" in done.stderr and str(pid) in done.stderr
    # The first still has its socket and its folder.
    assert fc.ctl("status").data["daemon"]["pid"] == pid
    fc.upload("uow")
    fc.wait_finished("uow")


def test_another_instance_on_the_same_folder(instance):
    """One owner for a base folder, under whatever name it is served."""
    fc = instance("one").start()
    other = instance("two", home=fc.home)
    assert other.base == fc.base
    other.start(wait=False)
    assert other.wait_exit() == 3
    fc.stop()
    other.start()
    other.upload("uow")
    other.wait_finished("uow")


def test_a_dead_owner_is_no_owner(instance):
    fc = instance().start()
    fc.kill()
    assert fc.once() == 0
    fc.start()
    fc.kill()
    fc.start()
    fc.upload("uow")
    fc.wait_finished("uow")


def test_a_frozen_owner_is_not_robbed(instance, standin):
    """On one host it can be seen that it lives, however long it is silent."""
    fc = instance(backend=standin).start()
    fc.signal(signal.SIGSTOP)
    fc.upload("uow")
    try:
        assert fc.once() == 0
        assert fc.where("uow") == ["uploaded"]
    finally:
        fc.signal(signal.SIGCONT)
    fc.wait_finished("uow")
    assert len(standin.submissions()) == 1


def test_daemon_takes_over_from_passes_and_back(instance, standin):
    standin.set(mode="norun")
    fc = instance(backend=standin)
    fc.make_folders()
    fc.upload("uow", {"scripts/submission_script.sh": script("true")})
    passes(fc, standin.submissions, "a submission")
    fc.start()
    assert wait_job(fc, "uow") == str(standin.submissions()[0]["id"])
    fc.stop()
    standin.end(standin.submissions()[0]["id"])
    passes(fc, lambda: fc.where("uow") == ["analysed"], "the result")
    assert len(standin.submissions()) == 1
    assert fc.show("uow")["attempt"] == 1


def test_a_pass_ends_when_slurm_does_not_answer(instance, standin):
    standin.set(mode="norun")
    fc = instance(backend=standin)
    fc.make_folders()
    fc.upload("before")
    passes(fc, standin.submissions, "a submission")
    standin.fault("all", "down ms=10")
    fc.upload("while")
    assert fc.once() == 0
    shown = fc.show("while")
    assert shown["state"] == "staged"
    assert fc.show("before")["state"] == "queued"
    standin.fault("all")
    standin.set(mode="norun", autocomplete_ms=0)
    standin.end(standin.submissions()[0]["id"])
    passes(fc, lambda: len(listing(fc.analysed)) == 2, "both results")
    assert len(standin.submissions()) == 2


def test_sigterm_ends_a_pass(instance, standin):
    standin.fault("sbatch", "delay ms=1000 n=1")
    fc = instance(backend=standin)
    fc.make_folders()
    fc.upload("uow")
    process = started_once(fc)
    wait_until(lambda: standin.calls("sbatch"), "a submission")
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert os.path.isdir(fc.work / "uow")
    passes(fc, lambda: fc.where("uow") == ["analysed"], "the result")
    assert len(standin.submissions()) == 1
