# SPDX-License-Identifier: Apache-2.0
"""Orders by folder: retry and cancel by making a folder in Orders/, for people without a login."""

import os
import subprocess
import time

import pytest

from support.common import TOOLS, wait_until
from support.instance import listing
from support.jobs import wait_job
from support.units import as_bytes
from support.zoo import EVERY


def order(fc, name):
    os.makedirs(os.path.join(as_bytes(fc.orders), as_bytes(name)))


def orders(fc):
    return [name.decode() for name in listing(fc.orders)]


def answer(fc, name):
    """Waits for the answer to an order; returns it."""
    def answered():
        found = [a for a in orders(fc) if a == f"done - {name}" or a.startswith(f"refused - {name} - ")]
        return found and found[0]
    return wait_until(answered, lambda: f"{name!r} to be answered: {orders(fc)}\n{fc.trouble()}")


def test_retry_and_cancel(instance, standin):
    standin.set(mode="norun")
    fc = instance(backend=standin).start()
    fc.upload("cells")
    standin.end(wait_job(fc, "cells"), "FAILED")
    fc.wait_finished("cells", "failed")
    # At once, and without a question, though the result is fresh.
    order(fc, "retry cells")
    assert answer(fc, "retry cells") == "done - retry cells"
    job = wait_job(fc, "cells")
    assert fc.show("cells")["attempt"] == 2
    assert any(e["event"] == "retry" and e["by"] == "folder" for e in fc.events("cells"))
    order(fc, "cancel cel")  # a beginning will do
    assert answer(fc, "cancel cel") == "done - cancel cel"
    fc.wait_finished("cells", "cancelled")
    assert job in {str(t["id"]) for t in standin.truth("cancel")}


ALLOWED = {"retry": {"finished", "failed", "rejected", "bin"},
           "cancel": {"staged", "pending", "running"}}


def check_every_state(fc, word):
    refused = EVERY - ALLOWED[word]
    before = {u["id"]: u for u in fc.list("--all") if "id" in u and u["name"] in refused}
    for name in sorted(refused):
        order(fc, f"{word} {name}")
    for name in sorted(refused):
        said = answer(fc, f"{word} {name}")
        assert said.startswith(f"refused - {word} {name} - "), said
        assert len(said) > len(f"refused - {word} {name} - ") + 10, said
    after = {u["id"]: u for u in fc.list("--all") if "id" in u and u["name"] in refused}
    assert {i: (u["state"], u.get("attempt")) for i, u in before.items()} \
        == {i: (u["state"], u.get("attempt")) for i, u in after.items()}
    for name in sorted(ALLOWED[word]):
        order(fc, f"{word} {name}")
    for name in sorted(ALLOWED[word]):
        assert answer(fc, f"{word} {name}") == f"done - {word} {name}"


def test_retry_in_every_state(zoo):
    check_every_state(zoo, "retry")
    for name in ALLOWED["retry"]:
        wait_until(lambda name=name: [e for e in zoo.events(zoo.ids[name]) if e["event"] == "retry"
                                      and e["by"] == "folder"], f"{name} to go on")
    assert "arriving" in answer(zoo, "retry arriving")


def test_cancel_in_every_state(zoo):
    check_every_state(zoo, "cancel")
    for name in ALLOWED["cancel"]:
        zoo.wait_finished(name, "cancelled")


def test_unknown_ambiguous_malformed(instance):
    fc = instance().start()
    for name in ("ab-one", "ab-two"):
        fc.upload(name, commands="exit 1")
    for name in ("ab-one", "ab-two"):
        fc.wait_finished(name, "failed")
    (fc.orders / "mine").mkdir()
    (fc.orders / "mine/data").write_text("x")
    (fc.orders / "retry file").write_text("")
    (fc.orders / "retry link").symlink_to(fc.analysed)
    (fc.orders / ".retry ab-one").mkdir()
    (fc.orders / "New folder").mkdir()
    (fc.orders / "rerun ab-one").mkdir()
    old = time.time() - 3600
    os.utime(fc.orders / "rerun ab-one", (old, old))
    order(fc, "retry nobody")
    order(fc, "retry ab-")
    assert "no Unit of Work is called nobody" in answer(fc, "retry nobody")
    assert "ab-one" in answer(fc, "retry ab-") and "ab-two" in answer(fc, "retry ab-")
    assert '"retry NAME"' in answer(fc, "rerun ab-one")
    # What is no folder, hidden, somebody's, or just being named is left alone.
    assert {".retry ab-one", "mine", "retry file", "retry link", "New folder"} \
        <= set(os.listdir(fc.orders))
    assert all(fc.show(name)["attempt"] == 1 for name in ("ab-one", "ab-two"))


def test_twice(instance, standin):
    standin.set(mode="norun")
    fc = instance(backend=standin).start()
    fc.upload("u")
    wait_job(fc, "u")
    order(fc, "cancel u")
    assert answer(fc, "cancel u") == "done - cancel u"
    fc.wait_finished("u", "cancelled")
    order(fc, "cancel u")  # another one of the same name takes the old answer's place, or not
    said = wait_until(lambda: [a for a in orders(fc) if a.startswith("refused - cancel u - ")],
                      lambda: orders(fc))
    assert len(said) == 1 and "finished" in said[0]
    for _ in range(2):
        standin.set(partition_state="down")
        order(fc, "retry u")
        wait_until(lambda: "retry u" not in orders(fc), lambda: orders(fc))
        assert "done - retry u" in orders(fc)
        order(fc, "cancel u")
        fc.wait_finished("u", "cancelled")
        wait_until(lambda: "cancel u" not in orders(fc), lambda: orders(fc))
    assert orders(fc).count("done - retry u") == 1
    assert fc.show("u")["attempt"] == 3


def test_an_answer_that_can_not_be_given_is_no_second_order(instance, standin):
    """Every name for the answer is taken: the order stays, and is not carried out again."""
    standin.set(mode="norun", autocomplete_ms=0, autocomplete_state="FAILED")
    fc = instance(backend=standin)
    fc.make_folders()
    taken = ["done - retry u"] + [f"done - retry u ({n})" for n in range(2, 10)]
    for name in taken:
        (fc.orders / name).mkdir()
        (fc.orders / name / "notes").write_text("mine")
    fc.start()
    fc.upload("u")
    fc.wait_finished("u", "failed")
    order(fc, "retry u")
    wait_until(lambda: fc.show("u")["attempt"] == 2 and fc.show("u")["state"] == "finished",
               lambda: fc.show("u"))
    wait_until(lambda: "can't be renamed" in fc.log_text(), "somebody to be told")
    order(fc, "retry nobody")
    answer(fc, "retry nobody")  # so it has looked again
    assert fc.show("u")["attempt"] == 2 and "retry u" in orders(fc)
    os.rename(fc.orders / "done - retry u", fc.root / "done")
    wait_until(lambda: "retry u" not in orders(fc), lambda: orders(fc))
    assert fc.show("u")["attempt"] == 2


def test_hostile_names(instance):
    fc = instance().start()
    long = "n" * 248
    raw = b"bad\xff\nname"
    for name in (long, raw):
        fc.upload(name, commands="exit 1")
    for name in (long, raw):
        fc.wait_finished(name, "failed")
    order(fc, f"retry {long}")
    order(fc, b"retry " + raw)
    for name in (long, raw):
        wait_until(lambda name=name: fc.show(name)["attempt"] == 2, lambda: f"{orders(fc)}")
    order(fc, "cancel €" + "€" * 80)
    said = wait_until(lambda: len(orders(fc)) == 3 and all(" - " in a for a in orders(fc))
                      and orders(fc), lambda: orders(fc))
    assert all(len(name.encode()) <= 255 and name.isprintable() for name in said)
    assert "done - retry bad\\xff\\nname" in said


def test_present_at_start_and_in_passes(instance):
    fc = instance()
    fc.make_folders()
    for name in ("a", "b"):
        fc.upload(name, commands="exit 1")
    wait_until(lambda: fc.once() == 0 and len(listing(fc.failed)) == 2, "both to fail")
    order(fc, "retry a")
    order(fc, "cancel b")
    assert fc.once() == 0
    assert "done - retry a" in orders(fc) and answer(fc, "cancel b").startswith("refused")
    wait_until(lambda: fc.once() == 0 and fc.show("a").get("attempt") == 2
               and fc.show("a")["state"] == "finished", lambda: fc.show("a"))
    order(fc, "retry b")
    fc.start()
    assert answer(fc, "retry b") == "done - retry b"
    assert wait_until(lambda: fc.show("b")["attempt"] == 2, "the second attempt")


@pytest.mark.parametrize("once", [False, True], ids=["daemon", "once"])
def test_a_thousand(instance, standin, once):
    standin.set(mode="norun", autocomplete_ms=0, autocomplete_state="FAILED")
    fc = instance(backend=standin, config={"scheduler": {"max_queued": 1}})
    fc.make_folders()
    fc.upload("u")
    fc.start()
    fc.wait_finished("u", "failed")
    if once:
        fc.stop()
    for i in range(1000):
        order(fc, f"retry nobody{i}" if i else "retry u")
    if once:
        assert fc.once() == 0
        assert not [a for a in orders(fc) if a.startswith("retry")]
    wait_until(lambda: all(a.startswith(("done", "refused")) for a in orders(fc)),
               lambda: len([a for a in orders(fc) if a.startswith("retry")]))
    assert len(orders(fc)) == 1000 and "done - retry u" in orders(fc)
    assert len(listing(fc.work)) + len(listing(fc.failed)) == 1


def test_an_answer_goes_after_a_day(instance, root_dir):
    fc = instance().start()
    order(fc, "retry x")
    order(fc, "retry kept")
    answer(fc, "retry x")
    (fc.orders / answer(fc, "retry kept") / "notes").write_text("mine")
    # What somebody set back by a touch stays its day.
    os.utime(fc.orders / answer(fc, "retry x"), (1, 1))
    fc.restart()
    assert len(orders(fc)) == 2
    fc.stop()
    later = root_dir / "later.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", later, TOOLS / "later.c"], check=True)
    later.chmod(0o755)
    loose = {"LD_PRELOAD": later, "ASAN_OPTIONS": "verify_asan_link_order=0:exitcode=99"}
    fc.start(LATER=86000, **loose)
    assert len(orders(fc)) == 2
    fc.stop()
    fc.start(LATER=90000, **loose)
    wait_until(lambda: len(orders(fc)) == 1, lambda: orders(fc))
    assert "kept" in orders(fc)[0]  # it holds something


def test_the_log_says_who_was_refused(instance):
    fc = instance().start()
    order(fc, "retry nobody")
    answer(fc, "retry nobody")
    wait_until(lambda: 'The order "retry nobody" in Orders/ is refused' in fc.log_text(),
               "the log to say so")


def test_after_a_crash_no_order_is_lost(instance, standin):
    standin.set(mode="norun")
    fc = instance(backend=standin).start()
    names = [f"u{i}" for i in range(10)]
    for name in names:
        fc.upload(name)
    for name in names:
        standin.end(wait_job(fc, name), "FAILED")
    for name in names:
        fc.wait_finished(name, "failed")
    standin.set(partition_state="down")
    for name in names:
        order(fc, f"retry {name}")
    fc.kill()
    fc.start()
    wait_until(lambda: not any(a.startswith("retry") for a in orders(fc)), lambda: orders(fc))
    for name in names:
        assert wait_job(fc, name) and fc.show(name)["attempt"] == 2
