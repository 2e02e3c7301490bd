# SPDX-License-Identifier: Apache-2.0
"""Every call that touches a disk fails once, each for a Unit of Work of its own: nobody is refused,
filed early, lost or submitted twice for it, and nothing of it is left behind."""

import errno
import os

import pytest

from support import faults as kinds
from support.common import wait_until
from support.instance import listing
from support.jobs import SCRIPT, sbatch_script
from support.record import check_record

DISK = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)
LOOKS = kinds.LOOK | kinds.ASK
MACHINE = (errno.EIO, errno.EMFILE, errno.ENOMEM, errno.ENFILE)

# Of the calls that only look each fifth; FLOWCRON_TEST_EVERY=1: each.
CALLS = [(kinds.CHANGES, DISK, 1), (LOOKS, MACHINE, int(os.environ.get("FLOWCRON_TEST_EVERY", 5)))]


@pytest.fixture
def elsewhere(request, root_dir):
    """elsewhere("bin") → a configuration with these folders on a file system of their own."""
    def make(*keys):
        if not keys:
            return {}
        mounts = request.getfixturevalue("mounts")
        return {"paths": {key: str(mounts.tmpfs(root_dir / f"other/{key}")) for key in keys}}
    return make


def upload(fc, name):
    """One for which there is something to do at each step: line endings to convert, links to
    remove and to rewrite, an earlier record to keep."""
    fc.upload(name, {SCRIPT: sbatch_script(["--time=5"], "true").replace("\n", "\r\n"),
                     "data/in": f"data of {name}\n", "data/empty": "",
                     "flowcron/report.txt": "of an earlier run\n"}, sentinel=False)
    folder = fc.uploaded / name
    (folder / "data/out").symlink_to("/etc/hostname")
    (folder / "data/in too").symlink_to(folder / "data/in")
    fc.complete(name)


def tree(folder):
    """All that is in it, by name; what bears an id or a date aside."""
    found = set()
    for path, folders, files in os.walk(folder):
        inside = os.path.relpath(path, folder)
        found |= {os.path.normpath(os.path.join(inside, name)) for name in folders + files
                  if "earlier" not in inside}
    return found


def wait_all(fc, names, state, **also):
    """Waits until all of these are there, however they got there; returns them by name."""
    found = {}

    def others():
        found.update({uow["name"]: uow for uow in fc.list("--all")})
        return [found.get(name) for name in names
                if found.get(name, {}).get("state") != state]
    wait_until(lambda: not others(), lambda: f"{others()}\n{fc.trouble()}", timeout=120)
    for name in names:
        assert {key: found[name][key] for key in also} == also, found[name]
    return found


def assert_whole(fc, uow, like):
    """The user's data and the texts of ours, each as it should be, and nothing else."""
    name = uow["name"]
    assert fc.read(name, "data/in") == f"data of {name}\n"
    assert os.readlink(fc.result(name) + b"/data/in too") == b"in"
    assert "SUCCEEDED" in fc.report(name)
    record = fc.record(name)
    assert (record["id"], record["outcome"]) == (uow["id"], "succeeded")
    assert len(record["filing"]["removed_links"]["list"]) == 1, record["filing"]
    assert tree(fc.analysed / name) == like, name


def probe(fc, found, text, kind):
    """How many calls of this kind a Unit of Work takes, and what is in it at the end."""
    rule = found.count(text.format("probe"), kind)
    upload(fc, "probe")
    fc.wait_finished("probe")
    n = found.seen(rule)
    found.clear()
    print(f"{n} calls")
    assert n > 10, n
    return n, tree(fc.analysed / "probe")


def arm(found, texts, kind, errors, every):
    """For the first text its first call fails, for the second the second, …"""
    return [found.add(text, kind, errors[i % len(errors)], skip=i * every, count=1)
            for i, text in enumerate(texts)]


def assert_met(found, rules):
    """Each has met its fault, but for the last few: how often the scan looks differs a little."""
    hits = [found.hits(rule) for rule in rules]
    assert max(hits) == 1 and all(hits[:-5]), hits


def results(fc):
    return (fc.analysed, fc.failed, fc.bin / "AnalysedFiles", fc.bin / "FailedJobs")


def hidden(fc):
    return [name for folder in (fc.uploaded, fc.work, *results(fc))
            for name in os.listdir(folder) if name.startswith(".")]


@pytest.mark.parametrize("kind, errors, every", CALLS, ids=["changes", "looks"])
@pytest.mark.parametrize("away, text", [((), "{}"), (("analysed",), "analysed/.{}")],
                         ids=["", "copied"])
def test_from_upload_to_result(elsewhere, faulty, standin, away, text, kind, errors,
                               every):
    fc, found = faulty(elsewhere(*away))
    n, like = probe(fc, found, text, kind)
    names = [f"uow{i:03}x" for i in range(n // every)]
    rules = arm(found, map(text.format, names), kind, errors, every)
    for name in names:
        upload(fc, name)
    uows = wait_all(fc, names, "finished", outcome="succeeded", attempt=1)
    for name in names:
        assert_whole(fc, uows[name], like)
    check_record(fc, names[-1])
    assert_met(found, rules)
    assert len(standin.submissions()) == len(names) + 1
    standin.assert_never_twice()
    assert hidden(fc) == [] and listing(fc.work) == [] and listing(fc.failed) == []
    assert listing(fc.analysed) == [name.encode() for name in ["probe", *names]]


def bin_them(fc, keep):
    """Into the recycling bin, by retention; and no further."""
    fc.configure(dict(keep, retention={"soft_delete_after": "1s"}))
    fc.reload()
    wait_until(lambda: not fc.list("--state", "finished"), fc.trouble, timeout=120)
    fc.configure(keep)
    fc.reload()


def order(fc, *what):
    answer = fc.ctl(*what)
    assert answer.code == 0, answer


# What is done to a result → which paths it is about, and how it is then.
TREATMENTS = {
    "bin": ("{name}", {"state": "soft-deleted"}),
    "restore": ("{name}", {"state": "finished", "outcome": "succeeded", "attempt": 1}),
    "retry": ("{name}", {"state": "finished", "outcome": "succeeded", "attempt": 2}),
    "purge": ("{id}.gone", {"state": "purged"}),
}


def treat(fc, how, uows, keep):
    ids = [uow["id"] for uow in uows.values()]
    if how == "bin":
        bin_them(fc, keep)
    elif how == "restore":
        order(fc, "restore", *ids)
    else:
        order(fc, how, "--yes", *ids)
    wait_all(fc, list(uows), **TREATMENTS[how][1])
    # The event comes first; the folder follows.
    place = {"bin": fc.bin / "AnalysedFiles", "purge": None}.get(how, fc.analysed)
    there = sorted(name.encode() for name in uows) if place else []

    def in_place():
        everywhere = [name for folder in results(fc) for name in listing(folder)]
        return hidden(fc) == [] and everywhere == there == (listing(place) if place else [])
    wait_until(in_place, fc.trouble)


@pytest.mark.parametrize("kind, errors, every", CALLS, ids=["changes", "looks"])
def test_what_is_done_to_results(elsewhere, faulty, standin, kind, errors, every):
    """The bin is on another file system, so everything is copied there and back."""
    keep = elsewhere("bin")
    fc, found = faulty(keep)
    upload(fc, "probe")
    uows = wait_all(fc, ["probe"], "finished")
    like = tree(fc.analysed / "probe")
    needed = {}
    for how, (text, _) in TREATMENTS.items():
        rule = found.count(text.format(**uows["probe"]), kind)
        treat(fc, how, uows, keep)
        needed[how] = found.seen(rule)
        found.clear()
    print(f"{needed} calls")
    assert min(needed.values()) > 3, needed

    names = [f"uow{i:03}x" for i in range(max(needed.values()) // every)]
    for name in names:
        upload(fc, name)
    uows = {name: uow for name, uow in wait_all(fc, names, "finished").items() if name in names}
    for how, (text, _) in TREATMENTS.items():
        texts = [text.format(**uows[name]) for name in names[:needed[how] // every]]
        rules = arm(found, texts, kind, errors, every)
        treat(fc, how, uows, keep)
        assert_met(found, rules)
        found.clear()
        if how == "restore":
            assert all(tree(fc.analysed / name) == like for name in names)
            assert all(fc.read(name, "data/in") == f"data of {name}\n" for name in names)
    assert len(standin.submissions()) == 2 * (len(names) + 1)
    standin.assert_never_twice()
    assert fc.list() == []
