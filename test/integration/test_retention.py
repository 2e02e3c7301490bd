# SPDX-License-Identifier: Apache-2.0
"""Into the bin, out of it, out of the world: when, by whose clock, and what stays."""

import os
import shutil
from datetime import datetime, timedelta

from support.common import wait_until
from support.instance import listing
from support.record import check_record


def keep(soft_delete=0, purge=0, **more):
    return {"retention": {"soft_delete_after": soft_delete, "purge_after": purge, **more}}


def times(fc, uow_id, event):
    return [datetime.fromisoformat(e["time"]) for e in fc.events(uow_id) if e["event"] == event]


def state_is(fc, uow_id, state):
    return wait_until(lambda: fc.show(uow_id)["state"] == state,
                      lambda: f"{fc.show(uow_id)}\n{fc.trouble()}")


def ticks(fc, marks=2):
    """Waits until so many other UoWs have gone their whole way to the bin: time enough."""
    for i in range(marks):
        name = f"tick{i}-{len(fc.list('--all'))}"
        fc.upload(name)
        fc.wait_state(name, "soft-deleted")


def test_the_whole_way(instance):
    fc = instance(config=keep("1s", "2s")).start()
    ids = {}
    for name, body, outcome in (("good", "true", "succeeded"), ("bad", "false", "failed"),
                                ("wrong", "cd $HOME", "rejected")):
        fc.upload(name, commands=body)
        ids[name] = fc.wait_finished(name, outcome)["id"]
    for name, uow_id in ids.items():
        uow = fc.wait_state(name, "soft-deleted")
        folder = "AnalysedFiles" if name == "good" else "FailedJobs"
        assert uow["path"] == str(fc.bin / folder / name) and os.path.isdir(uow["path"])
        assert fc.where(name) == ["bin"]
        assert os.path.exists(f"{uow['path']}/flowcron/report.txt")
        assert not os.path.exists(f"{uow['path']}/sentinels")
        assert uow_id == uow["id"]
    for name, uow_id in ids.items():
        state_is(fc, uow_id, "purged")
        assert fc.where(name) == []
        events = fc.events(uow_id)
        assert [e["event"] for e in events][-4:] == ["finished", "soft-deleted", "purging", "purged"]
        assert events[-3]["by"] == "retention" and events[-1]["by"] == "retention"
        finished, = times(fc, uow_id, "finished")
        deleted, = times(fc, uow_id, "soft-deleted")
        purging, = times(fc, uow_id, "purging")
        assert deleted - finished >= timedelta(seconds=1)
        assert purging - deleted >= timedelta(seconds=2)
    assert fc.list() == []
    assert {u["name"] for u in fc.list("--all")} == set(ids)
    assert listing(fc.bin / "AnalysedFiles") == listing(fc.bin / "FailedJobs") == []


def test_each_can_be_off(instance):
    fc = instance(config=keep("1s", 0)).start()
    fc.upload("binned")
    fc.wait_state("binned", "soft-deleted")
    ticks(fc, 1)
    assert fc.show("binned")["state"] == "soft-deleted"
    fc.configure(keep(0, "1s"))
    fc.reload()
    state_is(fc, fc.list()[0]["id"], "purged")
    fc.upload("kept")
    fc.wait_finished("kept")
    fc.restart()
    assert fc.show("kept")["state"] == "finished"


def test_file_times_say_nothing(instance):
    """A transfer preserves them: what looks old is not, and what looks new may be."""
    fc = instance(config=keep("1h")).start()
    fc.upload("looks old", commands="touch -d 2001-01-01 data")
    fc.wait_finished("looks old")
    os.utime(fc.analysed / "looks old", (0, 0))
    fc.upload("looks new", commands="touch -d 2038-01-01 data")
    fc.wait_finished("looks new")
    fc.restart()
    assert fc.where("looks old") == ["analysed"]
    fc.configure(keep("1s"))
    os.utime(fc.analysed / "looks new", (2**31 - 1, 2**31 - 1))
    fc.reload()
    for name in ("looks old", "looks new"):
        fc.wait_state(name, "soft-deleted")


def test_restore_begins_anew(instance):
    fc = instance(config=keep("2s", "1h")).start()
    fc.upload("treasure", {"data/x": "gold"})
    uow = fc.wait_state("treasure", "soft-deleted")
    answer = fc.ctl("restore", "treasure")
    assert answer.code == 0 and answer.data["state"] == "finished"
    wait_until(lambda: fc.where("treasure") == ["analysed"] or
               len(times(fc, uow["id"], "soft-deleted")) > 1, fc.trouble)
    wait_until(lambda: len(times(fc, uow["id"], "soft-deleted")) == 2, fc.trouble)
    restored, = times(fc, uow["id"], "restored")
    again = times(fc, uow["id"], "soft-deleted")[1]
    assert again - restored >= timedelta(seconds=2)
    # And so does the stay in the bin.
    fc.configure(keep(0, "2s"))
    fc.reload()
    state_is(fc, uow["id"], "purged")
    assert times(fc, uow["id"], "purging")[0] - again >= timedelta(seconds=2)


def test_what_became_due_while_the_daemon_was_down(instance):
    fc = instance(config=keep("1s", "1s")).start()
    fc.upload("first")
    uow = fc.wait_finished("first")
    fc.kill()
    assert fc.where("first") in (["analysed"], ["bin"])
    fc.start()
    state_is(fc, uow["id"], "purged")
    fc.upload("second")
    uow = fc.wait_finished("second")
    fc.stop()
    wait_until(lambda: fc.once() == 0 and fc.show(uow["id"])["state"] == "purged", fc.trouble)
    assert fc.where("second") == []


def test_retry_begins_anew(instance):
    fc = instance(config=keep("2s")).start()
    fc.upload("again", commands="false")
    uow = fc.wait_finished("again", "failed")
    assert fc.ctl("retry", "--yes", "again").code == 0
    wait_until(lambda: len(times(fc, uow["id"], "soft-deleted")) == 1, fc.trouble)
    finished = times(fc, uow["id"], "finished")
    assert len(finished) == 2
    assert times(fc, uow["id"], "soft-deleted")[0] - finished[1] >= timedelta(seconds=2)


def test_what_moved_on_is_the_next_ones(instance):
    second = instance("second", base="base2")
    first = instance("first", home=second.home, config=keep("1s", "1s"))
    second.start()
    first.configure({**keep("1s", "1s"), "chain": {"to": str(second.uploaded)}})
    first.start()
    first.upload("chained")
    second.wait_finished("chained")
    first.upload("tick", commands="false")
    state_is(first, first.wait_finished("tick", "failed")["id"], "purged")
    uow = first.show("chained")
    assert uow["state"] == "finished" and uow["moved_to"]
    assert second.where("chained") == ["analysed"]


def test_a_large_tree_is_purged_while_the_daemon_answers(instance):
    fc = instance().start()
    fc.upload("large", commands=["for d in {1..40}; do mkdir -p data/$d/x; (cd data/$d/x && "
                                 "touch {1..400}); done"])
    uow = fc.wait_finished("large")
    assert fc.ctl("purge", "--yes", "large").code == 0
    fc.upload("meanwhile")
    fc.wait_finished("meanwhile")
    state_is(fc, uow["id"], "purged")
    assert fc.where("large") == []
    assert [n for n in os.listdir(fc.analysed) if n != "meanwhile"] == []


def test_purge_is_gone_on_with_after_a_crash(instance):
    fc = instance().start()
    fc.upload("large", commands="for d in {1..30}; do mkdir data/$d; touch data/$d/{1..300}; done")
    uow = fc.wait_finished("large")
    assert fc.ctl("purge", "--yes", "large").code == 0
    fc.kill()
    fc.start()
    state_is(fc, uow["id"], "purged")
    assert os.listdir(fc.analysed) == []
    assert fc.events(uow["id"])[-1]["by"] == "order"


def test_counts(instance, standin):
    standin.set(mode="norun")
    fc = instance(backend=standin, config={"scheduler": {"max_queued": 1}}).start()
    fc.upload("arriving", sentinel=False)
    for name in ("wrong1", "wrong2"):
        fc.upload(name, commands="cd $HOME")
    for name in ("queued", "staged"):
        fc.upload(name)
        fc.wait_state(name, name)
    for name in ("wrong1", "wrong2"):
        fc.wait_finished(name, "rejected")
    shutil.rmtree(fc.failed / "wrong2")
    wait_until(lambda: fc.ctl("status").data["counts"]["purged"] == 1, fc.trouble)
    counts = fc.ctl("status").data["counts"]
    assert counts == {"arriving": 1, "uploaded": 0, "staged": 1, "queued": 1, "finished": 1,
                      "soft-deleted": 0, "purged": 1}
    assert len(fc.list("--state", "queued")) == 1
    assert [u["name"] for u in fc.list("--outcome", "rejected")] == ["wrong1"]
    for bad in (("--state", "nowhere"), ("--outcome", "maybe")):
        assert fc.ctl("list", *bad).code == 2


def test_newest_first(instance):
    fc = instance().start()
    for name in ("a", "c", "b"):
        fc.upload(name)
        fc.wait_finished(name)
    assert [u["name"] for u in fc.list()] == ["b", "c", "a"]


def test_old_logs_go(instance):
    fc = instance(config=keep(logs="7d"))
    fc.make_folders()
    today = datetime.now()

    def name(days):
        return f"{today - timedelta(days=days):%Y-%m-%d}_flowcron.log"

    others = ["notes.txt", "2001-01-01_other.log", "2001-01-01_flowcron.log.gz"]
    for file in [name(days) for days in (1, 5, 9, 30, 4000)] + others:
        (fc.logs / file).write_text("old\n")
    fc.start()
    fc.upload("seen")
    fc.wait_finished("seen")
    left = set(os.listdir(fc.logs))
    assert {name(1), name(5), *others} <= left
    assert not {name(9), name(30), name(4000)} & left
    today_log = fc.logs / f"{datetime.now():%Y-%m-%d}_flowcron.log"
    assert today_log.exists() and "seen" in today_log.read_text()
    answer = fc.ctl("logs", "seen", parse=False)
    assert answer.code == 0 and "seen" in answer.out
    assert check_record(fc, "seen")
