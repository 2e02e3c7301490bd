# SPDX-License-Identifier: Apache-2.0
"""retry, cancel, restore, purge: in every state, with a daemon and without."""

import errno
import json
import os
import pty
import select
import subprocess
import time

import pytest

from support.common import as_user, program, wait_until
from support.jobs import SCRIPT, wait_job, wait_polls
from support.record import check_record
from support.units import script
from support.zoo import EVERY, gone


def attempt(fc, name, number):
    """Waits until it is at this attempt."""
    return wait_until(lambda: (lambda u: u.get("attempt") == number and u)(fc.show(name)),
                      lambda: f"{fc.show(name)}\n{fc.trouble()}")


def put_in_bin(fc, *names):
    """Has retention put what is finished into the bin, once."""
    fc.configure({"retention": {"soft_delete_after": "1s"}})
    fc.reload()
    for name in names:
        fc.wait_state(name, "soft-deleted")
    fc.configure()
    fc.reload()


ALLOWED = {
    "retry": {"finished", "failed", "rejected", "bin"},
    "cancel": {"staged", "pending", "running"},
    "restore": {"bin"},
    "purge": {"finished", "failed", "rejected", "bin"},
}
def snapshot(fc):
    return ({u["name"]: {k: v for k, v in u.items() if k not in ("reason", "updated")}
             for u in fc.list("--all")},
            {k: v for k, v in fc.folders().items() if k != "status"})


def check_names(zoo):
    """By id, by name, by a beginning of either that is one's own."""
    assert zoo.show(zoo.ids["pending"])["name"] == "pending"
    assert zoo.show(zoo.ids["pending"][:13])["name"] == "pending"
    assert zoo.show("pend")["name"] == "pending"
    answer = zoo.ctl("show", "r")
    assert answer.code == 4 and answer.data["error"] == "ambiguous"
    said = json.dumps(answer.data)
    assert "running" in said and "rejected" in said and "pending" not in said
    answer = zoo.ctl("cancel", "r")
    assert answer.code == 4 and zoo.show("running")["state"] == "queued"
    assert "rejected" in zoo.ctl("cancel", "r", parse=False).err
    # A whole name goes before a longer one that begins so.
    zoo.upload("pend", sentinel=False)
    wait_until(lambda: zoo.show("pend")["name"] == "pend", "it to be seen")
    # A name means the newest that is not purged; the purged one is found when there is no other.
    assert zoo.show("purged")["state"] == "purged"


def test_names_and_refusals(zoo, standin):
    """A refusal changes nothing."""
    check_names(zoo)
    before = snapshot(zoo)
    log = len(standin.truth())
    for order, allowed in ALLOWED.items():
        for name in sorted(EVERY - allowed):
            yes = ["--yes"] if order in ("retry", "purge") else []
            answer = zoo.ctl(order, *yes, name)
            assert answer.code == 5, f"{order} {name}: {answer}"
            assert answer.data["error"] == "state" and answer.data["message"], answer
            if name != "arriving":
                assert zoo.ctl(order, *yes, zoo.ids[name]).code == 5
        for name in ("nobody", "", "\\xff", "a" * 300):
            answer = zoo.ctl(order, *(["--yes"] if order in ("retry", "purge") else []), name)
            assert answer.code == 4, f"{order} {name!r}: {answer}"
            assert answer.data["error"] == "not-found"
        assert zoo.ctl(order).code == 2
        assert zoo.ctl(order, "--nonsense", "pending").code == 2
    assert snapshot(zoo) == before
    assert len(standin.truth()) == log


def test_cancel(zoo, standin):
    answer = zoo.ctl("cancel", "pending")
    assert answer.code == 0 and answer.data["id"] == zoo.ids["pending"]
    answer = zoo.ctl("cancel", "nobody", "running", "finished", "staged")
    assert answer.code in (4, 5)
    errors = {a.get("uow"): a["error"] for a in answer.data if "error" in a}
    assert errors == {"nobody": "not-found", "finished": "state"}
    assert {a["id"] for a in answer.data if "id" in a} == {zoo.ids[n] for n in ("running", "staged")}
    for name in ("staged", "pending", "running"):
        uow = zoo.wait_finished(name, "cancelled")
        assert (uow["cause"], uow["reason"].split(" before")[0]) == ("cancelled",
                                                                     "cancelled by order")
        assert zoo.where(name) == ["failed"]
        assert "CANCELLED" in zoo.report(name)
        check_record(zoo, name)
        assert zoo.ctl("cancel", name).code == 5
    cancelled = {str(e["id"]) for e in standin.truth("cancel")}
    assert cancelled == {zoo.show(n)["job_id"] for n in ("pending", "running")}
    assert zoo.show("staged").get("job_id") is None


def test_retry_and_restore(zoo, standin):
    answer = zoo.ctl("restore", "bin")
    assert answer.code == 0 and answer.data["state"] == "finished"
    wait_until(lambda: zoo.where("bin") == ["analysed"], zoo.trouble)
    assert zoo.ctl("restore", "bin").code == 5
    put = zoo.events("bin")[-1]
    assert (put["event"], put["by"]) == ("restored", "control")
    zoo.configure()
    zoo.reload()
    for name in ("finished", "failed"):
        first = zoo.show(name)
        answer = zoo.ctl("retry", "--yes", name)
        assert answer.code == 0 and answer.data["state"] == "staged", answer
        assert answer.data["attempt"] == 2
        again = wait_until(lambda n=name, f=first: (lambda u: u.get("job_id") not in (
            None, f["job_id"]) and u)(zoo.show(n)), zoo.trouble)
        standin.end(again["job_id"])
        zoo.wait_finished(name)
        record = check_record(zoo, name)
        assert [a["job_id"] for a in record["attempts"]] == [first["job_id"], again["job_id"]]
        assert record["attempts"][1]["ordered_by"] == "control"
    tokens = [s["token"] for s in standin.submissions()]
    assert len(tokens) == len(set(tokens))


def test_purge(zoo, standin):
    for name in ("finished", "failed", "rejected", "bin"):
        answer = zoo.ctl("purge", name)
        assert answer.code == 2, "no terminal to ask at"
        assert zoo.show(name)["state"] != "purged"
        assert zoo.ctl("purge", "--yes", name).code == 0
        last = gone(zoo, zoo.ids[name])
        assert "path" not in last and zoo.where(name) == []
        event = zoo.events(zoo.ids[name])[-1]
        assert (event["event"], event["by"]) == ("purged", "order")
    assert standin.truth("cancel") == []
    listed = {u["name"] for u in zoo.list()}
    assert not listed & {"finished", "failed", "rejected", "bin"}
    assert {"finished", "failed", "rejected", "bin"} <= {u["name"] for u in zoo.list("--all")}


# ---- retry ----

def test_retry_keeps_what_was_there(instance, standin):
    fc = instance(backend=standin).start()
    fc.upload("again", {"data/in": "x"}, commands=["echo run >> data/runs", "echo output",
                                                   "[[ -e data/fixed ]]"])
    first = fc.wait_finished("again", "failed")
    (fc.failed / "again/data/fixed").touch()
    (fc.failed / "again/notes.txt").write_text("mine")
    assert fc.ctl("retry", "--yes", "again").code == 0
    fc.wait_state("again", "finished", "succeeded")
    second = fc.show("again")
    assert (second["id"], second["attempt"]) == (first["id"], 2)
    assert fc.where("again") == ["analysed"]
    assert fc.read("again", "data/runs") == "run\nrun\n"
    assert fc.read("again", "notes.txt") == "mine"
    for job in (first["job_id"], second["job_id"]):
        assert fc.read("again", f"slurm-{job}.out") == "output\n"
    record = check_record(fc, "again")
    assert [a["outcome"] for a in record["attempts"]] == ["failed", "succeeded"]
    names = fc.event_names("again")
    assert names.count("retry") == 1 and names.count("finished") == 2
    # Not one of the tries that FlowCron makes by itself: those begin anew.
    assert "cause" not in second and "reason" not in second


def test_retry_of_a_rejected_one_that_was_mended(instance, standin):
    fc = instance(backend=standin).start()
    fc.upload("wrong", commands="ls $HOME")
    fc.wait_finished("wrong", "rejected")
    assert fc.ctl("retry", "--yes", "wrong").code == 0
    wait_until(lambda: fc.event_names("wrong").count("finished") == 2, fc.trouble)
    assert fc.show("wrong")["outcome"] == "rejected", "nothing was mended"
    (fc.failed / "wrong" / SCRIPT).write_text(script("echo mended"))
    assert fc.ctl("retry", "--yes", "wrong").code == 0
    fc.wait_state("wrong", "finished", "succeeded")
    assert fc.job_output("wrong") == "mended\n"
    assert len(standin.submissions()) == 1
    check_record(fc, "wrong")


def test_retry_out_of_the_bin(instance):
    fc = instance().start()
    fc.upload("old", commands="exit $(( $(ls slurm-*.out | wc -l) == 1 ))")
    fc.wait_finished("old", "failed")
    put_in_bin(fc, "old")
    assert fc.where("old") == ["bin"]
    # What is in the bin is not being fetched: no question.
    assert fc.ctl("retry", "old").code == 0
    fc.wait_state("old", "finished", "succeeded")
    assert fc.where("old") == ["analysed"]


def test_retry_all_that_failed(instance):
    fc = instance().start()
    for i in range(3):
        fc.upload(f"bad{i}", commands="exit 1")
    fc.upload("good")
    fc.upload("refused", commands="cd $HOME")
    for i in range(3):
        fc.wait_finished(f"bad{i}", "failed")
    fc.wait_finished("good")
    fc.wait_finished("refused", "rejected")
    answer = fc.ctl("retry", "--failed", "--yes")
    assert answer.code == 0 and {u["name"] for u in answer.data} == {"bad0", "bad1", "bad2"}
    for i in range(3):
        attempt(fc, f"bad{i}", 2)
        fc.wait_finished(f"bad{i}", "failed")
    assert fc.show("good")["attempt"] == 1


def at_terminal(fc, answer, *args):
    """Runs flowcronctl at a terminal, and types the answer to its question; (code, what it said)."""
    master, slave = pty.openpty()
    argv = as_user(fc.user, [program("flowcronctl"), "--config", fc.config_file, *args])
    with subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, env=fc.env(TERM="dumb"),
                          cwd="/") as process:
        os.close(slave)
        said, typed, end = b"", False, time.monotonic() + 30
        while time.monotonic() < end:
            if not select.select([master], [], [], 0.5)[0]:
                continue
            try:
                data = os.read(master, 4096)
            except OSError as error:
                assert error.errno == errno.EIO
                break
            if not data:
                break
            said += data
            if not typed and b"?" in said:
                os.write(master, answer)
                typed = True
        code = process.wait(30)
    os.close(master)
    return code, said.decode(errors="replace")


def test_a_fresh_result_is_asked_about(instance):
    fc = instance().start()
    fc.upload("fresh", commands="exit 1")
    fc.wait_finished("fresh", "failed")
    assert fc.ctl("retry", "fresh").code == 2, "no terminal to ask at"
    code, said = at_terminal(fc, b"n\n", "retry", "fresh")
    assert code == 1 and "fetch" in said, said
    assert at_terminal(fc, b"\n", "retry", "fresh")[0] == 1, "no is what silence means"
    assert fc.show("fresh")["attempt"] == 1
    code, said = at_terminal(fc, b"y\n", "retry", "fresh")
    assert code == 0, said
    attempt(fc, "fresh", 2)
    fc.wait_finished("fresh", "failed")
    assert at_terminal(fc, b"n\n", "purge", "fresh")[0] == 1
    assert fc.where("fresh") == ["failed"]
    assert at_terminal(fc, b"yes\n", "purge", "fresh")[0] == 0
    wait_until(lambda: fc.where("fresh") == [], fc.trouble)


def test_cancel_kills_what_runs(instance, standin, root_dir):
    for backend in (standin, None):
        fc = instance(f"by{backend is None}", backend=backend, base=f"b{backend is None}").start()
        fc.upload("long", commands=["echo begun", "echo $$ > data/pid", "exec sleep 600"])
        pid = wait_until(lambda f=fc: (f.work / "long/data/pid").exists()
                         and (f.work / "long/data/pid").read_text().strip(), fc.trouble)
        assert fc.ctl("cancel", "long").code == 0
        uow = fc.wait_finished("long", "cancelled")
        assert uow["cause"] == "cancelled"
        wait_until(lambda p=pid: not os.path.exists(f"/proc/{p}"), "the job to be gone")
        assert fc.job_output("long") == "begun\n"
        check_record(fc, "long")
        fc.stop()
    assert root_dir.exists()


def test_cancel_while_slurm_is_down(instance, standin):
    """The order is kept, and given when Slurm is back."""
    standin.set(mode="norun")
    fc = instance(backend=standin).start()
    fc.upload("stuck")
    job = wait_job(fc, "stuck")
    standin.fault("all", "down ms=10")
    assert fc.ctl("cancel", "stuck").code == 0
    wait_polls(standin)
    uow = fc.show("stuck")
    assert uow["state"] == "queued" and uow["cancelling"] is True
    fc.kill()
    fc.start()
    assert fc.show("stuck")["cancelling"] is True
    standin.fault("all")
    fc.wait_finished("stuck", "cancelled")
    assert [str(e["id"]) for e in standin.truth("cancel")][:1] == [job]


def test_cancel_comes_too_late(instance, standin):
    """The job ended well before the order reached Slurm: it succeeded, and that is what is said."""
    standin.set(mode="norun")
    fc = instance(backend=standin, config={"scheduler": {"poll_interval": "3s"}}).start()
    fc.upload("done")
    standin.end(wait_job(fc, "done"))
    code = fc.ctl("cancel", "done").code
    uow = fc.wait_state("done", "finished")
    assert (code, uow["outcome"]) in ((0, "succeeded"), (5, "succeeded"))


# ---- without a daemon ----

@pytest.mark.parametrize("how", ["start", "once"])
def test_deferred_orders(zoo, standin, how):
    zoo.stop()
    before = snapshot(zoo)
    for order, name in (("cancel", "pending"), ("cancel", "staged"), ("retry", "failed"),
                        ("restore", "bin"), ("purge", "finished")):
        yes = ["--yes"] if order in ("retry", "purge") else []
        answer = zoo.ctl(order, *yes, name)
        assert answer.code == 0, f"{order} {name}: {answer}"
        assert answer.data["deferred"] is True and answer.data["id"] == zoo.ids[name]
        said = zoo.ctl(order, *yes, name, parse=False)
        assert said.code == 0 and "next pass" in said.out
    # Refusals are refusals here, too.
    for order, allowed in ALLOWED.items():
        yes = ["--yes"] if order in ("retry", "purge") else []
        for name in sorted(EVERY - allowed):
            answer = zoo.ctl(order, *yes, name)
            assert answer.code == 5, f"{order} {name}: {answer}"
        assert zoo.ctl(order, *yes, "nobody").code == 4
    assert snapshot(zoo) == before
    standin.set(partition_state="up")
    if how == "start":
        zoo.start()
    else:
        assert zoo.once() == 0
        # The jobs' ends are what the next pass sees.
        wait_until(lambda: zoo.once() == 0 and zoo.show("pending")["state"] == "finished",
                   zoo.trouble)
    zoo.wait_finished("pending", "cancelled")
    zoo.wait_finished("staged", "cancelled")
    gone(zoo, zoo.ids["finished"])
    wait_until(lambda: zoo.where("bin") == ["analysed"], zoo.trouble)
    assert attempt(zoo, "failed", 2)["state"] in ("staged", "queued")
    retries = [e for e in zoo.events("failed") if e["event"] == "retry"]
    assert [e["by"] for e in retries] == ["request"], "asked for twice, done once"
    assert list((zoo.state / "requests").glob("*.json")) == []


def test_requests_that_are_none(instance):
    """What lies in the folder of requests, but is no order of its owner, does no harm."""
    fc = instance()
    fc.start()
    fc.upload("kept")
    fc.wait_finished("kept")
    fc.stop()
    requests = fc.state / "requests"
    (requests / "1.json").write_text("no json")
    (requests / "2.json").write_text('{"order": "explode", "uow": "kept"}')
    (requests / "3.json").write_text('{"order": "purge"}')
    (requests / "4.json").write_text('{"order": "purge", "uow": 7}')
    (requests / "5.json").symlink_to(fc.root / "test.yaml")
    os.mkfifo(requests / "6.json")
    (requests / "7.json").mkdir()
    (requests / "8.json").write_text("x" * 1_000_000)
    (requests / "9.json").write_text('{"order": "purge", "uow": "gone"}')
    (requests / "readme").write_text("not to be read")
    fc.start()
    wait_until(lambda: not [p for p in requests.glob("*.json")], fc.trouble)
    assert fc.show("kept")["state"] == "finished"
    assert (requests / "readme").exists()
    assert fc.config_file.exists()
    fc.upload("later")
    fc.wait_finished("later")


def test_orders_to_an_owner_on_another_node(instance):
    """The socket can't be reached from here, but somebody owns the folder: the order gets there."""
    fc = instance().start()
    fc.upload("far", commands="exit $(( $(ls slurm-*.out | wc -l) == 1 ))")
    fc.wait_finished("far", "failed")
    answer = fc.ctl("retry", "--yes", "far", FLOWCRON_SOCKET="/nowhere/flowcron.sock")
    assert answer.code == 0 and answer.data["deferred"] is True
    attempt(fc, "far", 2)
    fc.wait_finished("far")
