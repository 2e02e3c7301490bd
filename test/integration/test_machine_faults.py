# SPDX-License-Identifier: Apache-2.0
"""The machine fails for a while: a disk that is full, read-only, broken, closed or gone; no
descriptors, processes, memory or watches. `status` says so and what to do, nobody's work is
concluded from it, and when it is over work goes on in the same daemon."""

import errno
import os
import subprocess

import pytest

from support import faults as kinds
from support.common import as_user, is_root, wait_until
from support.instance import listing
from support.jobs import wait_job
from support.record import check_record


def attention(fc):
    return fc.ctl("status").data["attention"]


def wait_attention(fc, *words):
    """Waits until `status` names it, with a next step; and a person is shown the same."""
    def named():
        return [a for a in attention(fc) if all(word in a["what"] for word in words)]
    told = wait_until(named, lambda: f"{words} in {attention(fc)}\n{fc.trouble()}")
    assert told[0].get("advice") or "again" in told[0]["what"], told
    shown = " ".join(fc.ctl("status", parse=False).out.split())
    assert words[0] in shown, shown
    return told[0]


def assert_goes_on(fc, standin, names, pid):
    """In the same daemon, all of them, once; and nothing needs attention any more."""
    for name in names:
        fc.wait_finished(name)
        assert fc.show(name)["attempt"] == 1
    check_record(fc, names[0])
    standin.assert_never_twice()
    assert len(standin.submissions()) == len(names)
    assert fc.process.pid == pid and fc.running()
    wait_until(lambda: attention(fc) == [], lambda: attention(fc))
    assert listing(fc.analysed) == sorted(name.encode() for name in names)


# ---- the disk of the state ----

def test_each_write_of_the_event_log(faulty, standin):
    """A commit is some calls; each fails in its turn, one a try: the segment is given up, and the
    same events go into a new one. A daemon that starts then finds all of it."""
    fc, found = faulty()
    fc.upload("first")
    fc.wait_finished("first")
    pid = fc.process.pid
    calls = (kinds.CREATE, kinds.WRITE, kinds.CHANGE, kinds.SYNC)
    errors = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)
    # The sync of the segment, then that of the folder: so the last twice.
    rules = [found.add(".flowcron/events", kind, error, count=1)
             for kind, error in zip(calls, errors)]
    rules.append(found.add(".flowcron/events", kinds.SYNC, errno.ENOSPC, skip=2, count=1))
    fc.upload("second")
    said = wait_attention(fc, "event log can't be written")
    assert ".flowcron" in said["advice"]
    # What is not durable has not happened: neither act nor order.
    assert len(standin.submissions()) == 1
    answer = fc.ctl("retry", "--yes", "first")
    assert answer.code == 1 and "event log can't be written" in answer.data["message"], answer
    assert_goes_on(fc, standin, ["first", "second"], pid)
    assert [found.hits(rule) for rule in rules] == [1] * len(rules)
    before = fc.events("second")
    fc.restart()
    assert fc.events("second") == before
    assert "damaged" not in fc.stderr_text()


def test_an_order_by_folder_that_is_not_noted_at_first(faulty):
    """Its event is in the next commit: then it is answered, and was carried out once."""
    fc, found = faulty()
    fc.upload("first")
    fc.wait_finished("first")
    rule = found.add(".flowcron/events", kinds.WRITE, errno.ENOSPC, count=1)
    (fc.orders / "retry first").mkdir()
    wait_attention(fc, "event log can't be written")
    wait_until(lambda: listing(fc.orders) == [b"done - retry first"], lambda: listing(fc.orders))
    assert found.hits(rule) == 1
    fc.wait_finished("first")
    assert [event["event"] for event in fc.events("first")].count("retry") == 1
    assert fc.show("first")["attempt"] == 2


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS, errno.EIO],
                         ids=["full", "read-only", "broken"])
def test_nothing_can_be_written_for_a_while(faulty, standin, error):
    """Nowhere below the base folder: state, results, log."""
    fc, found = faulty(autocomplete_ms=-1)
    fc.upload("running")
    fc.wait_state("running", "queued")
    fc.upload("arriving", sentinel=False)
    wait_until(lambda: [u for u in fc.list() if u["state"] == "arriving"], fc.trouble)
    pid = fc.process.pid
    found.add(os.fspath(fc.base)[-40:], kinds.CHANGES, error)
    fc.complete("arriving")
    standin.ctl("set-all", "COMPLETED")
    wait_attention(fc, "event log can't be written", os.strerror(error))
    wait_attention(fc, "log", os.strerror(error))
    assert fc.show("running")["state"] == "queued" and len(standin.submissions()) == 1
    assert fc.where("running") == ["work"] and fc.where("arriving") == ["uploaded"]
    found.clear()
    standin.set(autocomplete_ms=0)
    assert_goes_on(fc, standin, ["running", "arriving"], pid)
    # What could not be written into the daily log is in the event log; the log goes on.
    assert "can be written again" in fc.log_text()


def test_a_full_disk(mounts, instance, standin):
    """A real one, on which state, uploads, results and log are."""
    standin.set(mode="norun")
    fc = instance(backend=standin)
    mounts.tmpfs(fc.base, "4m")
    fc.base.chmod(0o2775)
    fc.start()
    fc.upload("running")
    job = wait_job(fc, "running")
    fc.upload("waiting", sentinel=False)
    pid = fc.process.pid
    with open(fc.base / "ballast", "wb", buffering=0) as ballast:
        with pytest.raises(OSError):
            while True:
                ballast.write(bytes(4096))
    standin.end(job)
    fc.complete("waiting")
    # A line of the event log may still fit into a page that is there; a record does not.
    wait_attention(fc, "No space left on device")
    assert fc.where("running") == ["work"] and fc.where("waiting") == ["uploaded"]
    (fc.base / "ballast").unlink()
    standin.end(wait_job(fc, "waiting"))
    assert_goes_on(fc, standin, ["running", "waiting"], pid)


def test_a_result_folder_on_a_full_file_system_of_its_own(mounts, instance, standin):
    """Copied as far as there is room, under a hidden name; a daemon that is killed meanwhile goes
    on where it was, and what appears is whole."""
    standin.set(mode="norun", autocomplete_ms=0)
    fc = instance(backend=standin)
    small = mounts.tmpfs(fc.root / "results", "1m")
    fc.configure({"paths": {"analysed": str(small)}})
    fc.start()
    data = os.urandom(3 << 20)
    fc.upload("large", {"data/first": "first\n", "data/large": data})
    told = wait_attention(fc, "No space left on device")
    assert told["uow"] == "large" and "No space left" in fc.show("large")["reason"]
    assert listing(small) == [] and fc.where("large") == ["work"]
    assert [name for name in os.listdir(small) if name.startswith(".large.")]
    fc.kill()
    fc.start()
    wait_attention(fc, "No space left on device")
    pid = fc.process.pid
    subprocess.run(["mount", "-o", "remount,size=64m", small], check=True)
    assert_goes_on(fc, standin, ["large"], pid)
    assert (small / "large/data/large").read_bytes() == data
    assert os.listdir(small) == ["large"] and os.listdir(fc.work) == []


def test_the_base_folder_unmounted_and_back(mounts, instance, standin):
    standin.set(mode="norun")
    fc = instance(backend=standin)
    disk = mounts.tmpfs(fc.root / "disk")
    disk.chmod(0o2775)
    mounts.bind(disk, fc.base)
    fc.start()
    for name in ("result", "running", "arriving"):
        fc.upload(name, sentinel=name != "arriving")
    standin.end(wait_job(fc, "result"))
    fc.wait_finished("result")
    running, pid = wait_job(fc, "running"), fc.process.pid
    mounts.umount(fc.base)
    wait_attention(fc, "unmounted, moved or replaced")
    assert os.listdir(fc.base) == [], "nothing is made where the file system should be"
    standin.end(running)
    standin.wait_calls("squeue")
    # What is open is still there: there it may be filed, and nobody is concluded to be gone.
    states = {uow["name"]: (uow["state"], uow.get("outcome")) for uow in fc.list()}
    assert states["result"] == ("finished", "succeeded")
    assert states["running"][1] in (None, "succeeded"), states
    mounts.bind(disk, fc.base)
    fc.wait_finished("running")
    fc.complete("arriving")
    standin.end(wait_job(fc, "arriving"))
    assert_goes_on(fc, standin, ["arriving", "result", "running"], pid)
    assert standin.truth("cancel") == []


CLOSED = {"uploaded": "UploadedFiles", "work": "slurm", "analysed": "AnalysedFiles"}


def test_permission_taken_away(instance, standin, users):
    """Of each folder in its turn, from an ordinary user."""
    standin.set(mode="norun")
    fc = instance(backend=standin, user=users[0]).start()
    pid = fc.process.pid
    for which, words in CLOSED.items():
        fc.upload(f"running-{which}")
        job = wait_job(fc, f"running-{which}")
        fc.upload(f"new-{which}", sentinel=False)
        getattr(fc, which).chmod(0)
        standin.end(job)
        if which != "uploaded":
            fc.complete(f"new-{which}")
        wait_attention(fc, words, "Permission denied")
        assert not [uow for uow in fc.list() if uow.get("outcome") not in (None, "succeeded")]
        getattr(fc, which).chmod(0o2770)
        fc.wait_finished(f"running-{which}")
        if which == "uploaded":
            fc.complete(f"new-{which}")
        standin.end(wait_job(fc, f"new-{which}"))
        fc.wait_finished(f"new-{which}")
    fc.upload("last")
    job = wait_job(fc, "last")
    fc.state.chmod(0)
    standin.end(job)
    wait_attention(fc, "event log can't be written", "Permission denied")
    fc.state.chmod(0o750)
    names = [f"{what}-{which}" for which in CLOSED for what in ("new", "running")]
    assert_goes_on(fc, standin, ["last", *names], pid)


# ---- descriptors, processes, memory ----

def limit(fc, what, number):
    """The soft limit, which its owner may set."""
    argv = ["prlimit", f"--pid={fc.process.pid}", f"--{what}={number}:"]
    subprocess.run(as_user(fc.user, argv), check=True)


def test_out_of_descriptors(instance, standin):
    """None at all, then so few that something begins and does not get far."""
    standin.set(mode="norun", autocomplete_ms=0)
    fc = instance(backend=standin).start()
    fc.upload("first")
    fc.wait_finished("first")
    pid = fc.process.pid
    names = ["first"]
    used = len(os.listdir(f"/proc/{pid}/fd"))
    for more in range(0, 12, 2):
        limit(fc, "nofile", used + more)
        names.append(f"with-{more}")
        fc.upload(names[-1])
        if more == 0:
            wait_attention(fc, "Too many open files")
        else:
            time_to_try(fc, names[-1])
    assert not [uow for uow in fc.list() if uow.get("outcome") not in (None, "succeeded")]
    limit(fc, "nofile", 4096)
    assert_goes_on(fc, standin, names, pid)


def time_to_try(fc, name):
    """Waits until it was tried: it goes on, or somebody is told why not."""
    def tried():
        told = [a for a in attention(fc) if a.get("uow") == name]
        return told or (fc.show(name) or {}).get("state") in ("queued", "finished")
    wait_until(tried, fc.trouble)


def test_out_of_processes(instance, standin, users):
    standin.set(mode="norun")
    fc = instance(backend=standin, user=users[0]).start()
    fc.upload("running")
    job = wait_job(fc, "running")
    pid = fc.process.pid
    limit(fc, "nproc", 1)
    standin.end(job)
    fc.upload("new")
    wait_attention(fc, "can't start a worker: Resource temporarily unavailable")
    wait_attention(fc, "squeue: Resource temporarily unavailable")
    assert fc.show("running")["state"] == "queued" and len(standin.submissions()) == 1
    limit(fc, "nproc", 4096)
    standin.end(wait_job(fc, "new"))
    assert_goes_on(fc, standin, ["new", "running"], pid)


def test_out_of_memory_now_and_then(faulty, standin):
    """Each 89th time that memory is asked for there is none, in daemon and workers alike."""
    fc, found = faulty()
    pid = fc.process.pid
    rules = [found.add("", kinds.MEMORY, errno.ENOMEM, skip=89 * i, count=1) for i in range(200)]
    names = []
    while found.hits(rules[-1]) == 0:
        names.append(f"uow{len(names)}")
        fc.upload(names[-1])
        wait_until(lambda: found.hits(rules[-1]) or listing(fc.uploaded) == [], fc.trouble)
        assert fc.running(), fc.trouble()
    assert all(found.hits(rule) for rule in rules) and len(names) > 3
    found.clear()
    assert_goes_on(fc, standin, names, pid)


# ---- inotify ----

def test_limits_of_inotify(instance, standin):
    """Of a user name space, whose limits are its own: no instance, then too few watches."""
    standin.set(mode="norun", autocomplete_ms=0)
    fc = instance(backend=standin)
    if not is_root():
        pytest.skip("needs root, to set the limits of a user name space")
    fc.wrapper = ["unshare", "--user", "--map-root-user", "--", "sh", "-c",
                  "echo 0 >/proc/sys/user/max_inotify_instances && exec \"$@\"", "sh"]
    fc.start()
    pid = fc.process.pid

    def allow(what, number):
        subprocess.run(["nsenter", f"--target={pid}", "--user", "sh", "-c",
                        f"echo {number} >/proc/sys/user/max_inotify_{what}"], check=True)

    def watch():
        return fc.ctl("status").data["watch"]
    assert watch()["mode"] == "poll" and "max_user_instances" in watch()["trouble"]
    assert "max_user_instances" in fc.ctl("status", parse=False).out
    fc.upload("scanned")
    fc.wait_finished("scanned")
    allow("watches", 6)
    allow("instances", 10)
    wait_until(lambda: watch()["mode"] == "inotify", watch)
    names = [f"uow{i}" for i in range(4)]
    for name in names:
        fc.upload(name, sentinel=False)
    wait_until(lambda: "max_user_watches" in watch().get("trouble", ""), watch)
    for name in names:
        fc.complete(name)
    for name in names:
        fc.wait_finished(name)
    allow("watches", 1000)
    wait_until(lambda: "trouble" not in watch(), watch)
    assert_goes_on(fc, standin, ["scanned", *names], pid)
