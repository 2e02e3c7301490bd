# SPDX-License-Identifier: Apache-2.0
"""The machine fails for a while: a disk that is full, read-only, broken, closed or gone; no
descriptors, processes, memory or watches. `status` says so and what to do, nobody's work is
concluded from it, and when it is over work goes on in the same daemon."""

import errno
import os

import pytest

from support import faults as kinds
from support.common import wait_until
from support.instance import listing
from support.record import check_record


def attention(fc):
    return fc.ctl("status").data["attention"]


def wait_attention(fc, *words):
    """Waits until `status` names it, with a next step; and a person is shown the same."""
    def named():
        return [a for a in attention(fc) if all(word in a["what"] for word in words)]
    told = wait_until(named, lambda: f"{words} in {attention(fc)}\n{fc.trouble()}")
    assert told[0].get("advice") or "`" in told[0]["what"], told
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
