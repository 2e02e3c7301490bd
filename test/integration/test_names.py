# SPDX-License-Identifier: Apache-2.0
"""Names are bytes: what a folder may be called, and what becomes of a name that is in use."""

import os
import re
import shutil

import pytest

from support.common import wait_until
from support.instance import listing
from support.record import check_record
from support.units import as_bytes

NAMES = [
    b"plain",
    b"two words  and   more",
    b" leading and trailing ",
    b"it's \"quoted\" `so`",
    b"100% %j %A %% %",
    b"two\nlines\n",
    b"tab\tbell\x07escape\x1b[31m",
    b"-rf",
    b"--wrap=echo",
    b"pipe|pipe;semi&amp$(touch x)",
    b"*?[a]{b}~!#",
    b"not\xff\xfeutf8",
    b"\x80",
    "žluťoučký kůň".encode(),
    "😀 grid 🧬".encode(),
    "\u202eright to left\u200f".encode(),
    b"x" * 255,
    b"y" + b"\xc3\xa9" * 127,
    b"..hidden not, but odd"[1:].lstrip(b"."),
    b"a=b:c,d@e",
]
STAMP = re.compile(rb"-\d{8}-\d{6}(-\d+)?$")


def of_name(fc, name):
    """What FlowCron calls those that arrived as this name, as bytes, from the folders."""
    return [n for key in ("analysed", "failed") for n in fc.folders()[key] if n.startswith(name)]


@pytest.mark.parametrize("backend", ["standin", "local"])
def test_any_name(instance, standin, backend):
    fc = instance(backend=standin if backend == "standin" else None)
    for name in NAMES:
        fc.upload(name, commands=['printf %s "$1" > data/path', "echo out"])
    fc.start()
    wait_until(lambda: len(listing(fc.analysed)) == len(NAMES), fc.trouble)
    assert listing(fc.analysed) == sorted(NAMES)
    for name in NAMES:
        uow = fc.wait_finished(name)
        assert fc.show(uow["name"])["id"] == uow["id"], "the name as shown names it, too"
        with open(os.path.join(fc.result(name), b"data/path"), "rb") as file:
            assert file.read() == os.path.join(as_bytes(fc.work), name)
        assert fc.job_output(name) == "out\n"
        check_record(fc, name)
        assert fc.event_names(name)[0] == "uploaded"
    assert len(fc.list()) == len(NAMES)
    # Nothing of this may get a terminal to do something.
    for args in (("list",), ("show", b"tab\tbell\x07escape\x1b[31m"), ("status",)):
        out = fc.ctl(*args, parse=False).out
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e]", out), args
    assert "\x1b" not in fc.log_text() and "\u202e" not in fc.log_text()
    if backend == "standin":
        standin.assert_never_twice()


def test_backslash_is_rejected(instance, standin):
    fc = instance(backend=standin).start()
    fc.upload(b"back\\slash", commands="true")
    uow = fc.wait_finished(b"back\\slash", "rejected")
    assert "backslash" in uow["reason"] and uow["cause"] == "rule"
    assert fc.where(b"back\\slash") == ["failed"]
    assert "backslash" in fc.report(b"back\\slash")
    assert standin.submissions() == []


def test_name_of_one_that_is_queued(instance, standin):
    standin.set(mode="norun")
    fc = instance(backend=standin).start()
    ids = []
    for i in range(4):
        fc.upload("same", {"data/which": str(i)})
        wait_until(lambda n=i + 1: len(fc.list("--state", "queued")) == n, fc.trouble)
        ids.append(fc.list()[0]["id"])
    names = listing(fc.work)
    assert names[0] == b"same" and all(STAMP.search(n) for n in names[1:])
    assert len(set(ids)) == 4
    # The newest of that name is what the name means; the others answer to theirs.
    assert fc.show("same")["id"] == ids[0]
    standin.ctl("set-all", "COMPLETED")
    for i, uow_id in enumerate(ids):
        uow = fc.wait_finished(uow_id)
        assert fc.read(uow["name"], "data/which") == str(i)
        assert check_record(fc, uow["name"])["name"] == "same"
        assert uow.get("arrived_as", uow["name"]) == "same"


def test_name_of_a_kept_result(instance):
    fc = instance().start()
    for i, outcome in enumerate(("failed", "succeeded", "failed")):
        fc.upload("kept", {"data/which": str(i)}, commands="true" if i == 1 else "false")
        wait_until(lambda n=i + 1: len(of_name(fc, b"kept")) == n, fc.trouble)
        fc.wait_finished(fc.list()[0]["id"], outcome)
    found = {fc.read(name, "data/which"): name for name in of_name(fc, b"kept")}
    assert found["0"] == b"kept"
    assert all(STAMP.search(found[i]) for i in "12")


def test_name_of_one_in_the_bin(instance):
    fc = instance(config={"retention": {"soft_delete_after": "1s"}}).start()
    fc.upload("binned", {"data/which": "old"})
    fc.wait_state("binned", "soft-deleted")
    fc.configure({"retention": {"soft_delete_after": 0}})
    fc.reload()
    fc.upload("binned", {"data/which": "new"})
    wait_until(lambda: of_name(fc, b"binned"), fc.trouble)
    new, = of_name(fc, b"binned")
    assert STAMP.search(new)
    assert fc.ctl("restore", "binned").code == 0
    wait_until(lambda: len(of_name(fc, b"binned")) == 2, fc.trouble)
    assert fc.read("binned", "data/which") == "old"
    assert fc.read(new, "data/which") == "new"


def test_name_of_a_folder_that_is_not_ours(instance):
    """Somebody left a folder in a result folder or in the work area: it stays whole."""
    fc = instance()
    fc.make_folders()
    for folder in (fc.work, fc.analysed):
        (folder / "theirs").mkdir()
        (folder / "theirs/keep").write_text("mine")
    fc.upload("theirs")
    fc.start()
    uow = wait_until(lambda: fc.list("--state", "finished"), fc.trouble)[0]
    assert STAMP.search(uow["name"].encode()) and uow["outcome"] == "succeeded"
    for folder in (fc.work, fc.analysed):
        assert os.listdir(folder / "theirs") == ["keep"]
        shutil.rmtree(folder / "theirs")


def test_purged_name_is_free_again(instance):
    fc = instance().start()
    fc.upload("reused")
    first = fc.wait_finished("reused")
    assert fc.ctl("purge", "reused", "--yes").code == 0
    wait_until(lambda: fc.show(first["id"])["state"] == "purged", fc.trouble)
    fc.upload("reused")
    second = wait_until(lambda: (lambda u: u and u["state"] == "finished" and u)(fc.show("reused")),
                        fc.trouble)
    assert second["id"] != first["id"] and second["name"] == "reused"
    assert fc.show(first["id"])["state"] == "purged"


def test_long_names_are_cut_at_a_character(instance):
    fc = instance().start()
    name = ("é" * 127).encode()  # 254 bytes
    for i in range(2):
        fc.upload(name)
        wait_until(lambda n=i + 1: len(listing(fc.analysed)) == n, fc.trouble)
    new = next(n for n in listing(fc.analysed) if n != name)
    assert len(new) <= 255 and STAMP.search(new)
    assert set(STAMP.sub(b"", new).decode()) == {"é"}


def test_add_timestamp(instance):
    fc = instance(config={"uow": {"add_timestamp": True}}).start()
    fc.upload("stamped")
    new = wait_until(lambda: listing(fc.analysed), fc.trouble)[0]
    assert new.startswith(b"stamped-") and STAMP.search(new)
    assert check_record(fc, new)["name"] == "stamped"
