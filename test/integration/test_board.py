# SPDX-License-Identifier: Apache-2.0
"""The status board: what a reader of Status/NAME/ sees, in every state and whatever others do there."""

import os
import re
import threading
import time

from support.common import wait_until
from support.instance import listing
from support.jobs import wait_job
from support.units import as_bytes

WORDS = "arriving waiting pending running finishing done gone".split()

def make_board(fc, *names):
    fc.make_folders()
    for name in names:
        os.mkdir(os.path.join(as_bytes(fc.status), as_bytes(name)))

def wait_board(fc, name, pattern):
    """Waits until the one entry matches; returns it."""
    def matches():
        entry = fc.board(name)
        return entry and re.fullmatch(pattern, entry) and entry
    return wait_until(matches, lambda: f"{pattern}; the board of {name!r} says "
                                       f"{fc.board(name)!r}\n{fc.trouble()}")

def board_is_there(fc, name):
    return os.path.lexists(os.path.join(as_bytes(fc.status), as_bytes(name)))

class Reader(threading.Thread):
    """Lists a board without pause, as many flows do: all that was seen, and when it changed."""

    def __init__(self, fc, name):
        super().__init__(daemon=True)
        self.path = os.path.join(as_bytes(fc.status), as_bytes(name))
        self.fc, self.name_read = fc, as_bytes(name)
        self.changes = []   # (when, entry)
        self.most = 0       # entries at once
        self.too_early = 0  # "done" with nothing to be fetched
        self.over = False

    def run(self):
        while not self.over:
            try:
                entries = [os.fsdecode(entry) for entry in os.listdir(self.path)]
            except FileNotFoundError:
                entries = []
            # A listing that is caught between two names of one rename may show both or none.
            self.most = max(self.most, len(entries))
            for entry in entries:
                if not self.changes or self.changes[-1][1] != entry:
                    self.changes.append((time.monotonic(), entry))
                if entry.startswith("done - ") and not self.is_ready():
                    self.too_early += 1
            time.sleep(0.002)

    def is_ready(self):
        return any(os.path.exists(os.path.join(as_bytes(folder), self.name_read, b"flowcron"))
                   and not os.path.exists(os.path.join(as_bytes(folder), self.name_read,
                                                       b"sentinels"))
                   for folder in (self.fc.analysed, self.fc.failed))

    def end(self):
        self.over = True
        self.join()
        return [entry for _, entry in self.changes]

def test_through_all_words(instance, standin):
    standin.set(mode="norun", partition_state="down")
    fc = instance(backend=standin, config={"retention": {"soft_delete_after": 0}}).start()
    make_board(fc, "u")
    reader = Reader(fc, "u")
    reader.start()
    fc.upload("u", sentinel=False)
    wait_board(fc, "u", "arriving")
    fc.complete("u")
    wait_board(fc, "u", "pending - PartitionDown.*")
    standin.end(wait_job(fc, "u"))
    fc.wait_finished("u")
    # At once, however short ago the last change was.
    wait_until(lambda: fc.board("u") == "done - succeeded", lambda: fc.board("u"), timeout=5)
    seen = reader.end()
    assert [entry.split()[0] for entry in seen][-1] == "done"
    ranks = [WORDS.index(entry.split()[0]) for entry in seen]
    assert ranks == sorted(ranks), seen
    assert reader.too_early == 0 and reader.most <= 2
    assert all(len(entry.encode()) <= 200 for entry in seen)
    times = [when for when, entry in reader.changes if not entry.startswith("done - ")]
    # Ten seconds, less what a busy machine makes the reader late.
    assert all(b - a > 5 for a, b in zip(times, times[1:])), reader.changes
    assert fc.ctl("purge", "u", "--yes").code == 0
    wait_until(lambda: not board_is_there(fc, "u"), "the board to go")

def test_since_when_it_runs(instance, standin):
    standin.set(mode="norun")
    fc = instance(backend=standin).start()
    fc.upload("u")
    standin.ctl("set", wait_job(fc, "u"), "RUNNING")
    fc.wait_state("u", "queued", phase="running")
    make_board(fc, "u")
    wait_board(fc, "u", r"running - since \d\d:\d\d on 1 node")
    # Known anew by a daemon that has not seen it begin.
    fc.kill()
    os.rmdir(fc.status / "u" / fc.board("u"))
    fc.start()
    wait_board(fc, "u", r"running - since \d\d:\d\d.*")


def test_how_it_ended(instance, standin):
    standin.set(mode="norun")
    fc = instance(backend=standin)
    make_board(fc, "bad", "oom", "wrong", "cancelled", "lost")
    fc.start()
    for name in ("bad", "oom", "cancelled"):
        fc.upload(name)
    fc.upload("wrong", commands="cd $HOME")
    standin.end(wait_job(fc, "bad"), "FAILED", exit=3)
    standin.end(wait_job(fc, "oom"), "OUT_OF_MEMORY")
    wait_job(fc, "cancelled")
    assert fc.ctl("cancel", "cancelled").code == 0
    wait_board(fc, "bad", "done - failed - exit code 3")
    wait_board(fc, "oom", "done - failed - out of memory.*")
    wait_board(fc, "wrong", "done - rejected - .*HOME.*")
    wait_board(fc, "cancelled", "done - cancelled - cancelled by order")

def test_only_where_the_folder_exists(instance):
    fc = instance().start()
    fc.upload("u")
    fc.wait_finished("u")
    assert listing(fc.status) == []
    # A board that appears later is filled soon; one of which nothing is known is left alone.
    make_board(fc, "u", "unknown")
    wait_board(fc, "u", "done - succeeded")
    assert listing(fc.status / "unknown") == []

def test_why_it_waits(instance, standin):
    standin.set(mode="norun")
    standin.fault("sbatch", "down")
    fc = instance(backend=standin).start()
    fc.upload("u")
    wait_until(lambda: "Slurm is not answering" in fc.log_text(), "Slurm to be asked")
    make_board(fc, "u")
    wait_board(fc, "u", r"waiting - Slurm is not answering since \d\d:\d\d.*")

def test_a_retry_takes_done_back_at_once(instance, standin):
    standin.set(mode="norun")
    fc = instance(backend=standin)
    make_board(fc, "u")
    fc.start()
    fc.upload("u")
    standin.end(wait_job(fc, "u"), "FAILED")
    wait_board(fc, "u", "done - failed.*")
    standin.set(partition_state="down")
    assert fc.ctl("retry", "u", "--yes").code == 0
    wait_until(lambda: not fc.board("u").startswith("done"), lambda: fc.board("u"), timeout=5)
    standin.set(partition_state=None)
    standin.end(wait_job(fc, "u"))
    wait_board(fc, "u", "done - succeeded")

def test_recycling_bin_and_back(instance):
    fc = instance(config={"retention": {"soft_delete_after": "1s"}})
    make_board(fc, "u")
    fc.start()
    fc.upload("u")
    wait_board(fc, "u", "gone - in the recycling bin")
    fc.configure()
    fc.reload()
    assert fc.ctl("restore", "u").code == 0
    wait_board(fc, "u", "done - succeeded")
    assert fc.where("u") == ["analysed"]

def test_a_uow_that_had_to_be_renamed(instance, standin):
    standin.set(mode="norun")
    fc = instance(backend=standin)
    fc.start()
    fc.upload("u")
    standin.end(wait_job(fc, "u"))
    fc.wait_finished("u")
    make_board(fc, "u")
    wait_board(fc, "u", "done - succeeded")
    fc.upload("u")
    name = wait_until(lambda: [u["name"] for u in fc.list() if u["name"].startswith("u-")],
                      "the second to be taken up")[0]
    standin.end(wait_job(fc, name))
    wait_board(fc, "u", f"done - succeeded - as {name}")
    assert fc.where(name) == ["analysed"]
    # The newest goes: the board is the older one's again, and goes with it.
    assert fc.ctl("purge", name, "--yes").code == 0
    wait_board(fc, "u", "done - succeeded")
    assert fc.ctl("purge", "u", "--yes").code == 0
    wait_until(lambda: not board_is_there(fc, "u"), "the board to go")

def test_made_anew_after_a_crash(instance, standin):
    standin.set(mode="norun")
    fc = instance(backend=standin)
    make_board(fc, "u", "p", "new")
    fc.start()
    for name in ("u", "p"):
        fc.upload(name)
        standin.end(wait_job(fc, name))
        wait_board(fc, name, "done - succeeded")
    fc.kill()
    # What lies there is not believed, and the board of what was purged meanwhile goes.
    os.rename(fc.status / "u/done - succeeded", fc.status / "u/running - since yesterday")
    (fc.status / "u/done - failed - a lie").mkdir()
    assert fc.ctl("purge", "p", "--yes").code == 0  # deferred to the next owner
    fc.start()
    wait_until(lambda: listing(fc.status / "u") == [b"done - succeeded"],
               lambda: listing(fc.status / "u"))
    wait_until(lambda: not board_is_there(fc, "p"), "the board to go")
    assert listing(fc.status / "new") == []

def test_hostile_boards(instance, root_dir):
    fc = instance()
    long = "n" * 255
    make_board(fc, "u", long, b"bad\xff\nname")
    (root_dir / "elsewhere").mkdir()
    (fc.status / "link").symlink_to(root_dir / "elsewhere")
    (fc.status / "file").write_text("")
    os.mkfifo(fc.status / "fifo")
    for i in range(300):
        (fc.status / f"u/arriving - {i}").mkdir()
    (fc.status / "u/0link").symlink_to(root_dir / "elsewhere")
    (fc.status / "u/notes").write_text("mine")
    fc.start()
    names = ["u", long, b"bad\xff\nname", "link", "file", "fifo"]
    for name in names:
        fc.upload(name)
    for name in names:
        fc.wait_finished(name)
    for name in (long, b"bad\xff\nname"):
        wait_board(fc, name, "done - succeeded")
    wait_until(lambda: listing(fc.status / "u") == [b"done - succeeded", b"notes"],
               lambda: listing(fc.status / "u"))
    assert not listing(root_dir / "elsewhere")
    assert (fc.status / "link").is_symlink()

def test_an_upload_that_is_given_up(instance):
    fc = instance()
    make_board(fc, "u")
    fc.start()
    fc.upload("u", sentinel=False)
    wait_board(fc, "u", "arriving")
    os.rename(fc.uploaded / "u", fc.uploaded / ".u")
    wait_until(lambda: fc.board("u") is None, lambda: fc.board("u"))
    assert board_is_there(fc, "u")

def test_removed_by_the_flow(instance):
    """What a flow's own delete does: the folder goes, and the board with it."""
    fc = instance()
    make_board(fc, "u")
    fc.start()
    fc.upload("u")
    wait_board(fc, "u", "done - succeeded")
    os.rename(fc.analysed / "u", fc.root / "taken")
    wait_until(lambda: not board_is_there(fc, "u"), "the board to go")

def test_in_passes(instance):
    fc = instance()
    make_board(fc, "good", "slow", "gone")
    fc.upload("good", commands="true")
    fc.upload("slow", sentinel=False)
    assert fc.once() == 0
    assert fc.board("slow") == "arriving"
    wait_until(lambda: fc.once() == 0 and fc.board("good") == "done - succeeded",
               lambda: fc.board("good"))
    fc.ctl("purge", "good", "--yes")
    assert fc.once() == 0
    assert not board_is_there(fc, "good")

