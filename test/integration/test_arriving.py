# SPDX-License-Identifier: Apache-2.0
"""What is complete and what is not; how arrivals are noticed; folders that others take away."""

import os
import pathlib
import shutil
import signal

import pytest

from support.common import wait_until
from support.instance import listing
from support.jobs import wait_job, wait_polls
from support.units import as_bytes, script

LONG = "1h"  # an interval that never comes to pass in a test


def looked(fc):
    """Waits until the daemon has looked at UploadedFiles at least once more."""
    canary = f"canary{len(fc.list('--all'))}"
    fc.upload(canary)
    fc.wait_state(canary, "finished")


def arriving(fc):
    return {u["name"]: u for u in fc.list("--state", "arriving")}


# ---- complete or not ----

def test_files_trickle_in_and_the_sentinel_comes_last(instance):
    fc = instance().start()
    uow = fc.upload("slow", {"data/1": "1"}, commands=None, sentinel=False)
    looked(fc)
    assert arriving(fc)["slow"]["state"] == "arriving"
    for i in (2, 3):
        with open(uow + b"/data/%d" % i, "w") as out:
            out.write(str(i))
        looked(fc)
        assert fc.where("slow") == ["uploaded"]
    with open(uow + b"/scripts/submission_script.sh", "w") as out:
        out.write(script('cat data/* > "$1/data/all"'))
    looked(fc)
    assert fc.where("slow") == ["uploaded"]
    fc.complete("slow")
    fc.wait_finished("slow")
    assert fc.read("slow", "data/all") == "123"
    assert "slow" not in arriving(fc)


def test_sentinels_with_an_entry_means_hands_off(instance):
    fc = instance()
    uow = fc.upload("busy")
    os.mkdir(uow + b"/sentinels/working")
    fc.start()
    looked(fc)
    assert fc.where("busy") == ["uploaded"]
    assert "not empty" in arriving(fc)["busy"]["reason"]
    assert any(a.get("uow") == "busy" for a in fc.ctl("status").data["attention"])
    os.rmdir(uow + b"/sentinels/working")
    fc.wait_finished("busy")


@pytest.mark.parametrize("make", [
    pytest.param(lambda path: open(path, "wb").close(), id="file"),
    pytest.param(lambda path: os.symlink("/", path), id="link to a folder"),
    pytest.param(lambda path: os.symlink("data", path), id="link inside"),
    pytest.param(os.mkfifo, id="fifo"),
])
def test_sentinels_that_is_no_folder_is_none(instance, make):
    fc = instance()
    uow = fc.upload("odd", sentinel=False)
    make(uow + b"/sentinels")
    fc.start()
    looked(fc)
    assert fc.where("odd") == ["uploaded"]
    os.unlink(uow + b"/sentinels")
    fc.complete("odd")
    fc.wait_finished("odd")


def test_what_else_lies_in_uploaded_files(instance, root_dir):
    fc = instance()
    fc.upload(".hidden")
    elsewhere = root_dir / "elsewhere"
    elsewhere.mkdir()
    real = fc.upload("real")
    os.rename(real, as_bytes(elsewhere) + b"/real")
    (fc.uploaded / "link").symlink_to(elsewhere / "real")
    (fc.uploaded / "file").write_text("x")
    (fc.uploaded / "dangling").symlink_to("/nowhere")
    os.mkfifo(fc.uploaded / "fifo")
    (fc.uploaded / "empty").mkdir()
    before = sorted(os.listdir(fc.uploaded))
    fc.start()
    looked(fc)
    assert sorted(os.listdir(fc.uploaded)) == before
    assert set(arriving(fc)) == {"empty"}
    assert (elsewhere / "real/sentinels").is_dir()
    os.rename(fc.uploaded / ".hidden", fc.uploaded / "shown")
    fc.wait_finished("shown")


def test_a_sentinel_taken_back_in_time(instance):
    """sentinels/ goes again before anybody looks: the upload goes on."""
    fc = instance(config={"watch": {"mode": "inotify"}}).start()
    fc.signal(signal.SIGSTOP)
    uow = fc.upload("undecided")
    os.rmdir(uow + b"/sentinels")
    fc.signal(signal.SIGCONT)
    looked(fc)
    assert fc.where("undecided") == ["uploaded"]
    fc.complete("undecided")
    fc.wait_finished("undecided")


# ---- how arrivals are noticed ----

@pytest.mark.parametrize("watch", [
    pytest.param({"mode": "inotify", "rescan_interval": LONG}, id="inotify"),
    pytest.param({"mode": "poll", "rescan_interval": "1s"}, id="poll"),
    pytest.param({"mode": "auto", "rescan_interval": LONG}, id="auto"),
])
def test_watch_modes(instance, watch):
    fc = instance(config={"watch": watch}).start()
    shown = fc.ctl("status").data["watch"]
    assert shown["mode"].startswith("inotify" if watch["mode"] != "poll" else "poll")
    assert shown["rescan_interval"] in (watch["rescan_interval"], "60m")
    assert shown["file_system"]
    # At once; with the sentinel later; renamed into place; and after the first was noticed.
    fc.upload("whole")
    late = fc.upload("late", sentinel=False)
    fc.upload(".x")
    wait_until(lambda: "late" in arriving(fc), "late to be seen")
    os.rename(as_bytes(fc.uploaded) + b"/.x", as_bytes(fc.uploaded) + b"/renamed")
    os.mkdir(late + b"/data/more")
    fc.complete("late")
    moved = fc.upload("moved", sentinel=False)
    wait_until(lambda: "moved" in arriving(fc), "moved to be seen")
    os.rename(moved, as_bytes(fc.uploaded) + b"/moved2")
    wait_until(lambda: set(arriving(fc)) == {"moved2"}, lambda: arriving(fc))
    fc.complete("moved2")
    # A sentinel that is itself renamed into place.
    odd = fc.upload("odd", sentinel=False)
    os.mkdir(odd + b"/.sentinels")
    os.rename(odd + b"/.sentinels", odd + b"/sentinels")
    for name in ("whole", "late", "renamed", "moved2", "odd"):
        fc.wait_finished(name)


def test_inotify_waits_for_an_entry_in_sentinels_to_go(instance):
    fc = instance(config={"watch": {"mode": "inotify", "rescan_interval": "2s"}}).start()
    uow = fc.upload("busy", sentinel=False)
    os.makedirs(uow + b"/sentinels/x")
    wait_until(lambda: "busy" in arriving(fc), "busy to be seen")
    os.rmdir(uow + b"/sentinels/x")
    fc.wait_finished("busy")


def test_overflow_of_the_inotify_queue(instance):
    fc = instance(config={"watch": {"mode": "inotify", "rescan_interval": LONG}}).start()
    size = int(pathlib.Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if size > 100_000:
        pytest.skip("the queue is too long to fill here")
    late = fc.upload("late", sentinel=False)
    wait_until(lambda: "late" in arriving(fc), "late to be seen")
    fc.signal(signal.SIGSTOP)
    noise = as_bytes(fc.uploaded) + b"/.noise"
    for _ in range(size // 2 + 10):
        os.mkdir(noise)
        os.rmdir(noise)
    fc.upload("lost in noise")
    os.mkdir(late + b"/sentinels")
    fc.signal(signal.SIGCONT)
    fc.wait_finished("lost in noise")
    fc.wait_finished("late")


def test_what_arrives_while_the_daemon_is_down(instance, standin):
    fc = instance(backend=standin, config={"watch": {"rescan_interval": LONG}}).start()
    partial = fc.upload("partial", sentinel=False)
    wait_until(lambda: "partial" in arriving(fc), "it to be seen")
    fc.kill()
    fc.upload("whole")
    os.mkdir(partial + b"/sentinels")
    fc.start()
    fc.wait_finished("whole")
    fc.wait_finished("partial")
    fc.stop()
    fc.upload("again")
    fc.start()
    fc.wait_finished("again")
    standin.assert_never_twice()


def test_lost_state_is_no_loss(instance, standin):
    """.flowcron/ is gone: what is in the work area with our mark is taken up anew."""
    standin.set(partition_state="down")
    fc = instance(backend=standin).start()
    fc.upload("survivor", commands="echo ran >> data/ran")
    fc.upload("arriving", sentinel=False)
    fc.wait_state("survivor", "queued")
    fc.stop()
    shutil.rmtree(fc.state)
    slurm_job = standin.submissions()[0]["id"]
    standin.ctl("set", slurm_job, "CANCELLED")
    standin.release_jobs()
    fc.start()
    fc.complete("arriving")
    for name in ("survivor", "arriving"):
        fc.wait_finished(name)
        assert fc.where(name) == ["analysed"]
    assert fc.read("survivor", "data/ran") == "ran\n"


# ---- folders that somebody else takes away ----

def assert_purged_outside(fc, uow):
    last = wait_until(lambda: (lambda u: u["state"] == "purged" and u)(fc.show(uow["id"])),
                      lambda: f"{fc.show(uow['id'])}\n{fc.trouble()}")
    event = fc.events(last["id"])[-1]
    assert (event["event"], event["by"]) == ("purged", "outside")
    assert not any(a.get("id") == uow["id"] for a in fc.ctl("status").data["attention"])


def take_away(fc, path, root_dir, how):
    if how == "deleted":
        shutil.rmtree(path, ignore_errors=False)
    else:
        os.rename(path, as_bytes(root_dir) + b"/taken-" + os.path.basename(as_bytes(path)))


def errors(fc):
    return [line for line in fc.stderr_text().splitlines() if "rror" in line]


@pytest.mark.parametrize("how", ["deleted", "moved"])
def test_folders_that_others_take_away(instance, standin, root_dir, how):
    """In every state that can be held still; all in one instance, each on its own."""
    standin.set(mode="norun", partition_state="down")
    fc = instance(backend=standin, config={"scheduler": {"max_queued": 2}}).start()
    for name in ("pending", "running"):
        fc.upload(name)
        fc.wait_state(name, "queued")
    fc.upload("staged")
    fc.wait_state("staged", "staged")
    fc.upload("arriving", sentinel=False)
    wait_until(lambda: "arriving" in arriving(fc), "it to be seen")
    standin.ctl("set", fc.show("running")["job_id"], "RUNNING")
    fc.wait_state("running", "queued", phase="running")
    uows = {name: fc.show(name) for name in ("staged", "pending", "running")}

    take_away(fc, as_bytes(fc.uploaded) + b"/arriving", root_dir, how)
    wait_until(lambda: not arriving(fc), lambda: arriving(fc))
    for name in ("staged", "pending", "running"):
        take_away(fc, as_bytes(fc.work) + b"/" + name.encode(), root_dir, how)
        assert_purged_outside(fc, uows[name])
    cancelled = {str(e["id"]) for e in standin.truth("cancel")}
    assert {uows[n]["job_id"] for n in ("pending", "running")} <= cancelled
    assert len(standin.submissions()) == 2
    assert errors(fc) == []
    # Their names are free again.
    standin.set(mode="run", partition_state="up")
    for name in uows:
        fc.upload(name)
    for name in uows:
        fc.wait_finished(name)


@pytest.mark.parametrize("how", ["deleted", "moved"])
@pytest.mark.parametrize("down", [False, True], ids=["up", "down"])
def test_results_that_others_take_away(instance, root_dir, how, down):
    fc = instance().start()
    for name, body in (("good", "true"), ("bad", "false")):
        fc.upload(name, commands=body)
    fc.upload("kept")
    fc.wait_finished("kept")
    uows = [fc.wait_finished("good"), fc.wait_finished("bad", "failed")]
    if down:
        fc.stop()
    take_away(fc, fc.analysed / "good", root_dir, how)
    take_away(fc, fc.failed / "bad", root_dir, how)
    if down:
        fc.start()
    for uow in uows:
        assert_purged_outside(fc, uow)
    assert fc.show("kept")["state"] == "finished"
    assert errors(fc) == []


def test_binned_ones_that_others_take_away(instance):
    fc = instance(config={"retention": {"soft_delete_after": "1s"}}).start()
    fc.upload("binned")
    uow = fc.wait_state("binned", "soft-deleted")
    # Noted first, and then done.
    wait_until(lambda: fc.where("binned") == ["bin"], fc.trouble)
    shutil.rmtree(fc.bin / "AnalysedFiles/binned")
    assert_purged_outside(fc, uow)
    assert errors(fc) == []


def test_taken_away_while_it_is_being_filed(instance):
    """Whenever it happens, it ends as purged and nothing is the matter."""
    fc = instance().start()
    for name in ("race0", "race1", "race2", "race3"):
        fc.upload(name, commands="for ((i = 0; i < 300; i++)); do echo > data/$i; done")
        wait_until(lambda n=name: (fc.work / n / "data/299").exists()
                   or (fc.analysed / n).exists(), fc.trouble)
        uow = fc.show(name)

        def take(n=name):
            for folder in (fc.work, fc.analysed):
                try:
                    os.rename(folder / n, fc.root / f"gone-{n}")
                    return True
                except FileNotFoundError:
                    pass
            return False
        wait_until(take, fc.trouble)
        wait_until(lambda u=uow: fc.show(u["id"])["state"] == "purged",
                   lambda u=uow: f"{fc.show(u['id'])}\n{fc.trouble()}")
    assert fc.folders()["analysed"] == fc.folders()["work"] == fc.folders()["failed"] == []


def test_moved_within_the_instance_by_hand(instance):
    """A result renamed by its owner is gone under its old name; what it is called now is no UoW."""
    fc = instance().start()
    fc.upload("old name")
    uow = fc.wait_finished("old name")
    os.rename(fc.analysed / "old name", fc.analysed / "new name")
    assert_purged_outside(fc, uow)
    assert listing(fc.analysed) == [b"new name"]


def test_an_instance_folder_away_is_no_conclusion(instance, standin):
    """A file system that is not mounted takes no Unit of Work away."""
    standin.set(mode="norun")
    fc = instance(backend=standin).start()
    fc.upload("result")
    fc.upload("queued")
    standin.end(wait_job(fc, "result"))
    fc.wait_finished("result")
    queued = wait_job(fc, "queued")
    for which in ("analysed", "work", "uploaded", "base"):
        folder = getattr(fc, which)
        away = folder.with_name("away")
        os.rename(folder, away)
        wait_polls(standin, 1)
        os.rename(away, folder)
        fc.upload(f"later-{which}")
        standin.end(wait_job(fc, f"later-{which}"))
        fc.wait_finished(f"later-{which}")
        assert fc.show("result")["state"] == "finished", which
        assert fc.show("queued")["state"] == "queued", which
        assert standin.truth("cancel") == [], which
    standin.end(queued)
    fc.wait_finished("queued")
